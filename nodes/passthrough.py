"""Handing the input on: whole, with keys added, or some keys of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from inspect import iscoroutinefunction
from typing import Any

from anabranch.engine.building import Builder, Building, Part, Place
from anabranch.engine.chunks import Accumulator, AddableDict
from anabranch.engine.errors import StepInputError
from anabranch.engine.graphs import Join, Source
from anabranch.engine.operators import Operator
from anabranch.nodes.parallels import RunnableParallel
from anabranch.nodes.runnables import Other, Runnable


class RunnablePassthrough(Runnable[Other, Other]):
    """Hands its input on, chunk by chunk.

    Args:
        func: called with the whole input, for what it does besides; its result is dropped.
        afunc: an asynchronous form of it.
        input_type: the type of the input and the output, where it is known.

    Example:
        >>> ({"text": RunnablePassthrough()} | RunnablePassthrough.assign(size=lambda d: len(d["text"]))).invoke("ab")
        {'text': 'ab', 'size': 2}
    """

    def __init__(
        self,
        func: Callable[[Other], Any] | None = None,
        afunc: Callable[[Other], Any] | None = None,
        *,
        input_type: Any = None,
        name: str | None = None,
    ) -> None:
        if func is not None and afunc is None and iscoroutinefunction(func):
            func, afunc = None, func
        self.func = func
        self.afunc = afunc
        self.input_type = input_type
        self.name = name

    @classmethod
    def assign(cls, **kwargs: Any) -> RunnableAssign:
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

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        name, func, afunc = self.get_name(), self.func, self.afunc
        if func is None and afunc is None:
            return Operator(name=name, invoke=_same, map_chunk=_same, blocking=False)
        forms: dict[str, Any] = {}
        if func is not None:
            forms |= {"invoke": _calling(func), "transform": _telling(func, name)}
        if afunc is not None:
            forms |= {"ainvoke": _acalling(afunc), "atransform": _atelling(afunc, name)}
        return Operator(name=name, **forms)


class RunnableAssign(Runnable[dict[str, Any], dict[str, Any]]):
    """Hands a dict on, with the keys that a mapper makes from it. What `assign` makes."""

    def __init__(self, mapper: RunnableParallel[Any], *, name: str | None = None) -> None:
        self.mapper = mapper
        self.name = name

    def _default_name(self) -> str:
        return f"RunnableAssign<{','.join(self.mapper.steps__)}>"

    def _readers(self) -> list[Runnable[Any, Any]]:
        return [self, *self.mapper._readers()]

    def _build(self, builder: Builder, source: Source, place: Place) -> Building:
        scope = builder.scope(self.get_name(), "assign", source, place, self)
        added = yield Part(self.mapper, source, Place(scope.index))
        assert isinstance(added, Join)
        scope.output = Join(added.ports, scope.index, base=source)
        return scope.output

    def __repr__(self) -> str:
        return f"RunnablePassthrough.assign({', '.join(f'{k}={b!r}' for k, b in self.mapper.steps__.items())})"


class RunnablePick(Runnable[dict[str, Any], Any]):
    """Of a dict, the value of one key, or a dict of some of its keys.

    A missing key gives None, or is left out of the dict.

    Args:
        keys: one key, or a list of keys.
    """

    def __init__(self, keys: str | list[str], *, name: str | None = None) -> None:
        self.keys = keys
        self.name = name

    def _default_name(self) -> str:
        return f"RunnablePick<{self.keys if isinstance(self.keys, str) else ','.join(self.keys)}>"

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        keys = [self.keys] if isinstance(self.keys, str) else self.keys
        return Operator(
            name=self.get_name(),
            invoke=self._pick,
            transform=self._transform,
            atransform=self._atransform,
            blocking=False,
            reads=frozenset(keys),
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
        return AddableDict(picked) if isinstance(value, AddableDict) else picked

    def _transform(self, chunks: Iterator[Any]) -> Iterator[Any]:
        last = Accumulator(where=self.get_name())
        for chunk in chunks:
            if isinstance(chunk, AddableDict):
                if any(key in chunk for key in self._wanted()):
                    yield self._pick(chunk)
            else:
                last.push(chunk)  # a plain dict is a snapshot: only the last counts
        if not last.empty:
            yield self._pick(last.value)

    async def _atransform(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        last = Accumulator(where=self.get_name())
        async for chunk in chunks:
            if isinstance(chunk, AddableDict):
                if any(key in chunk for key in self._wanted()):
                    yield self._pick(chunk)
            else:
                last.push(chunk)
        if not last.empty:
            yield self._pick(last.value)

    def _wanted(self) -> list[str]:
        return [self.keys] if isinstance(self.keys, str) else self.keys


def _same(value: Any) -> Any:
    return value


def _calling(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def call(value: Any) -> Any:
        func(value)
        return value

    return call


def _acalling(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def call(value: Any) -> Any:
        await func(value)
        return value

    return call


def _telling(func: Callable[[Any], Any], name: str) -> Callable[[Iterator[Any]], Iterator[Any]]:
    def tell(chunks: Iterator[Any]) -> Iterator[Any]:
        whole = Accumulator(where=name)
        for chunk in chunks:
            whole.push(chunk)
            yield chunk
        func(whole.value)

    return tell


def _atelling(func: Callable[[Any], Any], name: str) -> Callable[[AsyncIterator[Any]], AsyncIterator[Any]]:
    async def tell(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        whole = Accumulator(where=name)
        async for chunk in chunks:
            whole.push(chunk)
            yield chunk
        await func(whole.value)

    return tell
