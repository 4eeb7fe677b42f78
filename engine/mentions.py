"""What a function's code reads, mentions and returns: keys of its input, objects of its surroundings.

Asked when a schema is made or a graph is drawn, of code that somebody else wrote, so nothing raises: keys
that can't be known are None, and an object that can't be had is left out. Only `keys_read` looks at a file
(the function's source), once for each piece of code.
"""

from __future__ import annotations

import ast
import dis
import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import lru_cache, partial
from operator import itemgetter
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
)
from typing import Any
from weakref import WeakKeyDictionary

from anabranch.engine.signatures import first_parameter, innermost_function, layers

_NOTHING: Any = object()

_HARMLESS = (
    staticmethod,
    classmethod,
    FunctionType,
    BuiltinFunctionType,
    MethodType,
    MemberDescriptorType,
    MethodDescriptorType,
)
"""Descriptors whose `__get__` only binds or reads a slot."""


def reads_only(func: Callable[..., Any]) -> frozenset[str] | None:
    """The keys of its input that a function certainly reads, and nothing else; None when that isn't certain.

    Only `operator.itemgetter` of strings is certain: any other code could do more with what it is given.
    """
    if type(func) is not itemgetter:
        return None
    keys = func.__reduce__()[1]
    return frozenset(keys) if all(isinstance(key, str) for key in keys) else None


_keys_of_code: WeakKeyDictionary[CodeType, dict[str, tuple[str, ...] | None]] = WeakKeyDictionary()


def keys_read(func: Callable[..., Any]) -> tuple[str, ...] | None:
    """The keys by which a function indexes its first argument, sorted; None when that can't be known.

    They are read from its source: `x["a"]` and `x.get("a")`, anywhere in it. It may use its argument in other
    ways too, so this tells what the input must hold, not what it may leave out (`reads_only` does). Without a
    source, without a key, or when the argument's name comes to mean something else on the way: None.
    """
    if keys := reads_only(func):
        return tuple(sorted(keys))
    function, argument = innermost_function(func), first_parameter(func)
    if function is None or argument is None:
        return None
    known = _keys_of_code.setdefault(function.__code__, {})
    if argument.name not in known:
        known[argument.name] = _keys_indexed(function, argument.name)
    return known[argument.name]


def called_names(func: Callable[..., Any]) -> list[Any]:
    """The objects that a function's code mentions: free variables, globals, and attributes of these.

    Found in its compiled code, inner functions and what a wrapper wraps included, in the order of mention and
    each once. An attribute is followed one level (`module.chain`, and `self.chain` in a method), without
    running a property. What a partial has bound counts as mentioned.
    """
    found: list[Any] = []
    with suppress(Exception):
        bound = previous = _NOTHING
        for layer in layers(func):
            if isinstance(layer, partial):
                found += [*layer.args, *layer.keywords.values()]
            elif isinstance(layer, MethodType):
                bound = layer.__self__
            elif isinstance(layer, FunctionType):
                if inspect.getattr_static(type(previous), "__call__", None) is layer:
                    bound = previous
                found += _mentioned(layer, bound)
            previous = layer
    return list({id(each): each for each in found}.values())


def returns_value(func: Callable[..., Any]) -> bool:
    """Whether a generator function has a `return` of something other than None: a value that nobody gets.

    Read from its compiled code; what functions inside it return doesn't count. False for any other function.
    """
    while isinstance(func, partial):
        func = func.func
    called = next(filter(inspect.isgeneratorfunction, (func, type(func).__call__)), None)
    code = getattr(getattr(called, "__func__", called), "__code__", None)
    return isinstance(code, CodeType) and _returns_value(code)


def _returns_value(code: CodeType) -> bool:
    none = False  # the instruction before has put None on the stack
    for instruction in dis.get_instructions(code):
        operation = instruction.opname
        if operation == "RETURN_CONST" and instruction.argval is not None:
            return True
        # One that is jumped to gets what `a or b` and the like have left there.
        if operation == "RETURN_VALUE" and (not none or instruction.is_jump_target):
            return True
        if operation not in ("NOP", "EXTENDED_ARG", "CACHE"):
            none = operation == "LOAD_CONST" and instruction.argval is None
    return False


def lambda_source(func: Callable[..., Any]) -> str | None:
    """The text of a lambda, on one line; None for anything else, or when its source can't be had."""
    body = _body(func) if isinstance(func, FunctionType) and func.__name__ == "<lambda>" else ()
    for expression in body:
        with suppress(Exception):
            return f"lambda {str(inspect.signature(func))[1:-1]}: {ast.unparse(expression)}"
    return None


def _mentioned(function: FunctionType, bound: object) -> Iterator[Any]:
    """What a function's code names; `bound` is its first argument if it is a method."""
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    free = {name: cell.cell_contents for name, cell in cells if cell != CellType()}
    own = {code.co_varnames[0]: bound} if bound is not _NOTHING and code.co_argcount else {}
    return _named(code, function.__globals__, free, own, outermost=True)


def _named(
    code: CodeType, spaces: dict[str, Any], free: dict[str, Any], own: dict[str, Any], *, outermost: bool
) -> Iterator[Any]:
    """What code and the code in it names; `own` are locals known from outside, followed but not reported."""
    base = _NOTHING  # what the last instruction put on the stack, if an attribute of it is of interest
    for instruction in dis.get_instructions(code):
        operation, name = instruction.opname, instruction.argval
        found = _NOTHING
        if operation == "EXTENDED_ARG":
            continue
        if operation in ("LOAD_ATTR", "LOAD_METHOD"):
            found, base = _attribute(base, name), _NOTHING
        elif operation in ("LOAD_GLOBAL", "LOAD_NAME"):
            found = base = spaces.get(name, _NOTHING)
        elif operation.startswith("LOAD_") and operation.endswith("DEREF"):
            found = free.get(name, _NOTHING)
            base = own.get(name, found)
        elif "LOAD_FAST" in operation and outermost:
            base = own.get(name[1] if isinstance(name, tuple) else name, _NOTHING)  # of two the last is on top
        else:
            base = _NOTHING
        if found is not _NOTHING:
            yield found
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _named(inner, spaces, free, own, outermost=False)


def _attribute(base: Any, name: str) -> Any:
    """An attribute that can be had without running anybody's code."""
    if base is _NOTHING:
        return _NOTHING
    found = inspect.getattr_static(base, name, _NOTHING)
    if not hasattr(type(found), "__get__"):
        return found
    return getattr(base, name, _NOTHING) if isinstance(found, _HARMLESS) else _NOTHING


def _keys_indexed(function: FunctionType, argument: str) -> tuple[str, ...] | None:
    """The keys by which a function's source indexes an argument."""
    body = _body(function)
    keys = set()
    for node in (inner for part in body for inner in ast.walk(part)):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name) if name == argument:
                return None
            case ast.Subscript(ast.Name(id=name), ast.Constant(str(key)), ast.Load()) | ast.Call(
                ast.Attribute(ast.Name(id=name), "get"), [ast.Constant(str(key)), *_]
            ) if name == argument:
                keys.add(key)
    return tuple(sorted(keys)) or None


def _body(function: FunctionType) -> Collection[ast.AST]:
    """The syntax of what a function does; empty when its source can't be had or told from others."""
    code = function.__code__
    try:
        tree = _parsed("".join(inspect.findsource(function)[0]))
    except Exception:
        return ()
    # Instructions that stand for no source have an empty span, or none.
    spans = [(a, c, b, d) for a, b, c, d in code.co_positions() if c != d or a != b]
    spans = [span for span in spans if None not in span]
    found: list[Collection[ast.AST]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Lambda(body=body, lineno=code.co_firstlineno) if code.co_name == "<lambda>":
                if all(_holds(body, span) for span in spans):
                    found.append((body,))
            case ast.FunctionDef(name=code.co_name) | ast.AsyncFunctionDef(name=code.co_name):
                if min(each.lineno for each in (node, *node.decorator_list)) == code.co_firstlineno:
                    found.append(node.body)
    # What lies in a lambda in a lambda lies in both, and is the inner one's; ast.walk comes to that last.
    return found[-1] if found and (spans or len(found) == 1) else ()


@lru_cache(maxsize=4)
def _parsed(text: str) -> ast.Module:
    """A whole file: the lines of one lambda are seldom a statement by themselves."""
    return ast.parse(text)


def _holds(node: ast.expr, span: tuple[Any, ...]) -> bool:
    """Whether a piece of code comes from inside an expression."""
    line, column, end_line, end_column = span
    ends = node.end_lineno, node.end_col_offset
    return (node.lineno, node.col_offset) <= (line, column) and (end_line, end_column) <= ends
