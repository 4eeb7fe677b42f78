"""The page of the documentation with the model that it was written with: what is told of a run is what it prints."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openai_answers import Answer
from openai_server import OpenAIServer, openai_server, streaming
from test_golden_traces import PIECES, Kensho, blurred, golden, line, without_times
from verbs import alist

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    BaseCallbackHandler,
    ChatOpenAI,
    ChatPromptTemplate,
    HumanMessage,
    OpenAI,
    Runnable,
    RunnablePassthrough,
    StrOutputParser,
)

pytest.importorskip("openai")

QUESTION = "where did harrison work?"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with openai_server(monkeypatch) as running:
        answer = "".join(PIECES)
        running.answer = Answer({"content": answer})
        deltas = [{"content": piece} for piece in PIECES[:-1]]
        events: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "model": "small-2024"}
        running.replies.append(streaming(*events, end, b"data: [DONE]\n\n"))
        yield running


def model_of(server: OpenAIServer) -> ChatOpenAI:
    return ChatOpenAI(model="small", base_url=server.base_url, api_key="sk-test")


def chain_of_the_page(server: OpenAIServer) -> Runnable[Any, str]:
    template = "Answer the question based only on the following context:\n{context}\n\nQuestion: {question}\n"
    docs = Kensho().with_config(run_name="Docs", tags=["FAISS", "OpenAIEmbeddings"])
    model = model_of(server).with_config(run_name="my_llm")
    prompt = ChatPromptTemplate.from_template(template)
    return {"context": docs, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()


def test_the_run_log_has_the_operations_of_the_page(server: OpenAIServer) -> None:
    log = chain_of_the_page(server).astream_log(QUESTION, include_names=["Docs"])
    made = [[(op["op"], op["path"], blurred(op["value"])) for op in patch.ops] for patch in asyncio.run(alist(log))]
    printed = [[(op["op"], op["path"], blurred(op["value"])) for op in ops] for ops in golden("astream_log_patches")]
    assert [without_times(ops) for ops in made] == [without_times(ops) for ops in printed]


@pytest.mark.parametrize("sync", [True, False])
def test_the_event_stream_prints_what_the_page_prints(server: OpenAIServer, sync: bool) -> None:
    wanted: Any = {"version": "v1", "include_names": ["Docs", "my_llm"]}
    made = chain_of_the_page(server)
    if sync:
        events = list(made.stream_events(QUESTION, **wanted))
    else:
        events = asyncio.run(alist(made.astream_events(QUESTION, **wanted)))
    assert "".join(map(line, events)) == golden("event_stream_printout")["stdout"]


def row(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in golden("event_table") if row["event"] == name)
    return found


def test_events_of_the_chat_model_are_those_of_the_table(server: OpenAIServer) -> None:
    # Not on the loop, which would have to wait for what making the first model imports.
    chain = ChatPromptTemplate.from_messages([("system", "hi"), ("human", "{x}")]) | model_of(server)

    async def told() -> list[dict[str, Any]]:
        events = await alist(chain.astream_events({"x": "hello"}, version="v2"))
        return [event for event in events if event["event"].startswith("on_chat_model")]

    start, *streamed, end = asyncio.run(told())
    messages = start["data"]["input"]["messages"][0]
    assert [type(message).__name__ for message in messages] == ["SystemMessage", "HumanMessage"]
    assert messages[1] == HumanMessage("hello")
    chunks = [event["data"]["chunk"] for event in streamed]
    assert {event["event"] for event in streamed} == {"on_chat_model_stream"}
    assert [(type(chunk), chunk.content) for chunk in chunks] == [(AIMessageChunk, piece) for piece in PIECES]
    assert end["event"] == "on_chat_model_end"
    assert end["data"]["output"].content == "".join(PIECES)
    assert end["data"]["output"].response_metadata["finish_reason"] == "stop"
    assert {event["name"] for event in (start, *streamed, end)} == {"ChatOpenAI"}


def test_an_invoked_model_is_told_of_with_its_settings(server: OpenAIServer) -> None:
    class Seen(BaseCallbackHandler):
        def __init__(self) -> None:
            self.started: Any = None
            self.result: Any = None

        def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
            self.started = kwargs["invocation_params"]

        def on_llm_end(self, response: Any, **kwargs: Any) -> None:
            self.result = response

    seen = Seen()
    server.replies.clear()
    model_of(server).invoke("hi", {"callbacks": [seen]}, temperature=0.5)
    assert (seen.started["model"], seen.started["temperature"]) == ("small", 0.5)
    assert "sk-test" not in str(seen.started)
    assert isinstance(seen.result.generations[0][0].message, AIMessage)
    assert seen.result.llm_output["model_name"] == "small-2024"


def test_events_of_the_model_from_text_to_text_are_those_of_the_table(server: OpenAIServer) -> None:
    model = OpenAI(model="small", base_url=server.base_url, api_key="sk-test")
    server.replies.clear()
    events = asyncio.run(alist(model.astream_events("hold on", version="v2")))
    assert [event["event"] for event in events] == ["on_llm_start", *["on_llm_stream"] * 3, "on_llm_end"]
