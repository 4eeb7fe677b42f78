"""Embeddings of OpenAI and of every server that speaks its protocol, on the official `openai` package."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar

from pydantic import AliasChoices, Field

from anabranch.nodes.openai.settings import OpenAISettings
from anabranch.nodes.retrieval.embeddings import Embeddings


class OpenAIEmbeddings(OpenAISettings, Embeddings):
    """Vectors of texts, made by OpenAI or by any server that speaks its protocol.

    Texts go to the server as they are; one that is too long for the model is refused by it. Split it before.
    The optional dependencies `openai` bring the package: `pip install "anabranch[openai]"`.

    Args:
        model: the name of the model.
        dimensions: how long the vectors are, where the model can be told.
        chunk_size: how many texts go in one request.
        **settings: of the connection; see `OpenAISettings`.

    Raises:
        MissingExtraError: an `ImportError`, when the package openai isn't installed.
        openai.OpenAIError: when there is no key; when a request fails.

    Example:
        >>> OpenAIEmbeddings(model="text-embedding-3-small", api_key="sk-...", dimensions=256).dimensions
        256
    """

    RESOURCE: ClassVar[str] = "embeddings"

    model: str = Field(default="text-embedding-ada-002", validation_alias=AliasChoices("model", "model_name"))
    dimensions: int | None = Field(default=None, ge=1)
    chunk_size: int = Field(default=1000, ge=1)

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        # The SDK reads vectors with numpy where it is installed: imported now, it doesn't hold up a loop later.
        with suppress(ImportError):
            importlib.import_module("numpy")

    def embed_documents(self, texts: list[str], chunk_size: int | None = None) -> list[list[float]]:
        """A vector for each text, in their order.

        Args:
            texts: what is to be found later.
            chunk_size: how many go in one request, if not as set.
        """
        vectors: list[list[float]] = []
        for request in self._requests(texts, chunk_size):
            vectors += self._vectors(request, self._clients.sync.embeddings.create(**request))
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched with."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str], chunk_size: int | None = None) -> list[list[float]]:
        """As `embed_documents`, without blocking."""
        vectors: list[list[float]] = []
        client = self._clients.of_loop()
        for request in self._requests(texts, chunk_size):
            vectors += self._vectors(request, await client.embeddings.create(**request))
        return vectors

    async def aembed_query(self, text: str) -> list[float]:
        """As `embed_query`, without blocking."""
        return (await self.aembed_documents([text]))[0]

    def _requests(self, texts: list[str], chunk_size: int | None) -> Iterator[dict[str, Any]]:
        size = chunk_size or self.chunk_size
        dimensions = {} if self.dimensions is None else {"dimensions": self.dimensions}
        for start in range(0, len(texts), size):
            yield {"model": self.model, **dimensions, **self.model_kwargs, "input": texts[start : start + size]}

    def _vectors(self, request: dict[str, Any], response: Any) -> list[list[float]]:
        """The vectors of a response, in the order of the texts."""
        embeddings = sorted(response.data or [], key=lambda each: each.index)
        if len(embeddings) != len(request["input"]):
            raise ValueError(
                f"the server has answered {len(request['input'])} texts with {len(embeddings)} embeddings; "
                f"expected one for each"
            )
        return [each.embedding for each in embeddings]
