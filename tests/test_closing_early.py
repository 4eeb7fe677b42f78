"""The caller stops reading, or time is up, at any point: everything closes, upstream is not drained, nothing is left.

Watched generators count who is open. `conftest.py` sees that no task and no async generator is left either.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from built_programs import Watched
from verbs import ASYNC_VERBS, SYNC_VERBS, VERBS, in_every_async_verb, in_every_verb, one_after_another, until

from anabranch.engine.laws import nothing_alive_after
from anabranch.engine.runs import Listener, RunInfo
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough, simulate
from anabranch.scheduler.clocks import CLOCK, VirtualClock

# Closing early

CHAINS: dict[str, Callable[[Watched], Runnable[Any, Any]]] = {
    "a straight run": lambda watch: source(watch) | passing(watch) | passing(watch),
    "asynchronous": lambda watch: asource(watch) | apassing(watch) | apassing(watch),
    "mixed": lambda watch: source(watch) | apassing(watch) | passing(watch) | apassing(watch),
    "a fork": lambda watch: source(watch) | {"a": passing(watch), "b": apassing(watch), "c": len},
    "an assign": lambda watch: {"a": source(watch)} | RunnablePassthrough.assign(b=lambda d: d["a"], c=source(watch)),
    "a retry and a fallback": lambda watch: (
        source(watch) | passing(watch).with_retry() | apassing(watch).with_fallbacks([passing(watch)])
    ),
    "a returned runnable": lambda watch: RunnableLambda(lambda _: source(watch) | passing(watch)),
    "a bound timeout": lambda watch: (source(watch) | passing(watch)).with_config({"timeout": 600}),
}
LENGTH = 6


def source(watch: Watched) -> Runnable[Any, Any]:
    def chunks(_: Any) -> Iterator[str]:
        with watch.inside():
            yield from "abcdef"

    return RunnableLambda(chunks)


def asource(watch: Watched) -> Runnable[Any, Any]:
    async def chunks(_: Any) -> AsyncIterator[str]:
        with watch.inside():
            for char in "abcdef":
                yield char

    return RunnableLambda(chunks)


def passing(watch: Watched) -> Runnable[Any, Any]:
    def pass_on(chunks: Iterator[Any]) -> Iterator[Any]:
        with watch.inside():
            yield from chunks

    return RunnableGenerator(pass_on)


def apassing(watch: Watched) -> Runnable[Any, Any]:
    async def pass_on(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        with watch.inside():
            async for chunk in chunks:
                await asyncio.sleep(0)
                yield chunk

    return RunnableGenerator(pass_on)


at_each_chunk = one_after_another("count", range(LENGTH + 1))
in_each_chain = pytest.mark.parametrize("chain", CHAINS)


@at_each_chunk
@in_each_chain
@pytest.mark.parametrize("way", ["close", "with", "throw"])
def test_a_stream_may_be_closed_after_any_chunk(chain: str, count: int, way: str) -> None:
    watch = Watched()
    runnable = CHAINS[chain](watch)
    chunks = runnable.stream("x", {"channel_capacity": 1})
    for _ in range(count):
        next(chunks, None)
    if way == "close":
        chunks.close()
    elif way == "with":
        with chunks:
            pass
    else:
        with pytest.raises((ZeroDivisionError, StopIteration)):
            chunks.throw(ZeroDivisionError())
    assert watch.occupancy.inside == 0, "a generator is open when the close has returned"
    nothing_alive_after(lambda: None, watch.left)
    assert next(chunks, "no more") == "no more"
    assert runnable.invoke("x") == runnable.invoke("x")


@at_each_chunk
@in_each_chain
def test_an_async_stream_may_be_closed_after_any_chunk(chain: str, count: int) -> None:
    watch = Watched()
    runnable = CHAINS[chain](watch)

    async def main() -> None:
        chunks = runnable.astream("x", {"channel_capacity": 1})
        for _ in range(count):
            await anext(chunks, None)
        await chunks.aclose()
        assert watch.occupancy.inside == 0, "a generator is open when the close has returned"
        assert await anext(chunks, "no more") == "no more"

    asyncio.run(main())
    nothing_alive_after(lambda: None, watch.left)


@at_each_chunk
def test_the_source_of_a_transform_is_closed_with_its_stream(count: int) -> None:
    watch = Watched()

    def given() -> Iterator[str]:
        with watch.inside():
            yield from "abcdef"

    chunks: Any = (passing(watch) | {"a": passing(watch), "b": apassing(watch)}).transform(given())
    for _ in range(count):
        next(chunks)
    chunks.close()
    assert watch.occupancy.inside == 0


def test_upstream_is_not_drained_by_a_close() -> None:
    made: list[int] = []

    def endless(_: Any) -> Iterator[int]:
        while True:
            made.append(1)
            yield 1

    with (RunnableLambda(endless) | {"a": RunnablePassthrough(), "b": RunnablePassthrough()}).stream(0) as chunks:
        next(chunks)
    assert len(made) < 200


@pytest.mark.parametrize("count", range(5))
def test_a_batch_as_completed_may_be_closed_after_any_result(count: int) -> None:
    watch = Watched()
    runnable = source(watch) | {"a": passing(watch), "b": apassing(watch)} | str
    results: Any = runnable.batch_as_completed(["x"] * 5, {"max_concurrency": 2})
    for _ in range(count):
        next(results)
    results.close()
    nothing_alive_after(lambda: None, watch.left)

    async def main() -> None:
        later: Any = runnable.abatch_as_completed(["x"] * 5, {"max_concurrency": 2})
        for _ in range(count):
            await anext(later)
        await later.aclose()
        assert watch.occupancy.inside == 0

    asyncio.run(main())
    nothing_alive_after(lambda: None, watch.left)
    assert len(runnable.batch(["x"] * 3)) == 3


def test_closing_a_batch_as_completed_starts_no_further_input() -> None:
    began: list[int] = []
    results: Any = RunnableLambda(began.append).batch_as_completed(list(range(1000)), {"max_concurrency": 1})
    next(results)
    results.close()
    assert len(began) < 10


# Timeouts


async def forever(_: Any) -> None:
    await asyncio.Event().wait()


@in_every_async_verb
def test_a_timeout_ends_what_waits_on_the_loop(verb: str) -> None:
    for chain in (
        RunnableLambda(forever),
        RunnableParallel(a=forever, b=RunnablePassthrough()) | str,
        RunnableLambda(forever).with_retry() | str,
        RunnableLambda(lambda _: RunnableLambda(forever)),
    ):
        with pytest.raises(TimeoutError):
            ASYNC_VERBS[verb](chain, 1, {"timeout": 0.001})


@in_every_verb
def test_a_timeout_ends_what_waits_on_the_portal(verb: str) -> None:
    for chain in (RunnableLambda(forever), RunnableParallel(a=forever, b=RunnablePassthrough()) | str):
        with pytest.raises(TimeoutError):
            VERBS[verb](chain, 1, {"timeout": 0.001})


@pytest.mark.parametrize("verb", [verb for verb in SYNC_VERBS if verb != "start"])
def test_after_a_timeout_no_step_starts_and_blocking_code_is_awaited(verb: str) -> None:
    clock = VirtualClock()
    went: list[str] = []

    def slow(x: Any) -> Any:
        clock.jump()
        went.append("slow")
        return x

    def never(x: Any) -> Any:
        went.append("never")

    token = CLOCK.set(clock)
    try:
        with pytest.raises(TimeoutError):
            SYNC_VERBS[verb]({"a": RunnableLambda(slow)} | RunnableLambda(never), 1, {"timeout": 5.0})
    finally:
        CLOCK.reset(token)
    assert went == ["slow"]


@in_every_verb
def test_a_timeout_bound_to_a_part_is_that_part_s_and_may_be_handled(verb: str) -> None:
    part = RunnableLambda(forever).with_config({"timeout": 0.001})
    handled = part.with_fallbacks([RunnableLambda(lambda _: "handled")])
    assert "handled" in repr(VERBS[verb]({"a": handled} | RunnableLambda(str), 1))


@in_every_verb
def test_a_wait_before_a_retry_ends_with_the_timeout(verb: str) -> None:
    tries: list[int] = []

    def fails(x: Any) -> Any:
        tries.append(1)
        raise ValueError

    patient = RunnableLambda(fails).with_retry(
        exponential_jitter_params={"initial": 3600, "max": 3600}, stop_after_attempt=3
    )
    with pytest.raises(TimeoutError):
        VERBS[verb](patient, 1, {"timeout": 0.01})
    assert len(tries) <= 1  # none, where the machine was slower than the timeout


def test_a_stream_times_out_between_chunks_too() -> None:
    async def stalls(_: Any) -> AsyncIterator[str]:
        yield "first"
        await asyncio.Event().wait()

    found = simulate(RunnableLambda(stalls), 1, {"timeout": 5}, verb="astream")
    assert found.chunks == ["first"]
    assert isinstance(found.error, TimeoutError)


def test_of_errors_while_closing_the_first_comes_out_and_all_is_closed() -> None:
    closed: list[str] = []

    def worse(name: str) -> Runnable[Any, Any]:
        def chunks(source: Iterator[Any]) -> Iterator[Any]:
            try:
                for chunk in source:
                    yield str(chunk)
            finally:
                closed.append(name)
                raise ValueError(name)

        async def achunks(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
            try:
                async for chunk in source:
                    yield chunk
            finally:
                closed.append(name)
                raise ValueError(name)

        return RunnableGenerator(chunks, achunks)

    def endless(_: Any) -> Iterator[str]:
        while True:
            yield "chunk"

    async def read() -> None:
        async with chain.astream(1) as chunks:
            await anext(chunks)

    chain = RunnableLambda(endless) | worse("a") | worse("b") | worse("c")
    chunks = chain.stream(1)
    next(chunks)
    with pytest.raises(ValueError, match="c"):
        chunks.close()
    with pytest.raises(ValueError, match="c"):
        asyncio.run(read())
    assert closed == ["c", "b", "a"] * 2


def test_what_runs_on_the_portal_may_raise_or_read_on_while_it_is_closed() -> None:
    seen: list[Any] = []

    async def breaks(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            seen.append("closing")
            raise ValueError("breaks")

    async def reads_on(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            seen.append([chunk async for chunk in chunks])

    stream = (RunnableLambda(letters) | RunnableGenerator(breaks)).stream(1)
    assert next(stream) == "a"
    with pytest.raises(ValueError, match="breaks"):
        stream.close()
    stream = (RunnableLambda(letters) | RunnableGenerator(reads_on)).stream(1)
    assert next(stream) == "a"
    stream.close()
    assert seen == ["closing", []]


def test_an_error_while_a_branch_is_closed_comes_out() -> None:
    def breaks(chunks: Iterator[Any]) -> Iterator[Any]:
        try:
            yield next(chunks)
            yield from ()
        finally:
            raise ValueError("breaks")

    for verb in ("stream", "astream", "transform", "atransform"):
        with pytest.raises(ValueError, match="breaks"):
            VERBS[verb](RunnableLambda(letters) | {"a": breaks, "b": str} | RunnablePassthrough(), 1)


# Streams are generators


def letters(_: Any) -> Iterator[str]:
    yield from "abc"


@pytest.mark.parametrize("chain", [RunnableLambda(letters), RunnableLambda(letters) | str | {"a": str, "b": str}])
def test_a_stream_may_be_sent_nothing_and_be_thrown_at(chain: Runnable[Any, Any]) -> None:
    wanted = list(chain.stream(1))
    chunks = chain.stream(1)
    assert chunks.send(None) in wanted
    with pytest.raises(ZeroDivisionError):
        chunks.throw(ZeroDivisionError())
    assert list(chunks) == []

    async def main() -> None:
        achunks = chain.astream(1)
        assert await achunks.asend(None) in wanted
        with pytest.raises(ZeroDivisionError):
            await achunks.athrow(ZeroDivisionError())
        assert [chunk async for chunk in achunks] == []

    asyncio.run(main())


def test_statistics_tell_how_many_chunks_are_held_for_another_attempt() -> None:
    def hesitates(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            held.append(statistics())
            if chunk == "c":
                yield "out"

    chain = RunnableLambda(letters) | RunnableGenerator(hesitates, name="hesitates").with_retry()
    for made in (chain, chain | RunnablePassthrough() | {"x": RunnablePassthrough(), "y": RunnablePassthrough()}):
        held: list[Any] = []
        chunks = made.stream(1)
        statistics = chunks.statistics
        list(chunks)
        assert [sum(each["held"] for each in told.values()) for told in held] == [1, 2, 3]
        assert any("hesitates" in name for name in held[0])

        async def main(made: Any = made) -> None:
            nonlocal statistics
            chunks = made.astream(1)
            statistics = chunks.statistics
            async for _ in chunks:
                pass

        held.clear()
        asyncio.run(main())
        assert [sum(each["held"] for each in told.values()) for told in held] == [1, 2, 3]


def test_statistics_tell_what_waits_before_a_slow_reader() -> None:
    chain = RunnableLambda(letters) | {"x": RunnablePassthrough(), "y": RunnablePassthrough()}

    async def main() -> None:
        async with chain.astream(1) as chunks:
            await anext(chunks)
            await until(lambda: chunks.statistics()["output"] == {"waiting": 5, "held": 0})
            async for _ in chunks:
                pass
            assert chunks.statistics()["output"] == {"waiting": 0, "held": 0}

    asyncio.run(main())


def test_a_channel_holds_16_chunks_unless_the_config_says_otherwise() -> None:
    async def endless(_: Any) -> AsyncIterator[str]:
        while True:
            yield "chunk"

    chain = RunnableLambda(endless) | {"x": RunnablePassthrough(), "y": RunnablePassthrough()}

    async def waiting(config: Any) -> int:
        async with chain.astream(1, config) as chunks:
            await anext(chunks)
            for _ in range(200):
                await asyncio.sleep(0)
            return int(chunks.statistics()["output"]["waiting"])

    for config, capacity in (({}, 16), ({"channel_capacity": 3}, 3)):
        assert asyncio.run(waiting(config)) == capacity


def test_an_iterator_of_a_leaf_s_own_is_closed_with_its_stream() -> None:
    went: list[str] = []

    class Chunks:
        def __aiter__(self) -> Chunks:
            return self

        async def __anext__(self) -> str:
            return "chunk"

        async def aclose(self) -> None:
            went.append("closed")

    class Leaf(Runnable[Any, str]):
        def atransform(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            return Chunks()

    async def read(chain: Runnable[Any, Any]) -> None:
        async with chain.astream(1) as chunks:
            assert await anext(chunks) == "chunk"

    for chain in (RunnablePassthrough() | Leaf(), RunnablePassthrough() | Leaf() | RunnablePassthrough()):
        went.clear()
        asyncio.run(read(chain))
        assert went == ["closed"]


class Refusing(Listener):
    """Breaks the run when it starts."""

    inline = True

    def started(self, run: RunInfo) -> None:
        raise ValueError("not today")


@pytest.mark.parametrize("chain", CHAINS)
def test_the_input_is_closed_when_a_listener_breaks_the_run_at_its_start(chain: str) -> None:
    config: Any = {"callbacks": [Refusing()]}
    inputs, watch = Watched(), Watched()
    given = source(inputs).stream(None)
    assert next(given) == "a"
    with pytest.raises(ValueError, match="not today"):
        next(CHAINS[chain](watch).transform(given, config))
    assert (inputs.occupancy.inside, watch.occupancy.inside) == (0, 0)

    async def main() -> None:
        given = asource(inputs).astream(None)
        assert await anext(given) == "a"
        with pytest.raises(ValueError, match="not today"):
            await anext(CHAINS[chain](watch).atransform(given, config))
        assert (inputs.occupancy.inside, watch.occupancy.inside) == (0, 0)

    asyncio.run(main())
