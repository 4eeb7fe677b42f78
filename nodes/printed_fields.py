"""How pydantic models print: by the fields that say something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import BaseModel


def telling(model: BaseModel, always: frozenset[str] = frozenset()) -> Iterator[tuple[str | None, Any]]:
    """What a model prints, without the fields that stand at their defaults.

    Args:
        model: the model.
        always: the fields that are printed nevertheless.

    Example:
        >>> class Point(BaseModel):
        ...     x: int
        ...     y: int = 0
        ...
        ...     def __repr_args__(self):
        ...         return telling(self)
        >>> Point(x=1), Point(x=0, y=2)
        (Point(x=1), Point(x=0, y=2))
    """
    for name, value in BaseModel.__repr_args__(model):
        if name is None or name in always or not is_default(type(model), name, value):
            yield name, value


def is_default(model: type[BaseModel], name: str, value: Any) -> bool:
    """Whether a value is the default of a field. One that is made of other fields is none."""
    field = model.model_fields.get(name)
    if field is None or field.is_required():
        return False
    with suppress(Exception):
        default = field.get_default(call_default_factory=True)
        return value is default or bool(value == default)
    return False
