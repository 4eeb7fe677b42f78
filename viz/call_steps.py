"""What a call step may run, and how that is to be drawn; and what is written at steps and scopes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anabranch.engine.graphs import Graph, Scope, Step
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
        under: the label under which the step has it; see `graphs_in`.
        graph: the graph.
        label: what the arrow to it says.
        kind: the kind of the arrow; `data` for what is certain to run with the step's own input.
        decides: it is a condition: what it gives decides whether the next one is run.
    """

    under: str
    graph: Graph
    label: str = ""
    kind: EdgeKind = "data"
    decides: bool = False


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
    node, shown = step.node, graphs_in(step)
    if step.operator.shows is None:
        mentioned = [Shown(under, graph, "may call", "call") for under, graph in shown.items()]
        return Call(mentioned, gives_own=True) if mentioned else None
    if isinstance(node, RunnableBranch) and step.operator.flow is not None:
        return Call(list(_branches(node, shown)))
    if isinstance(node, RunnableWithFallbacks) and "runnable" in shown:
        (under, first), *others = shown.items()
        return Call([Shown(under, first), *(Shown(each, graph, "on error", "fallback") for each, graph in others)])
    if len(shown) > 1 or isinstance(node, RouterRunnable):
        return Call([Shown(under, graph, under, "choice") for under, graph in shown.items()])
    inner = [Shown(under, graph) for under, graph in shown.items()]
    return Call(inner, _policy(step, shown), isinstance(node, RunnableEach))


def graphs_in(step: Step) -> dict[str, Graph]:
    """The graphs that a step may run, by label: those that it shows, or those of what a function mentions."""
    if step.operator.shows is not None:
        return step.operator.shows()
    deps = step.node.deps if isinstance(step.node, RunnableLambda) else ()
    return {f"mentioned:{number}": each.__graph__ for number, each in enumerate(deps, 1)}


def _is_said(condition: Graph) -> bool:
    """Whether a word at an arrow tells all of a condition: it is one step, and that runs nothing else."""
    if len(condition) > 1 or condition.scopes:
        return False
    (only,) = condition.steps
    return only.operator.run_type == "chain" and call_of(only) is None


def label_of(step: Step) -> str:
    """What is written into a step's box: its name, and for a function without one its code."""
    node = step.node
    if step.name == "RunnableLambda" and isinstance(node, RunnableLambda):
        code = re.fullmatch(r"RunnableLambda\((.*)\)", repr(node), re.DOTALL)
        if code is not None and code[1] != "...":
            return " ".join(code[1].split())
    return step.name


def scope_label(scope: Scope) -> str:
    """What is written at a scope: the name that somebody gave it, or else what it is. A sequence is seen to be one."""
    if is_named(scope):
        return scope.name
    return "" if scope.kind == "sequence" else scope.kind


def call_label(step: Step) -> str:
    """What is written at a call step that has no box of its own."""
    return "fallbacks" if step.name == "RunnableWithFallbacks" else step.name


def is_named(scope: Scope) -> bool:
    """Whether somebody gave a scope its name."""
    bound = (scope.config or {}).get("run_name") or getattr(scope.node, "name", None)
    return bound is not None and scope.name == bound


def _branches(node: RunnableBranch[Any, Any], shown: dict[str, Graph]) -> Iterator[Shown]:
    several = len(node.branches) > 1  # which are asked in their order, so that is told
    for number in range(1, len(node.branches) + 1):
        under, branch = f"condition:{number}", f"branch:{number}"
        condition, asked = shown[under], f"{number}. if" if several else "if"
        if _is_said(condition):
            yield Shown(branch, shown[branch], f"{asked} {label_of(condition.steps[0])}", "choice")
        else:
            yield Shown(under, condition, asked, "choice", decides=True)
            yield Shown(branch, shown[branch], "then", "choice")
    yield Shown("branch:default", shown["branch:default"], "else", "choice")


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
