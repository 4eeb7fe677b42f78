"""Chat models for tests, which say what they were told to."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic import Field, SkipValidation

from anabranch.nodes.messages.chunks import AIMessageChunk, message_to_chunk
from anabranch.nodes.messages.generations import ChatGeneration, ChatGenerationChunk, ChatResult
from anabranch.nodes.messages.messages import AIMessage, BaseMessage
from anabranch.nodes.models.chat_models import BaseChatModel, SimpleChatModel
from anabranch.nodes.models.fake_turns import InTurn


class FakeListChatModelError(Exception):
    """Raised by a fake that was told to fail.

    Example:
        >>> list(FakeListChatModel(responses=["yes"], error_on_chunk_number=1).stream("Well?"))
        Traceback (most recent call last):
            ...
        anabranch.nodes.models.fake_chat_models.FakeListChatModelError: FakeListChatModel was told to fail at chunk 1
    """


class FakeListChatModel(InTurn, SimpleChatModel):
    """Says the responses in turn, over and over; streamed, character by character.

    Args:
        responses: what to say.
        sleep: how long to wait before each character, in seconds; the whole answer waits once.
        i: the place of the next response.
        error_on_chunk_number: a stream fails when it comes to this character, counted from 0.

    Raises:
        FakeListChatModelError: when it is told to.

    Example:
        >>> model = FakeListChatModel(responses=["yes", "no"])
        >>> [model.invoke("Well?").content for _ in range(3)]
        ['yes', 'no', 'yes']
    """

    responses: list[str] = Field(min_length=1)
    error_on_chunk_number: int | None = None

    @property
    def _llm_type(self) -> str:
        return "fake-list-chat-model"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"responses": self.responses}

    def _call(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> str:
        self._sleep()
        said: str = self._next()
        return said

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        await self._asleep()
        return _result(AIMessage(content=self._next()))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for number, chunk in enumerate(_pieces(list(self._next()), AIMessage(""))):
            self._sleep()
            self._fail_at(number)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for number, chunk in enumerate(_pieces(list(self._next()), AIMessage(""))):
            await self._asleep()
            self._fail_at(number)
            yield chunk

    def _fail_at(self, number: int) -> None:
        if number == self.error_on_chunk_number:
            raise FakeListChatModelError(f"{self.get_name()} was told to fail at chunk {number}")


class FakeMessagesListChatModel(InTurn, BaseChatModel):
    """Says the messages in turn, over and over, each as a whole.

    Args:
        responses: the messages.
        sleep: how long to wait before each, in seconds.
        i: the place of the next one.

    Example:
        >>> model = FakeMessagesListChatModel(responses=[AIMessage("yes", id="1"), AIMessage("no", id="2")])
        >>> [model.invoke("Well?").id for _ in range(3)]
        ['1', '2', '1']
    """

    responses: list[SkipValidation[BaseMessage]] = Field(min_length=1)

    @property
    def _llm_type(self) -> str:
        return "fake-messages-list-chat-model"

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        self._sleep()
        return _result(self._next())

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        await self._asleep()
        return _result(self._next())


class FakeChatModel(SimpleChatModel):
    """Always says "fake response".

    Example:
        >>> FakeChatModel().invoke("Well?").content
        'fake response'
    """

    @property
    def _llm_type(self) -> str:
        return "fake-chat-model"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"key": "fake"}

    def _call(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> str:
        return "fake response"

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        return _result(AIMessage(content="fake response"))


class ParrotFakeChatModel(BaseChatModel):
    """Says the last message again.

    Raises:
        ValueError: when there is none.

    Example:
        >>> ParrotFakeChatModel().invoke("Polly").content
        'Polly'
    """

    @property
    def _llm_type(self) -> str:
        return "parrot-fake-chat-model"

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        if not messages:
            raise ValueError(f"{self.get_name()} repeats the last message, and got none")
        return _result(messages[-1])

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        return self._generate(messages, stop, **kwargs)


class GenericFakeChatModel(BaseChatModel):
    """Says the next of some messages; streamed, word by word, with each piece of white space on its own.

    What a message holds besides its text (tool calls, usage) comes with the last chunk.

    Args:
        messages: an iterator of messages, or of texts. It may go on for ever.

    Raises:
        IndexError: when there is no message left.

    Example:
        >>> model = GenericFakeChatModel(messages=iter(["hold the line"]))
        >>> [chunk.content for chunk in model.stream("Hello?")]
        ['hold', ' ', 'the', ' ', 'line']
    """

    messages: SkipValidation[Iterator[AIMessage | str]]

    @property
    def _llm_type(self) -> str:
        return "generic-fake-chat-model"

    def _next(self) -> AIMessage:
        message = next(self.messages, None)
        if message is None:
            raise IndexError(f"{self.get_name()} has said all of its messages")
        return AIMessage(content=message) if isinstance(message, str) else message

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        return _result(self._next())

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        return _result(self._next())

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        yield from self._words()

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._words():
            yield chunk

    def _words(self) -> Iterator[ChatGenerationChunk]:
        message = self._next()
        return _pieces([word for word in re.split(r"(\s)", message.text) if word], message)


def _result(message: BaseMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


def _pieces(texts: list[str], message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """A chunk for each text; what else the message holds comes with the last one."""
    for text in texts[:-1]:
        yield ChatGenerationChunk(message=AIMessageChunk(content=text, id=message.id))
    last = {"content": texts[-1] if texts else "", "chunk_position": "last"}
    chunk = message_to_chunk(message).model_copy(update=last)
    yield ChatGenerationChunk.model_construct(message=chunk)
