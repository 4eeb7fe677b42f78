"""The types of what is streamed of a run: the state of a run log, and events. They are plain dicts when they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict


class LogEntry(TypedDict):
    """What a run log knows of one run inside.

    Keys:
        id: the id of the run.
        name: what is run.
        type: what it is: prompt, chain, llm ...
        tags: its tags.
        metadata: what was said of it in config.
        start_time: when it started, as in ISO 8601.
        streamed_output_str: the pieces of text that it has made, if it is a model.
        streamed_output: all pieces that it has made.
        final_output: what it gave; None before its end, and if it failed.
        end_time: when it was over, as in ISO 8601; None before.

    Example:
        >>> import asyncio
        >>> async def entries(chain, value) -> list[LogEntry]:
        ...     async for log in chain.astream_log(value, diff=False):
        ...         pass
        ...     return [*log.state["logs"].values()]
        >>> [(entry["name"], entry["final_output"]) for entry in asyncio.run(entries(RunnableLambda(abs) | str, -1))]
        [('abs', {'output': 1}), ('str', {'output': '1'})]
    """

    id: str
    name: str
    type: str
    tags: list[str]
    metadata: dict[str, Any]
    start_time: str
    streamed_output_str: list[str]
    streamed_output: list[Any]
    final_output: Any | None
    end_time: str | None


class RunState(TypedDict):
    """The state of a run, as the patches of `astream_log` make it.

    Keys:
        id: the id of the run.
        name, type: as of a `LogEntry`.
        streamed_output: the chunks of its output.
        final_output: what they add up to so far.
        logs: the runs inside by their names, or those that were asked for.

    Example:
        >>> import asyncio
        >>> async def last_state(chain, value) -> RunState:
        ...     async for log in chain.astream_log(value, diff=False):
        ...         pass
        ...     return log.state
        >>> list(asyncio.run(last_state(RunnableLambda(abs) | str, -1))["logs"])
        ['abs', 'str']
    """

    id: str
    name: str
    type: str
    streamed_output: list[Any]
    final_output: Any | None
    logs: dict[str, LogEntry]


class EventData(TypedDict, total=False):
    """What an event tells of a run: some of these.

    Keys:
        input: what it got, once that is known.
        output: what it gave, at its end.
        chunk: a piece of it, in a stream event.
        error: what it failed with, in an error event.
        tool_call_id: of the call that a tool answers, if it failed.

    Example:
        >>> def told(data: EventData) -> str:
        ...     return f"{data['chunk']}" if "chunk" in data else ""
        >>> [told(event["data"]) for event in RunnableLambda(str.upper).stream_events("a")]
        ['', 'A', '']
    """

    input: Any
    output: Any
    chunk: Any
    error: BaseException
    tool_call_id: str | None


class BaseStreamEvent(TypedDict):
    """What all events have.

    Keys:
        event: what happened, such as `on_chain_start`.
        run_id: the id of the run.
        tags, metadata: of the run.
        parent_ids: the ids of the runs around it, the outermost first; none in version v1.

    Example:
        >>> def depth(event: BaseStreamEvent) -> int:
        ...     return len(event["parent_ids"])
        >>> {event["name"]: depth(event) for event in (RunnableLambda(abs) | str).stream_events(-1)}
        {'RunnableSequence': 0, 'abs': 1, 'str': 1}
    """

    event: str
    run_id: str
    tags: NotRequired[list[str]]
    metadata: NotRequired[dict[str, Any]]
    parent_ids: Sequence[str]


class StandardStreamEvent(BaseStreamEvent):
    """An event of a run.

    Keys:
        name: what is run.
        data: what is told of it.

    Example:
        >>> def line(event: StandardStreamEvent) -> str:
        ...     return f"{event['event']} {event['name']} {event['data']}"
        >>> for event in RunnableLambda(abs).stream_events(-1):
        ...     print(line(event))
        on_chain_start abs {'input': -1}
        on_chain_stream abs {'chunk': 1}
        on_chain_end abs {'output': 1}
    """

    name: str
    data: EventData


class CustomStreamEvent(BaseStreamEvent):
    """An event that `dispatch_custom_event` has made.

    Keys:
        name: the name that was given to it.
        data: what was given with it.

    Example:
        >>> def work(x, config):
        ...     dispatch_custom_event("progress", x / 2, config=config)
        ...     return x
        >>> events = RunnableLambda(work).stream_events(1)
        >>> [(event["name"], event["data"]) for event in events if event["event"] == "on_custom_event"]
        [('progress', 0.5)]
    """

    event: Literal["on_custom_event"]  # type: ignore[misc]
    name: str
    data: Any


StreamEvent = StandardStreamEvent | CustomStreamEvent
"""An event of `astream_events`."""
