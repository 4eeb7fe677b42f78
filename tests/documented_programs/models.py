"""Models: of one's own, cached, limited, counted, and what their answers say."""

from __future__ import annotations

import asyncio
from typing import Any

from documented_programs.expected import gives
from documented_programs.plain_data import caught, gathered, plain
from documented_programs.scripted import scripted_model


def _parrot(L):
    class ChatParrotLink(L.BaseChatModel):
        """Echoes the first characters of the last message."""

        model_name: str = "my_model"
        parrot_buffer_length: int
        temperature: float | None = None

        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            tokens = messages[-1].content[: self.parrot_buffer_length]
            counts = (sum(len(message.content) for message in messages), len(tokens))
            message = L.AIMessage(
                content=tokens,
                additional_kwargs={},
                response_metadata={"time_in_seconds": 3, "model_name": self.model_name},
                usage_metadata={
                    "input_tokens": counts[0],
                    "output_tokens": counts[1],
                    "total_tokens": sum(counts),
                },
            )
            return L.ChatResult(generations=[L.ChatGeneration(message=message)])

        def _stream(self, messages, stop=None, run_manager=None, **kwargs):
            for token in messages[-1].content[: self.parrot_buffer_length]:
                chunk = L.ChatGenerationChunk(message=L.AIMessageChunk(content=token))
                if run_manager:
                    run_manager.on_llm_new_token(token, chunk=chunk)
                yield chunk
            last = L.AIMessageChunk(content="", response_metadata={"time_in_sec": 3})
            yield L.ChatGenerationChunk(message=last)

        @property
        def _llm_type(self):
            return "echoing-chat-model-advanced"

        @property
        def _identifying_params(self):
            return {"model_name": self.model_name}

    return ChatParrotLink(parrot_buffer_length=3, model_name="my_custom_model")


@gives(
    [
        [
            "ai",
            "Meo",
            {
                "usage_metadata": {"input_tokens": 13, "output_tokens": 3, "total_tokens": 16},
                "response_metadata": {"time_in_seconds": 3, "model_name": "my_custom_model"},
            },
        ],
        [
            "ai",
            "hel",
            {
                "usage_metadata": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
                "response_metadata": {"time_in_seconds": 3, "model_name": "my_custom_model"},
            },
        ],
        [
            [
                "ai",
                "hel",
                {
                    "usage_metadata": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
                    "response_metadata": {"time_in_seconds": 3, "model_name": "my_custom_model"},
                },
            ],
            [
                "ai",
                "goo",
                {
                    "usage_metadata": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
                    "response_metadata": {"time_in_seconds": 3, "model_name": "my_custom_model"},
                },
            ],
        ],
        [
            "ai",
            "cat",
            {
                "usage_metadata": {"input_tokens": 3, "output_tokens": 3, "total_tokens": 6},
                "response_metadata": {"time_in_seconds": 3, "model_name": "my_custom_model"},
            },
        ],
    ]
)
def chat_model_of_ones_own(L):
    model = _parrot(L)
    return plain(
        [
            model.invoke([L.HumanMessage("hello!"), L.AIMessage("Hi"), L.HumanMessage("Meow!")]),
            model.invoke("hello"),
            model.batch(["hello", "goodbye"]),
            asyncio.run(model.ainvoke("cat")),
        ]
    )


@gives(
    [
        [
            ["AIMessageChunk", "c"],
            ["AIMessageChunk", "a"],
            ["AIMessageChunk", "t"],
            ["AIMessageChunk", "", {"response_metadata": {"time_in_sec": 3}}],
            ["AIMessageChunk", ""],
        ],
        [
            ["AIMessageChunk", "c"],
            ["AIMessageChunk", "a"],
            ["AIMessageChunk", "t"],
            ["AIMessageChunk", "", {"response_metadata": {"time_in_sec": 3}}],
            ["AIMessageChunk", ""],
        ],
    ]
)
def chat_model_of_ones_own_streams(L):
    model = _parrot(L)
    return plain(list(model.stream("cat"))), asyncio.run(gathered(model.astream("cat")))


@gives(
    [
        "on_chat_model_start",
        "on_chat_model_stream",
        "on_chat_model_stream",
        "on_chat_model_stream",
        "on_chat_model_stream",
        "on_chat_model_stream",
        "on_chat_model_end",
    ]
)
def chat_model_of_ones_own_in_events(L):
    async def kinds(model):
        return [event["event"] async for event in model.astream_events("cat", version="v2")]

    return asyncio.run(kinds(_parrot(L)))


@gives(["This ", "world", ["woof ", "meow "], ["h", "e", "l", "l", "o"], "Syste", "ValueError", "abcde"])
def llm_of_ones_own(L):
    class CustomLLM(L.LLM):
        n: int

        def _call(self, prompt, stop=None, run_manager=None, **kwargs):
            if stop is not None:
                raise ValueError("stop kwargs are not permitted.")
            return prompt[: self.n]

        def _stream(self, prompt, stop=None, run_manager=None, **kwargs):
            for char in prompt[: self.n]:
                chunk = L.GenerationChunk(text=char)
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

        @property
        def _identifying_params(self):
            return {"model_name": "CustomChatModel"}

        @property
        def _llm_type(self):
            return "custom"

    llm = CustomLLM(n=5)
    prompt = L.ChatPromptTemplate.from_messages([("system", "you are a bot"), ("human", "{input}")])
    return (
        llm.invoke("This is a foobar thing"),
        asyncio.run(llm.ainvoke("world")),
        llm.batch(["woof woof woof", "meow meow meow"]),
        list(llm.stream("hello")),
        (prompt | llm).invoke({"input": "hello"}),
        caught(lambda: llm.invoke("x", stop=["a"]), ValueError),
        llm.generate(["abcdefgh"]).generations[0][0].text,
    )


@gives([["ai", "1 messages, stop None"], ["ai", "2 messages, stop ['x']"]])
def simple_chat_model_of_ones_own(L):
    class Simple(L.SimpleChatModel):
        def _call(self, messages, stop=None, run_manager=None, **kwargs):
            return f"{len(messages)} messages, stop {stop}"

        @property
        def _llm_type(self):
            return "simple"

    return plain([Simple().invoke("hi"), Simple().invoke([("human", "a"), ("ai", "b")], stop=["x"])])


@gives(["async", "NotImplementedError"])
def async_model_of_ones_own(L):
    class Async(L.BaseChatModel):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            raise NotImplementedError

        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            return L.ChatResult(generations=[L.ChatGeneration(message=L.AIMessage("async"))])

        @property
        def _llm_type(self):
            return "async"

    return asyncio.run(Async().ainvoke("q")).content, caught(lambda: Async().invoke("q"), NotImplementedError)


@gives([["first", "first", "second"], 2])
def cache_in_memory(L):
    model = scripted_model(L, "first", "second", cache=L.InMemoryCache())
    return [model.invoke("a").content, model.invoke("a").content, model.invoke("b").content], len(model.asked)


@gives([["first", "first"], 1])
def cache_for_all_models(L):
    model = scripted_model(L, "first", "second")
    L.set_llm_cache(L.InMemoryCache())
    try:
        return [model.invoke("a").content, model.invoke("a").content], len(model.asked)
    finally:
        L.set_llm_cache(None)


@gives(["first", "second"])
def cache_off_for_one_model(L):
    model = scripted_model(L, "first", "second", cache=False)
    L.set_llm_cache(L.InMemoryCache())
    try:
        return [model.invoke("a").content, model.invoke("a").content]
    finally:
        L.set_llm_cache(None)


@gives(["first", "first", "second"])
def cache_of_an_llm(L):
    llm = L.FakeListLLM(responses=["first", "second"], cache=L.InMemoryCache())
    return [llm.invoke("a"), llm.invoke("a"), llm.invoke("b")]


@gives([["ok", "ok", "ok"], "bool"])
def rate_limiter(L):
    limiter = L.InMemoryRateLimiter(requests_per_second=1000, check_every_n_seconds=0.001, max_bucket_size=10)
    model = scripted_model(L, "ok", rate_limiter=limiter)
    return [message.content for message in model.batch(["a", "b", "c"])], type(limiter.acquire(blocking=False)).__name__


@gives(
    [
        {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
        {"time_in_seconds": 3, "model_name": "my_custom_model"},
    ]
)
def usage_of_an_answer(L):
    answer = _parrot(L).invoke("hello")
    return answer.usage_metadata, answer.response_metadata


@gives(
    [
        {"my_custom_model": {"input_tokens": 8, "output_tokens": 6, "total_tokens": 14}},
        {"my_custom_model": {"input_tokens": 3, "output_tokens": 3, "total_tokens": 6}},
    ]
)
def usage_over_several_calls(L):
    with L.get_usage_metadata_callback() as counted:
        _parrot(L).invoke("hello")
        _parrot(L).invoke("bye")
    handler = L.UsageMetadataCallbackHandler()
    (L.RunnablePassthrough() | _parrot(L)).invoke("cat", config={"callbacks": [handler]})
    return plain([counted.usage_metadata, handler.usage_metadata])


@gives([[["abc"], ["xyz"]], 2])
def generate_of_many_prompts(L):
    result = _parrot(L).generate([[L.HumanMessage("abc")], [L.HumanMessage("xyz")]])
    return [[generation.text for generation in each] for each in result.generations], len(result.run or [])


@gives("abc")
def generate_of_prompt_values(L):
    values = [L.PromptTemplate.from_template("{x}").invoke({"x": "abcd"})]
    return _parrot(L).generate_prompt(values).generations[0][0].message.content


@gives(["echoing-chat-model-advanced", {"model_name": "my_custom_model"}, "ChatParrotLink", None])
def model_identity(L):
    model = _parrot(L)
    return model._llm_type, model._identifying_params, model.get_name(), model.name


@gives(
    [{"ls_model_name": "my_custom_model", "ls_model_type": "chat", "ls_provider": "parrotlink"}],
    there="`ls_integration`, too",
)
def model_metadata_for_handlers(L):
    seen = []

    class Handler(L.BaseCallbackHandler):
        def on_chat_model_start(self, serialized, messages, *, metadata=None, invocation_params=None, **kwargs):
            seen.append({key: metadata[key] for key in sorted(metadata) if key.startswith("ls_")})

    _parrot(L).invoke("q", config={"callbacks": [Handler()], "metadata": {"own": 1}})
    return plain(seen)


@gives([["ai", "a"], ["ai", "b"], [["ai", "x"], ["ai", "y"], ["ai", "x"]], ["1", "2", "1"], ["human", "again"], "l"])
def fake_models(L):
    generic = L.GenericFakeChatModel(messages=iter([L.AIMessage("a"), "b"]))
    listed = L.FakeMessagesListChatModel(responses=[L.AIMessage("x", id="1"), L.AIMessage("y", id="2")])
    cycle = L.FakeListChatModel(responses=["1", "2"])
    return plain(
        [
            generic.invoke("q"),
            generic.invoke("q"),
            [listed.invoke("q") for _ in range(3)],
            [cycle.invoke("q").content for _ in range(3)],
            L.ParrotFakeChatModel().invoke("again"),
            L.FakeListLLM(responses=["l"]).invoke("q"),
        ]
    )


@gives("NotImplementedError")
def model_that_does_not_bind_tools(L):
    return caught(lambda: L.FakeListChatModel(responses=["a"]).bind_tools([]), NotImplementedError)


@gives([["AIMessageChunk", "one two three"]], there="a whole message")
def streaming_disabled(L):
    model = scripted_model(L, "one two three", disable_streaming=True)
    return plain(list(model.stream("q")))


@gives(["str", True, ["ai", "a"]])
def response_metadata_and_ids(L):
    message = L.FakeListChatModel(responses=["a"]).invoke("q")
    return type(message.id).__name__, message.id.startswith("lc_run-") or message.id.startswith("run-"), plain(message)


@gives([{"token_usage": {"total_tokens": 3}, "finish_reason": "stop", "mine": 1}, {"finish_reason": "stop", "mine": 1}])
def facts_of_a_call_in_the_answer(L):
    class Told(L.BaseChatModel):
        answers: int = 1

        @property
        def _llm_type(self):
            return "told"

        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            message = L.AIMessage("a", response_metadata={"mine": 1})
            answer = L.ChatGeneration(message=message, generation_info={"finish_reason": "stop", "mine": 0})
            known = {"token_usage": {"total_tokens": 3}, "finish_reason": "unknown"}
            return L.ChatResult(generations=[answer] * self.answers, llm_output=known)

    return Told().invoke("q").response_metadata, Told(answers=2).invoke("q").response_metadata


@gives({"logprobs": {"content": [{"token": "a", "logprob": -0.1}]}})
def log_probabilities_in_metadata(L):
    answer = L.AIMessage("a", response_metadata={"logprobs": {"content": [{"token": "a", "logprob": -0.1}]}})
    return (scripted_model(L, answer).bind(logprobs=True).invoke("q")).response_metadata


@gives(["ValueError", "ValueError"])
def call_with_wrong_input(L):
    return caught(lambda: L.FakeListChatModel(responses=["a"]).invoke(5), ValueError, TypeError), caught(
        lambda: L.FakeListChatModel(responses=["a"]).invoke([("nobody", "x")]), ValueError
    )


@gives({"stop": ["x"], "temperature": 0.5})
def stop_given_with_the_call(L):
    model = scripted_model(L, "a")
    model.invoke("q", stop=["x"], temperature=0.5)
    return plain(model.asked[0][1])


@gives([3, [97, 98], 9])
def tokens_counted(L):
    def tokens(text: str) -> list[int]:
        return [ord(letter) for letter in text]

    model: Any = L.FakeListChatModel(responses=["a"], custom_get_token_ids=tokens)
    return (
        model.get_num_tokens("abc"),
        model.get_token_ids("ab"),
        model.get_num_tokens_from_messages([L.HumanMessage("hi")]),
    )
