"""A retriever that ranks documents by the words they share with the question: BM25, by the library bm25s."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from pydantic import Field, PrivateAttr

from anabranch.engine.errors import StepInputError
from anabranch.nodes.extras import import_extra
from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.retrieval.retrievers import BaseRetriever
from anabranch.nodes.retrieval.vector_contents import documents_of


def split_words(text: str) -> list[str]:
    """The words of a text as they stand between white space."""
    return text.split()


class BM25Retriever(BaseRetriever):
    """Finds the documents whose words fit the question best. Those that share no word with it are left out.

    The index is made once, when the retriever is made. Equally good documents keep their order.

    Args:
        docs: the documents.
        k: how many to find at most; 4 by default.
        preprocess_func: makes words of a text, for documents and questions alike. By default text is split at
            white space; `anabranch.nodes.retrieval.terms.terms_of` makes forms of a word meet.
        bm25_params: arguments of `bm25s.BM25`, such as `k1` and `b`.

    Raises:
        MissingExtraError: an `ImportError`, when bm25s isn't installed.
        StepInputError: a `TypeError`, when the question isn't text.

    Example:
        >>> texts = ["harrison worked at kensho", "bears like honey"]
        >>> BM25Retriever.from_texts(texts, k=1).invoke("what do bears like?")
        [Document(page_content='bears like honey')]
    """

    docs: list[Document] = Field(repr=False)
    k: int = Field(default=4, ge=1)
    preprocess_func: Callable[[str], list[str]] = split_words
    bm25_params: dict[str, Any] = Field(default_factory=dict)
    _index: Any = PrivateAttr(default=None)

    @classmethod
    def from_documents(cls, documents: Iterable[Document], **kwargs: Any) -> Self:
        """A retriever over these documents. Other arguments are those of the class."""
        return cls(docs=list(documents), **kwargs)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        metadatas: Iterable[dict[str, Any]] | None = None,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A retriever over these texts, with their metadata and ids. Other arguments are those of the class.

        Raises:
            TypeError: when a text is none, or the list of texts is one text.
            ValueError: when there are not as many metadata or ids as texts.
        """
        return cls.from_documents(documents_of(texts, metadatas, ids), **kwargs)

    def model_post_init(self, context: Any) -> None:
        library = import_extra("bm25s", "bm25", type(self).__name__)
        words = [self.preprocess_func(document.page_content) for document in self.docs]
        if any(words):  # the library has no index of nothing
            self._index = library.BM25(**self.bm25_params)
            self._index.index(words, show_progress=False)

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        if not isinstance(query, str):
            raise StepInputError(
                f"{self.get_name()} expected a question as text, got {type(query).__name__} {query!r:.80}"
            )
        words = list(self.preprocess_func(query))
        if self._index is None or not words:
            return []
        scores = self._index.get_scores(words)
        best = (-scores).argsort(kind="stable")[: self.k]
        return [self.docs[place] for place in best if scores[place] > 0]
