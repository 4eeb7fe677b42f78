"""An example of a tool call is a chat that a model could have had."""

import json

import pytest
from pydantic import BaseModel

from anabranch.nodes import AIMessage, HumanMessage, ToolMessage, tool_example_to_messages


class Person(BaseModel):
    name: str
    height: int | None = None


def test_an_example_has_each_call_and_its_answer() -> None:
    asked, called, *answers = tool_example_to_messages("who?", [Person(name="Ada"), Person(name="Bob", height=3)])
    assert asked == HumanMessage("who?")
    assert isinstance(called, AIMessage)
    assert [call["args"] for call in called.tool_calls] == [
        {"name": "Ada", "height": None},
        {"name": "Bob", "height": 3},
    ]
    assert [json.loads(each["function"]["arguments"]) for each in called.additional_kwargs["tool_calls"]] == [
        call["args"] for call in called.tool_calls
    ]
    ids = [call["id"] for call in called.tool_calls]
    assert [each.tool_call_id for each in answers if isinstance(each, ToolMessage)] == ids
    assert len(set(ids)) == 2


def test_outputs_and_a_last_word_may_be_given() -> None:
    messages = tool_example_to_messages("who?", [Person(name="Ada")], ["found"], ai_response="Ada it is.")
    assert [each.text for each in messages] == ["who?", "", "found", "Ada it is."]
    with pytest.raises(ValueError, match="got 2 and 1"):
        tool_example_to_messages("who?", [Person(name="Ada")], ["found", "too much"])
