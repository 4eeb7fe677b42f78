"""Parsers whose stream is what can be said so far, again and again, each time with more of it.

A `Reading` sees the chunks of one answer pass by, and knows what they add up to. The sync and the async form share it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

from anabranch.engine.chunks import Accumulator, Algebra
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.parsers.parsers import Answer, BaseTransformOutputParser
from anabranch.nodes.runnables import Output


class BaseCumulativeTransformOutputParser(BaseTransformOutputParser[Output]):
    """Makes something of all that has come of an answer so far. Subclass it and write `parse_result`.

    With `partial=True` that gets the answer so far, and answers None if nothing can be said yet. Each value streamed
    replaces the one before. A value equal to the one before is left out. The last one is what `parse_result` makes of
    the whole answer, as with `invoke`; and so is the error.

    Args:
        diff: stream what differs from the value before, as `_diff` tells it, in place of values. Such chunks add up,
            and what they add up to is not what `invoke` gives.

    Example:
        >>> class Words(BaseCumulativeTransformOutputParser[int]):
        ...     def parse_result(self, result, *, partial=False):
        ...         return len(result[0].text.split())
        >>> list(Words().transform(iter(["so ", "be", " it"])))
        [1, 2, 3]
    """

    _is_base: ClassVar[bool] = True
    _chunks_stand_alone: ClassVar[bool] = False

    diff: bool = False

    def _diff(self, prev: Any, next: Any) -> Any:
        """What differs between two values, of which the first may be None: what is streamed with `diff`."""
        raise NotImplementedError(f"{self.get_name()} can't tell differences; write `_diff`, or leave out `diff=True`")

    def _reading(self) -> Reading:
        return Reading(self)

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:
        reading = self._reading()
        for chunk in input:
            if (told := reading.push(chunk)) is not None:
                yield told
        if not reading.is_empty and (told := reading.told(self.parse_result(reading.result))) is not None:
            yield told

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:
        reading = self._reading()
        async for chunk in input:
            if (told := await reading.apush(chunk)) is not None:
                yield told
        if not reading.is_empty and (told := reading.told(await self.aparse_result(reading.result))) is not None:
            yield told

    def _forms(self) -> dict[str, Any]:
        return {**super()._forms(), "algebra": None if self.diff else Algebra.SNAPSHOTS}


class Reading:
    """The chunks of one answer, as they pass by, and what was last told of them."""

    def __init__(self, parser: BaseCumulativeTransformOutputParser[Any]) -> None:
        self.parser = parser
        self._total = Accumulator(where=parser.get_name())
        self._known: Any = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come yet."""
        return self._total.empty

    @property
    def result(self) -> list[Answer]:
        """The answer so far."""
        return [self.parser._answer(self._total.value)]

    def push(self, chunk: str | BaseMessage) -> Any:
        """Take a chunk, and answer what is to be told now; None if that is nothing."""
        self._total.push(chunk)
        return self.told(self.parser.parse_result(self.result, partial=True))

    async def apush(self, chunk: str | BaseMessage) -> Any:
        """The same for a parser that waits for something."""
        if not self.parser._writes("aparse_result", "aparse"):
            return self.push(chunk)
        self._total.push(chunk)
        return self.told(await self.parser.aparse_result(self.result, partial=True))

    def told(self, value: Any) -> Any:
        """What is to be told of a value: itself, or what differs from the one before; None if that is nothing."""
        return None if value is None or value == self._known else self.told_anew(value)

    def told_anew(self, value: Any) -> Any:
        """The same for a value that is known to be another than the one before."""
        before, self._known = self._known, value
        return self.parser._diff(before, value) if self.parser.diff else value
