"""Messages as OpenAI's protocol has them: told to it, and read from it whole or in pieces."""

from __future__ import annotations

import json
import re
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.nodes.messages.chunks import AIMessageChunk
from anabranch.nodes.messages.conversion import OPENAI_ROLE
from anabranch.nodes.messages.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from anabranch.nodes.messages.tool_calls import openai_pieces, read_pieces
from anabranch.nodes.openai.contents import told_content

ROLES: dict[type[BaseMessage], str] = {
    SystemMessage: "system",
    HumanMessage: "user",
    AIMessage: "assistant",
    ToolMessage: "tool",
    FunctionMessage: "function",
}

REASONING_MODEL = re.compile(r"o\d")
"""The names of the models to which a system message is said by the developer."""

FACTS = ("id", "system_fingerprint", "service_tier")
"""What a response tells of itself and the metadata of the message says too. The model besides, by another name."""

DETAILS = (
    ("prompt_tokens_details", "input_token_details", {"audio": "audio_tokens", "cache_read": "cached_tokens"}),
    ("completion_tokens_details", "output_token_details", {"audio": "audio_tokens", "reasoning": "reasoning_tokens"}),
)
"""Where the protocol counts some of the tokens, where messages do, and the names of what they count."""


def told(message: BaseMessage, model: str = "") -> dict[str, Any]:
    """A message as the protocol has it.

    Raises:
        StepInputError: a `TypeError`, when it has no role there, or a content that can't be told.
    """
    role = _role(message, model)
    said: dict[str, Any] = {"role": role, "content": told_content(message.content)}
    if message.name and not isinstance(message, ToolMessage):
        said["name"] = message.name
    if isinstance(message, ToolMessage):
        said["tool_call_id"] = message.tool_call_id
    if isinstance(message, AIMessage):
        said.update(_told_besides(message))
        if not said["content"]:
            said["content"] = None if "tool_calls" in said or "function_call" in said else ""
    return said


def _role(message: BaseMessage, model: str) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    if isinstance(message, SystemMessage):
        default = "developer" if REASONING_MODEL.match(model) else "system"
        return str(message.additional_kwargs.get(OPENAI_ROLE, default))
    for kind, role in ROLES.items():
        if isinstance(message, kind):
            return role
    raise StepInputError(f"a message of type {type(message).__name__} has no role in OpenAI's protocol")


def _told_besides(message: AIMessage) -> dict[str, Any]:
    """What a model has said beside the content."""
    extra = message.additional_kwargs
    said = {key: extra[key] for key in ("function_call", "refusal") if extra.get(key)}
    if extra.get("audio"):
        said["audio"] = {"id": extra["audio"]["id"]}
    calls = [_told_call(call, json.dumps(call["args"], ensure_ascii=False)) for call in message.tool_calls]
    calls += [_told_call(call, call["args"] or "") for call in message.invalid_tool_calls]
    if not calls:
        calls = [{key: call[key] for key in ("id", "type", "function")} for call in extra.get("tool_calls") or []]
    if calls:
        said["tool_calls"] = calls
    return said


def _told_call(call: Any, arguments: str) -> dict[str, Any]:
    return {"type": "function", "id": call["id"], "function": {"name": call["name"], "arguments": arguments}}


def heard(said: dict[str, Any], usage: dict[str, Any] | None = None) -> AIMessage:
    """The message of a choice.

    Args:
        said: the message as the protocol has it.
        usage: what the response says that it cost.
    """
    calls, invalid = read_pieces(openai_pieces(said.get("tool_calls")), complete=True)
    return AIMessage(
        content=said.get("content") or "",
        name=said.get("name"),
        additional_kwargs=_besides(said),
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage_metadata(usage),
    )


def heard_piece(delta: dict[str, Any]) -> AIMessageChunk:
    """The piece of a message that a delta of a stream is."""
    pieces = openai_pieces(delta.get("tool_calls"))
    return AIMessageChunk(
        content=delta.get("content") or "", additional_kwargs=_besides(delta), tool_call_chunks=pieces
    )


def _besides(said: dict[str, Any]) -> dict[str, Any]:
    """What a message says that has no place of its own, such as a refusal."""
    known = ("role", "content", "tool_calls", "name")
    return {key: value for key, value in said.items() if key not in known and value not in (None, [], {}, "")}


def usage_metadata(usage: dict[str, Any] | None) -> Any:
    """What an answer cost, in tokens, as messages tell it."""
    if not usage:
        return None
    came, went = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    metadata: dict[str, Any] = {
        "input_tokens": came,
        "output_tokens": went,
        "total_tokens": usage.get("total_tokens") or came + went,
    }
    for source, name, counts in DETAILS:
        details = usage.get(source) or {}
        known = {ours: details[theirs] for ours, theirs in counts.items() if details.get(theirs) is not None}
        if known:
            metadata[name] = known
    return metadata


def facts_of(response: dict[str, Any]) -> dict[str, Any]:
    """What a response, or an event of one, tells of itself."""
    told = {key: response[key] for key in FACTS if response.get(key) is not None}
    return {"model_provider": "openai", "model_name": response.get("model"), **told}
