"""What is said and what is answered in one turn of a conversation: read from any form, and kept when it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, cast

from anabranch.engine.building import Builder, Part, Place
from anabranch.engine.chunks import Accumulator, Algebra
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import StepInputError
from anabranch.engine.graphs import Source
from anabranch.engine.operators import Operator
from anabranch.nodes.messages.chunks import message_chunk_to_message
from anabranch.nodes.messages.conversion import convert_to_messages
from anabranch.nodes.messages.messages import AIMessage, BaseMessage, HumanMessage
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.values import Value

HISTORY = "message_history"
"""Under which key of `configurable` what runs finds the history."""

TURN = "__turn"


class Turn:
    """One turn of a conversation: what is said now, and the history that it is kept in."""

    def __init__(self, given: Any, said: list[BaseMessage]) -> None:
        self.given = given
        self.said = said
        self.history: Any = None


def turn_in(config: RunnableConfig) -> Turn:
    """The turn that a step is part of."""
    return cast(Turn, config["configurable"][TURN])


def said_in(given: Any, key: str | None, needs_dict: bool, name: str) -> list[BaseMessage]:
    """What is said now, from the input of a runnable.

    Args:
        given: text, a message, a list of messages, or a dict that holds one of these.
        key: where in a dict; None means under its only key, or "input".
        needs_dict: whether it must be a dict; with a key it must be one too.
        name: that of the runnable, for errors.

    Raises:
        StepInputError: a `TypeError`, when it is nothing of that kind.
    """
    if isinstance(given, Mapping):
        given = _under(given, key, "input", f"{name} expected what is said", "input_messages_key")
    elif needs_dict or key is not None:
        raise StepInputError(f"{name} expected a dict, got {type(given).__name__} {given!r:.80}")
    if isinstance(given, str):
        return [HumanMessage(content=given)]
    if isinstance(given, BaseMessage):
        return [given]
    if isinstance(given, list | tuple):
        return convert_to_messages(given)
    raise StepInputError(
        f"{name} expected text, a message or a list of messages, got {type(given).__name__} {given!r:.80}"
    )


def answered_in(given: Any, key: str | None) -> list[BaseMessage]:
    """The messages of an answer, which may have the same forms. Chunks become whole messages.

    Raises:
        StepInputError: a `TypeError`, when it is nothing of that kind.
    """
    if isinstance(given, Mapping):
        given = _under(given, key, "output", "the answer can't be kept: expected it", "output_messages_key")
    if isinstance(given, str):
        return [AIMessage(content=given)]
    if isinstance(given, BaseMessage):
        return [message_chunk_to_message(given)]
    if isinstance(given, list | tuple) and all(isinstance(each, BaseMessage) for each in given):
        return [message_chunk_to_message(each) for each in given]
    raise StepInputError(
        "the answer can't be kept: expected text, a message or a list of messages, "
        f"got {type(given).__name__} {given!r:.80}"
    )


def _under(given: Mapping[str, Any], key: str | None, usual: str, expected: str, argument: str) -> Any:
    key = key or (next(iter(given)) if len(given) == 1 else usual)
    if key not in given:
        raise StepInputError(
            f"{expected} under the key {key!r}, got a dict with {', '.join(map(repr, given)) or 'nothing'}; "
            f"{argument} names the key"
        )
    return given[key]


class Kept(Value, Runnable[Any, Any]):
    """A runnable whose answer is kept when it has come to its end."""

    def __init__(self, runnable: Runnable[Any, Any], key: str | None) -> None:
        self.runnable = runnable
        self.key = key

    def _build(self, builder: Builder, source: Source, place: Place) -> Any:
        scope = builder.scope("kept", "sequence", source, place, self, is_run=False)
        output = yield Part(self.runnable, source, Place(scope.index, kwargs=place.kwargs))
        algebra = builder.steps[output].operator.algebra if isinstance(output, int) else None
        keep = Operator(
            name="keep what was said",
            transform=self._transform(algebra),
            atransform=self._atransform(algebra),
            wants_config=True,
            algebra=algebra,
            is_run=False,
        )
        scope.output = builder.step(keep, output, Place(scope.index), self)
        return scope.output

    def _transform(self, algebra: Algebra | None) -> Callable[..., Iterator[Any]]:
        def transform(chunks: Iterator[Any], config: RunnableConfig) -> Iterator[Any]:
            total = Accumulator(algebra, self.runnable.get_name())
            for chunk in chunks:
                total.push(chunk)
                yield chunk
            turn = turn_in(config)
            turn.history.add_messages([*turn.said, *answered_in(total.value, self.key)])

        return transform

    def _atransform(self, algebra: Algebra | None) -> Callable[..., AsyncIterator[Any]]:
        async def atransform(chunks: AsyncIterator[Any], config: RunnableConfig) -> AsyncIterator[Any]:
            total = Accumulator(algebra, self.runnable.get_name())
            async for chunk in chunks:
                total.push(chunk)
                yield chunk
            turn = turn_in(config)
            await turn.history.aadd_messages([*turn.said, *answered_in(total.value, self.key)])

        return atransform
