"""Compiles a graph, for chunks, into segments of stages.

A segment is a straight run of steps through which chunks are pulled, one generator inside the other. Its steps are
grouped into *stages*:

| stage | does | adds |
|---|---|---|
| `Loop` | chunk maps, and steps that fold their input, any number of them, driven by one loop | one generator |
| `Through` | one step that maps an iterator of chunks | one generator |
| `Trial` | one call step that gets its input as it comes, so that it can be run again | one generator |

A segment of more than `DEEPEST` generators is cut. What a segment reads comes to its *inlet*; an inlet of a
segment that begins by folding never fills up, and starts it when all is there; any other is a bounded channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from anabranch.engine.chunks import Algebra
from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Source, Step
from anabranch.engine.operators import Operator
from anabranch.scheduler import primitives
from anabranch.scheduler.actions import INLINE, Action, Mode, action_of
from anabranch.scheduler.plans import Segment, straight_runs
from anabranch.scheduler.ports import Ports, ports_of
from anabranch.scheduler.wiring import narrowed

DEEPEST = 100


@dataclass(slots=True, eq=False)
class Fold:
    """A phase of a loop: chunks are mapped, folded to a value, and that is given to what makes chunks again.

    Just one of these is set: `values`, a run of functions from value to value; `stream`, a step that makes chunks;
    `flow`, a call step.
    """

    maps: tuple[Step, ...]
    algebra: Algebra | None
    reader: str
    values: Segment | None = None
    stream: Step | None = None
    flow: Step | None = None

    @property
    def step(self) -> Step:
        """The step, or the first of the functions."""
        step = self.stream or self.flow
        if step is None:
            assert self.values is not None
            step = self.values.steps[0]
        return step


@dataclass(slots=True, eq=False)
class Loop:
    """Phases one after the other, then chunk maps."""

    steps: list[Step]
    phases: list[Fold] = field(default_factory=list)
    maps: tuple[Step, ...] = ()


@dataclass(slots=True, eq=False)
class Through:
    """A step that maps an iterator of chunks."""

    step: Step
    bound: bool


@dataclass(slots=True, eq=False)
class Trial:
    """A call step that may run its input again."""

    step: Step
    bound: bool


Stage = Loop | Through | Trial


@dataclass(slots=True, eq=False)
class ChunkSegment:
    """A straight run of stages.

    Attributes:
        folds: it begins by folding, so its inlet never fills up.
        ports: what it reads. None when that is the graph's input and nobody else reads it.
        feeds: `(segment, leaf)` for each reader of its output; the last segment of a plan is the outlet.
        algebra: that of its output, where it is declared.
    """

    index: int
    steps: tuple[Step, ...]
    stages: tuple[Stage, ...]
    folds: bool
    ports: Ports
    algebra: Algebra | None
    feeds: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ChunkPlan:
    """A graph compiled for chunks.

    The outlet stands last among the segments and has no steps; `tail` is the segment whose output is the graph's
    and nobody else's, which the consumer pulls itself. `input_feeds` are the readers of the graph's input.
    """

    graph: Graph
    mode: Mode
    segments: tuple[ChunkSegment, ...]
    input_feeds: list[tuple[int, int]]
    tail: ChunkSegment | None
    straight: bool
    algebra: Algebra | None


def chunk_plan_of(graph: Graph, mode: Mode, heard: bool = False) -> ChunkPlan:
    """The plan of a graph for chunks, made when first asked for; `heard`: functions stay apart, to be listened to."""
    if primitives.WORLDS and (world := primitives.world()) is not None:
        graph = world.staged(graph)
    key = (mode, heard) if heard else mode
    plan: ChunkPlan | None = graph.chunk_plans.get(key)
    if plan is None:
        plan = graph.chunk_plans[key] = _compile(graph, mode, heard)
    return plan


def _compile(graph: Graph, mode: Mode, heard: bool) -> ChunkPlan:
    sources = [narrowed(step.source, step.operator) for step in graph.steps]
    actions = [action_of(step, graph, mode) for step in graph.steps]
    algebras = _algebras(graph, sources)
    runs = straight_runs(graph, sources, _shallow(graph))
    home = {slots[-1]: index for index, slots in enumerate(runs)}
    segments = [
        _segment(index, slots, sources[slots[0]], graph, actions, algebras, heard) for index, slots in enumerate(runs)
    ]
    outlet = ChunkSegment(len(runs), (), (), False, ports_of(graph.output, algebras), _output_algebra(graph, algebras))
    segments.append(outlet)
    input_feeds: list[tuple[int, int]] = []
    for segment in segments:
        for leaf, slot in enumerate(segment.ports.slots):
            feeds = input_feeds if slot == INPUT_SLOT else segments[home[slot]].feeds
            feeds.append((segment.index, leaf))
    tail = None
    if isinstance(graph.output, int) and graph.output != INPUT_SLOT:
        last = segments[home[graph.output]]
        tail = last if len(last.feeds) == 1 else None
    straight = len(runs) == 1 and tail is not None and isinstance(sources[0], int)
    return ChunkPlan(graph, mode, tuple(segments), input_feeds, tail, straight, outlet.algebra)


def _algebras(graph: Graph, sources: list[Source]) -> dict[int, Algebra | None]:
    """What is declared of the chunks of each step; what only picks a key of a join keeps that key's algebra."""
    algebras: dict[int, Algebra | None] = {INPUT_SLOT: None}
    for step, source in zip(graph.steps, sources, strict=True):
        operator = step.operator
        algebras[step.slot] = operator.algebra
        if operator.algebra is None and operator.picks is not None and isinstance(source, Join):
            port = source.ports.get(operator.picks)
            algebras[step.slot] = algebras[port] if isinstance(port, int) else None
        elif operator.map_chunk is not None and operator.name == "RunnablePassthrough" and isinstance(source, int):
            algebras[step.slot] = algebras[source]
    return algebras


def _output_algebra(graph: Graph, algebras: dict[int, Algebra | None]) -> Algebra | None:
    return None if isinstance(graph.output, Join) else algebras[graph.output]


def _shallow(graph: Graph) -> Callable[[list[int], int], bool]:
    """Cut a run before it nests too many generators."""
    depths: dict[int, int] = {}

    def fuses(run: list[int], slot: int) -> bool:
        first = run[0]
        depth = depths.get(first, 1 + _depth(graph.steps[first].operator)) + _depth(graph.steps[slot].operator)
        if depth > DEEPEST:
            return False
        depths[first] = depth
        return True

    return fuses


def _depth(operator: Operator) -> int:
    """How many generators a step may add: itself, and a loop after it."""
    return 0 if _folds(operator) or _maps(operator) else 2


def _maps(operator: Operator) -> bool:
    return operator.map_chunk is not None


def _transforms(operator: Operator) -> bool:
    return operator.transform is not None or operator.atransform is not None


def _folds(operator: Operator) -> bool:
    """Whether a step needs its whole input."""
    if operator.flow is not None:
        return operator.whole
    return not _maps(operator) and not _transforms(operator)


def _segment(
    index: int,
    slots: list[int],
    source: Source,
    graph: Graph,
    actions: list[Action],
    algebras: dict[int, Algebra | None],
    heard: bool,
) -> ChunkSegment:
    steps = tuple(graph.steps[slot] for slot in slots)
    stages: list[Stage] = []
    for step in steps:
        operator = step.operator
        incoming = algebras[step.source] if isinstance(step.source, int) else None
        if operator.flow is not None and not operator.whole:
            stages.append(Trial(step, actions[step.slot].bound))
        elif operator.flow is None and not _maps(operator) and _transforms(operator):
            stages.append(Through(step, actions[step.slot].bound))
        else:
            loop = stages[-1] if stages and isinstance(stages[-1], Loop) else Loop([])
            if not stages or stages[-1] is not loop:
                stages.append(loop)
            _add(loop, step, actions[step.slot], incoming, heard)
    folds = _folds(steps[0].operator)
    return ChunkSegment(index, steps, tuple(stages), folds, ports_of(source, algebras), algebras[slots[-1]])


def _add(loop: Loop, step: Step, action: Action, incoming: Algebra | None, heard: bool) -> None:
    """Put a step into a loop."""
    loop.steps.append(step)
    operator = step.operator
    if _maps(operator) and operator.flow is None:
        loop.maps = (*loop.maps, step)
        return
    if operator.flow is not None:
        loop.phases.append(Fold(loop.maps, incoming, operator.name, flow=step))
    elif operator.stream is not None or operator.astream is not None:
        loop.phases.append(Fold(loop.maps, incoming, operator.name, stream=step))
    elif not heard and (last := _open_run(loop, action)) is not None:
        _extend(last, step, action)
    else:
        loop.phases.append(Fold(loop.maps, incoming, operator.name, values=_values(step, action)))
    loop.maps = ()


def _open_run(loop: Loop, action: Action) -> Segment | None:
    """The run of functions at the end of a loop, if this one can join it."""
    if loop.maps or not loop.phases or loop.phases[-1].values is None:
        return None
    run = loop.phases[-1].values
    lanes = {run.lane, action.lane}
    return run if len(lanes) == 1 or INLINE in lanes else None


def _values(step: Step, action: Action) -> Segment:
    return Segment(0, (step,), (action,), (action.run,) if action.is_plain else None, action.lane)


def _extend(run: Segment, step: Step, action: Action) -> None:
    same = action.kind is run.actions[0].kind and action.is_plain
    run.calls = (*run.calls, action.run) if run.calls is not None and same else None
    run.steps = (*run.steps, step)
    run.actions = (*run.actions, action)
    run.lane = max(run.lane, action.lane)
