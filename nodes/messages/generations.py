"""What models answer with: candidate texts and messages, whole or in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, SerializeAsAny, WrapValidator

from anabranch.engine.chunks import fold
from anabranch.nodes.messages.chunks import BaseMessageChunk, message_chunk_to_message
from anabranch.nodes.messages.merging import merge_dicts
from anabranch.nodes.messages.messages import BaseMessage


def _unless(kind: type[BaseMessage]) -> WrapValidator:
    """A validator that lets those pass which are of a class: they were checked when they were made."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        return value if isinstance(value, kind) else handler(value)

    return WrapValidator(check)


AS_IT_IS, CHUNK_AS_IT_IS = _unless(BaseMessage), _unless(BaseMessageChunk)


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

    Example:
        >>> ChatGeneration(message=AIMessage("so be it")).text
        'so be it'
    """

    message: Annotated[SerializeAsAny[BaseMessage], AS_IT_IS]
    generation_info: dict[str, Any] | None = None
    type: Literal["ChatGeneration", "ChatGenerationChunk"] = "ChatGeneration"

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.message.text


class ChatGenerationChunk(ChatGeneration):
    """A piece of an answer. `chunk + chunk` adds the messages.

    Example:
        >>> pieces = [ChatGenerationChunk(message=AIMessageChunk(text)) for text in ("so ", "be it")]
        >>> (pieces[0] + pieces[1]).text
        'so be it'
    """

    message: Annotated[SerializeAsAny[BaseMessageChunk], CHUNK_AS_IT_IS]
    type: Literal["ChatGeneration", "ChatGenerationChunk"] = "ChatGenerationChunk"

    def __add__(self, other: ChatGenerationChunk) -> ChatGenerationChunk:
        if not isinstance(other, ChatGenerationChunk):
            return NotImplemented
        info = merge_dicts(self.generation_info or {}, other.generation_info or {})
        return ChatGenerationChunk(message=self.message + other.message, generation_info=info or None)


class ChatResult(BaseModel):
    """What a chat model made of one input.

    Args:
        generations: the candidate answers; the first one is the model's output.
        llm_output: facts about the call as a whole; with one answer, they go to its `response_metadata`, too.

    Example:
        >>> ChatResult(generations=[ChatGeneration(message=AIMessage("yes"))]).generations[0].text
        'yes'
    """

    generations: list[ChatGeneration] = Field(min_length=1)
    llm_output: dict[str, Any] | None = None


def generate_from_stream(stream: Iterable[ChatGenerationChunk]) -> ChatResult:
    """The result that the pieces of an answer add up to, for a `_generate` of your own that calls `_stream`.

    A model that writes `_stream` alone needs no `_generate`.

    Raises:
        ValueError: when there is no piece.

    Example:
        >>> pieces = [ChatGenerationChunk(message=AIMessageChunk(text)) for text in ("so ", "be it")]
        >>> generate_from_stream(pieces).generations[0].text
        'so be it'
    """
    return _result_of(list(stream))


async def agenerate_from_stream(stream: AsyncIterable[ChatGenerationChunk]) -> ChatResult:
    """`generate_from_stream` of an asynchronous stream.

    Example:
        >>> import asyncio
        >>> async def pieces():
        ...     for text in ("so ", "be it"):
        ...         yield ChatGenerationChunk(message=AIMessageChunk(text))
        >>> asyncio.run(agenerate_from_stream(pieces())).generations[0].text
        'so be it'
    """
    return _result_of([piece async for piece in stream])


def _result_of(pieces: list[ChatGenerationChunk]) -> ChatResult:
    if not pieces:
        raise ValueError("the stream of an answer ended without a piece of it, so there is no answer")
    info: dict[str, Any] = {}
    for piece in pieces:
        if piece.generation_info:
            info = merge_dicts(info, piece.generation_info)
    message = message_chunk_to_message(fold(piece.message for piece in pieces))
    return ChatResult(generations=[ChatGeneration(message=message, generation_info=info or None)])


class RunInfo(BaseModel):
    """The run that made an answer.

    Args:
        run_id: its id, as handlers know it.

    Example:
        >>> from uuid import UUID
        >>> FakeListLLM(responses=["yes"]).generate(["Well?"], run_id=UUID(int=7)).run
        [RunInfo(run_id=UUID('00000000-0000-0000-0000-000000000007'))]
    """

    run_id: UUID


class LLMResult(BaseModel):
    """What a model has answered to several inputs; handlers get one for each.

    Args:
        generations: for each input the candidate answers.
        llm_output: facts about the call as a whole.
        run: for each input the run that answered it; None for handlers, which know it.

    Example:
        >>> FakeListLLM(responses=["yes", "no"]).generate(["Well?", "Really?"]).generations[1][0].text
        'no'
    """

    generations: Sequence[Sequence[SerializeAsAny[Generation] | SerializeAsAny[ChatGeneration]]]
    llm_output: dict[str, Any] | None = None
    run: list[RunInfo] | None = None
    type: Literal["LLMResult"] = "LLMResult"

    def flatten(self) -> list[LLMResult]:
        """One result for each input."""
        return [LLMResult(generations=[answers], llm_output=self.llm_output) for answers in self.generations]
