"""Tools: functions that a model may ask for, with a name, a description, and a schema of their arguments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Annotated, Any, Self, cast
from uuid import UUID

from pydantic import BaseModel, Field, SkipValidation, ValidationError, model_validator

from anabranch.engine.building import Builder, Place
from anabranch.engine.config import RunnableConfig, merge_configs
from anabranch.engine.errors import CompositionError, StepInputError
from anabranch.engine.graphs import Source
from anabranch.engine.operators import Operator
from anabranch.engine.schemas import schema_of
from anabranch.nodes.messages.tool_calls import ToolCall
from anabranch.nodes.printed_fields import telling
from anabranch.nodes.schemas.argument_models import arguments_model, shown_model
from anabranch.nodes.serializable import RunnableSerializable
from anabranch.nodes.tools.functions import ToolFunction
from anabranch.nodes.tools.inputs import Call, ToolArguments, ToolView, call_of, injects
from anabranch.nodes.tools.outputs import ResponseFormat, ToolException, answer, split_answer, told_of

ArgsSchema = type[BaseModel] | dict[str, Any]
"""The schema of a tool's arguments: a pydantic model, or a JSON schema."""

ToolInput = str | dict[str, Any] | ToolCall
"""What a tool takes: a dict of arguments, a `ToolCall`, or the text of its first argument."""


class BaseTool(RunnableSerializable[ToolInput, Any]):
    """A function that a model may ask for. Subclass it and write `_run`, or `_arun`, or both.

    The parameters of `_run` are the arguments, unless `args_schema` says more of them. They are checked and converted
    before it is called. It may also take `run_manager`, and a parameter that is annotated `RunnableConfig`.

    Called with a `ToolCall` (what a model's message has in `tool_calls`) it gives a `ToolMessage` for the model.
    Otherwise it gives what `_run` returned.

    Args:
        name: what a model calls it by.
        description: what it does, and when to use it, for the model.
        args_schema: a pydantic model of the arguments, or a JSON schema, by which nothing is checked.
        return_direct: for those who run agents: its answer ends the run.
        response_format: with "content_and_artifact" `_run` returns a tuple of what the model is to know, and of
            something for the program alone, which is the `artifact` of the message.
        handle_tool_error: what to answer instead of raising a `ToolException`: True for its text, a text, or a
            function from the error to a text.
        handle_validation_error: the same for an input with wrong arguments.
        tags, metadata, callbacks: for its runs.
        extras: what a provider wants to know besides, uninterpreted.
        verbose: has no effect.

    Raises:
        CompositionError: a `TypeError`, when there is neither `_run` nor `_arun`.
        pydantic.ValidationError: a `ValueError`, when it is called with wrong arguments, unless that is handled.
        ToolException: when `_run` raises it, unless that is handled.

    Example:
        >>> class Repeat(BaseTool):
        ...     name: str = "repeat"
        ...     description: str = "Repeat a word."
        ...
        ...     def _run(self, word: str, times: int = 2) -> str:
        ...         return word * times
        >>> repeat = Repeat()
        >>> repeat.invoke({"word": "ha", "times": "3"})
        'hahaha'
        >>> repeat.invoke({"name": "repeat", "args": {"word": "ha"}, "id": "1", "type": "tool_call"}).content
        'haha'
    """

    name: str
    description: str
    args_schema: Annotated[ArgsSchema | None, SkipValidation()] = None
    return_direct: bool = False
    verbose: bool = Field(default=False, repr=False)
    callbacks: Any = Field(default=None, exclude=True, repr=False)
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    handle_tool_error: bool | str | Callable[[ToolException], Any] | None = False
    handle_validation_error: bool | str | Callable[[ValidationError], Any] | None = False
    response_format: ResponseFormat = "content"
    extras: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check_tool(self) -> Self:
        schema = self.args_schema
        if schema is not None and not isinstance(schema, dict) and not _is_model(schema):
            raise CompositionError(
                f"args_schema of the tool {self.name!r}: expected a pydantic model or a JSON schema, got {schema!r:.80}"
            )
        if not self._functions():
            raise CompositionError(
                f"{type(self).__name__} has nothing to run: a tool writes `_run` or `_arun`, or has a func"
            )
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Only what differs from the default."""
        return telling(self)

    # What it does

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """Do it. The parameters of a subclass's are the tool's arguments."""
        raise NotImplementedError

    async def _arun(self, *args: Any, **kwargs: Any) -> Any:
        """Do it without blocking. By default it is `_run`, in a thread."""
        raise NotImplementedError

    def _functions(self) -> list[Callable[..., Any]]:
        """What may be called: `_run` and `_arun`, where they are written."""
        forms = ("_run", "_arun")
        return [getattr(self, form) for form in forms if getattr(type(self), form) is not getattr(BaseTool, form)]

    # What it takes

    @property
    def InputType(self) -> Any:
        """A dict of arguments, a `ToolCall`, or the text of the first argument."""
        return str | dict[str, Any] | ToolCall

    @property
    def _accepted(self) -> Any:
        schema = self._schema
        return str | dict[str, Any] | schema if isinstance(schema, type) else str | dict[str, Any]

    @property
    def OutputType(self) -> Any:
        """Anything, or a `ToolMessage`."""
        return Any

    @cached_property
    def _schema(self) -> ArgsSchema | None:
        """The schema of all arguments, also of those that are injected; None for one argument of any kind."""
        return arguments_model(self._functions()[0], self.name) if self.args_schema is None else self.args_schema

    @cached_property
    def _arguments(self) -> ToolArguments:
        return ToolArguments(self.name, self._schema, self._functions())

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A pydantic model of the arguments, those included that a model isn't told of."""
        schema = self._schema
        return schema if isinstance(schema, type) else schema_of(dict[str, Any], self.get_name("Input"))

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        schema = self._schema
        return dict(schema) if isinstance(schema, dict) else super().get_input_jsonschema(config)

    @cached_property
    def tool_call_schema(self) -> ArgsSchema:
        """The schema of what a model gives: without what is injected. A pydantic model, or a JSON schema."""
        schema = self.get_input_schema() if self._schema is None else self._schema
        if isinstance(schema, dict):
            return {**schema, "description": self.description}
        return shown_model(self.name, schema, self.description, lambda info: not injects(info))

    @property
    def args(self) -> dict[str, Any]:
        """The JSON schemas of what a model gives, by name."""
        schema = self.tool_call_schema
        told = schema if isinstance(schema, dict) else schema.model_json_schema()
        return cast(dict[str, Any], told.get("properties", {}))

    @property
    def is_single_input(self) -> bool:
        """Whether a model gives one argument only."""
        return len(self.args) == 1

    # Running

    def _build(self, builder: Builder, source: Source, place: Place) -> Source:
        own = {"tags": self.tags, "metadata": self.metadata, "callbacks": self.callbacks}
        bound = cast(RunnableConfig, {key: value for key, value in own.items() if value})
        place = place.bound(bound, None) if bound else place
        return builder.step(self._operator(dict(place.kwargs or {})), source, place, self)

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        fills_star = self._arguments.is_inferred
        functions = [ToolFunction(each, fills_star=fills_star) for each in self._functions()]
        sync = next((each for each in functions if not each.is_async), None)
        asynchronous = next((each for each in functions if each.is_async), None)
        return Operator(
            name=self.get_name(),
            run_type="tool",
            invoke=partial(self._answer, sync, kwargs) if sync is not None else None,
            ainvoke=partial(self._aanswer, asynchronous, kwargs) if asynchronous is not None else None,
            wants_config=any(each.wants_config for each in functions),
            view=ToolView(self.name, self.description, self._arguments),
        )

    def _answer(self, function: ToolFunction, bound: dict[str, Any], value: Any, config: Any = None) -> Any:
        call = call_of(value)
        try:
            values = self._arguments.read(call, bound)
        except (ValidationError, StepInputError) as error:
            return self._told(call, error, self.handle_validation_error)
        try:
            return self._answered(call, function.call(values, config))
        except ToolException as error:
            return self._told(call, error, self.handle_tool_error)

    async def _aanswer(self, function: ToolFunction, bound: dict[str, Any], value: Any, config: Any = None) -> Any:
        call = call_of(value)
        try:
            values = self._arguments.read(call, bound)
        except (ValidationError, StepInputError) as error:
            return self._told(call, error, self.handle_validation_error)
        try:
            return self._answered(call, await function.acall(values, config))
        except ToolException as error:
            return self._told(call, error, self.handle_tool_error)

    def _answered(self, call: Call, result: Any) -> Any:
        content, artifact = split_answer(self.name, self.response_format, result)
        return answer(self.name, call.id, content, artifact)

    def _told(self, call: Call, error: Exception, handler: Any) -> Any:
        return answer(self.name, call.id, told_of(error, handler), status="error")

    def run(
        self,
        tool_input: ToolInput,
        verbose: bool | None = None,
        start_color: str | None = None,
        color: str | None = None,
        callbacks: Any = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: UUID | None = None,
        config: RunnableConfig | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """`invoke` with the config as single arguments.

        Args:
            tool_input: a dict of arguments, or the text of the first.
            verbose, start_color, color: have no effect.
            callbacks, tags, metadata, run_name, run_id: go before those in `config`.
            config: see `invoke`.
            tool_call_id: the answer is a `ToolMessage` with this id.
            **kwargs: further arguments of the tool.
        """
        said = _config(config, callbacks, tags, metadata, run_name, run_id)
        return self.invoke(_call(self.name, tool_input, tool_call_id), said, **kwargs)

    async def arun(
        self,
        tool_input: ToolInput,
        verbose: bool | None = None,
        start_color: str | None = None,
        color: str | None = None,
        callbacks: Any = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: UUID | None = None,
        config: RunnableConfig | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """`run` on the running event loop."""
        said = _config(config, callbacks, tags, metadata, run_name, run_id)
        return await self.ainvoke(_call(self.name, tool_input, tool_call_id), said, **kwargs)


class BaseToolkit(BaseModel, ABC):
    """Tools that belong together. Subclass it and write `get_tools`.

    Example:
        >>> class Shop(BaseToolkit):
        ...     currency: str
        ...
        ...     def get_tools(self):
        ...         price = lambda item: f"{len(item)} {self.currency}"
        ...         return [StructuredTool.from_function(price, name="price", description="The price of an item.")]
        >>> [each.invoke({"item": "bread"}) for each in Shop(currency="EUR").get_tools()]
        ['5 EUR']
    """

    @abstractmethod
    def get_tools(self) -> list[BaseTool]:
        """The tools."""


def _is_model(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, BaseModel)


def _call(tool: str, given: ToolInput, call_id: str | None) -> Any:
    return given if call_id is None else {"name": tool, "args": given, "id": call_id, "type": "tool_call"}


def _config(
    config: RunnableConfig | None,
    callbacks: Any,
    tags: list[str] | None,
    metadata: dict[str, Any] | None,
    run_name: str | None,
    run_id: UUID | None,
) -> RunnableConfig | None:
    said = {"callbacks": callbacks, "tags": tags, "metadata": metadata, "run_name": run_name, "run_id": run_id}
    single = cast(RunnableConfig, {key: value for key, value in said.items() if value})
    return merge_configs(config, single) if single else config
