"""What has become of a JSON value is told by few operations, which make it again and share nothing with it."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import pytest
from verbs import one_after_another

from anabranch.engine.chunks import AddableDict
from anabranch.engine.json_growth import escaped, growth, same

Ops = list[dict[str, Any]]


def replaced(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def added(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


@one_after_another(
    ("before", "after", "ops"),
    [
        (None, None, []),
        ("a", "a", []),
        ("a", "ab", [replaced("", "ab")]),
        (1, True, [replaced("", True)]),
        (1, 1.0, [replaced("", 1.0)]),
        (None, {"a": [1]}, [replaced("", {"a": [1]})]),
        ({"a": 1}, [1], [replaced("", [1])]),
        ({}, {"a": None}, [added("/a", None)]),
        ({"a": 1}, {"a": 1, "b": 2}, [added("/b", 2)]),
        ({"a": 1, "b": 2}, {"a": 3, "b": 2}, [replaced("/a", 3)]),
        ({"a": {"b": "x"}}, {"a": {"b": "xy", "c": [1]}}, [replaced("/a/b", "xy"), added("/a/c", [1])]),
        ({"a/b": 1, "~": 1}, {"a/b": 2, "~": 2}, [replaced("/a~1b", 2), replaced("/~0", 2)]),
        ([], [], []),
        ([], [1], [added("/0", 1)]),
        ([], [1, 2], [added("/0", 1), added("/1", 2)]),
        ([1], [2], [replaced("/0", 2)]),
        ([1, 2], [2, 1], [replaced("/0", 2), replaced("/1", 1)]),
        ([1, "a", "b"], [1, "a", "bc", "d"], [replaced("/2", "bc"), added("/3", "d")]),
        ([1, "a", "b"], [2, "a", "bc"], [replaced("/0", 2), replaced("/2", "bc")]),
        ([[1], [2]], [[1, 3], [2]], [added("/0/1", 3)]),
        ([1, 2], [1], [{"op": "remove", "path": "/1"}]),
        ({"a": 1, "b": 2}, {"a": 1}, [{"op": "remove", "path": "/b"}]),
    ],
)
@one_after_another("path", ["", "/at/0"])
def test_only_what_differs_is_told(before: Any, after: Any, ops: Ops, path: str) -> None:
    unchanged = copy.deepcopy((before, after))
    assert growth(before, after, path) == [{**op, "path": path + op["path"]} for op in ops]
    assert (before, after) == unchanged


def test_a_member_that_moved_is_told_from_where() -> None:
    before, after = {"at": {"a": [1, 2], "b": 1}}, {"at": {"c": [1, 2], "b": 1}}
    ops = growth(before["at"], after["at"], "/at")
    assert [(op["op"], op["from"], op["path"]) for op in ops] == [("move", "/at/a", "/at/c")]
    assert jsonpatch.apply_patch(before, ops) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"a": [[1]]}),
        ({}, {"a": {"a": [[1]]}}),
        ([], [{"a": [[1]]}]),
        ({"b": 1}, {"a": {"a": [[1]]}, "c": 1}),
    ],
)
def test_operations_hold_copies(before: Any, after: Any) -> None:
    ops = growth(before, after)
    kept = copy.deepcopy(ops)
    for inner in (after, after.get("a") if isinstance(after, dict) else after[0]):
        spoil(inner)
    assert ops == kept


def spoil(value: Any) -> None:
    for each in [*(value.values() if isinstance(value, dict) else value)]:
        if isinstance(each, dict | list):
            spoil(each)
    if isinstance(value, dict):
        value["spoilt"] = True
    else:
        value.append("spoilt")


def test_dicts_of_another_kind_grow_only_into_their_own() -> None:
    assert growth(AddableDict(a=1), AddableDict(a=2)) == [replaced("/a", 2)]
    assert growth(AddableDict(a=1), {"a": 1}) == [replaced("", {"a": 1})]


class Odd:
    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


def test_values_are_the_same_if_they_are_of_one_type_and_equal() -> None:
    odd = Odd()
    assert same(odd, odd)
    assert not same(odd, Odd())
    assert same([1], [1])
    assert same("a", "a") is True
    assert not same(1, True)
    assert not same(1, 1.0)
    assert not same(1, 2)


def test_keys_are_escaped_in_paths() -> None:
    assert [escaped(key) for key in ("a", "a/b", "a~b", "~1", "/~/~")] == ["a", "a~1b", "a~0b", "~01", "~1~0~1~0"]
