"""Which documents a search may find: a filter by their metadata, as a function or as a dict."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

Passes = Callable[[dict[str, Any]], bool]
MetadataFilter = Passes | Mapping[str, Any]


def _is_among(value: Any, values: Any) -> bool:
    return value in values


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$neq": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$in": _is_among,
    "$nin": lambda value, values: value not in values,
}
ORDERS = ("$gt", "$gte", "$lt", "$lte")


def passes(given: MetadataFilter) -> Passes:
    """A function that says of metadata whether they pass a filter.

    A dict asks for all of its keys: a value stands for being equal, a list for being one of these, a dict for
    comparisons (`$eq $neq $gt $gte $lt $lte $in $nin`). `$and` and `$or` take a list of filters, `$not` takes one.
    A key that isn't there has the value None, which is neither more nor less than anything.

    Raises:
        TypeError: when the filter is neither a function nor a dict.
        ValueError: when it has an operator that isn't known.

    Example:
        >>> recent = passes({"$or": [{"year": {"$gte": 2020}}, {"kept": True}]})
        >>> recent({"year": 2024}), recent({"year": 1999}), recent({"kept": True})
        (True, False, True)
    """
    if callable(given):
        return given
    if not isinstance(given, Mapping):
        raise TypeError(f"filter is a function of metadata or a dict, got {type(given).__name__} {given!r:.80}")
    asked = [_asked(key, value) for key, value in given.items()]
    return lambda metadata: all(each(metadata) for each in asked)


def _asked(key: str, value: Any) -> Passes:
    if key in ("$and", "$or"):
        each = [passes(one) for one in value]
        combine = all if key == "$and" else any
        return lambda metadata: combine(one(metadata) for one in each)
    if key == "$not":
        inner = passes(value)
        return lambda metadata: not inner(metadata)
    if key.startswith("$"):
        raise ValueError(f"filter has the unknown operator {key!r}; around keys there are '$and', '$or' and '$not'")
    if isinstance(value, Mapping):
        compared = [_compared(key, name, wanted) for name, wanted in value.items()]
        return lambda metadata: all(each(metadata) for each in compared)
    return _compared(key, "$in" if isinstance(value, list | tuple | set) else "$eq", value)


def _compared(key: str, name: str, wanted: Any) -> Passes:
    if name not in COMPARISONS:
        raise ValueError(
            f"filter has the unknown operator {name!r} for {key!r}; there are {', '.join(map(repr, COMPARISONS))}"
        )
    compare = COMPARISONS[name]
    if name in ORDERS:
        return lambda metadata: metadata.get(key) is not None and compare(metadata[key], wanted)
    return lambda metadata: compare(metadata.get(key), wanted)
