"""Functions over messages that are steps of a chain when they are called without messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.messages.base_messages import speaker_of
from anabranch.nodes.messages.conversion import MessageLike
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.messages.prompt_values import PromptValue
from anabranch.nodes.runnables import Runnable

Messages = Iterable[MessageLike] | PromptValue
"""What can be read as messages."""

Change = Callable[[Messages], list[BaseMessage]]
MessagesStep = Runnable[Messages, list[BaseMessage]]
"""A step that makes messages of messages."""

MessageTypes = str | type[BaseMessage] | Iterable[str | type[BaseMessage]]
"""Kinds of messages: classes, or a `type` such as "human", one or several."""


def now_or_later(change: Change, messages: Messages | None, name: str, blocking: bool = False) -> Any:
    """What a function makes of messages; without messages, the function as a step of this name."""
    if messages is not None:
        return change(messages)
    return RunnableLambda(change, name=name, blocking=blocking)


def type_test(types: MessageTypes) -> Callable[[BaseMessage], bool]:
    """A function that tells whether a message is of one of these kinds. A chunk is of the kind of its whole, too."""
    each = [types] if isinstance(types, str | type) else list(types)
    names = {kind for kind in each if isinstance(kind, str)}
    classes = tuple(kind for kind in each if isinstance(kind, type))
    if len(names) + len(classes) < len(set(each)) or not all(issubclass(kind, BaseMessage) for kind in classes):
        raise ValueError(f"kinds of messages are named by a class or its type, such as 'human'; got {types!r:.80}")

    def test(message: BaseMessage) -> bool:
        return isinstance(message, classes) or message.type in names or speaker_of(message) in names

    return test
