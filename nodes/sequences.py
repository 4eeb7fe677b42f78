"""Runnables one after the other."""

from __future__ import annotations

from typing import Any

from anabranch.engine.building import Builder, Building, Part, Place
from anabranch.engine.errors import EdgeTypeError, GraphError
from anabranch.engine.fitting import describe_type, explain_misfit, fits
from anabranch.engine.graphs import Source
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.runnables import Input, Output, Runnable


class RunnableSequence(Runnable[Input, Output]):
    """Steps one after the other, each fed by the one before. What `|` makes.

    Sequences inside it are flattened, so `(a | b) | c` and `a | (b | c)` are the same.

    Args:
        *steps: runnables, functions or dicts; at least one.
        name: in traces; by default `RunnableSequence`.

    Raises:
        GraphError: when there is no step.
        EdgeTypeError: a `TypeError`, when a step certainly can't take what the one before it gives.
    """

    def __init__(self, *steps: Any, name: str | None = None) -> None:
        flat: list[Runnable[Any, Any]] = []
        for step in steps:
            runnable = step if isinstance(step, Runnable) else coerce_to_runnable(step)
            parts = runnable.steps if type(runnable) is RunnableSequence and runnable.name is None else (runnable,)
            if flat:
                check_edge(flat[-1], parts[0])
            flat.extend(parts)
        if not flat:
            raise GraphError("a sequence needs at least one step; RunnablePassthrough() hands its input on")
        self._steps = tuple(flat)
        self.name = name

    @property
    def steps(self) -> list[Runnable[Any, Any]]:
        """The steps, in order."""
        return list(self._steps)

    @property
    def first(self) -> Runnable[Input, Any]:
        """The first step."""
        return self._steps[0]

    @property
    def middle(self) -> list[Runnable[Any, Any]]:
        """The steps between the first and the last."""
        return list(self._steps[1:-1])

    @property
    def last(self) -> Runnable[Any, Output]:
        """The last step."""
        return self._steps[-1]

    @property
    def InputType(self) -> Any:
        """That of the first step."""
        return self.first.InputType

    @property
    def OutputType(self) -> Any:
        """That of the last step."""
        return self.last.OutputType

    def _build(self, builder: Builder, source: Source, place: Place) -> Building:
        scope = builder.scope(self.get_name(), "sequence", source, place, self)
        kwargs = place.kwargs
        for number, step in enumerate(self._steps, 1):
            inner = Place(scope.index, (f"seq:step:{number}",), None, kwargs)
            source = yield Part(step, source, inner)
            kwargs = None  # arguments reach the first step only
        scope.output = source
        return source

    def __repr__(self) -> str:
        return " | ".join(repr(step) for step in self._steps)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunnableSequence) and self._steps == other._steps

    def __hash__(self) -> int:
        return hash(self._steps)


def check_edge(left: Runnable[Any, Any], right: Runnable[Any, Any]) -> None:
    """See that what one step gives may be what the next one takes.

    Raises:
        EdgeTypeError: when it certainly can't be.
    """
    output = left.OutputType
    if output is Any:
        return
    for reader in right._readers():
        wanted = reader.InputType
        if not fits(output, wanted):
            raise EdgeTypeError(
                f"{left.get_name()!r} gives {describe_type(output)}, but {reader.get_name()!r} takes "
                f"{describe_type(wanted)}: {explain_misfit(output, wanted)}. "
                "If the annotations say less than you know, use .with_types(input_type=..., output_type=...)"
            )
