"""Models of both kinds: what holds whichever of their forms a class writes."""

from __future__ import annotations

import asyncio
import copy
import itertools
import pickle
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from verbs import VERBS, alist, awaited, in_every_verb, one_after_another

from anabranch.engine.chunks import fold
from anabranch.nodes import (
    LLM,
    AIMessage,
    AIMessageChunk,
    BaseCallbackHandler,
    BaseChatModel,
    BaseLLM,
    BaseMessage,
    ChatGeneration,
    ChatGenerationChunk,
    ChatPromptTemplate,
    ChatPromptValue,
    ChatResult,
    FakeChatModel,
    FakeListChatModel,
    FakeListChatModelError,
    FakeListLLM,
    FakeListLLMError,
    FakeMessagesListChatModel,
    FakeStreamingListLLM,
    Generation,
    GenerationChunk,
    GenericFakeChatModel,
    HumanMessage,
    LLMResult,
    ParrotFakeChatModel,
    PromptTemplate,
    RunnableLambda,
    SimpleChatModel,
    StringPromptValue,
    StrOutputParser,
    tool_call,
)

STREAMED = ("stream", "transform", "astream", "atransform")


def words(text: str, stop: list[str] | None = None) -> list[str]:
    """What all models here say, piece by piece."""
    said = [word.upper() + " " for word in text.split()]
    return said[: next((at for at, word in enumerate(said) if stop and word.strip() in stop), len(said))]


class ChatForms:
    """Each form of a chat model, to be picked from."""

    def _generate(self, messages: Any, stop: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("".join(words(messages[-1].text, stop))))])

    async def _agenerate(self, messages: Any, stop: Any = None, **kwargs: Any) -> ChatResult:
        return ChatForms._generate(self, messages, stop)

    def _stream(self, messages: Any, stop: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for word in words(messages[-1].text, stop):
            yield ChatGenerationChunk(message=AIMessageChunk(word))

    async def _astream(self, messages: Any, stop: Any = None, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        for word in words(messages[-1].text, stop):
            yield ChatGenerationChunk(message=AIMessageChunk(word))

    def _call(self, messages: Any, stop: Any = None, **kwargs: Any) -> str:
        return "".join(words(messages[-1].text, stop))


class TextForms:
    """The same of a model from text to text."""

    def _generate(self, prompts: Any, stop: Any = None, **kwargs: Any) -> LLMResult:
        return LLMResult(generations=[[Generation(text="".join(words(prompt, stop)))] for prompt in prompts])

    async def _agenerate(self, prompts: Any, stop: Any = None, **kwargs: Any) -> LLMResult:
        return TextForms._generate(self, prompts, stop)

    def _stream(self, prompt: Any, stop: Any = None, **kwargs: Any) -> Iterator[GenerationChunk]:
        for word in words(prompt, stop):
            yield GenerationChunk(text=word)

    async def _astream(self, prompt: Any, stop: Any = None, **kwargs: Any) -> AsyncIterator[GenerationChunk]:
        for word in words(prompt, stop):
            yield GenerationChunk(text=word)

    def _call(self, prompt: Any, stop: Any = None, **kwargs: Any) -> str:
        return "".join(words(prompt, stop))

    async def _acall(self, prompt: Any, stop: Any = None, **kwargs: Any) -> str:
        return TextForms._call(self, prompt, stop)


def written(base: type, forms: type, names: tuple[str, ...]) -> Any:
    """A model that writes these forms and no others."""
    cls: Any = type(f"{base.__name__}_with{''.join(names)}", (base,), {name: getattr(forms, name) for name in names})
    return cls()


def some_of(*names: str) -> Iterator[tuple[str, ...]]:
    for count in range(1, len(names) + 1):
        yield from itertools.combinations(names, count)


FORMS = ("_generate", "_agenerate", "_stream", "_astream")
MODELS = [
    *(written(BaseChatModel, ChatForms, names) for names in some_of(*FORMS)),
    *(written(SimpleChatModel, ChatForms, names) for names in some_of("_call", "_agenerate", "_stream", "_astream")),
    *(written(BaseLLM, TextForms, names) for names in some_of(*FORMS)),
    *(written(LLM, TextForms, names) for names in some_of("_call", "_acall", "_stream", "_astream")),
]
each_model = one_after_another("model", MODELS)
WITHOUT_A_BLOCKING_WHOLE = ("with_astream", "with_agenerate_astream", "with_acall_astream")
STREAMING = [
    model for model in MODELS if "_stream" in model.get_name() or model.get_name().endswith(WITHOUT_A_BLOCKING_WHOLE)
]
"""A blocking form that gives the whole goes before an asynchronous one that streams: it works on any thread."""


def text(answer: Any) -> str:
    return answer if isinstance(answer, str) else answer.text


def said(verb: str, model: Any, question: Any) -> str:
    answer = VERBS[verb](model, question)
    if "as_completed" in verb:
        return text(answer[0][1])
    if verb in STREAMED:
        return text(fold(answer))
    return text(answer[0] if "batch" in verb else answer)


@each_model
def test_one_form_is_enough_for_every_verb(model: Any) -> None:
    assert {verb: said(verb, model, "to be") for verb in VERBS} == dict.fromkeys(VERBS, "TO BE ")


@each_model
def test_what_is_bound_reaches_every_form(model: Any) -> None:
    for verb in ("invoke", "stream", "ainvoke", "astream"):
        assert said(verb, model.bind(stop=["BE"]), "to be or not") == "TO "
    assert text(model.invoke("to be or not", stop=["OR"])) == "TO BE "
    result = model.generate_prompt([StringPromptValue(text="to be")], stop=["BE"])
    assert result.generations[0][0].text == "TO "


@each_model
def test_a_question_has_many_forms_and_no_others(model: Any) -> None:
    value = ChatPromptValue(messages=[HumanMessage("a")])
    expected = "A " if isinstance(model, BaseChatModel) else "HUMAN: A "
    assert [text(model.invoke(each)) for each in ([("human", "a")], [HumanMessage("a")], value)] == [expected] * 3
    assert text(model.invoke(StringPromptValue(text="a"))) == "A "
    for wrong in (3, None, {"a": 1}, HumanMessage("a")):
        with pytest.raises(TypeError, match="expected text, a list of messages or a prompt value, got"):
            model.invoke(wrong)


@each_model
def test_a_batch_answers_each_in_order(model: Any) -> None:
    questions = [f"q{number}" for number in range(20)]
    expected = [f"Q{number} " for number in range(20)]
    assert [text(each) for each in model.batch(questions)] == expected
    assert [text(each) for each in awaited(lambda: model.abatch(questions))] == expected
    assert [text(each) for each in model.batch(questions, {"max_concurrency": 1})] == expected


@pytest.mark.parametrize("model", STREAMING, ids=lambda model: model.get_name())
def test_tokens_stream_through_a_chain(model: Any) -> None:
    chain = PromptTemplate.from_template("to {x}") | model | StrOutputParser()
    assert [chunk for chunk in chain.stream({"x": "be"}) if chunk] == ["TO ", "BE "]
    assert [chunk for chunk in awaited(lambda: alist(chain.astream({"x": "be"}))) if chunk] == ["TO ", "BE "]


@each_model
def test_handlers_are_told_each_token_once_and_one_answer(model: Any) -> None:
    for verb in VERBS:
        told = Told()
        VERBS[verb](PromptTemplate.from_template("{x}") | model, {"x": "to be"}, {"callbacks": [told]})
        assert told.asked == [[["to be"]]]
        assert [answer.generations[0][0].text for answer in told.answers] == ["TO BE "]
        assert "".join(told.tokens) in ("TO BE ", "")
        assert (told.tokens != []) == (verb in STREAMED)


class Told(BaseCallbackHandler):
    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.tokens: list[str] = []
        self.answers: list[LLMResult] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **more: Any) -> None:
        self.asked.append([[message.text for message in each] for each in messages])

    def on_llm_start(self, serialized: Any, prompts: list[str], **more: Any) -> None:
        self.asked.append([prompts])

    def on_llm_new_token(self, token: str, *, chunk: Any = None, **more: Any) -> None:
        assert isinstance(chunk, GenerationChunk | ChatGenerationChunk)
        assert chunk.text == token
        self.tokens.append(token)

    def on_llm_end(self, response: LLMResult, **more: Any) -> None:
        self.answers.append(response)


@each_model
def test_generate_gives_the_candidates_and_the_run_of_each(model: Any) -> None:
    asked = ["a", "b"] if isinstance(model, BaseLLM) else [[("human", "a")], [("human", "b")]]
    told = Told()
    for result in (
        model.generate(asked, callbacks=[told], run_name="mine"),
        awaited(lambda: model.agenerate(asked, callbacks=[told], run_name="mine")),
    ):
        assert [[each.text for each in candidates] for candidates in result.generations] == [["A "], ["B "]]
        assert len({each.run_id for each in result.run}) == 2
    assert len(told.answers) == 4
    assert {answer.run for answer in told.answers} == {None}


@each_model
def test_who_listens_to_generate_sees_the_answer_as_of_any_run(model: Any) -> None:
    asked: Any = ["a"] if isinstance(model, BaseLLM) else [[("human", "a")]]
    chain = RunnableLambda(lambda _: model.generate(asked).generations[0][0].text)
    ends = [each for each in chain.stream_events("x", include_types=["llm", "chat_model"]) if "_end" in each["event"]]
    output = ends[0]["data"]["output"]
    assert (output if isinstance(model, BaseLLM) else output.content) == "A "


def test_the_runs_that_generate_tells_of_are_those_that_handlers_see() -> None:
    class Ids(BaseCallbackHandler):
        def __init__(self) -> None:
            self.ids: set[Any] = set()

        def on_llm_end(self, response: LLMResult, *, run_id: Any, **more: Any) -> None:
            self.ids.add(run_id)

    for model in MODELS:
        asked: Any = ["a", "b"] if isinstance(model, BaseLLM) else [[("human", "a")], [("human", "b")]]
        ids = Ids()
        result = model.generate(asked, callbacks=[ids])
        assert {each.run_id for each in result.run} == ids.ids


@each_model
@pytest.mark.parametrize("verb", ["invoke", "ainvoke"])
def test_what_generate_asks_inside_a_chain_shows_its_answer_as_any_model_does(model: Any, verb: str) -> None:
    question: Any = "a" if isinstance(model, BaseLLM) else [("human", "a")]

    def asks(_: Any) -> Any:
        model.generate([question])
        return model.invoke(question)

    async def aasks(_: Any) -> Any:
        await model.agenerate([question])
        return await model.ainvoke(question)

    events = RunnableLambda(asks if verb == "invoke" else aasks).stream_events(
        None, include_types=["chat_model", "llm"]
    )
    outputs = [event["data"]["output"] for event in events if event["event"].endswith("_end")]
    assert [type(output) for output in outputs] == [type(model.invoke(question))] * 2
    assert [getattr(output, "content", output) for output in outputs] == ["A ", "A "]


@each_model
def test_a_run_id_that_was_asked_for_is_that_of_the_first(model: Any) -> None:
    asked: Any = ["a", "b"] if isinstance(model, BaseLLM) else [[("human", "a")], [("human", "b")]]
    for callbacks in (None, [Told()]):
        result = model.generate(asked, callbacks=callbacks, run_id=UUID(int=7))
        assert [each.run_id == UUID(int=7) for each in result.run] == [True, False]


def test_the_simplest_model_takes_a_text_alone() -> None:
    class Simple(LLM):
        def _call(self, prompt: str) -> str:  # type: ignore[override]
            return prompt + "!"

    assert Simple().invoke("a") == "a!"
    with pytest.raises(TypeError, match="stop"):
        Simple().invoke("a", stop=["b"])


class Several(BaseLLM):
    calls: list[list[str]]

    def _generate(self, prompts: list[str], stop: Any = None, **kwargs: Any) -> LLMResult:
        self.calls.append(prompts)
        made = [[Generation(text=p, generation_info={"n": at}), Generation(text="or")] for at, p in enumerate(prompts)]
        return LLMResult(generations=made, llm_output={"tokens": len(prompts)})


def test_a_model_that_takes_many_texts_gets_those_that_wait() -> None:
    model = Several(calls=[])
    assert model.batch(["a", "b", "c"], {"max_concurrency": 1}) == ["a", "b", "c"]
    assert model.calls == [["a", "b", "c"]]
    result = model.generate(["a", "b"])
    assert model.calls[1:] == [["a", "b"]]
    assert [[each.text for each in candidates] for candidates in result.generations] == [["a", "or"], ["b", "or"]]
    assert result.llm_output == {"tokens": 2}


def test_handlers_see_what_a_model_that_takes_many_texts_said_of_each() -> None:
    told = Told()
    Several(calls=[]).batch(["a", "b"], {"callbacks": [told], "max_concurrency": 1})
    assert [answer.generations[0][0].generation_info for answer in told.answers] == [{"n": 0}, {"n": 1}]
    assert [answer.llm_output for answer in told.answers] == [{"tokens": 2}] * 2


def test_what_a_stream_says_of_itself_is_told_at_its_end() -> None:
    class Says(LLM):
        def _stream(self, prompt: str, stop: Any = None, **kwargs: Any) -> Iterator[GenerationChunk]:
            yield GenerationChunk(text="a")
            yield GenerationChunk(text="b", generation_info={"finish_reason": "stop"})

    for verb in ("stream", "astream", "invoke"):
        told = Told()
        VERBS[verb](Says(), "?", {"callbacks": [told]})
        ((generation,),) = told.answers[0].generations
        assert (generation.text, generation.generation_info) == ("ab", {"finish_reason": "stop"})


def test_a_number_of_answers_that_is_wrong_is_an_error() -> None:
    class Short(BaseLLM):
        def _generate(self, prompts: list[str], stop: Any = None, **kwargs: Any) -> LLMResult:
            return LLMResult(generations=[])

    for call in (lambda: Short().invoke("a"), lambda: Short().batch(["a", "b"]), lambda: Short().generate(["a"])):
        with pytest.raises(ValueError, match="Short"):
            call()


# Failing, closing, cancelling


def breaking(base: type, names: tuple[str, ...], pieces: int) -> Any:
    """A model that fails after so many pieces."""

    def chunks(self: Any, asked: Any, stop: Any = None, **kwargs: Any) -> Iterator[Any]:
        chat, plain = ChatGenerationChunk(message=AIMessageChunk("a")), GenerationChunk(text="a")
        for _ in range(pieces):
            yield chat if base is BaseChatModel else plain
        raise OSError("torn")

    async def achunks(self: Any, asked: Any, stop: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        for chunk in chunks(self, asked):
            yield chunk

    written = {name: form for name, form in (("_stream", chunks), ("_astream", achunks)) if name in names}
    cls: Any = type("Breaking", (base,), written)
    return cls()


@pytest.mark.parametrize("pieces", [0, 1, 3])
@pytest.mark.parametrize("base", [BaseChatModel, BaseLLM])
@pytest.mark.parametrize("names", list(some_of("_stream", "_astream")), ids="".join)
def test_an_error_comes_after_the_pieces_before_it(base: type, names: tuple[str, ...], pieces: int) -> None:
    model = breaking(base, names, pieces)
    for verb in VERBS:
        errors = Errors()
        with pytest.raises(OSError, match="torn"):
            VERBS[verb](model, "?", {"callbacks": [errors]})
        assert [str(error) for error in errors.errors] == ["torn"]
    chunks = model.stream("?")
    assert [text(next(chunks)) for _ in range(pieces)] == ["a"] * pieces
    with pytest.raises(OSError, match="torn"):
        next(chunks)


class Errors(BaseCallbackHandler):
    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def on_llm_error(self, error: BaseException, **more: Any) -> None:
        self.errors.append(error)


class Endless(LLM):
    closed: list[str]

    def _stream(self, prompt: str, stop: Any = None, **kwargs: Any) -> Iterator[GenerationChunk]:
        try:
            while True:
                yield GenerationChunk(text="more")
        finally:
            self.closed.append("closed")

    async def _astream(self, prompt: str, stop: Any = None, **kwargs: Any) -> AsyncIterator[GenerationChunk]:
        try:
            while True:
                yield GenerationChunk(text="more")
                await asyncio.sleep(0)
        finally:
            self.closed.append("closed")


def test_closing_a_stream_closes_that_of_the_model() -> None:
    model = Endless(closed=[])
    with closing(model.stream("?")) as chunks:
        assert next(chunks) == "more"
    assert model.closed == ["closed"]


def test_cancelling_a_task_closes_the_stream_of_the_model() -> None:
    model = Endless(closed=[])

    async def main() -> None:
        began = asyncio.Event()

        async def read() -> None:
            async for _ in model.astream("?"):
                began.set()

        task = asyncio.create_task(read())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert model.closed == ["closed"]


class Mixed(LLM):
    """Streams what doesn't add up."""

    closed: list[str]

    def _stream(self, prompt: str, stop: Any = None, **kwargs: Any) -> Iterator[Any]:
        try:
            yield GenerationChunk(text="a")
            yield GenerationChunk.model_construct(text=1)
        finally:
            self.closed.append("closed")

    async def _astream(self, prompt: str, stop: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            yield GenerationChunk(text="a")
            yield GenerationChunk.model_construct(text=1)
        finally:
            self.closed.append("closed")


def test_a_stream_that_does_not_add_up_is_closed_before_the_error_is_told() -> None:
    model = Mixed(closed=[])
    with pytest.raises(TypeError):
        model.invoke("?")
    assert model.closed == ["closed"]

    async def main() -> None:
        with pytest.raises(TypeError):
            await model.ainvoke("?")
        assert model.closed == ["closed", "closed"]

    asyncio.run(main())


# Settings


@in_every_verb
def test_tags_and_metadata_and_callbacks_of_a_model_are_those_of_its_runs(verb: str) -> None:
    seen: list[Any] = []

    class Sees(BaseCallbackHandler):
        def on_llm_start(self, serialized: Any, prompts: Any, **more: Any) -> None:
            seen.append((more["tags"], more["metadata"], more["name"]))

    model = FakeListLLM(responses=["a"], tags=["mine"], metadata={"m": 1}, callbacks=[Sees()], name="Fake")
    VERBS[verb](RunnableLambda(str) | model, "?", {"tags": ["outer"], "metadata": {"o": 2}})
    assert seen == [(["seq:step:2", "outer", "mine"], {"o": 2, "m": 1}, "Fake")]


def test_a_verbose_model_tells_of_its_runs(capsys: pytest.CaptureFixture[str]) -> None:
    FakeListLLM(responses=["a"], verbose=True).invoke("?")
    assert "FakeListLLM" in "".join(capsys.readouterr())


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_streaming_may_be_disabled_always_or_where_there_are_tools(verb: str) -> None:
    def pieces(model: Any, **kwargs: Any) -> list[str]:
        return [text(chunk) for chunk in VERBS[verb](model.bind(**kwargs), "?")]

    assert pieces(FakeStreamingListLLM(responses=["ab"], disable_streaming=True)) == ["ab"]
    assert pieces(FakeListChatModel(responses=["ab"], disable_streaming=True)) == ["ab"]
    model = FakeListChatModel(responses=["ab"], disable_streaming="tool_calling")
    assert pieces(model) == pieces(model, tools=[]) == ["a", "b"]
    assert pieces(model, tools=[{"type": "web_search"}]) == ["ab"]


def test_tokens_are_counted_roughly_or_by_a_function() -> None:
    model = FakeListLLM(responses=["a"])
    assert model.get_num_tokens("The quick brown fox jumps over it.") == 8
    assert model.get_token_ids("a b a")[0] == model.get_token_ids("a b a")[2]
    assert model.get_num_tokens_from_messages([HumanMessage("a b"), AIMessage("c")]) == 7
    assert FakeListLLM(responses=["a"], custom_get_token_ids=lambda text: [1] * len(text)).get_num_tokens("abc") == 3


def test_a_model_prints_and_copies_by_what_it_is() -> None:
    model = FakeListLLM(responses=["a", "b"], tags=["t"])
    assert repr(model) == "FakeListLLM(responses=['a', 'b'])"
    assert model.invoke("?") == "a"
    assert copy.deepcopy(model).invoke("?") == pickle.loads(pickle.dumps(model)).invoke("?") == "b"


def test_a_model_without_any_form_says_what_to_write() -> None:
    for base in (LLM, BaseLLM, SimpleChatModel, BaseChatModel):
        cls: Any = type("Empty", (base,), {})
        with pytest.raises(TypeError, match="Empty has no form to run; write _generate, _stream"):
            cls().invoke("?")


def test_a_method_that_takes_a_run_manager_gets_one() -> None:
    class Tells(LLM):
        def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
            run_manager.on_llm_new_token("to")
            run_manager.on_llm_new_token("ken")
            return "token"

    class TellsChat(SimpleChatModel):
        def _call(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
            run_manager.on_llm_new_token("to")
            run_manager.on_llm_new_token("ken")
            return "token"

    for model in (Tells(), TellsChat()):
        for verb in VERBS:
            told = Told()
            VERBS[verb](model, "?", {"callbacks": [told]})
            assert told.tokens == ["to", "ken"]
        model.invoke("?")


# Fakes


def test_the_fakes_say_what_they_were_told_to() -> None:
    model = FakeListLLM(responses=["a", "b"], i=1)
    assert [model.invoke("?") for _ in range(3)] == ["b", "a", "b"]
    assert model.i == 0
    assert list(FakeListLLM(responses=["ab"]).stream("?")) == ["ab"]
    assert list(FakeStreamingListLLM(responses=["ab"]).stream("?")) == ["a", "b"]
    assert list(FakeStreamingListLLM(responses=[""]).stream("?")) == [""]
    messages: list[BaseMessage] = [AIMessage("a"), HumanMessage("b")]
    in_turn = FakeMessagesListChatModel(responses=messages)
    assert [(type(each), each.text) for each in in_turn.batch(["?"] * 2, {"max_concurrency": 1})] == [
        (AIMessage, "a"),
        (HumanMessage, "b"),
    ]
    assert fold(in_turn.stream("?")).text == "a"
    assert FakeChatModel().invoke("?").content == asyncio.run(FakeChatModel().ainvoke("?")).content == "fake response"
    assert ParrotFakeChatModel().invoke([("human", "a"), ("ai", "b")]).content == "b"
    assert isinstance(ParrotFakeChatModel().invoke("a"), HumanMessage)
    with pytest.raises(ValueError, match="repeats the last message, and got none"):
        ParrotFakeChatModel().invoke([])


@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize(
    ("fake", "error"), [(FakeListChatModel, FakeListChatModelError), (FakeStreamingListLLM, FakeListLLMError)]
)
def test_a_fake_fails_at_the_chunk_that_it_was_told(verb: str, fake: Any, error: type[Exception]) -> None:
    model = fake(responses=["abc"], error_on_chunk_number=1)
    with pytest.raises(error, match="was told to fail at chunk 1"):
        VERBS[verb](model, "?")
    assert text(model.invoke("?")) == "abc"


def test_what_a_message_holds_besides_its_text_streams_too() -> None:
    call = tool_call(name="add", args={"a": 1}, id="call-1")
    message = AIMessage("a b", tool_calls=[call], id="mine", additional_kwargs={"k": 1})
    streamed = fold(GenericFakeChatModel(messages=iter([message])).stream("?"))
    assert (streamed.text, streamed.tool_calls, streamed.id) == ("a b", [call], "mine")
    assert streamed.additional_kwargs == {"k": 1}


# Events


def events(runnable: Any, value: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
    asynchronous = awaited(lambda: alist(runnable.astream_events(value, **kwargs)))
    blocking = list(runnable.stream_events(value, **kwargs))
    shown = [
        [(event["event"], event["data"]) for event in each if event["event"].startswith("on_llm")]
        for each in (asynchronous, blocking)
    ]
    assert shown[0] == shown[1]
    return shown[0]


CHAIN = PromptTemplate.from_template("{x}") | FakeStreamingListLLM(responses=["he"])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_events_of_a_model_from_text_to_text_at_the_root(version: str) -> None:
    assert events(FakeStreamingListLLM(responses=["he"]), "hello", version=version) == [
        ("on_llm_start", {"input": "hello"}),
        ("on_llm_stream", {"chunk": "h"}),
        ("on_llm_stream", {"chunk": "e"}),
        ("on_llm_end", {"output": "he"}),
    ]


def test_events_of_a_model_from_text_to_text_in_a_chain() -> None:
    def expected(output: Any) -> list[tuple[str, Any]]:
        return [
            ("on_llm_start", {"input": {"prompts": ["hello"]}}),
            ("on_llm_stream", {"chunk": "h"}),
            ("on_llm_stream", {"chunk": "e"}),
            ("on_llm_end", {"output": output, "input": {"prompts": ["hello"]}}),
        ]

    generations = [[{"text": "he", "generation_info": None, "type": "Generation"}]]
    whole = {"generations": generations, "llm_output": None, "run": None, "type": "LLMResult"}
    assert events(CHAIN, {"x": "hello"}, version="v2") == expected("he")
    assert events(CHAIN, {"x": "hello"}, version="v1") == expected(whole)


def test_the_run_log_of_a_model_from_text_to_text() -> None:
    state = awaited(lambda: alist(CHAIN.astream_log({"x": "hello"}, diff=False)))[-1].state
    entry = state["logs"]["FakeStreamingListLLM"]
    assert (entry["type"], entry["streamed_output"], entry["streamed_output_str"]) == ("llm", ["h", "e"], ["h", "e"])
    assert entry["final_output"]["generations"][0][0]["text"] == "he"
    assert state["final_output"] == "he"


def test_a_model_composes_with_what_stands_around_it() -> None:
    chain = ChatPromptTemplate.from_template("{x}") | FakeListLLM(responses=["a"]) | str.upper
    assert chain.invoke({"x": "?"}) == "A"
    assert CHAIN.output_schema.model_json_schema()["type"] == "string"
