"""Facts on their way from a run to somebody who reads them one by one, as events or as patches of a log.

A mailbox is bounded: when it is full, whoever can wait waits before making the next chunk. Code that runs on the
reader's own loop and doesn't await can't wait; its facts are kept however many they are.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol

from anabranch.engine.config import RunnableConfig, check_config
from anabranch.engine.errors import Stopped
from anabranch.engine.events import Filter
from anabranch.engine.graphs import Graph
from anabranch.engine.runs import Listener, RunInfo
from anabranch.scheduler import primitives
from anabranch.scheduler.hopping import hop
from anabranch.scheduler.loops import on_loop, resolve, standing
from anabranch.scheduler.managers import CallbackManager, joined, manager_of
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.sites import SITE, Site

CAPACITY = 24


class Writer(Protocol):
    """Makes something to read of a fact, or None."""

    def started(self, run: RunInfo) -> Any: ...
    def chunk(self, run: RunInfo, chunk: Any) -> Any: ...
    def ended(self, run: RunInfo) -> Any: ...
    def failed(self, run: RunInfo) -> Any: ...
    def told(self, run: RunInfo, what: str, *data: Any) -> Any: ...


class Mailbox(Listener):
    """What is to be read of a run. `wanted`: of which runs; the writer is told of all of them."""

    inline = True

    def __init__(self, writer: Writer, wanted: Filter | None = None) -> None:
        self._writer = writer
        self._wanted = None if wanted is None or wanted.is_open else wanted
        self._items: deque[Any] = deque()
        self._closed = False

    def started(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._put(run, self._writer.started(run))

    def chunk(self, run: RunInfo, chunk: Any) -> None:
        """See `Listener`."""
        item = self._writer.chunk(run, chunk)
        if item is None or (self._wanted is not None and not self._wanted.wants_run(run)):
            return
        self._items.append(item)
        if len(self._items) >= CAPACITY:
            self.full = not self._closed
        self._tell()

    def ended(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._put(run, self._writer.ended(run))

    def failed(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._put(run, self._writer.failed(run))

    def told(self, run: RunInfo, what: str, *data: Any) -> None:
        """See `Listener`. A custom event is wanted by its own name, and by the tags of the run."""
        item = self._writer.told(run, what, *data)
        if item is not None and (self._wanted is None or self._wanted.wants(data[0], what, run.tags)):
            self._add(item)

    def _is_crowded(self) -> bool:
        """Whether one must wait. `full` says that it may be so: a thread may set it when all was read meanwhile."""
        if len(self._items) >= CAPACITY and not self._closed:
            return True
        self.full = False
        return False

    def _put(self, run: RunInfo, item: Any) -> None:
        if item is not None and (self._wanted is None or self._wanted.wants_run(run)):
            self._add(item)

    def _add(self, item: Any) -> None:
        self._items.append(item)
        self.full = len(self._items) >= CAPACITY and not self._closed
        self._tell()

    @abstractmethod
    def _tell(self) -> None:
        """Wake the reader."""


class AsyncMailbox(Mailbox):
    """A mailbox that is read on an event loop."""

    def __init__(self, writer: Writer, wanted: Filter | None = None) -> None:
        super().__init__(writer, wanted)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writers: deque[Callable[[], Any]] = deque()

    def _tell(self) -> None:
        if self._reader is None:
            return  # it is awake
        if asyncio._get_running_loop() is self._loop:
            self._wake_reader()
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake_reader)

    def _wake_reader(self) -> None:
        if self._reader is not None:
            resolve(self._reader)
            self._reader = None

    async def room(self) -> None:
        """See `Listener`."""
        while self._is_crowded():
            loop = asyncio.get_running_loop()  # the reader's, or the portal's
            waiter: asyncio.Future[None] = loop.create_future()
            self._writers.append(partial(on_loop, loop, partial(resolve, waiter)))
            if not self._is_crowded():
                return  # it was read meanwhile
            await waiter

    def wait_for_room(self) -> None:
        """See `Listener`. Where a loop runs it can't wait."""
        if asyncio._get_running_loop() is not None:
            return
        while self._is_crowded():
            woken = primitives.Event()
            self._writers.append(woken.set)
            if not self._is_crowded():
                return  # it was read meanwhile
            woken.wait()

    def _make_room(self) -> None:
        """All is read: whoever waits looks again."""
        self.full = False
        for _ in range(len(self._writers)):
            self._writers.popleft()()

    def close(self, *_: Any) -> None:
        """Nothing more comes, or nobody reads any more."""
        self._closed = True
        self._make_room()
        self._wake_reader()

    async def read(self, open_stream: Callable[[], AsyncIterator[Any]]) -> AsyncGenerator[Any, None]:
        """Drain a stream in a task of its own and give what there is to read of it; closing cancels it."""
        self._loop = loop = asyncio.get_running_loop()
        task = loop.create_task(_drain(open_stream()))
        task.add_done_callback(self.close)
        try:
            while True:
                while self._items:
                    yield self._items.popleft()
                if self._closed:
                    break
                waiter = self._reader = loop.create_future()
                self._make_room()
                if not self._items:  # a thread may have put one in meanwhile
                    await waiter
                self._reader = None
            await task
        finally:
            self.close()
            if not task.done():
                task.cancel()
                await _ended(task)


async def _drain(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


async def _ended(task: asyncio.Task[None]) -> None:
    """Await the end of a cancelled task."""
    waits: Awaitable[Any] = asyncio.wait([task])
    await waits
    if not task.cancelled():
        task.exception()


class ThreadMailbox(Mailbox):
    """A mailbox that is read in a thread, while the run goes on in another."""

    def __init__(self, writer: Writer, wanted: Filter | None = None) -> None:
        super().__init__(writer, wanted)
        self._changed = primitives.Condition()
        self._error: BaseException | None = None

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    async def room(self) -> None:
        """See `Listener`. It is read in a thread, so it is waited for in one."""
        await hop(self.wait_for_room, lambda: None)

    def wait_for_room(self) -> None:
        """See `Listener`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_crowded())

    def read(self, run: Callable[[], None], graph: Graph) -> Generator[Any, None, None]:
        """Run something in a thread and give what there is to read of it; closing stops it."""
        context, ended = standing(copy_context()), primitives.Event()
        site = Site(None if (around := SITE.get()) is None else around.inherited(), graph)
        context.run(SITE.set, site)

        def work() -> None:
            try:
                context.run(run)
            except BaseException as error:
                self._error = error
            finally:
                self._close()
                ended.set()

        POOL.submit(work)
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: bool(self._items) or self._closed)
                while self._items:
                    yield self._items.popleft()
                with self._changed:
                    self.full = False
                    self._changed.notify_all()
                if self._closed and not self._items:
                    break
        finally:
            self._close()
            site.stop()
            ended.wait()
        if self._error is not None and not isinstance(self._error, Stopped):
            raise self._error

    def _close(self) -> None:
        with self._changed:
            self._closed, self.full = True, False
            self._changed.notify_all()


def listened(config: RunnableConfig | None, listener: Listener) -> RunnableConfig:
    """The config of a call that one more listener hears of, besides those of the step around it."""
    if config is not None:
        check_config(config)
    site = SITE.get()
    inherited = None if site is None else site.inherited()
    callbacks = (config or {}).get("callbacks")
    if callbacks is None:
        callbacks = (inherited or {}).get("callbacks")
    manager: CallbackManager = manager_of({"callbacks": callbacks})
    manager.listeners = joined(manager.listeners, (listener,))
    return {**(config or {}), "callbacks": manager}
