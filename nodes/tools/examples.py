"""Examples of tool calls, as the messages of a chat that show a model how it is done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from anabranch.nodes.messages.base_messages import BaseMessage
from anabranch.nodes.messages.messages import AIMessage, HumanMessage, ToolMessage
from anabranch.nodes.messages.tool_calls import ToolCall, tool_call

CORRECT = "You have correctly called this tool."


def tool_example_to_messages(
    input: str,
    tool_calls: Sequence[BaseModel],
    tool_outputs: Sequence[str] | None = None,
    *,
    ai_response: str | None = None,
) -> list[BaseMessage]:
    """The messages of an example: what somebody says, the calls that a model makes, and what the tools answer.

    Args:
        input: what is said.
        tool_calls: the calls: objects of the pydantic models that the tools are made of.
        tool_outputs: what they answer, one each; by default that they were called correctly.
        ai_response: what the model says then.

    Raises:
        ValueError: when there are more or fewer outputs than calls.

    Example:
        >>> class Person(BaseModel):
        ...     name: str
        >>> [each.type for each in tool_example_to_messages("Ada is here.", [Person(name="Ada")])]
        ['human', 'ai', 'tool']
    """
    outputs = [CORRECT] * len(tool_calls) if tool_outputs is None else list(tool_outputs)
    if len(outputs) != len(tool_calls):
        raise ValueError(f"an example has as many tool_outputs as tool_calls: got {len(outputs)} and {len(tool_calls)}")
    ids = [str(uuid4()) for _ in tool_calls]
    calls = [
        tool_call(name=type(each).__name__, args=each.model_dump(mode="json"), id=id)
        for id, each in zip(ids, tool_calls, strict=True)
    ]
    asked = AIMessage(content="", additional_kwargs={"tool_calls": list(map(_as_openai, calls))}, tool_calls=calls)
    answers = [ToolMessage(output, tool_call_id=id) for id, output in zip(ids, outputs, strict=True)]
    said = [] if ai_response is None else [AIMessage(content=ai_response)]
    return [HumanMessage(input), asked, *answers, *said]


def _as_openai(call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(call["args"], separators=(",", ":"))
    return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments}}
