"""Where chunks begin: a single value as an asynchronous iterator, and closing what was iterated."""

from __future__ import annotations

from typing import Any, Self

_GONE: Any = object()


class Once:
    """One chunk, asynchronously. Not a generator, which would have to be closed."""

    __slots__ = ("_chunk",)

    def __init__(self, chunk: Any) -> None:
        self._chunk = chunk

    @property
    def value(self) -> Any:
        """The chunk, as long as it wasn't taken."""
        return self._chunk

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        chunk, self._chunk = self._chunk, _GONE
        if chunk is _GONE:
            raise StopAsyncIteration
        return chunk


NOTHING: Any = Once(_GONE)
"""No chunk, asynchronously."""


def close(chunks: Any) -> None:
    """Close an iterator, if it can be closed."""
    shut = getattr(chunks, "close", None)
    if shut is not None:
        shut()


async def aclose(chunks: Any) -> None:
    """Close an asynchronous iterator, if it can be closed."""
    shut = getattr(chunks, "aclose", None)
    if shut is not None:
        await shut()
