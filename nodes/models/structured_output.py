"""From a model that calls a tool to the values of a schema: what `with_structured_output` makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from anabranch.engine.errors import CompositionError
from anabranch.nodes.parsers.tool_parsers import JsonOutputKeyToolsParser, PydanticToolsParser
from anabranch.nodes.passthrough import RunnablePassthrough
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.schemas.function_calling import ToolLike, tool_name

METHOD = "function_calling"


def structured(model: Any, schema: Any, include_raw: bool, options: Mapping[str, Any]) -> Runnable[Any, Any]:
    """A chat model that answers with values of a schema. See `BaseChatModel.with_structured_output`."""
    method, strict = options.get("method", METHOD), options.get("strict")
    unknown = ", ".join(sorted(options.keys() - {"method", "strict"}))
    if method != METHOD or unknown:
        raise CompositionError(
            f"with_structured_output of {model.get_name()} knows method={METHOD!r} and strict, "
            f"got {unknown or f'method={method!r}'}"
        )
    schema = checked_schema(schema)
    more = {} if strict is None else {"strict": strict}
    return with_parser(model.bind_tools([schema], tool_choice="any", **more), tools_parser(schema), include_raw)


def checked_schema(schema: Any) -> ToolLike:
    """A schema that can be told to a model.

    Raises:
        CompositionError: a `TypeError`, when it can't.
    """
    try:
        tool_name(schema)
    except (ValueError, TypeError) as error:
        raise CompositionError(f"with_structured_output: {error}") from error
    return schema


def tools_parser(schema: ToolLike) -> Runnable[Any, Any]:
    """From a message to the arguments of its first call of the schema's tool; None when there is none."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return PydanticToolsParser(tools=[schema], first_tool_only=True)
    return JsonOutputKeyToolsParser(key_name=tool_name(schema), first_tool_only=True)


def with_parser(model: Runnable[Any, Any], parser: Runnable[Any, Any], include_raw: bool) -> Runnable[Any, Any]:
    """A model, and what it answers parsed.

    Args:
        model: the model.
        parser: from its message to the value.
        include_raw: give a dict of the message as `raw`, the value as `parsed`, and what went wrong as
            `parsing_error`, in place of raising that.
    """
    if not include_raw:
        return model | parser
    parsed = RunnablePassthrough.assign(parsed=_of_raw | parser, parsing_error=_nothing)
    unparsed = RunnablePassthrough.assign(parsed=_nothing)
    return {"raw": model} | parsed.with_fallbacks([unparsed], exception_key="parsing_error")


def _of_raw(answer: dict[str, Any]) -> Any:
    return answer["raw"]


def _nothing(_: Any) -> None:
    return None
