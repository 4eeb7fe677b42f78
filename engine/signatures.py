"""What can be known of a user's function without calling it: its form. Its types stand in `annotations`.

Everything here is asked when composing, of code that somebody else wrote. So what can't be known is
`typing.Any` and never an error, and no file is read (`mentions` does that, when it is asked).

A function may be wrapped: in `functools.partial`, by a decorator that uses `functools.wraps`, as a bound
method, as an object with `__call__`. Its *layers* are what a call goes through, outermost first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from types import FunctionType, MethodType
from typing import Any, Literal, NamedTuple

Kind = Literal["function", "coroutine", "generator", "async_generator"]

MOST_LAYERS = 64
"""Wrappers that are looked through; an object that claims to wrap itself must not hang us."""

POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
EMPTY = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Signature:
    """How a function can be called, and what a call of it makes.

    Attributes:
        kind: what calling it makes; a "function" makes a value, which may be an awaitable.
        wants_config: besides its input it has a parameter `config` that can be given by keyword.
        wants_run_manager: the same of `run_manager`.
        name: its name, that of what a partial wraps, or the class of a callable object; None for a lambda.
        takes_input: it can be called with one positional argument. True when that can't be known.
    """

    kind: Kind
    wants_config: bool
    wants_run_manager: bool
    name: str | None
    takes_input: bool


# Signatures are few and composing is frequent: a cache hit costs a third of making a frozen dataclass.
_signature = lru_cache(maxsize=1024)(Signature)

_KINDS: dict[int, Kind] = {
    0: "function",
    inspect.CO_COROUTINE: "coroutine",
    inspect.CO_GENERATOR: "generator",
    inspect.CO_ASYNC_GENERATOR: "async_generator",
}
_KIND_FLAGS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def describe(func: Callable[..., Any]) -> Signature:
    """Tell how a function can be called, without calling it or reading its source.

    A wrapper made with `functools.wraps` has its own kind: a plain function that returns the coroutine of an
    async one is a "function". Its parameters are its own and, where it has `*args` or `**kwargs`, those of
    what it wraps. What a partial has bound is no longer a parameter.

    Args:
        func: anything callable.
    """
    if type(func) is FunctionType and not func.__dict__:  # no `__wrapped__`, no marks: its code tells all
        code = func.__code__
        flags, count = code.co_flags, code.co_argcount
        first = code.co_posonlyargcount or (1 if count else 0)
        takes_input = count > 0 or flags & inspect.CO_VARARGS != 0
        named = code.co_varnames[first : count + code.co_kwonlyargcount] if takes_input else ()
        name = func.__name__
        return _signature(
            _KINDS[flags & _KIND_FLAGS],
            "config" in named,
            "run_manager" in named,
            None if name == "<lambda>" else name,
            takes_input,
        )
    seen = parameters(func)
    takes_input = seen is None or (bool(seen) and seen[0].kind in POSITIONAL)
    named = tuple(each.name for at, each in enumerate(seen or ()) if takes_input and _is_keyword(each, at))
    return _signature(kind_of(func), "config" in named, "run_manager" in named, _name(func), takes_input)


def layers(func: Any) -> Iterator[Any]:
    """A callable and what it wraps, outermost first."""
    for _ in range(MOST_LAYERS):
        yield func
        if isinstance(func, partial):
            func = func.func
        elif isinstance(func, MethodType):
            func = func.__func__
        elif (wrapped := _wrapped(func)) is not None:
            func = wrapped
        elif isinstance(func, FunctionType):
            return
        else:
            owner, entry = (func, "__init__") if isinstance(func, type) else (type(func), "__call__")
            func = getattr(owner, entry, None)
            if not isinstance(func, FunctionType):
                return


def innermost_function(func: Any) -> FunctionType | None:
    """The innermost function, in whose module the annotations are to be read."""
    if type(func) is FunctionType and not func.__dict__:
        return func
    with suppress(Exception):
        *_, last = layers(func)
        return last if isinstance(last, FunctionType) else None
    return None


def _name(func: Any) -> str | None:
    """What a trace calls it; None for a lambda."""
    while isinstance(func, partial):
        func = func.func
    name = getattr(func, "__name__", None)
    if not isinstance(name, str):
        name = type(func).__name__
    return None if name == "<lambda>" else name


def kind_of(func: Any) -> Kind:
    """What a call makes, by what is called: the function itself, or the `__call__` of its class."""
    if type(func) is FunctionType and not func.__dict__:  # no `__wrapped__`, no marks: its code tells all
        return _KINDS[func.__code__.co_flags & _KIND_FLAGS]
    while isinstance(func, partial):
        func = func.func
    for called in (func, type(func).__call__):
        if inspect.iscoroutinefunction(called):
            return "coroutine"
        if inspect.isgeneratorfunction(called):
            return "generator"
        if inspect.isasyncgenfunction(called):
            return "async_generator"
    return "function"


def _is_keyword(parameter: inspect.Parameter, at: int) -> bool:
    """Whether it can be given by keyword when the input is given by position."""
    return parameter.kind in NAMED and (at > 0 or parameter.kind is inspect.Parameter.KEYWORD_ONLY)


def parameters(func: Any) -> list[inspect.Parameter] | None:
    """The parameters that a caller sees; None when they can't be known."""
    if isinstance(func, MethodType) and isinstance(func.__func__, FunctionType):
        inner = parameters(func.__func__)
        return inner[1:] if inner and inner[0].kind is not inspect.Parameter.VAR_POSITIONAL else inner
    wrapped = _wrapped(func)
    try:
        own = list(inspect.signature(func, follow_wrapped=False).parameters.values())
    except Exception:
        return None if wrapped is None else parameters(wrapped)
    if isinstance(func, partial):
        return [each for each in own if each.name not in func.keywords]
    named = [each for each in own if each.kind not in VARIADIC]
    if wrapped is None or len(named) == len(own):
        return own
    inner, known = parameters(wrapped), {each.name for each in named}
    return own if inner is None else named + [each for each in inner if each.name not in known]


class First(NamedTuple):
    """The parameter that the input goes to."""

    name: str
    annotation: Any
    default: Any


def first_parameter(func: Any) -> First | None:
    """The parameter that the input goes to; None when there is none, or when that can't be known."""
    annotations = own_annotations(func)
    if annotations is not None and func.__code__.co_argcount:  # the same as below, many times as fast
        name, defaults = func.__code__.co_varnames[0], func.__defaults__
        default = defaults[0] if defaults and len(defaults) == func.__code__.co_argcount else EMPTY
        return First(name, annotations.get(name, EMPTY), default)
    seen = parameters(func)
    known = seen and seen[0].kind in POSITIONAL
    return First(seen[0].name, seen[0].annotation, seen[0].default) if seen and known else None


def own_annotations(func: Any) -> dict[str, Any] | None:
    """The annotations of a plain function, which are all that there is; None for anything else."""
    if type(func) is not FunctionType or func.__dict__:
        return None
    try:
        return func.__annotations__
    except Exception:  # from Python 3.14 on they are evaluated only now
        return {}


def _wrapped(func: Any) -> Any:
    """What `functools.wraps` says is inside; read from its own attributes, as a mock claims to have any."""
    return getattr(func, "__dict__", {}).get("__wrapped__")
