"""What stops a run, and what can't be stopped: virtual time, abandoned steps, vectorised steps."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from contextvars import Token
from operator import itemgetter
from typing import Any

import pytest

from anabranch.engine.errors import Stopped
from anabranch.nodes import Runnable, RunnableLambda, RunnableParallel, fold
from anabranch.scheduler.clocks import CLOCK, Clock, VirtualClock


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """Virtual time for the blocking driver."""
    virtual = VirtualClock()
    token: Token[Clock] = CLOCK.set(virtual)
    yield virtual
    CLOCK.reset(token)


class Flaky:
    """Fails a number of times."""

    def __init__(self, failures: int) -> None:
        self.left = failures

    def __call__(self, value: Any) -> Any:
        if self.left:
            self.left -= 1
            raise ValueError("not yet")
        return value


def test_retries_wait_longer_each_time_and_hold_no_thread(clock: VirtualClock) -> None:
    step = RunnableLambda(Flaky(3)).with_retry(
        stop_after_attempt=4, exponential_jitter_params={"initial": 10, "jitter": 0}
    )
    assert step.invoke("x") == "x"
    assert clock.now() == 10 + 20 + 40


def test_a_stream_waits_in_virtual_time_too(clock: VirtualClock) -> None:
    step = RunnableLambda(Flaky(2)).with_retry(exponential_jitter_params={"initial": 5, "jitter": 0})
    assert fold(step.stream("x")) == "x"
    assert clock.now() == 5 + 10


def test_a_timeout_ends_a_wait(clock: VirtualClock) -> None:
    step = RunnableLambda(Flaky(9)).with_retry(
        stop_after_attempt=9, exponential_jitter_params={"initial": 100, "max": 1000, "jitter": 0}
    )
    with pytest.raises(TimeoutError):
        step.invoke("x", {"timeout": 250})
    assert clock.now() == 250


def test_waits_of_a_batch_overlap(clock: VirtualClock) -> None:
    steps = {name: Flaky(1) for name in "abc"}
    step = RunnableLambda(lambda name: steps[name](name)).with_retry(
        exponential_jitter_params={"initial": 7, "jitter": 0}
    )
    assert step.batch(["a", "b", "c"], {"max_concurrency": 1}) == ["a", "b", "c"]
    assert clock.now() == 7


def test_an_abandoned_step_lets_the_call_go_and_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    inside, let_go = threading.Event(), threading.Event()

    def stuck(value: Any) -> Any:
        inside.set()
        let_go.wait(10)
        return value

    handle = RunnableLambda(stuck, abandon=True, name="stuck").start(1)
    assert inside.wait(10)
    with caplog.at_level(logging.WARNING, logger="anabranch"):
        assert handle.cancel()
        with pytest.raises(BaseException, match="cancelled"):
            handle.result(10)
    let_go.set()
    assert "'stuck' was abandoned" in caplog.text


def test_an_abandoned_step_gives_its_result_and_its_error_like_any_other() -> None:
    assert RunnableLambda(lambda x: x + 1, abandon=True).invoke(1) == 2
    assert asyncio.run(RunnableLambda(lambda x: x + 1, abandon=True).ainvoke(1)) == 2
    with pytest.raises(ZeroDivisionError):
        RunnableLambda(lambda x: x / 0, abandon=True).invoke(1)


class Vector(Runnable[int, int]):
    """Doubles many at once, and notes how many."""

    def __init__(self, fails_on: int | None = None) -> None:
        self.sizes: list[int] = []
        self.fails_on = fails_on

    def invoke(self, input: int, config: Any = None, **kwargs: Any) -> int:
        if input == self.fails_on:
            raise ValueError(input)
        return 2 * input

    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> list[int]:
        self.sizes.append(len(inputs))
        if self.fails_on in inputs:
            raise ValueError("some of these")
        return [2 * value for value in inputs]


def test_a_vectorised_step_gets_all_inputs_that_wait() -> None:
    vector = Vector()
    chain = RunnableLambda(lambda x: x + 1, blocking=False) | vector | RunnableLambda(lambda x: x + 1)
    assert chain.batch(list(range(10)), {"max_concurrency": 1}) == [2 * (x + 1) + 1 for x in range(10)]
    assert vector.sizes == [10]
    assert asyncio.run(chain.abatch(list(range(10)))) == [2 * (x + 1) + 1 for x in range(10)]
    assert vector.sizes == [10, 10]


def test_a_failed_vector_is_repeated_item_by_item_so_that_only_the_guilty_one_fails() -> None:
    chain = RunnableLambda(lambda x: x) | Vector(fails_on=3)
    results = chain.batch([1, 2, 3, 4], {"max_concurrency": 1}, return_exceptions=True)
    assert [result if isinstance(result, int) else type(result) for result in results] == [2, 4, ValueError, 8]


class Short(Vector):
    """Gives one output too few when it gets many."""

    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> list[int]:
        return super().batch(inputs)[1:]


def test_so_is_one_that_gives_another_number_of_outputs() -> None:
    for vector in (Short(), Vector(fails_on=3)):
        chain = RunnableLambda(lambda x: x, blocking=False) | vector
        assert chain.batch([1, 2, 4], {"max_concurrency": 1}) == [2, 4, 8]
        assert asyncio.run(chain.abatch([1, 2, 4])) == [2, 4, 8]
        assert vector.sizes == [3, 3]
        if vector.fails_on:
            results: list[Any] = asyncio.run(chain.abatch([1, 2, 3, 4], return_exceptions=True))
            assert [each if isinstance(each, int) else type(each) for each in results] == [2, 4, ValueError, 8]


class Pairs:
    """A function that goes on when two are inside it; counts how many ever were."""

    def __init__(self) -> None:
        self.most = self._inside = 0
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(2)

    def enter(self, value: Any) -> Any:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        self._barrier.wait(10)
        with self._lock:
            self._inside -= 1
        return value


def test_the_smallest_cap_counts_given_or_bound() -> None:
    pairs = Pairs()
    branches = RunnableParallel({key: RunnableLambda(pairs.enter) for key in "abcd"})
    capped = branches.with_config(max_concurrency=2)
    capped.invoke(1)
    (RunnableLambda(lambda x: x) | capped).invoke(1, {"max_concurrency": 4})
    assert pairs.most == 2


def test_a_nested_call_may_have_a_cap_where_the_outer_has_none() -> None:
    pairs = Pairs()
    leaf = RunnableLambda(pairs.enter)
    outer = {"a": RunnableLambda(lambda _: leaf.batch([1, 2, 3, 4], {"max_concurrency": 2}))} | RunnableLambda(len)
    assert outer.invoke(0) == 1
    assert pairs.most == 2


# After the stop


def stopped_inside(act: Callable[[Any], Any]) -> list[Any]:
    """What comes of something that a step does after its call was stopped."""
    started = threading.Event()
    seen: list[Any] = []

    def step(x: Any) -> None:
        assert started.wait(10)
        handle.cancel()
        try:
            seen.append(act(x))
        except BaseException as error:
            seen.append(type(error))
            raise

    handle = RunnableLambda(step).start("x")
    started.set()
    with pytest.raises(CancelledError):
        handle.result(10)
    return seen


def letters(_: Any) -> Iterator[str]:
    yield from "abc"


STRAIGHT, FORKED = RunnableLambda(letters), RunnableLambda(letters) | {"a": str, "b": str}
INNER = [STRAIGHT, FORKED]


@pytest.mark.parametrize("inner", INNER)
def test_a_step_can_call_nothing_more(inner: Runnable[Any, Any]) -> None:
    ran: list[Any] = []
    chain = RunnableLambda(ran.append) | inner
    assert stopped_inside(chain.invoke) == [Stopped]
    assert stopped_inside(lambda x: chain.batch([x, x])) == [Stopped]
    assert stopped_inside(lambda x: list(chain.stream(x))) == [Stopped]
    assert stopped_inside(lambda x: list(chain.batch_as_completed([x, x]))) == [Stopped]
    assert ran == []


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("pulled", [0, 1])
def test_nor_go_on_with_a_stream_that_it_has_opened(inner: Runnable[Any, Any], pulled: int) -> None:
    started = threading.Event()
    seen: list[Any] = []

    def step(x: Any) -> None:
        with inner.stream(x) as chunks:
            assert started.wait(10)
            seen.extend([next(chunks) for _ in range(pulled)])
            handle.cancel()
            seen.extend(chunks)

    handle = RunnableLambda(step).start("x")
    started.set()
    with pytest.raises(CancelledError):
        handle.result(10)
    made_before = seen[pulled:]
    assert len(made_before) <= (pulled and inner is FORKED)


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("pulled", [0, 1])
def test_nor_on_a_loop_where_it_swallows_the_cancellation(inner: Runnable[Any, Any], pulled: int) -> None:
    seen: list[Any] = []
    inside: list[asyncio.Event] = []

    async def step(x: Any) -> None:
        async with inner.astream(x) as chunks:
            seen.extend([await anext(chunks) for _ in range(pulled)])
            try:
                inside[0].set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
            try:
                seen.append(await inner.ainvoke(x))
            except Stopped:
                seen.append("stopped")
            async for chunk in chunks:
                seen.append(chunk)  # noqa: PERF401

    async def main() -> None:
        inside.append(asyncio.Event())
        task = asyncio.create_task(_ainvoked(RunnableParallel(a=step, b=lambda x: x)))
        await inside[0].wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    *_, cancelled, stopped = seen[: pulled + 2]
    assert (cancelled, stopped) == ("cancelled", "stopped")
    made_before = seen[pulled + 2 :]
    assert len(made_before) <= (pulled and inner is FORKED)


async def _ainvoked(runnable: Runnable[Any, Any]) -> Any:
    return await runnable.ainvoke("x")


def test_no_later_step_runs_where_one_swallows_its_cancellation() -> None:
    went: list[str] = []

    async def fails_or_swallows(x: str) -> str:
        went.append(x)
        if x == "fails":
            raise ZeroDivisionError
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            went.append("swallowed")
        return x

    async def later(x: str) -> None:
        went.append("later")

    chain = RunnableLambda(fails_or_swallows) | later

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await chain.abatch(["waits", "fails"])
        assert went == ["waits", "fails", "swallowed"]
        went.clear()
        branches = RunnableParallel(a=lambda _: "waits", b=lambda _: "fails")
        with pytest.raises(ZeroDivisionError):
            await (branches | {"x": itemgetter("a") | chain, "y": itemgetter("b") | chain}).ainvoke("x")
        assert "later" not in went

    asyncio.run(main())


def test_a_generator_that_swallows_its_cancellation_ends_at_its_next_chunk() -> None:
    closed: list[str] = []

    async def stubborn(_: AsyncIterator[Any]) -> AsyncIterator[str]:
        try:
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
                yield "chunk"
        finally:
            closed.append("stubborn")

    async def fails(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        async for chunk in chunks:
            yield chunk
        for _ in range(3):
            await asyncio.sleep(0)
        raise ZeroDivisionError

    async def main() -> None:
        async for _ in RunnableParallel(a=stubborn, b=fails).astream("x"):
            pass

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert closed == ["stubborn"]


def test_an_endless_generator_that_is_folded_ends_at_its_next_chunk() -> None:
    inside, closed = threading.Event(), []

    def endless(_: Any) -> Iterator[str]:
        try:
            while True:
                inside.set()
                yield ""
        finally:
            closed.append("endless")

    handle = RunnableLambda(endless).start("x")
    assert inside.wait(10)
    assert handle.cancel()
    with pytest.raises(CancelledError):
        handle.result(10)
    assert closed == ["endless"]


def test_an_awaitable_that_is_closed_closes_what_it_awaits() -> None:
    went: list[str] = []

    async def step(x: Any) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            went.append("closed")

    async def main() -> None:
        coroutine: Any = _ainvoked(RunnableLambda(step) | step)
        coroutine.send(None)
        coroutine.close()
        assert went == ["closed"]

    asyncio.run(main())
