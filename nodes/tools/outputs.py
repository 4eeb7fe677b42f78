"""What a tool answers: its content alone, or a message for the model that asked."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import ValidationError

from anabranch.engine.errors import StepInputError
from anabranch.nodes.messages.messages import ToolMessage

ResponseFormat = Literal["content", "content_and_artifact"]
"""What the function of a tool returns: the content, or a tuple of the content and something for the program alone."""

BLOCKS = ("text", "image_url", "image", "json", "search_result", "custom_tool_call_output", "document", "file")
"""The types of content blocks that a tool message may have; any other content is text."""


class ToolException(Exception):
    """Raised by a tool that can't do what it was asked, for the model to know. See `handle_tool_error`.

    Example:
        >>> @tool
        ... def find(word: str) -> str:
        ...     "Find a word."
        ...     raise ToolException(f"nothing is known of {word}")
        >>> find.handle_tool_error = True
        >>> answer = find.invoke(tool_call(name="find", args={"word": "bears"}, id="call-1"))
        >>> answer.status, answer.content
        ('error', 'nothing is known of bears')
    """


def split_answer(
    tool: str, response_format: Literal["content", "content_and_artifact"], result: Any
) -> tuple[Any, Any]:
    """The content and the artifact of what a tool's function returned.

    Raises:
        ValueError: when it isn't both, and should be.
    """
    if response_format == "content":
        return result, None
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise ValueError(
        f"the tool {tool!r} has response_format='content_and_artifact', so its function returns a tuple of the content "
        f"and an artifact; got {type(result).__name__}: {result!r:.80}"
    )


def answer(
    tool: str, call_id: str | None, content: Any, artifact: Any = None, status: Literal["success", "error"] = "success"
) -> Any:
    """The answer of a tool: for a `ToolCall` a `ToolMessage`, otherwise the content."""
    if call_id is None or _is_message(content):
        return content
    return ToolMessage(content=_as_content(content), artifact=artifact, tool_call_id=call_id, name=tool, status=status)


def _is_message(content: Any) -> bool:
    """Whether a function answered with messages of its own."""
    if isinstance(content, list):
        return bool(content) and all(isinstance(each, ToolMessage) for each in content)
    return isinstance(content, ToolMessage)


def _as_content(content: Any) -> str | list[Any]:
    """Text and known blocks as they are; anything else as JSON, or else as Python prints it."""
    if isinstance(content, str) or (isinstance(content, list) and all(map(_is_block, content))):
        return content
    try:
        return json.dumps(content, ensure_ascii=False)
    except Exception:
        return str(content)


def _is_block(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and part.get("type") in BLOCKS)


def told_of(error: Exception, handler: Any) -> Any:
    """What a model is told of an error: what the handler says.

    Args:
        error: a `ToolException`, or one of its input.
        handler: True, a text, or a function from the error to a text; otherwise the error is raised.

    Raises:
        Exception: the error, when it isn't handled.
        ValueError: when the handler is none of these.
    """
    if handler is None or handler is False:
        raise error
    if isinstance(handler, str):
        return handler
    if handler is True:
        if isinstance(error, ValidationError | StepInputError):
            return "Tool input validation error"
        return error.args[0] if error.args else "Tool execution error"
    if callable(handler):
        return handler(error)
    raise ValueError(f"expected True, a text or a function to handle an error, got {handler!r:.80}") from error
