"""Faults as steps: put one into a chain where something is to go wrong. Otherwise each hands its input on.

    chain = retriever | Raises(after=1) | prompt | model

Sleeps take no real time where a virtual clock drives the chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from anabranch.engine.errors import CompositionError
from anabranch.engine.operators import INPUT, Flow, Operator, Run, Sleep
from anabranch.nodes.passthrough import RunnablePassthrough
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.values import Value

_ON = RunnablePassthrough[Any]()


class Injected(Exception):
    """What a fault raises, with the mark of the fault."""


class _Fault(Value, Runnable[Any, Any]):
    """A step that hands its chunks on, with something wrong."""

    @property
    def InputType(self) -> Any:
        """Anything."""
        return Any

    @property
    def OutputType(self) -> Any:
        """Anything."""
        return Any

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return Operator(name=self.get_name(), transform=self._pieces, atransform=self._apieces, blocking=False)

    def _pieces(self, chunks: Iterator[Any]) -> Iterator[Any]:
        raise NotImplementedError

    def _apieces(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        raise NotImplementedError

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name not in ("__graph__", "name"))
        return f"{type(self).__name__}({said})"


class Raises(_Fault):
    """Hands some chunks on, then raises: at the next one, or at the end if no more comes.

    Args:
        mark: what the exception says.
        after: how many chunks are handed on.

    Example:
        >>> try:
        ...     (RunnablePassthrough() | Raises("broken pipe")).invoke("a")
        ... except Injected as error:
        ...     print(error)
        broken pipe
    """

    def __init__(self, mark: str = "fault", after: int = 0) -> None:
        self.mark = mark
        self.after = _count(after, "Raises: after")

    def _fail(self) -> None:
        raise Injected(self.mark)

    def _pieces(self, chunks: Iterator[Any]) -> Iterator[Any]:
        left = self.after
        for chunk in chunks:
            if not left:
                break
            left -= 1
            yield chunk
        self._fail()

    async def _apieces(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        left = self.after
        async for chunk in chunks:
            if not left:
                break
            left -= 1
            yield chunk
        self._fail()


class Cancels(Raises):
    """Raises `asyncio.CancelledError`, as a library that was cancelled does. Its arguments are those of `Raises`."""

    def _fail(self) -> None:
        raise asyncio.CancelledError(self.mark)


class Silences(_Fault):
    """Takes all chunks and gives none: an empty stream, whose value is None."""

    def _pieces(self, chunks: Iterator[Any]) -> Iterator[Any]:
        for _ in chunks:
            pass
        yield from ()

    async def _apieces(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for _ in chunks:
            pass
        for nothing in tuple[Any, ...]():
            yield nothing


class PutsNone(_Fault):
    """Gives a `None` before each chunk and one at the end."""

    def _pieces(self, chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            yield None
            yield chunk
        yield None

    async def _apieces(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in chunks:
            yield None
            yield chunk
        yield None


class Sleeps(_Fault):
    """Waits before it hands its input on, chunk by chunk. It holds no permit and no thread meanwhile.

    Args:
        seconds: how long.

    Raises:
        CompositionError: a `TypeError`, when it is no number of at least 0.
    """

    def __init__(self, seconds: float) -> None:
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds >= 0:
            raise CompositionError(f"Sleeps takes seconds, a number of at least 0, got {seconds!r:.80}")
        self.seconds = seconds

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def flow(_: Any) -> Flow:
            yield Sleep(self.seconds)
            return (yield Run(_ON.__graph__, INPUT, last=True))

        return Operator(name=self.get_name(), flow=flow, whole=False)


def _count(number: Any, said: str) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise CompositionError(f"{said} must be an int of at least 0, got {number!r:.80}")
    return number
