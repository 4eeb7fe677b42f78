"""The blocking driver for chunks: the consumer pulls, and what can't be pulled in one line runs in threads.

A straight graph is one segment: pulling it runs it, in the consumer's thread. Otherwise each segment but the last
is a strand that a thread of the pool pumps into its readers' inlets, holding a permit while its code runs and
giving it up while it waits for chunks or for room. The last segment is pulled by the consumer; while that can't
begin yet, the consumer pumps strands that never wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from operator import call
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.scheduler import primitives
from anabranch.scheduler.calls import Stay, ledger_for, take_permit
from anabranch.scheduler.chunk_streams import held_in
from anabranch.scheduler.clocks import CLOCK, Timer
from anabranch.scheduler.closing import STOPS, counting
from anabranch.scheduler.inlets import CLOSED, EMPTY, FlowInlet, FoldInlet
from anabranch.scheduler.ledger import AGES, Ledger, Waiter, default_limit
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.pulling import OpenStream, Puller
from anabranch.scheduler.sites import SITE, Site, holders, pulling_site, site_of
from anabranch.scheduler.sources import close
from anabranch.scheduler.stages import ChunkPlan
from anabranch.scheduler.strands import DEFAULT_CAPACITY, State, Strand, Strands
from anabranch.scheduler.turns import Turn, Turns


class ThreadStream:
    """A run of several strands. `_lock` guards them; `_seat` is where the consumer's part of the code runs."""

    def __init__(
        self,
        plan: ChunkPlan,
        source: Iterator[Any],
        config: RunnableConfig | None,
        parent: Site | None,
        timeout: float | None,
        whole: bool,
        open_stream: OpenStream,
        open_puller: Callable[..., Puller] = Puller,
    ) -> None:
        self._open_stream = open_stream
        self._open_puller = open_puller
        self._graph = plan.graph
        self._input = source
        self._whole = whole
        self._config = config
        self._parent = parent
        self._timeout = timeout
        self._ledger = ledger_for(config, parent, plan.graph) or Ledger(default_limit(), is_cap=False, taken=1)
        self._shares = parent is not None and parent.ledger is self._ledger
        if not self._shares:
            self._ledger.release()  # the consumer has a permit only while it pulls
        self._context = copy_context()
        self._lock = primitives.Lock()
        self._strands = Strands(plan, (config or {}).get("channel_capacity", DEFAULT_CAPACITY))
        self._seat = site_of(config, plan.graph, self._ledger, held=False, age=parent.age if parent else None)
        self._seat.parent = parent
        self._puller: Puller | None = None
        self._opened: list[Puller] = []
        self._outlet: Iterator[Any] | None = None
        self._refused: deque[tuple[Strand, BaseException]] = deque()
        self._turns = Turns()

    def statistics(self) -> dict[str, Any]:
        """See `ChunkStream`."""
        with self._lock:
            return {**self._strands.statistics(), **held_in(self._opened)}

    def chunks(self) -> Generator[Any, None, None]:
        """Run, and yield the output."""
        strands = self._strands
        context = self._context.copy()
        context.run(SITE.set, self._seat)
        timer: Timer | None = None
        try:
            timer = self._begin()
            pull = self._seated(context.run, self._open)
            while not strands.stopped:
                chunk = self._seated(context.run, pull)
                if not strands.stopped:
                    yield chunk
        except StopIteration:
            pass
        except GeneratorExit:
            with self._lock:
                strands.close()
        except BaseException as error:
            self._fail(error, self._puller)
        finally:
            self._seated(self._end, context.run)
            if timer is not None:
                timer.cancel()
            if self._parent is not None:
                self._parent.unhook(self)
        strands.settle()
        if strands.failure is not None:
            raise strands.failure.error

    # The consumer

    def _begin(self) -> Timer | None:
        if self._parent is not None:
            if self._parent.stopped:
                raise Stopped("the call around this step was stopped")
            self._parent.hook(self, lambda: self._abort(Stopped("the call around this step was stopped")))
        with self._lock:
            self._feed()
            self._strands.open()
        if self._timeout is None:
            return None
        clock = CLOCK.get()
        late = TimeoutError("the run took longer than its timeout")
        return clock.call_at(clock.now() + self._timeout, lambda: self._abort(late))

    def _feed(self) -> None:
        """See that the graph's input reaches its readers: at once when it is a single chunk."""
        strands = self._strands
        if strands.direct:
            strands.source.state = State.OVER
        elif self._whole:
            for chunk in self._input:
                strands.put(strands.source, chunk, force=True)
            strands.end(strands.source)
        else:
            strands.source.state = State.READY
            strands.newly_ready.append(strands.source)

    def _abort(self, error: BaseException) -> None:
        with self._lock:
            if not self._strands.over:
                self._strands.fail(error, -1)

    def _fail(self, error: BaseException, puller: Puller | None) -> None:
        slot = -1 if puller is None else puller.blame(error)
        with self._lock:
            self._strands.take_error(error, slot, self._strands.tail)

    def _seated(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Do the consumer's part, with a permit for its code where there is a cap."""
        if self._shares:
            assert self._parent is not None
            with Stay(pulling_site(self._parent), self._seat, hook=False):
                return self._permitted(act, *arguments)
        try:
            return self._permitted(act, *arguments)
        finally:
            self._seat.give_up()

    def _permitted(self, act: Callable[..., Any], *arguments: Any) -> Any:
        if self._ledger.is_cap and self._strands.tail is not None:  # else there is no code to run
            take_permit(self._seat)
        return act(*arguments)

    def _open(self) -> Callable[[], Any]:
        """Open the last segment; what it answers makes the next chunk."""
        strands, tail = self._strands, self._strands.tail
        if tail is None or tail.segment is None:
            with self._lock:
                self._launch()
            self._outlet = self._reader(strands.outlet, self._seat)
            return self._outlet.__next__
        self._await(tail)
        self._puller = self._open_puller(
            tail.segment.stages, self._reader(tail, self._seat), self._seat, self._graph, self._open_stream
        )
        self._opened.append(self._puller)
        return self._puller.pull

    def _await(self, tail: Strand) -> None:
        """Wait until the last segment can begin; meanwhile help, if it reads nothing before that."""
        helps = not isinstance(tail.inlet, FlowInlet)
        with self._lock:
            self._launch(keep=helps)
            while tail.state is State.WAITING and not self._strands.stopped:
                strand = self._helpable() if helps else None
                if strand is None:
                    self._wait(self._seat, partial(setattr, tail, "getter"))
                    continue
                strand.state = State.RUNNING
                if strand.host is not None:
                    self._ledger.withdraw(strand.host)
                    strand.host = None
                self._lock.release()
                try:
                    self._pump(strand, self._seat)
                finally:
                    self._lock.acquire()
            if tail.state is State.READY:
                tail.state = State.RUNNING
                tail.site = self._seat
            self._launch()

    def _helpable(self) -> Strand | None:
        tail = self._strands.tail
        ready = (s for s in self._strands.all if s.state is State.READY and s.never_blocks and s is not tail)
        return next(ready, None)

    def _end(self, run: Callable[..., Any]) -> None:
        """Close the last segment, and wait until all strands are over."""
        strands, error = self._strands, None
        try:
            run(close, self._outlet if self._puller is None else self._puller)
        except BaseException as raised:
            error = raised
        with self._lock:
            if strands.tail is not None:
                strands.end(strands.tail, error, closing=True)
            assert strands.outlet.inlet is not None
            strands.outlet.inlet.detached = True
            strands.wake_all()
            self._launch()
            while not strands.over:
                try:
                    self._wait(self._seat, partial(setattr, strands.outlet, "getter"))
                except BaseException as interrupt:
                    strands.fail(interrupt, -1)
            for strand in (strands.source, *strands.all):
                if strand.host is not None:  # it never began
                    self._ledger.withdraw(strand.host)
                    strand.host = None
        try:
            run(close, self._input)
        except BaseException as raised:
            with self._lock:
                strands.take_error(raised, -1, closing=True)

    # Strands. With the lock held, unless they say otherwise.

    def _launch(self, keep: bool = False) -> None:
        """Ask for permits and threads for what is ready; with `keep`, leave one to this thread."""
        strands = self._strands
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

    def _granted(self, strand: Strand) -> None:
        """A permit is there. Called in any thread, the lock held or not; so who waits with it sees to what fails."""
        try:
            POOL.submit(partial(self._start, strand))
        except RuntimeError as error:
            self._refused.append((strand, error))
            for each in self._strands.all:
                if (getter := each.getter) is not None:
                    wake = getter.wake if isinstance(getter, Turn) else getter  # now, and not when there is a permit
                    with suppress(RuntimeError):  # it has been woken meanwhile
                        wake()

    def _see_refused(self) -> None:
        """End the run if a strand could get no thread."""
        while self._refused:
            strand, error = self._refused.pop()
            if strand.host is not None:
                self._ledger.withdraw(strand.host)
                strand.host = None
                self._strands.fail(error, -1)

    def _start(self, strand: Strand) -> None:
        """In a thread of the pool, with a permit, without the lock."""
        with self._lock:
            begins = strand.state is State.READY
            if begins:
                strand.state = State.RUNNING
            elif strand.host is not None:  # not withdrawn, so the permit is here
                self._ledger.release()
            strand.host = None
        if begins:
            site = site_of(self._config, self._graph, self._ledger, held=True)
            site.parent = self._parent
            self._pump(strand, site)
            if site.end():
                self._ledger.release()

    def _pump(self, strand: Strand, site: Site) -> None:
        """Pull a strand's chunks and deliver them until there are no more, or nobody reads them. Without the lock."""
        context = self._context.copy()
        context.run(SITE.set, site)
        strand.site = site
        error, slot, puller, closing = None, -1, None, False
        try:
            if strand.segment is None:
                pull = self._input.__next__
            else:
                chunks = self._reader(strand, site)
                puller = context.run(
                    self._open_puller, strand.segment.stages, chunks, site, self._graph, self._open_stream
                )
                self._opened.append(puller)
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
        with self._lock:
            self._over(strand, error, slot, closing)

    def _over(self, strand: Strand, error: BaseException | None, slot: int, closing: bool) -> None:
        strands = self._strands
        strand.site = None
        try:
            strands.end(strand, error, slot, closing=closing)
        except Exception as late:  # what a reader's inlet made of the last chunk
            strands.fail(late, slot)
        self._launch()
        if strands.over and strands.outlet.getter is not None:
            strands.wake_all()

    def _deliver(self, strand: Strand, chunk: Any, site: Site) -> bool:
        """Put a chunk into the readers' inlets, waiting for room. False when nobody reads any more."""
        strands = self._strands
        with self._lock:
            while True:
                if strands.stopped:
                    raise Stopped("the call around this step was stopped")
                full = strands.put(strand, chunk)
                if full is None:
                    break
                self._wait(site, full.putters.append)
            self._launch()
            if (age := self._turns.behind(site)) is not None:
                self._wait(site, call, age)
            return strands.is_read(strand)

    def _reader(self, strand: Strand, site: Site) -> Iterator[Any]:
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
        strands = self._strands
        with self._lock:
            while True:
                if strands.stopped:
                    raise Stopped("the call around this step was stopped")
                chunk = inlet.take()
                if chunk is not EMPTY:
                    strands.took(strand)
                    return chunk
                self._wait(site, partial(setattr, strand, "getter"))

    def _wait(self, site: Site, leave: Callable[[Callable[[], Any]], Any], age: int | None = None) -> None:
        """Wait, without lock and permit, until somebody calls the waker that is left. `age`: the place in line then."""
        woken = primitives.Lock()
        woken.acquire()
        held = holders(site)
        turn = Turn(self._turns, held[0], woken.release, age) if held else None
        leave(turn or woken.release)
        self._see_refused()
        for each in held:
            each.give_up()
        self._lock.release()
        try:
            woken.acquire()
        finally:
            if turn is not None:
                turn.settle()
            for each in held:
                take_permit(each)
            self._lock.acquire()
