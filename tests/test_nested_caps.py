"""A cap given to a call inside a step that has none: the call has all of its permits, whatever the verb."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from verbs import PATIENCE, alist, one_after_another

from anabranch.nodes import Runnable, RunnableLambda, RunnablePassthrough

CAPPED: Any = {"max_concurrency": 1}


def letters(_: Any) -> Iterator[str]:
    yield from "ab"


async def work(x: Any) -> Any:
    await asyncio.sleep(0)
    return x


FORK: Any = {"a": RunnablePassthrough(), "b": work}
CHAINS: dict[str, Runnable[Any, Any]] = {
    "functions": RunnableLambda(str) | len,
    "coroutines": RunnableLambda(work) | work,
    "chunks": RunnableLambda(letters) | RunnablePassthrough(),
    "a fork": RunnableLambda(work) | FORK,
    "a fork and a join": RunnableLambda(letters) | FORK | RunnableLambda(work),
    "a returned runnable": RunnableLambda(lambda _: RunnableLambda(work) | FORK),
    "a retry": RunnableLambda(work).with_retry() | RunnableLambda(letters).with_fallbacks([str]),
}
CALLS: dict[str, Callable[[Runnable[Any, Any], Any], Any]] = {
    "invoke": lambda made, config: made.invoke(1, config),
    "batch": lambda made, config: made.batch([1, 2, 3], config),
    "batch_as_completed": lambda made, config: sorted(made.batch_as_completed([1, 2], config)),
    "stream": lambda made, config: list(made.stream(1, config)),
}
ACALLS: dict[str, Callable[[Runnable[Any, Any], Any], Any]] = {
    "ainvoke": lambda made, config: made.ainvoke(1, config),
    "abatch": lambda made, config: made.abatch([1, 2, 3], config),
    "abatch_as_completed": lambda made, config: alist(made.abatch_as_completed([1, 2], config)),
    "astream": lambda made, config: alist(made.astream(1, config)),
}
in_each_chain = one_after_another("chain", CHAINS)


def ordered(found: Any) -> Any:
    """The same for branches whose chunks may come in any order."""
    return sorted(map(repr, found)) if isinstance(found, list) else found


@in_each_chain
@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("outer", [{}, {"max_concurrency": 1}, {"max_concurrency": 3}])
def test_a_blocking_call_inside_a_step(verb: str, chain: str, outer: Any) -> None:
    wanted = ordered(CALLS[verb](CHAINS[chain], {}))

    def step(x: Any) -> Any:
        return [ordered(CALLS[verb](CHAINS[chain], CAPPED)) for _ in range(2)]

    assert RunnableLambda(step).invoke(1, outer) == [wanted, wanted]
    assert list(RunnableLambda(step).stream(1, outer)) == [[wanted, wanted]]


@in_each_chain
@pytest.mark.parametrize("verb", ACALLS)
@pytest.mark.parametrize("outer", [{}, {"max_concurrency": 1}, {"max_concurrency": 3}])
def test_an_asynchronous_call_inside_a_step(verb: str, chain: str, outer: Any) -> None:
    async def call(config: Any) -> Any:
        return ordered(await asyncio.wait_for(ACALLS[verb](CHAINS[chain], config), PATIENCE))

    async def step(x: Any) -> Any:
        one_by_one = [await call(CAPPED) for _ in range(2)]
        return [*one_by_one, *await asyncio.gather(call(CAPPED), call({}))]

    async def main() -> None:
        wanted = [await call({})] * 4
        assert await RunnableLambda(step).ainvoke(1, outer) == wanted
        assert await alist(RunnableLambda(step).astream(1, outer)) == [wanted]
        assert await call(CAPPED) == wanted[0]

    asyncio.run(main())
