"""LangChain's own objects for the tests, one of each kind, and the same program in LangChain and here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, FakeListChatModel, FakeListLLM
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import CommaSeparatedListOutputParser, JsonOutputParser, StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from langchain_core.tracers.base import BaseTracer


class Shelf(BaseRetriever):  # type: ignore[misc]
    """Gives the question back as a document."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(page_content=query, metadata={"at": 1})]


@tool  # type: ignore[untyped-decorator,unused-ignore]
def add(x: int, y: int = 1) -> int:
    """Add two numbers."""
    return x + y


@tool(response_format="content_and_artifact")  # type: ignore[untyped-decorator,unused-ignore]
def found(question: str) -> tuple[str, list[Document]]:
    """Look something up."""
    return question.upper(), [Document(page_content=question)]


def shout(chunks: Iterator[str]) -> Iterator[str]:
    """Each chunk in capitals."""
    for chunk in chunks:
        yield chunk.upper()


async def ashout(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    """The same on a loop."""
    async for chunk in chunks:
        yield chunk.upper()


class Endless(BaseChatModel):  # type: ignore[misc]
    """Says `on ` for ever when it is streamed, and notes when its generator is closed."""

    closed: list[str] = []  # noqa: RUF012 # a field
    invoked: list[str] = []  # noqa: RUF012

    @property
    def _llm_type(self) -> str:
        return "endless"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        self.invoked.append("whole")
        return ChatResult(generations=[ChatGeneration(message=AIMessageChunk("off"))])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        try:
            while True:
                yield ChatGenerationChunk(message=AIMessageChunk("on "))
        finally:
            self.closed.append("stream")

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        try:
            while True:
                yield ChatGenerationChunk(message=AIMessageChunk("on "))
        finally:
            self.closed.append("astream")


class Traces(BaseTracer):  # type: ignore[misc]
    """Keeps the trees of runs that LangChain is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        self.roots.append(run)


class Notes(BaseCallbackHandler):  # type: ignore[misc]
    """Notes what kinds of messages it is told of."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.messages += messages[0]

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.messages.append(response.generations[0][0].message)


def tree(run: Any) -> tuple[Any, ...]:
    """A run of LangChain's, and those below it."""
    return (run.name, run.run_type, *map(tree, run.child_runs))


KINDS: dict[str, tuple[Any, list[Any]]] = {
    "chat_model": (FakeListChatModel(responses=["hello"]), ["a", [("human", "b")]]),
    "llm": (FakeListLLM(responses=["hello"]), ["a", "b"]),
    "retriever": (Shelf(), ["a", "b"]),
    "tool": (add, [{"x": 1}, {"x": 2, "y": 3}]),
    "prompt": (PromptTemplate.from_template("Say {x}"), [{"x": "a"}, {"x": "b"}]),
    "parser": (StrOutputParser(), ["a", "b"]),
    "chain": (RunnableLambda(lambda x: x + "!"), ["a", "b"]),
}
"""An object of each kind, named by its run type, with inputs."""

OTHERS: dict[str, tuple[Any, list[Any]]] = {
    "chat prompt": (ChatPromptTemplate.from_template("Say {x}"), [{"x": "a"}]),
    "generator": (RunnableGenerator(shout, ashout), ["ab", "c"]),
    "parallel": (RunnableParallel(a=RunnableLambda(len), b=RunnablePassthrough()), ["ab"]),
    "assign": (RunnablePassthrough.assign(y=lambda x: x["x"] + "!"), [{"x": "a"}]),
    "JSON parser": (JsonOutputParser(), ['{"a": [1, 2]}']),
    "list parser": (CommaSeparatedListOutputParser(), ["a, b"]),
    "bound model": (FakeListChatModel(responses=["hello"]).bind(stop=["x"]), ["a"]),
    "fallback": (RunnableLambda(lambda x: x).with_fallbacks([RunnableLambda(len)]), ["a"]),
    "retried": (RunnableLambda(lambda x: x).with_retry(), ["a"]),
    "listened": (RunnableLambda(lambda x: x).with_listeners(on_start=lambda run: None), ["a"]),
    "tool with an artifact": (found, [{"question": "a"}]),
}
