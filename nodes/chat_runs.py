"""The run of a chat model: how handlers see what goes in and comes out, and what a model that asks for it gets.

Tokens. The chunks of a model that is streamed are told by whoever streams it, so what the model tells of them itself
is not told again. What a model tells while it makes its answer as a whole is told as it comes.
"""

from __future__ import annotations

from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.nodes.generations import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from anabranch.nodes.message_chunks import AIMessageChunk, BaseMessageChunk, message_to_chunk
from anabranch.nodes.messages import BaseMessage, get_buffer_string
from anabranch.nodes.run_managers import TOLD, AsyncRunManager, RunManager, atell, tell
from anabranch.scheduler.managers import RUN


class ChatView:
    """How handlers see a chat model's input and output. See `scheduler.handlers.View`.

    Args:
        model: the model.
        kwargs: what is bound to it.
        result: what it has answered, once that is known.
    """

    __slots__ = ("kwargs", "model", "result")

    def __init__(self, model: Any, kwargs: dict[str, Any], result: ChatResult | None = None) -> None:
        self.model = model
        self.kwargs = kwargs
        self.result = result

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
            whole = not isinstance(value, BaseMessageChunk)
            made = ChatGeneration(message=value) if whole else ChatGenerationChunk.model_construct(message=value)
            return LLMResult.model_construct(generations=[[made]], llm_output=None, run=None)
        first, *others = self.result.generations
        generations = [ChatGeneration(message=value, generation_info=first.generation_info), *others]
        return LLMResult.model_construct(generations=[generations], llm_output=self.result.llm_output, run=None)

    def piece(self, chunk: Any) -> tuple[str, Any]:
        """The text of a chunk, and the chunk as one of an answer."""
        chunk = chunk if isinstance(chunk, BaseMessageChunk) else message_to_chunk(chunk)
        return chunk.text, ChatGenerationChunk.model_construct(message=chunk, generation_info=None)

    def said(self, asked: Any) -> list[str]:
        """The messages as texts."""
        return [get_buffer_string(messages) for messages in asked]

    def options(self) -> dict[str, Any]:
        """The settings of the model, and of this call."""
        stop = self.kwargs.get("stop")
        settings = {**self.model._identifying_params, **self.kwargs, "stop": stop}
        return {"invocation_params": settings, "options": {"stop": stop}, "batch_size": 1}


def note_result(model: Any, result: ChatResult) -> None:
    """Let those who listen to a model's run see all that it has answered."""
    run = RUN.get()
    if run is not None and isinstance(run.about, ChatView) and run.about.model is model:
        run.about = ChatView(model, run.about.kwargs, result)


class ModelRunManager(RunManager):
    """A model's view of its run. `is_streamed`: whoever streams the model tells of its chunks."""

    def __init__(self, config: RunnableConfig, is_streamed: bool = False) -> None:
        super().__init__(config)
        self._is_streamed = is_streamed

    def on_llm_new_token(self, token: str, *, chunk: ChatGenerationChunk | None = None, **kwargs: Any) -> Any:
        """Tell handlers a piece of the answer: their `on_llm_new_token`."""
        return TOLD if self._is_streamed else tell(self.run, "chunk", self._told_itself(token, chunk))

    def _told_itself(self, token: str, chunk: ChatGenerationChunk | None) -> BaseMessage:
        if self.run is not None:
            self.run.tells_chunks = False  # the answer, which may be handed on as one chunk, would repeat it
        return AIMessageChunk(content=token) if chunk is None else chunk.message


class AsyncModelRunManager(AsyncRunManager, ModelRunManager):
    """The same for asynchronous methods: what tells is to be awaited."""

    async def on_llm_new_token(self, token: str, *, chunk: ChatGenerationChunk | None = None, **kwargs: Any) -> None:
        """Tell handlers a piece of the answer: their `on_llm_new_token`."""
        if not self._is_streamed:
            await atell(self.run, "chunk", self._told_itself(token, chunk))
