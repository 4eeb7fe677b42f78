"""What a function says of itself: its name, and its docstring in Google's style."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, is_dataclass
from itertools import pairwise
from typing import Any

_ARGUMENTS = ("args", "arguments", "parameters", "params")
_SECTIONS = frozenset(
    {
        *_ARGUMENTS,
        *(
            "attributes",
            "example",
            "examples",
            "keyword args",
            "keyword arguments",
            "note",
            "notes",
            "other parameters",
        ),
        *("raises", "references", "return", "returns", "see also", "todo", "warning", "warnings", "warns"),
        *("other parameters", "yield", "yields"),
    }
)
_HEADING = re.compile(r"([A-Za-z][A-Za-z ]*):\s*")
_ARGUMENT = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What it says.

    Attributes:
        summary: all that stands before its first section, without blank lines.
        arguments: what it says of each argument, in one line each.
        has_arguments: whether it has a section on them.
    """

    summary: str
    arguments: dict[str, str]
    has_arguments: bool


def name_of(function: Any) -> str:
    """The name of a function, of what a partial is of, or of the class of a callable object.

    Raises:
        ValueError: when it has none, as a lambda.
    """
    name = getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", None)
    name = name or type(function).__name__
    if name == "<lambda>":
        raise ValueError(f"{function!r:.80} has no name to be called by; write a function, or give a name")
    return str(name)


def own_docstring(of: Any) -> str:
    """The docstring that somebody wrote for a function or class, without its indentation; empty if there is none.

    The one that a dataclass makes up is none.
    """
    doc = getattr(of, "__doc__", None)
    if not isinstance(doc, str) or (isinstance(of, type) and is_dataclass(of) and doc.startswith(f"{of.__name__}(")):
        return ""
    return inspect.cleandoc(doc)


def read_docstring(text: str) -> Docstring:
    """Read a docstring.

    Args:
        text: without its indentation.

    Example:
        >>> read_docstring('''Add up.
        ...
        ... Args:
        ...     a: the first
        ...     b (int): the second,
        ...         which may be 0
        ... ''').arguments
        {'a': 'the first', 'b': 'the second, which may be 0'}
    """
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if _section(line)]
    before = "\n".join(line.rstrip() for line in lines[: starts[0] if starts else len(lines)])
    summary = " ".join(part.strip("\n") for part in re.split(r"\n\n+", before)).strip()
    arguments: dict[str, str] = {}
    has_arguments = False
    for start, end in pairwise([*starts, len(lines)]):
        if _section(lines[start]) in _ARGUMENTS:
            has_arguments = True
            arguments |= _arguments(lines[start + 1 : end])
    return Docstring(summary, arguments, has_arguments)


def _section(line: str) -> str | None:
    """The name of the section that a line begins, in lower case."""
    heading = _HEADING.fullmatch(line)
    return heading[1].lower() if heading and heading[1].lower() in _SECTIONS else None


def _arguments(lines: list[str]) -> dict[str, str]:
    """What a section says of each argument: a line begins one unless it is indented more than the first."""
    found: dict[str, list[str]] = {}
    written = [line for line in lines if line.strip()]
    least = min((_indent(line) for line in written), default=0)
    name = None
    for line in written:
        if _indent(line) == 0:
            break  # it says something else below
        match = _ARGUMENT.fullmatch(line.strip()) if _indent(line) == least else None
        if match:
            name = match[1]
            found[name] = [match[2]]
        elif name is not None:
            found[name].append(line.strip())
    return {name: " ".join(filter(None, parts)) for name, parts in found.items()}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
