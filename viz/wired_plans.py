"""How a graph is wired when it runs: which steps are fused, where they run, what each waits for, where chunks queue up.

Fusing and lanes are those of the plan for values under asyncio, where they matter most; channels those of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Source, Step
from anabranch.scheduler.actions import ASYNC, INLINE, LOOP, SYNC, THREAD, Lane, action_of
from anabranch.scheduler.plans import plan_of
from anabranch.scheduler.stages import chunk_plan_of
from anabranch.scheduler.strands import DEFAULT_CAPACITY
from anabranch.scheduler.wiring import narrowed

WHERE: dict[Lane, str] = {THREAD: "thread", LOOP: "event loop", INLINE: "inline"}


@dataclass(frozen=True, slots=True)
class Fused:
    """Steps that run without any hand-over, and where."""

    slots: tuple[int, ...]
    where: str


class WiredPlan:
    """The plan of a graph, as a picture shows it.

    Attributes:
        segments: the runs of steps that are fused.
    """

    def __init__(self, graph: Graph) -> None:
        self.segments = [
            Fused(tuple(step.slot for step in segment.steps), WHERE[segment.lane])
            for segment in plan_of(graph, ASYNC).segments
        ]
        self._graph = graph
        self._alone = {segment.slots[0] for segment in self.segments if len(segment.slots) == 1}
        self._channels = _channels(graph)

    def ports(self, step: Step) -> Mapping[str, Source] | None:
        """The ports that a step waits for; None where it waits for its whole input."""
        source = narrowed(step.source, step.operator)
        return source.ports if isinstance(source, Join) and source is not step.source else None

    def said(self, step: Step) -> tuple[str, ...]:
        """Where a step runs that is fused with no other; nothing for one that runs others."""
        if step.slot not in self._alone or step.operator.flow is not None:
            return ()
        return (WHERE[action_of(step, self._graph, ASYNC).lane],)

    def channel(self, reader: Step | None) -> int:
        """How many chunks wait at most before a step, or before whoever reads the output; -1 for any number."""
        return self._channels.get(None if reader is None else reader.slot, 0)


def _channels(graph: Graph) -> dict[int | None, int]:
    plan = chunk_plan_of(graph, SYNC)
    found: dict[int | None, int] = {}
    for segment in () if plan.straight else plan.segments:
        reads_others = any(slot != INPUT_SLOT for slot in segment.ports.slots)
        if reads_others and (segment.steps or plan.tail is None):
            first = segment.steps[0].slot if segment.steps else None
            found[first] = -1 if segment.folds else DEFAULT_CAPACITY
    return found
