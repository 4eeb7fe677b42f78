"""Streams of several tasks that are closed, cancelled or broken off: who is told, who starts no more, what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from verbs import VERBS, alist, in_every_verb, until

from anabranch.engine.errors import StepInputError
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough

AChunks = AsyncIterator[Any]
LONG: Any = {"timeout": 3600.0}
with_and_without_a_cap = pytest.mark.parametrize("config", [{}, {"max_concurrency": 1}, {"max_concurrency": 2}])


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Stubborn:
    """A generator that makes chunks without end, and that closes only when it may."""

    def __init__(self) -> None:
        self.closing, self.may_close = asyncio.Event(), asyncio.Event()
        self.closed = False

    async def chunks(self, source: AChunks) -> AChunks:
        try:
            while True:
                await asyncio.sleep(0)
                yield "chunk"
        finally:
            self.closing.set()
            await self.may_close.wait()
            self.closed = True


# Cancelled while it is closed


@with_and_without_a_cap
@pytest.mark.parametrize("place", ["branch", "tail"])
def test_a_cancellation_while_a_stream_is_closed_comes_out_when_all_is_closed(place: str, config: Any) -> None:
    async def main() -> None:
        stubborn = Stubborn()
        step = RunnableGenerator(stubborn.chunks)
        chain: Runnable[Any, Any] = RunnableParallel(a=RunnablePassthrough(), b=RunnablePassthrough())
        chain = RunnableParallel(a=step, b=RunnablePassthrough()) if place == "branch" else chain | step
        went: list[str] = []

        async def read() -> None:
            chunks = chain.astream(1, config)
            while "chunk" not in repr(await anext(chunks)):
                pass
            await chunks.aclose()
            await asyncio.sleep(0)
            went.append("went on")

        task = asyncio.create_task(read())
        await stubborn.closing.wait()
        task.cancel()
        await turns()
        if place == "branch":
            assert not task.done()
        stubborn.may_close.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert went == []
        assert place == "tail" or stubborn.closed

    asyncio.run(main())


@with_and_without_a_cap
def test_a_cancellation_while_a_failed_stream_is_closed_comes_out(config: Any) -> None:
    async def main() -> None:
        stubborn = Stubborn()

        async def fails(source: AChunks) -> AChunks:
            await turns(5)
            raise ValueError("fails")
            yield

        chain = RunnableParallel(a=stubborn.chunks, b=fails)
        task = asyncio.ensure_future(alist(chain.astream(1, config)))
        await stubborn.closing.wait()
        await turns()
        task.cancel()
        await turns()
        assert not task.done()
        stubborn.may_close.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stubborn.closed

    asyncio.run(main())


@pytest.mark.parametrize("config", [{}, {"max_concurrency": 2}])
@pytest.mark.parametrize("form", ["value", "chunks"])
def test_who_reads_a_stream_is_not_left_cancelled_when_a_branch_fails(form: str, config: Any) -> None:
    """The consumer runs the last step itself, and is interrupted there. That is nobody else's business."""

    async def main() -> None:
        inside = asyncio.Event()

        async def waits(x: Any) -> None:
            inside.set()
            await asyncio.Event().wait()

        async def waits_for_chunks(source: AChunks) -> AChunks:
            async for chunk in source:
                yield chunk
                await waits(chunk)

        async def fails(source: AChunks) -> AChunks:
            yield "first"
            await inside.wait()
            raise ValueError("fails")

        last: Any = waits_for_chunks if form == "chunks" else RunnableLambda(waits)
        first: Any = RunnableParallel(a=fails, b=RunnablePassthrough())
        chain = first | last if form == "chunks" else RunnableParallel(a=fails, b=RunnableLambda(waits))
        for _ in range(2):
            inside.clear()
            with pytest.raises(ValueError, match="fails"):
                await alist(chain.astream(1, config))
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(0)

    asyncio.run(main())


def test_a_cancellation_that_comes_with_a_failure_wins() -> None:
    async def main() -> None:
        inside = asyncio.Event()

        async def waits(source: AChunks) -> AChunks:
            async for chunk in source:
                yield chunk
                inside.set()
                await asyncio.Event().wait()

        async def fails(source: AChunks) -> AChunks:
            yield "first"
            await inside.wait()
            task.cancel()
            raise ValueError("fails")

        chain = RunnableParallel(a=fails, b=RunnablePassthrough()) | waits
        task = asyncio.ensure_future(alist(chain.astream(1)))
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


# What starts no more


@pytest.mark.parametrize("how", ["close", "fail", "cancel"])
def test_what_waits_for_a_permit_when_a_stream_ends_starts_no_more(how: str) -> None:
    began: list[str] = []

    def step(name: str) -> Runnable[Any, Any]:
        async def work(x: Any) -> str:
            began.append(name)
            if name == "first" and how == "fail":
                raise ValueError(name)
            if name != "first":
                await asyncio.Event().wait()
            return name

        return RunnableLambda(work, name=name)

    async def read() -> None:
        chain = RunnableParallel({name: step(name) for name in ("first", "second", "third", "fourth")})
        async with chain.astream(1, {"max_concurrency": 1}) as chunks:
            await anext(chunks)
            if how == "cancel":
                await anext(chunks)

    async def main() -> None:
        task = asyncio.create_task(read())
        if how == "cancel":
            await until(lambda: len(began) == 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif how == "fail":
            with pytest.raises(ValueError, match="first"):
                await task
        else:
            await task
        before = list(began)
        await turns()
        assert began == before

    asyncio.run(main())
    assert "first" in began
    assert not {"third", "fourth"} & set(began)


def test_what_a_step_streams_ends_with_the_call_of_that_step() -> None:
    went: list[str] = []

    async def main() -> None:
        inside = asyncio.Event()

        async def waits(source: AChunks) -> AChunks:
            try:
                inside.set()
                await asyncio.Event().wait()
                yield
            finally:
                went.append("closed")

        inner = RunnableParallel(a=waits, b=waits)

        async def outer(x: Any) -> None:
            try:
                await alist(inner.astream(x))
            except BaseException as error:
                went.append(type(error).__name__)
                raise

        async def fails(x: Any) -> None:
            await inside.wait()
            raise ValueError("fails")

        with pytest.raises(ValueError, match="fails"):
            await RunnableParallel(a=outer, b=fails).ainvoke(1)

    asyncio.run(main())
    assert went.count("closed") in (1, 2)
    assert went[-1] in ("CancelledError", "Stopped")


# Permits and timers


@pytest.mark.parametrize("cap", [1, 2])
@pytest.mark.parametrize("verb", ["ainvoke", "abatch", "abatch_as_completed", "astream"])
def test_a_call_that_is_cancelled_at_any_turn_leaves_its_step_the_permit(verb: str, cap: int) -> None:
    async def work(x: Any) -> Any:
        await asyncio.sleep(0)
        return x

    chains: list[Runnable[Any, Any]] = [
        RunnableLambda(work),
        RunnableLambda(work) | {"a": work, "b": work},
        RunnableLambda(work) | {"a": work, "b": work} | RunnableLambda(work),
    ]
    calls: dict[str, Callable[[Runnable[Any, Any]], Any]] = {
        "ainvoke": lambda chain: chain.ainvoke(1),
        "abatch": lambda chain: chain.abatch([1, 2, 3]),
        "abatch_as_completed": lambda chain: alist(chain.abatch_as_completed([1, 2, 3])),
        "astream": lambda chain: alist(chain.astream(1)),
    }

    async def step(count: int) -> int:
        for chain in chains:
            task = asyncio.ensure_future(calls[verb](chain))
            await turns(count)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert await asyncio.wait_for(RunnableLambda(work).ainvoke(count), 10) == count
        return count

    async def main() -> None:
        for count in range(8):
            assert await RunnableLambda(step).ainvoke(count, {"max_concurrency": cap}) == count

    asyncio.run(main())


def timers(loop: Any) -> list[asyncio.TimerHandle]:
    """The timers that are set from now on."""
    found: list[asyncio.TimerHandle] = []
    call_later = loop.call_later

    def noted(delay: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        found.append(call_later(delay, *args, **kwargs))
        return found[-1]

    loop.call_later = noted
    return found


CALLS: dict[str, Callable[[Runnable[Any, Any], Any], Any]] = {
    "ainvoke": lambda chain, config: chain.ainvoke(1, config),
    "abatch": lambda chain, config: chain.abatch([1, 2], config),
    "abatch_as_completed": lambda chain, config: alist(chain.abatch_as_completed([1, 2], config)),
    "astream": lambda chain, config: alist(chain.astream(1, config)),
}


@pytest.mark.parametrize("verb", CALLS)
def test_the_timer_of_a_timeout_is_cancelled_when_its_call_is_over(verb: str) -> None:
    async def main() -> None:
        found = timers(asyncio.get_running_loop())
        await CALLS[verb](RunnableLambda(str) | {"a": RunnablePassthrough(), "b": RunnablePassthrough()}, LONG)
        assert [handle.cancelled() for handle in found] == [True]

    asyncio.run(main())


@pytest.mark.parametrize("verb", [verb for verb in CALLS if verb != "astream"])
def test_so_is_that_of_a_wait_for_the_next_attempt_when_its_call_is_cancelled(verb: str) -> None:
    async def main() -> None:
        async def fails(x: Any) -> None:
            raise ConnectionError

        found = timers(asyncio.get_running_loop())
        patient = RunnableLambda(fails).with_retry(exponential_jitter_params={"initial": 3600, "max": 3600})
        task = asyncio.ensure_future(CALLS[verb](patient, {}))
        await until(lambda: bool(found))
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert all(handle.cancelled() for handle in found)

    asyncio.run(main())


# Errors at the end of a branch


@in_every_verb
@pytest.mark.parametrize("more", [False, True])
def test_a_base_that_gives_nothing_to_add_keys_to_is_refused(verb: str, more: bool) -> None:
    async def nothing(source: AChunks) -> AChunks:
        return
        yield

    chain: Runnable[Any, Any] = RunnableGenerator(nothing) | RunnablePassthrough.assign(x=lambda _: "made")
    chain = chain.with_types(input_type=Any, output_type=Any)
    with pytest.raises(StepInputError, match="'x'"):
        VERBS[verb](chain | RunnablePassthrough() if more else chain, 1)


@pytest.mark.parametrize("forked", [True, False])
def test_a_call_whose_step_was_stopped_before_it_began_runs_nothing(forked: bool) -> None:
    ran: list[Any] = []

    async def main() -> None:
        inside = asyncio.Event()

        async def work(x: Any) -> Any:
            ran.append(x)

        inner: Runnable[Any, Any] = RunnableParallel(a=work, b=work) if forked else RunnableLambda(work)

        async def step(x: Any) -> Any:
            call = inner.ainvoke(x)
            inside.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await call

        async def fails(x: Any) -> None:
            await inside.wait()
            raise ValueError("fails")

        with pytest.raises(ValueError, match="fails"):
            await RunnableParallel(a=step, b=fails).ainvoke(1)

    asyncio.run(main())
    assert ran == []
