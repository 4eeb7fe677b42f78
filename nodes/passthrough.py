"""Handing the input on: whole, with keys added, or some keys of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, overload

from anabranch.engine.building import Builder, Building, Part, Place
from anabranch.engine.chunks import Accumulator, AddableDict
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError, StepInputError
from anabranch.engine.graphs import Join, Source
from anabranch.engine.operators import Operator
from anabranch.engine.value_types import DictType, Keys, keys_of
from anabranch.nodes.asking_parts import Asking, asks_parts
from anabranch.nodes.deferred import schemas
from anabranch.nodes.edges import check_edge, check_keys, declared
from anabranch.nodes.effects import on_the_side
from anabranch.nodes.parallels import RunnableParallel
from anabranch.nodes.runnables import Other, Runnable
from anabranch.nodes.values import Value

if TYPE_CHECKING:
    from pydantic import BaseModel


class RunnablePassthrough(Value, Runnable[Other, Other]):
    """Hands its input on, chunk by chunk.

    Args:
        func: called with the whole input, for what it does besides; its result is dropped.
        afunc: an asynchronous form of it, used by the asynchronous verbs.
        input_type: the type of the input and the output, where it is known.
        name: in traces and errors.

    Raises:
        CompositionError: a `TypeError`, when what is given as a function, or as a type, is none.

    Example:
        >>> ({"text": RunnablePassthrough()} | RunnablePassthrough.assign(size=lambda d: len(d["text"]))).invoke("ab")
        {'text': 'ab', 'size': 2}
    """

    @overload
    def __init__(
        self: RunnablePassthrough[Any],
        func: None = None,
        afunc: None = None,
        *,
        input_type: None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        func: Callable[[Other], Any] | Callable[[Other, RunnableConfig], Any] | None = None,
        afunc: Callable[[Other], Any] | Callable[[Other, RunnableConfig], Any] | None = None,
        *,
        input_type: type[Other] | None = None,
        name: str | None = None,
    ) -> None: ...
    def __init__(
        self,
        func: Callable[..., Any] | None = None,
        afunc: Callable[..., Any] | None = None,
        *,
        input_type: Any = None,
        name: str | None = None,
    ) -> None:
        for given in (func, afunc):
            if given is not None and not callable(given):
                raise CompositionError(f"RunnablePassthrough takes a function to call besides, got {given!r:.80}")
        self.func = func
        self.afunc = afunc
        self.input_type = declared("input_type", input_type)
        self.name = name

    @classmethod
    def assign(cls, **kwargs: Any) -> RunnableAssign:  # type: ignore[override] # `x.assign` of any other x is a chain
        """Hands a dict on with keys added, each made from the dict by a runnable, function or dict."""
        return RunnableAssign(RunnableParallel(kwargs))

    @property
    def InputType(self) -> Any:
        """What was declared, else `Any`."""
        return Any if self.input_type is None else self.input_type

    @property
    def OutputType(self) -> Any:
        """The same."""
        return self.InputType

    @property
    def _types_depend(self) -> bool:
        return True

    def _output_for(self, given: Any, giver: Any) -> Any:
        check_edge(giver, given, self, self.InputType)
        return given if given is not Any else self.InputType

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        name = self.get_name()
        if self.func is None and self.afunc is None:
            return Operator(name=name, invoke=_same, map_chunk=_same, blocking=False)
        return on_the_side(name, self.func, self.afunc, kwargs)


class RunnableAssign(Value, Runnable[dict[str, Any], dict[str, Any]]):
    """Hands a dict on, with the keys that a mapper makes from it. What `assign` makes.

    Args:
        mapper: what makes the keys, each from the whole dict. A key that is there already is replaced.
        name: in traces and errors.

    Example:
        >>> RunnableAssign({"size": lambda d: len(d["text"])}).invoke({"text": "abc"})
        {'text': 'abc', 'size': 3}
    """

    def __init__(self, mapper: RunnableParallel[Any] | Mapping[str, Any], *, name: str | None = None) -> None:
        self.mapper = mapper if isinstance(mapper, RunnableParallel) else RunnableParallel(mapper)
        self.name = name

    def _default_name(self) -> str:
        return f"RunnableAssign<{','.join(self.mapper.steps__)}>"

    @property
    def _types_depend(self) -> bool:
        return True

    def _output_for(self, given: Any, giver: Any) -> Any:
        check_edge(giver, given, self, self.InputType)
        added = self.mapper._output_for(given, giver)
        keys = keys_of(given)
        if keys is None:
            return self.OutputType
        return DictType({**keys.types, **added}) if keys.closed else _open_type(keys, added)

    def _parts(self) -> list[Runnable[Any, Any]]:
        return [self.mapper]

    @asks_parts
    def get_input_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """The keys that the mapper reads, if it reads a dict."""
        model: type[BaseModel] = yield self.mapper, config
        return super().get_input_schema(config) if schemas.fields_of(model) is None else model

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """The keys that the mapper reads and those that it makes."""
        read = schemas.fields_of(self.mapper.get_input_schema(config)) or {}
        made = schemas.fields_of(self.mapper.get_output_schema(config)) or {}
        return schemas.model_of(self.get_name("Output", name=self.name or "RunnableAssign"), {**read, **made})

    def _build(self, builder: Builder, source: Source, place: Place) -> Building:
        scope = builder.scope(self.get_name(), "assign", source, place, self)
        added = yield Part(self.mapper, source, Place(scope.index))
        assert isinstance(added, Join)
        scope.output = Join(added.ports, scope.index, base=source)
        return scope.output

    def __repr__(self) -> str:
        return f"RunnablePassthrough.assign({', '.join(f'{k}={b!r}' for k, b in self.mapper.steps__.items())})"


def _open_type(keys: Keys, added: DictType) -> Any:
    """The type of a dict that has some keys, and may have others."""
    types = {key: tp if key in keys.required else NotRequired[tp] for key, tp in keys.types.items()}
    return TypedDict("Assigned", {**types, **added})  # type: ignore[operator]


class RunnablePick(Value, Runnable[dict[str, Any], Any]):
    """Of a dict, the value of one key, or a dict of some of its keys.

    A missing key gives None, or is left out of the dict; None stands for a dict of which nothing would be left.

    Args:
        keys: one key, or a list of keys.
        name: in traces and errors.

    Raises:
        CompositionError: a `TypeError`, when a key is no string.

    Example:
        >>> RunnablePick("a").invoke({"a": 1, "b": 2}), RunnablePick(["a"]).invoke({"a": 1, "b": 2})
        (1, {'a': 1})
    """

    def __init__(self, keys: str | list[str], *, name: str | None = None) -> None:
        several = isinstance(keys, list | tuple)
        for key in keys if several else (keys,):
            if not isinstance(key, str):
                raise CompositionError(f"pick takes the name of a key, or a list of names, got {keys!r:.80}")
        self.keys: str | list[str] = list(keys) if several else keys
        self.name = name

    def _default_name(self) -> str:
        return f"RunnablePick<{','.join(self._wanted)}>"

    @property
    def _wanted(self) -> list[str]:
        return [self.keys] if isinstance(self.keys, str) else self.keys

    @property
    def _types_depend(self) -> bool:
        return True

    @property
    def OutputType(self) -> Any:
        """A dict, of several keys; of one, `Any`. In a chain it is known of each key what it holds."""
        return Any if isinstance(self.keys, str) else dict[str, Any]

    def _output_for(self, given: Any, giver: Any) -> Any:
        check_edge(giver, given, self, self.InputType)
        check_keys(giver, given, self, self._wanted)
        keys = keys_of(given)
        if keys is None or not keys.required.issuperset(self._wanted):
            return self.OutputType
        if isinstance(self.keys, str):
            return keys.types[self.keys]
        return DictType({key: keys.types[key] for key in self.keys})

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return Operator(
            name=self.get_name(),
            invoke=self._pick,
            transform=self._transform,
            atransform=self._atransform,
            blocking=False,
            reads=frozenset(self._wanted),
            picks=self.keys if isinstance(self.keys, str) else None,
        )

    def _pick(self, value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise StepInputError(f"{self.get_name()} takes a dict, got {type(value).__name__}: {value!r:.80}")
        if isinstance(self.keys, str):
            return value.get(self.keys)
        picked = {key: value[key] for key in self.keys if key in value}
        return (AddableDict(picked) if isinstance(value, AddableDict) else picked) or None

    def _piece(self, chunk: Any, last: Accumulator) -> Any:
        """What is picked of a chunk. A plain dict is a snapshot: only the last counts, when all have come."""
        if isinstance(chunk, AddableDict):
            return self._pick(chunk)
        last.push(chunk)
        return None

    def _transform(self, chunks: Iterator[Any]) -> Iterator[Any]:
        last = Accumulator(where=self.get_name())
        for chunk in chunks:
            if (picked := self._piece(chunk, last)) is not None:
                yield picked
        if (picked := self._pick(last.value)) is not None:
            yield picked

    async def _atransform(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        last = Accumulator(where=self.get_name())
        async for chunk in chunks:
            if (picked := self._piece(chunk, last)) is not None:
                yield picked
        if (picked := self._pick(last.value)) is not None:
            yield picked

    def __repr__(self) -> str:
        return f"RunnablePick({self.keys!r})"


def _same(value: Any) -> Any:
    return value
