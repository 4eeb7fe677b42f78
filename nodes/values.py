"""Runnables are values: two of one class that are made of equal parts are equal."""

from __future__ import annotations

from typing import Any


class Value:
    """The part of our own runnables that compares them."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Value) and self._made_of() == other._made_of()

    def __hash__(self) -> int:
        it: Any = self
        return hash((type(self), it.get_name(), *(part.get_name() for part in it._parts())))

    def _made_of(self) -> dict[str, Any]:
        state: dict[str, Any] = self.__getstate__()  # type: ignore[assignment]
        return state
