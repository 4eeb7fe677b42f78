"""What can be read as a message: strings, pairs of role and text, and dicts in the form that OpenAI uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.nodes.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

MessageLike = BaseMessage | str | tuple[str, Any] | list[Any] | Mapping[str, Any]
"""What can be read as a message. A list is a pair of role and content, as JSON has no tuples."""

ROLES: dict[str, Callable[..., BaseMessage]] = {
    "human": HumanMessage,
    "user": HumanMessage,
    "ai": AIMessage,
    "assistant": AIMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
    "tool": ToolMessage,
}


def convert_to_messages(messages: Iterable[MessageLike]) -> list[BaseMessage]:
    """The messages that these stand for.

    Args:
        messages: messages; strings (said by a human); pairs of role and content; dicts with `role` (or
            `type`) and `content`. The roles are human, user, ai, assistant, system, developer and tool.

    Raises:
        StepInputError: a `TypeError`, when something can't be read as a message. It names the place.

    Example:
        >>> convert_to_messages([("system", "Be brief."), {"role": "user", "content": "Hi"}])
        [SystemMessage(content='Be brief.'), HumanMessage(content='Hi')]
    """
    return [_convert(message, place) for place, message in enumerate(messages)]


def message_of_role(role: str, content: Any, where: str = "a message", **kwargs: Any) -> BaseMessage:
    """The message that somebody of this role says."""
    made = ROLES.get(role)
    if made is None:
        raise StepInputError(f"{where} has the role {role!r}; expected one of {', '.join(ROLES)}")
    try:
        return made(content=content, **kwargs)
    except ValueError as error:  # pydantic's
        raise StepInputError(f"{where} can't be read: {error}") from error


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
    fields = dict(message)
    role = fields.pop("role", None) or fields.pop("type", None)
    if role is None or "content" not in fields:
        raise StepInputError(f"{where} is a dict without 'role' or 'content'; it has {', '.join(map(repr, message))}")
    known = {name: fields.pop(name) for name in ("name", "id", "tool_call_id") if name in fields}
    # OpenAI says null for a message that has tool calls only.
    content = fields.pop("content")
    extra = {**fields.pop("additional_kwargs", {}), **fields}
    return message_of_role(role, "" if content is None else content, where, additional_kwargs=extra, **known)
