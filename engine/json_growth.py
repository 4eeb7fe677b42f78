"""How a JSON value has grown, as operations of a JSON patch."""

from __future__ import annotations

from typing import Any

import jsonpatch

Op = dict[str, Any]


def growth(before: Any, after: Any, path: str = "") -> list[Op]:
    """The operations of a JSON patch (RFC 6902) that make one value of another.

    It is quick where one was read after the other from the same text: what they share is skipped, so it takes time for
    what has changed, and for as many members as the containers have that hold it.

    Args:
        before: a value.
        after: what it has become. The operations hold copies of its dicts and lists.
        path: where it stands.

    Example:
        >>> growth({"names": ["Ada"]}, {"names": ["Ada", "Gr"], "n": 1})
        [{'op': 'add', 'path': '/names/1', 'value': 'Gr'}, {'op': 'add', 'path': '/n', 'value': 1}]
    """
    ops: list[Op] = []
    _grow(before, after, path, ops)
    return ops


def _grow(before: Any, after: Any, path: str, ops: list[Op]) -> None:
    if before is after:
        return
    kind = type(before)
    if kind is not type(after):
        ops.append({"op": "replace", "path": path, "value": _copied(after)})
    elif issubclass(kind, dict) and before.keys() <= after.keys():
        for key, value in after.items():
            if before.get(key, ops) is not value:
                _grow_member(key in before, before.get(key), value, f"{path}/{escaped(key)}", ops)
    elif kind is list and len(before) <= len(after):
        known = len(before)
        first = known - 1 if same(before[:-1], after[: known - 1]) else 0  # mostly only the last one is another
        for at in range(max(first, 0), len(after)):
            _grow_member(at < known, before[at] if at < known else None, after[at], f"{path}/{at}", ops)
    elif issubclass(kind, dict) or kind is list:
        patch = jsonpatch.make_patch(before, after).patch
        ops += [{**op, **{at: path + op[at] for at in ("path", "from") if at in op}} for op in _copied(patch)]
    elif not same(before, after):
        ops.append({"op": "replace", "path": path, "value": after})


def _grow_member(is_known: bool, before: Any, after: Any, path: str, ops: list[Op]) -> None:
    if is_known:
        _grow(before, after, path, ops)
    else:
        ops.append({"op": "add", "path": path, "value": _copied(after)})


def _copied(value: Any) -> Any:
    """A copy, so that who applies a patch in place doesn't change what the next one is made from."""
    if type(value) is dict:
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if type(value) is list else value


def same(left: Any, right: Any) -> bool:
    """Whether two values are of one type and equal."""
    try:
        return left is right or (type(left) is type(right) and bool(left == right))
    except Exception:  # values with an == of their own, such as arrays
        return False


def escaped(key: str) -> str:
    """A key as a part of a path."""
    return key.replace("~", "~0").replace("/", "~1")
