"""Whether the output of one step can be the input of the next, judged by their types when composing.

The rule: an edge that *certainly* can't fit is an error, an unknown type never is. So two types fit unless no
value can be of both: `str | None` fits `str`, `Animal` fits `Dog`, `float` fits `int` (by Python's numeric
tower an int is a float). Not looked at are the arguments of generics, but for the length and the elements of
tuples: an empty `list[int]` is a `list[str]`. Not considered are classes that somebody might yet derive from
two unrelated ones, unless one of the two is abstract, which invites it.
"""

from __future__ import annotations

import collections.abc
from abc import ABC, ABCMeta
from collections.abc import Mapping
from enum import EnumMeta
from functools import lru_cache
from inspect import isabstract
from numbers import Number
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from anabranch.engine.value_types import DictType, Keys, bare, describe_type, keys_of

DEEPEST = 8
"""Keyed types within keyed types that are compared; below, anything fits. Such types may be recursive."""

DISJOINT = "is not"
BYTES = {bytes, bytearray, memoryview}


def fits(output: Any, input: Any) -> bool:
    """Tell whether a value of type `output` could be accepted as `input`; False only when that is certain.

    Args:
        output: the type that a step makes.
        input: the type that the next step takes.
    """
    return output is input or output is Any or input is Any or not explain_misfit(output, input)


def explain_misfit(output: Any, input: Any) -> str:
    """Say why a value of type `output` can't be accepted as `input`; empty when it can, or might.

    A phrase for an error text: `str is not int`, `missing key 'question'`, `key 'question': str is not int`.
    """
    try:
        return _known_misfit(output, input)
    except TypeError:  # a type that can't be hashed
        return _safe_misfit(output, input)


def _safe_misfit(output: Any, input: Any) -> str:
    """`_misfit`, with what goes wrong inside somebody's classes taken for unknown."""
    try:
        return _misfit(output, input, 0)
    except Exception:
        return ""


_known_misfit = lru_cache(maxsize=4096)(_safe_misfit)


def _misfit(output: Any, input: Any, depth: int) -> str:
    """Why no value can be of both types; empty when one could."""
    outputs, inputs = _alternatives(output), _alternatives(input)
    reason = ""
    for made in outputs:
        for taken in inputs:
            if not (reason := _plain_misfit(made, taken, depth)):
                return ""
    if len(outputs) > 1 or len(inputs) > 1 or reason == DISJOINT:
        return _is_not(output, input)
    return reason


def _alternatives(tp: Any) -> list[Any]:
    """The members of a union, each without the wrappers that don't change what its values are."""
    tp = bare(tp)
    if get_origin(tp) in (Union, UnionType):
        return [each for member in get_args(tp) for each in _alternatives(member)]
    return [tp]


def _plain_misfit(output: Any, input: Any, depth: int) -> str:
    """`_misfit` of two types that are no unions; `DISJOINT` when there is no more to say than that."""
    if Literal in (get_origin(output), get_origin(input)):
        return "" if _literals_meet(output, input) else DISJOINT
    made, taken = _class_of(output), _class_of(input)
    if made is None or taken is None:
        return ""
    if (needs := keys_of(input)) is not None:
        if (has := keys_of(output)) is not None:
            return _keys_misfit(has, needs, depth)
        if isinstance(input, DictType) and issubclass(made, Mapping):
            return ""
    return "" if _classes_meet(made, taken) and _tuples_meet(output, input, depth) else DISJOINT


def _class_of(tp: Any) -> type | None:
    """The class that values of a type have; None when that says nothing about which values they are."""
    if isinstance(tp, DictType) or keys_of(tp) is not None:
        return dict
    cls = get_origin(tp) or tp
    if not isinstance(cls, type) or cls is object or Any in cls.__mro__:
        return None
    if getattr(cls, "_is_protocol", False) or cls.__module__ in ("typing", "typing_extensions"):
        return None
    # Model[int] and Model[Any] of pydantic are siblings, but one may well be meant by the other.
    generic: Mapping[str, Any] = getattr(cls, "__pydantic_generic_metadata__", None) or {}
    return generic.get("origin") or cls


def _classes_meet(a: type, b: type) -> bool:
    """Whether a value can be of both classes; classes of one name are taken for two editions of the same."""
    if issubclass(a, b) or issubclass(b, a) or (issubclass(a, Number) and issubclass(b, Number)):
        return True
    if (a.__module__, a.__qualname__) == (b.__module__, b.__qualname__):
        return True
    if a in BYTES and b in BYTES:
        return bytes in (a, b)
    if {a.__module__, b.__module__} == {"builtins", collections.abc.__name__}:
        return False  # of these each knows the others
    return _is_abstract(a) or _is_abstract(b)


def _is_abstract(cls: type) -> bool:
    """Whether a class is there to be derived from: abstract, topmost of its kind, an enum without members."""
    if isabstract(cls) or ABC in cls.__bases__ or (isinstance(cls, EnumMeta) and not len(cls)):
        return True
    return type(cls) is ABCMeta and not any(isinstance(base, ABCMeta) for base in cls.__bases__)


def _literals_meet(output: Any, input: Any) -> bool:
    """Whether a literal value is of the other type, one of whose sides is a Literal."""
    if get_origin(output) is get_origin(input):
        values = {(type(value), value) for value in get_args(output)}
        return any((type(value), value) in values for value in get_args(input))
    literal, other = (output, input) if get_origin(output) is Literal else (input, output)
    return any(not _plain_misfit(type(value), other, 0) for value in get_args(literal))


def _tuples_meet(output: Any, input: Any, depth: int) -> bool:
    """Whether tuples of known length are as long, and their elements fit."""
    made, taken = _elements(output), _elements(input)
    if made is None or taken is None or depth > DEEPEST:
        return True
    return len(made) == len(taken) and not any(map(lambda a, b: _misfit(a, b, depth + 1), made, taken))


def _elements(tp: Any) -> tuple[Any, ...] | None:
    """The types of the elements of a tuple of known length."""
    args = get_args(tp)
    open_ended = any(each is ... or getattr(each, "__unpacked__", False) for each in args)
    unpacks = any(getattr(get_origin(each), "_name", None) == "Unpack" for each in args)
    return args if get_origin(tp) is tuple and args and not open_ended and not unpacks else None


def _keys_misfit(has: Keys, needs: Keys, depth: int) -> str:
    """Why a dict with some keys is none with others: a key is certainly missing, or of another type."""
    missing = [key for key in needs.types if key in needs.required and key not in has.types]
    if missing and has.closed:
        return f"missing key{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}"
    shared = [key for key in needs.types if key in has.types] if depth < DEEPEST else []
    for key in shared:
        # If neither has to have the key, a dict without it is of both types.
        if key in needs.required or key in has.required:
            reason = _misfit(has.types[key], needs.types[key], depth + 1)
            if reason:
                return f"key {key!r}: {reason}"
    return ""


def _is_not(output: Any, input: Any) -> str:
    """`str is not int`; with their modules, when the names alone would be the same."""
    made, taken = describe_type(output), describe_type(input)
    if made == taken:
        made, taken = (f"{getattr(tp, '__module__', '?')}.{describe_type(tp)}" for tp in (output, input))
    return f"{made} is not {taken}"
