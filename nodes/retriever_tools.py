"""Retrievers as tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from anabranch.nodes.documents import Document
from anabranch.nodes.retrievers import BaseRetriever
from anabranch.nodes.structured_tools import StructuredTool
from anabranch.nodes.tool_outputs import ResponseFormat

if TYPE_CHECKING:
    from anabranch.nodes.prompt_templates import BasePromptTemplate


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
    show = _text if document_prompt is None else _showing(document_prompt)

    def answer(documents: list[Document]) -> Any:
        text = document_separator.join(map(show, documents))
        return (text, documents) if response_format == "content_and_artifact" else text

    def find(query: str) -> Any:
        return answer(retriever.invoke(query))

    async def afind(query: str) -> Any:
        return answer(await retriever.ainvoke(query))

    return StructuredTool(
        name=name,
        description=description,
        func=find,
        coroutine=afind,
        args_schema=RetrieverInput,
        response_format=response_format,
    )


def _text(document: Document) -> str:
    return document.page_content


def _showing(prompt: BasePromptTemplate) -> Callable[[Document], str]:
    def show(document: Document) -> str:
        known = {**document.metadata, "page_content": document.page_content}
        return prompt.invoke({name: known[name] for name in prompt.input_variables if name in known}).to_string()

    return show
