"""Permits and stops of a call: whatever its form, afterwards all are back, nobody waits, and nothing is left hooked."""

from __future__ import annotations

import _thread
import asyncio
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest
from verbs import ASYNC_VERBS, PATIENCE, SYNC_VERBS, VERBS, alist, in_every_verb, until

from anabranch.engine.laws import Occupancy, nothing_alive_after
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from anabranch.scheduler.clocks import CLOCK, VirtualClock
from anabranch.scheduler.ledger import Ledger, default_limit
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.sites import SITE
from anabranch.scheduler.threads import ThreadCall

Some = Runnable[Any, Any]


class Leaf:
    """A leaf that remembers the ledgers of the calls it was part of."""

    def __init__(self) -> None:
        self.ledgers: dict[Ledger, None] = {}

    def note(self) -> None:
        site = SITE.get()
        assert site is not None
        if site.ledger is not None:
            self.ledgers[site.ledger] = None

    def work(self, x: Any) -> Any:
        self.note()
        return x

    async def awork(self, x: Any) -> Any:
        self.note()
        await asyncio.sleep(0)
        return x

    def fail(self, x: Any) -> Any:
        self.note()
        raise ZeroDivisionError

    async def afail(self, x: Any) -> Any:
        self.note()
        raise ZeroDivisionError

    def chunks(self, source: Iterator[Any]) -> Iterator[Any]:
        for chunk in source:
            self.note()
            yield chunk

    async def achunks(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in source:
            self.note()
            yield chunk

    @property
    def step(self) -> Some:
        return RunnableLambda(self.work, self.awork)

    @property
    def generator(self) -> Some:
        return RunnableGenerator(self.chunks, self.achunks)

    @property
    def failing(self) -> Some:
        return RunnableLambda(self.fail, self.afail)


def at_rest(ledger: Ledger) -> bool:
    return ledger.statistics() == {"limit": ledger.limit, "free": ledger.limit, "waiting": 0}


def all_came_back(leaf: Leaf) -> None:
    """A thread of the pool may be about to give its permit back; when all are idle, none is missing or too many."""
    nothing_alive_after(lambda: None, lambda: [POOL] if POOL.statistics()["busy"] else [])
    assert leaf.ledgers
    for ledger in leaf.ledgers:
        assert at_rest(ledger), ledger.statistics()


def calls(verb: str, inner: Some) -> Callable[[Any], Any]:
    """A function that calls another runnable, in a list of inputs where the verb takes one."""
    if verb in ASYNC_VERBS:

        async def acall(x: Any) -> Any:
            return await AINSIDE[verb](inner, x)

        return acall
    return lambda x: INSIDE[verb](inner, x)


INSIDE: dict[str, Callable[[Some, Any], Any]] = {
    "invoke": lambda made, x: made.invoke(x),
    "batch": lambda made, x: made.batch([x, x, x])[0],
    "batch_as_completed": lambda made, x: dict(made.batch_as_completed([x, x, x]))[0],
    "stream": lambda made, x: list(made.stream(x))[-1],
    "transform": lambda made, x: list(made.transform(iter([x])))[-1],
}


async def acompleted(made: Some, x: Any) -> Any:
    return (await alist(made.abatch_as_completed([x, x, x])))[0][1]


async def astreamed(made: Some, x: Any) -> Any:
    return (await alist(made.astream(x)))[-1]


async def abatched(made: Some, x: Any) -> Any:
    return (await made.abatch([x, x, x]))[0]


AINSIDE: dict[str, Callable[[Some, Any], Any]] = {
    "ainvoke": lambda made, x: made.ainvoke(x),
    "abatch": abatched,
    "abatch_as_completed": acompleted,
    "astream": astreamed,
}

FORMS: dict[str, Callable[[Leaf], Some]] = {
    "branches": lambda to: RunnableParallel(a=to.step, b=to.step, c=to.step),
    "branches of generators": lambda to: to.generator | RunnableParallel(a=to.generator, b=to.generator) | str,
    "a map": lambda to: RunnableParallel(a=RunnableLambda(lambda x: [x] * 5) | to.step.map(), b=to.step),
    "a failing branch": lambda to: RunnableParallel(a=to.step, b=to.failing, c=to.step | to.step),
    "a fallback in a branch": lambda to: RunnableParallel(a=to.failing.with_fallbacks([to.step]), b=to.step),
}
INNER = {name: form for name, form in FORMS.items() if name != "a failing branch"}


@pytest.mark.parametrize("cap", [1, 2, 5])
@in_every_verb
def test_after_a_call_all_permits_are_back(verb: str, cap: int) -> None:
    for form, make in FORMS.items():
        leaf = Leaf()
        try:
            VERBS[verb](make(leaf), "x", {"max_concurrency": cap})
        except ZeroDivisionError:
            assert form == "a failing branch"
        all_came_back(leaf)


@pytest.mark.parametrize("cap", [1, 3])
@pytest.mark.parametrize("form", INNER)
def test_after_a_call_in_a_step_its_permit_is_back_and_its_stop_is_forgotten(form: str, cap: int) -> None:
    leaf = Leaf()
    seen: list[Any] = []

    def look() -> None:
        site = SITE.get()
        assert site is not None
        seen.append((site.held, bool(site._hooks), site.ledger is not None and site.ledger.statistics()["waiting"]))

    def outer(x: Any) -> Any:
        for call in INSIDE.values():
            call(INNER[form](leaf), x)
            look()
        return x

    async def aouter(x: Any) -> Any:
        for call in AINSIDE.values():
            await call(INNER[form](leaf), x)
            look()
        return x

    config: Any = {"max_concurrency": cap}
    chain = RunnablePassthrough() | {"a": outer} | RunnableLambda(str)
    for verb in ("invoke", "stream"):
        SYNC_VERBS[verb](chain, "x", config)
        all_came_back(leaf)
    chain = RunnablePassthrough() | {"a": aouter} | RunnableLambda(str)
    for verb in ("ainvoke", "astream"):
        ASYNC_VERBS[verb](chain, "x", config)
        all_came_back(leaf)
    assert set(seen) == {(True, False, 0)}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("count", range(4))
def test_after_results_that_nobody_reads_any_more_all_permits_are_back(count: int, nested: bool) -> None:
    leaf = Leaf()
    chain = leaf.step | {"a": leaf.step, "b": leaf.step}
    config: Any = {"max_concurrency": 1}

    def read(x: Any) -> None:
        results: Any = chain.batch_as_completed([x] * 3, None if nested else config)
        assert len([next(results) for _ in range(count)]) == count
        results.close()
        site = SITE.get()
        if site is not None and site.ledger is not None:
            assert site.ledger.statistics() == {"limit": 1, "free": 0, "waiting": 0}

    RunnableLambda(read).pipe(leaf.step).invoke("x", config) if nested else read("x")
    if leaf.ledgers and not nested:
        all_came_back(leaf)


def test_between_the_results_the_caller_holds_no_permit() -> None:
    leaf = Leaf()
    for _ in leaf.step.batch_as_completed([1, 2, 3], {"max_concurrency": 1}):
        all_came_back(leaf)


def test_between_the_chunks_the_reader_of_a_stream_holds_no_permit() -> None:
    leaf = Leaf()
    chain = RunnablePassthrough() | {"a": leaf.generator, "b": leaf.generator} | leaf.generator
    with chain.stream("x", {"max_concurrency": 1}) as chunks:
        for _ in chunks:
            nothing_alive_after(lambda: None, lambda: [each for each in leaf.ledgers if not at_rest(each)])
    all_came_back(leaf)


@pytest.mark.parametrize("verb", ["invoke", "batch", "batch_as_completed", "stream", "ainvoke", "astream"])
def test_where_no_thread_can_be_had_all_permits_come_back(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any) -> int:
        raise RuntimeError("can't start new thread")

    leaf = Leaf()
    idle = POOL._idle
    with monkeypatch.context() as patch:
        patch.setattr(POOL, "_idle", deque())
        patch.setattr(_thread, "start_new_thread", refuses)
        for make in FORMS.values():
            try:
                VERBS[verb](make(leaf), "x", {"max_concurrency": 3})
            except (RuntimeError, ZeroDivisionError):
                continue
    assert POOL._idle is idle
    if leaf.ledgers:
        all_came_back(leaf)


def test_without_other_threads_the_caller_does_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any) -> int:
        raise RuntimeError("can't start new thread")

    idents: list[int] = []

    def step(x: Any) -> Any:
        idents.append(_thread.get_ident())
        return x

    chain = RunnableParallel({key: RunnableLambda(step) | step for key in "abc"})
    with monkeypatch.context() as patch:
        patch.setattr(POOL, "_idle", deque())
        patch.setattr(_thread, "start_new_thread", refuses)
        assert chain.invoke(1) == {"a": 1, "b": 1, "c": 1}
        assert chain.batch([1, 2]) == [{"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "c": 2}]
        assert RunnableLambda(step).batch([1, 2, 3]) == [1, 2, 3]
    assert set(idents) == {_thread.get_ident()}


def stands_in(function: Callable[..., Any], ident: int) -> bool:
    """Whether a thread stands in a function, or in what that calls."""
    frame = sys._current_frames().get(ident)
    while frame is not None and frame.f_code is not function.__code__:
        frame = frame.f_back
    return frame is not None


@pytest.mark.parametrize("verb", ["invoke", "batch"])
def test_no_permit_is_made_of_nothing_when_all_wait_for_their_next_attempts(verb: str) -> None:
    leaf, caller = Leaf(), _thread.get_ident()
    both = threading.Barrier(2)
    failed: list[str] = []

    def fails_once(name: str) -> Some:
        def step(x: Any) -> Any:
            leaf.note()
            if name in failed:
                return x
            failed.append(name)
            both.wait(PATIENCE)
            while _thread.get_ident() != caller and not stands_in(ThreadCall._wait, caller):
                pass
            raise ConnectionError

        return RunnableLambda(step).with_retry(exponential_jitter_params={"initial": 0.001, "max": 0.001})

    SYNC_VERBS[verb](RunnableParallel(a=fails_once("a"), b=fails_once("b")), "x", {"max_concurrency": 2})
    assert sorted(failed) == ["a", "b"]
    all_came_back(leaf)


@pytest.mark.parametrize("verb", SYNC_VERBS)
def test_of_a_call_that_is_over_no_timer_is_left(verb: str) -> None:
    clock = VirtualClock()
    token = CLOCK.set(clock)
    try:
        for form, make in FORMS.items():
            if form == "a failing branch":
                with pytest.raises(ZeroDivisionError):
                    SYNC_VERBS[verb](make(Leaf()), "x", {"timeout": 5.0})
            else:
                SYNC_VERBS[verb](make(Leaf()), "x", {"timeout": 5.0})
            assert not clock.jump(), form
    finally:
        CLOCK.reset(token)


# Without a cap


@pytest.mark.parametrize("verb", ["invoke", "batch", "batch_as_completed", "stream"])
def test_without_a_cap_as_many_blocking_calls_run_at_once_as_is_usual_and_no_more(verb: str) -> None:
    width, occupancy = default_limit(), Occupancy()
    barrier = threading.Barrier(width)

    def meets(x: Any) -> Any:
        with occupancy:
            barrier.wait(PATIENCE)
        return x

    step = RunnableLambda(meets)
    if verb in ("invoke", "stream"):
        SYNC_VERBS[verb](RunnableParallel({f"k{number}": step for number in range(2 * width)}), 1)
    else:
        assert len(list(getattr(step, verb)([1] * 2 * width))) == 2 * width
    assert (occupancy.entered, occupancy.peak) == (2 * width, width)


@pytest.mark.parametrize("form", ["a step", "branches"])
@in_every_verb
def test_without_a_cap_what_is_asynchronous_is_not_bounded(verb: str, form: str) -> None:
    width, inside = default_limit() + 3, list[int]()
    all_there: list[asyncio.Event] = []

    async def meets(x: int) -> int:
        inside.append(x)
        if len(inside) == width:
            all_there[0].set()
        async with asyncio.timeout(PATIENCE):
            await all_there[0].wait()
        return x

    async def outer(x: Any) -> Any:
        all_there.append(asyncio.Event())
        return await asyncio.gather(*(RunnableLambda(meets).ainvoke(number) for number in range(width)))

    chain = RunnableLambda(outer) if form == "a step" else RunnablePassthrough() | {"a": outer, "b": str} | str
    VERBS[verb](chain, 1)
    assert sorted(inside) == list(range(width))


# Stops


@pytest.mark.parametrize("verb", [*INSIDE, *AINSIDE])
def test_a_stop_reaches_what_a_step_has_called(verb: str) -> None:
    inside = threading.Event()
    went: list[str] = []

    async def forever(x: Any) -> Any:
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            went.append("cleaned up")

    for inner in (RunnableLambda(forever), RunnableParallel(a=forever), RunnableParallel(a=forever, b=str) | str):
        for outer in (RunnableLambda(calls(verb, inner)), RunnableParallel(a=calls(verb, inner), b=str)):
            inside.clear()
            went.clear()
            handle = outer.start("x")
            assert inside.wait(PATIENCE)
            assert handle.cancel()
            with pytest.raises(CancelledError):
                handle.result(PATIENCE)
            assert set(went) == {"cleaned up"}


@pytest.mark.parametrize("verb", INSIDE)
def test_a_stop_reaches_what_waits_for_its_next_attempt(verb: str) -> None:
    tried = threading.Event()

    def fails(x: Any) -> Any:
        tried.set()
        raise ConnectionError

    patient = RunnableLambda(fails).with_retry(exponential_jitter_params={"initial": 3600, "max": 3600})
    for inner in (patient, RunnableParallel(a=patient, b=str) | str):
        tried.clear()
        handle = RunnableLambda(calls(verb, inner)).start("x")
        assert tried.wait(PATIENCE)
        assert handle.cancel()
        with pytest.raises(CancelledError):
            handle.result(PATIENCE)


def test_a_stop_reaches_the_results_that_a_step_reads_one_by_one() -> None:
    inside = threading.Event()

    async def forever_but_first(x: int) -> int:
        if x:
            inside.set()
            await asyncio.Event().wait()
        return x

    got: list[Any] = []

    def outer(_: Any) -> None:
        for result in RunnableLambda(forever_but_first).batch_as_completed([0, 1, 2]):
            got.append(result)  # noqa: PERF402

    handle = RunnableLambda(outer).start(None)
    assert inside.wait(PATIENCE)
    assert handle.cancel()
    with pytest.raises(CancelledError):
        handle.result(PATIENCE)
    assert got in ([], [(0, 0)])


def test_a_cancelled_task_stops_what_its_blocking_step_has_called() -> None:
    inside = threading.Event()
    went: list[str] = []

    async def forever(x: Any) -> Any:
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            went.append("cleaned up")

    async def main(verb: str) -> None:
        task = asyncio.ensure_future(RunnableLambda(calls(verb, RunnableLambda(forever))).ainvoke("x"))
        await until(inside.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for verb in INSIDE:
        inside.clear()
        asyncio.run(main(verb))
    assert set(went) == {"cleaned up"}
