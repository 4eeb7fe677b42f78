"""How many interleavings of a program are simulated in a second."""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time
from typing import Any

from anabranch.nodes import Runnable, RunnableLambda, simulate
from benchmarks.chains import trivial_function
from benchmarks.measuring import Effort
from benchmarks.reporting import Row, limit

SEEDS = 10_000


def program() -> Runnable[Any, Any]:
    """20 steps: three times a step and four branches that rejoin, and five steps in a row."""
    chain: Runnable[Any, Any] = RunnableLambda(trivial_function())
    for _ in range(3):
        chain = chain | {key: trivial_function() for key in "abcd"} | (lambda branches: branches["a"])
    for _ in range(4):
        chain = chain | trivial_function()
    return chain


def interleavings(effort: Effort) -> Iterator[Row]:
    """A program of 20 steps, once for each seed, by either driver; seconds of the processor."""
    chain, count = program(), effort.sized(SEEDS)
    assert len(chain.graph) == 20
    for verb, kind in (("invoke", "threads"), ("ainvoke", "asyncio")):
        begun = process_time()
        for seed in range(count):
            simulate(chain, 1, verb=verb, seed=seed, durations=lambda chance: chance.random())  # type: ignore[call-overload]
        spent = (process_time() - begun) * SEEDS / count
        yield limit(f"10,000 interleavings of 20 steps simulated, {kind}", spent, "s", 10.0)
