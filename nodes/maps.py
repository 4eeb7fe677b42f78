"""One runnable over each element of a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anabranch.engine.fitting import fits
from anabranch.engine.operators import Flow, Operator, RunEach
from anabranch.engine.value_types import keys_of
from anabranch.nodes.asking_parts import Asking, asks_parts
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.edges import check_edge
from anabranch.nodes.runnables import Output, Runnable, listed
from anabranch.nodes.values import Value


class RunnableEach(Value, Runnable[list[Any], list[Output]]):
    """Runs a runnable on each element of a list, concurrently, and gives the list of outputs. What `map` makes.

    Args:
        bound: the runnable.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> RunnableEach(RunnableLambda(len)).invoke(["a", "bcd"])
        [1, 3]
    """

    def __init__(self, bound: Runnable[Any, Output], *, name: str | None = None) -> None:
        self.bound: Runnable[Any, Output] = coerce_to_runnable(bound)
        self.name = name

    def _default_name(self) -> str:
        return f"RunnableEach<{self.bound.get_name()}>"

    @property
    @asks_parts
    def InputType(self) -> Asking[Any]:
        """A list of what the runnable takes."""
        tp: Any = yield self.bound
        return list[tp]

    @property
    @asks_parts
    def OutputType(self) -> Asking[Any]:
        """A list of what the runnable gives."""
        tp: Any = yield self.bound
        return list[tp]

    def _output_for(self, given: Any, giver: Any) -> Any:
        # Any iterable will do, but for those that are seldom meant as one.
        if given in (str, bytes, dict) or keys_of(given) or not fits(given, Iterable):
            check_edge(giver, given, self, self.InputType)
        return self.OutputType

    def _parts(self) -> list[Runnable[Any, Any]]:
        return [self.bound]

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def flow(values: Any) -> Flow:
            return (yield RunEach(self.bound._graph_with(kwargs), listed(values, self.get_name())))

        return Operator(
            name=self.get_name(), flow=flow, streams=False, shows=lambda: {"each": self.bound._graph_with(kwargs)}
        )

    def __repr__(self) -> str:
        return f"{self.bound!r}.map()"

    def astream_events(self, *args: Any, **kwargs: Any) -> Any:
        """Not to be had of a map itself, as with LangChain. Of a chain with a map in it, it is."""
        raise NotImplementedError(
            f"{self.get_name()} has no event stream of its own; put it into a chain, "
            "such as RunnablePassthrough() | x.map(), or give callbacks"
        )

    stream_events = astream_events
