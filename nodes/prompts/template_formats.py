"""The formats that a template may have."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from anabranch.nodes.prompts.jinja_templates import read_jinja
from anabranch.nodes.prompts.mustache_templates import read_mustache
from anabranch.nodes.prompts.templates import Template, TemplateError, read_fstring

TemplateFormat = Literal["f-string", "mustache", "jinja2"]

READERS: dict[str, Callable[[str], Template]] = {
    "f-string": read_fstring,
    "mustache": read_mustache,
    "jinja2": read_jinja,
}


def read_template(text: str, template_format: str = "f-string") -> Template:
    """Read a template; the same one when asked again.

    Args:
        text: the template.
        template_format: "f-string", "mustache" (needs the extra `mustache`) or "jinja2" (needs the extra `jinja2`).

    Raises:
        TemplateError: a `ValueError`, when it can't be used or the format isn't known.
        TypeError: when it isn't text.
        MissingExtraError: an `ImportError`, when the library of the format isn't installed.

    Example:
        >>> read_template("Hello, {{name}}!", "mustache").fill({"name": "Ada"})
        'Hello, Ada!'
    """
    if not isinstance(text, str):
        raise TypeError(f"a template is text; got {type(text).__name__} {text!r:.80}")
    if template_format not in READERS:
        raise TemplateError(f"there is no template format {template_format!r}; expected one of {', '.join(READERS)}")
    return _read(str(text), template_format)


@lru_cache(maxsize=512)
def _read(text: str, template_format: str) -> Template:
    return READERS[template_format](text)


def get_template_variables(template: str, template_format: str) -> list[str]:
    """The variables of a template, sorted.

    Args:
        template: the text.
        template_format: "f-string", "mustache" (needs the extra `mustache`) or "jinja2" (needs the extra `jinja2`).

    Raises:
        TemplateError: a `ValueError`, when it can't be used or the format isn't known.
        TypeError: when it isn't text.
        MissingExtraError: an `ImportError`, when the library of the format isn't installed.

    Example:
        >>> get_template_variables("{b} and {a}", "f-string")
        ['a', 'b']
    """
    return sorted(read_template(template, template_format).variables)
