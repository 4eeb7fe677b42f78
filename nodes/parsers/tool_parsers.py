"""Parsers of tool calls: what a model asks to be run, as dicts and as pydantic models; also while it comes in."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ValidationError

from anabranch.engine.json_growth import growth
from anabranch.nodes.messages.chunks import AIMessageChunk
from anabranch.nodes.messages.generations import ChatGeneration
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.messages.tool_calls import ToolCall, ToolCallChunk, openai_pieces, tool_call
from anabranch.nodes.parsers.cumulative_parsers import BaseCumulativeTransformOutputParser, Reading
from anabranch.nodes.parsers.json_parsers import faults
from anabranch.nodes.parsers.output_errors import OutputParserException, excerpt
from anabranch.nodes.parsers.parsers import first_of
from anabranch.nodes.partial_json import JsonReader


class JsonOutputToolsParser(BaseCumulativeTransformOutputParser[Any]):
    """The tool calls of a message, each as a dict with the `type` (the name of the tool) and the `args`.

    When streamed, each value replaces the one before, and holds more; arguments are read as far as they go.

    Args:
        first_tool_only: give the first call alone; None if there is none.
        return_id: the dicts have the `id` of the call, too.
        strict: refuse control characters, such as a line break, inside strings of arguments.
        diff: stream JSON patches (RFC 6902): lists of operations that make each value from the one before.

    Raises:
        OutputParserException: a `ValueError`, when a call can't be read, or the input isn't a message. A stream raises
            it at the end.

    Example:
        >>> message = AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "call-1"}])
        >>> JsonOutputToolsParser().invoke(message)
        [{'args': {'a': 1}, 'type': 'add'}]
    """

    first_tool_only: bool = False
    return_id: bool = False
    strict: bool = False

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        """The tool calls of the first of a model's candidate answers.

        Args:
            result: the candidates, the best first.
            partial: more may come, so a call that can't be read yet is left out.
        """
        answer = first_of(result)
        if not isinstance(answer, ChatGeneration):
            raise OutputParserException(
                f"{self.get_name()} expected a message with tool calls, as chat models give, but got text: "
                f"{excerpt(answer.text)}",
                llm_output=answer.text,
            )
        if not partial:
            self._refuse_what_cannot_be_read(answer.message)
        return self._made_of_calls(getattr(answer.message, "tool_calls", []), partial)

    def parse(self, text: str) -> Any:
        """Not possible, for text has no tool calls."""
        return self._parse_input(text)

    def _made_of_calls(self, calls: list[ToolCall], partial: bool) -> Any:
        """What this parser makes of calls; if more may come, of those that it can make something of."""
        return self._one_or_all([self._told_of(call) for call in calls])

    def _told_of(self, call: ToolCall) -> dict[str, Any]:
        id = {"id": call["id"]} if self.return_id else {}
        return {"args": call["args"], **id, "type": call["name"]}

    def _one_or_all(self, found: list[Any]) -> Any:
        if not self.first_tool_only:
            return found
        return found[0] if found else None

    def _refuse_what_cannot_be_read(self, message: BaseMessage) -> None:
        wrong = [(each["name"], each["args"], each.get("error")) for each in getattr(message, "invalid_tool_calls", [])]
        if self.strict:
            pieces = getattr(message, "tool_call_chunks", []) + openai_pieces(
                message.additional_kwargs.get("tool_calls")
            )
            wrong += [(each["name"], each["args"], why) for each in pieces if (why := _strictly_wrong(each))]
        if wrong:
            told = "; ".join(f"{name}: {why}, got {excerpt(args or '')}" for name, args, why in wrong)
            raise OutputParserException(
                f"{self.get_name()} expected tool calls whose arguments are JSON objects, but can't read {told}. "
                "Ask the model again, or give it more tokens if its answer was cut off",
                llm_output="; ".join(args or "" for _, args, _ in wrong),
            )

    def _reading(self) -> Reading:
        own = (JsonOutputToolsParser.parse_result, JsonOutputToolsParser.aparse_result, JsonOutputToolsParser.aparse)
        cls = type(self)
        return CallsReading(self) if (cls.parse_result, cls.aparse_result, cls.aparse) == own else Reading(self)

    def _diff(self, prev: Any, next: Any) -> Any:
        return growth(prev, next)


class JsonOutputKeyToolsParser(JsonOutputToolsParser):
    """The arguments of a message's calls of one tool.

    Args:
        key_name: the name of the tool.
        first_tool_only: give those of the first call alone; None if there is none.
        return_id: give dicts with the `type`, the `args` and the `id`, in place of the arguments alone.

    Example:
        >>> message = AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "call-1"}])
        >>> JsonOutputKeyToolsParser(key_name="add", first_tool_only=True).invoke(message)
        {'a': 1}
    """

    key_name: str

    def _made_of_calls(self, calls: list[ToolCall], partial: bool) -> Any:
        return self._one_or_all(
            [self._told_of(call) if self.return_id else call["args"] for call in calls if call["name"] == self.key_name]
        )


class PydanticToolsParser(JsonOutputToolsParser):
    """The tool calls of a message as pydantic models.

    When streamed, a call is there as soon as the model takes what has come of its arguments.

    Args:
        tools: the classes of the models. A call is of the class that has the name of the tool, or its title.
        first_tool_only: give the first call alone; None if there is none.

    Raises:
        OutputParserException: a `ValueError`, when a call names no class, or the class doesn't take its arguments.

    Example:
        >>> from pydantic import BaseModel
        >>> class Add(BaseModel):
        ...     a: int
        ...     b: int = 0
        >>> message = AIMessage("", tool_calls=[{"name": "Add", "args": {"a": 1}, "id": "call-1"}])
        >>> PydanticToolsParser(tools=[Add]).invoke(message)
        [Add(a=1, b=0)]
    """

    tools: list[type[BaseModel]]

    def _made_of_calls(self, calls: list[ToolCall], partial: bool) -> Any:
        known = {tool.__name__: tool for tool in self.tools}
        known |= {str(tool.model_config["title"]): tool for tool in self.tools if tool.model_config.get("title")}
        made = []
        for call in calls[:1] if self.first_tool_only else calls:
            model = known.get(call["name"])
            if model is None:
                if partial:
                    continue
                raise self._complaint(f"expected a call of {' or '.join(known)}, but got one of {call['name']}", call)
            try:
                made.append(model.model_validate(call["args"]))
            except ValidationError as error:
                if not partial:
                    raise self._complaint(
                        f"expected arguments that {call['name']} takes; {faults(error)}", call
                    ) from error
        return self._one_or_all(made)

    def _diff(self, prev: Any, next: Any) -> Any:
        return BaseCumulativeTransformOutputParser._diff(self, prev, next)

    def _complaint(self, what: str, call: ToolCall) -> OutputParserException:
        said = json.dumps(call["args"], default=str)
        return OutputParserException(
            f"{self.get_name()} {what}. Tell the model of it and ask again. It called {call['name']} with "
            f"{excerpt(said)}",
            llm_output=said,
        )


class CallsReading(Reading):
    """A reading that looks at each character of the arguments once."""

    parser: JsonOutputToolsParser

    def __init__(self, parser: JsonOutputToolsParser) -> None:
        super().__init__(parser)
        self._calls: list[_GrowingCall] = []
        self._latest: dict[int | None, _GrowingCall] = {}

    def push(self, chunk: str | BaseMessage) -> Any:
        """Take a chunk, and answer what is to be told now; None if that is nothing."""
        if not isinstance(chunk, AIMessageChunk):
            return super().push(chunk)
        self._total.push(chunk)
        for piece in chunk.tool_call_chunks:
            self._take(piece)
        calls = [call.snapshot for call in self._calls if call.is_valid]
        return self.told(self.parser._made_of_calls(calls, partial=True))

    def _take(self, piece: ToolCallChunk) -> None:
        index = piece["index"]
        call = self._latest.get(index) if index is not None else None
        if call is None or (piece["id"] and piece["id"] != call.id):
            call = self._latest[index] = _GrowingCall(piece["id"])
            self._calls.append(call)
        call.take(piece)


class _GrowingCall:
    """A tool call that comes in pieces."""

    def __init__(self, id: str | None) -> None:
        self.id = id
        self._name = ""
        self._args = JsonReader()
        self._is_known_as_wrong = self._has_text = False

    @property
    def is_valid(self) -> bool:
        """Whether what has come is the beginning of a call."""
        if self._is_known_as_wrong or self._args.error:
            return False
        return not self._has_text or isinstance(self._args.value, dict)

    @property
    def snapshot(self) -> ToolCall:
        """The call as far as it goes."""
        return tool_call(name=self._name, args=self._args.value or {}, id=self.id)

    def take(self, piece: ToolCallChunk) -> None:
        """Add a piece."""
        args = piece["args"] or ""
        self._name += piece["name"] or ""
        self._is_known_as_wrong |= bool(piece.get("error"))
        self._has_text |= bool(args) and not args.isspace()
        self._args.feed(args)


def _strictly_wrong(piece: ToolCallChunk) -> str | None:
    try:
        json.loads(piece["args"] or "{}")
    except ValueError as error:
        return str(error)
    return None
