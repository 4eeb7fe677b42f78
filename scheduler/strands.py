"""The state of a run of chunks through several segments, without any waiting of its own.

A *strand* is a segment on its way: waiting for its inlet, ready, running, or over. A driver starts what is ready,
delivers what strands make, and tells when they are over. Who finds an inlet empty or full leaves a waker there.
It isn't thread-safe: a driver of threads guards it with its lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from operator import itemgetter
from typing import Any

from anabranch.engine.graphs import INPUT_SLOT
from anabranch.scheduler import primitives
from anabranch.scheduler.closing import STOPS, came_of_a_stop, counting
from anabranch.scheduler.error_places import note_place, scope_refusing
from anabranch.scheduler.inlets import FlowInlet, FoldInlet, Inlet
from anabranch.scheduler.sites import Site
from anabranch.scheduler.stages import ChunkPlan, ChunkSegment
from anabranch.scheduler.units import Failure, first_failure

Waker = Callable[[], Any]
DEFAULT_CAPACITY = 16


class State(Enum):
    """Where a strand stands."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    OVER = "over"


class Strand:
    """A segment on its way.

    Attributes:
        inlet: where its input waits; None when it reads the graph's input itself.
        feeds: `(reader, leaf)` for each reader of its output.
        at: the feed at which a chunk is being delivered.
        getter, putters: who waits for a chunk to come in, and for room.
        host: the driver's own.
    """

    __slots__ = ("at", "feeds", "getter", "host", "inlet", "putters", "segment", "site", "state")

    def __init__(self, segment: ChunkSegment | None, inlet: Inlet | None) -> None:
        self.segment = segment
        self.inlet = inlet
        self.feeds: list[tuple[Strand, int]] = []
        self.at = 0
        self.getter: Waker | None = None
        self.putters: deque[Waker] = deque()
        self.state = State.WAITING
        self.site: Site | None = None
        self.host: Any = None

    @property
    def never_blocks(self) -> bool:
        """Whether it waits neither for chunks to come nor for room, once it is ready."""
        folds_in = not isinstance(self.inlet, FlowInlet)
        return folds_in and all(isinstance(reader.inlet, FoldInlet) for reader, _ in self.feeds)


class Strands:
    """All strands of a run. The last is the outlet, from which the consumer reads; `source` feeds the graph's input.

    `halt` stops a site whose code runs.

    `newly_ready` holds the strands that became ready and that the driver has not started yet.
    """

    def __init__(self, plan: ChunkPlan, capacity: int, halt: Callable[[Site], Any] = Site.stop) -> None:
        self.plan = plan
        self._halt = halt
        self.direct = len(plan.input_feeds) == 1 and not plan.segments[plan.input_feeds[0][0]].ports.joins
        self.all = [self._strand(segment, capacity) for segment in plan.segments]
        for strand, segment in zip(self.all, plan.segments, strict=True):
            strand.feeds = [(self.all[index], leaf) for index, leaf in segment.feeds]
        self.source = Strand(None, None)
        self.source.feeds = [] if self.direct else [(self.all[index], leaf) for index, leaf in plan.input_feeds]
        self.outlet = self.all[-1]
        self.tail = None if plan.tail is None else self.all[plan.tail.index]
        self.newly_ready: deque[Strand] = deque()
        self.failure: Failure | None = None
        self.stopped = False
        self._closed = False
        self._late: list[tuple[int, Exception]] = []  # what closing raised, each with the last slot of its strand
        if primitives.WORLDS and (world := primitives.world()) is not None:
            world.watch(self)

    def _strand(self, segment: ChunkSegment, capacity: int) -> Strand:
        if self.direct and segment.ports.slots == (INPUT_SLOT,):
            return Strand(segment, None)
        if segment.folds:
            return Strand(segment, FoldInlet(segment.ports, segment.steps[0].name))
        return Strand(segment, FlowInlet(segment.ports, capacity))

    @property
    def over(self) -> bool:
        """Whether every strand but the outlet is over."""
        return all(strand.state is State.OVER for strand in self.all[:-1]) and self.source.state is State.OVER

    @property
    def backlog(self) -> int:
        """How many strands are ready and not started."""
        return sum(strand.state is State.READY for strand in (self.source, *self.all[:-1]))

    def open(self) -> None:
        """Make ready what needs nothing but the graph's input."""
        if self.direct:
            self.source.state = State.OVER
        for strand in self.all:
            if strand.state is State.WAITING and (strand.inlet is None or strand.inlet.ready):
                self._make_ready(strand)

    def put(self, strand: Strand, chunk: Any, force: bool = False) -> Strand | None:
        """Deliver a chunk to all readers. A reader without room is answered: wait, and put the same again."""
        while strand.at < len(strand.feeds):
            reader, leaf = strand.feeds[strand.at]
            inlet = reader.inlet
            assert inlet is not None
            if not inlet.detached:
                if not inlet.put(leaf, chunk, force):
                    return reader
                self._look(reader)
            strand.at += 1
        strand.at = 0
        return None

    def is_read(self, strand: Strand) -> bool:
        """Whether anybody still reads a strand's output. What nobody ever read runs to its end all the same."""
        return not strand.feeds or not all(r.inlet is not None and r.inlet.detached for r, _ in strand.feeds)

    def took(self, reader: Strand) -> None:
        """A chunk was taken from a reader's inlet: there is room."""
        if reader.putters:
            reader.putters.popleft()()

    def end(self, strand: Strand, error: BaseException | None = None, slot: int = -1, *, closing: bool = False) -> None:
        """A strand is over, by itself or by an error. `closing`: it was raised when all of the strand was closed."""
        strand.state = State.OVER
        if strand.inlet is not None:
            strand.inlet.detached = True
        while strand.putters:
            strand.putters.popleft()()
        if error is not None:
            self.take_error(error, slot, strand, closing)
        if self.stopped:
            return
        for reader, leaf in strand.feeds:
            if reader.inlet is not None and not reader.inlet.detached:
                reader.inlet.close(leaf)
                self._look(reader)

    def take_error(self, error: BaseException, slot: int, strand: Strand | None = None, closing: bool = False) -> None:
        """Keep an error that came out of a strand's code, if it is one: it fails the run, or it came of its stop."""
        if self.stopped and isinstance(error, STOPS):
            return
        if self.stopped and isinstance(error, Exception) and (closing or came_of_a_stop(error)):
            steps = strand.segment.steps if strand is not None and strand.segment is not None else ()
            self._late.append((steps[-1].slot if steps else -1, error))
            return
        self.fail(error, slot)

    def fail(self, error: BaseException, slot: int) -> None:
        """Note an error, the one of the lowest slot first, and stop."""
        if (place := scope_refusing(error, self.plan.graph)) is not None:
            note_place(error, place)
        self.failure = first_failure(self.failure, Failure(error, 0, slot))
        self.stop()

    def close(self) -> None:
        """The consumer wants no more. That is no error, and what has failed is of no interest any more."""
        self._closed = True
        self.stop()

    def settle(self) -> None:
        """When all is over: see which error is the failure. What closing raised is noted on it, or is it.

        Streams are closed from their end, so the error of the last step goes before others.
        """
        if self._closed and self.failure is not None and isinstance(self.failure.error, (Exception, *STOPS)):
            self.failure = None
        for slot, late in sorted(self._late, key=itemgetter(0), reverse=True):
            error = late if self.failure is None else counting(self.failure.error, late)
            self.failure = Failure(error, 0, slot)

    def stop(self) -> None:
        """Nothing starts any more, and everybody who waits is woken to see it."""
        if self.stopped:
            return
        self.stopped = True
        self.newly_ready.clear()
        for strand in (self.source, *self.all):
            if strand.state in (State.WAITING, State.READY) and strand is not self.outlet:
                strand.state = State.OVER
            if strand.state is State.RUNNING and strand.site is not None:
                self._halt(strand.site)
        self.wake_all()

    def wake_all(self) -> None:
        """Wake everybody who waits."""
        for strand in self.all:
            if strand.getter is not None:
                strand.getter()
                strand.getter = None
            while strand.putters:
                strand.putters.popleft()()

    def _look(self, reader: Strand) -> None:
        assert reader.inlet is not None
        if reader.state is State.WAITING and reader.inlet.ready:
            self._make_ready(reader)
        if reader.getter is not None:
            getter, reader.getter = reader.getter, None
            getter()

    def _make_ready(self, strand: Strand) -> None:
        strand.state = State.READY
        if strand is not self.outlet:
            self.newly_ready.append(strand)

    def inlets(self) -> list[tuple[str, Inlet]]:
        """The channels, each with the name of the step that reads it."""
        return [
            (strand.segment.steps[0].name if strand.segment and strand.segment.steps else "output", strand.inlet)
            for strand in self.all
            if strand.inlet is not None
        ]

    def statistics(self) -> dict[str, Any]:
        """For each reader of a channel, how many chunks wait and how many are held back."""
        return {name: inlet.statistics() for name, inlet in self.inlets()}
