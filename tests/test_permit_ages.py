"""Who waits for a permit inside a step is served before what belongs to a later input, however it was called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from verbs import alist, until

from anabranch.nodes import Runnable, RunnableLambda, RunnablePassthrough

Call = Callable[[Runnable[Any, Any], str], Awaitable[Any]]


def ainvoke(made: Runnable[Any, Any], x: str) -> Awaitable[Any]:
    return made.ainvoke(x)


def astream(made: Runnable[Any, Any], x: str) -> Awaitable[Any]:
    return alist(made.astream(x))


def astream_for_a_minute(made: Runnable[Any, Any], x: str) -> Awaitable[Any]:
    return alist(made.astream(x, {"timeout": 60.0}))


def abatch(made: Runnable[Any, Any], x: str) -> Awaitable[Any]:
    return made.abatch([x])


def abatch_as_completed(made: Runnable[Any, Any], x: str) -> Awaitable[Any]:
    return alist(made.abatch_as_completed([x]))


def straight(work: Callable[[str], Awaitable[str]]) -> Runnable[Any, Any]:
    return RunnableLambda(work)


def straight_with_config(work: Callable[[str], Awaitable[str]]) -> Runnable[Any, Any]:
    async def configured(x: str, config: Any) -> str:
        return await work(x)

    return RunnableLambda(configured)


def forked(work: Callable[[str], Awaitable[str]]) -> Runnable[Any, Any]:
    return RunnableLambda(work) | {"a": RunnablePassthrough(), "b": RunnablePassthrough()}


def generated(work: Callable[[str], Awaitable[str]]) -> Runnable[Any, Any]:
    async def chunks(x: str) -> AsyncIterator[str]:
        yield await work(x)

    return RunnableLambda(chunks)


CALLS = [
    (ainvoke, straight),
    (ainvoke, straight_with_config),
    (ainvoke, forked),
    (abatch, straight),
    (abatch, forked),
    (abatch_as_completed, straight),
    (abatch_as_completed, forked),
    (astream, straight),
    (astream, generated),
    (astream_for_a_minute, straight),
]


@pytest.mark.parametrize(("call", "chain"), CALLS, ids=[f"{call.__name__}, {chain.__name__}" for call, chain in CALLS])
def test_the_call_of_an_earlier_input_goes_first_whoever_asked_first(
    call: Call, chain: Callable[[Any], Runnable[Any, Any]]
) -> None:
    """Each of two inputs makes two calls: the first gets the step's own permit, the second waits, the later's first."""
    began: list[str] = []

    async def main() -> None:
        gates = {name: asyncio.Event() for name in ("early 1", "late 1")}
        late_waits = asyncio.Event()

        async def work(x: str) -> str:
            began.append(x)
            if x in gates:
                await gates[x].wait()
            return x

        inner = chain(work)

        async def step(x: str) -> None:
            if x == "early":
                await late_waits.wait()
            await asyncio.gather(call(inner, f"{x} 1"), call(inner, f"{x} 2"))

        task = asyncio.ensure_future(RunnableLambda(step).abatch(["early", "late"], {"max_concurrency": 2}))
        await until(lambda: began == ["late 1"])
        for _ in range(20):
            await asyncio.sleep(0)  # the second call of the late input asks for a permit
        late_waits.set()
        await until(lambda: len(began) == 2)
        for _ in range(20):
            await asyncio.sleep(0)
        assert began == ["late 1", "early 1"]
        gates["late 1"].set()
        await until(lambda: len(began) == 3)
        gates["early 1"].set()
        await task

    asyncio.run(main())
    assert began == ["late 1", "early 1", "early 2", "late 2"]
