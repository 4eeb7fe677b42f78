"""Messages read from other forms, and written in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatPromptValue,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    StepInputError,
    StringPromptValue,
    SystemMessage,
    ToolMessage,
    UsageMetadata,
    convert_to_messages,
    convert_to_openai_messages,
    invalid_tool_call,
    message_to_dict,
    messages_from_dict,
    messages_to_dict,
    to_json,
    tool_call,
    tool_call_chunk,
)

texts = st.text(max_size=4)
blocks = st.one_of(texts, st.fixed_dictionaries({"type": st.just("text"), "text": texts}))
said: dict[str, Any] = {
    "content": st.one_of(texts, st.lists(blocks, max_size=3)),
    "id": st.one_of(st.none(), texts),
    "name": st.one_of(st.none(), texts),
    "additional_kwargs": st.dictionaries(st.sampled_from("xy"), st.one_of(st.integers(), texts, st.lists(texts))),
    "response_metadata": st.dictionaries(st.sampled_from("xy"), texts),
}
values = st.one_of(texts, st.integers(), st.lists(st.booleans(), max_size=2), st.dictionaries(texts, texts, max_size=2))
calls = st.lists(
    st.builds(tool_call, name=st.text(min_size=1), args=st.dictionaries(texts, values, max_size=2), id=texts),
    max_size=2,
)
invalid = st.lists(st.builds(invalid_tool_call, name=texts, args=texts, id=texts, error=st.just("no")), max_size=2)
tokens = st.integers(0, 9)
usage = st.one_of(
    st.none(),
    st.builds(
        lambda a, b, c: UsageMetadata(
            input_tokens=a, output_tokens=b, total_tokens=a + b, input_token_details={"cache_read": c}
        ),
        tokens,
        tokens,
        tokens,
    ),
)
pieces = st.builds(tool_call_chunk, name=texts, args=st.sampled_from(["", '{"a', "{}", "3"]), index=st.integers(0, 1))
every = st.one_of(
    st.builds(SystemMessage, **said),
    st.builds(HumanMessage, **said),
    st.builds(HumanMessageChunk, **said),
    st.builds(AIMessage, **said, tool_calls=calls, invalid_tool_calls=invalid, usage_metadata=usage),
    st.builds(AIMessageChunk, **said, tool_call_chunks=st.lists(pieces, max_size=3), usage_metadata=usage),
    st.builds(ChatMessage, **said, role=texts),
    st.builds(FunctionMessage, **{**said, "name": texts}),
    st.builds(ToolMessage, **said, tool_call_id=texts, artifact=values, status=st.sampled_from(["success", "error"])),
    texts.map(RemoveMessage),
)


@given(every)
def test_a_message_survives_each_way_to_be_a_dict(message: BaseMessage) -> None:
    assert type(message).model_validate(message.model_dump()) == message
    assert messages_from_dict(messages_to_dict([message])) == [message]
    assert convert_to_messages([message.model_dump()]) == [message]
    assert convert_to_messages([message_to_dict(message)]) == [message]


@given(every)
def test_a_message_survives_json(message: BaseMessage) -> None:
    assert messages_from_dict(json.loads(json.dumps(messages_to_dict([message])))) == [message]
    assert convert_to_messages(json.loads(json.dumps(to_json([message])))) == [message]


@given(st.lists(every, max_size=3))
def test_what_is_read_is_not_changed_by_being_read_again(messages: list[BaseMessage]) -> None:
    assert convert_to_messages(messages) == messages
    assert convert_to_messages(convert_to_messages(message.model_dump() for message in messages)) == messages


plain = st.one_of(
    st.builds(SystemMessage, content=texts, additional_kwargs=st.sampled_from([{}, {"__openai_role__": "developer"}])),
    st.builds(HumanMessage, content=texts, name=st.sampled_from([None, "Ada"])),
    st.builds(AIMessage, content=texts, tool_calls=calls),
    st.builds(ToolMessage, content=texts, tool_call_id=texts),
    st.builds(FunctionMessage, content=texts, name=st.sampled_from("fg")),
)


@given(st.lists(plain, max_size=3))
def test_messages_survive_the_form_of_openai(messages: list[BaseMessage]) -> None:
    assert convert_to_messages(convert_to_openai_messages(messages)) == messages
    blocks = convert_to_openai_messages(messages, text_format="block")
    assert [message.text for message in convert_to_messages(blocks)] == [message.text for message in messages]


def test_a_tool_call_that_breaks_off_is_invalid_and_told_as_it_was() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}
    [message] = convert_to_messages([{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert isinstance(message, AIMessage)
    assert message.tool_calls == []
    assert message.invalid_tool_calls[0]["args"] == '{"a": '
    assert convert_to_openai_messages(message)["tool_calls"] == [call]


def test_prompt_values_are_read_as_their_messages() -> None:
    assert convert_to_messages(StringPromptValue(text="Hi")) == [HumanMessage("Hi")]
    assert convert_to_messages(ChatPromptValue(messages=[AIMessage("Hi")])) == [AIMessage("Hi")]


def test_what_langchain_writes_is_read() -> None:
    kwargs = {"content": "Hi", "type": "human", "id": "1"}
    written = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"]}
    assert convert_to_messages([{**written, "kwargs": kwargs}]) == [HumanMessage("Hi", id="1")]


@one_after_another(
    ("wrong", "told"),
    [
        ("Hi", "a list of messages, got str"),
        ({"role": "user", "content": "Hi"}, "a list of messages, got dict"),
        (HumanMessage("Hi"), "a list of messages, got HumanMessage"),
        (None, "a list of messages, got NoneType"),
        ([{}], "it has nothing"),
        ([{"role": "assistant"}], "message 0 is a dict without 'role' or 'content'"),
        ([{"role": "bear", "content": "x"}], "message 0 has the role 'bear'"),
        ([{"type": "bear", "data": {}}], "message 0 is of type 'bear'"),
        ([{"type": "human", "data": {}}], "message 0 can't be read.*content"),
        ([{"lc": 1, "id": ["Bear"], "kwargs": {}}], "message 0 is of type 'Bear'"),
        ([{"lc": 1}], "message 0 can't be read: expected 'id' and 'kwargs'"),
        ([("function", "x")], "message 0 can't be read.*name"),
        ([{"role": "user", "content": 3}], "message 0 can't be read.*content"),
    ],
)
def test_what_cannot_be_read_is_an_error(wrong: Any, told: str) -> None:
    with pytest.raises(StepInputError, match="(?s)" + told):
        convert_to_messages(wrong)


@pytest.mark.parametrize("wrong", [3, {}, {"type": "human"}, {"type": "bear", "data": {}}])
def test_dicts_of_another_form_are_an_error(wrong: Any) -> None:
    with pytest.raises(StepInputError, match="message 1"):
        messages_from_dict([{"type": "human", "data": {"content": "Hi"}}, wrong])


USE = {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}
CALL = {"type": "function", "id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}
RESULT = {"type": "tool_result", "tool_use_id": "1", "content": "x"}
TEXT = {"type": "text", "text": "b"}


@one_after_another(
    ("message", "told"),
    [
        ("Hi", {"role": "user", "content": "Hi"}),
        (("system", "Hi"), {"role": "system", "content": "Hi"}),
        (HumanMessage(["a", TEXT]), {"role": "user", "content": "a\nb"}),
        (AIMessage([TEXT, USE]), {"role": "assistant", "content": "b", "tool_calls": [CALL]}),
        (
            AIMessage([TEXT, USE], tool_calls=[tool_call(name="f", args={"a": 1}, id="1")]),
            {"role": "assistant", "content": "b", "tool_calls": [CALL]},
        ),
        (HumanMessage([RESULT]), {"role": "tool", "content": "x", "tool_call_id": "1"}),
        (
            HumanMessage([RESULT, TEXT]),
            [{"role": "tool", "content": "x", "tool_call_id": "1"}, {"role": "user", "content": "b"}],
        ),
        (HumanMessage([{"type": "json", "json": {"a": 1}}]), {"role": "user", "content": '{"a": 1}'}),
        (HumanMessage([{"type": "bear"}]), {"role": "user", "content": [{"type": "bear"}]}),
    ],
)
def test_blocks_of_other_providers_are_told_in_the_form_of_openai(message: Any, told: Any) -> None:
    assert convert_to_openai_messages(message) == told


def test_ids_are_told_when_asked_for() -> None:
    assert convert_to_openai_messages(AIMessage("a", id="1"), include_id=True)["id"] == "1"
    assert "id" not in convert_to_openai_messages(AIMessage("a", id="1"))


def test_what_openai_cannot_be_told_is_an_error() -> None:
    with pytest.raises(StepInputError, match=r"message 1: block 0 .*'bear'"):
        convert_to_openai_messages(["a", HumanMessage([{"type": "bear"}])], pass_through_unknown_blocks=False)
    with pytest.raises(StepInputError, match="RemoveMessage"):
        convert_to_openai_messages([RemoveMessage("1")])
    with pytest.raises(ValueError, match="text_format"):
        convert_to_openai_messages([], text_format="lines")  # type: ignore[call-overload]
