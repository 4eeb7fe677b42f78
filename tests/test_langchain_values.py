"""Messages, prompt values and documents become LangChain's and come back as they were; all else is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch import nodes
from anabranch.engine.chunks import AddableDict
from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatGeneration,
    ChatMessage,
    ChatPromptValue,
    Document,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    LLMResult,
    RemoveMessage,
    StringPromptValue,
    SystemMessage,
    ToolMessage,
)

pytest.importorskip("langchain_core", reason='needs langchain-core: pip install "anabranch[langchain]"')
from langchain_core import messages as their_messages
from langchain_core.documents import Document as TheirDocument
from langchain_core.prompt_values import ChatPromptValue as TheirPromptValue
from langchain_core.runnables import AddableDict as TheirAddableDict

from anabranch.nodes.langchain.values import from_langchain_value, to_langchain_value

texts = st.text(max_size=5)
facts = st.dictionaries(texts.filter(bool), st.one_of(texts, st.integers()), max_size=2)
blocks = st.lists(st.one_of(texts, st.fixed_dictionaries({"type": st.just("text"), "text": texts})), max_size=2)
usage = st.fixed_dictionaries({key: st.integers(0, 9) for key in ("input_tokens", "output_tokens", "total_tokens")})
calls = st.fixed_dictionaries({"name": texts, "args": facts, "id": st.one_of(st.none(), texts)})
pieces = st.fixed_dictionaries({"name": texts, "args": texts, "id": texts, "index": st.integers(0, 2)})
common = {
    "content": st.one_of(texts, blocks),
    "additional_kwargs": facts,
    "response_metadata": facts,
    "name": st.one_of(st.none(), texts),
    "id": st.one_of(st.none(), texts),
}
MESSAGES: dict[str, dict[str, Any]] = {
    "HumanMessage": {"example": st.booleans()},
    "SystemMessage": {},
    "AIMessage": {"tool_calls": st.lists(calls, max_size=2), "usage_metadata": st.one_of(st.none(), usage)},
    "ChatMessage": {"role": texts},
    "FunctionMessage": {"name": texts},
    "ToolMessage": {"tool_call_id": texts, "artifact": st.builds(Document, texts), "status": st.just("error")},
    "AIMessageChunk": {
        "tool_call_chunks": st.lists(pieces, max_size=2),
        "usage_metadata": st.one_of(st.none(), usage),
        "chunk_position": st.sampled_from([None, "last"]),
    },
    "HumanMessageChunk": {},
    "SystemMessageChunk": {},
    "ChatMessageChunk": {"role": texts},
    "FunctionMessageChunk": {"name": texts},
    "ToolMessageChunk": {"tool_call_id": texts, "artifact": facts},
}


def drawn(name: str, library: Any) -> st.SearchStrategy[Any]:
    """Messages of a class of ours or of theirs, made as their users make them."""
    fields = {**common, **MESSAGES[name]}
    if library is their_messages and "artifact" in fields:
        fields["artifact"] = st.builds(TheirDocument, page_content=texts)
    if library is their_messages:
        fields.pop("example", None)  # they have it no more
    return st.builds(lambda **given: getattr(library, name)(**given), **fields)


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_message_of_ours_becomes_theirs_of_the_same_name_and_comes_back_equal(name: str, data: st.DataObject) -> None:
    message = data.draw(drawn(name, nodes))
    theirs = to_langchain_value(message)
    assert type(theirs) is getattr(their_messages, name)
    assert theirs.content == message.content
    assert theirs.text == message.text
    assert from_langchain_value(theirs) == message


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_message_of_theirs_becomes_ours_and_comes_back_equal(name: str, data: st.DataObject) -> None:
    message = data.draw(drawn(name, their_messages))
    ours = from_langchain_value(message)
    assert type(ours) is getattr(nodes, name)
    assert to_langchain_value(ours) == message
    assert to_langchain_value(ours).model_dump() == message.model_dump()


text_chunks = drawn("AIMessageChunk", their_messages).filter(lambda chunk: isinstance(chunk.content, str))


@settings(max_examples=10, deadline=None)
@given(left=text_chunks, right=text_chunks)
def test_the_sum_of_chunks_says_the_same_on_both_sides(left: Any, right: Any) -> None:
    total = from_langchain_value(left) + from_langchain_value(right)
    theirs = left + right
    assert (total.content, total.usage_metadata) == (theirs.content, theirs.usage_metadata)


@pytest.mark.parametrize(
    "value",
    [
        [HumanMessage("a"), (SystemMessage("b"), {"c": AIMessage("d", additional_kwargs={"k": 1})})],
        AddableDict(answer=AIMessageChunk("x")),
        StringPromptValue(text="so be it"),
        ChatPromptValue(messages=[HumanMessage("a"), ChatMessage("b", role="c")]),
        {"documents": [Document("a bear", id="1", metadata={"source": "notes"})]},
        RemoveMessage("1"),
        FunctionMessage("x", name="f"),
        ToolMessage("x", tool_call_id="1", artifact=[Document("y")]),
        LLMResult(generations=[[ChatGeneration(message=AIMessage("x"), generation_info={"finish_reason": "stop"})]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_such_objects_is_converted_in_depth(value: Any) -> None:
    theirs = to_langchain_value(value)
    assert "anabranch" not in repr([type(each) for each in objects_in(theirs)])
    assert from_langchain_value(theirs) == value


def objects_in(value: Any) -> list[Any]:
    """A value and all that it holds."""
    inner = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list | tuple) else []
    inner += list(getattr(value, "__dict__", {}).values())
    return [value, *(found for each in inner for found in objects_in(each))]


class Own:
    """Of neither side."""


@one_after_another("value", [Own(), [1, "a"], {"k": (None, 2.5)}, {3}, b"x", range(3), len])
def test_what_is_neither_ours_nor_theirs_stays_itself(value: Any) -> None:
    assert to_langchain_value(value) is value
    assert from_langchain_value(value) is value


def test_the_keys_of_added_dicts_add_on_the_other_side() -> None:
    made = from_langchain_value(TheirAddableDict(a="x")) + from_langchain_value(TheirAddableDict(b="y"))
    assert (type(made), made) == (AddableDict, {"a": "x", "b": "y"})
    assert type(to_langchain_value(made)) is TheirAddableDict


def test_a_list_that_holds_itself_is_no_trap() -> None:
    loop: list[Any] = [HumanMessage("a")]
    loop.append(loop)
    assert to_langchain_value(loop)[0] == their_messages.HumanMessage("a")


def test_a_class_below_theirs_becomes_that_which_it_is_below() -> None:
    class Answer(their_messages.AIMessage):  # type: ignore[misc]
        mood: str = "fair"

    ours = from_langchain_value(Answer("x", mood="foul"))
    assert type(ours) is AIMessage
    assert (ours.content, ours.mood) == ("x", "foul")  # type: ignore[attr-defined]


def test_a_class_below_ours_becomes_that_which_it_is_below() -> None:
    class Question(HumanMessage):
        urgent: bool = False

    theirs = to_langchain_value([Question("x", urgent=True)])[0]
    assert type(theirs) is their_messages.HumanMessage
    assert (theirs.content, theirs.urgent) == ("x", True)


def test_the_messages_of_a_prompt_value_are_converted() -> None:
    ours = from_langchain_value(TheirPromptValue(messages=[their_messages.HumanMessage("a")]))
    assert ours == ChatPromptValue(messages=[HumanMessage("a")])
    assert all(isinstance(each, BaseMessage) for each in ours.to_messages())


def test_a_chunk_of_theirs_adds_to_one_of_ours_once_it_is_converted() -> None:
    total = HumanMessageChunk("a") + from_langchain_value(their_messages.HumanMessageChunk("b"))
    assert total == HumanMessageChunk("ab")
