"""Output parsers: from what a model said to what a program wants.

| base | write | streams |
|---|---|---|
| `BaseOutputParser` | `parse`, from the whole text | one chunk |
| `BaseGenerationOutputParser` | `parse_result`, from the candidate answers with all that is known of them | one chunk |
| `BaseTransformOutputParser` | `parse`, for each chunk; or `_transform`, from chunks to chunks | chunks that add up |
| `BaseCumulativeTransformOutputParser` | `parse_result`, from all so far | a value that each chunk replaces |

The last one is in `cumulative_parsers`. Parsers must not block: they run where the event loop runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from operator import is_not
from typing import Any, ClassVar

from anabranch.engine.errors import CompositionError, StepInputError
from anabranch.engine.operators import Operator
from anabranch.nodes.messages.any_message import AnyMessage
from anabranch.nodes.messages.generations import ChatGeneration, Generation
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.messages.prompt_values import PromptValue
from anabranch.nodes.runnables import Output
from anabranch.nodes.serializable import RunnableSerializable

Answer = Generation | ChatGeneration
"""One candidate answer of a model: a text, or a message."""


class BaseLLMOutputParser(RunnableSerializable[Any, Output]):
    """What all output parsers have. They take a message or text, and are written as `parse_result`.

    Raises:
        StepInputError: a `TypeError`, when the input is neither a message nor text.
        CompositionError: a `TypeError`, when a subclass has written nothing to run.

    Example:
        >>> class Finish(BaseLLMOutputParser[str]):
        ...     def parse_result(self, result, *, partial=False):
        ...         return result[0].message.response_metadata["finish_reason"]
        >>> Finish().invoke(AIMessage("so be", response_metadata={"finish_reason": "length"}))
        'length'
    """

    _is_base: ClassVar[bool] = True

    @property
    def InputType(self) -> Any:
        """A message or text."""
        return str | AnyMessage

    @property
    def _accepted(self) -> Any:
        return str | BaseMessage

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Output:
        """What a model's candidate answers say.

        Args:
            result: the candidates, each a `Generation` or a `ChatGeneration`, the best first.
            partial: more may come, so it isn't an error yet if something is missing.
        """
        raise NotImplementedError

    async def aparse_result(self, result: list[Any], *, partial: bool = False) -> Output:
        """The same, for a parser that waits for something. Arguments as for `parse_result`."""
        return self.parse_result(result, partial=partial)

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        forms = self._forms()
        if not any(map(callable, forms.values())):
            raise CompositionError(f"{self.get_name()} has nothing to run: a parser writes `parse` or `parse_result`")
        return Operator(name=self.get_name(), run_type="parser", **forms)

    def _forms(self) -> dict[str, Any]:
        """The forms of the operator, and where they may run."""
        is_async = self._writes("aparse_result", "aparse")
        return {
            "invoke": self._parse_input if self._writes("parse_result", "parse") else None,
            "ainvoke": self._aparse_input if is_async else None,
            "blocking": is_async,  # else the synchronous form would be taken on the loop
        }

    def _writes(self, *forms: str) -> bool:
        """Whether a class below the bases has written one of these methods."""
        return any(
            form in each.__dict__ for each in type(self).__mro__ if "_is_base" not in each.__dict__ for form in forms
        )

    def _parse_input(self, input: Any) -> Output:
        return self.parse_result([self._answer(input)])

    async def _aparse_input(self, input: Any) -> Output:
        return await self.aparse_result([self._answer(input)])

    def _answer(self, input: Any) -> Answer:
        if isinstance(input, BaseMessage):
            return ChatGeneration(message=input)
        return Generation(text=self._text_of(input))

    def _text_of(self, input: Any) -> str:
        if isinstance(input, BaseMessage):
            return input.text
        if isinstance(input, str):
            return input
        raise StepInputError(f"{self.get_name()} expected a message or text, got {type(input).__name__} {input!r:.80}")


class BaseGenerationOutputParser(BaseLLMOutputParser[Output]):
    """Makes something of a model's candidate answers. Subclass it and write `parse_result`.

    Example:
        >>> class Candidates(BaseGenerationOutputParser[int]):
        ...     def parse_result(self, result, *, partial=False):
        ...         return len(result)
        >>> Candidates().invoke("there is one")
        1
    """

    _is_base: ClassVar[bool] = True


class BaseOutputParser(BaseLLMOutputParser[Output]):
    """Makes something of the text of a message. Subclass it and write `parse`, which gets the whole text.

    Write `aparse` too if there is a way that waits. Without it `parse` runs on the event loop, so it must not block.

    Example:
        >>> class Count(BaseOutputParser[int]):
        ...     def parse(self, text: str) -> int:
        ...         return len(text.split())
        >>> Count().invoke("hold the line")
        3
    """

    _is_base: ClassVar[bool] = True

    def parse(self, text: str) -> Output:
        """What the text says."""
        raise NotImplementedError

    async def aparse(self, text: str) -> Output:
        """The same, for a parser that waits for something."""
        return self.parse(text)

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Output:
        """What the first of a model's candidate answers says. See `BaseLLMOutputParser`."""
        return self.parse(first_of(result).text)

    async def aparse_result(self, result: list[Any], *, partial: bool = False) -> Output:
        """The same, for a parser that waits for something."""
        if self._writes("aparse"):
            return await self.aparse(first_of(result).text)
        return self.parse_result(result, partial=partial)

    def parse_with_prompt(self, completion: str, prompt: PromptValue) -> Output:
        """What an answer says, for a parser that needs the question, too.

        Args:
            completion: the answer.
            prompt: the question.
        """
        return self.parse(completion)

    def get_format_instructions(self) -> str:
        """What to tell a model, so that it answers in a form that can be parsed."""
        raise NotImplementedError(f"{self.get_name()} has no format instructions")


class BaseTransformOutputParser(BaseOutputParser[Output]):
    """Makes something of each chunk of an answer. Subclass it and write `parse`, which gets the text of a chunk.

    What it makes of chunks must add up to what it makes of their sum. Where it matters how a text is cut, write
    `_transform`, a generator from chunks to chunks (and `_atransform`, an asynchronous one); `parse` still gets the
    whole text.

    Example:
        >>> class Loud(BaseTransformOutputParser[str]):
        ...     def parse(self, text: str) -> str:
        ...         return text.upper()
        >>> list(Loud().transform(iter(["so ", "be it"])))
        ['SO ', 'BE IT']
    """

    _is_base: ClassVar[bool] = True
    _chunks_stand_alone: ClassVar[bool] = True  # each is made something of by itself

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Output]:
        for chunk in input:
            yield self._parse_input(chunk)

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Output]:
        async for chunk in input:
            yield await self._aparse_input(chunk)

    def _forms(self) -> dict[str, Any]:
        forms = super()._forms()
        maps, amaps = self._writes("_transform"), self._writes("_atransform")
        if self._chunks_stand_alone and forms["invoke"] and not (maps or amaps or forms["ainvoke"]):
            return {**forms, "map_chunk": self._map_chunk}
        if maps or (forms["invoke"] and not amaps):
            forms["transform"] = self._made_of_chunks
        if amaps or not maps:
            forms["atransform"] = self._amade_of_chunks
        return forms

    def _made_of_chunks(self, input: Iterator[Any]) -> Iterator[Output]:
        return self._transform(filter(partial(is_not, None), input))

    def _amade_of_chunks(self, input: AsyncIterator[Any]) -> AsyncIterator[Output]:
        return self._atransform(_Present(input))

    def _map_chunk(self, chunk: Any) -> Output | None:
        return None if chunk is None else self._parse_input(chunk)


class StrOutputParser(BaseTransformOutputParser[str]):
    """The text of a message; chunk by chunk when it is streamed.

    Example:
        >>> StrOutputParser().invoke("as it is")
        'as it is'
    """

    def parse(self, text: str) -> str:
        """The text itself."""
        return text

    def _parse_input(self, input: Any) -> str:
        if type(self).parse_result is BaseOutputParser.parse_result:
            return self.parse(self._text_of(input))
        return super()._parse_input(input)


class _Present:
    """Chunks without None, which stands for no chunk. It holds nothing that must be closed."""

    def __init__(self, chunks: AsyncIterator[Any]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> _Present:
        return self

    async def __anext__(self) -> Any:
        while (chunk := await anext(self._chunks)) is None:
            pass
        return chunk


def first_of(result: Sequence[Answer]) -> Answer:
    """The best of some candidate answers.

    Raises:
        StepInputError: a `ValueError`, when there is none.
    """
    if not result:
        raise StepInputError("a parser expected a list of at least one candidate answer, got an empty one")
    return result[0]
