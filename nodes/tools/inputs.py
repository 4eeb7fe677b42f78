"""What a tool is called with, in any of its forms, and the arguments that this means.

A tool is called with a dict of arguments, with the text of its first argument, with an object of its schema, or with
a `ToolCall`: the dict in which a model asks for it, with `name`, `args`, `id` and `type="tool_call"`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from anabranch.engine.annotations import parameter_types
from anabranch.engine.errors import StepInputError
from anabranch.engine.schemas import SchemaModel
from anabranch.nodes.schemas.injected_arguments import InjectedToolArg, InjectedToolCallId, is_injected, is_mark
from anabranch.nodes.tools.functions import BY_PLACE


@dataclass(frozen=True, slots=True)
class Call:
    """What a tool was called with.

    Attributes:
        given: the arguments in a dict, the text of the first, or an object of the schema.
        id: that of the `ToolCall`; None if it wasn't one.
    """

    given: Any
    id: str | None = None


def call_of(value: Any) -> Call:
    """What an input means."""
    if isinstance(value, Mapping) and value.get("type") == "tool_call" and "args" in value:
        return Call(value["args"], value.get("id"))
    return Call(value)


class ToolArguments:
    """What a tool takes.

    Args:
        tool: its name.
        schema: a pydantic model of its arguments, or a JSON schema of them, by which nothing is checked.
        functions: those that may be called, which may take injected arguments besides.
    """

    def __init__(
        self, tool: str, schema: type[BaseModel] | Mapping[str, Any] | None, functions: Sequence[Callable[..., Any]]
    ) -> None:
        self.tool = tool
        self.model = schema if isinstance(schema, type) else None
        self._fields = {} if self.model is None else self.model.model_fields
        types = {name: tp for func in functions for name, tp in parameter_types(func).items()}
        # A model that we made names fields so that pydantic takes the name; the alias is the parameter's.
        self.is_inferred = ours = self.model is not None and issubclass(self.model, SchemaModel)
        self._keys = {label: info.alias or label for label, info in self._fields.items()}
        self._parameters = self._keys if ours else dict(zip(self._keys, self._keys, strict=True))
        # A key that a `TypedDict` may lack has the default None, which no function has asked for.
        unnamed = [label for label, name in self._parameters.items() if ours and name not in types]
        self._optional = frozenset(label for label in unnamed if self._fields[label].default is None)
        self.injected = self._marked(types, InjectedToolArg)
        self._ids = self._marked(types, InjectedToolCallId)
        self._unchecked = frozenset() if self.model is None else self.injected.difference(self._keys.values())
        self._first = next((key for key in self._keys.values() if key not in self.injected), None)

    def _marked(self, types: Mapping[str, Any], mark: type) -> frozenset[str]:
        """The keys of arguments that are marked, in the schema or at a function."""
        by_function = {name for name, tp in types.items() if is_injected(tp, mark)}
        return frozenset(
            by_function | {self._keys[label] for label, info in self._fields.items() if injects(info, mark)}
        )

    def read(self, call: Call, bound: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by parameter, checked and converted.

        Args:
            call: what the tool was called with.
            bound: further arguments, which win.

        Raises:
            StepInputError: a `TypeError` and `ValueError`, when it is none of the forms.
            ValidationError: when an argument is missing or wrong.
        """
        given = {**self._by_name(call.given), **bound}
        if unknown := [key for key in bound if self._certainly_lacks(key)]:
            raise StepInputError(f"the tool {self.tool!r} takes no argument {', '.join(map(repr, unknown))}")
        if self._ids:
            if call.id is None:
                raise StepInputError(
                    f"the tool {self.tool!r} wants the id of its call, so it takes a ToolCall: "
                    "{'name': ..., 'args': {...}, 'id': ..., 'type': 'tool_call'}; "
                    f"got {call.given!r:.80}"
                )
            given |= dict.fromkeys(self._ids, call.id)
        if self.model is None:
            return given
        besides = {key: given.pop(key) for key in self._unchecked if key in given}
        made = self.model.model_validate(given)
        left_out = self._optional - made.model_fields_set
        values = {name: getattr(made, label) for label, name in self._parameters.items() if label not in left_out}
        return {**values, **(made.__pydantic_extra__ or {}), **besides}

    def _by_name(self, given: Any) -> dict[str, Any]:
        if isinstance(given, Mapping):
            return dict(given)
        if isinstance(given, str) and self._first is not None:
            return {self._first: given}
        if self.model is not None and isinstance(given, self.model):
            return {key: getattr(given, label) for label, key in self._keys.items()}
        forms = "a dict of arguments, or a ToolCall"
        if self._first is not None:
            forms = f"{forms}, or the text of its argument {self._first!r}"
        raise self._not_taken(forms, given)

    def _not_taken(self, forms: str, given: Any) -> StepInputError:
        return StepInputError(f"the tool {self.tool!r} takes {forms}; got {type(given).__name__}: {given!r:.80}")

    def _certainly_lacks(self, key: str) -> bool:
        known = self.model is not None and self.model.model_config.get("extra") != "allow"
        return known and key not in self._keys.values() and key not in self._unchecked

    def shown(self, given: Any) -> Any:
        """What was given, without what is injected."""
        if not isinstance(given, Mapping) or not self.injected:
            return given
        return {key: value for key, value in given.items() if key not in self.injected}


class SingleArgument(ToolArguments):
    """What a tool takes whose function has one argument. For the arguments see `ToolArguments`; None is any text."""

    def read(self, call: Call, bound: Mapping[str, Any]) -> dict[str, Any]:
        """The argument.

        Raises:
            StepInputError: when it isn't one.
            ValidationError: when it is wrong.
        """
        if self.model is not None or isinstance(call.given, Mapping):
            given = super().read(call, {})
        elif isinstance(call.given, str):
            given = {BY_PLACE: call.given}
        else:
            raise self._not_taken("a text, or a ToolCall", call.given)
        if len(given) != 1:
            raise StepInputError(
                f"the tool {self.tool!r} takes one argument, got {len(given)}: {call.given!r:.80}. For more there is "
                "StructuredTool"
            )
        (value,) = given.values()
        return {BY_PLACE: value, **bound}


def injects(info: Any, mark: type = InjectedToolArg) -> bool:
    """Whether a field of a model is marked as injected."""
    return any(is_mark(each, mark) for each in info.metadata) or is_injected(info.annotation, mark)


class ToolView:
    """How those who listen see what goes into a tool, and comes out. See `scheduler.handlers.View`."""

    __slots__ = ("_arguments", "description", "name")

    def __init__(self, name: str, description: str, arguments: ToolArguments) -> None:
        self.name = name
        self.description = description
        self._arguments = arguments

    def asked(self, value: Any) -> Any:
        """The arguments, less those that are injected."""
        return self._arguments.shown(call_of(value).given)

    def answered(self, value: Any) -> Any:
        """The answer as it is."""
        return value

    def piece(self, chunk: Any) -> tuple[str, Any]:
        """A chunk as it is."""
        return str(chunk), chunk

    def said(self, asked: Any) -> list[str]:
        """The arguments as text."""
        return [str(asked)]

    def options(self) -> dict[str, Any]:
        """Nothing more."""
        return {}

    def tool_call_id(self, value: Any) -> str | None:
        """The id of the `ToolCall`, if it was called with one."""
        return call_of(value).id
