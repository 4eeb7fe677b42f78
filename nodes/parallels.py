"""Runnables side by side, over the same input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

from anabranch.engine.building import Builder, Building, Part, Place
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError, GraphError, NotRunnableError
from anabranch.engine.graphs import Join, Source
from anabranch.engine.value_types import DictType
from anabranch.nodes import composing
from anabranch.nodes.asking_parts import Asking, asks_parts, first_known, of_each
from anabranch.nodes.deferred import schemas
from anabranch.nodes.runnables import Input, Runnable
from anabranch.nodes.values import Value

if TYPE_CHECKING:
    from pydantic import BaseModel


class RunnableParallel(Value, Runnable[Input, dict[str, Any]]):
    """Branches that get the same input and run concurrently; their outputs are gathered in a dict.

    A dict in a chain is one of these. Whoever reads only some of its keys waits only for those.

    Args:
        steps__: a dict of runnables, functions or dicts.
        name: in traces; by default `RunnableParallel<key,key>`. What is no string is the branch of that key.
        **kwargs: more branches.

    Raises:
        GraphError: when there is no branch.
        CompositionError: a `TypeError`, when a key is no string.
        NotRunnableError: a `TypeError`, when a branch is nothing that can be run.

    Example:
        >>> RunnableParallel(upper=str.upper, size=len).invoke("ab")
        {'upper': 'AB', 'size': 2}
    """

    @overload
    def __init__(
        self: RunnableParallel[Any], steps__: Mapping[str, Any] | None = None, *, name: Any = None, **kwargs: Any
    ) -> None: ...
    @overload
    def __init__(self, steps__: Mapping[str, Any] | None = None, *, name: Any = None, **kwargs: Any) -> None: ...
    def __init__(self, steps__: Mapping[str, Any] | None = None, *, name: Any = None, **kwargs: Any) -> None:
        if not isinstance(name, str | None):
            kwargs, name = {"name": name, **kwargs}, None
        if not isinstance(steps__, Mapping | None):
            raise CompositionError(f"RunnableParallel takes a dict of runnables by key, got {steps__!r:.80}")
        merged = {**(steps__ or {}), **kwargs}
        if not merged:
            raise GraphError("a dict of runnables needs at least one key; RunnablePassthrough() hands its input on")
        for key in merged:
            if not isinstance(key, str):
                raise CompositionError(f"the keys of a dict of runnables must be strings, got {key!r}")
        self.steps__: dict[str, Runnable[Any, Any]] = {
            key: branch if isinstance(branch, Runnable) else _coerced(key, branch) for key, branch in merged.items()
        }
        self._gives = DictType({key: branch.OutputType for key, branch in self.steps__.items()})
        self._depends = any(branch._types_depend for branch in self.steps__.values())
        self.name = name

    @property
    def steps(self) -> dict[str, Runnable[Any, Any]]:
        """The branches by key."""
        return dict(self.steps__)

    def _default_name(self) -> str:
        return f"RunnableParallel<{','.join(self.steps__)}>"

    @property
    @asks_parts
    def InputType(self) -> Asking[Any]:
        """That of the first branch that knows it."""
        return (yield from first_known(self._parts()))

    @property
    def OutputType(self) -> Any:
        """A dict with the branches' types: a `DictType`."""
        return self._gives

    @property
    def _types_depend(self) -> bool:
        return self._depends

    def _output_for(self, given: Any, giver: Any) -> Any:
        return DictType({key: branch._output_for(given, giver) for key, branch in self.steps__.items()})

    def _parts(self) -> Iterable[Runnable[Any, Any]]:
        return self.steps__.values()

    @asks_parts
    def get_input_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """The keys that all branches read, where all take dicts; otherwise that of the first that knows it."""
        models = yield from of_each((branch, config) for branch in self.steps__.values())
        return merged_input(self.get_name("Input"), models, self)

    def _build(self, builder: Builder, source: Source, place: Place) -> Building:
        scope = builder.scope(self.get_name(), "parallel", source, place, self)
        ports: dict[str, Source] = {}
        for key, branch in self.steps__.items():
            ports[key] = yield Part(branch, source, Place(scope.index, (f"map:key:{key}",)))
        scope.output = Join(ports, scope.index)
        return scope.output

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key}: {branch!r}" for key, branch in self.steps__.items()) + "}"


RunnableMap = RunnableParallel


def _coerced(key: str, branch: Any) -> Runnable[Any, Any]:
    try:
        return composing.makers.coerce(branch)
    except NotRunnableError as error:
        raise NotRunnableError(f"key {key!r}: {error}") from None


def merged_input(title: str, models: list[type[BaseModel]], whole: Runnable[Any, Any]) -> type[BaseModel]:
    """The model of what several runnables read, side by side.

    Args:
        title: its title.
        models: what each takes.
        whole: tells the type of the input, if not all of them take dicts.
    """
    known = [schemas.fields_of(model) for model in models if not schemas.takes_anything(model)]
    if not known or None in known:
        return schemas.schema_of(whole.InputType, title)
    return schemas.model_of(title, schemas.merged_fields(filter(None, known)))
