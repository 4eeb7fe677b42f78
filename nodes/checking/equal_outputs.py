"""Whether two outputs are equal, for the laws: but for what is new in every run, and for how a value came."""

from __future__ import annotations

import math
import sys
from typing import Any

MADE_UP = ("run-", "lc_run-")
"""How the ids begin that a model of ours, or of LangChain's, gives its message."""


def equal_outputs(left: Any, right: Any) -> bool:
    """Whether two outputs are the same.

    The id that a model gives its message in each run doesn't count, and a message equals the sum of its chunks. NaN
    equals itself.
    """
    same = left == right
    if isinstance(same, bool) and same:
        return True
    return bool(_plain(left) == _plain(right))


def _plain(value: Any) -> Any:
    """A value as what can be compared by `==`."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value)) if type(value) in (list, tuple) else [*map(_plain, value)]
    if callable(array := getattr(value, "tolist", None)):  # numpy's, whose == gives no bool
        return (type(value).__name__, _plain(array()))
    messages: Any = sys.modules.get("anabranch.nodes.messages.chunks")  # without it there can be no message
    if messages is None or not isinstance(value, messages.BaseMessage):
        return value
    if isinstance(value, messages.BaseMessageChunk):
        value = messages.message_chunk_to_message(value)
    return value.model_copy(update={"id": None}) if str(value.id).startswith(MADE_UP) else value
