"""How the function of a tool is called: with its arguments, and with what it asks for of its run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing
from functools import partial
from inspect import Parameter, isawaitable
from typing import Any

from anabranch.engine.annotations import parameter_types
from anabranch.engine.chunks import afold, fold
from anabranch.engine.signatures import kind_of, parameters
from anabranch.nodes.callbacks.run_managers import AsyncRunManager, RunManager
from anabranch.nodes.calling import hands_on
from anabranch.nodes.schemas.injected_arguments import is_config
from anabranch.scheduler.hopping import hop

BY_PLACE = ""
"""Stands for the name of an argument that is given by place, before all others."""


class ToolFunction:
    """A function of a tool. What a generator yields is added up.

    Args:
        func: the function.
        fills_star: the argument that is called as its `*args` is a list of what goes there. Otherwise, by a schema of
            the user's own, it is an argument like any other.
    """

    def __init__(self, func: Callable[..., Any], *, fills_star: bool = True) -> None:
        self.func = func
        self.is_async = is_asynchronous(func)
        self._may_block = self.is_async and kind_of(func) == "function"
        self.parameters = parameters(func) or []
        types = parameter_types(func)
        self._config = next((name for name, tp in types.items() if is_config(tp)), None)
        self._manager = "run_manager" in types
        self._callbacks = "callbacks" in types
        self.wants_config = self._config is not None or self._manager or self._callbacks
        # What can't be given by name is given by place, and so is all that stands before it.
        star = next((each.name for each in self.parameters if each.kind is Parameter.VAR_POSITIONAL), None)
        self._star = star if fills_star else None
        by_place = (Parameter.POSITIONAL_ONLY, *((Parameter.POSITIONAL_OR_KEYWORD,) if self._star else ()))
        self._places = [each for each in self.parameters if each.kind in by_place]

    def call(self, values: Mapping[str, Any], config: Any) -> Any:
        """Call it with arguments by name."""
        args, kwargs = self._placed({**values, **self._asked(config)})
        result = self.func(*args, **kwargs)
        return fold(result) if isinstance(result, Generator) else result

    async def acall(self, values: Mapping[str, Any], config: Any) -> Any:
        """Call it, and await what it answers."""
        args, kwargs = self._placed({**values, **self._asked(config)})
        if self._may_block:  # a plain wrapper of an asynchronous function may as well wait itself
            result = await hop(partial(self.func, *args, **kwargs), _not_stopped)
        else:
            result = self.func(*args, **kwargs)
        if isinstance(result, AsyncGenerator):
            async with aclosing(result) as chunks:
                return await afold(chunks)
        return await result if isawaitable(result) else result

    def _asked(self, config: Any) -> dict[str, Any]:
        """What it asks for of its run, by parameter."""
        if not self.wants_config:
            return {}
        asked: dict[str, Any] = {}
        if self._config is not None:
            asked[self._config] = config
        manager = AsyncRunManager(config) if self.is_async else RunManager(config)
        if self._manager:
            asked["run_manager"] = manager
        if self._callbacks:
            asked["callbacks"] = manager.get_child()
        return asked

    def _placed(self, values: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Arguments as they are to be given: some by place, the others by name."""
        args = [values.pop(BY_PLACE)] if BY_PLACE in values else []
        for each in self._places:
            if each.name not in values:
                break
            args.append(values.pop(each.name))
        if self._star is not None:
            args += values.pop(self._star, ())
        return args, values


def _not_stopped() -> None:
    """A wrapper is waited for, whatever comes."""


def is_asynchronous(func: Callable[..., Any]) -> bool:
    """Whether a function is asynchronous, or hands on what one inside it makes."""
    return kind_of(func) in ("coroutine", "async_generator") or hands_on(func)
