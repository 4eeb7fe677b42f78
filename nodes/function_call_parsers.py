"""Parsers of the one function that a model asks to be called, in the form that OpenAI had before tools.

It stands in `additional_kwargs["function_call"]`, with a `name` and the `arguments` as JSON. For `tool_calls` there are
the parsers of `tool_parsers`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ValidationError, model_validator

from anabranch.engine.chunks import Algebra, algebra_of
from anabranch.engine.json_growth import growth
from anabranch.nodes.cumulative_parsers import BaseCumulativeTransformOutputParser, Reading
from anabranch.nodes.generations import ChatGeneration
from anabranch.nodes.json_parsers import faults
from anabranch.nodes.messages import BaseMessage
from anabranch.nodes.output_errors import OutputParserException, excerpt
from anabranch.nodes.parsers import Answer, BaseGenerationOutputParser, first_of
from anabranch.nodes.partial_json import JsonReader


class OutputFunctionsParser(BaseGenerationOutputParser[Any]):
    """The function that a model calls, with its arguments as the text that they came as.

    Args:
        args_only: give the arguments alone, and not a dict with the `name` and the `arguments`.

    Raises:
        OutputParserException: a `ValueError`, when no function is called.

    Example:
        >>> message = AIMessage("", additional_kwargs={"function_call": {"name": "add", "arguments": '{"a": 1}'}})
        >>> OutputFunctionsParser().invoke(message)
        '{"a": 1}'
    """

    args_only: bool = True

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        """The function called in the first of a model's candidate answers."""
        call = call_in(first_of(result), self.get_name())
        return call["arguments"] if self.args_only else dict(call)


class JsonOutputFunctionsParser(BaseCumulativeTransformOutputParser[Any]):
    """The arguments with which a model calls a function.

    When streamed, each value replaces the one before, and holds more.

    Args:
        strict: refuse control characters, such as a line break, inside strings.
        args_only: give the arguments alone, and not a dict with the `name` and the `arguments`.
        diff: stream JSON patches (RFC 6902): lists of operations that make each value from the one before.

    Raises:
        OutputParserException: a `ValueError`, when no function is called, or the arguments can't be read. A stream
            raises it at the end.

    Example:
        >>> message = AIMessage("", additional_kwargs={"function_call": {"name": "add", "arguments": '{"a": 1}'}})
        >>> JsonOutputFunctionsParser().invoke(message)
        {'a': 1}
        >>> JsonOutputFunctionsParser(args_only=False).invoke(message)
        {'name': 'add', 'arguments': {'a': 1}}
    """

    strict: bool = False
    args_only: bool = True

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        """What is said of the function called in the first of a model's candidate answers.

        Args:
            result: the candidates, the best first.
            partial: more may come; then what can't be read yet is None.
        """
        if partial:
            reading = CallReading(self)
            reading.take(result[0])
            return reading.value
        call = call_in(first_of(result), self.get_name())
        return self._made_of(call["name"], arguments_of(call, self.get_name(), self.strict), partial=False)

    def parse(self, text: str) -> Any:
        """Not possible, for text calls no function."""
        return self._parse_input(text)

    def _made_of(self, name: str, arguments: Any, partial: bool) -> Any:
        """What this parser makes of a call; None if more may come, and nothing can be said yet."""
        return arguments if self.args_only else {"name": name, "arguments": arguments}

    def _reading(self) -> Reading:
        own = (JsonOutputFunctionsParser.parse_result, JsonOutputFunctionsParser.aparse_result)
        return CallReading(self) if (type(self).parse_result, type(self).aparse_result) == own else Reading(self)

    def _diff(self, prev: Any, next: Any) -> Any:
        return growth(prev, next)


class JsonKeyOutputFunctionsParser(JsonOutputFunctionsParser):
    """One argument with which a model calls a function.

    Args:
        key_name: the name of the argument.

    Raises:
        OutputParserException: a `ValueError`, when there is no such argument, too.

    Example:
        >>> message = AIMessage("", additional_kwargs={"function_call": {"name": "add", "arguments": '{"a": 1}'}})
        >>> JsonKeyOutputFunctionsParser(key_name="a").invoke(message)
        1
    """

    key_name: str

    def _made_of(self, name: str, arguments: Any, partial: bool) -> Any:
        held = arguments if isinstance(arguments, Mapping) else {}
        if not partial and self.key_name not in held:
            raise OutputParserException(
                f"{self.get_name()} expected an argument {self.key_name!r}, but {name} is called with "
                f"{', '.join(map(repr, held)) or 'none'}",
                llm_output=json.dumps(arguments),
            )
        return held.get(self.key_name)


class PydanticOutputFunctionsParser(BaseGenerationOutputParser[Any]):
    """The arguments with which a model calls a function, as a pydantic model.

    Args:
        pydantic_schema: the class of the model; or the classes by the names of the functions.
        args_only: whether the function is of no matter: so with one class, and not with several.

    Raises:
        OutputParserException: a `ValueError`, when no function is called, or one without a class, or the class doesn't
            take the arguments.
        ValueError: when there are several classes, and yet the function is to be of no matter.

    Example:
        >>> from pydantic import BaseModel
        >>> class Add(BaseModel):
        ...     a: int
        >>> message = AIMessage("", additional_kwargs={"function_call": {"name": "add", "arguments": '{"a": 1}'}})
        >>> PydanticOutputFunctionsParser(pydantic_schema=Add).invoke(message)
        Add(a=1)
        >>> PydanticOutputFunctionsParser(pydantic_schema={"add": Add}).invoke(message)
        Add(a=1)
    """

    pydantic_schema: type[BaseModel] | dict[str, type[BaseModel]]
    args_only: bool | None = None

    @model_validator(mode="after")
    def _check_schemas(self) -> Self:
        if self.args_only and isinstance(self.pydantic_schema, dict):
            raise ValueError("args_only needs one class; with several, the name of the function tells which one it is")
        return self

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        """What the function called in the first of a model's candidate answers is called with."""
        call = call_in(first_of(result), self.get_name())
        model = self._model_of(call)
        try:
            return model.model_validate(arguments_of(call, self.get_name(), strict=False))
        except ValidationError as error:
            raise OutputParserException(
                f"{self.get_name()} expected arguments that {model.__name__} takes; {faults(error)}",
                llm_output=call["arguments"],
            ) from error

    def _model_of(self, call: Mapping[str, str]) -> type[BaseModel]:
        if not isinstance(self.pydantic_schema, dict):
            return self.pydantic_schema
        if call["name"] not in self.pydantic_schema:
            known = " or ".join(self.pydantic_schema)
            raise OutputParserException(
                f"{self.get_name()} expected a call of {known}, but got one of {call['name']}",
                llm_output=call["arguments"],
            )
        return self.pydantic_schema[call["name"]]


class PydanticAttrOutputFunctionsParser(PydanticOutputFunctionsParser):
    """One attribute of the pydantic model of the arguments with which a model calls a function.

    Args:
        attr_name: the name of the attribute.

    Example:
        >>> from pydantic import BaseModel
        >>> class Add(BaseModel):
        ...     a: int
        >>> message = AIMessage("", additional_kwargs={"function_call": {"name": "add", "arguments": '{"a": 1}'}})
        >>> PydanticAttrOutputFunctionsParser(pydantic_schema=Add, attr_name="a").invoke(message)
        1
    """

    attr_name: str

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        """The attribute. See `PydanticOutputFunctionsParser`."""
        return getattr(super().parse_result(result, partial=partial), self.attr_name)


class CallReading(Reading):
    """A reading that looks at each character of the arguments once."""

    parser: JsonOutputFunctionsParser

    def __init__(self, parser: JsonOutputFunctionsParser) -> None:
        super().__init__(parser)
        self._begin()

    def _begin(self) -> None:
        self._name = ""
        self._arguments = JsonReader(strict=self.parser.strict)

    @property
    def value(self) -> Any:
        """What can be said so far; None if that is nothing."""
        if not self._arguments.has_value or self._arguments.error:
            return None
        return self.parser._made_of(self._name, self._arguments.value, partial=True)

    def push(self, chunk: str | BaseMessage) -> Any:
        """Take a chunk, and answer what is to be told now; None if that is nothing."""
        self._total.push(chunk)
        if algebra_of(chunk) is Algebra.SNAPSHOTS:
            self._begin()
        self.take(self.parser._answer(chunk))
        return self.told(self.value)

    def take(self, answer: Answer) -> None:
        """Read what a chunk of an answer says of the call."""
        call = _told_call(answer)
        self._name += call.get("name") or ""
        self._arguments.feed(call.get("arguments") or "")


def call_in(answer: Answer, parser: str) -> Mapping[str, str]:
    """The call in an answer: its `name` and `arguments`.

    Raises:
        OutputParserException: there is none; it names the parser.
    """
    call = _told_call(answer)
    if "name" not in call or "arguments" not in call:
        raise OutputParserException(
            f"{parser} expected a message whose additional_kwargs have a function_call with a name and arguments, but "
            f"got {excerpt(answer.text) or 'none'}. A model that calls tools has tool_calls, for which there are other "
            "parsers",
            llm_output=answer.text,
        )
    return call


def arguments_of(call: Mapping[str, str], parser: str, strict: bool) -> Any:
    """The arguments of a call as values of Python.

    Raises:
        OutputParserException: they can't be read; it names the parser.
    """
    try:
        return json.loads(call["arguments"], strict=strict)
    except (TypeError, ValueError) as error:
        said = str(call["arguments"])
        raise OutputParserException(
            f"{parser} can't read the arguments of {call['name']} as JSON: {error}. Ask the model again, or give it "
            f"more tokens if its answer was cut off. It said {excerpt(said)}",
            llm_output=said,
        ) from None


def _told_call(answer: Answer) -> Mapping[str, str]:
    call: Any = None
    if isinstance(answer, ChatGeneration):
        call = answer.message.additional_kwargs.get("function_call")
    return call if isinstance(call, Mapping) else {}
