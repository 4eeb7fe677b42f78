"""How many tokens a model has used, and the sum of several uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, cast

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic can't read that of `typing` before Python 3.12

from anabranch.nodes.schemas.brief_descriptions import BRIEF_AND_OPEN


@with_config(BRIEF_AND_OPEN)
class InputTokenDetails(TypedDict, total=False):
    """What the tokens of the input were; each in tokens, and any may be missing.

    Keys:
        audio: sound.
        cache_creation: written to the provider's cache.
        cache_read: read from it.

    Example:
        >>> used = UsageMetadata(input_tokens=9, output_tokens=1, total_tokens=10)
        >>> used["input_token_details"] = InputTokenDetails(cache_read=8)
        >>> used["input_tokens"] - used["input_token_details"]["cache_read"]
        1
    """

    audio: int
    cache_creation: int
    cache_read: int


@with_config(BRIEF_AND_OPEN)
class OutputTokenDetails(TypedDict, total=False):
    """What the tokens of the output were; each in tokens, and any may be missing.

    Keys:
        audio: sound.
        reasoning: thoughts that aren't part of the answer.

    Example:
        >>> used = UsageMetadata(input_tokens=9, output_tokens=7, total_tokens=16)
        >>> used["output_token_details"] = OutputTokenDetails(reasoning=5)
        >>> used["output_tokens"] - used["output_token_details"]["reasoning"]
        2
    """

    audio: int
    reasoning: int


@with_config(BRIEF_AND_OPEN)
class UsageMetadata(TypedDict):
    """How many tokens an answer has taken, whatever the provider.

    Keys:
        input_tokens: those of the question, with all that went before it.
        output_tokens: those of the answer.
        total_tokens: both.
        input_token_details, output_token_details: what they were, where that is known.

    Example:
        >>> UsageMetadata(input_tokens=3, output_tokens=2, total_tokens=5)["total_tokens"]
        5
    """

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_token_details: NotRequired[InputTokenDetails]
    output_token_details: NotRequired[OutputTokenDetails]


def add_usage(left: UsageMetadata | None, right: UsageMetadata | None) -> UsageMetadata:
    """The sum of two uses, detail by detail. None is no use at all.

    Example:
        >>> one = UsageMetadata(input_tokens=3, output_tokens=2, total_tokens=5, input_token_details={"cache_read": 1})
        >>> add_usage(one, one)["input_token_details"]
        {'cache_read': 2}
    """
    if left is None or right is None:
        return left or right or UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
    return cast(UsageMetadata, add_counts(left, right))


def add_counts(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers under equal keys added, and dicts of them likewise; what is no number is left out on the right."""
    total = dict(left)
    for name, value in right.items():
        if isinstance(value, Mapping):
            total[name] = add_counts(total.get(name) or {}, value)
        elif isinstance(value, int | float):
            total[name] = (total.get(name) or 0) + value
    return total
