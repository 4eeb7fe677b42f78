"""A law of composing refuses two graphs or results that differ in anything, and accepts what is the same."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from verbs import one_after_another

from anabranch.engine import laws
from anabranch.engine.graphs import Graph
from anabranch.nodes import RunnableLambda, RunnableParallel, RunnablePassthrough, RunnablePick


def fail(*_: Any) -> Any:
    raise ValueError("no")


class Either:
    """`(this | b) | c` is one runnable, and `this | (b | c)` is another, whatever b and c are."""

    def __init__(self, one: Any, other: Any) -> None:
        self.one = one
        self.other = other

    def __or__(self, other: Any) -> Any:
        return Either(self.one, self.one) if other is UPPER else self.other if self.one is not self.other else self.one


UPPER, LENGTH = RunnableLambda(str.upper), RunnableLambda(len)


def regraphed(runnable: Any, **changed: Any) -> Any:
    """A runnable with a graph that is other than its own in some parts."""

    class Regraphed:
        __graph__ = Graph(
            **{name: changed.get(name, getattr(runnable.__graph__, name)) for name in ("steps", "scopes", "output")}
        )
        invoke = runnable.invoke

        def __or__(self, other: Any) -> Any:
            return self

    return Regraphed()


BOTH = UPPER | RunnableParallel(a=UPPER, b=LENGTH)
GRAPH = BOTH.__graph__
STEP, SCOPE = GRAPH.steps[1], GRAPH.scopes[-1]


def with_step(**changed: Any) -> Any:
    return regraphed(BOTH, steps=(GRAPH.steps[0], replace(STEP, **changed), *GRAPH.steps[2:]))


def with_scope(**changed: Any) -> Any:
    return regraphed(BOTH, scopes=(*GRAPH.scopes[:-1], replace(SCOPE, **changed)))


@one_after_another(
    "other",
    [
        with_step(node=LENGTH),
        with_step(node=None),
        with_step(tags=("mine",)),
        with_step(config={"tags": ["mine"]}),
        with_step(source=-1),
        with_scope(name="other"),
        with_scope(kind="other"),
        with_scope(parent=-1),
        with_scope(tags=("mine",)),
        regraphed(BOTH, output=0),
        regraphed(BOTH, output=replace(GRAPH.output, ports={"a": 1, "b": 0})),  # type: ignore[type-var]
        regraphed(BOTH, steps=GRAPH.steps[:1], output=0),
    ],
)
def test_two_ways_to_compose_must_give_the_same_graph(other: Any) -> None:
    again: Any = regraphed(BOTH)
    laws.associativity_of_composition(Either(BOTH, again), UPPER, LENGTH, "a")  # type: ignore[arg-type]
    with pytest.raises(laws.LawBroken, match="differ as graphs"):
        laws.associativity_of_composition(Either(BOTH, other), UPPER, LENGTH, "a")  # type: ignore[arg-type]


def test_steps_of_no_node_are_told_apart_by_their_operators() -> None:
    one, other = with_step(node=None), with_step(node=None, operator=GRAPH.steps[2].operator)
    with pytest.raises(laws.LawBroken, match="differ as graphs"):
        laws.associativity_of_composition(Either(one, other), UPPER, LENGTH, "a")  # type: ignore[arg-type]


def test_two_ways_to_compose_must_give_the_same_result() -> None:
    numbers = itertools.count()
    count = RunnableLambda(lambda _: next(numbers))
    with pytest.raises(
        laws.LawBroken, match=r"\(\(a \| b\) \| c\).invoke.* gives 0, but \(a \| \(b.* 1, where value = 5"
    ):
        laws.associativity_of_composition(count, RunnablePassthrough(), RunnablePassthrough(), 5)
    laws.associativity_of_composition(UPPER, LENGTH, RunnableLambda(fail), "a")


class Shy(RunnableLambda[Any, Any]):
    """Does nothing when a passthrough stands on one side of it."""

    before = after = False

    def __or__(self, other: Any) -> Any:
        return RunnablePassthrough() if self.before else super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        return RunnablePassthrough() if self.after else super().__ror__(other)


class Polite(RunnablePassthrough[Any]):
    def __or__(self, other: Any) -> Any:
        return other.__ror__(self)


def test_a_passthrough_changes_nothing_on_either_side() -> None:
    shy = Shy(str.upper)
    laws.passthrough_is_identity(shy, Polite(), "a")
    shy.before = True
    with pytest.raises(laws.LawBroken, match=r"\(a \| passthrough\).invoke.value. gives 'a', but a.invoke"):
        laws.passthrough_is_identity(shy, Polite(), "a")
    shy.before, shy.after = False, True
    with pytest.raises(laws.LawBroken, match=r"\(passthrough \| a\).invoke.value. gives 'a', but a.invoke"):
        laws.passthrough_is_identity(shy, Polite(), "a")
    laws.passthrough_is_identity(RunnableLambda(fail), RunnablePassthrough(), "a")


def test_what_is_picked_from_a_join_is_what_was_put_there() -> None:
    laws.pick_after_join(UPPER, RunnablePick("k"), "a")
    with pytest.raises(laws.LawBroken, match=r"pick_k.* gives {'k': 'A'}, but a.invoke.value. gives 'A', where"):
        laws.pick_after_join(UPPER, RunnableLambda(dict.copy), "a")


def test_a_step_may_stand_before_a_fork_or_in_each_branch() -> None:
    laws.distribution(UPPER, LENGTH, RunnablePassthrough(), RunnableParallel, "a")
    for branches in ({"x": LENGTH, "y": UPPER}, {"x": UPPER}):
        swapped = RunnableParallel(branches)
        with pytest.raises(laws.LawBroken, match=r"gives {'x': 'A', 'y': 1}, but parallel.* gives {.*, where value"):
            laws.distribution(RunnablePassthrough(), UPPER, LENGTH, partial(_always, swapped), "a")


def _always(it: Any, *_: object) -> Any:
    return it
