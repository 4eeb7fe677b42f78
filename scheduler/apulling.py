"""Runs the stages of a segment as nested asynchronous generators: `pulling`, for an event loop.

Functions that block are one hop to a thread for each run of them; blocking generators run in threads, a chunk at a
time, while they are pulled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextvars import copy_context
from functools import partial
from types import AsyncGeneratorType
from typing import Any

from anabranch.engine.chunks import Accumulator
from anabranch.engine.config import RunnableConfig
from anabranch.engine.graphs import Graph, Step
from anabranch.engine.operators import INPUT, Effect, Flow, Run, RunEach, Sleep
from anabranch.scheduler.actions import THREAD
from anabranch.scheduler.advancing import aadvance, advance
from anabranch.scheduler.awaiting import abatch, ainvoke
from anabranch.scheduler.blaming import guilty_stage
from anabranch.scheduler.calls import counted_down, effect_config
from anabranch.scheduler.closing import AClosing, aclose_after, times_cancelled
from anabranch.scheduler.error_places import Passed, note_place, scope_refusing
from anabranch.scheduler.hopping import hop, loop_ledger
from anabranch.scheduler.ledger import Ledger
from anabranch.scheduler.napping import nap_async
from anabranch.scheduler.plans import Segment
from anabranch.scheduler.replays import AsyncReplay
from anabranch.scheduler.sites import Site, Speaking
from anabranch.scheduler.sources import NOTHING, Once, aclose
from anabranch.scheduler.stages import Fold, Loop, Stage, Through, Trial
from anabranch.scheduler.stays import wait_for_permit_async
from anabranch.scheduler.thread_bridges import thread_chunks
from anabranch.scheduler.units import Unit

OpenStream = Callable[[Graph, AsyncIterator[Any], RunnableConfig | None], AsyncIterator[Any]]


class AsyncPuller:
    """The open generators of a segment. `pull()` awaits the next chunk. See `Puller`."""

    def __init__(
        self,
        stages: tuple[Stage, ...],
        source: AsyncIterator[Any],
        site: Site,
        graph: Graph,
        open_stream: OpenStream,
    ) -> None:
        self._site = site
        self._graph = graph
        self._open_stream = open_stream
        self._stages = stages
        self._source = source
        self._replays: list[tuple[str, AsyncReplay]] = []
        self._fed: list[Any] = []  # what stands between a stage with bound config and its input
        self._opened: list[AsyncIterator[Any]] = []
        chunks = source
        for stage in stages:
            chunks = self._open(stage, chunks)
            self._opened.append(chunks)
        self.chunks = chunks
        self.pull: Callable[[], Any] = chunks.__anext__

    async def aclose(self) -> None:
        """Close all generators, the last first. The first error is raised, with the others noted."""
        await aclose_after(None, [self._source, *self._fed, *self._opened], self._shut)

    async def _shut(self, chunks: Any) -> None:
        try:
            await aclose(chunks)
        except BaseException as error:
            stage = next((at for at, each in enumerate(self._opened) if each is chunks), None)
            if stage is not None:
                self.blame(error, stage)
            raise

    def statistics(self) -> dict[str, dict[str, int]]:
        """How many chunks are held for another attempt, by the step that may make one."""
        return {name: {"waiting": 0, "held": replay.held} for name, replay in self._replays}

    def blame(self, error: BaseException, last: int | None = None) -> int:
        """Note on an error which step raised it, and answer its slot. `last`: the stage out of which it came."""
        if not isinstance(error, Exception):
            return -1  # an interrupt or a cancellation is nobody's fault
        end = len(self._stages) if last is None else last + 1
        slot = guilty_stage(error, self._stages[:end], self._opened[:end])
        if slot >= 0:
            note_place(error, scope_refusing(error, self._graph) or self._graph.place(slot))
        return slot

    def _note(self, error: BaseException, slot: int) -> None:
        note_place(error, self._graph.place(slot))

    def _open(self, stage: Stage, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        if isinstance(stage, Loop):
            return self._loop(stage, chunks) if stage.phases else _mapped(stage.maps, chunks)
        if stage.bound or isinstance(stage, Trial):
            chunks = self._at(None, chunks)
            self._fed.append(chunks)
        if not stage.bound:
            return self._opened_stage(stage, chunks)
        with Speaking(self._site, stage.step):  # for a thread, which gets a copy of the context now
            return self._at(stage.step, self._opened_stage(stage, chunks))

    def _opened_stage(self, stage: Through | Trial, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        return self._through(stage.step, chunks) if isinstance(stage, Through) else self._trial(stage.step, chunks)

    # Loops

    async def _loop(self, loop: Loop, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        chunks: AsyncIterator[Any] = source
        made: list[AsyncIterator[Any]] = []
        async with AClosing(made):
            for phase in loop.phases:
                total = Accumulator(phase.algebra, phase.reader)
                if phase.maps:
                    chunks = _mapped(phase.maps, chunks)
                    made.append(chunks)
                async for chunk in chunks:
                    total.push(chunk)
                chunks = await self._unfold(phase, total.value)
                made.append(chunks)
            if loop.maps:
                chunks = _mapped(loop.maps, chunks)
                made.append(chunks)
            async for chunk in chunks:
                yield chunk

    async def _unfold(self, phase: Fold, value: Any) -> AsyncIterator[Any]:
        if phase.values is not None:
            return await self._values(phase.values, value)
        if phase.stream is not None:
            return self._noted(phase.stream, self._stream(phase.stream, value))
        assert phase.flow is not None
        return self._noted(phase.flow, self._flow(phase.flow, value, None))

    async def _values(self, segment: Segment, value: Any) -> AsyncIterator[Any]:
        """Functions from value to value; a runnable that the last one returns is streamed."""
        unit = Unit.loose(segment, value)
        while True:
            try:
                effect = await self._advance(unit)
            except BaseException as error:
                self._note(error, unit.slot)
                raise
            if effect is None:
                return Once(unit.value)
            assert isinstance(effect, Run)
            step = segment.steps[unit.position]
            self._site.position = step.slot
            config = counted_down(self._site.inherited(), self._site.trail())
            if unit.position == len(segment.steps) - 1:
                return self._noted(step, self._open_stream(effect.graph, Once(effect.value), config))
            unit.value = await ainvoke(effect.graph, effect.value, config)
            unit.position += 1

    async def _advance(self, unit: Unit) -> Effect | None:
        site, context = self._site, copy_context()
        if unit.segment.lane is not THREAD:
            return await aadvance(unit, site, context)
        ledger = self._thread_ledger()
        if ledger is not None:
            await wait_for_permit_async(ledger, site.age)
        try:
            effect: Effect | None = await hop(lambda: advance(unit, site, context), site.stop)
        finally:
            if ledger is not None:
                ledger.release()
        return effect

    def _thread_ledger(self) -> Ledger | None:
        """What bounds blocking calls, where no cap does."""
        return None if self._site.ledger is not None else loop_ledger(asyncio.get_running_loop())

    async def _noted(self, step: Step, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async with AClosing([chunks]):
                async for chunk in chunks:
                    yield chunk
        except BaseException as error:
            self._note(error, step.slot)
            raise

    # Steps

    def _arguments(self, step: Step) -> tuple[RunnableConfig, ...]:
        return (self._site.config_for(step),) if step.operator.wants_config else ()

    def _stream(self, step: Step, value: Any) -> AsyncIterator[Any]:
        operator, config = step.operator, self._arguments(step)
        if operator.astream is not None:
            return operator.astream(value, *config)
        stream = operator.stream
        assert stream is not None
        return self._threaded(lambda _: stream(value, *config), NOTHING)

    def _through(self, step: Step, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        operator, config = step.operator, self._arguments(step)
        if operator.atransform is not None:
            try:
                made = operator.atransform(chunks, *config)
            except Exception as error:  # a form that is no generator function raises at once
                return _raising(error)
            return made if isinstance(made, AsyncGeneratorType) else _each(made)
        transform = operator.transform
        assert transform is not None
        return self._threaded(lambda source: transform(source, *config), chunks)

    def _threaded(self, open_chunks: Callable[[Any], Iterable[Any]], source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        return thread_chunks(
            lambda chunks: iter(open_chunks(chunks)), source, copy_context(), self._thread_ledger(), self._site.age
        )

    def _trial(self, step: Step, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        replay = AsyncReplay(chunks)
        self._replays.append((step.name, replay))
        return self._flow(step, INPUT, replay)

    async def _at(self, step: Step | None, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """See that what a step calls has the config that is bound to it; where its input is pulled, that of none."""
        speaking = Speaking(self._site, step)
        try:
            while True:
                try:
                    with speaking:
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
                yield chunk
        finally:
            await aclose(chunks)

    # Call steps

    async def _flow(self, step: Step, value: Any, replay: AsyncReplay | None) -> AsyncIterator[Any]:
        operator = step.operator
        assert operator.flow is not None
        flow: Flow = operator.flow(value, *self._arguments(step))
        last: AsyncIterator[Any] | None = None
        resume: Callable[[], Effect] = partial(next, flow)
        cancelled = times_cancelled()
        try:
            while True:
                try:
                    effect = resume()
                except StopIteration as done:
                    yield done.value
                    return
                try:
                    if isinstance(effect, Run) and effect.last:
                        last = self._last(effect, replay)
                        async for chunk in last:
                            yield chunk
                        return
                    resume = partial(flow.send, await self._answer(effect))
                except Passed as passed:
                    late = passed.error
                    break
                except (GeneratorExit, asyncio.CancelledError):
                    raise
                except BaseException as error:
                    if times_cancelled() > cancelled or (replay is not None and replay.broken):
                        raise  # there is no other attempt, or the input failed and not the attempt
                    resume = partial(flow.throw, error)
        finally:
            flow.close()
            await aclose(last)
        raise late

    async def _last(self, effect: Run, replay: AsyncReplay | None) -> AsyncIterator[Any]:
        """The chunks of a run that is to give the step's output."""
        chunks: AsyncIterator[Any]
        if effect.value is INPUT:
            assert replay is not None
            chunks = replay.attempt()
        else:
            chunks = Once(effect.value)
        inner = self._open_stream(effect.graph, chunks, effect_config(effect))
        is_out = False
        async with AClosing([inner]):
            try:
                async for chunk in inner:
                    if not is_out:
                        is_out = True
                        if replay is not None:
                            replay.forget()
                    yield chunk
            except (GeneratorExit, asyncio.CancelledError):
                raise
            except BaseException as error:
                if is_out:
                    raise Passed(error) from None
                raise

    async def _answer(self, effect: Effect) -> Any:
        if isinstance(effect, Sleep):
            return await nap_async(self._site, effect.seconds)
        if isinstance(effect, RunEach):
            return await abatch(effect.graph, list(effect.values), None, effect.configs)
        return await ainvoke(effect.graph, effect.value, effect_config(effect))


async def _mapped(steps: tuple[Step, ...], chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Chunks through chunk maps. A map that makes None of a chunk makes no chunk."""
    maps = [step.operator.map_chunk for step in steps]
    async for chunk in chunks:
        made = chunk
        for function in maps:
            made = function(made)  # type: ignore[misc] # chunk maps have that form
        function = None  # `blaming` looks at it: what fails now is none of them
        if made is not None or chunk is None:
            yield made


async def _each(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async with AClosing([chunks]):
        async for chunk in chunks:
            yield chunk


async def _raising(error: Exception) -> AsyncIterator[Any]:
    raise error
    yield
