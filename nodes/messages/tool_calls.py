"""Tool calls: what a model asks to be run, as a whole, in pieces, and when it can't be read.

A piece names its call by `index`. A piece that brings an id which its call doesn't have begins another call, even under
the same index; one without an id continues the last call under its index. A piece without an index is a call of
its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic can't read that of `typing` before Python 3.12

from anabranch.nodes.partial_json import parse_partial_json
from anabranch.nodes.schemas.brief_descriptions import BRIEF_AND_OPEN


@with_config(BRIEF_AND_OPEN)
class ToolCall(TypedDict):
    """A model's wish that a tool be run.

    Keys:
        name: the tool.
        args: the arguments by name.
        id: what the answer refers to as `tool_call_id`; None where the provider knows none.
        type: "tool_call".

    Example:
        >>> call: ToolCall = {"name": "add", "args": {"a": 1, "b": 2}, "id": "call-1", "type": "tool_call"}
        >>> @tool
        ... def add(a: int, b: int) -> int:
        ...     "Add up."
        ...     return a + b
        >>> add.invoke(call)
        ToolMessage(content='3', name='add', tool_call_id='call-1')
    """

    name: str
    args: dict[str, Any]
    id: str | None
    type: NotRequired[Literal["tool_call"]]


@with_config(BRIEF_AND_OPEN)
class ToolCallChunk(TypedDict):
    """A piece of a tool call: names and arguments of the pieces with one `index` are joined.

    Keys:
        name: the tool, or a piece of its name.
        args: the arguments as JSON text, or a piece of it.
        id: that of the call; usually in its first piece only.
        index: which call of the message it belongs to.
        type: "tool_call_chunk".
        error: why the call can't be read, where that is known of a whole one.

    Example:
        >>> piece: ToolCallChunk = {"name": "add", "args": '{"a": ', "id": "call-1", "index": 0}
        >>> rest: ToolCallChunk = {"name": None, "args": "1}", "id": None, "index": 0}
        >>> whole = AIMessageChunk("", tool_call_chunks=[piece]) + AIMessageChunk("", tool_call_chunks=[rest])
        >>> whole.tool_call_chunks[0]["args"], whole.tool_calls[0]["args"]
        ('{"a": 1}', {'a': 1})
    """

    name: str | None
    args: str | None
    id: str | None
    index: int | None
    type: NotRequired[Literal["tool_call_chunk"]]
    error: NotRequired[str]


@with_config(BRIEF_AND_OPEN)
class InvalidToolCall(TypedDict):
    """A tool call that can't be read.

    Keys:
        name: the tool, if that much is known.
        args: what stands for the arguments.
        id: as in `ToolCall`.
        error: what is wrong with it.
        type: "invalid_tool_call".

    Example:
        >>> piece = tool_call_chunk(name="add", args='{"a": 1', id="call-1", index=0)
        >>> broken: InvalidToolCall = AIMessageChunk(
        ...     "", tool_call_chunks=[piece], chunk_position="last"
        ... ).invalid_tool_calls[0]
        >>> broken["name"], broken["args"]
        ('add', '{"a": 1')
    """

    name: str | None
    args: str | None
    id: str | None
    error: NotRequired[str | None]
    type: NotRequired[Literal["invalid_tool_call"]]


def tool_call(*, name: str, args: dict[str, Any], id: str | None) -> ToolCall:
    """Make a `ToolCall`.

    Example:
        >>> tool_call(name="add", args={"a": 1}, id="call-1")
        {'name': 'add', 'args': {'a': 1}, 'id': 'call-1', 'type': 'tool_call'}
    """
    return ToolCall(name=name, args=args, id=id, type="tool_call")


def tool_call_chunk(
    *, name: str | None = None, args: str | None = None, id: str | None = None, index: int | None = None
) -> ToolCallChunk:
    """Make a `ToolCallChunk`. Arguments are its keys.

    Example:
        >>> tool_call_chunk(name="add", args='{"a": ', id="call-1", index=0)
        {'name': 'add', 'args': '{"a": ', 'id': 'call-1', 'index': 0, 'type': 'tool_call_chunk'}
    """
    return ToolCallChunk(name=name, args=args, id=id, index=index, type="tool_call_chunk")


def invalid_tool_call(
    *, name: str | None = None, args: str | None = None, id: str | None = None, error: str | None = None
) -> InvalidToolCall:
    """Make an `InvalidToolCall`. Arguments are its keys.

    Example:
        >>> invalid_tool_call(name="add", args="one and two", id="call-1", error="no JSON")["error"]
        'no JSON'
    """
    return InvalidToolCall(name=name, args=args, id=id, error=error, type="invalid_tool_call")


def join_pieces(left: Iterable[ToolCallChunk], right: Iterable[ToolCallChunk]) -> list[ToolCallChunk]:
    """The pieces of `left` and then those of `right`, with those of one call joined. None of them is changed."""
    joined = list(left)
    last = {piece["index"]: place for place, piece in enumerate(joined)}
    for piece in right:
        index = piece["index"]
        place = last.get(index) if index is not None else None
        if place is not None and (not piece["id"] or piece["id"] == joined[place]["id"]):
            joined[place] = _joined(joined[place], piece)
        else:
            last[index] = len(joined)
            joined.append(piece)
    return joined


def _joined(left: ToolCallChunk, right: ToolCallChunk) -> ToolCallChunk:
    joined = left.copy()
    joined["name"] = _text(left["name"], right["name"])
    joined["args"] = _text(left["args"], right["args"])
    if "error" in right:
        joined["error"] = left.get("error") or right["error"]
    return joined


def _text(left: str | None, right: str | None) -> str | None:
    return left + right if left and right else left or (left if right is None else right)


def read_pieces(
    pieces: Iterable[ToolCallChunk], complete: bool = False
) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """The calls that pieces stand for: those that can be read, and those that can't.

    Args:
        pieces: one for each call.
        complete: nothing more will come. Otherwise arguments are read as far as they go.
    """
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for piece in pieces:
        name, args, id = piece["name"], piece["args"], piece["id"]
        try:
            if known := piece.get("error"):
                raise ValueError(known)
            if complete and not name:
                raise ValueError("the call doesn't name a tool")
            calls.append(tool_call(name=name or "", args=read_args(args, complete), id=id))
        except ValueError as error:
            invalid.append(invalid_tool_call(name=name, args=args, id=id, error=str(error)))
    return calls, invalid


def read_args(args: str | None, complete: bool = True) -> dict[str, Any]:
    """The arguments of a call from their JSON text; none where there is no text.

    Raises:
        ValueError: when the text isn't a JSON object, or, unless it is complete, the beginning of one.
    """
    if not args or args.isspace():
        return {}
    read = json.loads(args, strict=False) if complete else parse_partial_json(args)
    if not isinstance(read, dict):
        raise ValueError(f"the arguments are to be a JSON object, not {type(read).__name__}")
    return read


def pieces_of(calls: Iterable[ToolCall], invalid: Iterable[InvalidToolCall]) -> list[ToolCallChunk]:
    """Whole calls, each as the only piece of its own."""
    pieces = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"], default=str), id=call["id"]) for call in calls
    ]
    for each in invalid:
        piece = tool_call_chunk(name=each["name"], args=each["args"], id=each["id"])
        piece["error"] = each.get("error") or "the call can't be read"
        pieces.append(piece)
    return pieces


def openai_pieces(told: Any) -> list[ToolCallChunk]:
    """Tool calls in the form of OpenAI's protocol, or pieces of them. What isn't of that form is left out."""
    pieces = []
    for each in told if isinstance(told, list) else ():
        function = each.get("function") if isinstance(each, Mapping) else None
        if isinstance(function, Mapping):
            name, args = function.get("name"), function.get("arguments")
            if isinstance(args, Mapping):  # as some servers have it
                args = json.dumps(args)
            pieces.append(tool_call_chunk(name=name, args=args, id=each.get("id"), index=each.get("index")))
    return pieces
