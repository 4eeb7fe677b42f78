"""Parsers of JSON: as values of Python, and as pydantic models; also of JSON that is still coming in."""

from __future__ import annotations

import json
from json import JSONDecodeError
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from anabranch.engine.chunks import Algebra, algebra_of
from anabranch.engine.json_growth import growth
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.parsers.cumulative_parsers import BaseCumulativeTransformOutputParser, Reading
from anabranch.nodes.parsers.fenced_json import FencedJsonReader, parse_json_markdown
from anabranch.nodes.parsers.output_errors import OutputParserException, excerpt
from anabranch.nodes.parsers.parsers import first_of
from anabranch.nodes.runnables import Output

Model = TypeVar("Model", bound=BaseModel)


class JsonTextParser(BaseCumulativeTransformOutputParser[Output]):
    """What parsers of JSON have in common: they read it as it comes, and make something of it in `_made_of_json`."""

    def _made_of_json(self, value: Any) -> Output:
        """What this parser makes of a value.

        Raises:
            ValidationError: it can't.
        """
        raise NotImplementedError

    def parse_result(self, result: list[Any], *, partial: bool = False) -> Any:
        """What the JSON in the first of a model's candidate answers says.

        Args:
            result: the candidates, the best first.
            partial: more may come; then what can't be read yet is None.

        Raises:
            OutputParserException: a `ValueError`, when there is no JSON, or not what was asked for.
        """
        text = first_of(result).text
        if partial:
            reader = FencedJsonReader()
            reader.feed(text)
            return self._made_so_far(reader.value) if reader.has_value else None
        try:
            return self._made_of_json(value := parse_json_markdown(text))
        except JSONDecodeError as error:
            raise OutputParserException(self._complaint(error), llm_output=text) from None
        except ValidationError as error:
            raise OutputParserException(self._mismatch(value, error), llm_output=text) from error

    def parse(self, text: str) -> Output:
        """What the JSON in a text says. See `parse_result`."""
        return self._parse_input(text)

    def get_format_instructions(self) -> str:
        """What to tell a model, so that it answers with JSON."""
        return "Answer with JSON and nothing else."

    def _made_so_far(self, value: Any) -> Any:
        try:
            return self._made_of_json(value)
        except ValidationError:
            return None

    def _reading(self) -> Reading:
        own = (JsonTextParser.parse_result, JsonTextParser.aparse_result, JsonTextParser.aparse)
        cls = type(self)
        return JsonReading(self) if (cls.parse_result, cls.aparse_result, cls.aparse) == own else Reading(self)

    def _complaint(self, error: JSONDecodeError) -> str:
        return (
            f"{self.get_name()} found no JSON that it can read: {error}. It expects JSON alone, or in a ```json fence; "
            f"tell the model what get_format_instructions() says. It answered: {excerpt(error.doc, error.pos)}"
        )

    def _mismatch(self, value: Any, error: ValidationError) -> str:
        raise NotImplementedError


class JsonOutputParser(JsonTextParser[Any]):
    """The JSON in an answer: dicts, lists, strings, numbers, booleans and None.

    It may be all of the answer, or stand in a Markdown fence with words around it. If its end is missing, there is
    what there is of it. When streamed, each value replaces the one before, and holds more. What is complete in it is
    shared with the values before, so don't change it in place.

    Args:
        pydantic_object: a model whose schema is told in `get_format_instructions`; values are not made into it.
        diff: stream JSON patches (RFC 6902): lists of operations that make each value from the one before, and the
            first one from nothing.

    Raises:
        OutputParserException: a `ValueError` with the `llm_output`, when there is no JSON, or it is malformed. A stream
            raises it at the end.

    Example:
        >>> parser = JsonOutputParser()
        >>> parser.invoke('Here: ```json\\n{"name": "France"}\\n```')
        {'name': 'France'}
        >>> list(parser.transform(iter(['{"na', 'me": "Fr', 'ance"}'])))
        [{}, {'name': 'Fr'}, {'name': 'France'}]
    """

    pydantic_object: type[BaseModel] | None = None

    def get_format_instructions(self) -> str:
        """What to tell a model, so that it answers with JSON, and with the schema of `pydantic_object` if there is one.

        Example:
            >>> JsonOutputParser().get_format_instructions()
            'Answer with JSON and nothing else.'
        """
        return super().get_format_instructions() if self.pydantic_object is None else instructions(self.pydantic_object)

    def _made_of_json(self, value: Any) -> Any:
        return value

    def _diff(self, prev: Any, next: Any) -> Any:
        return growth(prev, next)


SimpleJsonOutputParser = JsonOutputParser


class PydanticOutputParser(JsonTextParser[Model], Generic[Model]):
    """The JSON in an answer as a pydantic model.

    When streamed, there is a model as soon as what has come is valid, and each one replaces the one before.

    Args:
        pydantic_object: the class of the model.

    Raises:
        OutputParserException: a `ValueError` with the `llm_output`, when there is no JSON, or the model doesn't take
            it. A stream raises it at the end.

    Example:
        >>> from pydantic import BaseModel
        >>> class Country(BaseModel):
        ...     name: str
        >>> PydanticOutputParser(pydantic_object=Country).invoke('{"name": "France"}')
        Country(name='France')
    """

    pydantic_object: type[Model]

    @property
    def OutputType(self) -> Any:
        """The class of the model."""
        return self.pydantic_object

    def get_format_instructions(self) -> str:
        """What to tell a model, so that it answers with JSON of the model's schema."""
        return instructions(self.pydantic_object)

    def _made_of_json(self, value: Any) -> Model:
        return self.pydantic_object.model_validate(value)

    def _mismatch(self, value: Any, error: ValidationError) -> str:
        return (
            f"{self.get_name()} expected JSON that {self.pydantic_object.__name__} takes; {faults(error)}. "
            f"Tell the model what get_format_instructions() says. It answered: {excerpt(json.dumps(value))}"
        )


class JsonReading(Reading):
    """A reading that looks at each character once."""

    parser: JsonTextParser[Any]

    def __init__(self, parser: JsonTextParser[Any]) -> None:
        super().__init__(parser)
        self._reader = FencedJsonReader()

    def push(self, chunk: str | BaseMessage) -> Any:
        """Take a chunk, and answer what is to be told now; None if that is nothing."""
        self._total.push(chunk)
        if algebra_of(chunk) is Algebra.SNAPSHOTS:
            self._reader = FencedJsonReader()
        self._reader.feed(self.parser._text_of(chunk))
        if not self._reader.changed:
            return None
        value = self._reader.value
        made = self.parser._made_so_far(value)
        return self.told(made) if made is not value or value is None else self.told_anew(value)


def instructions(model: type[BaseModel]) -> str:
    """What to tell a model, so that it answers with JSON of a schema."""
    schema = {key: value for key, value in model.model_json_schema().items() if key not in ("title", "type")}
    return (
        "Answer with one JSON value that conforms to the JSON schema below, and with nothing else: no explanation, "
        "no Markdown fence, no comments, no trailing commas.\n\n"
        "Answer with an instance, not with the schema. For example, for the schema "
        '{"properties": {"names": {"type": "array", "items": {"type": "string"}}}, "required": ["names"]} '
        'the value {"names": ["Ada", "Grace"]} is right, and {"properties": {"names": ["Ada", "Grace"]}} is wrong.'
        f"\n\nThe schema:\n```\n{json.dumps(schema, ensure_ascii=False)}\n```"
    )


def faults(error: ValidationError) -> str:
    """What a model doesn't take, in one line."""
    found = [
        f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}, got {each['input']!r:.60}"
        for each in error.errors(include_url=False)
    ]
    return "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
