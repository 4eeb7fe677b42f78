"""What it costs to watch: one listener, event streams, run logs; and that it costs nothing when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

from anabranch.engine.runs import Listener, RunInfo
from anabranch.nodes import BaseCallbackHandler, Runnable, RunnableGenerator
from benchmarks.chains import chained
from benchmarks.measuring import Contender, Effort, awaits, calls, peak_kilobytes, side_by_side
from benchmarks.reporting import Row, limit, ratio

NODES = 100
CHUNKS = 20_000
FEW = 2_000
TAKEN = 100
PACE = 0.001


class Quiet(BaseCallbackHandler):
    """Hears of every start and end of a chain."""

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def on_chain_end(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


class Bare(Listener):
    """Hears of every fact, as the engine tells it."""

    inline = True

    def started(self, run: RunInfo) -> None:
        """Do nothing."""

    def ended(self, run: RunInfo) -> None:
        """Do nothing."""


def one_more(number: int) -> int:
    """A trivial step."""
    return number + 1


def listened(effort: Effort) -> Iterator[Row]:
    """A chain of functions with one listener, of the engine's kind or of LangChain's, against the same without."""
    chain = chained([one_more] * NODES)
    for kind, listener, allowed in (("listener", Bare(), 5.0), ("callback handler", Quiet(), None)):
        config: Any = {"callbacks": [listener]}
        heard, unheard = side_by_side(calls(partial(chain.invoke, 0, config)), calls(lambda: chain.invoke(0)), effort)
        yield limit(
            f"chain of {NODES} functions with one {kind}, a node", heard / NODES, "µs", allowed, unheard / NODES
        )


def of_chunks(count: int) -> Runnable[Any, str]:
    """A source of so many chunks, and a transform."""

    async def source(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        async for _ in chunks:
            pass
        for _ in range(count):
            yield "x"

    async def upper(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            yield chunk.upper()

    return RunnableGenerator(source) | RunnableGenerator(upper)


async def drained(items: AsyncIterator[Any]) -> int:
    """How many there were."""
    number = 0
    async for _ in items:
        number += 1
    return number


class ByHand:
    """The same events, made by hand: each step puts its own into a queue, from which the reader takes them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._ids = [str(uuid4()) for _ in range(3)]

    def event(self, at: int, name: str, chunk: str) -> dict[str, Any]:
        """One event."""
        return {
            "event": "on_chain_stream",
            "data": {"chunk": chunk},
            "name": name,
            "tags": [],
            "run_id": self._ids[at],
            "metadata": {},
            "parent_ids": self._ids[:1] if at else [],
        }

    async def queued(self) -> AsyncIterator[dict[str, Any]]:
        """While the steps run in a task of their own."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(24)

        async def source() -> AsyncIterator[str]:
            for _ in range(self._count):
                await queue.put(self.event(1, "source", "x"))
                yield "x"

        async def upper(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
            async for chunk in chunks:
                made = chunk.upper()
                await queue.put(self.event(2, "upper", made))
                yield made

        async def run() -> None:
            async for chunk in upper(source()):
                await queue.put(self.event(0, "RunnableSequence", chunk))
            await queue.put(None)

        task = asyncio.create_task(run())
        while (event := await queue.get()) is not None:
            yield event
        await task

    async def log(self) -> AsyncIterator[list[dict[str, Any]]]:
        """The patches of a log of the source alone, made while it runs in a task of its own."""
        queue: asyncio.Queue[list[dict[str, Any]] | None] = asyncio.Queue(24)

        async def run() -> None:
            total = ""
            for _ in range(self._count):
                total += "x"
                listed = {"op": "add", "path": "/streamed_output/-", "value": "x"}
                await queue.put([listed, {"op": "replace", "path": "/final_output", "value": total}])
            await queue.put(None)

        task = asyncio.create_task(run())
        while (patch := await queue.get()) is not None:
            yield patch
        await task

    async def inlined(self) -> AsyncIterator[dict[str, Any]]:
        """All in one generator: no steps, and nothing is seen before a step has ended its turn."""
        for _ in range(self._count):
            yield self.event(1, "source", "x")
            chunk = "x".upper()
            yield self.event(2, "upper", chunk)
            yield self.event(0, "RunnableSequence", chunk)


def timed(count: int, items: Callable[[], AsyncIterator[Any]], effort: Effort) -> float:
    """The seconds that one item takes."""
    contender = awaits(lambda: drained(items()))
    return side_by_side(contender, contender, effort, 1)[0] / (3 * count)


def events(effort: Effort) -> Iterator[Row]:
    """Event streams, against hand-written ones; and many chunks against few."""
    count, few = effort.sized(CHUNKS), effort.sized(FEW)
    chain, by_hand = of_chunks(count), ByHand(count)
    work = f"{count:,} chunks, an event of astream_events"

    def against(theirs: Callable[[], AsyncIterator[Any]]) -> tuple[float, float]:
        ours: Callable[[], Awaitable[int]] = lambda: drained(chain.astream_events("i"))  # noqa: E731
        return side_by_side(awaits(ours), awaits(lambda: drained(theirs())), effort, 1)

    yield ratio(f"{work}, to a queue", *against(by_hand.queued), "µs", 2.0, 3 * count)
    yield ratio(f"{work}, to one loop", *against(by_hand.inlined), "µs", None, 3 * count)
    many = timed(count, lambda: chain.astream_events("i"), effort)
    less = timed(few, lambda: of_chunks(few).astream_events("i"), effort)
    yield ratio(f"an event of {count:,} chunks, to one of {few:,}", many, less, "µs", 1.25)


def logs(effort: Effort) -> Iterator[Row]:
    """Run logs, against a hand-written one; and many chunks against few, texts and lists."""
    count, few = effort.sized(CHUNKS // 2), effort.sized(FEW // 2)

    def logging(chunk: Any, number: int) -> Contender:
        async def source(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
            async for _ in chunks:
                pass
            for _ in range(number):
                yield chunk

        chain = RunnableGenerator(source)
        return awaits(lambda: drained(chain.astream_log("i")))

    def seconds(chunk: Any, number: int) -> float:
        contender = logging(chunk, number)
        return side_by_side(contender, contender, effort, 1)[0]

    by_hand = awaits(lambda: drained(ByHand(count).log()))
    yield ratio(
        f"{count:,} texts, a patch of astream_log, to a queue",
        *side_by_side(logging("x", count), by_hand, effort, 1),
        "µs",
        2.0,
        count,
    )
    many, less = seconds("x", count), seconds("x", few)
    yield ratio(f"a patch of {count:,} texts, to one of {few:,}", many / count, less / few, "µs", 1.5)
    many, less = seconds(["x"], count), seconds(["x"], few)
    yield ratio(f"a patch of {count:,} lists, to one of {few:,}", many / count, less / few, "µs", 1.5)
    yield limit(f"run log of {effort.sized(2_000):,} lists", seconds(["x"], effort.sized(2_000)), "ms", 150)


def pace(effort: Effort) -> Iterator[Row]:
    """How far the source runs ahead of a reader who takes 100 events, 1 ms apart, and stops."""
    made = 0

    async def source(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        nonlocal made
        async for _ in chunks:
            pass
        for _ in range(5_000):
            made += 1
            yield "x"

    async def read() -> None:
        stream = RunnableGenerator(source).astream_events("i")
        for _ in range(TAKEN):
            await anext(stream)
            await asyncio.sleep(PACE)
        await stream.aclose()

    asyncio.run(read())
    yield Row(f"chunks made for {TAKEN} events read slowly, more than read", made, TAKEN, "", made - TAKEN, 32, "")


def memory(effort: Effort) -> Iterator[Row]:
    """The peak of memory while events are read, beyond what the outputs themselves take."""

    def peak(count: int) -> float:
        return peak_kilobytes(lambda: asyncio.run(drained(of_chunks(count).astream_events("i"))))

    few, many = peak(FEW), peak(CHUNKS)
    yield ratio(f"memory of the events of {CHUNKS:,} chunks, over {FEW:,}", many, few, "KB", 2.0)
