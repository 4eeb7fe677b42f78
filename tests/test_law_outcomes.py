"""What the laws are made of: outcomes of calls and how they are compared, who is inside, and what is left."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from anabranch.engine import laws
from anabranch.engine.law_outcomes import Side, agree, compared_by, holds, same


def fail(*_: Any) -> Any:
    raise ValueError("no")


async def afail(*_: Any) -> Any:
    raise ValueError("no")


async def aquiet(text: str) -> str:
    return text.lower()


def test_an_occupancy_counts_who_is_inside() -> None:
    occupancy = laws.Occupancy()
    with occupancy as inside, occupancy:
        assert inside is occupancy
        assert (occupancy.inside, occupancy.peak, occupancy.entered) == (2, 2, 2)
    with occupancy:
        assert (occupancy.inside, occupancy.peak, occupancy.entered) == (1, 2, 3)
    laws.concurrency_within_cap(laws.Occupancy(), 0)
    with pytest.raises(laws.LawBroken, match="2 ran at once under a cap of 1"):
        laws.concurrency_within_cap(occupancy, 1)
    with pytest.raises(laws.LawBroken, match="1 were still running"), occupancy:
        laws.concurrency_within_cap(occupancy, 2)
    assert occupancy.inside == 0
    laws.concurrency_within_cap(occupancy, 2)


def test_a_makespan_is_forgiven_an_error_of_rounding() -> None:
    laws.makespan_within_bound(6.0 * (1 + 1e-9), work=8.0, longest_path=4.0, permits=2)
    with pytest.raises(laws.LawBroken, match=r"took 6.1 with 2 permits, more than \(2 - 1/2\) x 4.0 = 6.0"):
        laws.makespan_within_bound(6.1, work=8.0, longest_path=4.0, permits=2)


def test_what_comes_to_rest_in_time_is_not_left() -> None:
    alive = iter([["a thread"]] * 8 + [[]])
    assert laws.nothing_alive_after(lambda: "done", lambda: next(alive)).value == "done"
    assert isinstance(laws.nothing_alive_after(fail, list).error, ValueError)
    with pytest.raises(laws.LawBroken, match="left alive after the call, which gave 'done': one, two"):
        laws.nothing_alive_after(lambda: "done", lambda: iter(["one", "two"]), grace=0.001)
    looks = itertools.count()
    with pytest.raises(laws.LawBroken):
        laws.nothing_alive_after(int, lambda: [next(looks)], grace=0.0)
    assert next(looks) == 1


# What comes of calls


def test_two_outcomes_are_as_each_other_by_value_or_by_the_type_of_the_error() -> None:
    value, error = laws.Outcome(1), laws.Outcome(error=ValueError("a"))
    assert value.is_as(laws.Outcome(1.0))
    assert not value.is_as(laws.Outcome(2))
    assert error.is_as(laws.Outcome(error=ValueError("b")))
    assert not error.is_as(laws.Outcome(error=UnicodeError("a")))
    assert not laws.Outcome().is_as(laws.Outcome(error=ValueError()))
    assert not laws.Outcome(error=ValueError()).is_as(laws.Outcome())
    assert (str(value), str(error)) == ("1", "the error ValueError('a')")
    with pytest.raises(FrozenInstanceError):
        value.value = 2  # type: ignore[misc]
    assert value != laws.Outcome(1)  # which two are the same is for the law to say


def test_values_are_compared_in_another_way_only_for_a_while() -> None:
    with compared_by(lambda left, right: type(left) is type(right)):
        agree("one", 1, "other", 2)
        with pytest.raises(laws.LawBroken), compared_by(lambda *_: False):
            agree("one", 1, "other", 1)
        agree("one", 1, "other", 2)
    with pytest.raises(laws.LawBroken, match=r"^one gives 1, but other gives 2$"):
        agree("one", 1, "other", 2)


def test_a_broken_law_says_what_was_compared_and_shows_the_error_it_came_from() -> None:
    first, second = ValueError("first"), KeyError("second")
    for found, wanted, cause in (
        (laws.Outcome(error=first), laws.Outcome(error=second), first),
        (laws.Outcome(1), laws.Outcome(error=second), second),
        (laws.Outcome(error=first), laws.Outcome(1), first),
        (laws.Outcome(1), laws.Outcome(2), None),
    ):
        with pytest.raises(laws.LawBroken) as raised:
            same("left", found, "right", wanted, a=1, b="two")
        assert raised.value.__cause__ is cause
        assert raised.value.sides == (Side("left", found), Side("right", wanted))
        with pytest.raises(FrozenInstanceError):
            raised.value.sides[0].code = "other"  # type: ignore[misc]
        assert str(raised.value) == f"left gives {found}, but right gives {wanted}, where a = 1, b = 'two'"
    with pytest.raises(laws.LawBroken, match=r"^so it is not$") as held:
        holds(False, "so it is not")
    assert held.value.sides is None
    holds(True, "")


def test_only_exceptions_are_outcomes() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    async def ainterrupted() -> None:
        raise asyncio.CancelledError

    with pytest.raises(KeyboardInterrupt):
        laws.outcome(interrupted)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(laws.aoutcome(ainterrupted))
    assert asyncio.run(laws.aoutcome(aquiet, "A")).value == "a"
    assert isinstance(asyncio.run(laws.aoutcome(afail)).error, ValueError)
    assert laws.outcome(max, 1, 2).value == 2
