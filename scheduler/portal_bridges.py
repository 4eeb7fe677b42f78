"""Lets blocking code pull the chunks of an asynchronous generator, which runs on the portal. See `bridges`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from typing import Any

from anabranch.engine.errors import Stopped
from anabranch.scheduler import primitives
from anabranch.scheduler.bridges import Message, Word
from anabranch.scheduler.closing import aclose_after, close_after, counting
from anabranch.scheduler.loops import on_loop
from anabranch.scheduler.portal import PORTAL, keep, note_foreign_loop
from anabranch.scheduler.sites import SITE


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
