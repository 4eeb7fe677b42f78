"""The run of a chat model, as handlers see it."""

from __future__ import annotations

from typing import Any

from anabranch.nodes.callbacks.model_runs import ModelView
from anabranch.nodes.messages.buffer_strings import get_buffer_string
from anabranch.nodes.messages.chunks import AIMessageChunk, BaseMessageChunk, message_to_chunk
from anabranch.nodes.messages.generations import ChatGeneration, ChatGenerationChunk, LLMResult
from anabranch.nodes.messages.messages import BaseMessage


class ChatView(ModelView):
    """See `ModelView`."""

    __slots__ = ()

    def asked(self, value: Any) -> list[list[BaseMessage]]:
        """The messages, in a list; none of what can't be read as such."""
        try:
            return [self.model._asked(value)]
        except Exception:  # the model itself is about to raise it
            return [[]]

    def answered(self, value: Any) -> Any:
        """The message, with what else the model said of it."""
        if not isinstance(value, BaseMessage):
            return value
        if self.result is None:
            made = _as_piece(value) if isinstance(value, BaseMessageChunk) else ChatGeneration(message=value)
            return LLMResult.model_construct(generations=[[made]], llm_output=None, run=None)
        first, *others = self.result.generations
        generations = [ChatGeneration(message=value, generation_info=first.generation_info), *others]
        return LLMResult.model_construct(generations=[generations], llm_output=self.result.llm_output, run=None)

    def piece(self, chunk: Any) -> tuple[str, Any]:
        """The text of a chunk, and the chunk as one of an answer."""
        chunk = chunk if isinstance(chunk, BaseMessageChunk) else message_to_chunk(chunk)
        return chunk.text, _as_piece(chunk)

    def said(self, asked: Any) -> list[str]:
        """The messages as texts."""
        return [get_buffer_string(messages) for messages in asked]

    def token(self, text: str, chunk: Any) -> BaseMessage:
        """See `ModelView`."""
        made: BaseMessage = AIMessageChunk(content=text) if chunk is None else chunk.message
        return made


def _as_piece(message: BaseMessageChunk) -> ChatGenerationChunk:
    """A chunk as one of an answer. What the model said of it stands in the message; handlers look for it here, too."""
    return ChatGenerationChunk.model_construct(message=message, generation_info=message.response_metadata or None)
