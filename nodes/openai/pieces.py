"""The answers of OpenAI's chat API, as those of a chat model: whole, and event by event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anabranch.nodes.messages.chunks import AIMessageChunk
from anabranch.nodes.messages.generations import ChatGeneration, ChatGenerationChunk, ChatResult
from anabranch.nodes.openai.messages import facts_of, heard, heard_piece, usage_metadata


def result_of(response: dict[str, Any]) -> ChatResult:
    """The answers in a response, of which there is at least one.

    Raises:
        ValueError: when there is none.
    """
    choices = response.get("choices")
    if not choices:
        raise ValueError(f"the server has answered without an answer: {response!r:.200}")
    usage = response.get("usage")
    facts = {**facts_of(response), **({"token_usage": usage} if usage else {})}
    generations = [
        ChatGeneration(message=heard(choice["message"], usage), generation_info={**facts, **_ending_of(choice)})
        for choice in choices
    ]
    return ChatResult(generations=generations, llm_output=facts)


class ChatPieces:
    """What the events of a stream say of the first answer. Facts come once, since those of several chunks add up.

    The chunk with the reason for the end waits for the next event: whether it is the last depends on whether what
    the answer cost comes after it, which servers also tell unasked.
    """

    def __init__(self) -> None:
        self._held: ChatGenerationChunk | None = None  # the last one so far
        self._usage: dict[str, Any] | None = None
        self._has_told_usage = False
        self._has_said = False

    def take(self, event: dict[str, Any]) -> Iterator[ChatGenerationChunk]:
        """The pieces that an event brings."""
        if event.get("usage") and not self._has_told_usage:
            self._usage = event["usage"]  # some servers count all along
        choices = event.get("choices") or []
        for choice in choices:
            if choice.get("index", 0) == 0:
                self._has_said = True
                yield from self._release()
                piece = _piece_of(event, choice)
                if choice.get("finish_reason"):
                    self._held = self._counted(piece)
                else:
                    yield piece
        if not choices:
            yield from self._cost()

    def end(self) -> Iterator[ChatGenerationChunk]:
        """What is left when the stream is over.

        Raises:
            ValueError: when there was no answer.
        """
        if not self._has_said:
            raise ValueError("the server has answered with a stream that has no answer in it")
        yield from self._cost()
        if self._held is not None:
            self._held.message = self._held.message.model_copy(update={"chunk_position": "last"})
        yield from self._release()

    def _release(self) -> Iterator[ChatGenerationChunk]:
        if self._held is not None:
            held, self._held = self._held, None
            yield held

    def _cost(self) -> Iterator[ChatGenerationChunk]:
        """Tell what the answer cost in a chunk of its own, unless it is told."""
        if self._usage is not None:
            yield from self._release()
            self._held = self._counted(ChatGenerationChunk(message=AIMessageChunk(content="")))

    def _counted(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        """The chunk with what the answer cost, if that is known."""
        if self._usage is None:
            return chunk
        usage, self._usage, self._has_told_usage = self._usage, None, True
        message = chunk.message.model_copy(update={"usage_metadata": usage_metadata(usage)})
        info = {**(chunk.generation_info or {}), "token_usage": usage}
        return ChatGenerationChunk(message=message, generation_info=info)


def _piece_of(event: dict[str, Any], choice: dict[str, Any]) -> ChatGenerationChunk:
    info = _ending_of(choice)
    if "finish_reason" in info:
        info = {**facts_of(event), **info}
    return ChatGenerationChunk(message=heard_piece(choice.get("delta") or {}), generation_info=info or None)


def _ending_of(choice: dict[str, Any]) -> dict[str, Any]:
    """Why an answer has ended, and how likely its words were, as far as that is told."""
    return {name: choice[name] for name in ("finish_reason", "logprobs") if choice.get(name) is not None}
