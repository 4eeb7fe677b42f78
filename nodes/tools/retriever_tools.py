"""Retrievers as tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from anabranch.nodes.prompts.document_prompts import aformat_document, format_document
from anabranch.nodes.prompts.prompt_templates import BasePromptTemplate
from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.retrieval.retrievers import BaseRetriever
from anabranch.nodes.tools.outputs import ResponseFormat
from anabranch.nodes.tools.structured_tools import StructuredTool


class RetrieverInput(BaseModel):
    """What a tool that retrieves is asked."""

    query: str = Field(description="query to look up in retriever")


def create_retriever_tool(
    retriever: BaseRetriever,
    name: str,
    description: str,
    *,
    document_prompt: BasePromptTemplate | None = None,
    document_separator: str = "\n\n",
    response_format: ResponseFormat = "content",
) -> StructuredTool:
    """Make a tool of a retriever: it is asked with a `query`, and answers the texts of the documents.

    Args:
        retriever: what finds the documents.
        name: what a model calls it by.
        description: what can be found with it, for the model.
        document_prompt: a prompt of one document, with `page_content` and keys of its metadata as variables; by default
            the text alone.
        document_separator: what stands between documents.
        response_format: with "content_and_artifact" the documents are the `artifact` of the message.

    Example:
        >>> from anabranch.nodes import BM25Retriever
        >>> retriever = BM25Retriever.from_texts(["bears like honey", "cats like fish"], k=1)
        >>> create_retriever_tool(retriever, "animals", "What animals like.").invoke({"query": "bears"})
        'bears like honey'
    """

    finder = _Finder(retriever, document_prompt, document_separator, response_format == "content_and_artifact")
    return StructuredTool(
        name=name,
        description=description,
        func=finder.find,
        coroutine=finder.afind,
        args_schema=RetrieverInput,
        response_format=response_format,
    )


@dataclass(frozen=True, slots=True)
class _Finder:
    """What the tool does."""

    retriever: BaseRetriever
    prompt: BasePromptTemplate | None
    separator: str
    has_artifact: bool

    def find(self, query: str) -> Any:
        documents = self.retriever.invoke(query)
        return self._answer(documents, [_text(each, self.prompt) for each in documents])

    async def afind(self, query: str) -> Any:
        documents = await self.retriever.ainvoke(query)
        return self._answer(documents, [await _atext(each, self.prompt) for each in documents])

    def _answer(self, documents: list[Document], texts: list[str]) -> Any:
        text = self.separator.join(texts)
        return (text, documents) if self.has_artifact else text


def _text(document: Document, prompt: BasePromptTemplate | None) -> str:
    return document.page_content if prompt is None else format_document(document, prompt)


async def _atext(document: Document, prompt: BasePromptTemplate | None) -> str:
    return document.page_content if prompt is None else await aformat_document(document, prompt)
