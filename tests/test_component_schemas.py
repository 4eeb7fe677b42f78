"""The schemas of prompts, models and chains of them hold what LangChain's documentation prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    ChatOpenAI,
    ChatPromptTemplate,
    HumanMessage,
    Runnable,
    StrOutputParser,
    ToolMessage,
    tool_call,
)

GOLDEN = Path(__file__).parent / "golden"

prompt = ChatPromptTemplate.from_template("tell me a joke about {topic}")
model = ChatOpenAI(api_key="sk-none")


def known(name: str) -> Any:
    """A printed schema, with definitions where they stand now."""
    text = (GOLDEN / f"schema_{name}.json").read_text(encoding="utf-8")
    return json.loads(text.replace("#/definitions/", "#/$defs/").replace('"definitions"', '"$defs"'))


def lacks(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Where our schema doesn't hold what theirs does. It may hold more."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        missing = [f"{where}/{key}" for key in theirs if key not in ours]
        return missing + [
            each for key in theirs if key in ours for each in lacks(ours[key], theirs[key], f"{where}/{key}")
        ]
    if isinstance(theirs, list) and isinstance(ours, list):
        lost = [place for place, item in enumerate(theirs) if all(lacks(each, item) for each in ours)]
        return [f"{where}/{place}" for place in lost]
    return [] if ours == theirs else [f"{where}: {ours!r} for {theirs!r}"]


@pytest.mark.parametrize(
    ("runnable", "name"),
    [(prompt, "prompt_input"), (prompt | model, "prompt_input"), (model, "chat_model_input")],
)
def test_an_input_schema_holds_what_is_printed(runnable: Runnable[Any, Any], name: str) -> None:
    assert lacks(runnable.input_schema.model_json_schema(), known(name)) == []


@pytest.mark.parametrize("runnable", [model, prompt | model])
def test_an_output_schema_holds_what_is_printed(runnable: Runnable[Any, Any]) -> None:
    assert lacks(runnable.output_schema.model_json_schema(), known("chat_model_output")) == []


def test_what_is_required_is_what_was_required() -> None:
    ours = model.output_schema.model_json_schema()["$defs"]
    for name, theirs in known("chat_model_output")["$defs"].items():
        assert set(ours[name]["required"]) == set(theirs["required"]), name


def test_a_schema_says_what_a_class_is_and_leaves_out_arguments_and_examples() -> None:
    said = [each["description"] for each in model.input_schema.model_json_schema()["$defs"].values()]
    assert [text for text in said if "\n\n" in text or not text] == []


def test_the_comparison_sees_what_is_missing() -> None:
    theirs = known("chat_model_output")
    ours = model.output_schema.model_json_schema()
    del ours["$defs"]["AIMessage"]["properties"]["example"]
    ours["$defs"]["ChatMessage"]["required"] = ["content"]
    assert lacks(ours, theirs) == ["/$defs/AIMessage/properties/example", "/$defs/ChatMessage/required/1"]


def test_a_chain_ends_with_the_schema_of_its_last_step() -> None:
    assert (prompt | model | StrOutputParser()).output_schema.model_json_schema() == {
        "title": "StrOutputParserOutput",
        "type": "string",
    }


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("a"),
        AIMessage("a", tool_calls=[tool_call(name="f", args={"a": 1}, id="1")]),
        AIMessageChunk("a", chunk_position="last"),
        ToolMessage("a", tool_call_id="1", status="error"),
    ],
)
def test_a_message_in_json_is_one_of_its_class(message: Any) -> None:
    anything: TypeAdapter[Any] = TypeAdapter(AnyMessage)
    assert anything.validate_json(message.model_dump_json()) == message
    assert anything.validate_python(message) is message
    asked: Any = model.input_schema.model_validate([message.model_dump()])
    assert asked.model_dump() == [message.model_dump()]


def test_json_that_is_no_message_is_one_error_that_names_the_types() -> None:
    anything: TypeAdapter[Any] = TypeAdapter(AnyMessage)
    with pytest.raises(ValidationError, match=r"(?s)1 validation error.*'bear'.*'human'"):
        anything.validate_python({"type": "bear", "content": "a"})
    with pytest.raises(ValidationError, match=r"(?s)1 validation error.*chat\.role"):
        anything.validate_python({"type": "chat", "content": "a"})
