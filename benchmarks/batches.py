"""Many inputs through one short chain: batches, and runs started at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.chains import chained, trivial_coroutine_function, trivial_function
from benchmarks.measuring import Effort, awaits, calls, expect_same, peak_kilobytes, side_by_side
from benchmarks.reporting import Row, ratio

INPUTS = 10_000
STEPS = 3
CAP = 10


def capped_batch(effort: Effort) -> Iterator[Row]:
    """A batch under a cap, against as many workers that take turns at the inputs."""
    inputs = list(range(effort.sized(INPUTS)))
    functions = [trivial_function() for _ in range(STEPS)]
    chain = chained(functions)

    def by_hand() -> list[int]:
        results = [0] * len(inputs)
        turns = iter(range(len(inputs)))

        def work() -> None:
            for turn in turns:
                value = inputs[turn]
                for function in functions:
                    value = function(value)
                results[turn] = value

        with ThreadPoolExecutor(CAP) as pool:
            for worker in [pool.submit(work) for _ in range(CAP)]:
                worker.result()
        return results

    def batch() -> list[int]:
        return chain.batch(inputs, {"max_concurrency": CAP})

    expect_same(batch(), by_hand())
    ours, theirs = side_by_side(calls(batch), calls(by_hand), effort, 1)
    work = f"batch of {len(inputs):,} through {STEPS} steps, cap {CAP}, an input"
    yield ratio(work, ours, theirs, "µs", 4.0, len(inputs))


def async_batch(effort: Effort) -> Iterator[Row]:
    """An async batch without a cap, against a task for each input."""
    inputs = list(range(effort.sized(INPUTS)))
    functions = [trivial_coroutine_function() for _ in range(STEPS)]
    chain = chained(functions)

    async def one(value: int) -> int:
        for function in functions:
            value = await function(value)
        return value

    async def by_hand() -> list[int]:
        return await asyncio.gather(*map(one, inputs))

    expect_same(asyncio.run(chain.abatch(inputs)), asyncio.run(by_hand()))
    ours, theirs = side_by_side(awaits(lambda: chain.abatch(inputs)), awaits(by_hand), effort, 1)
    work = f"async batch of {len(inputs):,} through {STEPS} steps, no cap, an input"
    yield ratio(work, ours, theirs, "µs", 2.0, len(inputs))


async def take_turns(number: int) -> int:
    """A step that lets every other run move before it goes on."""
    await asyncio.sleep(0)
    return number + 1


def runs_at_once(effort: Effort) -> Iterator[Row]:
    """Runs that are all under way at the same time, against hand-written coroutines: time and memory."""
    count = effort.sized(INPUTS)
    chain = chained([take_turns] * STEPS)

    async def one(value: int) -> int:
        for _ in range(STEPS):
            value = await take_turns(value)
        return value

    def all_of(
        run: Callable[[int], Coroutine[Any, Any, int]],
    ) -> Callable[[], Coroutine[Any, Any, list[int]]]:
        async def gather() -> list[int]:
            return await asyncio.gather(*map(run, range(count)))

        return gather

    ours, by_hand = all_of(chain.ainvoke), all_of(one)
    expect_same(asyncio.run(ours()), asyncio.run(by_hand()))
    times = side_by_side(awaits(ours), awaits(by_hand), effort, 1)
    peaks = peak_kilobytes(lambda: asyncio.run(ours())), peak_kilobytes(lambda: asyncio.run(by_hand()))
    work = f"{count:,} runs at once of {STEPS} async steps"
    yield ratio(f"{work}, time of a run", *times, "µs", 1.5, count)
    yield ratio(f"{work}, memory of a run", *peaks, "KB", 1.5, count)
