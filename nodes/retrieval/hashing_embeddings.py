"""Embeddings without a model: texts that share pieces of words have vectors near each other. By scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, Field

from anabranch.nodes.extras import import_extra
from anabranch.nodes.retrieval.embeddings import Embeddings


class HashingEmbeddings(Embeddings, BaseModel):
    """Counts the pieces of a text, each at a place that its hash gives; the vector has length 1.

    It needs no model, no network and no training, and the same text has the same vector everywhere. It knows
    nothing of meaning: texts are near each other as far as they share pieces, by default of 3 to 5 letters, so
    that forms of a word meet.

    Args:
        size: the length of the vectors; with fewer numbers more pieces share a place.
        analyzer: pieces of what: "char_wb" (letters within words), "char" (letters), "word", or a function that
            makes pieces of a text, such as `terms_of`.
        ngram_range: how many letters or words make a piece, from and to.
        lowercase: whether upper and lower case are the same.
        stop_words: words to leave out, where pieces are words; "english" for a list of those.

    Raises:
        MissingExtraError: an `ImportError`, when scikit-learn isn't installed.

    Example:
        >>> embeddings = HashingEmbeddings(size=256)
        >>> bear, bears, cat = embeddings.embed_documents(["a bear eats", "bears eating", "one cat"])
        >>> near = lambda a, b: sum(x * y for x, y in zip(a, b))
        >>> near(bear, bears) > near(bear, cat)
        True
    """

    size: int = Field(default=1024, ge=1)
    analyzer: Literal["word", "char", "char_wb"] | Callable[[str], list[str]] = "char_wb"
    ngram_range: tuple[int, int] = (3, 5)
    lowercase: bool = True
    stop_words: Literal["english"] | list[str] | None = None

    def model_post_init(self, context: Any) -> None:
        """See that the library is there before texts come."""
        import_extra("sklearn.feature_extraction.text", "hashing", type(self).__name__)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""
        if not texts:
            return []
        vectors: list[list[float]] = self._vectorizer().transform(texts).toarray().tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text."""
        return self.embed_documents([text])[0]

    def _vectorizer(self) -> Any:
        library = import_extra("sklearn.feature_extraction.text", "hashing", type(self).__name__)
        return library.HashingVectorizer(
            n_features=self.size,
            analyzer=self.analyzer,
            # what is told of pieces that aren't made here would be warned of
            ngram_range=(1, 1) if callable(self.analyzer) else self.ngram_range,
            lowercase=self.lowercase,
            stop_words=self.stop_words if self.analyzer == "word" else None,
        )
