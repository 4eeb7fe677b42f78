"""Random graphs of steps that nothing runs: a test plays the driver, and reckons what each step gives."""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

from hypothesis import strategies as st

from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Scope, Source, Step
from anabranch.engine.operators import Operator

KEYS = ("a", "b", "c")
READS = st.none() | st.frozensets(st.sampled_from(KEYS), min_size=1, max_size=2)
BATCHES = st.sampled_from((None, None, None, list))
MOST = st.sampled_from((None, 2))


class SketchedGraph(Graph):
    """A graph that shows itself in a line."""

    def __repr__(self) -> str:
        return " ".join([*map(_sketched, self.steps), f"-> {_shown(self.output)}"])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def _sketched(step: Step) -> str:
    operator = step.operator
    reads = f" reads {'+'.join(sorted(operator.reads))}" if operator.reads else ""
    batch = f" batches {operator.max_batch or 'all'}" if operator.batch else ""
    return f"{operator.name}({_shown(step.source)}{reads}{batch})"


def _shown(source: Source) -> str:
    if isinstance(source, Join):
        return "{" + ", ".join(f"{key or '**'}: {_shown(part)}" for key, part in source.parts()) + "}"
    return f"s{source}" if source >= 0 else "input"


def result_of(step: Step, value: Any) -> int:
    """What a step gives: a number that depends on its slot and on all that it reads."""
    reads = step.operator.reads
    if reads is not None and isinstance(value, dict):
        value = {key: value[key] for key in sorted(reads & value.keys())}
    return zlib.crc32(f"{step.slot} {sorted(value.items()) if isinstance(value, dict) else value}".encode())


def output_of(graph: Graph, value: Any) -> Any:
    """What a graph gives, step by step."""
    results = {INPUT_SLOT: value}
    for step in graph.steps:
        results[step.slot] = result_of(step, value_at(step.source, results))
    return value_at(graph.output, results)


def value_at(source: Source, results: dict[int, Any]) -> Any:
    """What stands at a source when steps have given these results."""
    if not isinstance(source, Join):
        return results[source]
    base = {} if source.base is None else value_at(source.base, results)
    return {**base, **{key: value_at(part, results) for key, part in source.ports.items()}}


@st.composite
def graphs(draw: st.DrawFn, most_steps: int = 6, vectors: bool = True) -> Graph:
    """Graphs of some steps. `vectors`: some have a vectorised form."""
    steps: list[Step] = []
    for slot in range(draw(st.integers(1, most_steps))):
        source = draw(sources(slot))
        reads = draw(READS)
        batch = draw(BATCHES) if vectors else None
        most = draw(MOST) if batch else None
        operator = Operator(name=f"s{slot}", invoke=str, reads=reads, batch=batch, max_batch=most)
        steps.append(Step(slot, operator, source, scope=0))
    whole = Scope(0, -1, "whole", "sequence", INPUT_SLOT)
    return SketchedGraph(tuple(steps), (whole,), draw(sources(len(steps))))


@cache
def sources(steps: int, depth: int = 2) -> st.SearchStrategy[Source]:
    """Where a value may come from when there are so many steps before: late steps rather than early ones."""
    slots = st.integers(0, steps).map(lambda back: steps - 1 - back)
    return slots if not depth else slots | joins(steps, depth)


@cache
def joins(steps: int, depth: int) -> st.SearchStrategy[Join]:
    """Joins of such sources, some with a base."""
    ports = st.dictionaries(st.sampled_from(KEYS), sources(steps, depth - 1), min_size=1)
    base = st.none() | joins(steps, depth - 1) if depth > 1 else st.none()
    return st.builds(Join, ports, st.just(0), base)
