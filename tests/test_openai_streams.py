"""Streams of `ChatOpenAI` that come apart, and streams that are left: nothing is lost in silence, nothing stays open.

The server decides by events what happens when; no test looks at a clock.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import aclosing, closing, suppress
from typing import Any

import pytest
from openai_server import (
    PATIENCE,
    Exchange,
    OpenAIServer,
    Reply,
    endless,
    refusing,
    silent,
    streaming,
)

from anabranch.engine.chunks import fold
from anabranch.nodes import BaseCallbackHandler, ChatOpenAI, ChatPromptTemplate, Runnable, StrOutputParser

openai = pytest.importorskip("openai")

DONE = b"data: [DONE]\n\n"


@pytest.fixture
def model(server: OpenAIServer) -> ChatOpenAI:
    return model_of(server)


def model_of(server: OpenAIServer, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(
        **{"model": "small", "base_url": server.base_url, "api_key": "sk-test", "max_retries": 0, **settings}
    )


def chain_of(model: ChatOpenAI) -> Runnable[Any, str]:
    return ChatPromptTemplate.from_template("What do {animals} like?") | model | StrOutputParser()


def event(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


BEARS = event({"content": "Bears"})
STOP = event({}, "stop")


def whole(model: ChatOpenAI) -> str:
    whole: Any = fold(model.stream("What?"))
    return str(whole.text)


async def awhole(model: ChatOpenAI) -> str:
    whole: Any = fold([chunk async for chunk in model.astream("What?")])
    return str(whole.text)


def in_both_ways(server: OpenAIServer, model: ChatOpenAI, reply: Reply) -> Iterator[Any]:
    """What the model makes of the reply: a function for the synchronous stream, and one for the other."""
    for read in (lambda: whole(model), lambda: asyncio.run(awhole(model))):
        server.replies.append(reply)
        yield read


# What servers say that is a stream all the same

GOOD: dict[str, tuple[Any, ...]] = {
    "as it should be": (BEARS, STOP, DONE),
    "without an end": (BEARS, STOP),
    "without a reason": (BEARS, DONE),
    "with comments": (b": hold on\n\n", BEARS, b":\n\n", STOP, DONE),
    "with other line ends": (b'data:{"choices":[{"delta":{"content":"Bears"}}]}\r\n\r\n', STOP, b"data:[DONE]\r\n\r\n"),
    "without the last empty line": (BEARS, STOP, b"data: [DONE]"),
    "cut anywhere": (b'da', b'ta: {"choices":[{"delta":{"content":"Be', b'ars"}}]}\n', b"\n", STOP, DONE),
    "in lines": (b'data: {"choices":\ndata: [{"delta":{"content":"Bears"}}]}\n\n', STOP, DONE),
    "with empty choices": ({"choices": []}, BEARS, {"choices": None}, STOP, DONE),
    "with null for all that is missing": (event({"content": None, "tool_calls": None}), BEARS, STOP, DONE),
    "with words after the end": (BEARS, STOP, DONE, BEARS),
}  # fmt: skip


@pytest.mark.parametrize("steps", GOOD.values(), ids=GOOD)
def test_streams_are_read_as_servers_write_them(server: OpenAIServer, model: ChatOpenAI, steps: Any) -> None:
    for read in in_both_ways(server, model, streaming(*steps)):
        assert read() == "Bears"


def test_slow_chunks_come_when_they_are_sent(server: OpenAIServer, model: ChatOpenAI) -> None:
    seen = threading.Event()
    server.replies.append(streaming(BEARS, seen, event({"content": " like"}), STOP, DONE))
    texts = []
    for chunk in model.stream("What?"):
        texts.append(chunk.text)
        seen.set()  # without which the server wouldn't go on
    assert texts == ["Bears", " like", ""]


USAGES: dict[str, tuple[Any, ...]] = {
    "at the end": (BEARS, STOP, {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
    "with the reason": (BEARS, {**STOP, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
    "all along": (
        {**BEARS, "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
        {**STOP, "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    ),
    "before the end only": ({**BEARS, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}, STOP),
}


@pytest.mark.parametrize("steps", USAGES.values(), ids=USAGES)
@pytest.mark.parametrize("asked", [True, False])
def test_what_an_answer_cost_is_told_once(server: OpenAIServer, steps: Any, asked: bool) -> None:
    server.replies.append(streaming(*steps, DONE))
    chunks = list(model_of(server, stream_usage=asked).stream("What?"))
    assert fold(chunks).usage_metadata == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    assert [getattr(chunk, "chunk_position", None) for chunk in chunks].count("last") == 1
    assert getattr(chunks[-1], "chunk_position", None) == "last"


# What comes apart

BROKEN: dict[str, tuple[Any, str, str]] = {
    "a connection that is cut": ((BEARS, Exchange.cut), "APIConnectionError", "."),
    "a response that ends too soon": ((BEARS,), "APIConnectionError", "ended before the answer"),
    "an empty response": ((), "APIConnectionError", "ended before the answer"),
    "an event that isn't JSON": ((BEARS, b"data: {bad\n\n"), "APIError", "not a JSON object: {bad"),
    "half an event": ((BEARS, b'data: {"choices": [{"del'), "APIError", "not a JSON object"),
    "an event that isn't an object": ((BEARS, b"data: 5\n\n"), "APIError", "not a JSON object: 5"),
    "an error": ((BEARS, {"error": {"message": "out of honey", "code": 7}}), "APIError", "out of honey"),
    "an error in a word": ((BEARS, {"error": "out of honey"}), "APIError", "out of honey"),
}


@pytest.mark.parametrize(("steps", "error", "match"), BROKEN.values(), ids=BROKEN)
def test_what_comes_apart_is_the_error_of_the_sdk(
    server: OpenAIServer, model: ChatOpenAI, steps: Any, error: str, match: str
) -> None:
    for read in in_both_ways(server, model, streaming(*steps)):
        with pytest.raises(getattr(openai, error), match=match):
            read()
    assert whole(model) == "Bears like honey."  # the next call has a connection again


def test_what_came_before_an_error_is_there(server: OpenAIServer, model: ChatOpenAI) -> None:
    seen = threading.Event()
    server.replies.append(streaming(BEARS, seen, Exchange.cut))
    texts = []
    with pytest.raises(openai.APIConnectionError):  # noqa: PT012
        for chunk in model.stream("What?"):
            texts.append(chunk.text)
            seen.set()
    assert texts == ["Bears"]


ANSWERLESS: dict[str, Reply] = {
    "no choices": lambda exchange: exchange.send_json({"id": "1", "model": "m", "choices": []}),
    "null": lambda exchange: exchange.send_json({"id": "1", "model": "m", "choices": None}),
}


@pytest.mark.parametrize("reply", ANSWERLESS.values(), ids=ANSWERLESS)
def test_an_answer_without_an_answer_is_an_error(server: OpenAIServer, model: ChatOpenAI, reply: Reply) -> None:
    server.replies.extend([reply, reply, streaming(DONE), streaming({"choices": []}, DONE)])
    with pytest.raises(ValueError, match="without an answer"):
        model.invoke("What?")
    with pytest.raises(ValueError, match="without an answer"):
        asyncio.run(model.ainvoke("What?"))
    with pytest.raises(ValueError, match="no answer in it"):
        whole(model)
    with pytest.raises(ValueError, match="no answer in it"):
        asyncio.run(awhole(model))


def test_a_whole_answer_that_tells_of_an_error_or_is_none_is_the_error_of_the_sdk(
    server: OpenAIServer, model: ChatOpenAI
) -> None:
    server.replies.append(lambda exchange: exchange.send_json({"error": {"message": "out of honey"}}))
    with pytest.raises(openai.APIError, match="out of honey"):
        model.invoke("What?")
    server.replies.append(lambda exchange: exchange.send_json("honey"))
    with pytest.raises(openai.APIResponseValidationError, match="not a JSON object"):
        asyncio.run(model.ainvoke("What?"))


# Tries and times

REFUSALS: dict[str, Reply] = {
    "too many requests": refusing(429, Retry_After="0.001"),
    "an error of the server": refusing(500, Retry_After_Ms="1"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_the_sdk_tries_again(server: OpenAIServer, refusal: Reply) -> None:
    model = model_of(server, max_retries=2)
    reads: list[Callable[[], str]] = [
        lambda: whole(model),
        lambda: asyncio.run(awhole(model)),
        lambda: model.invoke("What?").text,
    ]
    for read in reads:
        server.replies.extend([refusal, refusal])
        assert read() == "Bears like honey."
    assert len(server.requests) == 9
    server.replies.extend([refusal] * 3)
    with pytest.raises(openai.APIError):
        whole(model)


def test_the_sdk_tries_again_where_the_connection_is_lost_before_the_answer(server: OpenAIServer) -> None:
    server.replies.append(Exchange.cut)
    assert whole(model_of(server, max_retries=1)) == "Bears like honey."


@pytest.mark.parametrize("reply", [silent, streaming(BEARS, silent)], ids=["nothing", "nothing more"])
def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_timeout(
    server: OpenAIServer, reply: Reply
) -> None:
    model = model_of(server, timeout=0.2)
    for read in in_both_ways(server, model, reply):
        server.hung_up.clear()
        with pytest.raises(openai.APITimeoutError):
            read()
        assert server.hung_up.wait(PATIENCE)


def test_a_server_that_can_not_be_reached_is_an_error(server: OpenAIServer) -> None:
    model = model_of(server, base_url="http://127.0.0.1:1/v1")
    with pytest.raises(openai.APIConnectionError):
        whole(model)
    with pytest.raises(openai.APIConnectionError):
        asyncio.run(awhole(model))


def test_a_server_that_does_not_take_connections_is_waited_for_no_longer_than_the_timeout(server: OpenAIServer) -> None:
    busy = socket.create_server(("127.0.0.1", 0), backlog=0)
    with busy, socket.create_connection(busy.getsockname()):  # which is all that it keeps waiting
        model = model_of(server, base_url=f"http://127.0.0.1:{busy.getsockname()[1]}/v1", timeout=0.05)
        with pytest.raises(openai.APITimeoutError):
            whole(model)
        with pytest.raises(openai.APITimeoutError):
            asyncio.run(awhole(model))


# Streams that are left. An endless stream tells the server when its connection is closed.


def test_a_stream_that_is_whole_leaves_its_connection_for_the_next(server: OpenAIServer, model: ChatOpenAI) -> None:
    def at_once(exchange: Exchange) -> None:
        streaming(BEARS, end=False)(exchange)
        exchange.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    async def read() -> None:
        for _ in range(3):
            assert [chunk.text async for chunk in model.astream("What?")]

    server.replies.extend([at_once] * 6)
    for _ in range(3):
        assert list(model.stream("What?"))
    assert server.connections == 1
    asyncio.run(read())
    assert server.connections == 2


def test_closing_a_stream_closes_its_connection(server: OpenAIServer, model: ChatOpenAI) -> None:
    server.replies.append(endless)
    with closing(model.stream("What?")) as chunks:
        assert next(chunks).content == ""
        assert next(chunks).content == "Bears"
    assert server.hung_up.wait(PATIENCE)


def test_breaking_out_of_a_chain_closes_the_connection(server: OpenAIServer, model: ChatOpenAI) -> None:
    server.replies.append(endless)
    for chunk in chain_of(model).stream({"animals": "bears"}):
        if chunk:
            break
    assert server.hung_up.wait(PATIENCE)


def test_an_error_of_a_later_step_closes_the_connection(server: OpenAIServer, model: ChatOpenAI) -> None:
    def fail(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            if chunk:
                raise ValueError("enough")
            yield chunk

    chain = chain_of(model) | fail
    reads: list[Callable[[], Any]] = [
        lambda: list(chain.stream({"animals": "bears"})),
        lambda: asyncio.run(aread(chain)),
    ]
    for read in reads:
        server.replies.append(endless)
        server.hung_up.clear()
        with pytest.raises(ValueError, match="enough"):
            read()
        assert server.hung_up.wait(PATIENCE)


async def aread(chain: Runnable[Any, Any], config: Any = None) -> list[Any]:
    return [chunk async for chunk in chain.astream({"animals": "bears"}, config)]


def test_closing_an_async_stream_closes_its_connection(server: OpenAIServer, model: ChatOpenAI) -> None:
    server.replies.append(endless)

    async def main() -> None:
        async with aclosing(model.astream("What?")) as chunks:
            async for chunk in chunks:
                if chunk.content == "Bears":
                    break

    asyncio.run(main())
    assert server.hung_up.wait(PATIENCE)


def test_breaking_out_of_an_async_chain_closes_the_connection(server: OpenAIServer, model: ChatOpenAI) -> None:
    server.replies.append(endless)

    async def main() -> None:
        async for chunk in chain_of(model).astream({"animals": "bears"}):
            if chunk:
                break
        # The loop closes it when it runs again.
        while not server.hung_up.is_set() or len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0)

    asyncio.run(main())


def test_breaking_out_of_events_closes_the_connection(server: OpenAIServer, model: ChatOpenAI) -> None:
    server.replies.append(endless)

    async def main() -> None:
        async with aclosing(chain_of(model).astream_events({"animals": "bears"}, version="v2")) as events:
            async for event in events:
                if event["event"] == "on_chat_model_stream":
                    break

    asyncio.run(main())
    assert server.hung_up.wait(PATIENCE)


WAITING = {
    "for the next chunk": streaming(BEARS, silent),
    "for the answer": silent,
    "while chunks come": endless,
}


@pytest.mark.parametrize("reply", WAITING.values(), ids=WAITING)
def test_cancelling_a_task_closes_the_connection(server: OpenAIServer, model: ChatOpenAI, reply: Reply) -> None:
    arrived = threading.Event()

    def arriving(exchange: Exchange) -> None:
        arrived.set()
        reply(exchange)

    server.replies.append(arriving)

    async def main() -> None:
        reading = asyncio.create_task(awhole(model))
        while not arrived.is_set():  # noqa: ASYNC110 (it is a thread's)
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(main())
    assert server.hung_up.wait(PATIENCE)


def test_cancelling_one_call_leaves_the_others_alone(server: OpenAIServer, model: ChatOpenAI) -> None:
    go_on = threading.Event()
    server.replies.extend([streaming(BEARS, go_on, STOP, DONE)] * 2)

    async def main() -> str:
        first = model.astream("What?")
        second = model.astream("What?")
        await anext(first)
        text = (await anext(second)).text
        await first.aclose()
        go_on.set()
        return text + "".join([chunk.text async for chunk in second])

    assert asyncio.run(main()) == "Bears"


def hung_up_after_a_timeout(server: OpenAIServer, reply: Reply, call: Callable[[Any], Any]) -> bool:
    """Whether the connection is closed when a call has timed out after its request had arrived."""
    for timeout in (0.05, 0.5, 5.0):
        server.hung_up.clear()
        server.requests.clear()
        server.replies.clear()
        server.replies.extend([reply] * 3)  # a request of the call before may come late, and take one
        with pytest.raises(TimeoutError):
            call({"timeout": timeout})
        if server.requests and server.hung_up.wait(PATIENCE / 4):
            server.replies.clear()
            return True
    return False


@pytest.mark.parametrize("reply", [silent, streaming(BEARS, silent), endless], ids=["mute", "silent", "endless"])
def test_a_timeout_in_config_closes_the_connection_of_an_async_call(
    server: OpenAIServer, model: ChatOpenAI, reply: Reply
) -> None:
    chain = chain_of(model)
    assert hung_up_after_a_timeout(server, reply, lambda config: asyncio.run(aread(chain, config)))


def test_a_timeout_in_config_closes_the_connection_of_an_awaited_call(server: OpenAIServer, model: ChatOpenAI) -> None:
    chain = chain_of(model)

    async def wait(config: Any) -> None:
        await chain.ainvoke({"animals": "bears"}, config)

    assert hung_up_after_a_timeout(server, silent, lambda config: asyncio.run(wait(config)))


@pytest.mark.parametrize("reply", [streaming(BEARS, silent), endless], ids=["silent", "endless"])
def test_a_timeout_in_config_closes_the_connection_of_a_stream(
    server: OpenAIServer, model: ChatOpenAI, reply: Reply
) -> None:
    chain = chain_of(model)
    assert hung_up_after_a_timeout(server, reply, lambda config: list(chain.stream({"animals": "bears"}, config)))


def test_a_timeout_in_config_closes_the_connection_of_a_whole_call(server: OpenAIServer, model: ChatOpenAI) -> None:
    chain = chain_of(model)
    assert hung_up_after_a_timeout(server, silent, lambda config: chain.invoke({"animals": "bears"}, config))
    assert server.requests == server.requests[:1]  # the SDK has not tried again
    assert chain.invoke({"animals": "bears"}) == model.invoke("What?").content


@pytest.mark.parametrize("reply", [streaming(BEARS, silent), endless, silent], ids=["silent", "endless", "mute"])
def test_cancelling_a_handle_closes_the_connection_of_a_model(server: OpenAIServer, reply: Reply) -> None:
    arrived = threading.Event()

    def arriving(exchange: Exchange) -> None:
        arrived.set()
        reply(exchange)

    server.replies.append(arriving)
    run = chain_of(model_of(server, streaming=reply is not silent)).start({"animals": "bears"})
    assert arrived.wait(PATIENCE)
    assert run.cancel()
    with pytest.raises(CancelledError):
        run.result()
    assert server.hung_up.wait(PATIENCE)


def test_a_server_that_waits_to_send_hears_of_the_end_at_once(server: OpenAIServer) -> None:
    came, is_full = threading.Event(), threading.Event()

    class Busy(BaseCallbackHandler):
        def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
            came.set()
            is_full.wait(PATIENCE)

    def fill(exchange: Exchange) -> None:
        piece = b"4\r\n: .\n\r\n"
        assert came.wait(PATIENCE)
        exchange.connection.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                exchange.connection.send(piece)
        exchange.connection.settimeout(PATIENCE)
        is_full.set()
        while True:
            exchange.connection.sendall(piece)

    server.replies.append(streaming(BEARS, fill))
    run = model_of(server, streaming=True).start("bears", {"callbacks": [Busy()]})
    assert is_full.wait(PATIENCE)
    assert run.cancel()
    with pytest.raises(CancelledError):
        run.result()
    assert server.hung_up.wait(PATIENCE)
