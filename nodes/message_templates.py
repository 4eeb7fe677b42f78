"""The parts of a chat prompt: messages with holes, and places that messages are put into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.nodes.message_conversion import ROLES, MessageLike, convert_to_messages, message_of_role
from anabranch.nodes.messages import BaseMessage
from anabranch.nodes.templates import Template, TemplateError, read_template


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """What somebody of a role says, with holes."""

    role: str
    template: Template

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that it reads."""
        return self.template.variables

    def fill(self, values: Mapping[str, Any]) -> list[BaseMessage]:
        """The message with its holes filled."""
        return [message_of_role(self.role, self.template.fill(values))]


@dataclass(frozen=True, slots=True)
class MessagesPlaceholder:
    """A place for a list of messages in a chat prompt.

    Args:
        variable_name: the variable that holds the messages, in any form that `convert_to_messages` reads.
        optional: the variable may be missing; then nothing stands there.
        n_messages: only the last so many are taken.

    Example:
        >>> MessagesPlaceholder("history", n_messages=1).fill({"history": [("human", "Hi"), ("ai", "Hello")]})
        [AIMessage(content='Hello')]
    """

    variable_name: str
    optional: bool = False
    n_messages: int | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The variable that it reads."""
        return (self.variable_name,)

    def fill(self, values: Mapping[str, Any]) -> list[BaseMessage]:
        """The messages of the variable."""
        given = values.get(self.variable_name, []) if self.optional else values[self.variable_name]
        if not isinstance(given, list | tuple):
            raise StepInputError(
                f"variable {self.variable_name!r} expected a list of messages, got {type(given).__name__} {given!r:.80}"
            )
        messages = convert_to_messages(given)
        return messages if self.n_messages is None else messages[max(len(messages) - self.n_messages, 0) :]


Part = BaseMessage | MessageTemplate | MessagesPlaceholder
PartLike = MessageLike | MessageTemplate | MessagesPlaceholder
"""What can be read as a part of a chat prompt."""


def read_part(part: PartLike) -> Part:
    """A part of a chat prompt in its own form.

    Raises:
        StepInputError: a `TypeError`, when it can't be read.
        TemplateError: a `ValueError`, when its template can't be used.
    """
    if isinstance(part, BaseMessage | MessageTemplate | MessagesPlaceholder):
        return part
    if isinstance(part, str):
        return MessageTemplate("human", read_template(part))
    if isinstance(part, Mapping) and {"role", "content"} <= part.keys():
        part = (part["role"], part["content"])
    if not (isinstance(part, tuple | list) and len(part) == 2 and isinstance(part[0], str)):
        raise StepInputError(
            "a chat prompt is made of pairs (role, template), texts, messages and MessagesPlaceholders; "
            f"got {type(part).__name__} {part!r:.80}"
        )
    role, content = part
    if role == "placeholder":
        return _read_placeholder(content)
    if role not in ROLES or role == "tool":
        raise StepInputError(f"unknown role {role!r} in a chat prompt; expected one of {', '.join(ROLES)}, placeholder")
    return MessageTemplate(role, read_template(content))


def _read_placeholder(content: Any) -> MessagesPlaceholder:
    name, optional = content if isinstance(content, tuple | list) and len(content) == 2 else (content, True)
    variables = read_template(name).variables
    if name not in [f"{{{variable}}}" for variable in variables]:
        raise TemplateError(f"a placeholder is a variable in braces, such as '{{history}}'; got {name!r}")
    return MessagesPlaceholder(variables[0], optional=bool(optional))


def fill_parts(parts: Iterable[Part], values: Mapping[str, Any]) -> list[BaseMessage]:
    """The messages of all parts in order."""
    return [message for part in parts for message in ([part] if isinstance(part, BaseMessage) else part.fill(values))]
