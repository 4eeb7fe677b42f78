"""A tool answers a model's call with a message, and anyone else with what its function returned; errors as asked."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from verbs import one_after_another

from anabranch.engine.errors import StepInputError
from anabranch.nodes import BaseTool, StructuredTool, ToolException, ToolMessage, tool


def call(args: dict[str, Any], id: str | None = "c1") -> Any:
    return {"name": "give", "args": args, "id": id, "type": "tool_call"}


@tool
def give(value: Any) -> Any:
    """Give it."""
    return value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner, min_size=1).map(lambda many: [1, *many]),
    max_leaves=5,
)


@given(JSON)
def test_what_json_can_hold_is_json_in_a_message(value: Any) -> None:
    assert give.invoke({"value": value}) == value
    assert json.loads(give.invoke(call({"value": value})).content) == value


BLOCK = {"type": "text", "text": "hi"}


@one_after_another(
    ("value", "content"),
    [
        ("text", "text"),
        ("", ""),
        ([], []),
        (["a", BLOCK], ["a", BLOCK]),
        ([{"type": "image_url", "image_url": {"url": "x"}}], [{"type": "image_url", "image_url": {"url": "x"}}]),
        ([{"type": "unknown"}], '[{"type": "unknown"}]'),
        ({"é": 1}, '{"é": 1}'),
        ((1, "a"), '[1, "a"]'),
        ({1}, "{1}"),
        ({"a": {1}}, "{'a': {1}}"),
        (b"x", "b'x'"),
        (None, "null"),
    ],
)
def test_contents_of_messages(value: Any, content: Any) -> None:
    message = give.invoke(call({"value": value}))
    assert message == ToolMessage(content, name="give", tool_call_id="c1")
    assert message.status == "success"


def test_a_message_of_ones_own_is_the_answer() -> None:
    own = ToolMessage("own", tool_call_id="other")
    assert give.invoke(call({"value": own})) is own
    assert give.invoke(call({"value": [own]})) == [own]
    assert give.invoke({"value": own}) is own


def test_a_call_without_an_id_is_answered_plainly() -> None:
    assert give.invoke(call({"value": 3}, id=None)) == 3
    assert give.run({"value": 3}) == 3
    assert give.run({"value": 3}, tool_call_id="c9").tool_call_id == "c9"
    assert asyncio.run(give.arun({"value": 3}, tool_call_id="c9")).tool_call_id == "c9"


def test_an_artifact_is_for_the_program_alone() -> None:
    @tool(response_format="content_and_artifact")
    def draw(size: int) -> tuple[str, list[int]]:
        """Draw."""
        return f"drawn {size}", [0] * size

    assert draw.invoke({"size": 2}) == "drawn 2"
    message = draw.invoke(call({"size": 2}))
    assert (message.content, message.artifact) == ("drawn 2", [0, 0])

    @tool(response_format="content_and_artifact")
    def wrong() -> str:
        """Forget it."""
        return "alone"

    with pytest.raises(ValueError, match=r"'wrong' has response_format='content_and_artifact'.*got str: 'alone'"):
        wrong.invoke({})


def failing(error: Exception, **kwargs: Any) -> BaseTool:
    def fail(value: int) -> None:
        raise error

    async def afail(value: int) -> None:
        raise error

    return StructuredTool.from_function(fail, afail, name="give", description="D.", **kwargs)


HANDLED = [
    (True, "boom"),
    ("so sorry", "so sorry"),
    (lambda error: f"{type(error).__name__}: {error}", "ToolException: boom"),
]


@pytest.mark.parametrize(("handler", "told"), HANDLED)
def test_a_handled_error_is_an_answer(handler: Any, told: str) -> None:
    made = failing(ToolException("boom"), handle_tool_error=handler)
    expected = ToolMessage(told, name="give", tool_call_id="c1", status="error")
    assert made.invoke({"value": 1}) == asyncio.run(made.ainvoke({"value": 1})) == told
    assert made.invoke(call({"value": 1})) == asyncio.run(made.ainvoke(call({"value": 1}))) == expected


def test_an_error_without_words_is_told_as_such() -> None:
    assert failing(ToolException(), handle_tool_error=True).invoke({"value": 1}) == "Tool execution error"


@pytest.mark.parametrize("handler", [False, None])
def test_an_error_that_is_not_handled_is_raised(handler: Any) -> None:
    error = ToolException("boom")
    made = failing(error, handle_tool_error=handler, handle_validation_error=True)
    with pytest.raises(ToolException) as raised:
        made.invoke(call({"value": 1}))
    assert raised.value is error
    with pytest.raises(ToolException) as raised:
        asyncio.run(made.ainvoke({"value": 1}))
    assert raised.value is error


def test_only_what_a_handler_is_for_is_handled() -> None:
    made = failing(KeyError("other"), handle_tool_error=True, handle_validation_error=True)
    with pytest.raises(KeyError):
        made.invoke(call({"value": 1}))


def test_an_error_of_validation_inside_the_function_is_none_of_its_input() -> None:
    class Inner(BaseModel):
        x: int

    @tool
    def parse(text: str) -> Any:
        """Parse."""
        return Inner.model_validate({"x": text})

    parse.handle_validation_error = True
    with pytest.raises(ValidationError, match="Inner"):
        parse.invoke({"text": "a"})


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (True, "Tool input validation error"),
        ("wrong", "wrong"),
        (lambda error: ",".join(str(each["loc"][0]) for each in error.errors()), "value"),
    ],
)
def test_a_wrong_input_can_be_handled(handler: Any, told: str) -> None:
    made = failing(KeyError(), handle_validation_error=handler)
    assert made.invoke({"value": "x"}) == asyncio.run(made.ainvoke({"value": "x"})) == told
    message = made.invoke(call({}))
    assert (message.content, message.status) == (told, "error")


def test_an_input_of_no_form_can_be_handled_too() -> None:
    made = failing(KeyError(), handle_validation_error=lambda error: type(error).__name__)
    assert made.invoke(3) == StepInputError.__name__  # type: ignore[arg-type]


def test_a_handler_of_no_known_kind_is_told() -> None:
    made = failing(ToolException("boom"))
    made.handle_tool_error = 3.5  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"expected True, a text or a function to handle an error, got 3\.5"):
        made.invoke({"value": 1})
