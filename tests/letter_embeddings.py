"""Embeddings that a reader can compute: how often `a`, `b` and `c` stand in a text."""

from __future__ import annotations

import threading

from hypothesis import strategies as st

from anabranch.nodes import Embeddings

TEXTS = st.text(alphabet="abc", max_size=6)


class Letters(Embeddings):
    """Counts letters, and notes the threads in which it did."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.threads.append(threading.get_ident())
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.threads.append(threading.get_ident())
        return [float(text.count(letter)) for letter in "abc"]
