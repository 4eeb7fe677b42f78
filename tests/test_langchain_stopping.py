"""Cancelling a call, or closing a stream early, stops what runs inside LangChain's objects and ours inside its."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from anabranch.nodes import RunnableGenerator, RunnableLambda, RunnablePassthrough, StrOutputParser, to_langchain

pytest.importorskip("langchain_core", reason='needs langchain-core: pip install "anabranch[langchain]"')
from langchain_core import runnables as theirs
from langchain_objects import Endless, Traces


async def some_turns() -> None:
    """Let the loop close what was left to it."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_closing_a_stream_closes_the_generator_of_their_model() -> None:
    model = Endless(closed=[], invoked=[])
    with (RunnablePassthrough() | model | StrOutputParser()).stream("q") as chunks:
        assert next(iter(chunks)) == "on "
    assert model.closed == ["stream"]


def test_closing_an_asynchronous_stream_closes_it_when_the_loop_next_runs() -> None:
    async def main() -> list[str]:
        model = Endless(closed=[], invoked=[])
        async with (RunnablePassthrough() | model | StrOutputParser()).astream("q") as chunks:
            assert await anext(aiter(chunks)) == "on "
        await some_turns()
        return model.closed

    assert asyncio.run(main()) == ["astream"]


def test_cancelling_a_call_cancels_what_it_awaits_inside() -> None:
    states: list[str] = []

    async def main() -> None:
        begun = asyncio.Event()

        async def wait(x: Any) -> Any:
            states.append("started")
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                states.append("cancelled")
                raise

        chain = RunnablePassthrough() | theirs.RunnableLambda(wait)
        task = asyncio.ensure_future(chain.ainvoke(1))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert states == ["started", "cancelled"]


def test_a_timeout_reaches_inside() -> None:
    states: list[str] = []

    async def wait(x: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            states.append("over")

    with pytest.raises(TimeoutError):
        asyncio.run((RunnablePassthrough() | theirs.RunnableLambda(wait)).ainvoke(1, {"timeout": 0.01}))
    assert states == ["over"]


def test_closing_a_stream_of_langchains_closes_our_generator() -> None:
    states: list[str] = []

    def count(chunks: Iterator[Any]) -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            states.append("closed")

    made = to_langchain(RunnableGenerator(count))
    chunks = made.stream("q")
    assert next(chunks) == 1
    chunks.close()
    assert states == ["closed"]


def test_closing_an_asynchronous_stream_of_langchains_closes_our_generator() -> None:
    states: list[str] = []

    async def count(chunks: AsyncIterator[Any]) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            states.append("closed")

    async def main() -> None:
        chunks = to_langchain(RunnableGenerator(count)).astream("q")
        assert await anext(chunks) == 1
        await chunks.aclose()
        await some_turns()

    asyncio.run(main())
    assert states == ["closed"]


def test_a_run_of_langchains_that_is_cancelled_has_its_end() -> None:
    async def main() -> list[Any]:
        traces, begun = Traces(), asyncio.Event()

        async def wait(x: Any) -> Any:
            begun.set()
            await asyncio.Event().wait()

        made = to_langchain(RunnablePassthrough() | RunnableLambda(wait))
        task = asyncio.ensure_future(made.ainvoke(1, {"callbacks": [traces]}))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return traces.roots

    (root,) = asyncio.run(main())
    assert all(run.end_time is not None for run in (root, *root.child_runs))
