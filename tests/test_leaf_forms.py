"""Forms of a leaf that are no generators: they may raise at once, or give any iterator, which is closed in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from verbs import VERBS, in_every_verb, one_after_another

from anabranch.engine.trace_laws import Recorder, check_facts
from anabranch.nodes import Runnable, RunnableLambda, RunnableParallel, RunnablePassthrough


class Pieces:
    """An iterator of its own, that knows how often it was closed."""

    def __init__(self, fails: bool = False, endless: bool = False) -> None:
        self.left = ["a", "b"]
        self.fails, self.endless = fails, endless
        self.closed = 0

    def __iter__(self) -> Pieces:
        return self

    def __aiter__(self) -> Pieces:
        return self

    def take(self, end: type[Exception]) -> str:
        if not self.left:
            if self.fails:
                raise ValueError("fails at its end")
            if not self.endless:
                raise end
            return "more"
        return self.left.pop(0)

    def __next__(self) -> str:
        return self.take(StopIteration)

    async def __anext__(self) -> str:
        return self.take(StopAsyncIteration)

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def form(name: str, make: Callable[[], Any]) -> Runnable[Any, Any]:
    """A leaf of one form, which gives what is made."""

    def method(self: Any, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return make()

    leaf: Runnable[Any, Any] = type("Leaf", (Runnable,), {name: method})()
    return leaf


def refusing() -> Any:
    raise ValueError("refuses")


FORMS = ("stream", "astream", "transform", "atransform")
in_each_form = pytest.mark.parametrize("name", FORMS)
PLACES: dict[str, Callable[[Runnable[Any, Any]], Runnable[Any, Any]]] = {
    "last": lambda leaf: RunnablePassthrough() | leaf,
    "in the middle": lambda leaf: RunnableLambda(str) | leaf | RunnablePassthrough(),
    "a branch": lambda leaf: RunnableParallel(x=leaf, y=RunnablePassthrough()),
    "with config": lambda leaf: RunnablePassthrough() | leaf.with_config(tags=["bound"]),
}
at_each_place = one_after_another("place", PLACES)


@in_every_verb
@in_each_form
@at_each_place
@one_after_another("heard", [False, True])
def test_one_that_raises_at_once_is_noted(name: str, place: str, verb: str, heard: bool) -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="refuses") as caught:
        VERBS[verb](PLACES[place](form(name, refusing)), 1, {"callbacks": [recorder]} if heard else {})
    (note,) = caught.value.__notes__
    assert "Leaf" in note
    check_facts(recorder.facts)


@in_every_verb
@in_each_form
@at_each_place
def test_any_iterator_will_do(name: str, place: str, verb: str) -> None:
    found = VERBS[verb](PLACES[place](form(name, Pieces)), 1)
    assert "ab" in repr(found) or ("'a'" in repr(found) and "'b'" in repr(found))


@in_every_verb
@in_each_form
def test_one_that_fails_later_is_noted(name: str, verb: str) -> None:
    pieces = Pieces(fails=True)
    with pytest.raises(ValueError, match="fails at its end") as caught:
        VERBS[verb](PLACES["in the middle"](form(name, lambda: pieces)), 1)
    assert len(caught.value.__notes__) == 1


@in_each_form
@pytest.mark.parametrize("place", [place for place in PLACES if place != "a branch"])
def test_an_endless_one_is_closed_with_its_stream(name: str, place: str) -> None:
    pieces = Pieces(endless=True)
    chain = PLACES[place](form(name, lambda: pieces))
    chunks: Any = chain.stream(1)
    assert next(chunks)
    chunks.close()
    assert pieces.closed
    pieces = Pieces(endless=True)

    async def main() -> None:
        async with chain.astream(1) as chunks:
            assert await anext(chunks)

    asyncio.run(main())
    assert pieces.closed
