"""What there is of a JSON text is a value already, and grows with the text."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json
from verbs import one_after_another

from anabranch.engine.json_growth import growth
from anabranch.nodes import parse_json_markdown, parse_partial_json
from anabranch.nodes.parsers.fenced_json import FencedJsonReader
from anabranch.nodes.partial_json import MAX_DEPTH, JsonReader

TEXTS = st.text(st.sampled_from('ab"\\/`{}[],:\n\té😀\u2028 0e'), max_size=6) | st.text(max_size=4)
NUMBERS = st.integers() | st.floats(allow_nan=False) | st.sampled_from([0, -0.0, 1e300, 10**30, 5e-324])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
WRITTEN = st.builds(
    json.dumps,
    VALUES,
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, 1]),
    separators=st.sampled_from([None]),
)
"""JSON texts, with escapes and without."""
BROKEN = st.text(st.sampled_from('{}[]:,"\\tru1-.eE+aNn `0\nud83dE'), max_size=14) | st.builds(
    lambda text, at, extra: text[:at] + extra + text[at:],
    WRITTEN,
    st.integers(0, 30),
    st.sampled_from('{}[]:,"\\1e.-`x'),
)
"""Texts that are hardly JSON."""


@st.composite
def cut(draw: st.DrawFn, texts: st.SearchStrategy[str] = WRITTEN) -> list[str]:
    """A text in pieces."""
    text = draw(texts)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in pairwise([0, *places, len(text)])]


def snapshots(reader: Any, pieces: list[str]) -> list[Any]:
    """The values that a reader tells of."""
    seen = []
    for piece in pieces:
        reader.feed(piece)
        if reader.changed:
            seen.append(reader.value)
    return seen


def same(left: Any, right: Any) -> bool:
    """Equal, with the types of numbers, and NaN equal to itself."""
    return repr(left) == repr(right)


def extends(before: Any, after: Any) -> bool:
    """Whether a value has grown from another: dicts by keys, lists by items, strings and numbers by characters."""
    if isinstance(before, dict) and isinstance(after, dict):
        grown = list(before)[-1:]  # only the last one may still be read
        return list(after)[: len(before)] == list(before) and all(
            extends(each, after[key]) if key in grown else same(each, after[key]) for key, each in before.items()
        )
    if isinstance(before, list) and isinstance(after, list):
        done = len(before) - 1
        return (
            len(before) <= len(after)
            and all(map(same, before[:done], after))
            and all(map(extends, before[done:], after[done:]))
        )
    if isinstance(before, str) and isinstance(after, str):
        return after.startswith(before)
    if type(before) in (int, float) and type(after) in (int, float):
        return True  # how it has grown is seen in the text only
    return same(before, after)


@given(WRITTEN)
def test_a_whole_text_gives_what_a_parser_of_whole_texts_gives(text: str) -> None:
    reader = JsonReader()
    reader.feed(text)
    assert same(reader.value, from_json(text))
    assert same(parse_partial_json(text), json.loads(text))


@given(WRITTEN)
def test_each_prefix_gives_a_value_that_the_next_one_extends(text: str) -> None:
    seen = snapshots(JsonReader(), list(text))
    for before, after in pairwise(seen):
        assert extends(before, after), (before, after)
    assert same(seen[-1], json.loads(text))


@given(cut(WRITTEN | BROKEN))
def test_it_does_not_matter_how_a_text_is_cut(pieces: list[str]) -> None:
    whole, pieced = JsonReader(), JsonReader()
    whole.feed("".join(pieces))
    snapshots(pieced, pieces)
    assert same(pieced.value, whole.value)
    assert (pieced.error is None, pieced.is_complete, pieced.has_value) == (
        whole.error is None,
        whole.is_complete,
        whole.has_value,
    )
    assert pieced.position == whole.position or whole.is_complete


@given(cut(WRITTEN | BROKEN))
def test_snapshots_stay_as_they_are(pieces: list[str]) -> None:
    reader, seen = JsonReader(), []
    for piece in pieces:
        reader.feed(piece)
        value = reader.value
        seen.append((value, repr(value)))
    for value, shown in seen:
        assert repr(value) == shown


@given(BROKEN)
def test_what_a_parser_of_whole_texts_takes_is_taken_and_what_it_refuses_is_refused_or_cut_off(text: str) -> None:
    reader = JsonReader()
    rest = reader.feed(text)
    try:
        value = json.loads(text, strict=False)
    except json.JSONDecodeError:
        # Something follows; or the text breaks off; or it is no JSON.
        assert rest.strip(" \n\r\t") or not reader.is_complete
    else:
        assert reader.error is None
        assert same(reader.value, value)


@given(cut(WRITTEN))
def test_operations_of_growth_make_each_snapshot_of_the_one_before(pieces: list[str]) -> None:
    document: Any = None
    before: Any = None
    for after in snapshots(JsonReader(), pieces):
        ops = growth(before, after)
        document = jsonpatch.apply_patch(document, ops)
        assert same(document, after)
        before = after


@given(VALUES, VALUES)
def test_operations_make_any_value_of_any_other(before: Any, after: Any) -> None:
    assert jsonpatch.apply_patch(before, growth(before, after)) == after


FENCED = st.builds(
    lambda before, fence, text, after: f"{before}{fence}{text}{after}",
    st.sampled_from(["", "Here:\n", "1. `x` ", "[note] ", "```python\nx = [1]\n```\n"]),
    st.sampled_from(["```json\n", "```\n", "```JSON", "````json ", "```"]),
    WRITTEN.filter(lambda text: text[0] in "{["),
    st.sampled_from(["", "\n```", "```\nI hope this helps}", "\n``"]),
)


@given(cut(FENCED))
def test_a_fence_is_found_however_the_text_is_cut(pieces: list[str]) -> None:
    reader = FencedJsonReader()
    seen = snapshots(reader, pieces)
    assert reader.fault is None
    assert same(seen[-1], reader.value)
    assert same(reader.value, parse_json_markdown("".join(pieces)))


@given(cut(st.one_of(FENCED, BROKEN, WRITTEN, st.builds("{}```json{}".format, BROKEN, BROKEN))))
def test_whether_there_is_json_in_a_text_does_not_depend_on_how_it_is_cut(pieces: list[str]) -> None:
    reader = FencedJsonReader()
    snapshots(reader, pieces)
    try:
        value = parse_json_markdown("".join(pieces))
    except ValueError:
        assert reader.fault
    else:
        assert reader.fault is None
        assert same(reader.value, value)


@one_after_another(
    ("text", "value"),
    [
        ('{"a": "b\\u00', {"a": "b"}),
        ('{"a": "b\\', {"a": "b"}),
        ('{"a": "\\ud83d', {"a": ""}),
        ('{"a": "\\ud83d\\ude0', {"a": ""}),
        ('{"a": "\\ud83d\\ude00', {"a": "😀"}),
        ('{"a": "\\ud83dx"}', {"a": "\ud83dx"}),
        ('{"a": "x\ty\nz"}', {"a": "x\ty\nz"}),
        ('{"a": 1.', {"a": 1}),
        ('{"a": 1.5e-', {"a": 1.5}),
        ('{"a": -', {}),
        ('{"a": tr', {}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('{"a": [1], "a": [', {"a": []}),
        ("[-Infinity, Infinity", [float("-inf"), float("inf")]),
        ('{"a": 1} and more {', {"a": 1}),
    ],
)
def test_what_is_cut_off_is_read_as_far_as_it_goes(text: str, value: Any) -> None:
    assert parse_partial_json(text) == value


@one_after_another("text", ["", " ", "-", "tru", "x", "[1 2", '{"a" 1', "[,", '{"a": 1]', "[01", '"\\q', "{'a'"])
def test_what_is_no_json_is_a_decoding_error(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse_partial_json(text)


def test_control_characters_can_be_refused() -> None:
    with pytest.raises(json.JSONDecodeError, match="no control character"):
        parse_partial_json('{"a": "x\ny"}', strict=True)


def test_not_a_number_is_a_number() -> None:
    assert repr(parse_partial_json("[NaN, 1")) == "[nan, 1]"


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_has_a_limit_and_no_recursion(opening: str) -> None:
    assert parse_partial_json(opening * MAX_DEPTH) is not None
    with pytest.raises(json.JSONDecodeError, match=f"no more than {MAX_DEPTH} levels"):
        parse_partial_json(opening * 100_000)


def test_numbers_have_a_limit() -> None:
    with pytest.raises(json.JSONDecodeError, match="no more than 4300 digits"):
        parse_partial_json("[" + "9" * 5000)
    assert parse_partial_json("[" + "9" * 4300) == [int("9" * 4300)]


def test_an_error_says_where_it_is() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        parse_json_markdown('So:\n```json\n{"a": 1,\n "b" 2}\n```')
    assert (caught.value.lineno, caught.value.colno) == (4, 6)
    assert "expected a colon, found '2}" in str(caught.value)


@one_after_another(
    ("text", "value"),
    [
        ('```json\n{"a": "```"}\n```', {"a": "```"}),
        ("```xml\n<a/>\n```\n```json\n[1]\n```", [1]),
        ("```json\n[1, 2\n```", [1, 2]),
        ("true story:\n```json\n[1]\n```", [1]),
        ("true story", True),
        ('{"a": 1}\n``', {"a": 1}),
        ('{"a": 1} ```json\n{"b": 2}```', {"a": 1}),
        ('```json\n{bad}\n```\nSorry:\n```json\n{"a": 1}\n```', {"a": 1}),
        ("  null  ", None),
    ],
)
def test_json_is_found_in_markdown(text: str, value: Any) -> None:
    assert parse_json_markdown(text) == value
