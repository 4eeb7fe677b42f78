"""Tools made of functions: with any arguments, or with one text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

from pydantic import BaseModel, Field, create_model

from anabranch.engine.functions_by_name import names_for
from anabranch.engine.schemas import SchemaModel, schema_of
from anabranch.nodes.schemas.argument_models import arguments_model
from anabranch.nodes.schemas.docstrings import Docstring, name_of, own_docstring, read_docstring
from anabranch.nodes.tools.inputs import SingleArgument, ToolArguments
from anabranch.nodes.tools.outputs import ResponseFormat
from anabranch.nodes.tools.tools import ArgsSchema, BaseTool


class FunctionTool(BaseTool):
    """A tool made of a function. What `StructuredTool` and `Tool` have in common.

    Args:
        func: the function; an asynchronous one will do.
        coroutine: an asynchronous form of it, used by the asynchronous verbs.
    """

    func: Callable[..., Any] | None = None
    coroutine: Callable[..., Awaitable[Any]] | None = None

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return {**state, "__dict__": names_for(state["__dict__"])}

    def _functions(self) -> list[Callable[..., Any]]:
        written = super()._functions()
        own = [each for each in written if each.__func__ not in _CALLING]  # type: ignore[attr-defined]
        return own or [each for each in (self.func, self.coroutine) if each is not None]

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        if self.func is None:
            raise NotImplementedError(f"the tool {self.name!r} has an asynchronous function only")
        return self.func(*args, **kwargs)

    async def _arun(self, *args: Any, **kwargs: Any) -> Any:
        """Call the asynchronous function."""
        if self.coroutine is None:
            raise NotImplementedError(f"the tool {self.name!r} has no asynchronous function")
        return await self.coroutine(*args, **kwargs)


_CALLING = (FunctionTool._run, FunctionTool._arun)


class StructuredTool(FunctionTool):
    """A tool made of a function, whose parameters are the tool's arguments. See `tool`, which makes it.

    Example:
        >>> def add(a: int, b: int = 1) -> int:
        ...     '''Add up.'''
        ...     return a + b
        >>> adder = StructuredTool.from_function(add)
        >>> adder.invoke({"a": 41})
        42
        >>> adder.args["b"]
        {'default': 1, 'title': 'B', 'type': 'integer'}
    """

    @classmethod
    def from_function(
        cls,
        func: Callable[..., Any] | None = None,
        coroutine: Callable[..., Awaitable[Any]] | None = None,
        name: str | None = None,
        description: str | None = None,
        return_direct: bool = False,
        args_schema: ArgsSchema | None = None,
        infer_schema: bool = True,
        *,
        response_format: ResponseFormat = "content",
        parse_docstring: bool = False,
        error_on_invalid_docstring: bool = False,
        **kwargs: Any,
    ) -> StructuredTool:
        """Make a tool of a function.

        Args:
            func: the function, or None if there is only an asynchronous one.
            coroutine: an asynchronous form of it.
            name: by default that of the function.
            description: by default the docstring, or that of the schema.
            return_direct: see `BaseTool`.
            args_schema: a pydantic model or a JSON schema of the arguments; by default one is made of the parameters.
            infer_schema: False makes no schema, so that one must be given.
            response_format: see `BaseTool`.
            parse_docstring: what the docstring, in Google's style, says of the arguments goes to the schema, and what
                stands before is the description.
            error_on_invalid_docstring: a docstring that says nothing of arguments is an error then.
            **kwargs: other fields of the tool.

        Raises:
            ValueError: when there is no function, no name, no description or no schema; or the docstring tells of an
                argument that isn't there.
        """
        source = func if func is not None else coroutine
        if source is None:
            raise ValueError("a tool needs a function: give func or coroutine")
        name = name or name_of(source)
        text = own_docstring(source)
        told = described_by(text, name, error_on_invalid_docstring) if parse_docstring else None
        said = description or (told.summary if told is not None else text)
        if args_schema is None:
            if not infer_schema:
                raise ValueError(f"the tool {name!r} needs an args_schema, as none is to be inferred")
            arguments = told.arguments if told is not None else {}
            args_schema = arguments_model(source, name, description=said or None, arguments=arguments)
        said = said or _said_by(args_schema)
        if not said:
            raise ValueError(f"the tool {name!r} needs a description: give one, or write a docstring")
        return cls(
            name=name,
            description=said.strip(),
            func=func,
            coroutine=coroutine,
            args_schema=args_schema,
            return_direct=return_direct,
            response_format=response_format,
            **kwargs,
        )


class Tool(FunctionTool):
    """A tool whose function takes one text. For any other arguments there is `StructuredTool`.

    Args:
        name: what a model calls it by.
        func: the function, or None if there is only an asynchronous one.
        description: what it does, for the model.

    Example:
        >>> Tool("shout", str.upper, "Make it loud.").invoke("hello")
        'HELLO'
    """

    def __init__(self, name: str, func: Callable[..., Any] | None, description: str, **kwargs: Any) -> None:
        super().__init__(name=name, func=func, description=description, **kwargs)

    @classmethod
    def from_function(
        cls,
        func: Callable[..., Any] | None,
        name: str,
        description: str,
        return_direct: bool = False,
        args_schema: ArgsSchema | None = None,
        coroutine: Callable[..., Awaitable[Any]] | None = None,
        **kwargs: Any,
    ) -> Tool:
        """Make a tool of a function of one text. The arguments are the fields of the tool.

        Raises:
            ValueError: when there is no function.
        """
        if func is None and coroutine is None:
            raise ValueError("a tool needs a function: give func or coroutine")
        return cls(
            name=name,
            func=func,
            coroutine=coroutine,
            description=description,
            return_direct=return_direct,
            args_schema=args_schema,
            **kwargs,
        )

    @cached_property
    def _arguments(self) -> ToolArguments:
        return SingleArgument(self.name, self.args_schema, self._functions())

    @cached_property
    def _schema(self) -> ArgsSchema | None:
        return self.args_schema

    def get_input_schema(self, config: Any = None) -> type[BaseModel]:
        """A pydantic model of the argument."""
        return schema_of(str, self.get_name("Input")) if self.args_schema is None else super().get_input_schema(config)

    @cached_property
    def tool_call_schema(self) -> ArgsSchema:
        """The schema of what a model gives: a text."""
        if self.args_schema is not None:
            return super().tool_call_schema
        field: Any = (str, Field(alias="__arg1", title="__arg1"))
        return create_model(self.name, __base__=SchemaModel, __doc__=self.description, field___arg1=field)

    @property
    def args(self) -> dict[str, Any]:
        """The JSON schema of what a model gives."""
        return {"tool_input": {"type": "string"}} if self.args_schema is None else super().args


def described_by(text: str, name: str, must_tell: bool) -> Docstring:
    """What a docstring says of a function and its arguments.

    Args:
        text: the docstring.
        name: of the tool.
        must_tell: it must say something of arguments.

    Raises:
        ValueError: when it doesn't.
    """
    told = read_docstring(text)
    if must_tell and not (told.summary and told.has_arguments):
        raise ValueError(
            f"the docstring of {name!r} tells nothing of its arguments: write an 'Args:' section in Google's style, or "
            "give error_on_invalid_docstring=False"
        )
    return told


def _said_by(schema: ArgsSchema) -> str:
    return str(schema.get("description") or "") if isinstance(schema, dict) else own_docstring(schema)
