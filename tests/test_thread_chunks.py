"""Blocking chunks for asynchronous code: one at a time, the input on its own side, closed on both."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from doubling import WHOLE, Noting
from verbs import PATIENCE, aiterate, alist, until

from anabranch.engine.errors import Stopped
from anabranch.scheduler.closing import AClosing
from anabranch.scheduler.ledger import Ledger
from anabranch.scheduler.thread_bridges import _ThreadLink, thread_chunks

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


async def threaded(
    open_chunks: Callable[[Iterator[Any]], Iterator[Any]],
    source: AsyncIterator[Any],
    ledger: Ledger | None = None,
    context: contextvars.Context | None = None,
) -> Any:
    """The source is closed by whoever opened it, as by the driver."""
    chunks = thread_chunks(open_chunks, source, context or contextvars.copy_context(), ledger, 0)
    async with AClosing([source, chunks]):
        async for chunk in chunks:
            yield chunk


def test_asynchronous_code_reads_blocking_chunks_and_makes_the_input_as_it_is_needed() -> None:
    noting = Noting()

    async def main() -> None:
        chunks = threaded(noting.doubled, noting.agiven())
        assert noting.went == []
        assert await anext(chunks) == "aa"
        assert noting.went == ["began", "made a", "took a"]
        assert await alist(chunks) == ["bb", "cc"]
        assert noting.went == WHOLE
        assert await anext(chunks, "no more") == "no more"

    asyncio.run(main())


def test_the_blocking_code_runs_in_threads_and_in_the_context_that_is_given() -> None:
    seen: list[Any] = []

    def looks(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            seen.append((who.get(), threading.get_ident() == main_thread))
            yield chunk

    async def main() -> None:
        await alist(threaded(looks, aiterate("ab"), context=context))

    main_thread = threading.get_ident()
    context = contextvars.copy_context()
    context.run(who.set, "ann")
    asyncio.run(main())
    assert seen == [("ann", False)] * 2


def test_errors_of_either_side_come_out() -> None:
    def fails(chunks: Iterator[str]) -> Iterator[str]:
        yield "first"
        raise KeyError("mine")

    def recovers(chunks: Iterator[str]) -> Iterator[str]:
        try:
            yield from chunks
        except ZeroDivisionError:
            yield "recovered"
            yield from chunks

    noting = Noting()

    async def main() -> None:
        chunks = threaded(fails, aiterate(""))
        assert await anext(chunks) == "first"
        with pytest.raises(KeyError, match="mine"):
            await anext(chunks)
        chunks = threaded(noting.doubled, noting.agiven("a", ZeroDivisionError("input")))
        assert await anext(chunks) == "aa"
        with pytest.raises(ZeroDivisionError, match="input"):
            await anext(chunks)
        assert noting.went == ["began", "made a", "took a", "closed"]
        assert await alist(threaded(recovers, noting.agiven("a", ZeroDivisionError()))) == ["a", "recovered"]

    asyncio.run(main())


def test_closing_returns_when_the_generator_is_closed_and_opens_none() -> None:
    noting = Noting()

    async def main() -> None:
        await threaded(noting.doubled, noting.agiven()).aclose()
        assert noting.went == []
        chunks = threaded(noting.doubled, noting.agiven())
        await anext(chunks)
        await chunks.aclose()
        assert noting.went == ["began", "made a", "took a", "closed"]

    asyncio.run(main())


def test_blocking_iterators_that_are_no_generators_will_do() -> None:
    class Chunks:
        closed = False

        def __iter__(self) -> Iterator[str]:
            return self

        def __next__(self) -> str:
            return "x"

        def close(self) -> None:
            self.closed = True

    own = Chunks()

    async def main() -> None:
        assert await alist(threaded(lambda _: iter("ab"), aiterate(""))) == ["a", "b"]
        assert await alist(threaded(lambda _: ["a", "b"], aiterate(""))) == ["a", "b"]  # type: ignore[arg-type, return-value]
        chunks = threaded(lambda _: own, aiterate(""))
        assert await anext(chunks) == "x"
        await chunks.aclose()

    asyncio.run(main())
    assert own.closed


def test_a_permit_is_held_while_blocking_code_runs_and_at_no_other_time() -> None:
    ledger, free = Ledger(1), list[tuple[str, int]]()

    def look(where: str) -> None:
        free.append((where, ledger.statistics()["free"]))

    async def given() -> AsyncIterator[str]:
        look("input")
        yield "a"
        look("input")

    def step(chunks: Iterator[str]) -> Iterator[str]:
        try:
            look("step")
            for chunk in chunks:
                look("step")
                yield chunk
        finally:
            look("step")

    async def main() -> None:
        async for _ in threaded(step, given(), ledger):
            look("reader")
        chunks = threaded(step, given(), ledger)
        await anext(chunks)
        await chunks.aclose()
        look("reader")

    asyncio.run(main())
    whole = [("step", 0), ("input", 1), ("step", 0), ("reader", 1), ("input", 1), ("step", 0)]
    assert free == [*whole, *whole[:3], ("step", 0), ("reader", 1)]
    assert ledger.statistics() == {"limit": 1, "free": 1, "waiting": 0}


def test_a_cancellation_before_it_has_a_permit_begins_nothing() -> None:
    ledger, noting = Ledger(1, taken=1), Noting()

    async def main() -> None:
        task = asyncio.ensure_future(alist(threaded(noting.doubled, noting.agiven(), ledger)))
        await until(lambda: ledger.statistics()["waiting"] == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert noting.went == []
        assert ledger.statistics() == {"limit": 1, "free": 0, "waiting": 0}

    asyncio.run(main())


def test_a_cancellation_while_blocking_code_runs_comes_out_when_that_has_closed() -> None:
    ledger, went = Ledger(1), list[str]()
    inside, may_end = threading.Event(), threading.Event()

    def step(chunks: Iterator[str]) -> Iterator[str]:
        try:
            inside.set()
            assert may_end.wait(PATIENCE)
            yield from chunks
            yield "no input is made any more"
        except Stopped:
            went.append("stopped")
            raise
        finally:
            went.append("closed")

    async def main() -> None:
        task = asyncio.ensure_future(alist(threaded(step, Noting().agiven(), ledger)))
        await until(inside.is_set)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert went == ["stopped", "closed"]
        assert ledger.statistics() == {"limit": 1, "free": 1, "waiting": 0}

    asyncio.run(main())


def test_a_cancellation_just_when_a_chunk_of_the_input_is_asked_for_is_the_answer_to_that() -> None:
    went, ident = list[str](), list[int]()
    inside, may_ask = threading.Event(), threading.Event()

    def asks() -> bool:
        frame = sys._current_frames().get(ident[0])
        while frame is not None and frame.f_code is not _ThreadLink._input.__code__:
            frame = frame.f_back
        return frame is not None

    def step(chunks: Iterator[str]) -> Iterator[str]:
        ident.append(threading.get_ident())
        inside.set()
        assert may_ask.wait(PATIENCE)
        try:
            yield from chunks
        except Stopped as error:
            went.append(str(error))
            raise
        finally:
            went.append("closed")

    async def main() -> None:
        task = asyncio.ensure_future(alist(threaded(step, aiterate("ab"))))
        await until(inside.is_set)
        may_ask.set()
        while not asks():
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert went == ["the call around this step was stopped", "closed"]


@pytest.mark.parametrize("waits_for", ["input", "permit"])
def test_a_cancellation_while_the_input_is_made_is_told_to_the_generator_first(waits_for: str) -> None:
    ledger, went = Ledger(1), list[str]()
    asked, may_go_on = asyncio.Event(), asyncio.Event()

    async def given() -> AsyncGenerator[str, None]:
        asked.set()
        await may_go_on.wait()
        yield "a"

    def step(chunks: Iterator[str]) -> Iterator[str]:
        try:
            yield from chunks
        except Stopped as error:
            went.append(str(error))
            yield "too late"
        finally:
            went.append("closed")

    async def main() -> None:
        source = given()
        task = asyncio.ensure_future(alist(threaded(step, source, ledger)))
        await asked.wait()
        assert ledger.statistics()["free"] == 1
        if waits_for == "permit":
            assert ledger.try_acquire()
            may_go_on.set()
            await until(lambda: ledger.statistics()["waiting"] == 1)
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        if waits_for == "permit":
            assert not task.done()
            ledger.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        await source.aclose()
        assert went == ["the call around this step was stopped", "closed"]
        assert ledger.statistics() == {"limit": 1, "free": 1, "waiting": 0}

    asyncio.run(main())


def test_a_generator_that_reads_on_while_it_is_closed_gets_nothing_more() -> None:
    went: list[Any] = []

    def step(chunks: Iterator[str]) -> Iterator[str]:
        try:
            yield from chunks
        finally:
            went.append(list(chunks))

    async def main() -> None:
        chunks = threaded(step, aiterate("abc"))
        assert await anext(chunks) == "a"
        await chunks.aclose()

    asyncio.run(main())
    assert went == [[]]
