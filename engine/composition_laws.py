"""The laws of composing, and of what does not depend on how a program is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from anabranch.engine.graphs import Graph, slots_of
from anabranch.engine.law_outcomes import Verbs, holds, outcome, same


def associativity_of_composition(a: Verbs, b: Verbs, c: Verbs, value: Any) -> None:
    """`(a | b) | c` and `a | (b | c)` are the same graph, and give the same result."""
    left, right = (a | b) | c, a | (b | c)
    holds(_shape(left.__graph__) == _shape(right.__graph__), "(a | b) | c and a | (b | c) differ as graphs")
    same(
        "((a | b) | c).invoke(value)",
        outcome(left.invoke, value),
        "(a | (b | c)).invoke(value)",
        outcome(right.invoke, value),
        value=value,
    )


def passthrough_is_identity(a: Verbs, passthrough: Verbs, value: Any) -> None:
    """A passthrough hands over the very object, and before or after a runnable it changes nothing."""
    holds(passthrough.invoke(value) is value, f"passthrough made another object of {value!r}")
    plain = outcome(a.invoke, value)
    after, before = outcome((a | passthrough).invoke, value), outcome((passthrough | a).invoke, value)
    same("(a | passthrough).invoke(value)", after, "a.invoke(value)", plain, value=value)
    same("(passthrough | a).invoke(value)", before, "a.invoke(value)", plain, value=value)


def pick_after_join(a: Verbs, pick_k: Verbs, value: Any) -> None:
    """`{"k": a} | pick("k")` is `a`."""
    joined = outcome(({"k": a} | pick_k).invoke, value)
    same('({"k": a} | pick_k).invoke(value)', joined, "a.invoke(value)", outcome(a.invoke, value), value=value)


def distribution(a: Verbs, b: Verbs, c: Verbs, parallel: Callable[[Mapping[str, Any]], Verbs], value: Any) -> None:
    """For a pure `a`, `a | {"x": b, "y": c}` is `{"x": a | b, "y": a | c}`."""
    before, inside = a | {"x": b, "y": c}, parallel({"x": a | b, "y": a | c})
    same(
        '(a | {"x": b, "y": c}).invoke(value)',
        outcome(before.invoke, value),
        'parallel({"x": a | b, "y": a | c}).invoke(value)',
        outcome(inside.invoke, value),
        value=value,
    )


def _shape(graph: Graph) -> object:
    """A graph's vertices with what stands there, its edges with their ports, its scopes, and its outlet."""
    edges: Iterable[Any] = graph.dag.edges(data="ports")
    steps = zip(graph.keys, graph.steps, strict=True)
    return (
        [(key, step.node or step.operator, step.tags, step.config) for key, step in steps],
        sorted((start, end, str(ports)) for start, end, ports in edges),
        [(scope.name, scope.kind, scope.parent, scope.tags) for scope in graph.scopes],
        list(slots_of(graph.output)),
    )
