"""An awaitable of a call that is closed, or thrown at, before it is done closes what it awaits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from anabranch.nodes import Runnable, RunnableLambda


async def _ainvoked(runnable: Runnable[Any, Any]) -> Any:
    return await runnable.ainvoke("x")


@pytest.mark.parametrize("closed", [True, False])
def test_a_function_that_takes_the_config_is_closed(closed: bool) -> None:
    went: list[str] = []

    async def step(x: Any, config: Any) -> Any:
        try:
            await asyncio.sleep(0)
        except BaseException as error:
            went.append(type(error).__name__)
            raise
        return x

    async def main() -> None:
        for chain in (RunnableLambda(step), RunnableLambda(step, name="first") | RunnableLambda(str, blocking=False)):
            coroutine: Any = _ainvoked(chain)
            coroutine.send(None)
            if closed:
                coroutine.close()
            else:
                with pytest.raises(ZeroDivisionError):
                    coroutine.throw(ZeroDivisionError())
        assert went == ["GeneratorExit" if closed else "ZeroDivisionError"] * 2

    asyncio.run(main())


def test_the_next_chunk_may_be_waited_for_no_longer() -> None:
    went: list[str] = []

    async def chunks(x: Any) -> AsyncIterator[str]:
        try:
            await asyncio.sleep(0)
            yield "never"
        finally:
            went.append("closed")

    async def main() -> None:
        stream = RunnableLambda(chunks).astream("x")
        following: Any = anext(stream).__await__()
        following.send(None)
        with pytest.raises(ZeroDivisionError):
            following.throw(ZeroDivisionError())
        assert went == ["closed"]
        await stream.aclose()

    asyncio.run(main())
