"""Retrievers: from a question to the documents that may answer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from anabranch.engine.building import Builder, Place
from anabranch.engine.graphs import Source
from anabranch.engine.operators import Operator
from anabranch.nodes.callbacks.run_managers import AsyncRunManager, RunManager, takes_run_manager
from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.serializable import RunnableSerializable


class BaseRetriever(RunnableSerializable[str, list[Document]]):
    """Finds documents for a question. Subclass it and write `_get_relevant_documents`.

    Write `_aget_relevant_documents` too where there is a way to find them without a thread. Both may take a
    `run_manager`: a view of the run, whose `get_child()` gives the callbacks for what they call.

    Args:
        tags: those of its runs, not of what it calls.
        metadata: likewise.

    Example:
        >>> class Shelf(BaseRetriever):
        ...     documents: list[Document]
        ...
        ...     def _get_relevant_documents(self, query: str) -> list[Document]:
        ...         return [document for document in self.documents if query in document.page_content]
        >>> Shelf(documents=[Document("a bear"), Document("a cat")]).invoke("bear")
        [Document(page_content='a bear')]
    """

    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None

    @property
    def InputType(self) -> Any:
        """The question."""
        return str

    @property
    def OutputType(self) -> Any:
        """Documents, the best first."""
        return list[Document]

    def _get_relevant_documents(self, query: str, *args: Any, **kwargs: Any) -> list[Document]:
        """The documents that may answer the question, the best first.

        Args:
            query: the question.
            *args: none; type checkers let a subclass leave out what follows.
            **kwargs: what was bound to the retriever, and the `run_manager` if it takes one.
        """
        raise NotImplementedError

    async def _aget_relevant_documents(self, query: str, *args: Any, **kwargs: Any) -> list[Document]:
        """The same without blocking."""
        raise NotImplementedError

    def _facts(self) -> dict[str, Any]:
        """What the metadata of its runs tell."""
        return self.metadata or {}

    def _build(self, builder: Builder, source: Source, place: Place) -> Any:
        return super()._build(builder, source, replace(place, tags=(*place.tags, *(self.tags or ()))))

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        is_async = type(self)._aget_relevant_documents is not BaseRetriever._aget_relevant_documents
        find, afind = self._get_relevant_documents, self._aget_relevant_documents
        wants = takes_run_manager(_plain(find)) or (is_async and takes_run_manager(_plain(afind)))
        return Operator(
            name=self.get_name(),
            run_type="retriever",
            invoke=_form(find, kwargs, wants, RunManager),
            ainvoke=_form(afind, kwargs, wants, AsyncRunManager) if is_async else None,
            wants_config=wants,
            metadata=self._facts(),
        )


def _form(
    find: Callable[..., Any], kwargs: dict[str, Any], wants_config: bool, manager: type[RunManager]
) -> Callable[..., Any]:
    if not wants_config:
        return partial(find, **kwargs) if kwargs else find
    if not takes_run_manager(_plain(find)):
        return lambda query, config: find(query, **kwargs)
    return lambda query, config: find(query, **{"run_manager": manager(config), **kwargs})


def _plain(method: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a bound method, which is the same for all retrievers of a class."""
    return getattr(method, "__func__", method)
