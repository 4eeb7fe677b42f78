"""The first chain, as somebody writes it from LangChain's documentation: retrieve, ask, take the text."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest

from anabranch.engine.chunks import fold
from anabranch.nodes.messages.messages import HumanMessage
from anabranch.nodes.models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from anabranch.nodes.openai.models import ChatOpenAI
from anabranch.nodes.parsers.parsers import StrOutputParser
from anabranch.nodes.passthrough import RunnablePassthrough
from anabranch.nodes.prompts.chat_prompts import ChatPromptTemplate
from anabranch.nodes.retrieval.bm25 import BM25Retriever
from anabranch.nodes.retrieval.documents import Document, format_documents
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.stdlib.answers import TEMPLATE, default_model, stdlib_chain
from anabranch.nodes.stdlib.extractive import NOTHING, ExtractiveChatModel
from anabranch.viz.command_line import main

pytestmark = pytest.mark.together("stdlib")  # one process reads it, once


@cache
def answers() -> Runnable[str, str]:
    return stdlib_chain(ExtractiveChatModel())


QUESTIONS = {
    "how do I read rows from a csv file?": "[csv.reader]",
    "how can I run a subprocess and capture its output?": "[subprocess.run]",
    "how do I parse command line arguments?": "[argparse.ArgumentParser]",
    "what does itertools.chain do?": "elements from the first iterable until it is exhausted",
    "how do I compute a sha256 hash?": "[hashlib]",
    "how do I join path components?": "[os.path.join]",
    "how can I copy a directory tree?": "[shutil.copytree]",
    "how do I list the files in a directory?": "[os.listdir]",
    "how do I get the current working directory?": "[os.getcwd]",
}


@pytest.mark.parametrize(("question", "part"), QUESTIONS.items())
def test_real_questions_are_answered_from_real_documents(question: str, part: str) -> None:
    assert part in answers().invoke(question)


def test_the_command_answers_from_them_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main(["ask", "how do I parse JSON?"]) == 0
    out, err = capsys.readouterr()
    assert "[json.loads]" in out
    assert not err


def test_what_the_documents_do_not_say_is_not_answered() -> None:
    assert answers().invoke("who won the world cup in 1998?") == NOTHING


def test_the_answer_is_the_same_sync_and_async_whole_and_streamed() -> None:
    question = next(iter(QUESTIONS))

    async def main() -> list[Any]:
        chunks = [chunk async for chunk in answers().astream(question)]
        return [await answers().ainvoke(question), fold(chunks), *await answers().abatch([question])]

    whole = answers().invoke(question)
    chunks = list(answers().stream(question))
    assert len(chunks) > 2
    assert [fold(chunks), *answers().batch([question]), *asyncio.run(main())] == [whole] * 5


def test_a_batch_keeps_its_order() -> None:
    questions = list(QUESTIONS)
    assert answers().batch(questions, {"max_concurrency": 2}) == [answers().invoke(each) for each in questions]


RETRIEVER = BM25Retriever.from_texts(["harrison worked at kensho", "bears like honey"], k=1)


def test_tokens_stream_through_a_chain_whose_retriever_feeds_the_prompt_as_it_is() -> None:
    model = GenericFakeChatModel(messages=iter(["Harrison worked at Kensho."] * 2))
    chain = (
        {"context": RETRIEVER, "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_template(TEMPLATE)
        | model
        | StrOutputParser()
    )
    assert list(chain.stream("where did harrison work?")) == [
        "Harrison", " ", "worked", " ", "at", " ", "Kensho.",
    ]  # fmt: skip
    assert chain.invoke("where did harrison work?") == "Harrison worked at Kensho."


def test_the_prompt_gets_the_documents_and_the_question() -> None:
    prompt = {
        "context": RETRIEVER | format_documents,
        "question": RunnablePassthrough(),
    } | ChatPromptTemplate.from_template("{context}\n\n{question}")
    assert prompt.invoke("where did harrison work?").to_messages() == [
        HumanMessage("harrison worked at kensho\n\nwhere did harrison work?")
    ]


def test_a_plain_list_of_documents_in_the_prompt_can_be_answered_from() -> None:
    chain = (
        {"context": RETRIEVER, "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_template(TEMPLATE)
        | ExtractiveChatModel()
        | StrOutputParser()
    )
    assert chain.invoke("what do bears like?") == "bears like honey."


def test_branches_share_what_they_need() -> None:
    joke = ChatPromptTemplate.from_template("joke about {topic}") | FakeListChatModel(responses=["ha"])
    poem = ChatPromptTemplate.from_template("poem about {topic}") | FakeListChatModel(responses=["oh"])
    both = {"joke": joke | StrOutputParser(), "poem": poem | StrOutputParser()} | RunnablePassthrough()
    assert both.invoke({"topic": "bears"}) == {"joke": "ha", "poem": "oh"}
    assert fold(both.stream({"topic": "bears"})) == {"joke": "ha", "poem": "oh"}


def test_the_model_is_openais_only_where_there_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert isinstance(default_model(), ExtractiveChatModel)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_MODEL", "small")
    model = default_model()
    assert isinstance(model, ChatOpenAI)
    assert model.model == "small"


def test_a_chain_can_be_asked_for_fewer_documents() -> None:
    seen = []

    class Notes(ExtractiveChatModel):
        def _stream(self, messages: Any, stop: Any = None, **kwargs: Any) -> Any:
            seen.append(messages[0].text.count("Source: "))
            return super()._stream(messages, stop, **kwargs)

    stdlib_chain(Notes(), k=2).invoke("how do I parse JSON?")
    assert seen == [2]


def test_a_wrong_prompt_is_an_error_that_names_the_step() -> None:
    prompt = ChatPromptTemplate.from_template(TEMPLATE)
    with pytest.raises(TypeError, match="'ChatPromptTemplate' reads key 'question'"):
        {"context": RETRIEVER} | prompt
    chain = (lambda question: {"context": RETRIEVER.invoke(question)}) | prompt | ExtractiveChatModel()
    with pytest.raises(KeyError, match="ChatPromptTemplate got no value for 'question'"):
        chain.invoke("where did harrison work?")


def test_documents_are_plain_values_for_functions_in_the_chain() -> None:
    def titles(documents: list[Document]) -> list[str]:
        return [document.page_content.upper() for document in documents]

    assert (RETRIEVER | titles).invoke("honey") == ["BEARS LIKE HONEY"]
