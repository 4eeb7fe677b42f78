"""Chat models of OpenAI and of every server that speaks its protocol, on the official `openai` package."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic import AliasChoices, Field, PrivateAttr, SecretStr

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
    api_key: SecretStr | None = Field(
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
            "api_key": self.api_key.get_secret_value() if self.api_key else None,
            "organization": self.organization,
            "timeout": self.timeout,
            "default_headers": self.default_headers,
        }
        given = {name: value for name, value in options.items() if value is not None}
        self._clients = OpenAIClients({**given, "max_retries": self.max_retries}, type(self).__name__)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> ChatResult:
        completions = self._clients.sync.chat.completions
        return _result(completions.create(**self._request(messages, stop, kwargs)))

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> ChatResult:
        request = self._request(messages, stop, kwargs)
        async with self._clients.of_loop() as client:
            return _result(await client.chat.completions.create(**request))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        completions = self._clients.sync.chat.completions
        with completions.create(**self._request(messages, stop, kwargs), stream=True) as events:
            for event in events:
                yield from _chunks(event)

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        async with (
            self._clients.of_loop() as client,
            await client.chat.completions.create(**request, stream=True) as events,
        ):
            async for event in events:
                for chunk in _chunks(event):
                    yield chunk

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
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


def _chunks(event: Any) -> Iterator[ChatGenerationChunk]:
    """The piece of the first answer that an event brings. The one with the reason for the end is the last."""
    for choice in event.choices:
        if choice.index != 0 or choice.delta is None:
            continue
        reason = choice.finish_reason
        # Facts come once: those of several chunks would be appended to each other.
        info = {"id": event.id, "model_name": event.model, "finish_reason": reason} if reason else None
        message = AIMessageChunk(
            content=choice.delta.content or "", chunk_position="last" if reason else None
        )
        yield ChatGenerationChunk(message=message, generation_info=info)
