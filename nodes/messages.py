"""Messages: what is said in a chat, and by whom.

A whole message stands for itself: on an edge, a later one replaces an earlier one. The pieces of a message,
which add up by `+`, are in `message_chunks`; what else can be read as a message, in `message_conversion`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from anabranch.engine.chunks import Algebra
from anabranch.nodes.message_merging import Content


def kind_field(kind: str) -> Any:
    """The field that tells in JSON which class an object is of. Its schema has an `enum` and a `const`."""
    return Field(default=kind, json_schema_extra={"enum": [kind]})


class BaseMessage(BaseModel):
    """What all messages have.

    Args:
        content: the text, or a list of texts and blocks (dicts with a `type`); may be given by position.
        additional_kwargs: what a provider says besides, uninterpreted.
        response_metadata: facts about the answer, such as `finish_reason`.
        name: the name of the speaker.
        id: the id of the message.
    """

    model_config = ConfigDict(extra="allow")
    __chunk_algebra__: ClassVar[Algebra] = Algebra.SNAPSHOTS

    content: Content = Field(kw_only=False)  # for type checkers; by position it is read in __init__
    additional_kwargs: dict[str, Any] = Field(default_factory=dict)
    response_metadata: dict[str, Any] = Field(default_factory=dict)
    type: str
    name: str | None = None
    id: str | None = None

    def __init__(self, content: Content | None = None, **kwargs: Any) -> None:
        # Without content the field is left out, so that pydantic says what is missing.
        super().__init__(**kwargs if content is None else {"content": content, **kwargs})

    @property
    def text(self) -> str:
        """The text of the content: all of it, or that of its text blocks."""
        if isinstance(self.content, str):
            return self.content
        return "".join(_text_of_block(block) for block in self.content)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Only what was said: fields at their default are left out."""
        for name, value in super().__repr_args__():
            if name != "type" and value is not None and value != {}:
                yield name, value


def _text_of_block(block: str | dict[str, Any]) -> str:
    if isinstance(block, str):
        return block
    text = block.get("text")
    return text if block.get("type", "text") == "text" and isinstance(text, str) else ""


# The docstrings below are the descriptions in JSON schemas, which others know word for word.


class SystemMessage(BaseMessage):
    """A Message for priming AI behavior, usually passed in as the first of a sequence
    of input messages."""

    type: Literal["system"] = kind_field("system")


class HumanMessage(BaseMessage):
    """A Message from a human."""

    type: Literal["human"] = kind_field("human")
    example: bool = Field(default=False, repr=False)


class AIMessage(BaseMessage):
    """A Message from an AI."""

    type: Literal["ai"] = kind_field("ai")
    example: bool = Field(default=False, repr=False)


class ChatMessage(BaseMessage):
    """A Message that can be assigned an arbitrary speaker (i.e. role)."""

    type: Literal["chat"] = kind_field("chat")
    role: str


class ToolMessage(BaseMessage):
    """A Message for passing the result of executing a tool back to a model."""

    type: Literal["tool"] = kind_field("tool")
    tool_call_id: str


AnyMessage = AIMessage | HumanMessage | ChatMessage | SystemMessage | ToolMessage


def get_buffer_string(messages: Iterable[BaseMessage], human_prefix: str = "Human", ai_prefix: str = "AI") -> str:
    """The conversation as text, one line a message, each headed by its speaker.

    Example:
        >>> print(get_buffer_string([SystemMessage("Be brief."), HumanMessage("Hi")]))
        System: Be brief.
        Human: Hi
    """
    speakers = {"human": human_prefix, "ai": ai_prefix, "system": "System", "tool": "Tool"}

    def speaker(message: BaseMessage) -> str:
        if isinstance(message, ChatMessage):
            return message.role
        return speakers.get(message.type.removesuffix("MessageChunk").lower(), message.type)

    return "\n".join(f"{speaker(message)}: {message.text}" for message in messages)
