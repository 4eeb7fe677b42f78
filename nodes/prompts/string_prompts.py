"""Prompts of text from a template."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from anabranch.engine.errors import CompositionError
from anabranch.nodes.prompts.prompt_templates import StringPromptTemplate
from anabranch.nodes.prompts.template_formats import TemplateFormat, read_template
from anabranch.nodes.prompts.templates import Template, TemplateError
from anabranch.nodes.prompts.variables import mark_variable


class PromptTemplate(StringPromptTemplate):
    """A prompt of text from a template.

    `prompt + other` is one prompt of the two templates in a row; the other may be a string, a template too.

    Args:
        template: the text, with variables in braces: `"a joke about {topic}"`. It can't read attributes
            or items of a variable. Literal braces are doubled.
        template_format: "f-string"; "mustache", with `{{topic}}`, sections, and keys of dicts; or "jinja2", with loops
            and conditions besides. The latter two need the extra of that name.
        validate_template: `input_variables` were given, and must be those of the template.
        **kwargs: see `BasePromptTemplate`.

    Raises:
        TemplateError: a `ValueError`, when the template can't be used.

    Example:
        >>> PromptTemplate.from_template("a joke about {topic}").format(topic="bears")
        'a joke about bears'
        >>> prompt = PromptTemplate.from_template("a {mood} joke").partial(mood="bad") + " about {topic}"
        >>> prompt.format(topic="cats")
        'a bad joke about cats'
    """

    template: str
    template_format: TemplateFormat = "f-string"
    validate_template: bool = False

    def __init__(
        self,
        template: str,
        *,
        template_format: TemplateFormat = "f-string",
        validate_template: bool = False,
        **kwargs: Any,
    ) -> None:
        # Read before pydantic looks at it, so that what is wrong is raised itself.
        found = sorted(read_template(template, template_format).variables)
        known = {**(kwargs.pop("partial_variables", None) or {})}
        given = kwargs.pop("input_variables", None)
        if validate_template:
            check_variables(template, template_format, [*(given or ()), *known])
        kwargs |= {
            "template": template,
            "template_format": template_format,
            "validate_template": validate_template,
            "input_variables": [name for name in found if name not in known],
            "partial_variables": known,
        }
        super().__init__(**kwargs)

    @classmethod
    def from_template(
        cls,
        template: str,
        *,
        template_format: TemplateFormat = "f-string",
        partial_variables: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """The prompt of this text. For the arguments see the class."""
        return cls(template, template_format=template_format, partial_variables=partial_variables, **kwargs)

    @classmethod
    def from_file(cls, template_file: str | Path, encoding: str | None = None, **kwargs: Any) -> Self:
        """The prompt of a file's text.

        Args:
            template_file: its path.
            encoding: UTF-8 if nothing is said.
            **kwargs: see `from_template`.
        """
        return cls.from_template(Path(template_file).read_text(encoding=encoding or "utf-8"), **kwargs)

    @classmethod
    def from_examples(
        cls,
        examples: Iterable[str],
        suffix: str,
        input_variables: list[str] | None = None,
        example_separator: str = "\n\n",
        prefix: str = "",
        **kwargs: Any,
    ) -> Self:
        """The prompt of examples in a row, each a template like what stands around them.

        Args:
            examples: the examples.
            suffix: what comes after them, usually the question.
            input_variables: not needed; the variables are those of the template.
            example_separator: what stands between any two parts.
            prefix: what comes before them.
            **kwargs: see the class.
        """
        return cls(example_separator.join([prefix, *examples, suffix]), input_variables=input_variables, **kwargs)

    @cached_property
    def _template(self) -> Template:
        return read_template(self.template, self.template_format)

    def format(self, /, **kwargs: Any) -> str:
        """The template with every variable filled.

        Raises:
            MissingVariablesError: a `KeyError`, when a variable has no value.
            TemplateError: when a value can't be written as the template wants it.
        """
        return self._template.fill(self._merge_partial_and_user_variables(**kwargs))

    def pretty_repr(self, html: bool = False) -> str:
        """The template for people to read. See `BasePromptTemplate.pretty_repr`."""
        return self._template.shown(lambda name: mark_variable(name, html))

    def _reads(self) -> frozenset[str] | None:
        declared = super()._reads()
        return None if declared is None else declared | self._template.reads

    def _type_of(self, variable: str) -> Any:
        return self.input_types.get(variable, Any if variable in self._template.structured else str)

    def __add__(self, other: str | PromptTemplate) -> PromptTemplate:
        """The two templates in a row.

        Raises:
            TemplateError: when their formats differ, or both know a variable beforehand, with different values.
        """
        if isinstance(other, str):
            other = PromptTemplate(other, template_format=self.template_format)
        if not isinstance(other, PromptTemplate):
            raise CompositionError(
                f"a prompt of text and {type(other).__name__} {other!r:.80} don't add up; expected a string or a "
                "PromptTemplate"
            )
        if other.template_format != self.template_format:
            raise TemplateError(f"templates of formats {self.template_format} and {other.template_format} don't add up")
        return PromptTemplate(
            self.template + other.template,
            template_format=self.template_format,
            partial_variables=merged_partials(self.partial_variables, other.partial_variables),
            input_types={**self.input_types, **other.input_types},
            validate_template=False,
        )


def merged_partials(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """What two prompts know beforehand, for a prompt of both.

    Raises:
        TemplateError: when they know different values of one variable.
    """
    for name in left.keys() & right.keys():
        if left[name] is not right[name] and left[name] != right[name]:
            raise TemplateError(
                f"variable {name!r} is {left[name]!r:.40} in one prompt and {right[name]!r:.40} in the other; give it "
                "after they are added"
            )
    return {**left, **right}


def check_variables(template: str, template_format: str, given: Iterable[str]) -> None:
    """See that the variables which somebody names are those of a template. Mustache's can't be known for certain.

    Raises:
        TemplateError: when they differ.
    """
    if template_format == "mustache":
        raise TemplateError("a mustache template can't be validated: what it reads depends on the values")
    found, named = set(read_template(template, template_format).variables), set(given)
    if found != named:
        raise TemplateError(
            f"template {template!r:.80} has the variables {sorted(found)}, but input_variables and partial_variables "
            f"name {sorted(named)}"
        )
