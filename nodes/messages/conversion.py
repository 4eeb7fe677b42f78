"""What can be read as a message: strings, pairs of role and text, and dicts in the form that OpenAI uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.nodes.messages.dicts import KINDS, made, message_from_constructor, message_from_dict
from anabranch.nodes.messages.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from anabranch.nodes.messages.prompt_values import PromptValue
from anabranch.nodes.messages.tool_calls import openai_pieces, read_pieces

MessageLike = BaseMessage | str | tuple[str, Any] | list[Any] | Mapping[str, Any]
"""What can be read as a message. A list is a pair of role and content, as JSON has no tuples."""

MessageLikeRepresentation = MessageLike
"""The name that LangChain has for it."""

ROLES: dict[str, type[BaseMessage]] = {
    "human": HumanMessage,
    "user": HumanMessage,
    "ai": AIMessage,
    "assistant": AIMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
    "tool": ToolMessage,
    "function": FunctionMessage,
}

OPENAI_ROLE = "__openai_role__"
"""Where among `additional_kwargs` a system message says that it is one of OpenAI's developer messages."""


def convert_to_messages(messages: Iterable[MessageLike] | PromptValue) -> list[BaseMessage]:
    """The messages that these stand for.

    Args:
        messages: a prompt value; or messages, strings (said by a human), pairs of role and content, dicts with `role`
            (or `type`) and `content` in OpenAI's form or with a message's fields, and dicts that `message_to_dict`
            made. The roles are human, user, ai, assistant, system, developer, tool and function.

    Raises:
        StepInputError: a `TypeError`, when something can't be read as a message. It names the place.

    Example:
        >>> convert_to_messages([("system", "Be brief."), {"role": "user", "content": "Hi"}])
        [SystemMessage(content='Be brief.'), HumanMessage(content='Hi')]
    """
    if isinstance(messages, PromptValue):
        return messages.to_messages()
    if isinstance(messages, str | BaseMessage | Mapping) or not isinstance(messages, Iterable):
        raise StepInputError(
            f"expected a list of messages, got {type(messages).__name__} {messages!r:.80}. Put one message into a list"
        )
    return [_convert(message, place) for place, message in enumerate(messages)]


def message_of_role(role: str, content: Any, where: str = "a message", **kwargs: Any) -> BaseMessage:
    """The message that somebody of this role says.

    Raises:
        StepInputError: a `TypeError`, when there is no such role, or the message can't be made.
    """
    kind = ROLES.get(role)
    if kind is None:
        raise StepInputError(f"{where} has the role {role!r}; expected one of {', '.join(ROLES)}")
    if role == "developer":
        kwargs["additional_kwargs"] = {**kwargs.get("additional_kwargs", {}), OPENAI_ROLE: role}
    return made(kind, {"content": content, **kwargs}, where)


def _convert(message: MessageLike, place: int) -> BaseMessage:
    if isinstance(message, BaseMessage):
        return message
    where = f"message {place}"
    if isinstance(message, str):
        return HumanMessage(content=message)
    if isinstance(message, Mapping):
        return _convert_mapping(message, where)
    if isinstance(message, tuple | list) and len(message) == 2 and isinstance(message[0], str):
        return message_of_role(message[0], message[1], where)
    raise StepInputError(
        f"{where} can't be read: expected a message, a string, a pair (role, content) or a dict with 'role' "
        f"and 'content', got {type(message).__name__} {message!r:.80}"
    )


def _convert_mapping(message: Mapping[str, Any], where: str) -> BaseMessage:
    if "data" in message and "content" not in message:
        return message_from_dict(message, where)
    if message.get("lc") == 1:
        return message_from_constructor(message, where)
    fields = dict(message)
    kind = KINDS.get(str(fields.get("type")))
    role = None
    if kind is None:
        role = fields.pop("role", None) or fields.pop("type", None)
        kind = ROLES.get(str(role), BaseMessage)
    if (kind is BaseMessage and role is None) or not ("content" in fields or _may_be_silent(kind, fields)):
        held = ", ".join(map(repr, message)) or "nothing"
        raise StepInputError(f"{where} is a dict without 'role' or 'content'; it has {held}")
    content = fields.pop("content", None)
    _read_openai_calls(fields)
    known = {name: fields.pop(name) for name in list(fields) if name in kind.model_fields}
    besides = {**(known.pop("additional_kwargs", None) or {}), **fields}
    # OpenAI says null for a message that has tool calls only.
    said = {"content": "" if content is None else content, "additional_kwargs": besides, **known}
    return made(kind, said, where) if role is None else message_of_role(str(role), where=where, **said)


def _may_be_silent(kind: type[BaseMessage], fields: Mapping[str, Any]) -> bool:
    return kind is RemoveMessage or bool(fields.get("tool_calls") or fields.get("function_call"))


def _read_openai_calls(fields: dict[str, Any]) -> None:
    """Put tool calls that are in OpenAI's form into ours."""
    told = fields.get("tool_calls")
    if isinstance(told, list) and told and all(isinstance(each, Mapping) and "function" in each for each in told):
        fields["tool_calls"], fields["invalid_tool_calls"] = read_pieces(openai_pieces(told), complete=True)
