"""Closing what was iterated: all of it, whatever that raises, and no error is lost.

Of two errors the first counts, for it is the cause, and the other is noted on it. What only says that code is to end
(a close, a stop, a cancellation) gives way to what that code raised meanwhile; but an interrupt, and the cancellation
of the task that asked, go before all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from anabranch.engine.errors import Stopped
from anabranch.scheduler.sites import SITE
from anabranch.scheduler.sources import aclose, close

STOPS = (GeneratorExit, Stopped, asyncio.CancelledError)
"""What ends code from outside, and is no fault of it."""


def counting(first: BaseException | None, late: BaseException) -> BaseException:
    """Which of two errors counts; the other is noted on it, unless it was only a stop."""
    if first is None or first is late:
        return late
    if isinstance(late, GeneratorExit | Stopped):
        return first
    if isinstance(first, STOPS):
        return late
    if isinstance(late, Exception) or not isinstance(first, Exception):
        note_late(first, late)
        return first
    note_late(late, first)
    return late


def note_late(error: BaseException, late: BaseException) -> None:
    """Note on an error what else was raised, and what is noted on that."""
    said = f"{type(late).__name__}: {late}" if str(late) else type(late).__name__
    error.add_note("; ".join([f"also raised, while all was closed: {said}", *getattr(late, "__notes__", ())]))


def came_of_a_stop(error: BaseException) -> bool:
    """Whether an error was raised by code that was about to end because of a stop."""
    at: BaseException | None = error
    seen = set()
    while at is not None and id(at) not in seen:
        if isinstance(at, STOPS):
            return True
        seen.add(id(at))
        at = at.__context__
    return False


def raise_closing(error: BaseException) -> None:
    """Raise an error of closing once more, with the context that it has."""
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context


def close_after(error: BaseException | None, things: Sequence[Any], shut: Callable[[Any], Any] = close) -> None:
    """Close things, the last first, because of an error or because all is well.

    Raises:
        BaseException: what closing raised, if that counts; else it is noted on the error, which the caller raises.
    """
    counts = error
    for each in reversed(things):
        try:
            shut(each)
        except BaseException as late:
            counts = counting(counts, late)
    try:
        if counts is not None and counts is not error:
            raise_closing(counts)
    finally:
        del counts, error


async def aclose_after(error: BaseException | None, things: Sequence[Any], shut: Callable[[Any], Any] = aclose) -> None:
    """The same, awaiting."""
    counts = error
    for each in reversed(things):
        try:
            await shut(each)
        except BaseException as late:
            counts = counting(counts, late)
    try:
        if counts is not None and counts is not error:
            raise_closing(counts)
    finally:
        del counts, error


class Closing:
    """A `with` that closes things when it is left, the last first; `things` may grow meanwhile."""

    __slots__ = ("_shut", "_things")

    def __init__(self, things: Sequence[Any], shut: Callable[[Any], Any] = close) -> None:
        self._things = things
        self._shut = shut

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        close_after(error, self._things, self._shut)


class AClosing:
    """The same, as an `async with`."""

    __slots__ = ("_shut", "_things")

    def __init__(self, things: Sequence[Any], shut: Callable[[Any], Any] = aclose) -> None:
        self._things = things
        self._shut = shut

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await aclose_after(error, self._things, self._shut)


def times_cancelled() -> int:
    """How often the running task was cancelled, and that not taken back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def raise_if_cancelled(error: BaseException, before: int) -> None:
    """Raise a cancellation in place of what code raised when its task was cancelled, which is noted on it.

    In a step that is left to the call around. `before`: how often the task had been cancelled when that code began.
    """
    if not isinstance(error, Exception) or SITE.get() is not None:
        return
    if came_of_a_stop(error) and times_cancelled() > before:
        cancelled = asyncio.CancelledError()
        note_late(cancelled, error)
        raise cancelled from error
