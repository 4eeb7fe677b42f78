"""`@chain`: a function as a runnable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.runnables import Input, Runnable

T = TypeVar("T")
P = ParamSpec("P")


@overload
def chain(func: Callable[Concatenate[Input, P], Runnable[Any, T]]) -> Runnable[Input, T]: ...
@overload
def chain(func: Callable[Concatenate[Input, P], Awaitable[T]]) -> Runnable[Input, T]: ...
@overload
def chain(func: Callable[Concatenate[Input, P], Iterator[T]]) -> Runnable[Input, T]: ...
@overload
def chain(func: Callable[Concatenate[Input, P], AsyncIterator[T]]) -> Runnable[Input, T]: ...
@overload
def chain(func: Callable[Concatenate[Input, P], T]) -> Runnable[Input, T]: ...
def chain(func: Callable[..., Any]) -> Runnable[Any, Any]:
    """Make a runnable of a function. What it runs inside is part of its run, and a runnable it returns is run.

    Args:
        func: in any form that `RunnableLambda` takes.

    Raises:
        CompositionError: a `TypeError`, when it can't be called with an input.

    Example:
        >>> @chain
        ... def twice(x: int) -> int:
        ...     return 2 * x
        >>> twice.invoke(21)
        42
    """
    return RunnableLambda(func)
