"""Values and functions as Python that can be pasted: a literal, or how to import it or make it again."""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from operator import attrgetter, itemgetter, methodcaller
from textwrap import dedent
from types import (
    BuiltinFunctionType,
    FunctionType,
    GenericAlias,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    UnionType,
)
from typing import Any, get_args

import anabranch.nodes
from anabranch.engine.mentions import lambda_source
from anabranch.engine.signatures import innermost_function
from anabranch.nodes.printed_fields import is_default


class Script:
    """Python that is written piece by piece: what it imports, what it defines, and its own lines.

    What can't be written is named or shown as well as can be, with a comment that says so.
    """

    def __init__(self) -> None:
        self._imports: dict[str, set[str]] = {}
        self._definitions: dict[str, str] = {}
        self._remarks: dict[str, None] = {}
        self.lines: list[str] = []

    def __str__(self) -> str:
        modules = sorted(f"import {module}" for module, names in self._imports.items() if not names)
        names = [
            f"from {module} import {', '.join(sorted(names))}"
            for module, names in sorted(self._imports.items())
            if names
        ]
        imports = "\n".join([*modules, *names])
        body = "\n".join([*(f"# {remark}" for remark in self._remarks), *self.lines])
        return "\n\n".join(part for part in (imports, *self._definitions.values(), body) if part)

    def takes(self, module: str, *names: str) -> None:
        """Import names of a module, or the module itself."""
        self._imports.setdefault(module, set()).update(names)

    def define(self, name: str, text: str) -> None:
        """Define a name before the lines. One that is there already is left, with a remark if it is another."""
        if self._definitions.setdefault(name, text) != text:
            self.remark(f"there are two different things called {name}; the first is shown")

    def remark(self, text: str) -> None:
        """Say something that the reader must know."""
        self._remarks[text] = None

    # Values

    def value(self, value: Any) -> str:
        """An expression for a value."""
        if value is None or (isinstance(value, bool | str | bytes | int) and type(value).__module__ == "builtins"):
            return repr(value)
        if isinstance(value, float) and type(value) is float:
            return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
        if type(value) in (list, tuple, set, frozenset, dict):
            return self._collection(value)
        if isinstance(value, Enum):
            return f"{self.named(type(value))}.{value.name}"
        if isinstance(value, ModuleType):
            self.takes(value.__name__)
            return value.__name__
        if isinstance(value, GenericAlias | UnionType) or type(value).__module__ == "typing":
            return self._type(value)
        if isinstance(value, type) or callable(value):
            return self.function(value)
        if type(value).__module__ == "builtins":
            return repr(value)
        if isinstance(value, dict):  # an AddableDict, for one
            return f"{self.named(type(value))}({self._collection(dict(value))})"
        return self.made(value)

    def _collection(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.value(key)}: {self.value(each)}" for key, each in value.items()) + "}"
        inner = ", ".join(map(self.value, value))
        if isinstance(value, list):
            return f"[{inner}]"
        if isinstance(value, tuple):
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        return f"{type(value).__name__}([{inner}])" if not value or isinstance(value, frozenset) else "{" + inner + "}"

    def _type(self, tp: Any) -> str:
        """A type that is no class, such as `list[int]`."""
        if "typing." in repr(tp):
            self.takes("typing")
        for part in get_args(tp):
            self.value(part)  # for its import
        return repr(tp)

    def made(self, value: Any) -> str:
        """An object of some class as a call of that class."""
        arguments = arguments_of(value)
        if arguments is None:
            self.remark(f"write here how the {type(value).__name__} is made: {value!r:.80}")
            return f"{self.named(type(value))}(...)"
        return self.call(self.named(type(value)), *arguments)

    def call(self, name: str, positional: Iterable[Any], keywords: Mapping[str, Any]) -> str:
        """A call with these arguments."""
        said = [*map(self.value, positional), *(f"{key}={self.value(each)}" for key, each in keywords.items())]
        return f"{name}({', '.join(said)})"

    # Functions and classes

    def function(self, func: Any) -> str:
        """An expression for something that can be called."""
        if isinstance(func, type | FunctionType | BuiltinFunctionType | MethodDescriptorType) and not _is_bound(func):
            if isinstance(func, FunctionType) and func.__name__ == "<lambda>":
                return self._lambda(func)
            return self.named(func)
        if isinstance(func, MethodType | BuiltinFunctionType):
            owner: Any = func.__self__
            return f"{self.value(owner)}.{func.__name__}"
        if isinstance(func, functools.partial):
            self.takes("functools", "partial")
            return self.call("partial", (func.func, *func.args), func.keywords)
        if isinstance(func, itemgetter | attrgetter | methodcaller):
            self.takes("operator", type(func).__name__)
            reduced: Any = func.__reduce__()
            return self.call(type(func).__name__, reduced[1], {})
        return self.made(func)

    def named(self, thing: Any) -> str:
        """The name of a class or function; it is imported, defined, or said where it stands."""
        name: str = getattr(thing, "__qualname__", thing.__name__)
        module: str = getattr(thing, "__module__", None) or getattr(thing, "__objclass__", type).__module__
        if module == "builtins" and hasattr(builtins, name.partition(".")[0]):
            return name
        if getattr(anabranch.nodes, name, None) is thing and name in anabranch.nodes.__all__:
            self.takes("anabranch.nodes", name)
            return name
        if "<locals>" in name:
            return self._local(thing, name)
        if getattr(sys.modules.get(module), "__file__", None) and module != "__main__":
            self.takes(module, name.partition(".")[0])
        return name

    def _local(self, thing: Any, name: str) -> str:
        short: str = thing.__name__
        text = _source(thing) if isinstance(thing, FunctionType) else None
        if text is None:
            self.remark(f"{short} is {name} in {thing.__module__}")
        else:
            self._define_mentioned(thing)
            self.define(short, text)
        return short

    def _lambda(self, func: FunctionType) -> str:
        text = lambda_source(func)
        if text is None:
            self.remark(f"write the lambda of {func.__module__}, line {func.__code__.co_firstlineno}, for `...`")
            return "(lambda *_: ...)"
        self._define_mentioned(func)
        return text

    def _define_mentioned(self, func: FunctionType) -> None:
        """Define the free variables and the globals that a function's code names."""
        mentioned = dict(inspect.getclosurevars(func).nonlocals)
        mentioned |= inspect.getclosurevars(func).globals
        for name, value in mentioned.items():
            if isinstance(value, ModuleType):
                self.takes(value.__name__) if value.__name__ == name else self.define(
                    name, f"import {value.__name__} as {name}"
                )
            elif (text := self.value(value)) != name:
                self.define(name, f"{name} = {text}")


def arguments_of(value: Any) -> tuple[list[Any], dict[str, Any]] | None:
    """The arguments with which an object can be made again, as far as its attributes tell; None if they don't."""
    kind = type(value)
    model_fields = getattr(kind, "model_fields", None)
    if model_fields is not None:
        given = {name: getattr(value, name) for name in model_fields if name in value.model_fields_set}
        return [], {name: each for name, each in given.items() if not is_default(kind, name, each)}
    if isinstance(value, BaseException):
        return list(value.args), {}
    if is_dataclass(value):
        given = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
        return _shortest(inspect.signature(kind).parameters, given)
    with suppress(TypeError, ValueError):
        parameters = {
            name: each for name, each in inspect.signature(kind).parameters.items() if each.kind not in _VARIADIC
        }
        given = {}
        for name, parameter in parameters.items():
            held = [attribute for attribute in (name, f"_{name}") if attribute in vars(value)]
            if held:
                given[name] = vars(value)[held[0]]
            elif parameter.default is inspect.Parameter.empty:
                return None
        return _shortest(parameters, given)
    return None


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _shortest(
    parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments without those that are defaults; the first one by position."""
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for name, value in given.items():
        parameter = parameters[name]
        if _is_default(value, parameter.default):
            continue
        is_first = not positional and not keywords and name == next(iter(parameters))
        if is_first and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            positional.append(value)
        else:
            keywords[name] = value
    return positional, keywords


def _is_default(value: Any, default: Any) -> bool:
    with suppress(Exception):
        return default is not inspect.Parameter.empty and (value is default or bool(value == default))
    return False


def _is_bound(func: Any) -> bool:
    owner = getattr(func, "__self__", None)
    return isinstance(func, BuiltinFunctionType) and owner is not None and not isinstance(owner, ModuleType)


def _source(func: Callable[..., Any]) -> str | None:
    inner = innermost_function(func)
    with suppress(Exception):
        return dedent(inspect.getsource(inner or func)).rstrip()
    return None
