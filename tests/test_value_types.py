"""Types of dicts by their keys, types without what is wrapped around them, and unions."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from functools import reduce
from typing import Annotated, Any, Final, NewType, NotRequired, Required, Union

import pytest
import typing_extensions
from pydantic import BaseModel
from typing_extensions import TypedDict
from verbs import one_after_another

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


class Question(TypedDict):
    question: str


class Filed(Question):
    context: NotRequired[list[str]]


class Model(BaseModel):
    text: str = ""


class Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__


def around(inner: Any, _: int) -> Any:
    return DictType({"inner": inner})


def named(inner: Any, at: int) -> Any:
    made: Any = NewType  # under other names than mypy wants
    return made(f"Named{at}", inner)


class TestDictTypes:
    def test_it_is_a_mapping_from_key_to_type(self) -> None:
        tp = DictType({"b": str, "a": int})
        assert list(tp) == ["b", "a"]
        assert tp["b"] is str
        assert {**tp, "c": Any} == {"b": str, "a": int, "c": Any}

    def test_it_keeps_its_own_copy(self) -> None:
        types: dict[str, type] = {"a": int}
        tp = DictType(types)
        types["b"] = str
        assert tp == DictType({"a": int})

    def test_two_of_the_same_keys_and_types_are_equal_and_hash_alike(self) -> None:
        one, other = DictType({"a": int, "b": str}), DictType({"b": str, "a": int})
        assert one == other
        assert hash(one) == hash(other)
        assert one != DictType({"a": int})
        assert one != {"a": int, "b": str}

    def test_it_can_be_copied_and_pickled(self) -> None:
        tp = DictType({"a": int, "b": DictType({"c": str})})
        hash(tp)
        assert pickle.loads(pickle.dumps(tp)) == copy.deepcopy(tp) == tp

    def test_its_repr_reads_as_a_dict_of_types(self) -> None:
        assert repr(DictType({"context": str, "question": Any})) == "{'context': str, 'question': Any}"
        assert repr(DictType({})) == "{}"


class TestEquality:
    @one_after_another(
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
    def test_those_of_a_join_are_all_there_and_no_other(self) -> None:
        keys = keys_of(DictType({"a": int}))
        assert keys is not None
        assert keys.closed
        assert keys.types == DictType({"a": int})
        assert keys.required == frozenset("a")

    def test_those_of_a_typed_dict_may_be_optional_and_there_may_be_more(self) -> None:
        keys = keys_of(Filed)
        assert keys is not None
        assert keys.types == {"question": str, "context": list[str]}
        assert keys.required == frozenset(["question"])
        assert not keys.closed

    def test_keys_whose_types_cannot_be_resolved_are_known_by_name(self) -> None:
        Broken = TypedDict("Broken", {"a": "Nowhere", "b": int})  # type: ignore[name-defined]  # noqa: F821, UP013
        keys = keys_of(Broken)
        assert keys is not None
        assert keys.types == {"a": Any, "b": Any}

    def test_other_types_have_none(self) -> None:
        for tp in (dict, dict[str, int], Mapping[str, int], Model, Any, None, "Nowhere"):
            assert keys_of(tp) is None

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
