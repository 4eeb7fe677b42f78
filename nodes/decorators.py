"""`@chain`: a function as a runnable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar, overload

from anabranch.nodes.functions import Function, RunnableLambda
from anabranch.nodes.runnables import Input, Runnable

T = TypeVar("T")


@overload
def chain(func: Function[Input, Runnable[Any, T]]) -> Runnable[Input, T]: ...
@overload
def chain(
    func: Function[Input, Awaitable[T]] | Function[Input, Iterator[T]] | Function[Input, AsyncIterator[T]],
) -> Runnable[Input, T]: ...
@overload
def chain(func: Function[Input, T]) -> Runnable[Input, T]: ...
@overload
def chain(func: Callable[..., T]) -> Runnable[Any, T]: ...
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
