"""Documents: a piece of text, where it comes from, and how a list of them is put into a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Literal

from pydantic import BaseModel, Field

from anabranch.nodes.printed_fields import telling
from anabranch.nodes.schemas.brief_descriptions import BRIEF


class Document(BaseModel):
    """A piece of text with facts about it. Two documents with equal fields are equal.

    Args:
        page_content: the text; may be given by position.
        metadata: facts about the text, such as its `source`.
        id: what a store knows it by. A number becomes text.

    Example:
        >>> document = Document("harrison worked at kensho", metadata={"source": "notes"})
        >>> document.metadata["source"]
        'notes'
        >>> print(document)
        page_content='harrison worked at kensho' metadata={'source': 'notes'}
    """

    model_config = BRIEF

    id: str | None = Field(default=None, coerce_numbers_to_str=True)
    metadata: dict[str, Any] = Field(default_factory=dict)
    page_content: str = Field(kw_only=False)  # for type checkers; by position it is read in __init__
    type: Literal["Document"] = "Document"

    def __init__(self, page_content: str, **kwargs: Any) -> None:
        super().__init__(page_content=page_content, **kwargs)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Only what differs from the default: a list of documents is often put into a prompt as it prints."""
        return telling(self)

    def __str__(self) -> str:
        facts = f" metadata={self.metadata}" if self.metadata else ""
        return f"page_content={self.page_content!r}{facts}"


def copied(document: Document, id: str | None = None) -> Document:
    """A copy, with this id if one is given, whose metadata can be changed without changing those of the document."""
    return document.model_copy(update={"id": id or document.id, "metadata": deepcopy(document.metadata)})


def format_documents(documents: Iterable[Document]) -> str:
    """The texts of documents with a blank line between them, each headed by its source where it has one.

    Example:
        >>> print(format_documents([Document("Chains iterables.", metadata={"source": "itertools.chain"})]))
        Source: itertools.chain
        Chains iterables.
    """
    return "\n\n".join(_with_source(document) for document in documents)


def _with_source(document: Document) -> str:
    source = document.metadata.get("source")
    return f"Source: {source}\n{document.page_content}" if source else document.page_content
