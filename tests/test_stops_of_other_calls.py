"""A step that raises what a stop or a cancellation raises, while nobody has stopped its call, has failed like any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from verbs import ASYNC_VERBS, VERBS, in_every_async_verb, in_every_verb

from anabranch.engine.errors import Stopped
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough


def stopped(_: Any) -> Any:
    raise Stopped("of another call")


def stopped_later(chunks: Iterator[Any]) -> Iterator[Any]:
    yield next(chunks)
    raise Stopped("of another call")


async def cancelled(_: Any) -> Any:
    raise asyncio.CancelledError("of another task")


async def cancelled_later(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        yield chunk
    raise asyncio.CancelledError("of another task")


def tail(step: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return RunnableParallel(a=RunnablePassthrough(), b=RunnablePassthrough()) | step


def branch(step: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return RunnableParallel(a=step, b=RunnablePassthrough())


def branch_before_more(step: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return RunnableParallel(a=step, b=RunnablePassthrough()) | RunnableLambda(str)


def source(step: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return step | RunnableParallel(a=RunnablePassthrough(), b=RunnablePassthrough())


PLACES: list[Callable[[Runnable[Any, Any]], Runnable[Any, Any]]] = [tail, branch, branch_before_more, source]
at_each_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)


@in_every_verb
@at_each_place
@pytest.mark.parametrize("step", [RunnableLambda(stopped), RunnableGenerator(stopped_later)], ids=["value", "chunks"])
def test_the_stop_of_another_call_comes_out(place: Any, step: Runnable[Any, Any], verb: str) -> None:
    with pytest.raises(Stopped, match="of another call"):
        VERBS[verb](place(step), 1)


@in_every_async_verb
@at_each_place
@pytest.mark.parametrize(
    "step", [RunnableLambda(cancelled), RunnableGenerator(cancelled_later)], ids=["value", "chunks"]
)
def test_the_cancellation_of_another_task_comes_out(place: Any, step: Runnable[Any, Any], verb: str) -> None:
    with pytest.raises(asyncio.CancelledError):
        ASYNC_VERBS[verb](place(step), 1)
