"""Message chunks: pieces of a message, which add up to it by `+`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from anabranch.engine.chunks import Algebra
from anabranch.nodes.messages.base_messages import BaseMessage, kind_field
from anabranch.nodes.messages.content_blocks import blocks_with_calls
from anabranch.nodes.messages.merging import merge_content, merge_dicts, merge_values
from anabranch.nodes.messages.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from anabranch.nodes.messages.token_usage import add_usage
from anabranch.nodes.messages.tool_calls import (
    ToolCallChunk,
    join_pieces,
    openai_pieces,
    pieces_of,
    read_pieces,
)


class BaseMessageChunk(BaseMessage):
    """A piece of a message. `chunk + chunk` is one of the same class: contents are joined, dicts merged.

    Raises:
        TypeError: when chunks are added that are pieces of different messages.

    Example:
        >>> chunks = list(GenericFakeChatModel(messages=iter(["hold on"])).stream("Hello?"))
        >>> all(isinstance(chunk, BaseMessageChunk) for chunk in chunks), (chunks[0] + chunks[1] + chunks[2]).content
        (True, 'hold on')
    """

    __chunk_algebra__: ClassVar[Algebra] = Algebra.ADDITIVE

    def __add__(self, other: BaseMessageChunk | Sequence[BaseMessageChunk]) -> Self:  # type: ignore[override]
        # Whole messages make a prompt; a list of chunks is added one by one.
        if not isinstance(other, type(self)):
            return reduce(add, other, self) if isinstance(other, list | tuple) else NotImplemented
        fields = self._sum(other)
        total = self.__copy__()
        total.__dict__.update(fields)  # not through pydantic, since both have been validated
        total.__pydantic_fields_set__.update(other.__pydantic_fields_set__)
        if self.__pydantic_extra__ is not None and other.__pydantic_extra__:
            total.__pydantic_extra__ = {**self.__pydantic_extra__, **other.__pydantic_extra__}
        return total

    def _sum(self, other: Self) -> dict[str, Any]:
        """The fields of the sum that may differ from those here. A subclass with more fields adds them."""
        return {
            "content": merge_content(self.content, other.content),
            "additional_kwargs": merge_dicts(self.additional_kwargs, other.additional_kwargs),
            "response_metadata": merge_dicts(self.response_metadata, other.response_metadata),
            "name": self.name or other.name,
            "id": self.id or other.id,
        }

    def _agree(self, other: Self, field: str) -> None:
        """See that both are pieces of one message.

        Raises:
            TypeError: when they differ in what names it.
        """
        mine, theirs = getattr(self, field), getattr(other, field)
        if mine != theirs:
            raise TypeError(f"chunks with the {field} {mine!r} and {theirs!r} are not of one message")


class HumanMessageChunk(HumanMessage, BaseMessageChunk):
    """A piece of a message from a human.

    Example:
        >>> HumanMessageChunk("Who ") + HumanMessageChunk("am I?")
        HumanMessageChunk(content='Who am I?')
    """

    type: Literal["HumanMessageChunk"] = kind_field("HumanMessageChunk")  # type: ignore[assignment]


class SystemMessageChunk(SystemMessage, BaseMessageChunk):
    """A piece of a message for priming AI behavior.

    Example:
        >>> SystemMessageChunk("Be ") + SystemMessageChunk("brief.")
        SystemMessageChunk(content='Be brief.')
    """

    type: Literal["SystemMessageChunk"] = kind_field("SystemMessageChunk")  # type: ignore[assignment]


class ChatMessageChunk(ChatMessage, BaseMessageChunk):
    """A piece of a message of an arbitrary speaker.

    Example:
        >>> ChatMessageChunk("Do or ", role="Jedi") + ChatMessageChunk("do not.", role="Jedi")
        ChatMessageChunk(content='Do or do not.', role='Jedi')
        >>> ChatMessageChunk("Do or ", role="Jedi") + ChatMessageChunk("do not.", role="Sith")
        Traceback (most recent call last):
            ...
        TypeError: chunks with the role 'Jedi' and 'Sith' are not of one message
    """

    type: Literal["ChatMessageChunk"] = kind_field("ChatMessageChunk")  # type: ignore[assignment]

    def _sum(self, other: Self) -> dict[str, Any]:
        self._agree(other, "role")
        return super()._sum(other)


class FunctionMessageChunk(FunctionMessage, BaseMessageChunk):
    """A piece of the result of executing a function.

    Example:
        >>> FunctionMessageChunk("4", name="add") + FunctionMessageChunk("2", name="add")
        FunctionMessageChunk(content='42', name='add')
    """

    type: Literal["FunctionMessageChunk"] = kind_field("FunctionMessageChunk")  # type: ignore[assignment]

    def _sum(self, other: Self) -> dict[str, Any]:
        self._agree(other, "name")
        return super()._sum(other)


class ToolMessageChunk(ToolMessage, BaseMessageChunk):
    """A piece of the result of executing a tool. It failed if one of its pieces says so.

    Example:
        >>> first = ToolMessageChunk("half an ", tool_call_id="call-1")
        >>> whole = first + ToolMessageChunk("answer", tool_call_id="call-1", status="error")
        >>> whole.content, whole.status
        ('half an answer', 'error')
    """

    type: Literal["ToolMessageChunk"] = kind_field("ToolMessageChunk")  # type: ignore[assignment]

    def _sum(self, other: Self) -> dict[str, Any]:
        self._agree(other, "tool_call_id")
        return {
            **super()._sum(other),
            "artifact": merge_values("artifact", self.artifact, other.artifact),
            "status": "error" if "error" in (self.status, other.status) else "success",
        }


def _piece(piece: ToolCallChunk) -> ToolCallChunk:
    return {**piece, "type": "tool_call_chunk"}


class AIMessageChunk(AIMessage, BaseMessageChunk):
    """A piece of a message from an AI. The last piece of a message has the `chunk_position` "last".

    Its `tool_calls` are what can be read of its `tool_call_chunks`: as far as they go while more may come; in a
    chunk that is the last, or in a sum with it, arguments that break off are invalid.

    Args:
        tool_call_chunks: pieces of tool calls, joined by their `index`.
        chunk_position: "last", or None.

    Example:
        >>> first = AIMessageChunk("", tool_call_chunks=[tool_call_chunk(name="add", args='{"a": 1', index=0)])
        >>> first.tool_calls[0]["args"]
        {'a': 1}
        >>> whole = first + AIMessageChunk("", tool_call_chunks=[tool_call_chunk(args=', "b": 2}', index=0)])
        >>> whole.tool_calls[0]["args"]
        {'a': 1, 'b': 2}
    """

    type: Literal["AIMessageChunk"] = kind_field("AIMessageChunk")  # type: ignore[assignment]
    tool_call_chunks: list[Annotated[ToolCallChunk, AfterValidator(_piece)]] = Field(default_factory=list)
    chunk_position: Literal["last"] | None = None

    def _complete(self) -> None:
        if self.tool_call_chunks:
            self.tool_call_chunks = join_pieces([], self.tool_call_chunks)
        elif self.tool_calls or self.invalid_tool_calls:
            self.tool_call_chunks = pieces_of(self.tool_calls, self.invalid_tool_calls)
        else:
            return
        self.tool_calls, self.invalid_tool_calls = self._read(self.tool_call_chunks, self.chunk_position)

    def _blocks_with_calls(self) -> list[dict[str, Any]]:
        if self.chunk_position == "last":
            return super()._blocks_with_calls()
        return blocks_with_calls(self.content, self.tool_call_chunks, "tool_call_chunk")

    def _take_openai_calls(self, told: Any, kwargs: dict[str, Any]) -> None:
        if not any(kwargs.get(field) for field in ("tool_call_chunks", "tool_calls", "invalid_tool_calls")):
            kwargs["tool_call_chunks"] = openai_pieces(told)

    def _sum(self, other: Self) -> dict[str, Any]:
        total = super()._sum(other)
        total["chunk_position"] = position = other.chunk_position or self.chunk_position
        if self.usage_metadata or other.usage_metadata:
            total["usage_metadata"] = add_usage(self.usage_metadata, other.usage_metadata)
        if self.tool_call_chunks or other.tool_call_chunks:
            total["tool_call_chunks"] = pieces = join_pieces(self.tool_call_chunks, other.tool_call_chunks)
            total["tool_calls"], total["invalid_tool_calls"] = self._read(pieces, position)
        else:
            total["tool_call_chunks"], total["tool_calls"], total["invalid_tool_calls"] = [], [], []
        return total

    @staticmethod
    def _read(pieces: list[ToolCallChunk], position: str | None) -> Any:
        return read_pieces(pieces, complete=position == "last")


CHUNKS: dict[type[BaseMessage], type[BaseMessageChunk]] = {
    AIMessage: AIMessageChunk,
    ChatMessage: ChatMessageChunk,
    FunctionMessage: FunctionMessageChunk,
    HumanMessage: HumanMessageChunk,
    SystemMessage: SystemMessageChunk,
    ToolMessage: ToolMessageChunk,
}
"""The class of the pieces of each class of message."""

WHOLES = {chunk: whole for whole, chunk in CHUNKS.items()}


def message_chunk_to_message(chunk: BaseMessage) -> BaseMessage:
    """The whole message that a chunk (or a sum of chunks) stands for; a whole message is given back as it is.

    Nothing more will come, so a tool call whose arguments break off is among the `invalid_tool_calls`.

    Example:
        >>> message_chunk_to_message(AIMessageChunk("Hel") + AIMessageChunk("lo"))
        AIMessage(content='Hello')
    """
    whole = WHOLES.get(type(chunk))  # type: ignore[arg-type]
    if whole is None:
        return chunk
    said = _said(chunk)
    if isinstance(chunk, AIMessageChunk) and chunk.tool_call_chunks:
        said["tool_calls"], said["invalid_tool_calls"] = read_pieces(chunk.tool_call_chunks, complete=True)
    return whole(**said)


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
    own = ("type", "chunk_position", "tool_call_chunks")
    return {name: value for name, value in message if name not in own}
