"""What `ChatOpenAI` promises, held against the real client over real HTTP."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from openai_answers import USAGE, Answer, call
from openai_server import OpenAIServer, refusing

from anabranch.engine.chunks import fold
from anabranch.nodes.callbacks.handlers import BaseCallbackHandler
from anabranch.nodes.messages.messages import AIMessage, HumanMessage
from anabranch.nodes.models.caches import InMemoryCache
from anabranch.nodes.openai.models import ChatOpenAI
from anabranch.nodes.parsers.parsers import StrOutputParser
from anabranch.nodes.prompts.chat_prompts import ChatPromptTemplate

openai = pytest.importorskip("openai")

TEXT = "Bears like honey."
FACTS = {
    "model_provider": "openai",
    "model_name": "small-2024",
    "id": "chatcmpl-1",
    "system_fingerprint": "fp_1",
    "service_tier": "default",
    "finish_reason": "stop",
}


@pytest.fixture
def model(server: OpenAIServer) -> ChatOpenAI:
    return model_of(server)


def model_of(server: OpenAIServer, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(**{"model": "small", "base_url": server.base_url, "api_key": "sk-test", **settings})


async def read_all(model: Any, input: Any = "What?", **kwargs: Any) -> list[Any]:
    return [chunk async for chunk in model.astream(input, **kwargs)]


def test_it_answers_whole(model: ChatOpenAI) -> None:
    answer = model.invoke("What do bears like?")
    assert type(answer) is AIMessage
    assert answer.content == TEXT
    assert answer.response_metadata == {**FACTS, "token_usage": USAGE}
    assert answer.usage_metadata == {
        "input_tokens": 7,
        "output_tokens": 5,
        "total_tokens": 12,
        "input_token_details": {"audio": 0, "cache_read": 3},
        "output_token_details": {"audio": 0, "reasoning": 2},
    }
    assert answer.id is not None
    assert answer.id.startswith("run-")


def test_it_answers_in_chunks_as_the_server_sends_them(model: ChatOpenAI) -> None:
    chunks = list(model.stream("What do bears like?"))
    assert [chunk.content for chunk in chunks] == ["", "Bears", " like", " honey.", ""]
    assert len({chunk.id for chunk in chunks}) == 1
    assert [getattr(chunk, "chunk_position", ...) for chunk in chunks] == [None] * 4 + ["last"]
    assert fold(chunks).response_metadata == FACTS


ANSWERS = {
    "text": Answer({"content": TEXT}),
    "nothing": Answer({"content": ""}),
    "refusal": Answer({"content": None, "refusal": "I will not say"}),
    "calls": Answer(
        {"content": None, "tool_calls": [call(1, "add", '{"a": 1, "b": [2]}'), call(2, "now", "{}")]},
        reason="tool_calls",
    ),
    "calls and text": Answer({"content": "Let me see.", "tool_calls": [call(1, "add", '{"a": "ü"}')]}),
    "a call that can't be read": Answer({"content": None, "tool_calls": [call(1, "add", '{"a": 1,')]}),
    "a call without arguments": Answer({"content": None, "tool_calls": [call(1, "now", "")]}),
    "cut off": Answer({"content": "Bears"}, reason="length"),
    "lines": Answer({"content": "one\u2028two\x85three\r\n\tfour \U0001f43b"}),
    "vendor's own": Answer({"content": TEXT, "reasoning_content": "hm"}),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("counts", [True, False])
def test_all_verbs_give_the_same_answer(server: OpenAIServer, answer: Answer, counts: bool) -> None:
    server.answer = answer
    model = model_of(server, stream_usage=counts)
    whole = model.invoke("What?")
    streamed = model_of(server, streaming=True, stream_usage=counts)
    others = [
        fold(model.stream("What?")),
        asyncio.run(model.ainvoke("What?")),
        fold(asyncio.run(read_all(model))),
        streamed.invoke("What?"),
        asyncio.run(streamed.ainvoke("What?")),
    ]
    assert [said(other, counts) for other in others] == [said(whole, counts)] * 5
    assert whole.text == (answer.message["content"] or "")


def said(message: Any, counts: bool) -> dict[str, Any]:
    """What a message and the sum of its chunks have in common: with usage only if it was asked for."""
    fields = ("content", "additional_kwargs", "tool_calls", "invalid_tool_calls")
    metadata = {name: value for name, value in message.response_metadata.items() if counts or name != "token_usage"}
    usage = message.usage_metadata if counts else None
    return {**{name: getattr(message, name) for name in fields}, "metadata": metadata, "usage": usage}


def test_a_streamed_tool_call_comes_piece_by_piece(server: OpenAIServer) -> None:
    server.answer = ANSWERS["calls"]
    chunks: list[Any] = list(model_of(server).stream("Add"))
    pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
    assert [piece["name"] for piece in pieces if piece["name"]] == ["add", "now"]
    assert "".join(piece["args"] for piece in pieces if piece["index"] == 0) == '{"a": 1, "b": [2]}'
    assert fold(chunks).tool_calls == [
        {"name": "add", "args": {"a": 1, "b": [2]}, "id": "call_1", "type": "tool_call"},
        {"name": "now", "args": {}, "id": "call_2", "type": "tool_call"},
    ]


def test_how_likely_tokens_were_is_told_for_each(server: OpenAIServer) -> None:
    token = {"token": "A", "logprob": -0.5, "bytes": [65], "top_logprobs": []}
    server.answer = Answer({"content": "A b"}, logprobs={"content": [token], "refusal": None})
    model = model_of(server, logprobs=True, top_logprobs=2)
    assert model.invoke("What?").response_metadata["logprobs"] == {"content": [token], "refusal": None}
    assert fold(model.stream("What?")).response_metadata["logprobs"] == {"content": [token, token], "refusal": None}
    assert server.requests[0]["top_logprobs"] == 2


def test_of_several_answers_the_first_is_the_output(server: OpenAIServer) -> None:
    server.answer = Answer({"content": "yes"}, others=({"content": "no"}, {"content": "well"}))
    model = model_of(server, n=3)
    assert model.invoke("Well?").content == "yes"
    assert fold(model.stream("Well?")).content == "yes"
    assert [each.text for each in model._generate([]).generations] == ["yes", "no", "well"]
    with pytest.raises(ValueError, match="n must be 1"):
        model_of(server, n=3, streaming=True)


def test_many_questions_at_once_tell_what_they_cost_together(model: ChatOpenAI) -> None:
    result = model.generate([[HumanMessage("a")], [HumanMessage("b")]])
    assert [[each.text for each in answers] for answers in result.generations] == [[TEXT], [TEXT]]
    assert result.llm_output is not None
    assert result.llm_output["model_name"] == "small"
    assert result.llm_output["token_usage"]["total_tokens"] == 24
    assert result.llm_output["token_usage"]["prompt_tokens_details"]["cached_tokens"] == 6


def test_models_that_ask_alike_share_a_cache(server: OpenAIServer) -> None:
    cache = InMemoryCache()
    for settings in ({}, {"api_key": "sk-other", "timeout": 9, "max_retries": 1}, {"temperature": 1}):
        model = model_of(server, cache=cache, **settings)
        assert model.invoke("What?").content == TEXT
        assert fold(model.stream("What?")).content == TEXT
    assert len(server.requests) == 2


def test_one_model_serves_one_loop_after_the_other(model: ChatOpenAI) -> None:
    async def main() -> list[str]:
        return [answer.text for answer in await model.abatch(["a", "b", "c"])]

    assert [asyncio.run(main()) for _ in range(3)] == [[TEXT] * 3] * 3


def test_one_model_serves_loops_and_threads_at_the_same_time(model: ChatOpenAI) -> None:
    answers: list[str] = []

    def on_a_loop() -> None:
        answers.extend(answer.text for answer in asyncio.run(model.abatch(["a"] * 3)))

    def in_a_thread() -> None:
        answers.extend(answer.text for answer in model.batch(["a"] * 3))

    threads = [threading.Thread(target=target) for target in (on_a_loop, in_a_thread) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [TEXT] * 18


def test_threads_share_connections(server: OpenAIServer, model: ChatOpenAI) -> None:
    for _ in range(5):
        model.invoke("What?")
    assert server.connections == 1


def test_calls_on_a_loop_share_connections_whichever_model_makes_them(server: OpenAIServer, model: ChatOpenAI) -> None:
    async def ask() -> None:
        for each in (model, model, model_of(server, temperature=0), model.with_retry()):
            await each.ainvoke("What?")

    asyncio.run(ask())
    assert server.connections == 1
    asyncio.run(ask())
    assert server.connections == 2


def test_in_a_chain_its_chunks_flow_through(model: ChatOpenAI) -> None:
    chain = ChatPromptTemplate.from_template("What do {animals} like?") | model | StrOutputParser()
    assert list(chain.stream({"animals": "bears"})) == ["", "Bears", " like", " honey.", ""]
    assert chain.invoke({"animals": "bears"}) == TEXT


def test_a_streaming_model_tells_handlers_of_its_tokens_when_it_is_invoked(server: OpenAIServer) -> None:
    class Tokens(BaseCallbackHandler):
        def __init__(self) -> None:
            self.tokens: list[str] = []

        def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
            self.tokens.append(token)

    handlers = Tokens(), Tokens()
    model = model_of(server, streaming=True)
    assert model.invoke("What?", {"callbacks": [handlers[0]]}).content == TEXT
    assert asyncio.run(model.ainvoke("What?", {"callbacks": [handlers[1]]})).content == TEXT
    for handler in handlers:
        assert [token for token in handler.tokens if token] == ["Bears", " like", " honey."]


def test_key_and_server_come_from_the_environment(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    assert ChatOpenAI(model="small").invoke("What?").content == TEXT
    assert server.headers[0]["authorization"] == "Bearer sk-env"


def test_a_function_may_give_the_key(server: OpenAIServer) -> None:
    keys = iter(["sk-1", "sk-2", "sk-3"])
    model = model_of(server, api_key=lambda: next(keys))
    model.invoke("What?")
    asyncio.run(model.ainvoke("What?"))

    async def ask() -> str:
        return next(keys)

    asynchronous = model_of(server, api_key=ask)
    asyncio.run(asynchronous.ainvoke("What?"))
    assert [each["authorization"] for each in server.headers] == ["Bearer sk-1", "Bearer sk-2", "Bearer sk-3"]
    with pytest.raises(TypeError, match="asynchronous verbs"):
        asynchronous.invoke("What?")


def test_without_a_key_it_is_not_made(server: OpenAIServer) -> None:
    with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY"):
        ChatOpenAI(model="small", base_url=server.base_url)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ImportError, match=r'pip install "anabranch\[openai\]"'):
        ChatOpenAI(model="small", api_key="sk-test")


def test_clients_of_ones_own_are_used_and_left_open(server: OpenAIServer) -> None:
    headers = {"X-Whose": "mine"}
    with openai.DefaultHttpxClient(headers=headers) as http:
        model_of(server, http_client=http).invoke("What?")
        assert not http.is_closed
    asynchronous = openai.DefaultAsyncHttpxClient(headers=headers)  # made here, since it reads certificates

    async def main() -> None:
        async with asynchronous as http:
            await model_of(server, http_async_client=http).ainvoke("What?")
            assert not http.is_closed

    asyncio.run(main())
    assert [each["x-whose"] for each in server.headers] == ["mine"] * 2


def test_it_never_shows_its_key(model: ChatOpenAI) -> None:
    assert repr(model) == f"ChatOpenAI(openai_api_base='{model.openai_api_base}', model_name='small')"
    assert "sk-test" not in str(model.model_dump())
    assert "sk-test" not in str(model._identifying_params)


def test_it_can_be_copied_and_pickled(model: ChatOpenAI) -> None:
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.model_copy()):
        assert twin == model
        assert twin.invoke("What?").content == TEXT


@pytest.mark.parametrize("chained", [lambda model: model, lambda model: model.with_retry() | str], ids=["it", "chain"])
def test_settings_that_are_changed_later_count_from_the_next_request_on(
    server: OpenAIServer, model: ChatOpenAI, chained: Callable[[ChatOpenAI], Any]
) -> None:
    runnable = chained(model)
    runnable.invoke("What?")
    model.temperature, model.model_name = 0.0, "large"
    model.openai_api_key, model.default_headers = "sk-other", {"X-Whose": "mine"}
    runnable.invoke("What?")
    asyncio.run(runnable.ainvoke("What?"))
    asked = [(each["model"], each.get("temperature")) for each in server.requests]
    assert asked == [("small", None), ("large", 0), ("large", 0)]
    said = [(each["authorization"], each["x-whose"]) for each in server.headers[1:]]
    assert said == [("Bearer sk-other", "mine")] * 2
    assert "sk-other" not in repr(model)
    with pytest.raises(ValueError, match="more than 0"):
        model.timeout = -1
    with pytest.raises(ValueError, match="temprature"):
        model.temprature = 1
    model.model_copy(update={"openai_api_key": "sk-third"}).invoke("What?")
    assert server.headers[-1]["authorization"] == "Bearer sk-third"


@pytest.mark.parametrize(
    "settings", [{"n": 0}, {"max_tokens": 0}, {"timeout": -1}, {"timeout": "long"}, {"temperature": "hot"}]
)
def test_settings_that_make_no_sense_are_refused(server: OpenAIServer, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        model_of(server, **settings)


@pytest.mark.parametrize(("status", "error"), [(401, "AuthenticationError"), (500, "InternalServerError")])
def test_what_the_server_refuses_is_the_error_of_the_sdk(server: OpenAIServer, status: int, error: str) -> None:
    model = model_of(server, max_retries=0)
    verbs = (
        lambda: model.invoke("What?"),
        lambda: list(model.stream("What?")),
        lambda: asyncio.run(model.ainvoke("What?")),
        lambda: asyncio.run(read_all(model)),
    )
    for verb in verbs:
        server.replies.append(refusing(status))
        with pytest.raises(getattr(openai, error), match="not today"):
            verb()


PROGRAM = """
import asyncio, sys
from anabranch.nodes import ChatOpenAI
model = ChatOpenAI(model="small", base_url=sys.argv[1], api_key="sk-test")
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # nobody is to be told of a slow machine
    await asyncio.gather(model.ainvoke("a"), model.ainvoke("b"))
    async for chunk in model.astream("c"):
        break
    print(await model.ainvoke("d"))
model.invoke("a")
for chunk in model.stream("b"):
    break
asyncio.run(main())
asyncio.run(main())
"""


def test_a_program_in_development_mode_ends_without_a_word(server: OpenAIServer) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, server.base_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(TEXT) == 2
