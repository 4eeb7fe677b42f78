"""Branches that meet again: what a branch costs, and how near a makespan comes to what is possible."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import Any

from anabranch.nodes import Runnable, RunnableLambda, RunnableParallel
from benchmarks.chains import trivial_coroutine_function, trivial_function
from benchmarks.measuring import Effort, awaits, calls, expect_same, side_by_side
from benchmarks.reporting import Row, ratio

BRANCHES = 100
LAYERS = 10
WIDTH = 5
SLOW = 0.1


def merge(values: dict[str, int]) -> int:
    """What comes after the branches."""
    return sum(values.values())


async def amerge(values: dict[str, int]) -> int:
    """The same as a coroutine function."""
    return sum(values.values())


def fan(effort: Effort) -> Iterator[Row]:
    """Trivial branches and a merge, against a submit to a pool of threads and a result for each."""
    functions = {f"key_{index}": trivial_function() for index in range(BRANCHES)}
    chain = RunnableParallel(functions) | merge
    with ThreadPoolExecutor() as pool:

        def by_hand() -> int:
            futures = {key: pool.submit(function, 0) for key, function in functions.items()}
            return merge({key: future.result() for key, future in futures.items()})

        expect_same(chain.invoke(0), by_hand())
        ours, theirs = side_by_side(calls(lambda: chain.invoke(0)), calls(by_hand), effort)
    yield ratio(f"{BRANCHES} branches and a merge, threads, a node", ours, theirs, "µs", 1.5, BRANCHES)


def async_fan(effort: Effort) -> Iterator[Row]:
    """Trivial coroutine branches and a merge, against a gathering of tasks."""
    functions = {f"key_{index}": trivial_coroutine_function() for index in range(BRANCHES)}
    chain = RunnableParallel(functions) | amerge

    async def by_hand() -> int:
        values = await asyncio.gather(*(function(0) for function in functions.values()))
        return await amerge(dict(zip(functions, values, strict=True)))

    expect_same(asyncio.run(chain.ainvoke(0)), asyncio.run(by_hand()))
    ours, theirs = side_by_side(awaits(lambda: chain.ainvoke(0)), awaits(by_hand), effort)
    yield ratio(f"{BRANCHES} branches and a merge, asyncio, a node", ours, theirs, "µs", 1.5, BRANCHES)


def sleeper(seconds: float) -> Callable[[Any], float]:
    """A function that sleeps."""

    def sleep(value: object) -> float:
        time.sleep(seconds)
        return seconds

    return sleep


def async_sleeper(seconds: float) -> Callable[[Any], Awaitable[float]]:
    """A coroutine function that sleeps."""

    async def sleep(value: object) -> float:
        await asyncio.sleep(seconds)
        return seconds

    return sleep


def parents(layer: int, index: int) -> tuple[int, ...]:
    """The steps of the layer before whose outputs a step reads: one, and in one place of each layer two."""
    return (index, (index + 1) % WIDTH) if (layer + index) % WIDTH == 0 else (index,)


def layered(durations: list[list[float]], make: Callable[[float], Any]) -> Runnable[Any, Any]:
    """The DAG of sleeping steps as dicts: a step reads one or two keys of the dict before."""
    first: dict[str, Any] = {str(index): make(seconds) for index, seconds in enumerate(durations[0])}
    chain: Runnable[Any, Any] = RunnableParallel(first)
    for layer, row in enumerate(durations[1:], 1):
        reads = [itemgetter(*map(str, parents(layer, index))) for index in range(WIDTH)]
        chain = chain | {str(index): reads[index] | RunnableLambda(make(row[index])) for index in range(WIDTH)}
    return chain


def critical_path(durations: list[list[float]]) -> float:
    """The seconds of the longest way through the DAG: no schedule is faster."""
    ends = durations[0]
    for layer, row in enumerate(durations[1:], 1):
        ends = [row[index] + max(ends[parent] for parent in parents(layer, index)) for index in range(WIDTH)]
    return max(ends)


def sleeping_dag(effort: Effort) -> Iterator[Row]:
    """Steps of 10 to 30 ms in layers: the makespan over the critical path. Barriers would make it 1.23."""
    choose = random.Random(8)
    durations = [[choose.uniform(0.01, 0.03) for _ in range(WIDTH)] for _ in range(LAYERS)]
    chain, async_chain = layered(durations, sleeper), layered(durations, async_sleeper)
    threads, tasks = side_by_side(calls(lambda: chain.invoke(0)), awaits(lambda: async_chain.ainvoke(0)), effort, 1)
    work = f"{LAYERS * WIDTH} sleeping steps, makespan over critical path"
    yield ratio(f"{work}, threads", threads, critical_path(durations), "ms", 1.10)
    yield ratio(f"{work}, asyncio", tasks, critical_path(durations), "ms", 1.10)


def crossed(slow: Callable[[Any], Any], fast: Callable[[Any], Any]) -> Runnable[Any, Any]:
    """A slow and a fast branch, each followed by the other kind: one slow step long if ports are wired."""
    return RunnableParallel({"a": slow, "b": fast}) | {
        "x": itemgetter("b") | RunnableLambda(slow),
        "y": itemgetter("a") | RunnableLambda(fast),
    }


def wired_ports(effort: Effort) -> Iterator[Row]:
    """Two slow steps, neither of which needs the other, over one slow step."""
    slow, async_slow = sleeper(SLOW), async_sleeper(SLOW)
    chain, async_chain = crossed(slow, sleeper(0)), crossed(async_slow, async_sleeper(0))
    threads, by_call = side_by_side(calls(lambda: chain.invoke(0)), calls(lambda: slow(0)), effort, 1)
    by_hand = awaits(lambda: async_slow(0))
    tasks, by_await = side_by_side(awaits(lambda: async_chain.ainvoke(0)), by_hand, effort, 1)
    work = "two crossing slow branches over one slow step"
    yield ratio(f"{work}, threads", threads, by_call, "ms", 1.05)
    yield ratio(f"{work}, asyncio", tasks, by_await, "ms", 1.05)
