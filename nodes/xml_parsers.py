"""A parser of XML: its elements as dicts and lists, also of XML that is still coming in."""

from __future__ import annotations

import re
from typing import Any, Literal
from xml.parsers import expat

from anabranch.engine.chunks import Algebra, algebra_of
from anabranch.engine.json_growth import growth
from anabranch.nodes.cumulative_parsers import BaseCumulativeTransformOutputParser, Reading
from anabranch.nodes.messages import BaseMessage
from anabranch.nodes.output_errors import OutputParserException, excerpt
from anabranch.nodes.parsers import first_of

BEGINNING = re.compile("<[A-Za-z_:]")
"""Where the first element begins. What stands before it, a declaration too, is passed over; so entities are unknown."""


class XMLOutputParser(BaseCumulativeTransformOutputParser[dict[str, Any]]):
    """The first element of XML in an answer, with what it holds: a dict from its tag to a list of such dicts, or to a
    text. Words around it, attributes, and texts beside elements are passed over.

    When streamed, each value replaces the one before, and holds more: an element as soon as it has ended.

    Args:
        tags: the tags to tell in `get_format_instructions`.
        parser: not needed: what is dangerous in XML, such as entities that are made of others, is refused anyhow.
        diff: stream JSON patches (RFC 6902): lists of operations that make each value from the one before.

    Raises:
        OutputParserException: a `ValueError` with the `llm_output`, when there is no element, or one has no end. A
            stream raises it at the end.

    Example:
        >>> parser = XMLOutputParser()
        >>> parser.invoke("Here: <actor><name>Tom Hanks</name><film>Big</film><film>Splash</film></actor>")
        {'actor': [{'name': 'Tom Hanks'}, {'film': 'Big'}, {'film': 'Splash'}]}
        >>> list(parser.transform(iter(["<a><b>1</b>", "<c>2</", "c></a>"])))
        [{'a': [{'b': '1'}]}, {'a': [{'b': '1'}, {'c': '2'}]}]
    """

    tags: list[str] | None = None
    parser: Literal["defusedxml", "xml"] = "defusedxml"

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        """What the first element says in the first of a model's candidate answers.

        Args:
            result: the candidates, the best first.
            partial: more may come; then it is what has ended of it, or None.
        """
        text = first_of(result).text
        reader = XmlReader()
        reader.feed(text)
        if partial or (reader.is_whole and not reader.error):
            return reader.value
        why = reader.error or ("an element has no end" if reader.has_begun else "there is no element")
        raise OutputParserException(
            f"{self.get_name()} found no XML that it can read: {why}. Tell the model what get_format_instructions() "
            f"says. It answered: {excerpt(text)}",
            llm_output=text,
        )

    def parse(self, text: str) -> dict[str, Any]:
        """What the first element of a text says. See `parse_result`."""
        made: dict[str, Any] = self._parse_input(text)
        return made

    def get_format_instructions(self) -> str:
        """What to tell a model, so that it answers with XML, and with `tags` if there are any.

        Example:
            >>> XMLOutputParser(tags=["movie", "year"]).get_format_instructions().splitlines()[-1]
            'Use these tags only: movie, year'
        """
        tags = f"\nUse these tags only: {', '.join(self.tags)}" if self.tags else ""
        return (
            "Answer with one XML element, and with nothing else: no explanation, no Markdown fence. "
            "Close every tag that you open, and write what you say between tags, not into attributes. For example:\n"
            "<foo>\n   <bar>\n      <baz>text</baz>\n   </bar>\n</foo>" + tags
        )

    def _reading(self) -> Reading:
        own = (XMLOutputParser.parse_result, XMLOutputParser.aparse_result, XMLOutputParser.aparse)
        cls = type(self)
        return XmlReading(self) if (cls.parse_result, cls.aparse_result, cls.aparse) == own else Reading(self)

    def _diff(self, prev: Any, next: Any) -> Any:
        return growth(prev, next)


class XmlReading(Reading):
    """A reading that looks at each character once."""

    def __init__(self, parser: XMLOutputParser) -> None:
        super().__init__(parser)
        self._reader = XmlReader()

    def push(self, chunk: str | BaseMessage) -> Any:
        """Take a chunk, and answer what is to be told now; None if that is nothing."""
        self._total.push(chunk)
        if algebra_of(chunk) is Algebra.SNAPSHOTS:
            self._reader = XmlReader()
        return self.told(self._reader.value) if self._reader.feed(self.parser._text_of(chunk)) else None


class XmlReader:
    """Reads the first element of a text that comes in pieces.

    Attributes:
        error: what is wrong with it, or None.
        has_begun: whether there is the beginning of an element.
        is_whole: whether the element has ended.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self.has_begun = self.is_whole = False
        self._ended = 0
        self._rest = ""
        self._root: tuple[str, Any] | None = None
        self._open: list[_Element] = []
        self._expat = expat.ParserCreate("utf-8", "}")
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.CharacterDataHandler = self._say
        self._expat.EndElementHandler = self._end

    @property
    def value(self) -> dict[str, Any] | None:
        """The elements that have ended, within those that hold them; None while there are none."""
        if self._root is not None:
            tag, held = self._root
            return {tag: [] if held is None else held}
        made: dict[str, Any] | None = None
        for element in reversed(self._open):
            inner = [made] if made is not None else []
            held = [*element.elements, *inner]
            made = {element.tag: held} if held else None
        return made

    def feed(self, text: str) -> bool:
        """Read a piece. Whether an element has ended in it."""
        if self.is_whole or self.error:
            return False
        if not self.has_begun:
            text = self._rest + text
            found = BEGINNING.search(text)
            if found is None:
                self._rest = text[-1:] if text.endswith("<") else ""
                return False
            self.has_begun, text = True, text[found.start() :]
        ended = self._ended
        try:
            self._expat.Parse(text, False)
        except _RootEndedError:
            self.is_whole = True
        except (expat.ExpatError, UnicodeEncodeError) as error:
            self.error = str(error)
        return self._ended > ended

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._open.append(_Element(f"{{{tag}" if "}" in tag else tag))

    def _say(self, text: str) -> None:
        self._open[-1].texts.append(text)

    def _end(self, tag: str) -> None:
        self._ended += 1
        element = self._open.pop()
        held = element.elements or "".join(element.texts) or None
        if self._open:
            self._open[-1].elements.append({element.tag: held})
            return
        blank = isinstance(held, str) and held.isspace()
        self._root = element.tag, None if blank else held
        raise _RootEndedError


class _Element:
    """An element that has begun."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.texts: list[str] = []
        self.elements: list[dict[str, Any]] = []


class _RootEndedError(Exception):
    """Stops the parser: what comes behind the first element is no matter."""
