"""Long chains: what a step costs, and what composing and the first run cost."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import reduce
from statistics import median
from time import perf_counter
from typing import Any

from anabranch.nodes import Runnable, RunnableLambda
from benchmarks.measuring import Effort, awaits, calls, expect_same, side_by_side
from benchmarks.reporting import Row, limit, ratio

STEPS = 100
COMPOSED = 1000

Function = Callable[[int], int]
CoroutineFunction = Callable[[int], Coroutine[Any, Any, int]]


def trivial_function() -> Function:
    """A function of its own that adds one."""

    def add_one(number: int) -> int:
        return number + 1

    return add_one


def trivial_coroutine_function() -> CoroutineFunction:
    """A coroutine function of its own that adds one."""

    async def add_one(number: int) -> int:
        return number + 1

    return add_one


def chained(functions: list[Any]) -> Runnable[Any, Any]:
    """The functions one after the other, composed one `|` at a time."""
    steps: list[Runnable[Any, Any]] = [RunnableLambda(function) for function in functions]
    return reduce(operator.or_, steps)


def in_a_loop(functions: list[Function]) -> int:
    """What is written by hand: each function gets what the last one gave."""
    value = 0
    for function in functions:
        value = function(value)
    return value


async def awaited_in_a_loop(functions: list[CoroutineFunction]) -> int:
    """The same of coroutine functions."""
    value = 0
    for function in functions:
        value = await function(value)
    return value


def invoke(effort: Effort) -> Iterator[Row]:
    """A chain of trivial functions, against calling them in a loop."""
    functions = [trivial_function() for _ in range(STEPS)]
    chain = chained(functions)
    expect_same(chain.invoke(0), in_a_loop(functions))
    ours, theirs = side_by_side(calls(lambda: chain.invoke(0)), calls(lambda: in_a_loop(functions)), effort)
    yield ratio(f"chain of {STEPS} functions, invoke, a node", ours, theirs, "µs", 4.0, STEPS)


def ainvoke(effort: Effort) -> Iterator[Row]:
    """A chain of trivial coroutine functions, against awaiting them in a loop."""
    functions = [trivial_coroutine_function() for _ in range(STEPS)]
    chain = chained(functions)
    expect_same(asyncio.run(chain.ainvoke(0)), asyncio.run(awaited_in_a_loop(functions)))
    by_hand = awaits(lambda: awaited_in_a_loop(functions))
    ours, theirs = side_by_side(awaits(lambda: chain.ainvoke(0)), by_hand, effort)
    yield ratio(f"chain of {STEPS} coroutine functions, ainvoke, a node", ours, theirs, "µs", 5.0, STEPS)


def ainvoke_of_functions(effort: Effort) -> Iterator[Row]:
    """A chain of functions that may block, under asyncio, against one hop to a thread for all of them."""
    functions = [trivial_function() for _ in range(STEPS)]
    chain = chained(functions)

    def hop() -> Awaitable[int]:
        return asyncio.to_thread(in_a_loop, functions)

    expect_same(asyncio.run(chain.ainvoke(0)), in_a_loop(functions))
    ours, theirs = side_by_side(awaits(lambda: chain.ainvoke(0)), awaits(hop), effort)
    yield ratio(f"chain of {STEPS} functions, ainvoke over one to_thread", ours, theirs, "µs", None)


def compose(effort: Effort) -> Iterator[Row]:
    """Composing one step at a time, and the first run: building the graph, planning it and running it."""
    composing, running = [], []
    for _ in range(effort.repetitions):
        functions = [trivial_function() for _ in range(COMPOSED)]
        start = perf_counter()
        chain = chained(functions)
        composed = perf_counter()
        result = chain.invoke(0)
        running.append(perf_counter() - composed)
        composing.append(composed - start)
        expect_same(result, COMPOSED)
    yield limit(f"composing {COMPOSED:,} steps one | at a time", median(composing), "ms", 20.0)
    yield limit(f"the first run of these {COMPOSED:,} steps", median(running), "ms", 40.0)
