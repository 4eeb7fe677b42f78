"""A step fails, or the caller cancels, times out or stops reading: the right error comes, and nothing is left.

`watched` leaves count who is inside. After each call nobody is, no task and no async generator is left
(`conftest.py` sees to these), and the same runnable can be called again.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

import pytest
from built_programs import Watch, build
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Expected, Injected, Program, Value, expected, programs, values

from anabranch.engine.laws import Occupancy, nothing_alive_after, outcome
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from anabranch.scheduler.pools import POOL

PATIENCE = 20.0


class Boom(Exception):
    """A step's own error."""


class Watched(Watch):
    """Counts who is inside; asynchronous leaves go once around the loop, or twice."""

    def __init__(self) -> None:
        self.occupancy = Occupancy()

    def inside(self) -> Occupancy:
        return self.occupancy

    async def arest(self) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def left(self) -> list[object]:
        """What is alive."""
        busy = POOL.statistics()["busy"]
        inside = self.occupancy.inside
        return ([f"{busy} busy threads"] if busy else []) + ([f"{inside} leaves"] if inside else [])


def fail(_: Any) -> Any:
    raise Boom("fail")


async def afail(_: Any) -> Any:
    raise Boom("fail")


async def alist(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


def awaited(call: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await call()

    return asyncio.run(main())


VERBS: dict[str, Callable[[Runnable[Any, Any], Any], Any]] = {
    "invoke": lambda made, x: made.invoke(x),
    "batch": lambda made, x: made.batch([x]),
    "batch_as_completed": lambda made, x: list(made.batch_as_completed([x])),
    "stream": lambda made, x: list(made.stream(x)),
    "transform": lambda made, x: list(made.transform(iter([x]))),
    "start": lambda made, x: made.start(x).result(PATIENCE),
    "ainvoke": lambda made, x: awaited(lambda: made.ainvoke(x)),
    "abatch": lambda made, x: awaited(lambda: made.abatch([x])),
    "abatch_as_completed": lambda made, x: awaited(lambda: alist(made.abatch_as_completed([x]))),
    "astream": lambda made, x: awaited(lambda: alist(made.astream(x))),
}
in_every_verb = pytest.mark.parametrize("verb", VERBS)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so, which may be brought about by another thread."""
    for _ in itertools.takewhile(lambda _: not condition(), itertools.count()):
        await asyncio.sleep(0)


# Errors


@in_every_verb
@pytest.mark.parametrize("step", [fail, afail])
def test_the_error_is_the_step_s_own_with_a_note_of_step_place_and_run(verb: str, step: Callable[[Any], Any]) -> None:
    error = Boom("the very one")

    def raising(_: Any) -> Any:
        raise error

    async def araising(_: Any) -> Any:
        raise error

    named = RunnableLambda(raising if step is fail else araising, name="breaker")
    chain = RunnableLambda(str) | RunnableParallel(one=named, two=RunnablePassthrough()) | str
    with pytest.raises(Boom) as caught:
        VERBS[verb](chain, 1)
    assert caught.value is error
    (note,) = error.__notes__
    assert "breaker" in note
    assert "RunnableSequence > RunnableParallel<one,two> > breaker" in note
    assert "run" in note


@in_every_verb
def test_the_note_of_a_nested_failure_names_the_whole_way(verb: str) -> None:
    inner = RunnableLambda(fail, name="innermost")
    chain = RunnableLambda(lambda x: [x]) | inner.map()
    with pytest.raises(Boom) as caught:
        VERBS[verb](chain, 1)
    assert any("innermost" in note and "RunnableEach" in note for note in caught.value.__notes__)


def failing_together(slots: list[str], order: list[str]) -> tuple[Runnable[Any, Any], Runnable[Any, Any]]:
    """Branches that all run when the first one fails, and fail in some order: blocking and asynchronous."""
    together = threading.Barrier(len(slots))
    gates = {slot: threading.Event() for slot in slots}
    following = dict(itertools.pairwise(order))
    meeting: list[asyncio.Barrier] = []

    def branch(slot: str) -> Callable[[Any], Any]:
        def run(_: Any) -> Any:
            together.wait(PATIENCE)
            if slot != order[0]:
                assert gates[slot].wait(PATIENCE)
            if slot in following:
                gates[following[slot]].set()
            raise Boom(slot)

        return run

    def abranch(slot: str) -> Callable[[Any], Any]:
        async def run(_: Any) -> Any:
            if not meeting:
                meeting.append(asyncio.Barrier(len(slots)))
            with suppress(asyncio.CancelledError):
                await meeting[0].wait()
                for _turn in range(order.index(slot)):
                    await asyncio.sleep(0)
            raise Boom(slot)

        return run

    return (
        RunnableParallel({slot: RunnableLambda(branch(slot)) for slot in slots}),
        RunnableParallel({slot: RunnableLambda(abranch(slot)) for slot in slots}),
    )


@given(order=st.permutations(["a", "b", "c"]))
@settings(max_examples=12)
@pytest.mark.parametrize("verb", ["invoke", "ainvoke"])
def test_of_several_that_fail_at_once_the_first_in_the_plan_counts(verb: str, order: list[str]) -> None:
    blocking, asynchronous = failing_together(["a", "b", "c"], order)
    for chain in (blocking, asynchronous):
        with pytest.raises(Boom) as caught:
            VERBS[verb](chain, 1)
        assert caught.value.args == ("a",)


@in_every_verb
def test_after_a_failure_no_further_step_starts(verb: str) -> None:
    started: list[str] = []
    failed = threading.Event()

    def waits(x: Any) -> Any:
        assert failed.wait(PATIENCE)
        return x

    def fails(x: Any) -> Any:
        failed.set()
        raise Boom

    chain = {"a": RunnableLambda(waits) | started.append, "b": fails} | RunnableLambda(started.append)
    with pytest.raises(Boom):
        VERBS[verb](chain, "x")
    assert "x" not in started or started == ["x"]  # `a` may have gone on before the failure was told
    assert len(started) <= 1


def test_async_siblings_of_a_failure_are_cancelled_and_awaited() -> None:
    went: list[str] = []

    async def forever(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            went.append("cleaned up")

    with pytest.raises(Boom):
        awaited(lambda: RunnableParallel(a=forever, b=forever, c=afail).ainvoke(1))
    assert went == ["cleaned up"] * 2


def test_blocking_siblings_of_a_failure_are_awaited() -> None:
    inside, ended = threading.Event(), []

    def slow(x: Any) -> Any:
        inside.set()
        threading.Event().wait(0.01)
        ended.append(x)

    def fails(_: Any) -> Any:
        assert inside.wait(PATIENCE)
        raise Boom

    for verb in ("invoke", "ainvoke", "stream", "astream"):
        inside.clear()
        with pytest.raises(Boom):
            VERBS[verb](RunnableParallel(a=slow, b=fails), verb)
    assert ended == ["invoke", "ainvoke", "stream", "astream"]


@given(programs(max_leaves=10), values)
@settings(max_examples=60)
@in_every_verb
def test_nothing_is_left_of_a_random_program_whatever_comes_of_it(verb: str, program: Program, value: Value) -> None:
    watch = Watched()
    runnable = build(program, watch)
    for _ in range(2):
        result = nothing_alive_after(lambda: VERBS[verb](runnable, value), watch.left)
        assert isinstance(result.error, Injected | None), repr(result.error)


def test_return_exceptions_keeps_what_is_no_mere_exception_out_of_the_results() -> None:
    def odd(x: int) -> int:
        if x == 1:
            raise Boom
        if x == 2:
            raise KeyboardInterrupt
        return x

    kept = RunnableLambda(odd).batch([0, 1, 3], return_exceptions=True)
    assert kept[0] == 0
    assert kept[2] == 3
    assert isinstance(kept[1], Boom)
    with pytest.raises(KeyboardInterrupt):
        RunnableLambda(odd).batch([0, 1, 2, 3], return_exceptions=True)


# Cancellation


@given(programs(max_leaves=6), values, st.integers(0, 40))
@settings(max_examples=250)
def test_a_task_may_be_cancelled_at_any_point(program: Program, value: Value, turns: int) -> None:
    watch = Watched()
    runnable = build(program, watch)
    asyncio.run(_cancelled_after(turns, lambda: runnable.ainvoke(value)))
    assert nothing_alive_after(lambda: None, watch.left)
    runs_right(program, value, runnable)


@given(programs(max_leaves=6), values, st.integers(0, 40))
@settings(max_examples=150)
def test_a_task_that_reads_a_stream_may_be_cancelled_at_any_point(program: Program, value: Value, turns: int) -> None:
    watch = Watched()
    runnable = build(program, watch)

    async def read() -> list[Any]:
        async with runnable.astream(value) as chunks:  # type: ignore[attr-defined]
            return [chunk async for chunk in chunks]

    asyncio.run(_cancelled_after(turns, read))
    assert nothing_alive_after(lambda: None, watch.left)
    runs_right(program, value, runnable)


async def _cancelled_after(turns: int, call: Callable[[], Awaitable[Any]]) -> None:
    async def main() -> Any:
        return await call()

    task = asyncio.create_task(main())
    for _ in range(turns):
        await asyncio.sleep(0)
    cancelled = task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        assert cancelled
    except Injected:
        pass


def runs_right(program: Program, value: Value, runnable: Runnable[Any, Any]) -> None:
    """A second call does what the program says."""
    wanted: Expected = expected(program, value)
    found = outcome(runnable.invoke, value)
    if found.error is None:
        assert not wanted.errors
        assert found.value == wanted.value
    else:
        assert found.error.args[0] in wanted.errors


def test_a_cancelled_call_raises_only_when_blocking_code_has_ended() -> None:
    inside, may_end, ended = threading.Event(), threading.Event(), []

    def slow(_: Any) -> None:
        inside.set()
        assert may_end.wait(PATIENCE)
        ended.append("slow")

    async def main() -> None:
        task = asyncio.create_task(_of(RunnableLambda(slow) | ended.append))
        await until(inside.is_set)
        task.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended == ["slow"]


async def _of(runnable: Runnable[Any, Any]) -> Any:
    return await runnable.ainvoke(1)


# Handles


def test_a_handle_stops_a_run_and_later_steps_never_start() -> None:
    inside, may_end, later = threading.Event(), threading.Event(), []

    def slow(x: Any) -> Any:
        inside.set()
        assert may_end.wait(PATIENCE)
        return x

    handle = (RunnableLambda(slow) | later.append).start(1)
    assert inside.wait(PATIENCE)
    assert not handle.done()
    with pytest.raises(TimeoutError):
        handle.result(timeout=0)
    assert handle.cancel()
    may_end.set()
    with pytest.raises(CancelledError):
        handle.result(PATIENCE)
    assert handle.done()
    assert not handle.cancel()
    assert later == []


def test_a_handle_that_is_cancelled_at_once_runs_nothing_more() -> None:
    for _ in range(200):
        gate, ran = threading.Event(), []
        handle = (RunnableLambda(lambda x, gate=gate: gate.wait(PATIENCE)) | ran.append).start(1)
        assert handle.cancel()
        gate.set()
        with pytest.raises(CancelledError):
            handle.result(PATIENCE)
        assert ran == []


def test_a_handle_stops_what_is_asynchronous_only() -> None:
    inside, went = threading.Event(), []

    async def forever(_: Any) -> None:
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            went.append("cleaned up")

    handle = RunnableParallel(a=forever, b=RunnablePassthrough()).start(1)
    assert inside.wait(PATIENCE)
    assert handle.cancel()
    with pytest.raises(CancelledError):
        handle.result(PATIENCE)
    assert went == ["cleaned up"]


@given(programs(max_leaves=6), values, st.integers(0, 3))
@settings(max_examples=100)
def test_a_handle_may_be_cancelled_at_any_moment(program: Program, value: Value, moment: int) -> None:
    watch = Watched()
    runnable = build(program, watch)
    handle = runnable.start(value)
    for _ in range(moment):
        threading.Event().wait(0.0001)
    cancelled = handle.cancel()
    result = outcome(handle.result, PATIENCE)
    assert not isinstance(result.error, TimeoutError)
    assert cancelled or not isinstance(result.error, CancelledError)
    nothing_alive_after(lambda: None, watch.left)
    runs_right(program, value, runnable)


def test_a_generator_is_closed_when_its_call_is_cancelled() -> None:
    watch = Watched()

    async def endless(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        with watch.inside():
            while True:
                yield 1
                await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.create_task(_of(RunnableGenerator(endless)))
        await until(lambda: watch.occupancy.inside > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert watch.left() == []

    asyncio.run(main())


def test_a_stream_that_raises_has_closed_every_generator_first() -> None:
    watch = Watched()

    def source(_: Any) -> Iterator[str]:
        with watch.inside():
            yield from "abc"

    def breaks(chunks: Iterator[str]) -> Iterator[str]:
        with watch.inside():
            for chunk in chunks:
                yield chunk
                raise Boom

    chain = RunnableLambda(source) | {"a": breaks, "b": RunnableGenerator(breaks) | str, "c": source}
    for verb in ("stream", "astream", "invoke", "ainvoke"):
        with pytest.raises(Boom) as kept:
            VERBS[verb](chain, 1)
        assert watch.left() == [] or nothing_alive_after(lambda: None, watch.left)
        assert kept.value is not None
