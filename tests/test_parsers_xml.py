"""XML is parsed whole and as it comes, and what cannot be read, or is dangerous, is told."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anabranch.nodes import AIMessage, OutputParserException, XMLOutputParser, fold

TAGS = st.sampled_from(["a", "b", "long-tag"])
TEXTS = st.text(alphabet="ab <&>é\n]", min_size=1, max_size=6).filter(str.strip)
ELEMENTS = st.recursive(
    st.tuples(TAGS, TEXTS), lambda inner: st.tuples(TAGS, st.lists(inner, min_size=1, max_size=3)), max_leaves=8
)


def written(element: Any) -> str:
    tag, held = element
    inner = escape(held) if isinstance(held, str) else "\n".join(map(written, held))
    return f"<{tag}>{inner}</{tag}>"


def told(element: Any) -> Any:
    tag, held = element
    return {tag: held if isinstance(held, str) else list(map(told, held))}


@settings(max_examples=50)
@given(ELEMENTS, st.integers(1, 9))
def test_what_is_written_is_read_whole_and_in_pieces(element: Any, size: int) -> None:
    text = f"1 < 2, so: {written(element)} <end/>"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert XMLOutputParser().invoke(text) == told(element)
    streamed = list(XMLOutputParser().transform(iter(pieces)))
    assert streamed[-1] == told(element)
    patches = fold(XMLOutputParser(diff=True).transform(iter(pieces)))
    assert jsonpatch.apply_patch(None, patches) == told(element)


def test_elements_come_as_they_end() -> None:
    pieces = ["So: <", "a><b>1</b", "><c>", "<d>2</d>", "</c><e/></a> ", "<f/>"]
    assert list(XMLOutputParser().transform(iter(pieces))) == [
        {"a": [{"b": "1"}]},
        {"a": [{"b": "1"}, {"c": [{"d": "2"}]}]},
        {"a": [{"b": "1"}, {"c": [{"d": "2"}]}, {"e": None}]},
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<a/>", {"a": []}),
        ("<a> \n</a>", {"a": []}),
        ("<a x='1'>t<b>u</b>v</a>", {"a": [{"b": "u"}]}),
        ("<n:a xmlns:n='u'>z</n:a>", {"{u}a": "z"}),
        ("<?xml version='1.0'?><!DOCTYPE x><a>q</a>", {"a": "q"}),
    ],
)
def test_what_has_no_place_is_passed_over(text: str, value: Any) -> None:
    assert XMLOutputParser().invoke(AIMessage(text)) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no element"),
        ("none < here", "there is no element"),
        ("<a><b>", "an element has no end"),
        ("<a></b>", "mismatched tag"),
        ("<a>&lol;</a>", "undefined entity"),
        ('<!DOCTYPE a [<!ENTITY lol "lol">]><a>&lol;</a>', "undefined entity"),
        ("<a>\ud800</a>", "surrogates"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, words: str) -> None:
    with pytest.raises(OutputParserException, match=words) as caught:
        XMLOutputParser().invoke(text)
    assert caught.value.llm_output == text
    if text:
        with pytest.raises(OutputParserException, match=words):
            list(XMLOutputParser().transform(iter(text)))


def test_a_whole_message_replaces_the_one_before() -> None:
    messages = [AIMessage("<a>1</a>"), AIMessage("<b>2</b>")]
    assert list(XMLOutputParser().transform(iter(messages))) == [{"a": "1"}, {"b": "2"}]


def test_instructions_name_the_tags() -> None:
    assert "movie, year" in XMLOutputParser(tags=["movie", "year"]).get_format_instructions()
    assert "tags only" not in XMLOutputParser().get_format_instructions()
