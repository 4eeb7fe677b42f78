"""Chat prompts: from the values of variables to the messages that a model gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, SupportsIndex, overload

from anabranch.engine.errors import CompositionError, StepInputError
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.prompts.message_parts import Part, PartLike, is_pair, read_part
from anabranch.nodes.prompts.message_templates import all_reads
from anabranch.nodes.prompts.prompt_templates import BaseChatPromptTemplate
from anabranch.nodes.prompts.string_prompts import merged_partials
from anabranch.nodes.prompts.template_formats import TemplateFormat
from anabranch.nodes.prompts.templates import TemplateError


class ChatPromptTemplate(BaseChatPromptTemplate):
    """A prompt of messages.

    `prompt + other` is a prompt of both; the other may be a chat prompt, a list of parts, or a part: whatever may stand
    in `messages`. `prompt[0]` is a part, `prompt[:2]` a prompt of some, `len(prompt)` their number.

    Args:
        messages: in order, each a pair of role and template (`("system", "Answer in {language}.")`), a
            template alone (said by a human), a message taken as it is, a `MessagesPlaceholder` (as a pair:
            `("placeholder", "{history}")`, which may be left out), a template of a message, or another chat prompt.
            In place of a text, a template may be a list of content blocks. May be given by position.
        template_format: the format of the templates: "f-string", "mustache" or "jinja2".
        validate_template: `input_variables` were given, and must be those of the templates.
        **kwargs: see `BasePromptTemplate`.

    Raises:
        TemplateError: a `ValueError`, when a template can't be used.
        StepInputError: a `TypeError`, when one of the messages can't be read.

    Example:
        >>> prompt = ChatPromptTemplate.from_messages([("system", "Be {mood}."), ("human", "{question}")])
        >>> prompt.format_messages(mood="brief", question="Why?")
        [SystemMessage(content='Be brief.'), HumanMessage(content='Why?')]
        >>> (prompt[:1] + "Who is {name}?").invoke({"mood": "kind", "name": "Ada"}).to_messages()
        [SystemMessage(content='Be kind.'), HumanMessage(content='Who is Ada?')]
    """

    messages: list[Any]
    validate_template: bool = False

    def __init__(
        self,
        messages: Iterable[PartLike],
        *,
        template_format: TemplateFormat = "f-string",
        validate_template: bool = False,
        **kwargs: Any,
    ) -> None:
        parts = [read_part(message, template_format) for message in _listed(messages)]
        known = {**(kwargs.pop("partial_variables", None) or {})}
        given = kwargs.pop("input_variables", None)
        required, optional = _variables(parts, known)
        if validate_template and {*(given or ()), *known} != {*required, *known}:
            raise TemplateError(f"the messages have the variables {required}, but input_variables are {given}")
        kwargs |= {
            "messages": parts,
            "validate_template": validate_template,
            "input_variables": required,
            "optional_variables": optional,
            "partial_variables": known,
        }
        super().__init__(**kwargs)

    @classmethod
    def from_template(cls, template: str, **kwargs: Any) -> Self:
        """The prompt of one message, said by a human."""
        return cls([("human", template)], **kwargs)

    @classmethod
    def from_messages(
        cls, messages: Iterable[PartLike], template_format: TemplateFormat = "f-string", **kwargs: Any
    ) -> Self:
        """The prompt of these messages. See the class."""
        return cls(messages, template_format=template_format, **kwargs)

    def format_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """The messages that the prompt makes of these variables.

        Raises:
            MissingVariablesError: a `KeyError`, when a variable has no value.
            TemplateError: when a value can't be written as a template wants it.
        """
        values = self._merge_partial_and_user_variables(**kwargs)
        made: list[BaseMessage] = []
        for part in self.messages:
            made += [part] if isinstance(part, BaseMessage) else part.format_messages(**values)
        return made

    async def aformat_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """`format_messages` on the running event loop."""
        values = self._merge_partial_and_user_variables(**kwargs)
        made: list[BaseMessage] = []
        for part in self.messages:
            made += [part] if isinstance(part, BaseMessage) else await part.aformat_messages(**values)
        return made

    def pretty_repr(self, html: bool = False) -> str:
        """The messages for people to read. See `BasePromptTemplate.pretty_repr`."""
        return "\n\n".join(part.pretty_repr(html=html) for part in self.messages)

    # As a list

    def __len__(self) -> int:
        return len(self.messages)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> ChatPromptTemplate: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Part | ChatPromptTemplate:
        """A part; of a slice, a prompt of some parts, which knows beforehand what this one does."""
        if not isinstance(index, slice):
            part: Part = self.messages[index]
            return part
        return self._of(self.messages[index], self.partial_variables)

    def append(self, message: PartLike) -> None:
        """Add a part at the end. This changes the prompt; `prompt + message` leaves it as it is."""
        self.extend([message])

    def extend(self, messages: Iterable[PartLike]) -> None:
        """Add parts at the end. This changes the prompt; `prompt + messages` leaves it as it is."""
        self.messages = [*self.messages, *(read_part(message) for message in _listed(messages))]
        self.input_variables, self.optional_variables = _variables(self.messages, self.partial_variables)

    def __add__(self, other: Any) -> ChatPromptTemplate:
        """A prompt of the parts of both.

        Raises:
            CompositionError: a `TypeError`, when the other can't be read as parts.
            TemplateError: when both know a variable beforehand, with different values.
        """
        if isinstance(other, ChatPromptTemplate):
            return self._of(
                [*self.messages, *other.messages],
                merged_partials(self.partial_variables, other.partial_variables),
                other.input_types,
            )
        parts = other if isinstance(other, list | tuple) and not is_pair(other) else [other]
        try:
            return self._of([*self.messages, *map(read_part, parts)], self.partial_variables)
        except StepInputError as error:
            raise CompositionError(f"{type(other).__name__} can't be added to a chat prompt: {error}") from error

    def _of(
        self, parts: Sequence[Part], known: Mapping[str, Any], types: Mapping[str, Any] | None = None
    ) -> ChatPromptTemplate:
        return ChatPromptTemplate(parts, partial_variables=known, input_types={**self.input_types, **(types or {})})

    # What is known of its variables

    def _templates(self) -> list[Any]:
        """The parts that aren't messages already."""
        return [part for part in self.messages if not isinstance(part, BaseMessage)]

    def _reads(self) -> frozenset[str] | None:
        declared, read = super()._reads(), all_reads(self._templates())
        return None if declared is None or read is None else declared | read

    def _waits(self) -> bool:
        return super()._waits() or any(part._waits() for part in self._templates())

    def _has_async_form(self) -> bool:
        return super()._has_async_form() or any(part._has_async_form() for part in self._templates())

    def _type_of(self, variable: str) -> Any:
        if variable in self.input_types:
            return self.input_types[variable]
        for part in self._templates():
            if variable in (*part.input_variables, *part.optional_variables):
                return part._type_of(variable)
        return str


def _listed(messages: Any) -> Iterable[PartLike]:
    if isinstance(messages, str | Mapping) or not isinstance(messages, Iterable) or is_pair(messages):
        raise StepInputError(
            f"a chat prompt takes a list of messages, got {type(messages).__name__} {messages!r:.80}. Put a single "
            "message into a list"
        )
    return messages


def _variables(parts: Iterable[Part], known: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The variables that parts must have, less those known beforehand, and those that they may have; both sorted."""
    required: set[str] = set()
    optional: set[str] = set()
    for part in parts:
        if not isinstance(part, BaseMessage):
            required.update(part.input_variables)
            optional.update(part.optional_variables)
    return sorted(required - known.keys()), sorted(optional - required)
