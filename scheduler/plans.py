"""Compiles a graph, for values, into what a driver of one kind runs.

Steps become *segments*: longest straight runs, within which values pass by plain calls. A segment has a recipe
for its input, a count of the segments that it waits for, and the segments that wait for it. Plans are made once
for a graph and a kind, and never changed.

"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Source, Step, joins_of, slots_of
from anabranch.scheduler import primitives
from anabranch.scheduler.actions import INLINE, LOOP, SYNC, Action, Lane, Mode, action_of
from anabranch.scheduler.wiring import narrowed

Recipe = tuple[tuple[int, int | None, tuple[tuple[str, int], ...], int], ...]


@dataclass(slots=True, eq=False)
class Segment:
    """A straight run of steps.

    Attributes:
        index: its place in the plan; its output stands there among an activation's values.
        steps: what runs, in order.
        actions: how each step is called.
        calls: the plain functions, when all steps are that and nothing else; the drivers' fast path.
        source: the segment (or `INPUT_SLOT`) that gives the input, when it needs no recipe.
        recipe: how to gather the input from several.
        needs: how many segments must end before it is ready.
        feeds: the segments that wait for it.
        lane: where its code may run.
        vector: its first step has a vectorised form.
    """

    index: int
    steps: tuple[Step, ...]
    actions: tuple[Action, ...]
    calls: tuple[Callable[[Any], Any], ...] | None
    lane: Lane
    source: int = INPUT_SLOT
    recipe: Recipe = ()
    needs: int = 0
    feeds: list[int] = field(default_factory=list)
    vector: bool = False


@dataclass(slots=True, eq=False)
class Plan:
    """A graph compiled for one kind of driver.

    Attributes:
        needs: for each segment, how many others must end before it is ready.
        ready: the segments that need none.
        output: a segment without steps, whose input is the graph's output.
        straight: one segment is all there is, and its input the graph's.
        plain: moreover it is nothing but plain functions.
        bound: config is bound to some step.
        blank: a None for the output of each segment.
    """

    graph: Graph
    mode: Mode
    segments: tuple[Segment, ...]
    needs: tuple[int, ...]
    ready: tuple[int, ...]
    output: Segment
    straight: bool
    plain: bool
    bound: bool
    blank: tuple[None, ...]


def plan_of(graph: Graph, mode: Mode) -> Plan:
    """The plan of a graph for a kind of driver, made when first asked for."""
    if primitives.WORLDS and (world := primitives.world()) is not None:
        graph = world.staged(graph)
    plan: Plan | None = graph.plans.get(mode)
    if plan is None:
        plan = graph.plans[mode] = _compile(graph, mode)
    return plan


def _compile(graph: Graph, mode: Mode) -> Plan:
    sources = [narrowed(step.source, step.operator) for step in graph.steps]
    actions = [action_of(step, graph, mode) for step in graph.steps]
    runs = straight_runs(graph, sources, _fusing(actions))
    home = {slots[-1]: index for index, slots in enumerate(runs)}
    home[INPUT_SLOT] = INPUT_SLOT
    segments = [_segment(index, slots, graph, actions) for index, slots in enumerate(runs)]
    for segment, slots in zip(segments, runs, strict=True):
        _feed(segment, sources[slots[0]], home, segments)
    output = _outlet(graph, home, segments)
    first = segments[0] if len(segments) == 1 else None
    straight = first is not None and not first.recipe and not first.vector and not output.recipe and output.source == 0
    return Plan(
        graph,
        mode,
        tuple(segments),
        tuple(segment.needs for segment in segments),
        tuple(segment.index for segment in segments if not segment.needs),
        output,
        straight,
        plain=straight and first is not None and first.calls is not None and (mode is SYNC or first.lane is LOOP),
        bound=any(action.bound for action in actions),
        blank=(None,) * len(segments),
    )


def straight_runs(graph: Graph, sources: list[Source], fuses: Callable[[list[int], int], bool]) -> list[list[int]]:
    """Slots grouped into longest runs, each step the only reader of the one before it."""
    readers = [0] * (len(sources) + 1)  # the last counts the readers of the graph's input
    for source in [*sources, graph.output]:
        for slot in slots_of(source) if isinstance(source, Join) else (source,):
            readers[slot] += 1
    runs: list[list[int]] = []
    run_at: list[list[int]] = []
    for slot, source in enumerate(sources):
        if isinstance(source, int) and source >= 0 and readers[source] == 1 and fuses(run_at[source], slot):
            run = run_at[source]
        else:
            run = []
            runs.append(run)
        run.append(slot)
        run_at.append(run)
    return runs


def _fusing(actions: list[Action]) -> Callable[[list[int], int], bool]:
    """A run keeps to one lane; steps that may run anywhere join it. A vectorised step stands alone."""
    lanes: dict[int, Lane] = {}

    def fuses(run: list[int], slot: int) -> bool:
        lane = lanes.get(run[0], actions[run[0]].lane)
        own = actions[slot].lane
        if actions[slot].vector or actions[run[0]].vector or not (own is lane or INLINE in (own, lane)):
            return False
        lanes[run[0]] = max(lane, own)
        return True

    return fuses


def _segment(index: int, slots: list[int], graph: Graph, actions: list[Action]) -> Segment:
    own = tuple(actions[slot] for slot in slots)
    plain = all(action.is_plain and action.kind is own[0].kind for action in own)
    return Segment(
        index,
        tuple(graph.steps[slot] for slot in slots),
        own,
        tuple(action.run for action in own) if plain else None,
        max(action.lane for action in own),
        vector=own[0].vector is not None,
    )


def _feed(segment: Segment, source: Source, home: dict[int, int], segments: list[Segment]) -> None:
    """Wire a segment to the segments that its input comes from."""
    producers = {home[slot] for slot in slots_of(source)} - {INPUT_SLOT}
    segment.needs = len(producers)
    for index in sorted(producers):
        segments[index].feeds.append(segment.index)
    if isinstance(source, Join):
        segment.recipe = _recipe(source, home)
    else:
        segment.source = home[source]


def _recipe(source: Join, home: dict[int, int]) -> Recipe:
    """How to gather a join: `(target, base, ports, scope)` a line; targets below `INPUT_SLOT` are scratch."""
    targets: dict[int, int] = {}

    def place(part: Source) -> int:
        return targets[id(part)] if isinstance(part, Join) else home[part]

    lines = []
    for join in joins_of(source):
        if id(join) in targets:
            continue
        ports = tuple((key, place(part)) for key, part in join.ports.items())
        base = None if join.base is None else place(join.base)
        targets[id(join)] = -2 - len(targets)
        lines.append((targets[id(join)], base, ports, join.scope))
    return tuple(lines)


def _outlet(graph: Graph, home: dict[int, int], segments: list[Segment]) -> Segment:
    """The segment whose input is the graph's output; it has no steps and isn't run."""
    outlet = Segment(len(segments), (), (), None, INLINE)
    source = graph.output
    if isinstance(source, Join):
        outlet.recipe = _recipe(source, home)
    else:
        outlet.source = home[source]
    return outlet
