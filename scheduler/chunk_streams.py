"""What the streaming verbs return: the chunks, with a close, a `with`, and how the chunks combine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from anabranch.engine.chunks import Algebra
from anabranch.scheduler.closing import aclose_after, close_after, note_late
from anabranch.scheduler.sites import SITE

Statistics = dict[str, Any]
Output = TypeVar("Output", covariant=True)


class ChunkStream(Generator[Output, None, None]):
    """The chunks of a run, as they are made.

    Nothing runs before the first chunk is asked for. Closing stops the run at once and returns when every `finally`
    has run; leaving a `with` closes, and so does dropping the iterator.

    Attributes:
        algebra: how the chunks combine, where their type alone doesn't say it. `fold` heeds it.
    """

    def __init__(
        self, chunks: Generator[Output, None, None], algebra: Algebra | None, statistics: Callable[[], Statistics]
    ) -> None:
        self._chunks = chunks
        self.algebra = algebra
        self.statistics = statistics
        """How full the run's channels are, step by step, and what is held back for the sake of order."""

    def __iter__(self) -> Generator[Output, None, None]:
        return self._chunks  # so that a loop pulls without a detour

    def __next__(self) -> Output:
        return next(self._chunks)

    def send(self, value: None, /) -> Any:
        """The same as `next`."""
        return self._chunks.send(value)

    def throw(self, *error: Any) -> Any:
        """Stop the run with an error."""
        return self._chunks.throw(*error)

    def close(self) -> None:
        """Stop the run."""
        self._chunks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        close_after(error, [self])


class AsyncChunkStream(AsyncGenerator[Output, None]):
    """The same on an event loop; closed by `aclose` or by leaving an `async with`."""

    def __init__(
        self, chunks: AsyncGenerator[Output, None], algebra: Algebra | None, statistics: Callable[[], Statistics]
    ) -> None:
        self._chunks = chunks
        self.algebra = algebra
        self.statistics = statistics
        """How full the run's channels are, step by step, and what is held back for the sake of order."""

    def __aiter__(self) -> AsyncGenerator[Output, None]:
        return self._chunks

    def __anext__(self) -> Coroutine[Any, Any, Output]:
        return self._chunks.__anext__()

    def asend(self, value: None, /) -> Any:
        """The same as `anext`."""
        return self._chunks.asend(value)

    def athrow(self, *error: Any) -> Any:
        """Stop the run with an error."""
        return self._chunks.athrow(*error)

    def aclose(self) -> Any:
        """Stop the run."""
        return self._chunks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if not isinstance(error, asyncio.CancelledError) or SITE.get() is not None:
            await aclose_after(error, [self])
            return
        try:
            await self.aclose()
        except Exception as late:
            note_late(error, late)  # the cancellation must not be lost


class Holding(Protocol):
    """The open stages of a segment, as far as they hold chunks."""

    def statistics(self) -> Statistics: ...


def held_in(opened: Sequence[Holding]) -> Statistics:
    """What the open segments of a run hold."""
    return {name: counts for puller in opened for name, counts in puller.statistics().items()}
