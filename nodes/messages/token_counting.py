"""How many tokens messages take: guessed by their length, or counted by a model or a function."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Any, Literal, Protocol, get_type_hints, runtime_checkable

from anabranch.nodes.messages.base_messages import speaker_of
from anabranch.nodes.messages.conversion import MessageLike, convert_to_messages
from anabranch.nodes.messages.messages import AIMessage, BaseMessage, ChatMessage, ToolMessage
from anabranch.nodes.schemas.function_calling import convert_to_openai_tool

ROLE_NAMES = {"human": "user", "ai": "assistant"}
MOST_SCALING = 1.25
IMAGES = ("image", "image_url")


@runtime_checkable
class CountsTokens(Protocol):
    """A model that can tell how many tokens messages take."""

    def get_num_tokens_from_messages(self, messages: list[BaseMessage]) -> int:
        """The tokens of these messages."""
        ...


Counter = Callable[[list[BaseMessage]], int]
TokenCounter = Counter | Callable[[BaseMessage], int] | CountsTokens | Literal["approximate"]
"""What can count tokens: a function of a list of messages, or of one (its parameter is annotated with a message
class), a model, or the word "approximate"."""


def counter_of(counter: Any) -> Counter:
    """A function that counts the tokens of a list of messages.

    Raises:
        ValueError: when it is nothing that counts.
    """
    if isinstance(counter, str):
        if counter == "approximate":
            return count_tokens_approximately
        raise ValueError(f"there is no token counter {counter!r}; expected 'approximate', a function or a model")
    if isinstance(counter, CountsTokens):
        return counter.get_num_tokens_from_messages
    if not callable(counter):
        raise ValueError(f"a token counter is a function, a model or 'approximate'; got {counter!r:.80}")
    if _takes_one_message(counter):
        return lambda messages: sum(counter(message) for message in messages)
    return counter  # type: ignore[no-any-return]


def _takes_one_message(function: Any) -> bool:
    try:
        first = next(iter(signature(function).parameters))
        kind = get_type_hints(function).get(first)
    except (StopIteration, TypeError, ValueError, NameError):
        return False
    return isinstance(kind, type) and issubclass(kind, BaseMessage)


def count_tokens_approximately(
    messages: Iterable[MessageLike],
    *,
    chars_per_token: float = 4.0,
    extra_tokens_per_message: float = 3.0,
    count_name: bool = True,
    tokens_per_image: int = 85,
    use_usage_metadata_scaling: bool = False,
    tools: Iterable[Any] | None = None,
) -> int:
    """About how many tokens a model will see in messages, by the number of characters. Quick, and good for a limit.

    Args:
        messages: what `convert_to_messages` reads.
        chars_per_token: of the text, of what tells the role, and of tool calls.
        extra_tokens_per_message: what the form of a message takes.
        count_name: count the names of speakers.
        tokens_per_image: for each image, whatever its size.
        use_usage_metadata_scaling: correct the guess, up to 1.25 times, by the last answer that tells how many tokens
            it came to, if all answers are of the same `model_provider`.
        tools: what the model is told of tools, as `convert_to_openai_tool` takes them.

    Example:
        >>> count_tokens_approximately([("human", "How many tokens are these?")])
        11
    """
    total = math.ceil(sum(map(len, map(_tool_text, tools or ()))) / chars_per_token)
    counted: float = total
    scaled_at: tuple[int, float] | None = None
    providers = set()
    for message in convert_to_messages(messages):
        chars = len(_role(message)) + (len(message.name) if message.name and count_name else 0)
        said, images = _said(message)
        counted += math.ceil((chars + said) / chars_per_token) + extra_tokens_per_message + images * tokens_per_image
        if isinstance(message, AIMessage):
            providers.add(message.response_metadata.get("model_provider"))
            if message.usage_metadata:
                scaled_at = message.usage_metadata["total_tokens"], counted
    if use_usage_metadata_scaling and scaled_at and len(providers) == 1 and None not in providers:
        known, guessed = scaled_at
        counted *= min(MOST_SCALING, max(1.0, known / guessed))
    return math.ceil(counted)


def _said(message: BaseMessage) -> tuple[int, int]:
    """The characters and the images of what a message says, with its tool calls."""
    chars = images = 0
    blocks = [message.content] if isinstance(message.content, str) else message.content
    for block in blocks:
        if isinstance(block, Mapping) and block.get("type") in IMAGES:
            images += 1
        elif isinstance(block, Mapping):
            text = block.get("text")
            chars += len(text if block.get("type") == "text" and isinstance(text, str) else repr(block))
        else:
            chars += len(block)
    if isinstance(message, AIMessage) and message.tool_calls and isinstance(message.content, str):
        chars += len(repr(message.tool_calls))  # otherwise they are among the blocks
    if isinstance(message, ToolMessage):
        chars += len(message.tool_call_id)
    return chars, images


def _role(message: BaseMessage) -> str:
    kind = speaker_of(message)
    return message.role if isinstance(message, ChatMessage) else ROLE_NAMES.get(kind, kind)


def _tool_text(tool: Any) -> str:
    return json.dumps(convert_to_openai_tool(tool))
