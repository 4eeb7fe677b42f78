"""Messages as dicts and back: the form in which LangChain writes histories.

A message is a dict with its `type` and, under `data`, its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.nodes.messages.chunks import CHUNKS
from anabranch.nodes.messages.messages import BaseMessage, RemoveMessage

_ALL: tuple[type[BaseMessage], ...] = (*CHUNKS, *CHUNKS.values(), RemoveMessage)

KINDS = {str(kind.model_fields["type"].default): kind for kind in _ALL}
"""The class of each `type`."""


def message_to_dict(message: BaseMessage) -> dict[str, Any]:
    """The dict of a message.

    Example:
        >>> from anabranch.nodes import HumanMessage
        >>> message_to_dict(HumanMessage("Hi"))["data"]["content"]
        'Hi'
    """
    return {"type": message.type, "data": message.model_dump()}


def messages_to_dict(messages: Iterable[BaseMessage]) -> list[dict[str, Any]]:
    """The dicts of messages, in order. See `message_to_dict`.

    Example:
        >>> said = messages_to_dict([HumanMessage("Hi"), AIMessage("Hello")])
        >>> [(each["type"], each["data"]["content"]) for each in said]
        [('human', 'Hi'), ('ai', 'Hello')]
    """
    return [message_to_dict(message) for message in messages]


def messages_from_dict(messages: Iterable[Mapping[str, Any]]) -> list[BaseMessage]:
    """The messages of dicts that `messages_to_dict` made, or that were read from a file with such.

    Raises:
        StepInputError: a `TypeError`, when one can't be read. It names the place.

    Example:
        >>> messages_from_dict([{"type": "human", "data": {"content": "Hi"}}])
        [HumanMessage(content='Hi')]
    """
    return [message_from_dict(message, f"message {place}") for place, message in enumerate(messages)]


def message_from_dict(message: Mapping[str, Any], where: str = "a message") -> BaseMessage:
    """The message of one dict. See `messages_from_dict`; `where` is what errors call it."""
    if not isinstance(message, Mapping) or not isinstance(message.get("data"), Mapping):
        raise StepInputError(f"{where} can't be read: expected a dict with 'type' and 'data', got {message!r:.80}")
    return made(_found(KINDS, message.get("type"), where), message["data"], where)


def message_from_constructor(message: Mapping[str, Any], where: str = "a message") -> BaseMessage:
    """The message of a dict that says how to make it, as LangChain's `dumpd` and its clients write it."""
    names, fields = message.get("id"), message.get("kwargs")
    if not names or not isinstance(names, list) or not isinstance(fields, Mapping):
        raise StepInputError(f"{where} can't be read: expected 'id' and 'kwargs' beside 'lc', got {message!r:.80}")
    return made(_found({kind.__name__: kind for kind in _ALL}, names[-1], where), fields, where)


def _found(kinds: Mapping[str, type[BaseMessage]], name: Any, where: str) -> type[BaseMessage]:
    kind = kinds.get(str(name))
    if kind is None:
        raise StepInputError(f"{where} is of type {name!r}; expected one of {', '.join(kinds)}")
    return kind


def made(kind: type[BaseMessage], fields: Mapping[str, Any], where: str) -> BaseMessage:
    """A message of a class, from its fields; a `type` among them is that of the class.

    Raises:
        StepInputError: a `TypeError`, when the fields don't fit; it calls the message `where`.
    """
    given = {name: value for name, value in fields.items() if name != "type"}
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:  # pydantic's is a ValueError
        raise StepInputError(f"{where} can't be read: {error}") from error
