"""Chat models: what follows from each form that a subclass writes, and the ids and ends of answers."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from anabranch.engine.chunks import fold
from anabranch.nodes.messages.chunks import AIMessageChunk
from anabranch.nodes.messages.generations import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    agenerate_from_stream,
    generate_from_stream,
)
from anabranch.nodes.messages.messages import AIMessage, BaseMessage, HumanMessage
from anabranch.nodes.messages.prompt_values import StringPromptValue
from anabranch.nodes.models.chat_models import BaseChatModel
from anabranch.nodes.models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from anabranch.nodes.models.fake_llms import FakeListLLM
from anabranch.nodes.openai.models import ChatOpenAI
from anabranch.nodes.parsers.parsers import BaseOutputParser, StrOutputParser
from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.retrieval.retrievers import BaseRetriever
from anabranch.nodes.serializable import RunnableSerializable
from anabranch.nodes.stdlib.extractive import NOTHING, ExtractiveChatModel


def said(text: str) -> ChatResult:
    message = ChatGeneration(message=AIMessage(text), generation_info={"finish_reason": "stop"})
    return ChatResult(generations=[message])


def piece(text: str, **fields: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(text, **fields))


def upper(messages: list[BaseMessage]) -> list[str]:
    return [word.upper() for word in messages[-1].text.split()]


class Generates(BaseChatModel):
    def _generate(self, messages: list[BaseMessage], stop: Any = None, **kwargs: Any) -> ChatResult:
        return said("".join(upper(messages)))


class Streams(BaseChatModel):
    def _stream(self, messages: list[BaseMessage], stop: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for word in upper(messages):
            yield piece(word)


class AsyncGenerates(BaseChatModel):
    async def _agenerate(self, messages: list[BaseMessage], stop: Any = None, **kwargs: Any) -> ChatResult:
        return said("".join(upper(messages)))


class AsyncStreams(BaseChatModel):
    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in upper(messages):
            yield piece(word)


class EveryForm(Generates, Streams, AsyncGenerates, AsyncStreams):
    pass


each_model = pytest.mark.parametrize(
    "model", [Generates(), Streams(), AsyncGenerates(), AsyncStreams(), EveryForm()], ids=type
)
streaming = pytest.mark.parametrize("model", [Streams(), AsyncStreams(), EveryForm()], ids=type)


def stream(model: BaseChatModel, question: str) -> list[Any]:
    return list(model.stream(question))


def astream(model: BaseChatModel, question: str) -> list[Any]:
    async def main() -> list[Any]:
        return [chunk async for chunk in model.astream(question)]

    return asyncio.run(main())


each_stream = pytest.mark.parametrize("streamed", [stream, astream])
Streamed = Callable[[BaseChatModel, str], list[Any]]


@each_model
def test_every_verb_follows_from_any_form(model: BaseChatModel) -> None:
    async def main() -> list[BaseMessage]:
        return [await model.ainvoke("a b"), *await model.abatch(["a b"])]

    answers = [model.invoke("a b"), *model.batch(["a b"]), *asyncio.run(main())]
    assert [type(answer) for answer in answers] == [AIMessage] * 4
    assert {answer.content for answer in answers} == {"AB"}


@each_model
@each_stream
def test_chunks_add_up_to_the_answer(model: BaseChatModel, streamed: Streamed) -> None:
    chunks = streamed(model, "a b")
    assert all(type(chunk) is AIMessageChunk for chunk in chunks)
    assert fold(chunks).content == model.invoke("a b").content


@each_model
@each_stream
def test_all_chunks_of_an_answer_share_an_id_and_the_last_says_so(model: BaseChatModel, streamed: Streamed) -> None:
    chunks = streamed(model, "a b")
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].id.startswith("run-")
    assert [chunk.chunk_position for chunk in chunks] == [None] * (len(chunks) - 1) + ["last"]
    assert streamed(model, "a b")[0].id != chunks[0].id


@each_model
def test_a_whole_answer_has_an_id(model: BaseChatModel) -> None:
    first, second = model.invoke("a"), model.invoke("a")
    assert (first.id or "").startswith("run-")
    assert first.id != second.id


@streaming
@each_stream
def test_when_the_model_marks_no_chunk_an_empty_one_follows(model: BaseChatModel, streamed: Streamed) -> None:
    assert [chunk.content for chunk in streamed(model, "a b")] == ["A", "B", ""]


@streaming
@each_stream
def test_a_stream_without_a_chunk_is_an_empty_answer(model: BaseChatModel, streamed: Streamed) -> None:
    assert [(chunk.content, chunk.chunk_position) for chunk in streamed(model, "")] == [("", "last")]


@each_stream
def test_a_model_that_only_generates_makes_one_chunk(streamed: Streamed) -> None:
    (chunk,) = streamed(Generates(), "a b")
    assert (chunk.content, chunk.response_metadata) == ("AB", {"finish_reason": "stop"})


def test_a_whole_answer_can_be_made_of_a_stream() -> None:
    pieces = [piece("a", id="mine"), ChatGenerationChunk(message=AIMessageChunk("b"), generation_info={"why": "end"})]

    async def stream() -> AsyncIterator[ChatGenerationChunk]:
        for each in pieces:
            yield each

    for result in (generate_from_stream(iter(pieces)), asyncio.run(agenerate_from_stream(stream()))):
        (generation,) = result.generations
        assert (generation.message, generation.generation_info) == (AIMessage("ab", id="mine"), {"why": "end"})
    with pytest.raises(ValueError, match="without a piece"):
        generate_from_stream([])


class Marks(BaseChatModel):
    def _stream(self, messages: list[BaseMessage], stop: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield piece("a", id="mine")
        yield piece("b", chunk_position="last")


@each_stream
def test_the_models_own_id_and_mark_are_kept(streamed: Streamed) -> None:
    chunks = streamed(Marks(), "a")
    assert [(chunk.content, chunk.id) for chunk in chunks] == [("a", "mine"), ("b", "mine")]
    assert Marks().invoke("a") == AIMessage("ab", id="mine")


class Notes(BaseChatModel):
    def _generate(self, messages: list[BaseMessage], stop: Any = None, **kwargs: Any) -> ChatResult:
        return said(f"{[message.text for message in messages]} {stop} {kwargs}")


def test_bound_arguments_reach_the_model() -> None:
    assert Notes().bind(stop=["."], seed=7).invoke("a").content == "['a'] ['.'] {'seed': 7}"
    assert Notes().invoke("a", stop=["!"]).content == "['a'] ['!'] {}"


@pytest.mark.parametrize(
    "question", ["a", [HumanMessage("a")], [("human", "a")], ["a"], StringPromptValue(text="a")], ids=repr
)
def test_a_question_has_many_forms(question: Any) -> None:
    assert Notes().invoke(question).content == "['a'] None {}"


@pytest.mark.parametrize("question", [3, None, {"a": 1}, HumanMessage("a")], ids=repr)
def test_what_is_no_question_is_an_error_that_says_what_was_expected(question: Any) -> None:
    with pytest.raises(TypeError, match="Notes expected text, a list of messages or a prompt value, got"):
        Notes().invoke(question)


def test_a_model_without_any_form_says_what_to_write() -> None:
    class Empty(BaseChatModel):
        pass

    with pytest.raises(TypeError, match="Empty has no form to run; write _generate, _stream"):
        Empty().invoke("a")


def test_closing_a_stream_closes_the_models_generator() -> None:
    closed = []

    class Endless(BaseChatModel):
        def _stream(
            self, messages: list[BaseMessage], stop: Any = None, **kwargs: Any
        ) -> Iterator[ChatGenerationChunk]:
            try:
                while True:
                    yield piece("more")
            finally:
                closed.append(True)

    with closing(Endless().stream("a")) as chunks:
        assert next(chunks).content == "more"
    assert closed == [True]


@each_stream
def test_the_listed_fake_speaks_by_characters_in_turn(streamed: Streamed) -> None:
    model = FakeListChatModel(responses=["ab", ""])
    assert [chunk.content for chunk in streamed(model, "?")] == ["a", "b"]
    assert [chunk.content for chunk in streamed(model, "?")] == [""]
    assert model.invoke("?").content == "ab"
    assert asyncio.run(model.ainvoke("?")).content == ""


def test_a_copy_of_the_listed_fake_goes_on_where_it_stands() -> None:
    model = FakeListChatModel(responses=["a", "b", "c"], i=1)
    assert model.invoke("?").content == "b"
    assert copy.deepcopy(model).invoke("?").content == "c"
    assert pickle.loads(pickle.dumps(model)).invoke("?").content == "c"


@each_stream
def test_the_generic_fake_speaks_by_words(streamed: Streamed) -> None:
    model = GenericFakeChatModel(messages=iter(["hold the\nline", AIMessage("x", id="mine"), "y"]))
    assert [chunk.content for chunk in streamed(model, "?")] == ["hold", " ", "the", "\n", "line"]
    assert [chunk.id for chunk in streamed(model, "?")] == ["mine"]
    assert model.invoke("?").content == "y"
    with pytest.raises(IndexError, match="said all of its messages"):
        model.invoke("?")


def test_a_parser_takes_the_text_of_messages_and_chunks() -> None:
    parser = StrOutputParser()
    assert parser.invoke(AIMessage([{"type": "text", "text": "a"}, "b"])) == "ab"
    assert parser.invoke("a") == "a"
    assert list((Streams() | parser).stream("a b")) == ["A", "B", ""]
    with pytest.raises(TypeError, match="StrOutputParser expected a message or text, got int 3"):
        parser.invoke(3)


def test_a_parser_of_ones_own_needs_only_parse() -> None:
    class Count(BaseOutputParser[int]):
        def parse(self, text: str) -> int:
            return len(text)

    chain = Streams() | Count()
    assert chain.invoke("a b") == 2
    assert list(chain.stream("a b")) == [2]
    assert Count().OutputType is int


class Echo(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any = ..., **kwargs: Any) -> list[Document]:
        return [Document(f"{query} {type(run_manager).__name__} {kwargs}")]


class AsyncEcho(Echo):
    async def _aget_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(f"async {query} {kwargs}")]


def test_a_retriever_of_ones_own_needs_only_one_method() -> None:
    assert Echo().invoke("a") == [Document("a RunManager {}")]
    assert asyncio.run(Echo().ainvoke("a")) == [Document("a RunManager {}")]
    assert asyncio.run(AsyncEcho().bind(k=3).ainvoke("a")) == [Document("async a {'k': 3}")]


def test_a_runnable_of_fields_starts_anew_when_copied_or_changed() -> None:
    model = Generates(name="First")
    before = model.graph
    twin = model.model_copy(update={"name": "Second"})
    assert (twin.get_name(), twin.graph.steps[0].name) == ("Second", "Second")
    model.name = "Third"
    assert model.graph is not before
    assert model.graph.steps[0].name == "Third"
    assert copy.deepcopy(model) == model == pickle.loads(pickle.dumps(model))


def test_a_field_may_be_declared_anew() -> None:
    class Named(Generates):
        name: str | None = "Echo"

    class More(Named):
        n: int = 1

    assert (Named().get_name(), More().get_name(), More(name="Mine").get_name()) == ("Echo", "Echo", "Mine")


def test_types_come_from_the_type_arguments() -> None:
    class Measure(RunnableSerializable[str, list[int]]):
        def invoke(self, input: str, config: Any = None, **kwargs: Any) -> list[int]:
            return [len(input)]

    assert (Measure().InputType, Measure().OutputType) == (str, list[int])
    assert (RunnableSerializable().InputType, RunnableSerializable().OutputType) == (Any, Any)


CONTEXT = """Answer the question based only on the following context:
Source: bears
Bears like honey. They sleep in winter. For example:

    >>> bear.feed("honey")

Source: cats
Cats like fish and sleep all day.

Question: {}
"""


def ask(question: str, **fields: Any) -> str:
    return ExtractiveChatModel(**fields).invoke(CONTEXT.format(question)).text


def test_the_extractive_model_quotes_its_context_with_the_source() -> None:
    assert ask("What do bears like?", max_sources=1) == "Bears like honey. They sleep in winter. [bears]"
    assert ask("Who likes fish?", max_sources=1) == "Cats like fish and sleep all day. [cats]"


def test_the_extractive_model_quotes_no_code() -> None:
    assert ">>>" not in ask("How does one feed bears?")


def test_the_extractive_model_says_when_nothing_fits() -> None:
    assert ask("Who won the world cup?") == NOTHING
    assert ExtractiveChatModel().invoke("").text == NOTHING


def test_the_extractive_model_streams_what_it_says() -> None:
    model = ExtractiveChatModel()
    chunks = list(model.stream(CONTEXT.format("What do bears like?")))
    assert len(chunks) > 3
    assert fold(chunks).content == ask("What do bears like?")


def test_the_extractive_model_stops_where_it_is_told_to() -> None:
    question = CONTEXT.format("What do bears like?")
    assert ExtractiveChatModel().bind(stop=["honey"]).invoke(question).text == "Bears like "


def test_the_extractive_model_reads_other_shapes_of_prompts() -> None:
    model = ExtractiveChatModel(max_sources=1, max_sentences=1)
    printed = "[Document(metadata={'source': 'notes'}, page_content='Bears like honey.\\nReally.')]"
    assert model.invoke(f"Context:\n{printed}\n\nQuestion: what do bears like?").text == ("Bears like honey. [notes]")
    assert model.invoke([("system", "Context:\nBears like honey."), ("human", "What do bears like?")]).text == (
        "Bears like honey."
    )
    assert model.invoke("Bears like honey.\n\nWhat do bears like?").text == "Bears like honey."
    assert model.invoke("Context: Bears like honey.\nQuestion: What do bears like?").text == "Bears like honey."


def metadata_of(model: Any, /, **bound: Any) -> dict[str, Any]:
    events = list(model.bind(**bound).stream_events("x"))
    assert all(event["metadata"] == events[0]["metadata"] for event in events)
    return dict(events[0]["metadata"])


class TestWhatTracersAreTold:
    def test_a_model_with_a_name_tells_it_and_its_settings(self) -> None:
        class ChatOtter(FakeListChatModel):
            model_name: str = "otter-1"
            temperature: float = 0.5

        told = {"ls_provider": "otter", "ls_model_type": "chat", "ls_model_name": "otter-1", "ls_temperature": 0.5}
        model = ChatOtter(responses=["a"])
        assert metadata_of(model) == told
        assert metadata_of(model, stop=["z"]) == {**told, "ls_stop": ["z"]}
        assert metadata_of(model, model="otter-2", max_tokens=7) == {
            **told, "ls_model_name": "otter-2", "ls_max_tokens": 7,
        }  # fmt: skip
        assert metadata_of(model.with_config(metadata={"ls_model_name": "mine", "a": 1})) == {
            **told, "ls_model_name": "mine", "a": 1,
        }  # fmt: skip

    def test_a_model_may_say_it_itself(self) -> None:
        class Otter(FakeListLLM):
            def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> dict[str, Any]:
                return {"ls_provider": "river", "ls_stop": stop}

        assert metadata_of(Otter(responses=["a"]), stop=["z"]) == {"ls_provider": "river", "ls_stop": ["z"]}

    def test_a_fake_has_nothing_to_tell(self) -> None:
        assert metadata_of(FakeListChatModel(responses=["a"])) == {}

    def test_openai_is_told_by_its_name(self) -> None:
        told = ChatOpenAI(model="gpt-4o", api_key="sk-x", temperature=0, max_tokens=5)._get_ls_params(stop=["q"])
        assert told == {
            "ls_provider": "openai",
            "ls_model_type": "chat",
            "ls_model_name": "gpt-4o",
            "ls_temperature": 0,
            "ls_max_tokens": 5,
            "ls_stop": ["q"],
        }
