"""Handlers see models, retrievers and retries: what they were asked, each token once, and the whole answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from verbs import VERBS, in_every_verb

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    AsyncCallbackHandler,
    AsyncModelRunManager,
    BaseCallbackHandler,
    BaseChatModel,
    BaseMessage,
    BaseRetriever,
    ChatGeneration,
    ChatGenerationChunk,
    ChatPromptTemplate,
    ChatResult,
    Document,
    FakeListChatModel,
    LLMResult,
    ModelRunManager,
    RetryState,
    RunManager,
    RunnableLambda,
    StrOutputParser,
)

CHUNKED = ("stream", "transform", "astream", "atransform")
in_chunks = pytest.mark.parametrize("verb", CHUNKED)
in_values = pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in CHUNKED])


class Told(BaseCallbackHandler):
    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.tokens: list[str] = []
        self.answers: list[LLMResult] = []
        self.about: dict[str, Any] = {}

    def on_chat_model_start(self, serialized: Any, messages: list[list[BaseMessage]], **more: Any) -> None:
        self.asked.append([[message.text for message in each] for each in messages])
        self.about = {"serialized": serialized, **more}

    def on_llm_new_token(self, token: str, *, chunk: Any = None, **more: Any) -> None:
        assert isinstance(chunk, ChatGenerationChunk)
        assert chunk.text == token
        self.tokens.append(token)

    def on_llm_end(self, response: LLMResult, **more: Any) -> None:
        self.answers.append(response)


class AsyncTold(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.asked: list[Any] = []

    async def on_llm_start(self, serialized: Any, prompts: list[str], **more: Any) -> None:
        await asyncio.sleep(0)
        self.asked.append(prompts)

    async def on_llm_new_token(self, token: str, **more: Any) -> None:
        await asyncio.sleep(0)
        self.tokens.append(token)


CHAIN = ChatPromptTemplate.from_template("say {x}") | FakeListChatModel(responses=["hey"])


class TestChatModels:
    @in_every_verb
    def test_they_are_asked_with_messages_and_answer_with_a_result(self, verb: str) -> None:
        handler = Told()
        VERBS[verb](CHAIN, {"x": "hi"}, {"callbacks": [handler]})
        assert handler.asked == [[["say hi"]]]
        (answer,) = handler.answers
        assert isinstance(answer, LLMResult)
        ((generation,),) = answer.generations
        assert isinstance(generation, ChatGeneration)
        assert (generation.text, generation.message.text) == ("hey", "hey")
        assert handler.about["name"] == "FakeListChatModel"
        assert handler.about["serialized"]["id"][-1] == "FakeListChatModel"
        assert handler.about["options"] == {"stop": None}

    def test_a_name_for_the_run_is_not_that_of_the_model(self) -> None:
        handler = Told()
        model = FakeListChatModel(responses=["hey"])
        model.with_config(run_name="asks").invoke("hi", {"callbacks": [handler]})
        assert (handler.about["name"], handler.about["serialized"]["name"]) == ("asks", "FakeListChatModel")
        model.model_copy(update={"name": "mine"}).invoke("hi", {"callbacks": [handler], "run_name": "asks"})
        assert (handler.about["name"], handler.about["serialized"]["name"]) == ("asks", "mine")

    @in_chunks
    def test_tokens_are_told_as_they_come(self, verb: str) -> None:
        handler, awaiting = Told(), AsyncTold()
        VERBS[verb](CHAIN, {"x": "hi"}, {"callbacks": [handler, awaiting]})
        assert handler.tokens == awaiting.tokens == ["h", "e", "y"]
        assert awaiting.asked == [["Human: say hi"]]

    @in_values
    def test_listening_does_not_make_them_stream(self, verb: str) -> None:
        handler = Told()
        VERBS[verb](CHAIN, {"x": "hi"}, {"callbacks": [handler]})
        assert handler.tokens == []

    @in_every_verb
    def test_what_is_bound_is_told_of(self, verb: str) -> None:
        handler = Told()
        VERBS[verb](FakeListChatModel(responses=["hey"]).bind(stop=["."]), "hi", {"callbacks": [handler]})
        assert handler.about["options"] == {"stop": ["."]}
        settings = {"responses": ["hey"], "_type": "fake-list-chat-model"}
        assert handler.about["invocation_params"] == {**settings, "stop": ["."]}

    @in_every_verb
    def test_a_failure_is_told_of(self, verb: str) -> None:
        errors = []

        class Errors(BaseCallbackHandler):
            def on_llm_error(self, error: BaseException, **more: Any) -> None:
                errors.append(error)

        with pytest.raises(TypeError) as raised:
            VERBS[verb](FakeListChatModel(responses=["a"]), 3, {"callbacks": [Errors(), Told()]})
        assert errors == [raised.value]

    def test_handlers_that_know_no_messages_get_texts(self) -> None:
        asked = []

        class Texts(BaseCallbackHandler):
            def on_llm_start(self, serialized: Any, prompts: list[str], **more: Any) -> None:
                asked.append(prompts)

            def on_chat_model_start(self, serialized: Any, messages: Any, **more: Any) -> None:
                raise NotImplementedError

        CHAIN.invoke({"x": "hi"}, {"callbacks": [Texts()]})
        asyncio.run(CHAIN.ainvoke({"x": "hi"}, {"callbacks": [Texts()]}))
        assert asked == [["Human: say hi"]] * 2

    @pytest.mark.parametrize("flag", ["ignore_llm", "ignore_chat_model"])
    def test_handlers_may_ignore_them(self, flag: str) -> None:
        handler = type("Deaf", (Told,), {flag: True})()
        CHAIN.invoke({"x": "hi"}, {"callbacks": [handler]})
        assert (len(handler.asked), len(handler.answers)) == ((1, 0) if flag == "ignore_llm" else (0, 1))


class Aloud(BaseChatModel):
    """Tells of its tokens itself, as it makes its answer."""

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        assert isinstance(run_manager, ModelRunManager)
        for token in "abc":
            run_manager.on_llm_new_token(token)
        said = [
            ChatGeneration(message=AIMessage(text), generation_info={"n": at}) for at, text in enumerate(["abc", "x"])
        ]
        return ChatResult(generations=said, llm_output={"tokens": 3})


class AloudInChunks(Aloud):
    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for token in "abc":
            chunk = ChatGenerationChunk(message=AIMessageChunk(token))
            run_manager.on_llm_new_token(token, chunk=chunk)
            yield chunk


class AsyncAloud(BaseChatModel):
    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        assert isinstance(run_manager, AsyncModelRunManager)
        for token in "abc":
            await run_manager.on_llm_new_token(token)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("abc"))])


class AsyncAloudInChunks(AsyncAloud):
    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for token in "abc":
            await run_manager.on_llm_new_token(token)
            yield ChatGenerationChunk(message=AIMessageChunk(token))


class Finishes(BaseChatModel):
    """Says with its last chunk why it has ended."""

    def _stream(self, messages: Any, stop: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for token, info in (("a", None), ("b", {"finish_reason": "stop"})):
            yield ChatGenerationChunk(message=AIMessageChunk(token), generation_info=info)


@in_chunks
def test_what_is_said_of_a_streamed_answer_is_told(verb: str) -> None:
    class Reasons(Told):
        def on_llm_new_token(self, token: str, *, chunk: Any = None, **more: Any) -> None:
            self.tokens.append((chunk.generation_info or {}).get("finish_reason", "-"))

    handler = Reasons()
    VERBS[verb](Finishes(), "hi", {"callbacks": [handler]})
    assert handler.tokens[:2] == ["-", "stop"]
    ((generation,),) = handler.answers[0].generations
    assert isinstance(generation, ChatGenerationChunk)
    assert (generation.text, generation.generation_info) == ("ab", {"finish_reason": "stop"})


class BreaksOff(Finishes):
    def _stream(self, messages: Any, stop: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield from super()._stream(messages)
        raise ConnectionError("lost")


@in_chunks
def test_what_was_answered_before_a_failure_is_told(verb: str) -> None:
    class Failures(BaseCallbackHandler):
        def on_llm_error(self, error: BaseException, **more: Any) -> None:
            told.append((str(error), more["response"].generations[0][0].text))

        def on_chain_error(self, error: BaseException, **more: Any) -> None:
            assert "response" not in more

    told: list[tuple[str, str]] = []
    for model in (BreaksOff(), RunnableLambda(str) | BreaksOff() | StrOutputParser()):
        with pytest.raises(ConnectionError):
            VERBS[verb](model, "hi", {"callbacks": [Failures()]})
    assert told == [("lost", "ab")] * 2


class TestModelsThatTellTheirTokens:
    @in_every_verb
    @pytest.mark.parametrize("model", [Aloud, AloudInChunks, AsyncAloud, AsyncAloudInChunks])
    def test_each_token_is_told_once(self, verb: str, model: Any) -> None:
        for made in (model(), RunnableLambda(lambda x: x) | model()):
            handler, awaiting = Told(), AsyncTold()
            VERBS[verb](made, "hi", {"callbacks": [handler, awaiting]})
            assert "".join(handler.tokens) == "".join(awaiting.tokens) == "abc"
            assert [answer.generations[0][0].text for answer in handler.answers] == ["abc"]

    @in_every_verb
    @pytest.mark.parametrize("model", [Aloud, AloudInChunks, AsyncAloud, AsyncAloudInChunks])
    def test_where_nobody_listens_they_may_as_well(self, verb: str, model: Any) -> None:
        VERBS[verb](model(), "hi")

    @in_values
    def test_all_that_was_answered_is_told(self, verb: str) -> None:
        handler = Told()
        VERBS[verb](Aloud(), "hi", {"callbacks": [handler]})
        (answer,) = handler.answers
        assert [each.text for each in answer.generations[0]] == ["abc", "x"]
        assert [each.generation_info for each in answer.generations[0]] == [{"n": 0}, {"n": 1}]
        assert answer.llm_output == {"tokens": 3}


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: RunManager) -> list[Document]:
        child = RunnableLambda(str.upper, name="inner")
        return [Document(child.invoke(query, {"callbacks": run_manager.get_child("look")}))]


class TestRetrievers:
    @in_every_verb
    def test_they_are_told_of_with_question_and_documents(self, verb: str) -> None:
        told: list[Any] = []

        class Finds(BaseCallbackHandler):
            def on_retriever_start(self, serialized: Any, query: str, **more: Any) -> None:
                told.append((query, serialized["name"], more["name"]))

            def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> None:
                told.append((more["name"], more["tags"], more["parent_run_id"] is not None))

            def on_retriever_end(self, documents: Any, **more: Any) -> None:
                told.append(documents)

        VERBS[verb](Shelf(), "q", {"callbacks": [Finds()]})
        assert told == [("q", "Shelf", "Shelf"), ("inner", ["look"], True), [Document("Q")]]

    @in_every_verb
    def test_their_failures_too(self, verb: str) -> None:
        errors = []

        class Errors(BaseCallbackHandler):
            def on_retriever_error(self, error: BaseException, **more: Any) -> None:
                errors.append(error)

        class Burnt(BaseRetriever):
            def _get_relevant_documents(self, query: str) -> list[Document]:
                raise OSError("no books")

        with pytest.raises(OSError, match="no books") as raised:
            VERBS[verb](Burnt(), "q", {"callbacks": [Errors()]})
        assert errors == [raised.value]


class TestRetries:
    @in_every_verb
    def test_each_attempt_that_is_repeated_is_told_of_before_the_next(self, verb: str) -> None:
        told: list[Any] = []

        class Retries(BaseCallbackHandler):
            def on_retry(self, retry_state: RetryState, *, run_id: Any, **more: Any) -> None:
                assert retry_state.outcome.exception() is retry_state.exception
                assert retry_state.outcome.failed
                told.append((retry_state.attempt_number, str(retry_state.exception)))

        def flaky(x: str) -> str:
            told.append("try")
            if len(told) < 5:
                raise ValueError(f"no {len(told)}")
            return x

        chain = RunnableLambda(flaky).with_retry(wait_exponential_jitter=False)
        VERBS[verb](chain | str.upper, "x", {"callbacks": [Retries()]})
        assert told == ["try", (1, "no 1"), "try", (2, "no 3"), "try"]

    def test_handlers_may_ignore_them(self) -> None:
        told = []

        class Deaf(BaseCallbackHandler):
            ignore_retry = True

            def on_retry(self, retry_state: RetryState, **more: Any) -> None:
                told.append(retry_state)

        def fail(x: str) -> str:
            raise ValueError(x)

        with pytest.raises(ValueError, match="x"):
            RunnableLambda(fail).with_retry(wait_exponential_jitter=False).invoke("x", {"callbacks": [Deaf()]})
        assert told == []
