"""`max_concurrency` is one cap for the whole call, however it is nested; and it is reached.

Leaves count who is inside. Those that are to overlap meet at a barrier, so they pass only if so many run at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from verbs import one_after_another, until

from anabranch.engine.laws import Occupancy, concurrency_within_cap
from anabranch.nodes import Runnable, RunnableBranch, RunnableGenerator, RunnableLambda, RunnableParallel
from anabranch.scheduler.hopping import loop_ledger
from anabranch.scheduler.ledger import default_limit

CAPS = (1, 2, 3, 4, 5)
PATIENCE = 20.0
"""Seconds until a barrier that nobody comes to gives up; only a failing test waits so long."""


at_each_cap = one_after_another("cap", CAPS)


class Leaves:
    """Leaves in every form that count who is inside."""

    def __init__(self, parties: int = 1) -> None:
        self.occupancy = Occupancy()
        self.parties = parties
        self._barrier = threading.Barrier(parties)
        self._abarrier: asyncio.Barrier | None = None

    def work(self, x: Any) -> Any:
        """Be inside, until so many are as are to meet."""
        with self.occupancy:
            if self.parties > 1:
                self._barrier.wait(PATIENCE)
            _linger()
        return x

    async def awork(self, x: Any) -> Any:
        """The same, on an event loop."""
        with self.occupancy:
            if self.parties > 1:
                if self._abarrier is None:
                    self._abarrier = asyncio.Barrier(self.parties)
                async with asyncio.timeout(PATIENCE):
                    await self._abarrier.wait()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return x

    def chunks(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """A generator that is inside while it makes a chunk, and not while another step uses it."""
        for chunk in chunks:
            self.work(chunk)
            yield chunk

    async def achunks(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The same, on an event loop."""
        async for chunk in chunks:
            await self.awork(chunk)
            yield chunk

    def leaf(self) -> Runnable[Any, Any]:
        return RunnableLambda(self.work, self.awork)

    def generator(self) -> Runnable[Any, Any]:
        return RunnableGenerator(self.chunks, self.achunks)

    def assert_within(self, cap: int, entered: int) -> None:
        concurrency_within_cap(self.occupancy, cap)
        assert self.occupancy.entered == entered


def _linger() -> None:
    """Give others a chance to come in too, if they may: a moment in which this thread waits."""
    threading.Event().wait(0.0002)


def branches(leaf: Runnable[Any, Any], width: int = 3) -> Runnable[Any, Any]:
    return RunnableParallel({f"k{number}": leaf for number in range(width)})


# Programs: what is nested how, and how many leaves that makes for each input

Make = Callable[[Leaves], Runnable[Any, Any]]


def calls_invoke(inner: Runnable[Any, Any], leaves: Leaves) -> Runnable[Any, Any]:
    def call(x: Any) -> Any:
        leaves.work(x)
        result = inner.invoke(x)
        leaves.work(x)
        return result

    return RunnableLambda(call)


def calls_batch(inner: Runnable[Any, Any]) -> Runnable[Any, Any]:
    return RunnableLambda(lambda x: inner.batch([x, x, x]))


def calls_completed(inner: Runnable[Any, Any], leaves: Leaves) -> Runnable[Any, Any]:
    def call(x: Any) -> Any:
        return [leaves.work(result) for _, result in inner.batch_as_completed([x, x, x])]

    return RunnableLambda(call)


def calls_stream(inner: Runnable[Any, Any], leaves: Leaves) -> Runnable[Any, Any]:
    def call(x: Any) -> Any:
        return [leaves.work(chunk) for chunk in inner.stream(x)]

    return RunnableLambda(call)


def calls_ainvoke(inner: Runnable[Any, Any], leaves: Leaves) -> Runnable[Any, Any]:
    async def call(x: Any) -> Any:
        await leaves.awork(x)
        result = await inner.ainvoke(x)
        await leaves.awork(x)
        return result

    return RunnableLambda(call)


def calls_gather(inner: Runnable[Any, Any], leaves: Leaves) -> Runnable[Any, Any]:
    async def call(x: Any) -> Any:
        results = await asyncio.gather(*(inner.ainvoke(x) for _ in range(3)))
        await leaves.awork(x)
        return results

    return RunnableLambda(call)


def calls_abatch(inner: Runnable[Any, Any]) -> Runnable[Any, Any]:
    async def call(x: Any) -> Any:
        return await inner.abatch([x, x, x])

    return RunnableLambda(call)


def calls_acompleted(inner: Runnable[Any, Any], leaves: Leaves) -> Runnable[Any, Any]:
    async def call(x: Any) -> Any:
        return [await leaves.awork(result) async for _, result in inner.abatch_as_completed([x, x, x])]

    return RunnableLambda(call)


def calls_astream(inner: Runnable[Any, Any], leaves: Leaves) -> Runnable[Any, Any]:
    async def call(x: Any) -> Any:
        return [await leaves.awork(chunk) async for chunk in inner.astream(x)]

    return RunnableLambda(call)


def listed(x: Any) -> list[Any]:
    return [x, x, x]


def first(x: Any) -> Any:
    return x[0] if isinstance(x, list) else x


def three_chunks(_: Iterator[Any]) -> Iterator[list[int]]:
    for number in range(3):
        _linger()
        yield [number]


PROGRAMS: dict[str, tuple[Make, int]] = {
    "a leaf": (lambda to: to.leaf(), 1),
    "branches": (lambda to: branches(to.leaf()), 3),
    "branches after branches": (lambda to: branches(to.leaf()) | branches(to.leaf()), 6),
    "branches in branches": (lambda to: branches(branches(to.leaf())), 9),
    "a map": (lambda to: RunnableLambda(listed) | to.leaf().map(), 3),
    "a map in branches": (lambda to: branches(RunnableLambda(listed) | to.leaf().map(), 2), 6),
    "a condition": (lambda to: RunnableBranch((to.work, branches(to.leaf())), to.leaf()), 4),
    "a retry and a fallback": (
        lambda to: branches(to.leaf().with_retry().with_fallbacks([to.leaf()])),
        3,
    ),
    "a returned runnable": (lambda to: RunnableLambda(lambda _: branches(to.leaf())), 3),
    "invoke in a function": (lambda to: calls_invoke(branches(to.leaf()), to), 5),
    "invoke in invoke in branches": (
        lambda to: branches(calls_invoke(calls_invoke(branches(to.leaf(), 2), to), to), 2),
        12,
    ),
    "batch in a function": (lambda to: calls_batch(to.leaf()), 3),
    "batch in batch in branches": (lambda to: branches(calls_batch(calls_batch(to.leaf())), 2), 18),
    "batch_as_completed in a function": (lambda to: calls_completed(branches(to.leaf(), 2), to), 9),
    "stream in a function": (lambda to: branches(calls_stream(to.generator(), to), 2), 4),
    "ainvoke in a function": (lambda to: calls_ainvoke(branches(to.leaf()), to), 5),
    "gather in a function": (lambda to: branches(calls_gather(to.leaf(), to), 2), 8),
    "gather of gathers": (lambda to: calls_gather(calls_gather(branches(to.leaf(), 2), to), to), 22),
    "abatch in a function": (lambda to: branches(calls_abatch(to.leaf()), 2), 6),
    "abatch_as_completed in a function": (lambda to: calls_acompleted(branches(to.leaf(), 2), to), 9),
    "astream in a function": (lambda to: branches(calls_astream(to.generator(), to), 2), 4),
    "ainvoke in invoke in gather": (
        lambda to: calls_gather(calls_invoke(calls_ainvoke(to.leaf(), to), to), to),
        16,
    ),
    "generators": (lambda to: to.generator() | branches(to.generator()) | RunnableLambda(len), 4),
}

in_each_program = pytest.mark.parametrize("program", PROGRAMS)


async def alist(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


def awaited(call: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await call()

    return asyncio.run(main())


VERBS: dict[str, tuple[Callable[[Runnable[Any, Any], Any], Any], int]] = {
    "invoke": (lambda made, config: made.invoke(1, config), 1),
    "batch": (lambda made, config: made.batch([1] * 4, config), 4),
    "batch_as_completed": (lambda made, config: list(made.batch_as_completed([1] * 4, config)), 4),
    "stream": (lambda made, config: list(made.stream(1, config)), 1),
    "ainvoke": (lambda made, config: awaited(lambda: made.ainvoke(1, config)), 1),
    "abatch": (lambda made, config: awaited(lambda: made.abatch([1] * 4, config)), 4),
    "abatch_as_completed": (
        lambda made, config: awaited(lambda: alist(made.abatch_as_completed([1] * 4, config))),
        4,
    ),
    "astream": (lambda made, config: awaited(lambda: alist(made.astream(1, config))), 1),
}


@at_each_cap
@in_each_program
@pytest.mark.parametrize("verb", VERBS)
def test_no_more_than_the_cap_run_at_once(program: str, verb: str, cap: int) -> None:
    make, count = PROGRAMS[program]
    run, inputs = VERBS[verb]
    leaves = Leaves()
    run(make(leaves), {"max_concurrency": cap})
    leaves.assert_within(cap, count * inputs)


# The cap is reached: as many leaves as it allows meet at a barrier

WIDE: dict[str, tuple[Make, int]] = {
    "branches": (lambda to: branches(to.leaf(), 60), 60),
    "branches in branches": (lambda to: branches(branches(to.leaf(), 10), 6), 60),
    "a map": (lambda to: RunnableLambda(lambda x: [x] * 60) | to.leaf().map(), 60),
    "a map in branches": (
        lambda to: branches(RunnableLambda(lambda x: [x] * 10) | to.leaf().map(), 6),
        60,
    ),
    "invoke in a function": (
        lambda to: branches(RunnableLambda(lambda x: branches(to.leaf(), 10).invoke(x)), 6),
        60,
    ),
    "batch in a function": (lambda to: RunnableLambda(lambda x: to.leaf().batch([x] * 60)), 60),
    "gather in a function": (lambda to: gathers_60(to.leaf()), 60),
    "generators in branches": (lambda to: branches(to.generator(), 60), 60),
}


def gathers_60(inner: Runnable[Any, Any]) -> Runnable[Any, Any]:
    async def call(x: Any) -> Any:
        return await asyncio.gather(*(inner.ainvoke(x) for _ in range(60)))

    return RunnableLambda(call)


@at_each_cap
@pytest.mark.parametrize("program", WIDE)
@pytest.mark.parametrize("verb", ["invoke", "ainvoke", "stream", "astream"])
def test_as_many_as_the_cap_allows_do_run_at_once(program: str, verb: str, cap: int) -> None:
    make, count = WIDE[program]
    leaves = Leaves(parties=cap)
    VERBS[verb][0](make(leaves), {"max_concurrency": cap})
    leaves.assert_within(cap, count)
    assert leaves.occupancy.peak == cap


@at_each_cap
@pytest.mark.parametrize("verb", ["batch", "batch_as_completed", "abatch", "abatch_as_completed"])
def test_as_many_inputs_of_a_batch_as_the_cap_allows_run_at_once(verb: str, cap: int) -> None:
    leaves = Leaves(parties=cap)
    VERBS[verb][0](branches(leaves.leaf(), 15), {"max_concurrency": cap})
    leaves.assert_within(cap, 60)
    assert leaves.occupancy.peak == cap


@at_each_cap
@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_generators_that_wait_for_chunks_take_their_permit_again(verb: str, cap: int) -> None:
    leaves = Leaves()
    VERBS[verb][0](RunnableGenerator(three_chunks) | branches(leaves.generator()), {"max_concurrency": cap})
    leaves.assert_within(cap, 9)


@pytest.mark.parametrize("verb", ["ainvoke", "astream"])
def test_a_cap_of_64_means_64_blocking_calls_at_once_under_asyncio_too(verb: str) -> None:
    leaves = Leaves(parties=64)
    VERBS[verb][0](branches(RunnableLambda(leaves.work), 64), {"max_concurrency": 64})
    leaves.assert_within(64, 64)


def test_per_item_configs_share_the_cap() -> None:
    leaves = Leaves()
    branches(leaves.leaf()).batch([1] * 4, [{"max_concurrency": 2}, {}, {"max_concurrency": 2}, {}])
    leaves.assert_within(2, 12)


@pytest.mark.parametrize("outer", [None, 5])
def test_a_cap_given_to_a_nested_call_alone_holds_for_that_call(outer: int | None) -> None:
    leaves = Leaves()
    config: Any = {"max_concurrency": outer} if outer else {}
    nested = branches(leaves.leaf(), 6)
    RunnableLambda(lambda x: nested.invoke(x, {"max_concurrency": 2})).invoke(1, config)
    leaves.assert_within(2 if outer is None else outer, 6)

    async def call(x: Any) -> Any:
        return await asyncio.gather(*(nested.ainvoke(x, {"max_concurrency": 1}) for _ in range(2)))

    leaves.occupancy = Occupancy()
    awaited(lambda: RunnableLambda(call).ainvoke(1, config))
    leaves.assert_within(2 if outer is None else outer, 12)


def test_a_function_that_waits_for_what_it_called_holds_no_permit() -> None:
    """With a cap of 1, two calls deep, each side works only while the other waits."""
    order: list[str] = []

    def outer(x: int) -> int:
        order.append("outer before")
        result: int = RunnableLambda(inner).invoke(x)
        order.append("outer after")
        return result

    def inner(x: int) -> int:
        order.append("inner")
        return x

    assert RunnableLambda(outer).invoke(1, {"max_concurrency": 1}) == 1
    assert order == ["outer before", "inner", "outer after"]


@at_each_cap
@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize("nested", [False, True])
def test_what_the_reader_of_a_stream_pulls_has_a_permit_too(verb: str, nested: bool, cap: int) -> None:
    leaves = Leaves()
    chain = RunnableGenerator(three_chunks) | branches(leaves.generator()) | leaves.generator()
    if nested:
        chain = calls_stream(chain, Leaves()) if verb == "stream" else calls_astream(chain, Leaves())
    VERBS[verb][0](chain, {"max_concurrency": cap})
    leaves.assert_within(cap, 18)


def test_a_nested_batch_that_only_waits_leaves_the_permit_to_others() -> None:
    fails_once = iter([True])

    async def flaky(x: str) -> str:
        if x == "sleeps" and next(fails_once, False):
            raise ConnectionError
        return x

    patient = RunnableLambda(flaky).with_retry(exponential_jitter_params={"initial": 3600, "max": 3600})

    async def outer(_: Any) -> Any:
        results: Any = patient.abatch_as_completed(["sleeps", "works"])
        first = await anext(results)
        second = asyncio.create_task(anext(results))
        await asyncio.sleep(0)
        other = await RunnableLambda(flaky).ainvoke("other")
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        return first, other

    assert awaited(lambda: RunnableLambda(outer).ainvoke(1, {"max_concurrency": 1})) == ((1, "works"), "other")


@pytest.mark.parametrize("cap", [1, 2])
def test_a_permit_that_comes_to_a_branch_after_its_stream_was_stopped_goes_back(cap: int) -> None:
    async def fails(_: AsyncIterator[Any]) -> AsyncIterator[Any]:
        raise ZeroDivisionError
        yield

    async def outer(x: Any) -> Any:
        for width in range(2, 6):
            wide = branches(RunnableGenerator(fails), width)
            for chain in (wide, wide | len):
                with pytest.raises(ZeroDivisionError):
                    await alist(chain.astream(x))
        return await RunnableLambda(Leaves().awork).ainvoke(x)

    assert VERBS["ainvoke"][0](RunnableLambda(outer), {"max_concurrency": cap}) == 1


@pytest.mark.parametrize("nested", [False, True])
def test_a_step_of_a_stream_that_waits_for_its_next_attempt_leaves_the_permit_to_others(nested: bool) -> None:
    async def fails(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        raise ConnectionError
        yield

    def fails_too(chunks: Iterator[Any]) -> Iterator[Any]:
        raise ConnectionError
        yield

    async def works(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in chunks:
            yield chunk

    async def first_chunk(x: Any) -> Any:
        async with chain.astream(x, {"max_concurrency": 1}) as chunks:
            return await anext(chunks)

    for failing in (fails, fails_too):
        patient = RunnableGenerator(failing).with_retry(exponential_jitter_params={"initial": 3600, "max": 3600})
        chain = RunnableParallel(a=patient, b=works)
        found = VERBS["ainvoke"][0](RunnableLambda(first_chunk), {}) if nested else awaited(lambda: first_chunk(1))
        assert found == {"b": 1}
        with chain.stream(1, {"max_concurrency": 1}) as chunks:
            assert next(chunks) == {"b": 1}


@pytest.mark.parametrize("verb", ["ainvoke", "abatch", "astream"])
@pytest.mark.parametrize("form", ["function", "generator"])
def test_without_a_cap_a_loop_bounds_the_blocking_calls_that_run_at_once(verb: str, form: str) -> None:
    more = 3
    width = default_limit() + more
    occupancy, may_end = Occupancy(), threading.Event()

    def work(x: Any) -> Any:
        with occupancy:
            assert may_end.wait(PATIENCE)
        return x

    def chunks(source: Iterator[Any]) -> Iterator[Any]:
        yield from map(work, source)

    step: Any = RunnableLambda(work) if form == "function" else RunnableGenerator(chunks)

    async def main() -> None:
        if verb == "abatch":
            task = asyncio.ensure_future(step.abatch([1] * width))
        else:
            chain = branches(step, width)
            task = asyncio.ensure_future(chain.ainvoke(1) if verb == "ainvoke" else alist(chain.astream(1)))
        ledger = loop_ledger(asyncio.get_running_loop())
        await until(lambda: ledger.statistics()["waiting"] == more or occupancy.entered == width)
        await until(lambda: occupancy.entered >= default_limit())
        entered = occupancy.entered
        may_end.set()
        await task
        assert entered == default_limit()
        assert ledger.statistics() == {"limit": default_limit(), "free": default_limit(), "waiting": 0}

    asyncio.run(main())
    concurrency_within_cap(occupancy, default_limit())
    assert occupancy.entered == width
