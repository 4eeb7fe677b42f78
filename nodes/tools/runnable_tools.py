"""Runnables as tools."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel, RootModel

from anabranch.engine.schemas import SchemaModel, fields_of, keyed_model
from anabranch.nodes.bindings import RunnableBinding
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.sequences import RunnableSequence
from anabranch.nodes.tools.structured_tools import StructuredTool, Tool
from anabranch.nodes.tools.tools import ArgsSchema, BaseTool


def convert_runnable_to_tool(
    runnable: Runnable[Any, Any],
    args_schema: type[BaseModel] | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    arg_types: Mapping[str, Any] | None = None,
) -> BaseTool:
    """Make a tool of a runnable. `Runnable.as_tool` is the same.

    It is called with a dict of the arguments; one whose input is text is called with that.

    Args:
        runnable: what to make a tool of.
        args_schema: a pydantic model of its input, where the types don't tell its keys.
        name: by default that of the runnable.
        description: what it does, for the model; by default, what it takes.
        arg_types: the types of the keys of its input, instead of a schema.

    Raises:
        ValueError: when nothing tells which keys its input has.

    Example:
        >>> from anabranch.nodes import PromptTemplate
        >>> poster = PromptTemplate.from_template("Wanted: {name}") | (lambda prompt: prompt.to_string())
        >>> poster.as_tool(name="poster", description="Make a poster.").invoke({"name": "Ada"})
        'Wanted: Ada'
    """
    if args_schema is None and arg_types is not None:
        args_schema = keyed_model(name or runnable.get_name(), arg_types)
    return tool_of_runnable(runnable, args_schema, name=name, description=description)


def tool_of_runnable(
    runnable: Runnable[Any, Any],
    args_schema: ArgsSchema | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    **kwargs: Any,
) -> BaseTool:
    """The same, with other fields of the tool."""
    name = name or runnable.get_name()
    given = runnable.get_input_schema()
    schema: Any = given if args_schema is None else args_schema
    told = schema if isinstance(schema, dict) else schema.model_json_schema()
    about = {"name": name, "description": description or f"Takes {told}.", **kwargs}
    if args_schema is None and told.get("type") == "string":
        return Tool(**about, **_calling(runnable, single=True))
    if not isinstance(schema, dict) and (issubclass(schema, RootModel) or fields_of(schema) is None):
        raise ValueError(
            f"which keys the input of {name!r} has can't be known from its type; give args_schema or arg_types"
        )
    return StructuredTool(args_schema=schema, **about, **_calling(runnable, single=False))


def _calling(runnable: Runnable[Any, Any], single: bool) -> dict[str, Any]:
    """The functions that run it. It finds the run around it, and its config, by itself."""
    if single:
        return {"func": partial(_call_text, runnable), "coroutine": partial(_acall_text, runnable)}
    return {"func": partial(_call, runnable), "coroutine": partial(_acall, runnable)}


def _call_text(runnable: Runnable[Any, Any], /, text: str) -> Any:
    return runnable.invoke(text)


async def _acall_text(runnable: Runnable[Any, Any], /, text: str) -> Any:
    return await runnable.ainvoke(text)


def _call(runnable: Runnable[Any, Any], /, **arguments: Any) -> Any:
    return runnable.invoke(_given(runnable, arguments))


async def _acall(runnable: Runnable[Any, Any], /, **arguments: Any) -> Any:
    return await runnable.ainvoke(_given(runnable, arguments))


def _given(runnable: Runnable[Any, Any], arguments: dict[str, Any]) -> Any:
    tp = _read_type(runnable)
    made = isinstance(tp, type) and issubclass(tp, BaseModel)
    return tp(**arguments) if made else _plain(arguments)


def _read_type(runnable: Runnable[Any, Any]) -> Any:
    """The type of the input as its own code says it. What `with_types` says is a schema for others."""
    while isinstance(runnable, RunnableBinding | RunnableSequence):
        runnable = runnable.bound if isinstance(runnable, RunnableBinding) else runnable.first
    return runnable.InputType


def _plain(value: Any) -> Any:
    """A value with dicts where a schema of ours has made objects of them."""
    if isinstance(value, SchemaModel):
        fields = type(value).model_fields
        return {fields[label].alias or label: _plain(getattr(value, label)) for label in value.model_fields_set}
    if type(value) in (list, tuple):  # not a named tuple, which is made otherwise and holds no object of ours
        return type(value)(map(_plain, value))
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, dict) else value
