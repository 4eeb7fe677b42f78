"""Finds the step that an error came from, among generators that are nested in each other.

Fused generators have nothing between them that could notice who raised: an error passes through those further down
as well. But it leaves a frame of each in its traceback, from the outermost to the one that raised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from anabranch.engine.graphs import Graph
from anabranch.engine.runs import RunInfo
from anabranch.scheduler.error_places import note_place
from anabranch.scheduler.managers import RUN
from anabranch.scheduler.stages import Loop, Stage
from anabranch.scheduler.units import Unit


def guilty_stage(error: BaseException, stages: Sequence[Stage], opened: Sequence[Any]) -> int:
    """The slot of the step that raised; -1 when none did.

    The error came with the input of a run that a step makes, or the consumer has thrown it.

    `opened` holds the generator of each stage.
    """
    frames = list(_frames(error))
    at = last = len(stages) - 1
    guilty = -1
    found = away = 0
    for number, frame in enumerate(frames):
        if at < last:
            away += _away(frame)
            if away < 0:
                return -1
        if at >= 0 and not away and frame.f_code is _code(opened[at]):
            guilty, at, found = at, at - 1, number
    if guilty < 0:
        return -1
    stage = stages[guilty]
    if not isinstance(stage, Loop):
        return stage.step.slot
    return _guilty_in_loop(stage, frames[found:])


# A run that a step makes has frames of its own, which look like ours: they are passed over, until that run reads the
# step's input.
_AWAY = {
    ("anabranch.scheduler.streams", "_stream_straight"): 1,
    ("anabranch.scheduler.astreams", "_astream_straight"): 1,
    ("anabranch.scheduler.thread_streams", "chunks"): 1,
    ("anabranch.scheduler.task_streams", "chunks"): 1,
    ("anabranch.scheduler.replays", "attempt"): -1,
    ("anabranch.scheduler.pulling", "_noted"): 1,  # nor does what a step of a loop makes of its whole input read any
    ("anabranch.scheduler.apulling", "_noted"): 1,
}


def _away(frame: FrameType) -> int:
    return _AWAY.get((frame.f_globals.get("__name__", ""), frame.f_code.co_name), 0)


def _guilty_in_loop(loop: Loop, frames: list[FrameType]) -> int:
    """A loop's frames tell by their variables what they were about. Frames of nested runs stand further in."""
    for frame in frames:
        seen = frame.f_locals
        unit = seen.get("unit")
        step = (
            unit.segment.steps[min(unit.position, len(unit.segment.steps) - 1)]
            if isinstance(unit, Unit)
            else seen.get("step")
        )
        function = seen.get("function")
        for candidate in loop.steps:
            if candidate is step or (function is not None and candidate.operator.map_chunk is function):
                return candidate.slot
    return loop.steps[0].slot


def _code(chunks: Any) -> Any:
    return getattr(chunks, "gi_code", None) or getattr(chunks, "ag_code", None)


def _frames(error: BaseException) -> Iterator[FrameType]:
    """The frames that an error went through, outermost first, each once: one that catches an error may raise it again.

    Python makes a `RuntimeError` of a `StopIteration` that leaves a generator or a coroutine. Its traceback begins
    there; that of the original goes on.
    """
    seen: set[FrameType] = set()
    at: BaseException | None = error
    while at is not None:
        traceback = at.__traceback__
        while traceback is not None:
            if traceback.tb_frame not in seen:
                seen.add(traceback.tb_frame)
                yield traceback.tb_frame
            traceback = traceback.tb_next
        at = _stop_behind(at)


def _stop_behind(error: BaseException) -> BaseException | None:
    """The stop of an iteration of which Python has made an error."""
    cause = error.__cause__
    return cause if isinstance(error, RuntimeError) and isinstance(cause, StopIteration | StopAsyncIteration) else None


class Blame:
    """Whose error it was, in a segment that is listened to: that step whose run sees it first."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._seen: list[tuple[BaseException, int]] = []  # other steps are closed meanwhile, and may raise as well

    def see(self, error: BaseException, slot: int, run: RunInfo) -> None:
        """A step's run sees an error. The first to see it has it noted, unless it came with the run's input."""
        if self._find(error) is None and not _came_in(error):
            self._seen.append((error, slot))
            note_place(error, self._graph.place(slot), run.id)

    def slot_of(self, error: BaseException) -> int | None:
        """The slot of the step that raised it; None if none has seen it. Python may have made another error of it."""
        slot = self._find(error)
        if slot is None:
            slot = self._find(_stop_behind(error))
        if slot is not None:
            note_place(error, self._graph.place(slot))
        return slot

    def _find(self, error: BaseException | None) -> int | None:
        return next((slot for seen, slot in self._seen if seen is error), None)


def _came_in(error: BaseException) -> bool:
    """Whether an error came with the input of the run that a step makes, whose frames are those seen so far."""
    away = 0
    for frame in _frames(error):
        away += _away(frame)
        if away < 0:
            return True
    return False


def note_here(error: BaseException, place: str) -> None:
    """Note on an error the place, and the run whose code is running."""
    run = RUN.get()
    note_place(error, place, None if run is None else run.id)
