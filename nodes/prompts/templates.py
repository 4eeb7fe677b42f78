"""Templates: text with named holes, read once and filled often. What all formats have in common, and f-strings.

A hole is filled with the value of a variable, never with an attribute or an item of it, so that whoever writes a
template can't reach into the objects that fill it. The other formats are in `mustache_templates` and
`jinja_templates`; `template_formats` chooses among them.

The form of f-strings: `{name}`, `{name:>10}`, `{name!r}`; `{{` and `}}` stand for the braces. A format has no holes of
its own, so that no value decides how another is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Protocol

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
    """Raised when a template is made that can't be read or reads more of a variable than its value.

    Also raised when it is filled, by a value that can't be shown as the template wants it.

    Example:
        >>> PromptTemplate.from_template("{user.password}")
        Traceback (most recent call last):
            ...
        anabranch.nodes.prompts.templates.TemplateError: template '{user.password}' can't be used: ...
    """


class Template(Protocol):
    """A template in any format, as read."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that must have a value, each once, in order."""

    @property
    def reads(self) -> frozenset[str]:
        """All names that it may look up: the variables, and what may come from inside one or beside it."""

    @property
    def structured(self) -> frozenset[str]:
        """The variables whose value is more than text: a list or a dict that the template goes into."""

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with every hole filled.

        Raises:
            KeyError: when a variable has no value.
            TemplateError: when a value can't be shown as the template wants it.
        """

    def shown(self, mark: Callable[[str], str]) -> str:
        """The template for people to read; `mark` says how a variable looks."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A variable in an f-string, with how its value is written."""

    variable: str
    conversion: str | None
    spec: str

    def fill(self, values: Mapping[str, Any]) -> str:
        """The value as text."""
        value = values[self.variable]
        try:
            return format(CONVERSIONS[self.conversion](value), self.spec)
        except (TypeError, ValueError) as error:
            raise TemplateError(
                f"variable {self.variable!r} can't be written as {str(self)!r}: {error}. It is {value!r:.80}"
            ) from error

    def __str__(self) -> str:
        conversion = f"!{self.conversion}" if self.conversion else ""
        return f"{{{self.variable}{conversion}{':' if self.spec else ''}{self.spec}}}"


@dataclass(frozen=True, slots=True)
class FString:
    """A template in the form of f-strings.

    Attributes:
        parts: pieces of text and holes, in order.
    """

    parts: tuple[str | Hole, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the holes, each once, in order."""
        return tuple(dict.fromkeys(part.variable for part in self.parts if isinstance(part, Hole)))

    @property
    def reads(self) -> frozenset[str]:
        """The variables."""
        return frozenset(self.variables)

    @property
    def structured(self) -> frozenset[str]:
        """None: every value is written as text."""
        return frozenset()

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with every hole filled. See `Template`."""
        return "".join([part if isinstance(part, str) else part.fill(values) for part in self.parts])

    def shown(self, mark: Callable[[str], str]) -> str:
        """The text with every variable marked."""
        return "".join(part if isinstance(part, str) else mark(part.variable) for part in self.parts)


def read_fstring(text: str) -> FString:
    """Read a template in the form of f-strings.

    Raises:
        TemplateError: when braces don't match, a hole has no name, reads an attribute or an item, or has a format
            with holes.

    Example:
        >>> read_fstring("{greeting}, {name:>5}!").fill({"greeting": "Ahoy", "name": "Ada"})
        'Ahoy,   Ada!'
    """
    parts: list[str | Hole] = []
    for piece in _pieces(text):
        if isinstance(piece, str) and parts and isinstance(parts[-1], str):
            parts[-1] += piece  # what stood around `{{`
        else:
            parts.append(piece)
    return FString(tuple(parts))


def _pieces(text: str) -> Iterator[str | Hole]:
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            if literal:
                yield literal
            if name is not None:
                _check_name(name, text)
                _check_form(name, spec or "", conversion, text)
                yield Hole(name, conversion, spec or "")
    except TemplateError:
        raise
    except ValueError as error:  # Python's, for braces that don't match
        raise _unusable(text, f"{error}") from None


def _check_name(name: str, text: str) -> None:
    if NAME.fullmatch(name):
        return
    if "." in name or "[" in name:
        raise _unusable(text, f"{{{name}}} reads into a variable; pass what it should show as a variable of its own")
    what = f"{{{name}}} is not the name of a variable" if name else "{} has no name"
    raise _unusable(text, f"{what}; name the variable")


def _check_form(name: str, spec: str, conversion: str | None, text: str) -> None:
    if conversion not in CONVERSIONS:
        raise _unusable(text, f"{{{name}!{conversion}}} has an unknown conversion; there are !s, !r and !a")
    if "{" in spec or "}" in spec:
        raise _unusable(text, f"the format of {{{name}:{spec}}} has holes of its own; write it out")


def _unusable(text: str, why: str) -> TemplateError:
    return unusable(text, f"{why} (literal braces are written {{{{ and }}}})")


def unusable(text: str, why: str) -> TemplateError:
    """The error for a template that can't be used; it shows the beginning of the template."""
    shown = text if len(text) <= 80 else text[:77] + "..."
    return TemplateError(f"template {shown!r} can't be used: {why}")
