"""`get_buffer_string`: a conversation as one text, for models and people that read text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

from anabranch.nodes.messages.base_messages import BaseMessage, speaker_of
from anabranch.nodes.messages.messages import AIMessage, ChatMessage

LINKED = {"image": "image", "image_url": "image", "audio": "audio", "video": "video"}
"""The blocks that are told by their address, with the element that tells them."""


def get_buffer_string(
    messages: Iterable[BaseMessage],
    human_prefix: str = "Human",
    ai_prefix: str = "AI",
    *,
    system_prefix: str = "System",
    function_prefix: str = "Function",
    tool_prefix: str = "Tool",
    message_separator: str = "\n",
    format: Literal["prefix", "xml"] = "prefix",
) -> str:
    """The conversation as text, each message headed by its speaker. Tool calls follow the text of the message.

    Args:
        messages: the conversation.
        human_prefix: how a human is called. The speaker of a `ChatMessage` is called by its role.
        ai_prefix: how a model is called.
        system_prefix: how the one who speaks system messages is called.
        function_prefix: how the result of a function is called.
        tool_prefix: how the result of a tool is called.
        message_separator: what stands between two messages.
        format: "prefix" for `Human: Hi`, "xml" for `<message type="human">Hi</message>`, in which what people say can't
            be taken for the end of a message. There, images, audio and video with an address are told by it.

    Raises:
        ValueError: when there is no such format.

    Example:
        >>> from anabranch.nodes import HumanMessage, SystemMessage
        >>> print(get_buffer_string([SystemMessage("Be brief."), HumanMessage("Hi")]))
        System: Be brief.
        Human: Hi
    """
    if format not in ("prefix", "xml"):
        raise ValueError(f"the format is 'prefix' or 'xml', not {format!r}")
    speakers = {
        "human": human_prefix,
        "ai": ai_prefix,
        "system": system_prefix,
        "function": function_prefix,
        "tool": tool_prefix,
    }
    told = _line if format == "prefix" else _element
    return message_separator.join(told(message, _speaker(message, speakers)) for message in messages)


def _speaker(message: BaseMessage, speakers: dict[str, str]) -> str:
    kind = speaker_of(message)
    return message.role if isinstance(message, ChatMessage) else speakers.get(kind, kind)


def _line(message: BaseMessage, speaker: str) -> str:
    called: Any = ""
    if isinstance(message, AIMessage):
        called = message.tool_calls or message.additional_kwargs.get("function_call") or ""
    return f"{speaker}: {message.text}{called}"


def _element(message: BaseMessage, speaker: str) -> str:
    kind = quoteattr(speaker if isinstance(message, ChatMessage) else speaker.lower())
    content = _content(message)
    calls = _calls(message) if isinstance(message, AIMessage) else []
    if not calls:
        return f"<message type={kind}>{content}</message>"
    lines = [f"<content>{content}</content>", *calls] if content else calls
    return "\n  ".join([f"<message type={kind}>", *lines]) + "\n</message>"


def _content(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return escape(message.content)
    return " ".join(told for told in map(_block, message.content) if told)


def _block(block: Any) -> str:
    if isinstance(block, str):
        return escape(block)
    kind = block.get("type", "text")
    if kind in LINKED:
        link = block.get("image_url", block)
        url = link.get("url") if isinstance(link, dict) else link
        if not isinstance(url, str) or url.startswith("data:"):
            return ""
        return f"<{LINKED[kind]} url={quoteattr(url)} />"
    if kind == "reasoning":
        return f"<reasoning>{escape(str(block['reasoning']))}</reasoning>" if block.get("reasoning") else ""
    return escape(str(block.get("text", ""))) if kind in ("text", "text-plain") else ""


def _calls(message: AIMessage) -> list[str]:
    told = [
        f"<tool_call id={quoteattr(call['id'] or '')} name={quoteattr(call['name'])}>"
        f"{escape(json.dumps(call['args'], ensure_ascii=False, default=str))}</tool_call>"
        for call in message.tool_calls
    ]
    old = message.additional_kwargs.get("function_call")
    if isinstance(old, dict) and not told:
        told = [
            f"<function_call name={quoteattr(str(old.get('name')))}>{escape(str(old.get('arguments')))}</function_call>"
        ]
    return told
