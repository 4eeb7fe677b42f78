"""The asynchronous driver for chunks: the consumer pulls, and what can't be pulled in one line runs as tasks.

It is `streams` for an event loop. All state belongs to the loop's thread, so there is no lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from operator import call
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.scheduler.advancing import within
from anabranch.scheduler.apulling import AsyncPuller, OpenStream
from anabranch.scheduler.calls import AStay, cap_for, take_permit_async
from anabranch.scheduler.chunk_streams import held_in
from anabranch.scheduler.closing import STOPS, counting
from anabranch.scheduler.consumers import Consumer
from anabranch.scheduler.inlets import CLOSED, EMPTY, FlowInlet, FoldInlet
from anabranch.scheduler.ledger import AGES, Waiter
from anabranch.scheduler.loops import on_loop, resolve
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.sites import SITE, Site, holders, pulling_site, site_of
from anabranch.scheduler.sources import aclose
from anabranch.scheduler.stages import ChunkPlan
from anabranch.scheduler.strands import DEFAULT_CAPACITY, State, Strand, Strands
from anabranch.scheduler.turns import Turn, Turns


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
        self._consumer = Consumer(outermost=parent is None)
        self._turns = Turns()
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
            self._stop()
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
        self._consumer.cancel()
        for strand in (self._strands.source, *self._strands.all):
            pump: _Pump | None = strand.host if isinstance(strand.host, _Pump) else None
            if pump is not None and strand.state is State.RUNNING and pump.begun and not pump.cancelled:
                pump.cancelled = True  # once: a second time would hit it while it closes
                pump.task.cancel()

    def _fail(self, error: BaseException, puller: AsyncPuller | None) -> None:
        slot = -1 if puller is None else puller.blame(error)
        if (fault := self._consumer.fault(error)) is not None:
            self._strands.take_error(fault, slot, self._strands.tail)
        self._stop()

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
        self._launch()
        if error is not None:
            self._stop()
        while not strands.over:
            try:
                await self._wait(self._seat, partial(setattr, strands.outlet, "getter"))
            except asyncio.CancelledError as raised:
                self._consumer.interrupt = raised
                self._stop()
        for strand in (strands.source, *strands.all):
            if isinstance(strand.host, Waiter) and self._cap is not None:
                self._cap.withdraw(strand.host)  # nobody may be there to give the permit back
                strand.host = None
        try:
            await aclose(self._input)
        except BaseException as raised:
            if (error := self._consumer.fault(raised)) is not None:
                strands.take_error(error, -1, closing=True)

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
            self._turns.ask(self._cap, waiter)

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
        error, slot, puller, closing = None, -1, None, False
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
            if puller is not None:
                slot = puller.blame(error)
        try:
            await aclose(self._input if puller is None else puller)
        except BaseException as late:
            closing = error is None or isinstance(error, STOPS)
            if closing or not isinstance(late, STOPS):  # a cancellation is ours, and goes before nothing
                error = counting(error, late)
        if site.end() and site.ledger is not None:
            site.ledger.release()
        self._over(strand, error, slot, closing)

    def _over(self, strand: Strand, error: BaseException | None, slot: int, closing: bool) -> None:
        strands = self._strands
        strand.site = None
        try:
            strands.end(strand, error, slot, closing=closing)
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
        if (age := self._turns.behind(site)) is not None:
            await self._wait(site, call, age)
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

    async def _wait(self, site: Site, leave: Callable[[Callable[[], Any]], Any], age: int | None = None) -> None:
        """Wait, without a permit, until somebody calls the waker that is left. `age`: the place in line then."""
        assert self._loop is not None
        woken = self._loop.create_future()
        wake, held, turn = partial(resolve, woken), holders(site), None
        if held:
            turn = Turn(self._turns, held[0], partial(on_loop, self._loop, wake), age)
        leave(turn or wake)
        for each in held:
            each.give_up()
        try:
            await woken
        finally:
            if turn is not None:
                turn.settle()
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
