"""Messages, their chunks, and what can be read as one."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from verbs import one_after_another

from anabranch.engine.chunks import Algebra, algebra_of, fold
from anabranch.nodes.messages.any_message import AnyMessage
from anabranch.nodes.messages.buffer_strings import get_buffer_string
from anabranch.nodes.messages.chunks import (
    CHUNKS,
    AIMessageChunk,
    BaseMessageChunk,
    ChatMessageChunk,
    HumanMessageChunk,
    SystemMessageChunk,
    message_chunk_to_message,
    message_to_chunk,
)
from anabranch.nodes.messages.conversion import convert_to_messages
from anabranch.nodes.messages.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from anabranch.nodes.messages.prompt_values import ChatPromptValue, StringPromptValue
from anabranch.nodes.messages.tool_calls import invalid_tool_call, tool_call, tool_call_chunk
from anabranch.nodes.retrieval.documents import Document, format_documents

texts = st.text("ab ", max_size=3)


@given(st.lists(texts))
def test_the_text_of_the_sum_is_the_sum_of_the_texts(pieces: list[str]) -> None:
    chunks = [AIMessageChunk(content=[piece] if len(piece) == 1 else piece) for piece in pieces]
    assert not chunks or fold(chunks).text == "".join(pieces)


def test_pieces_of_a_block_meet_by_their_index() -> None:
    def piece(**block: Any) -> AIMessageChunk:
        return AIMessageChunk(content=[block])

    whole = piece(index=0, type="text", text="Be") + piece(index=1, text="!") + piece(index=0, text="ars")
    assert whole.content == [{"index": 0, "type": "text", "text": "Bears"}, {"index": 1, "text": "!"}]


def test_values_that_do_not_combine_are_an_error_that_names_the_key() -> None:
    with pytest.raises(TypeError, match="'when'"):
        AIMessageChunk("", response_metadata={"when": "now"}) + AIMessageChunk("", response_metadata={"when": 3})


@pytest.mark.parametrize("chunk", [HumanMessageChunk("b"), SystemMessageChunk("b"), "b", AIMessage("b")])
def test_only_chunks_of_one_class_add(chunk: Any) -> None:
    with pytest.raises(TypeError):
        AIMessageChunk("a") + chunk


def test_chunks_of_two_speakers_do_not_add() -> None:
    with pytest.raises(TypeError, match=r"'critic'.*'poet'"):
        ChatMessageChunk("a", role="critic") + ChatMessageChunk("b", role="poet")


def test_a_whole_message_is_a_snapshot_and_a_chunk_adds() -> None:
    assert algebra_of(AIMessage("a")) is Algebra.SNAPSHOTS
    assert algebra_of(AIMessageChunk("a")) is Algebra.ADDITIVE
    assert fold([AIMessage("a"), AIMessage("b")]) == AIMessage("b")


MESSAGES: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage("Hi", name="Ada"),
    AIMessage("Hello", id="run-1", response_metadata={"finish_reason": "stop"}),
    ChatMessage("Note", role="critic"),
    ToolMessage("42", tool_call_id="call-1"),
]
each_message = pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)


@each_message
def test_a_message_as_a_chunk_is_the_message_again(message: BaseMessage) -> None:
    chunk = message_to_chunk(message)
    assert message_chunk_to_message(chunk) == message
    assert type(chunk) is CHUNKS.get(type(message), type(message))


@each_message
def test_a_message_survives_json_and_pickle(message: BaseMessage) -> None:
    anything: TypeAdapter[Any] = TypeAdapter(AnyMessage)
    assert anything.validate_json(message.model_dump_json()) == message
    assert pickle.loads(pickle.dumps(message)) == message


def test_a_message_without_content_is_an_error() -> None:
    with pytest.raises(ValidationError, match="content"):
        HumanMessage(name="Ada")  # type: ignore[call-arg]


def test_a_message_prints_what_was_said() -> None:
    assert repr(AIMessage("Hi")) == "AIMessage(content='Hi')"
    assert repr(AIMessageChunk("Hi", id="run-1")) == "AIMessageChunk(content='Hi', id='run-1')"


def test_the_text_is_that_of_the_text_blocks() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    assert HumanMessage(["What ", image, {"type": "text", "text": "is this?"}]).text == "What is this?"


def test_messages_are_read_in_many_forms() -> None:
    read = convert_to_messages(
        [
            HumanMessage("a"),
            "b",
            ("system", "c"),
            ["ai", "d"],
            {"role": "user", "content": "e", "name": "Ada"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]},
            {"type": "human", "content": "f"},
            {"role": "tool", "content": "g", "tool_call_id": "call-1"},
            ("developer", "h"),
        ]
    )
    assert read == [
        HumanMessage("a"),
        HumanMessage("b"),
        SystemMessage("c"),
        AIMessage("d"),
        HumanMessage("e", name="Ada"),
        AIMessage("", tool_calls=[tool_call(name="f", args={}, id="1")]),
        HumanMessage("f"),
        ToolMessage("g", tool_call_id="call-1"),
        SystemMessage("h", additional_kwargs={"__openai_role__": "developer"}),
    ]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (3, "message 1.*got int 3"),
        (("a", "b", "c"), "message 1.*got tuple"),
        (("bear", "x"), "message 1.*'bear'.*human, user, ai"),
        ({"content": "x"}, "message 1.*without 'role'"),
        ({"role": "tool", "content": "x"}, "message 1.*tool_call_id"),
        (("human", 3), "message 1.*content"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_the_place(wrong: Any, told: str) -> None:
    with pytest.raises(TypeError, match="(?s)" + told):
        convert_to_messages(["fine", wrong])


def test_prompt_values_are_text_and_messages() -> None:
    assert StringPromptValue(text="Hi").to_messages() == [HumanMessage("Hi")]
    value = ChatPromptValue(messages=MESSAGES)
    assert value.to_messages() == MESSAGES
    assert value.to_string() == get_buffer_string(MESSAGES)
    assert value.to_string().splitlines()[:2] == ["System: Be brief.", "Human: Hi"]
    assert value.model_dump()["messages"][3]["role"] == "critic"


def test_documents_are_equal_when_their_fields_are() -> None:
    document = Document("harrison worked at kensho", metadata={"source": "notes"}, id="1")
    assert document == Document(page_content="harrison worked at kensho", metadata={"source": "notes"}, id="1")
    assert document != Document("harrison worked at kensho")
    assert repr([Document("a")]) == "[Document(page_content='a')]"


def test_documents_in_a_prompt_are_headed_by_their_source() -> None:
    documents = [Document("a", metadata={"source": "notes"}), Document("b")]
    assert format_documents(documents) == "Source: notes\na\n\nb"


@pytest.mark.parametrize("kind", CHUNKS.values())
def test_every_chunk_class_adds_to_itself(kind: type[BaseMessageChunk]) -> None:
    who: dict[str, Any] = {field: "critic" for field in ("role", "name", "tool_call_id") if field in kind.model_fields}
    total = kind(content="a", **who) + kind(content="b", **who)
    assert type(total) is kind
    assert total.content == "ab"


def test_a_conversation_is_told_as_text() -> None:
    calls = [tool_call(name="f", args={"a": "<"}, id="1")]
    said: list[BaseMessage] = [
        HumanMessageChunk("1 < 2"),
        AIMessage("b", tool_calls=calls),
        ToolMessage("c", tool_call_id="1"),
        FunctionMessage("d", name="f"),
        ChatMessage("e", role="critic"),
    ]
    assert get_buffer_string(said, human_prefix="You") == "\n".join(
        ["You: 1 < 2", f"AI: b{calls}", "Tool: c", "Function: d", "critic: e"]
    )
    assert get_buffer_string(said[:3], format="xml", message_separator="") == (
        '<message type="human">1 &lt; 2</message>'
        '<message type="ai">\n  <content>b</content>\n'
        '  <tool_call id="1" name="f">{"a": "&lt;"}</tool_call>\n</message>'
        '<message type="tool">c</message>'
    )
    with pytest.raises(ValueError, match="'yaml'"):
        get_buffer_string(said, format="yaml")  # type: ignore[arg-type]


def test_blocks_are_told_in_xml_as_far_as_they_can_be() -> None:
    told: list[str | dict[str, Any]] = [
        "a",
        {"type": "text", "text": "b & c"},
        {"type": "image_url", "image_url": {"url": "https://x?a=1&b=2"}},
        {"type": "image", "url": "https://x"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "bear"},
    ]
    assert get_buffer_string([HumanMessage(told)], format="xml") == (
        '<message type="human">a b &amp; c <image url="https://x?a=1&amp;b=2" /> <image url="https://x" /> '
        "<reasoning>hm</reasoning></message>"
    )


@given(st.text(), st.text())
def test_what_is_said_cannot_end_a_message_in_xml(text: str, role: str) -> None:
    told = get_buffer_string([ChatMessage(text, role=role), HumanMessage([text])], format="xml")
    assert told.count("<message") == told.count("</message>") == 2


def test_a_message_is_printed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    calls = [tool_call(name="f", args={"a": 1, "b": {"c": [2]}}, id="1")]
    broken = [invalid_tool_call(name="g", args="{", id="2", error="it breaks off")]
    AIMessage("Let me see.", name="Ada", tool_calls=calls, invalid_tool_calls=broken).pretty_print()
    assert capsys.readouterr().out.splitlines() == [
        "================================== Ai Message ==================================",
        "Name: Ada",
        "",
        "Let me see.",
        "Tool Calls:",
        "  f (1)",
        " Call ID: 1",
        "  Args:",
        "    a: 1",
        "    b: {'c': [2]}",
        "Invalid Tool Calls:",
        "  g (2)",
        " Call ID: 2",
        "  Error: it breaks off",
        "  Args:",
        "    {",
    ]
    assert HumanMessageChunk("Hi").pretty_repr() == HumanMessage("Hi").pretty_repr()
    assert "\x1b[1m Tool Message \x1b[0m" in ToolMessage("a", tool_call_id="1").pretty_repr(html=True)


def test_the_content_of_a_result_is_made_text() -> None:
    def content(given: Any) -> Any:
        return ToolMessage(given, tool_call_id="1").content

    assert content(3) == "3"
    assert content({"a": 1}) == "{'a': 1}"
    assert content(("a", {"type": "text"}, 3)) == ["a", {"type": "text"}, "3"]
    assert ToolMessage("a", tool_call_id=3).tool_call_id == "3"  # type: ignore[arg-type]


def test_a_message_to_remove_has_no_content() -> None:
    assert RemoveMessage("1") == RemoveMessage(id="1")
    with pytest.raises(ValueError, match="no content"):
        RemoveMessage("1", content="a")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"tool_calls": [{"name": "f", "args": {}}]}, "tool_calls.0.id"),
        ({"tool_calls": [{"name": "f", "args": "{}", "id": "1"}]}, "tool_calls.0.args"),
        ({"usage_metadata": {"input_tokens": 1}}, "usage_metadata.output_tokens"),
        ({"type": "human"}, "type"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_the_field(wrong: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        AIMessage("a", **wrong)


@one_after_another(
    ("block", "standard"),
    [
        ({"text": "no type"}, {"type": "text", "text": "no type"}),
        ({"type": "image_url", "image_url": "u"}, {"type": "image", "url": "u"}),
        ({"type": "image_url", "image_url": 3}, None),
        ({"type": "input_audio"}, None),
        ({"type": "file", "file": {}}, None),
        ({"type": "file", "source_type": "id", "id": "9"}, {"type": "file", "file_id": "9"}),
        ({"type": "file", "source_type": "text", "text": "t"}, {"type": "text-plain", "text": "t"}),
        ({"type": "image", "source_type": "url", "url": "u"}, {"type": "image", "url": "u"}),
        (
            {"type": "file", "file": {"file_data": "data:text/csv;base64,QQ==", "filename": "a.csv"}},
            {"type": "file", "base64": "QQ==", "mime_type": "text/csv", "extras": {"filename": "a.csv"}},
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}},
            {"type": "text-plain", "text": "t", "mime_type": "text/plain"},
        ),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "Q"}},
            {"type": "file", "base64": "Q", "mime_type": "application/pdf"},
        ),
        (
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "reasoning", "reasoning": "t", "extras": {"signature": "s"}},
        ),
        ({"type": ["odd"]}, None),
    ],
)
def test_blocks_of_providers_have_a_standard_form_or_are_wrapped(block: Any, standard: Any) -> None:
    [made] = HumanMessage([block]).content_blocks
    assert made == (standard or {"type": "non_standard", "value": block})
    assert HumanMessage([made]).content_blocks == [made]


def test_calls_stand_once_among_the_blocks_where_the_content_has_them() -> None:
    call = tool_call(name="f", args={}, id="1")
    other = tool_call(name="g", args={}, id="2")
    used = {"type": "tool_use", "id": "1", "name": "f", "input": {}}
    message = AIMessage([used, {"type": "text", "text": "a"}], tool_calls=[call, other])
    assert message.content_blocks == [call, {"type": "text", "text": "a"}, other]
    given: Any = {"content_blocks": message.content_blocks}
    assert AIMessage(**given).tool_calls == [call, other]
    last = AIMessageChunk("", tool_call_chunks=[tool_call_chunk(name="f", args="{}", id="1")], chunk_position="last")
    assert last.content_blocks == [call]


def test_content_is_given_in_one_form() -> None:
    given: Any = {"content_blocks": []}
    with pytest.raises(ValueError, match="a HumanMessage takes content or content_blocks, not both"):
        HumanMessage("a", **given)
