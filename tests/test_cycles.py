"""What a call made is gone with it: no object waits for the garbage collector, unless an error holds its traceback."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from anabranch.nodes import Runnable, RunnableConfig, RunnableLambda


def cycles_of(call: Callable[[], object]) -> int:
    """How many objects a call leaves behind that only the garbage collector finds."""
    call()
    gc.collect()
    gc.disable()
    try:
        call()
        return gc.collect()
    finally:
        gc.enable()


def half(x: int) -> float:
    return x / 2


CHAIN: Runnable[int, Any] = RunnableLambda(half) | {"a": RunnableLambda(half), "b": RunnableLambda(half)}


async def awaited(call: Awaitable[object]) -> object:
    return await call


CAPPED: RunnableConfig = {"max_concurrency": 1}
CALLS: dict[str, Callable[[], object]] = {
    "invoke": lambda: CHAIN.invoke(1),
    "batch": lambda: CHAIN.batch([1, 2, 3]),
    "batch with a cap": lambda: CHAIN.batch([1, 2, 3], CAPPED),
    "batch_as_completed": lambda: list(CHAIN.batch_as_completed([1, 2, 3])),
    "batch_as_completed, closed": lambda: next(CHAIN.batch_as_completed([1, 2, 3], CAPPED)),
    "stream": lambda: list(CHAIN.stream(1)),
    "ainvoke": lambda: asyncio.run(awaited(CHAIN.ainvoke(1))),
    "abatch": lambda: asyncio.run(awaited(CHAIN.abatch([1, 2, 3], CAPPED))),
}


@pytest.mark.parametrize("verb", CALLS)
def test_no_work_is_left_for_the_garbage_collector(verb: str) -> None:
    assert cycles_of(CALLS[verb]) == 0
