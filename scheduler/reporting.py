"""Tells listeners of facts: at once where that is quick or may wait here, else when the code next can wait.

Blocking code tells everybody at once. On an event loop only what is `inline` is told at once; the rest is put down
and delivered, in order, when the driver next awaits (`settle`): coroutines on the loop, blocking handlers in a
thread. What is found out while a lock is held is put down likewise (`defer`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any

from anabranch.engine.runs import Listener, RunInfo
from anabranch.scheduler.hopping import hop
from anabranch.scheduler.portal import PORTAL

Post = tuple[Listener, str, tuple[Any, ...]]


class Reporter:
    """Tells listeners of the facts of one call. `loop` is that of an asynchronous call."""

    __slots__ = ("_loop", "_settling", "posts")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self.posts: deque[Post] = deque()
        self._settling: asyncio.Lock | None = None

    def tell(self, run: RunInfo, what: str, *data: Any) -> None:
        """Tell all listeners of a run of a fact."""
        for listener in run.listeners:
            if listener.inline:
                _tell(listener, what, (run, *data))
            else:
                self._post(listener, what, (run, *data))

    def _post(self, listener: Listener, what: str, data: tuple[Any, ...]) -> None:
        if self._loop is not None and asyncio._get_running_loop() is self._loop:
            self.posts.append((listener, what, data))
            return
        self.flush()
        self._tell_here(listener, what, data)

    def tell_chunk(self, run: RunInfo, chunk: Any) -> None:
        """Tell all listeners of a run of a chunk: `tell`, without detours."""
        for listener in run.listeners:
            if not listener.inline:
                self._post(listener, "chunk", (run, chunk))
                continue
            try:
                listener.chunk(run, chunk)
            except Exception as error:
                listener.broke(error, "chunk")

    def defer(self, run: RunInfo, what: str, *data: Any) -> None:
        """The same when the driver is out of its lock."""
        for listener in run.listeners:
            if listener.inline:
                _tell(listener, what, (run, *data))
            else:
                self.posts.append((listener, what, (run, *data)))

    def flush(self) -> None:
        """Deliver what was put down, in this thread."""
        while self.posts:
            self._tell_here(*self.posts.popleft())

    async def settle(self) -> None:
        """Deliver what was put down, awaiting."""
        if not self.posts and self._settling is None:
            return
        if self._settling is None:
            self._settling = asyncio.Lock()
        async with self._settling:
            while self.posts:
                listener, what, data = self.posts.popleft()
                if listener.is_async:
                    await _atell(listener, what, data)
                else:
                    await hop(partial(_tell, listener, what, data), _not_stopped)

    def _tell_here(self, listener: Listener, what: str, data: tuple[Any, ...]) -> None:
        if not listener.is_async:
            _tell(listener, what, data)
            return
        if self._loop is not None and self._loop.is_running():
            asyncio.run_coroutine_threadsafe(_atell(listener, what, data), self._loop).result()
        else:
            PORTAL.call(f"handler {type(listener.handler).__name__}", _atell, listener, what, data)


def _tell(listener: Listener, what: str, data: tuple[Any, ...]) -> None:
    try:
        getattr(listener, what)(*data)
    except Exception as error:
        listener.broke(error, what)


async def _atell(listener: Listener, what: str, data: tuple[Any, ...]) -> None:
    try:
        coroutine = getattr(listener, what)(*data)
        if coroutine is not None:
            await coroutine
    except Exception as error:
        listener.broke(error, what)


def _not_stopped() -> None:
    """A handler is waited for, whatever comes."""


def is_busy(run: RunInfo, reporter: Reporter) -> bool:
    """Whether to `ease` before the next chunk."""
    if reporter.posts:
        return True
    for listener in run.listeners:  # noqa: SIM110 # a chunk is told of often
        if listener.full:
            return True
    return False


def ease(run: RunInfo) -> None:
    """Wait in this thread until the listeners of a run take more chunks."""
    for listener in run.listeners:
        if listener.full:
            listener.wait_for_room()


async def aease(run: RunInfo, reporter: Reporter) -> None:
    """Await the listeners of a run: that they were told, and take more chunks."""
    if reporter.posts:
        await reporter.settle()
    for listener in run.listeners:
        if listener.full:
            await listener.room()
