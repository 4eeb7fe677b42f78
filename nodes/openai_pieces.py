"""The answers of OpenAI's chat API, as those of a chat model: whole, and event by event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anabranch.nodes.generations import ChatGeneration, ChatGenerationChunk, ChatResult
from anabranch.nodes.message_chunks import AIMessageChunk
from anabranch.nodes.openai_messages import facts_of, heard, heard_piece, usage_metadata


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

    Args:
        counts: whether the last event is to tell what the answer cost.
    """

    def __init__(self, counts: bool) -> None:
        self._counts = counts
        self._usage: dict[str, Any] | None = None  # the last one that isn't told yet
        self._has_told = False
        self._has_said = False

    def take(self, event: dict[str, Any]) -> Iterator[ChatGenerationChunk]:
        """The pieces that an event brings."""
        if event.get("usage") and not self._has_told:
            self._usage = event["usage"]  # some servers count all along
        choices = event.get("choices") or []
        for choice in choices:
            if choice.get("index", 0) == 0:
                self._has_said = True
                yield self._piece(event, choice)
        if not choices:
            yield from self._cost()

    def end(self) -> Iterator[ChatGenerationChunk]:
        """What the answer cost, unless that is told.

        Raises:
            ValueError: when there was no answer.
        """
        if not self._has_said:
            raise ValueError("the server has answered with a stream that has no answer in it")
        yield from self._cost()

    def _cost(self) -> Iterator[ChatGenerationChunk]:
        if self._usage is not None:
            message = AIMessageChunk(content="", chunk_position="last")
            yield self._counted(ChatGenerationChunk(message=message, generation_info={}))

    def _piece(self, event: dict[str, Any], choice: dict[str, Any]) -> ChatGenerationChunk:
        ending = _ending_of(choice)
        message = heard_piece(choice.get("delta") or {})
        if "finish_reason" not in ending:
            return ChatGenerationChunk(message=message, generation_info=ending or None)
        if self._usage is not None or not self._counts:
            message.chunk_position = "last"
        return self._counted(ChatGenerationChunk(message=message, generation_info={**facts_of(event), **ending}))

    def _counted(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        """The chunk with what the answer cost, if that is known."""
        if self._usage is not None:
            usage, self._usage, self._has_told = self._usage, None, True
            message = chunk.message.model_copy(update={"usage_metadata": usage_metadata(usage)})
            info = {**(chunk.generation_info or {}), "token_usage": usage}
            return ChatGenerationChunk(message=message, generation_info=info)
        return chunk


def _ending_of(choice: dict[str, Any]) -> dict[str, Any]:
    """Why an answer has ended, and how likely its words were, as far as that is told."""
    return {name: choice[name] for name in ("finish_reason", "logprobs") if choice.get(name) is not None}
