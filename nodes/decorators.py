"""`@chain`: a function as a runnable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, overload

from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.runnables import Input, Output, Runnable


@overload
def chain(func: Callable[[Input], Awaitable[Output]]) -> Runnable[Input, Output]: ...
@overload
def chain(func: Callable[[Input], Iterator[Output]]) -> Runnable[Input, Output]: ...
@overload
def chain(func: Callable[[Input], AsyncIterator[Output]]) -> Runnable[Input, Output]: ...
@overload
def chain(func: Callable[[Input], Output]) -> Runnable[Input, Output]: ...
def chain(func: Callable[[Any], Any]) -> Runnable[Any, Any]:
    """Make a runnable of a function. What it runs inside is part of its run, and a runnable it returns is run.

    Example:
        >>> @chain
        ... def twice(x: int) -> int:
        ...     return 2 * x
        >>> twice.invoke(21)
        42
    """
    return RunnableLambda(func)
