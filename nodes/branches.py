"""Choosing what to run: by conditions, or by a key in the input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError, GraphError, StepInputError
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Flow, Operator, Run
from anabranch.engine.value_types import union_of
from anabranch.nodes.asking_parts import Asking, asks_parts, first_known, of_each
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.deferred import schemas
from anabranch.nodes.runnables import Input, Output, Runnable
from anabranch.nodes.values import Value

if TYPE_CHECKING:
    from pydantic import BaseModel


class RunnableBranch(Value, Runnable[Input, Output]):
    """Runs the first branch whose condition holds for the input, else the default.

    Args:
        *branches: pairs of a condition and a runnable, and at the end the default. Functions will do for each.

    Raises:
        GraphError: a `ValueError`, when there are fewer than two, or a branch has more or less than two parts.
        CompositionError: a `TypeError`, when the default is missing, or a branch is no pair.

    Example:
        >>> RunnableBranch((lambda x: x < 0, lambda x: "negative"), lambda x: "positive").invoke(-1)
        'negative'
    """

    def __init__(self: RunnableBranch[Any, Any], *branches: Any, name: str | None = None) -> None:
        if len(branches) < 2:
            raise GraphError("RunnableBranch takes at least one (condition, runnable) pair and a default")
        *pairs, default = branches
        if isinstance(default, tuple | list):
            raise CompositionError("the last argument of RunnableBranch must be the default, not a pair")
        self.branches: list[tuple[Runnable[Any, Any], Runnable[Any, Any]]] = []
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                wrong = GraphError if isinstance(pair, tuple | list) else CompositionError
                raise wrong(f"RunnableBranch takes (condition, runnable) pairs, got {pair!r:.80}")
            self.branches.append((coerce_to_runnable(pair[0]), coerce_to_runnable(pair[1])))
        self.default: Runnable[Any, Any] = coerce_to_runnable(default)
        self.name = name

    def _results(self) -> list[Runnable[Any, Any]]:
        return [self.default, *(branch for _, branch in self.branches)]

    def _parts(self) -> list[Runnable[Any, Any]]:
        return [*self._results(), *(condition for condition, _ in self.branches)]

    @property
    @asks_parts
    def InputType(self) -> Asking[Any]:
        """That of the first branch or condition that knows it."""
        return (yield from first_known(self._parts()))

    @property
    @asks_parts
    def OutputType(self) -> Asking[Any]:
        """That of the branches: any of theirs."""
        return union_of((yield from of_each(self._results())))

    def _output_for(self, given: Any, giver: Any) -> Any:
        self.branches[0][0]._output_for(given, giver)  # nothing else is certain to run
        return self.OutputType

    @asks_parts
    def get_input_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of the first branch or condition that knows it."""
        for part in self._parts():
            model: type[BaseModel] = yield part, config
            if not schemas.takes_anything(model):
                return model
        return super().get_input_schema(config)

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def flow(value: Any) -> Flow:
            for number, (condition, branch) in enumerate(self.branches, 1):
                if (yield Run(condition.__graph__, value, tag=f"condition:{number}")):
                    return (yield Run(branch._graph_with(kwargs), value, last=True, tag=f"branch:{number}"))
            return (yield Run(self.default._graph_with(kwargs), value, last=True, tag="branch:default"))

        return Operator(name=self.get_name(), flow=flow, shows=self._shows)

    def _shows(self) -> dict[str, Graph]:
        shown = {}
        for number, (condition, branch) in enumerate(self.branches, 1):
            shown[f"condition:{number}"] = condition.__graph__
            shown[f"branch:{number}"] = branch.__graph__
        return {**shown, "branch:default": self.default.__graph__}

    def __repr__(self) -> str:
        pairs = [f"({condition!r}, {branch!r})" for condition, branch in self.branches]
        return f"RunnableBranch({', '.join([*pairs, repr(self.default)])})"


class RouterInput(TypedDict):
    """What a `RouterRunnable` takes: the name of a runnable, and its input.

    Example:
        >>> chosen: RouterInput = {"key": "size", "input": "ab"}
        >>> RouterRunnable({"upper": str.upper, "size": len}).invoke(chosen)
        2
    """

    key: str
    input: Any


class RouterRunnable(Value, Runnable[RouterInput, Output]):
    """Runs the runnable that the input names: `{"key": name, "input": its input}`.

    Args:
        runnables: the runnables by name. Functions will do.

    Raises:
        CompositionError: a `TypeError`, when they are no dict, or a name is no string.
        GraphError: when there is none.
        StepInputError: a `ValueError` and a `TypeError`, when the input is no such dict, or names none of them.

    Example:
        >>> RouterRunnable({"upper": str.upper, "size": len}).invoke({"key": "size", "input": "ab"})
        2
    """

    def __init__(self: RouterRunnable[Any], runnables: Mapping[str, Any], *, name: str | None = None) -> None:
        if not isinstance(runnables, Mapping):
            raise CompositionError(f"RouterRunnable takes a dict of runnables by name, got {runnables!r:.80}")
        if not runnables:
            raise GraphError("RouterRunnable needs at least one runnable: {'name': runnable}")
        for key in runnables:
            if not isinstance(key, str):
                raise CompositionError(f"the names of a RouterRunnable must be strings, got {key!r:.80}")
        self.runnables = {key: coerce_to_runnable(runnable) for key, runnable in runnables.items()}
        self.name = name

    @property
    @asks_parts
    def OutputType(self) -> Asking[Any]:
        """Any of theirs."""
        return union_of((yield from of_each(self.runnables.values())))

    def _parts(self) -> Iterator[Runnable[Any, Any]]:
        return iter(self.runnables.values())

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def flow(value: Any) -> Flow:
            return (yield Run(self._named(value)._graph_with(kwargs), value["input"], last=True))

        return Operator(
            name=self.get_name(),
            flow=flow,
            is_run=False,
            shows=lambda: {key: runnable.__graph__ for key, runnable in self.runnables.items()},
        )

    def _named(self, value: Any) -> Runnable[Any, Output]:
        if not isinstance(value, Mapping) or "key" not in value or "input" not in value:
            raise StepInputError(
                f"{self.get_name()} takes {{'key': name of a runnable, 'input': its input}}, got {value!r:.80}"
            )
        key = value["key"]
        if not isinstance(key, str) or key not in self.runnables:
            has = ", ".join(map(repr, self.runnables))
            raise StepInputError(f"{self.get_name()} has no runnable {key!r:.80}; it has {has}")
        return self.runnables[key]

    def __repr__(self) -> str:
        return f"RouterRunnable({self.runnables!r})"
