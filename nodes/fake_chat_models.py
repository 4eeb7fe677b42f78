"""Chat models for tests, which say what they were told to."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic import Field, PrivateAttr, SkipValidation

from anabranch.nodes.chat_models import BaseChatModel
from anabranch.nodes.generations import ChatGeneration, ChatGenerationChunk, ChatResult
from anabranch.nodes.message_chunks import AIMessageChunk
from anabranch.nodes.messages import AIMessage, BaseMessage


class FakeListChatModel(BaseChatModel):
    """Says the responses in turn, over and over; streamed, character by character.

    Args:
        responses: what to say.
        sleep: how long to wait before each character, in seconds; the whole answer waits once.
        i: the place of the first response.

    Example:
        >>> model = FakeListChatModel(responses=["yes", "no"])
        >>> [model.invoke("Well?").content for _ in range(3)]
        ['yes', 'no', 'yes']
    """

    responses: list[str] = Field(min_length=1)
    sleep: float | None = None
    i: int = 0
    _turns: Iterator[int] = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        self._turns = iter(range(self.i, sys.maxsize))  # threads may share it, and it can be copied

    def _next(self) -> str:
        return self.responses[next(self._turns) % len(self.responses)]

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        if self.sleep is not None:
            time.sleep(self.sleep)
        return _result(AIMessage(content=self._next()))

    async def _agenerate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        if self.sleep is not None:
            await asyncio.sleep(self.sleep)
        return _result(AIMessage(content=self._next()))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _pieces(list(self._next())):
            if self.sleep is not None:
                time.sleep(self.sleep)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _pieces(list(self._next())):
            if self.sleep is not None:
                await asyncio.sleep(self.sleep)
            yield chunk


class GenericFakeChatModel(BaseChatModel):
    """Says the next of some messages; streamed, word by word, with each piece of white space on its own.

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
        words = [word for word in re.split(r"(\s)", message.text) if word]
        said = {"id": message.id, "additional_kwargs": message.additional_kwargs}
        return _pieces(words, **said, response_metadata=message.response_metadata)


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


def _pieces(texts: list[str], **said: Any) -> Iterator[ChatGenerationChunk]:
    """A chunk for each text; what else was said comes with the last one."""
    for text in texts[:-1]:
        yield ChatGenerationChunk(message=AIMessageChunk(content=text, id=said.get("id")))
    last = texts[-1] if texts else ""
    yield ChatGenerationChunk(message=AIMessageChunk(content=last, chunk_position="last", **said))
