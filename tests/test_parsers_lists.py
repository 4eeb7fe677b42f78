"""Lists come item by item as they stream, however they are cut, and are what regular expressions and CSV find."""

from __future__ import annotations

import csv
import re
from io import StringIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    CommaSeparatedListOutputParser,
    ListOutputParser,
    MarkdownListOutputParser,
    NumberedListOutputParser,
    fold,
)

COMMAS = CommaSeparatedListOutputParser()
NUMBERS = NumberedListOutputParser()
BULLETS = MarkdownListOutputParser()
OWN = NumberedListOutputParser(pattern=r"\d+\)\s([^\n]+)")

LINES = st.text(st.sampled_from("12.)-* \tab\n\u2028"), max_size=24)
ROWS = st.text(st.sampled_from('ab ,"\n'), max_size=20)


def cut(text: str, places: list[int]) -> list[str]:
    """A text in pieces."""
    bounds = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


@given(LINES)
def test_marked_items_are_those_that_the_pattern_finds(text: str) -> None:
    assert NUMBERS.parse(text) == re.findall(NUMBERS.pattern, text)
    assert BULLETS.parse(text) == re.findall(BULLETS.pattern, text, re.MULTILINE)


@given(ROWS)
def test_separated_items_are_those_of_csv(text: str) -> None:
    rows = csv.reader(StringIO(text, newline=""), skipinitialspace=True)
    assert COMMAS.parse(text) == [item for row in rows for item in row]


@pytest.mark.parametrize("parser", [COMMAS, NUMBERS, BULLETS, OWN], ids=["commas", "numbers", "bullets", "own"])
@given(text=st.one_of(LINES, ROWS, st.text("1.- \r\n,", max_size=10)), places=st.lists(st.integers(0, 24), max_size=8))
def test_it_does_not_matter_how_a_list_is_cut(parser: ListOutputParser, text: str, places: list[int]) -> None:
    chunks = list(parser.transform(iter(cut(text, places))))
    assert fold(chunks) == parser.parse(text) == parser.invoke(AIMessage(text))
    assert all(len(chunk) == 1 for chunk in chunks) or chunks == [[]]


@pytest.mark.parametrize(
    ("parser", "pieces", "items"),
    [
        (COMMAS, ["red, gr", "een,", ' "blue, ', 'or so"', ", x"], [["red"], ["green"], ["blue, or so"], ["x"]]),
        (NUMBERS, ["1. re", "d\n2", ". green\n", "3.\nblue"], [["red"], ["green"], ["blue"]]),
        (BULLETS, ["Colours:\n- re", "d\r", "\n* gr", "een"], [["red"], ["green"]]),
        (OWN, ["1) red\n", "2) gr", "een\n3) ", "blue"], [["red"], ["green"], ["blue"]]),
    ],
)
def test_an_item_is_there_when_it_is_complete(
    parser: ListOutputParser, pieces: list[str], items: list[list[str]]
) -> None:
    taken = 0

    def source() -> object:
        nonlocal taken
        for piece in pieces:
            taken += 1
            yield AIMessageChunk(piece)

    chunks = parser.transform(source())  # type: ignore[arg-type]
    assert next(chunks) == items[0]
    assert taken < len(pieces)
    assert list(chunks) == items[1:]


class Semicolons(ListOutputParser):
    def parse(self, text: str) -> list[str]:
        return text.split(";")


def test_a_list_of_ones_own_comes_at_the_end() -> None:
    assert list(Semicolons().transform(iter(["a;b", ";c"]))) == [["a"], ["b"], ["c"]]
    assert Semicolons().invoke("a;b;c") == ["a", "b", "c"]


def test_a_subclass_that_changes_items_changes_those_that_are_streamed() -> None:
    class Short(NumberedListOutputParser):
        def parse(self, text: str) -> list[str]:
            return [item[:2] for item in super().parse(text)]

    assert list(Short().transform(iter(["1. re", "d\n2. green"]))) == [["re"], ["gr"]]
    assert Short().invoke("1. red\n2. green") == ["re", "gr"]


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (NUMBERS, "1" * 200_000),
        (NUMBERS, "1. " * 70_000),
        (BULLETS, "\n" * 200_000),
        (BULLETS, " " * 200_000),
        (COMMAS, '"' * 200_001),
        (COMMAS, '"' + "x, " * 70_000),
    ],
)
def test_hostile_lists_take_linear_time(parser: ListOutputParser, text: str) -> None:
    # In quadratic time each of these would run into the time limit of the suite.
    assert fold(parser.transform(text[at : at + 5] for at in range(0, len(text), 5))) == parser.parse(text)


@pytest.mark.parametrize("parser", [COMMAS, NUMBERS, BULLETS])
def test_what_a_model_is_told_to_write_can_be_parsed(parser: ListOutputParser) -> None:
    told = parser.get_format_instructions()
    example = told.partition("For example:")[2].strip().strip("`")
    assert parser.parse(example) == ["foo", "bar", "baz"]
