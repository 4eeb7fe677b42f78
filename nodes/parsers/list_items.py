"""The items of a list in a text that comes piece by piece.

Each class is fed a text, and gives the items that are complete; `finish` gives what the end of the text completes. All
but those for patterns of a user's own look at each character once.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Marked:
    """How items of a list are marked.

    Attributes:
        pattern: an item anywhere in a text, which is the first group.
        flags: of the pattern.
        line: the same in a line that stands alone, in time linear in the line.
        mark: a line that ends with the mark, which belongs to the line that follows.
    """

    pattern: str
    flags: int
    line: re.Pattern[str]
    mark: re.Pattern[str]


NUMBERED = Marked(r"\d+\.\s([^\n]+)", 0, re.compile(r"\d\.\s(.+)", re.DOTALL), re.compile(r"\d\.\Z"))
BULLETED = Marked(
    r"^\s*[-*]\s([^\n]+)$", re.MULTILINE, re.compile(r"\A\s*[-*]\s(.+)", re.DOTALL), re.compile(r"\A\s*[-*]\Z")
)

_TO_COMMA = re.compile(r"(?:[^,\r\n]|\r(?!\n))*")
_TO_QUOTE = re.compile(r'[^"]*')


class Items(ABC):
    """The items of a text that comes piece by piece."""

    @abstractmethod
    def feed(self, text: str) -> list[str]:
        """Read on, and answer the items that are complete now."""

    @abstractmethod
    def finish(self) -> list[str]:
        """The items that the end of the text completes."""


class LateItems(Items):
    """Items that are known when all of the text is."""

    def __init__(self, parse: Callable[[str], list[str]]) -> None:
        self._parse = parse
        self._pieces: list[str] = []

    def feed(self, text: str) -> list[str]:
        """None yet."""
        self._pieces.append(text)
        return []

    def finish(self) -> list[str]:
        """All of them."""
        return self._parse("".join(self._pieces))


class MatchedItems(Items):
    """Items that are found by a pattern: each but the last one found is taken to be complete."""

    def __init__(self, parse: Callable[[str], list[str]], find: Callable[[str], Iterator[re.Match[str]]]) -> None:
        self._parse = parse
        self._find = find
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """Read on, and answer the items that are complete now."""
        self._rest += text
        complete = list(self._find(self._rest))[:-1]
        if complete:
            self._rest = self._rest[complete[-1].end() :]
        return [item_of(match) for match in complete]

    def finish(self) -> list[str]:
        """What is found in the rest."""
        return self._parse(self._rest)


class LineItems(Items):
    """Items that stand in a line each, after a mark; or in the line after the mark, if that stands alone."""

    def __init__(self, marked: Marked) -> None:
        self._marked = marked
        self._line: list[str] = []  # pieces of the line that is coming in
        self._follows_mark = False

    def feed(self, text: str) -> list[str]:
        """Read on, and answer the items that are complete now."""
        *ended, rest = text.split("\n")
        items = []
        for piece in ended:
            self._line.append(piece)
            items += self.finish()
        self._line.append(rest)
        return items

    def finish(self) -> list[str]:
        """The item in the line that has come in, if there is one."""
        line = "".join(self._line).removesuffix("\r")
        self._line.clear()
        if line and self._follows_mark:
            self._follows_mark = False
            return [line]
        found = self._marked.line.search(line)
        self._follows_mark = found is None and self._marked.mark.search(line) is not None
        return [found[1]] if found else []


class CommaItems(Items):
    """Items between commas and line breaks, quoted where they hold these, as in a CSV file."""

    def __init__(self) -> None:
        self._read: Callable[[str, int], int] = self._row
        self._pieces: list[str] = []  # of the item that is coming in
        self._complete: list[str] = []
        self._held = ""

    def feed(self, text: str) -> list[str]:
        """Read on, and answer the items that are complete now."""
        text, self._held = self._held + text, ""
        if text.endswith("\r"):  # a line break, perhaps
            text, self._held = text[:-1], "\r"
        self._run(text)
        return self._taken()

    def finish(self) -> list[str]:
        """The last item, if the text doesn't end with a line."""
        self._run(self._held)
        if self._read != self._row:
            self._end(self._row)
        return self._taken()

    def _run(self, text: str) -> None:
        at = 0
        while at < len(text):
            at = self._read(text, at)

    def _taken(self) -> list[str]:
        complete, self._complete = self._complete, []
        return complete

    def _end(self, read: Callable[[str, int], int]) -> None:
        self._complete.append("".join(self._pieces))
        self._pieces.clear()
        self._read = read

    # Where it stands: at the beginning of a row, or of an item, in one, in quotes, or after a quote in quotes. Each
    # reads on from a place in the text, and answers how far it got.

    def _row(self, text: str, at: int) -> int:
        if text[at] == "\n":
            return at + 1
        if text.startswith("\r\n", at):
            return at + 2
        self._read = self._item
        return at

    def _item(self, text: str, at: int) -> int:
        if text[at] == " ":
            return at + 1
        self._read = self._quoted if text[at] == '"' else self._plain
        return at + (text[at] == '"')

    def _plain(self, text: str, at: int) -> int:
        piece = _TO_COMMA.match(text, at)
        assert piece is not None
        self._pieces.append(piece[0])
        at = piece.end()
        if at == len(text):
            return at
        if text[at] == ",":
            self._end(self._item)
            return at + 1
        self._end(self._row)
        return at + 1 + (text[at] == "\r")

    def _quoted(self, text: str, at: int) -> int:
        piece = _TO_QUOTE.match(text, at)
        assert piece is not None
        self._pieces.append(piece[0])
        if piece.end() < len(text):
            self._read = self._after_quote
        return piece.end() + 1

    def _after_quote(self, text: str, at: int) -> int:
        if text[at] == '"':  # doubled, it stands for itself
            self._pieces.append('"')
            self._read = self._quoted
            return at + 1
        self._read = self._plain
        return at


def items_in(text: str, items: Items) -> list[str]:
    """All items of a text."""
    return [*items.feed(text), *items.finish()]


def item_of(match: re.Match[str]) -> str:
    """The item that a pattern has found: its first group, or all of it if it has none."""
    found: str = match[1 if match.re.groups else 0]
    return found
