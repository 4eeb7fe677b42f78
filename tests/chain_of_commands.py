"""Chains for the tests of the command line."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from anabranch.nodes import HumanMessage, Runnable, RunnableGenerator, RunnableLambda


def double(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is below\nnothing")
    return number * 2


def letters(texts: Iterator[str]) -> Iterator[Any]:
    for text in texts:
        yield from text


def pairs(numbers: Iterator[int]) -> Iterator[list[int]]:
    for number in numbers:
        for each in range(number):
            yield [each]


def interrupted(value: Any) -> Any:
    raise KeyboardInterrupt


async def wait_forever(value: Any) -> Any:
    await asyncio.sleep(1e6)


def make() -> Runnable[int, int]:
    return doubling


def make_badly() -> Runnable[int, int]:
    raise RuntimeError("no honey")


async def make_later() -> None:
    """No way to make a chain."""


def slow(number: int) -> int:
    """Notes that it ran, in a file, if there is one."""
    time.sleep(0.002)
    if "RAN" in os.environ:
        with open(os.environ["RAN"], "ab", buffering=0) as file:
            file.write(b"%d\n" % number)
    return number


def failing_at_first(number: int) -> int:
    """Fails as long as there is no file of a name."""
    if number % 3 == 0 and not Path(os.environ["CURE"]).exists():
        raise LookupError(f"no {number}")
    return number


doubling = RunnableLambda(double)
spelling = RunnableGenerator(letters)
counting = RunnableGenerator(pairs)
nested = SimpleNamespace(chains=SimpleNamespace(doubling=doubling))
asking = RunnableLambda(lambda text: HumanMessage(text), name="ask")
both = {"double": doubling, "same": RunnableLambda(lambda number: number, name="same")}
endless = RunnableLambda(wait_forever)
number = 3
