"""Any value can be written as JSON, which shares nothing with it; nothing raises."""

from __future__ import annotations

import dataclasses
import json
import warnings
from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr, field_serializer

from anabranch.engine.chunks import AddableDict
from anabranch.engine.json_encoding import json_line, to_json
from anabranch.nodes import RunnableLambda


class Colour(Enum):
    RED = ("r", 1)


class Size(IntEnum):
    SMALL = 1


class Word(str):
    def __str__(self) -> str:
        return "not this"


class Count(int):
    pass


class Share(float):
    pass


class Shown:
    def __init__(self, length: int) -> None:
        self.length = length

    def __repr__(self) -> str:
        return "x" * self.length


class Unshown:
    def __repr__(self) -> str:
        raise ValueError("no")


class Unread(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise ValueError("no")

    def __len__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "unread"


class Listed:
    tolist = 3

    def __repr__(self) -> str:
        return "listed"


class Silent(Exception):
    def __str__(self) -> str:
        raise ValueError("no")

    def __repr__(self) -> str:
        return "silent"


@dataclasses.dataclass
class Pair:
    left: Any
    right: Any = None
    unset: Any = dataclasses.field(init=False)


class Inner(BaseModel):
    n: int = 1


class MoreInner(Inner):
    more: str = "m"


class Model(BaseModel):
    inner: Inner
    secret: SecretStr = SecretStr("hidden")
    any: Any = None


class Unserialised(BaseModel):
    n: int = 1

    @field_serializer("n")
    def _raise(self, value: int) -> int:
        raise ValueError("no")


def noted(error: BaseException, *notes: str) -> BaseException:
    for note in notes:
        error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("a", "a"),
        (3, 3),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ({1: 2, None: 3, False: 4, 2.5: 5, (1, 2): 6}, {"1": 2, "null": 3, "false": 4, "2.5": 5, "[1, 2]": 6}),
        ({Size.SMALL: 1, Word("w"): 2, Colour.RED: 3, b"ab": 4}, {"1": 1, "w": 2, '["r", 1]': 3, "YWI=": 4}),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (AddableDict(a=[1]), {"a": [1]}),
        ([1, (2, [3]), deque([4])], [1, [2, [3]], [4]]),
        ({10, 9, "a"}, ["a", 10, 9]),
        (frozenset({(2,), (1,)}), [[1], [2]]),
        (Colour.RED, ["r", 1]),
        (Size.SMALL, 1),
        (Word("w"), "w"),
        (Count(3), 3),
        (Share(0.5), 0.5),
        (Share("inf"), "inf"),
        (b"ab", "YWI="),
        (bytearray(b"ab"), "YWI="),
        (memoryview(b"ab"), "YWI="),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (PurePosixPath("/a/b"), "/a/b"),
        (Decimal("1.50"), "1.50"),
        (1 + 2j, "(1+2j)"),
        (datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC), "2024-02-29T01:02:03+00:00"),
        (date(2024, 2, 29), "2024-02-29"),
        (time(1, 2), "01:02:00"),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        (ValueError("no"), {"type": "ValueError", "message": "no"}),
        (noted(ValueError("no"), "a", "b"), {"type": "ValueError", "message": "no", "notes": ["a", "b"]}),
        (Silent(), {"type": "Silent", "message": "silent"}),
        (Pair((1,)), {"left": [1], "right": None}),
        (Pair, f"{__name__}.Pair"),
        (dict, "builtins.dict"),
        (array("i", [1, 2]), [1, 2]),
        (Listed(), "listed"),
        (Unread(), "unread"),
        (Unshown(), "<Unshown>"),
        (Shown(1000), "x" * 1000),
        (Shown(1001), "x" * 1000 + "..."),
        (SecretStr("hidden"), "**********"),
        (SecretBytes(b"hidden"), "b'**********'"),
        (Model(inner=MoreInner()), {"inner": {"n": 1, "more": "m"}, "secret": "**********", "any": None}),
        (Unserialised(), {"n": 1}),
        (RunnableLambda(len, name="mine"), "<RunnableLambda mine>"),
        ([RunnableLambda(lambda x: x)], ["<RunnableLambda>"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_value_has_its_form(value: Any, encoded: Any) -> None:
    made = to_json(value)
    assert made == encoded
    assert_plain(made)
    assert json.loads(json_line(made)) == encoded


def assert_plain(made: Any) -> None:
    assert type(made) in (dict, list, str, int, float, bool, type(None))
    for each in [*made, *made.values()] if isinstance(made, dict) else made if isinstance(made, list) else ():
        assert_plain(each)


def test_it_shares_nothing_with_the_value() -> None:
    value: dict[str, Any] = {"a": [{"b": []}]}
    made = to_json(value)
    value["a"][0]["b"].append(1)
    value["a"].append(2)
    assert made == {"a": [{"b": []}]}


def test_what_holds_itself_has_its_name_there_and_nothing_else_has() -> None:
    items: list[Any] = [1]
    items.append({"again": items})
    assert to_json(items) == [1, {"again": "<list in itself>"}]
    shared = [1]
    assert to_json([shared, {"a": shared}]) == [[1], {"a": [1]}]
    model = Model(inner=Inner())
    model.any = [model]
    assert to_json(model)["any"] == ["<Model in itself>"]
    pair = Pair(None)
    pair.left = pair
    assert to_json(pair) == {"left": "<Pair in itself>", "right": None}


def test_what_is_too_deep_is_shown() -> None:
    def nested(levels: int) -> Any:
        value: Any = []
        for _ in range(levels - 1):
            value = [value]
        return value

    assert to_json(nested(100)) == nested(100)
    made = to_json(nested(101))
    for _ in range(100):
        (made,) = made
    assert made == "[]"


def test_a_model_with_a_value_of_another_type_is_written_without_a_warning() -> None:
    model = Inner.model_construct(n="three")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert to_json(model) == {"n": "three"}
    assert not caught


def test_a_line_is_compact_and_in_utf_8() -> None:
    assert json_line({"a": ["ä", 1]}) == '{"a":["ä",1]}'.encode()
    assert json_line({"a": ["\ud800"]}) == b'{"a":["\\ud800"]}'
