"""The reference chain: questions about Python answered from the docstrings of its own standard library."""

from __future__ import annotations

import os
from typing import Any

from anabranch.nodes.models.chat_models import BaseChatModel
from anabranch.nodes.openai.models import ChatOpenAI
from anabranch.nodes.parsers.parsers import StrOutputParser
from anabranch.nodes.passthrough import RunnablePassthrough
from anabranch.nodes.prompts.chat_prompts import ChatPromptTemplate
from anabranch.nodes.retrieval.bm25 import BM25Retriever
from anabranch.nodes.retrieval.documents import format_documents
from anabranch.nodes.retrieval.terms import terms_of
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.stdlib.corpus import stdlib_documents
from anabranch.nodes.stdlib.extractive import ExtractiveChatModel

TEMPLATE = """Answer the question based only on the following context:
{context}

Question: {question}
"""


def stdlib_retriever(k: int = 8) -> BM25Retriever:
    """A retriever over the documents of the running interpreter's standard library; the first time it reads
    them, which takes a second or two.

    Args:
        k: how many documents to find at most.

    Example:
        >>> found = stdlib_retriever(k=3).invoke("how do I read rows from a csv file?")
        >>> "csv.reader" in [document.metadata["source"] for document in found]
        True
    """
    # A low `b`: the long docstring of a module is a good answer more often than the length of a text
    # suggests.
    return BM25Retriever.from_documents(
        stdlib_documents(), k=k, preprocess_func=terms_of, bm25_params={"k1": 1.2, "b": 0.3}, name="Docs"
    )


def default_model() -> BaseChatModel:
    """`ChatOpenAI` where OPENAI_API_KEY is set (and, for another server, OPENAI_BASE_URL and OPENAI_MODEL);
    otherwise the embedded extractive model."""
    if os.environ.get("OPENAI_API_KEY"):
        return ChatOpenAI(model=os.environ.get("OPENAI_MODEL") or "gpt-4o-mini", temperature=0)
    return ExtractiveChatModel()


def stdlib_chain(model: BaseChatModel | None = None, k: int = 8) -> Runnable[str, str]:
    """A chain that answers a question about Python's standard library as text.

    Args:
        model: answers from the documents found; by default `default_model()`.
        k: how many documents the model gets at most.

    Example:
        >>> "csv" in stdlib_chain(ExtractiveChatModel()).invoke("how do I read rows from a csv file?")
        True
    """
    chain: Runnable[Any, str] = (
        {"context": stdlib_retriever(k) | format_documents, "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_template(TEMPLATE)
        | (model or default_model())
        | StrOutputParser()
    )
    return chain
