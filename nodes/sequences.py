"""Runnables one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from anabranch.engine.building import Builder, Building, Part, Place
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import GraphError
from anabranch.engine.graphs import Source
from anabranch.nodes.asking_parts import Asking, asks_parts
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.deferred import schemas
from anabranch.nodes.passthrough import RunnableAssign, RunnablePassthrough, RunnablePick
from anabranch.nodes.runnables import Input, Output, Runnable, listed
from anabranch.nodes.values import Value

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")


class RunnableSequence(Value, Runnable[Input, Output]):
    """Steps one after the other, each fed by the one before. What `|` makes.

    Sequences inside it are flattened, so `(a | b) | c` and `a | (b | c)` are the same.

    Args:
        *steps: runnables, functions or dicts; at least one.
        first, middle, last: the steps by keyword, if that is liked better.
        name: in traces; by default `RunnableSequence`.

    Raises:
        GraphError: when there is no step.
        EdgeTypeError: a `TypeError`, when a step certainly can't take what the one before it gives.

    Example:
        >>> RunnableSequence(str.split, len).invoke("a b c")
        3
    """

    @overload
    def __init__(
        self: RunnableSequence[Input, T],
        first: Runnable[Input, Any],
        last: Runnable[Any, T],
        /,
        *,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: RunnableSequence[Input, T],
        *,
        first: Runnable[Input, Any],
        middle: Sequence[Any] = (),
        last: Runnable[Any, T],
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(self: RunnableSequence[Any, Any], *steps: Any, name: str | None = None) -> None: ...
    def __init__(
        self,
        *steps: Any,
        first: Any = None,
        middle: Sequence[Any] | None = None,
        last: Any = None,
        name: str | None = None,
    ) -> None:
        if not steps:
            middle = listed(middle or (), "RunnableSequence(middle=)")
            steps = tuple(step for step in (first, *middle, last) if step is not None)
        flat: list[Runnable[Any, Any]] = []
        given: Any = None
        depends = True
        for step in steps:
            runnable = step if isinstance(step, Runnable) else coerce_to_runnable(step)
            depends = depends and runnable._types_depend
            given = runnable.OutputType if not flat or given is Any else output_for(runnable, given, flat[-1])
            if type(runnable) is RunnableSequence and runnable.name is None:
                flat.extend(runnable._steps)
            else:
                flat.append(runnable)
        if not flat:
            raise GraphError("a sequence needs at least one step; RunnablePassthrough() hands its input on")
        self._steps: tuple[Runnable[Any, Any], ...] = tuple(flat)
        self._gives = given
        self._depends = depends
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
    @asks_parts
    def InputType(self) -> Asking[Any]:
        """That of the first step."""
        return (yield self.first)

    @property
    def OutputType(self) -> Any:
        """That of the last step, under what the steps before it give."""
        return self._gives

    @property
    def _types_depend(self) -> bool:
        return self._depends

    def _output_for(self, given: Any, giver: Any) -> Any:
        for step in self._steps:
            given, giver = step._output_for(given, giver), step
            if not step._types_depend:
                return self._gives  # the rest is as it was when this was composed
        return given

    def _parts(self) -> tuple[Runnable[Any, Any], ...]:
        return self._steps

    @asks_parts
    def get_input_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of the first step; where that adds keys to its input, what comes after it tells of the others."""
        at = 0
        while at < len(self._steps) - 1 and isinstance(self._steps[at], RunnableAssign | RunnablePassthrough):
            at += 1
        model: type[BaseModel] = yield self._steps[at], config
        for step in reversed(self._steps[:at]):
            known = schemas.fields_of(model)
            if isinstance(step, RunnableAssign) and known is not None:
                rest = {key: field for key, field in known.items() if key not in step.mapper.steps__}
                model = schemas.model_of(self.get_name("Input"), rest)
            elif isinstance(step, RunnableAssign) or step.InputType is not Any:
                model = yield step, config
        return model

    @asks_parts
    def get_output_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of the last step; where it hands on what it gets, what comes before it tells of that."""
        last = self.last
        if not last._types_depend or self._gives in (Any, last.OutputType):
            model: type[BaseModel] = yield last, config
            return model
        named = self if isinstance(last, RunnableAssign | RunnablePick) else last
        return schemas.schema_of(self._gives, named.get_name("Output"))

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


def output_for(runnable: Runnable[Any, Any], given: Any, giver: Runnable[Any, Any]) -> Any:
    """The type that a runnable gives when it gets a type; without a look inside, where it is nested too deep."""
    try:
        return runnable._output_for(given, giver)
    except RecursionError:
        return runnable.OutputType
