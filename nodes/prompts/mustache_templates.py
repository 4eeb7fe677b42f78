"""Templates in mustache's form, read by the library chevron and filled here.

`{{name}}` is written with `&`, `<`, `>` and `"` escaped as in HTML, `{{{name}}}` and `{{&name}}` as it is. A section
`{{#name}}...{{/name}}` stands once for a true value, once for each element of a list, and not for a false value;
`{{^name}}...{{/name}}` stands for a false value. Inside a section of a dict its keys go before the variables outside;
`{{.}}` is the element itself. `{{a.b}}` is the key "b" of the dict `a`. What isn't there is written as nothing.

chevron's own filling reads attributes of values and calls functions among them, so only its reader is used. What it
would need other files for, `{{> partial}}`, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from anabranch.nodes.extras import require_extra
from anabranch.nodes.prompts.templates import TemplateError, unusable

KEY = re.compile(r"(?!__)\w([\w -]*\w)?")
"""A name between dots. What begins with two underscores is Python's own, and nobody's key."""

DEEPEST = 100
"""How deep sections may be nested: they are filled by recursion."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A variable to be written. `path` is its name and keys inside it; an empty one is the element itself."""

    path: tuple[str, ...]
    raw: bool

    def write(self, scopes: list[Any]) -> str:
        """The value as text."""
        value = look_up(self.path, scopes)
        text = "" if value is None else str(value)
        return text if self.raw else escape(text, quote=False).replace('"', "&quot;")


@dataclass(frozen=True, slots=True)
class Section:
    """A part that stands as often as a value says; if `inverted`, once where it is false."""

    path: tuple[str, ...]
    inverted: bool
    parts: tuple[Part, ...]

    def write(self, scopes: list[Any]) -> str:
        """The part, for each element of the value."""
        value = look_up(self.path, scopes)
        if self.inverted:
            return "" if value else write(self.parts, scopes)
        if not value:
            return ""
        elements = value if isinstance(value, list | tuple | Iterator) else (value,)
        return "".join([write(self.parts, [element, *scopes]) for element in elements])


Part = str | Tag | Section


def write(parts: Iterable[Part], scopes: list[Any]) -> str:
    """The parts as text; `scopes` are what names are looked up in, innermost first."""
    return "".join([part if isinstance(part, str) else part.write(scopes) for part in parts])


def look_up(path: tuple[str, ...], scopes: list[Any]) -> Any:
    """The value of a name, and of keys inside it: of the innermost dict that has all of them, else None.

    Raises:
        TemplateError: when there is something of that name that isn't a dict, but has a value.
    """
    if not path:
        return scopes[0] if len(scopes) > 1 else None  # outside of sections there is no element
    opaque: Any = None
    for scope in scopes:
        value = scope
        for key in path:
            if not isinstance(value, Mapping):
                opaque = opaque or (value if value is not scope else None)
                break
            if key not in value:
                break
            value = value[key]
        else:
            return value
    if opaque:
        raise TemplateError(
            f"{{{{{'.'.join(path)}}}}} reads into a value of type {type(opaque).__name__}: {opaque!r:.80}. A template "
            "reads keys of dicts only; pass a dict"
        )
    return None


@dataclass(frozen=True, slots=True)
class Mustache:
    """A template in mustache's form."""

    text: str
    parts: tuple[Part, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names outside of sections, each once, in order."""
        return tuple(dict.fromkeys(part.path[0] for part in self.parts if not isinstance(part, str) and part.path))

    @property
    def reads(self) -> frozenset[str]:
        """The names inside of sections too: a key that an element lacks is looked up outside."""
        return frozenset(path[0] for path, _ in _paths(self.parts) if path)

    @property
    def structured(self) -> frozenset[str]:
        """The variables of sections, and those with keys."""
        return frozenset(path[0] for path, is_section in _paths(self.parts) if path[1:] or (path and is_section))

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with every hole filled. See `Template`."""
        for name in self.variables:
            values[name]  # a variable that is missing is an error, a key inside one isn't
        return write(self.parts, [values])

    def shown(self, mark: Callable[[str], str]) -> str:
        """The text as written: what sections make of it, only values can tell."""
        return self.text


def _paths(parts: Iterable[Part]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The names with their keys, and whether each is that of a section."""
    for part in parts:
        if isinstance(part, Section):
            yield part.path, True
            yield from _paths(part.parts)
        elif isinstance(part, Tag):
            yield part.path, False


def read_mustache(text: str) -> Mustache:
    """Read a template in mustache's form.

    Raises:
        MissingExtraError: when chevron isn't installed.
        TemplateError: when a tag isn't closed, isn't a name, or asks for another template.

    Example:
        >>> template = read_mustache("{{#people}}{{name}}, {{/people}}{{^people}}nobody{{/people}}")
        >>> template.fill({"people": [{"name": "Ada"}, {"name": "Bo"}]})
        'Ada, Bo, '
    """
    require_extra("chevron", "mustache", "A mustache template")
    from chevron.tokenizer import tokenize

    try:
        tokens = list(tokenize(text))
    except (SyntaxError, IndexError, ValueError) as error:
        raise unusable(text, " ".join(str(error).split())) from None
    if text.endswith("{{"):
        raise unusable(text, "its last tag isn't closed")  # chevron would leave it out
    return Mustache(text, _nested(text, iter(tokens), 0))


def _nested(text: str, tokens: Iterator[tuple[str, str]], depth: int) -> tuple[Part, ...]:
    """The parts up to the end of a section, which chevron has found to be there."""
    if depth > DEEPEST:
        raise unusable(text, f"its sections are nested more than {DEEPEST} deep")
    parts: list[Part] = []
    for kind, key in tokens:
        if kind == "literal":
            parts.append(key)
        elif kind in ("variable", "no escape"):
            parts.append(Tag(_path(text, key), kind == "no escape"))
        elif kind in ("section", "inverted section"):
            parts.append(Section(_path(text, key), kind != "section", _nested(text, tokens, depth + 1)))
        elif kind == "partial":
            raise unusable(text, f"{{{{> {key}}}}} is another template; put its text in its place")
        elif kind == "end":
            break
    return tuple(parts)


def _path(text: str, key: str) -> tuple[str, ...]:
    if key == ".":
        return ()
    path = tuple(key.split("."))
    for name in path:
        if not KEY.fullmatch(name) or (name.isdigit() and len(path) > 1):
            raise unusable(text, f"{{{{{key}}}}} is neither the name of a variable nor keys of a dict in it")
    return path
