"""Example selectors: which of many examples a few-shot prompt shows, for the variables at hand.

Those that ask a vector store call it as anything with its methods: `add_texts`, `similarity_search`,
`max_marginal_relevance_search`, and their asynchronous forms.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.prompts.prompt_templates import StringPromptTemplate
from anabranch.nodes.prompts.variables import MissingVariablesError
from anabranch.nodes.retrieval.documents import Document

Example = dict[str, Any]

_ADDING = threading.Lock()
"""Held while an example is added to a list, which other threads may do as well."""


class BaseExampleSelector:
    """Picks examples. For one of your own, subclass it and write `select_examples`, and `add_example` if it can grow.

    The asynchronous forms call these in a thread, unless they are written too.

    Example:
        >>> class Latest(BaseExampleSelector):
        ...     def __init__(self, examples):
        ...         self.examples = list(examples)
        ...
        ...     def add_example(self, example):
        ...         self.examples.append(example)
        ...
        ...     def select_examples(self, input_variables):
        ...         return self.examples[-1:]
        >>> Latest([{"word": "tall"}, {"word": "big"}]).select_examples({"word": "small"})
        [{'word': 'big'}]
    """

    def add_example(self, example: Example) -> Any:
        """Keep one more example."""
        raise NotImplementedError(f"{type(self).__name__} has no `add_example`")

    async def aadd_example(self, example: Example) -> Any:
        """`add_example` without blocking."""
        return await in_thread(self.add_example, example)

    def select_examples(self, input_variables: dict[str, Any]) -> list[Example]:
        """The examples to show, in order.

        Args:
            input_variables: the values of all variables that the prompt was given.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `select_examples`")

    async def aselect_examples(self, input_variables: dict[str, Any]) -> list[Example]:
        """`select_examples` without blocking."""
        return await in_thread(self.select_examples, input_variables)


def count_words(text: str) -> int:
    """The number of words, as single spaces and line breaks divide them."""
    return len(re.split(r"\n| ", text))


class LengthBasedExampleSelector(BaseExampleSelector, BaseModel):
    """As many examples as there is room for beside the input, from the first on.

    Args:
        examples: all examples.
        example_prompt: what makes text of one.
        max_length: how long the input and the examples may be together, as `get_text_length` measures.
        get_text_length: how long a text is; by default its number of words.

    Example:
        >>> selector = LengthBasedExampleSelector(
        ...     examples=[{"word": "tall"}, {"word": "big"}],
        ...     example_prompt=PromptTemplate.from_template("Word: {word}"),
        ...     max_length=4,
        ... )
        >>> selector.select_examples({"word": "small"}), selector.select_examples({"word": "quite small"})
        ([{'word': 'tall'}], [{'word': 'tall'}])
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    examples: list[Example]
    example_prompt: StringPromptTemplate
    get_text_length: Callable[[str], int] = count_words
    max_length: int = 2048
    example_text_lengths: list[int] = Field(default_factory=list)

    def model_post_init(self, context: Any) -> None:
        if not self.example_text_lengths:
            self.example_text_lengths = [self._length(example) for example in self.examples]

    def _length(self, example: Example) -> int:
        return self.get_text_length(self.example_prompt.format(**example))

    def add_example(self, example: Example) -> None:
        """Keep one more example, after the others."""
        length = self._length(example)
        with _ADDING:
            self.examples.append(example)
            self.example_text_lengths.append(length)  # last: who selects meanwhile doesn't see it

    def select_examples(self, input_variables: dict[str, Any]) -> list[Example]:
        """The first examples, until one has no room. See `BaseExampleSelector`."""
        room = self.max_length - self.get_text_length(" ".join(map(str, input_variables.values())))
        chosen: list[Example] = []
        for example, length in zip(self.examples, self.example_text_lengths, strict=False):
            room -= length
            if room < 0:
                break
            chosen.append(example)
        return chosen


class VectorStoreExampleSelector(BaseExampleSelector, BaseModel):
    """What the selectors have in common that ask a vector store.

    Args:
        vectorstore: where the examples are, as metadata of texts.
        k: how many to pick.
        input_keys: the variables that are searched by, and the keys of examples that are searched for; by default all.
        example_keys: the keys of an example that are shown; by default all.
        vectorstore_kwargs: arguments for each search, such as `filter`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    vectorstore: Any
    k: int = 4
    example_keys: list[str] | None = None
    input_keys: list[str] | None = None
    vectorstore_kwargs: dict[str, Any] | None = None

    @classmethod
    def _make(
        cls, build: str, examples: Iterable[Example], embeddings: Any, vectorstore_cls: Any, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        """What `from_texts` of the store is to be called with, and the fields of the selector."""
        examples = list(examples)
        fields = {name: kwargs.pop(name) for name in cls.model_fields if name in kwargs}
        texts = [example_text(example, fields.get("input_keys")) for example in examples]
        return getattr(vectorstore_cls, build)(texts, embeddings, metadatas=examples, **kwargs), fields

    @classmethod
    def from_examples(
        cls, examples: Iterable[Example], embeddings: Any, vectorstore_cls: Any, k: int = 4, **kwargs: Any
    ) -> Self:
        """A selector of these examples, in a new store.

        Args:
            examples: the examples.
            embeddings: what makes vectors of them.
            vectorstore_cls: the class of the store.
            k: how many to pick.
            **kwargs: other fields of the selector; the rest is for the store's `from_texts`.
        """
        store, fields = cls._make("from_texts", examples, embeddings, vectorstore_cls, k=k, **kwargs)
        return cls(vectorstore=store, **fields)

    @classmethod
    async def afrom_examples(
        cls, examples: Iterable[Example], embeddings: Any, vectorstore_cls: Any, k: int = 4, **kwargs: Any
    ) -> Self:
        """`from_examples` on the running event loop."""
        store, fields = cls._make("afrom_texts", examples, embeddings, vectorstore_cls, k=k, **kwargs)
        return cls(vectorstore=await store, **fields)

    def add_example(self, example: Example) -> str:
        """Keep one more example; its id in the store."""
        return str(self.vectorstore.add_texts([self._text(example)], metadatas=[example])[0])

    async def aadd_example(self, example: Example) -> str:
        """`add_example` on the running event loop."""
        return str((await self.vectorstore.aadd_texts([self._text(example)], metadatas=[example]))[0])

    def _text(self, values: Mapping[str, Any]) -> str:
        return example_text(values, self.input_keys)

    def _shown(self, documents: Iterable[Document]) -> list[Example]:
        """The examples that documents hold."""
        keys = self.example_keys
        return [
            {name: value for name, value in document.metadata.items() if keys is None or name in keys}
            for document in documents
        ]


class SemanticSimilarityExampleSelector(VectorStoreExampleSelector):
    """The examples that are most like the input, by a vector store. Its arguments are told in the base class.

    Example:
        >>> class Letters:  # stands for a vector store
        ...     def similarity_search(self, query, k):
        ...         return [Document(word, metadata={"word": word}) for word in ("tall", "big") if query[0] in word][:k]
        >>> SemanticSimilarityExampleSelector(vectorstore=Letters(), k=1).select_examples({"word": "blue"})
        [{'word': 'big'}]
    """

    def select_examples(self, input_variables: dict[str, Any]) -> list[Example]:
        """The nearest examples, the nearest first. See `BaseExampleSelector`."""
        asked = self.vectorstore.similarity_search(self._text(input_variables), k=self.k, **self._besides())
        return self._shown(asked)

    async def aselect_examples(self, input_variables: dict[str, Any]) -> list[Example]:
        """`select_examples` on the running event loop."""
        asked = await self.vectorstore.asimilarity_search(self._text(input_variables), k=self.k, **self._besides())
        return self._shown(asked)

    def _besides(self) -> dict[str, Any]:
        return self.vectorstore_kwargs or {}


class MaxMarginalRelevanceExampleSelector(VectorStoreExampleSelector):
    """Examples that are like the input and unlike each other, by a vector store. See the base class.

    Args:
        fetch_k: among how many near ones to pick.

    Example:
        >>> class Letters:  # stands for a vector store
        ...     def max_marginal_relevance_search(self, query, k, fetch_k):
        ...         return [Document(word, metadata={"word": word}) for word in ("tall", "big", "bold")][:fetch_k][-k:]
        >>> MaxMarginalRelevanceExampleSelector(vectorstore=Letters(), k=2).select_examples({"word": "blue"})
        [{'word': 'big'}, {'word': 'bold'}]
    """

    fetch_k: int = 20

    def select_examples(self, input_variables: dict[str, Any]) -> list[Example]:
        """The examples that are near, and far from each other. See `BaseExampleSelector`."""
        asked = self.vectorstore.max_marginal_relevance_search(self._text(input_variables), **self._besides())
        return self._shown(asked)

    async def aselect_examples(self, input_variables: dict[str, Any]) -> list[Example]:
        """`select_examples` on the running event loop."""
        asked = await self.vectorstore.amax_marginal_relevance_search(self._text(input_variables), **self._besides())
        return self._shown(asked)

    def _besides(self) -> dict[str, Any]:
        return {"k": self.k, "fetch_k": self.fetch_k, **(self.vectorstore_kwargs or {})}


def example_text(values: Mapping[str, Any], keys: Iterable[str] | None) -> str:
    """What an example is searched by: the values of some keys, or of all, in the order of their keys.

    Raises:
        MissingVariablesError: a `KeyError`, when one of the keys isn't there.
    """
    chosen = list(values) if keys is None else list(keys)
    missing = [key for key in chosen if key not in values]
    if missing:
        raise MissingVariablesError(
            f"an example selector got no value for {', '.join(map(repr, missing))}: "
            f"received {', '.join(map(repr, values)) or 'nothing'}"
        )
    return " ".join(sorted_values({key: str(values[key]) for key in chosen}))


def sorted_values(values: Mapping[str, Any]) -> list[Any]:
    """The values of a dict in the order of its keys.

    Example:
        >>> sorted_values({"b": "second", "a": "first"})
        ['first', 'second']
    """
    return [values[key] for key in sorted(values)]
