"""What a model is told of a tool is what the tool takes, whatever form it was written in."""

import enum
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
import typing_extensions
from pydantic import BaseModel, Field

from anabranch.nodes import (
    InjectedToolArg,
    RunnableConfig,
    convert_to_json_schema,
    convert_to_openai_function,
    convert_to_openai_tool,
)


class Place(BaseModel):
    """Where."""

    city: str = Field(description="its name")
    title: str = "town"


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


def search(
    query: str,
    place: Place,
    color: Color,
    limit: Annotated[int, "at most"] = 3,
    kind: Literal["a", "b"] = "a",
    others: list[Place] | None = None,
) -> str:
    """Look for it.

    It may be anywhere.

    Args:
        query: the words,
            separated by blanks
        place (Place): around which

    Returns:
        What was found.
    """
    return query


PLACE = {
    "properties": {
        "city": {"description": "its name", "type": "string"},
        "title": {"default": "town", "type": "string"},
    },
    "required": ["city"],
    "type": "object",
}


def test_of_a_function_all_is_told() -> None:
    assert convert_to_openai_tool(search) == {
        "type": "function",
        "function": {
            "name": "search",
            "description": "Look for it. It may be anywhere.",
            "parameters": {
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "the words, separated by blanks"},
                    "place": {**PLACE, "description": "around which"},
                    "color": {"type": "string", "enum": ["red", "blue"]},
                    "limit": {"type": "integer", "default": 3, "description": "at most"},
                    "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
                    "others": {
                        "anyOf": [{"type": "array", "items": {**PLACE, "description": "Where."}}, {"type": "null"}],
                        "default": None,
                    },
                },
                "required": ["query", "place", "color"],
            },
        },
    }


def test_a_strict_schema_has_all_keys_and_no_others_at_every_level() -> None:
    told = convert_to_openai_function(search, strict=True)
    parameters = told["parameters"]
    assert told["strict"] is True
    assert parameters["required"] == list(parameters["properties"])
    for each in (parameters, parameters["properties"]["place"]):
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])
    assert convert_to_openai_function(search, strict=False) == {**convert_to_openai_function(search), "strict": False}


def test_what_is_injected_is_not_told() -> None:
    def order(item: str, user: Annotated[str, InjectedToolArg()], config: RunnableConfig, run_manager: Any) -> str:
        """Order.

        Args:
            item: what
            user: for whom
            config: of the run
        """
        return item

    assert list(convert_to_openai_function(order)["parameters"]["properties"]) == ["item"]


def test_forms_of_callables() -> None:
    class Adder:
        def add(self, a: int, /, *, b: int = 0) -> int:
            """Add."""
            return a + b

        def __call__(self, a: int) -> int:
            return a

    @dataclass
    class Point:
        x: int

    for form, name in (
        (Adder().add, "add"),
        (partial(Adder().add, b=1), "add"),
        (Adder(), "Adder"),
        (Point, "Point"),
    ):
        told = convert_to_openai_function(form)
        assert told["name"] == name
        assert len(told["parameters"]["required"]) == 1
    assert convert_to_openai_function(Point)["description"] == ""


def test_further_arguments_are_told() -> None:
    def gather(first: str, *rest: int, **named: float) -> None: ...

    parameters = convert_to_openai_function(gather)["parameters"]
    assert parameters["properties"]["rest"] == {"type": "array", "items": {"type": "integer"}}
    assert parameters["additionalProperties"] == {"type": "number"}
    assert parameters["required"] == ["first"]


def test_any_name_may_be_an_argument() -> None:
    def odd(_hidden: int, schema: str, json: int = 1, model_config: int = 2, title: str = "") -> None: ...

    parameters = convert_to_openai_function(odd)["parameters"]
    assert list(parameters["properties"]) == ["_hidden", "schema", "json", "model_config", "title"]
    assert parameters["required"] == ["_hidden", "schema"]


def test_a_docstring_that_tells_of_what_it_does_not_take_is_an_error() -> None:
    def wrong(a: int) -> None:
        """Wrong.

        Args:
            b: not there
        """

    with pytest.raises(ValueError, match="'wrong' tells of 'b', which it doesn't take; it takes 'a'"):
        convert_to_openai_tool(wrong)


def test_what_json_cannot_describe_is_an_error_that_names_the_remedy() -> None:
    class Frame: ...

    def plot(frame: Frame) -> None: ...

    with pytest.raises(ValueError, match=r"what 'plot' takes .*InjectedToolArg"):
        convert_to_openai_tool(plot)


def test_a_function_without_a_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="no name"):
        convert_to_openai_tool(lambda x: x)


@pytest.mark.parametrize("base", [TypedDict, typing_extensions.TypedDict])
def test_of_a_typed_dict_keys_defaults_and_descriptions_are_told(base: Any) -> None:
    Inner: Any = base("Inner", {"deep": int})
    Joke = base(
        "Joke",
        {
            "setup": Annotated[str, ..., "how it begins"],
            "rating": Annotated[int, 5, "out of ten"],
            "tag": Annotated[str, "a word"],
            "inner": list[Inner],
            "note": NotRequired[str],
        },
    )
    Joke.__doc__ = "Tell a joke.\n\nArgs:\n    inner: more"
    told = convert_to_openai_function(Joke)
    assert (told["name"], told["description"]) == ("Joke", "Tell a joke.")
    assert told["parameters"] == {
        "type": "object",
        "properties": {
            "setup": {"type": "string", "description": "how it begins"},
            "rating": {"type": "integer", "default": 5, "description": "out of ten"},
            "tag": {"type": "string", "description": "a word"},
            "inner": {
                "type": "array",
                "description": "more",
                "items": {
                    "type": "object",
                    "properties": {"deep": {"type": "integer"}},
                    "required": ["deep"],
                },
            },
            "note": {"type": "string"},
        },
        "required": ["setup", "tag", "inner"],
    }


def test_a_model_that_holds_itself_is_told_to_the_first_level() -> None:
    class Node(BaseModel):
        children: list["Node"] = []

    assert convert_to_openai_function(Node)["parameters"]["properties"]["children"]["items"] == {}


def test_no_schema_refers_to_another() -> None:
    class Cat(BaseModel):
        kind: Literal["cat"]
        place: Place

    class Dog(BaseModel):
        kind: Literal["dog"]

    class Pets(BaseModel):
        pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]

    parameters = convert_to_openai_function(Pets)["parameters"]
    assert "$" not in repr(parameters)
    cat, dog = parameters["properties"]["pets"]["items"]["oneOf"]
    assert cat["properties"]["place"] == {**PLACE, "description": "Where."}
    assert dog["properties"]["kind"] == {"type": "string", "const": "dog"}


FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}


@pytest.mark.parametrize(
    "form",
    [
        FUNCTION,
        {"title": "f", "description": "d", **FUNCTION["parameters"]},  # type: ignore[dict-item]
        {"type": "function", "function": FUNCTION},
        {"name": "f", "description": "d", "input_schema": FUNCTION["parameters"]},
        {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": FUNCTION["parameters"]}}},
    ],
    ids=["function", "schema", "tool", "anthropic", "bedrock"],
)
def test_forms_of_dicts_tell_the_same(form: dict[str, Any]) -> None:
    assert convert_to_openai_tool(form) == {"type": "function", "function": FUNCTION}
    assert convert_to_openai_function(form) == FUNCTION
    assert convert_to_json_schema(form) == {"title": "f", "description": "d", **FUNCTION["parameters"]}  # type: ignore[dict-item]


def test_a_tool_of_the_provider_is_given_as_it_is() -> None:
    for own in ({"type": "web_search"}, {"type": "custom", "name": "x"}):
        assert convert_to_openai_tool(own) == own
        with pytest.raises(ValueError, match="expected a tool"):
            convert_to_json_schema(own)


@pytest.mark.parametrize("given", [3, "f", None, {"type": "object", "properties": {}}, {}])
def test_what_is_no_tool_is_an_error(given: Any) -> None:
    with pytest.raises(ValueError, match="expected a tool, got"):
        convert_to_openai_tool(given)
