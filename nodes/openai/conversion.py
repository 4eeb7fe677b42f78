"""`convert_to_openai_messages`: messages of any form as dicts in OpenAI's form, for code that calls an API itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, overload

from anabranch.engine.errors import StepInputError
from anabranch.nodes.messages.conversion import ROLES, MessageLike, convert_to_messages
from anabranch.nodes.messages.messages import AIMessage, BaseMessage, ToolMessage
from anabranch.nodes.messages.prompt_values import PromptValue
from anabranch.nodes.messages.tool_calls import tool_call
from anabranch.nodes.openai.contents import TOLD, UNSAID
from anabranch.nodes.openai.messages import told

TextFormat = Literal["string", "block"]

KNOWN = {*TOLD, *UNSAID, "input_audio", "json", "tool_result"}
"""Types of blocks that have an equal in OpenAI's form."""


@overload
def convert_to_openai_messages(  # type: ignore[overload-overlap] # a string is one message
    messages: str | BaseMessage | Mapping[str, Any],
    *,
    text_format: TextFormat = "string",
    include_id: bool = False,
    pass_through_unknown_blocks: bool = True,
) -> dict[str, Any]: ...
@overload
def convert_to_openai_messages(
    messages: Iterable[MessageLike] | PromptValue,
    *,
    text_format: TextFormat = "string",
    include_id: bool = False,
    pass_through_unknown_blocks: bool = True,
) -> list[dict[str, Any]]: ...
def convert_to_openai_messages(
    messages: MessageLike | Iterable[MessageLike] | PromptValue,
    *,
    text_format: TextFormat = "string",
    include_id: bool = False,
    pass_through_unknown_blocks: bool = True,
) -> Any:
    """Messages as dicts in the form of OpenAI's chat API. Blocks in the forms of other providers are translated.

    Args:
        messages: what `convert_to_messages` reads; or one of them, which gives one dict (or a list, if it holds results
            of tools and something else).
        text_format: "string" joins a content that is text only, by line ends; "block" makes all text blocks.
        include_id: the ids of messages are part of their dicts.
        pass_through_unknown_blocks: blocks of a type that is not known stay as they are; otherwise they are an error.

    Raises:
        StepInputError: a `TypeError` and a `ValueError`, when a message or a block can't be told so.

    Example:
        >>> convert_to_openai_messages([("human", "Hi"), AIMessage("Hello")])
        [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello'}]
    """
    if text_format not in ("string", "block"):
        raise ValueError(f"text_format is 'string' or 'block', not {text_format!r}")
    single = isinstance(messages, str | BaseMessage | Mapping) or (
        isinstance(messages, tuple) and len(messages) == 2 and messages[0] in ROLES
    )
    given: Any = [messages] if single else messages
    dicts = []
    for place, message in enumerate(convert_to_messages(given)):
        parts = _parts(message, f"message {place}", pass_through_unknown_blocks)
        dicts += [_dict(each, text_format, include_id) for each in parts]
    return dicts[0] if single and len(dicts) == 1 else dicts


def _parts(message: BaseMessage, where: str, passes_unknown: bool) -> list[BaseMessage]:
    """A message without blocks that are tool calls or results, which it has in its fields, or after those results."""
    if isinstance(message.content, str):
        return [message]
    calls = list(message.tool_calls) if isinstance(message, AIMessage) else []
    results: list[BaseMessage] = []
    kept: list[Any] = []
    for place, block in enumerate(message.content):
        kind = block.get("type", "text" if "text" in block else None) if isinstance(block, dict) else "text"
        if kind not in KNOWN and not passes_unknown:
            raise StepInputError(
                f"{where}: block {place} is of a type that OpenAI doesn't know, {kind!r}: {block!r:.80}"
            )
        if not isinstance(block, dict):
            kept.append(block)
        elif kind == "tool_use" and isinstance(message, AIMessage):
            if block.get("id") not in [call["id"] for call in calls]:
                calls.append(tool_call(name=block["name"], args=block.get("input") or {}, id=block.get("id")))
        elif kind == "tool_result":
            results.append(_result(block))
        else:
            kept.append({"type": "text", "text": json.dumps(block["json"])} if kind == "json" else block)
    if results and not kept and not calls:
        return results
    update = {"content": kept, **({"tool_calls": calls} if isinstance(message, AIMessage) else {})}
    return [*results, message.model_copy(update=update)]


def _result(block: dict[str, Any]) -> ToolMessage:
    failed = block.get("is_error")
    content = block.get("content") or ""
    return ToolMessage(content, tool_call_id=block["tool_use_id"], status="error" if failed else "success")


def _dict(message: BaseMessage, text_format: TextFormat, include_id: bool) -> dict[str, Any]:
    said = told(message)
    if message.name:
        said["name"] = message.name
    if include_id and message.id:
        said["id"] = message.id
    content = said["content"] or ""
    if text_format == "block" and isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    elif text_format == "string" and all(isinstance(each, str) or each.get("type") == "text" for each in content):
        content = content if isinstance(content, str) else "\n".join(each["text"] for each in content)
    said["content"] = content
    return said
