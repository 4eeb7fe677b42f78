"""A step fails: its own error is raised, noted with where it came from, and the rest is stopped in good order."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from built_programs import Watched
from hypothesis import given, settings
from hypothesis import strategies as st
from verbs import PATIENCE, VERBS, awaited, in_every_verb, one_after_another

from anabranch.engine.laws import nothing_alive_after
from anabranch.engine.trace_laws import Recorder
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough


class Boom(Exception):
    """A step's own error."""


def fail(_: Any) -> Any:
    raise Boom("fail")


async def afail(_: Any) -> Any:
    raise Boom("fail")


# Errors


@in_every_verb
@pytest.mark.parametrize("step", [fail, afail])
def test_the_error_is_the_step_s_own_with_a_note_of_step_place_and_run(verb: str, step: Callable[[Any], Any]) -> None:
    error = Boom("the very one")

    def raising(_: Any) -> Any:
        raise error

    async def araising(_: Any) -> Any:
        raise error

    named = RunnableLambda(raising if step is fail else araising, name="breaker")
    chain = RunnableLambda(str) | RunnableParallel(one=named, two=RunnablePassthrough()) | str
    with pytest.raises(Boom) as caught:
        VERBS[verb](chain, 1)
    assert caught.value is error
    (note,) = error.__notes__
    assert "breaker" in note
    assert "RunnableSequence > RunnableParallel<one,two> > breaker" in note
    assert "run" in note


@in_every_verb
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("heard", [False, True])
def test_in_a_run_of_steps_the_one_note_names_the_one_that_raised(verb: str, is_async: bool, heard: bool) -> None:
    def step(number: int, at: int) -> Runnable[Any, Any]:
        act = fail if number == at else str
        return RunnableLambda(_asynchronous(act) if is_async else act, name=f"step {number}")

    def generator(number: int, at: int) -> Runnable[Any, Any]:
        return RunnableGenerator(
            (_amapping if is_async else _mapping)(fail if number == at else str), name=f"step {number}"
        )

    for kind in (step, generator):
        for at in range(3):
            with pytest.raises(Boom) as caught:
                VERBS[verb](kind(0, at) | kind(1, at) | kind(2, at), "x", {"callbacks": [Recorder()] if heard else []})
            (note,) = caught.value.__notes__
            assert f"> step {at} " in note


def _asynchronous(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def call(value: Any) -> Any:
        return function(value)

    return call


def _mapping(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def chunks(source: Iterator[Any]) -> Iterator[Any]:
        for chunk in source:
            yield function(chunk)

    return chunks


def _amapping(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def chunks(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in source:
            yield function(chunk)

    return chunks


@one_after_another("verb", ["stream", "astream", "transform", "atransform"])
@one_after_another("heard", [False, True])
def test_an_error_that_a_generator_makes_of_another_is_its_own(verb: str, heard: bool) -> None:
    class Worse(Exception):
        pass

    def worsens(chunks: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from chunks
        except Boom as error:
            raise Worse from error

    async def aworsens(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                yield chunk
        except Boom as error:
            raise Worse from error

    def two_chunks(_: Any) -> Iterator[str]:
        yield from "12"

    def second_fails(chunk: str) -> str:
        return chunk if chunk == "1" else fail(chunk)

    for breaks, makes in ((_mapping(second_fails), worsens), (_amapping(second_fails), aworsens)):
        steps = RunnableGenerator(breaks, name="breaks") | RunnableGenerator(makes, name="worsens")
        chain = RunnableLambda(two_chunks) | steps | RunnablePassthrough()
        with pytest.raises(Worse) as caught:
            VERBS[verb](chain, "x", {"callbacks": [Recorder()] if heard else []})
        (note,) = caught.value.__notes__
        assert "> worsens " in note


@in_every_verb
def test_the_note_of_a_nested_failure_names_the_whole_way(verb: str) -> None:
    inner = RunnableLambda(fail, name="innermost")
    chain = RunnableLambda(lambda x: [x]) | inner.map()
    with pytest.raises(Boom) as caught:
        VERBS[verb](chain, 1)
    assert any("innermost" in note and "RunnableEach" in note for note in caught.value.__notes__)


def failing_together(slots: list[str], order: list[str]) -> tuple[Runnable[Any, Any], Runnable[Any, Any]]:
    """Branches that all run when the first one fails, and fail in some order: blocking and asynchronous."""
    together = threading.Barrier(len(slots))
    gates = {slot: threading.Event() for slot in slots}
    following = dict(itertools.pairwise(order))
    meeting: list[asyncio.Barrier] = []

    def branch(slot: str) -> Callable[[Any], Any]:
        def run(_: Any) -> Any:
            together.wait(PATIENCE)
            if slot != order[0]:
                assert gates[slot].wait(PATIENCE)
            if slot in following:
                gates[following[slot]].set()
            raise Boom(slot)

        return run

    def abranch(slot: str) -> Callable[[Any], Any]:
        async def run(_: Any) -> Any:
            if not meeting:
                meeting.append(asyncio.Barrier(len(slots)))
            with suppress(asyncio.CancelledError):
                await meeting[0].wait()
                for _turn in range(order.index(slot)):
                    await asyncio.sleep(0)
            raise Boom(slot)

        return run

    return (
        RunnableParallel({slot: RunnableLambda(branch(slot)) for slot in slots}),
        RunnableParallel({slot: RunnableLambda(abranch(slot)) for slot in slots}),
    )


@given(order=st.permutations(["a", "b", "c"]))
@settings(max_examples=12)
@pytest.mark.parametrize("verb", ["invoke", "ainvoke"])
def test_of_several_that_fail_at_once_the_first_in_the_plan_counts(verb: str, order: list[str]) -> None:
    blocking, asynchronous = failing_together(["a", "b", "c"], order)
    for chain in (blocking, asynchronous):
        with pytest.raises(Boom) as caught:
            VERBS[verb](chain, 1)
        assert caught.value.args == ("a",)


@in_every_verb
def test_after_a_failure_no_further_step_starts(verb: str) -> None:
    started: list[str] = []
    failed = threading.Event()

    def waits(x: Any) -> Any:
        assert failed.wait(PATIENCE)
        return x

    def fails(x: Any) -> Any:
        failed.set()
        raise Boom

    chain = {"a": RunnableLambda(waits) | started.append, "b": fails} | RunnableLambda(started.append)
    with pytest.raises(Boom):
        VERBS[verb](chain, "x")
    assert "x" not in started or started == ["x"]  # `a` may have gone on before the failure was told
    assert len(started) <= 1


def test_async_siblings_of_a_failure_are_cancelled_and_awaited() -> None:
    went: list[str] = []

    async def forever(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            went.append("cleaned up")

    with pytest.raises(Boom):
        awaited(lambda: RunnableParallel(a=forever, b=forever, c=afail).ainvoke(1))
    assert went == ["cleaned up"] * 2


def test_blocking_siblings_of_a_failure_are_awaited() -> None:
    inside, ended = threading.Event(), []

    def slow(x: Any) -> Any:
        inside.set()
        threading.Event().wait(0.01)
        ended.append(x)

    def fails(_: Any) -> Any:
        assert inside.wait(PATIENCE)
        raise Boom

    for verb in ("invoke", "ainvoke", "stream", "astream"):
        inside.clear()
        with pytest.raises(Boom):
            VERBS[verb](RunnableParallel(a=slow, b=fails), verb)
    assert ended == ["invoke", "ainvoke", "stream", "astream"]


def test_return_exceptions_keeps_what_is_no_mere_exception_out_of_the_results() -> None:
    def odd(x: int) -> int:
        if x == 1:
            raise Boom
        if x == 2:
            raise KeyboardInterrupt
        return x

    kept = RunnableLambda(odd).batch([0, 1, 3], return_exceptions=True)
    assert kept[0] == 0
    assert kept[2] == 3
    assert isinstance(kept[1], Boom)
    with pytest.raises(KeyboardInterrupt):
        RunnableLambda(odd).batch([0, 1, 2, 3], return_exceptions=True)


def test_a_stream_that_raises_has_closed_every_generator_first() -> None:
    watch = Watched()

    def source(_: Any) -> Iterator[str]:
        with watch.inside():
            yield from "abc"

    def breaks(chunks: Iterator[str]) -> Iterator[str]:
        with watch.inside():
            for chunk in chunks:
                yield chunk
                raise Boom

    chain = RunnableLambda(source) | {"a": breaks, "b": RunnableGenerator(breaks) | str, "c": source}
    for verb in ("stream", "astream", "invoke", "ainvoke"):
        with pytest.raises(Boom) as kept:
            VERBS[verb](chain, 1)
        nothing_alive_after(lambda: None, watch.left)
        assert kept.value is not None
