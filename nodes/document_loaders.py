"""Where documents come from: the bases of one's own loaders and parsers, and what a parser reads."""

from __future__ import annotations

import mimetypes
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from anabranch.nodes.documents import Document
from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.printed_fields import telling


class BaseLoader:
    """Gives documents. Subclass it, and write `lazy_load`, a generator.

    Write `alazy_load` too where there is a way that waits without a thread.

    Example:
        >>> class Lines(BaseLoader):
        ...     def __init__(self, text):
        ...         self.text = text
        ...
        ...     def lazy_load(self):
        ...         for number, line in enumerate(self.text.splitlines(), 1):
        ...             yield Document(line, metadata={"line": number})
        >>> Lines("so\\nbe it").load()[1].metadata
        {'line': 2}
    """

    def lazy_load(self) -> Iterator[Document]:
        """The documents, one by one."""
        if type(self).load is not BaseLoader.load:
            return iter(self.load())
        raise NotImplementedError(f"{type(self).__name__} must write lazy_load, a generator of documents")

    async def alazy_load(self) -> AsyncIterator[Document]:
        """As `lazy_load`, without blocking: each document is made in a thread."""
        documents = await in_thread(lambda: iter(self.lazy_load()))
        while (document := await in_thread(next, documents, None)) is not None:
            yield document

    def load(self) -> list[Document]:
        """All documents."""
        return list(self.lazy_load())

    async def aload(self) -> list[Document]:
        """As `load`, without blocking."""
        return [document async for document in self.alazy_load()]


class Blob(BaseModel):
    """Data, or a file, for a parser to read; a file is read when the data is asked for.

    Args:
        data: the data, as bytes or text.
        path: the file, or where the data is from.
        mimetype: what the data is, such as "text/plain".
        encoding: of text.
        metadata: facts about it; a `source` stands for the path.
        id: what it is known by.

    Raises:
        ValueError: when there is neither data nor path.

    Example:
        >>> blob = Blob.from_data("so be it", metadata={"source": "a letter"})
        >>> blob.as_bytes(), blob.source
        (b'so be it', 'a letter')
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    data: bytes | str | None = None
    mimetype: str | None = None
    encoding: str = "utf-8"
    path: Path | str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    id: str | None = Field(default=None, coerce_numbers_to_str=True)

    @model_validator(mode="after")
    def _check_there_is_something(self) -> Self:
        if self.data is None and self.path is None:
            raise ValueError("a Blob needs data, or the path of a file")
        return self

    @classmethod
    def from_path(
        cls,
        path: Path | str,
        *,
        encoding: str = "utf-8",
        mime_type: str | None = None,
        guess_type: bool = True,
        metadata: dict[str, Any] | None = None,
    ) -> Self:
        """A file, which isn't read yet.

        Args:
            path: the file.
            encoding: of its text.
            mime_type: what it is; by default, if `guess_type`, what its name says.
            guess_type: whether to tell by the name what it is.
            metadata: facts about it.
        """
        if mime_type is None and guess_type:
            mime_type = mimetypes.guess_type(str(path))[0]
        return cls(path=path, mimetype=mime_type, encoding=encoding, metadata=metadata or {})

    @classmethod
    def from_data(
        cls,
        data: bytes | str,
        *,
        encoding: str = "utf-8",
        mime_type: str | None = None,
        path: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Self:
        """Data in memory. Arguments as of the class."""
        return cls(data=data, mimetype=mime_type, encoding=encoding, path=path, metadata=metadata or {})

    @property
    def source(self) -> str | None:
        """Where it is from: the `source` of its metadata, else its path."""
        if (told := self.metadata.get("source")) is not None:
            return str(told)
        return None if self.path is None else str(self.path)

    def as_bytes(self) -> bytes:
        """The data as bytes."""
        if self.data is None:
            return Path(str(self.path)).read_bytes()
        return self.data.encode(self.encoding) if isinstance(self.data, str) else self.data

    def as_string(self) -> str:
        """The data as text."""
        return self.data if isinstance(self.data, str) else self.as_bytes().decode(self.encoding)

    def as_bytes_io(self) -> BytesIO:
        """The data as a file in memory."""
        return BytesIO(self.as_bytes())

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Where it is from, not the data, which may be long."""
        return ((name, value) for name, value in telling(self) if name != "data")


class BlobLoader(ABC):
    """Gives blobs, for parsers. Subclass it, and write `yield_blobs`.

    Example:
        >>> class Letters(BlobLoader):
        ...     def yield_blobs(self):
        ...         yield from map(Blob.from_data, ("so be it", "farewell"))
        >>> [blob.as_string() for blob in Letters().yield_blobs()]
        ['so be it', 'farewell']
    """

    @abstractmethod
    def yield_blobs(self) -> Iterator[Blob]:
        """The blobs, one by one."""


class BaseBlobParser(ABC):
    """Makes documents of blobs. Subclass it, and write `lazy_parse`, a generator.

    Example:
        >>> class Lines(BaseBlobParser):
        ...     def lazy_parse(self, blob):
        ...         for line in blob.as_string().splitlines():
        ...             yield Document(line, metadata={"source": blob.source})
        >>> [document.page_content for document in Lines().parse(Blob.from_data("so\\nbe it"))]
        ['so', 'be it']
    """

    @abstractmethod
    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        """The documents in a blob, one by one."""

    def parse(self, blob: Blob) -> list[Document]:
        """All documents in a blob."""
        return list(self.lazy_parse(blob))
