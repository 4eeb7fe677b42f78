"""What assigns and picks make of the chunks of a dict, as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from verbs import VERBS

from anabranch.engine.trace_laws import Recorder
from anabranch.nodes import AddableDict, RunnableLambda, RunnablePassthrough, RunnablePick


def test_an_assigned_key_hides_that_of_the_input_and_leaves_no_empty_chunk() -> None:
    def keys(_: Any) -> Iterator[AddableDict]:
        for number in range(3):
            yield AddableDict(a=f"{number}")
        yield AddableDict(b="b")

    chain = RunnableLambda(keys) | RunnablePassthrough.assign(a=lambda _: "new")
    for verb in ("stream", "astream"):
        assert VERBS[verb](chain, 1) == [{"b": "b"}, {"a": "new"}]


def test_a_key_that_made_no_chunk_comes_after_the_dict_to_which_it_is_assigned() -> None:
    async def slow(_: Any) -> AsyncIterator[dict[str, str]]:
        for number in range(3):
            await asyncio.sleep(0)
            yield AddableDict(a=f"{number}")

    async def silent(_: AsyncIterator[Any]) -> AsyncIterator[str]:
        return
        yield

    chain = RunnableLambda(slow) | RunnablePassthrough.assign(b=silent)
    assert VERBS["astream"](chain, 1) == [{"a": "0"}, {"a": "1"}, {"a": "2"}, {"b": None}]


@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize("heard", [False, True])
def test_a_chunk_of_which_a_map_makes_nothing_is_no_chunk(verb: str, heard: bool) -> None:
    def keys(_: Any) -> Iterator[AddableDict]:
        yield AddableDict(a="1")
        yield AddableDict(b="2")
        yield AddableDict(a="3")

    chain = RunnableLambda(keys) | RunnablePick("a") | RunnablePassthrough()
    assert VERBS[verb](chain, 1, {"callbacks": [Recorder()] if heard else []}) == ["1", "3"]


@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize("heard", [False, True])
def test_a_map_that_fails_at_a_chunk_is_named(verb: str, heard: bool) -> None:
    def odd(_: Any) -> Iterator[Any]:
        yield "text"

    chain = RunnableLambda(odd) | RunnablePassthrough() | RunnablePick("a", name="picks") | RunnablePassthrough()
    with pytest.raises(Exception, match="dict") as caught:
        VERBS[verb](chain, 1, {"callbacks": [Recorder()] if heard else []})
    (note,) = caught.value.__notes__
    assert "picks" in note


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_maps_to_which_no_chunk_came_are_told_of_too(verb: str) -> None:
    def nothing(_: Any) -> Iterator[AddableDict]:
        yield from ()

    recorder = Recorder()
    chain = RunnableLambda(nothing) | RunnablePick("a", name="first") | RunnablePassthrough()
    assert VERBS[verb](chain, 1, {"callbacks": [recorder]}) == []
    for what in ("started", "ended"):
        names = {run.name for told, run, _ in recorder.facts if told == what}
        assert names == {"RunnableSequence", "nothing", "first", "RunnablePassthrough"}
