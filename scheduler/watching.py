"""Runs the stages of a segment where somebody listens: `pulling`, with each step's run reported.

The facts come in the order of pulling. A step that maps chunks starts with its first chunk of input; one that needs
the whole of it starts when that is there; each ends when its consumer has come back for more and there is no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, Self

from anabranch.engine.chunks import Accumulator, Tally
from anabranch.engine.graphs import Graph, Step
from anabranch.engine.runs import MISSING, RunInfo
from anabranch.scheduler.blaming import Blame, note_here
from anabranch.scheduler.closing import Closing
from anabranch.scheduler.managers import RUN, set_variables, variables_around
from anabranch.scheduler.pulling import OpenStream, Puller
from anabranch.scheduler.reporting import ease
from anabranch.scheduler.shapes import ends_at_once, starts_early
from anabranch.scheduler.sites import Site
from anabranch.scheduler.sources import close
from anabranch.scheduler.stages import Fold, Loop, Stage
from anabranch.scheduler.traces import Trace

Begun = tuple[RunInfo, Iterator[Any]]


class WatchedPuller(Puller):
    """See `Puller`."""

    def __init__(
        self,
        trace: Trace,
        stages: tuple[Stage, ...],
        source: Iterator[Any],
        site: Site,
        graph: Graph,
        open_stream: OpenStream,
    ) -> None:
        self._trace = trace
        self._blame = Blame(graph)
        self._outermost = outermost_step(stages)
        super().__init__(stages, source, site, graph, open_stream)

    def _open(self, stage: Stage, chunks: Iterator[Any]) -> Iterator[Any]:
        if isinstance(stage, Loop):
            return self._loop(stage, chunks)
        return self._watched(stage.step, chunks, lambda fed: super(WatchedPuller, self)._open(stage, fed))

    def _watched(
        self, step: Step, chunks: Iterator[Any], open_chunks: Callable[[Iterator[Any]], Iterator[Any]]
    ) -> Iterator[Any]:
        """A step that takes its input as it comes."""
        fed = Fed(chunks, step)

        def begin() -> Begun:
            run = self._trace.start(step, held=not fed.begin())
            with Inside(run):
                return run, open_chunks(fed)

        return self._told(step, begin, fed.total)

    def _note(self, error: BaseException, slot: int) -> None:
        note_here(error, self._graph.place(slot))

    def blame(self, error: BaseException, last: int | None = None) -> int:
        """See `Puller`."""
        slot = self._blame.slot_of(error)
        return super().blame(error, last) if slot is None else slot

    # Loops

    def _loop(self, loop: Loop, source: Iterator[Any]) -> Iterator[Any]:
        chunks: Iterable[Any] = source
        made: list[Iterable[Any]] = []
        with Closing(made):
            for phase in loop.phases:
                if phase.maps:
                    chunks = self._watched_maps(phase.maps, chunks)
                    made.append(chunks)
                chunks = self._watched_fold(phase, chunks)
                made.append(chunks)
            yield from self._watched_maps(loop.maps, chunks) if loop.maps else chunks

    def _watched_fold(self, phase: Fold, chunks: Iterable[Any]) -> Iterator[Any]:
        """Take a step's whole input, and begin to make chunks of it."""
        trace, step = self._trace, phase.step
        total = Accumulator(phase.algebra, phase.reader)
        run: RunInfo | None = None
        try:
            for chunk in chunks:
                if total.empty:
                    if starts_early(step.operator):
                        run = trace.start(step)
                    else:
                        trace.reach(step)
                total.push(chunk)
            if run is None:
                run = trace.start(step, MISSING if starts_early(step.operator) else total.value)
            with Inside(run):
                made = self._unfold(phase, total.value)
        except BaseException as error:
            if run is not None:
                self._blame.see(error, step.slot, run)
                trace.fail(run, error, total.value)
            raise
        return self._told(step, lambda: (run, iter(made)), total)

    def _watched_maps(self, steps: tuple[Step, ...], chunks: Iterable[Any]) -> Iterator[Any]:
        """Chunks through chunk maps, each of which is a run."""
        maps = Maps(self._trace, steps)
        try:
            for chunk in chunks:
                made = maps.push(chunk)
                if made is not MISSING:
                    for run in maps.runs:
                        ease(run)
                    yield made
            maps.end()
        except BaseException as error:
            if maps.runs:
                self._blame.see(error, steps[maps.at].slot, maps.runs[maps.at])
            maps.fail(error)
            raise

    # Runs

    def _told(self, step: Step, begin: Callable[[], Begun], taken: Accumulator) -> Iterator[Any]:
        """The chunks of a step, while its run is told of."""
        run, chunks = begin()
        trace, pull = self._trace, chunks.__next__
        total, at_once = Tally(step.operator.algebra, step.name), ends_at_once(step, run)
        inside, stays = Inside(run), step is self._outermost
        try:
            # The step's code goes on, if it was a listener that raised.
            with Closing([chunks], partial(_close_inside, run)), inside if stays else nullcontext():
                while True:
                    try:
                        if stays:
                            chunk = pull()
                        else:
                            with inside:
                                chunk = pull()
                    except StopIteration:
                        break
                    total.push(chunk)
                    if at_once:
                        trace.end_early(run, chunk)
                    trace.chunk(run, chunk)
                    ease(run)
                    yield chunk
        except BaseException as error:
            if run.started:
                self._blame.see(error, step.slot, run)
            trace.fail(run, error, taken.value, total.value)
            raise
        trace.end(run, total.value, taken.value)


def outermost_step(stages: tuple[Stage, ...]) -> Step | None:
    """The step that no code of a segment pulls: between two chunks its run may stay the one around."""
    last = stages[-1]
    if isinstance(last, Loop):
        return last.phases[-1].step if last.phases and not last.maps else None
    return last.step


class Inside:
    """Until it is left, a run is the one around the code of this context. May be entered again."""

    __slots__ = ("_around", "_run", "_variables")

    def __init__(self, run: RunInfo) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._around = RUN.get()
        self._variables = variables_around(self._run)
        RUN.set(self._run)
        set_variables(self._run.variables)

    def __exit__(self, *_: object) -> None:
        if RUN.get() is self._run:  # otherwise this is another context: that of whoever closes a forgotten stream
            RUN.set(self._around)
            set_variables(self._variables)


def _close_inside(run: RunInfo, chunks: Iterator[Any]) -> None:
    with Inside(run):
        close(chunks)


class Fed:
    """The input of a step, added up as it passes. `begin` waits for its first chunk."""

    def __init__(self, chunks: Iterator[Any], step: Step) -> None:
        self._pull = chunks.__next__
        self._first: list[Any] = []
        self._error: Exception | None = None
        self.total = Tally(where=step.name)

    def begin(self) -> bool:
        """Take the first chunk, if there is one. False when that failed; the step will get the error when it reads."""
        try:
            self._first.append(self._pull())
        except StopIteration:
            pass
        except Exception as error:
            self._error = error
        return self._error is None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        chunk = self._first.pop() if self._first else self._pull()
        self.total.push(chunk)
        return chunk


class Maps:
    """The runs of chunk maps that stand one after the other."""

    def __init__(self, trace: Trace, steps: tuple[Step, ...]) -> None:
        self._trace = trace
        self._steps = steps
        self._totals = [Tally(where=steps[0].name)]  # of the input, and of each step's output
        self._totals += [Tally(step.operator.algebra, step.name) for step in steps]
        self.at = 0  # which of them is at work; between chunks the first, which waits for one
        self.runs: list[RunInfo] = []

    def push(self, chunk: Any) -> Any:
        """What they make of a chunk; `MISSING` when that is nothing."""
        self._totals[0].push(chunk)
        made = chunk
        for at, step in enumerate(self._steps):
            if at == len(self.runs):
                self.runs.append(self._trace.start(step))
            self.at = at
            function = step.operator.map_chunk
            assert function is not None
            with Inside(self.runs[at]):
                given, made = made, function(made)
            if made is None and given is not None:
                self.at = 0
                return MISSING
            self._totals[at + 1].push(made)
            self._trace.chunk(self.runs[at], made)
        self.at = 0
        return made

    def end(self) -> None:
        """No more comes in."""
        for step in self._steps[len(self.runs) :]:
            self.runs.append(self._trace.start(step))
        self._end(self.runs)

    def _end(self, runs: list[RunInfo]) -> None:
        for run, taken, total in zip(runs, self._totals, self._totals[1:], strict=False):
            if not run.ended:
                self._trace.end(run, total.value, taken.value)

    def fail(self, error: BaseException) -> None:
        """One of them, or what comes in, has failed; or they are closed."""
        at = len(self.runs) if self._trace.is_end(error) else self.at
        self._end(self.runs[:at])
        for run, taken in zip(self.runs[at:], self._totals[at:], strict=False):
            if not run.ended:
                self._trace.fail(run, error, taken.value)
