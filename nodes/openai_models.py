"""Chat models of OpenAI and of every server that speaks its protocol, on the official `openai` package."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, Field, PrivateAttr, SecretStr

from anabranch.nodes.chat_models import BaseChatModel
from anabranch.nodes.generations import ChatGeneration, ChatGenerationChunk, ChatResult
from anabranch.nodes.message_chunks import AIMessageChunk
from anabranch.nodes.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from anabranch.nodes.openai_clients import OpenAIClients

ROLES: dict[type[BaseMessage], str] = {
    SystemMessage: "system",
    HumanMessage: "user",
    AIMessage: "assistant",
    ToolMessage: "tool",
}


def _secret(key: SecretStr | str | None) -> SecretStr | None:
    """A key as something that doesn't show it when it is printed."""
    return SecretStr(key) if isinstance(key, str) else key


class ChatOpenAI(BaseChatModel):
    """A chat model of OpenAI, or of any server that speaks its protocol. Text in and out.

    Retries and time-outs are those of the SDK. Closing a stream closes its connection. The optional
    dependencies `openai` bring the package: `pip install "anabranch[openai]"`.

    Args:
        model: the name of the model.
        temperature: how freely it answers, from 0 to 2; by default as the server likes.
        max_tokens: how long the answer may be.
        base_url: the server; by default OPENAI_BASE_URL, or OpenAI itself.
        api_key: the key; by default OPENAI_API_KEY.
        organization: who is billed, if the key belongs to several.
        timeout: how long a request may take, in seconds.
        max_retries: how often the SDK tries again; 2 by default.
        default_headers: headers for every request.
        model_kwargs: other parameters of every request.

    Raises:
        MissingExtraError: an `ImportError`, when the package openai isn't installed.
        openai.OpenAIError: when there is no key; when a request fails.

    Example:
        >>> ChatOpenAI(model="gpt-4o-mini", api_key="sk-...").get_name()
        'ChatOpenAI'
    """

    model: str = Field(default="gpt-4o-mini", validation_alias=AliasChoices("model", "model_name"))
    temperature: float | None = None
    max_tokens: int | None = None
    base_url: str | None = Field(default=None, validation_alias=AliasChoices("base_url", "openai_api_base"))
    api_key: Annotated[SecretStr | str | None, AfterValidator(_secret)] = Field(
        default=None, validation_alias=AliasChoices("api_key", "openai_api_key")
    )
    organization: str | None = None
    timeout: float | None = Field(default=None, validation_alias=AliasChoices("timeout", "request_timeout"))
    max_retries: int = 2
    default_headers: dict[str, str] | None = None
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    _clients: OpenAIClients = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        options: dict[str, Any] = {
            "base_url": self.base_url,
            "api_key": self.api_key.get_secret_value() if isinstance(self.api_key, SecretStr) else None,
            "organization": self.organization,
            "timeout": self.timeout,
            "default_headers": self.default_headers,
        }
        given = {name: value for name, value in options.items() if value is not None}
        self._clients = OpenAIClients({**given, "max_retries": self.max_retries}, type(self).__name__)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        settings = {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}
        return {**{name: value for name, value in settings.items() if value is not None}, **self.model_kwargs}

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        completions = self._clients.sync.chat.completions
        return _result(completions.create(**self._request(messages, stop, kwargs)))

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        request = self._request(messages, stop, kwargs)
        async with self._clients.of_loop() as client:
            return _result(await client.chat.completions.create(**request))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        completions = self._clients.sync.chat.completions.with_streaming_response
        with completions.create(**request, stream=True) as response:
            for line in response.iter_lines():
                yield from self._chunks(line, response)

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        async with (
            self._clients.of_loop() as client,
            client.chat.completions.with_streaming_response.create(**request, stream=True) as response,
        ):
            lines = response.iter_lines()
            try:
                async for line in lines:
                    for chunk in self._chunks(line, response):
                        yield chunk
            finally:
                await response.close()
                await _unwind(lines)

    def _chunks(self, line: str, response: Any) -> Iterator[ChatGenerationChunk]:
        event = _event(line)
        if event.get("error"):
            error = event["error"]
            told = error.get("message") if isinstance(error, dict) else str(error)
            library = self._clients.library
            raise library.APIError(told or "the stream broke off", response.http_request, body=error)
        yield from _chunks_of(event)

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "stop": stop,
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        told = [_told(message) for message in messages]
        return {"model": self.model, **given, **self.model_kwargs, **kwargs, "messages": told}


def _told(message: BaseMessage) -> dict[str, Any]:
    """A message as the protocol has it."""
    role = message.role if isinstance(message, ChatMessage) else _role(message)
    told: dict[str, Any] = {**message.additional_kwargs, "role": role, "content": message.content}
    if message.name:
        told["name"] = message.name
    if isinstance(message, ToolMessage):
        told["tool_call_id"] = message.tool_call_id
    return told


def _role(message: BaseMessage) -> str:
    for kind, role in ROLES.items():
        if isinstance(message, kind):
            return role
    raise TypeError(f"a message of type {type(message).__name__} has no role in OpenAI's protocol")


def _result(response: Any) -> ChatResult:
    facts = {"id": response.id, "model_name": response.model}
    return ChatResult(
        generations=[
            ChatGeneration(
                message=AIMessage(content=choice.message.content or ""),
                generation_info={**facts, "finish_reason": choice.finish_reason},
            )
            for choice in response.choices
        ],
        llm_output=facts,
    )


def _event(line: str) -> dict[str, Any]:
    """The event on a line of a stream; empty for lines that bring none."""
    field, _, data = line.partition(":")
    if field != "data" or data.strip() in ("", "[DONE]"):
        return {}
    event = json.loads(data)
    return event if isinstance(event, dict) else {}


def _chunks_of(event: dict[str, Any]) -> Iterator[ChatGenerationChunk]:
    """The piece of the first answer that an event brings. The one with the reason for the end is the last."""
    for choice in event.get("choices") or []:
        if choice.get("index", 0) != 0:
            continue
        reason = choice.get("finish_reason")
        text = (choice.get("delta") or {}).get("content") or ""
        # Facts come once: those of several chunks would be appended to each other.
        facts = {"id": event.get("id"), "model_name": event.get("model"), "finish_reason": reason}
        message = AIMessageChunk(content=text, chunk_position="last" if reason else None)
        yield ChatGenerationChunk(message=message, generation_info=facts if reason else None)


async def _unwind(lines: AsyncIterator[str]) -> None:
    """Read what is left of a closed response, so that its failure ends all generators that it goes through.

    Closing the outermost would leave those below to the loop, which closes each in a later turn.
    """
    with suppress(Exception):
        async for _ in lines:
            pass
