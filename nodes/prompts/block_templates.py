"""Templates of content blocks: dicts whose texts have holes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.engine.operators import Operator
from anabranch.nodes.prompts.string_prompts import PromptTemplate
from anabranch.nodes.prompts.template_formats import TemplateFormat, read_template
from anabranch.nodes.prompts.templates import Template, TemplateError
from anabranch.nodes.prompts.variables import check_given, mark_variable, operator_of_prompt, variables_in
from anabranch.nodes.serializable import RunnableSerializable


class DictPromptTemplate(RunnableSerializable[dict[str, Any], dict[str, Any]]):
    """A dict whose texts are templates, however deep they lie in dicts and lists. Its keys aren't.

    Args:
        template: the dict.
        template_format: the format of its texts.

    Raises:
        TemplateError: a `ValueError`, when one of them can't be used.

    Example:
        >>> block = DictPromptTemplate(template={"type": "audio", "data": "{data}", "rate": 8})
        >>> block.invoke({"data": "UklG"})
        {'type': 'audio', 'data': 'UklG', 'rate': 8}
    """

    template: dict[str, Any]
    template_format: TemplateFormat = "f-string"

    def __init__(
        self, template: Mapping[str, Any], template_format: TemplateFormat = "f-string", **kwargs: Any
    ) -> None:
        for text in _texts(template):
            read_template(text, template_format)
        super().__init__(**{**kwargs, "template": dict(template), "template_format": template_format})

    def _templates(self) -> Iterator[Template]:
        return (read_template(text, self.template_format) for text in _texts(self.template))

    @property
    def input_variables(self) -> list[str]:
        """The variables of all texts, sorted."""
        return sorted({name for template in self._templates() for name in template.variables})

    def format(self, /, **kwargs: Any) -> dict[str, Any]:
        """The dict with every hole filled.

        Raises:
            MissingVariablesError: a `KeyError`, when a variable has no value.
        """
        check_given(self, kwargs)
        filled: dict[str, Any] = _mapped(
            self.template, lambda text: read_template(text, self.template_format).fill(kwargs)
        )
        return filled

    async def aformat(self, /, **kwargs: Any) -> dict[str, Any]:
        """`format` on the running event loop."""
        return self.format(**kwargs)

    def pretty_repr(self, *, html: bool = False) -> str:
        """The dict for people to read. See `BasePromptTemplate.pretty_repr`."""
        shown = _mapped(
            self.template,
            lambda text: read_template(text, self.template_format).shown(lambda name: mark_variable(name, html)),
        )
        return str(shown)

    def _reads(self) -> frozenset[str]:
        return frozenset(name for template in self._templates() for name in template.reads)

    def _waits(self) -> bool:
        return False

    def _has_async_form(self) -> bool:
        return False

    def _type_of(self, variable: str) -> Any:
        return Any if any(variable in template.structured for template in self._templates()) else str

    def _keys_needed(self) -> list[str]:
        return self.input_variables

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return operator_of_prompt(self)

    def _run(self, input: Any) -> dict[str, Any]:
        return self.format(**variables_in(self, input))


class ImagePromptTemplate(DictPromptTemplate):
    """An image in a message: its `url`, a template, and its `detail`, if wanted.

    Args:
        template: a dict with the `url`, and what else is to stand there.
        template_format: the format of all texts in it.

    Raises:
        TemplateError: a `ValueError`, when it has no `url`, or a text can't be used.

    Example:
        >>> ImagePromptTemplate(template={"url": "https://pics.example/{name}.png"}).format(name="bear")
        {'url': 'https://pics.example/bear.png'}
    """

    def __init__(self, template: Mapping[str, Any], template_format: TemplateFormat = "f-string", **kwargs: Any):
        if not isinstance(template.get("url"), str):
            raise TemplateError(
                f"an image is told of by a dict with a 'url', a text; got {dict(template)!r:.80}. A file can be put "
                "into the url: data:image/png;base64,..."
            )
        super().__init__(template, template_format, **kwargs)


Block = PromptTemplate | ImagePromptTemplate | DictPromptTemplate


def read_block(block: Any, template_format: TemplateFormat) -> Block:
    """A content block in its own form: of text, an image, or a dict with templates in it.

    Raises:
        StepInputError: a `TypeError`, when it is no content block.
        TemplateError: a `ValueError`, when its templates can't be used.
    """
    if isinstance(block, PromptTemplate | DictPromptTemplate):
        return block
    if isinstance(block, str):
        return PromptTemplate(block, template_format=template_format)
    if not isinstance(block, Mapping):
        raise StepInputError(
            f"a content block is a text or a dict with a 'type'; got {type(block).__name__} {block!r:.80}"
        )
    if _is_plain(block, "text"):
        return PromptTemplate(block["text"], template_format=template_format)
    if _is_plain(block, "image_url"):
        image = block["image_url"]
        if not isinstance(image, str | Mapping):
            raise TemplateError(f"an image_url is a text, or a dict with a 'url'; got {image!r:.80}")
        return ImagePromptTemplate({"url": image} if isinstance(image, str) else image, template_format)
    return DictPromptTemplate(block, template_format)


def fill_block(block: Any, filled: Any) -> dict[str, Any]:
    """The content block that a template of one makes, from what it was filled to."""
    if isinstance(block, ImagePromptTemplate):
        return {"type": "image_url", "image_url": filled}
    return filled if isinstance(block, DictPromptTemplate) else {"type": "text", "text": filled}


def _is_plain(block: Mapping[str, Any], kind: str) -> bool:
    """Whether a block is of a kind and says nothing besides."""
    return kind in block and block.get("type", kind) == kind and block.keys() <= {"type", kind}


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, without the keys of dicts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A value with each text changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(inner, change) for inner in value]
    return value
