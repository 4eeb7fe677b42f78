"""The sum of a long stream is what its chunks add up to, and keeps no more of them than it must."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
from verbs import one_after_another

from anabranch.engine import chunk_buffers as buffers
from anabranch.engine.chunks import Accumulator, AddableDict, Algebra, Tally, fold
from anabranch.engine.errors import ChunkError


class Piece(str):
    """Text whose life can be watched."""

    __slots__ = ("__weakref__",)


class Whole:
    pass


def test_a_tally_lets_go_of_the_pieces_of_a_text() -> None:
    tally, alive = Tally(), []
    for number in range(6000):
        piece = Piece("ab"[number % 2])
        alive.append(weakref.ref(piece))
        tally.push(piece)
        del piece
    assert sum(each() is not None for each in alive) < 1300
    assert tally.value == "ab" * 3000


@pytest.mark.parametrize(
    "chunk", ["ab", b"ab", [1], (1,), 1, 0.5, AddableDict(a="x"), {"a": 1}], ids=lambda chunk: type(chunk).__name__
)
def test_a_tally_is_the_sum_at_any_length(chunk: Any) -> None:
    tally, total = Tally(), Accumulator()
    assert tally.value is None
    for number in range(1, 2200):
        tally.push(chunk)
        total.push(chunk)
        if number in (1, 2, 1023, 1024, 1025, 1040, 2064, 2065):
            assert tally.value == total.value
    assert tally.value == total.value == fold([chunk] * 2199)


def test_a_tally_combines_as_is_declared_and_says_where_it_fails() -> None:
    tally = Tally(Algebra.SNAPSHOTS)
    for chunk in ("a", None, "b", None):
        tally.push(chunk)
    assert tally.value == "b"
    tally = Tally(where="the output")
    tally.push("a")
    with pytest.raises(ChunkError, match=r"^the output: a chunk of type str and then one of type int"):
        tally.push(1)


class Loud(str):
    """Text with a `+` of its own."""

    def __add__(self, other: str) -> Loud:
        return Loud(str.__add__(self, other).upper())


class Many(list[Any]):
    def __add__(self, other: Any) -> Many:
        return Many([*self, "+", *other])


def test_a_plus_of_one_s_own_is_what_adds() -> None:
    for chunks, total in (
        ([Loud("a"), Loud("b"), Loud("c")], Loud("ABC")),
        ([Many([1]), Many([2])], Many([1, "+", 2])),
        ([Piece("a"), Piece("b")], "ab"),
    ):
        made = fold(chunks)
        assert made == total
        assert type(made) is type(total)


class TestBuffers:
    @one_after_another(
        ("left", "right", "common"),
        [
            (buffers.Rule(str, buffers.Text), buffers.Rule(str, buffers.Text), buffers.Rule(str, buffers.Text)),
            (buffers.Rule(str, buffers.Text), buffers.Rule(str, buffers.Tree), buffers.Rule(str, buffers.Tree)),
            (buffers.Rule(str, buffers.Text), buffers.Rule(list, buffers.Items), None),
            (buffers.Rule(str, buffers.Text), buffers.SNAPSHOT, None),
            (buffers.SNAPSHOT, buffers.Rule(str, buffers.Text), None),
            (buffers.SNAPSHOT, buffers.SNAPSHOT, buffers.SNAPSHOT),
            (buffers.Rule(bool, buffers.Tree), buffers.Rule(int, buffers.Tree), buffers.Rule(int, buffers.Tree)),
            (buffers.Rule(int, buffers.Tree), buffers.Rule(bool, buffers.Tree), buffers.Rule(int, buffers.Tree)),
        ],
    )
    def test_two_rules_have_a_common_one_within_a_family(self, left: Any, right: Any, common: Any) -> None:
        assert buffers.common(left, right) == common

    def test_what_a_class_has_of_plus(self) -> None:
        class Own(str):
            def __radd__(self, other: str) -> str:
                return other

        class Plusless(str):
            __add__ = None  # type: ignore[assignment]

        assert (buffers.has_plus(str), buffers.has_plus(Whole), buffers.has_plus(Plusless)) == (True, False, False)
        assert buffers.inherits_plus(Piece, str)
        assert not buffers.inherits_plus(Own, str)
        assert not buffers.inherits_plus(Plusless, str)

    def test_an_error_names_the_place_the_types_and_what_to_do(self) -> None:
        assert str(buffers.clash("here", str, int)) == (
            "here: a chunk of type str and then one of type int don't combine. Make all chunks one type that adds, "
            "or declare them Algebra.SNAPSHOTS if each replaces the one before."
        )
        assert "Make all chunks AddableDicts, or all plain dicts, or" in str(buffers.clash("", dict, AddableDict))
        assert "one type that adds" in str(buffers.clash("", dict, str))
        assert "one type that adds" in str(buffers.clash("", str, dict))
        twin = type("Whole", (), {"__module__": "elsewhere", "__qualname__": "In.Whole"})
        assert str(buffers.clash("", Whole, twin)).startswith(
            f"a chunk of type {__name__}.Whole and then one of type elsewhere.In.Whole don't"
        )
        assert str(buffers.clash("", Whole, Whole)).startswith("a chunk of type Whole and then one of type Whole don't")
        assert str(buffers.no_plus("here", dict)) == (
            "here: a chunk of type dict has no `+`, but the chunks here are declared Algebra.ADDITIVE. "
            "Make it an AddableDict, or declare Algebra.SNAPSHOTS."
        )
        assert "Make it something that has, or" in str(buffers.no_plus("", Whole))
        assert (buffers.key_at("here", "k"), buffers.key_at("", "k")) == ("here, key 'k'", "key 'k'")
        assert (buffers.at("here"), buffers.at("")) == ("here: ", "")

    def test_the_base_of_all_is_to_be_written(self) -> None:
        with pytest.raises(NotImplementedError):
            buffers.Buffer("")
        bare: Any = object.__new__(buffers.Buffer)
        with pytest.raises(NotImplementedError):
            bare.value()
