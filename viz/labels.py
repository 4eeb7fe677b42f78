"""Texts of a picture, fit to be written in any format: no control characters, one line, not too long."""

from __future__ import annotations

import unicodedata
from html import escape

LONGEST = 36
"""Characters of a name in a box; the whole stands in the tooltip."""

_INVALID = {0xFFFE, 0xFFFF}


def clean(text: str) -> str:
    """A text without what no format can carry: control characters are shown as symbols, what is no character as �."""
    return "".join(map(_clean, text)) if not text.isascii() or not text.isprintable() else text


def one_line(text: str) -> str:
    """A clean text in one line."""
    return clean(" ".join(text.split()))


def shortened(text: str, longest: int = LONGEST) -> str:
    """A clean text in one line, its middle left out where it is too long.

    Example:
        >>> shortened("a function with a very, very long name", 20)
        'a functio… long name'
    """
    text = one_line(text)
    if len(text) <= longest:
        return text
    end = longest // 2
    return f"{_trimmed(text[: longest - end - 1])}…{text[-end:]}"


def in_html(text: str) -> str:
    """A clean text, escaped for HTML and XML."""
    return escape(clean(text))


def seconds(time: float) -> str:
    """A time as people say it.

    Example:
        >>> seconds(0.0000123), seconds(0.0123), seconds(1.234), seconds(75)
        ('12 µs', '12.3 ms', '1.23 s', '1 min 15 s')
    """
    if time < 0.0009995:
        return f"{time * 1e6:.0f} µs"
    if time < 0.9995:
        return f"{time * 1e3:.3g} ms"
    whole = round(time)
    return f"{time:.3g} s" if time < 59.95 else f"{whole // 60} min {whole % 60} s"


def _clean(character: str) -> str:
    code = ord(character)
    if code < 0x20 and character not in "\n\t":
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    if 0xD800 <= code <= 0xDFFF or code & 0xFFFF in _INVALID:
        return "\N{REPLACEMENT CHARACTER}"
    return character


def _trimmed(text: str) -> str:
    """Don't cut between a character and what belongs to it."""
    while text and (unicodedata.combining(text[-1]) or text[-1] == "\N{ZERO WIDTH JOINER}"):
        text = text[:-1]
    return text
