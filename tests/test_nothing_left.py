"""The caller cancels, times out or stops reading, at any point: nothing is left, and a second call works.

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
from verbs import ASYNC_VERBS, PATIENCE, SYNC_VERBS, VERBS, awaited, in_every_async_verb, in_every_verb, until

from anabranch.engine.laws import nothing_alive_after, outcome
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from anabranch.scheduler.clocks import CLOCK, VirtualClock


@given(programs(max_leaves=10), values)
@settings(max_examples=60)
@in_every_verb
def test_nothing_is_left_of_a_random_program_whatever_comes_of_it(verb: str, program: Program, value: Value) -> None:
    watch = Watched()
    runnable = build(program, watch)
    for _ in range(2):
        result = nothing_alive_after(lambda: VERBS[verb](runnable, value), watch.left)
        assert isinstance(result.error, Injected | None), repr(result.error)


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


# Closing early

CHAINS: dict[str, Callable[[Watched], Runnable[Any, Any]]] = {
    "a straight run": lambda watch: source(watch) | passing(watch) | passing(watch),
    "asynchronous": lambda watch: asource(watch) | apassing(watch) | apassing(watch),
    "mixed": lambda watch: source(watch) | apassing(watch) | passing(watch) | apassing(watch),
    "a fork": lambda watch: source(watch) | {"a": passing(watch), "b": apassing(watch), "c": len},
    "an assign": lambda watch: {"a": source(watch)} | RunnablePassthrough.assign(b=lambda d: d["a"], c=source(watch)),
    "a retry and a fallback": lambda watch: (
        source(watch) | passing(watch).with_retry() | apassing(watch).with_fallbacks([passing(watch)])
    ),
    "a returned runnable": lambda watch: RunnableLambda(lambda _: source(watch) | passing(watch)),
    "a bound timeout": lambda watch: (source(watch) | passing(watch)).with_config({"timeout": 600}),
}
LENGTH = 6


def source(watch: Watched) -> Runnable[Any, Any]:
    def chunks(_: Any) -> Iterator[str]:
        with watch.inside():
            yield from "abcdef"

    return RunnableLambda(chunks)


def asource(watch: Watched) -> Runnable[Any, Any]:
    async def chunks(_: Any) -> AsyncIterator[str]:
        with watch.inside():
            for char in "abcdef":
                yield char

    return RunnableLambda(chunks)


def passing(watch: Watched) -> Runnable[Any, Any]:
    def pass_on(chunks: Iterator[Any]) -> Iterator[Any]:
        with watch.inside():
            yield from chunks

    return RunnableGenerator(pass_on)


def apassing(watch: Watched) -> Runnable[Any, Any]:
    async def pass_on(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        with watch.inside():
            async for chunk in chunks:
                await asyncio.sleep(0)
                yield chunk

    return RunnableGenerator(pass_on)


at_each_chunk = pytest.mark.parametrize("count", range(LENGTH + 1))
in_each_chain = pytest.mark.parametrize("chain", CHAINS)


@at_each_chunk
@in_each_chain
@pytest.mark.parametrize("way", ["close", "with", "throw"])
def test_a_stream_may_be_closed_after_any_chunk(chain: str, count: int, way: str) -> None:
    watch = Watched()
    runnable = CHAINS[chain](watch)
    chunks = runnable.stream("x", {"channel_capacity": 1})
    for _ in range(count):
        next(chunks, None)
    if way == "close":
        chunks.close()
    elif way == "with":
        with chunks:  # type: ignore[attr-defined]
            pass
    else:
        with pytest.raises((ZeroDivisionError, StopIteration)):
            chunks.throw(ZeroDivisionError())
    assert watch.occupancy.inside == 0, "a generator is open when the close has returned"
    nothing_alive_after(lambda: None, watch.left)
    assert next(chunks, "no more") == "no more"
    assert runnable.invoke("x") == runnable.invoke("x")


@at_each_chunk
@in_each_chain
def test_an_async_stream_may_be_closed_after_any_chunk(chain: str, count: int) -> None:
    watch = Watched()
    runnable = CHAINS[chain](watch)

    async def main() -> None:
        chunks = runnable.astream("x", {"channel_capacity": 1})
        for _ in range(count):
            await anext(chunks, None)
        await chunks.aclose()
        assert watch.occupancy.inside == 0, "a generator is open when the close has returned"
        assert await anext(chunks, "no more") == "no more"

    asyncio.run(main())
    nothing_alive_after(lambda: None, watch.left)


@at_each_chunk
def test_the_source_of_a_transform_is_closed_with_its_stream(count: int) -> None:
    watch = Watched()

    def given() -> Iterator[str]:
        with watch.inside():
            yield from "abcdef"

    chunks = (passing(watch) | {"a": passing(watch), "b": apassing(watch)}).transform(given())
    for _ in range(count):
        next(chunks)
    chunks.close()
    assert watch.occupancy.inside == 0


def test_upstream_is_not_drained_by_a_close() -> None:
    made: list[int] = []

    def endless(_: Any) -> Iterator[int]:
        while True:
            made.append(1)
            yield 1

    with (RunnableLambda(endless) | {"a": RunnablePassthrough(), "b": RunnablePassthrough()}).stream(0) as chunks:  # type: ignore[attr-defined]
        next(chunks)
    assert len(made) < 200


@pytest.mark.parametrize("count", range(5))
def test_a_batch_as_completed_may_be_closed_after_any_result(count: int) -> None:
    watch = Watched()
    runnable = source(watch) | {"a": passing(watch), "b": apassing(watch)} | str
    results = runnable.batch_as_completed(["x"] * 5, {"max_concurrency": 2})
    for _ in range(count):
        next(results)
    results.close()
    nothing_alive_after(lambda: None, watch.left)

    async def main() -> None:
        later = runnable.abatch_as_completed(["x"] * 5, {"max_concurrency": 2})
        for _ in range(count):
            await anext(later)
        await later.aclose()
        assert watch.occupancy.inside == 0

    asyncio.run(main())
    nothing_alive_after(lambda: None, watch.left)
    assert len(runnable.batch(["x"] * 3)) == 3


def test_closing_a_batch_as_completed_starts_no_further_input() -> None:
    began: list[int] = []
    results = RunnableLambda(began.append).batch_as_completed(list(range(1000)), {"max_concurrency": 1})
    next(results)
    results.close()
    assert len(began) < 10


# Timeouts


async def forever(_: Any) -> None:
    await asyncio.Event().wait()


@in_every_async_verb
def test_a_timeout_ends_what_waits_on_the_loop(verb: str) -> None:
    for chain in (
        RunnableLambda(forever),
        RunnableParallel(a=forever, b=RunnablePassthrough()) | str,
        RunnableLambda(forever).with_retry() | str,
        RunnableLambda(lambda _: RunnableLambda(forever)),
    ):
        with pytest.raises(TimeoutError):
            ASYNC_VERBS[verb](chain, 1, {"timeout": 0.001})


@in_every_verb
def test_a_timeout_ends_what_waits_on_the_portal(verb: str) -> None:
    for chain in (RunnableLambda(forever), RunnableParallel(a=forever, b=RunnablePassthrough()) | str):
        with pytest.raises(TimeoutError):
            VERBS[verb](chain, 1, {"timeout": 0.001})


@pytest.mark.parametrize("verb", [verb for verb in SYNC_VERBS if verb != "start"])
def test_after_a_timeout_no_step_starts_and_blocking_code_is_awaited(verb: str) -> None:
    clock, went = VirtualClock(), []

    def slow(x: Any) -> Any:
        clock.jump()
        went.append("slow")
        return x

    def never(x: Any) -> Any:
        went.append("never")

    token = CLOCK.set(clock)
    try:
        with pytest.raises(TimeoutError):
            SYNC_VERBS[verb]({"a": RunnableLambda(slow)} | RunnableLambda(never), 1, {"timeout": 5.0})
    finally:
        CLOCK.reset(token)
    assert went == ["slow"]


@in_every_verb
def test_a_timeout_bound_to_a_part_is_that_part_s_and_may_be_handled(verb: str) -> None:
    part = RunnableLambda(forever).with_config({"timeout": 0.001})
    handled = part.with_fallbacks([RunnableLambda(lambda _: "handled")])
    assert "handled" in repr(VERBS[verb]({"a": handled} | RunnableLambda(str), 1))


@in_every_verb
def test_a_wait_before_a_retry_ends_with_the_timeout(verb: str) -> None:
    tries: list[int] = []

    def fails(x: Any) -> Any:
        tries.append(1)
        raise ValueError

    patient = RunnableLambda(fails).with_retry(
        exponential_jitter_params={"initial": 3600, "max": 3600}, stop_after_attempt=3
    )
    with pytest.raises(TimeoutError):
        VERBS[verb](patient, 1, {"timeout": 0.01})
    assert tries == [1]


def test_a_stream_times_out_between_chunks_too() -> None:
    async def stalls(_: Any) -> AsyncIterator[str]:
        yield "first"
        await asyncio.Event().wait()

    async def main() -> list[str]:
        seen = []
        with pytest.raises(TimeoutError):
            async for chunk in RunnableLambda(stalls).astream(1, {"timeout": 0.01}):
                seen.append(chunk)  # noqa: PERF401
        return seen

    assert asyncio.run(main()) == ["first"]
