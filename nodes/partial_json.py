"""JSON that is not all there yet: what has come of it so far is a value already.

A `JsonReader` is fed a text piece by piece, and looks at each character once. It holds the containers that are open,
each with what is complete in it, and the string or word that is being read. A snapshot is a copy of the open
containers; what is complete is shared by all snapshots.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecodeError
from math import inf, nan
from typing import Any

from pydantic_core import from_json

MAX_DEPTH = 250
"""How deeply arrays and objects may be nested. Much deeper, and Python can't print or compare a value."""

MAX_DIGITS = 4300
"""How long a number may be: as long as Python reads."""

_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = {False: re.compile(r'[^"\\]*'), True: re.compile(r'[^"\\\x00-\x1f]*')}
_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4}))')
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_LOW_HALF = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_CUT_LOW_HALF = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?")
_WORD = re.compile(r"[-+.\w]*", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
_CUT_NUMBER = re.compile(r"-?(?:(?:0|[1-9]\d*)(?:\.|(?:\.\d+)?(?:[eE][-+]?)?)?)?", re.ASCII)

_ESCAPED = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None, "NaN": nan, "Infinity": inf, "-Infinity": -inf}
_OPENING = frozenset("{[")
_WORDLY = frozenset("-0123456789tfnNI")
_NOTHING: Any = object()


class JsonReader:
    """Reads one JSON value piece by piece, in time linear in the text.

    A string that is cut is read as far as it goes, and so is a number. A key without a value is left out, and so is
    half an escape, and a word such as `true` that is not whole.

    Args:
        strict: refuse control characters, such as a line break, inside strings.

    Attributes:
        changed: whether the last `feed` has changed the value.
        is_complete: the value has ended, and what follows is not looked at.
        error: where it stopped being JSON, what was expected and what was found; None while it is JSON.
        position: how many characters have been read; in the case of an error, where that is.
    """

    def __init__(self, strict: bool = False) -> None:
        self.changed = False
        self.is_complete = False
        self.error: str | None = None
        self.position = 0
        self._start = 0  # the position of the text that is being read
        self._plain = _PLAIN[strict]
        self._read: Callable[[str, int], int] = self._value
        self._open: list[Any] = []  # lists and dicts, the outermost first, each without the one that is open in it
        self._keys: list[Any] = []  # where the next value of each goes; None in a list
        self._growing: Any = _NOTHING  # the string or number that is being read; in the end, the whole value
        self._word = ""  # a number, or a word such as true
        self._seen = ""  # as much of it as the value tells of
        self._is_key = False
        self._held = ""  # the beginning of an escape

    @property
    def has_value(self) -> bool:
        """Whether there is a value yet, if only an empty one."""
        return self._growing is not _NOTHING or bool(self._open)

    @property
    def value(self) -> Any:
        """A snapshot of what there is: your own, but for what is complete in it, which all snapshots share."""
        value = self._growing
        for container, key in zip(reversed(self._open), reversed(self._keys), strict=True):
            copied = container.copy()
            if value is not _NOTHING:
                _put(copied, key, value)
            value = copied
        return None if value is _NOTHING else value

    def feed(self, text: str) -> str:
        """Read on, and answer what is not read: what follows a complete value, or an error."""
        self.changed = False
        self._start = self.position
        text, self._held = self._held + text, ""
        at, size = 0, len(text)
        while at < size and not self.is_complete and self.error is None:
            at = self._read(text, at)
        if self.error is None:
            self.position = self._start + at - len(self._held)
        return text[at:]

    # What may come next. Each reads on from a place in the text, and answers how far it got.

    def _value(self, text: str, at: int) -> int:
        at, character = _next(text, at)
        if character == '"':
            self._grow("")
            self._read, self._is_key = self._string, False
        elif character in _OPENING:
            if len(self._open) == MAX_DEPTH:
                return self._fail(f"no more than {MAX_DEPTH} levels", text, at)
            self._open.append({} if character == "{" else [])
            self._keys.append(None)
            self._read, self.changed = self._first_key if character == "{" else self._first_item, True
        elif character in _WORDLY:
            self._read, self._word, self._seen = self._in_word, "", ""
            return at
        elif character:
            return self._fail("a value", text, at)
        return at + len(character)

    def _first_item(self, text: str, at: int) -> int:
        at, character = _next(text, at)
        if character == "]":
            return self._close(at)
        if character:
            self._read = self._value
        return at

    def _first_key(self, text: str, at: int) -> int:
        at, character = _next(text, at)
        if character == "}":
            return self._close(at)
        if character:
            self._read = self._key
        return at

    def _key(self, text: str, at: int) -> int:
        at, character = _next(text, at)
        if character == '"':
            self._keys[-1] = ""
            self._read, self._is_key = self._string, True
        elif character:
            return self._fail("a key in double quotes", text, at)
        return at + len(character)

    def _colon(self, text: str, at: int) -> int:
        at, character = _next(text, at)
        if character == ":":
            self._read = self._value
        elif character:
            return self._fail("a colon", text, at)
        return at + len(character)

    def _after_value(self, text: str, at: int) -> int:
        at, character = _next(text, at)
        is_list = type(self._open[-1]) is list
        closing = "]" if is_list else "}"
        if character == closing:
            return self._close(at)
        if character == ",":
            self._read = self._value if is_list else self._key
        elif character:
            return self._fail(f"a comma or '{closing}'", text, at)
        return at + len(character)

    def _string(self, text: str, at: int) -> int:
        plain = self._plain.match(text, at)
        assert plain is not None
        if plain.end() > at:
            self._add(plain[0])
        at = plain.end()
        character = text[at : at + 1]
        if character == '"':
            if self._is_key:
                self._read = self._colon
            else:
                self._take(self._growing)
            return at + 1
        if character == "\\":
            return self._escape(text, at)
        return self._fail("no control character in a string", text, at) if character else at

    def _escape(self, text: str, at: int) -> int:
        escape = _ESCAPE.match(text, at)
        if escape is None:
            if _CUT_ESCAPE.fullmatch(text, at):
                return self._hold(text, at)
            return self._fail("an escape such as \\n or \\u00e9", text, at)
        if escape[1]:
            self._add(_ESCAPED[escape[1]])
            return escape.end()
        code = int(escape[2], 16)
        if 0xD800 <= code < 0xDC00:  # the first half of a character
            second = _LOW_HALF.match(text, escape.end())
            if second:
                self._add(chr(0x10000 + ((code - 0xD800) << 10) + int(second[1], 16) - 0xDC00))
                return second.end()
            if _CUT_LOW_HALF.fullmatch(text, escape.end()):
                return self._hold(text, at)
        self._add(chr(code))
        return escape.end()

    def _in_word(self, text: str, at: int) -> int:
        piece = _WORD.match(text, at)
        assert piece is not None
        word = self._word = self._word + piece[0]
        is_whole, number = piece.end() < len(text), _NUMBER.match(word)
        if len(word) > MAX_DIGITS:
            return self._fail(f"no more than {MAX_DIGITS} digits", text, at)
        if word in _WORDS or (number and number.end() == len(word)):
            self._see(word)
        elif is_whole or not (_CUT_NUMBER.fullmatch(word) or any(each.startswith(word) for each in _WORDS)):
            self._growing = _NOTHING
            self._fail("a value", word, 0)
            self.position += piece.end() - len(word)
        elif number:
            self._see(number[0])
        if is_whole and self.error is None:
            self._take(self._growing)
        return piece.end()

    def _see(self, word: str) -> None:
        """A word, or the beginning of one, has a value."""
        if word != self._seen:
            self._seen = word
            self._grow(_WORDS[word] if word in _WORDS else _number_of(word))

    # What has been read

    def _hold(self, text: str, at: int) -> int:
        self._held = text[at:]
        return len(text)

    def _grow(self, value: Any) -> None:
        self._growing, self.changed = value, True

    def _add(self, piece: str) -> None:
        if self._is_key:
            self._keys[-1] += piece
        else:
            self._grow(self._growing + piece)

    def _close(self, at: int) -> int:
        container = self._open.pop()
        self._keys.pop()
        self._take(container)
        return at + 1

    def _take(self, value: Any) -> None:
        """A value is complete."""
        if self._open:
            _put(self._open[-1], self._keys[-1], value)
            self._growing, self._read = _NOTHING, self._after_value
        else:
            self._growing, self.is_complete = value, True

    def _fail(self, expected: str, text: str, at: int) -> int:
        self.position = self._start + at
        self.error = f"expected {expected}, found {text[at : at + 20]!r}"
        return at


def _next(text: str, at: int) -> tuple[int, str]:
    """Where the next character stands that is no space, and that character; an empty one at the end."""
    space = _SPACE.match(text, at)
    assert space is not None
    at = space.end()
    return at, text[at : at + 1]


def _put(container: Any, key: Any, value: Any) -> None:
    if type(container) is list:
        container.append(value)
    else:
        container[key] = value


def _number_of(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def parse_partial_json(text: str, *, strict: bool = False) -> Any:
    """The value of a JSON text of which the end may be missing.

    A text that is cut in a string gives what there is of it. A key without a value is left out, and so is a word such
    as `true` that is not whole. A number is taken as far as it goes. What follows a complete value is not looked at.

    Args:
        text: the JSON so far.
        strict: refuse control characters, such as a line break, inside strings.

    Raises:
        JSONDecodeError: a `ValueError`, when it isn't the beginning of JSON, or there is no value yet.

    Example:
        >>> parse_partial_json('{"name": "France", "cities": ["Par')
        {'name': 'France', 'cities': ['Par']}
    """
    try:
        return from_json(text)  # quick, if it is all there
    except ValueError:
        reader = JsonReader(strict)
        reader.feed(text)
        if reader.error or not reader.has_value:
            raise JSONDecodeError(reader.error or "expected a value, found nothing", text, reader.position) from None
        return reader.value
