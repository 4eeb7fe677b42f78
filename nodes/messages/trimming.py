"""Trimming a history to what a model has room for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, overload

from anabranch.nodes.messages.conversion import convert_to_messages
from anabranch.nodes.messages.messages import BaseMessage, SystemMessage
from anabranch.nodes.messages.steps import Messages, MessagesStep, MessageTypes, now_or_later, type_test
from anabranch.nodes.messages.token_counting import Counter, TokenCounter, counter_of

Strategy = Literal["first", "last"]
Fits = Callable[[list[BaseMessage]], bool]
Splitter = Callable[[str], list[str]]


@overload
def trim_messages(
    messages: None = None,
    *,
    max_tokens: int,
    token_counter: TokenCounter,
    strategy: Strategy = "last",
    allow_partial: bool = False,
    end_on: MessageTypes | None = None,
    start_on: MessageTypes | None = None,
    include_system: bool = False,
    text_splitter: Any = None,
) -> MessagesStep: ...
@overload
def trim_messages(
    messages: Messages,
    *,
    max_tokens: int,
    token_counter: TokenCounter,
    strategy: Strategy = "last",
    allow_partial: bool = False,
    end_on: MessageTypes | None = None,
    start_on: MessageTypes | None = None,
    include_system: bool = False,
    text_splitter: Any = None,
) -> list[BaseMessage]: ...
def trim_messages(
    messages: Messages | None = None,
    *,
    max_tokens: int,
    token_counter: TokenCounter,
    strategy: Strategy = "last",
    allow_partial: bool = False,
    end_on: MessageTypes | None = None,
    start_on: MessageTypes | None = None,
    include_system: bool = False,
    text_splitter: Any = None,
) -> Any:
    """As many of the last (or first) messages as a model has room for. Never more than `max_tokens`.

    What precedes or follows can be cut off so that the rest is a conversation that a model takes: it should begin with
    `start_on="human"`, and end with `end_on=("human", "tool")`.

    Args:
        messages: what `convert_to_messages` reads. Left out, this makes a step of a chain.
        max_tokens: the most that the messages may come to.
        token_counter: a function of a list of messages, such as `len`; one of a single message, if its parameter is
            annotated with a message class; a model that counts; or "approximate", for `count_tokens_approximately`.
            More messages must not count less.
        strategy: "last" keeps the last messages, "first" the first.
        allow_partial: keep a part of the first message that is too long: of its blocks, or of its text, by lines.
        end_on: kinds of messages; what comes after the last of them is cut off, with "last" before trimming.
        start_on: kinds of messages; what comes before the first of them is cut off. With "last" only.
        include_system: keep a system message that is the first. With "last" only.
        text_splitter: splits a text to the parts that are kept; a function, or an object with `split_text`. What it
            gives must add up to the text.

    Raises:
        ValueError: when the options make no sense, or the system message alone is more than `max_tokens`.

    Example:
        >>> said = [("system", "Be brief."), ("human", "Hi"), ("ai", "Hello"), ("human", "Who are you?")]
        >>> trim_messages(said, max_tokens=2, token_counter=len, include_system=True)
        [SystemMessage(content='Be brief.'), HumanMessage(content='Who are you?')]
    """
    if strategy not in ("first", "last"):
        raise ValueError(f"unknown strategy {strategy!r}; expected 'first' or 'last'")
    if strategy == "first" and (include_system or start_on):
        named = "include_system" if include_system else "start_on"
        raise ValueError(f"{named} goes with the strategy 'last' only: 'first' keeps the beginning anyway")
    ends = type_test(end_on) if end_on else None
    starts = type_test(start_on) if start_on else None
    count = counter_of(token_counter)
    split = _splitter_of(text_splitter) if allow_partial else None

    def trim(messages: Messages) -> list[BaseMessage]:
        said = convert_to_messages(messages)
        if strategy == "first":
            kept = _longest(said, _limit([], count, max_tokens), split)
            return _up_to_last(kept, ends)
        kept_anyway = said[:1] if include_system and said and isinstance(said[0], SystemMessage) else []
        if kept_anyway and count(kept_anyway) > max_tokens:
            raise ValueError(
                f"the system message takes {count(kept_anyway)} tokens, more than max_tokens={max_tokens}; "
                "allow more, shorten it, or leave out include_system"
            )
        rest = _up_to_last(said[len(kept_anyway) :], ends)
        kept = _longest(rest, _limit(kept_anyway, count, max_tokens), split, last=True)
        return kept_anyway + _from_first(kept, starts)

    return now_or_later(trim, messages, "trim_messages", blocking=True)


def _limit(before: list[BaseMessage], count: Counter, most: int) -> Fits:
    return lambda messages: count([*before, *messages]) <= most


def _up_to_last(messages: list[BaseMessage], test: Callable[[BaseMessage], bool] | None) -> list[BaseMessage]:
    if test is None:
        return messages
    return messages[: max((place + 1 for place, message in enumerate(messages) if test(message)), default=0)]


def _from_first(messages: list[BaseMessage], test: Callable[[BaseMessage], bool] | None) -> list[BaseMessage]:
    if test is None:
        return messages
    return messages[next((place for place, message in enumerate(messages) if test(message)), len(messages)) :]


def _longest(messages: list[BaseMessage], fits: Fits, split: Splitter | None, last: bool = False) -> list[BaseMessage]:
    """The longest beginning, or end, that fits, with a part of the next message if they are split."""
    some = partial(_some, messages, last=last)
    length = _most(len(messages), lambda length: fits(some(length)))
    kept = some(length)
    if split is None or length == len(messages):
        return kept
    cut = messages[-1 - length] if last else messages[length]
    units = _units(cut, split)

    def with_part(size: int) -> list[BaseMessage]:
        part = cut.model_copy(update={"content": _content(cut, _some(units, size, last))})
        return [part, *kept] if last else [*kept, part]

    size = _most(len(units), lambda size: fits(with_part(size)))
    return with_part(size) if size else kept


def _most(limit: int, good: Callable[[int], bool]) -> int:
    """The largest number up to the limit that is good, by bisection; 0 where none is, which is not tried."""
    if limit and good(limit):
        return limit
    known, bad = 0, limit
    while bad - known > 1:
        middle = (known + bad) // 2
        if good(middle):
            known = middle
        else:
            bad = middle
    return known


def _some(items: list[Any], size: int, last: bool) -> list[Any]:
    return items[len(items) - size :] if last else items[:size]


Unit = tuple[int, Any]
"""The place of a block, and the block or a piece of its text."""


def _units(message: BaseMessage, split: Splitter) -> list[Unit]:
    """What can be kept of a message: its blocks, those of text in pieces."""
    blocks = [message.content] if isinstance(message.content, str) else message.content
    units: list[Unit] = []
    for place, block in enumerate(blocks):
        text = block.get("text") if isinstance(block, dict) and block.get("type") == "text" else block
        units += [(place, piece) for piece in split(text)] if isinstance(text, str) and text else [(place, block)]
    return units


def _content(message: BaseMessage, units: list[Unit]) -> Any:
    """The content of a message, of which only some units are left."""
    if isinstance(message.content, str):
        return "".join(piece for _, piece in units)
    kept: dict[int, list[Any]] = {}
    for place, piece in units:
        kept.setdefault(place, []).append(piece)
    return [_block(message.content[place], pieces) for place, pieces in kept.items()]


def _block(block: Any, pieces: list[Any]) -> Any:
    """A block of which only some pieces are left. What isn't text is one piece."""
    if not isinstance(pieces[0], str):
        return block
    text = "".join(pieces)
    return {**block, "text": text} if isinstance(block, dict) else text


def _splitter_of(splitter: Any) -> Splitter:
    split: Any = getattr(splitter, "split_text", splitter) or _lines
    if not callable(split):
        raise ValueError(f"a text_splitter is a function, or has a method split_text; got {splitter!r:.80}")
    return split  # type: ignore[no-any-return]


def _lines(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [*(line + "\n" for line in lines), *([last] if last else [])]
