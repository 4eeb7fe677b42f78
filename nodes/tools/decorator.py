"""`@tool`: a function, or a runnable, as a tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, Unpack, overload

from anabranch.nodes.runnables import Runnable
from anabranch.nodes.schemas.docstrings import own_docstring
from anabranch.nodes.tools.functions import is_asynchronous
from anabranch.nodes.tools.outputs import ResponseFormat
from anabranch.nodes.tools.runnable_tools import tool_of_runnable
from anabranch.nodes.tools.structured_tools import StructuredTool, Tool
from anabranch.nodes.tools.tools import ArgsSchema, BaseTool

MadeOf = Callable[..., Any] | Runnable[Any, Any]


class Options(TypedDict, total=False):
    """What `tool` may be told of any tool."""

    description: str | None
    return_direct: bool
    args_schema: ArgsSchema | None
    infer_schema: bool
    response_format: ResponseFormat
    parse_docstring: bool
    error_on_invalid_docstring: bool
    extras: dict[str, Any] | None


@overload
def tool(**options: Unpack[Options]) -> Callable[[MadeOf], BaseTool]: ...
@overload
def tool(name_or_callable: str, runnable: Runnable[Any, Any], **options: Unpack[Options]) -> BaseTool: ...
@overload
def tool(name_or_callable: Callable[..., Any], **options: Unpack[Options]) -> BaseTool: ...
@overload
def tool(name_or_callable: str, **options: Unpack[Options]) -> Callable[[MadeOf], BaseTool]: ...
def tool(
    name_or_callable: str | Callable[..., Any] | None = None,
    runnable: Runnable[Any, Any] | None = None,
    *,
    description: str | None = None,
    return_direct: bool = False,
    args_schema: ArgsSchema | None = None,
    infer_schema: bool = True,
    response_format: ResponseFormat = "content",
    parse_docstring: bool = False,
    error_on_invalid_docstring: bool = True,
    extras: dict[str, Any] | None = None,
) -> BaseTool | Callable[[MadeOf], BaseTool]:
    """Make a tool of a function: `@tool`, `@tool("name")`, `@tool(return_direct=True)`; or `tool("name", runnable)`.

    Args:
        name_or_callable: the name of the tool, by default that of the function; or the function.
        runnable: what to make a tool of, where that isn't a function.
        description: what it does, for the model; by default the docstring.
        return_direct: see `BaseTool`.
        args_schema: a pydantic model or a JSON schema of the arguments; by default one is made of the parameters, with
            the descriptions that `Annotated[int, "how many"]` and `Field(description=...)` give.
        infer_schema: False makes no schema: the tool takes one text.
        response_format: see `BaseTool`.
        parse_docstring: what the docstring, in Google's style, says of the arguments goes to the schema, and what
            stands before is the description.
        error_on_invalid_docstring: a docstring that says nothing of arguments is an error then.
        extras: see `BaseTool`.

    Raises:
        ValueError: when it can't be called by a name, has no description, or its docstring tells of an argument that
            isn't there.

    Example:
        >>> @tool
        ... def multiply(a: int, b: int) -> int:
        ...     '''Multiply two numbers.'''
        ...     return a * b
        >>> multiply.name, multiply.description
        ('multiply', 'Multiply two numbers.')
        >>> multiply.invoke({"a": 6, "b": 7})
        42
    """

    def make(name: str | None, of: Any) -> BaseTool:
        if isinstance(of, Runnable):
            return tool_of_runnable(
                of,
                args_schema,
                name=name,
                description=description,
                return_direct=return_direct,
                response_format=response_format,
                extras=extras,
            )
        if not callable(of):
            raise ValueError(f"a tool is made of a function or a runnable, got {type(of).__name__}: {of!r:.80}")
        fields: dict[str, Any] = {"func": None, "coroutine": of} if is_asynchronous(of) else {"func": of}
        fields |= {"name": name, "description": description, "return_direct": return_direct}
        fields |= {"args_schema": args_schema, "response_format": response_format, "extras": extras}
        if not infer_schema and args_schema is None:
            said = description or own_docstring(of)
            if not said:
                raise ValueError(f"the tool {name or of!r} needs a description: give one, or write a docstring")
            return Tool.from_function(**{**fields, "name": name or of.__name__, "description": said})
        return StructuredTool.from_function(
            **fields, parse_docstring=parse_docstring, error_on_invalid_docstring=error_on_invalid_docstring
        )

    if isinstance(name_or_callable, str):
        name = name_or_callable
        return make(name, runnable) if runnable is not None else lambda of: make(name, of)
    if name_or_callable is None:
        return lambda of: make(None, of)
    return make(None, name_or_callable)
