"""What `ChatOpenAI` promises, held against the real client over real HTTP."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys
from collections.abc import Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest
from openai_server import ChatServer, chat_server

from anabranch.engine.chunks import fold
from anabranch.nodes.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from anabranch.nodes.openai_models import ChatOpenAI
from anabranch.nodes.parsers import StrOutputParser
from anabranch.nodes.prompts import ChatPromptTemplate

openai = pytest.importorskip("openai")

TEXT = "Bears like honey."
WAIT = 30.0
"""Seconds after which a test gives up waiting for the server."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_ORG_ID",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    with chat_server() as running:
        yield running


@pytest.fixture
def model(server: ChatServer) -> ChatOpenAI:
    return ChatOpenAI(model="small", base_url=server.base_url, api_key="sk-test", max_retries=0)


def test_it_answers_whole(model: ChatOpenAI) -> None:
    answer = model.invoke("What do bears like?")
    assert type(answer) is AIMessage
    assert answer.content == TEXT
    assert answer.response_metadata == {"id": "chatcmpl-1", "model_name": "small", "finish_reason": "stop"}
    assert answer.id is not None
    assert answer.id.startswith("run-")


def test_it_answers_in_chunks_as_the_server_sends_them(model: ChatOpenAI) -> None:
    chunks = list(model.stream("What do bears like?"))
    assert [chunk.content for chunk in chunks] == ["", "Bears", " like", " honey.", ""]
    assert len({chunk.id for chunk in chunks}) == 1
    assert [getattr(chunk, "chunk_position", ...) for chunk in chunks] == [None] * 4 + ["last"]
    whole = fold(chunks)
    assert whole.content == TEXT
    assert whole.response_metadata == {"id": "chatcmpl-1", "model_name": "small", "finish_reason": "stop"}


def test_async_calls_give_the_same(model: ChatOpenAI) -> None:
    async def main() -> tuple[Any, list[Any]]:
        return await model.ainvoke("What?"), await read_all(model)

    whole, chunks = asyncio.run(main())
    assert whole.content == TEXT
    assert [chunk.content for chunk in chunks] == ["", "Bears", " like", " honey.", ""]


def test_one_model_serves_one_loop_after_the_other(model: ChatOpenAI) -> None:
    async def main() -> list[str]:
        return [answer.text for answer in await model.abatch(["a", "b", "c"])]

    assert [asyncio.run(main()) for _ in range(3)] == [[TEXT] * 3] * 3


def test_in_a_chain_its_chunks_flow_through(model: ChatOpenAI) -> None:
    chain = ChatPromptTemplate.from_template("What do {animals} like?") | model | StrOutputParser()
    assert list(chain.stream({"animals": "bears"})) == ["", "Bears", " like", " honey.", ""]
    assert chain.invoke({"animals": "bears"}) == TEXT


def test_the_request_says_what_was_asked_and_set(server: ChatServer) -> None:
    model = ChatOpenAI(
        model="large",
        base_url=server.base_url,
        api_key="sk-test",
        temperature=0.5,
        max_tokens=9,
        organization="org",
        default_headers={"X-Asked-By": "tests"},
        model_kwargs={"seed": 7},
    )
    model.bind(stop=["."]).invoke(
        [
            SystemMessage("Be brief."),
            HumanMessage("Hi", name="Ada"),
            AIMessage("Hello"),
            ToolMessage("42", tool_call_id="call-1"),
            ChatMessage("Note", role="critic"),
        ]
    )
    assert server.requests == [
        {
            "model": "large",
            "temperature": 0.5,
            "max_tokens": 9,
            "seed": 7,
            "stop": ["."],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi", "name": "Ada"},
                {"role": "assistant", "content": "Hello"},
                {"role": "tool", "content": "42", "tool_call_id": "call-1"},
                {"role": "critic", "content": "Note"},
            ],
        }
    ]
    headers = server.headers[0]
    assert headers["authorization"] == "Bearer sk-test"
    assert headers["openai-organization"] == "org"
    assert headers["x-asked-by"] == "tests"


def test_other_names_of_the_settings_are_known(server: ChatServer) -> None:
    names: dict[str, Any] = {"model_name": "large", "openai_api_base": server.base_url, "openai_api_key": "sk-other"}
    ChatOpenAI(**names).invoke("What?")
    assert server.requests[0]["model"] == "large"
    assert server.headers[0]["authorization"] == "Bearer sk-other"


def test_key_and_server_come_from_the_environment(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    assert ChatOpenAI(model="small").invoke("What?").content == TEXT
    assert server.headers[0]["authorization"] == "Bearer sk-env"


def test_closing_a_stream_closes_its_connection(server: ChatServer, model: ChatOpenAI) -> None:
    server.endless = True
    with closing(model.stream("What?")) as chunks:
        assert next(chunks).content == ""
        assert next(chunks).content == "Bears"
    assert server.hung_up.wait(WAIT)


def test_closing_an_async_stream_closes_its_connection(server: ChatServer, model: ChatOpenAI) -> None:
    server.endless = True

    async def main() -> None:
        async with aclosing(model.astream("What?")) as chunks:
            async for chunk in chunks:
                if chunk.content == "Bears":
                    break

    asyncio.run(main())
    assert server.hung_up.wait(WAIT)


def test_cancelling_closes_the_connection(server: ChatServer, model: ChatOpenAI) -> None:
    server.endless = True

    async def main() -> None:
        begun = asyncio.Event()

        async def read() -> None:
            try:
                async for _ in model.astream("What?"):
                    begun.set()
            finally:
                begun.set()

        reading = asyncio.create_task(read())
        await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(main())
    assert server.hung_up.wait(WAIT)


@pytest.mark.parametrize(("status", "error"), [(401, "AuthenticationError"), (500, "InternalServerError")])
def test_what_the_server_refuses_is_the_error_of_the_sdk(
    server: ChatServer, model: ChatOpenAI, status: int, error: str
) -> None:
    server.status = status
    with pytest.raises(getattr(openai, error), match="not today"):
        model.invoke("What?")
    with pytest.raises(getattr(openai, error), match="not today"):
        list(model.stream("What?"))


def test_an_error_in_mid_stream_is_the_error_of_the_sdk(server: ChatServer, model: ChatOpenAI) -> None:
    server.breaks_off = True
    with pytest.raises(openai.APIError, match="out of honey"):
        list(model.stream("What?"))
    with pytest.raises(openai.APIError, match="out of honey"):
        asyncio.run(read_all(model))


async def read_all(model: ChatOpenAI) -> list[Any]:
    return [chunk async for chunk in model.astream("What?")]


def test_without_a_key_it_is_not_made(server: ChatServer) -> None:
    with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY"):
        ChatOpenAI(model="small", base_url=server.base_url)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ImportError, match=r'pip install "anabranch\[openai\]"'):
        ChatOpenAI(model="small", api_key="sk-test")


def test_it_never_shows_its_key(model: ChatOpenAI) -> None:
    assert "sk-test" not in repr(model)
    assert "sk-test" not in str(model.model_dump())


def test_it_can_be_copied_and_pickled(model: ChatOpenAI) -> None:
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.model_copy()):
        assert twin == model
        assert twin.invoke("What?").content == TEXT
