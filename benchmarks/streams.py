"""Chunks through a chain of generators: what a hop costs, how soon the first comes, what memory it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from time import perf_counter

from anabranch.nodes import Runnable, RunnableGenerator
from benchmarks.measuring import Contender, Effort, awaits, calls, expect_same, peak_kilobytes, side_by_side
from benchmarks.reporting import Row, limit, ratio

CHUNKS = 20_000
FEW = 2_000
HOPS = 3
FIRSTS = 20
CHUNK = "word "

Stream = Generator[str, None, None]
AsyncStream = AsyncGenerator[str, None]


def source(numbers: Iterable[int]) -> Stream:
    """As many chunks as the number that comes in."""
    for number in numbers:
        for _ in range(number):
            yield CHUNK


def transform(chunks: Iterable[str]) -> Stream:
    """The chunks that are not empty."""
    for chunk in chunks:
        if chunk:
            yield chunk


async def asource(numbers: AsyncIterator[int]) -> AsyncStream:
    """As many chunks as the number that comes in."""
    async for number in numbers:
        for _ in range(number):
            yield CHUNK


async def atransform(chunks: AsyncIterator[str]) -> AsyncStream:
    """The chunks that are not empty."""
    async for chunk in chunks:
        if chunk:
            yield chunk


def composed() -> tuple[Runnable[int, str], Runnable[int, str]]:
    """The source and its transforms, blocking and async."""
    chain: Runnable[int, str] = RunnableGenerator(source)
    async_chain: Runnable[int, str] = RunnableGenerator(asource)
    for _ in range(HOPS):
        chain = chain | RunnableGenerator(transform)
        async_chain = async_chain | RunnableGenerator(atransform)
    return chain, async_chain


def by_hand(number: int) -> Stream:
    """Generators in generators."""
    chunks = source([number])
    for _ in range(HOPS):
        chunks = transform(chunks)
    return chunks


def async_by_hand(number: int) -> AsyncStream:
    """Async generators in async generators."""

    async def numbers() -> AsyncIterator[int]:
        yield number

    chunks = asource(numbers())
    for _ in range(HOPS):
        chunks = atransform(chunks)
    return chunks


def drain(chunks: Iterable[str]) -> int:
    """Take every chunk and keep none."""
    return sum(1 for _ in chunks)


async def adrain(chunks: AsyncIterator[str]) -> int:
    """Take every chunk and keep none."""
    count = 0
    async for _ in chunks:
        count += 1
    return count


def hops(effort: Effort) -> Iterator[Row]:
    """Chunks through transforms, against generators in generators."""
    chain, async_chain = composed()
    count = effort.sized(CHUNKS)
    expect_same(drain(chain.stream(count)), drain(by_hand(count)))
    expect_same(asyncio.run(adrain(async_chain.astream(count))), asyncio.run(adrain(async_by_hand(count))))
    times = side_by_side(calls(lambda: drain(chain.stream(count))), calls(lambda: drain(by_hand(count))), effort, 1)
    async_times = side_by_side(
        awaits(lambda: adrain(async_chain.astream(count))),
        awaits(lambda: adrain(async_by_hand(count))),
        effort,
        1,
    )
    work = f"{count:,} chunks through {HOPS} transforms"
    yield ratio(f"{work}, stream, a chunk and hop", *times, "µs", 2.0, count * HOPS)
    yield ratio(f"{work}, astream, a chunk and hop", *async_times, "µs", 2.0, count * HOPS)


def firsts(stream: Callable[[int], Stream]) -> Contender:
    """A contender that asks for a stream and its first chunk; closing doesn't count."""

    def take(number: int) -> float:
        seconds = 0.0
        for _ in range(number):
            start = perf_counter()
            chunks = stream(CHUNKS)
            next(chunks)
            seconds += perf_counter() - start
            chunks.close()
        return seconds

    return take


def afirsts(stream: Callable[[int], AsyncStream]) -> Contender:
    """The same of an async stream."""

    async def take(number: int) -> float:
        seconds = 0.0
        for _ in range(number):
            start = perf_counter()
            chunks = stream(CHUNKS)
            await anext(chunks)
            seconds += perf_counter() - start
            await chunks.aclose()
        return seconds

    return lambda number: asyncio.run(take(number))


def first_chunk(effort: Effort) -> Iterator[Row]:
    """The time from asking for a stream to its first chunk."""
    chain, async_chain = composed()
    ours, theirs = side_by_side(firsts(chain.stream), firsts(by_hand), effort, FIRSTS)
    yield limit("first chunk, stream", ours, "µs", 300, theirs)
    ours, theirs = side_by_side(afirsts(async_chain.astream), afirsts(async_by_hand), effort, FIRSTS)
    yield limit("first chunk, astream", ours, "µs", 300, theirs)


def memory(effort: Effort) -> Iterator[Row]:
    """The peak of memory while many chunks flow, over that of a tenth as many: it must not grow."""
    chain, async_chain = composed()

    def peak(count: int) -> float:
        return peak_kilobytes(lambda: drain(chain.stream(count)))

    def apeak(count: int) -> float:
        return peak_kilobytes(lambda: asyncio.run(adrain(async_chain.astream(count))))

    work = f"memory of {CHUNKS:,} chunks over that of {FEW:,}"
    yield ratio(f"{work}, stream", peak(CHUNKS), peak(FEW), "KB", 1.25)
    yield ratio(f"{work}, astream", apeak(CHUNKS), apeak(FEW), "KB", 1.25)
