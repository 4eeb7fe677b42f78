"""Parsers of lists: separated by commas, numbered, and with Markdown's bullets; item by item as they come in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.parsers.list_items import (
    BULLETED,
    NUMBERED,
    CommaItems,
    Items,
    LateItems,
    LineItems,
    Marked,
    MatchedItems,
    item_of,
    items_in,
)
from anabranch.nodes.parsers.parsers import BaseTransformOutputParser


class ListOutputParser(BaseTransformOutputParser[list[str]]):
    """A list in an answer. Subclass it and write `parse`, which gets the whole text.

    Each item is streamed as a list of one, and these add up to the whole; when there is none, an empty list is. Write
    `parse_iter`, too, to have items as they come: each but the last one found in a text so far is taken to be
    complete. Without it, they come at the end.

    Example:
        >>> import re
        >>> class Path(ListOutputParser):
        ...     def parse(self, text):
        ...         return [match[1] for match in self.parse_iter(text)]
        ...
        ...     def parse_iter(self, text):
        ...         return re.finditer("([^/]+)", text)
        >>> list(Path().transform(iter(["so/b", "e/it"])))
        [['so'], ['be'], ['it']]
    """

    _is_base: ClassVar[bool] = True
    _chunks_stand_alone: ClassVar[bool] = False

    @property
    def OutputType(self) -> Any:
        """A list of texts."""
        return list[str]

    def parse_iter(self, text: str) -> Iterator[re.Match[str]]:
        """The matches of items in a text. The first group of each is the item."""
        raise NotImplementedError

    def _items(self) -> Items:
        """What reads a text piece by piece."""
        for cls in type(self).__mro__:
            if "parse_iter" in cls.__dict__ and cls is not ListOutputParser:
                return MatchedItems(self.parse, self.parse_iter)
            if "parse" in cls.__dict__:
                break
        return LateItems(self.parse)

    def _parses_as(self, base: type[ListOutputParser]) -> bool:
        cls = type(self)
        return (cls.parse, cls.parse_iter) == (base.parse, base.parse_iter)

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[list[str]]:
        reading = _Reading(self)
        for chunk in input:
            yield from reading.push(chunk)
        yield from reading.ending()

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[list[str]]:
        reading = _Reading(self)
        async for chunk in input:
            for told in reading.push(chunk):
                yield told
        for told in reading.ending():
            yield told


class _Reading:
    """The chunks of one answer, as they pass by."""

    def __init__(self, parser: ListOutputParser) -> None:
        self._parser = parser
        self._items: Items | None = None
        self._is_empty = True

    def push(self, chunk: Any) -> Iterator[list[str]]:
        """Take a chunk, and give the items that are complete now."""
        self._items = self._items or self._parser._items()
        yield from self._told(self._items.feed(self._parser._text_of(chunk)))

    def ending(self) -> Iterator[list[str]]:
        """The items that are complete now that there is no more."""
        if self._items is not None:
            yield from self._told(self._items.finish())
            if self._is_empty:
                yield []

    def _told(self, items: list[str]) -> Iterator[list[str]]:
        for item in items:
            self._is_empty = False
            yield [item]


class CommaSeparatedListOutputParser(ListOutputParser):
    """Items between commas. Spaces before an item are left out; one that holds a comma stands in double quotes.

    A line break ends an item, too. What is quoted, and how, is as in CSV files.

    Example:
        >>> CommaSeparatedListOutputParser().invoke('red, green, "blue, or so"')
        ['red', 'green', 'blue, or so']
    """

    def parse(self, text: str) -> list[str]:
        """The items in a text."""
        return items_in(text, CommaItems())

    def get_format_instructions(self) -> str:
        """What to tell a model, so that it answers with such a list."""
        return "Answer with a list of values separated by commas, and with nothing else. For example: `foo, bar, baz`"

    def _items(self) -> Items:
        return CommaItems() if self._parses_as(CommaSeparatedListOutputParser) else super()._items()


class _MarkedListOutputParser(ListOutputParser):
    """A list with a mark before each item."""

    _marked: ClassVar[Marked]

    pattern: str

    def parse(self, text: str) -> list[str]:
        """The items in a text."""
        if self.pattern == self._marked.pattern:
            return items_in(text, LineItems(self._marked))
        return [item_of(match) for match in self.parse_iter(text)]

    def parse_iter(self, text: str) -> Iterator[re.Match[str]]:
        """The matches of items in a text."""
        return re.finditer(self.pattern, text, self._marked.flags)

    def _items(self) -> Items:
        if not self._parses_as(_MarkedListOutputParser):
            return super()._items()
        if self.pattern == self._marked.pattern:
            return LineItems(self._marked)
        return MatchedItems(self.parse, self.parse_iter)


class NumberedListOutputParser(_MarkedListOutputParser):
    """Items of a numbered list: what follows a number, a dot and a space, as far as the line goes.

    Args:
        pattern: a regular expression for an item, which is its first group.

    Example:
        >>> NumberedListOutputParser().invoke("Colours:\\n1. red\\n2. green")
        ['red', 'green']
    """

    _marked = NUMBERED

    pattern: str = NUMBERED.pattern

    def get_format_instructions(self) -> str:
        """What to tell a model, so that it answers with such a list."""
        return "Answer with a numbered list, each item in a line of its own. For example:\n\n1. foo\n\n2. bar\n\n3. baz"


class MarkdownListOutputParser(_MarkedListOutputParser):
    """Items of a Markdown list: what follows a `-` or `*` and a space at the beginning of a line.

    Args:
        pattern: a regular expression for an item, which is its first group; `^` and `$` are those of a line.

    Example:
        >>> MarkdownListOutputParser().invoke("Colours:\\n- red\\n- green")
        ['red', 'green']
    """

    _marked = BULLETED

    pattern: str = BULLETED.pattern

    def get_format_instructions(self) -> str:
        """What to tell a model, so that it answers with such a list."""
        return "Answer with a Markdown list, each item in a line of its own. For example:\n\n- foo\n- bar\n- baz"
