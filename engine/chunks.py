"""How the chunks that flow along one edge combine to the value that they stand for.

Chunks of an edge are *additive* (they add by `+`, `AddableDict`s key by key) or *snapshots* (each replaces
the one before). The type of a chunk decides, unless the operator declares it. `None` is the identity of
both. `+` is taken to be associative, so an `Accumulator` may group the additions as suits it.

Types mix on one edge only within a family, and each family has the buffer that sums it in linear time:

| family | holds | buffer |
|---|---|---|
| str, bytes, list, tuple | these and their subclasses | `Text`, `Bytes`, `Items`, `TupleItems` |
| numbers | `numbers.Complex`: bool, int, float, complex, Fraction ... | `Total` |
| `AddableDict` | it and its subclasses | `Keyed`: one accumulator a key |
| any other type with `+` | it and its subclasses | `Tree`, and for all subclasses with a `+` of their own |
| snapshots | types without `+`, and types that say so | `Last` |
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from numbers import Complex
from typing import Any

from anabranch.engine import chunk_buffers as buffers
from anabranch.engine.chunk_buffers import SNAPSHOT, Buffer, Rule


class Algebra(Enum):
    """How the chunks of an edge combine: they add, or each replaces the one before.

    As the class attribute `__chunk_algebra__` it decides for a type and its subclasses.

    Example:
        >>> class Celsius(float):
        ...     __chunk_algebra__ = Algebra.SNAPSHOTS
        >>> fold([20.5, 21.0]), fold([Celsius(20.5), Celsius(21.0)])
        (41.5, 21.0)
    """

    ADDITIVE = "additive"
    SNAPSHOTS = "snapshots"


class AddableDict(dict[str, Any]):
    """A dict that adds to another mapping key by key: the chunk of a dict step.

    The values of a key combine as chunks do; `None` gives way on either side. In everything else it is a
    dict. `snapshots` holds the keys whose chunks replace each other whatever their type; a sum keeps them.

    Raises:
        ChunkError: a `TypeError` that names the key, when two values of a key don't combine.

    Example:
        >>> AddableDict(text="ab", n=1) + {"text": "c"}
        {'text': 'abc', 'n': 1}
    """

    snapshots: frozenset[str] = frozenset()

    @classmethod
    def marked(cls, values: Mapping[str, Any], snapshots: frozenset[str]) -> AddableDict:
        """An `AddableDict` of these values in which the chunks of the keys `snapshots` replace each other."""
        made = cls(values)
        if snapshots:
            made.snapshots = snapshots
        return made

    def copy(self) -> AddableDict:
        """A shallow copy, an `AddableDict` too."""
        return AddableDict.marked(self, self.snapshots)

    def __add__(self, other: Mapping[str, Any]) -> AddableDict:
        return _merged(self, other) if isinstance(other, Mapping) else NotImplemented

    def __radd__(self, other: Mapping[str, Any]) -> AddableDict:
        return _merged(other, self) if isinstance(other, Mapping) else NotImplemented


class Accumulator:
    """The sum of the chunks pushed so far, in time linear in the chunks, whatever their kind.

    A single chunk comes out as the same object. `value` may be read at any time and pushing may go on; it is
    None when nothing or only None was pushed. A list or dict that was pushed is never changed. After an error
    the sum is undefined.

    Args:
        algebra: how the chunks combine, when it isn't their type that says it (the default). `SNAPSHOTS`: the
            last one stands, whatever the types. `ADDITIVE`: each must have `+`.
        where: the step or place that errors name.

    Attributes:
        empty: whether no chunk at all was pushed, not even None.
    """

    __slots__ = ("_buffer", "_first", "_kind", "_rule", "_take", "algebra", "empty", "where")
    _take: Callable[[Any], None]

    def __init__(self, algebra: Algebra | None = None, where: str = "") -> None:
        self.algebra = algebra
        self.where = where
        self.clear()

    def clear(self) -> None:
        """Forget every chunk."""
        self.empty = True
        self._first: Any = None  # the only chunk, before there is a buffer
        self._rule: Rule | None = None
        self._buffer: Buffer | None = None
        self._kind: type | None = None  # the type of chunk that `_take` may be given unseen

    def push(self, chunk: Any) -> None:
        """Add one chunk.

        Raises:
            ChunkError: a `TypeError`, when the chunk doesn't combine with those before.
        """
        if type(chunk) is self._kind:
            self._take(chunk)
        else:
            self._admit(chunk)

    @property
    def value(self) -> Any:
        """The sum of the chunks so far."""
        return self._first if self._buffer is None else self._buffer.value()

    def _admit(self, chunk: Any) -> None:
        """Take the first chunk, the second, and every one whose type isn't that of the one before."""
        self.empty = False
        if chunk is None:
            return
        kind: type = type(chunk)
        rule = _rule_of(kind) if self.algebra is None else self._declared_rule(kind)
        if self._rule is None:
            self._first, self._rule = chunk, rule
            return
        common = rule if rule is self._rule else buffers.common(self._rule, rule)
        if common is None:
            raise buffers.clash(self.where, self._kind or type(self._first), kind)
        buffer = self._buffer_for(common)
        buffer.take(chunk)
        self._take, self._kind = buffer.take, kind

    def _buffer_for(self, rule: Rule) -> Buffer:
        """The buffer of this rule, holding everything so far."""
        if self._buffer is None or type(self._buffer) is not rule.buffer:
            before = self.value
            self._buffer = rule.buffer(self.where)
            self._buffer.take(before)
            self._first = None
        self._rule = rule
        return self._buffer

    def _declared_rule(self, kind: type) -> Rule:
        if self.algebra is Algebra.SNAPSHOTS:
            return SNAPSHOT
        if not buffers.has_plus(kind):
            raise buffers.no_plus(self.where, kind)
        return _additive_rule(kind)


class Keyed(Buffer):
    """`AddableDict`s: an accumulator for each key."""

    __slots__ = ("marked", "slots", "where")

    def __init__(self, where: str) -> None:
        self.slots: dict[str, Accumulator] = {}
        self.marked: frozenset[str] = frozenset()
        self.where = where

    def take(self, chunk: AddableDict) -> None:
        marks = chunk.snapshots
        for key, value in chunk.items():
            slot = self.slots.get(key)
            if slot is None:
                slot = self.slots[key] = Accumulator(where=buffers.key_at(self.where, key))
            if value is not None:
                if key in marks:
                    slot.clear()
                slot.push(value)
        if marks:
            self.marked |= _present(chunk, marks)

    def value(self) -> AddableDict:
        return AddableDict.marked({key: slot.value for key, slot in self.slots.items()}, self.marked)


def algebra_of(value: object) -> Algebra:
    """Whether chunks of this value's type add or replace each other.

    Types with `+` are additive, unless the type says otherwise by `__chunk_algebra__`.
    """
    kind: type = type(value)
    return Algebra.SNAPSHOTS if _rule_of(kind) is SNAPSHOT else Algebra.ADDITIVE


class Tally(Accumulator):
    """An accumulator for long streams of which only the sum is wanted: it doesn't keep the pieces of a text."""

    __slots__ = ("_left",)

    def __init__(self, algebra: Algebra | None = None, where: str = "") -> None:
        super().__init__(algebra, where)
        self._left = 1024

    def push(self, chunk: Any) -> None:
        """Add one chunk. See `Accumulator`."""
        if type(chunk) is self._kind:
            self._take(chunk)
        else:
            self._admit(chunk)
        self._left -= 1
        if not self._left:
            self._left = 1024 if self._buffer is None else self._buffer.settle()


def add(left: Any, right: Any, algebra: Algebra | None = None, where: str = "") -> Any:
    """The sum of two chunks. Arguments and errors are those of `Accumulator`; neither chunk is changed."""
    if type(left) is type(right) and type(left) in _PLAIN and algebra is not Algebra.SNAPSHOTS:
        return left + right
    total = Accumulator(algebra, where)
    total.push(left)
    total.push(right)
    return total.value


def fold(chunks: Iterable[Any], algebra: Algebra | None = None) -> Any:
    """The value that a stream of chunks stands for: `fold(chain.stream(x)) == chain.invoke(x)`.

    Args:
        chunks: the chunks. None when there are none.
        algebra: how they combine; by default what `chunks.algebra` says, or else their types.

    Raises:
        ChunkError: a `TypeError`, when two chunks don't combine.

    Example:
        >>> fold(["a", "b", None, "c"])
        'abc'
    """
    total = Accumulator(_algebra_on(chunks, algebra))
    for chunk in chunks:
        total.push(chunk)
    return total.value


async def afold(chunks: AsyncIterable[Any], algebra: Algebra | None = None) -> Any:
    """The value that an asynchronous stream of chunks stands for. See `fold`.

    Example:
        >>> import asyncio
        >>> asyncio.run(afold(RunnableLambda(str.upper).astream("abc")))
        'ABC'
    """
    total = Accumulator(_algebra_on(chunks, algebra))
    async for chunk in chunks:
        total.push(chunk)
    return total.value


def _algebra_on(chunks: object, algebra: Algebra | None) -> Algebra | None:
    return getattr(chunks, "algebra", None) if algebra is None else algebra


def _merged(left: Mapping[str, Any], right: Mapping[str, Any]) -> AddableDict:
    before, marks = _marks(left), _marks(right)
    total = AddableDict(left)
    for key, value in right.items():
        known = total.get(key)
        if known is None or (key in marks and value is not None):
            total[key] = value
        elif value is not None:
            total[key] = add(known, value, where=buffers.key_at("", key))
    if before or marks:
        # A mark counts only where a chunk stands: else a sum would depend on how it is grouped.
        total.snapshots = before if before == marks else _present(left, before) | _present(right, marks)
    return total


def _marks(values: Mapping[str, Any]) -> frozenset[str]:
    return values.snapshots if isinstance(values, AddableDict) else frozenset()


def _present(values: Mapping[str, Any], keys: frozenset[str]) -> frozenset[str]:
    return frozenset(key for key in keys if values.get(key) is not None)


_PLAIN = frozenset({str, bytes, list, tuple, int, float, complex})
_FAMILIES = [
    Rule(str, buffers.Text),
    Rule(bytes, buffers.Bytes),
    Rule(list, buffers.Items),
    Rule(tuple, buffers.TupleItems),
    Rule(AddableDict, Keyed),
]


@lru_cache(maxsize=1024)
def _rule_of(kind: type) -> Rule:
    declared = getattr(kind, "__chunk_algebra__", None)
    if declared is Algebra.SNAPSHOTS or (declared is None and not buffers.has_plus(kind)):
        return SNAPSHOT
    return _additive_rule(kind)


@lru_cache(maxsize=1024)
def _additive_rule(kind: type) -> Rule:
    if issubclass(kind, Complex):
        return Rule(complex, buffers.Total)
    for family, buffer in _FAMILIES:
        if issubclass(kind, family):
            return Rule(family, buffer if buffers.inherits_plus(kind, family) else buffers.Tree)
    return Rule(kind, buffers.Tree)
