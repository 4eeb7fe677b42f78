"""Runnables that are pydantic models: their settings are fields, checked when the object is made."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from anabranch.nodes.printed_fields import telling
from anabranch.nodes.runnables import Input, Output, Runnable

# `name` is an attribute of every runnable and a field here, which pydantic warns of.
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message='Field name "name"', category=UserWarning)

    class RunnableSerializable(BaseModel, Runnable[Input, Output]):
        """A runnable whose settings are pydantic fields.

        Subclass it, declare the fields, and write one of the forms of a leaf. Unknown arguments are
        ignored, any type may be a field. A copy, a pickle, and the object itself after a field was set
        start without what was derived from the old fields (such as the graph).

        Example:
            >>> class Greeting(RunnableSerializable[str, str]):
            ...     word: str = "hello"
            ...
            ...     def invoke(self, input, config=None, **kwargs):
            ...         return f"{self.word}, {input}"
            >>> Greeting(word="ahoy").invoke("Ada")
            'ahoy, Ada'
        """

        model_config = ConfigDict(arbitrary_types_allowed=True, extra="ignore", protected_namespaces=())

        name: str | None = None
        """The name in traces, drawings and errors; by default that of the class."""

        exempt_laws: ClassVar[Mapping[str, str]] = {}
        """The laws that can't hold for it, each with the reason; see `anabranch.nodes.laws`."""

        @property
        def InputType(self) -> Any:
            """The type of the input; `Any` where it isn't known."""
            return _type_arguments(type(self))[0]

        @property
        def OutputType(self) -> Any:
            """The type of the output; `Any` where it isn't known."""
            return _type_arguments(type(self))[1]

        def __hash__(self) -> int:
            return hash((type(self), self.get_name()))

        def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
            """Only what was said: fields at their default are left out."""
            return telling(self)

        def __setattr__(self, name: str, value: Any) -> None:
            if not name.startswith("_"):  # before, too: pydantic may check all that the object holds
                _drop_derived(self, self.__dict__)
            super().__setattr__(name, value)
            if name in type(self).model_fields:
                _drop_derived(self, self.__dict__)

        def __copy__(self) -> Self:
            copied = super().__copy__()
            _drop_derived(self, copied.__dict__)
            return copied

        def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
            # The shallow copy first: what was derived may not be copyable at all.
            return BaseModel.__deepcopy__(self.__copy__(), memo)

        def __getstate__(self) -> dict[Any, Any]:
            state = dict(super().__getstate__())
            state["__dict__"] = dict(state["__dict__"])
            _drop_derived(self, state["__dict__"])
            return state


class _FieldOnly:
    """Hides an inherited class attribute where a field of that name stands.

    Otherwise pydantic would take it for a default, and warn of every subclass that declares the field anew.
    """

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError("name")


type.__setattr__(RunnableSerializable, "name", _FieldOnly())


def _drop_derived(model: BaseModel, values: dict[str, Any]) -> None:
    """Remove what cached properties have stored beside the fields."""
    fields = type(model).model_fields
    for name in [name for name in values if name not in fields]:
        del values[name]


def _type_arguments(model: type) -> tuple[Any, Any]:
    """What a subclass, or one above it, has put for `Input` and `Output`.

    Pydantic makes a class of `Base[int]` and notes the argument there, so the classes are walked upwards with
    what is known of the type variables so far.
    """
    known: dict[Any, Any] = {}
    for base in model.__mro__:
        noted = base.__dict__.get("__pydantic_generic_metadata__") or {}
        origin, arguments = noted.get("origin"), noted.get("args")
        if not origin or not arguments:
            continue
        arguments = tuple(_resolved(argument, known) for argument in arguments)
        if origin is RunnableSerializable:
            return arguments[0], arguments[1]
        known = dict(zip(origin.__pydantic_generic_metadata__["parameters"], arguments, strict=True))
    return Any, Any


def _resolved(argument: Any, known: dict[Any, Any]) -> Any:
    if isinstance(argument, TypeVar):
        return known.get(argument, Any)
    variables = getattr(argument, "__parameters__", ())
    return argument[tuple(known.get(variable, Any) for variable in variables)] if variables else argument
