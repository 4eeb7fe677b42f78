"""Functions that a decorator has made runnables of, as they go into a pickle.

Pickle writes a function as the name under which it is found. Under the name of a function that `@tool` or `@chain`
decorates stands the runnable, which holds the function. So what is written is the name and the attribute.
"""

from __future__ import annotations

import sys
from functools import reduce
from importlib import import_module
from types import FrameType, FunctionType
from typing import Any, Self


class FunctionsByName:
    """The part of runnables with functions that pickles and copies them. They are values of attributes."""

    def __getstate__(self) -> dict[str, Any]:
        return names_for(_state(super()))

    def __copy__(self) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update(_state(super()))
        return made


def _state(above: Any) -> dict[str, Any]:
    state: dict[str, Any] = above.__getstate__()
    return state


def names_for(values: dict[str, Any]) -> dict[str, Any]:
    """Values for a pickle, with functions as `by_name` has them."""
    return {key: by_name(value) for key, value in values.items()}


def by_name(value: Any) -> Any:
    """For a pickle: a function that can be found only in the runnable that bears its name becomes a `HeldFunction`.

    Anything else stays as it is.
    """
    if not isinstance(value, FunctionType):
        return value
    if value.__module__ == "__main__" and _takes_functions_along():
        return value
    try:
        found = _found(value.__module__, value.__qualname__)
    except (ImportError, AttributeError):
        return value
    held = next((name for name, each in getattr(found, "__dict__", {}).items() if each is value), None)
    return value if held is None else HeldFunction(value.__module__, value.__qualname__, held)


class HeldFunction:
    """Stands in a pickle for a function.

    Args:
        module: the name of its module.
        name: the name in it of what holds the function.
        attribute: the attribute under which it does.
    """

    def __init__(self, module: str, name: str, attribute: str) -> None:
        self.where = (module, name, attribute)

    def __reduce__(self) -> tuple[Any, ...]:
        return held_function, self.where


def held_function(module: str, name: str, attribute: str) -> Any:
    """The function that something with a name holds."""
    return getattr(_found(module, name), attribute)


def _found(module: str, name: str) -> Any:
    return reduce(getattr, name.split("."), sys.modules.get(module) or import_module(module))


def _takes_functions_along() -> bool:
    """Whether it is cloudpickle or dill that pickles: they write the code of what `__main__` defines.

    Another machine's `__main__` is another program; that of a process of ours, which plain pickles go to, is not.
    """
    frame = sys._getframe()
    while frame.f_back is not None and _module(frame)[0] in ("anabranch", "pickle"):
        frame = frame.f_back
    return not {"cloudpickle", "dill"}.isdisjoint(_module(frame))


def _module(frame: FrameType) -> list[str]:
    return str(frame.f_globals.get("__name__", "")).split(".")
