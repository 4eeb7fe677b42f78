"""Any value as JSON: what a file or a client elsewhere can have of messages, documents, models and other objects.

| value | JSON |
|---|---|
| str, int, bool, None; float | itself; nan and the infinities their names |
| int of more than 640 digits, which not every reader takes | text, hexadecimal |
| dict, `AddableDict`, any mapping | an object; keys that are no text are made text |
| list, tuple, deque | an array |
| set, frozenset | an array, sorted by what its members look like as JSON |
| pydantic model, dataclass | an object of its fields; a secret stays masked |
| bytes | text in base64 |
| UUID, Path, Decimal, complex; datetime, date, time; timedelta | text; text as in ISO 8601; seconds |
| enum | its value |
| exception | an object with `type`, `message`, and `notes` if it has any |
| runnable; class | its name in angle brackets; its name with its module |
| what has a `tolist`, such as an array of numpy | what that gives |
| any other object | its repr, shortened |

Nothing raises: what can't be read has its type's name, and so has what holds itself.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from anabranch.engine.operators import Composable

MOST_DEEP = 100
"""Containers inside each other that are followed."""

LONGEST_REPR = 1_000
"""Characters."""

LARGEST_INT = 10**640
"""Python reads and writes smaller ones as decimals, whatever limit is set (`sys.set_int_max_str_digits`)."""

Around = tuple[int, ...]
"""The ids of the containers around a value, the outermost first."""


def to_json(value: Any) -> Any:
    """A value as dicts, lists, text, numbers, bools and None, which share nothing with it. See the module.

    Example:
        >>> to_json({"when": date(2024, 2, 29), 1: (b"ab", {3, 2}), "failed": ValueError("no")})
        {'when': '2024-02-29', '1': ['YWI=', [2, 3]], 'failed': {'type': 'ValueError', 'message': 'no'}}
    """
    return _encoded(value, ())


def json_line(value: Any) -> bytes:
    """JSON that `to_json` has made, as a line in UTF-8 without its end."""
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return line.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(value, separators=(",", ":")).encode()


def _encoded(value: Any, around: Around) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None or (kind is int and -LARGEST_INT < value < LARGEST_INT):
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if id(value) in around:
        return f"<{kind.__name__} in itself>"
    if len(around) >= MOST_DEEP:
        return _shown(value)
    try:
        return _contents(value, (*around, id(value)))
    except Exception:
        return _shown(value)


def _contents(value: Any, around: Around) -> Any:
    """What isn't JSON as it is."""
    if isinstance(value, Enum):
        return _encoded(value.value, around)
    if isinstance(value, Mapping):
        return {_key(key): _encoded(each, around) for key, each in value.items()}
    if isinstance(value, list | tuple | deque):
        return [_encoded(each, around) for each in value]
    if isinstance(value, set | frozenset):
        return sorted((_encoded(each, around) for each in value), key=json.dumps)
    if _is(value, "pydantic.main", "BaseModel"):
        return _encoded_model(value, around)
    if _is(value, "pydantic.types", "SecretStr") or _is(value, "pydantic.types", "SecretBytes"):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {each.name: _encoded(getattr(value, each.name), around) for each in fields if hasattr(value, each.name)}
    if isinstance(value, BaseException):
        return _encoded_error(value)
    for types, encode in _TEXTS:
        if isinstance(value, types):
            return encode(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if callable(listed := getattr(value, "tolist", None)):
        return _encoded(listed(), around)
    return _shown(value)


def _is(value: Any, module: str, name: str) -> bool:
    """Whether it is of a class that may not have been loaded, which takes its time: then nothing is of it."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _encoded_model(model: Any, around: Around) -> Any:
    try:
        fields = model.model_dump(serialize_as_any=True, warnings=False)
    except Exception:  # a field without a serialiser, or the model in itself
        fields = dict(model)
    return _encoded(fields, around)


def _encoded_error(error: BaseException) -> dict[str, Any]:
    try:
        message = str(error)
    except Exception:
        message = _shown(error)
    encoded: dict[str, Any] = {"type": type(error).__name__, "message": message}
    if notes := [str(note) for note in getattr(error, "__notes__", ())]:
        encoded["notes"] = notes
    return encoded


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    encoded = _encoded(key, ())
    return encoded if isinstance(encoded, str) else json.dumps(encoded)


def _shown(value: Any) -> str:
    if isinstance(value, Composable):  # its repr may read source files
        return f"<{type(value).__name__} {getattr(value, 'name', None) or ''}".rstrip() + ">"
    try:
        text = repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST_REPR else text[:LONGEST_REPR] + "..."


_TEXTS: list[tuple[Any, Callable[[Any], Any]]] = [
    (str, str.__str__),
    (int, lambda value: int(value) if -LARGEST_INT < value < LARGEST_INT else hex(value)),
    (float, lambda value: _encoded(float(value), ())),
    ((bytes, bytearray, memoryview), lambda value: b64encode(value).decode("ascii")),
    ((UUID, PurePath, Decimal, complex), str),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, lambda value: value.total_seconds()),
]
"""Types that have a simple form in JSON, with it."""
