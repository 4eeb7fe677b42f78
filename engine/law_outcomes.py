"""What comes of calls, and how the laws compare it.

"The same" means equal values, or an exception on both sides, of the same type. What counts as equal may be changed
for a while by `compared_by`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from anabranch.engine.chunks import afold, fold
from anabranch.engine.graphs import Graph

Equal = Callable[[Any, Any], bool]


def _plainly_equal(left: Any, right: Any) -> bool:
    return bool(left == right)


_EQUAL: ContextVar[Equal] = ContextVar("anabranch_laws_equal", default=_plainly_equal)


@contextmanager
def compared_by(equal: Equal) -> Iterator[None]:
    """Values are compared by this function here."""
    token = _EQUAL.set(equal)
    try:
        yield
    finally:
        _EQUAL.reset(token)


class Verbs(Protocol):
    """What the laws need of a runnable."""

    @property
    def __graph__(self) -> Graph: ...
    def invoke(self, input: Any, /) -> Any: ...
    def ainvoke(self, input: Any, /) -> Awaitable[Any]: ...
    def batch(self, inputs: Sequence[Any], /) -> list[Any]: ...
    def abatch(self, inputs: Sequence[Any], /) -> Awaitable[list[Any]]: ...
    def batch_as_completed(self, inputs: Sequence[Any], /) -> Iterator[tuple[int, Any]]: ...
    def abatch_as_completed(self, inputs: Sequence[Any], /) -> AsyncIterator[tuple[int, Any]]: ...
    def stream(self, input: Any, /) -> Iterator[Any]: ...
    def astream(self, input: Any, /) -> AsyncIterator[Any]: ...
    def transform(self, input: Iterator[Any], /) -> Iterator[Any]: ...
    def atransform(self, input: AsyncIterator[Any], /) -> AsyncIterator[Any]: ...
    def __or__(self, other: Any, /) -> Verbs: ...
    def __ror__(self, other: Any, /) -> Verbs: ...


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a call: a value or an exception."""

    value: Any = None
    error: Exception | None = None

    def is_as(self, other: Outcome) -> bool:
        """Whether both have equal values, or both have errors of one type."""
        if self.error is None and other.error is None:
            return _EQUAL.get()(self.value, other.value)
        return type(self.error) is type(other.error)

    def __str__(self) -> str:
        return repr(self.value) if self.error is None else f"the error {self.error!r}"


def outcome(call: Callable[..., Any], *arguments: Any) -> Outcome:
    """What comes of a call."""
    try:
        return Outcome(call(*arguments))
    except Exception as error:
        return Outcome(error=error)


async def aoutcome(call: Callable[..., Awaitable[Any]], *arguments: Any) -> Outcome:
    """What comes of an awaited call."""
    try:
        return Outcome(await call(*arguments))
    except Exception as error:
        return Outcome(error=error)


def folded(verb: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Any]:
    """A verb that streams, as one that gives the whole value."""
    return lambda value: fold(verb(value))


def afolded(verb: Callable[[Any], AsyncIterator[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """The same for an asynchronous one."""
    return lambda value: afold(verb(value))


@dataclass(frozen=True)
class Side:
    """One of two things that a law compares.

    Attributes:
        code: how it is had, in Python, in terms of the law's own arguments.
        outcome: what came of it.
    """

    code: str
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.code} gives {self.outcome}"


class LawBroken(AssertionError):
    """Raised where a law doesn't hold.

    Attributes:
        sides: the two things that should have been the same, if it is a law of that kind.
    """

    def __init__(self, text: str, sides: tuple[Side, Side] | None = None) -> None:
        super().__init__(text)
        self.sides = sides


def same(left: str, found: Outcome, right: str, wanted: Outcome, **on: Any) -> None:
    """See that two calls had the same outcome.

    Args:
        left, right: how each was called, in terms of the law's arguments.
        found, wanted: what came of it.
        **on: the arguments that a reader wants to know.

    Raises:
        LawBroken: when they didn't.
    """
    if found.is_as(wanted):
        return
    sides = Side(left, found), Side(right, wanted)
    given = ", ".join(f"{name} = {value!r}" for name, value in on.items())
    raise LawBroken(f"{sides[0]}, but {sides[1]}{f', where {given}' if given else ''}", sides) from (
        found.error or wanted.error
    )


def agree(left: str, found: Any, right: str, wanted: Any, **on: Any) -> None:
    """`same`, for plain values."""
    same(left, Outcome(found), right, Outcome(wanted), **on)


def holds(condition: bool, text: str) -> None:
    """See that something is so.

    Raises:
        LawBroken: with this text, when it isn't.
    """
    if not condition:
        raise LawBroken(text)
