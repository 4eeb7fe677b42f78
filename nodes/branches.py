"""Choosing what to run: by conditions, or by a key in the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anabranch.engine.errors import CompositionError, StepInputError
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Flow, Operator, Run
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.runnables import Input, Output, Runnable


class RunnableBranch(Runnable[Input, Output]):
    """Runs the first branch whose condition holds for the input, else the default.

    Args:
        *branches: pairs of a condition and a runnable, and at the end the default. Functions will do for each.

    Raises:
        CompositionError: a `TypeError`, when there are fewer than two, the default is missing, or a branch
            is no pair.

    Example:
        >>> RunnableBranch((lambda x: x < 0, lambda x: "negative"), lambda x: "positive").invoke(-1)
        'negative'
    """

    def __init__(self, *branches: Any, name: str | None = None) -> None:
        if len(branches) < 2:
            raise CompositionError("RunnableBranch takes at least one (condition, runnable) pair and a default")
        *pairs, default = branches
        if isinstance(default, tuple | list):
            raise CompositionError("the last argument of RunnableBranch must be the default, not a pair")
        self.branches: list[tuple[Runnable[Any, Any], Runnable[Any, Any]]] = []
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise CompositionError(f"RunnableBranch takes (condition, runnable) pairs, got {pair!r:.80}")
            self.branches.append((coerce_to_runnable(pair[0]), coerce_to_runnable(pair[1])))
        self.default = coerce_to_runnable(default)
        self.name = name

    @property
    def InputType(self) -> Any:
        """That of the first condition or branch that knows it."""
        known = [self.default, *(runnable for pair in self.branches for runnable in pair)]
        return next((t for t in (runnable.InputType for runnable in known) if t is not Any), Any)

    def _readers(self) -> list[Runnable[Any, Any]]:
        return [reader for condition, _ in self.branches for reader in condition._readers()]

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return Operator(name=self.get_name(), flow=self._flow, shows=self._shows)

    def _flow(self, value: Any) -> Flow:
        for condition, branch in self.branches:
            if (yield Run(condition.graph, value)):
                return (yield Run(branch.graph, value, last=True))
        return (yield Run(self.default.graph, value, last=True))

    def _shows(self) -> dict[str, Graph]:
        shown = {}
        for number, (condition, branch) in enumerate(self.branches, 1):
            shown[f"condition:{number}"] = condition.graph
            shown[f"branch:{number}"] = branch.graph
        return {**shown, "branch:default": self.default.graph}


class RouterRunnable(Runnable[dict[str, Any], Output]):
    """Runs the runnable that the input names: `{"key": name, "input": its input}`.

    Args:
        runnables: the runnables by name.
    """

    def __init__(self, runnables: Mapping[str, Any], *, name: str | None = None) -> None:
        self.runnables = {key: coerce_to_runnable(runnable) for key, runnable in runnables.items()}
        self.name = name

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return Operator(
            name=self.get_name(),
            flow=self._flow,
            shows=lambda: {key: runnable.graph for key, runnable in self.runnables.items()},
        )

    def _flow(self, value: Any) -> Flow:
        if not isinstance(value, dict) or "key" not in value or "input" not in value:
            raise StepInputError(
                f"{self.get_name()} takes {{'key': name of a runnable, 'input': its input}}, got {value!r:.80}"
            )
        if value["key"] not in self.runnables:
            raise StepInputError(
                f"{self.get_name()} has no runnable {value['key']!r}; it has {', '.join(map(repr, self.runnables))}"
            )
        return (yield Run(self.runnables[value["key"]].graph, value["input"], last=True))
