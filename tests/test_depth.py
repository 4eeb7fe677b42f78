"""Long chains and deep nesting work under Python's default recursion limit, in every verb."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from typing import Any

import pytest

from anabranch.engine.chunks import fold
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough

LONG = 5000
HOPPING = 2000
"""Steps of a chain that leaves its thread or its loop for each of them; still twice the recursion limit."""
DEEP = 300


@pytest.fixture(autouse=True)
def default_recursion_limit() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


def add_one(x: int) -> int:
    return x + 1


async def aadd_one(x: int) -> int:
    return x + 1


def add_to_each(chunks: Iterator[int]) -> Iterator[int]:
    for chunk in chunks:
        yield chunk + 1


async def aadd_to_each(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
    async for chunk in chunks:
        yield chunk + 1


def chain_of(step: Callable[[], Runnable[Any, Any]], long: int = LONG) -> Runnable[Any, Any]:
    chain = step()
    for _ in range(long - 1):
        chain = chain | step()
    return chain


CHAINS: dict[str, Callable[[], Runnable[Any, Any]]] = {
    "functions": lambda: RunnableLambda(add_one),
    "async functions": lambda: RunnableLambda(aadd_one),
    "generators": lambda: RunnableGenerator(add_to_each),
    "async generators": lambda: RunnableGenerator(aadd_to_each),
}


@cache
def chain_of_one(kind: str, long: int = LONG) -> Runnable[Any, Any]:
    """The same step again and again, which makes as many steps of the graph."""
    step = CHAINS[kind]()
    return chain_of(lambda: step, long)


async def aeach(*chunks: int) -> AsyncIterator[int]:
    for chunk in chunks:
        yield chunk


async def alist(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


VERBS: dict[str, Callable[[Runnable[Any, Any]], Any]] = {
    "invoke": lambda chain: chain.invoke(0),
    "ainvoke": lambda chain: asyncio.run(_awaited(chain.ainvoke(0))),
    "batch": lambda chain: chain.batch([0])[0],
    "abatch": lambda chain: asyncio.run(_awaited(chain.abatch([0])))[0],
    "batch_as_completed": lambda chain: next(iter(chain.batch_as_completed([0])))[1],
    "abatch_as_completed": lambda chain: asyncio.run(alist(chain.abatch_as_completed([0])))[0][1],
    "stream": lambda chain: fold(chain.stream(0)),
    "astream": lambda chain: fold(asyncio.run(alist(chain.astream(0)))),
    "transform": lambda chain: fold(chain.transform(iter([0]))),
    "atransform": lambda chain: fold(asyncio.run(alist(chain.atransform(aeach(0))))),
}


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


HOPS = {("generators", "astream"), ("generators", "atransform")} | {
    (kind, verb) for kind in ("async functions", "async generators") for verb in ("stream", "transform")
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_of_thousands_runs(kind: str, verb: str) -> None:
    long = HOPPING if (kind, verb) in HOPS else LONG
    assert VERBS[verb](chain_of_one(kind, long)) == long


def test_a_chain_of_5000_generators_passes_on_each_chunk_as_it_comes() -> None:
    pulled: list[int] = []

    def source() -> Iterator[int]:
        for chunk in range(50_000):
            pulled.append(chunk)
            yield chunk

    chunks: Any = chain_of_one("generators").transform(source())
    assert [next(chunks), next(chunks)] == [LONG, LONG + 1]
    assert len(pulled) < 10_000  # what the channels between the segments hold
    chunks.close()


@pytest.mark.parametrize("kind", ["generators", "async generators"])
def test_a_chain_of_thousands_of_generators_closes_early_from_the_top_to_the_bottom(kind: str) -> None:
    long = LONG if kind == "generators" else HOPPING
    closed: list[int] = []

    def telling(number: int) -> Runnable[Any, Any]:
        def tell(chunks: Iterator[int]) -> Iterator[int]:
            try:
                yield from chunks
            finally:
                closed.append(number)

        async def atell(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                closed.append(number)

        return RunnableGenerator(tell if kind == "generators" else atell)

    numbers = iter(range(long))
    chain = chain_of(lambda: telling(next(numbers)), long)
    chunks = chain.stream(0)
    assert next(chunks) == 0
    chunks.close()
    assert sorted(closed) == list(range(long))


def test_an_error_at_the_far_end_of_5000_steps_is_raised_itself() -> None:
    class Far(Exception):
        pass

    def fail(x: int) -> int:
        raise Far

    chain = chain_of(lambda: RunnableLambda(add_one)) | fail
    for call in (chain.invoke, lambda x: list(chain.stream(x)), lambda x: asyncio.run(_awaited(chain.ainvoke(x)))):
        with pytest.raises(Far) as caught:
            call(0)
        assert any("> fail" in note for note in caught.value.__notes__)


def nested(depth: int) -> Runnable[Any, Any]:
    """A dict in a sequence in a dict and so on."""
    inner: Runnable[Any, Any] = RunnableLambda(add_one)
    for _ in range(depth):
        inner = RunnableLambda(add_one) | RunnableParallel({"k": inner, "x": RunnablePassthrough()})
    return inner


def depth_of(value: Any) -> int:
    depth = 0
    while isinstance(value, dict):
        value, depth = value["k"], depth + 1
    return depth


def test_dicts_in_sequences_nested_300_deep_compose_and_run() -> None:
    chain = nested(DEEP)
    assert len(chain.graph) > DEEP
    assert depth_of(chain.invoke(0)) == DEEP
    assert depth_of(asyncio.run(_awaited(chain.ainvoke(0)))) == DEEP


def test_dicts_in_sequences_nested_300_deep_stream() -> None:
    chain = nested(DEEP)
    assert depth_of(fold(chain.stream(0))) == DEEP
    assert depth_of(fold(asyncio.run(alist(chain.astream(0))))) == DEEP


def test_assign_100_times_over_runs_and_streams() -> None:
    chain: Runnable[Any, Any] = RunnablePassthrough()
    for number in range(100):
        chain = chain | RunnablePassthrough.assign(**{f"k{number}": lambda d: len(d)})
    assert chain.invoke({})["k99"] == 99
    assert fold(chain.stream({}))["k99"] == 99


def test_functions_that_return_runnables_20_deep_run() -> None:
    def returning(depth: int) -> Runnable[Any, Any]:
        return RunnableLambda(lambda x: returning(depth - 1) if depth else x)

    assert returning(20).invoke("x") == "x"
    assert list(returning(20).stream("x")) == ["x"]
    assert asyncio.run(_awaited(returning(20).ainvoke("x"))) == "x"


def test_a_wide_dict_of_1000_branches_runs_and_streams() -> None:
    wide = RunnableParallel({f"k{number}": add_one for number in range(1000)})
    assert sum(wide.invoke(0).values()) == 1000
    assert sum(fold(wide.stream(0)).values()) == 1000
    assert sum(asyncio.run(_awaited(wide.ainvoke(0))).values()) == 1000
