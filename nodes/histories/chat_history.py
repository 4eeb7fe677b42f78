"""Histories: the messages of a conversation, kept somewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, Field

from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.messages.any_message import AnyMessage
from anabranch.nodes.messages.buffer_strings import get_buffer_string
from anabranch.nodes.messages.messages import AIMessage, BaseMessage, HumanMessage


class BaseChatMessageHistory(ABC):
    """Keeps the messages of one conversation, in order. Subclass it for a place of one's own.

    Write `messages` (a property, or an attribute), `clear`, and `add_messages` or `add_message`; `add_messages` is
    the better, for it keeps a question with its answer. Write the asynchronous forms too where there is a way
    without a thread.

    Example:
        >>> class Shelf(BaseChatMessageHistory):
        ...     def __init__(self):
        ...         self.messages = []
        ...
        ...     def add_messages(self, messages):
        ...         self.messages = [*self.messages, *messages]
        ...
        ...     def clear(self):
        ...         self.messages = []
        >>> history = Shelf()
        >>> history.add_user_message("Hi")
        >>> history.add_ai_message("Hello!")
        >>> print(history)
        Human: Hi
        AI: Hello!
    """

    messages: list[Any]
    """What was said, the oldest first."""

    @abstractmethod
    def clear(self) -> None:
        """Forget all messages."""

    async def aclear(self) -> None:
        """As `clear`, without blocking."""
        await in_thread(self.clear)

    async def aget_messages(self) -> list[BaseMessage]:
        """As `messages`, without blocking."""
        return await in_thread(lambda: list(self.messages))

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages, in order."""
        if type(self).add_message is BaseChatMessageHistory.add_message:
            raise NotImplementedError(f"{type(self).__name__} has to write add_messages or add_message")
        for message in messages:
            self.add_message(message)

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """As `add_messages`, without blocking."""
        await in_thread(self.add_messages, messages)

    def add_message(self, message: BaseMessage) -> None:
        """Add a message."""
        if type(self).add_messages is BaseChatMessageHistory.add_messages:
            raise NotImplementedError(f"{type(self).__name__} has to write add_messages or add_message")
        self.add_messages([message])

    def add_user_message(self, message: HumanMessage | str) -> None:
        """Add what a human said."""
        self.add_message(HumanMessage(content=message) if isinstance(message, str) else message)

    def add_ai_message(self, message: AIMessage | str) -> None:
        """Add what a model said."""
        self.add_message(AIMessage(content=message) if isinstance(message, str) else message)

    def __str__(self) -> str:
        return get_buffer_string(self.messages)


class InMemoryChatMessageHistory(BaseChatMessageHistory, BaseModel):
    """Keeps messages in a list.

    Args:
        messages: what was said so far.

    Example:
        >>> history = InMemoryChatMessageHistory()
        >>> history.add_messages([HumanMessage("Hi"), AIMessage("Hello!")])
        >>> history.messages[-1].content
        'Hello!'
    """

    messages: list[AnyMessage] = Field(default_factory=list)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages, in order.

        Raises:
            TypeError: when something isn't a message.
        """
        self.messages.extend(checked(messages))

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """The same."""
        self.add_messages(messages)

    async def aget_messages(self) -> list[BaseMessage]:
        """A copy of `messages`."""
        return list(self.messages)

    def clear(self) -> None:
        """Forget all messages."""
        self.messages = []

    async def aclear(self) -> None:
        """The same."""
        self.clear()

    def __str__(self) -> str:
        return get_buffer_string(self.messages)


def checked(messages: Iterable[Any]) -> list[Any]:
    """The messages, in a list.

    Raises:
        TypeError: when something isn't a message.
    """
    if isinstance(messages, str | BaseMessage):
        raise TypeError(f"expected a list of messages, got {type(messages).__name__} {messages!r:.80}")
    listed = list(messages)
    for message in listed:
        if not isinstance(message, BaseMessage):
            raise TypeError(
                f"expected a message, got {type(message).__name__} {message!r:.80}; "
                "add_user_message and add_ai_message take text"
            )
    return listed
