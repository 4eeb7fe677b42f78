"""Tool calls are parsed whole and as they come, and what cannot be read is told."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, field_validator
from verbs import one_after_another

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    ChatGeneration,
    HumanMessage,
    JsonOutputKeyToolsParser,
    JsonOutputToolsParser,
    OutputParserException,
    PydanticToolsParser,
    fold,
    tool_call,
)


class Add(BaseModel):
    a: int
    b: int = 0


class Say(BaseModel):
    model_config = ConfigDict(title="say_it")

    x: str


CALLS = AIMessage(
    "",
    tool_calls=[
        {"name": "Add", "args": {"a": 1}, "id": "1"},
        {"name": "say_it", "args": {"x": "y"}, "id": "2"},
    ],
)
NONE = AIMessage("just text")
ADD, SAY = {"args": {"a": 1}, "type": "Add"}, {"args": {"x": "y"}, "type": "say_it"}


def piece(args: str, name: str | None = None, id: str | None = None, index: int | None = 0) -> AIMessageChunk:
    return AIMessageChunk("", tool_call_chunks=[{"name": name, "args": args, "id": id, "index": index}])


def pieces() -> Iterator[AIMessageChunk]:
    yield AIMessageChunk("")
    yield piece("", "Add", "1")
    yield from map(piece, ['{"a"', ": 1", '2, "b":', " 3}"])
    yield piece("", "say_it", "2", 1)
    yield from (piece(args, index=1) for args in ('{"x": "', "y", 'z"}'))
    yield AIMessageChunk("", chunk_position="last")


@one_after_another(
    ("parser", "found", "missing"),
    [
        (JsonOutputToolsParser(), [ADD, SAY], []),
        (JsonOutputToolsParser(first_tool_only=True), ADD, None),
        (JsonOutputToolsParser(return_id=True), [{**ADD, "id": "1"}, {**SAY, "id": "2"}], []),
        (JsonOutputKeyToolsParser(key_name="Add"), [{"a": 1}], []),
        (JsonOutputKeyToolsParser(key_name="say_it", first_tool_only=True), {"x": "y"}, None),
        (JsonOutputKeyToolsParser(key_name="Add", return_id=True), [{**ADD, "id": "1"}], []),
        (JsonOutputKeyToolsParser(key_name="Mul", first_tool_only=True), None, None),
        (PydanticToolsParser(tools=[Add, Say]), [Add(a=1), Say(x="y")], []),
        (PydanticToolsParser(tools=[Add, Say], first_tool_only=True), Add(a=1), None),
    ],
)
def test_calls_of_a_message(parser: JsonOutputToolsParser, found: Any, missing: Any) -> None:
    assert parser.invoke(CALLS) == found
    assert parser.invoke(NONE) == parser.invoke(HumanMessage("hi")) == missing
    assert parser.parse_result([ChatGeneration(message=CALLS)]) == found


ADDS = [{}, {"a": 1}, {"a": 12}, {"a": 12, "b": 3}]
SAYS = [{}, {"x": ""}, {"x": "y"}, {"x": "yz"}]


@pytest.mark.parametrize(
    ("parser", "seen"),
    [
        (JsonOutputKeyToolsParser(key_name="Add", first_tool_only=True), ADDS),
        (JsonOutputKeyToolsParser(key_name="say_it"), [[], *([args] for args in SAYS)]),
        (JsonOutputToolsParser(first_tool_only=True), [{"args": args, "type": "Add"} for args in ADDS]),
        (
            PydanticToolsParser(tools=[Add, Say]),
            [
                [],
                [Add(a=1)],
                [Add(a=12)],
                [Add(a=12, b=3)],
                *([Add(a=12, b=3), Say(x=text)] for text in ("", "y", "yz")),
            ],
        ),
    ],
)
def test_calls_are_there_as_they_come(parser: JsonOutputToolsParser, seen: list[Any]) -> None:
    assert list(parser.transform(pieces())) == seen
    assert parser.invoke(fold(pieces())) == seen[-1]


def test_differences_of_calls_make_each_value_of_the_one_before() -> None:
    document: Any = None
    values = list(JsonOutputToolsParser().transform(pieces()))
    for ops, value in zip(JsonOutputToolsParser(diff=True).transform(pieces()), values, strict=True):
        document = jsonpatch.apply_patch(document, ops)
        assert document == value
    with pytest.raises(NotImplementedError, match="can't tell differences"):
        list(PydanticToolsParser(tools=[Add, Say], diff=True).transform(pieces()))


INDEXES = st.sampled_from([0, 1, None])
ARGS = st.sampled_from(["", " ", "{", "}", '{"a": 1}', '"b": "', '"', ", ", "x", '{"c": [', "]", "1"])
PIECES = st.builds(piece, ARGS, st.sampled_from([None, "Add", "say"]), st.sampled_from([None, None, "1", "2"]), INDEXES)


@given(st.lists(PIECES, max_size=8))
def test_what_is_read_piece_by_piece_is_what_the_sum_of_the_pieces_says(chunks: list[AIMessageChunk]) -> None:
    parser = JsonOutputToolsParser(return_id=True)
    reading = parser._reading()
    told: Any = None
    for count, chunk in enumerate(chunks, 1):
        now = reading.push(chunk)
        told = told if now is None else now
        assert told == parser.parse_result([ChatGeneration(message=fold(chunks[:count]))], partial=True)


def test_whole_messages_replace_each_other() -> None:
    assert list(JsonOutputToolsParser().transform(iter([CALLS, NONE]))) == [[ADD, SAY], []]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("text", "expected a message with tool calls"),
        (AIMessage("", tool_calls=[{"name": "Mul", "args": {}, "id": "1"}]), "a call of Add or .*, but got one of Mul"),
        (AIMessage("", tool_calls=[{"name": "Add", "args": {"a": "x"}, "id": "1"}]), "Add takes; a: .*integer"),
        (fold(list(pieces())[:4]) + AIMessageChunk("", chunk_position="last"), 'can\'t read Add: .*{"a": 1'),
    ],
)
def test_what_cannot_be_read_is_told_streamed_or_not(message: Any, said: str) -> None:
    parser = PydanticToolsParser(tools=[Add, Say])
    for run in (parser.invoke, lambda each: list(parser.stream(each))):
        with pytest.raises(OutputParserException, match=said) as caught:
            run(message)
        assert caught.value.llm_output is not None


def test_control_characters_in_arguments_can_be_refused() -> None:
    told = {"id": "1", "type": "function", "function": {"name": "say_it", "arguments": '{"x": "a\tb"}'}}
    message = AIMessage("", additional_kwargs={"tool_calls": [told]})
    assert JsonOutputToolsParser().invoke(message) == [{"args": {"x": "a\tb"}, "type": "say_it"}]
    with pytest.raises(OutputParserException, match="Invalid control character"):
        JsonOutputToolsParser(strict=True).invoke(message)


def test_calls_that_are_told_in_parts_of_a_name_are_known_at_the_end() -> None:
    chunks = [piece("", "A", "1"), piece('{"a": 1}', "dd")]
    assert list(PydanticToolsParser(tools=[Add]).transform(iter(chunks))) == [[], [Add(a=1)]]


def test_pairs_of_snapshots_share_nothing_that_grows() -> None:
    seen = list(JsonOutputToolsParser().transform(pieces()))
    assert all(before != after for before, after in pairwise(seen))


def test_what_a_model_raises_by_itself_is_not_taken_for_an_unknown_tool() -> None:
    class Ask(BaseModel):
        where: str

        @field_validator("where")
        @classmethod
        def known(cls, where: str) -> str:
            return {"here": "Bern"}[where]

    parser = PydanticToolsParser(tools=[Ask])
    assert parser.invoke(AIMessage("", tool_calls=[tool_call(name="Ask", args={"where": "here"}, id="1")]))
    with pytest.raises(KeyError, match="there"):
        parser.invoke(AIMessage("", tool_calls=[tool_call(name="Ask", args={"where": "there"}, id="1")]))
