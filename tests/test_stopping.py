"""What stops a run, and what can't be stopped: virtual time, abandoned steps, vectorised steps."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextvars import Token
from typing import Any

import pytest

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
