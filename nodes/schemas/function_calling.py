"""Tools as models are told of them: in the form of OpenAI, or as a JSON schema.

A tool may be a tool, a function, a pydantic model, a `TypedDict`, a JSON schema with a title, a function or a tool in
the form of OpenAI, and one in the form of Anthropic or of Amazon Bedrock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from anabranch.nodes.schemas.argument_models import described
from anabranch.nodes.schemas.docstrings import name_of
from anabranch.nodes.schemas.injected_arguments import is_injected
from anabranch.nodes.schemas.json_schemas import resolved, strict_schema, untitled
from anabranch.nodes.schemas.typed_dicts import as_model, is_typed_dict

ToolLike = Mapping[str, Any] | type | Callable[..., Any] | Any

_SCHEMA_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


def convert_to_openai_function(function: ToolLike, *, strict: bool | None = None) -> dict[str, Any]:
    """Tell of a function in the form of OpenAI: `name`, `description` and `parameters`.

    Args:
        function: a tool in any form; see the module.
        strict: put into the result where it is given; True makes all parameters required, and allows no others.

    Raises:
        ValueError: when it is none of these forms, has no name, takes something that JSON can't describe, or has a
            docstring that tells of what it doesn't take.

    Example:
        >>> def add(a: int, b: int = 1) -> int:
        ...     '''Add up.
        ...
        ...     Args:
        ...         a: the first
        ...     '''
        ...     return a + b
        >>> told = convert_to_openai_function(add)
        >>> told["name"], told["description"], told["parameters"]["required"]
        ('add', 'Add up.', ['a'])
        >>> told["parameters"]["properties"]["a"]
        {'description': 'the first', 'type': 'integer'}
    """
    told = _told(function)
    if strict is not None and not _is_wrapped(function):
        told["strict"] = strict
        if strict:
            told["parameters"] = strict_schema(told.get("parameters") or {"type": "object", "properties": {}})
    return told


def convert_to_openai_tool(tool: ToolLike, *, strict: bool | None = None) -> dict[str, Any]:
    """Tell of a tool in the form of OpenAI: `{"type": "function", "function": ...}`.

    One that has this form already, or is a tool of OpenAI's own (`{"type": "web_search"}`), is given as it is.

    Args:
        tool: a tool in any form; see the module.
        strict: see `convert_to_openai_function`.

    Raises:
        ValueError: see `convert_to_openai_function`.

    Example:
        >>> def add(a: int, b: int) -> int:
        ...     '''Add two numbers.'''
        ...     return a + b
        >>> told = convert_to_openai_tool(add)
        >>> told["type"], told["function"]["name"], told["function"]["parameters"]["required"]
        ('function', 'add', ['a', 'b'])
    """
    if isinstance(tool, Mapping) and (_is_wrapped(tool) or _is_builtin(tool)):
        return dict(tool)
    return {"type": "function", "function": convert_to_openai_function(tool, strict=strict)}


def convert_to_json_schema(schema: ToolLike, *, strict: bool | None = None) -> dict[str, Any]:
    """Tell of a tool as a JSON schema, whose title is its name.

    Args:
        schema: a tool in any form; see the module.
        strict: True makes all keys required, and allows no others.

    Raises:
        ValueError: see `convert_to_openai_function`.

    Example:
        >>> convert_to_json_schema({"name": "stop", "description": "Stop it.", "parameters": {"type": "object"}})
        {'title': 'stop', 'description': 'Stop it.', 'type': 'object'}
    """
    function = convert_to_openai_function(schema, strict=strict)
    made = {"title": function["name"]}
    if "description" in function:
        made["description"] = function["description"]
    return {**made, **function.get("parameters", {})}


def tool_name(tool: ToolLike) -> str:
    """The name of a tool in any form.

    Raises:
        ValueError: see `convert_to_openai_function`.
    """
    told = convert_to_openai_tool(tool)
    return str(told["function"]["name"] if told["type"] == "function" else told.get("name") or told["type"])


def _told(function: Any) -> dict[str, Any]:
    if isinstance(function, Mapping):
        return _told_by_dict(function)
    if isinstance(function, type) and is_typed_dict(function):
        return _function(function.__name__, _schema(as_model(function), function.__name__))
    if isinstance(function, type) and issubclass(function, BaseModel):
        schema = _schema(function, function.__name__)
        return _function(schema.get("title", function.__name__), schema)
    if hasattr(function, "tool_call_schema"):
        return _told_by_tool(function)
    if callable(function):
        name = name_of(function)
        return _function(name, _schema(described(function, name, is_injected), name))
    raise _no_tool(function)


def _told_by_dict(given: Mapping[str, Any]) -> dict[str, Any]:
    if _is_wrapped(given):
        return dict(given["function"])
    if "name" in given and "input_schema" in given:
        told = {"name": given["name"], "parameters": dict(given["input_schema"])}
        return {**told, "description": given["description"]} if "description" in given else told
    if isinstance(given.get("toolSpec"), Mapping):
        inner = given["toolSpec"]
        told = {"name": inner["name"], "parameters": dict(inner["inputSchema"]["json"])}
        return {**told, "description": inner["description"]} if "description" in inner else told
    if "name" in given and not _is_builtin(given):
        return {key: given[key] for key in ("name", "description", "parameters", "strict") if key in given}
    if "title" in given:
        parameters = dict(given)
        told = {"name": parameters.pop("title")}
        if "description" in parameters:
            told["description"] = parameters.pop("description")
        return {**told, "parameters": parameters}
    raise _no_tool(given)


def _told_by_tool(tool: Any) -> dict[str, Any]:
    given = tool.tool_call_schema
    if isinstance(given, Mapping):
        schema = {key: value for key, value in given.items() if key not in ("title", "description")}
    else:
        schema = _schema(given, tool.name)
    schema.pop("description", None)
    return {"name": tool.name, "description": tool.description, "parameters": untitled(schema)}


class QuietJsonSchema(GenerateJsonSchema):
    """JSON schemas without a word on defaults that JSON can't hold: a model need not know of these."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Say nothing."""


def _schema(model: Any, name: str) -> dict[str, Any]:
    """The JSON schema of a model, without references.

    Raises:
        ValueError: when JSON can't describe it.
    """
    try:
        made = model.model_json_schema(schema_generator=QuietJsonSchema)
    except PydanticInvalidForJsonSchema as error:
        raise ValueError(
            f"what {name!r} takes can't be told to a model: {error.message}. Mark an argument that a model doesn't "
            "give: Annotated[..., InjectedToolArg]"
        ) from error
    return resolved(made)


def _function(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    description = schema.pop("description", "")
    return {"name": name, "description": description, "parameters": untitled(schema)}


def _is_wrapped(tool: Any) -> bool:
    return isinstance(tool, Mapping) and tool.get("type") == "function" and isinstance(tool.get("function"), Mapping)


def _is_builtin(tool: Mapping[str, Any]) -> bool:
    """Whether it is a tool that a provider runs itself, which it knows by its type."""
    kind = tool.get("type")
    return isinstance(kind, str) and kind != "function" and kind not in _SCHEMA_TYPES


def _no_tool(given: Any) -> ValueError:
    return ValueError(
        f"expected a tool, got {type(given).__name__}: {given!r:.200}. A tool is a tool, a function, a pydantic model, "
        "a TypedDict, or a dict: a JSON schema with a 'title', or a function or tool in the form of OpenAI"
    )
