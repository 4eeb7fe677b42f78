"""What the chunks of one kind are collected in, in time linear in what comes in, and which kinds mix.

A buffer gets two or more chunks of one family by `take`, and `value` may be read at any time between. None
is never taken. What a producer still holds is never changed, and what a reader gets may be changed, except
that objects of other types than ours and Python's come out as their own `+` made them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from anabranch.engine.errors import ChunkError


class Buffer:
    """Collects chunks. `take` may be an attribute, so that it can be a method of a list: no call is faster."""

    __slots__ = ("take",)
    take: Callable[[Any], None]

    def __init__(self, where: str) -> None:
        raise NotImplementedError

    def value(self) -> Any:
        """The sum of what was taken."""
        raise NotImplementedError

    def settle(self) -> int:
        """Let go of the pieces, where their sum is smaller; for how many more pieces that will do."""
        return 1 << 62


class Text(Buffer):
    """Pieces of text, joined when read."""

    __slots__ = ("pieces",)
    blank: ClassVar[Any] = ""

    def __init__(self, where: str) -> None:
        self.pieces: list[Any] = []
        self.take = self.pieces.append

    def value(self) -> Any:
        # In place, since `take` is bound to this list; the next reader finds a single piece.
        self.pieces[:] = [self.blank.join(self.pieces)]
        return self.pieces[0]

    def settle(self) -> int:
        return 1024 + len(self.value()) // 64  # so that all the copying stays linear


class Bytes(Text):
    """The same for bytes."""

    __slots__ = ()
    blank = b""


class Items(Buffer):
    """The items of lists, in one list that grows."""

    __slots__ = ("items",)
    make: ClassVar[type] = list

    def __init__(self, where: str) -> None:
        self.items: list[Any] = []
        self.take = self.items.extend

    def value(self) -> Any:
        return self.make(self.items)  # a copy: the reader may change it, and pushing may go on


class TupleItems(Items):
    """The same for tuples."""

    __slots__ = ()
    make = tuple


class Total(Buffer):
    """A number."""

    __slots__ = ("total",)

    def __init__(self, where: str) -> None:
        self.total: Any = None

    def take(self, chunk: Any) -> None:
        self.total = chunk if self.total is None else self.total + chunk

    def value(self) -> Any:
        return self.total


class Last(Buffer):
    """The last snapshot."""

    __slots__ = ("last",)

    def __init__(self, where: str) -> None:
        self.last: Any = None

    def take(self, chunk: Any) -> None:
        self.last = chunk

    def value(self) -> Any:
        return self.last


class Tree(Buffer):
    """Sums of 2^k chunks each, one for every bit of the count, so that a chunk is added to log n times only.

    `+` must be associative, as everywhere; it need not be commutative.
    """

    __slots__ = ("count", "sums", "where")

    def __init__(self, where: str) -> None:
        self.count = 0
        self.sums: list[Any] = []
        self.where = where

    def take(self, chunk: Any) -> None:
        carry = self.count
        while carry & 1:
            chunk = self._plus(self.sums.pop(), chunk)
            carry >>= 1
        self.sums.append(chunk)
        self.count += 1

    def value(self) -> Any:
        total = self.sums[-1]
        for part in reversed(self.sums[:-1]):
            total = self._plus(part, total)
        return total

    def _plus(self, left: Any, right: Any) -> Any:
        try:
            return left + right
        except TypeError as error:
            raise clash(self.where, type(left), type(right)) from error


class Rule(NamedTuple):
    """What a type's chunks may mix with, and what collects them."""

    family: type
    buffer: type[Buffer]


SNAPSHOT = Rule(object, Last)


def common(left: Rule, right: Rule) -> Rule | None:
    """The rule for chunks of both rules on one edge, or None when they don't mix."""
    if left.family is right.family:
        return left if left.buffer is right.buffer else Rule(left.family, Tree)
    if SNAPSHOT in (left, right):
        return None
    if issubclass(left.family, right.family):
        return right
    return left if issubclass(right.family, left.family) else None


def has_plus(kind: type) -> bool:
    """Whether values of this type have `+`."""
    return getattr(kind, "__add__", None) is not None


def inherits_plus(kind: type, family: type) -> bool:
    """Whether a subclass leaves `+` as it is in the family, so that the family's buffer may do it."""
    return all(getattr(kind, name, None) is getattr(family, name, None) for name in ("__add__", "__radd__"))


def clash(where: str, left: type, right: type) -> ChunkError:
    """The error for a chunk of type `right` that doesn't combine with a `left` before it."""
    remedy = "Make all chunks one type that adds"
    if issubclass(left, dict) and issubclass(right, dict):
        remedy = "Make all chunks AddableDicts, or all plain dicts"
    first, second = _names(left, right)
    return ChunkError(
        f"{at(where)}a chunk of type {first} and then one of type {second} don't combine. "
        f"{remedy}, or declare them Algebra.SNAPSHOTS if each replaces the one before."
    )


def no_plus(where: str, kind: type) -> ChunkError:
    """The error for a chunk that has no `+` on an edge that is declared additive."""
    other = "an AddableDict" if issubclass(kind, dict) else "something that has"
    return ChunkError(
        f"{at(where)}a chunk of type {kind.__name__} has no `+`, but the chunks here are declared "
        f"Algebra.ADDITIVE. Make it {other}, or declare Algebra.SNAPSHOTS."
    )


def key_at(where: str, key: object) -> str:
    """The place of a key in the dicts that flow at a place."""
    return f"{where}, key {key!r}" if where else f"key {key!r}"


def at(where: str) -> str:
    """The place before an error's text."""
    return f"{where}: " if where else ""


def _names(left: type, right: type) -> tuple[str, str]:
    if left is not right and left.__name__ == right.__name__:
        return f"{left.__module__}.{left.__qualname__}", f"{right.__module__}.{right.__qualname__}"
    return left.__name__, right.__name__
