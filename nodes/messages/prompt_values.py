"""Prompt values: what a prompt makes, readable as text by a text model and as messages by a chat model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, SerializeAsAny

from anabranch.nodes.messages.any_message import AnyMessage
from anabranch.nodes.messages.base_messages import kind_field
from anabranch.nodes.messages.buffer_strings import get_buffer_string
from anabranch.nodes.messages.messages import BaseMessage, HumanMessage
from anabranch.nodes.printed_fields import telling
from anabranch.nodes.schemas.brief_descriptions import BRIEF


class PromptValue(BaseModel):
    """What a prompt makes. Two values with equal contents are equal.

    Example:
        >>> value: PromptValue = ChatPromptTemplate([("system", "Be brief."), ("human", "{question}")]).invoke("Why?")
        >>> value.to_messages()
        [SystemMessage(content='Be brief.'), HumanMessage(content='Why?')]
        >>> print(value.to_string())
        System: Be brief.
        Human: Why?
    """

    model_config = BRIEF

    def to_string(self) -> str:
        """The prompt as text."""
        raise NotImplementedError

    def to_messages(self) -> list[BaseMessage]:
        """The prompt as messages."""
        raise NotImplementedError

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Only what was said: fields at their default are left out."""
        return telling(self)


# The first paragraphs below are the descriptions in JSON schemas, which others know word for word.


class StringPromptValue(PromptValue):
    """String prompt value.

    Args:
        text: the prompt; as messages it is one from a human.

    Example:
        >>> StringPromptValue(text="Why?").to_messages()
        [HumanMessage(content='Why?')]
    """

    text: str
    type: Literal["StringPromptValue"] = kind_field("StringPromptValue")

    def to_string(self) -> str:
        """The text."""
        return self.text

    def to_messages(self) -> list[BaseMessage]:
        """The text as one message from a human."""
        return [HumanMessage(content=self.text)]


class ChatPromptValue(PromptValue):
    """Chat prompt value.

    Args:
        messages: the prompt; as text they stand one below the other, each after its speaker.

    Example:
        >>> ChatPromptValue(messages=[HumanMessage("Why?"), AIMessage("Rain.")]).to_string()
        'Human: Why?\\nAI: Rain.'
    """

    messages: Sequence[SerializeAsAny[BaseMessage]]

    def to_string(self) -> str:
        """The messages as text. See `get_buffer_string`."""
        return get_buffer_string(self.messages)

    def to_messages(self) -> list[BaseMessage]:
        """The messages, in a list of your own."""
        return list(self.messages)


class ChatPromptValueConcrete(ChatPromptValue):
    """Chat prompt value which explicitly lists out the message types it accepts.
    For use in external schemas.

    Args:
        messages: the prompt; dicts are read by their `type`.

    Example:
        >>> ChatPromptValueConcrete(messages=[{"type": "human", "content": "Why?"}]).to_messages()
        [HumanMessage(content='Why?')]
    """

    messages: Sequence[AnyMessage]
    type: Literal["ChatPromptValueConcrete"] = kind_field("ChatPromptValueConcrete")
