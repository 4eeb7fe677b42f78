"""How a user's function is called: with what is bound to it, and with what it asks for of its run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from functools import partial
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction, isgeneratorfunction
from typing import Any, get_origin

from anabranch.engine.annotations import returned_type
from anabranch.engine.operators import Operator
from anabranch.engine.signatures import Signature, innermost_function
from anabranch.nodes.callbacks.run_managers import AsyncRunManager, RunManager
from anabranch.nodes.deferred import langchain_objects
from anabranch.nodes.langchain.presence import has_langchain, is_langchain
from anabranch.nodes.runnables import Runnable


def called_with(
    func: Callable[..., Any], signature: Signature, kwargs: dict[str, Any], wants_config: bool, form: str
) -> Callable[..., Any]:
    """A function as a form of an operator.

    Args:
        func: the function.
        signature: what is known of it.
        kwargs: bound to it.
        wants_config: the operator's forms get the config as a second argument.
        form: which form.
    """
    call = partial(func, **kwargs) if kwargs else func
    if signature.kind == "function" and form == "ainvoke":
        call = _awaiting(call)
    elif signature.kind == "function" and hands_on(func):
        call = _handed_on(call)
    if signature.kind in ("function", "coroutine") and has_langchain():
        call = _taking_langchain(call, is_async=form == "ainvoke")
    return _asking(call, signature, form) if wants_config else call


def _asking(func: Callable[..., Any], signature: Signature, form: str) -> Callable[..., Any]:
    manager = AsyncRunManager if form in ("ainvoke", "astream", "atransform") else RunManager

    def call(value: Any, config: Any) -> Any:
        asked = {}
        if signature.wants_config:
            asked["config"] = config
        if signature.wants_run_manager:
            asked["run_manager"] = manager(config)
        return func(value, **asked)

    return call


def _taking_langchain(func: Callable[..., Any], is_async: bool) -> Callable[..., Any]:
    """The same function; where it returns an object of LangChain's to be run, that is a runnable of ours."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return _taken(func(*args, **kwargs))

    async def acall(*args: Any, **kwargs: Any) -> Any:
        return _taken(await func(*args, **kwargs))

    made: Any = acall if is_async else call
    made.written_as = func
    return made  # type: ignore[no-any-return]


def _taken(result: Any) -> Any:
    return langchain_objects.from_langchain(result) if is_langchain(result) else result


def hands_on(func: Callable[..., Any]) -> bool:
    """Whether a plain function seems to hand on what an asynchronous or generator function inside it makes.

    It says so by its annotation; or it is a wrapper, made with `functools.wraps`, which may as well be one that
    waits itself. So what comes is looked at.
    """
    inner = innermost_function(func)
    if inner is not func and any(
        is_it(inner) for is_it in (iscoroutinefunction, isgeneratorfunction, isasyncgenfunction)
    ):
        return True
    return get_origin(returned_type(func)) in (Awaitable, Coroutine)


def _handed_on(func: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        if isawaitable(result) or isinstance(result, Generator | AsyncGenerator):
            return _Result(func, result)
        return result

    return call


def _awaiting(func: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        return await result if isawaitable(result) else result

    return call


class _Result(Runnable[Any, Any]):
    """What a function has handed on, to be awaited or iterated in its place. It can be run once."""

    def __init__(self, func: Callable[..., Any], result: Any) -> None:
        self.name = getattr(func, "__name__", type(func).__name__)
        self._result = result

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        result = self._result
        if isinstance(result, Generator):
            return Operator(name=self.get_name(), stream=lambda _: result)
        if isinstance(result, AsyncGenerator):
            return Operator(name=self.get_name(), astream=lambda _: result)

        async def wait(_: Any) -> Any:
            return await result

        return Operator(name=self.get_name(), ainvoke=wait, expands=True)
