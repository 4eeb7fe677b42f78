"""Prompt values: what a prompt makes, readable as text by a text model and as messages by a chat model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, SerializeAsAny

from anabranch.nodes.any_message import AnyMessage
from anabranch.nodes.base_messages import kind_field
from anabranch.nodes.buffer_strings import get_buffer_string
from anabranch.nodes.messages import BaseMessage, HumanMessage


class PromptValue(BaseModel):
    """What a prompt makes. Two values with equal contents are equal."""

    def to_string(self) -> str:
        """The prompt as text."""
        raise NotImplementedError

    def to_messages(self) -> list[BaseMessage]:
        """The prompt as messages."""
        raise NotImplementedError


# The docstrings below are the descriptions in JSON schemas, which others know word for word.


class StringPromptValue(PromptValue):
    """String prompt value."""

    text: str
    type: Literal["StringPromptValue"] = kind_field("StringPromptValue")

    def to_string(self) -> str:
        return self.text

    def to_messages(self) -> list[BaseMessage]:
        return [HumanMessage(content=self.text)]


class ChatPromptValue(PromptValue):
    """Chat prompt value."""

    messages: Sequence[SerializeAsAny[BaseMessage]]

    def to_string(self) -> str:
        return get_buffer_string(self.messages)

    def to_messages(self) -> list[BaseMessage]:
        return list(self.messages)


class ChatPromptValueConcrete(ChatPromptValue):
    """Chat prompt value which explicitly lists out the message types it accepts.
    For use in external schemas."""

    messages: Sequence[AnyMessage]
    type: Literal["ChatPromptValueConcrete"] = kind_field("ChatPromptValueConcrete")
