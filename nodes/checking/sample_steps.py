"""Small steps that random programs are made of: what each does can be read off it, and reckoned without running it.

Each is a value: two that are made alike are equal, and its repr is the code that makes it. All of them take any input,
which they see as a short text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from anabranch.engine.chunks import afold, fold
from anabranch.nodes.runnables import Runnable


def as_text(value: object) -> str:
    """Any value as a short text: a dict and a list by their elements, None as `~`."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}{as_text(each)}" for key, each in sorted(value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(as_text, value)) + "]"
    return "~" if value is None else str(value)


def checksum(value: object) -> int:
    """A number that depends on all of a value."""
    return sum(map(ord, as_text(value)))


@dataclass(frozen=True)
class Puts:
    """A function that puts a mark before the text: `Puts("a")("x") == "ax"`."""

    mark: str

    def __call__(self, value: Any) -> str:
        return self.mark + as_text(value)


@dataclass(frozen=True)
class AsyncPuts:
    """`Puts` as an asynchronous function."""

    mark: str

    async def __call__(self, value: Any) -> str:
        return self.mark + as_text(value)


@dataclass(frozen=True)
class Spells:
    """A generator function that gives the text in pieces of some size."""

    size: int = 1

    def __call__(self, value: Any) -> Iterator[str]:
        text = as_text(value)
        for start in range(0, len(text), self.size):
            yield text[start : start + self.size]


@dataclass(frozen=True)
class AsyncSpells:
    """`Spells` as an asynchronous generator function."""

    size: int = 1

    async def __call__(self, value: Any) -> AsyncIterator[str]:
        text = as_text(value)
        for start in range(0, len(text), self.size):
            yield text[start : start + self.size]


@dataclass(frozen=True)
class Swaps:
    """A generator function that swaps the case of each chunk as it comes. What is no text it hands on."""

    def __call__(self, chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            if chunk is not None:
                yield chunk.swapcase() if isinstance(chunk, str) else chunk


@dataclass(frozen=True)
class AsyncSwaps:
    """`Swaps` as an asynchronous generator function."""

    async def __call__(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in chunks:
            if chunk is not None:
                yield chunk.swapcase() if isinstance(chunk, str) else chunk


@dataclass(frozen=True)
class Chooses:
    """A function that gives one of some values, always the same one for the same input."""

    values: tuple[Any, ...]

    def __call__(self, value: Any) -> Any:
        return self.values[checksum(value) % len(self.values)]

    def __hash__(self) -> int:
        return len(self.values)  # the values may be lists


@dataclass(frozen=True)
class Splits:
    """A function that cuts the text into so many parts, a list."""

    parts: int

    def __call__(self, value: Any) -> list[str]:
        text = as_text(value)
        return [text[index :: self.parts] for index in range(self.parts)]


@dataclass(frozen=True)
class Divides:
    """A condition: whether a number divides the checksum of the input."""

    number: int

    def __call__(self, value: Any) -> bool:
        return checksum(value) % self.number == 0


@dataclass(frozen=True)
class Returns:
    """A function that returns a runnable, which is then run with the same input."""

    runnable: Runnable[Any, Any]

    def __call__(self, value: Any) -> Runnable[Any, Any]:
        return self.runnable


@dataclass(frozen=True)
class Calls:
    """A function that runs a runnable itself, and gives its result: by `invoke`, `batch` or `stream`."""

    runnable: Runnable[Any, Any]
    verb: str = "invoke"

    def __call__(self, value: Any) -> Any:
        if self.verb == "batch":
            return self.runnable.batch([value])[0]
        if self.verb == "stream":
            return fold(self.runnable.stream(value))
        return self.runnable.invoke(value)


@dataclass(frozen=True)
class AsyncCalls:
    """`Calls` as an asynchronous function: by `ainvoke`, `abatch` or `astream`."""

    runnable: Runnable[Any, Any]
    verb: str = "ainvoke"

    async def __call__(self, value: Any) -> Any:
        if self.verb == "abatch":
            return (await self.runnable.abatch([value]))[0]
        if self.verb == "astream":
            return await afold(self.runnable.astream(value))
        return await self.runnable.ainvoke(value)
