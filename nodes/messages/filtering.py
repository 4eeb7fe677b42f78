"""Choosing among messages, and making one of several in a row."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import takewhile
from typing import Any, overload

from anabranch.nodes.messages.chunks import message_chunk_to_message
from anabranch.nodes.messages.conversion import convert_to_messages
from anabranch.nodes.messages.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from anabranch.nodes.messages.steps import Messages, MessagesStep, MessageTypes, now_or_later, type_test
from anabranch.nodes.messages.token_usage import add_usage

Texts = str | Iterable[str] | None


@overload
def filter_messages(
    messages: None = None,
    *,
    include_names: Texts = None,
    exclude_names: Texts = None,
    include_types: MessageTypes | None = None,
    exclude_types: MessageTypes | None = None,
    include_ids: Texts = None,
    exclude_ids: Texts = None,
    exclude_tool_calls: bool | Texts = None,
) -> MessagesStep: ...
@overload
def filter_messages(
    messages: Messages,
    *,
    include_names: Texts = None,
    exclude_names: Texts = None,
    include_types: MessageTypes | None = None,
    exclude_types: MessageTypes | None = None,
    include_ids: Texts = None,
    exclude_ids: Texts = None,
    exclude_tool_calls: bool | Texts = None,
) -> list[BaseMessage]: ...
def filter_messages(
    messages: Messages | None = None,
    *,
    include_names: Texts = None,
    exclude_names: Texts = None,
    include_types: MessageTypes | None = None,
    exclude_types: MessageTypes | None = None,
    include_ids: Texts = None,
    exclude_ids: Texts = None,
    exclude_tool_calls: bool | Texts = None,
) -> Any:
    """The messages that are included and not excluded, in order. Without conditions all are included.

    Args:
        messages: what `convert_to_messages` reads. Left out, this makes a step of a chain.
        include_names: include messages with these names; the other `include_` arguments include more.
        exclude_names: leave out messages with these names.
        include_types: include messages of these classes, or with these types, such as "human".
        exclude_types: leave these out.
        include_ids: include messages with these ids.
        exclude_ids: leave these out.
        exclude_tool_calls: True leaves out messages that call tools, and those with results. Ids leave out these calls
            and their results, and a message when none of its calls is left.

    Example:
        >>> filter_messages([("system", "Be brief."), ("human", "Hi"), ("ai", "Hello")], include_types=["human", "ai"])
        [HumanMessage(content='Hi'), AIMessage(content='Hello')]
    """
    included = _any_of(include_names, include_types, include_ids)
    excluded = _any_of(exclude_names, exclude_types, exclude_ids)
    without = _without_calls(exclude_tool_calls)

    def filter_(messages: Messages) -> list[BaseMessage]:
        chosen = []
        for message in convert_to_messages(messages):
            if not (excluded and excluded(message)) and (not included or included(message)):
                left = without(message)
                if left is not None:
                    chosen.append(left)
        return chosen

    return now_or_later(filter_, messages, "filter_messages")


def _any_of(names: Texts, types: MessageTypes | None, ids: Texts) -> Any:
    """A function that tells whether a message meets one of these conditions; None without any."""
    names, ids = _texts(names), _texts(ids)
    is_of_type = type_test(types) if types else None
    if not names and not ids and not is_of_type:
        return None

    def test(message: BaseMessage) -> bool:
        return message.name in names or message.id in ids or (is_of_type is not None and is_of_type(message))

    return test


def _texts(texts: Texts) -> set[str]:
    return {texts} if isinstance(texts, str) else set(texts or ())


def _without_calls(excluded: bool | Texts) -> Any:
    """A function that gives a message without the excluded tool calls; None when it has no others."""
    if not excluded:
        return lambda message: message
    ids = None if isinstance(excluded, bool) else _texts(excluded)

    def without(message: BaseMessage) -> BaseMessage | None:
        if isinstance(message, ToolMessage):
            return None if ids is None or message.tool_call_id in ids else message
        if isinstance(message, AIMessage) and message.tool_calls:
            return None if ids is None else _with_other_calls(message, ids)
        return message

    return without


def _with_other_calls(message: AIMessage, ids: Collection[str]) -> BaseMessage | None:
    calls = [call for call in message.tool_calls if call["id"] not in ids]
    if len(calls) == len(message.tool_calls):
        return message
    if not calls:
        return None
    content = message.content
    if isinstance(content, list):  # some providers tell the calls there, too
        content = [each for each in content if isinstance(each, str) or not _is_call_of(each, ids)]
    besides = {key: value for key, value in message.additional_kwargs.items() if key != "tool_calls"}
    changed = {"tool_calls": calls, "content": content, "additional_kwargs": besides}
    return message_chunk_to_message(message).model_copy(update=changed)


def _is_call_of(block: dict[str, Any], ids: Collection[str]) -> bool:
    return block.get("type") in ("tool_use", "tool_call") and block.get("id") in ids


@overload
def merge_message_runs(messages: None = None, *, chunk_separator: str = "\n") -> MessagesStep: ...
@overload
def merge_message_runs(messages: Messages, *, chunk_separator: str = "\n") -> list[BaseMessage]: ...
def merge_message_runs(messages: Messages | None = None, *, chunk_separator: str = "\n") -> Any:
    r"""The messages, with those of one kind in a row made one, as some models want it. Results of tools stay apart.

    Texts are joined, and so are lists of blocks, tool calls and token usage. Of what else they have, the first counts.

    Args:
        messages: what `convert_to_messages` reads. Left out, this makes a step of a chain.
        chunk_separator: what stands between two texts.

    Example:
        >>> merge_message_runs([("human", "Hi."), ("human", "Who are you?"), ("ai", "A model.")])
        [HumanMessage(content='Hi.\nWho are you?'), AIMessage(content='A model.')]
    """

    def merge(messages: Messages) -> list[BaseMessage]:
        runs: list[list[BaseMessage]] = []
        for message in map(message_chunk_to_message, convert_to_messages(messages)):
            if runs and _is_one_run(runs[-1][-1], message):
                runs[-1].append(message)
            else:
                runs.append([message])
        return [_merged(run, chunk_separator) for run in runs]

    return now_or_later(merge, messages, "merge_message_runs")


def _is_one_run(left: BaseMessage, right: BaseMessage) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, ChatMessage) and isinstance(right, ChatMessage):
        return left.role == right.role
    if isinstance(left, FunctionMessage):
        return left.name == right.name
    return isinstance(left, HumanMessage | AIMessage | SystemMessage)


def _merged(run: list[BaseMessage], separator: str) -> BaseMessage:
    if len(run) == 1:
        return run[0]
    first = run[0]
    besides: dict[str, Any] = {}
    for message in reversed(run):
        besides.update(message.additional_kwargs)
    update: dict[str, Any] = {
        "content": _joined([message.content for message in run], separator),
        "additional_kwargs": besides,
        "name": next((message.name for message in run if message.name), None),
        "id": next((message.id for message in run if message.id), None),
    }
    if isinstance(first, AIMessage):
        answers = [message for message in run if isinstance(message, AIMessage)]
        update["tool_calls"] = [call for message in answers for call in message.tool_calls]
        update["invalid_tool_calls"] = [call for message in answers for call in message.invalid_tool_calls]
        used = [message.usage_metadata for message in answers if message.usage_metadata]
        for usage in used:
            update["usage_metadata"] = add_usage(update.get("usage_metadata"), usage)
    return first.model_copy(update=update)


def _joined(contents: list[Any], separator: str) -> Any:
    """Texts up to the first list of blocks are one; whatever comes after is a block of that list."""
    texts = list(takewhile(lambda content: isinstance(content, str), contents))
    joined = separator.join(text for text in texts if text)
    if len(texts) == len(contents):
        return joined
    blocks: list[Any] = [joined]
    for content in contents[len(texts) :]:
        blocks += [content] if isinstance(content, str) else content
    return [block for block in blocks if block]
