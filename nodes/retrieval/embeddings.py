"""Embeddings: texts as vectors, near each other where the texts mean alike."""

from __future__ import annotations

from abc import ABC, abstractmethod

from anabranch.nodes.in_thread import in_thread


class Embeddings(ABC):
    """Makes vectors of texts. Subclass it and write `embed_documents` and `embed_query`.

    Write the asynchronous forms too where there is a way without a thread; otherwise they run the blocking ones in one.

    Example:
        >>> class Vowels(Embeddings):
        ...     def embed_documents(self, texts):
        ...         return [[float(text.count(vowel)) for vowel in "aeiou"] for text in texts]
        ...
        ...     def embed_query(self, text):
        ...         return self.embed_documents([text])[0]
        >>> Vowels().embed_query("anabranch")
        [3.0, 0.0, 0.0, 0.0, 0.0]
    """

    @abstractmethod
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text that is to be found, in their order, all of one length."""

    @abstractmethod
    def embed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched with, as long as those of the documents."""

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As `embed_documents`, without blocking."""
        return await in_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """As `embed_query`, without blocking."""
        return await in_thread(self.embed_query, text)
