"""What went through a call is let go when the call is over, without waiting for the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from facts import Told
from verbs import PATIENCE, VERBS

from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough


class Value:
    """Something that can be seen to be gone."""


def same(value: Any) -> Any:
    return value


def passed(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


def last(_: Any) -> str:
    return "done"


CHAINS: dict[str, Runnable[Any, Any]] = {
    "a step": RunnableLambda(same) | last,
    "generators": RunnableGenerator(passed) | last,
    "branches": RunnablePassthrough() | RunnableParallel(a=same, b=same) | last,
    "branches of generators": RunnablePassthrough() | RunnableParallel(a=passed, b=passed) | last,
    "a map": RunnableLambda(lambda value: [value]) | RunnableLambda(same).map() | last,
    "a retry": RunnableLambda(same).with_retry() | last,
    "a returned runnable": RunnableLambda(lambda _: RunnableLambda(same)) | last,
}


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def _read(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    **VERBS,
    "stream_events": lambda chain, value, config: list(chain.stream_events(value, config)),
    "astream_events": lambda chain, value, config: asyncio.run(_read(chain.astream_events(value, config))),
    "astream_log": lambda chain, value, config: asyncio.run(_read(chain.astream_log(value, config))),
}


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("verb", CALLS)
def test_values_are_let_go_when_their_call_is_over(verb: str, heard: bool, no_collection: None) -> None:
    for name, chain in CHAINS.items():
        value = Value()
        kept = weakref.ref(value)
        told = Told()
        CALLS[verb](chain, value, {"callbacks": [told] if heard else []})
        told.facts.clear()
        del value, told
        deadline = time.monotonic() + PATIENCE / 10
        while kept() is not None and time.monotonic() < deadline:
            time.sleep(0)  # a thread of the pool may be about to come to rest
        assert kept() is None, name
