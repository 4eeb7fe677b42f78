"""What all messages have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, Field

from anabranch.engine.chunks import Algebra
from anabranch.nodes.deferred import chat_prompts
from anabranch.nodes.messages.content_blocks import standard_blocks
from anabranch.nodes.messages.merging import Content
from anabranch.nodes.printed_fields import telling
from anabranch.nodes.schemas.brief_descriptions import BRIEF_AND_OPEN

if TYPE_CHECKING:
    from anabranch.nodes.prompts.chat_prompts import ChatPromptTemplate


NOT_GIVEN: Any = object()
"""The content that wasn't given. None may be: it is what a tool gave that returns nothing."""


def kind_field(kind: str) -> Any:
    """The field that tells in JSON which class an object is of. Its schema has an `enum` and a `const`."""
    return Field(default=kind, json_schema_extra={"enum": [kind]})


class BaseMessage(BaseModel):
    """What all messages have.

    Args:
        content: the text, or a list of texts and blocks (dicts with a `type`); may be given by position.
        content_blocks: standard blocks, instead of `content`.
        additional_kwargs: what a provider says besides, uninterpreted.
        response_metadata: facts about the answer, such as `finish_reason`.
        name: the name of the speaker.
        id: the id of the message; a number is made text.

    Example:
        >>> chat: list[BaseMessage] = [SystemMessage("Be brief."), HumanMessage("Why?", name="Ada")]
        >>> [(message.type, message.name, message.text) for message in chat]
        [('system', None, 'Be brief.'), ('human', 'Ada', 'Why?')]
    """

    model_config = BRIEF_AND_OPEN
    __chunk_algebra__: ClassVar[Algebra] = Algebra.SNAPSHOTS

    content: Content = Field(kw_only=False)  # for type checkers; by position it is read in __init__
    additional_kwargs: dict[str, Any] = Field(default_factory=dict)
    response_metadata: dict[str, Any] = Field(default_factory=dict)
    type: str
    name: str | None = None
    id: str | None = Field(default=None, coerce_numbers_to_str=True)

    def __init__(self, content: Content | None = NOT_GIVEN, **kwargs: Any) -> None:
        # Without content the field is left out, so that pydantic says what is missing.
        if content is not NOT_GIVEN:
            kwargs["content"] = content
        # As BaseModel.__init__ does, which takes longer; streams make a message for every token.
        if len(kwargs) - ("id" in kwargs) == 1 and "content" in kwargs:
            self.__pydantic_validator__.validate_python(kwargs, self_instance=self)
        else:
            if "content_blocks" in kwargs:
                self._take_blocks(kwargs, kwargs.pop("content_blocks"))
            self._prepare(kwargs)
            self.__pydantic_validator__.validate_python(kwargs, self_instance=self)
            self._complete()

    def _take_blocks(self, fields: dict[str, Any], blocks: Iterable[Any]) -> None:
        """Make the content of the standard blocks that were given instead of it."""
        if "content" in fields:
            raise ValueError(f"a {type(self).__name__} takes content or content_blocks, not both")
        fields["content"] = list(blocks)

    def _prepare(self, fields: dict[str, Any]) -> None:
        """Change what was given for fields, before it is validated. Not called for content and id alone."""

    def _complete(self) -> None:
        """Derive fields from others, after they were validated. Not called for content and id alone."""

    @property
    def text(self) -> str:
        """The text of the content: all of it, or that of its text blocks."""
        if isinstance(self.content, str):
            return self.content
        return "".join(_text_of_block(block) for block in self.content)

    @property
    def content_blocks(self) -> list[dict[str, Any]]:
        """The content as standard blocks; see `anabranch.nodes.messages.content_blocks`."""
        return standard_blocks(self.content)

    def __add__(self, other: Any) -> ChatPromptTemplate:
        """A chat prompt of this message, as it is, and the other: a text with holes, a message, a list of these."""
        return chat_prompts.ChatPromptTemplate([self]).__add__(other)

    def pretty_repr(self, html: bool = False) -> str:
        """The message for people to read: a line that says who speaks, and the content.

        Args:
            html: print the title bold on a terminal. The name is LangChain's.

        Example:
            >>> from anabranch.nodes import HumanMessage
            >>> print(HumanMessage("Hi", name="Ada").pretty_repr())
            ================================ Human Message =================================
            Name: Ada
            <BLANKLINE>
            Hi
        """
        name = "" if self.name is None else f"\nName: {self.name}"
        return f"{title_line(f'{speaker_of(self).title()} Message', html)}{name}\n\n{self.content}"

    def pretty_print(self) -> None:
        """Print `pretty_repr`."""
        print(self.pretty_repr())

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Only what was said: fields at their default are left out."""
        return telling(self)


def speaker_of(message: BaseMessage) -> str:
    """The kind of a message, or of that which a chunk is a piece of: `human`, `ai`, `tool` ..."""
    return message.type.removesuffix("MessageChunk").lower()


def title_line(title: str, bold: bool = False, width: int = 80) -> str:
    """A title amid a line of equal signs; `bold` for a terminal. `width` is in characters."""
    rest = width - len(title) - 2
    left, right = "=" * (rest // 2), "=" * (rest - rest // 2)
    return f"{left}\x1b[1m {title} \x1b[0m{right}" if bold else f"{left} {title} {right}"


def _text_of_block(block: str | dict[str, Any]) -> str:
    if isinstance(block, str):
        return block
    text = block.get("text")
    return text if block.get("type", "text") == "text" and isinstance(text, str) else ""
