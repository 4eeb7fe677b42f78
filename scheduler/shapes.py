"""What a trace must know of a graph before it runs: who feeds a scope, what is a run, and when that starts and ends."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from anabranch.engine.graphs import INPUT_SLOT, Graph, Step
from anabranch.engine.operators import Operator
from anabranch.engine.runs import RunInfo
from anabranch.scheduler.ports import Ports, ports_of

WHOLE_TYPES = frozenset({"prompt", "retriever", "tool", "llm", "chat_model"})


@dataclass(slots=True, eq=False)
class ScopeShape:
    """What a trace must know of a scope: where its input and output come from, and how many steps it has."""

    source: Ports
    output: Ports
    steps: int


@dataclass(slots=True, eq=False)
class StepShape:
    """The same of a step: the scopes around it, the innermost first, its name, and whether its chunks are facts."""

    scopes: tuple[int, ...]
    name: str
    tells_chunks: bool


@dataclass(slots=True, eq=False)
class Shape:
    """The same of a graph. `feeds`: for each slot, the scopes (but the root) whose output it is part of."""

    steps: list[StepShape]
    scopes: list[ScopeShape]
    feeds: dict[int, list[tuple[int, int]]]
    kept: frozenset[int]
    has_root_scope: bool


def shape_of(graph: Graph) -> Shape:
    """The shape of a graph, made when first asked for."""
    shape: Shape | None = graph.plans.get("shape")
    if shape is None:
        shape = graph.plans["shape"] = _shape(graph)
    return shape


def _shape(graph: Graph) -> Shape:
    algebras = defaultdict(lambda: None, {step.slot: step.operator.algebra for step in graph.steps})
    scopes = [
        ScopeShape(ports_of(scope.source, algebras), ports_of(scope.output, algebras), 0) for scope in graph.scopes
    ]
    steps = [
        StepShape(scopes_around(graph, step.scope), step.name, tells_chunks(step.operator)) for step in graph.steps
    ]
    for each in steps:
        for at in each.scopes:
            scopes[at].steps += 1
    has_root_scope = bool(graph.scopes) and all(step.scope >= 0 for step in graph.steps)
    feeds: dict[int, list[tuple[int, int]]] = {}
    kept: set[int] = {INPUT_SLOT}
    for index, scope in enumerate(scopes):
        kept.update(scope.source.slots, scope.output.slots)
        for leaf, slot in enumerate(scope.output.slots):
            if index or not has_root_scope:
                feeds.setdefault(slot, []).append((index, leaf))
    for readers in feeds.values():
        readers.sort(reverse=True)  # the inner scopes first
    return Shape(steps, scopes, feeds, frozenset(kept), has_root_scope)


def scopes_around(graph: Graph, scope: int) -> tuple[int, ...]:
    """A scope and those that it lies in, the innermost first."""
    found = []
    while scope >= 0:
        found.append(scope)
        scope = graph.scopes[scope].parent
    return tuple(found)


def starts_early(operator: Operator) -> bool:
    """Whether a step's run starts with its first chunk of input, without the input."""
    if operator.flow is not None:
        return not operator.whole
    if operator.run_type in WHOLE_TYPES:
        return False
    maps = operator.map_chunk or operator.transform or operator.atransform
    return maps is not None or operator.expands


def tells_chunks(operator: Operator) -> bool:
    """Whether the chunks that a step makes inside a chain are facts."""
    if operator.flow is not None:
        return not operator.whole and not operator.is_run
    return starts_early(operator) or operator.stream is not None or operator.astream is not None


def ends_at_once(step: Step, run: RunInfo) -> bool:
    """Whether a step's run ends before its output is handed on: it comes in one piece, and isn't a fact itself."""
    operator = step.operator
    if run.tells_chunks or not operator.is_run:
        return False
    return not operator.streams if operator.flow is not None else operator.stream is None and operator.astream is None
