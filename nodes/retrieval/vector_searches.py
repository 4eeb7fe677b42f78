"""Searching a vector store: of four forms of a search each follows from one that is stronger.

What is searched with is a text or a vector, what is found comes with a score or without one. All forms follow from
`similarity_search_with_score_by_vector`, none from `similarity_search`. An asynchronous form that isn't written is
the blocking one in a thread; but where the store searches by vector, the embeddings' own asynchronous form makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any, ClassVar

from anabranch.engine.errors import StepInputError
from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.retrieval.embeddings import Embeddings
from anabranch.nodes.retrieval.vector_contents import VectorContents
from anabranch.nodes.retrieval.vectors import maximal_marginal_relevance

Scored = tuple[Document, float]

BY_VECTOR = ("similarity_search_with_score_by_vector", "similarity_search_by_vector")
SCORED = ("similarity_search_with_score_by_vector", "similarity_search_with_score")
SEARCH_TYPES = ("similarity", "mmr", "similarity_score_threshold")


class VectorSearches(VectorContents):
    """The part of a `VectorStore` that is about searching."""

    _derives: ClassVar[bool] = True

    # By text

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The documents nearest to a text, the nearest first.

        Args:
            query: the text to search with.
            k: how many to find at most.
            **kwargs: what else the store takes, such as `filter`.
        """
        if self._writes(*SCORED):
            return without_scores(self.similarity_search_with_score(query, k, **kwargs))
        return self.similarity_search_by_vector(self._vector_of(query), k, **kwargs)

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """As `similarity_search`, without blocking."""
        if self._writes("similarity_search"):
            return await in_thread(self.similarity_search, query, k, **kwargs)
        if self._writes(*SCORED, *map("a{}".format, SCORED)):
            return without_scores(await self.asimilarity_search_with_score(query, k, **kwargs))
        return await self.asimilarity_search_by_vector(await self._avector_of(query), k, **kwargs)

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[Scored]:
        """As `similarity_search`, each document with its score: what a score means is the store's own."""
        return self.similarity_search_with_score_by_vector(self._vector_of(query), k, **kwargs)

    async def asimilarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[Scored]:
        """As `similarity_search_with_score`, without blocking."""
        if self._writes("similarity_search_with_score"):
            return await in_thread(self.similarity_search_with_score, query, k, **kwargs)
        return await self.asimilarity_search_with_score_by_vector(await self._avector_of(query), k, **kwargs)

    # By vector

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """The documents nearest to a vector, the nearest first. Other arguments are those of `similarity_search`."""
        return without_scores(self.similarity_search_with_score_by_vector(embedding, k, **kwargs))

    async def asimilarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """As `similarity_search_by_vector`, without blocking."""
        if self._writes("similarity_search_by_vector"):
            return await in_thread(self.similarity_search_by_vector, embedding, k, **kwargs)
        return without_scores(await self.asimilarity_search_with_score_by_vector(embedding, k, **kwargs))

    def similarity_search_with_score_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Scored]:
        """As `similarity_search_by_vector`, each document with its score."""
        raise self._lacks(
            "similarity_search_with_score_by_vector (from which all else follows), similarity_search_by_vector, "
            "similarity_search_with_score or similarity_search",
            "to be searched like that",
        )

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Scored]:
        """As `similarity_search_with_score_by_vector`, without blocking."""
        return await in_thread(self.similarity_search_with_score_by_vector, embedding, k, **kwargs)

    def _vector_of(self, query: str) -> list[float]:
        return self._embedder(query).embed_query(query)

    async def _avector_of(self, query: str) -> list[float]:
        return await self._embedder(query).aembed_query(query)

    def _embedder(self, query: str) -> Embeddings:
        if not isinstance(query, str):
            raise StepInputError(
                f"{type(self).__name__} expected a question as text, got {type(query).__name__} {query!r:.80}"
            )
        if not self._writes(*BY_VECTOR, *map("a{}".format, BY_VECTOR)):
            self.similarity_search_with_score_by_vector([])  # which tells what to write
        if self.embeddings is None:
            raise self._lacks("the property embeddings", "to make a vector of a text")
        return self.embeddings

    # As unlike each other as they are near

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Documents that are near to a text and unlike each other.

        Args:
            query: the text to search with.
            k: how many to find at most.
            fetch_k: how many of the nearest to choose from.
            lambda_mult: what counts: 1 only nearness, 0 only that they are unlike.
            **kwargs: what else the store takes, such as `filter`.
        """
        vector = self._vector_of(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """As `max_marginal_relevance_search`, without blocking."""
        if self._writes("max_marginal_relevance_search"):
            return await in_thread(self.max_marginal_relevance_search, query, k, fetch_k, lambda_mult, **kwargs)
        vector = await self._avector_of(query)
        return await self.amax_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """As `max_marginal_relevance_search`, with a vector. If it isn't written, what was found is embedded anew."""
        found = self.similarity_search_by_vector(embedding, fetch_k, **kwargs)
        if self.embeddings is None:
            raise self._lacks("the property embeddings", "to compare what was found")
        vectors = self.embeddings.embed_documents([each.page_content for each in found])
        return [found[at] for at in maximal_marginal_relevance(embedding, vectors, lambda_mult, k)]

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """As `max_marginal_relevance_search_by_vector`, without blocking."""
        search = self.max_marginal_relevance_search_by_vector
        return await in_thread(search, embedding, k, fetch_k, lambda_mult, **kwargs)

    # Searching, by what the search is called

    def search(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """What a search finds.

        Args:
            query: the text to search with.
            search_type: "similarity", "mmr" or "similarity_score_threshold".
            **kwargs: arguments of that search.

        Raises:
            ValueError: when there is no such search.
        """
        match check_search_type(search_type):
            case "similarity":
                return self.similarity_search(query, **kwargs)
            case "mmr":
                return self.max_marginal_relevance_search(query, **kwargs)
        return without_scores(self.similarity_search_with_relevance_scores(query, **kwargs))

    async def asearch(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """As `search`, without blocking."""
        match check_search_type(search_type):
            case "similarity":
                return await self.asimilarity_search(query, **kwargs)
            case "mmr":
                return await self.amax_marginal_relevance_search(query, **kwargs)
        return without_scores(await self.asimilarity_search_with_relevance_scores(query, **kwargs))

    def similarity_search_with_relevance_scores(self, query: str, k: int = 4, **kwargs: Any) -> list[Scored]:
        """The nearest documents with how relevant they are: 1 is as near as can be, less is less.

        Args:
            query: the text to search with.
            k: how many to find at most.
            score_threshold: find only what is at least so relevant.
            **kwargs: other arguments of `similarity_search_with_score`.
        """
        threshold = kwargs.pop("score_threshold", None)
        return self._relevant(self.similarity_search_with_score(query, k, **kwargs), threshold)

    async def asimilarity_search_with_relevance_scores(self, query: str, k: int = 4, **kwargs: Any) -> list[Scored]:
        """As `similarity_search_with_relevance_scores`, without blocking."""
        threshold = kwargs.pop("score_threshold", None)
        return self._relevant(await self.asimilarity_search_with_score(query, k, **kwargs), threshold)

    def _relevant(self, found: list[Scored], threshold: float | None) -> list[Scored]:
        relevance = self._select_relevance_score_fn()
        scored = [(document, relevance(score)) for document, score in found]
        return [each for each in scored if threshold is None or each[1] >= threshold]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """What makes relevance of the score of this store: a function that gives 1 for the best score there can be."""
        raise self._lacks("_select_relevance_score_fn", "to tell how relevant something is")

    @staticmethod
    def _euclidean_relevance_score_fn(distance: float) -> float:
        """The relevance of a distance between vectors of length 1."""
        return 1.0 - distance / sqrt(2)

    @staticmethod
    def _cosine_relevance_score_fn(distance: float) -> float:
        """The relevance of a cosine distance: 1 less the cosine."""
        return 1.0 - distance


def without_scores(found: Iterable[Scored]) -> list[Document]:
    """The documents alone."""
    return [document for document, _ in found]


def check_search_type(search_type: str) -> str:
    """The name of a search.

    Raises:
        ValueError: when there is none of that name.
    """
    if search_type not in SEARCH_TYPES:
        names = ", ".join(map(repr, SEARCH_TYPES))
        raise ValueError(f"search_type is {search_type!r:.80}, but the searches are {names}")
    return search_type
