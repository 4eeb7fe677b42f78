"""What programs give, as plain data: without ids and times, and without classes of the library that was used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

MESSAGE_FIELDS = (
    "name",
    "role",
    "tool_calls",
    "invalid_tool_calls",
    "tool_call_chunks",
    "tool_call_id",
    "artifact",
    "usage_metadata",
    "additional_kwargs",
    "response_metadata",
)


def plain(value: Any) -> Any:
    """A value as plain data. A message is its type, its content, and a dict of the fields that say something."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if hasattr(value, "content") and hasattr(value, "type"):
        return plain_message(value)
    if hasattr(value, "page_content"):
        return {"page_content": value.page_content, "metadata": value.metadata}
    if hasattr(value, "messages") and hasattr(value, "to_messages"):
        return plain(value.messages)
    if hasattr(value, "to_string"):
        return f"text: {value.to_string()}"
    if hasattr(value, "model_dump"):
        return {type(value).__name__: value.model_dump()}
    if isinstance(value, BaseException):
        return type(value).__name__
    return f"<{type(value).__name__}>"


def plain_message(message: Any) -> list[Any]:
    fields = {name: plain(getattr(message, name, None)) for name in MESSAGE_FIELDS}
    for call in fields["tool_calls"] or ():
        call.pop("type", None)
    if getattr(message, "status", "success") != "success":
        fields["status"] = message.status
    said = {name: value for name, value in fields.items() if value}
    return [message.type, plain(message.content), *([said] if said else [])]


def caught(call: Callable[[], object], *kinds: type[BaseException]) -> str:
    """The name of the first of these kinds that the error of a call is, or else that of its own class."""
    try:
        call()
    except Exception as error:
        names = [kind.__name__ for kind in kinds if isinstance(error, kind)]
        return names[0] if names else f"another error: {type(error).__name__}"
    return "no error"


async def gathered(chunks: AsyncIterator[Any]) -> list[Any]:
    return [plain(chunk) async for chunk in chunks]


def event_lines(events: Iterable[dict[str, Any]]) -> list[str]:
    """Events as lines: what happened to which run, and its tags."""
    return [" ".join([event["event"], event["name"], *event["tags"]]) for event in events]


async def all_events(events: AsyncIterator[Any]) -> list[dict[str, Any]]:
    return [event async for event in events]
