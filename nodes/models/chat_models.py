"""Chat models: write one form of `_generate`, `_stream`, `_agenerate` or `_astream`, and every verb follows.

An `Answer` is what the sync and the async forms share: it sees the chunks of one stream pass by, gives
them the id of the stream, and knows at the end whether the last one was marked as such.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from anabranch.engine.config import RunnableConfig
from anabranch.nodes.messages.any_message import AnyMessage
from anabranch.nodes.messages.chunks import AIMessageChunk, message_chunk_to_message, message_to_chunk
from anabranch.nodes.messages.conversion import MessageLike, convert_to_messages
from anabranch.nodes.messages.generations import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from anabranch.nodes.messages.messages import AIMessage, BaseMessage
from anabranch.nodes.messages.prompt_values import PromptValue
from anabranch.nodes.models.answering import derived_from, given_to, unwritten
from anabranch.nodes.models.chat_runs import ChatView
from anabranch.nodes.models.exact_json import exact_json, token_of
from anabranch.nodes.models.language_models import BaseLanguageModel, LanguageModelInput, as_prompt
from anabranch.nodes.models.structured_output import structured
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.schemas.function_calling import ToolLike
from anabranch.scheduler.chunk_streams import AsyncChunkStream, ChunkStream

__all__ = ["BaseChatModel", "LanguageModelInput", "SimpleChatModel"]


class BaseChatModel(BaseLanguageModel[AIMessage]):
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

    RUN_TYPE: ClassVar[str] = "chat_model"

    @property
    def OutputType(self) -> Any:
        """A message."""
        return AnyMessage

    @unwritten
    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        """Answer the messages.

        Args:
            messages: what was said so far.
            stop: texts at which the answer ends.
            **kwargs: what else was bound to the model.
        """
        raise NotImplementedError

    @unwritten
    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        """Answer the messages piece by piece. Arguments as for `_generate`."""
        raise NotImplementedError

    @unwritten
    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        """Answer the messages. Arguments as for `_generate`."""
        raise NotImplementedError

    @unwritten
    def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Answer the messages piece by piece. An async generator; arguments as for `_generate`."""
        raise NotImplementedError

    # Many conversations at once

    def generate(
        self,
        messages: Sequence[Sequence[MessageLike]],
        stop: list[str] | None = None,
        callbacks: Any = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: Any = None,
        **kwargs: Any,
    ) -> LLMResult:
        """All candidate answers to each of some conversations, concurrently.

        Args:
            messages: the conversations.
            stop: texts at which an answer ends.
            callbacks, tags, metadata, run_name: as in config.
            run_id: the id of the first run.
            **kwargs: for the model.

        Raises:
            StepInputError: a `TypeError`, when one of them is none.
        """
        about = {"callbacks": callbacks, "tags": tags, "metadata": metadata, "run_name": run_name, "run_id": run_id}
        return self._generate_all(messages, stop, about, kwargs)

    async def agenerate(
        self,
        messages: Sequence[Sequence[MessageLike]],
        stop: list[str] | None = None,
        callbacks: Any = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: Any = None,
        **kwargs: Any,
    ) -> LLMResult:
        """`generate` on the running event loop."""
        about = {"callbacks": callbacks, "tags": tags, "metadata": metadata, "run_name": run_name, "run_id": run_id}
        return await self._agenerate_all(messages, stop, about, kwargs)

    # Tools

    def bind_tools(
        self, tools: Sequence[ToolLike], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The same model, which may call tools. A model that can writes this itself.

        Args:
            tools: tools, functions, pydantic classes, TypedDicts, or dicts; see `convert_to_openai_tool`.
            tool_choice: the name of the tool that it must call; "any" if it must call one.
            **kwargs: more for the model.

        Raises:
            NotImplementedError: when its class doesn't write it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} can't call tools: its class doesn't write bind_tools(tools, *, tool_choice=None), "
            "such as `return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])`"
        )

    def with_structured_output(
        self, schema: ToolLike, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """The same model, which answers with values of a schema, by calling it as a tool.

        What it gives is an instance of a pydantic class, or a dict for anything else; None if the model called no
        tool. When streamed, each value replaces the one before.

        Args:
            schema: a pydantic class, a TypedDict, or a JSON schema (a dict with a `title`) or function of OpenAI.
            include_raw: give a dict with the message as `raw`, the value as `parsed`, and the error as
                `parsing_error`, which is then not raised.
            **kwargs: `method`, which can only be "function_calling"; `strict`, for `bind_tools`.

        Raises:
            NotImplementedError: when the model can't call tools.
            CompositionError: a `TypeError`, when the schema is none, or for arguments that are not known.
        """
        return structured(self, schema, include_raw, kwargs)

    if TYPE_CHECKING:  # what a model streams are chunks of its message

        def stream(
            self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
        ) -> ChunkStream[AIMessageChunk]: ...

        def astream(
            self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
        ) -> AsyncChunkStream[AIMessageChunk]: ...

    # Questions and answers

    def _asked(self, input: Any) -> list[BaseMessage]:
        prompt = as_prompt(input, self.get_name())
        if isinstance(prompt, PromptValue):
            return prompt.to_messages()
        return convert_to_messages([prompt] if isinstance(prompt, str) else prompt)

    def _prompt_key(self, asked: list[BaseMessage]) -> str:
        return exact_json([message.model_copy(update={"id": None}) for message in asked], token_of)

    def _candidates(self, result: ChatResult) -> list[ChatGeneration]:
        return result.generations

    def _output(self, result: ChatResult) -> BaseMessage:
        generation = result.generations[0]
        return message_chunk_to_message(_labelled(generation, generation.message.id or _new_id(), _of_one(result)))

    def _labelled(self, result: ChatResult) -> ChatResult:
        made = [
            ChatGeneration(
                message=_labelled(each, each.message.id or _new_id(), _of_one(result)),
                generation_info=each.generation_info,
            )
            for each in result.generations
        ]
        return ChatResult(generations=made, llm_output=result.llm_output)

    def _chunk_of_result(self, result: ChatResult) -> BaseMessage:
        return message_to_chunk(self._output(result))

    def _from_cache(self, found: Sequence[ChatGeneration]) -> ChatResult:
        return ChatResult(generations=[_as_free(generation) for generation in found])

    def _labelling(self) -> Answer:
        return Answer()

    def _view(self, kwargs: dict[str, Any]) -> ChatView:
        return ChatView(self, kwargs)


class SimpleChatModel(BaseChatModel):
    """A chat model that answers with a text: write `_call`.

    Example:
        >>> class Echo(SimpleChatModel):
        ...     def _call(self, messages, stop=None, **kwargs):
        ...         return messages[-1].text
        >>> Echo().invoke("as it is").content
        'as it is'
    """

    @unwritten
    def _call(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> str:
        """Answer the messages. Arguments as for `_generate`; it may take a `run_manager`."""
        raise NotImplementedError

    @derived_from("_call")
    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        message = AIMessage(content=self._call(messages, **given_to(type(self)._call, stop, run_manager, kwargs)))
        return ChatResult(generations=[ChatGeneration(message=message)])


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

    def result(self, total: BaseMessage) -> ChatResult:
        """The whole, of the chunks added up."""
        return ChatResult(generations=[ChatGeneration(message=message_chunk_to_message(total))])


def _of_one(result: ChatResult) -> dict[str, Any]:
    """What is known of a call as a whole, where its one answer can be told of it."""
    return (result.llm_output or {}) if len(result.generations) == 1 else {}


def _labelled(generation: ChatGeneration, id: str, call: Mapping[str, Any] | None = None) -> BaseMessage:
    message, info = generation.message, generation.generation_info
    if call:
        info = {**call, **(info or {})}
    if message.id == id and not info:
        return message
    metadata = {**info, **message.response_metadata} if info else message.response_metadata
    return message.model_copy(update={"id": id, "response_metadata": metadata})


def _as_free(generation: ChatGeneration) -> ChatGeneration:
    """An answer from the cache, which cost nothing. An id that was made up for the first one isn't given twice."""
    message = generation.message
    changed: dict[str, Any] = {}
    if (message.id or "").startswith(MADE_UP):
        changed["id"] = None
    if usage := getattr(message, "usage_metadata", None):
        changed["usage_metadata"] = {**usage, "total_cost": 0}
    if not changed:
        return generation
    return ChatGeneration(message=message.model_copy(update=changed), generation_info=generation.generation_info)


MADE_UP = "run-"


def _new_id() -> str:
    return f"{MADE_UP}{uuid4()}"
