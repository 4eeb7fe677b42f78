"""Faults at every place in the real drivers: after each nothing is alive, every permit is back, and all was told."""

from __future__ import annotations

import _thread
import asyncio
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from built_programs import Watched, build
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Program, Value, programs, values
from verbs import VERBS

from anabranch.engine.laws import nothing_alive_after, outcome
from anabranch.engine.trace_laws import Recorder, check_facts
from anabranch.nodes import RunnableGenerator, RunnableLambda, RunnablePassthrough
from anabranch.scheduler.ledger import Ledger
from anabranch.scheduler.pools import POOL

ROOT = Path(__file__).parent.parent
some = settings(max_examples=25)


class Fault(Exception):
    """What is injected."""


class Faulty(Watched):
    """Leaves of which the one that is entered as the `at`-th fails."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.entered_so_far = 0

    def rest(self) -> None:
        self._count()

    async def arest(self) -> None:
        self._count()
        await asyncio.sleep(0)

    def _count(self) -> None:
        self.entered_so_far += 1
        if self.entered_so_far == self.at + 1:
            raise Fault


@pytest.fixture(autouse=True)
def every_permit_comes_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made: list[Ledger] = []
    init = Ledger.__init__

    def remembering(self: Ledger, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(Ledger, "__init__", remembering)
    yield

    def unsettled() -> list[dict[str, int]]:
        # A straight call ends with the permit that it began with.
        each = [ledger.statistics() for ledger in made]
        return [counts for counts in each if counts["waiting"] or counts["free"] < counts["limit"] - 1]

    nothing_alive_after(lambda: None, unsettled)  # a thread of the pool may be about to give its permit back


def told_well(recorder: Recorder, watch: Watched) -> None:
    check_facts(recorder.facts)
    nothing_alive_after(lambda: None, watch.left)


@given(programs(max_leaves=6, failing=False), values, st.sampled_from(sorted(VERBS)), st.sampled_from((None, 1, 2)))
@some
def test_a_failure_at_every_place(program: Program, value: Value, verb: str, cap: int | None) -> None:
    for at in range(40):
        watch, recorder = Faulty(at), Recorder()
        config: Any = {"callbacks": [recorder], "channel_capacity": 1} | ({"max_concurrency": cap} if cap else {})
        found = outcome(VERBS[verb], build(program, watch), value, config)
        told_well(recorder, watch)
        if watch.entered_so_far <= at:  # it came to its end before
            assert found.error is None
            return


@given(
    programs(max_leaves=6, failing=False),
    values,
    st.sampled_from((None, 1, 2)),
    st.sampled_from(("ainvoke", "astream")),
)
@some
def test_a_cancellation_at_every_turn_of_the_loop(program: Program, value: Value, cap: int | None, verb: str) -> None:
    async def cancelled_after(turns: int, watch: Watched, recorder: Recorder) -> bool:
        config: Any = {"callbacks": [recorder], "channel_capacity": 1} | ({"max_concurrency": cap} if cap else {})
        runnable = build(program, watch)

        async def consume() -> None:
            if verb == "ainvoke":
                await runnable.ainvoke(value, config)
                return
            async with runnable.astream(value, config) as chunks:
                async for _ in chunks:
                    pass

        task = asyncio.ensure_future(consume())
        for _ in range(turns):
            await asyncio.sleep(0)
        over = task.done()
        task.cancel()
        await asyncio.wait([task])
        assert over or task.cancelled() or task.exception() is None
        return over

    for turns in range(200):
        watch, recorder = Watched(), Recorder()
        over = asyncio.run(cancelled_after(turns, watch, recorder))
        told_well(recorder, watch)
        if over:
            return


@given(programs(max_leaves=6, failing=False), values, st.sampled_from((None, 1, 2)))
@some
def test_a_stream_closed_after_every_chunk(program: Program, value: Value, cap: int | None) -> None:
    bound: Any = {"channel_capacity": 1} | ({"max_concurrency": cap} if cap else {})

    async def atake(count: int, watch: Watched, recorder: Recorder) -> int:
        taken = 0
        async with build(program, watch).astream(value, bound | {"callbacks": [recorder]}) as chunks:
            while taken < count and await anext(chunks, None) is not None:
                taken += 1
        return taken

    def take(count: int, watch: Watched, recorder: Recorder) -> int:
        taken = 0
        with build(program, watch).stream(value, bound | {"callbacks": [recorder]}) as chunks:
            while taken < count and next(chunks, None) is not None:
                taken += 1
        return taken

    for closing in (take, lambda *given: asyncio.run(atake(*given))):
        for count in range(30):
            watch, recorder = Watched(), Recorder()
            taken = closing(count, watch, recorder)
            if recorder.facts:
                told_well(recorder, watch)
            if taken < count:
                break


# Threads that can't be had


@pytest.fixture
def no_thread_is_idle() -> Iterator[None]:
    idle, POOL._idle = POOL._idle, deque()
    yield
    idle.extend(POOL._idle)
    POOL._idle = idle


@pytest.mark.parametrize("verb", sorted(VERBS))
@pytest.mark.parametrize("refused", range(6))
def test_threads_that_cannot_be_started_are_an_error_and_no_hang(
    verb: str, refused: int, no_thread_is_idle: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, asked = _thread.start_new_thread, [0]

    def refusing(*args: Any) -> int:
        asked[0] += 1
        if asked[0] > refused:
            raise RuntimeError("can't start new thread")
        return start(*args)

    def pieces(chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            yield from str(chunk)

    watch = Watched()
    chain: Any = RunnablePassthrough() | {key: RunnableGenerator(pieces) for key in "abc"} | RunnableLambda(str)
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", refusing)
        found = outcome(VERBS[verb], chain, "xyz", {"channel_capacity": 1})
    if found.error is not None:
        assert isinstance(found.error, RuntimeError)
        assert "thread" in str(found.error)
    nothing_alive_after(lambda: None, watch.left)


# The interpreter's own checks


def test_nothing_is_said_by_the_interpreters_development_mode() -> None:
    files = ["test_closing_early.py", "test_stopping.py", "test_failures.py"]
    some = ["-k", "not chunk or 3"]  # one place of each stream to close it at is enough here
    done = subprocess.run(
        [*f"{sys.executable} -X dev -W error -m pytest -q -x -p no:randomly -n 0".split(), *some, *files],
        cwd=ROOT / "tests",
        env={**os.environ, "PYTHONASYNCIODEBUG": "1", "CI": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not done.stderr, done.stderr
