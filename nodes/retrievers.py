"""Retrievers: from a question to the documents that may answer it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from anabranch.engine.operators import Operator
from anabranch.nodes.documents import Document
from anabranch.nodes.serializable import RunnableSerializable


class BaseRetriever(RunnableSerializable[str, list[Document]]):
    """Finds documents for a question. Subclass it and write `_get_relevant_documents`.

    Write `_aget_relevant_documents` too where there is a way to find them without a thread. Both may take a
    `run_manager`, as other libraries pass one; here it is None.

    Example:
        >>> class Shelf(BaseRetriever):
        ...     documents: list[Document]
        ...
        ...     def _get_relevant_documents(self, query: str) -> list[Document]:
        ...         return [document for document in self.documents if query in document.page_content]
        >>> Shelf(documents=[Document("a bear"), Document("a cat")]).invoke("bear")
        [Document(page_content='a bear')]
    """

    @property
    def InputType(self) -> Any:
        """The question."""
        return str

    @property
    def OutputType(self) -> Any:
        """Documents, the best first."""
        return list[Document]

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        """The documents that may answer the question, the best first.

        Args:
            query: the question.
            **kwargs: what was bound to the retriever.
        """
        raise NotImplementedError

    async def _aget_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        """The same without blocking."""
        raise NotImplementedError

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        is_async = type(self)._aget_relevant_documents is not BaseRetriever._aget_relevant_documents
        return Operator(
            name=self.get_name(),
            run_type="retriever",
            invoke=_bound(self._get_relevant_documents, kwargs),
            ainvoke=_bound(self._aget_relevant_documents, kwargs) if is_async else None,
        )


def _bound(find: Callable[..., Any], kwargs: dict[str, Any]) -> Callable[..., Any]:
    if "run_manager" in inspect.signature(find).parameters:
        kwargs = {"run_manager": None, **kwargs}
    return partial(find, **kwargs) if kwargs else find
