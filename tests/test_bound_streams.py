"""Config that is bound to one step of a stream reaches what that step calls, and nothing that another step calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from facts import STREAMS, Told
from verbs import VERBS

from anabranch.nodes import (
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

heard_or_not = pytest.mark.parametrize("heard", [False, True])
in_both_streams = pytest.mark.parametrize("verb", STREAMS)


class Seen:
    """Steps that call another, which notes the tags that it inherited."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, list[str]]] = []

    def ask(self, name: str) -> None:
        RunnableLambda(self._note).invoke(name)

    async def aask(self, name: str) -> None:
        await RunnableLambda(self._anote).ainvoke(name)

    def _note(self, name: str, config: RunnableConfig) -> None:
        self.notes.append((name, config["tags"]))

    async def _anote(self, name: str, config: RunnableConfig) -> None:
        self.notes.append((name, config["tags"]))

    def source(self, _: Any) -> Iterator[str]:
        self.ask("source")
        yield "a"
        self.ask("source")
        yield "b"
        self.ask("source")

    async def asource(self, _: Any) -> AsyncIterator[str]:
        await self.aask("source")
        yield "a"
        await self.aask("source")
        yield "b"
        await self.aask("source")

    def generator(self, name: str) -> Runnable[Any, Any]:
        def step(chunks: Iterator[Any]) -> Iterator[Any]:
            for chunk in chunks:
                self.ask(name)
                yield chunk
            self.ask(name)

        async def astep(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
            async for chunk in chunks:
                await self.aask(name)
                yield chunk
            await self.aask(name)

        return RunnableGenerator(step, astep)


@heard_or_not
@in_both_streams
def test_each_step_hands_down_what_is_bound_to_it(verb: str, heard: bool) -> None:
    seen = Seen()
    chain = (
        RunnableLambda(seen.source)
        | seen.generator("first").with_config(tags=["1"])
        | seen.generator("plain")
        | seen.generator("second").with_config(tags=["2"])
        | seen.generator("last")
    )
    VERBS[verb](chain, "x", {"callbacks": [Told()] if heard else []})
    round_ = [("first", ["1"]), ("plain", []), ("second", ["2"]), ("last", [])]
    assert seen.notes == [("source", []), *round_, ("source", []), *round_, ("source", []), *round_]


@heard_or_not
@in_both_streams
def test_so_does_a_whole_part_of_a_chain(verb: str, heard: bool) -> None:
    seen = Seen()
    part = (seen.generator("one") | seen.generator("two").with_config(tags=["2"])).with_config(tags=["part"])
    VERBS[verb](
        RunnableLambda(seen.source) | part | seen.generator("last"), "x", {"callbacks": [Told()] if heard else []}
    )
    assert {name: sorted(tags) for name, tags in seen.notes} == {
        "source": [],
        "one": ["part"],
        "two": ["2", "part"],
        "last": [],
    }


@heard_or_not
@in_both_streams
def test_a_bound_retry_hands_it_to_its_step_and_to_none_before_or_after_it(verb: str, heard: bool) -> None:
    seen = Seen()
    tried = seen.generator("tried")
    for attempt in (tried, tried | RunnablePassthrough(), RunnableParallel(a=tried, b=tried)):
        for last in (attempt.with_retry(), attempt.with_fallbacks([tried]), attempt.with_config(timeout=600)):
            seen.notes.clear()
            chain = (
                RunnableLambda(seen.source)
                | seen.generator("plain")
                | seen.generator("before").with_config(tags=["before"])
                | last.with_config(tags=["retry"])
                | seen.generator("last")
            )
            VERBS[verb](chain, "x", {"callbacks": [Told()] if heard else []})
            expected = {"source": [], "plain": [], "before": ["before"], "tried": ["retry"], "last": []}
            assert {name for name, _ in seen.notes} == {*expected}
            assert [(name, tags) for name, tags in seen.notes if tags != expected[name]] == []


@heard_or_not
def test_asynchronous_steps_hand_it_down_too(heard: bool) -> None:
    seen = Seen()
    chain = RunnableLambda(seen.asource) | seen.generator("first").with_config(tags=["1"]) | seen.generator("last")

    async def main() -> None:
        async for _ in chain.astream("x", {"callbacks": [Told()] if heard else []}):
            pass

    asyncio.run(main())
    round_ = [("first", ["1"]), ("last", [])]
    assert seen.notes == [("source", []), *round_, ("source", []), *round_, ("source", []), *round_]


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_a_stream_of_a_bound_step_may_be_closed(verb: str) -> None:
    closed: list[str] = []

    def step(name: str) -> Runnable[Any, Any]:
        def passes(chunks: Iterator[Any]) -> Iterator[Any]:
            try:
                for chunk in chunks:
                    yield f"{chunk}"
            finally:
                closed.append(name)

        return RunnableGenerator(passes).with_config(tags=[name])

    chain = RunnableLambda(Seen().source) | step("one") | step("two")

    async def main() -> None:
        async with chain.astream("x") as chunks:
            assert await anext(chunks) == "a"

    if verb == "stream":
        with chain.stream("x") as chunks:
            assert next(chunks) == "a"
    else:
        asyncio.run(main())
    assert closed == ["two", "one"]
