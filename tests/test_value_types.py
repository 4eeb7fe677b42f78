"""Types of dicts by their keys, types without what is wrapped around them, and unions."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from functools import reduce
from typing import Annotated, Any, Final, NewType, NotRequired, Required, Union

import pytest
import typing_extensions
from typing_extensions import TypedDict

from anabranch.engine.signatures import describe
from anabranch.engine.value_types import DictType, bare, describe_type, keys_of, union_of

UserId = NewType("UserId", int)
Endless = NewType("Endless", int)
setattr(Endless, "__supertype__", Endless)  # noqa: B010 (mypy takes it for a class)
Alias = typing_extensions.TypeAliasType("Alias", Annotated[UserId, "extra"])


class Loose(TypedDict, total=False):
    must: Required[int]
    may: str


class Strict(TypedDict):
    must: int
    may: NotRequired[str]


class Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__


def around(inner: Any, _: int) -> Any:
    return DictType({"inner": inner})


def named(inner: Any, at: int) -> Any:
    made: Any = NewType  # under other names than mypy wants
    return made(f"Named{at}", inner)


class TestEquality:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"a": int}, {"b": int}),
            ({"a": int}, {"a": int, "b": int}),
            ({"a": int}, {"a": str}),
            ({"a": int, "b": int}, {"a": int, "b": str}),
            ({"a": DictType({"b": int})}, {"a": DictType({"b": str})}),
            ({"a": DictType({"b": int})}, {"a": DictType({"c": int})}),
            ({"a": DictType({"b": int}), "c": int}, {"a": DictType({"b": int}), "c": str}),
            ({"a": DictType({"b": int})}, {"a": int}),
            ({"a": int}, {"a": DictType({"b": int})}),
            ({"a": DictType({"b": int})}, {"a": dict}),
        ],
    )
    def test_a_key_or_a_type_that_differs_makes_two_types(self, one: Any, other: Any) -> None:
        assert (DictType(one) == DictType(other)) is False
        assert DictType(one) != DictType(other)
        for each in (one, other):
            assert (DictType(each) == DictType(dict(reversed(each.items())))) is True

    def test_types_within_are_compared_by_their_keys(self) -> None:
        shared = DictType({"b": int})
        for inner in (shared, DictType({"b": int})):
            assert DictType({"a": shared, "c": str}) == DictType({"a": inner, "c": str})
            assert DictType({"a": shared, "c": str}) != DictType({"a": inner, "c": int})

    def test_what_is_no_such_type_says_itself_whether_it_is_equal(self) -> None:
        assert (DictType({"a": int}) == {"a": int}) is False
        assert (DictType({"a": int}) == Anything()) is True

    def test_it_may_be_deeper_than_python_recurses(self) -> None:
        one, other, third = (reduce(around, range(3000), tp) for tp in (int, int, str))
        assert one == other
        assert one != third

    def test_with_a_type_that_cannot_be_hashed_it_cannot_be_hashed_either(self) -> None:
        tp = DictType({"a": Annotated[int, []]})
        assert tp == DictType({"a": Annotated[int, []]})
        with pytest.raises(TypeError, match="a DictType with a type that can't be hashed"):
            hash(tp)

    def test_it_is_as_long_as_it_has_keys(self) -> None:
        assert len(DictType({"a": int, "b": str})) == 2
        assert not DictType({})


class TestKeys:
    def test_which_are_there_is_said_by_the_class_or_by_each_key(self) -> None:
        for tp in (Loose, Strict):
            keys = keys_of(tp)
            assert keys is not None
            assert keys.required == {"must"}
            assert keys.types == {"must": int, "may": str}
            assert not keys.closed

    def test_nobody_changes_what_was_found(self) -> None:
        keys = keys_of(Strict)
        with pytest.raises(FrozenInstanceError):
            keys.closed = True  # type: ignore[misc, union-attr]
        with pytest.raises(FrozenInstanceError):
            describe(len).name = "other"  # type: ignore[misc]


class TestBareTypes:
    def test_wrappers_are_taken_off_however_many_there_are(self) -> None:
        deep = reduce(named, range(60), int)
        for tp in (int, UserId, Alias, Annotated[UserId, "extra"], Final[Alias], deep):
            assert bare(tp) is int
        assert bare(None) is type(None)
        assert bare("int") == "int"
        assert bare(list[UserId]) == list[UserId]

    def test_what_has_no_end_is_anything(self) -> None:
        assert bare(Endless) is Any

    def test_wrappers_that_say_nothing_of_a_value_are_not_in_a_name(self) -> None:
        assert describe_type(Final[list[str]]) == describe_type(Required[Annotated[list[str], 1]]) == "list[str]"
        assert describe_type(typing_extensions.ForwardRef("Later")) == "Later"
        assert describe_type(...) == "..."
        assert describe_type(5) == "5"


class TestUnions:
    def test_it_is_any_when_nothing_more_is_known(self) -> None:
        assert union_of([]) is Any
        assert union_of(iter([int, Any])) is Any

    def test_it_is_of_all_types_that_there_are(self) -> None:
        assert union_of([int]) is int
        assert union_of(iter([int, str, int])) == Union[int, str]  # noqa: UP007
