"""The types of a user's function: what its annotations say of its input and of what it makes.

As with its form (`signatures`), what can't be known is `typing.Any`, and never an error.
"""

from __future__ import annotations

import builtins
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from types import FunctionType, UnionType
from typing import Annotated, Any, Optional, Union, get_args, get_origin, get_type_hints

from anabranch.engine.operators import Composable
from anabranch.engine.signatures import EMPTY, first_parameter, innermost_function, kind_of, own_annotations, parameters

STREAMS = (Iterator, Iterable, Generator, AsyncIterator, AsyncIterable, AsyncGenerator)


def input_type(func: Callable[..., Any]) -> Any:
    """The annotated type of a function's first parameter, or Any.

    Names in quotes are looked up where the function was defined. A parameter with the default None takes that, too.
    """
    if own_annotations(func) == {}:
        return Any
    first = first_parameter(func)
    if first is None:
        return Any
    tp = _resolved(first.annotation, func)
    return Optional[tp] if first.default is None and tp is not Any else tp  # noqa: UP045 (not all have `|`)


def output_type(func: Callable[..., Any]) -> Any:
    """The annotated type of what a function makes, or Any.

    For a generator, the type of what it yields; for a coroutine or an annotated awaitable, of what it
    returns; for a class, the class. What may return something composable has any output: that gets run.
    """
    if isinstance(func, type):
        return func if _makes_itself(func) else Any
    annotations = own_annotations(func)
    if annotations == {}:
        return Any
    tp = returned_type(func)
    kind = kind_of(func)
    if kind in ("generator", "async_generator"):
        tp = _element(tp)
    elif kind == "function" and get_origin(tp) in (Awaitable, Coroutine):
        tp = get_args(tp)[-1]
    return Any if _may_be_composable(tp) else tp


def parameter_types(func: Callable[..., Any], *, strict: bool = False) -> dict[str, Any]:
    """The annotated types of all parameters, by name, with what `Annotated` says of them; each may be Any.

    Args:
        func: the function.
        strict: an annotation that can't be resolved is an error.

    Raises:
        NameError: when a name in quotes isn't found where the function was defined; or what else it raises.
    """
    read = _evaluated if strict else _resolved
    return {each.name: read(each.annotation, func) for each in parameters(func) or ()}


def chunk_types(func: Callable[..., Any]) -> tuple[Any, Any]:
    """The types of the chunks that a function from iterator to iterator takes and makes; each may be Any."""
    return _element(input_type(func)), _element(returned_type(func))


def returned_type(func: Any) -> Any:
    """The annotation of what it returns, as a type."""
    annotations = own_annotations(func)
    if annotations is not None:
        return _resolved(annotations.get("return", EMPTY), func)
    try:
        return _resolved(inspect.signature(func).return_annotation, func)
    except Exception:
        return Any


def _resolved(annotation: Any, func: Any) -> Any:
    """An annotation as a type, or Any where it can't be resolved."""
    try:
        return _evaluated(annotation, func)
    except Exception:
        return Any


def _evaluated(annotation: Any, func: Any) -> Any:
    """An annotation as a type: names in quotes looked up, None as its type."""
    if annotation is EMPTY:
        return Any
    if isinstance(annotation, type):
        return annotation
    function = innermost_function(func)
    names = {each.__name__: each for each in getattr(function, "__type_params__", ())}
    if isinstance(annotation, str) and function is not None and not names:
        found = function.__globals__.get(annotation, vars(builtins).get(annotation))
        if isinstance(found, type):
            return found  # the same as below, twenty times as fast

    def probe() -> None:
        """Carries this one annotation: another that can't be resolved must not hide it."""

    probe.__annotations__ = {"it": annotation}
    return get_type_hints(probe, getattr(function, "__globals__", {}), names, include_extras=True)["it"]


def _element(tp: Any) -> Any:
    """The type of what an iterable yields."""
    return get_args(tp)[0] if get_origin(tp) in STREAMS and get_args(tp) else Any


def _may_be_composable(tp: Any) -> bool:
    """Whether something composable is among what a type allows by name."""
    if type(tp) is type:
        return issubclass(tp, Composable)
    origin = get_origin(tp) or tp
    if origin in (Union, UnionType, Annotated):
        return any(_may_be_composable(each) for each in get_args(tp))
    return isinstance(origin, type) and issubclass(origin, Composable)


def _makes_itself(cls: type) -> bool:
    """Whether calling a class makes an instance of it: nobody wrote a constructor that could do otherwise."""
    written = FunctionType in (type(cls.__new__), type(type(cls).__call__))
    return not written and cls is not reversed and not issubclass(cls, Composable)
