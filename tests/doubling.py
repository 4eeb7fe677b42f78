"""Generators of both kinds, and of their input, that note what they do, in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any


class Noting:
    """Generators of both kinds that note what they do."""

    def __init__(self) -> None:
        self.went: list[Any] = []

    def given(self, chunks: str = "abc", error: BaseException | None = None) -> Iterator[str]:
        for chunk in chunks:
            self.went.append(f"made {chunk}")
            yield chunk
        if error is not None:
            raise error

    async def agiven(self, chunks: str = "abc", error: BaseException | None = None) -> AsyncIterator[str]:
        for chunk in self.given(chunks, error):
            await asyncio.sleep(0)
            yield chunk

    def doubled(self, chunks: Iterator[str]) -> Iterator[str]:
        self.went.append("began")
        try:
            for chunk in chunks:
                self.went.append(f"took {chunk}")
                yield chunk + chunk
            self.went.append("ended")
        finally:
            self.went.append("closed")

    async def adoubled(self, chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        self.went.append("began")
        try:
            async for chunk in chunks:
                self.went.append(f"took {chunk}")
                yield chunk + chunk
            self.went.append("ended")
        finally:
            await asyncio.sleep(0)
            self.went.append("closed")


WHOLE = ["began", *(f"{what} {chunk}" for chunk in "abc" for what in ("made", "took")), "ended", "closed"]
