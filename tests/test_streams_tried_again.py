"""A step of a stream that is tried again: it gets the whole input once more, until its output has begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from verbs import aiterate, alist, awaited, until

from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnablePassthrough
from anabranch.scheduler.replays import AsyncReplay, Replay

Chunks = Iterator[Any]
AChunks = AsyncIterator[Any]


def sync(made: Runnable[Any, Any], chunks: str) -> list[Any]:
    return list(made.transform(iter(chunks)))


def asynchronous(made: Runnable[Any, Any], chunks: str) -> list[Any]:
    found: list[Any] = awaited(lambda: alist(made.atransform(aiterate(chunks))))
    return found


in_both = pytest.mark.parametrize("read", [sync, asynchronous])


class Tries:
    """A step that fails in its first attempts, after so many chunks in and out. In both forms, if it may be."""

    def __init__(self, fails: int, after: int = 2, out: int = 0, both: bool = True) -> None:
        self.fails = fails
        self.after, self.out = after, out
        self.taken: list[str] = []
        self.both = both

    @property
    def step(self) -> Runnable[Any, Any]:
        return RunnableGenerator(self.chunks, self.achunks if self.both else None, name="tries")

    def chunks(self, source: Chunks) -> Chunks:
        self.taken.append("")
        for chunk in source:
            yield from self.pushed(chunk)

    async def achunks(self, source: AChunks) -> AChunks:
        self.taken.append("")
        async for chunk in source:
            for made in self.pushed(chunk):
                yield made

    def pushed(self, chunk: str) -> list[str]:
        self.taken[-1] += chunk
        seen = len(self.taken[-1])
        if len(self.taken) <= self.fails and seen == self.after + self.out:
            raise ConnectionError(f"attempt {len(self.taken)}")
        return [chunk] if seen >= self.after else []


def retried(step: Runnable[Any, Any], attempts: int = 3) -> Runnable[Any, Any]:
    return step.with_retry(stop_after_attempt=attempts, wait_exponential_jitter=False)


@in_both
@pytest.mark.parametrize("both", [True, False])
def test_each_attempt_gets_the_input_from_its_beginning(read: Any, both: bool) -> None:
    tries = Tries(fails=2, both=both)
    assert read(retried(tries.step), "abcd") == ["b", "c", "d"]
    assert tries.taken == ["ab", "ab", "abcd"]


@in_both
def test_an_attempt_may_have_taken_more_or_less_than_the_next(read: Any) -> None:
    tries = Tries(fails=1, after=3)
    other = Tries(fails=0, after=1)
    assert read(tries.step.with_fallbacks([other.step]), "abcd") == ["a", "b", "c", "d"]
    assert (tries.taken, other.taken) == (["abc"], ["abcd"])
    tries, short = Tries(fails=1, after=3), RunnableGenerator(_first)
    assert read(tries.step.with_fallbacks([short]), "abcd") == ["a"]


def _first(chunks: Chunks) -> Chunks:
    yield next(chunks)


@in_both
def test_the_last_attempt_s_error_comes_out_and_the_first_one_s_of_fallbacks(read: Any) -> None:
    tries = Tries(fails=9)
    with pytest.raises(ConnectionError, match="attempt 3"):
        read(retried(tries.step), "abcd")
    assert tries.taken == ["ab", "ab", "ab"]
    first, second = Tries(fails=9), Tries(fails=9, after=1)
    with pytest.raises(ConnectionError, match="attempt 1"):
        read(first.step.with_fallbacks([second.step]), "abcd")
    assert (first.taken, second.taken) == (["ab"], ["a"])


@in_both
def test_after_a_chunk_of_output_an_error_ends_the_stream(read: Any) -> None:
    for policy in (retried, lambda step: step.with_fallbacks([RunnableLambda(str)])):
        tries = Tries(fails=9, after=1, out=1)
        with pytest.raises(ConnectionError, match="attempt 1"):
            read(policy(tries.step), "abcd")
        assert tries.taken == ["ab"]


@in_both
def test_an_error_of_the_input_is_no_attempt_s(read: Any) -> None:
    attempts: list[str] = []

    def breaks(chunks: Chunks) -> Chunks:
        yield next(chunks)
        raise ConnectionError("of the input")

    def counts(chunks: Chunks) -> Chunks:
        attempts.append("")
        for chunk in chunks:
            attempts[-1] += chunk
        yield from ()

    async def acounts(chunks: AChunks) -> AChunks:
        attempts.append("")
        async for chunk in chunks:
            attempts[-1] += chunk
        if not attempts:
            yield

    for policy in (retried, lambda step: step.with_fallbacks([RunnableLambda(str)])):
        attempts.clear()
        with pytest.raises(ConnectionError, match="of the input"):
            read(RunnableGenerator(breaks) | policy(RunnableGenerator(counts, acounts)), "abcd")
        assert attempts == ["a"]


@in_both
def test_what_is_called_with_the_whole_input_is_tried_again_with_it(read: Any) -> None:
    seen: list[str] = []

    def flaky(x: str) -> str:
        seen.append(x)
        if len(seen) < 3:
            raise ConnectionError(f"attempt {len(seen)}")
        return x.upper()

    assert read(RunnablePassthrough() | retried(RunnableLambda(flaky)), "abc") == ["ABC"]
    assert seen == ["abc"] * 3


def test_chunks_are_held_until_the_output_begins_and_no_longer() -> None:
    tries = Tries(fails=0, after=3)
    for chain in (retried(tries.step), RunnablePassthrough() | retried(tries.step) | RunnablePassthrough()):
        chunks: Any = chain.transform(iter("abcdef"))
        held = [sum(each["held"] for each in chunks.statistics().values()) for _ in chunks]
        assert held == [3, 3, 3, 3]

        async def read(chain: Runnable[Any, Any] = chain) -> list[int]:
            chunks: Any = chain.atransform(aiterate("abcdef"))
            return [sum(each["held"] for each in chunks.statistics().values()) async for _ in chunks]

        assert asyncio.run(read()) == [3, 3, 3, 3]


@pytest.mark.parametrize("policy", ["retry", "fallbacks"])
@pytest.mark.parametrize("streamed", [True, False])
def test_what_is_cancelled_or_closed_is_not_tried_again_whatever_is_handled(policy: str, streamed: bool) -> None:
    went: list[str] = []

    async def waits(x: Any) -> Any:
        went.append("began")
        await asyncio.Event().wait()

    async def achunks(source: AChunks) -> AChunks:
        async for chunk in source:
            await waits(chunk)
            yield chunk

    def other(x: Any) -> None:
        went.append("other")

    step: Runnable[Any, Any] = RunnableGenerator(achunks) if streamed else RunnableLambda(waits)
    chain: Runnable[Any, Any]
    if policy == "retry":
        chain = step.with_retry(retry_if_exception_type=(BaseException,), wait_exponential_jitter=False)
    else:
        chain = step.with_fallbacks([RunnableLambda(other)], exceptions_to_handle=(BaseException,))

    async def run(call: Callable[[], Any]) -> None:
        went.clear()
        task = asyncio.ensure_future(call())
        await until(lambda: went == ["began"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert went == ["began"]

    for each in (chain, {"a": chain, "b": RunnablePassthrough()} | RunnablePassthrough()):
        asyncio.run(run(lambda each=each: alist(each.astream("x"))))  # type: ignore[misc]
        asyncio.run(run(lambda each=each: each.ainvoke("x")))  # type: ignore[misc]


# What is kept


def test_each_attempt_gets_what_is_kept_and_then_goes_on() -> None:
    replay = Replay(iter("abcd"))
    first = replay.attempt()
    assert [next(first), next(first)] == ["a", "b"]
    assert replay.held == 2
    second = replay.attempt()
    assert [next(second), next(second), next(second)] == ["a", "b", "c"]
    assert replay.held == 3
    assert list(first) == ["c", "d"]
    assert replay.held == 4
    replay.forget()
    assert list(replay.attempt()) == ["a", "b", "c", "d"]
    assert not replay.broken


def test_after_forgetting_nothing_more_is_kept() -> None:
    replay = Replay(iter("abcd"))
    chunks = replay.attempt()
    next(chunks)
    replay.forget()
    assert list(chunks) == ["b", "c", "d"]
    assert replay.held == 1


def test_a_source_that_fails_is_broken() -> None:
    def breaks() -> Chunks:
        yield "a"
        raise KeyboardInterrupt

    replay = Replay(breaks())
    chunks = replay.attempt()
    next(chunks)
    assert not replay.broken
    with pytest.raises(KeyboardInterrupt):
        next(chunks)
    assert replay.broken


def test_the_same_holds_for_asynchronous_chunks() -> None:
    async def breaks() -> AChunks:
        yield "a"
        raise KeyboardInterrupt

    async def main() -> None:
        replay = AsyncReplay(aiterate("abcd"))
        first, second = replay.attempt(), replay.attempt()
        assert [await anext(first), await anext(first)] == ["a", "b"]
        assert [await anext(second), await anext(second), await anext(second)] == ["a", "b", "c"]
        assert replay.held == 3
        assert await alist(first) == ["c", "d"]
        assert await alist(second) == ["d"]
        assert not replay.broken
        replay = AsyncReplay(aiterate("abcd"))
        chunks = replay.attempt()
        await anext(chunks)
        replay.forget()
        assert await alist(chunks) == ["b", "c", "d"]
        assert replay.held == 1
        replay = AsyncReplay(breaks())
        chunks = replay.attempt()
        await anext(chunks)
        with pytest.raises(KeyboardInterrupt):
            await anext(chunks)
        assert replay.broken

    coroutine = main()
    with pytest.raises(StopIteration):
        coroutine.send(None)
