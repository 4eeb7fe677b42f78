"""Threads of the pool that pump the strands of a stream: each pulls its chunks and puts them where they are read.

A strand holds a permit while its code runs, and gives it up while it waits for chunks or for room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Context
from functools import partial
from operator import call
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.scheduler import primitives
from anabranch.scheduler.closing import STOPS, counting
from anabranch.scheduler.inlets import CLOSED, EMPTY, FlowInlet, FoldInlet
from anabranch.scheduler.ledger import AGES, Ledger, Waiter
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.pulling import OpenStream, Puller
from anabranch.scheduler.sites import SITE, Site, holders, site_of
from anabranch.scheduler.sources import close
from anabranch.scheduler.stays import take_permit
from anabranch.scheduler.strands import State, Strand, Strands
from anabranch.scheduler.turns import Turn, Turns


class ThreadPumps:
    """Runs the strands of a stream. Its methods are called with the lock held, unless they say otherwise.

    Args:
        strands: what to run.
        source: the chunks that come in.
        config: that of the call.
        parent: the site around the stream.
        ledger: whose permits are held.
        context: where the code runs, each strand in a copy.
        open_stream: the driver's `stream`, for nested runs.
        open_puller: makes what pulls the chunks of a segment.

    Attributes:
        lock: guards the strands.
        opened: what pulls, and did.
    """

    def __init__(
        self,
        strands: Strands,
        source: Iterator[Any],
        config: RunnableConfig | None,
        parent: Site | None,
        ledger: Ledger,
        context: Context,
        open_stream: OpenStream,
        open_puller: Callable[..., Puller],
    ) -> None:
        self.strands = strands
        self.lock = primitives.Lock()
        self.opened: list[Puller] = []
        self._input = source
        self._config = config
        self._parent = parent
        self._ledger = ledger
        self._context = context
        self._graph = strands.plan.graph
        self._open_stream = open_stream
        self._open_puller = open_puller
        self._refused: deque[tuple[Strand, BaseException]] = deque()
        self._turns = Turns()

    def open(self, strand: Strand, site: Site) -> Puller:
        """What pulls the chunks of a strand. Without the lock, in the context where its code runs."""
        assert strand.segment is not None
        chunks = self.reader(strand, site)
        puller = self._open_puller(strand.segment.stages, chunks, site, self._graph, self._open_stream)
        self.opened.append(puller)
        return puller

    def launch(self, keep: bool = False) -> None:
        """Ask for permits and threads for what is ready; with `keep`, leave one to this thread."""
        strands = self.strands
        while strands.newly_ready:
            strand = strands.newly_ready.popleft()
            if strand is strands.tail or strand.state is not State.READY:
                continue
            if keep and strand.never_blocks and strand is not strands.source:
                keep = False
                continue
            strand.host = waiter = Waiter(next(AGES))
            waiter.on_grant = partial(self._granted, strand)
            self._turns.ask(self._ledger, waiter)
        self._see_refused()

    def withdraw(self, strand: Strand) -> None:
        """It is not to begin any more."""
        if strand.host is not None:
            self._ledger.withdraw(strand.host)
            strand.host = None

    def _granted(self, strand: Strand) -> None:
        """A permit is there. Called in any thread, the lock held or not; so who waits with it sees to what fails."""
        try:
            POOL.submit(partial(self._start, strand))
        except RuntimeError as error:
            self._refused.append((strand, error))
            for each in self.strands.all:
                if (getter := each.getter) is not None:
                    wake = getter.wake if isinstance(getter, Turn) else getter  # now, and not when there is a permit
                    with suppress(RuntimeError):  # it has been woken meanwhile
                        wake()

    def _see_refused(self) -> None:
        """End the run if a strand could get no thread."""
        while self._refused:
            strand, error = self._refused.pop()
            if strand.host is not None:
                self.withdraw(strand)
                self.strands.fail(error, -1)

    def _start(self, strand: Strand) -> None:
        """In a thread of the pool, with a permit, without the lock."""
        with self.lock:
            begins = strand.state is State.READY
            if begins:
                strand.state = State.RUNNING
            elif strand.host is not None:  # not withdrawn, so the permit is here
                self._ledger.release()
            strand.host = None
        if begins:
            site = site_of(self._config, self._graph, self._ledger, held=True)
            site.parent = self._parent
            self.pump(strand, site)
            if site.end():
                self._ledger.release()

    def pump(self, strand: Strand, site: Site) -> None:
        """Pull a strand's chunks and deliver them until there are no more, or nobody reads them. Without the lock."""
        context = self._context.copy()
        context.run(SITE.set, site)
        strand.site = site
        error, slot, puller, closing = None, -1, None, False
        try:
            if strand.segment is None:
                pull = self._input.__next__
            else:
                puller = context.run(self.open, strand, site)
                pull = puller.pull
            while self._deliver(strand, context.run(pull), site):
                pass
        except StopIteration:
            pass
        except BaseException as raised:
            error = raised
            if puller is not None:
                slot = puller.blame(error)
        try:
            context.run(close, self._input if puller is None else puller)
        except BaseException as late:
            closing = error is None or isinstance(error, STOPS)
            error = counting(error, late)
        with self.lock:
            self._over(strand, error, slot, closing)

    def _over(self, strand: Strand, error: BaseException | None, slot: int, closing: bool) -> None:
        strands = self.strands
        strand.site = None
        try:
            strands.end(strand, error, slot, closing=closing)
        except Exception as late:  # what a reader's inlet made of the last chunk
            strands.fail(late, slot)
        self.launch()
        if strands.over and strands.outlet.getter is not None:
            strands.wake_all()

    def _deliver(self, strand: Strand, chunk: Any, site: Site) -> bool:
        """Put a chunk into the readers' inlets, waiting for room. False when nobody reads any more."""
        strands = self.strands
        with self.lock:
            while True:
                if strands.stopped:
                    raise Stopped("the call around this step was stopped")
                full = strands.put(strand, chunk)
                if full is None:
                    break
                self.wait(site, full.putters.append)
            self.launch()
            if self._ledger.is_waited_for and (age := self._turns.behind(site)) is not None:
                self.wait(site, call, age)
            return strands.is_read(strand)

    def reader(self, strand: Strand, site: Site) -> Iterator[Any]:
        """What comes in at a strand's inlet. Without the lock."""
        inlet = strand.inlet
        if inlet is None:
            yield from self._input
        elif isinstance(inlet, FoldInlet):
            yield inlet.value()
        else:
            while (chunk := self._take(strand, inlet, site)) is not CLOSED:
                yield chunk

    def _take(self, strand: Strand, inlet: FlowInlet, site: Site) -> Any:
        strands = self.strands
        with self.lock:
            while True:
                if strands.stopped:
                    raise Stopped("the call around this step was stopped")
                chunk = inlet.take()
                if chunk is not EMPTY:
                    strands.took(strand)
                    return chunk
                self.wait(site, partial(setattr, strand, "getter"))

    def wait(self, site: Site, leave: Callable[[Callable[[], Any]], Any], age: int | None = None) -> None:
        """Wait, without lock and permit, until somebody calls the waker that is left. `age`: the place in line then."""
        woken = primitives.Lock()
        woken.acquire()
        held = holders(site)
        turn = Turn(self._turns, held[0], woken.release, age) if held else None
        leave(turn or woken.release)
        self._see_refused()
        for each in held:
            each.give_up()
        self.lock.release()
        try:
            woken.acquire()
        finally:
            if turn is not None:
                turn.settle()
            for each in held:
                take_permit(each)
            self.lock.acquire()
