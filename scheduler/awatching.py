"""Runs the stages of a segment where somebody listens, on an event loop: `watching`, awaiting the listeners."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Self

from anabranch.engine.chunks import Accumulator, Tally
from anabranch.engine.graphs import Graph, Step
from anabranch.engine.runs import MISSING, RunInfo
from anabranch.scheduler.apulling import AsyncPuller, OpenStream
from anabranch.scheduler.blaming import Blame, note_here
from anabranch.scheduler.closing import AClosing
from anabranch.scheduler.reporting import aease, is_busy
from anabranch.scheduler.shapes import ends_at_once, starts_early
from anabranch.scheduler.sites import Site
from anabranch.scheduler.sources import aclose
from anabranch.scheduler.stages import Fold, Loop, Stage
from anabranch.scheduler.traces import Trace
from anabranch.scheduler.watching import Inside, Maps, outermost_step

Begun = tuple[RunInfo, AsyncIterator[Any]]


class AsyncWatchedPuller(AsyncPuller):
    """See `WatchedPuller`."""

    def __init__(
        self,
        trace: Trace,
        stages: tuple[Stage, ...],
        source: AsyncIterator[Any],
        site: Site,
        graph: Graph,
        open_stream: OpenStream,
    ) -> None:
        self._trace = trace
        self._blame = Blame(graph)
        self._outermost = outermost_step(stages)
        super().__init__(stages, source, site, graph, open_stream)

    def _open(self, stage: Stage, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        if isinstance(stage, Loop):
            return self._loop(stage, chunks)
        return self._watched(stage.step, chunks, lambda fed: super(AsyncWatchedPuller, self)._open(stage, fed))

    def _watched(
        self, step: Step, chunks: AsyncIterator[Any], open_chunks: Callable[[AsyncIterator[Any]], AsyncIterator[Any]]
    ) -> AsyncIterator[Any]:
        """A step that takes its input as it comes."""
        fed = AsyncFed(chunks, step)

        async def begin() -> Begun:
            run = await self._start(step, held=not await fed.begin())
            with Inside(run):
                return run, open_chunks(fed)

        return self._told(step, begin, fed.total)

    async def _start(self, step: Step, value: Any = MISSING, *, held: bool = False) -> RunInfo:
        run = self._trace.start(step, value, held=held)
        if self._trace.reporter.posts:
            await self._trace.reporter.settle()
        return run

    def _note(self, error: BaseException, slot: int) -> None:
        note_here(error, self._graph.place(slot))

    def blame(self, error: BaseException, last: int | None = None) -> int:
        """See `AsyncPuller`."""
        slot = self._blame.slot_of(error)
        return super().blame(error, last) if slot is None else slot

    # Loops

    async def _loop(self, loop: Loop, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        chunks = source
        made: list[AsyncIterator[Any]] = []
        async with AClosing(made):
            for phase in loop.phases:
                if phase.maps:
                    chunks = self._watched_maps(phase.maps, chunks)
                    made.append(chunks)
                chunks = await self._watched_fold(phase, chunks)
                made.append(chunks)
            if loop.maps:
                chunks = self._watched_maps(loop.maps, chunks)
                made.append(chunks)
            async for chunk in chunks:
                yield chunk

    async def _watched_fold(self, phase: Fold, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Take a step's whole input, and begin to make chunks of it."""
        trace, step = self._trace, phase.step
        total = Accumulator(phase.algebra, phase.reader)
        run: RunInfo | None = None
        try:
            async for chunk in chunks:
                if total.empty:
                    if starts_early(step.operator):
                        run = await self._start(step)
                    else:
                        trace.reach(step)
                total.push(chunk)
            if run is None:
                run = await self._start(step, MISSING if starts_early(step.operator) else total.value)
            with Inside(run):
                made = await self._unfold(phase, total.value)
        except BaseException as error:
            if run is not None:
                self._blame.see(error, step.slot, run)
                trace.fail(run, error, total.value)
            raise

        async def begun() -> Begun:
            return run, made

        return self._told(step, begun, total)

    async def _watched_maps(self, steps: tuple[Step, ...], chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Chunks through chunk maps, each of which is a run."""
        maps = Maps(self._trace, steps)
        try:
            async for chunk in chunks:
                made = maps.push(chunk)
                if made is not MISSING:
                    for run in maps.runs:
                        await aease(run, self._trace.reporter)
                    yield made
            maps.end()
        except BaseException as error:
            if maps.runs:
                self._blame.see(error, steps[maps.at].slot, maps.runs[maps.at])
            maps.fail(error)
            raise

    # Runs

    async def _told(self, step: Step, begin: Callable[[], Awaitable[Begun]], taken: Accumulator) -> AsyncIterator[Any]:
        """The chunks of a step, while its run is told of."""
        run, chunks = await begin()
        trace, pull = self._trace, chunks.__anext__
        total, at_once = Tally(step.operator.algebra, step.name), ends_at_once(step, run)
        inside, stays = Inside(run), step is self._outermost
        try:
            # The step's code goes on, if it was a listener that raised or was waited for.
            async with AClosing([chunks], partial(_aclose_inside, run)):
                with inside if stays else nullcontext():
                    while True:
                        try:
                            if stays:
                                chunk = await pull()
                            else:
                                with inside:
                                    chunk = await pull()
                        except StopAsyncIteration:
                            break
                        total.push(chunk)
                        if at_once:
                            trace.end_early(run, chunk)
                        trace.chunk(run, chunk)
                        if is_busy(run, trace.reporter):
                            await aease(run, trace.reporter)
                        yield chunk
        except BaseException as error:
            if run.started:
                self._blame.see(error, step.slot, run)
            trace.fail(run, error, taken.value, total.value)
            raise
        trace.end(run, total.value, taken.value)
        await trace.reporter.settle()


async def _aclose_inside(run: RunInfo, chunks: AsyncIterator[Any]) -> None:
    with Inside(run):
        await aclose(chunks)


class AsyncFed:
    """The input of a step, added up as it passes. `begin` waits for its first chunk."""

    def __init__(self, chunks: AsyncIterator[Any], step: Step) -> None:
        self._pull = chunks.__anext__
        self._first: list[Any] = []
        self._error: Exception | None = None
        self.total = Tally(where=step.name)

    async def begin(self) -> bool:
        """Take the first chunk, if there is one. False when that failed; the step will get the error when it reads."""
        try:
            self._first.append(await self._pull())
        except StopAsyncIteration:
            pass
        except Exception as error:
            self._error = error
        return self._error is None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        chunk = self._first.pop() if self._first else await self._pull()
        self.total.push(chunk)
        return chunk
