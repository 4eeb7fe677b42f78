"""Tools as text, for prompts of models that know nothing of tools."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from anabranch.engine.annotations import parameter_types
from anabranch.nodes.schemas.argument_models import GIVEN_BY_US
from anabranch.nodes.schemas.injected_arguments import is_config, is_injected
from anabranch.nodes.tools.tools import BaseTool


def render_text_description(tools: Iterable[BaseTool]) -> str:
    """One line a tool: its name, what it takes, and what it does.

    Example:
        >>> from anabranch.nodes import tool
        >>> @tool
        ... def add(a: int, b: int = 1) -> int:
        ...     '''Add up.'''
        ...     return a + b
        >>> print(render_text_description([add]))
        add(a: int, b: int = 1) -> int - Add up.
    """
    return "\n".join(map(_described, tools))


def render_text_description_and_args(tools: Iterable[BaseTool]) -> str:
    """One line a tool, as `render_text_description`, with the JSON schemas of its arguments.

    Example:
        >>> @tool
        ... def double(a: int) -> int:
        ...     '''Double it.'''
        ...     return 2 * a
        >>> print(render_text_description_and_args([double]))
        double(a: int) -> int - Double it., args: {'a': {'title': 'A', 'type': 'integer'}}
    """
    return "\n".join(f"{_described(each)}, args: {each.args}" for each in tools)


def _described(tool: BaseTool) -> str:
    return f"{tool.name}{_signature(tool)} - {tool.description}"


def _signature(tool: BaseTool) -> str:
    """What the function takes, less what a model doesn't give; empty where that says nothing."""
    func = getattr(tool, "func", None) or getattr(tool, "coroutine", None)
    if func is None:
        return ""
    try:
        signature = inspect.signature(func, eval_str=True)
    except Exception:  # of a name that can't be found
        signature = inspect.signature(func)
    hidden = {name for name, tp in parameter_types(func).items() if is_injected(tp) or is_config(tp)}
    shown = [each for name, each in signature.parameters.items() if name not in hidden.union(GIVEN_BY_US)]
    return str(signature.replace(parameters=shown))
