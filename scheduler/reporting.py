"""Tells listeners of facts: at once where that is quick or may wait here, else when the code next can wait.

What is `inline` is told at once, wherever that is. A blocking call tells everybody at once. In an asynchronous call the
rest is put down and delivered, in order, by its loop: when the driver next awaits (`settle`), or when a thread that
runs code of the call waits for it (`flush`). Coroutines run on the loop, blocking handlers in a thread. Nothing waits
for a loop while it holds a lock that code on the loop may want. What is found out under a lock of a blocking driver is
put down likewise (`defer`).

Coroutines of listeners run on the loop of the asynchronous call around, if there is one, else on the portal. What a
listener calls is no part of the run that it is told of.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from anabranch.engine.runs import Listener, RunInfo
from anabranch.scheduler import primitives
from anabranch.scheduler.hopping import hop
from anabranch.scheduler.loops import STANDING
from anabranch.scheduler.managers import RUN
from anabranch.scheduler.portal import PORTAL
from anabranch.scheduler.sites import SITE

Post = tuple[Listener, str, tuple[Any, ...]]


class Reporter:
    """Tells listeners of the facts of one call. `loop` is that of an asynchronous call.

    Asynchronous calls inside each other put down their facts in one place, so that their order is kept.
    """

    __slots__ = ("_flushing", "_is_free", "_loop", "_settling", "_upper", "_waits_for_us", "posts")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self.posts: deque[Post] = deque()
        self._settling = asyncio.Lock()
        self._flushing = primitives.Lock()
        self._upper: Reporter | None = None  # that of the asynchronous call around a blocking one
        self._waits_for_us = False  # the loop of that call stands still until this one, or one around it, has returned
        run = RUN.get()
        if run is not None and run.reporter is not None:
            around: Reporter = run.reporter
            if loop is None:
                self._upper = upper = around if around._loop is not None else around._upper
                self._waits_for_us = around._waits_for_us or (
                    upper is not None and upper._loop in (asyncio._get_running_loop(), STANDING.get())
                )
            else:
                self._join(around)
        self._is_free = loop is None and self._upper is None  # the common case: a blocking call, and none around it

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """The call turns out to be one of this loop, before anything was told."""
        self._loop, self._is_free = loop, False
        if self._upper is not None:
            self._join(self._upper)

    def _join(self, around: Reporter) -> None:
        if around._loop is self._loop:
            self.posts, self._settling = around.posts, around._settling

    def tell(self, run: RunInfo, what: str, *data: Any) -> None:
        """Tell all listeners of a run of a fact. If one breaks the run, the others have been told nevertheless."""
        broken: BaseException | None = None
        for listener in run.listeners:
            try:
                if not (listener.inline or (self._is_free and not (listener.is_async or self.posts or SITE.get()))):
                    self._post(listener, what, (run, *data))
                    continue
                try:
                    if data:
                        getattr(listener, what)(run, *data)
                    else:
                        getattr(listener, what)(run)
                except Exception as error:
                    listener.broke(error, what)
            except BaseException as error:
                broken = broken or error
        if broken is not None:
            raise broken

    def _post(self, listener: Listener, what: str, data: tuple[Any, ...]) -> None:
        if (data[0].run_type, what) in listener.deaf_to:
            return
        if self._loop is not None:
            self.posts.append((listener, what, data))
            return
        try:
            if self.posts or self._flushing.locked():
                self.flush()
        finally:
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
        """The same when the driver is out of its lock. Only then does a listener break the run, too."""
        for listener in run.listeners:
            if listener.inline:
                try:
                    _tell(listener, what, (run, *data))
                except Exception as error:
                    self.posts.append((listener, "broke", (error, what)))
            elif (run.run_type, what) not in listener.deaf_to:
                self.posts.append((listener, what, (run, *data)))

    def put(self, listener: Listener, what: str, *data: Any) -> None:
        """Have a listener told of something of its own when the driver can wait; once, if that is what comes next."""
        if not self.posts or self.posts[-1][0] is not listener:
            self.posts.append((listener, what, data))

    async def atell(self, run: RunInfo, what: str, *data: Any) -> None:
        """The same, awaiting that they were told, on whatever loop this is."""
        self.defer(run, what, *data)
        if self._loop is asyncio.get_running_loop():
            await self.settle()
        else:
            await hop(self.flush, _not_stopped)

    def flush(self) -> None:
        """Deliver what was put down, waiting in this thread; what another thread is delivering, too.

        If a listener breaks the run, the others have been told nevertheless. So it is in `settle`.
        """
        if self._loop is None:
            if not self.posts and not self._flushing.locked():
                return
            broken: BaseException | None = None
            with self._flushing:
                while self.posts:
                    try:
                        self._tell_here(*self.posts.popleft())
                    except BaseException as error:
                        broken = broken or error
            if broken is not None:
                raise broken
        elif (self.posts or self._settling.locked()) and asyncio._get_running_loop() is not self._loop:
            asyncio.run_coroutine_threadsafe(self.settle(), self._loop).result()

    async def settle(self) -> None:
        """Deliver what was put down, awaiting; what somebody else is delivering, too."""
        if not self.posts and not self._settling.locked():
            return
        broken: Exception | None = None
        async with self._settling:
            while self.posts:
                try:
                    await self._settle_next()
                except Exception as error:
                    broken = broken or error
        if broken is not None:
            raise broken

    async def _settle_next(self) -> None:
        """Deliver what comes next, and, in one hop, what comes after it and is for blocking listeners, too."""
        listener, what, data = self.posts.popleft()
        if listener.is_async:
            await _atell(listener, what, data)
            return
        together = [(listener, what, data)]
        while self.posts and not self.posts[0][0].is_async:
            together.append(self.posts.popleft())
        await hop(partial(_tell_all, together), _not_stopped)

    def _tell_here(self, listener: Listener, what: str, data: tuple[Any, ...]) -> None:
        """For a blocking call."""
        upper = self._upper
        if upper is not None and (self._waits_for_us or asyncio._get_running_loop() is upper._loop):
            upper.posts.append((listener, what, data))
        elif not listener.is_async:
            _apart(_tell, listener, what, data)
        elif upper is not None and upper._loop is not None and upper._loop.is_running():
            asyncio.run_coroutine_threadsafe(_atell(listener, what, data), upper._loop).result()
        elif listener.twin is not None and asyncio._get_running_loop() is not None:
            _apart(_tell, listener.twin, what, data)
        else:
            _apart(PORTAL.call, f"handler {type(listener.handler).__name__}", _atell, listener, what, data)


def _apart(call: Callable[..., None], *args: Any) -> None:
    """Call something that is no part of the run whose code is running."""
    site, run = SITE.get(), RUN.get()
    if site is None:
        return call(*args)
    SITE.set(None)
    RUN.set(None)
    try:
        call(*args)
    finally:
        SITE.set(site)
        RUN.set(run)


def _tell(listener: Listener, what: str, data: tuple[Any, ...]) -> None:
    try:
        getattr(listener, what)(*data)
    except Exception as error:
        listener.broke(error, what)


def _tell_all(posts: list[Post]) -> None:
    """Tell of several facts, in a context of its own. If one breaks the run, the others have been told nevertheless."""
    SITE.set(None)
    RUN.set(None)
    broken: BaseException | None = None
    for post in posts:
        try:
            _tell(*post)
        except BaseException as error:
            broken = broken or error
    if broken is not None:
        raise broken


async def _atell(listener: Listener, what: str, data: tuple[Any, ...]) -> None:
    site, run = SITE.get(), RUN.get()
    SITE.set(None)
    RUN.set(None)
    try:
        coroutine = getattr(listener, what)(*data)
        if coroutine is not None:
            await coroutine
    except Exception as error:
        listener.broke(error, what)
    finally:
        SITE.set(site)
        RUN.set(run)


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
