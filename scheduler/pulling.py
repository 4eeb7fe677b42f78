"""Runs the stages of a segment as nested generators, for blocking code.

Chunks are pulled from the far end. All generators of a segment share one context; a function gets a copy of it.
Nested runs (of a call step, or of a runnable that a function returned) are ordinary nested calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from functools import partial
from types import GeneratorType
from typing import Any

from anabranch.engine.chunks import Accumulator
from anabranch.engine.config import RunnableConfig
from anabranch.engine.graphs import Graph, Step
from anabranch.engine.operators import INPUT, Effect, Flow, Run, RunEach, Sleep
from anabranch.scheduler.advancing import advance
from anabranch.scheduler.blaming import guilty_stage
from anabranch.scheduler.blocking import batch, invoke
from anabranch.scheduler.calls import counted_down, effect_config
from anabranch.scheduler.closing import Closing, close_after
from anabranch.scheduler.error_places import Passed, note_place, scope_refusing
from anabranch.scheduler.napping import nap
from anabranch.scheduler.plans import Segment
from anabranch.scheduler.portal_bridges import portal_chunks
from anabranch.scheduler.replays import Replay
from anabranch.scheduler.sites import Site, Speaking
from anabranch.scheduler.sources import close
from anabranch.scheduler.stages import Fold, Loop, Stage, Through, Trial
from anabranch.scheduler.units import Unit

OpenStream = Callable[[Graph, Iterator[Any], RunnableConfig | None], Iterator[Any]]


class Puller:
    """The open generators of a segment. `pull()` makes the next chunk.

    Args:
        stages: what to run.
        source: the chunks that come in.
        site: where it runs.
        graph: whose stages these are.
        open_stream: the driver's `stream`, for nested runs.
    """

    def __init__(
        self, stages: tuple[Stage, ...], source: Iterator[Any], site: Site, graph: Graph, open_stream: OpenStream
    ) -> None:
        self._site = site
        self._graph = graph
        self._open_stream = open_stream
        self._stages = stages
        self._source = source
        self._replays: list[tuple[str, Replay]] = []
        self._fed: list[Any] = []  # what stands between a stage with bound config and its input
        self._opened: list[Iterator[Any]] = []
        chunks = source
        for stage in stages:
            chunks = self._open(stage, chunks)
            self._opened.append(chunks)
        self.pull: Callable[[], Any] = chunks.__next__

    def close(self) -> None:
        """Close all generators, the last first. The first error is raised, with the others noted."""
        close_after(None, [self._source, *self._fed, *self._opened], self._shut)

    def _shut(self, chunks: Any) -> None:
        try:
            close(chunks)
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

    def _open(self, stage: Stage, chunks: Iterator[Any]) -> Iterator[Any]:
        if isinstance(stage, Loop):
            return self._loop(stage, chunks) if stage.phases else _mapped(stage.maps, chunks)
        if stage.bound or isinstance(stage, Trial):
            chunks = self._at(None, chunks)
            self._fed.append(chunks)
        opened = self._through(stage.step, chunks) if isinstance(stage, Through) else self._trial(stage.step, chunks)
        return self._at(stage.step, opened) if stage.bound else opened

    # Loops

    def _loop(self, loop: Loop, source: Iterator[Any]) -> Iterator[Any]:
        chunks: Iterable[Any] = source
        made: list[Iterable[Any]] = []
        with Closing(made):
            for phase in loop.phases:
                total = Accumulator(phase.algebra, phase.reader)
                if phase.maps:
                    chunks = _mapped(phase.maps, chunks)
                    made.append(chunks)
                for chunk in chunks:
                    total.push(chunk)
                chunks = self._unfold(phase, total.value)
                made.append(chunks)
            yield from _mapped(loop.maps, chunks) if loop.maps else chunks

    def _unfold(self, phase: Fold, value: Any) -> Iterable[Any]:
        if phase.values is not None:
            return self._values(phase.values, value)
        if phase.stream is not None:
            return self._noted(phase.stream, self._stream(phase.stream, value))
        assert phase.flow is not None
        return self._noted(phase.flow, self._flow(phase.flow, value, None))

    def _values(self, segment: Segment, value: Any) -> Iterable[Any]:
        """Functions from value to value; a runnable that the last one returns is streamed."""
        unit = Unit.loose(segment, value)
        while True:
            try:
                effect = advance(unit, self._site, copy_context())
            except BaseException as error:
                self._note(error, unit.slot)
                raise
            if effect is None:
                return (unit.value,)
            assert isinstance(effect, Run)
            step = segment.steps[unit.position]
            self._site.position = step.slot
            config = counted_down(self._site.inherited(), self._site.trail())
            if unit.position == len(segment.steps) - 1:
                return self._noted(step, self._open_stream(effect.graph, iter((effect.value,)), config))
            unit.value = invoke(effect.graph, effect.value, config)
            unit.position += 1

    def _noted(self, step: Step, chunks: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from chunks
        except BaseException as error:
            self._note(error, step.slot)
            raise

    # Steps

    def _arguments(self, step: Step) -> tuple[RunnableConfig, ...]:
        return (self._site.config_for(step),) if step.operator.wants_config else ()

    def _stream(self, step: Step, value: Any) -> Iterator[Any]:
        operator, config = step.operator, self._arguments(step)
        if operator.stream is not None:
            return _generator(operator.stream, value, *config)
        astream = operator.astream
        assert astream is not None
        return portal_chunks(operator.name, lambda _: astream(value, *config), iter(()))

    def _through(self, step: Step, chunks: Iterator[Any]) -> Iterator[Any]:
        operator, config = step.operator, self._arguments(step)
        if operator.transform is not None:
            return _generator(operator.transform, chunks, *config)
        atransform = operator.atransform
        assert atransform is not None
        return portal_chunks(operator.name, lambda source: atransform(source, *config), chunks)

    def _trial(self, step: Step, chunks: Iterator[Any]) -> Iterator[Any]:
        replay = Replay(chunks)
        self._replays.append((step.name, replay))
        return self._flow(step, INPUT, replay)

    def _at(self, step: Step | None, chunks: Iterator[Any]) -> Iterator[Any]:
        """See that what a step calls has the config that is bound to it; where its input is pulled, that of none."""
        speaking = Speaking(self._site, step)
        try:
            while True:
                try:
                    with speaking:
                        chunk = next(chunks)
                except StopIteration:
                    return
                yield chunk
        finally:
            if isinstance(chunks, GeneratorType):
                chunks.close()

    # Call steps

    def _flow(self, step: Step, value: Any, replay: Replay | None) -> Iterator[Any]:
        operator = step.operator
        assert operator.flow is not None
        flow: Flow = operator.flow(value, *self._arguments(step))
        resume: Callable[[], Effect] = partial(next, flow)
        try:
            while True:
                try:
                    effect = resume()
                except StopIteration as done:
                    yield done.value
                    return
                try:
                    if isinstance(effect, Run) and effect.last:
                        yield from self._last(effect, replay)
                        return
                    resume = partial(flow.send, self._answer(effect))
                except Passed as passed:
                    late = passed.error
                    break
                except GeneratorExit:
                    raise
                except BaseException as error:
                    if self._site.stopped or (replay is not None and replay.broken):
                        raise  # there is no other attempt, or the input failed and not the attempt
                    resume = partial(flow.throw, error)
        finally:
            flow.close()
        raise late

    def _last(self, effect: Run, replay: Replay | None) -> Iterator[Any]:
        """The chunks of a run that is to give the step's output."""
        chunks: Iterator[Any] = iter((effect.value,))
        if effect.value is INPUT:
            assert replay is not None
            chunks = replay.attempt()
        inner = self._open_stream(effect.graph, chunks, effect_config(effect))
        is_out = False
        try:
            with Closing([inner]):  # in here, for what closing raises is no failed attempt either
                for chunk in inner:
                    if not is_out:
                        is_out = True
                        if replay is not None:
                            replay.forget()
                    yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            if is_out:
                raise Passed(error) from None
            raise

    def _answer(self, effect: Effect) -> Any:
        if isinstance(effect, Sleep):
            return nap(self._site, effect.seconds)
        if isinstance(effect, RunEach):
            return batch(effect.graph, list(effect.values), None, effect.configs)
        return invoke(effect.graph, effect.value, effect_config(effect))


def _mapped(steps: tuple[Step, ...], chunks: Iterable[Any]) -> Iterator[Any]:
    """Chunks through chunk maps. A map that makes None of a chunk makes no chunk."""
    maps = [step.operator.map_chunk for step in steps]
    for chunk in chunks:
        made = chunk
        for function in maps:
            made = function(made)  # type: ignore[misc] # chunk maps have that form
        function = None  # `blaming` looks at it: what fails now is none of them
        if made is not None or chunk is None:
            yield made


def _generator(form: Callable[..., Iterable[Any]], *arguments: Any) -> Iterator[Any]:
    """A generator over what a step makes, so that it can be closed and found in a traceback."""
    try:
        chunks = form(*arguments)
    except Exception as error:  # a form that is no generator function raises at once
        return _raising(error)
    return chunks if isinstance(chunks, GeneratorType) else _each(chunks)


def _each(chunks: Iterable[Any]) -> Iterator[Any]:
    yield from chunks


def _raising(error: Exception) -> Iterator[Any]:
    raise error
    yield
