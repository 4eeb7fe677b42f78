"""Models from types: any title, any key, any type, and never a warning."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NoReturn, NotRequired, TypedDict, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from verbs import one_after_another

from anabranch.engine.schemas import SchemaModel, input_model, schema_of
from anabranch.engine.value_types import DictType

T = TypeVar("T")
TITLE = "RunnableParallel<city,language>Input"


class Document(BaseModel):
    """A piece of text."""

    text: str


class Opaque:
    """Nothing that JSON knows."""


class Question(TypedDict):
    question: str
    context: NotRequired[list[str]]
    hint: NotRequired[str | None]
    size: NotRequired[int | str]


class Tree(TypedDict):
    children: list[Tree]


def json_schema(tp: Any) -> dict[str, Any]:
    return schema_of(tp, TITLE).model_json_schema()


def opened(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema without its title."""
    return {key: value for key, value in schema.items() if key != "title"}


class TestInputModels:
    def test_that_of_a_prompt_is_as_users_know_it(self) -> None:
        model = input_model("PromptInput", ["topic"], str)
        assert model.model_json_schema() == {
            "title": "PromptInput",
            "type": "object",
            "properties": {"topic": {"title": "Topic", "type": "string"}},
            "required": ["topic"],
        }

    def test_keys_are_sorted_and_all_required(self) -> None:
        schema = input_model("X", {"language", "city", "a_b"}).model_json_schema()
        assert list(schema["properties"]) == schema["required"] == ["a_b", "city", "language"]
        assert schema["properties"]["a_b"] == {"title": "A B"}

    def test_a_missing_key_is_invalid(self) -> None:
        model = input_model("X", ["a", "b"])
        assert model.model_validate({"a": 1, "b": 2})
        with pytest.raises(ValidationError):
            model.model_validate({"a": 1})


class TestTitles:
    @one_after_another("title", [TITLE, "get_value_input", "RunnableSequenceOutput", "<lambda>", "a b", ""])
    @one_after_another("tp", [str, Any, DictType({"a": int}), Document | str])
    def test_a_model_has_the_wanted_name_and_title(self, tp: Any, title: str) -> None:
        model = schema_of(tp, title)
        assert model.__name__ == title
        assert model.model_json_schema().get("title", "") == title

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
    def test_whatever_characters_are_in_it(self, title: str) -> None:
        assert schema_of(list[Document], title).model_json_schema().get("title", "") == title

    def test_a_pydantic_model_stays_itself(self) -> None:
        assert schema_of(Document, TITLE) is Document

    def test_the_same_type_and_title_make_the_same_model(self) -> None:
        assert schema_of(list[str], TITLE) is schema_of(list[str], TITLE)
        assert schema_of(list[str], TITLE) is not schema_of(list[str], "other")
        assert schema_of(DictType({"a": int}), TITLE) is schema_of(DictType({"a": int}), TITLE)


class TestTypes:
    @pytest.mark.parametrize(
        ("tp", "schema"),
        [
            (str, {"type": "string"}),
            (Any, {}),
            (list[int], {"type": "array", "items": {"type": "integer"}}),
            (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
            (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ],
    )
    def test_a_plain_type_is_that_type_with_a_title(self, tp: Any, schema: dict[str, Any]) -> None:
        assert json_schema(tp) == {"title": TITLE, **schema}

    def test_models_inside_a_type_are_referred_to(self) -> None:
        schema = json_schema(list[Document] | str)
        assert schema["anyOf"] == [
            {"type": "array", "items": {"$ref": "#/$defs/Document"}},
            {"type": "string"},
        ]
        assert schema["$defs"]["Document"] == Document.model_json_schema()

    def test_a_join_has_its_keys_as_fields(self) -> None:
        schema = json_schema(DictType({"context": list[Document], "question": Any}))
        assert schema["properties"] == {
            "context": {"title": "Context", "type": "array", "items": {"$ref": "#/$defs/Document"}},
            "question": {"title": "Question"},
        }
        assert schema["required"] == ["context", "question"]

    def test_a_join_in_a_join_is_a_model_in_a_model(self) -> None:
        schema = json_schema(DictType({"outer_key": DictType({"inner": str})}))
        assert schema["properties"]["outer_key"] == {"$ref": "#/$defs/Outer_Key"}
        assert schema["$defs"]["Outer_Key"]["properties"] == {"inner": {"title": "Inner", "type": "string"}}

    def test_a_typed_dict_need_not_have_every_key(self) -> None:
        schema = json_schema(Question)
        assert schema["required"] == ["question"]
        assert schema["properties"] == {
            "question": {"title": "Question", "type": "string"},
            "context": {"title": "Context", "type": "array", "items": {"type": "string"}},
            "hint": {"title": "Hint", "anyOf": [{"type": "string"}, {"type": "null"}]},
            "size": {"title": "Size", "anyOf": [{"type": "integer"}, {"type": "string"}]},
        }

    def test_what_need_not_be_there_may_be_left_out_and_dumped(self) -> None:
        model = schema_of(Question, TITLE)
        assert model.model_validate({"question": "why"}).model_dump(exclude_none=True) == {"question": "why"}

    @pytest.mark.parametrize("tp", [list[Question], dict[str, Question], Question | None, tuple[Question, ...]])
    def test_a_typed_dict_inside_a_type_is_a_model_too(self, tp: Any) -> None:
        assert json_schema(tp)["$defs"]["Question"] == {**json_schema(Question), "title": "Question"}

    def test_a_recursive_typed_dict_ends_in_anything(self) -> None:
        assert json_schema(Tree)["properties"]["children"] == {
            "title": "Children",
            "type": "array",
            "items": {},
        }

    @pytest.mark.parametrize(
        "tp",
        [Opaque, Callable[[int], str], type[int], Iterator[str], "Nowhere", T, TITLE],
    )
    def test_what_json_does_not_know_is_left_open(self, tp: Any) -> None:
        assert opened(json_schema(tp)) == {}
        assert opened(json_schema(list[tp])) == {"type": "array", "items": {}}
        assert json_schema(DictType({"a": tp, "b": int}))["properties"] == {
            "a": {"title": "A"},
            "b": {"title": "B", "type": "integer"},
        }

    @pytest.mark.parametrize("tp", [NoReturn, list[NoReturn]])
    def test_what_pydantic_cannot_take_is_anything(self, tp: Any) -> None:
        assert json_schema(tp).items() <= {"title": TITLE}.items()

    def test_a_type_that_cannot_be_hashed_has_a_schema(self) -> None:
        tp = Annotated[int, Field(json_schema_extra={"examples": [1]}), []]
        assert opened(json_schema(tp)) == {"type": "integer", "examples": [1]}

    def test_values_are_validated(self) -> None:
        model = schema_of(list[int], TITLE)
        assert model.model_validate([1]).model_dump_json() == "[1]"
        with pytest.raises(ValidationError):
            model.model_validate("a")


class TestKeys:
    @one_after_another(
        "key",
        [
            *("schema", "json", "copy", "model_config", "model_fields", "model_name", "mro"),
            *("_private", "__base__", "a b", "1", "", "class", "self", "root", "größe"),
        ],
    )
    def test_any_key_can_be_a_field(self, key: str) -> None:
        model = schema_of(DictType({key: str, "field_": int}), TITLE)
        schema = model.model_json_schema()
        assert schema["properties"][key]["type"] == "string"
        assert key in schema["required"]
        given = {key: "x", "field_": 1}
        assert model.model_validate(given).model_dump(by_alias=True) == given

    @given(st.dictionaries(st.text(max_size=4), st.sampled_from([str, Any, Opaque, list[int]])))
    def test_whatever_characters_are_in_it(self, types: dict[str, Any]) -> None:
        schema = json_schema(DictType(types))
        assert list(schema["properties"]) == list(types)
        assert schema.get("required", []) == list(types)


class TestOlderNames:
    @pytest.mark.parametrize("tp", [str, DictType({"a": Opaque}), Question])
    def test_schema_is_the_same_without_a_warning(self, tp: Any) -> None:
        model = schema_of(tp, TITLE)
        assert issubclass(model, SchemaModel)
        assert model.schema() == model.schema(True) == model.model_json_schema()
        assert json.loads(model.schema_json(indent=2)) == model.model_json_schema()

    def test_where_references_stand_can_be_chosen(self) -> None:
        model = schema_of(list[Document], TITLE)
        assert issubclass(model, SchemaModel)
        assert model.schema(ref_template="#/x/{model}")["items"] == {"$ref": "#/x/Document"}
        assert "#/x/Document" in model.schema_json(ref_template="#/x/{model}")

    def test_text_has_the_names_of_the_keys_unless_those_of_the_fields_are_asked_for(self) -> None:
        model = schema_of(DictType({"a b": int}), TITLE)
        assert issubclass(model, SchemaModel)
        assert list(json.loads(model.schema_json())["properties"]) == ["a b"]
        assert list(json.loads(model.schema_json(by_alias=False))["properties"]) == ["field_a_32_b"]

    def test_another_generator_can_be_given(self) -> None:
        class Empty(GenerateJsonSchema):
            def generate(self, schema: Any, mode: Any = "validation") -> dict[str, Any]:
                return {}

        model = schema_of(str, TITLE)
        assert model.model_json_schema(schema_generator=Empty) == {}
        assert model.model_json_schema(True, "{model}", Empty) == {}

    def test_a_model_of_ones_own_can_have_them(self) -> None:
        class Own(SchemaModel):
            """Said about it."""

            opaque: Opaque

        assert Own.schema()["properties"] == {"opaque": {"title": "Opaque"}}
        assert Own.schema()["description"] == "Said about it."

    def test_making_a_model_does_not_block_a_loop(self) -> None:
        async def main() -> dict[str, Any]:
            return json_schema(DictType({"loop": Document, "more": Question, "rest": Opaque}))

        assert asyncio.run(main())["required"] == ["loop", "more", "rest"]
