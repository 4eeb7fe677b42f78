"""Tasks that pump the strands of a stream: `thread_pumps` for an event loop. All state belongs to the loop's thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from functools import partial
from operator import call
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.scheduler.apulling import AsyncPuller, OpenStream
from anabranch.scheduler.closing import STOPS, counting
from anabranch.scheduler.consumers import Consumer
from anabranch.scheduler.inlets import CLOSED, EMPTY, FlowInlet, FoldInlet
from anabranch.scheduler.ledger import AGES, Ledger, Waiter
from anabranch.scheduler.loops import on_loop, resolve
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.sites import SITE, Site, holders, site_of
from anabranch.scheduler.sources import aclose
from anabranch.scheduler.stays import take_permit_async
from anabranch.scheduler.strands import State, Strand, Strands
from anabranch.scheduler.turns import Turn, Turns


class TaskPumps:
    """Runs the strands of a stream. See `ThreadPumps`.

    Args:
        cap: whose permits are held, where there is a cap.
        consumer: is cancelled with the strands when these are stopped.

    Attributes:
        loop: where the tasks run; known when the first chunk is asked for.
        opened: what pulls, and did.
    """

    def __init__(
        self,
        strands: Strands,
        source: AsyncIterator[Any],
        config: RunnableConfig | None,
        parent: Site | None,
        cap: Ledger | None,
        context: Context,
        consumer: Consumer,
        open_stream: OpenStream,
        open_puller: Callable[..., AsyncPuller],
    ) -> None:
        self.strands = strands
        self.loop: asyncio.AbstractEventLoop | None = None
        self.opened: list[AsyncPuller] = []
        self._input = source
        self._config = config
        self._parent = parent
        self._cap = cap
        self._context = context
        self._consumer = consumer
        self._graph = strands.plan.graph
        self._open_stream = open_stream
        self._open_puller = open_puller
        self._turns = Turns()

    def open(self, strand: Strand, site: Site) -> AsyncPuller:
        """What pulls the chunks of a strand."""
        assert strand.segment is not None
        chunks = self.reader(strand, site)
        puller = self._open_puller(strand.segment.stages, chunks, site, self._graph, self._open_stream)
        self.opened.append(puller)
        return puller

    def stop(self) -> None:
        """Stop the strands, and cancel the tasks of those that run; the consumer's own, where it runs the last one."""
        self.strands.stop()
        self._consumer.cancel()
        for strand in (self.strands.source, *self.strands.all):
            pump: _Pump | None = strand.host if isinstance(strand.host, _Pump) else None
            if pump is not None and strand.state is State.RUNNING and pump.begun and not pump.cancelled:
                pump.cancelled = True  # once: a second time would hit it while it closes
                pump.task.cancel()

    def launch(self) -> None:
        """Start a task for what is ready, when there is a permit."""
        strands = self.strands
        while strands.newly_ready:
            strand = strands.newly_ready.popleft()
            if strand is strands.tail or strand.state is not State.READY:
                continue
            if self._cap is None:
                self._start(strand)
                continue
            strand.host = waiter = Waiter(next(AGES))
            assert self.loop is not None
            waiter.on_grant = partial(on_loop, self.loop, partial(self._granted, strand, waiter))
            self._turns.ask(self._cap, waiter)

    def withdraw(self, strand: Strand) -> None:
        """It is not to begin any more, and nobody may be there to give its permit back."""
        if isinstance(strand.host, Waiter) and self._cap is not None:
            self._cap.withdraw(strand.host)
            strand.host = None

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
        assert self.loop is not None
        strand.state = State.RUNNING
        strand.site = site_of(self._config, self._graph, self._cap, held=self._cap is not None)
        strand.site.parent = self._parent
        context = self._context.copy()
        context.run(SITE.set, strand.site)
        strand.host = _Pump()
        strand.host.task = self.loop.create_task(self._pump(strand, strand.site, strand.host), context=context)

    async def _pump(self, strand: Strand, site: Site, pump: _Pump) -> None:
        """Pull a strand's chunks and deliver them until there are no more, or nobody reads them."""
        pump.begun = True
        error, slot, puller, closing = None, -1, None, False
        try:
            if strand.segment is None:
                chunks = self._input
            else:
                puller = self.open(strand, site)
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
        strands = self.strands
        strand.site = None
        try:
            strands.end(strand, error, slot, closing=closing)
        except Exception as late:  # what a reader's inlet made of the last chunk
            strands.fail(late, slot)
        if strands.stopped:
            self.stop()
        self.launch()
        if strands.over:
            strands.wake_all()

    async def _deliver(self, strand: Strand, chunk: Any, site: Site) -> bool:
        """Put a chunk into the readers' inlets, waiting for room. False when nobody reads any more."""
        strands = self.strands
        while True:
            if strands.stopped:
                raise Stopped("the call around this step was stopped")
            full = strands.put(strand, chunk)
            if full is None:
                break
            await self.wait(site, full.putters.append)
        self.launch()
        if self._cap is not None and self._cap.is_waited_for and (age := self._turns.behind(site)) is not None:
            await self.wait(site, call, age)
        return strands.is_read(strand)

    async def reader(self, strand: Strand, site: Site) -> AsyncIterator[Any]:
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
        strands = self.strands
        while True:
            if strands.stopped:
                raise Stopped("the call around this step was stopped")
            chunk = inlet.take()
            if chunk is not EMPTY:
                strands.took(strand)
                return chunk
            await self.wait(site, partial(setattr, strand, "getter"))

    async def wait(self, site: Site, leave: Callable[[Callable[[], Any]], Any], age: int | None = None) -> None:
        """Wait, without a permit, until somebody calls the waker that is left. `age`: the place in line then."""
        assert self.loop is not None
        woken = self.loop.create_future()
        wake, held, turn = partial(resolve, woken), holders(site), None
        if held:
            turn = Turn(self._turns, held[0], partial(on_loop, self.loop, wake), age)
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


def halt(site: Site) -> None:
    """Stop a site; its hooks may take locks, so not on the loop."""
    site.stopped = True
    POOL.submit(site.stop)
