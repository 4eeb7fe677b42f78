"""The documents beside an index of vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from anabranch.nodes.retrieval.documents import Document, copied


class InMemoryDocstore:
    """Documents by their ids, in memory. A `FAISS` store keeps its documents in one.

    Args:
        _dict: the documents.

    Example:
        >>> shelf = InMemoryDocstore({"7": Document("bears like honey")})
        >>> shelf.search("7").page_content
        'bears like honey'
    """

    def __init__(self, _dict: dict[str, Document] | None = None) -> None:
        self._dict: dict[str, Document] = {} if _dict is None else _dict

    def search(self, search: str) -> Document | str:
        """The document of an id, or a text that says that there is none."""
        found = self._dict.get(search)
        return f"ID {search} not found." if found is None else copied(found)

    def found(self, ids: Iterable[str]) -> list[Document]:
        """The documents of these ids. Ids that nothing has are passed over."""
        return [copied(self._dict[id]) for id in ids if id in self._dict]

    def add(self, texts: Mapping[str, Document]) -> None:
        """Add documents by their ids.

        Raises:
            ValueError: when an id is there already.
        """
        self.check_new(list(texts))
        self._dict.update({id: copied(document, id) for id, document in texts.items()})

    def check_new(self, ids: Sequence[str]) -> None:
        """See that none of these ids is there, and none comes twice.

        Raises:
            ValueError: when one does.
        """
        twice = {id for id, count in Counter(ids).items() if count > 1 or id in self._dict}
        if twice:
            raise ValueError(f"these ids are there already, or would be there twice: {_some(twice)}")

    def check_there(self, ids: Iterable[str]) -> None:
        """See that all of these ids are there.

        Raises:
            ValueError: when nothing has one of them.
        """
        if unknown := set(ids) - self._dict.keys():
            raise ValueError(f"nothing has these ids: {_some(unknown)}")

    def delete(self, ids: Iterable[str]) -> None:
        """Delete the documents of these ids.

        Raises:
            ValueError: when nothing has one of them.
        """
        gone = set(ids)
        self.check_there(gone)
        for id in gone:
            del self._dict[id]


def _some(ids: set[str]) -> str:
    shown = ", ".join(map(repr, sorted(ids)[:5]))
    return f"{shown} and {len(ids) - 5} more" if len(ids) > 5 else shown
