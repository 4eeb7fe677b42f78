"""What all prompts have in common, and the two kinds that somebody may write: of text and of messages.

A prompt is checked when it runs (`invoke` and its kin): each of its variables must have a value. What it then makes of
them is one method of its own: `format` of a prompt of text, `format_messages` of one of messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, Field

from anabranch.engine.building import Builder, Place
from anabranch.engine.graphs import Source
from anabranch.engine.operators import Operator
from anabranch.engine.schemas import keyed_model
from anabranch.nodes.deferred import chat_prompts
from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.messages.prompt_values import (
    ChatPromptValue,
    ChatPromptValueConcrete,
    PromptValue,
    StringPromptValue,
)
from anabranch.nodes.printed_fields import telling
from anabranch.nodes.prompts.variables import check_given, mark_variable, operator_of_prompt, variables_in
from anabranch.nodes.serializable import RunnableSerializable

if TYPE_CHECKING:
    from anabranch.nodes.prompts.chat_prompts import ChatPromptTemplate

SYNC_FORMS = ("format", "format_messages", "format_prompt")
ASYNC_FORMS = ("aformat", "aformat_messages", "aformat_prompt")


def own_forms(cls: type) -> frozenset[str]:
    """The methods by which a class of prompts formats that a user has written."""
    return frozenset(
        form
        for form in (*SYNC_FORMS, *ASYNC_FORMS)
        if not str(getattr(cls, form, own_forms).__module__).startswith("anabranch.")
    )


class BasePromptTemplate(RunnableSerializable[Any, PromptValue]):
    """A prompt: a runnable from a dict of variables to a `PromptValue`.

    A prompt with exactly one variable also takes the value of that variable alone, unless it is a dict. What the input
    holds besides is ignored. For a prompt of your own subclass `StringPromptTemplate` or `BaseChatPromptTemplate`.
    What somebody else wrote gets the whole input, and runs in a thread under asyncio.

    Args:
        input_variables: the variables that the input must have. Those of a template are found in it, and sorted.
        optional_variables: those that it may have.
        partial_variables: values known beforehand, or functions that make them at each run. The input wins.
        input_types: types of variables, for the schema; `str` where nothing is said.
        metadata: facts about the prompt, for those who listen to its runs.
        tags: words for the same purpose.

    Example:
        >>> prompt: BasePromptTemplate = PromptTemplate.from_template("{who} likes {what}").partial(who="Ada")
        >>> prompt.input_variables, prompt.invoke("bears").to_string()
        (['what'], 'Ada likes bears')
    """

    _is_prompt: ClassVar[bool] = True

    input_variables: list[str] = Field(default_factory=list)
    optional_variables: list[str] = Field(default_factory=list)
    input_types: dict[str, Any] = Field(default_factory=dict)
    partial_variables: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] | None = Field(default=None)
    tags: list[str] | None = Field(default=None)

    def partial(self, /, **kwargs: Any) -> Self:
        """The same prompt with some of its variables given: by a value, or a function called at each run."""
        rest = [name for name in self.input_variables if name not in kwargs]
        return self.model_copy(
            update={"input_variables": rest, "partial_variables": {**self.partial_variables, **kwargs}}
        )

    def format_prompt(self, /, **kwargs: Any) -> PromptValue:
        """What the prompt makes of these variables.

        Raises:
            MissingVariablesError: a `KeyError`, when a variable has no value.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `format_prompt`")

    async def aformat_prompt(self, /, **kwargs: Any) -> PromptValue:
        """`format_prompt` without blocking."""
        return await in_thread(self.format_prompt, **kwargs) if self._waits() else self.format_prompt(**kwargs)

    def format(self, /, **kwargs: Any) -> Any:
        """What the prompt makes of these variables, as text."""
        return self.format_prompt(**kwargs).to_string()

    async def aformat(self, /, **kwargs: Any) -> Any:
        """`format` on the running event loop."""
        return (await self.aformat_prompt(**kwargs)).to_string()

    def pretty_repr(self, html: bool = False) -> str:
        """The prompt for people to read, its variables in braces; with `html` coloured for a terminal."""
        raise NotImplementedError(f"{type(self).__name__} has no `pretty_repr`")

    def pretty_print(self) -> None:
        """Print `pretty_repr`."""
        print(self.pretty_repr())

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """The variables, and of the other fields those that say something."""
        return telling(self, frozenset({"input_variables"}))

    # What is known of its variables

    def _reads(self) -> frozenset[str] | None:
        """All names that it may look up in the input; None where anything may be looked at."""
        if own_forms(type(self)):
            return None
        return frozenset({*self.input_variables, *self.optional_variables, *self.partial_variables})

    def _waits(self) -> bool:
        """Whether formatting may take a while, so that it doesn't belong on an event loop."""
        return bool(own_forms(type(self)))

    def _has_async_form(self) -> bool:
        """Whether its asynchronous form does something else than the synchronous one."""
        return not own_forms(type(self)).isdisjoint(ASYNC_FORMS)

    def _type_of(self, variable: str) -> Any:
        """The type of a variable in the schema."""
        return self.input_types.get(variable, str)

    # As a runnable

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

    def _build(self, builder: Builder, source: Source, place: Place) -> Any:
        if self.tags or self.metadata:
            place = place.bound({"tags": self.tags or [], "metadata": self.metadata or {}}, None)
        return super()._build(builder, source, place)

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return operator_of_prompt(self, self._arun if self._has_async_form() else None)

    def _run(self, input: Any) -> PromptValue:
        return self.format_prompt(**self._merge_partial_and_user_variables(**self._given(input)))

    async def _arun(self, input: Any) -> PromptValue:
        return await self.aformat_prompt(**self._merge_partial_and_user_variables(**self._given(input)))

    def _given(self, input: Any) -> Mapping[str, Any]:
        """The variables in an input. Keys that can't be a variable's name are left out."""
        if len(self.input_variables) == 1 and not isinstance(input, Mapping):
            return {self.input_variables[0]: input}
        return variables_in(self, input)

    def _merge_partial_and_user_variables(self, /, **kwargs: Any) -> dict[str, Any]:
        """The variables that are given and those known beforehand, in one. The name is LangChain's.

        Raises:
            MissingVariablesError: a `KeyError`, when one has no value.
        """
        check_given(self, kwargs)
        known = {
            name: value() if callable(value) else value
            for name, value in self.partial_variables.items()
            if name not in kwargs
        }
        return {**known, **kwargs}


class StringPromptTemplate(BasePromptTemplate):
    """A prompt of text. For one of your own, subclass it and write `format`.

    When it runs, `format` gets all that the input holds, and the partial variables.

    Example:
        >>> class Shouted(StringPromptTemplate):
        ...     def format(self, **kwargs):
        ...         return f"TELL ME ABOUT {kwargs['topic'].upper()}!"
        >>> Shouted(input_variables=["topic"]).invoke({"topic": "bears"}).to_string()
        'TELL ME ABOUT BEARS!'
    """

    def format(self, /, **kwargs: Any) -> str:
        """The text that the prompt makes of these variables."""
        raise NotImplementedError(f"{type(self).__name__} has no `format`; a prompt of text writes it")

    async def aformat(self, /, **kwargs: Any) -> str:
        """`format` without blocking."""
        return await in_thread(self.format, **kwargs) if self._waits() else self.format(**kwargs)

    def format_prompt(self, /, **kwargs: Any) -> StringPromptValue:
        """`format`, as a prompt value."""
        return StringPromptValue(text=self.format(**kwargs))

    async def aformat_prompt(self, /, **kwargs: Any) -> StringPromptValue:
        """`format_prompt` on the running event loop."""
        return StringPromptValue(text=await self.aformat(**kwargs))

    def pretty_repr(self, html: bool = False) -> str:
        """The prompt for people to read. See `BasePromptTemplate.pretty_repr`."""
        marked = {name: mark_variable(name, html) for name in self.input_variables}
        return self.format(**marked)


class BaseChatPromptTemplate(BasePromptTemplate):
    """A prompt of messages. For one of your own, subclass it and write `format_messages`.

    `prompt + other` is a `ChatPromptTemplate`; the other may be all that can be added to one.

    When it runs, `format_messages` gets all that the input holds, and the partial variables.

    Example:
        >>> class Twice(BaseChatPromptTemplate):
        ...     def format_messages(self, **kwargs):
        ...         return [HumanMessage(kwargs["question"]), HumanMessage("I repeat: " + kwargs["question"])]
        >>> Twice(input_variables=["question"]).invoke({"question": "Why?"}).to_messages()[1]
        HumanMessage(content='I repeat: Why?')
    """

    def format_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """The messages that the prompt makes of these variables."""
        raise NotImplementedError(f"{type(self).__name__} has no `format_messages`; a prompt of messages writes it")

    async def aformat_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """`format_messages` without blocking."""
        return await in_thread(self.format_messages, **kwargs) if self._waits() else self.format_messages(**kwargs)

    def format_prompt(self, /, **kwargs: Any) -> ChatPromptValue:
        """`format_messages`, as a prompt value."""
        return ChatPromptValue(messages=self.format_messages(**kwargs))

    async def aformat_prompt(self, /, **kwargs: Any) -> ChatPromptValue:
        """`format_prompt` on the running event loop."""
        return ChatPromptValue(messages=await self.aformat_messages(**kwargs))

    def __add__(self, other: Any) -> ChatPromptTemplate:
        return chat_prompts.ChatPromptTemplate([self]).__add__(other)
