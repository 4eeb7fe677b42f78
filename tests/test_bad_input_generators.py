"""Generators that end in an unusual way end as Python says, and an error in one is that one's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from refusals import says, upper
from verbs import VERBS, in_every_verb

from anabranch.engine.errors import CompositionError
from anabranch.nodes import Runnable, RunnableBranch, RunnableGenerator, RunnableLambda, RunnableParallel


def returns(chunks: Iterator[Any]) -> Any:
    yield "kept"
    return "lost"


async def ends_early(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield "kept"
    return


def test_a_generator_that_returns_a_value_is_refused_for_it_would_be_lost() -> None:
    for compose in (lambda: RunnableGenerator(returns), lambda: RunnableLambda(returns), lambda: upper | returns):
        with pytest.raises(CompositionError) as caught:
            compose()
        says(caught, "returns", "lost", "yield")


@in_every_verb
def test_a_generator_that_merely_ends_is_fine(verb: str) -> None:
    assert "kept" in repr(VERBS[verb](RunnableGenerator(ends_early), 1))


def stops(_: Any) -> Any:
    return next(iter([]))


async def astops(_: Any) -> Any:
    return next(iter([]))


def generator_stops(chunks: Iterator[Any]) -> Iterator[Any]:
    for _ in chunks:
        yield next(iter([]))


async def agenerator_stops(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for _ in chunks:
        yield next(iter([]))


def names_the_step(call: Callable[[], Any], step: Any) -> None:
    """See that a StopIteration comes out as itself, or as what Python makes of it, with a note of its step."""
    with pytest.raises((StopIteration, RuntimeError)) as caught:
        call()
    notes = getattr(caught.value, "__notes__", [])
    assert any(step.__name__ in note for note in notes), f"no note names the step: {notes}"
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, StopIteration):
        error = error.__cause__
    assert error is not None


def around(step: Runnable[Any, Any]) -> list[Runnable[Any, Any]]:
    """A step in chains of several kinds."""
    return [
        upper | step | upper,
        RunnableParallel(a=step, b=upper),
        step.with_config(tags=["bound"]),
        step.with_config(timeout=600),
        {"a": upper} | step,
        step.with_retry(wait_exponential_jitter=False, stop_after_attempt=2),
        upper | step.with_fallbacks([step]),
        RunnableBranch((lambda _: True, step), upper),
        RunnableLambda(lambda x: [x]) | step.map(),
    ]


@in_every_verb
@pytest.mark.parametrize("step", [generator_stops, agenerator_stops])
def test_a_stop_iteration_inside_a_generator_step_is_an_error_and_no_end(verb: str, step: Any) -> None:
    for chain in around(RunnableGenerator(step)):
        names_the_step(partial(VERBS[verb], chain, "x"), step)


class Leaf(Runnable[Any, Any]):
    """One whose `transform` is no generator function, so that it raises as soon as it is called."""

    def transform(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return next(iter([]))


@in_every_verb
def test_so_it_is_inside_a_leaf_of_one_s_own(verb: str) -> None:
    for chain in around(Leaf()):
        names_the_step(partial(VERBS[verb], chain, "x"), Leaf)


@in_every_verb
@pytest.mark.parametrize("step", [stops, astops])
def test_so_it_is_inside_a_function(verb: str, step: Any) -> None:
    for chain in around(RunnableLambda(step)):
        names_the_step(partial(VERBS[verb], chain, "x"), step)


# Whose error it is


def same(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


def culprit(_: Any) -> Any:
    raise ValueError("here")


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_an_error_of_a_run_inside_a_generator_is_that_generator_s_and_nobody_s_before_it(verb: str) -> None:
    inner = upper | culprit

    def outer(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from inner.stream(chunk)

    async def aouter(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            async for each in inner.astream(chunk):
                yield each

    for step in (outer, aouter):
        chain = upper | RunnableGenerator(same) | upper | RunnableGenerator(step) | upper
        with pytest.raises(ValueError, match="here") as caught:
            VERBS[verb](chain, "x")
        first, second = caught.value.__notes__
        assert "culprit" in first
        assert step.__name__ in second


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_an_error_before_a_step_that_may_try_again_is_not_that_step_s(verb: str) -> None:
    chain = upper | culprit | upper.with_retry(wait_exponential_jitter=False, stop_after_attempt=2) | upper
    with pytest.raises(ValueError, match="here") as caught:
        VERBS[verb](chain, "x")
    assert "culprit" in caught.value.__notes__[-1]
    assert not any("upper" in note for note in caught.value.__notes__)
