"""The verbs, each as a plain function, so that a test can run in every one of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

PATIENCE = 20.0
"""Seconds until a test gives up waiting for what must come; only a failing test waits so long."""


async def alist(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


async def aiterate(chunks: Sequence[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


def awaited(call: Callable[[], Awaitable[Any]]) -> Any:
    """Call a coroutine function on a loop of its own."""

    async def main() -> Any:
        return await call()

    return asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so, which may be brought about by another thread."""
    for _ in itertools.takewhile(lambda _: not condition(), itertools.count()):
        await asyncio.sleep(0)


Verb = Callable[..., Any]  # of a runnable, an input and maybe a config

SYNC_VERBS: dict[str, Verb] = {
    "invoke": lambda made, x, config=None: made.invoke(x, config),
    "batch": lambda made, x, config=None: made.batch([x], config),
    "batch_as_completed": lambda made, x, config=None: list(made.batch_as_completed([x], config)),
    "stream": lambda made, x, config=None: list(made.stream(x, config)),
    "transform": lambda made, x, config=None: list(made.transform(iter([x]), config)),
    "start": lambda made, x, config=None: made.start(x, config).result(PATIENCE),
}
ASYNC_VERBS: dict[str, Verb] = {
    "ainvoke": lambda made, x, config=None: awaited(lambda: made.ainvoke(x, config)),
    "abatch": lambda made, x, config=None: awaited(lambda: made.abatch([x], config)),
    "abatch_as_completed": lambda made, x, config=None: awaited(lambda: alist(made.abatch_as_completed([x], config))),
    "astream": lambda made, x, config=None: awaited(lambda: alist(made.astream(x, config))),
    "atransform": lambda made, x, config=None: awaited(lambda: alist(made.atransform(aiterate([x]), config))),
}
VERBS = SYNC_VERBS | ASYNC_VERBS

in_every_verb = pytest.mark.parametrize("verb", VERBS)
in_every_sync_verb = pytest.mark.parametrize("verb", SYNC_VERBS)
in_every_async_verb = pytest.mark.parametrize("verb", ASYNC_VERBS)
