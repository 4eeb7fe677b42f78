"""What models answer with: candidate texts and messages, whole or in pieces."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, SerializeAsAny

from anabranch.nodes.message_chunks import BaseMessageChunk
from anabranch.nodes.message_merging import merge_dicts
from anabranch.nodes.messages import BaseMessage


class Generation(BaseModel):
    """One candidate answer of a model from text to text.

    Args:
        text: the answer.
        generation_info: facts about it, such as the `finish_reason`.

    Example:
        >>> Generation(text="so be it").text
        'so be it'
    """

    text: str
    generation_info: dict[str, Any] | None = None
    type: Literal["Generation"] = "Generation"


class GenerationChunk(Generation):
    """A piece of an answer. `chunk + chunk` adds the texts, and merges what is known of them.

    Example:
        >>> (GenerationChunk(text="so ") + GenerationChunk(text="be it")).text
        'so be it'
    """

    def __add__(self, other: GenerationChunk) -> GenerationChunk:
        if not isinstance(other, GenerationChunk):
            return NotImplemented
        info = merge_dicts(self.generation_info or {}, other.generation_info or {})
        return GenerationChunk(text=self.text + other.text, generation_info=info or None)


class ChatGeneration(BaseModel):
    """One candidate answer of a chat model.

    Args:
        message: the answer.
        generation_info: facts about it, such as the `finish_reason`; they go to its `response_metadata`.
    """

    message: SerializeAsAny[BaseMessage]
    generation_info: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.message.text


class ChatGenerationChunk(ChatGeneration):
    """A piece of an answer. `chunk + chunk` adds the messages."""

    message: SerializeAsAny[BaseMessageChunk]

    def __add__(self, other: ChatGenerationChunk) -> ChatGenerationChunk:
        if not isinstance(other, ChatGenerationChunk):
            return NotImplemented
        info = merge_dicts(self.generation_info or {}, other.generation_info or {})
        return ChatGenerationChunk(message=self.message + other.message, generation_info=info or None)


class ChatResult(BaseModel):
    """What a chat model made of one input.

    Args:
        generations: the candidate answers; the first one is the model's output.
        llm_output: facts about the call as a whole.
    """

    generations: list[ChatGeneration] = Field(min_length=1)
    llm_output: dict[str, Any] | None = None


class LLMResult(BaseModel):
    """What handlers get of a model's answer.

    Args:
        generations: the candidate answers to each question, of which there is one.
        llm_output: facts about the call as a whole.
        run: not used.
    """

    generations: list[list[SerializeAsAny[ChatGeneration]]]
    llm_output: dict[str, Any] | None = None
    run: Any = None
