"""What can be read as a part of a chat prompt: pairs of role and template, texts, messages, and templates of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.nodes.messages.conversion import OPENAI_ROLE, MessageLike
from anabranch.nodes.messages.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from anabranch.nodes.prompts.message_templates import (
    AIMessagePromptTemplate,
    BaseMessagePromptTemplate,
    BaseStringMessagePromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    SystemMessagePromptTemplate,
)
from anabranch.nodes.prompts.prompt_templates import BaseChatPromptTemplate, StringPromptTemplate
from anabranch.nodes.prompts.template_formats import TemplateFormat
from anabranch.nodes.prompts.templates import TemplateError, read_fstring

Part = BaseMessage | BaseMessagePromptTemplate | BaseChatPromptTemplate
PartLike = MessageLike | Part | StringPromptTemplate
"""What can be read as a part of a chat prompt."""

ROLES: dict[Any, type[BaseStringMessagePromptTemplate]] = {
    "human": HumanMessagePromptTemplate,
    "user": HumanMessagePromptTemplate,
    "ai": AIMessagePromptTemplate,
    "assistant": AIMessagePromptTemplate,
    "system": SystemMessagePromptTemplate,
    "developer": SystemMessagePromptTemplate,
    HumanMessage: HumanMessagePromptTemplate,
    AIMessage: AIMessagePromptTemplate,
    SystemMessage: SystemMessagePromptTemplate,
}
"""Who says something, by the name of the role or the class of the message."""


def read_part(part: PartLike, template_format: TemplateFormat = "f-string") -> Part:
    """A part of a chat prompt in its own form.

    Raises:
        StepInputError: a `TypeError`, when it can't be read.
        TemplateError: a `ValueError`, when its template can't be used.
    """
    if isinstance(part, BaseMessage | BaseMessagePromptTemplate | BaseChatPromptTemplate):
        return part
    if isinstance(part, str | StringPromptTemplate):
        return _said("human", part, template_format)
    if isinstance(part, Mapping):
        return _said(*_role_and_content(part), template_format)
    if isinstance(part, tuple | list) and len(part) == 2 and isinstance(part[0], str | type):
        return _said(part[0], part[1], template_format)
    raise StepInputError(
        "a chat prompt is made of pairs (role, template), texts, messages, templates of messages and "
        f"MessagesPlaceholders; got {type(part).__name__} {part!r:.80}"
    )


def is_pair(thing: Any) -> bool:
    """Whether a tuple is a role and what is said, and not a list of two texts."""
    return isinstance(thing, tuple) and len(thing) == 2 and thing[0] in [*ROLES, "placeholder"]


def _role_and_content(part: Mapping[str, Any]) -> tuple[Any, Any]:
    if part.keys() != {"role", "content"}:
        raise StepInputError(
            f"as a dict, a message of a prompt has 'role' and 'content' and nothing else; got {dict(part)!r:.80}. "
            "convert_to_messages makes a message of it, which is taken as it is"
        )
    return part["role"], part["content"]


def _said(role: Any, content: Any, template_format: TemplateFormat) -> BaseMessagePromptTemplate:
    if role == "placeholder":
        return _read_placeholder(content)
    template = ROLES.get(role)
    if template is None:
        names = ", ".join(name for name in ROLES if isinstance(name, str))
        raise StepInputError(f"unknown role {role!r} in a chat prompt; expected one of {names}, placeholder")
    besides: dict[str, Any] = {"additional_kwargs": {OPENAI_ROLE: role}} if role == "developer" else {}
    if isinstance(content, StringPromptTemplate):
        return template(prompt=content, **besides)
    return template.from_template(content, template_format, **besides)


def _read_placeholder(content: Any) -> MessagesPlaceholder:
    name, optional = content if isinstance(content, tuple | list) and len(content) == 2 else (content, True)
    variables = read_fstring(name).variables if isinstance(name, str) else ()
    if name not in [f"{{{variable}}}" for variable in variables]:
        raise TemplateError(f"a placeholder is a variable in braces, such as '{{history}}'; got {name!r}")
    return MessagesPlaceholder(variables[0], optional=bool(optional))
