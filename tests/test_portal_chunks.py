"""Asynchronous chunks for blocking code: one at a time, the input on its own side, closed on both."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from doubling import WHOLE, Noting
from verbs import PATIENCE

from anabranch.engine.errors import PortalError, Stopped
from anabranch.nodes import RunnableLambda
from anabranch.scheduler import primitives
from anabranch.scheduler.portal_bridges import portal_chunks
from anabranch.scheduler.sites import SITE, Site

GRAPH = RunnableLambda(str).__graph__
who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


def recovering(went: list[Any]) -> Callable[[AsyncIterator[str]], AsyncIterator[str]]:
    async def recovers(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            async for chunk in chunks:
                yield chunk
        except ZeroDivisionError:
            yield "recovered"
            went.append([chunk async for chunk in chunks])

    return recovers


def test_blocking_code_reads_asynchronous_chunks_and_makes_the_input_as_it_is_needed() -> None:
    noting = Noting()
    chunks = portal_chunks("step", noting.adoubled, noting.given())
    assert noting.went == []
    assert next(chunks) == "aa"
    assert noting.went == ["began", "made a", "took a"]
    assert list(chunks) == ["bb", "cc"]
    assert noting.went == WHOLE
    assert next(chunks, "no more") == "no more"


def test_an_error_of_either_side_comes_out_and_the_input_s_may_be_handled() -> None:
    async def fails(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        yield "first"
        raise KeyError("mine")

    chunks = portal_chunks("step", fails, iter(()))
    assert next(chunks) == "first"
    with pytest.raises(KeyError, match="mine"):
        next(chunks)
    noting = Noting()
    chunks = portal_chunks("step", noting.adoubled, noting.given("a", ZeroDivisionError("input")))
    assert next(chunks) == "aa"
    with pytest.raises(ZeroDivisionError, match="input"):
        next(chunks)
    assert noting.went == ["began", "made a", "took a", "closed"]
    assert list(portal_chunks("step", recovering([]), noting.given("a", ZeroDivisionError()))) == ["a", "recovered"]


def test_closing_before_the_first_chunk_opens_nothing() -> None:
    noting = Noting()
    chunks = portal_chunks("step", noting.adoubled, noting.given())
    chunks.close()  # type: ignore[attr-defined]
    assert noting.went == []


def test_closing_returns_when_the_other_side_has_closed() -> None:
    noting = Noting()
    chunks = portal_chunks("step", noting.adoubled, noting.given())
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert noting.went == ["began", "made a", "took a", "closed"]


def test_an_error_while_closing_comes_out() -> None:
    async def breaks(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            yield "first"
        finally:
            raise ZeroDivisionError("closing")

    chunks = portal_chunks("step", breaks, iter(()))
    next(chunks)
    with pytest.raises(ZeroDivisionError, match="closing"):
        chunks.close()  # type: ignore[attr-defined]


class Own:
    """An asynchronous iterator that is no generator, with an `aclose` or without."""

    def __init__(self, went: list[str], fails: bool = False) -> None:
        self.went = went
        self.fails = fails
        self.left = ["a", "b"]

    def __aiter__(self) -> Own:
        return self

    async def __anext__(self) -> str:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)


class Closing(Own):
    async def aclose(self) -> None:
        self.went.append("closed")
        if self.fails:
            raise ZeroDivisionError


def test_iterators_that_are_no_generators_will_do_and_are_closed_if_they_can_be() -> None:
    went: list[str] = []
    assert list(portal_chunks("step", lambda _: Own(went), iter(()))) == ["a", "b"]
    assert went == []
    assert list(portal_chunks("step", lambda _: Closing(went), iter(()))) == ["a", "b"]
    assert went == ["closed"]
    with pytest.raises(ZeroDivisionError):
        list(portal_chunks("step", lambda _: Closing(went, fails=True), iter(())))


def test_where_a_loop_runs_they_are_refused() -> None:
    async def main() -> None:
        with pytest.raises(PortalError, match="'step'"):
            next(portal_chunks("step", Noting().adoubled, iter(())))

    asyncio.run(main())


def test_what_belongs_to_another_loop_is_noted() -> None:
    async def fails(_: AsyncIterator[str]) -> AsyncIterator[str]:
        raise RuntimeError("<Lock> is bound to a different event loop")
        yield

    with pytest.raises(RuntimeError) as caught:
        next(portal_chunks("step", fails, iter(())))
    assert "await `ainvoke`" in caught.value.__notes__[0]


def test_the_other_side_sees_the_context_of_who_reads() -> None:
    async def looks(_: AsyncIterator[str]) -> AsyncIterator[str]:
        yield who.get()

    token = who.set("ann")
    try:
        assert list(portal_chunks("step", looks, iter(()))) == ["ann"]
    finally:
        who.reset(token)


def test_a_stop_ends_what_is_waited_for_and_what_has_not_begun_never_begins() -> None:
    noting, site = Noting(), Site(None, GRAPH)

    async def waits(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        yield "first"
        site.stop()
        try:
            await asyncio.Event().wait()
        finally:
            noting.went.append("cancelled")

    token = SITE.set(site)
    try:
        chunks = portal_chunks("step", waits, iter(()))
        assert next(chunks) == "first"
        with pytest.raises(Stopped, match="the call around this step was stopped"):
            next(chunks)
        assert noting.went == ["cancelled"]
        assert not site._hooks
        with pytest.raises(Stopped, match="the call around this step was stopped"):
            list(portal_chunks("step", noting.adoubled, iter("a")))
        assert noting.went == ["cancelled"]
        assert not site._hooks
    finally:
        SITE.reset(token)


def test_a_cancellation_of_its_own_comes_out_as_it_is() -> None:
    async def cancels(_: AsyncIterator[str]) -> AsyncIterator[str]:
        raise asyncio.CancelledError("mine")
        yield

    with pytest.raises(asyncio.CancelledError, match="mine"):
        next(portal_chunks("step", cancels, iter(())))


class Counting:
    """A queue that counts how often it was waited for."""

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.waits = 0
        self.put = self._items.put

    def get(self) -> Any:
        self.waits += 1
        return self._items.get(timeout=PATIENCE)


@pytest.mark.parametrize("at", range(1, 7))
def test_an_interrupt_of_this_thread_whenever_it_comes_ends_the_other_side_first(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    noting = Noting()

    class Interrupted(Counting):
        """A queue of which the wait that is the `at`-th is interrupted when there is something to get."""

        def get(self) -> Any:
            item = super().get()
            if self.waits == at:
                self.put(item)
                raise KeyboardInterrupt
            return item

    monkeypatch.setattr(primitives, "SimpleQueue", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(portal_chunks("step", noting.adoubled, noting.given()))
    assert noting.went == [] or noting.went[-1] == "closed"
    assert noting.went != WHOLE


def test_an_interrupt_while_it_is_closed_cancels_what_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    closing, cancelled = threading.Event(), threading.Event()

    async def stubborn(_: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            yield "first"
        finally:
            closing.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    class Interrupted(Counting):
        """A queue of which the third wait is interrupted when the other side is closing."""

        def get(self) -> Any:
            if self.waits == 2:
                assert closing.wait(PATIENCE)
                raise KeyboardInterrupt
            return super().get()

    with monkeypatch.context() as patch:
        patch.setattr(primitives, "SimpleQueue", Interrupted)
        chunks = portal_chunks("step", stubborn, iter(()))
        assert next(chunks) == "first"
        with pytest.raises(KeyboardInterrupt):
            chunks.close()  # type: ignore[attr-defined]
    assert cancelled.wait(PATIENCE)
