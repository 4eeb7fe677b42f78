"""JSON in what a model says: alone, in a Markdown fence, or with words around it; and as it comes in."""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any

from pydantic_core import from_json

from anabranch.nodes.partial_json import JsonReader

FENCE = "```"
_LANGUAGE = re.compile(r"[\w+#.-]{0,32}")


class FencedJsonReader:
    """Finds the JSON in a text that comes piece by piece, in time linear in the text.

    It stands at the beginning; or else in the first fence that is marked as `json`, or not at all, and holds JSON.
    Backticks outside a string end it, be it complete or not. A number, a string or a word such as `true` at the
    beginning of the text gives way to what is in a fence.

    Attributes:
        changed: whether the last `feed` has changed the value.
    """

    def __init__(self) -> None:
        self.changed = False
        self._first = self._last = self._found = JsonReader()
        self._read: Callable[[str], str] = self._json
        self._in_fence = False
        self._held = ""  # the beginning of a fence, or of the name of its language
        self._size = 0  # of all that was fed
        self._start = 0  # where the last reader began

    @property
    def has_value(self) -> bool:
        """Whether there is a value yet, if only an empty one."""
        return self._found.has_value

    @property
    def value(self) -> Any:
        """A snapshot of what there is: your own, but for what is complete in it, which all snapshots share."""
        return self._found.value

    @property
    def fault(self) -> tuple[str, int] | None:
        """What is wrong, and where: it is no JSON, or holds none. None if it does, be it complete or not."""
        last = self._last
        if last.error and (self._found is last or not self._found.has_value):
            return last.error, self._start + last.position
        if self._found.has_value:
            return None
        return self._first.error or "expected JSON, found nothing", self._first.position

    def feed(self, text: str) -> None:
        """Read on."""
        self.changed = False
        self._size += len(text)
        text, self._held = self._held + text, ""
        while text:
            text = self._read(text)

    # What may come next. Each answers what it has not read.

    def _json(self, text: str) -> str:
        reader = self._last
        text = reader.feed(text)
        if reader.changed:
            self._found, self.changed = reader, True
        if reader.error and reader.has_value and text.startswith("`"):
            reader.error, self._read = None, self._nothing
        elif reader.error:
            self._read = self._other_fence if self._in_fence else self._prose
        elif reader.is_complete:
            is_final = self._in_fence or isinstance(reader.value, dict | list)
            self._read = self._nothing if is_final else self._prose
        return text

    def _prose(self, text: str) -> str:
        return self._past_fence(text, self._language)

    def _other_fence(self, text: str) -> str:
        return self._past_fence(text, self._prose)

    def _past_fence(self, text: str, read: Callable[[str], str]) -> str:
        before, fence, after = text.partition(FENCE)
        if fence:
            self._read = read
        else:
            self._held = before[len(before.rstrip("`")) :]
        return after

    def _language(self, text: str) -> str:
        text = text.lstrip("`")
        name = _LANGUAGE.match(text)
        assert name is not None
        if name.end() == len(text):
            self._held = text
            return ""
        if name[0].lower() in ("", "json"):
            self._last, self._read, self._in_fence = JsonReader(), self._json, True
            self._start = self._size - len(text) + name.end()
        else:
            self._read = self._other_fence
        return text[name.end() :]

    def _nothing(self, text: str) -> str:
        return ""


def parse_json_markdown(text: str) -> Any:
    """The JSON in a text: the text itself, or what is in its first fence of JSON. Its end may be missing.

    Args:
        text: what a model said.

    Raises:
        JSONDecodeError: a `ValueError`, when there is none, or it is malformed.

    Example:
        >>> parse_json_markdown('''Here it is:
        ... ```json
        ... {"name": "France"}
        ... ```
        ... ''')
        {'name': 'France'}
    """
    try:
        return from_json(_without_fence(text.strip()))  # quick, if there is nothing else
    except ValueError:
        reader = FencedJsonReader()
        reader.feed(text)
        if reader.fault:
            expected, position = reader.fault
            raise JSONDecodeError(expected, text, position) from None
        return reader.value


def _without_fence(text: str) -> str:
    if len(text) > 2 * len(FENCE) and text.startswith(FENCE) and text.endswith(FENCE):
        text = text[len(FENCE) : -len(FENCE)]
        return text[4:] if text[:4].lower() == "json" else text
    return text
