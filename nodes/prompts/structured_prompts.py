"""Prompts that say in which form they want the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from anabranch.engine.errors import CompositionError
from anabranch.nodes import composing
from anabranch.nodes.prompts.chat_prompts import ChatPromptTemplate
from anabranch.nodes.prompts.message_parts import PartLike
from anabranch.nodes.runnables import Runnable


class StructuredPrompt(ChatPromptTemplate):
    """A chat prompt with the schema of its answer: `prompt | model` is `prompt | model.with_structured_output(schema)`.

    What comes right after it must therefore be a model.

    Args:
        messages: see `ChatPromptTemplate`.
        schema_: the form of the answer, in any way that the model's `with_structured_output` takes it. May be given by
            position.
        structured_output_kwargs: arguments for `with_structured_output`. Keyword arguments that are no fields of a
            prompt join them.
        **kwargs: see `ChatPromptTemplate`.

    Raises:
        CompositionError: a `TypeError`, when there is no schema, or when it is composed with something else than a
            model.

    Example:
        >>> class Parrot(RunnableLambda):
        ...     def with_structured_output(self, schema, **kwargs):
        ...         return self | (lambda said: {schema["title"]: said.to_string()})
        >>> prompt = StructuredPrompt(["a joke about {topic}"], {"title": "Joke", "type": "object"})
        >>> (prompt | Parrot(lambda said: said)).invoke({"topic": "bears"})
        {'Joke': 'Human: a joke about bears'}
    """

    schema_: Any
    structured_output_kwargs: dict[str, Any]

    def __init__(
        self,
        messages: Iterable[PartLike],
        schema_: Any = None,
        *,
        structured_output_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        schema_ = kwargs.pop("schema", schema_)
        if not schema_:
            raise CompositionError(f"{type(self).__name__} takes the schema of the answer; got {schema_!r}")
        known = {*type(self).model_fields, "template_format"}
        asked = {name: kwargs.pop(name) for name in list(kwargs) if name not in known}
        kwargs |= {"schema_": schema_, "structured_output_kwargs": {**(structured_output_kwargs or {}), **asked}}
        super().__init__(messages, **kwargs)

    @classmethod
    def from_messages_and_schema(cls, messages: Iterable[PartLike], schema: Any, **kwargs: Any) -> Self:
        """The prompt of these messages for an answer of this schema. See the class."""
        return cls(messages, schema, **kwargs)

    def __or__(self, other: Any) -> Runnable[Any, Any]:
        """The prompt, then a model that answers in the form of the schema."""
        return self.pipe(other)

    def pipe(self, *others: Any, name: str | None = None) -> Runnable[Any, Any]:
        """The prompt, a model that answers in the form of the schema, and then the rest, in order."""
        model = others[0] if others else None
        if not callable(getattr(model, "with_structured_output", None)):
            raise CompositionError(
                f"after {self.get_name()} comes a model, whose with_structured_output is given the schema; got "
                f"{type(model).__name__} {model!r:.80}"
            )
        structured = others[0].with_structured_output(self.schema_, **self.structured_output_kwargs)
        return composing.makers.sequence(self, structured, *others[1:], name=name)
