"""Gathers the input of a segment from the values of the segments that feed it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.scheduler.plans import Recipe, Segment


def gather(segment: Segment, values: list[Any]) -> Any:
    """The input of a segment.

    Raises:
        StepInputError: when keys are to be assigned to something that is no dict.
    """
    if not segment.recipe:
        return values[segment.source]
    return gathered(segment.recipe, values)


def gathered(recipe: Recipe, values: list[Any]) -> Any:
    """What a recipe makes of values; without one, the first."""
    if not recipe:
        return values[0]
    made: dict[int, Any] = {}
    result: Any = None
    for target, base, ports, scope in recipe:
        result = {key: values[at] if at >= -1 else made[at] for key, at in ports}
        if base is not None:
            given = values[base] if base >= -1 else made[base]
            if not isinstance(given, dict):
                raise no_dict(given, result, scope)
            result = {**given, **result}
        made[target] = result
    return result


def no_dict(base: Any, keys: Iterable[str], scope: int) -> StepInputError:
    """The error of keys to be assigned, in a scope, to something that is no dict."""
    added = ", ".join(map(repr, keys))
    error = StepInputError(
        f"the input to RunnablePassthrough.assign() must be a dict, to which it adds {added}; "
        f"got {type(base).__name__}: {base!r:.80}. Put {{'some_key': ...}} before it to make a dict of the value"
    )
    error.scope = scope
    return error
