"""Messages: what is said in a chat, and by whom.

A whole message stands for itself: on an edge, a later one replaces an earlier one. The pieces of a message,
which add up by `+`, are in `message_chunks`; what else can be read as a message, in `message_conversion`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from anabranch.nodes.messages.base_messages import BaseMessage as BaseMessage
from anabranch.nodes.messages.base_messages import kind_field
from anabranch.nodes.messages.content_blocks import blocks_with_calls, calls_in
from anabranch.nodes.messages.token_usage import UsageMetadata
from anabranch.nodes.messages.tool_calls import InvalidToolCall, ToolCall, openai_pieces, read_pieces

# The first paragraphs of the docstrings are the descriptions in JSON schemas, which others know word for word.
# Arguments that all messages have are told of in `BaseMessage`.


class SystemMessage(BaseMessage):
    """A Message for priming AI behavior, usually passed in as the first of a sequence
    of input messages.

    Example:
        >>> FakeListChatModel(responses=["Rain."]).invoke([SystemMessage("Be brief."), HumanMessage("Why?")]).text
        'Rain.'
    """

    type: Literal["system"] = kind_field("system")


class HumanMessage(BaseMessage):
    """A Message from a human.

    Args:
        example: it is part of an example. The name is LangChain's; nothing here reads it.

    Example:
        >>> HumanMessage([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": "..."}]).text
        'What is this?'
    """

    type: Literal["human"] = kind_field("human")
    example: bool = Field(default=False, repr=False)


def _call(call: ToolCall) -> ToolCall:
    return {**call, "type": "tool_call"}


def _invalid_call(call: InvalidToolCall) -> InvalidToolCall:
    return {**call, "error": call.get("error"), "type": "invalid_tool_call"}


class AIMessage(BaseMessage):
    """A Message from an AI.

    Args:
        tool_calls: the tools that it wants to be run.
        invalid_tool_calls: calls that can't be read.
        usage_metadata: how many tokens it has taken.
        example: as of a `HumanMessage`.

    Example:
        >>> answer = AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1, "b": 2}, "id": "call-1"}])
        >>> [(call["name"], call["args"]) for call in answer.tool_calls]
        [('add', {'a': 1, 'b': 2})]
    """

    type: Literal["ai"] = kind_field("ai")
    example: bool = Field(default=False, repr=False)
    tool_calls: list[Annotated[ToolCall, AfterValidator(_call)]] = Field(default_factory=list)
    invalid_tool_calls: list[Annotated[InvalidToolCall, AfterValidator(_invalid_call)]] = Field(default_factory=list)
    usage_metadata: UsageMetadata | None = None

    @property
    def content_blocks(self) -> list[dict[str, Any]]:
        """The content as standard blocks, with what the model thought before it and its tool calls after it."""
        thought = self.additional_kwargs.get("reasoning_content")
        before = [{"type": "reasoning", "reasoning": thought}] if isinstance(thought, str) and thought else []
        return before + self._blocks_with_calls()

    def _blocks_with_calls(self) -> list[dict[str, Any]]:
        return blocks_with_calls(self.content, self.tool_calls, "tool_call")

    def _take_blocks(self, fields: dict[str, Any], blocks: Iterable[Any]) -> None:
        super()._take_blocks(fields, blocks)
        if called := calls_in(fields["content"]):
            fields.setdefault("tool_calls", called)

    def _prepare(self, fields: dict[str, Any]) -> None:
        # Tool calls that a provider has told in OpenAI's form only.
        besides = fields.get("additional_kwargs")
        if besides and isinstance(besides, Mapping) and "tool_calls" in besides:
            self._take_openai_calls(besides["tool_calls"], fields)

    def _take_openai_calls(self, told: Any, fields: dict[str, Any]) -> None:
        """Add calls in OpenAI's form to what was given for fields, where that doesn't say which calls there are."""
        if not fields.get("tool_calls") and not fields.get("invalid_tool_calls"):
            fields["tool_calls"], fields["invalid_tool_calls"] = read_pieces(openai_pieces(told), complete=True)

    def pretty_repr(self, html: bool = False) -> str:
        """The message for people to read, with its tool calls. See `BaseMessage.pretty_repr`."""
        lines = [super().pretty_repr(html).removesuffix("\n\n")]
        if self.tool_calls:
            lines.append("Tool Calls:")
            for call in self.tool_calls:
                args = [f"    {name}: {value}" for name, value in call["args"].items()]
                lines += [f"  {call['name']} ({call['id']})", f" Call ID: {call['id']}", "  Args:", *args]
        if self.invalid_tool_calls:
            lines.append("Invalid Tool Calls:")
            for each in self.invalid_tool_calls:
                error = [f"  Error: {each['error']}"] if each.get("error") else []
                lines += [f"  {each['name']} ({each['id']})", f" Call ID: {each['id']}", *error, "  Args:"]
                lines.append(f"    {each['args']}")
        return "\n".join(lines)


class ChatMessage(BaseMessage):
    """A Message that can be assigned an arbitrary speaker (i.e. role).

    Args:
        role: who speaks.

    Example:
        >>> ChatMessage("May the force be with you", role="Jedi")
        ChatMessage(content='May the force be with you', role='Jedi')
    """

    type: Literal["chat"] = kind_field("chat")
    role: str


class FunctionMessage(BaseMessage):
    """A Message for passing the result of executing a function back to a model.

    Args:
        name: the function. Tools, which came after functions, answer with a `ToolMessage`.

    Example:
        >>> print(FunctionMessage("3", name="add").pretty_repr())
        =============================== Function Message ===============================
        Name: add
        <BLANKLINE>
        3
    """

    type: Literal["function"] = kind_field("function")
    name: str


class ToolMessage(BaseMessage):
    """A Message for passing the result of executing a tool back to a model.

    Args:
        content: what the model is to know. What is neither text nor a list of blocks is made text.
        tool_call_id: the `id` of the call that it answers; a number is made text.
        artifact: something for the program alone.
        status: "success", or "error" when the tool could not do what it was asked.

    Example:
        >>> ToolMessage(3, tool_call_id="call-1", artifact={"took": 0.1})
        ToolMessage(content='3', tool_call_id='call-1', artifact={'took': 0.1})
    """

    type: Literal["tool"] = kind_field("tool")
    tool_call_id: str = Field(coerce_numbers_to_str=True)
    artifact: Any = None
    status: Literal["success", "error"] = "success"

    def _prepare(self, fields: dict[str, Any]) -> None:
        # What a tool gives may be anything.
        content = fields.get("content", "")
        if isinstance(content, list | tuple):
            fields["content"] = [each if isinstance(each, str | dict) else str(each) for each in content]
        elif not isinstance(content, str):
            fields["content"] = str(content)


class RemoveMessage(BaseMessage):
    """The wish that a message be removed from where messages are kept.

    Args:
        id: of the message to remove; may be given by position.

    Raises:
        ValueError: when it is given a content.

    Example:
        >>> RemoveMessage("run-1")
        RemoveMessage(content='', id='run-1')
    """

    type: Literal["remove"] = kind_field("remove")

    def __init__(self, id: str, **kwargs: Any) -> None:
        if kwargs.pop("content", None):
            raise ValueError("a RemoveMessage has no content; it only names the message to remove")
        super().__init__("", id=id, **kwargs)
