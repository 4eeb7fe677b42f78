"""Tools and structured answers of `ChatOpenAI`: what is asked, and what becomes of the answer.

The expected requests are those that langchain-openai sends for the same arguments, unless the test says otherwise.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai_answers import Answer, call
from openai_server import OpenAIServer
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from anabranch.engine.chunks import fold
from anabranch.nodes import AIMessage, ChatOpenAI, HumanMessage, OutputParserException, ToolMessage, tool

pytest.importorskip("openai")


@pytest.fixture
def model(server: OpenAIServer) -> ChatOpenAI:
    return ChatOpenAI(model="small", base_url=server.base_url, api_key="sk-test")


def add(a: int, b: int) -> int:
    """Add two."""
    return a + b


class Joke(BaseModel):
    """A joke."""

    setup: str = Field(description="the setup")
    score: int | None = None


class Pun(TypedDict):
    """A pun."""

    setup: str


SCHEMA = {
    "title": "joke",
    "description": "A joke.",
    "type": "object",
    "properties": {"setup": {"type": "string"}},
    "required": ["setup"],
}

ADD = {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"], "type": "object"}
ADD_TOOL = {"type": "function", "function": {"name": "add", "description": "Add two.", "parameters": ADD}}
JOKE = {
    "properties": {
        "setup": {"description": "the setup", "type": "string"},
        "score": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    },
    "required": ["setup"],
    "type": "object",
}
SETUP = {"type": "object", "properties": {"setup": {"type": "string"}}, "required": ["setup"]}
THE_ADD = {"type": "function", "function": {"name": "add"}}


def asked(server: OpenAIServer) -> dict[str, Any]:
    """The last request, without what all have."""
    return {name: value for name, value in server.requests[-1].items() if name not in ("model", "messages")}


STRICT_ADD = {
    **ADD_TOOL,
    "function": {
        **ADD_TOOL["function"],  # type: ignore[dict-item]
        "parameters": {**ADD, "additionalProperties": False},
        "strict": True,
    },
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"tools": [ADD_TOOL]}),
        ({"tool_choice": "add"}, {"tools": [ADD_TOOL], "tool_choice": THE_ADD}),
        ({"tool_choice": THE_ADD}, {"tools": [ADD_TOOL], "tool_choice": THE_ADD}),
        ({"tool_choice": "auto"}, {"tools": [ADD_TOOL], "tool_choice": "auto"}),
        ({"tool_choice": "none"}, {"tools": [ADD_TOOL], "tool_choice": "none"}),
        ({"tool_choice": "any"}, {"tools": [ADD_TOOL], "tool_choice": "required"}),
        ({"tool_choice": "required"}, {"tools": [ADD_TOOL], "tool_choice": "required"}),
        ({"tool_choice": True}, {"tools": [ADD_TOOL], "tool_choice": "required"}),
        ({"tool_choice": False}, {"tools": [ADD_TOOL]}),
        ({"strict": True}, {"tools": [STRICT_ADD]}),
        ({"parallel_tool_calls": False}, {"tools": [ADD_TOOL], "parallel_tool_calls": False}),
        ({"user": "u"}, {"tools": [ADD_TOOL], "user": "u"}),
    ],
)
def test_tools_are_told_and_chosen(
    server: OpenAIServer, model: ChatOpenAI, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    model.bind_tools([add], **options).invoke("Add")
    assert asked(server) == expected


def test_tools_come_in_many_forms(server: OpenAIServer, model: ChatOpenAI) -> None:
    wrapped = {"type": "function", "function": {"name": "z"}}
    model.bind_tools([tool(add), Joke, Pun, SCHEMA, wrapped]).invoke("Add")
    told = [each["function"] for each in asked(server)["tools"]]
    assert [each["name"] for each in told] == ["add", "Joke", "Pun", "joke", "z"]
    assert [each.get("parameters") for each in told] == [ADD, JOKE, SETUP, SETUP, None]


def test_no_tools_are_not_told(server: OpenAIServer, model: ChatOpenAI) -> None:
    """There the request says `[]`, which OpenAI refuses."""
    model.bind_tools([]).invoke("Add")
    assert asked(server) == {}


@pytest.mark.parametrize("choice", ["nosuch", {"type": "function", "function": {"name": "nosuch"}}])
def test_a_choice_of_no_tool_is_an_error(model: ChatOpenAI, choice: Any) -> None:
    """There the request says it."""
    with pytest.raises(ValueError, match="tool_choice names 'nosuch', but the tools are add"):
        model.bind_tools([add], tool_choice=choice)


def test_a_tool_calling_loop_comes_to_its_end(server: OpenAIServer, model: ChatOpenAI) -> None:
    adding = tool(add)
    messages: list[Any] = [HumanMessage("How much is 1 + 2?")]
    server.answer = Answer({"content": None, "tool_calls": [call(1, "add", '{"a": 1, "b": 2}')]}, reason="tool_calls")
    bound = model.bind_tools([adding])
    answer = bound.invoke(messages)
    messages.append(answer)
    messages += [adding.invoke(each) for each in answer.tool_calls]
    assert isinstance(messages[-1], ToolMessage)
    server.answer = Answer({"content": "3"})
    assert bound.invoke(messages).content == "3"
    assert server.requests[-1]["messages"] == [
        {"role": "user", "content": "How much is 1 + 2?"},
        {"role": "assistant", "content": None, "tool_calls": [call(1, "add", '{"a": 1, "b": 2}')]},
        {"role": "tool", "content": "3", "tool_call_id": "call_1"},
    ]


# Structured answers

STRICT_JOKE = {
    "title": "Joke",
    "description": "A joke.",
    "type": "object",
    "properties": {
        "setup": {"title": "Setup", "description": "the setup", "type": "string"},
        "score": {"title": "Score", "anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["setup", "score"],
    "additionalProperties": False,
}


def json_schema(**said: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": said}}


def function(name: str, description: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "tools": [
            {
                "type": "function",
                "function": {"name": name, "description": description, "parameters": parameters, **more},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": name}},
        "parallel_tool_calls": False,
    }


JSON_MODE = {"response_format": {"type": "json_object"}}
STRICT_SETUP = {**SETUP, "additionalProperties": False}

FORMATS: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (Joke, {}, json_schema(name="Joke", strict=True, schema=STRICT_JOKE)),
    (Joke, {"strict": True}, json_schema(name="Joke", strict=True, schema=STRICT_JOKE)),
    (Joke, {"method": "function_calling"}, function("Joke", "A joke.", JOKE)),
    (Joke, {"method": "function_calling", "strict": False}, function("Joke", "A joke.", JOKE, strict=False)),
    (Joke, {"method": "json_mode"}, JSON_MODE),
    (Pun, {}, json_schema(name="Pun", description="A pun.", strict=False, schema=SETUP)),
    (Pun, {"strict": True}, json_schema(name="Pun", description="A pun.", strict=True, schema=STRICT_SETUP)),
    (Pun, {"method": "function_calling"}, function("Pun", "A pun.", SETUP)),
    (Pun, {"method": "json_mode"}, JSON_MODE),
    (SCHEMA, {}, json_schema(name="joke", description="A joke.", strict=False, schema=SETUP)),
    (SCHEMA, {"method": "function_calling"}, function("joke", "A joke.", SETUP)),
    (None, {"method": "json_mode"}, JSON_MODE),
]


@pytest.mark.parametrize(("schema", "options", "expected"), FORMATS)
def test_structured_answers_are_asked_for_and_read(
    server: OpenAIServer, model: ChatOpenAI, schema: Any, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    name = getattr(schema, "__name__", "joke")
    text = '{"setup": "Why?"}'
    calls = options.get("method") == "function_calling"
    server.answer = Answer({"content": None, "tool_calls": [call(1, name, text)]} if calls else {"content": text})
    structured = model.with_structured_output(schema, **options)
    value = Joke(setup="Why?") if schema is Joke else {"setup": "Why?"}

    async def astreamed() -> Any:
        return fold([chunk async for chunk in structured.astream("A joke")])

    assert structured.invoke("A joke") == value
    assert asked(server) == expected
    assert fold(structured.stream("A joke")) == value
    assert asked(server) == {**expected, "stream": True}
    assert asyncio.run(structured.ainvoke("A joke")) == value
    assert asyncio.run(astreamed()) == value


def test_structured_dicts_grow_as_they_stream(server: OpenAIServer, model: ChatOpenAI) -> None:
    server.answer = Answer({"content": '{"setup": "Why so blue?"}'})
    values = list(model.with_structured_output(Pun).stream("A pun"))
    assert values[0] == {}
    assert values[-1] == {"setup": "Why so blue?"}
    assert len(values) > 3


def test_not_strict_is_not_strict(server: OpenAIServer, model: ChatOpenAI) -> None:
    """There a pydantic class is always strict."""
    server.answer = Answer({"content": '{"setup": "Why?"}'})
    assert model.with_structured_output(Joke, strict=False).invoke("A joke") == Joke(setup="Why?")
    assert asked(server) == json_schema(name="Joke", description="A joke.", strict=False, schema=JOKE)


def test_a_bound_format_may_be_a_class(server: OpenAIServer, model: ChatOpenAI) -> None:
    server.answer = Answer({"content": '{"setup": "Why?"}'})
    model.bind(response_format=Joke).invoke("A joke")
    assert asked(server) == json_schema(name="Joke", strict=True, schema=STRICT_JOKE)


METHODS: list[Any] = ["json_schema", "function_calling", "json_mode"]
WRONG: dict[str, tuple[Answer, str]] = {
    "refused": (Answer({"content": None, "refusal": "I will not"}), "refused to answer: I will not"),
    "cut off": (Answer({"content": '{"setup": "Wh'}, reason="length"), "no tokens left"),
    "filtered": (Answer({"content": '{"setup": "Wh'}, reason="content_filter"), "content filter"),
    "of another schema": (Answer({"content": '{"score": 5}', "tool_calls": [call(1, "Joke", '{"score": 5}')]}), "set"),
    "no JSON": (Answer({"content": "not", "tool_calls": [call(1, "Joke", "not")]}), "JSON"),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("answer", "match"), WRONG.values(), ids=WRONG)
def test_an_answer_that_is_no_value_of_the_schema_is_an_error(
    server: OpenAIServer, model: ChatOpenAI, method: Any, answer: Answer, match: str
) -> None:
    server.answer = answer
    structured = model.with_structured_output(Joke, method=method)
    with pytest.raises(OutputParserException, match=match):
        structured.invoke("A joke")
    with pytest.raises(OutputParserException, match=match):
        list(structured.stream("A joke"))

    async def read() -> None:
        async for _ in structured.astream("A joke"):
            pass

    with pytest.raises(OutputParserException, match=match):
        asyncio.run(read())
    raw = model.with_structured_output(Joke, method=method, include_raw=True).invoke("A joke")
    assert isinstance(raw["raw"], AIMessage)
    assert raw["parsed"] is None
    assert isinstance(raw["parsing_error"], OutputParserException)


@pytest.mark.parametrize("method", METHODS)
def test_the_raw_answer_can_be_had_too(server: OpenAIServer, model: ChatOpenAI, method: Any) -> None:
    text = '{"setup": "Why?"}'
    server.answer = Answer({"content": text, "tool_calls": [call(1, "Joke", text)]})
    raw = model.with_structured_output(Joke, method=method, include_raw=True).invoke("A joke")
    assert raw["raw"].content == text
    assert raw["parsed"] == Joke(setup="Why?")
    assert raw["parsing_error"] is None


@pytest.mark.parametrize(
    ("schema", "options", "match"),
    [
        (Joke, {"method": "nosuch"}, "method is one of"),
        (None, {}, "needs a schema"),
        (Joke, {"method": "json_mode", "strict": True}, "strict"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    model: ChatOpenAI, schema: Any, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        model.with_structured_output(schema, **options)


def test_what_is_no_schema_is_refused(model: ChatOpenAI) -> None:
    with pytest.raises(TypeError):
        model.with_structured_output(5)


def test_the_output_type_is_known_to_the_chain(model: ChatOpenAI) -> None:
    assert model.with_structured_output(Joke).OutputType is Joke
