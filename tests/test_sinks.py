"""On an event loop sinks write in a thread that nobody waits for, until a run is over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from anabranch.nodes import EventFile, RunnableConfig, RunnableLambda, replay
from anabranch.nodes.tracing.sinks import MOST_NOTED

PATIENCE = 20.0
MANY = 200


class Watched(EventFile):
    """Writes when it may, and tells how much it has written at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.may_write = threading.Event()
        self.has_written = threading.Event()
        self.counts: list[int] = []

    def write(self, items: list[Any]) -> None:
        assert self.may_write.wait(PATIENCE)
        self.counts.append(len(items))
        super().write(items)
        self.has_written.set()


async def count(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


def test_a_run_goes_on_while_its_events_are_written_and_waits_at_its_end(tmp_path: Path) -> None:
    async def main(file: Watched) -> None:
        config: RunnableConfig = {"callbacks": [file]}
        async for number in RunnableLambda(count).astream(MANY, config):
            if number == MANY - 1:
                file.may_write.set()
        assert len(list(replay(file.path))) == sum(file.counts) == MANY + 2
        assert len(file.counts) < MANY // 2

    with Watched(tmp_path / "events.jsonl") as file:
        asyncio.run(main(file))


def test_what_a_run_does_can_be_read_while_it_waits(tmp_path: Path) -> None:
    seen: list[str] = []

    async def look(value: str) -> str:
        assert await asyncio.to_thread(file.has_written.wait, PATIENCE)
        seen.extend(event["event"] for event in replay(file.path))
        return value

    async def main() -> None:
        await RunnableLambda(look).ainvoke("x", {"callbacks": [file]})

    with Watched(tmp_path / "events.jsonl") as file:
        file.may_write.set()
        asyncio.run(main())
    assert seen == ["on_chain_start"]


def test_a_run_does_not_get_far_ahead_of_what_is_written(tmp_path: Path) -> None:
    ahead = 0

    async def main(file: Watched) -> None:
        nonlocal ahead
        async for number in RunnableLambda(count).astream(3 * MOST_NOTED, {"callbacks": [file]}):
            ahead = max(ahead, number - sum(file.counts))
            if number == MOST_NOTED // 2:
                file.may_write.set()

    with Watched(tmp_path / "events.jsonl") as file:
        asyncio.run(main(file))
    assert sum(file.counts) == 3 * MOST_NOTED + 2
    assert ahead <= 2 * MOST_NOTED


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
def test_all_is_written_of_a_run_that_is_broken_off(error: type[BaseException], tmp_path: Path) -> None:
    async def fail(value: str) -> str:
        raise error("now")

    async def main() -> None:
        await (RunnableLambda(str.upper) | fail).ainvoke("x", {"callbacks": [file]})

    with Watched(tmp_path / "events.jsonl") as file:
        file.may_write.set()
        with pytest.raises(error):
            asyncio.run(main())
        kinds = [event["event"] for event in replay(file.path)]
    assert kinds.count("on_chain_start") == kinds.count("on_chain_end") + kinds.count("on_chain_error") == 3


def test_a_call_inside_a_step_is_written_when_it_returns(tmp_path: Path) -> None:
    async def call(value: str) -> int:
        await RunnableLambda(str.upper).ainvoke(value, {"callbacks": [file]})
        return len(list(replay(file.path)))

    async def main() -> int:
        result: int = await RunnableLambda(call).ainvoke("x")
        return result

    with Watched(tmp_path / "events.jsonl") as file:
        file.may_write.set()
        assert asyncio.run(main()) == 2
