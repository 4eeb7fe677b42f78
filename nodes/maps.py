"""One runnable over each element of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.engine.operators import Flow, Operator, RunEach
from anabranch.nodes.runnables import Output, Runnable


class RunnableEach(Runnable[list[Any], list[Output]]):
    """Runs a runnable on each element of a list, concurrently, and gives the list of outputs. What `map` makes."""

    def __init__(self, bound: Runnable[Any, Output], *, name: str | None = None) -> None:
        self.bound = bound
        self.name = name

    def _default_name(self) -> str:
        return f"RunnableEach<{self.bound.get_name()}>"

    @property
    def InputType(self) -> Any:
        """A list of what the runnable takes."""
        return list[self.bound.InputType]  # type: ignore[name-defined]

    @property
    def OutputType(self) -> Any:
        """A list of what the runnable gives."""
        return list[self.bound.OutputType]  # type: ignore[name-defined]

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return Operator(name=self.get_name(), flow=self._flow, shows=lambda: {"each": self.bound.graph})

    def _flow(self, values: Any) -> Flow:
        if not isinstance(values, Iterable) or isinstance(values, str | bytes | dict):
            raise StepInputError(f"{self.get_name()} takes a list, got {type(values).__name__}: {values!r:.80}")
        return (yield RunEach(self.bound.graph, list(values)))
