"""Models from text to text for tests, which say what they were told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic import Field

from anabranch.nodes.messages.generations import GenerationChunk
from anabranch.nodes.models.fake_turns import InTurn
from anabranch.nodes.models.llms import LLM


class FakeListLLMError(Exception):
    """Raised by a fake that was told to fail.

    Example:
        >>> list(FakeStreamingListLLM(responses=["yes"], error_on_chunk_number=1).stream("Well?"))
        Traceback (most recent call last):
            ...
        anabranch.nodes.models.fake_llms.FakeListLLMError: FakeStreamingListLLM was told to fail at chunk 1
    """


class FakeListLLM(InTurn, LLM):
    """Says the responses in turn, over and over.

    Args:
        responses: what to say.
        sleep: how long to wait before each answer, in seconds.
        i: the place of the next response.

    Example:
        >>> model = FakeListLLM(responses=["yes", "no"])
        >>> [model.invoke("Well?") for _ in range(3)]
        ['yes', 'no', 'yes']
    """

    responses: list[str] = Field(min_length=1)

    @property
    def _llm_type(self) -> str:
        return "fake-list"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"responses": self.responses}

    def _call(self, prompt: str, stop: list[str] | None = None, **kwargs: Any) -> str:
        self._sleep()
        said: str = self._next()
        return said

    async def _acall(self, prompt: str, stop: list[str] | None = None, **kwargs: Any) -> str:
        await self._asleep()
        said: str = self._next()
        return said


class FakeStreamingListLLM(FakeListLLM):
    """A `FakeListLLM` that streams character by character.

    Args:
        responses, i: as there.
        sleep: how long to wait before each character, in seconds; the whole answer waits once.
        error_on_chunk_number: a stream fails when it comes to this character, counted from 0.

    Raises:
        FakeListLLMError: when it is told to.

    Example:
        >>> list(FakeStreamingListLLM(responses=["yes"]).stream("Well?"))
        ['y', 'e', 's']
    """

    error_on_chunk_number: int | None = None

    def _stream(self, prompt: str, stop: list[str] | None = None, **kwargs: Any) -> Iterator[GenerationChunk]:
        for number, character in enumerate(self._next()):
            self._sleep()
            yield self._piece(number, character)

    async def _astream(
        self, prompt: str, stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[GenerationChunk]:
        for number, character in enumerate(self._next()):
            await self._asleep()
            yield self._piece(number, character)

    def _piece(self, number: int, character: str) -> GenerationChunk:
        if number == self.error_on_chunk_number:
            raise FakeListLLMError(f"{self.get_name()} was told to fail at chunk {number}")
        return GenerationChunk(text=character)
