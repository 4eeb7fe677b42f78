"""The laws of stopping: however a run ends, nothing that it started is left; and no more runs at once than may."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from anabranch.engine.graphs import Graph
from anabranch.engine.law_outcomes import holds, outcome
from anabranch.engine.operators import Operator
from anabranch.engine.scheduling_laws import Occupancy, concurrency_within_cap
from anabranch.nodes.generators import RunnableGenerator
from anabranch.nodes.runnables import Runnable
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.sites import SITE

MOST_CHUNKS = 5
"""A stream is closed after each of so many chunks at most."""

MOST_TURNS = 6
"""A task is cancelled after the loop has turned so many times, and each time before."""

MANY_TURNS = 200
"""And once after so many, when what runs in a thread has begun, too."""

GRACE = 0.5
"""Seconds that a thread may take to come to rest."""

PATIENCE = 5.0
"""Seconds that a cancelled task may take."""

AnyRunnable = Runnable[Any, Any]


def nothing_is_left_after_a_run(a: AnyRunnable, value: Any) -> None:
    """When `invoke`, `stream`, `ainvoke` or `astream` is over, no thread, task or generator that it started is left."""

    async def drained() -> None:
        _ = [chunk async for chunk in a.astream(value)]

    with _looking_back("after a.invoke(value)"):
        outcome(a.invoke, value)
    with _looking_back("after list(a.stream(value))"):
        outcome(lambda: list(a.stream(value)))
    with _looking_back("after await a.ainvoke(value)"):
        outcome(lambda: asyncio.run(_watched("after await a.ainvoke(value)", a.ainvoke(value))))
    with _looking_back("after a.astream(value) was read to its end"):
        outcome(lambda: asyncio.run(_watched("after a.astream(value) was read to its end", drained())))


def nothing_is_left_after_closing_early(a: AnyRunnable, value: Any) -> None:
    """A stream may be closed after any chunk: that raises nothing, closes what feeds it, and leaves nothing alive."""
    for taken in range(MOST_CHUNKS + 1):
        when = f"after {taken} chunks of the stream were taken and it was closed"
        with _looking_back(when):
            source = _Source()
            stream: Any = (source.runnable | a).stream(value)
            got = outcome(lambda stream=stream, taken=taken: list(islice(stream, taken)))
            _closed(stream, when)
            holds(source.occupancy.inside == 0, f"{when}, the step before it was still open")
        with _looking_back(when):
            asyncio.run(_watched(when, _take_and_close(a, value, taken, when)))
        if got.error is not None or len(got.value) < taken:
            return


def nothing_is_left_after_cancelling(a: AnyRunnable, value: Any) -> None:
    """A task that runs it may be cancelled at any moment: it ends soon, and leaves nothing alive."""
    for turns in (*range(MOST_TURNS + 1), MANY_TURNS):
        when = f"after ainvoke was cancelled when the loop had turned {turns} times"
        with _looking_back(when):
            asyncio.run(_watched(when, _cancelled(a, value, turns, when)))


def at_most_the_cap_runs_at_once(a: AnyRunnable, values: Sequence[Any]) -> None:
    """With `max_concurrency` n, `batch` and `abatch` run at most n of its steps at once."""
    for cap in (1, 2):
        for run in (_batched, _abatched):
            observed = run(a, values, cap)
            if observed.peak > cap:  # what holds a permit is looked up one after the other; so look again
                observed = run(a, values, cap)
            concurrency_within_cap(observed, cap)


def _batched(a: AnyRunnable, values: Sequence[Any], cap: int) -> Occupancy:
    watched = Observed(a)
    watched.batch([*values, *values], {"max_concurrency": cap}, return_exceptions=True)
    return watched.occupancy


def _abatched(a: AnyRunnable, values: Sequence[Any], cap: int) -> Occupancy:
    watched = Observed(a)
    asyncio.run(watched.abatch([*values, *values], {"max_concurrency": cap}, return_exceptions=True))
    return watched.occupancy


# What is left


class _looking_back:
    """Sees that no thread is busy, or there at all, that was not before."""

    def __init__(self, when: str) -> None:
        self.when = when

    def __enter__(self) -> None:
        self.busy = POOL.statistics()["busy"]
        self.threads = set(threading.enumerate())

    def __exit__(self, kind: Any, *exc_info: object) -> None:
        if kind is not None:
            return
        until = time.monotonic() + GRACE
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(0.0005)
        holds(not left, f"{self.when}, this was left alive: {', '.join(left)}")

    def _left(self) -> list[str]:
        new = [thread for thread in threading.enumerate() if thread not in self.threads]
        left = [f"the thread {thread.name!r}" for thread in new if not _is_ours(thread)]
        busy = POOL.statistics()["busy"] - self.busy
        return [*left, f"{busy} of the threads that run steps"] if busy > 0 else left


def _is_ours(thread: threading.Thread) -> bool:
    """The threads of the pool are dummies to `threading`, if anything; the others have our name."""
    return isinstance(thread, threading._DummyThread) or thread.name.startswith("anabranch")


async def _watched(when: str, run: Any) -> None:
    """Run something, and see that no task and no asynchronous generator is left on the loop."""
    error: Exception | None = None
    try:
        await run
    except AssertionError:
        raise
    except Exception as raised:
        error = raised
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    started = getattr(asyncio.get_running_loop(), "_asyncgens", ())
    left = [*(f"the task {task.get_coro()!r}" for task in tasks)]
    left += [f"the generator {each!r}" for each in started if each.ag_frame is not None]
    for task in tasks:
        task.cancel()
    holds(not left, f"{when}, this was left alive: {', '.join(left)}{f' (it raised {error!r})' if error else ''}")


class _Source:
    """A step that hands chunks on, and knows whether it is open."""

    def __init__(self) -> None:
        self.occupancy = Occupancy()

        def source(chunks: Iterator[Any]) -> Iterator[Any]:
            with self.occupancy:
                yield from chunks

        async def asource(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
            with self.occupancy:
                async for chunk in chunks:
                    yield chunk

        self.runnable: AnyRunnable = RunnableGenerator(source, asource)


def _closed(stream: Any, when: str) -> None:
    closing = outcome(stream.close)
    holds(closing.error is None, f"{when}, closing raised {closing.error!r}")


async def _take_and_close(a: AnyRunnable, value: Any, taken: int, when: str) -> None:
    source = _Source()
    stream: Any = (source.runnable | a).astream(value)
    with suppress(Exception):
        for _ in range(taken):
            await anext(stream)
    try:
        await stream.aclose()
    except Exception as error:
        raise AssertionError(f"{when}, closing the asynchronous one raised {error!r}") from error
    holds(source.occupancy.inside == 0, f"{when}, the step before it was still open (asynchronous)")


async def _cancelled(a: AnyRunnable, value: Any, turns: int, when: str) -> None:
    source = _Source()
    task = asyncio.create_task((source.runnable | a).ainvoke(value))
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=PATIENCE)
    holds(bool(done), f"{when}, it went on for more than {PATIENCE:g} seconds")
    if not task.cancelled():
        task.exception()
    holds(source.occupancy.inside == 0, f"{when}, the step before it was still open")


# How much runs at once


class Observed(Runnable[Any, Any]):
    """A runnable whose steps count how many of them run with a permit, for as long as they do."""

    def __init__(self, observed: AnyRunnable) -> None:
        self.occupancy = _HoldersOfPermits()
        graph = observed.__graph__
        steps = tuple(replace(step, operator=self._counting(step.operator)) for step in graph.steps)
        self.__dict__["__graph__"] = Graph(steps, graph.scopes, graph.output)

    def _counting(self, operator: Operator) -> Operator:
        forms: dict[str, Any] = {}
        if (invoke := operator.invoke) is not None:
            forms["invoke"] = self._counted(invoke)
        if (ainvoke := operator.ainvoke) is not None:
            forms["ainvoke"] = self._acounted(ainvoke)
        return replace(operator, **forms)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            with self.occupancy:
                return call(*args)

        return counted

    def _acounted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*args: Any) -> Any:
            with self.occupancy:
                return await call(*args)

        return counted


class _HoldersOfPermits(Occupancy):
    """Counts of those inside the ones that hold a permit: who waits for what it has called has lent it."""

    def __init__(self) -> None:
        super().__init__()
        self._sites: dict[int, Any] = {}

    def __enter__(self) -> _HoldersOfPermits:
        with self._lock:
            self.inside += 1
            self.entered += 1
            site = SITE.get()
            self._sites[id(site)] = site
            self.peak = max(self.peak, sum(each is not None and each.held for each in self._sites.values()))
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self.inside -= 1
            self._sites.pop(id(SITE.get()), None)
