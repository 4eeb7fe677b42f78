"""The check of an edge when composing: what one step gives, the next must be able to take.

Types travel forwards: each runnable tells, for the type of input that it is given, the type of its output
(`Runnable._output_for`). Most always give the same; a few (`assign`, `pick`, a passthrough, a dict with one of these
in it) depend on what they get, and say so by `_types_depend`, so that a check stops where nothing new is learnt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anabranch.engine.errors import CompositionError, EdgeTypeError
from anabranch.engine.fitting import explain_misfit, fits
from anabranch.engine.value_types import describe_type, keys_of

REMEDY = "If the annotations say less than you know, use .with_types(input_type=..., output_type=...)"


def check_edge(giver: Any, given: Any, reader: Any, wanted: Any) -> None:
    """See that what a step gives may be what the next one takes.

    Args:
        giver: the step, or how to call it.
        given: the type that it gives.
        reader: the next step, or how to call it.
        wanted: the type that it takes.

    Raises:
        EdgeTypeError: when it certainly can't be.
    """
    if not fits(given, wanted):
        raise EdgeTypeError(
            f"{named(giver)} gives {describe_type(given)}, but {named(reader)} takes {describe_type(wanted)}: "
            f"{explain_misfit(given, wanted)}. {REMEDY}"
        )


def check_keys(giver: Any, given: Any, reader: Any, read: Iterable[str]) -> None:
    """See that the keys which a step reads may be in the dict that it gets.

    Raises:
        EdgeTypeError: when one certainly isn't.
    """
    has = keys_of(given)
    if has is None or not has.closed:
        return
    missing = [key for key in read if key not in has.types]
    if missing:
        keys = f"key{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}"
        raise EdgeTypeError(
            f"{named(giver)} gives {describe_type(given)}, but {named(reader)} reads {keys}: missing {keys}. {REMEDY}"
        )


def declared(argument: str, tp: Any) -> Any:
    """A type that was declared, as it is.

    Raises:
        CompositionError: a `TypeError`, when it is a plain value, or a name.
    """
    if tp is not None and not isinstance(tp, type) and type(tp).__module__ == "builtins":
        raise CompositionError(
            f"{argument}: expected a type, such as `str` or `list[int]`, got {type(tp).__name__}: {tp!r:.80}"
        )
    return tp


def named(step: Any) -> str:
    """A step in an error: its name in quotes, or what it is called. A function without a name is told by its code."""
    if isinstance(step, str):
        return step
    name = step.get_name()
    return f"{step!r:.80}" if name == "RunnableLambda" else repr(name)
