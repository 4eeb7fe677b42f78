"""Vector stores: texts that are found by what they mean. Write how to add and how to search; the rest follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.retrieval.retrievers import BaseRetriever
from anabranch.nodes.retrieval.vector_searches import VectorSearches, check_search_type


class VectorStore(VectorSearches):
    """Keeps texts with their vectors, and finds those that are nearest to a question. Subclass it for one's own.

    Write `add_documents` or `add_texts`, and one form of search. `delete` and `get_by_ids` are to be written where
    the store can do that. `from_texts` calls the class with the embeddings and adds the texts; write it where
    another way is needed.

    A search may be written with a text or a vector, with scores or without (`vector_searches`); all others follow
    from `similarity_search_with_score_by_vector`, and the property `embeddings`.

    Example:
        >>> class Shelf(VectorStore):
        ...     def __init__(self, embedding):
        ...         self.texts = []
        ...
        ...     def add_texts(self, texts, metadatas=None, *, ids=None, **kwargs):
        ...         self.texts += texts
        ...         return self.texts
        ...
        ...     def similarity_search(self, query, k=4, **kwargs):
        ...         common = lambda text: -len(set(text.split()) & set(query.split()))
        ...         return [Document(text) for text in sorted(self.texts, key=common)[:k]]
        >>> shelf = Shelf.from_texts(["bears eat honey", "cats sleep"], None)
        >>> shelf.as_retriever(search_kwargs={"k": 1}).invoke("what do cats do")
        [Document(page_content='cats sleep')]
    """

    _derives: ClassVar[bool] = True

    def as_retriever(self, **kwargs: Any) -> VectorStoreRetriever:
        """A retriever that searches this store.

        Args:
            search_type: "similarity" (the default), "mmr", or "similarity_score_threshold".
            search_kwargs: arguments of the search: `k`, `filter`, `score_threshold`, `fetch_k`, `lambda_mult`.
            tags: those of its runs; by default the names of the store's and the embeddings' classes.
            metadata, name: as for every retriever.

        Example:
            >>> store = InMemoryVectorStore.from_texts(["a cat"], DeterministicFakeEmbedding(size=8))
            >>> store.as_retriever(search_type="mmr", search_kwargs={"k": 1}).tags
            ['InMemoryVectorStore', 'DeterministicFakeEmbedding']
        """
        return VectorStoreRetriever(vectorstore=self, **{"tags": self._get_retriever_tags(), **kwargs})

    def _get_retriever_tags(self) -> list[str]:
        embeddings = self.embeddings
        return [type(self).__name__, *([type(embeddings).__name__] if embeddings is not None else [])]


class VectorStoreRetriever(BaseRetriever):
    """Searches a vector store. What `as_retriever` makes; its arguments are told there.

    Arguments bound to it, or given with a call, go before those of `search_kwargs`.

    Raises:
        pydantic.ValidationError: a `ValueError`, when there is no such `search_type`, or it lacks its threshold.

    Example:
        >>> store = InMemoryVectorStore.from_texts(["a bear eats honey", "cats sleep"], HashingEmbeddings())
        >>> retriever = VectorStoreRetriever(vectorstore=store, search_kwargs={"k": 1})
        >>> [found.page_content for found in retriever.invoke("what do bears eat?")]
        ['a bear eats honey']
    """

    vectorstore: VectorStore
    search_type: str = "similarity"
    search_kwargs: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_search_type(self.search_type)
        if self.search_type == "similarity_score_threshold":
            threshold = self.search_kwargs.get("score_threshold")
            if not isinstance(threshold, int | float):
                raise ValueError(
                    "search_type 'similarity_score_threshold' needs search_kwargs={'score_threshold': a number}, "
                    f"got {threshold!r:.80}"
                )
        return self

    def _facts(self) -> dict[str, Any]:
        names = dict(zip(FACTS, self.vectorstore._get_retriever_tags(), strict=False))
        return {"ls_retriever_name": "vectorstore", **names, **super()._facts()}

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return self.vectorstore.search(query, self.search_type, **{**self.search_kwargs, **kwargs})

    async def _aget_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return await self.vectorstore.asearch(query, self.search_type, **{**self.search_kwargs, **kwargs})

    def add_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """Add documents to the store, and answer their ids."""
        return self.vectorstore.add_documents(documents, **kwargs)

    async def aadd_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """As `add_documents`, without blocking."""
        return await self.vectorstore.aadd_documents(documents, **kwargs)


FACTS = ("ls_vector_store_provider", "ls_embedding_provider")
"""What the metadata of a run call the store's and the embeddings' classes."""
