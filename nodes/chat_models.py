"""Chat models: write one form of `_generate`, `_stream`, `_agenerate` or `_astream`, and every verb follows.

An `Answer` is what the sync and the async forms share: it sees the chunks of one stream pass by, gives
them the id of the stream, and knows at the end whether the last one was marked as such.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from anabranch.engine.chunks import Accumulator
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError, StepInputError
from anabranch.engine.operators import Operator
from anabranch.nodes.any_message import AnyMessage
from anabranch.nodes.chat_runs import AsyncModelRunManager, ChatView, ModelRunManager, note_result
from anabranch.nodes.generations import ChatGeneration, ChatGenerationChunk, ChatResult
from anabranch.nodes.message_chunks import AIMessageChunk, message_chunk_to_message, message_to_chunk
from anabranch.nodes.message_conversion import MessageLike, convert_to_messages
from anabranch.nodes.messages import BaseMessage
from anabranch.nodes.prompt_values import ChatPromptValueConcrete, PromptValue, StringPromptValue
from anabranch.nodes.run_managers import takes_run_manager
from anabranch.nodes.serializable import RunnableSerializable

FORMS = ("_generate", "_stream", "_agenerate", "_astream")

LanguageModelInput = PromptValue | str | Sequence[MessageLike]
"""What a model can be asked with: a prompt value, the text of one human message, or a list of messages."""


class BaseChatModel(RunnableSerializable[LanguageModelInput, BaseMessage]):
    """A model that answers messages with a message.

    Subclass it, declare the settings as fields, and write at least one of `_generate`, `_stream`,
    `_agenerate` and `_astream`. `invoke` uses `_generate`, or else adds up `_stream`; `stream` uses
    `_stream`, or else makes one chunk of what `_generate` gives. With synchronous forms only, async verbs
    run them in a thread.

    Each may take a `run_manager` (a `ModelRunManager`), whose `on_llm_new_token` tells handlers of a piece of the
    answer before it is whole.

    Every answer has an id, which all its chunks share: the model's own, or `run-` and a UUID. The last
    chunk has the `chunk_position` "last": the model's own last chunk if it is marked so, otherwise an
    empty chunk that follows.

    Raises:
        StepInputError: a `TypeError`, when the input isn't text, a list of messages or a prompt value.

    Example:
        >>> class Shout(BaseChatModel):
        ...     def _stream(self, messages, stop=None, **kwargs):
        ...         for word in messages[-1].text.upper().split():
        ...             yield ChatGenerationChunk(message=AIMessageChunk(word + " "))
        >>> Shout().invoke("hold the line").content
        'HOLD THE LINE '
    """

    @property
    def InputType(self) -> Any:
        """Text, a list of messages, or a prompt value."""
        return str | StringPromptValue | ChatPromptValueConcrete | list[AnyMessage]

    @property
    def _accepted(self) -> Any:
        return str | PromptValue | list[Any] | tuple[Any, ...]

    @property
    def OutputType(self) -> Any:
        """A message."""
        return AnyMessage

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        """Answer the messages.

        Args:
            messages: what was said so far.
            stop: texts at which the answer ends.
            **kwargs: what else was bound to the model.
        """
        raise NotImplementedError

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        """Answer the messages piece by piece. Arguments as for `_generate`."""
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        """Answer the messages. Arguments as for `_generate`."""
        raise NotImplementedError

    def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Answer the messages piece by piece. An async generator; arguments as for `_generate`."""
        raise NotImplementedError

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """The settings that handlers are told of, such as the name of the model. No secrets."""
        return {}

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        has = self._has_form
        sync, asynchronous = has("_generate") or has("_stream"), has("_agenerate") or has("_astream")
        if not sync and not asynchronous:
            raise CompositionError(
                f"{self.get_name()} has no form to run; write _generate, _stream, _agenerate or _astream"
            )

        def form(wanted: bool, run: Callable[..., Any]) -> Any:
            return partial(run, kwargs) if wanted else None

        return Operator(
            name=self.get_name(),
            run_type="chat_model",
            invoke=form(sync, self._answer),
            ainvoke=form(asynchronous, self._aanswer),
            stream=form(sync, self._pieces),
            # Streaming in a thread is better than not streaming on the loop.
            astream=form(has("_astream") or (has("_agenerate") and not has("_stream")), self._apieces),
            wants_config=any(map(self._takes_run_manager, FORMS)),
            view=ChatView(self, kwargs),
        )

    def _takes_run_manager(self, form: str) -> bool:
        return self._has_form(form) and takes_run_manager(getattr(type(self), form))

    def _given(
        self, form: str, kwargs: dict[str, Any], config: RunnableConfig | None, is_streamed: bool = False
    ) -> dict[str, Any]:
        """The arguments of a form, with its view of the run if it takes one."""
        if config is None or not self._takes_run_manager(form):
            return kwargs
        manager = AsyncModelRunManager if form in ("_agenerate", "_astream") else ModelRunManager
        return {"run_manager": manager(config, is_streamed), **kwargs}

    def _has_form(self, name: str) -> bool:
        return getattr(type(self), name) is not getattr(BaseChatModel, name)

    def _answer(
        self, kwargs: dict[str, Any], input: LanguageModelInput, config: RunnableConfig | None = None
    ) -> BaseMessage:
        if self._has_form("_generate"):
            return self._message(self._generate(self._asked(input), **self._given("_generate", kwargs, config)))
        total = Accumulator(where=self.get_name())
        for chunk in self._pieces(kwargs, input, config, is_streamed=False):
            total.push(chunk)
        return message_chunk_to_message(total.value)

    async def _aanswer(
        self, kwargs: dict[str, Any], input: LanguageModelInput, config: RunnableConfig | None = None
    ) -> BaseMessage:
        if self._has_form("_agenerate"):
            return self._message(await self._agenerate(self._asked(input), **self._given("_agenerate", kwargs, config)))
        total = Accumulator(where=self.get_name())
        async for chunk in self._apieces(kwargs, input, config, is_streamed=False):
            total.push(chunk)
        return message_chunk_to_message(total.value)

    def _pieces(
        self,
        kwargs: dict[str, Any],
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        is_streamed: bool = True,
    ) -> Iterator[BaseMessage]:
        if not self._has_form("_stream"):
            yield message_to_chunk(self._answer(kwargs, input, config))
            return
        answer = Answer()
        chunks = self._stream(self._asked(input), **self._given("_stream", kwargs, config, is_streamed))
        try:
            for chunk in chunks:
                yield answer.label(chunk)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        yield from answer.ending()

    async def _apieces(
        self,
        kwargs: dict[str, Any],
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        is_streamed: bool = True,
    ) -> AsyncIterator[BaseMessage]:
        if not self._has_form("_astream"):
            yield message_to_chunk(await self._aanswer(kwargs, input, config))
            return
        answer = Answer()
        chunks = self._astream(self._asked(input), **self._given("_astream", kwargs, config, is_streamed))
        try:
            async for chunk in chunks:
                yield answer.label(chunk)
        finally:
            if hasattr(chunks, "aclose"):
                await chunks.aclose()
        for ending in answer.ending():
            yield ending

    def _message(self, result: ChatResult) -> BaseMessage:
        note_result(self, result)
        return _message_of(result)

    def _asked(self, input: LanguageModelInput) -> list[BaseMessage]:
        if isinstance(input, PromptValue):
            return input.to_messages()
        if isinstance(input, str):
            return convert_to_messages([input])
        if isinstance(input, list | tuple):
            return convert_to_messages(input)
        raise StepInputError(
            f"{self.get_name()} expected text, a list of messages or a prompt value, "
            f"got {type(input).__name__} {input!r:.80}"
        )


class Answer:
    """The chunks of one answer, as they pass by."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.last: BaseMessage | None = None

    def label(self, generation: ChatGenerationChunk) -> BaseMessage:
        """The chunk with the id of the answer and what is known of it. The model's object stays as it is."""
        self.id = self.id or generation.message.id or _new_id()
        self.last = _labelled(generation, self.id)
        return self.last

    def ending(self) -> Iterator[BaseMessage]:
        """The empty chunk that follows when no chunk was marked as the last."""
        if self.last is None or getattr(self.last, "chunk_position", "") is None:
            yield AIMessageChunk(content="", id=self.id or _new_id(), chunk_position="last")


def _message_of(result: ChatResult) -> BaseMessage:
    generation = result.generations[0]
    return message_chunk_to_message(_labelled(generation, generation.message.id or _new_id()))


def _labelled(generation: ChatGeneration, id: str) -> BaseMessage:
    message, info = generation.message, generation.generation_info
    if message.id == id and not info:
        return message
    metadata = {**info, **message.response_metadata} if info else message.response_metadata
    return message.model_copy(update={"id": id, "response_metadata": metadata})


def _new_id() -> str:
    return f"run-{uuid4()}"
