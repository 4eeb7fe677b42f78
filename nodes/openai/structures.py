"""Answers of OpenAI's chat API that are values of a schema: how they are asked for, and when they are none."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from anabranch.engine.operators import Operator
from anabranch.nodes.messages.messages import AIMessage
from anabranch.nodes.parsers.json_parsers import JsonOutputParser, PydanticOutputParser
from anabranch.nodes.parsers.output_errors import OutputParserException
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.schemas.function_calling import ToolLike, convert_to_openai_function, tool_name

CUT_OFF = {
    "length": "it was cut off, since it had no tokens left; set a higher max_tokens",
    "content_filter": "it was cut off by the server's content filter",
}


def response_format(library: Any, schema: ToolLike, strict: bool | None) -> dict[str, Any]:
    """A schema as a request tells the format of its answer.

    Args:
        library: the package openai.
        schema: a pydantic class, a `TypedDict`, a JSON schema or a function in OpenAI's form; or what a request says.
        strict: whether the server must keep to it; by default for pydantic classes. Then all of it is required.
    """
    if isinstance(schema, Mapping) and schema.get("type") in ("json_schema", "json_object", "text"):
        return dict(schema)
    if is_model(schema) and strict is not False:
        told = library.pydantic_function_tool(schema)["function"]
        said = {"name": tool_name(schema), "strict": True, "schema": told["parameters"]}
    else:
        function = convert_to_openai_function(schema, strict=strict)
        described = {key: function[key] for key in ("description",) if key in function}
        said = {"name": function["name"], **described, "strict": bool(strict), "schema": function["parameters"]}
    name = re.sub(r"[^\w-]", "_", said["name"], flags=re.ASCII)  # the API takes no others
    return {"type": "json_schema", "json_schema": {**said, "name": name}}


def chosen(choice: Mapping[str, Any] | str | bool, tools: list[dict[str, Any]]) -> Any:
    """A choice of a tool as a request says it.

    Raises:
        ValueError: when it names none of the tools.
    """
    if isinstance(choice, bool) or choice == "any":
        return "required"
    if choice in ("auto", "none", "required"):
        return choice
    name = choice if isinstance(choice, str) else dict(choice).get("function", {}).get("name")
    known = [tool["function"]["name"] for tool in tools if "function" in tool]
    if isinstance(name, str) and name not in known:
        raise ValueError(f"tool_choice names {name!r}, but the tools are {', '.join(known) or 'none'}")
    return {"type": "function", "function": {"name": choice}} if isinstance(choice, str) else dict(choice)


def is_model(schema: Any) -> bool:
    """Whether it is a pydantic class."""
    return isinstance(schema, type) and issubclass(schema, BaseModel)


def text_parser(schema: Any) -> Runnable[Any, Any]:
    """From a message to the value of a schema that its text is; a dict where the schema is no pydantic class."""
    return PydanticOutputParser(pydantic_object=schema) if is_model(schema) else JsonOutputParser()


class WholeAnswer(Runnable[AIMessage, AIMessage]):
    """Hands a message on, unless the model refused to answer or was cut off, so that what it says isn't all.

    Raises:
        OutputParserException: a `ValueError`, when that is so; of a stream at the end.
    """

    name = "whole_answer"

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return Operator(
            name=self.get_name(), transform=self._seen, atransform=self._aseen, blocking=False, is_run=False
        )

    def _seen(self, chunks: Iterator[Any]) -> Iterator[Any]:
        refusal = ""
        for chunk in chunks:
            refusal += _refusal_of(chunk)
            yield chunk
        _refuse(refusal)

    async def _aseen(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        refusal = ""
        async for chunk in chunks:
            refusal += _refusal_of(chunk)
            yield chunk
        _refuse(refusal)


def _refusal_of(message: Any) -> str:
    """What a message, or a piece of one, says of a refusal.

    Raises:
        OutputParserException: when it ends where the answer doesn't.
    """
    why = CUT_OFF.get(message.response_metadata.get("finish_reason"))
    if why:
        raise OutputParserException(f"the answer is not whole: {why}", llm_output=message.text)
    return str(message.additional_kwargs.get("refusal") or "")


def _refuse(refusal: str) -> None:
    if refusal:
        raise OutputParserException(f"the model refused to answer: {refusal}", llm_output=refusal)
