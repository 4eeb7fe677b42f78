"""What `OpenAI`, the model from text to text, promises, held against the real client over real HTTP."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing
from typing import Any

import pytest
from openai_answers import completion_pieces
from openai_server import PATIENCE, Exchange, OpenAIServer, refusing, streaming

from anabranch.nodes import BaseCallbackHandler, OpenAI, PromptTemplate

openai = pytest.importorskip("openai")


def model_of(server: OpenAIServer, **settings: Any) -> OpenAI:
    return OpenAI(**{"model": "small", "base_url": server.base_url, "api_key": "sk-test", "max_retries": 0, **settings})


async def read_all(model: Any, input: Any) -> list[str]:
    return [chunk async for chunk in model.astream(input)]


COMMON = {
    "model": "small",
    "temperature": 0.7,
    "max_tokens": 256,
    "top_p": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "n": 1,
}


@pytest.mark.parametrize("streams", [True, False])
def test_all_verbs_give_the_same_answer(server: OpenAIServer, streams: bool) -> None:
    model = model_of(server, streaming=streams)
    assert model.invoke("hold the line") == "HOLD THE LINE"
    assert asyncio.run(model.ainvoke("hold the line")) == "HOLD THE LINE"
    assert list(model.stream("hold the line")) == ["HOLD", " THE", " LINE", ""]
    assert asyncio.run(read_all(model, "hold the line")) == ["HOLD", " THE", " LINE", ""]
    assert (PromptTemplate.from_template("hold {what}") | model).invoke({"what": "on"}) == "HOLD ON"


def test_the_requests_say_what_was_asked_and_set(server: OpenAIServer) -> None:
    model_of(server).invoke("a", stop=["x"])
    list(model_of(server, seed=5, extra_body={"top_k": 3}, model_kwargs={"user": "u"}).stream("a", temperature=0))
    model_of(server, n=2, best_of=3, logprobs=1, logit_bias={"5": 1}, max_tokens=None).invoke("a")
    unbounded = {name: value for name, value in COMMON.items() if name != "max_tokens"}
    assert server.requests == [
        {**COMMON, "prompt": ["a"], "stop": ["x"]},
        {**COMMON, "prompt": "a", "stream": True, "seed": 5, "top_k": 3, "user": "u", "temperature": 0},
        {**unbounded, "prompt": ["a"], "n": 2, "best_of": 3, "logprobs": 1, "logit_bias": {"5": 1.0}},
    ]


def test_several_texts_go_in_one_request_up_to_the_size_of_a_batch(server: OpenAIServer) -> None:
    model = model_of(server, batch_size=2)
    texts = ["a", "b", "c"]
    for result in (model.generate(texts), asyncio.run(model.agenerate(texts))):
        assert [[each.text for each in answers] for answers in result.generations] == [["A"], ["B"], ["C"]]
    assert [len(request["prompt"]) for request in server.requests] == [2, 1, 2, 1]


def test_one_call_gathers_what_its_requests_cost(server: OpenAIServer) -> None:
    result = model_of(server, batch_size=2)._generate(["a", "b", "c"])
    assert result.llm_output == {
        "model_name": "small-2024",
        "system_fingerprint": "fp_1",
        "token_usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 4},
    }


def test_of_several_answers_the_first_is_the_output(server: OpenAIServer) -> None:
    model = model_of(server, n=2)
    assert model.batch(["a", "b"]) == ["A", "B"]
    assert [[each.text for each in answers] for answers in model.generate(["a", "b"]).generations] == [
        ["A", "A"],
        ["B", "B"],
    ]
    with pytest.raises(ValueError, match="must be 1"):
        model_of(server, n=2, streaming=True)


def test_the_answers_are_told_apart_by_their_numbers(server: OpenAIServer) -> None:
    choices = [{"text": text, "index": index} for index, text in ((1, "B"), (0, "A"))]
    server.replies.append(lambda exchange: exchange.send_json({"model": "m", "choices": choices}))
    assert model_of(server).batch(["a", "b"]) == ["A", "B"]
    server.replies.append(lambda exchange: exchange.send_json({"model": "m", "choices": choices[:1]}))
    with pytest.raises(ValueError, match="1 answers to 2 texts"):
        model_of(server)._generate(["a", "b"])


def test_a_streaming_model_tells_handlers_of_its_tokens_when_it_is_invoked(server: OpenAIServer) -> None:
    class Tokens(BaseCallbackHandler):
        def __init__(self) -> None:
            self.tokens: list[str] = []

        def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
            self.tokens.append(token)

    handler = Tokens()
    model = model_of(server, streaming=True)
    model.invoke("hold on", {"callbacks": [handler]})
    asyncio.run(model.ainvoke("hold on", {"callbacks": [handler]}))
    assert [token for token in handler.tokens if token] == ["HOLD", " ON"] * 2


def test_leaving_a_stream_closes_its_connection(server: OpenAIServer) -> None:
    def endless(exchange: Exchange) -> None:
        more, *_ = completion_pieces(exchange.body)
        exchange.begin_stream()
        while True:
            exchange.send_event(more)

    async def main() -> None:
        async with aclosing(model_of(server).astream("a")) as chunks:
            assert await anext(chunks) == "A"

    server.replies.extend([endless, endless])
    with closing(model_of(server).stream("a")) as chunks:
        assert next(chunks) == "A"
    assert server.hung_up.wait(PATIENCE)
    server.hung_up.clear()
    asyncio.run(main())
    assert server.hung_up.wait(PATIENCE)


def test_what_goes_wrong_is_the_error_of_the_sdk(server: OpenAIServer) -> None:
    server.replies.extend([refusing(400), refusing(400)])
    with pytest.raises(openai.BadRequestError, match="not today"):
        model_of(server).invoke("a")
    with pytest.raises(openai.BadRequestError, match="not today"):
        list(model_of(server).stream("a"))
    server.replies.append(streaming({"choices": [{"index": 0, "text": "A"}]}))
    with pytest.raises(openai.APIConnectionError, match="ended before"):
        list(model_of(server).stream("a"))
