"""Where chunks begin and how what was iterated is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from verbs import alist

from anabranch.scheduler.sources import NOTHING, Once, aclose, close


def test_a_single_chunk_comes_once_and_is_known_until_then() -> None:
    once = Once("chunk")
    assert once.value == "chunk"
    assert aiter(once) is once
    assert asyncio.run(alist(once)) == ["chunk"]
    assert once.value != "chunk"
    assert asyncio.run(alist(once)) == []


def test_none_is_a_chunk_and_nothing_is_not() -> None:
    assert asyncio.run(alist(Once(None))) == [None]
    for _ in range(2):
        assert asyncio.run(alist(NOTHING)) == []


def test_what_can_be_closed_is() -> None:
    closed: list[str] = []

    def chunks() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append("generator")

    async def achunks() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append("asynchronous generator")

    async def main() -> None:
        made = achunks()
        await anext(made)
        await aclose(made)
        await aclose(Once(1))
        await aclose(chunks())

    made = chunks()
    next(made)
    close(made)
    close(iter([1]))
    close(None)
    assert closed == ["generator"]
    asyncio.run(main())
    assert closed == ["generator", "asynchronous generator"]
