"""The verbs, each as a plain function, so that a test can run in every one of them."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import wraps
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


def one_after_another(
    names: str | tuple[str, ...], values: Iterable[Any], ids: Iterable[str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Do a test with one value of a parameter, or of several, after the other, as `parametrize` makes a test for each.

    For many tests would take longer than what they look at. The test must not keep anything from one to the next;
    otherwise it is to be parametrized. What fails is noted at the error, by its id if there are `ids`.
    """
    rows = [(value,) for value in values] if isinstance(names, str) else values
    parameters = (names,) if isinstance(names, str) else names
    cases = [dict(zip(parameters, row, strict=True)) for row in rows]
    assert cases, f"no value of {names} to test with"
    told: list[str | None] = [None] * len(cases) if ids is None else list(ids)

    def with_all(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def wrapper(*args: Any, **kwargs: Any) -> None:
            for case, name in zip(cases, told, strict=True):
                try:
                    test(*args, **case, **kwargs)
                except BaseException as error:
                    error.add_note(f"with {name or ', '.join(f'{key}={value!r}' for key, value in case.items())}")
                    raise

        signature = inspect.signature(test)
        others = [each for each in signature.parameters.values() if each.name not in parameters]
        wrapper.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return wrapper

    return with_all


in_every_verb = one_after_another("verb", VERBS)
in_every_sync_verb = one_after_another("verb", SYNC_VERBS)
in_every_async_verb = pytest.mark.parametrize("verb", ASYNC_VERBS)
