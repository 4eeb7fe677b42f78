"""Streams with branches, read by blocking code: who runs what, which error counts, and what is closed."""

from __future__ import annotations

import _thread
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from facts import Told
from verbs import PATIENCE, VERBS

from anabranch.engine.errors import Stopped
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from anabranch.scheduler.clocks import CLOCK, VirtualClock
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.sites import SITE
from anabranch.scheduler.thread_pumps import ThreadPumps

heard_or_not = pytest.mark.parametrize("heard", [False, True])
in_every_streaming_verb = pytest.mark.parametrize("verb", ["stream", "transform", "astream", "atransform"])


def passed(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


passing: Runnable[Any, Any] = RunnableGenerator(passed)
nothing = RunnableLambda(lambda x: x, name="nothing")


def until_stopped() -> None:
    """Go on until the step around is stopped."""
    while True:
        try:
            nothing.invoke(1)
        except Stopped:
            return


# Who runs what


def test_what_needs_no_other_thread_runs_in_the_reader_s() -> None:
    idents: list[int] = []

    def note(x: Any) -> Any:
        idents.append(_thread.get_ident())
        return x

    def notes(chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            yield note(chunk)

    one: Any = RunnableLambda(note)
    chains: list[Any] = [
        RunnablePassthrough.assign(a=one) | note,
        RunnableParallel(a=one) | note,
        RunnableParallel(a=one) | note | RunnableGenerator(notes),
        RunnablePassthrough.assign(a=one) | RunnablePassthrough.assign(b=one) | note,
    ]
    for chain in chains:
        assert list(chain.stream({"x": 1}))[-1]["a"] is not None
        assert set(idents) == {_thread.get_ident()}
        idents.clear()


def test_two_branches_may_run_at_once_and_the_reader_runs_one_of_them() -> None:
    both, idents = threading.Barrier(2), list[int]()

    def meets(x: Any) -> Any:
        both.wait(PATIENCE)
        idents.append(_thread.get_ident())
        return x

    chain = RunnableParallel(a=meets, b=meets) | RunnableLambda(lambda made: made["a"] + made["b"])
    assert list(chain.stream(1)) == [2]
    assert _thread.get_ident() in idents
    assert len(set(idents)) == 2


# Errors


@in_every_streaming_verb
@heard_or_not
@pytest.mark.parametrize("place", ["in a line", "in a branch", "after branches"])
def test_functions_that_return_each_other_for_ever_are_named_all_along_the_way(
    verb: str, heard: bool, place: str
) -> None:
    def again(_: Any) -> Any:
        return made()

    def made() -> Runnable[Any, Any]:
        if place == "in a branch":
            return RunnableParallel(a=again, b=nothing) | passing
        return (nothing if place == "in a line" else RunnableParallel(a=nothing, b=nothing)) | again

    config = {"recursion_limit": 3, "callbacks": [Told()] if heard else []}
    with pytest.raises(RecursionError, match="4 deep") as caught:
        VERBS[verb](made(), 1, config)
    way = "RunnableSequence > RunnableParallel<a,b> > again" if place == "in a branch" else "RunnableSequence > again"
    assert " > ".join([way] * 4) in str(caught.value)


class Deadline:
    """Virtual time in which a timeout comes when a test says so."""

    def __init__(self) -> None:
        self.clock = VirtualClock()

    def pass_by(self) -> None:
        assert self.clock.jump()


@pytest.fixture
def deadline() -> Iterator[Deadline]:
    made = Deadline()
    token = CLOCK.set(made.clock)
    yield made
    CLOCK.reset(token)


@pytest.mark.parametrize("key", ["a", "b"])
def test_a_timeout_counts_before_what_fails_because_of_it(key: str, deadline: Deadline) -> None:
    went: list[str] = []

    def late(chunks: Iterator[Any]) -> Iterator[Any]:
        yield from chunks
        deadline.pass_by()
        until_stopped()
        went.append("late")
        raise ValueError(key)

    branches: dict[str, Any] = {"a": passing, "b": passing} | {key: late}
    for chain in (RunnableParallel(branches), RunnableParallel(branches) | passing):
        with pytest.raises(TimeoutError, match="the run took longer than its timeout"):
            list(chain.stream("x", {"timeout": 5.0}))
    assert went == ["late"] * 2
    assert deadline.clock.now() in (5.0, 10.0)
    assert not deadline.clock.jump()


def test_the_timer_of_a_stream_that_is_over_is_cancelled(deadline: Deadline) -> None:
    chain = RunnableParallel(a=passing, b=passing) | passing
    assert len(list(chain.stream("x", {"timeout": 5.0}))) == 2
    with chain.stream("x", {"timeout": 5.0}) as chunks:
        next(chunks)
    assert not deadline.clock.jump()


# Threads that can't be had


def waits_in(function: Callable[..., Any], ident: int) -> bool:
    """Whether a thread stands in a function, or in what that calls."""
    frame = sys._current_frames().get(ident)
    while frame is not None and frame.f_code is not function.__code__:
        frame = frame.f_back
    return frame is not None


@pytest.mark.parametrize("reader_waits", [True, False])
def test_a_branch_that_gets_no_thread_fails_the_stream_whether_its_reader_waits_or_not(
    reader_waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, reader, asked = _thread.start_new_thread, _thread.get_ident(), [0]

    def only_one(*args: Any) -> int:
        asked[0] += 1
        if asked[0] > 1:
            raise RuntimeError("can't start new thread")
        return start(*args)

    def fails(_: Any) -> Any:
        raise ConnectionError

    patient = RunnableLambda(fails).with_retry(exponential_jitter_params={"initial": 3600, "max": 3600})

    def branch(chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            if not reader_waits:
                yield chunk
        while reader_waits and not waits_in(ThreadPumps.wait, reader):
            pass
        if reader_waits:
            patient.invoke(1)  # meanwhile the permit goes to the other branch, for which there is no thread

    idle = POOL._idle
    chain = RunnableParallel(a=branch, b=branch)
    with monkeypatch.context() as patch:
        patch.setattr(POOL, "_idle", deque())
        patch.setattr(_thread, "start_new_thread", only_one)
        chunks = chain.stream("x", {"max_concurrency": 1})
        if not reader_waits:
            assert next(chunks).keys() <= {"a", "b"}
            while asked[0] < 2:
                pass
        with pytest.raises(RuntimeError, match="can't start new thread"):
            list(chunks)
        while POOL.statistics()["busy"]:
            pass
    assert POOL._idle is idle


# Closing


class Own:
    """An iterator of somebody's own."""

    closed = 0

    def __iter__(self) -> Own:
        return self

    def __next__(self) -> str:
        return "x"

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("chain", [passing, passing | {"a": passing, "b": passing}], ids=["straight", "branches"])
def test_an_input_is_closed_that_nobody_read_because_of_a_stop(chain: Any) -> None:
    own = Own()

    def opens(_: Any) -> None:
        site = SITE.get()
        assert site is not None
        chunks = chain.transform(own)
        site.stop()
        with pytest.raises(Stopped):
            next(chunks)
        assert own.closed
        assert not site._hooks

    with pytest.raises(Stopped):
        RunnablePassthrough().pipe(opens).pipe(nothing).invoke(1)
    assert own.closed


@pytest.mark.parametrize("place", ["first", "a branch", "last"])
@heard_or_not
def test_an_error_while_a_stream_is_closed_comes_out_wherever_it_is(place: str, heard: bool) -> None:
    closed: list[str] = []

    def endless(_: Any) -> Iterator[str]:
        while True:
            yield "chunk"

    def step(at: str) -> Runnable[Any, Any]:
        def breaks(chunks: Iterator[Any]) -> Iterator[Any]:
            try:
                yield from chunks
            finally:
                closed.append(at)
                if at == place:
                    raise ValueError(at)

        return RunnableGenerator(breaks)

    chain = RunnableLambda(endless) | step("first") | {"a": step("a branch"), "b": passing} | step("last")
    chunks = chain.stream(1, {"channel_capacity": 1, "callbacks": [Told()] if heard else []})
    assert next(chunk for chunk in chunks if "a" in chunk)
    with pytest.raises(ValueError, match=place):
        chunks.close()
    assert sorted(closed) == ["a branch", "first", "last"]


def test_a_channel_holds_16_chunks_unless_the_config_says_otherwise() -> None:
    def endless(_: Any) -> Iterator[str]:
        while True:
            yield "chunk"

    chain = RunnableLambda(endless) | {"a": passing, "b": passing}
    cases: list[tuple[Any, int]] = [({}, 16), ({"channel_capacity": 3}, 3)]
    for config, capacity in cases:
        with chain.stream(1, config) as chunks:
            next(chunks)
            seen = 0
            while seen < capacity:
                seen = chunks.statistics()["output"]["waiting"]
            assert seen == capacity
            list(zip(range(10), chunks, strict=False))
            assert chunks.statistics()["output"]["waiting"] <= capacity


@heard_or_not
def test_chunks_are_kept_for_another_attempt_only_until_the_first_comes_out(heard: bool) -> None:
    def source(_: Any) -> Iterator[str]:
        yield from "abcd"

    retried = RunnableGenerator(passed).with_retry()
    for chain in (RunnableLambda(source) | retried, RunnableLambda(source) | {"k": retried, "l": passing}):
        chunks: Any = chain.stream(1, {"channel_capacity": 1, "callbacks": [Told()] if heard else []})
        assert not any(counts["held"] for counts in chunks.statistics().values())
        list(chunks)
        assert sum(counts["held"] for counts in chunks.statistics().values()) == 1
