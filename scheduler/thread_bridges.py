"""Lets asynchronous code pull the chunks of a blocking generator, which runs in threads of the pool. See `bridges`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import Context
from typing import Any

from anabranch.engine.errors import Stopped
from anabranch.scheduler import primitives
from anabranch.scheduler.bridges import Message, Word
from anabranch.scheduler.closing import AClosing, came_of_a_stop
from anabranch.scheduler.ledger import Ledger
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.stays import wait_for_permit_async


async def thread_chunks(
    open_chunks: Callable[[Iterator[Any]], Iterator[Any]],
    source: AsyncIterator[Any],
    context: Context,
    ledger: Ledger | None,
    age: int,
) -> AsyncIterator[Any]:
    """The chunks of a blocking generator, for asynchronous code.

    Args:
        open_chunks: makes the generator, in a thread, from an iterator over the input.
        source: the input.
        context: where the generator's code runs.
        ledger: permits for blocking code, where none is held already.
        age: that of the step, for the ledger.
    """
    link = _ThreadLink(asyncio.get_running_loop(), open_chunks, source, context, ledger, age)
    async with AClosing([link]):
        while True:
            word, said = await link.pull()
            if word is Word.END:
                return
            yield said


class _ThreadLink:
    """The loop that pulls from a blocking generator, and the thread that runs it for the while."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_chunks: Callable[[Iterator[Any]], Iterator[Any]],
        source: AsyncIterator[Any],
        context: Context,
        ledger: Ledger | None,
        age: int,
    ) -> None:
        self._loop = loop
        self._open_chunks = open_chunks
        self._source = source
        self._context = context
        self._ledger = ledger
        self._age = age
        self._chunks: Iterator[Any] | None = None
        self._said: asyncio.Future[Message] | None = None
        self._answers: primitives.QueueLike = primitives.SimpleQueue()
        self._interrupt: BaseException | None = None  # a cancellation that came while a chunk of the input was made
        self._closing = False
        self._stopped = False  # by a cancellation

    # On the loop

    async def pull(self) -> Message:
        """The next chunk or the end."""
        return await self._visit(self._advance)

    async def aclose(self) -> None:
        """Close the generator, in a thread."""
        self._closing = True
        if self._chunks is not None and hasattr(self._chunks, "close"):
            await self._visit(self._shut)

    async def _visit(self, work: Callable[[], Message]) -> Message:
        """Run something in a thread, with a permit, and serve it until it ends."""
        cancelled = await self._take_permit(begun=self._closing)
        try:
            self._said = self._loop.create_future()
            POOL.submit(lambda: self._tell(self._context.run(self._guarded, work)))
            while True:
                try:
                    word, said = await asyncio.shield(self._said)
                except asyncio.CancelledError as error:
                    cancelled = error
                    self._closing = self._stopped = True
                    continue
                if word is not Word.NEED:
                    break
                self._said = self._loop.create_future()
                self._answers.put(await self._answer(cancelled))
        finally:
            if self._ledger is not None:
                self._ledger.release()
        cancelled, self._interrupt = cancelled or self._interrupt, None
        if word is Word.ERROR and (cancelled is None or (isinstance(said, Exception) and came_of_a_stop(said))):
            raise said
        if cancelled is not None:
            raise cancelled
        return word, said

    async def _take_permit(self, *, begun: bool) -> BaseException | None:
        """Wait for a permit. Once the generator has begun, through a cancellation, too, which is answered then."""
        cancelled: BaseException | None = None
        while self._ledger is not None:
            try:
                await wait_for_permit_async(self._ledger, self._age)
                break
            except asyncio.CancelledError as error:
                if not begun:
                    raise
                cancelled = error
        return cancelled

    async def _answer(self, cancelled: BaseException | None) -> Message:
        """A chunk of the input. The permit is given up meanwhile."""
        if cancelled is not None or self._closing:
            return Word.ERROR, Stopped("the call around this step was stopped")
        if self._ledger is not None:
            self._ledger.release()
        try:
            answer: Message = (Word.CHUNK, await anext(self._source))
        except StopAsyncIteration:
            answer = (Word.END, None)
        except asyncio.CancelledError as error:
            answer = self._interrupted(error)
        except BaseException as error:
            answer = (Word.ERROR, error)
        late = await self._take_permit(begun=True)  # the thread waits for the answer
        if late is None:
            return answer
        stop = self._interrupted(late)
        return answer if answer[0] is Word.ERROR else stop

    def _interrupted(self, error: BaseException) -> Message:
        self._closing = True
        self._interrupt = error
        return Word.ERROR, Stopped("the call around this step was stopped")

    def _tell(self, message: Message) -> None:
        """From the thread: say something."""
        said = self._said

        def tell() -> None:
            if said is not None and not said.done():
                said.set_result(message)

        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(tell)

    # In the thread

    def _guarded(self, work: Callable[[], Message]) -> Message:
        try:
            return work()
        except BaseException as error:
            return Word.ERROR, error

    def _advance(self) -> Message:
        if self._chunks is None:
            self._chunks = iter(self._open_chunks(self._input()))
        try:
            return Word.CHUNK, next(self._chunks)
        except StopIteration:
            return Word.END, None

    def _shut(self) -> Message:
        self._chunks.close()  # type: ignore[union-attr]
        return Word.END, None

    def _input(self) -> Iterator[Any]:
        while not self._closing:
            self._tell((Word.NEED, None))
            word, said = self._answers.get()
            if word is Word.END:
                return
            if word is Word.ERROR:
                raise said
            yield said
        if self._stopped:
            raise Stopped("the call around this step was stopped")
