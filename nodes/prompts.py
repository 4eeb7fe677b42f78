"""Prompts: from the values of variables to the text or the messages that a model gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, PrivateAttr

from anabranch.engine.errors import AnabranchError, StepInputError
from anabranch.engine.operators import Operator
from anabranch.engine.schemas import keyed_model
from anabranch.nodes.any_message import AnyMessage
from anabranch.nodes.message_templates import (
    MessagesPlaceholder,
    PartLike,
    fill_parts,
    read_part,
)
from anabranch.nodes.messages import BaseMessage
from anabranch.nodes.prompt_values import (
    ChatPromptValue,
    ChatPromptValueConcrete,
    PromptValue,
    StringPromptValue,
)
from anabranch.nodes.serializable import RunnableSerializable
from anabranch.nodes.templates import Template, read_template


class MissingVariablesError(AnabranchError, KeyError):
    """Raised when a prompt is run without the value of one of its variables."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would show the text in quotes


class BasePromptTemplate(RunnableSerializable[Any, PromptValue]):
    """A prompt: a runnable from a dict of variables to a `PromptValue`.

    A prompt with exactly one variable also takes the value of that variable alone, unless it is a dict.

    Attributes:
        input_variables: the variables that the input must have, sorted.
        optional_variables: those that it may have.
        partial_variables: values known beforehand, or functions that make them at each run. The input wins.
    """

    input_variables: list[str] = Field(default_factory=list)
    optional_variables: list[str] = Field(default_factory=list)
    partial_variables: dict[str, Any] = Field(default_factory=dict)

    def partial(self, **values: Any) -> Self:
        """The same prompt with some of its variables given: by a value, or a function called at each run."""
        rest = [name for name in self.input_variables if name not in values]
        return self.model_copy(
            update={"input_variables": rest, "partial_variables": {**self.partial_variables, **values}}
        )

    def format_prompt(self, **values: Any) -> PromptValue:
        """What the prompt makes of these variables.

        Raises:
            MissingVariablesError: a `KeyError`, when a variable has no value.
        """
        return self._format(values)

    def format(self, **values: Any) -> str:
        """What the prompt makes of these variables, as text."""
        return self.format_prompt(**values).to_string()

    @property
    def InputType(self) -> Any:
        """A dict; anything, where the value of the only variable may come alone."""
        return Any if len(self.input_variables) == 1 else dict[str, Any]

    @property
    def OutputType(self) -> Any:
        """A prompt value."""
        return StringPromptValue | ChatPromptValueConcrete

    def _keys_needed(self) -> list[str]:
        return self.input_variables

    def get_input_schema(self, config: Any = None) -> type[BaseModel]:
        """A model of the variables, called `PromptInput`."""
        types = {name: self._type_of(name) for name in (*self.input_variables, *self.optional_variables)}
        return keyed_model("PromptInput", types, self.optional_variables)

    def _type_of(self, variable: str) -> Any:
        """The type of a variable in the schema."""
        return str

    def _fill(self, values: Mapping[str, Any]) -> PromptValue:
        """What the prompt makes of values that are complete."""
        raise NotImplementedError

    def _format(self, input: Any) -> PromptValue:
        given = self._given(input)
        missing = [name for name in self.input_variables if name not in given]
        if missing:
            raise self._missing(missing, given)
        known = {
            name: value() if callable(value) else value
            for name, value in self.partial_variables.items()
            if name not in given
        }
        return self._fill({**known, **given})

    def _given(self, input: Any) -> Mapping[str, Any]:
        if isinstance(input, Mapping):
            return input
        if len(self.input_variables) == 1:
            return {self.input_variables[0]: input}
        names = ", ".join(map(repr, self.input_variables)) or "none"
        raise StepInputError(
            f"{self.get_name()} expected a dict with its variables ({names}), got {type(input).__name__} {input!r:.80}"
        )

    def _missing(self, missing: list[str], given: Mapping[str, Any]) -> MissingVariablesError:
        def listed(names: Iterable[Any]) -> str:
            return ", ".join(map(repr, names)) or "nothing"

        return MissingVariablesError(
            f"{self.get_name()} got no value for {listed(missing)}: "
            f"expected {listed(self.input_variables)}, received {listed(given)}. "
            f"If {{{missing[0]}}} is meant as text, write {{{{{missing[0]}}}}}"
        )

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        read = {*self.input_variables, *self.optional_variables, *self.partial_variables}
        return Operator(
            name=self.get_name(),
            run_type="prompt",
            invoke=self._format,
            blocking=False,
            reads=frozenset(read),
        )


class PromptTemplate(BasePromptTemplate):
    """A prompt of text.

    Args:
        template: the text, with variables in braces: `"a joke about {topic}"`. It can't read attributes
            or items of a variable. Literal braces are doubled.

    Raises:
        TemplateError: a `ValueError`, when the template can't be used.

    Example:
        >>> PromptTemplate.from_template("a joke about {topic}").format(topic="bears")
        'a joke about bears'
    """

    template: str
    template_format: Literal["f-string"] = "f-string"
    _template: Template = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        # The template is the truth about the variables, whatever was passed.
        self._template = read_template(self.template)
        known = self.partial_variables
        self.input_variables = sorted(name for name in self._template.variables if name not in known)

    @classmethod
    def from_template(cls, template: str, **kwargs: Any) -> Self:
        """The prompt of this text."""
        return cls(template=template, **kwargs)

    def _fill(self, values: Mapping[str, Any]) -> PromptValue:
        return StringPromptValue(text=self._template.fill(values))


class ChatPromptTemplate(BasePromptTemplate):
    """A prompt of messages.

    Args:
        messages: in order, each a pair of role and template (`("system", "Answer in {language}.")`), a
            template alone (said by a human), a message taken as it is, or a `MessagesPlaceholder` (as a pair:
            `("placeholder", "{history}")`, which may be left out). May be given by position.

    Raises:
        TemplateError: a `ValueError`, when a template can't be used.
        StepInputError: a `TypeError`, when one of the messages can't be read.

    Example:
        >>> prompt = ChatPromptTemplate.from_messages([("system", "Be {mood}."), ("human", "{question}")])
        >>> prompt.format_messages(mood="brief", question="Why?")
        [SystemMessage(content='Be brief.'), HumanMessage(content='Why?')]
    """

    messages: list[Any]

    def __init__(self, messages: Iterable[PartLike], **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "messages": [read_part(message) for message in messages]})

    def model_post_init(self, context: Any) -> None:
        known = self.partial_variables
        optional = {part.variable_name for part in self._placeholders() if part.optional}
        read = {name for part in self.messages if not isinstance(part, BaseMessage) for name in part.variables}
        self.input_variables = sorted(read - optional - known.keys())
        self.optional_variables = sorted(optional - known.keys())

    @classmethod
    def from_template(cls, template: str, **kwargs: Any) -> Self:
        """The prompt of one message, said by a human."""
        return cls([("human", template)], **kwargs)

    @classmethod
    def from_messages(cls, messages: Iterable[PartLike], **kwargs: Any) -> Self:
        """The prompt of these messages. See the class."""
        return cls(messages, **kwargs)

    def format_messages(self, **values: Any) -> list[BaseMessage]:
        """The messages that the prompt makes of these variables."""
        return self.format_prompt(**values).to_messages()

    def _placeholders(self) -> list[MessagesPlaceholder]:
        return [part for part in self.messages if isinstance(part, MessagesPlaceholder)]

    def _type_of(self, variable: str) -> Any:
        lists = {part.variable_name for part in self._placeholders()}
        return list[AnyMessage] if variable in lists else str

    def _fill(self, values: Mapping[str, Any]) -> PromptValue:
        return ChatPromptValue(messages=fill_parts(self.messages, values))
