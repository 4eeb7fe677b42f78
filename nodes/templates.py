"""Templates: text with named holes, read once and filled often.

The form is that of f-strings: `{name}`, `{name:>10}`, `{name!r}`; `{{` and `}}` stand for the braces. A
hole is filled with the value of a variable, never with an attribute or an item of it, so that whoever
writes a template can't reach into the objects that fill it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from anabranch.engine.errors import AnabranchError

NAME = re.compile(r"[^\W\d]([\w -]*\w)?")
"""What names a variable: words. Neither a position, nor what stands in JSON whose braces weren't doubled."""

CONVERSIONS: dict[str | None, Callable[[Any], Any]] = {
    None: lambda value: value,
    "s": str,
    "r": repr,
    "a": ascii,
}


class TemplateError(AnabranchError, ValueError):
    """Raised when a template is made that can't be read, or that reads more of a variable than its value."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A variable in a template, with how its value is written."""

    variable: str
    conversion: str | None
    spec: Template | None

    def fill(self, values: Mapping[str, Any]) -> str:
        """The value as text."""
        value = CONVERSIONS[self.conversion](values[self.variable])
        return format(value, self.spec.fill(values) if self.spec else "")


@dataclass(frozen=True, slots=True)
class Template:
    """Text with holes.

    Attributes:
        parts: pieces of text and holes, in order.
        variables: the names of the holes, each once, in order.
    """

    parts: tuple[str | Hole, ...]
    variables: tuple[str, ...]

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with every hole filled.

        Raises:
            KeyError: when a variable has no value.
        """
        return "".join([part if isinstance(part, str) else part.fill(values) for part in self.parts])


def read_template(text: str) -> Template:
    """Read a template in the form of f-strings.

    Raises:
        TemplateError: when braces don't match, a hole has no name, or one reads an attribute or an item.
        TypeError: when it isn't text.

    Example:
        >>> read_template("{greeting}, {name:>5}!").fill({"greeting": "Ahoy", "name": "Ada"})
        'Ahoy,   Ada!'
    """
    if not isinstance(text, str):
        raise TypeError(f"a template is text; got {type(text).__name__} {text!r:.80}")
    return _read(text, text, 0)


def _read(text: str, whole: str, depth: int) -> Template:
    parts: list[str | Hole] = []
    for piece in _pieces(text, whole, depth):
        if isinstance(piece, str) and parts and isinstance(parts[-1], str):
            parts[-1] += piece  # what stood around `{{`
        else:
            parts.append(piece)
    return Template(tuple(parts), tuple(dict.fromkeys(_names(parts))))


def _pieces(text: str, whole: str, depth: int) -> Iterator[str | Hole]:
    if depth > 1:  # as far as Python goes, too
        raise _refused(whole, "a format within a format has no holes of its own")
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            if literal:
                yield literal
            if name is not None:
                _check_name(name, whole)
                _check_conversion(name, conversion, whole)
                yield Hole(name, conversion, _read(spec, whole, depth + 1) if spec else None)
    except TemplateError:
        raise
    except ValueError as error:  # Python's, for braces that don't match
        raise _refused(whole, f"{error}") from None


def _names(parts: list[str | Hole]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Hole):
            yield part.variable
            yield from part.spec.variables if part.spec else ()


def _check_name(name: str, whole: str) -> None:
    if NAME.fullmatch(name):
        return
    if "." in name or "[" in name:
        raise _refused(whole, f"{{{name}}} reads into a variable; pass what it should show as a variable of its own")
    what = f"{{{name}}} is not the name of a variable" if name else "{} has no name"
    raise _refused(whole, f"{what}; name the variable")


def _check_conversion(name: str, conversion: str | None, whole: str) -> None:
    if conversion not in CONVERSIONS:
        raise _refused(whole, f"{{{name}!{conversion}}} has an unknown conversion; there are !s, !r and !a")


def _refused(whole: str, why: str) -> TemplateError:
    shown = whole if len(whole) <= 80 else whole[:77] + "..."
    return TemplateError(f"template {shown!r} can't be used: {why} (literal braces are written {{{{ and }}}})")
