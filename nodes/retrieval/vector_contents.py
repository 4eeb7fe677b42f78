"""What a vector store holds: making one, adding, deleting, and finding by id. Each form follows from another.

A form that isn't written follows from its twin: `add_texts` and `add_documents` from each other, an asynchronous one
from the blocking one in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import Any, ClassVar, Self

from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.retrieval.embeddings import Embeddings


class VectorContents:
    """The part of a `VectorStore` that is about what it holds."""

    _derives: ClassVar[bool] = True
    """Stands in the classes whose forms follow from those that a subclass writes."""

    @property
    def embeddings(self) -> Embeddings | None:
        """What makes vectors of texts, where the store does that itself."""
        return None

    def _writes(self, *forms: str) -> bool:
        """Whether the class, or one above it, writes one of these forms."""
        return any(_is_written(type(self), form) for form in forms)

    def _lacks(self, forms: str, purpose: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} has to write {forms} {purpose}")

    # Making one

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings,
        metadatas: Iterable[dict[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A store of these texts.

        Args:
            texts: the texts.
            embedding: what makes vectors of them.
            metadatas: facts about each of them.
            ids: a name for each of them; the store names those that have none.
            **kwargs: what else the class takes.
        """
        store = cls(embedding, **kwargs)  # type: ignore[call-arg]
        store.add_texts(texts, _listed(metadatas), **_named(ids))
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings,
        metadatas: Iterable[dict[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """As `from_texts`, without blocking."""
        if cls.from_texts.__func__ is not VectorContents.from_texts.__func__:  # type: ignore[attr-defined]
            return await in_thread(cls.from_texts, texts, embedding, metadatas, **_named(ids), **kwargs)
        store = cls(embedding, **kwargs)  # type: ignore[call-arg]
        await store.aadd_texts(texts, _listed(metadatas), **_named(ids))
        return store

    @classmethod
    def from_documents(cls, documents: Iterable[Document], embedding: Embeddings, **kwargs: Any) -> Self:
        """A store of these documents; `ids` may name them. Other arguments are those of `from_texts`."""
        texts, metadatas, named = _taken_apart(documents, kwargs.pop("ids", None))
        return cls.from_texts(texts, embedding, metadatas, **named, **kwargs)

    @classmethod
    async def afrom_documents(cls, documents: Iterable[Document], embedding: Embeddings, **kwargs: Any) -> Self:
        """As `from_documents`, without blocking."""
        texts, metadatas, named = _taken_apart(documents, kwargs.pop("ids", None))
        return await cls.afrom_texts(texts, embedding, metadatas, **named, **kwargs)

    # Adding, deleting

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, and answer their ids. Arguments as for `from_texts`.

        Raises:
            ValueError: when there are not as many metadatas or ids as texts.
        """
        if not self._writes("add_documents"):
            raise self._lacks("add_documents or add_texts", "to add anything")
        return self.add_documents(documents_of(texts, metadatas, ids), **_named(ids), **kwargs)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """As `add_texts`, without blocking."""
        if self._writes("aadd_documents") and not self._writes("add_texts"):
            return await self.aadd_documents(documents_of(texts, metadatas, ids), **_named(ids), **kwargs)
        return await in_thread(self.add_texts, texts, metadatas, **_named(ids), **kwargs)

    def add_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """Add documents, and answer their ids: those given as `ids`, else the documents' own, else new ones."""
        if not self._writes("add_texts"):
            raise self._lacks("add_documents or add_texts", "to add anything")
        texts, metadatas, named = _taken_apart(documents, kwargs.pop("ids", None))
        return self.add_texts(texts, metadatas, **named, **kwargs)

    async def aadd_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """As `add_documents`, without blocking."""
        if self._writes("aadd_texts") and not self._writes("add_documents"):
            texts, metadatas, named = _taken_apart(documents, kwargs.pop("ids", None))
            return await self.aadd_texts(texts, metadatas, **named, **kwargs)
        return await in_thread(self.add_documents, documents, **kwargs)

    def delete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool | None:
        """Delete what has these ids. True when that was done, None when the store can't tell."""
        raise self._lacks("delete", "to delete anything")

    async def adelete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool | None:
        """As `delete`, without blocking."""
        return await in_thread(self.delete, ids, **kwargs)

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents that have these ids, in their order. Ids that nothing has are passed over."""
        raise self._lacks("get_by_ids", "to find by ids")

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """As `get_by_ids`, without blocking."""
        return await in_thread(self.get_by_ids, ids)


def documents_of(
    texts: Iterable[str], metadatas: Iterable[dict[str, Any]] | None = None, ids: Iterable[str | None] | None = None
) -> list[Document]:
    """A document for each text, with its metadata and its id.

    Raises:
        TypeError: when a text is none, or the list of texts is one text.
        ValueError: when there are not as many metadatas or ids as texts.
    """
    if isinstance(texts, str):
        raise TypeError(f"expected a list of texts, got the text {texts!r:.80}; put it into a list")
    texts = list(texts)
    facts = [{} for _ in texts] if metadatas is None else as_many(metadatas, "metadatas", texts)
    names = [None for _ in texts] if ids is None else as_many(ids, "ids", texts)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"expected texts, got {type(text).__name__} {text!r:.80} at index {index}")
    return [Document(text, metadata=fact, id=name) for text, fact, name in zip(texts, facts, names, strict=True)]


def listed_ids(ids: Iterable[str]) -> list[str]:
    """The ids.

    Raises:
        TypeError: when they are one text, whose letters would be taken for ids.
    """
    if isinstance(ids, str):
        raise TypeError(f"expected a list of ids, got the text {ids!r:.80}; put it into a list")
    return list(ids)


def with_ids(documents: Iterable[Document], ids: Iterable[str | None] | None) -> list[Document]:
    """The documents, named anew where ids are given.

    Raises:
        TypeError: when one is no document.
        ValueError: when there are not as many ids as documents.
    """
    documents = [_document(each) for each in documents]
    if ids is None:
        return documents
    names = as_many(ids, "ids", documents)
    return [each.model_copy(update={"id": name}) for each, name in zip(documents, names, strict=True)]


def as_many(values: Iterable[Any], name: str, texts: Sized) -> list[Any]:
    """One value for each text.

    Raises:
        ValueError: when there are more or fewer.
    """
    listed = list(values)
    if len(listed) != len(texts):
        raise ValueError(f"{len(texts)} texts came with {len(listed)} {name}; give one for each text")
    return listed


def _document(given: Any) -> Document:
    if not isinstance(given, Document):
        raise TypeError(f"expected documents, got {type(given).__name__} {given!r:.80}; texts go to add_texts")
    return given


def _taken_apart(
    documents: Iterable[Document], ids: Iterable[str | None] | None
) -> tuple[list[str], list[dict[str, Any]], dict[str, Any]]:
    documents = with_ids(documents, ids)
    names = [each.id for each in documents]
    texts, metadatas = [each.page_content for each in documents], [each.metadata for each in documents]
    return texts, metadatas, {"ids": names} if any(names) else {}


def _named(ids: Iterable[str | None] | None) -> dict[str, Any]:
    """For stores whose own forms know no ids, they are handed on only where some are given."""
    return {} if ids is None else {"ids": list(ids)}


def _listed(values: Iterable[Any] | None) -> list[Any] | None:
    return None if values is None else list(values)


def _is_written(cls: type, form: str) -> bool:
    owner = next(each for each in cls.__mro__ if form in vars(each))
    return "_derives" not in vars(owner)
