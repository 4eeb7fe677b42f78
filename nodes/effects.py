"""Functions that are called for what they do besides, while their input is handed on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from anabranch.engine.chunks import Accumulator
from anabranch.engine.operators import Operator
from anabranch.engine.signatures import describe
from anabranch.nodes.calling import called_with, hands_on

Function = Callable[..., Any]


def on_the_side(name: str, func: Function | None, afunc: Function | None, kwargs: dict[str, Any]) -> Operator:
    """An operator that hands its input on and calls a function with the whole of it, after its last chunk.

    Args:
        name: its name.
        func: the function, or an asynchronous one.
        afunc: an asynchronous form of it.
        kwargs: bound to both.
    """
    if func is not None and afunc is None and (describe(func).kind == "coroutine" or hands_on(func)):
        func, afunc = None, func
    signatures = [describe(each) for each in (func, afunc) if each is not None]
    wants = any(signature.wants_config or signature.wants_run_manager for signature in signatures)
    forms: dict[str, Any] = {}
    if func is not None:
        told = called_with(func, describe(func), kwargs, wants, "invoke")
        forms |= {"invoke": _calling(told), "transform": _telling(told, name)}
    if afunc is not None:
        told = called_with(afunc, describe(afunc), kwargs, wants, "ainvoke")
        forms |= {"ainvoke": _acalling(told), "atransform": _atelling(told, name)}
    return Operator(name=name, wants_config=wants, **forms)


def _calling(func: Function) -> Function:
    def call(value: Any, *config: Any) -> Any:
        func(value, *config)
        return value

    return call


def _acalling(func: Function) -> Function:
    async def call(value: Any, *config: Any) -> Any:
        await func(value, *config)
        return value

    return call


def _telling(func: Function, name: str) -> Function:
    def tell(chunks: Iterator[Any], *config: Any) -> Iterator[Any]:
        whole = Accumulator(where=name)
        for chunk in chunks:
            whole.push(chunk)
            yield chunk
        func(whole.value, *config)

    return tell


def _atelling(func: Function, name: str) -> Function:
    async def tell(chunks: AsyncIterator[Any], *config: Any) -> AsyncIterator[Any]:
        whole = Accumulator(where=name)
        async for chunk in chunks:
            whole.push(chunk)
            yield chunk
        await func(whole.value, *config)

    return tell
