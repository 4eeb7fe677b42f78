"""Message chunks: pieces of a message, which add up to it by `+`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from anabranch.engine.chunks import Algebra
from anabranch.nodes.message_merging import merge_content, merge_dicts
from anabranch.nodes.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    kind_field,
)


class BaseMessageChunk(BaseMessage):
    """A piece of a message. `chunk + chunk` is one of the same class: contents are joined, dicts merged."""

    __chunk_algebra__: ClassVar[Algebra] = Algebra.ADDITIVE

    def __add__(self, other: BaseMessageChunk) -> Self:
        if not isinstance(other, type(self)):
            return NotImplemented
        return type(self)(**self._sum(other))

    def _sum(self, other: Self) -> dict[str, Any]:
        """The fields of the sum. A subclass with more fields adds them here."""
        return {
            **(self.model_extra or {}),
            **(other.model_extra or {}),
            "content": merge_content(self.content, other.content),
            "additional_kwargs": merge_dicts(self.additional_kwargs, other.additional_kwargs),
            "response_metadata": merge_dicts(self.response_metadata, other.response_metadata),
            "name": self.name or other.name,
            "id": self.id or other.id,
        }


class HumanMessageChunk(HumanMessage, BaseMessageChunk):
    """A piece of a message from a human."""

    type: Literal["HumanMessageChunk"] = kind_field("HumanMessageChunk")  # type: ignore[assignment]


class SystemMessageChunk(SystemMessage, BaseMessageChunk):
    """A piece of a message for priming AI behavior."""

    type: Literal["SystemMessageChunk"] = kind_field("SystemMessageChunk")  # type: ignore[assignment]


class ChatMessageChunk(ChatMessage, BaseMessageChunk):
    """A piece of a message of an arbitrary speaker."""

    type: Literal["ChatMessageChunk"] = kind_field("ChatMessageChunk")  # type: ignore[assignment]

    def __add__(self, other: BaseMessageChunk) -> Self:
        if isinstance(other, ChatMessageChunk) and other.role != self.role:
            raise TypeError(f"chunks of the speakers {self.role!r} and {other.role!r} are not of one message")
        return super().__add__(other)

    def _sum(self, other: Self) -> dict[str, Any]:
        return {**super()._sum(other), "role": self.role}


class AIMessageChunk(AIMessage, BaseMessageChunk):
    """A piece of a message from an AI. The last piece of a message has the `chunk_position` "last"."""

    type: Literal["AIMessageChunk"] = kind_field("AIMessageChunk")  # type: ignore[assignment]
    chunk_position: Literal["last"] | None = None

    def _sum(self, other: Self) -> dict[str, Any]:
        return {**super()._sum(other), "chunk_position": other.chunk_position or self.chunk_position}


CHUNKS: dict[type[BaseMessage], type[BaseMessageChunk]] = {
    AIMessage: AIMessageChunk,
    ChatMessage: ChatMessageChunk,
    HumanMessage: HumanMessageChunk,
    SystemMessage: SystemMessageChunk,
}
"""The class of the pieces of each class of message."""

WHOLES = {chunk: whole for whole, chunk in CHUNKS.items()}


def message_chunk_to_message(chunk: BaseMessage) -> BaseMessage:
    """The whole message that a chunk (or a sum of chunks) stands for; a whole message is given back as it is.

    Example:
        >>> message_chunk_to_message(AIMessageChunk("Hel") + AIMessageChunk("lo"))
        AIMessage(content='Hello')
    """
    whole = WHOLES.get(type(chunk))  # type: ignore[arg-type]
    return whole(**_said(chunk)) if whole else chunk


def message_to_chunk(message: BaseMessage) -> BaseMessage:
    """A whole message as the only chunk of its stream; a chunk, or what has no chunk class, as it is.

    A message from an AI is marked as the last of its stream.
    """
    chunk = CHUNKS.get(type(message))
    if chunk is None:
        return message
    last: dict[str, Any] = {"chunk_position": "last"} if chunk is AIMessageChunk else {}
    return chunk(**_said(message), **last)


def _said(message: BaseMessage) -> dict[str, Any]:
    """The fields of a message that a chunk and a whole have in common, without copying what is in them."""
    return {name: value for name, value in message if name not in ("type", "chunk_position")}
