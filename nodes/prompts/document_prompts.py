"""Documents in prompts: the text and the metadata of a document as the variables of a prompt."""

from __future__ import annotations

from typing import Any

from anabranch.nodes.prompts.prompt_templates import BasePromptTemplate
from anabranch.nodes.prompts.templates import TemplateError
from anabranch.nodes.prompts.variables import MissingVariablesError
from anabranch.nodes.retrieval.documents import Document


class MissingMetadataError(MissingVariablesError, TemplateError):
    """Raised when a document lacks metadata that a prompt shows. Both a `KeyError` and a `ValueError`.

    Example:
        >>> format_document(Document("Bears like honey."), PromptTemplate.from_template("[{source}] {page_content}"))
        Traceback (most recent call last):
            ...
        anabranch.nodes.prompts.document_prompts.MissingMetadataError: PromptTemplate shows 'source' of a document ...
    """


def format_document(doc: Document, prompt: BasePromptTemplate) -> str:
    """A document as text, by a prompt whose variables are `page_content` and keys of the metadata.

    Raises:
        MissingMetadataError: a `ValueError`, when the document has no such metadata.

    Example:
        >>> prompt = PromptTemplate.from_template("[{source}] {page_content}")
        >>> format_document(Document("Bears like honey.", metadata={"source": "zoo"}), prompt)
        '[zoo] Bears like honey.'
    """
    return str(prompt.format(**_variables(doc, prompt)))


async def aformat_document(doc: Document, prompt: BasePromptTemplate) -> str:
    """`format_document` on the running event loop.

    Example:
        >>> import asyncio
        >>> prompt = PromptTemplate.from_template("[{source}] {page_content}")
        >>> asyncio.run(aformat_document(Document("Bears like honey.", metadata={"source": "zoo"}), prompt))
        '[zoo] Bears like honey.'
    """
    return str(await prompt.aformat(**_variables(doc, prompt)))


def _variables(doc: Document, prompt: BasePromptTemplate) -> dict[str, Any]:
    known = {"page_content": doc.page_content, **doc.metadata}
    missing = [name for name in prompt.input_variables if name not in known]
    if missing:
        raise MissingMetadataError(
            f"{prompt.get_name()} shows {', '.join(map(repr, missing))} of a document whose metadata is "
            f"{doc.metadata!r:.80}: {doc.page_content!r:.40}. Give it that metadata, or leave it out of the prompt"
        )
    return {
        name: value for name, value in known.items() if name in {*prompt.input_variables, *prompt.optional_variables}
    }
