"""What is known of a scope's input while it runs, and what its output is made of."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from anabranch.engine.chunks import Accumulator, AddableDict
from anabranch.engine.errors import StepInputError
from anabranch.engine.graphs import Join
from anabranch.engine.runs import MISSING
from anabranch.scheduler.inlets import CLOSED
from anabranch.scheduler.ports import Ports, ports_of
from anabranch.scheduler.scope_values import KnownValues, ScopeOutputs
from anabranch.scheduler.shapes import ScopeShape

NO_ALGEBRAS: Any = defaultdict(lambda: None)


def ports(join: Any) -> Ports:
    return ports_of(join, NO_ALGEBRAS)


def outputs(join: Any) -> ScopeOutputs:
    return ScopeOutputs([ScopeShape(ports(0), ports(join), 1)])


PAIR = Join({"a": 1, "b": 2}, scope=0)
ASSIGNED = Join({"b": 1}, scope=0, base=0)


def test_an_input_is_known_as_far_as_its_parts_are() -> None:
    known = KnownValues({})
    assert known.about(ports(PAIR)) is MISSING
    total = Accumulator()
    total.push("x")
    known.values[1] = total
    assert known.about(ports(PAIR)) == {"a": "x"}
    total.push("y")
    known.values[2] = 3
    assert known.about(ports(PAIR)) == known.gathered(ports(PAIR)) == {"a": "xy", "b": 3}


def test_an_input_that_can_not_be_made_is_its_parts() -> None:
    known = KnownValues({0: "no dict", 1: "x"})
    assert known.about(ports(ASSIGNED)) == {"b": "x"}
    with pytest.raises(StepInputError):
        known.gathered(ports(ASSIGNED))


def test_chunks_of_an_output_are_made_of_those_of_its_parts_and_add_up() -> None:
    found = outputs(PAIR)
    assert found.made(0, 0, "x") == [AddableDict(a="x")]
    assert found.made(0, 1, 1) == [AddableDict(b=1)]
    assert found.made(0, 0, "y") == [AddableDict(a="y")]
    assert found.totals[0].value == {"a": "xy", "b": 1}
    assert not found.is_whole(0)
    assert found.made(0, 0, CLOSED) == found.made(0, 1, CLOSED) == []
    assert found.is_whole(0)


def test_of_an_output_that_can_not_be_made_nothing_more_is_taken() -> None:
    found = outputs(ASSIGNED)
    base, b = (next(at for at, leaf in enumerate(ports(ASSIGNED).leaves) if leaf.slot == slot) for slot in (0, 1))
    assert [*found.refusals_from_within()] == []
    with pytest.raises(StepInputError) as refused:
        found.made(0, base, "no dict")
    assert found.made(0, base, "another") == found.made(0, base, CLOSED) == found.made(0, b, "x") == []
    assert [*found.refusals_from_within()] == [(0, refused.value)]
    assert found.totals[0].value is None


def test_refusals_of_inner_scopes_come_first() -> None:
    found = outputs(PAIR)
    errors = [StepInputError("outer"), StepInputError("inner")]
    found.refusals.update(enumerate(errors))
    assert [*found.refusals_from_within()] == [(1, errors[1]), (0, errors[0])]
