"""A runnable that begins no more often than a rate limiter lets it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from anabranch.engine.building import build
from anabranch.engine.errors import CompositionError
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Flow, Operator, Run, Sleep
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.models.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from anabranch.nodes.policies import Around
from anabranch.nodes.runnables import Input, Output, Runnable
from anabranch.scheduler.napping import resting, resting_async
from anabranch.scheduler.sites import SITE


class RunnableWithRateLimiter(Around[Input, Output]):
    """Begins when a rate limiter lets it. What `with_rate_limiter` makes, where it is told how it waits.

    Args:
        bound: the runnable.
        rate_limiter: `InMemoryRateLimiter`, or one of your own.

    Raises:
        CompositionError: a `TypeError`, when `rate_limiter` is none.

    Example:
        >>> limiter = InMemoryRateLimiter(requests_per_second=1000, max_bucket_size=2)
        >>> RunnableLambda(str.upper).with_rate_limiter(limiter).batch(["a", "b", "c"])
        ['A', 'B', 'C']
    """

    def __init__(self, bound: Runnable[Input, Output], rate_limiter: BaseRateLimiter) -> None:
        if not hasattr(rate_limiter, "acquire"):
            raise CompositionError(
                "with_rate_limiter takes a rate limiter, such as InMemoryRateLimiter(requests_per_second=2); "
                f"got {rate_limiter!r:.80}"
            )
        self.bound = coerce_to_runnable(bound)
        self.rate_limiter = rate_limiter

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return limited(self.get_name(), self.bound._graph_with(kwargs), self.rate_limiter)

    def __repr__(self) -> str:
        return f"{self.bound!r}.with_rate_limiter({self.rate_limiter!r})"


def limited(name: str, graph: Graph, limiter: BaseRateLimiter, free: Graph | None = None) -> Operator:
    """A call step that runs a graph when a rate limiter lets it.

    Args:
        name: of the step.
        graph: what to run.
        limiter: the rate limiter.
        free: says of an input whether it need not wait.
    """
    waiting = None if isinstance(limiter, InMemoryRateLimiter) else build(_Acquiring(limiter))

    def flow(value: Any) -> Flow:
        if free is None or not (yield Run(free, value)):
            if isinstance(limiter, InMemoryRateLimiter):
                yield from _wait(limiter)
            else:
                yield Run(waiting, None)  # type: ignore[arg-type] # made above
        return (yield Run(graph, value, last=True))

    return Operator(name=name, flow=flow, whole=free is not None, is_run=False, shows=lambda: {"limited": graph})


def _wait(limiter: InMemoryRateLimiter) -> Iterator[Sleep]:
    """Take a token, and wait until it is there."""
    wait = limiter.reserve()
    if wait > 0:
        try:
            yield Sleep(wait)
        except BaseException:
            limiter.give_back()
            raise


class _Acquiring(Runnable[Any, None]):
    """Waits for a rate limiter in its own way, without a permit. It is no run."""

    def __init__(self, limiter: BaseRateLimiter) -> None:
        self.limiter = limiter
        self.name = type(limiter).__name__

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        has_async = getattr(type(self.limiter), "aacquire", None) not in (None, BaseRateLimiter.aacquire)
        return Operator(
            name=self.get_name(), invoke=self._acquire, ainvoke=self._aacquire if has_async else None, is_run=False
        )

    def _acquire(self, _: Any) -> None:
        site = SITE.get()
        with nullcontext() if site is None else resting(site):
            self.limiter.acquire(blocking=True)

    async def _aacquire(self, _: Any) -> None:
        site = SITE.get()
        async with nullcontext() if site is None else resting_async(site):
            await self.limiter.aacquire(blocking=True)
