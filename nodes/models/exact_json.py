"""Values as JSON text that tells them apart: equal text means equal values of equal types, unlike `to_json`.

Text, numbers, bools and None are themselves, lists are arrays, and dicts with text for keys are objects. Anything else
is an object with the single key `$`, whose value is the kind and what it is made of: tuples, sets, bytes, other dicts,
pydantic models and dataclasses by the fields that differ from their defaults, classes and functions by their names.
What is none of these has no text; a caller may give it one.
"""

from __future__ import annotations

import dataclasses
import json
import math
import weakref
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, SecretBytes, SecretStr

from anabranch.engine.errors import StepInputError

Otherwise = Callable[[Any], Any]


def exact_json(value: Any, otherwise: Otherwise | None = None) -> str:
    """The text of a value.

    Args:
        value: what to write.
        otherwise: gives what is written for a value that has no text of its own.

    Raises:
        StepInputError: a `TypeError`, when something has no text.

    Example:
        >>> exact_json({"b": (1, 2.0), "a": [True, None]})
        '{"a":[true,null],"b":{"$":["tuple",[1,2.0]]}}'
    """
    try:
        return json.dumps(_written(value, otherwise or _refuse), sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise StepInputError("a value that holds itself, or is nested too deep, can't be written as JSON") from None


def from_exact_json(text: str, classes: Mapping[str, type[BaseModel]]) -> Any:
    """The value of a text.

    Args:
        text: what `exact_json` gave.
        classes: the classes of pydantic models that may occur, by name.

    Raises:
        LookupError: when it holds something of another class.
    """
    return json.loads(text, object_hook=lambda made: _read(made, classes))


def _refuse(value: Any) -> Any:
    raise StepInputError(f"{type(value).__name__} {value!r:.80} can't be written as JSON that tells it from others")


_TOKENS: dict[int, tuple[weakref.ref[Any], str]] = {}


def token_of(value: Any) -> Any:
    """Stands for an object that has no text: nothing else, here or anywhere, has the same."""
    known = _TOKENS.get(id(value))
    if known is not None and known[0]() is value:
        return {"$": ["object", known[1]]}
    key, token = id(value), uuid4().hex
    with suppress(TypeError):  # what can't be referred to weakly gets another each time
        _TOKENS[key] = (weakref.ref(value, lambda _: _TOKENS.pop(key, None)), token)
    return {"$": ["object", token]}


def name_of(thing: Any) -> str:
    """A class or function by its module and name."""
    return f"{thing.__module__}:{thing.__qualname__}"


def _written(value: Any, otherwise: Otherwise) -> Any:
    kind = type(value)
    if value is None or kind in (str, int, bool):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$": ["float", repr(value)]}
    if kind is list:
        return [_written(each, otherwise) for each in value]
    if isinstance(value, dict):
        if all(type(key) is str for key in value) and value.keys() != {"$"}:
            return {key: _written(each, otherwise) for key, each in value.items()}
        pairs = [[_written(key, otherwise), _written(each, otherwise)] for key, each in value.items()]
        return {"$": ["dict", pairs]}
    if kind is tuple:
        return {"$": ["tuple", [_written(each, otherwise) for each in value]]}
    if kind in (set, frozenset):
        return {"$": [kind.__name__, sorted((_written(each, otherwise) for each in value), key=json.dumps)]}
    if kind is bytes:
        return {"$": ["bytes", b64encode(value).decode()]}
    if isinstance(value, SecretStr | SecretBytes):
        return otherwise(value)
    if isinstance(value, BaseModel):
        return {"$": [name_of(kind), _fields(value, otherwise)]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"$": [name_of(kind), _written(fields, otherwise)]}
    return otherwise(value)


def _fields(model: BaseModel, otherwise: Otherwise) -> dict[str, Any]:
    known = type(model).model_fields
    given = {name: getattr(model, name) for name in known}
    told = {name: each for name, each in given.items() if known[name].is_required() or each != known[name].default}
    return {name: _written(each, otherwise) for name, each in {**told, **(model.model_extra or {})}.items()}


def _read(made: dict[str, Any], classes: Mapping[str, type[BaseModel]]) -> Any:
    if made.keys() != {"$"}:
        return made
    kind, of = made["$"]
    if kind in _READERS:
        return _READERS[kind](of)
    found = classes.get(kind)
    if found is None:
        raise LookupError(f"the text holds a {kind}, which is not among the classes that may be read")
    return found.model_validate(of)


_READERS: dict[str, Callable[[Any], Any]] = {
    "bytes": b64decode,
    "dict": dict,
    "float": float,
    "frozenset": frozenset,
    "set": set,
    "tuple": tuple,
}
