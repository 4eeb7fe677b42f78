"""Messages as they are told to OpenAI, over real HTTP.

The expected bodies are those that langchain-openai sends for the same messages, unless the test says otherwise.
"""

from __future__ import annotations

from typing import Any

import pytest
from openai_answers import Answer, call
from openai_server import OpenAIServer

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    ChatOpenAI,
    ConfigurableField,
    FunctionMessage,
    HumanMessage,
    OpenAIEmbeddings,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

pytest.importorskip("openai")


def model_of(server: OpenAIServer, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(**{"model": "small", "base_url": server.base_url, "api_key": "sk-test", **settings})


def told(server: OpenAIServer, *messages: Any) -> list[Any]:
    model_of(server).invoke(list(messages))
    said: list[Any] = server.requests[-1]["messages"]
    return said


CALL: Any = {"name": "add", "args": {"a": 1, "ü": "é"}, "id": "c1", "type": "tool_call"}
BAD_CALL: Any = {"name": "x", "args": "{bad", "id": "c2", "error": "no JSON", "type": "invalid_tool_call"}
TOLD_CALL = {"id": "k", "type": "function", "function": {"name": "f", "arguments": "{}"}}

MESSAGES: list[tuple[Any, dict[str, Any]]] = [
    (SystemMessage("s", name="sn"), {"role": "system", "content": "s", "name": "sn"}),
    ({"role": "developer", "content": "d"}, {"role": "developer", "content": "d"}),
    (HumanMessage("h", name="Ada"), {"role": "user", "content": "h", "name": "Ada"}),
    (HumanMessage("h", additional_kwargs={"foo": 1}), {"role": "user", "content": "h"}),
    (AIMessage("a", name="bot"), {"role": "assistant", "content": "a", "name": "bot"}),
    (AIMessage("a", additional_kwargs={"foo": 1}), {"role": "assistant", "content": "a"}),
    (AIMessageChunk("a"), {"role": "assistant", "content": "a"}),
    (
        AIMessage("", tool_calls=[CALL], invalid_tool_calls=[BAD_CALL]),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"type": "function", "id": "c1", "function": {"name": "add", "arguments": '{"a": 1, "ü": "é"}'}},
                {"type": "function", "id": "c2", "function": {"name": "x", "arguments": "{bad"}},
            ],
        },
    ),
    (
        AIMessage("", additional_kwargs={"tool_calls": [TOLD_CALL]}),
        {"role": "assistant", "content": None, "tool_calls": [TOLD_CALL]},
    ),
    (
        AIMessage("x", additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}}),
        {"role": "assistant", "content": "x", "function_call": {"name": "f", "arguments": "{}"}},
    ),
    (
        ToolMessage("3", tool_call_id="c1", name="add", status="error", artifact=5),
        {"role": "tool", "content": "3", "tool_call_id": "c1"},
    ),
    (FunctionMessage("f", name="fn"), {"role": "function", "content": "f", "name": "fn"}),
    (ChatMessage("c", role="critic"), {"role": "critic", "content": "c"}),
]


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_each_message_has_its_form(server: OpenAIServer, message: Any, expected: dict[str, Any]) -> None:
    assert told(server, message) == [expected]


def test_a_refusal_is_told_again(server: OpenAIServer) -> None:
    """There it is lost."""
    message = AIMessage("", additional_kwargs={"refusal": "no"})
    assert told(server, message) == [{"role": "assistant", "content": "", "refusal": "no"}]


def test_a_message_without_a_role_is_an_error(server: OpenAIServer) -> None:
    with pytest.raises(TypeError, match="RemoveMessage has no role"):
        told(server, RemoveMessage("1"))


@pytest.mark.parametrize(("model", "role"), [("o1", "developer"), ("o3-mini", "developer"), ("gpt-4o", "system")])
def test_reasoning_models_are_told_by_the_developer(server: OpenAIServer, model: str, role: str) -> None:
    model_of(server, model=model).invoke([("system", "s")])
    assert server.requests[0]["messages"] == [{"role": role, "content": "s"}]


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
LINKED = {"type": "image_url", "image_url": {"url": "http://x/y.png"}}
PDF = {"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"}}
STORED = {"type": "file", "file": {"file_id": "f1"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}
DATA = {"base64": "QUJD", "mime_type": "image/png"}

BLOCKS: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({"type": "text", "text": "t"}, {"type": "text", "text": "t"}),
    (LINKED, LINKED),
    ({"type": "image", "url": "http://x/y.png"}, LINKED),
    ({"type": "image", "source_type": "url", "url": "http://x/y.png"}, LINKED),
    ({"type": "image", **DATA}, IMAGE),
    ({"type": "image", "source_type": "base64", "data": "QUJD", "mime_type": "image/png"}, IMAGE),
    ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}, IMAGE),
    ({"type": "file", "base64": "QUJD", "mime_type": "application/pdf", "filename": "a.pdf"}, PDF),
    (PDF, PDF),
    ({"type": "file", "file_id": "f1"}, STORED),
    ({"type": "file", "source_type": "id", "id": "f1"}, STORED),
    ({"type": "audio", "base64": "QUJD", "mime_type": "audio/wav"}, SOUND),
    (SOUND, SOUND),
    ({"type": "foo", "x": 1}, {"type": "foo", "x": 1}),
    ({"type": "tool_use", "id": "1", "name": "f", "input": {}}, None),
    ({"type": "thinking", "thinking": "hm"}, None),
]


@pytest.mark.parametrize(("block", "expected"), BLOCKS)
@pytest.mark.parametrize("kind", [HumanMessage, AIMessage, SystemMessage])
def test_each_block_has_its_form(server: OpenAIServer, kind: Any, block: Any, expected: dict[str, Any] | None) -> None:
    text = {"type": "text", "text": "u"}
    said = told(server, kind([text, block]))[0]["content"]
    assert said == ([text] if expected is None else [text, expected])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (["a", {"type": "text", "text": "b"}], [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        ([{"type": "image_url", "image_url": "http://x/y.png"}], [LINKED]),
        (
            [{"type": "file", "base64": "QUJD", "mime_type": "application/pdf"}],
            [{"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "file.pdf"}}],
        ),
    ],
)
def test_what_the_api_would_not_take_is_put_right(server: OpenAIServer, content: Any, expected: Any) -> None:
    """There the first two are told as they are, and the file without a name is called LC_AUTOGENERATED."""
    assert told(server, HumanMessage(content))[0]["content"] == expected


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image"},
        {"type": "image", "base64": "QUJD"},
        {"type": "image", "file_id": "f1"},
        {"type": "file", "url": "http://x/a.pdf"},
        {"type": "audio", "url": "http://x/a.wav"},
    ],
)
def test_a_block_that_can_not_be_told_is_an_error_that_says_why(server: OpenAIServer, block: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"a block of type '{block['type']}' can't be told to OpenAI: .* needs"):
        told(server, HumanMessage([block]))


def test_what_the_model_said_can_be_told_again(server: OpenAIServer) -> None:
    said = {"content": "Let me see.", "tool_calls": [call(1, "add", '{"a": 1}')]}
    server.answer = Answer(said)
    model = model_of(server)
    answers = [model.invoke("?"), sum_of(list(model.stream("?")))]
    for answer in answers:
        assert told(server, answer) == [{"role": "assistant", **said}]


def sum_of(chunks: list[Any]) -> Any:
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


# Requests


def test_the_request_says_what_was_set(server: OpenAIServer) -> None:
    model = model_of(
        server,
        temperature=0.1,
        max_tokens=5,
        top_p=0.5,
        n=1,
        seed=3,
        stop=["x"],
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logit_bias={5: 1},
        reasoning_effort="low",
        verbosity="low",
        service_tier="auto",
        store=True,
        model_kwargs={"user": "u"},
        extra_body={"top_k": 1},
        organization="org",
        default_headers={"X-Asked-By": "tests"},
        default_query={"q": "1"},
    )
    expected = {
        "model": "small",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.1,
        "max_completion_tokens": 5,
        "top_p": 0.5,
        "n": 1,
        "seed": 3,
        "stop": ["x"],
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "logit_bias": {"5": 1},
        "reasoning_effort": "low",
        "verbosity": "low",
        "service_tier": "auto",
        "store": True,
        "user": "u",
        "top_k": 1,
    }
    model.invoke("hi")
    list(model.stream("hi"))
    assert server.requests == [expected, {**expected, "stream": True}]
    assert server.paths == ["/v1/chat/completions?q=1"] * 2
    headers = server.headers[0]
    assert headers["authorization"] == "Bearer sk-test"
    assert headers["openai-organization"] == "org"
    assert headers["x-asked-by"] == "tests"


@pytest.mark.parametrize(
    ("settings", "options", "expected"),
    [
        ({}, {}, {}),
        ({"max_completion_tokens": 7}, {}, {"max_completion_tokens": 7}),
        ({}, {"max_tokens": 3}, {"max_completion_tokens": 3}),
        ({"max_tokens": 7}, {"max_completion_tokens": 3}, {"max_completion_tokens": 3}),
        ({"stop": "a"}, {"stop": ["b"]}, {"stop": ["b"]}),
        ({"stop_sequences": ["q"]}, {}, {"stop": ["q"]}),
        ({"temperature": 0}, {}, {"temperature": 0}),
        ({"model_kwargs": {"user": "u"}}, {"user": "v"}, {"user": "v"}),
    ],
)  # fmt: skip
def test_what_is_said_with_a_call_goes_before_what_was_set(
    server: OpenAIServer, settings: dict[str, Any], options: dict[str, Any], expected: dict[str, Any]
) -> None:
    model_of(server, **settings).bind(**options).invoke("hi")
    model_of(server, **settings).invoke("hi", **options)
    body = {"model": "small", "messages": [{"role": "user", "content": "hi"}], **expected}
    assert server.requests == [body, body]


ASKED = {"include_usage": True}


@pytest.mark.parametrize(
    ("settings", "options", "expected"),
    [
        ({}, {}, None),
        ({"stream_usage": True}, {}, ASKED),
        ({"stream_usage": True}, {"stream_usage": False}, None),
        ({}, {"stream_usage": True}, ASKED),
        ({}, {"stream_options": ASKED}, ASKED),
    ],
)
def test_the_cost_of_a_stream_is_asked_for_if_wanted(
    server: OpenAIServer, settings: dict[str, Any], options: dict[str, Any], expected: Any
) -> None:
    list(model_of(server, **settings).stream("hi", **options))
    assert server.requests[0].get("stream_options") == expected


def test_the_cost_of_a_stream_is_asked_of_openai_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    request = ChatOpenAI(model="small", api_key="sk-test")._request([], None, {}, is_streamed=True)
    assert request["stream_options"] == ASKED


def test_other_names_of_the_settings_are_known(server: OpenAIServer) -> None:
    names: dict[str, Any] = {
        "model_name": "large",
        "openai_api_base": server.base_url,
        "openai_api_key": "sk-other",
        "openai_organization": "org",
        "request_timeout": 5,
    }
    model = ChatOpenAI(**names)
    model.invoke("hi")
    assert server.requests[0]["model"] == model.model == model.model_name == "large"
    assert server.headers[0]["authorization"] == "Bearer sk-other"
    assert server.headers[0]["openai-organization"] == "org"
    assert model.request_timeout == 5


def test_parameters_of_the_sdk_may_be_given_as_settings(server: OpenAIServer) -> None:
    settings: dict[str, Any] = {"user": "u", "metadata": {"run": "1"}, "tiktoken_model_name": "x", "streaming": False}
    model = model_of(server, **settings, use_responses_api=None, model_kwargs={"prompt_cache_key": "k"})
    assert model.model_kwargs == {"prompt_cache_key": "k", "user": "u"}
    model.invoke("hi")
    assert server.requests[0].keys() == {"model", "messages", "user", "prompt_cache_key"}


def test_a_setting_that_nobody_knows_is_an_error(server: OpenAIServer) -> None:
    """There it is an error of each call."""
    with pytest.raises(ValueError, match=r"no setting 'temprature'; did you mean 'temperature'\? .* extra_body"):
        model_of(server, temprature=1)
    settings: dict[str, Any] = {"api_key": "sk-test", "chunk": 5}
    with pytest.raises(ValueError, match="no setting 'chunk'; did you mean 'chunk_size'"):
        OpenAIEmbeddings(**settings)


def test_a_setting_may_be_left_to_config(server: OpenAIServer) -> None:
    field = ConfigurableField(id="which")
    model = model_of(server).configurable_fields(model_name=field)
    model.invoke("hi", {"configurable": {"which": "large"}})
    model.invoke("hi")
    assert [request["model"] for request in server.requests] == ["large", "small"]
    assert server.headers[0]["authorization"] == "Bearer sk-test"


def test_a_parameter_that_the_sdk_does_not_know_is_an_error(server: OpenAIServer) -> None:
    with pytest.raises(TypeError, match="temprature"):
        model_of(server).invoke("hi", temprature=1)
    assert server.requests == []
