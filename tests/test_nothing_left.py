"""The caller cancels a task or a handle, at any point: nothing is left, and a second call works.

Watched leaves count who is inside. `conftest.py` sees that no task and no async generator is left either.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest
from built_programs import Watched, build
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Expected, Injected, Program, Value, expected, programs, values
from verbs import PATIENCE, VERBS, until

from anabranch.engine.laws import nothing_alive_after, outcome
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from anabranch.scheduler.hopping import loop_ledger


@given(programs(max_leaves=10), values)
@settings(max_examples=30)
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_left_of_a_random_program_whatever_comes_of_it(verb: str, program: Program, value: Value) -> None:
    watch = Watched()
    runnable = build(program, watch)
    for _ in range(2):
        result = nothing_alive_after(lambda: VERBS[verb](runnable, value), watch.left)
        assert isinstance(result.error, Injected | None), repr(result.error)


# Cancellation


@given(programs(max_leaves=6), values, st.integers(0, 40))
@settings(max_examples=60)
def test_a_task_may_be_cancelled_at_any_point(program: Program, value: Value, turns: int) -> None:
    watch = Watched()
    runnable = build(program, watch)
    asyncio.run(_cancelled_after(turns, lambda: runnable.ainvoke(value)))
    assert nothing_alive_after(lambda: None, watch.left)
    runs_right(program, value, runnable)


@given(programs(max_leaves=6), values, st.integers(0, 40))
@settings(max_examples=50)
def test_a_task_that_reads_a_stream_may_be_cancelled_at_any_point(program: Program, value: Value, turns: int) -> None:
    watch = Watched()
    runnable = build(program, watch)

    async def read() -> list[Any]:
        async with runnable.astream(value) as chunks:
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


def test_a_blocking_generator_is_closed_when_the_cancellation_finds_it_waiting_for_a_permit() -> None:
    watch = Watched()
    asked, may_go_on = asyncio.Event(), asyncio.Event()

    async def source(_: Any) -> AsyncIterator[Any]:
        asked.set()
        await may_go_on.wait()
        yield "chunk"

    def blocking(chunks: Iterator[Any]) -> Iterator[Any]:
        with watch.inside():
            yield from chunks

    async def read() -> list[Any]:
        async with (RunnableLambda(source) | RunnableGenerator(blocking)).astream(1) as chunks:
            return [chunk async for chunk in chunks]

    async def main() -> None:
        task = asyncio.create_task(read())
        await asked.wait()
        ledger = loop_ledger(asyncio.get_running_loop())
        taken = 0
        while ledger.statistics()["free"]:
            taken += ledger.try_acquire()
        may_go_on.set()
        await until(lambda: ledger.statistics()["waiting"] > 0)
        task.cancel()
        await asyncio.sleep(0)
        for _ in range(taken):
            ledger.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert watch.left() == []
        assert ledger.statistics()["free"] == ledger.limit

    asyncio.run(main())


@pytest.mark.parametrize("swallows", [False, True])
def test_a_cancellation_comes_out_where_a_blocking_generator_waits_for_a_chunk(swallows: bool) -> None:
    asked = asyncio.Event()

    async def source(_: Any) -> AsyncIterator[Any]:
        asked.set()
        await asyncio.Event().wait()
        yield "chunk"

    def blocking(chunks: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from chunks
        except BaseException:
            if not swallows:
                raise

    async def read() -> list[Any]:
        async with (RunnableLambda(source) | RunnableGenerator(blocking)).astream(1) as chunks:
            return [chunk async for chunk in chunks]

    async def main() -> None:
        task = asyncio.create_task(read())
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_stream_that_is_cancelled_twice_waits_for_what_it_has_started_all_the_same() -> None:
    inside, closing, may_close = asyncio.Event(), asyncio.Event(), asyncio.Event()
    went: list[str] = []

    async def stubborn(_: Any) -> None:
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            closing.set()
            await may_close.wait()
            went.append("closed")

    async def read() -> list[Any]:
        chain = RunnableParallel(a=stubborn, b=RunnablePassthrough())
        async with chain.astream(1, {"max_concurrency": 1}) as chunks:
            return [chunk async for chunk in chunks]

    async def main() -> None:
        task = asyncio.create_task(read())
        await inside.wait()
        task.cancel()
        await closing.wait()
        task.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        may_close.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert went == ["closed"]

    asyncio.run(main())


def test_a_cancelled_call_raises_only_when_blocking_code_has_ended() -> None:
    inside, may_end = threading.Event(), threading.Event()
    ended: list[Any] = []

    def slow(_: Any) -> None:
        inside.set()
        assert may_end.wait(PATIENCE)
        ended.append("slow")

    async def main() -> None:
        task = asyncio.create_task(_of(RunnableLambda(slow).pipe(ended.append)))
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
    inside, may_end = threading.Event(), threading.Event()
    later: list[Any] = []

    def slow(x: Any) -> Any:
        inside.set()
        assert may_end.wait(PATIENCE)
        return x

    handle = RunnableLambda(slow).pipe(later.append).start(1)
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
        gate = threading.Event()
        ran: list[Any] = []
        handle = RunnableLambda(lambda _, gate=gate: gate.wait(PATIENCE)).pipe(ran.append).start(1)
        assert handle.cancel()
        gate.set()
        with pytest.raises(CancelledError):
            handle.result(PATIENCE)
        assert ran == []


def test_what_is_asynchronous_only_never_begins_in_a_stream_that_was_stopped(caplog: pytest.LogCaptureFixture) -> None:
    started = threading.Event()
    went: list[str] = []

    async def source(_: Any) -> AsyncIterator[str]:
        went.append("source")
        yield "chunk"

    def stops(chunks: Iterator[str]) -> Iterator[str]:
        assert started.wait(PATIENCE)
        handle.cancel()
        yield from chunks

    chain = RunnableLambda(source) | RunnableGenerator(stops)
    handle = RunnableLambda(lambda x: list(chain.stream(x))).start("x")
    started.set()
    with pytest.raises(CancelledError):
        handle.result(PATIENCE)
    assert went == []
    assert caplog.records == []


def test_a_handle_stops_what_is_asynchronous_only() -> None:
    inside = threading.Event()
    went: list[str] = []

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
@settings(max_examples=60)
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


def test_no_permit_is_lost_when_the_nested_calls_of_one_step_overlap() -> None:
    inner = RunnableLambda(lambda x: x, blocking=False)

    async def outer(x: int) -> int:
        return sum(await asyncio.gather(*(inner.ainvoke(x) for _ in range(2))))

    chain = RunnableLambda(outer).map().map()
    for _ in range(300):
        assert chain.invoke([[1, 2, 3], [4, 5, 6]]) == [[2, 4, 6], [8, 10, 12]]
