"""The tests themselves are watched: a test that blocks a loop or leaves something running fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
from blockbuster import BlockingError


async def forever() -> None:
    await asyncio.Event().wait()


async def ticks() -> AsyncGenerator[int, None]:
    while True:
        yield 1


def test_a_task_that_is_left_behind_fails_the_run() -> None:
    kept = []

    async def leave_a_task() -> None:
        kept.append(asyncio.create_task(forever()))

    with pytest.raises(AssertionError, match="left running"):
        asyncio.run(leave_a_task())


def test_an_async_generator_that_is_left_open_fails_the_run() -> None:
    kept = []

    async def leave_a_generator() -> None:
        kept.append(ticks())
        await anext(kept[0])

    with pytest.raises(AssertionError, match="left running"):
        asyncio.run(leave_a_generator())


def test_a_generator_that_has_ended_and_a_task_that_is_done_do_not() -> None:
    async def leave_nothing() -> int:
        generator = ticks()
        tick = await anext(generator)
        await generator.aclose()
        await asyncio.create_task(asyncio.sleep(0))
        return tick

    assert asyncio.run(leave_nothing()) == 1


def test_a_blocking_call_in_a_loop_raises() -> None:
    async def block() -> None:
        time.sleep(0.001)  # noqa: ASYNC251

    with pytest.raises(BlockingError):
        asyncio.run(block())


@pytest.mark.may_block
def test_a_blocking_call_in_a_loop_passes_where_a_test_says_so() -> None:
    async def block() -> int:
        time.sleep(0.001)  # noqa: ASYNC251
        return 1

    assert asyncio.run(block()) == 1
