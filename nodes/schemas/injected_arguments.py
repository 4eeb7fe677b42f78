"""Arguments of tools that a model doesn't give: marked in the annotation, and filled in by whoever calls the tool."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from anabranch.engine.config import RunnableConfig


class InjectedToolArg:
    """Marks an argument that a model is not told of: `user: Annotated[str, InjectedToolArg]`.

    Whoever calls the tool gives it with the other arguments. A subclass is a mark, too.

    Example:
        >>> from typing import Annotated
        >>> from anabranch.nodes import convert_to_openai_tool
        >>> def order(item: str, user: Annotated[str, InjectedToolArg]) -> str:
        ...     return f"{item} for {user}"
        >>> list(convert_to_openai_tool(order)["function"]["parameters"]["properties"])
        ['item']
    """


class InjectedToolCallId(InjectedToolArg):
    """Marks the argument that gets the id of the tool call: `call: Annotated[str, InjectedToolCallId]`.

    Such a tool can only be called with a `ToolCall`.

    Example:
        >>> from typing import Annotated
        >>> @tool
        ... def remember(fact: str, call: Annotated[str, InjectedToolCallId]) -> str:
        ...     "Remember a fact."
        ...     return f"{fact} (as {call} said)"
        >>> remember.invoke(tool_call(name="remember", args={"fact": "bears"}, id="call-1")).content
        'bears (as call-1 said)'
    """


def is_injected(tp: Any, mark: type = InjectedToolArg) -> bool:
    """Whether a type is marked, or is itself a subclass of the mark."""
    if isinstance(tp, type):
        return issubclass(tp, mark)
    if get_origin(tp) is Annotated:
        inner, *marks = get_args(tp)
        return any(is_mark(each, mark) for each in marks) or is_injected(inner, mark)
    return get_origin(tp) in (Union, UnionType) and any(is_injected(each, mark) for each in get_args(tp))


def is_mark(it: Any, mark: type = InjectedToolArg) -> bool:
    """Whether something in `Annotated` is a mark: an object of the class, or the class itself."""
    return isinstance(it, mark) or (isinstance(it, type) and issubclass(it, mark))


def is_config(tp: Any) -> bool:
    """Whether a type is that of a config, or may be."""
    if get_origin(tp) is Annotated:
        return is_config(get_args(tp)[0])
    if get_origin(tp) in (Union, UnionType):
        return any(is_config(each) for each in get_args(tp))
    return tp is RunnableConfig
