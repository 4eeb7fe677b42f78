"""Where chunks wait for their reader: how much fits in, when the reader may start, and what it gets in which order."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from anabranch.engine.chunks import AddableDict, Algebra
from anabranch.engine.errors import StepInputError
from anabranch.engine.graphs import INPUT_SLOT, Join, Source
from anabranch.scheduler.gathering import gathered
from anabranch.scheduler.inlets import CLOSED, EMPTY, FlowInlet, FoldInlet
from anabranch.scheduler.ports import Ports, ports_of

PAIR = Join({"a": 0, "b": 1}, 0)
ASSIGN = Join({"b": 1}, 7, base=0)


def ports(source: Source, **algebras: Algebra) -> Ports:
    """`s0=...`: the algebra of slot 0."""
    known: dict[int, Algebra | None] = defaultdict(lambda: None)
    known.update({int(name[1:]): algebra for name, algebra in algebras.items()})
    return ports_of(source, known)


def flow(source: Source = 0, capacity: int = 2, **algebras: Algebra) -> FlowInlet:
    return FlowInlet(ports(source, **algebras), capacity)


def taken(inlet: FlowInlet) -> list[Any]:
    """All that can be taken just now."""
    found: list[Any] = []
    while (chunk := inlet.take()) is not EMPTY and chunk is not CLOSED:
        found.append(chunk)
    return found


# One that folds


def test_a_reader_that_folds_starts_when_all_leaves_are_closed() -> None:
    inlet = FoldInlet(ports(PAIR), "reader")
    assert not inlet.ready
    assert inlet.put(0, "x")
    inlet.close(0)
    assert not inlet.ready
    inlet.close(1)
    assert inlet.ready
    assert inlet.value() == {"a": "x", "b": None}


def test_it_adds_up_each_leaf_by_its_algebra_and_never_fills_up() -> None:
    inlet = FoldInlet(ports(PAIR, s1=Algebra.SNAPSHOTS), "reader")
    for number in range(40):
        assert inlet.put(0, str(number % 10))
        assert inlet.put(1, str(number))
    assert inlet.value() == {"a": "0123456789" * 4, "b": "39"}
    assert inlet.statistics() == {"waiting": 0, "held": 0}
    assert not inlet.detached


def test_one_leaf_alone_is_the_value() -> None:
    inlet = FoldInlet(ports(3), "reader")
    inlet.put(0, "x")
    inlet.put(0, "y")
    inlet.close(0)
    assert inlet.ready
    assert inlet.value() == "xy"


def test_chunks_that_do_not_add_up_are_refused_with_the_reader_s_name() -> None:
    inlet = FoldInlet(ports(0), "reader")
    inlet.put(0, "x")
    with pytest.raises(TypeError, match="reader"):
        inlet.put(0, 1)


# A channel of one leaf


def test_a_channel_holds_as_many_chunks_as_its_capacity() -> None:
    inlet = flow(capacity=2)
    assert [inlet.put(0, chunk) for chunk in "abc"] == [True, True, False]
    assert inlet.statistics() == {"waiting": 2, "held": 0}
    assert inlet.put(0, "c", force=True)
    assert not inlet.put(0, "d", False)
    assert [inlet.take() for _ in range(4)] == ["a", "b", "c", EMPTY]
    assert inlet.put(0, "d")
    assert inlet.capacity == 2
    assert not inlet.detached


def test_it_is_closed_after_the_last_chunk() -> None:
    inlet = flow()
    assert not inlet.ready
    assert inlet.take() is EMPTY
    inlet.put(0, None)
    assert inlet.ready
    inlet.close(0)
    assert inlet.closed
    assert inlet.take() is None
    assert inlet.take() is CLOSED
    assert inlet.ready


def test_one_leaf_that_closes_without_a_chunk_makes_none() -> None:
    inlet = flow()
    inlet.close(0)
    assert inlet.take() is CLOSED


# A channel of a dict


def test_chunks_of_a_dict_stand_under_their_keys() -> None:
    inlet = flow(PAIR)
    inlet.put(1, "y")
    inlet.put(0, "x")
    assert taken(inlet) == [{"b": "y"}, {"a": "x"}]
    assert inlet.take() is EMPTY
    inlet.close(0)
    assert not inlet.closed
    assert inlet.take() is EMPTY
    inlet.close(1)
    assert inlet.take() is CLOSED


def test_a_dict_s_channel_has_the_same_capacity_and_keeps_what_was_refused_for_later() -> None:
    inlet = flow(PAIR, capacity=1)
    assert inlet.put(0, "x")
    assert not inlet.put(1, "y")
    assert inlet.put(1, "z", force=True)
    assert taken(inlet) == [{"a": "x"}, {"b": "z"}]
    inlet.close(1)
    assert inlet.take() is EMPTY


def test_what_was_refused_counts_for_no_chunk() -> None:
    inlet = flow(PAIR, capacity=0)
    assert not inlet.put(0, "x")
    inlet.close(0)
    assert taken(inlet) == [{"a": None}]


def test_a_key_that_got_no_chunk_is_none_at_the_end() -> None:
    inlet = flow(PAIR)
    inlet.put(0, "x")
    inlet.close(0)
    inlet.close(1)
    assert taken(inlet) == [{"a": "x"}, {"b": None}]


def test_keys_in_keys_stand_in_dicts_in_dicts() -> None:
    inlet = flow(Join({"a": Join({"b": Join({"c": 0}, 2)}, 1)}, 0))
    inlet.put(0, "x")
    inlet.close(0)
    assert taken(inlet) == [{"a": {"b": {"c": "x"}}}]


def test_a_key_whose_chunks_replace_each_other_is_marked() -> None:
    inlet = flow(PAIR, 3, s0=Algebra.SNAPSHOTS)
    inlet.put(0, "x")
    inlet.put(0, "y")
    inlet.put(1, "z")
    found = taken(inlet)
    assert [chunk.snapshots for chunk in found] == [{"a"}, {"a"}, frozenset()]
    assert found[0] + found[1] + found[2] == {"a": "y", "b": "z"}


# A channel to which keys are assigned


def test_assigned_keys_come_after_the_dict_that_they_are_added_to() -> None:
    inlet = flow(ASSIGN)
    assert inlet.put(1, "y")
    assert inlet.put(1, "z")
    assert inlet.statistics() == {"waiting": 0, "held": 2}
    assert not inlet.ready
    assert inlet.put(0, AddableDict(a=1))
    assert inlet.ready
    assert taken(inlet) == [{"a": 1}]
    inlet.close(0)
    assert inlet.statistics() == {"waiting": 2, "held": 0}
    assert taken(inlet) == [{"b": "y"}, {"b": "z"}]
    assert inlet.put(1, "!")
    assert taken(inlet) == [{"b": "!"}]
    inlet.close(1)
    assert inlet.take() is CLOSED


def test_what_is_held_back_takes_no_room_and_neither_does_what_is_let_through() -> None:
    inlet = flow(ASSIGN, capacity=1)
    assert all(inlet.put(1, chunk) for chunk in "xyz")
    assert inlet.put(0, AddableDict(a=1))
    assert not inlet.put(0, AddableDict(a=2))
    inlet.close(0)
    assert inlet.statistics() == {"waiting": 4, "held": 0}
    assert not inlet.put(1, "!")


def test_a_key_without_a_chunk_waits_for_the_base_like_any_other() -> None:
    inlet = flow(ASSIGN)
    inlet.close(1)
    assert inlet.statistics() == {"waiting": 0, "held": 1}
    inlet.put(0, AddableDict(a=1))
    inlet.close(0)
    assert taken(inlet) == [{"a": 1}, {"b": None}]
    assert inlet.take() is CLOSED


def test_a_key_of_the_base_that_is_overwritten_is_left_out() -> None:
    inlet = flow(ASSIGN)
    inlet.put(0, AddableDict(a=1, b=2))
    inlet.put(0, AddableDict(b=3))
    assert taken(inlet) == [{"a": 1}]


@pytest.mark.parametrize("made", [AddableDict, dict])
def test_a_base_of_overwritten_keys_alone_makes_no_chunk(made: type[dict[str, Any]]) -> None:
    inlet = flow(ASSIGN)
    inlet.put(0, made(b=2))
    inlet.close(0)
    assert inlet.take() is EMPTY
    inlet.close(1)
    assert taken(inlet) == [{"b": None}]


def test_of_plain_dicts_the_last_is_the_base() -> None:
    inlet = flow(ASSIGN)
    inlet.put(0, {"a": 1})
    inlet.put(1, "y")
    inlet.put(0, {"a": 2, "b": 3})
    assert not inlet.ready
    inlet.close(0)
    assert taken(inlet) == [{"a": 2}, {"b": "y"}]


def test_none_may_come_among_the_chunks_of_a_base() -> None:
    for base in (AddableDict(a=1), {"a": 1}):
        inlet = flow(ASSIGN)
        assert inlet.put(0, None)
        inlet.put(0, base)
        assert inlet.put(0, None)
        inlet.close(0)
        assert taken(inlet) == [{"a": 1}]


@pytest.mark.parametrize("chunks", [[], [None], [None, None]])
def test_a_base_that_is_none_is_refused_when_it_is_closed(chunks: list[None]) -> None:
    inlet = flow(ASSIGN)
    for chunk in chunks:
        inlet.put(0, chunk)
    with pytest.raises(StepInputError, match="'b'; got NoneType") as refused:
        inlet.close(0)
    assert refused.value.scope == 7


def test_a_base_that_is_no_dict_is_refused_at_once() -> None:
    with pytest.raises(StepInputError, match="'b'; got str: 'text'") as refused:
        flow(ASSIGN).put(0, "text")
    assert refused.value.scope == 7


def test_a_dict_that_an_outer_key_overwrites_makes_no_chunk_but_must_be_a_dict() -> None:
    hidden = Join({"a": Join({"x": 1}, 1, base=0)}, 0)
    outer = Join({"a": 2}, 0, base=hidden)
    inlet = flow(outer)
    assert inlet.put(0, {"n": 1})
    assert inlet.put(1, "lost")
    inlet.close(0)
    inlet.close(1)
    assert inlet.take() is EMPTY
    assert inlet.put(2, "kept")
    assert taken(inlet) == [{"a": "kept"}]
    with pytest.raises(StepInputError):
        flow(outer).put(0, "text")


def test_an_assign_inside_a_key_adds_its_chunks_there() -> None:
    inlet = flow(Join({"k": ASSIGN}, 0))
    inlet.put(0, AddableDict(a=1, b=0))
    inlet.close(0)
    inlet.put(1, "y")
    inlet.close(1)
    assert taken(inlet) == [{"k": {"a": 1}}, {"k": {"b": "y"}}]
    inlet = flow(Join({"k": ASSIGN}, 0))
    inlet.put(0, {"a": 1, "b": 0})
    inlet.close(0)
    assert taken(inlet) == [{"k": {"a": 1}}]


# Gathering values


def test_values_are_gathered_as_chunks_would_be() -> None:
    inner = Join({"x": 0}, 1)
    recipe = ports(Join({"a": inner, "b": 1}, 0)).recipe
    assert gathered(recipe, ["X", "B"]) == {"a": {"x": "X"}, "b": "B"}
    assert list(gathered(recipe, ["X", "B"])) == ["a", "b"]
    assert gathered((), ["X", "B"]) == "X"
    recipe = ports(Join({"b": 1}, 7, base=Join({"a": INPUT_SLOT}, 1))).recipe
    assert gathered(recipe, ["A", "B"]) == {"a": "A", "b": "B"}


def test_keys_are_assigned_over_those_of_the_base() -> None:
    recipe = ports(ASSIGN).recipe
    base = {"a": 1, "b": 2}
    assert gathered(recipe, [base, 3]) == {"a": 1, "b": 3}
    assert base == {"a": 1, "b": 2}
    with pytest.raises(StepInputError, match=r"'b'; got int: 5\. Put") as refused:
        gathered(recipe, [5, 3])
    assert refused.value.scope == 7


def test_a_long_value_that_is_no_dict_is_shown_shortened() -> None:
    with pytest.raises(StepInputError) as refused:
        gathered(ports(ASSIGN).recipe, ["x" * 500, 3])
    assert "x" * 79 in str(refused.value)
    assert "x" * 80 not in str(refused.value)
