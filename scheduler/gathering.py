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
    for target, base, ports in recipe:
        result = {key: values[at] if at >= -1 else made[at] for key, at in ports}
        if base is not None:
            result = assigned(values[base] if base >= -1 else made[base], result)
        made[target] = result
    return result


def assigned(base: Any, ports: dict[str, Any]) -> dict[str, Any]:
    """A dict with keys added, as `RunnablePassthrough.assign` does."""
    if not isinstance(base, dict):
        raise no_dict(base, ports)
    return {**base, **ports}


def no_dict(base: Any, keys: Iterable[str]) -> StepInputError:
    """The error of keys to be assigned to something that is no dict."""
    added = ", ".join(map(repr, keys))
    return StepInputError(
        f"the input to RunnablePassthrough.assign() must be a dict, to which it adds {added}; "
        f"got {type(base).__name__}. Put {{'some_key': ...}} before it to make a dict of the value"
    )
