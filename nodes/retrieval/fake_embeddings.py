"""Embeddings for tests: vectors of random numbers, which mean nothing."""

from __future__ import annotations

from hashlib import sha256

from pydantic import BaseModel, Field

from anabranch.nodes.retrieval.embeddings import Embeddings
from anabranch.nodes.retrieval.vectors import numpy_for


class FakeEmbeddings(Embeddings, BaseModel):
    """A new random vector for each text, each time.

    Args:
        size: the length of the vectors.

    Example:
        >>> len(FakeEmbeddings(size=3).embed_query("a"))
        3
    """

    size: int = Field(ge=0)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """A vector for a text."""
        return _normal(self.size, None, type(self).__name__)


class DeterministicFakeEmbedding(Embeddings, BaseModel):
    """A random vector for each text, the same one each time, that langchain-core's class of this name makes too.

    Args:
        size: the length of the vectors.

    Example:
        >>> embeddings = DeterministicFakeEmbedding(size=3)
        >>> embeddings.embed_query("a") == embeddings.embed_documents(["b", "a"])[1]
        True
    """

    size: int = Field(ge=0)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text."""
        seed = int(sha256(text.encode()).hexdigest(), 16) % 10**8
        return _normal(self.size, seed, type(self).__name__)


def _normal(size: int, seed: int | None, needed_by: str) -> list[float]:
    numbers: list[float] = numpy_for(needed_by).random.default_rng(seed).normal(size=size).tolist()
    return numbers
