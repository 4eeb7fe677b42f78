"""What the streaming verbs return: iterators that are generators too, know how their chunks combine, and close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from operator import itemgetter
from typing import Any

import pytest
from facts import Told
from verbs import aiterate

from anabranch.engine.chunks import Algebra, afold, fold
from anabranch.nodes import (
    JsonOutputParser,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    RunnablePick,
)
from anabranch.scheduler.chunk_streams import AsyncChunkStream, ChunkStream, held_in

CHAINS = ["straight", "branches"]
heard_or_not = pytest.mark.parametrize("heard", [False, True])


class Letters:
    """A chain that streams letters, and whether it is open."""

    def __init__(self, form: str = "straight") -> None:
        self.begun = self.closed = 0
        step: Runnable[Any, Any] = RunnableGenerator(self._chunks, self._achunks)
        self.chain = step if form == "straight" else step | {"a": RunnablePassthrough()}
        self.wanted: list[Any] = list("abc") if form == "straight" else [{"a": letter} for letter in "abc"]

    def _chunks(self, source: Iterator[Any]) -> Iterator[str]:
        self.begun += 1
        try:
            for _ in source:
                yield from "abc"
        finally:
            self.closed += 1

    async def _achunks(self, source: AsyncIterator[Any]) -> AsyncIterator[str]:
        self.begun += 1
        try:
            async for _ in source:
                for letter in "abc":
                    yield letter
        finally:
            self.closed += 1


def leave_by_an_error(stream: Any) -> None:
    with stream as opened:
        next(opened)
        raise KeyError


async def aleave_by_an_error(stream: Any) -> None:
    async with stream as opened:
        await anext(opened)
        raise KeyError


@heard_or_not
@pytest.mark.parametrize("form", CHAINS)
def test_a_stream_is_read_like_any_generator(form: str, heard: bool) -> None:
    letters = Letters(form)
    config: Any = {"callbacks": [Told()] if heard else []}
    opening: list[Callable[[], Any]] = [
        lambda: letters.chain.stream("x", config),
        lambda: letters.chain.transform(iter("x"), config),
    ]
    for open_stream in opening:
        letters.begun = letters.closed = 0
        stream = open_stream()
        assert isinstance(stream, ChunkStream)
        assert isinstance(stream, Generator)
        assert letters.begun == 0, "nothing runs before the first chunk is asked for"
        assert next(stream) == letters.wanted[0]
        assert stream.send(None) == letters.wanted[1]
        assert list(stream) == letters.wanted[2:]
        assert next(stream, "no more") == "no more"
        stream = open_stream()
        with stream as opened:
            assert opened is stream
            assert next(opened) == letters.wanted[0]
        assert (letters.begun, letters.closed) == (2, 2)
        stream = open_stream()
        next(stream)
        stream.close()
        assert (letters.begun, letters.closed) == (3, 3)
        stream = open_stream()
        next(stream)
        with pytest.raises(KeyError, match="mine"):
            stream.throw(KeyError("mine"))
        assert (letters.begun, letters.closed) == (4, 4)
        with pytest.raises(KeyError):
            leave_by_an_error(open_stream())
        assert (letters.begun, letters.closed) == (5, 5)


@heard_or_not
@pytest.mark.parametrize("form", CHAINS)
def test_an_asynchronous_one_too(form: str, heard: bool) -> None:
    letters = Letters(form)
    config: Any = {"callbacks": [Told()] if heard else []}

    async def main(transforms: bool) -> None:
        def opened() -> Any:
            return letters.chain.atransform(aiterate("x"), config) if transforms else letters.chain.astream("x", config)

        letters.begun = letters.closed = 0
        stream = opened()
        assert isinstance(stream, AsyncChunkStream)
        assert isinstance(stream, AsyncGenerator)
        assert letters.begun == 0
        assert await anext(stream) == letters.wanted[0]
        assert await stream.asend(None) == letters.wanted[1]
        assert [chunk async for chunk in stream] == letters.wanted[2:]
        assert await anext(stream, "no more") == "no more"
        stream = opened()
        async with stream as entered:
            assert entered is stream
            assert await anext(entered) == letters.wanted[0]
        assert (letters.begun, letters.closed) == (2, 2)
        stream = opened()
        await anext(stream)
        await stream.aclose()
        assert (letters.begun, letters.closed) == (3, 3)
        stream = opened()
        await anext(stream)
        with pytest.raises(KeyError, match="mine"):
            await stream.athrow(KeyError("mine"))
        assert (letters.begun, letters.closed) == (4, 4)
        with pytest.raises(KeyError):
            await aleave_by_an_error(opened())
        assert (letters.begun, letters.closed) == (5, 5)

    for transforms in (False, True):
        asyncio.run(main(transforms))


@heard_or_not
def test_a_stream_knows_how_its_chunks_combine(heard: bool) -> None:
    def texts(_: Any) -> Iterator[str]:
        yield from ("[1", ", 2", "]")

    config: Any = {"callbacks": [Told()] if heard else []}
    plain = RunnableLambda(texts)
    parsed = plain | JsonOutputParser()
    for chain, algebra, whole in (
        (plain, None, "[1, 2]"),
        (parsed, Algebra.SNAPSHOTS, [1, 2]),
        (RunnablePassthrough() | {"a": parsed} | RunnableLambda(itemgetter("a")) | plain, None, "[1, 2]"),
        (RunnablePassthrough() | {"a": plain} | RunnablePick("a") | JsonOutputParser(), Algebra.SNAPSHOTS, [1, 2]),
    ):
        assert chain.stream(0, config).algebra is algebra
        assert chain.transform(iter("x"), config).algebra is algebra  # type: ignore[attr-defined]
        assert fold(chain.stream(0, config)) == whole

        async def main(chain: Any = chain, algebra: Any = algebra, whole: Any = whole) -> None:
            assert chain.astream(0, config).algebra is algebra
            assert await afold(chain.astream(0, config)) == whole

        asyncio.run(main())


def test_what_open_segments_hold_is_told_by_step() -> None:
    class Holds:
        def __init__(self, **counts: int) -> None:
            self.counts = counts

        def statistics(self) -> dict[str, Any]:
            return {name: {"waiting": 0, "held": held} for name, held in self.counts.items()}

    assert held_in([]) == {}
    assert held_in([Holds(a=1, b=2), Holds(), Holds(c=3)]) == {
        "a": {"waiting": 0, "held": 1},
        "b": {"waiting": 0, "held": 2},
        "c": {"waiting": 0, "held": 3},
    }
