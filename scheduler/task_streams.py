"""The asynchronous driver for chunks: the consumer pulls, and what can't be pulled in one line runs as tasks.

It is `streams` for an event loop. All state belongs to the loop's thread, so there is no lock.
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
from anabranch.scheduler.calls import AStay, cap_for, take_permit_async
from anabranch.scheduler.chunk_streams import held_in
from anabranch.scheduler.inlets import CLOSED, EMPTY, FlowInlet, FoldInlet
from anabranch.scheduler.ledger import AGES, Waiter
from anabranch.scheduler.loops import on_loop, resolve
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.sites import SITE, Site, give_up, pulling_site, site_of
from anabranch.scheduler.sources import aclose
from anabranch.scheduler.stages import ChunkPlan
from anabranch.scheduler.strands import DEFAULT_CAPACITY, State, Strand, Strands


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
        self._open_puller = open_puller
        self._open_stream = open_stream
        self._graph = plan.graph
        self._input = source
        self._whole = whole
        self._config = config
        self._parent = parent
        self._timeout = timeout
        self._cap = cap_for(config, parent, plan.graph)
        self._shares = parent is not None and self._cap is not None and parent.ledger is self._cap
        if self._cap is not None and not self._shares:
            self._cap.release()  # the consumer has a permit only while it pulls
        self._context = copy_context()
        self._strands = Strands(plan, (config or {}).get("channel_capacity", DEFAULT_CAPACITY), _halt)
        self._seat = site_of(config, plan.graph, self._cap, held=False, age=parent.age if parent else None)
        self._seat.parent = parent
        self._puller: AsyncPuller | None = None
        self._opened: list[AsyncPuller] = []
        self._outlet: AsyncIterator[Any] | None = None
        self._pulling: asyncio.Task[Any] | None = None  # the consumer's task, while it pulls
        self._interrupted = False  # we have cancelled it
        self._late: asyncio.CancelledError | None = None  # a cancellation that came before we could close
        self._loop: asyncio.AbstractEventLoop | None = None

    def statistics(self) -> dict[str, Any]:
        """See `AsyncChunkStream`."""
        return {**self._strands.statistics(), **held_in(self._opened)}

    async def chunks(self) -> AsyncGenerator[Any, None]:
        """Run, and yield the output."""
        self._loop = asyncio.get_running_loop()
        strands = self._strands
        context = self._context.copy()
        context.run(SITE.set, self._seat)
        timer: asyncio.TimerHandle | None = None
        interrupt: BaseException | None = None
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
            strands.failure = None  # closing is no error
            self._stop()
            raise
        except asyncio.CancelledError as error:
            interrupt = self._cancelled(error)
            self._stop()
        except BaseException as error:
            self._fail(error, self._puller)
        finally:
            if timer is not None:
                timer.cancel()
            try:
                interrupt = await self._seated(context, self._end) or interrupt
            finally:
                if self._parent is not None:
                    self._parent.unhook(self)
        if interrupt is not None:
            raise interrupt
        if strands.failure is not None:
            raise strands.failure.error

    def _cancelled(self, error: asyncio.CancelledError) -> asyncio.CancelledError | None:
        """The cancellation, unless it was only ours."""
        task = asyncio.current_task()
        if self._interrupted and task is not None and not task.uncancel():
            return None
        return error

    # The consumer

    async def _begin(self) -> asyncio.TimerHandle | None:
        assert self._loop is not None
        loop = self._loop
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
            self._stop()

    def _stop(self) -> None:
        """Stop the strands, and cancel the tasks of those that run; the consumer's own, where it runs the last one."""
        self._strands.stop()
        if self._pulling is not None and self._pulling is not asyncio.current_task() and not self._interrupted:
            self._interrupted = True
            self._pulling.cancel()
        for strand in (self._strands.source, *self._strands.all):
            pump: _Pump | None = strand.host if isinstance(strand.host, _Pump) else None
            if pump is not None and strand.state is State.RUNNING and pump.begun and not pump.cancelled:
                pump.cancelled = True  # once: a second time would hit it while it closes
                pump.task.cancel()

    def _fail(self, error: BaseException, puller: AsyncPuller | None) -> None:
        slot = -1 if puller is None or isinstance(error, Stopped) else puller.blame(error)
        if not (self._strands.stopped and isinstance(error, Stopped)):
            self._strands.fail(error, slot)
        self._stop()

    async def _seated(self, context: Context, act: Callable[[], Awaitable[Any]]) -> Any:
        """Do the consumer's part, with a permit for its code where there is a cap."""
        if self._parent is None:
            return await self._permitted(context, act)
        async with AStay(pulling_site(self._parent), self._seat, hook=False):
            return await self._permitted(context, act)

    async def _pull(self, context: Context, pull: Callable[[], Awaitable[Any]]) -> Any:
        self._pulling = asyncio.current_task()
        try:
            return await self._seated(context, pull)
        finally:
            self._pulling = None

    async def _permitted(self, context: Context, act: Callable[[], Awaitable[Any]]) -> Any:
        if self._cap is None:
            return await within(context.run(act), context)
        try:
            await take_permit_async(self._seat)
        except asyncio.CancelledError as error:
            if act != self._end:
                raise
            self._late = error
            return await self._permitted(context, act)  # what runs is to be closed all the same
        try:
            return await within(context.run(act), context)
        finally:
            if not self._shares:
                self._seat.give_up()

    async def _open(self) -> Callable[[], Awaitable[Any]]:
        """Open the last segment; what it answers makes the next chunk."""
        strands, tail = self._strands, self._strands.tail
        self._launch()
        if tail is None or tail.segment is None:
            self._outlet = self._reader(strands.outlet, self._seat)
            return self._outlet.__anext__
        while tail.state is State.WAITING and not strands.stopped:
            await self._wait(self._seat, partial(setattr, tail, "getter"))
        if tail.state is State.READY:
            tail.state = State.RUNNING
            tail.site = self._seat
        chunks = self._reader(tail, self._seat)
        self._puller = self._open_puller(tail.segment.stages, chunks, self._seat, self._graph, self._open_stream)
        self._opened.append(self._puller)
        return self._puller.pull

    async def _end(self) -> BaseException | None:
        """Close the last segment, wait until all strands are over, and answer a cancellation that came meanwhile."""
        strands, error = self._strands, None
        interrupt: BaseException | None = self._late
        if self._outlet is not None:
            await aclose(self._outlet)
        if self._puller is not None:
            try:
                await self._puller.close()
            except asyncio.CancelledError as raised:
                interrupt = raised
            except BaseException as raised:
                error = raised
        if strands.tail is not None:
            strands.end(strands.tail, error)
        assert strands.outlet.inlet is not None
        strands.outlet.inlet.detached = True
        strands.wake_all()
        self._launch()
        if error is not None:
            self._stop()
        while not strands.over:
            try:
                await self._wait(self._seat, partial(setattr, strands.outlet, "getter"))
            except asyncio.CancelledError as raised:
                interrupt = raised
                self._stop()
        for strand in (strands.source, *strands.all):
            if isinstance(strand.host, Waiter) and self._cap is not None:
                self._cap.withdraw(strand.host)  # nobody may be there to give the permit back
                strand.host = None
        await aclose(self._input)
        return interrupt

    # Strands

    def _launch(self) -> None:
        """Start a task for what is ready, when there is a permit."""
        strands = self._strands
        while strands.newly_ready:
            strand = strands.newly_ready.popleft()
            if strand is strands.tail or strand.state is not State.READY:
                continue
            if self._cap is None:
                self._start(strand)
                continue
            strand.host = waiter = Waiter(next(AGES))
            assert self._loop is not None
            waiter.on_grant = partial(on_loop, self._loop, partial(self._granted, strand, waiter))
            self._cap.request(waiter)

    def _granted(self, strand: Strand, waiter: Waiter) -> None:
        if strand.host is not waiter:
            return  # it was withdrawn meanwhile, and so was the permit
        strand.host = None
        if strand.state is State.READY:
            self._start(strand)
        else:
            assert self._cap is not None
            self._cap.release()

    def _start(self, strand: Strand) -> None:
        """With a permit, where there is a cap."""
        assert self._loop is not None
        strand.state = State.RUNNING
        strand.site = site_of(self._config, self._graph, self._cap, held=self._cap is not None)
        strand.site.parent = self._parent
        context = self._context.copy()
        context.run(SITE.set, strand.site)
        strand.host = _Pump()
        strand.host.task = self._loop.create_task(self._pump(strand, strand.site, strand.host), context=context)

    async def _pump(self, strand: Strand, site: Site, pump: _Pump) -> None:
        """Pull a strand's chunks and deliver them until there are no more, or nobody reads them."""
        pump.begun = True
        error, slot, puller = None, -1, None
        try:
            if strand.segment is None:
                chunks = self._input
            else:
                source = self._reader(strand, site)
                puller = self._open_puller(strand.segment.stages, source, site, self._graph, self._open_stream)
                self._opened.append(puller)
                chunks = puller.chunks
            async for chunk in chunks:
                if not await self._deliver(strand, chunk, site):
                    break
        except BaseException as raised:
            error = raised
            if puller is not None and not isinstance(error, Stopped | asyncio.CancelledError):
                slot = puller.blame(error)
        try:
            if puller is None:
                await aclose(self._input)
            else:
                await puller.close()
        except BaseException as raised:
            error = raised if error is None else error
        if site.end() and site.ledger is not None:
            site.ledger.release()
        self._over(strand, error, slot)

    def _over(self, strand: Strand, error: BaseException | None, slot: int) -> None:
        strands = self._strands
        strand.site = None
        if strands.stopped and isinstance(error, Stopped | asyncio.CancelledError):
            error = None
        try:
            strands.end(strand, error, slot)
        except Exception as late:  # what a reader's inlet made of the last chunk
            strands.fail(late, slot)
        if strands.stopped:
            self._stop()
        self._launch()
        if strands.over:
            strands.wake_all()

    async def _deliver(self, strand: Strand, chunk: Any, site: Site) -> bool:
        """Put a chunk into the readers' inlets, waiting for room. False when nobody reads any more."""
        strands = self._strands
        while True:
            if strands.stopped:
                raise Stopped("the call around this step was stopped")
            full = strands.put(strand, chunk)
            if full is None:
                break
            await self._wait(site, full.putters.append)
        self._launch()
        return strands.is_read(strand)

    async def _reader(self, strand: Strand, site: Site) -> AsyncIterator[Any]:
        """What comes in at a strand's inlet."""
        inlet = strand.inlet
        if inlet is None:
            async for chunk in self._input:
                yield chunk
        elif isinstance(inlet, FoldInlet):
            yield inlet.value()
        else:
            while (chunk := await self._take(strand, inlet, site)) is not CLOSED:
                yield chunk

    async def _take(self, strand: Strand, inlet: FlowInlet, site: Site) -> Any:
        strands = self._strands
        while True:
            if strands.stopped:
                raise Stopped("the call around this step was stopped")
            chunk = inlet.take()
            if chunk is not EMPTY:
                strands.took(strand)
                return chunk
            await self._wait(site, partial(setattr, strand, "getter"))

    async def _wait(self, site: Site, leave: Callable[[Callable[[], None]], Any]) -> None:
        """Wait, without a permit, until somebody calls the waker that is left."""
        assert self._loop is not None
        woken = self._loop.create_future()
        leave(partial(resolve, woken))
        held = give_up(site)
        try:
            await woken
        finally:
            for each in held:
                await take_permit_async(each)


class _Pump:
    """A strand's task. One that has not begun can't be cancelled: it would never tell."""

    __slots__ = ("begun", "cancelled", "task")

    def __init__(self) -> None:
        self.begun = False
        self.cancelled = False
        self.task: asyncio.Task[None] = None  # type: ignore[assignment]


def _halt(site: Site) -> None:
    """Stop a site; its hooks may take locks, so not on the loop."""
    site.stopped = True
    POOL.submit(site.stop)
