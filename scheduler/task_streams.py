"""The asynchronous driver for chunks: the consumer pulls, and what can't be pulled in one line runs as tasks.

It is `thread_streams` for an event loop: what runs in the consumer's task stands here, the rest in `task_pumps`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.scheduler.advancing import within
from anabranch.scheduler.apulling import AsyncPuller, OpenStream
from anabranch.scheduler.calls import cap_for
from anabranch.scheduler.chunk_streams import held_in
from anabranch.scheduler.consumers import Consumer
from anabranch.scheduler.loops import on_loop
from anabranch.scheduler.sites import SITE, Site, pulling_site, site_of
from anabranch.scheduler.sources import aclose
from anabranch.scheduler.stages import ChunkPlan
from anabranch.scheduler.stays import AStay, take_permit_async
from anabranch.scheduler.strands import DEFAULT_CAPACITY, State, Strands
from anabranch.scheduler.task_pumps import TaskPumps, halt


class TaskStream:
    """A run of several strands. `_seat` is where the consumer's part of the code runs."""

    def __init__(
        self,
        plan: ChunkPlan,
        source: AsyncIterator[Any],
        config: RunnableConfig | None,
        parent: Site | None,
        timeout: float | None,
        whole: bool,
        open_stream: OpenStream,
        open_puller: Callable[..., AsyncPuller] = AsyncPuller,
    ) -> None:
        self._input = source
        self._whole = whole
        self._parent = parent
        self._timeout = timeout
        self._cap = cap_for(config, parent, plan.graph)
        self._shares = parent is not None and self._cap is not None and parent.ledger is self._cap
        if self._cap is not None and not self._shares:
            self._cap.release()  # the consumer has a permit only while it pulls
        self._context = copy_context()
        self._strands = Strands(plan, (config or {}).get("channel_capacity", DEFAULT_CAPACITY), halt)
        self._consumer = Consumer(outermost=parent is None)
        self._pumps = TaskPumps(
            self._strands, source, config, parent, self._cap, self._context, self._consumer, open_stream, open_puller
        )
        self._seat = site_of(config, plan.graph, self._cap, held=False, age=parent.age if parent else None)
        self._seat.parent = parent
        self._puller: AsyncPuller | None = None
        self._outlet: AsyncIterator[Any] | None = None

    def statistics(self) -> dict[str, Any]:
        """See `AsyncChunkStream`."""
        return {**self._strands.statistics(), **held_in(self._pumps.opened)}

    async def chunks(self) -> AsyncGenerator[Any, None]:
        """Run, and yield the output."""
        self._pumps.loop = asyncio.get_running_loop()
        strands = self._strands
        context = self._context.copy()
        context.run(SITE.set, self._seat)
        timer: asyncio.TimerHandle | None = None
        self._consumer.begin()
        try:
            timer = await self._begin()
            pull = await self._pull(context, self._open)
            while not strands.stopped:
                chunk = await self._pull(context, pull)
                if not strands.stopped:
                    yield chunk
        except StopAsyncIteration:
            pass
        except GeneratorExit:
            strands.close()
            self._pumps.stop()
        except BaseException as error:
            self._fail(error, self._puller)
        finally:
            if timer is not None:
                timer.cancel()
            try:
                await self._seated(context, self._end)
            finally:
                if self._parent is not None:
                    self._parent.unhook(self)
        strands.settle()
        self._consumer.raise_outcome(None if strands.failure is None else strands.failure.error)

    # The consumer

    async def _begin(self) -> asyncio.TimerHandle | None:
        loop = asyncio.get_running_loop()
        if self._parent is not None:
            if self._parent.stopped:
                raise Stopped("the call around this step was stopped")
            stopped = Stopped("the call around this step was stopped")
            self._parent.hook(self, lambda: on_loop(loop, lambda: self._abort(stopped)))
        await self._feed()
        self._strands.open()
        if self._timeout is None:
            return None
        return loop.call_later(self._timeout, self._abort, TimeoutError("the run took longer than its timeout"))

    async def _feed(self) -> None:
        """See that the graph's input reaches its readers: at once when it is a single chunk."""
        strands = self._strands
        if strands.direct:
            strands.source.state = State.OVER
        elif self._whole:
            async for chunk in self._input:
                strands.put(strands.source, chunk, force=True)
            strands.end(strands.source)
        else:
            strands.source.state = State.READY
            strands.newly_ready.append(strands.source)

    def _abort(self, error: BaseException) -> None:
        if not self._strands.over:
            self._strands.fail(error, -1)
            self._pumps.stop()

    def _fail(self, error: BaseException, puller: AsyncPuller | None) -> None:
        slot = -1 if puller is None else puller.blame(error)
        if (fault := self._consumer.fault(error)) is not None:
            self._strands.take_error(fault, slot, self._strands.tail)
        self._pumps.stop()

    async def _seated(self, context: Context, act: Callable[[], Awaitable[Any]]) -> Any:
        """Do the consumer's part, with a permit for its code where there is a cap."""
        if self._parent is None:
            return await self._permitted(context, act)
        async with AStay(pulling_site(self._parent), self._seat, hook=False):
            return await self._permitted(context, act)

    async def _pull(self, context: Context, pull: Callable[[], Awaitable[Any]]) -> Any:
        with self._consumer:
            return await self._seated(context, pull)

    async def _permitted(self, context: Context, act: Callable[[], Awaitable[Any]]) -> Any:
        if self._cap is None or self._strands.tail is None:  # then there is no code to run
            return await within(context.run(act), context)
        try:
            await take_permit_async(self._seat)
        except asyncio.CancelledError as error:
            if act != self._end:
                raise
            self._consumer.interrupt = error
            return await self._permitted(context, act)  # what runs is to be closed all the same
        try:
            return await within(context.run(act), context)
        finally:
            if not self._shares:
                self._seat.give_up()

    async def _open(self) -> Callable[[], Awaitable[Any]]:
        """Open the last segment; what it answers makes the next chunk."""
        strands, tail = self._strands, self._strands.tail
        self._pumps.launch()
        if tail is None or tail.segment is None:
            self._outlet = self._pumps.reader(strands.outlet, self._seat)
            return self._outlet.__anext__
        while tail.state is State.WAITING and not strands.stopped:
            await self._pumps.wait(self._seat, partial(setattr, tail, "getter"))
        if tail.state is State.READY:
            tail.state = State.RUNNING
            tail.site = self._seat
        self._puller = self._pumps.open(tail, self._seat)
        return self._puller.pull

    async def _end(self) -> None:
        """Close the last segment, and wait until all strands are over."""
        strands, error = self._strands, None
        try:
            await aclose(self._outlet if self._puller is None else self._puller)
        except BaseException as raised:
            error = self._consumer.fault(raised)
        if strands.tail is not None:
            strands.end(strands.tail, error, closing=True)
        assert strands.outlet.inlet is not None
        strands.outlet.inlet.detached = True
        strands.wake_all()
        self._pumps.launch()
        if error is not None:
            self._pumps.stop()
        while not strands.over:
            try:
                await self._pumps.wait(self._seat, partial(setattr, strands.outlet, "getter"))
            except asyncio.CancelledError as raised:
                self._consumer.interrupt = raised
                self._pumps.stop()
        for strand in (strands.source, *strands.all):
            self._pumps.withdraw(strand)
        try:
            await aclose(self._input)
        except BaseException as raised:
            if (error := self._consumer.fault(raised)) is not None:
                strands.take_error(error, -1, closing=True)
