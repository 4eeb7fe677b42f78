"""The decoder of server-sent events, held against the standard."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.nodes.openai.server_sent_events import EventDecoder

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def decoded(pieces: list[bytes]) -> list[str]:
    decoder = EventDecoder()
    return [*(data for piece in pieces for data in decoder.push(piece)), *decoder.end()]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(marks)]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(TEXT, max_size=5), ENDS, st.lists(st.integers(0, 10_000), max_size=20))
def test_what_was_written_is_read_however_it_is_cut(texts: list[str], end: bytes, places: list[int]) -> None:
    values = [json.dumps(text, ensure_ascii=False).replace("\x7f", "") for text in texts]
    data = b"".join(b"data: " + value.encode(errors="surrogatepass") + end + end for value in values)
    assert decoded(cut(data, places)) == [
        value.encode(errors="surrogatepass").decode(errors="replace") for value in values
    ]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_it_does_not_matter_where_any_bytes_are_cut(data: bytes, places: list[int]) -> None:
    assert decoded(cut(data, places)) == decoded([data])


@one_after_another(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", ["one", "two"]),
        (b"data: one\ndata: more\n\n", ["one\nmore"]),
        (b"data:one\n\ndata:  two\n\n", ["one", " two"]),
        (b": comment\n\nevent: x\nid: 5\nretry: 1\ndata: one\n\n", ["one"]),
        (b"event: nothing\n\n\n\ndata: one\n\n", ["one"]),
        (b"data\n\ndata: one\n\n", ["", "one"]),
        (b"data: one", ["one"]),
        (b"", []),
        ("data: a\u2028b\x85c\x0bd\n\n".encode(), ["a\u2028b\x85c\x0bd"]),
    ],
)
def test_events_are_read_as_the_standard_says(stream: bytes, events: list[str]) -> None:
    assert decoded([stream]) == events
    assert decoded([bytes([byte]) for byte in stream]) == events
