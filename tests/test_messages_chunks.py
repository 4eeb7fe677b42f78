"""Chunks of messages: however a message is cut and whichever chunks are added first, the sum is the message."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    BaseMessageChunk,
    ChatMessageChunk,
    FunctionMessageChunk,
    HumanMessageChunk,
    SystemMessageChunk,
    ToolCallChunk,
    ToolMessageChunk,
    UsageMetadata,
    add_usage,
    fold,
    invalid_tool_call,
    message_chunk_to_message,
    tool_call,
    tool_call_chunk,
)
from anabranch.nodes.messages.chunks import CHUNKS, message_to_chunk

texts = st.text("ab ", max_size=3)
blocks = st.one_of(
    texts,
    st.fixed_dictionaries({"type": st.just("text"), "text": texts}),
    st.fixed_dictionaries({"type": st.just("text"), "text": texts, "index": st.integers(0, 2)}),
)
facts = st.dictionaries(st.sampled_from("xy"), st.one_of(st.none(), texts), max_size=2)
said: dict[str, Any] = {
    "content": st.one_of(texts, st.lists(blocks, max_size=4)),
    "additional_kwargs": facts,
    "response_metadata": st.dictionaries(st.just("n"), st.one_of(st.none(), st.integers(0, 3))),
    "id": st.sampled_from([None, "run-1", "run-2"]),
}
pieces = st.builds(
    tool_call_chunk,
    name=st.sampled_from([None, "f", "g"]),
    args=st.sampled_from([None, "", '{"a": ', "1", "}", "{}"]),
    id=st.sampled_from([None, "", "1", "2"]),
    index=st.sampled_from([None, 0, 1]),
)
counts = st.integers(0, 3)
details = st.fixed_dictionaries({}, optional={"cache_read": counts, "audio": counts})
usage = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"input_tokens": counts, "output_tokens": counts, "total_tokens": counts},
        optional={"input_token_details": details},
    ),
)
artifacts = st.one_of(st.none(), st.lists(st.integers(), max_size=2))
statuses = st.sampled_from(["success", "error"])
ai_chunks = st.builds(
    AIMessageChunk,
    **said,
    tool_call_chunks=st.lists(pieces, max_size=3),
    usage_metadata=usage,
    chunk_position=st.sampled_from([None, "last"]),
)
every_class = st.sampled_from(
    [
        ai_chunks,
        st.builds(HumanMessageChunk, **said),
        st.builds(SystemMessageChunk, **said),
        st.builds(ChatMessageChunk, **said, role=st.just("critic")),
        st.builds(FunctionMessageChunk, **said, name=st.just("f")),
        st.builds(ToolMessageChunk, **said, tool_call_id=st.just("1"), artifact=artifacts, status=statuses),
    ]
)


@given(every_class.flatmap(lambda chunks: st.tuples(chunks, chunks, chunks)))
def test_chunks_add_in_any_grouping(three: tuple[Any, Any, Any]) -> None:
    a, b, c = three
    assert (a + b) + c == a + (b + c)


@given(every_class.flatmap(lambda chunks: st.lists(chunks, min_size=1, max_size=9)))
def test_folding_is_adding_one_by_one(chunks: list[Any]) -> None:
    assert fold(chunks) == reduce(lambda total, chunk: total + chunk, chunks)


@given(every_class.flatmap(lambda chunks: st.tuples(chunks, chunks)))
def test_adding_nothing_changes_nothing(two: tuple[Any, Any]) -> None:
    total = two[0] + two[1]
    who = {field: getattr(total, field) for field in ("role", "tool_call_id") if hasattr(total, field)}
    if isinstance(total, FunctionMessageChunk):
        who["name"] = total.name
    nothing = type(total)(content="", **who)
    assert total + nothing == total
    assert nothing + total == total


@given(every_class.flatmap(lambda chunks: st.tuples(chunks, chunks)))
def test_adding_changes_neither_chunk(two: tuple[Any, Any]) -> None:
    before = [chunk.model_copy(deep=True) for chunk in two]
    total = two[0] + two[1]
    for field in ("additional_kwargs", "response_metadata"):
        getattr(total, field)["new"] = "x"
    for field in ("tool_calls", "tool_call_chunks", "invalid_tool_calls"):
        getattr(total, field, []).append({})
    assert list(two) == before


@given(ai_chunks, ai_chunks)
def test_a_sum_is_what_its_fields_say(a: AIMessageChunk, b: AIMessageChunk) -> None:
    total = a + b
    assert AIMessageChunk(**{field: value for field, value in total if field != "type"}) == total
    assert AIMessageChunk.model_validate_json(total.model_dump_json()) == total


calls = st.lists(
    st.builds(
        tool_call,
        name=st.sampled_from(["f", "get_weather"]),
        args=st.dictionaries(texts, st.one_of(texts, st.lists(st.integers(), max_size=3), st.booleans()), max_size=3),
        id=st.uuids().map(str),
    ),
    max_size=3,
)


@given(st.text(max_size=20), calls, st.data())
def test_a_message_cut_anywhere_folds_to_itself(text: str, asked: list[Any], data: st.DataObject) -> None:
    whole = AIMessage(text, tool_calls=asked, id="run-1")
    chunks = [AIMessageChunk(piece, id="run-1") for piece in _cut(text, data)]
    for index, call in enumerate(asked):
        for place, args in enumerate(_cut(json.dumps(call["args"]), data)):
            first = {"name": call["name"], "id": call["id"]} if place == 0 else {}
            piece = tool_call_chunk(args=args, index=index, **first)
            chunks.append(AIMessageChunk("", tool_call_chunks=[piece]))
    chunks.append(AIMessageChunk("", chunk_position="last"))
    total = fold(chunks)
    assert message_chunk_to_message(total) == whole
    assert total.tool_calls == asked


def _cut(text: str, data: st.DataObject) -> list[str]:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


whole_messages = st.one_of(
    [
        st.builds(
            kind,
            content=said["content"],
            additional_kwargs=facts,
            **{
                field: strategy
                for field, strategy in {
                    "name": st.sampled_from(["f", "g"]),
                    "role": texts,
                    "tool_call_id": texts,
                    "artifact": artifacts,
                    "status": statuses,
                    "tool_calls": calls,
                    "invalid_tool_calls": st.lists(
                        st.builds(invalid_tool_call, args=texts, error=st.sampled_from(["no", "it broke off"]))
                    ),
                    "usage_metadata": usage,
                }.items()
                if field in kind.model_fields
            },
        )
        for kind in CHUNKS
    ]
)


@given(whole_messages)
def test_a_message_as_a_chunk_is_the_message_again(message: Any) -> None:
    chunk = message_to_chunk(message)
    assert isinstance(chunk, BaseMessageChunk)
    assert message_chunk_to_message(chunk) == message
    assert message_to_chunk(chunk) == chunk


def chunk(*pieces: ToolCallChunk, **fields: Any) -> AIMessageChunk:
    return AIMessageChunk("", tool_call_chunks=list(pieces), **fields)


def names_and_args(message: AIMessage) -> list[tuple[str, Any]]:
    return [(call["name"], call["args"]) for call in message.tool_calls]


def test_a_tool_call_is_read_as_far_as_it_has_come() -> None:
    args = ['{"city": "Par', 'is", "days', '": [1, 2', "]}"]
    first, *rest = [tool_call_chunk(args=piece, index=0) for piece in args]
    total = chunk({**first, "name": "weather", "id": "1"})
    so_far = [total.tool_calls[0]["args"]]
    for piece in rest:
        total += chunk(piece)
        so_far.append(total.tool_calls[0]["args"])
    assert so_far == [
        {"city": "Par"},
        {"city": "Paris"},
        {"city": "Paris", "days": [1, 2]},
        {"city": "Paris", "days": [1, 2]},
    ]
    assert total.tool_calls == [tool_call(name="weather", args={"city": "Paris", "days": [1, 2]}, id="1")]


def test_a_call_that_breaks_off_is_invalid_once_nothing_more_can_come() -> None:
    started = chunk(tool_call_chunk(name="delete", args='{"path": "/tmp', id="1", index=0))
    assert names_and_args(started) == [("delete", {"path": "/tmp"})]
    ended = started + AIMessageChunk("", chunk_position="last")
    for message in (ended, message_chunk_to_message(ended), message_chunk_to_message(started)):
        assert isinstance(message, AIMessage)
        assert message.tool_calls == []
        [invalid] = message.invalid_tool_calls
        assert (invalid["name"], invalid["args"], invalid["id"]) == ("delete", '{"path": "/tmp', "1")
        assert "Unterminated string" in (invalid["error"] or "")


def test_pieces_meet_by_their_index_and_part_by_their_id() -> None:
    first = chunk(tool_call_chunk(name="f", args="{", id="1", index=0), tool_call_chunk(name="g", id="2", index=1))
    total = first + chunk(tool_call_chunk(args="}", index=0)) + chunk(tool_call_chunk(name="h", id="3", index=1))
    assert [call["name"] for call in total.tool_calls] == ["f", "g", "h"]
    apart = chunk(tool_call_chunk(name="f", args="{}")) + chunk(tool_call_chunk(name="g", args="{}"))
    assert [call["name"] for call in apart.tool_calls] == ["f", "g"]


@pytest.mark.parametrize("args", [None, "", " ", "{}"])
def test_a_call_without_arguments_is_one_with_none(args: str | None) -> None:
    piece = tool_call_chunk(name="now", args=args, id="1", index=0)
    assert names_and_args(chunk(piece)) == [("now", {})]
    assert names_and_args(chunk(piece, chunk_position="last")) == [("now", {})]


@pytest.mark.parametrize("args", ["[1]", "3", "x", "{}}"])
def test_arguments_that_are_no_object_are_invalid(args: str) -> None:
    ended = chunk(tool_call_chunk(name="f", args=args, index=0), chunk_position="last")
    assert ended.tool_calls == []
    assert ended.invalid_tool_calls[0]["args"] == args


def test_calls_told_in_the_form_of_openai_only_are_read() -> None:
    def told(arguments: str) -> dict[str, Any]:
        call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
        return {"tool_calls": [call]}

    assert AIMessage("", additional_kwargs=told('{"a": 1}')).tool_calls == [tool_call(name="f", args={"a": 1}, id="1")]
    assert AIMessage("", additional_kwargs=told('{"a": ')).invalid_tool_calls[0]["args"] == '{"a": '
    assert AIMessage("", additional_kwargs=told("{}"), tool_calls=[]).tool_calls[0]["name"] == "f"
    mine = tool_call(name="g", args={}, id="2")
    assert AIMessage("", additional_kwargs=told("{}"), tool_calls=[mine]).tool_calls == [mine]
    assert names_and_args(AIMessageChunk("", additional_kwargs=told('{"a": 1'))) == [("f", {"a": 1})]
    assert AIMessage("", additional_kwargs={"tool_calls": [1, {}]}).tool_calls == []


def test_usage_adds_up_detail_by_detail() -> None:
    one = UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3, input_token_details={"cache_read": 1})
    two = UsageMetadata(input_tokens=4, output_tokens=0, total_tokens=4, output_token_details={"reasoning": 5})
    total = AIMessageChunk("", usage_metadata=one) + AIMessageChunk("") + AIMessageChunk("", usage_metadata=two)
    assert total.usage_metadata == add_usage(one, two)
    assert total.usage_metadata == {
        "input_tokens": 5,
        "output_tokens": 2,
        "total_tokens": 7,
        "input_token_details": {"cache_read": 1},
        "output_token_details": {"reasoning": 5},
    }
    assert (AIMessageChunk("") + AIMessageChunk("")).usage_metadata is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ToolMessageChunk("a", tool_call_id="1"), ToolMessageChunk("b", tool_call_id="2")),
        (FunctionMessageChunk("a", name="f"), FunctionMessageChunk("b", name="g")),
        (ChatMessageChunk("a", role="critic"), ChatMessageChunk("b", role="poet")),
    ],
)
def test_pieces_of_different_messages_do_not_add(one: Any, other: Any) -> None:
    with pytest.raises(TypeError, match="not of one message"):
        one + other


def test_a_result_has_failed_if_one_of_its_pieces_says_so() -> None:
    total = ToolMessageChunk("a", tool_call_id="1", status="error", artifact=[1])
    total += ToolMessageChunk("b", tool_call_id="1", artifact=[2])
    assert (total.content, total.status, total.artifact) == ("ab", "error", [1, 2])


def test_a_subclass_keeps_its_fields_when_it_adds() -> None:
    class Timed(AIMessageChunk):
        seconds: float = 0.0

        def _sum(self, other: Any) -> dict[str, Any]:
            return {**super()._sum(other), "seconds": self.seconds + other.seconds}

    class Marked(HumanMessageChunk):
        mark: str

    assert (Timed("a", seconds=1.0) + Timed("b", seconds=0.5)).seconds == 1.5
    assert (Marked("a", mark="x") + Marked("b", mark="y")).mark == "x"


def test_what_else_was_said_is_kept() -> None:
    tone: dict[str, Any] = {"tone": "kind"}
    pace: dict[str, Any] = {"pace": "slow"}
    total = HumanMessageChunk("a", **tone) + HumanMessageChunk("b", **pace)
    assert total.model_extra == {"tone": "kind", "pace": "slow"}
    assert total.model_dump(exclude_unset=True).keys() >= {"content", "tone", "pace"}


@pytest.mark.parametrize("make", [lambda n: ["ab"] * n, lambda n: ['{"a": "', *["b"] * n, '"}']])
def test_adding_up_a_long_stream_takes_time_in_proportion(make: Callable[[int], list[str]]) -> None:
    seen = [0]

    class Counted(AIMessageChunk):
        def _sum(self, other: Any) -> dict[str, Any]:
            total = super()._sum(other)
            seen[0] += len(total["content"]) + sum(
                len(piece["args"] or "") for piece in total.get("tool_call_chunks", ())
            )
            return total

    def work(n: int) -> int:
        seen[0] = 0
        fold([Counted(text, tool_call_chunks=[tool_call_chunk(args=text, index=0)]) for text in make(n)])
        return seen[0]

    assert work(2000) < 3 * work(1000)
