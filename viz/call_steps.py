"""What a call step may run, and how that is to be drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anabranch.engine.graphs import Graph, Step
from anabranch.nodes.bindings import RunnableBinding
from anabranch.nodes.branches import RouterRunnable, RunnableBranch
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.maps import RunnableEach
from anabranch.nodes.policies import RunnableRetry, RunnableWithFallbacks
from anabranch.viz.pictures import EdgeKind

POLICIES = {"cached": "cached", "limited": "rate limited"}
"""Badges of call steps that do something besides running what they show, by the label under which they show it."""


@dataclass(slots=True)
class Shown:
    """A graph that a step may run.

    Attributes:
        label: what the arrow to it says.
        graph: the graph.
        kind: the kind of the arrow; `data` for what is certain to run with the step's own input.
        tag: which marks the run in traces.
        detail: the whole of the label, for a tooltip.
        condition: what decides whether it runs, if that is a graph of its own.
    """

    label: str
    graph: Graph
    kind: EdgeKind = "data"
    tag: str = ""
    detail: str = ""
    condition: Graph | None = None


@dataclass(slots=True)
class Call:
    """A call step: what it shows, and its badges."""

    shown: list[Shown]
    policy: tuple[str, ...] = ()
    stacked: bool = False
    gives_own: bool = False
    """Its own output is what comes of it, not the output of what it shows: a function."""

    @property
    def chooses(self) -> bool:
        """Whether there is a point from which arrows go to alternatives."""
        return any(each.kind == "choice" for each in self.shown)

    @property
    def has_point(self) -> bool:
        """Whether the step has a vertex of its own besides those of what it shows."""
        return self.chooses or self.gives_own


def call_of(step: Step) -> Call | None:
    """What a step may run; None for a step that runs nothing else."""
    node = step.node
    if step.operator.shows is None:
        return _mentions(node) if isinstance(node, RunnableLambda) else None
    shown = step.operator.shows()
    if isinstance(node, RunnableBranch) and step.operator.flow is not None:
        return Call(list(_branches(node, shown)))
    if isinstance(node, RouterRunnable):
        return Call([Shown(label, graph, "choice") for label, graph in shown.items()])
    if isinstance(node, RunnableWithFallbacks) and "runnable" in shown:
        first, *others = shown.values()
        return Call([Shown("", first), *(Shown("on error", graph, "fallback") for graph in others)])
    if len(shown) > 1:
        return Call([Shown(label, graph, "choice") for label, graph in shown.items()])
    return Call([Shown("", graph) for graph in shown.values()], _policy(step, shown), isinstance(node, RunnableEach))


def condition_text(graph: Graph) -> str:
    """What a condition is called: the code of a lambda, or the name."""
    return label_of(graph.steps[-1]) if len(graph) == 1 else "condition"


def label_of(step: Step) -> str:
    """What is written into a step's box: its name, and for a function without one its code."""
    node = step.node
    if step.name == "RunnableLambda" and isinstance(node, RunnableLambda):
        code = re.fullmatch(r"RunnableLambda\((.*)\)", repr(node), re.DOTALL)
        if code is not None and code[1] != "...":
            return " ".join(code[1].split())
    return step.name


def _branches(node: RunnableBranch[Any, Any], shown: dict[str, Graph]) -> Iterator[Shown]:
    for number in range(1, len(node.branches) + 1):
        tag, condition = f"branch:{number}", shown[f"condition:{number}"]
        yield Shown(f"if {condition_text(condition)}", shown[tag], "choice", tag, condition=condition)
    yield Shown("else", shown["branch:default"], "choice", "branch:default")


def _policy(step: Step, shown: dict[str, Graph]) -> tuple[str, ...]:
    node = step.node
    label = next(iter(shown), "")
    if isinstance(node, RunnableRetry):
        return (f"x{node.max_attempt_number}",)
    if isinstance(node, RunnableEach):
        return ("each",)
    if isinstance(node, RunnableBinding) and label == "timeout":
        return (f"≤ {node.config['timeout']:g} s",)
    return (POLICIES[label],) if label in POLICIES else ()


def _mentions(node: RunnableLambda[Any, Any]) -> Call | None:
    shown = [Shown("may call", each.__graph__, "call") for each in node.deps]
    return Call(shown, gives_own=True) if shown else None
