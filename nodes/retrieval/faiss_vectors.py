"""A vector store on the library faiss, which searches millions of vectors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from anabranch.nodes.extras import import_extra
from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.retrieval.distance_strategies import DistanceStrategy
from anabranch.nodes.retrieval.docstores import InMemoryDocstore
from anabranch.nodes.retrieval.documents import Document, copied
from anabranch.nodes.retrieval.embeddings import Embeddings
from anabranch.nodes.retrieval.faiss_files import read_files, write_files
from anabranch.nodes.retrieval.metadata_filters import MetadataFilter, passes
from anabranch.nodes.retrieval.vector_contents import documents_of, listed_ids, with_ids
from anabranch.nodes.retrieval.vector_searches import Scored, without_scores
from anabranch.nodes.retrieval.vector_stores import VectorStore
from anabranch.nodes.retrieval.vectors import check_k, matrix_of, maximal_marginal_relevance, unit

if TYPE_CHECKING:
    from anabranch.nodes.retrieval.vectors import Array


class FAISS(VectorStore):
    """Keeps the vectors in an index of the library faiss, and the documents beside it.

    `from_texts`, `from_documents` and `from_embeddings` make one with an exact index. For another kind of index,
    make that and give it to the class.

    Searches take `filter`, a function of a document's metadata or a dict (`metadata_filters`), and `score_threshold`,
    the worst score to be found. With a filter, `fetch_k` of the nearest are looked at first, and more until `k` have
    passed.

    Args:
        embedding_function: what makes vectors of texts.
        index: the index of faiss; by default one for `distance_strategy`, made when the first text comes.
        docstore: the documents by their ids.
        index_to_docstore_id: the id for each place in the index.
        relevance_score_fn: makes relevance of a score.
        normalize_L2: bring all vectors to length 1.
        distance_strategy: how to compare.

    Raises:
        MissingExtraError: an `ImportError`, when faiss isn't installed.

    Example:
        >>> store = FAISS.from_texts(["a bear eats honey", "cats sleep"], HashingEmbeddings(), [{"n": 1}, {"n": 2}])
        >>> store.similarity_search("what do bears eat?", k=1)[0].page_content
        'a bear eats honey'
        >>> store.similarity_search("bears", filter={"n": {"$gt": 1}})[0].page_content
        'cats sleep'
    """

    def __init__(
        self,
        embedding_function: Embeddings,
        index: Any = None,
        docstore: InMemoryDocstore | None = None,
        index_to_docstore_id: dict[int, str] | None = None,
        relevance_score_fn: Callable[[float], float] | None = None,
        normalize_L2: bool = False,
        distance_strategy: DistanceStrategy | str = DistanceStrategy.EUCLIDEAN_DISTANCE,
    ) -> None:
        import_extra("faiss", "faiss", type(self).__name__)
        self.embedding_function = embedding_function
        self.index = index
        self.docstore = docstore or InMemoryDocstore()
        self.index_to_docstore_id = {} if index_to_docstore_id is None else index_to_docstore_id
        self.override_relevance_score_fn = relevance_score_fn
        self.distance_strategy = DistanceStrategy(distance_strategy)
        self.is_normalized = normalize_L2 or self.distance_strategy is DistanceStrategy.COSINE
        self._lock = threading.RLock()

    @property
    def embeddings(self) -> Embeddings:
        """What makes vectors of texts."""
        return self.embedding_function

    @property
    def _faiss(self) -> Any:
        return import_extra("faiss", "faiss", type(self).__name__)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            held = InMemoryDocstore(dict(self.docstore._dict))
            return {
                **self.__dict__,
                "_lock": None,
                "docstore": held,
                "index_to_docstore_id": {**self.index_to_docstore_id},
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    # Adding

    @classmethod
    def from_embeddings(
        cls,
        text_embeddings: Iterable[tuple[str, Sequence[float]]],
        embedding: Embeddings,
        metadatas: Iterable[dict[str, Any]] | None = None,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A store of texts whose vectors are known. Other arguments are those of the class."""
        store = cls(embedding, **kwargs)
        store.add_embeddings(text_embeddings, metadatas, ids)
        return store

    @classmethod
    async def afrom_embeddings(
        cls,
        text_embeddings: Iterable[tuple[str, Sequence[float]]],
        embedding: Embeddings,
        metadatas: Iterable[dict[str, Any]] | None = None,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """As `from_embeddings`, without blocking."""
        return await in_thread(cls.from_embeddings, text_embeddings, embedding, metadatas, ids, **kwargs)

    def add_embeddings(
        self,
        text_embeddings: Iterable[tuple[str, Sequence[float]]],
        metadatas: Iterable[dict[str, Any]] | None = None,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts whose vectors are known, and answer their ids.

        Raises:
            ValueError: when an id is there already, or a vector is not as long as those held.
        """
        pairs = list(text_embeddings)
        return self._add(documents_of([text for text, _ in pairs], metadatas, ids), [vector for _, vector in pairs])

    def add_documents(
        self, documents: Iterable[Document], ids: Sequence[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """Add documents, and answer their ids. Errors are those of `add_embeddings`."""
        documents = with_ids(documents, ids)
        return self._add(documents, self.embeddings.embed_documents([each.page_content for each in documents]))

    async def aadd_documents(
        self, documents: Iterable[Document], ids: Sequence[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """As `add_documents`, without blocking."""
        documents = with_ids(documents, ids)
        vectors = await self.embeddings.aembed_documents([each.page_content for each in documents])
        return await in_thread(self._add, documents, vectors)

    def _add(self, documents: Sequence[Document], vectors: Sequence[Sequence[float]]) -> list[str]:
        if len(vectors) != len(documents):
            raise ValueError(f"{len(documents)} texts came with {len(vectors)} vectors; there must be one for each")
        ids = [each.id or str(uuid4()) for each in documents]
        with self._lock:
            self.docstore.check_new(ids)
            rows = self._rows(vectors)
            if not ids:
                return []
            if self.index is None:
                flat = self._faiss.IndexFlatL2 if self._is_distance else self._faiss.IndexFlatIP
                self.index = flat(rows.shape[1])
            self._number(ids)
            self.index.add(rows)
            self.docstore.add(dict(zip(ids, documents, strict=True)))
        return ids

    def _number(self, ids: Sequence[str]) -> None:
        start = len(self.index_to_docstore_id)
        self.index_to_docstore_id.update(enumerate(ids, start))

    def _rows(self, vectors: Sequence[Sequence[float]]) -> Array:
        rows = matrix_of(vectors, type(self).__name__, None if self.index is None else self.index.d)
        made: Array = (unit(rows) if self.is_normalized else rows).astype("float32")
        return made

    # Deleting

    def delete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool:
        """Delete what has these ids.

        Raises:
            ValueError: when no ids are given, or nothing has one of them.
        """
        if ids is None:
            raise ValueError(f"{type(self).__name__}.delete needs the ids of what to delete")
        gone = set(listed_ids(ids))
        with self._lock:
            self.docstore.check_there(gone)
            places = [place for place, id in self.index_to_docstore_id.items() if id in gone]
            kept = [id for id in self.index_to_docstore_id.values() if id not in gone]
            if places:
                self.index.remove_ids(self._faiss.IDSelectorBatch(places))
            self.docstore.delete(gone)
            self.index_to_docstore_id.clear()
            self._number(kept)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents that have these ids, in their order. Ids that nothing has are passed over."""
        with self._lock:
            return self.docstore.found(listed_ids(ids))

    def merge_from(self, target: FAISS) -> None:
        """Add all that another store holds, which stays as it is.

        Raises:
            ValueError: when both have the same id, or compare differently.
        """
        with target._lock:
            index = None if target.index is None else self._faiss.clone_index(target.index)
            ids, held = list(target.index_to_docstore_id.values()), dict(target.docstore._dict)
        if index is None or not ids:
            return
        with self._lock:
            self.docstore.check_new(ids)
            if self.index is None:
                self.index = index
            elif (self.index.d, self.index.metric_type, self.is_normalized) != (
                (index.d, index.metric_type, target.is_normalized)
            ):
                raise ValueError("the other store has vectors of another length, or compares them differently")
            else:
                self.index.merge_from(index)
            self._number(ids)
            self.docstore.add(held)

    # Searching

    def similarity_search_with_score_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        filter: MetadataFilter | None = None,
        fetch_k: int = 20,
        score_threshold: float | None = None,
        **kwargs: Any,
    ) -> list[Scored]:
        """The documents nearest to a vector, each with its score.

        Args:
            embedding: the vector to search with.
            k: how many to find at most.
            filter: what their metadata must be.
            fetch_k: how many to look at first when there is a filter.
            score_threshold: the worst score to be found.

        Raises:
            ValueError: when `k` is negative, or the vector is not as long as those held.
        """
        found = self._nearest(embedding, k, filter, fetch_k)
        return [(document, score) for document, score, _ in found if self._is_enough(score, score_threshold)]

    def max_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: Sequence[float],
        *,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: MetadataFilter | None = None,
    ) -> list[Scored]:
        """Documents that are near to a vector and unlike each other, each with its score."""
        with self._lock:
            found = self._nearest(embedding, fetch_k, filter, fetch_k)
            vectors = [self.index.reconstruct(place) for _, _, place in found]
        return [found[at][:2] for at in maximal_marginal_relevance(embedding, vectors, lambda_mult, k)]

    def max_marginal_relevance_search_by_vector(
        self, embedding: Sequence[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The same without scores."""
        search = self.max_marginal_relevance_search_with_score_by_vector
        return without_scores(
            search(embedding, k=k, fetch_k=fetch_k, lambda_mult=lambda_mult, filter=kwargs.get("filter"))
        )

    def _nearest(
        self, embedding: Sequence[float], k: int, filter: MetadataFilter | None, fetch_k: int
    ) -> list[tuple[Document, float, int]]:
        """Up to `k` documents that pass, with their scores and places."""
        check_k(k)
        check_k(fetch_k, "fetch_k")
        wanted = (lambda _: True) if filter is None else passes(filter)
        with self._lock:
            if self.index is None or not self.index.ntotal or not k:
                return []
            query, count = self._rows([embedding]), k if filter is None else max(k, fetch_k)
            while True:
                count = min(count, self.index.ntotal)
                scores, places = self.index.search(query, count)
                found = [
                    (copied(document), float(score), int(place))
                    for score, place in zip(scores[0], places[0], strict=True)
                    if place >= 0 and wanted((document := self._at(place)).metadata)
                ]
                if len(found) >= k or count == self.index.ntotal:
                    return found[:k]
                count *= 2

    def _at(self, place: int) -> Document:
        return self.docstore._dict[self.index_to_docstore_id[int(place)]]

    @property
    def _is_distance(self) -> bool:
        """Whether a smaller score is a better one."""
        if self.index is not None:
            return bool(self.index.metric_type != self._faiss.METRIC_INNER_PRODUCT)
        return self.distance_strategy is DistanceStrategy.EUCLIDEAN_DISTANCE

    def _is_enough(self, score: float, threshold: float | None) -> bool:
        return threshold is None or (score <= threshold if self._is_distance else score >= threshold)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        if self.override_relevance_score_fn is not None:
            return self.override_relevance_score_fn
        return self._euclidean_relevance_score_fn if self._is_distance else lambda score: score

    # Files

    def save_local(self, folder_path: str | Path, index_name: str = "index") -> None:
        """Write the index to `<index_name>.faiss` and the documents to `<index_name>.json` in a folder, which is made.

        Raises:
            TypeError: when the metadata of a document hold what JSON can't.
        """
        with self._lock:
            held = [self._at(place) for place in sorted(self.index_to_docstore_id)]
            write_files(Path(folder_path), index_name, self.index, held, self.distance_strategy, self.is_normalized)

    @classmethod
    def load_local(
        cls,
        folder_path: str | Path,
        embeddings: Embeddings,
        index_name: str = "index",
        *,
        allow_dangerous_deserialization: bool = False,
        **kwargs: Any,
    ) -> Self:
        """A store of what `save_local` has written. No code can be in such files.

        Args:
            folder_path: the folder.
            embeddings: what makes vectors of texts; the same that made those in the index.
            index_name: the name of the files.
            allow_dangerous_deserialization: is not needed, for nothing dangerous is read.
            **kwargs: other arguments of the class.

        Raises:
            FileNotFoundError: when the files aren't there.
            ValueError: when they are no such files, or don't belong together.
        """
        index, documents, about = read_files(Path(folder_path), index_name, cls.__name__)
        ids = [str(each.id) for each in documents]
        held = InMemoryDocstore(dict(zip(ids, documents, strict=True)))
        return cls(embeddings, index, held, dict(enumerate(ids)), **{**about, **kwargs})
