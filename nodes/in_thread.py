"""Blocking code for those who must not block: the asynchronous forms that follow from the synchronous ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from anabranch.engine.config import RunnableConfig
from anabranch.engine.operators import Operator
from anabranch.nodes.runnables import Runnable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class _Calling(Runnable[Callable[[], Any], Any]):
    """Calls what it gets. It makes no run of its own: what is called belongs to the run around it."""

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return Operator(name="a call in a thread", invoke=lambda call: call(), is_run=False)


_CALLING = _Calling()


async def in_thread(
    function: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """What a blocking function gives, called in a thread as a blocking step would be.

    It counts against `max_concurrency`, sees the context variables of the caller, and when it is cancelled
    the thread's work is awaited.
    """
    return cast(Result, await _CALLING.ainvoke(partial(function, *args, **kwargs)))


async def run_in_executor(
    executor_or_config: Executor | RunnableConfig | None,
    func: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """What a blocking function gives, called in a thread, so that the event loop goes on: `_astream` by `_stream`, say.

    Args:
        executor_or_config: an executor of your own. With None or a config it is called as a blocking step would be: it
            counts against `max_concurrency`, and when it is cancelled the thread's work is awaited.
        func: the function. It sees the context variables of the caller.
        *args, **kwargs: its arguments.

    Example:
        >>> import asyncio
        >>> asyncio.run(run_in_executor(None, pow, 2, 3))
        8
    """
    if not isinstance(executor_or_config, Executor):
        return await in_thread(func, *args, **kwargs)
    call = partial(copy_context().run, partial(func, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(executor_or_config, call)
