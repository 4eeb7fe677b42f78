"""Chat models of OpenAI and of every server that speaks its protocol, on the official `openai` package."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, ClassVar, Literal, get_args

from pydantic import AliasChoices, Field, model_validator

from anabranch.nodes.messages.chunks import message_chunk_to_message
from anabranch.nodes.messages.generations import ChatGeneration, ChatGenerationChunk, ChatResult
from anabranch.nodes.messages.messages import AIMessage, BaseMessage
from anabranch.nodes.messages.token_usage import add_counts
from anabranch.nodes.models.chat_models import BaseChatModel, LanguageModelInput
from anabranch.nodes.models.structured_output import checked_schema, tools_parser, with_parser
from anabranch.nodes.openai.messages import told
from anabranch.nodes.openai.pieces import ChatPieces, result_of
from anabranch.nodes.openai.settings import OpenAISettings
from anabranch.nodes.openai.streams import aanswer_of, aevents_of, answer_of, events_of
from anabranch.nodes.openai.structures import WholeAnswer, chosen, is_model, text_parser
from anabranch.nodes.openai.structures import response_format as format_of
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.schemas.function_calling import ToolLike, convert_to_openai_tool, tool_name

JSON = {"type": "json_object"}

Method = Literal["json_schema", "function_calling", "json_mode"]

PARAMETERS = (
    "temperature",
    "top_p",
    "n",
    "seed",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "store",
    "extra_body",
)
"""The settings that a request says under the same name."""


class ChatOpenAI(OpenAISettings, BaseChatModel):
    """A chat model of OpenAI, or of any server that speaks its protocol.

    Retries and time-outs are those of the SDK. Closing a stream, by whatever way it is left, closes its connection.
    The optional dependencies `openai` bring the package: `pip install "anabranch[openai]"`.

    Args:
        model: the name of the model.
        temperature: how freely it answers, from 0 to 2; by default as the server likes, as with all of these.
        max_tokens: how long the answer may be; `max_completion_tokens` is the same.
        top_p: which share of the likeliest next tokens it chooses from, up to 1.
        n: how many answers. The first is the output, handlers see all; a stream has the first only.
        seed: the same seed is to give the same answer.
        stop: texts at which the answer ends.
        presence_penalty: how much it avoids what was said, from -2 to 2.
        frequency_penalty: how much it avoids what was said often, from -2 to 2.
        logprobs: tell how likely each token was, in `response_metadata`.
        top_logprobs: and how many others would have been likely, up to 20.
        logit_bias: by how much tokens are made likelier, from -100 to 100, by their numbers.
        reasoning_effort: how long a reasoning model thinks, such as "low".
        verbosity: how much it says, such as "low".
        service_tier: how the request is served, such as "flex".
        store: whether OpenAI keeps the answer.
        streaming: let `invoke` use a stream, too.
        stream_usage: ask what the answer cost at the end of a stream; by default if it is OpenAI that is asked.
        extra_body: other parameters of every request, which only the server knows.
        **settings: of the connection; see `OpenAISettings`.

    Raises:
        MissingExtraError: an `ImportError`, when the package openai isn't installed.
        openai.OpenAIError: when there is no key; when a request fails, or a stream breaks off.

    Example:
        >>> ChatOpenAI(model="gpt-4o-mini", api_key="sk-...", temperature=0).model_name
        'gpt-4o-mini'
    """

    RESOURCE: ClassVar[str] = "chat.completions"
    PROVIDER: ClassVar[str | None] = "openai"

    model_name: str = Field(default="gpt-4o-mini", alias="model")
    temperature: float | None = None
    max_tokens: int | None = Field(
        default=None, validation_alias=AliasChoices("max_tokens", "max_completion_tokens"), ge=1
    )
    top_p: float | None = None
    n: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop: list[str] | str | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[int, int] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    streaming: bool = False
    stream_usage: bool | None = None
    extra_body: Mapping[str, Any] | None = None

    @model_validator(mode="after")
    def _one_answer_if_streamed(self) -> ChatOpenAI:
        if self.streaming and (self.n or 1) > 1:
            raise ValueError(f"n must be 1 with streaming, which gives one answer; it is {self.n}")
        return self

    @property
    def model(self) -> str:
        """The name of the model: `model_name`."""
        return self.model_name

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, **self._parameters()}

    @property
    def _llm_type(self) -> str:
        return "openai-chat"

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        """What all answers cost together, and the name of the model."""
        usage: dict[str, Any] = {}
        for each in llm_outputs:
            usage = add_counts(usage, (each or {}).get("token_usage") or {})
        return {"token_usage": usage, "model_name": self.model_name}

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: Mapping[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The same model, which may call tools.

        Args:
            tools: tools, functions, pydantic classes, TypedDicts, or dicts; see `convert_to_openai_tool`.
            tool_choice: the name of the tool that it must call; "any", "required" or True if it must call one; "none"
                if none; "auto" if it may; or what the request says.
            strict: whether the server sees to it that calls keep to the schemas. Then all arguments are required.
            parallel_tool_calls: whether it may call several at once.
            response_format: a schema for answers that call none; see `with_structured_output`.
            **kwargs: more for the request.

        Raises:
            ValueError: when something is no tool, or `tool_choice` names none of them.
        """
        bound = dict(kwargs)
        if tools:  # the API takes no empty list
            bound["tools"] = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        if tool_choice:
            bound["tool_choice"] = chosen(tool_choice, bound.get("tools", []))
        if parallel_tool_calls is not None:
            bound["parallel_tool_calls"] = parallel_tool_calls
        if response_format is not None:
            bound["response_format"] = format_of(self._clients.library, response_format, strict)
        return self.bind(**bound)

    def with_structured_output(
        self,
        schema: ToolLike | None = None,
        *,
        include_raw: bool = False,
        method: Method = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The same model, which answers with values of a schema.

        What it gives is an instance of a pydantic class, or a dict for anything else. When streamed, each value
        replaces the one before.

        Args:
            schema: a pydantic class, a TypedDict, or a JSON schema (a dict with a `title`) or function of OpenAI. Only
                `json_mode` needs none.
            include_raw: give a dict with the message as `raw`, the value as `parsed`, and the error as
                `parsing_error`, which is then not raised.
            method: "json_schema", by which the server keeps to the schema; "function_calling", by a tool that the
                model must call; "json_mode", by which it answers with JSON, of a schema that the prompt tells.
            strict: whether the server must keep to the schema; by default for pydantic classes with `json_schema`.
            **kwargs: more for the request.

        Raises:
            ValueError: for a method that isn't known, or that doesn't go with the other arguments.
            OutputParserException: a `ValueError`, when it runs: the model has refused, was cut off, or said
                something else.

        Example:
            >>> from pydantic import BaseModel
            >>> class Country(BaseModel):
            ...     name: str
            >>> model = ChatOpenAI(model="gpt-4o-mini", api_key="sk-...").with_structured_output(Country)
            >>> model.OutputType.__name__
            'Country'
        """
        if method not in get_args(Method):
            raise ValueError(f"method is one of {', '.join(map(repr, get_args(Method)))}; got {method!r}")
        if schema is None and method != "json_mode":
            raise ValueError(f"method={method!r} needs a schema; without one there is 'json_mode'")
        if method == "json_mode" and strict is not None:
            raise ValueError("method='json_mode' knows no schema that it could keep to: strict doesn't go with it")
        if schema is not None:
            schema = checked_schema(schema)
        if method == "function_calling":
            choice = {"tool_choice": tool_name(schema), "parallel_tool_calls": False, "strict": strict}
            bound, parser = self.bind_tools([schema], **{**choice, **kwargs}), tools_parser(schema)
        else:
            wanted = format_of(self._clients.library, schema, strict) if method == "json_schema" else JSON
            bound, parser = self.bind(response_format=wanted, **kwargs), text_parser(schema)
        return with_parser(bound, WholeAnswer() | parser, include_raw)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if self.streaming:
            with closing(self._stream(messages, stop, **kwargs)) as chunks:
                total = None
                for chunk in chunks:
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    total = chunk if total is None else total + chunk
            return _summed(total)
        request = self._request(messages, stop, kwargs)
        return result_of(answer_of(self._clients, self.RESOURCE, request))

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if self.streaming:
            async with aclosing(self._astream(messages, stop, **kwargs)) as chunks:
                total = None
                async for chunk in chunks:
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    total = chunk if total is None else total + chunk
            return _summed(total)
        request = self._request(messages, stop, kwargs)
        return result_of(await aanswer_of(self._clients, self.RESOURCE, request))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Generator[ChatGenerationChunk, None, None]:
        request = self._request(messages, stop, kwargs, is_streamed=True)
        pieces = ChatPieces()
        with closing(events_of(self._clients, self.RESOURCE, request)) as events:
            for event in events:
                yield from pieces.take(event)
        yield from pieces.end()

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        request = self._request(messages, stop, kwargs, is_streamed=True)
        pieces = ChatPieces()
        async with aclosing(aevents_of(self._clients, self.RESOURCE, request)) as events:
            async for event in events:
                for chunk in pieces.take(event):
                    yield chunk
        for chunk in pieces.end():
            yield chunk

    def _parameters(self) -> dict[str, Any]:
        """What every request says beside the messages."""
        given = {name: getattr(self, name) for name in PARAMETERS}
        given["max_completion_tokens"] = self.max_tokens
        said = {name: value for name, value in given.items() if value is not None}
        return {"model": self.model_name, **said, **self.model_kwargs}

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any], is_streamed: bool = False
    ) -> dict[str, Any]:
        """The arguments of the SDK for a call."""
        given = {name: value for name, value in kwargs.items() if name not in ("stream_usage", "max_tokens")}
        if kwargs.get("max_tokens") is not None:
            given["max_completion_tokens"] = kwargs["max_tokens"]
        if stop is not None:
            given["stop"] = stop
        request = {**self._parameters(), **given}
        if is_streamed and self._asks_for_usage(kwargs.get("stream_usage")):
            request.setdefault("stream_options", {"include_usage": True})
        if is_model(request.get("response_format")):
            request["response_format"] = format_of(self._clients.library, request["response_format"], None)
        request["messages"] = [told(message, request["model"]) for message in messages]
        return request

    def _asks_for_usage(self, wanted: bool | None) -> bool:
        """Whether a stream is to end with its cost. Not every other server knows how to."""
        for each in (wanted, self.stream_usage):
            if each is not None:
                return each
        return self.openai_api_base is None and not os.environ.get("OPENAI_BASE_URL") and self.http_client is None


def _summed(total: ChatGenerationChunk | None) -> ChatResult:
    assert total is not None  # `ChatPieces` has seen to that
    message = message_chunk_to_message(total.message)
    facts = {**(total.generation_info or {})}
    return ChatResult(generations=[ChatGeneration(message=message, generation_info=facts)], llm_output=facts)
