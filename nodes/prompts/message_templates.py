"""Templates of messages: what somebody of a role says, with holes, and places that messages are put into."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from anabranch.engine.errors import StepInputError
from anabranch.nodes.deferred import chat_prompts
from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.messages.any_message import AnyMessage
from anabranch.nodes.messages.base_messages import title_line
from anabranch.nodes.messages.conversion import convert_to_messages
from anabranch.nodes.messages.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage
from anabranch.nodes.prompts.block_templates import DictPromptTemplate, ImagePromptTemplate, fill_block, read_block
from anabranch.nodes.prompts.prompt_templates import StringPromptTemplate
from anabranch.nodes.prompts.string_prompts import PromptTemplate
from anabranch.nodes.prompts.template_formats import TemplateFormat
from anabranch.nodes.prompts.variables import MissingVariablesError, mark_variable

if TYPE_CHECKING:
    from anabranch.nodes.prompts.chat_prompts import ChatPromptTemplate

Said = StringPromptTemplate | list[StringPromptTemplate | ImagePromptTemplate | DictPromptTemplate]


class BaseMessagePromptTemplate(BaseModel):
    """A part of a chat prompt. For one of your own, subclass it and write `format_messages` and `input_variables`.

    `part + other` is a `ChatPromptTemplate`; the other may be all that can be added to one.

    Example:
        >>> class Twice(BaseMessagePromptTemplate):
        ...     @property
        ...     def input_variables(self):
        ...         return ["question"]
        ...
        ...     def format_messages(self, **kwargs):
        ...         return [HumanMessage(kwargs["question"])] * 2
        >>> ChatPromptTemplate([("system", "Listen."), Twice()]).invoke("Why?").to_messages()[1:]
        [HumanMessage(content='Why?'), HumanMessage(content='Why?')]
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @property
    def input_variables(self) -> list[str]:
        """The variables that must have a value."""
        raise NotImplementedError(f"{type(self).__name__} has no `input_variables`")

    @property
    def optional_variables(self) -> list[str]:
        """Those that may have one."""
        return []

    def format_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """The messages that the part makes of these variables; there may be others among them."""
        raise NotImplementedError(f"{type(self).__name__} has no `format_messages`")

    async def aformat_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """`format_messages` without blocking."""
        return await in_thread(self.format_messages, **kwargs) if self._waits() else self.format_messages(**kwargs)

    def pretty_repr(self, html: bool = False) -> str:
        """The part for people to read, its variables in braces; with `html` coloured for a terminal."""
        return repr(self)

    def pretty_print(self) -> None:
        """Print `pretty_repr`."""
        print(self.pretty_repr())

    def __add__(self, other: Any) -> ChatPromptTemplate:
        return chat_prompts.ChatPromptTemplate([self]).__add__(other)

    # What a chat prompt asks of its parts. Of one that somebody else wrote nothing is known.

    def _reads(self) -> frozenset[str] | None:
        return None

    def _waits(self) -> bool:
        return True

    def _has_async_form(self) -> bool:
        return True

    def _type_of(self, variable: str) -> Any:
        return str


class MessagesPlaceholder(BaseMessagePromptTemplate):
    """A place for a list of messages in a chat prompt.

    Args:
        variable_name: the variable that holds the messages, in any form that `convert_to_messages` reads.
        optional: the variable may be missing; then nothing stands there.
        n_messages: only the last so many are taken.

    Raises:
        pydantic.ValidationError: a `ValueError`, when `n_messages` is less than 1.

    Example:
        >>> place = MessagesPlaceholder("history", n_messages=1)
        >>> place.format_messages(history=[("human", "Hi"), ("ai", "Hello")])
        [AIMessage(content='Hello')]
    """

    variable_name: str
    optional: bool = False
    n_messages: int | None = Field(default=None, gt=0)

    def __init__(self, variable_name: str, *, optional: bool = False, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "variable_name": variable_name, "optional": optional})

    @property
    def input_variables(self) -> list[str]:
        """The variable, unless it is optional."""
        return [] if self.optional else [self.variable_name]

    @property
    def optional_variables(self) -> list[str]:
        """The variable, if it is optional."""
        return [self.variable_name] if self.optional else []

    def format_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """The messages of the variable.

        Raises:
            MissingVariablesError: a `KeyError`, when it has no value.
            StepInputError: a `TypeError`, when its value is no list of messages.
        """
        if self.variable_name not in kwargs and not self.optional:
            raise MissingVariablesError(f"MessagesPlaceholder got no value for {self.variable_name!r}")
        given = kwargs.get(self.variable_name, [])
        if not isinstance(given, list | tuple):
            raise StepInputError(
                f"variable {self.variable_name!r} expected a list of messages, got {type(given).__name__} {given!r:.80}"
            )
        messages = convert_to_messages(given)
        return messages if self.n_messages is None else messages[-self.n_messages :]

    def pretty_repr(self, html: bool = False) -> str:
        """The place for people to read. See `BaseMessagePromptTemplate.pretty_repr`."""
        return f"{title_line('Messages Placeholder', html)}\n\n{mark_variable(self.variable_name, html)}"

    def _reads(self) -> frozenset[str] | None:
        return frozenset([self.variable_name])

    def _waits(self) -> bool:
        return False

    def _has_async_form(self) -> bool:
        return False

    def _type_of(self, variable: str) -> Any:
        return list[AnyMessage]


class BaseStringMessagePromptTemplate(BaseMessagePromptTemplate):
    """What somebody says, with holes.

    Args:
        prompt: the text, as a prompt; or a list of prompts of texts, images and other content blocks.
        additional_kwargs: those of the message.

    Example:
        >>> blocks = [{"type": "text", "text": "{what}?"}, {"type": "image_url", "image_url": "{url}"}]
        >>> part = HumanMessagePromptTemplate.from_template(blocks)
        >>> isinstance(part, BaseStringMessagePromptTemplate), part.input_variables
        (True, ['url', 'what'])
    """

    prompt: SerializeAsAny[Said]
    additional_kwargs: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def from_template(
        cls,
        template: str | Sequence[Any],
        template_format: TemplateFormat = "f-string",
        *,
        partial_variables: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """What is said, from its template.

        Args:
            template: the text; or a list of texts and content blocks, such as
                `{"type": "image_url", "image_url": "{url}"}`.
            template_format: the format of all texts in it.
            partial_variables: values known beforehand, where it is one text.
            **kwargs: fields of the class: `additional_kwargs`, `role`.

        Raises:
            TemplateError: a `ValueError`, when it can't be used.
            StepInputError: a `TypeError`, when a content block can't be read.
        """
        if isinstance(template, str) or not isinstance(template, Sequence):
            said: Any = PromptTemplate(template, template_format=template_format, partial_variables=partial_variables)
        elif partial_variables:
            raise StepInputError("content blocks take no partial_variables; use `partial` of the chat prompt")
        else:
            said = [read_block(block, template_format) for block in template]
        return cls(prompt=said, **kwargs)

    @classmethod
    def from_template_file(
        cls, template_file: str | Path, input_variables: list[str] | None = None, **kwargs: Any
    ) -> Self:
        """What is said, from a file in UTF-8. The variables are those of its text, whatever is passed."""
        return cls.from_template(Path(template_file).read_text(encoding="utf-8"), **kwargs)

    @property
    def input_variables(self) -> list[str]:
        """The variables that must have a value, sorted."""
        return sorted({name for prompt in self._prompts() for name in prompt.input_variables})

    def _prompts(self) -> Sequence[StringPromptTemplate | DictPromptTemplate]:
        return self.prompt if isinstance(self.prompt, list) else [self.prompt]

    def _message(self, content: Any) -> BaseMessage:
        """The message of a content."""
        raise NotImplementedError(f"{type(self).__name__} has no `_message`; there is one class for each role")

    def _besides(self) -> dict[str, Any]:
        """What a message gets besides its content."""
        return {"additional_kwargs": {**self.additional_kwargs}} if self.additional_kwargs else {}

    def format(self, /, **kwargs: Any) -> BaseMessage:
        """The message with its holes filled."""
        if isinstance(self.prompt, list):
            return self._message([fill_block(block, block.format(**kwargs)) for block in self.prompt])
        return self._message(self.prompt.format(**kwargs))

    async def aformat(self, /, **kwargs: Any) -> BaseMessage:
        """`format` on the running event loop."""
        if isinstance(self.prompt, list):
            return self._message([fill_block(block, await block.aformat(**kwargs)) for block in self.prompt])
        return self._message(await self.prompt.aformat(**kwargs))

    def format_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """The message with its holes filled, in a list."""
        return [self.format(**kwargs)]

    async def aformat_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """`format_messages` on the running event loop."""
        return [await self.aformat(**kwargs)]

    def pretty_repr(self, html: bool = False) -> str:
        """The message for people to read. See `BaseMessagePromptTemplate.pretty_repr`."""
        kind = type(self).__name__.removesuffix("PromptTemplate").removesuffix("Message")
        said = "\n".join(prompt.pretty_repr(html=html) for prompt in self._prompts())
        return f"{title_line(f'{kind} Message', html)}\n\n{said}"

    def _reads(self) -> frozenset[str] | None:
        return all_reads(self._prompts())

    def _waits(self) -> bool:
        return any(prompt._waits() for prompt in self._prompts())

    def _has_async_form(self) -> bool:
        return any(prompt._has_async_form() for prompt in self._prompts())

    def _type_of(self, variable: str) -> Any:
        types = {prompt._type_of(variable) for prompt in self._prompts() if variable in prompt.input_variables}
        return types.pop() if len(types) == 1 else Any


class HumanMessagePromptTemplate(BaseStringMessagePromptTemplate):
    """What a human says, with holes.

    Example:
        >>> HumanMessagePromptTemplate.from_template("Why {verb}?").format(verb="run")
        HumanMessage(content='Why run?')
    """

    def _message(self, content: Any) -> BaseMessage:
        return HumanMessage(content=content, **self._besides())


class AIMessagePromptTemplate(BaseStringMessagePromptTemplate):
    """What a model says, with holes.

    Example:
        >>> AIMessagePromptTemplate.from_template("Because of {cause}.").format(cause="bears")
        AIMessage(content='Because of bears.')
    """

    def _message(self, content: Any) -> BaseMessage:
        return AIMessage(content=content, **self._besides())


class SystemMessagePromptTemplate(BaseStringMessagePromptTemplate):
    """What a model is told beforehand, with holes.

    Example:
        >>> SystemMessagePromptTemplate.from_template("Be {mood}.").format(mood="brief")
        SystemMessage(content='Be brief.')
    """

    def _message(self, content: Any) -> BaseMessage:
        return SystemMessage(content=content, **self._besides())


class ChatMessagePromptTemplate(BaseStringMessagePromptTemplate):
    """What somebody of any role says, with holes.

    Args:
        role: the role.

    Example:
        >>> ChatMessagePromptTemplate.from_template("May the {noun} be with you", role="Jedi").format(noun="force")
        ChatMessage(content='May the force be with you', role='Jedi')
    """

    role: str

    def _message(self, content: Any) -> BaseMessage:
        return ChatMessage(content=content, role=self.role, **self._besides())


def all_reads(parts: Iterable[Any]) -> frozenset[str] | None:
    """All names that parts may look up; None where one may look at anything."""
    reads: set[str] = set()
    for part in parts:
        read = part._reads()
        if read is None:
            return None
        reads |= read
    return frozenset(reads)
