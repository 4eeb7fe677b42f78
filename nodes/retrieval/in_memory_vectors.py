"""A vector store in memory: every vector is compared, by numpy, so what is found is exact."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.retrieval.documents import Document, copied
from anabranch.nodes.retrieval.embeddings import Embeddings
from anabranch.nodes.retrieval.saved_documents import text_of, write_whole
from anabranch.nodes.retrieval.vector_contents import listed_ids, with_ids
from anabranch.nodes.retrieval.vector_searches import Scored, without_scores
from anabranch.nodes.retrieval.vector_stores import VectorStore
from anabranch.nodes.retrieval.vectors import check_k, matrix_of, maximal_marginal_relevance, numpy_for, unit

if TYPE_CHECKING:
    from anabranch.nodes.retrieval.vectors import Array

Filter = Callable[[Document], bool]


@dataclass(frozen=True, slots=True)
class _Held:
    document: Document
    vector: Array


class InMemoryVectorStore(VectorStore):
    """Keeps texts and their vectors in memory. A score is the cosine of two vectors: 1 is the best.

    A vector of zeros is like nothing: its score is 0. What is added under an id that is there takes its place. Equally
    near documents keep the order in which they came. Threads may share a store. What it gives out are copies.

    Searches take `filter`, a function of a document that says whether it may be found.

    Args:
        embedding: what makes vectors of texts.

    Raises:
        MissingExtraError: an `ImportError`, when numpy isn't installed.

    Example:
        >>> texts = ["bears eat honey", "cats sleep all day", "a bear sleeps in winter"]
        >>> store = InMemoryVectorStore.from_texts(texts, HashingEmbeddings(), metadatas=[{"at": n} for n in range(3)])
        >>> store.similarity_search("do bears like honey?", k=1)
        [Document(id='...', metadata={'at': 0}, page_content='bears eat honey')]
        >>> found = store.similarity_search("bears", filter=lambda document: document.metadata["at"] > 0)
        >>> [document.metadata["at"] for document in found]
        [2, 1]
    """

    def __init__(self, embedding: Embeddings) -> None:
        numpy_for(type(self).__name__)
        self.embedding = embedding
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._units: tuple[list[_Held], Array] | None = None

    @property
    def embeddings(self) -> Embeddings:
        """What makes vectors of texts."""
        return self.embedding

    @property
    def store(self) -> dict[str, dict[str, Any]]:
        """A copy of all that is held: for each id a dict with `id`, `vector`, `text` and `metadata`."""
        return {id: _as_dict(id, held) for id, held in self._now().items()}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_held": self._now()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    # Adding, deleting

    def add_documents(
        self, documents: Iterable[Document], ids: Sequence[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """Add documents, and answer their ids: those given, else the documents' own, else new ones."""
        documents = with_ids(documents, ids)
        return self._add(documents, self.embedding.embed_documents([each.page_content for each in documents]))

    async def aadd_documents(
        self, documents: Iterable[Document], ids: Sequence[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """As `add_documents`, without blocking."""
        documents = with_ids(documents, ids)
        vectors = await self.embedding.aembed_documents([each.page_content for each in documents])
        return await in_thread(self._add, documents, vectors)

    def _add(self, documents: Sequence[Document], vectors: Sequence[Sequence[float]]) -> list[str]:
        if len(vectors) != len(documents):
            raise ValueError(
                f"{type(self.embedding).__name__} made {len(vectors)} vectors of {len(documents)} texts; "
                "embed_documents gives one for each"
            )
        ids = [each.id or str(uuid4()) for each in documents]
        with self._lock:
            length = len(next(iter(self._held.values())).vector) if self._held else None
            rows = matrix_of(vectors, type(self).__name__, length)
            held = (_Held(copied(each, id), row) for each, id, row in zip(documents, ids, rows, strict=True))
            self._held.update(zip(ids, held, strict=True))
            self._units = None
        return ids

    def delete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> None:
        """Delete what has these ids. Ids that nothing has are passed over; without ids nothing is deleted."""
        with self._lock:
            for id in listed_ids(ids or ()):
                self._held.pop(id, None)
            self._units = None

    async def adelete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> None:
        """As `delete`."""
        await in_thread(self.delete, ids)

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents that have these ids, in their order. Ids that nothing has are passed over."""
        held = self._now()
        return [copied(held[id].document) for id in listed_ids(ids) if id in held]

    # Searching

    def similarity_search_with_score_by_vector(
        self, embedding: Sequence[float], k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[Scored]:
        """The documents nearest to a vector with the cosines of theirs and this.

        Args:
            embedding: the vector to search with.
            k: how many to find at most.
            filter: says of a document whether it may be found.

        Raises:
            ValueError: when `k` is negative, or the vector is not as long as those held.
        """
        return [(copied(held.document), score) for held, score in self._nearest(embedding, k, filter)]

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Documents that are near to a vector and unlike each other, chosen by the vectors held."""
        found = self._nearest(embedding, fetch_k, filter)
        chosen = maximal_marginal_relevance(embedding, [held.vector for held, _ in found], lambda_mult, k)
        return without_scores((copied(found[at][0].document), found[at][1]) for at in chosen)

    def _nearest(self, embedding: Sequence[float], k: int, filter: Filter | None) -> list[tuple[_Held, float]]:
        check_k(k)
        if filter is not None and not callable(filter):
            raise TypeError(f"filter is a function of a document, got {type(filter).__name__} {filter!r:.80}")
        held, rows = self._compared()
        if not held or not k:
            return []
        scores = rows @ unit(matrix_of([embedding], type(self).__name__, rows.shape[1]))[0]
        found = []
        for at in (-scores).argsort(kind="stable"):
            if filter is None or filter(held[at].document):
                found.append((held[at], float(scores[at])))
                if len(found) == k:
                    break
        return found

    def _compared(self) -> tuple[list[_Held], Array]:
        """All that is held, and its vectors at length 1, made when first asked for after a change."""
        with self._lock:
            if self._units is None:
                held = list(self._held.values())
                self._units = held, unit(matrix_of([each.vector for each in held], type(self).__name__))
            return self._units

    def _now(self) -> dict[str, _Held]:
        with self._lock:
            return dict(self._held)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda score: score

    # Files

    def dump(self, path: str | Path) -> None:
        """Write all that is held to a JSON file, in the form of `store`. Folders are made.

        Raises:
            TypeError: when the metadata of a document hold what JSON can't.
        """
        told = ",\n".join(f"{json.dumps(id)}: {text_of(_as_dict(id, held), id)}" for id, held in self._now().items())
        write_whole({Path(path): f"{{\n{told}\n}}\n".encode()})

    @classmethod
    def load(cls, path: str | Path, embedding: Embeddings, **kwargs: Any) -> Self:
        """A store of what `dump` has written. No code can be in such a file.

        Raises:
            ValueError: when the file is no such thing.
        """
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        store = cls(embedding, **kwargs)
        try:
            documents = [Document(each["text"], metadata=each["metadata"], id=id) for id, each in told.items()]
            vectors = [each["vector"] for each in told.values()]
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} doesn't hold what InMemoryVectorStore.dump writes: {error!r}") from error
        store._add(documents, vectors)
        return store


def _as_dict(id: str, held: _Held) -> dict[str, Any]:
    document = copied(held.document)
    return {"id": id, "vector": held.vector.tolist(), "text": document.page_content, "metadata": document.metadata}
