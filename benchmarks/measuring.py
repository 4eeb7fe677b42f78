"""Measures contenders side by side: A B A B ..., so that what drifts on the machine falls on both alike.

A contender is a function that does its work some number of times and gives the seconds that this took.
The number is chosen once, so that the second one, written by hand, takes long enough for the clock.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

Contender = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        repetitions: how many times each contender is measured; the median counts.
        least: the seconds that one measurement of hand-written code takes at least.
        share: the part of a case's size that is run, from 0 to 1.
    """

    repetitions: int = 15
    least: float = 0.01
    share: float = 1.0

    def sized(self, count: int) -> int:
        """A case's size at this effort."""
        return max(1, round(count * self.share))


FULL = Effort()
QUICK = Effort(repetitions=3, least=0.002, share=0.1)


def side_by_side(ours: Contender, theirs: Contender, effort: Effort, number: int | None = None) -> tuple[float, float]:
    """The median seconds that each contender takes for its work done once.

    `number` is how many times the work is done in one measurement; it is found out when not given.
    """
    ours(1)
    theirs(1)
    number = number or _enough(theirs, effort.least)
    taken: dict[Contender, list[float]] = {ours: [], theirs: []}
    for _ in range(effort.repetitions):
        for contender, seconds in taken.items():
            gc.collect()
            seconds.append(contender(number) / number)
    return median(taken[ours]), median(taken[theirs])


def _enough(contender: Contender, least: float) -> int:
    number = 1
    while contender(number) < least:
        number *= 2
    return number


def calls(function: Callable[[], Any]) -> Contender:
    """A contender that calls a function."""

    def take(number: int) -> float:
        start = perf_counter()
        for _ in range(number):
            function()
        return perf_counter() - start

    return take


def awaits(function: Callable[[], Awaitable[Any]]) -> Contender:
    """A contender that awaits what a function gives, in one loop, whose start and end don't count."""

    async def take(number: int) -> float:
        start = perf_counter()
        for _ in range(number):
            await function()
        return perf_counter() - start

    return lambda number: asyncio.run(take(number))


def peak_kilobytes(function: Callable[[], Any]) -> float:
    """The most memory that Python objects made by a call took at one time, after a first call to warm up."""
    function()
    gc.collect()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1] / 1024
    finally:
        tracemalloc.stop()


def expect_same(ours: Any, theirs: Any) -> None:
    """Raise unless both did the same work."""
    if ours != theirs:
        raise AssertionError(f"the contenders disagree: ours gave {ours!r:.200}, theirs {theirs!r:.200}")
