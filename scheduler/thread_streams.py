"""The blocking driver for chunks: the consumer pulls, and what can't be pulled in one line runs in threads.

A straight graph is one segment: pulling it runs it, in the consumer's thread. Otherwise each segment but the last
is a strand that a thread of the pool pumps into its readers' inlets (`thread_pumps`). The last segment is pulled by
the consumer; while that can't begin yet, the consumer pumps strands that never wait. Here is what runs in the
consumer's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextvars import copy_context
from functools import partial
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.scheduler.calls import ledger_for
from anabranch.scheduler.chunk_streams import held_in
from anabranch.scheduler.clocks import CLOCK, Timer
from anabranch.scheduler.inlets import FlowInlet
from anabranch.scheduler.ledger import Ledger, default_limit
from anabranch.scheduler.loops import standing
from anabranch.scheduler.pulling import OpenStream, Puller
from anabranch.scheduler.sites import SITE, Site, pulling_site, site_of
from anabranch.scheduler.sources import close
from anabranch.scheduler.stages import ChunkPlan
from anabranch.scheduler.stays import Stay, take_permit
from anabranch.scheduler.strands import DEFAULT_CAPACITY, State, Strand, Strands
from anabranch.scheduler.thread_pumps import ThreadPumps


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
        self._input = source
        self._whole = whole
        self._parent = parent
        self._timeout = timeout
        self._ledger = ledger_for(config, parent, plan.graph) or Ledger(default_limit(), is_cap=False, taken=1)
        self._shares = parent is not None and parent.ledger is self._ledger
        if not self._shares:
            self._ledger.release()  # the consumer has a permit only while it pulls
        self._context = standing(copy_context())
        self._strands = Strands(plan, (config or {}).get("channel_capacity", DEFAULT_CAPACITY))
        self._pumps = ThreadPumps(
            self._strands, source, config, parent, self._ledger, self._context, open_stream, open_puller
        )
        self._lock = self._pumps.lock
        self._seat = site_of(config, plan.graph, self._ledger, held=False, age=parent.age if parent else None)
        self._seat.parent = parent
        self._puller: Puller | None = None
        self._outlet: Iterator[Any] | None = None

    def statistics(self) -> dict[str, Any]:
        """See `ChunkStream`."""
        with self._lock:
            return {**self._strands.statistics(), **held_in(self._pumps.opened)}

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
                self._pumps.launch()
            self._outlet = self._pumps.reader(strands.outlet, self._seat)
            return self._outlet.__next__
        self._await(tail)
        self._puller = self._pumps.open(tail, self._seat)
        return self._puller.pull

    def _await(self, tail: Strand) -> None:
        """Wait until the last segment can begin; meanwhile help, if it reads nothing before that."""
        helps = not isinstance(tail.inlet, FlowInlet)
        with self._lock:
            self._pumps.launch(keep=helps)
            while tail.state is State.WAITING and not self._strands.stopped:
                strand = self._helpable() if helps else None
                if strand is None:
                    self._pumps.wait(self._seat, partial(setattr, tail, "getter"))
                    continue
                strand.state = State.RUNNING
                self._pumps.withdraw(strand)
                self._lock.release()
                try:
                    self._pumps.pump(strand, self._seat)
                finally:
                    self._lock.acquire()
            if tail.state is State.READY:
                tail.state = State.RUNNING
                tail.site = self._seat
            self._pumps.launch()

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
            self._pumps.launch()
            while not strands.over:
                try:
                    self._pumps.wait(self._seat, partial(setattr, strands.outlet, "getter"))
                except BaseException as interrupt:
                    strands.fail(interrupt, -1)
            for strand in (strands.source, *strands.all):
                self._pumps.withdraw(strand)
        try:
            run(close, self._input)
        except BaseException as raised:
            with self._lock:
                strands.take_error(raised, -1, closing=True)
