"""Output parsers: from what a model said to what a program wants."""

from __future__ import annotations

from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.engine.operators import Operator
from anabranch.nodes.any_message import AnyMessage
from anabranch.nodes.messages import BaseMessage
from anabranch.nodes.runnables import Output
from anabranch.nodes.serializable import RunnableSerializable


class BaseOutputParser(RunnableSerializable[Any, Output]):
    """Makes something of the text of a message. Subclass it and write `parse`, which gets the whole text.

    It must not block: parsers run where the event loop runs.

    Raises:
        StepInputError: a `TypeError`, when the input is neither a message nor text.

    Example:
        >>> class Count(BaseOutputParser[int]):
        ...     def parse(self, text: str) -> int:
        ...         return len(text.split())
        >>> Count().invoke("hold the line")
        3
    """

    @property
    def InputType(self) -> Any:
        """A message or text."""
        return str | AnyMessage

    @property
    def _accepted(self) -> Any:
        return str | BaseMessage

    def parse(self, text: str) -> Output:
        """What the text says."""
        raise NotImplementedError

    def _parse_input(self, input: Any) -> Output:
        return self.parse(self._text_of(input))

    def _text_of(self, input: Any) -> str:
        if isinstance(input, BaseMessage):
            return input.text
        if isinstance(input, str):
            return input
        raise StepInputError(f"{self.get_name()} expected a message or text, got {type(input).__name__} {input!r:.80}")

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return Operator(name=self.get_name(), run_type="parser", invoke=self._parse_input, blocking=False)


class StrOutputParser(BaseOutputParser[str]):
    """The text of a message; chunk by chunk when it is streamed.

    Example:
        >>> StrOutputParser().invoke("as it is")
        'as it is'
    """

    @property
    def OutputType(self) -> Any:
        """Text."""
        return str

    def parse(self, text: str) -> str:
        """The text itself."""
        return text

    def _map_chunk(self, chunk: Any) -> str | None:
        return None if chunk is None else self._text_of(chunk)

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        return Operator(
            name=self.get_name(),
            run_type="parser",
            invoke=self._map_chunk,
            map_chunk=self._map_chunk,
            blocking=False,
        )
