"""Blocking code for those who must not block: the asynchronous forms that follow from the synchronous ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

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
