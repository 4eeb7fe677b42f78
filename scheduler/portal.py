"""One long-lived event loop in a thread of its own, on which blocking verbs run what is only asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from anabranch.engine.errors import PortalError, Stopped
from anabranch.scheduler import primitives
from anabranch.scheduler.loops import STANDING
from anabranch.scheduler.sites import SITE

_FOREIGN_LOOP = ("attached to a different loop", "bound to a different event loop")


class Errand:
    """Something that runs on the portal while a thread waits for it."""

    def __init__(self) -> None:
        self._done = primitives.Lock()
        self._done.acquire()
        self.is_scheduled = False
        self.is_dead = False  # it was cancelled before it was scheduled
        self.over = False  # nobody is to wait any more
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._result: Any = None
        self._error: BaseException | None = None

    async def run(self, main: Callable[[], Any]) -> None:
        """Run to the end and tell. Called on the portal's loop."""
        self._task = asyncio.current_task()
        try:
            if self._cancelled:
                raise _stopped()
            self._result = await main()
        except asyncio.CancelledError as error:
            self._error = _stopped() if self._cancelled else error
        except BaseException as error:
            self._error = error
        finally:
            self._end()

    def cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel it, from any thread."""
        self._cancelled = True
        loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        elif not self.is_scheduled and not self.is_dead:
            self.is_dead, self._error = True, _stopped()
            self._end()

    def _end(self) -> None:
        self.over = True
        self._done.release()

    def wait(self, loop: asyncio.AbstractEventLoop, interrupt: BaseException | None = None) -> Any:
        """The result. An interrupt of the waiting thread cancels it, and is raised when it has ended.

        `interrupt`: one that came before the thread waited.
        """
        while not self.over:
            try:
                if interrupt is not None:
                    self.cancel(loop)
                self._done.acquire()  # an interrupt may come just when it was acquired
            except BaseException as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt
        if self._error is not None:
            raise self._error
        return self._result


def _stopped() -> Stopped:
    return Stopped("the call around this step was stopped")


class Portal:
    """See the module."""

    def __init__(self) -> None:
        self._starting = primitives.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self, name: str) -> asyncio.AbstractEventLoop:
        """The portal's loop, for a step of this name.

        Raises:
            PortalError: when a loop runs in this thread, which would then stand still; or when the portal's own loop
                waits for the call that this is a part of.
        """
        loop = None if asyncio._get_running_loop() is not None else self._own_loop()
        if loop is None or STANDING.get() is loop:
            raise PortalError(
                f"step {name!r} is asynchronous only, and a synchronous verb was called in a thread that runs an "
                "event loop, which it would block; await the asynchronous verb (`ainvoke`, `astream`, `abatch`)"
            )
        return loop

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        if primitives.WORLDS and (world := primitives.world()) is not None:
            return world.portal_loop()
        with self._starting:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                try:
                    threading.Thread(target=loop.run_forever, name="anabranch-portal", daemon=True).start()
                except BaseException:
                    loop.close()
                    raise
                self._loop = loop  # not before it runs: an interrupt may come between
            return self._loop

    def call(self, name: str, run: Callable[..., Any], *arguments: Any) -> Any:
        """Run a coroutine function on the portal and wait for its result.

        It sees the context variables of the caller.
        """

        async def main() -> Any:
            return await run(*arguments)

        loop = self.loop(name)
        errand = Errand()
        site = SITE.get()
        if site is not None:
            site.hook(errand, lambda: errand.cancel(loop))
        try:
            start(loop, errand, main)
            return errand.wait(loop)
        except BaseException as error:
            if not errand.over:  # an interrupt while this thread did not wait
                errand.wait(loop, error)
            note_foreign_loop(error, name)
            raise
        finally:
            if site is not None:
                site.unhook(errand)


def note_foreign_loop(error: BaseException, name: str) -> None:
    """Say what to do about an error of something that belongs to another loop than the portal's."""
    if isinstance(error, RuntimeError) and any(said in str(error) for said in _FOREIGN_LOOP):
        error.add_note(
            f"step {name!r} was run by a synchronous verb, on a loop of the library's own, but uses something "
            "that belongs to your loop; await `ainvoke` (or `astream`, `abatch`) there instead"
        )


def start(loop: asyncio.AbstractEventLoop, errand: Errand, main: Callable[[], Any]) -> None:
    """Start an errand on a loop of another thread, in a copy of this thread's context."""
    context = copy_context()

    def begin() -> None:
        if errand.is_dead:
            return
        errand.is_scheduled = True
        keep(loop.create_task(errand.run(main), context=context))

    loop.call_soon_threadsafe(begin)


def keep(task: asyncio.Task[None]) -> None:
    """Keep a task alive until it is done: a loop keeps only weak references."""
    _errands.add(task)
    task.add_done_callback(_errands.discard)


_errands: set[asyncio.Task[None]] = set()
PORTAL = Portal()
