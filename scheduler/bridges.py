"""Chunks across the border between blocking and asynchronous code, one at a time, as they are pulled.

`portal_chunks` lets blocking code pull from an asynchronous generator that runs on the portal; `thread_chunks` lets
asynchronous code pull from a blocking generator that runs in threads of the pool. Either way the generator's own
input stays on the other side: when it wants a chunk, the side that waits for it makes one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import Context, copy_context
from enum import Enum
from typing import Any

from anabranch.engine.errors import Stopped
from anabranch.scheduler import primitives
from anabranch.scheduler.calls import wait_for_permit_async
from anabranch.scheduler.closing import AClosing, aclose_after, came_of_a_stop, close_after, counting
from anabranch.scheduler.ledger import Ledger
from anabranch.scheduler.loops import on_loop
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.portal import PORTAL, keep, note_foreign_loop
from anabranch.scheduler.sites import SITE


class Word(Enum):
    """What one side tells the other."""

    NEED = "a chunk of the input is needed"
    CHUNK = "here is a chunk"
    END = "there is no more"
    ERROR = "here is an error"


Message = tuple[Word, Any]


def portal_chunks(
    name: str, open_chunks: Callable[[AsyncIterator[Any]], AsyncIterator[Any]], source: Iterator[Any]
) -> Iterator[Any]:
    """The chunks of an asynchronous generator, for blocking code.

    Raises:
        PortalError: when an event loop runs in this thread.
    """
    link = _PortalLink(PORTAL.loop(name))
    site = SITE.get()
    if site is not None:
        site.hook(link, link.cancel)
    try:
        link.start(open_chunks)
        while True:
            word, said = link.pull(source)
            if word is Word.END:
                return
            if word is Word.ERROR:
                note_foreign_loop(said, name)
                raise said
            yield said
    except GeneratorExit as error:
        close_after(error, [link])
        raise
    except BaseException as error:
        link.interrupt()
        close_after(error, [link])
        raise
    finally:
        if site is not None:
            site.unhook(link)


class _PortalLink:
    """The task that runs an asynchronous generator, and the thread that pulls from it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heard: primitives.QueueLike = primitives.SimpleQueue()  # what the task has said
        self._answer: asyncio.Future[Message] | None = None  # what the task waits for
        self._task: asyncio.Task[None] | None = None
        self._begun = False
        self._last: Message | None = None  # what it said when it ended
        self._given: BaseException | None = None  # an error of the input that it hasn't got yet
        self._cancelled = False
        self._closing = False

    # In the thread

    def start(self, open_chunks: Callable[[AsyncIterator[Any]], AsyncIterator[Any]]) -> None:
        context = copy_context()

        def begin() -> None:
            self._task = self._loop.create_task(self._run(open_chunks), context=context)
            keep(self._task)

        self._loop.call_soon_threadsafe(begin)
        self._hear()  # that it waits for the first pull

    def pull(self, source: Iterator[Any]) -> Message:
        """The next chunk, the end or an error; makes chunks of the input when they are needed."""
        if self._last is not None:
            return self._last
        self._say((Word.CHUNK, None))
        while True:
            word, said = self._hear()
            if word is not Word.NEED:
                if self._given is not None:  # the task was cancelled before it got the error
                    raise counting(self._given, said) if word is Word.ERROR else self._given
                return word, said
            try:
                self._say((Word.CHUNK, next(source)))
            except StopIteration:
                self._say((Word.END, None))
            except BaseException as error:
                self._given = error
                self._say((Word.ERROR, error))

    def close(self) -> None:
        """Close the generator, and wait until it is closed."""
        if self._last is not None:
            return
        self._closing = True
        self._say((Word.END, None))
        while self._last is None:
            word, said = self._hear()
            if word is Word.NEED:
                self._say((Word.END, None))
            elif word is Word.ERROR and not (self._cancelled and isinstance(said, Stopped)):
                raise said

    def interrupt(self) -> None:
        """This thread was interrupted, if the generator hasn't ended."""
        if self._last is None:
            self.cancel()

    def cancel(self) -> None:
        """Cancel the generator's code, from any thread."""
        self._cancelled = True  # a task that has not begun can't be cancelled, for it would never tell
        on_loop(self._loop, lambda: self._begun and self._task and self._task.cancel())

    def _say(self, message: Message) -> None:
        def tell() -> None:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(message)

        self._loop.call_soon_threadsafe(tell)

    def _hear(self) -> Message:
        try:
            message: Message = self._heard.get()
        except BaseException:  # an interrupt of this thread
            self.cancel()
            raise
        if message[0] in (Word.END, Word.ERROR):
            self._last = message
        return message

    # On the portal's loop

    async def _run(self, open_chunks: Callable[[AsyncIterator[Any]], AsyncIterator[Any]]) -> None:
        last: Message = (Word.END, None)
        chunks: AsyncIterator[Any] | None = None
        self._begun = True
        try:
            if self._cancelled:
                raise Stopped("the call around this step was stopped")
            await self._ask((Word.CHUNK, None))
            if not self._closing:
                chunks = open_chunks(self._input())
                async for chunk in chunks:
                    await self._ask((Word.CHUNK, chunk))
                    if self._closing:
                        break
        except asyncio.CancelledError as error:
            last = (Word.ERROR, Stopped("the call around this step was stopped") if self._cancelled else error)
        except BaseException as error:
            last = (Word.ERROR, error)
        try:
            await aclose_after(last[1], [chunks])
        except BaseException as error:
            last = (Word.ERROR, error)
        self._heard.put(last)

    async def _ask(self, message: Message) -> Message:
        """Say something and wait for the answer."""
        self._answer = self._loop.create_future()
        self._heard.put(message)
        answer = await self._answer
        self._answer = None
        return answer

    async def _input(self) -> AsyncIterator[Any]:
        while not self._closing:
            word, said = await self._ask((Word.NEED, None))
            if word is Word.END:
                return
            if word is Word.ERROR:
                self._given = None
                raise said
            yield said


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
