"""Few-shot prompts: examples, a fixed list or what a selector picks, and then the question."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import SerializeAsAny

from anabranch.engine.errors import CompositionError
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.prompts.example_selectors import BaseExampleSelector, Example
from anabranch.nodes.prompts.message_templates import BaseMessagePromptTemplate
from anabranch.nodes.prompts.prompt_templates import BaseChatPromptTemplate, BasePromptTemplate, StringPromptTemplate
from anabranch.nodes.prompts.string_prompts import PromptTemplate, check_variables
from anabranch.nodes.prompts.template_formats import TemplateFormat
from anabranch.nodes.prompts.templates import TemplateError


class FewShotExamples(BasePromptTemplate):
    """What few-shot prompts have in common: where the examples come from.

    Args:
        examples: the examples, each a dict with the variables of `example_prompt`; or else
        example_selector: what picks them, from the values of all variables that the prompt gets.
    """

    examples: list[Example] | None = None
    example_selector: Any = None
    example_prompt: Any

    def _check_source(self) -> None:
        name, selector = type(self).__name__, self.example_selector
        if (self.examples is None) == (selector is None):
            both = "neither" if selector is None else "both"
            raise CompositionError(f"{name} takes either examples or an example_selector; it got {both}")
        if selector is not None and not isinstance(selector, BaseExampleSelector):
            raise CompositionError(
                f"the example_selector of {name} is no BaseExampleSelector: {type(selector).__name__} {selector!r:.80}"
            )

    def _examples(self, values: dict[str, Any]) -> list[Example]:
        """The examples to show."""
        if self.examples is not None:
            return self.examples
        chosen: list[Example] = self.example_selector.select_examples(values)
        return chosen

    async def _aexamples(self, values: dict[str, Any]) -> list[Example]:
        """`_examples` on the running event loop."""
        if self.examples is not None:
            return self.examples
        chosen: list[Example] = await self.example_selector.aselect_examples(values)
        return chosen

    def _reads(self) -> frozenset[str] | None:
        return super()._reads() if self.example_selector is None else None

    def _waits(self) -> bool:
        return self.example_selector is not None or self.example_prompt._waits() or super()._waits()

    def _has_async_form(self) -> bool:
        return self.example_selector is not None or self.example_prompt._has_async_form() or super()._has_async_form()


class FewShotPromptTemplate(FewShotExamples, StringPromptTemplate):
    """A prompt of text: a prefix, examples, and a suffix.

    Args:
        example_prompt: what makes text of one example. What an example holds besides its variables is ignored.
        suffix: a template that comes after the examples, usually the question.
        prefix: a template that comes before them.
        example_separator: what stands between any two parts; an empty part is left out.
        template_format: the format of prefix and suffix.
        validate_template: `input_variables` were given, and must be those of prefix and suffix.
        **kwargs: `examples` or `example_selector`, and the fields of `BasePromptTemplate`.

    Raises:
        CompositionError: a `TypeError`, when there is neither `examples` nor `example_selector`, or both.
        TemplateError: a `ValueError`, when prefix or suffix can't be used.

    Example:
        >>> prompt = FewShotPromptTemplate(
        ...     examples=[{"word": "tall", "opposite": "short"}],
        ...     example_prompt=PromptTemplate.from_template("{word} - {opposite}"),
        ...     suffix="{input} -",
        ... )
        >>> print(prompt.format(input="big"))
        tall - short
        <BLANKLINE>
        big -
    """

    example_prompt: SerializeAsAny[StringPromptTemplate]
    suffix: str
    prefix: str = ""
    example_separator: str = "\n\n"
    template_format: TemplateFormat = "f-string"
    validate_template: bool = False

    def __init__(
        self,
        *,
        suffix: str,
        prefix: str = "",
        template_format: TemplateFormat = "f-string",
        validate_template: bool = False,
        **kwargs: Any,
    ) -> None:
        around = PromptTemplate(prefix, template_format=template_format) + suffix
        known = {**(kwargs.pop("partial_variables", None) or {})}
        given = kwargs.pop("input_variables", None)
        if validate_template:
            check_variables(around.template, template_format, [*(given or ()), *known])
        kwargs |= {
            "suffix": suffix,
            "prefix": prefix,
            "template_format": template_format,
            "validate_template": validate_template,
            "input_variables": [name for name in around.input_variables if name not in known],
            "partial_variables": known,
        }
        super().__init__(**kwargs)
        self._check_source()

    def format(self, /, **kwargs: Any) -> str:
        """The prompt with examples, and every variable filled."""
        values = self._merge_partial_and_user_variables(**kwargs)
        return self._joined([self.example_prompt.format(**example) for example in self._examples(values)], values)

    async def aformat(self, /, **kwargs: Any) -> str:
        """`format` on the running event loop."""
        values = self._merge_partial_and_user_variables(**kwargs)
        examples = await self._aexamples(values)
        return self._joined([await self.example_prompt.aformat(**example) for example in examples], values)

    def _joined(self, examples: list[str], values: Mapping[str, Any]) -> str:
        first, last = (part.format(**values) for part in self._around)
        return self.example_separator.join(part for part in (first, *examples, last) if part)

    @cached_property
    def _around(self) -> tuple[PromptTemplate, PromptTemplate]:
        """The prefix and the suffix."""
        prefix, suffix = (
            PromptTemplate(part, template_format=self.template_format) for part in (self.prefix, self.suffix)
        )
        return prefix, suffix

    def _reads(self) -> frozenset[str] | None:
        declared = super()._reads()
        read = [part._reads() or frozenset() for part in self._around]
        return None if declared is None else declared.union(*read)

    def _type_of(self, variable: str) -> Any:
        prefix, suffix = self._around
        return self.input_types.get(variable, (prefix + suffix)._type_of(variable))


class FewShotPromptWithTemplates(FewShotExamples, StringPromptTemplate):
    """A `FewShotPromptTemplate` whose prefix and suffix are prompts themselves.

    Args:
        examples, example_selector, example_prompt, example_separator: as there.
        prefix, suffix: prompts of text, whose variables are those of the whole.
        validate_template: see that `input_variables` are the variables of the prefix and the suffix.

    Raises:
        TemplateError: a `ValueError`, when they are to be that and aren't.

    Example:
        >>> prompt = FewShotPromptWithTemplates(
        ...     examples=[{"word": "tall"}],
        ...     example_prompt=PromptTemplate.from_template("- {word}"),
        ...     prefix=PromptTemplate.from_template("{language} words:"),
        ...     suffix=PromptTemplate.from_template("- {start}"),
        ...     example_separator=" ",
        ... )
        >>> prompt.format(language="English", start="b")
        'English words: - tall - b'
    """

    example_prompt: SerializeAsAny[StringPromptTemplate]
    suffix: SerializeAsAny[StringPromptTemplate]
    prefix: SerializeAsAny[StringPromptTemplate] | None = None
    example_separator: str = "\n\n"
    template_format: TemplateFormat = "f-string"
    validate_template: bool = False

    def __init__(self, **kwargs: Any) -> None:
        known = {**(kwargs.pop("partial_variables", None) or {})}
        given = kwargs.pop("input_variables", None)
        found = {
            name
            for part in (kwargs.get("prefix"), kwargs.get("suffix"))
            if isinstance(part, BasePromptTemplate)
            for name in part.input_variables
        }
        if kwargs.get("validate_template") and found != {*(given or ()), *known}:
            raise TemplateError(
                f"prefix and suffix have the variables {sorted(found)}, but input_variables are {given}"
            )
        kwargs |= {"input_variables": sorted(found - known.keys()), "partial_variables": known}
        super().__init__(**kwargs)
        self._check_source()

    def format(self, /, **kwargs: Any) -> str:
        """The prompt with examples, and every variable filled."""
        values = self._merge_partial_and_user_variables(**kwargs)
        parts = [self.example_prompt.format(**example) for example in self._examples(values)]
        prefix = [] if self.prefix is None else [self.prefix.format(**values)]
        return self._joined([*prefix, *parts, self.suffix.format(**values)])

    async def aformat(self, /, **kwargs: Any) -> str:
        """`format` on the running event loop."""
        values = self._merge_partial_and_user_variables(**kwargs)
        parts = [await self.example_prompt.aformat(**example) for example in await self._aexamples(values)]
        prefix = [] if self.prefix is None else [await self.prefix.aformat(**values)]
        return self._joined([*prefix, *parts, await self.suffix.aformat(**values)])

    def _joined(self, parts: list[str]) -> str:
        return self.example_separator.join(filter(None, parts))

    def _reads(self) -> frozenset[str] | None:
        read = [part._reads() for part in (self.prefix, self.suffix) if part is not None]
        declared = super()._reads()
        return None if declared is None or None in read else declared.union(*filter(None, read))

    def _waits(self) -> bool:
        return super()._waits() or any(part._waits() for part in (self.prefix, self.suffix) if part is not None)

    def _has_async_form(self) -> bool:
        parts = (self.prefix, self.suffix)
        return super()._has_async_form() or any(part._has_async_form() for part in parts if part is not None)


class FewShotChatMessagePromptTemplate(FewShotExamples, BaseChatPromptTemplate):
    """A prompt of messages: for each example those of `example_prompt`. It usually stands in a `ChatPromptTemplate`.

    Args:
        example_prompt: what makes messages of one example: a chat prompt, or the template of one message.
        input_variables: what the selector reads; without a selector there are none.
        **kwargs: `examples` or `example_selector`, and the fields of `BasePromptTemplate`.

    Raises:
        CompositionError: a `TypeError`, when there is neither `examples` nor `example_selector`, or both.

    Example:
        >>> shown = FewShotChatMessagePromptTemplate(
        ...     examples=[{"sum": "2+2", "answer": "4"}],
        ...     example_prompt=ChatPromptTemplate([("human", "{sum}"), ("ai", "{answer}")]),
        ... )
        >>> prompt = ChatPromptTemplate([("system", "Add up."), shown, ("human", "{question}")])
        >>> print(prompt.format(question="3+4"))
        System: Add up.
        Human: 2+2
        AI: 4
        Human: 3+4
    """

    example_prompt: SerializeAsAny[BaseMessagePromptTemplate | BaseChatPromptTemplate]

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        self._check_source()

    def format_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """The messages of all examples."""
        examples = self._examples(self._merge_partial_and_user_variables(**kwargs))
        return [message for example in examples for message in self.example_prompt.format_messages(**example)]

    async def aformat_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        """`format_messages` on the running event loop."""
        examples = await self._aexamples(self._merge_partial_and_user_variables(**kwargs))
        return [message for each in examples for message in await self.example_prompt.aformat_messages(**each)]

    def pretty_repr(self, html: bool = False) -> str:
        """The messages of all examples for people to read; those of a selector aren't known before it is asked."""
        if self.examples is None:
            return f"examples that {type(self.example_selector).__name__} selects"
        return "\n\n".join(message.pretty_repr(html) for message in self.format_messages())
