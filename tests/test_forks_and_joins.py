"""Forks and joins over channels that hold one chunk never hang: one branch folds while another streams.

A program is run in every way, again and again; it must come to the value that it has, and its sources must close.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from operator import itemgetter
from typing import Any

import pytest
from built_programs import build
from hypothesis import assume, given, settings
from programs import Fallback, Program, Value, expected, parts_of, programs, values
from verbs import one_after_another

from anabranch.engine.chunks import afold, fold
from anabranch.nodes import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

CHUNKS = [f"{number} " for number in range(12)]
TEXT = "".join(CHUNKS)
CAPS = (1, 2, 3, 4, None)
ROUNDS = 2


class Open:
    """How many generators of a test are open."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *exc_info: object) -> None:
        self.count -= 1


open_now = Open()

# Steps in every temper: one that streams, one that folds, one that reads ahead, one that stops reading


def stream(chunks: Iterator[str]) -> Iterator[str]:
    with open_now:
        for chunk in chunks:
            yield chunk.upper()


async def astream(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    with open_now:
        async for chunk in chunks:
            await asyncio.sleep(0)
            yield chunk.upper()


def hold_back(chunks: Iterator[str]) -> Iterator[str]:
    """Gives nothing until it has everything, then all of it at once."""
    with open_now:
        yield from list(chunks)


def take_two(chunks: Iterator[str]) -> Iterator[str]:
    """Stops reading after two chunks."""
    with open_now:
        yield from itertools.islice(chunks, 2)


async def atake_two(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    with open_now:
        count = 0
        async for chunk in chunks:
            yield chunk
            count += 1
            if count == 2:
                return


def size(text: str) -> int:
    return len(text)


async def asize(text: str) -> int:
    await asyncio.sleep(0)
    return len(text)


def text_of(value: Any) -> str:
    return str(sorted(value.items()) if isinstance(value, dict) else value)


def source(_: Any) -> Iterator[str]:
    with open_now:
        yield from CHUNKS


async def asource(_: Any) -> AsyncIterator[str]:
    with open_now:
        for chunk in CHUNKS:
            yield chunk


def nested(inner: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return RunnableLambda(lambda x: inner.invoke(x))


def nested_stream(inner: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return RunnableLambda(lambda x: fold(inner.stream(x)))


def anested(inner: Runnable[Any, Any]) -> Runnable[Any, Any]:
    async def call(x: Any) -> Any:
        return await inner.ainvoke(x)

    return RunnableLambda(call)


def anested_stream(inner: Runnable[Any, Any]) -> Runnable[Any, Any]:
    async def call(x: Any) -> Any:
        return await afold(inner.astream(x))

    return RunnableLambda(call)


START: Any = RunnableLambda(source, asource)
STREAM = RunnableGenerator(stream, astream)
SLOW_FIRST: Any = RunnableLambda(lambda text: len(text) > 3)

PROGRAMS: dict[str, Callable[[], Runnable[Any, Any]]] = {
    "one streams, one folds": lambda: START | {"stream": STREAM, "fold": size},
    "one streams, one folds asynchronously": lambda: START | {"stream": STREAM, "fold": asize},
    "the one that folds comes first": lambda: START | {"a": asize, "b": size, "c": stream, "d": astream},
    "joined and folded": lambda: START | {"a": stream, "b": size} | text_of,
    "joined and joined again": lambda: (
        START | {"a": stream, "b": size} | {"x": itemgetter("a") | STREAM, "y": itemgetter("b"), "z": text_of}
    ),
    "crossed": lambda: (
        START
        | {"a": stream, "b": RunnableLambda(size) | str}
        | {"x": itemgetter("b") | STREAM, "y": itemgetter("a") | RunnableLambda(size)}
    ),
    "one holds everything back": lambda: START | {"a": hold_back, "b": stream, "c": size},
    "one stops reading": lambda: START | {"a": take_two, "b": stream, "c": size},
    "all but one stop reading": lambda: START | {"a": take_two, "b": atake_two, "c": astream},
    "all stop reading": lambda: START | {"a": take_two, "b": atake_two},
    "nested forks": lambda: START | {"a": {"b": {"c": stream, "d": size}, "e": size}, "f": astream},
    "an assign": lambda: START | {"a": stream, "b": size} | RunnablePassthrough.assign(c=text_of),
    "an assign of a stream": lambda: (
        START | {"a": stream} | RunnablePassthrough.assign(b=itemgetter("a") | STREAM, c=text_of)
    ),
    "an assign over an assign": lambda: (
        START
        | {"a": RunnablePassthrough()}
        | RunnablePassthrough.assign(b=itemgetter("a") | STREAM)
        | RunnablePassthrough.assign(c=itemgetter("b") | RunnableLambda(size))
    ),
    "a condition in a branch": lambda: (
        START | {"a": RunnableBranch((SLOW_FIRST, STREAM), size), "b": stream, "c": size}
    ),
    "a condition before a fork": lambda: (
        START | RunnableBranch((SLOW_FIRST, STREAM | {"a": stream, "b": size}), size) | text_of
    ),
    "a nested call in a branch": lambda: START | {"a": nested(STREAM | {"x": stream, "y": size}), "b": stream},
    "a nested stream in a branch": lambda: START | {"a": nested_stream(STREAM), "b": stream, "c": asize},
    "an asynchronous nested call in a branch": lambda: (
        START | {"a": anested(STREAM | {"x": stream, "y": size}), "b": stream}
    ),
    "an asynchronous nested stream in a branch": lambda: START | {"a": anested_stream(STREAM), "b": stream},
    "a map in a branch": lambda: START | {"a": RunnableLambda(str.split) | RunnableLambda(size).map(), "b": stream},
    "retries and fallbacks in branches": lambda: (
        START | {"a": STREAM.with_retry(), "b": RunnableLambda(size).with_fallbacks([STREAM]), "c": stream}
    ),
    "a returned fork": lambda: START | {"a": lambda _: RunnableParallel(x=stream, y=size), "b": stream},
    "twelve branches": lambda: (
        START | {f"k{number}": (stream, size, astream, asize)[number % 4] for number in range(12)}
    ),
}

CUT_SHORT: dict[str, Any] = {
    "one stops reading": {"a": "0 1 ", "b": TEXT.upper(), "c": len(TEXT)},
    "all but one stop reading": {"a": "0 1 ", "b": "0 1 ", "c": TEXT.upper()},
    "all stop reading": {"a": "0 1 ", "b": "0 1 "},
}
"""What streams give where it depends on how the input is cut."""

Run = Callable[[Runnable[Any, Any], Any], Any]


def run_async(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


async def _astream(runnable: Runnable[Any, Any], config: Any) -> Any:
    return await afold(runnable.astream("x", config))


async def _ainvoke(runnable: Runnable[Any, Any], config: Any) -> Any:
    return await runnable.ainvoke("x", config)


async def _many_astreams(runnable: Runnable[Any, Any], config: Any) -> Any:
    results = await asyncio.gather(*(_astream(runnable, config) for _ in range(3)))
    assert results[1:] == results[:-1]
    return results[0]


RUNS: dict[str, Run] = {
    "invoke": lambda runnable, config: runnable.invoke("x", config),
    "stream": lambda runnable, config: fold(runnable.stream("x", config)),
    "batch": lambda runnable, config: runnable.batch(["x"] * 3, config)[2],
    "ainvoke": lambda runnable, config: run_async(_ainvoke(runnable, config)),
    "astream": lambda runnable, config: run_async(_astream(runnable, config)),
    "astreams": lambda runnable, config: run_async(_many_astreams(runnable, config)),
}


@pytest.mark.parametrize("program", PROGRAMS)
@one_after_another("cap", CAPS)
@pytest.mark.parametrize("run", ["invoke", "batch", "ainvoke"])
def test_values_come_through(program: str, run: str, cap: int | None) -> None:
    runs_to_its_value(program, run, cap)


@pytest.mark.parametrize("program", PROGRAMS)
@one_after_another("cap", CAPS)
@pytest.mark.parametrize("run", ["stream", "astream", "astreams"])
def test_chunks_come_through(program: str, run: str, cap: int | None) -> None:
    runs_to_its_value(program, run, cap)


def runs_to_its_value(program: str, run: str, cap: int | None) -> None:
    runnable = PROGRAMS[program]()
    config = {"channel_capacity": 1, "max_concurrency": cap}
    wanted = None
    for _ in range(ROUNDS):
        result = RUNS[run](runnable, config)
        wanted = result if wanted is None else wanted
        assert result == wanted
        assert open_now.count == 0, "a generator is left open"
    cut_short = CUT_SHORT.get(program) if "stream" in run else None
    assert wanted == (cut_short or runnable.invoke("x"))


def test_the_values_are_what_plain_python_makes() -> None:
    upper = TEXT.upper()
    assert PROGRAMS["one streams, one folds"]().invoke("x") == {"stream": upper, "fold": len(TEXT)}
    assert PROGRAMS["all but one stop reading"]().invoke("x")["c"] == upper
    assert PROGRAMS["crossed"]().invoke("x") == {"x": str(len(TEXT)), "y": len(TEXT)}
    assert PROGRAMS["an assign over an assign"]().invoke("x") == {"a": TEXT, "b": upper, "c": len(TEXT)}


@given(programs(failing=False, max_leaves=10), values)
@settings(max_examples=40)
@pytest.mark.parametrize("cap", [1, 2, 4])
def test_random_programs_come_through(cap: int, program: Program, value: Value) -> None:
    assume(not any(isinstance(part, Fallback) for part in parts_of(program)))
    runnable, config = build(program), {"channel_capacity": 1, "max_concurrency": cap}
    wanted = expected(program, value).value
    assert fold(runnable.stream(value, config)) == wanted  # type: ignore[arg-type]
    assert run_async(_folded(runnable, value, config)) == wanted


async def _folded(runnable: Runnable[Any, Any], value: Value, config: Any) -> Any:
    return await afold(runnable.astream(value, config))
