"""The input of a call step that may need it again: chunks are kept until its output has begun."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any


class Replay:
    """Gives each attempt the chunks from the beginning. What is kept is not bounded; `held` tells how much it is."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source
        self._kept: list[Any] = []
        self._keeps = True
        self.broken = False
        """The source itself has failed: another attempt can't help."""

    @property
    def held(self) -> int:
        """How many chunks are kept."""
        return len(self._kept)

    def attempt(self) -> Iterator[Any]:
        """The chunks from the beginning: those that are kept, then new ones."""
        at = 0
        while True:
            while at < len(self._kept):
                at += 1
                yield self._kept[at - 1]
            try:
                chunk = next(self._source)
            except StopIteration:
                return
            except BaseException:
                self.broken = True
                raise
            if self._keeps:
                self._kept.append(chunk)
                at += 1
            yield chunk

    def forget(self) -> None:
        """There will be no other attempt."""
        self._keeps = False


class AsyncReplay:
    """The same over an asynchronous source."""

    def __init__(self, source: AsyncIterator[Any]) -> None:
        self._source = source
        self._kept: list[Any] = []
        self._keeps = True
        self.broken = False
        """The source itself has failed: another attempt can't help."""

    @property
    def held(self) -> int:
        """How many chunks are kept."""
        return len(self._kept)

    async def attempt(self) -> AsyncIterator[Any]:
        """The chunks from the beginning: those that are kept, then new ones."""
        at = 0
        while True:
            while at < len(self._kept):
                at += 1
                yield self._kept[at - 1]
            try:
                chunk = await anext(self._source)
            except StopAsyncIteration:
                return
            except BaseException:
                self.broken = True
                raise
            if self._keeps:
                self._kept.append(chunk)
                at += 1
            yield chunk

    def forget(self) -> None:
        """There will be no other attempt."""
        self._keeps = False
