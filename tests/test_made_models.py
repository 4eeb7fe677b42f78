"""Models made of types, of other models and of configs, that go into a pickle as how they are made."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Annotated, Any, NamedTuple, TypedDict, Union

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError
from verbs import one_after_another

from anabranch.engine.schemas import (
    SchemaModel,
    config_model,
    field_name,
    fields_of,
    input_model,
    keyed_model,
    merged_fields,
    model_of,
    schema_of,
    takes_anything,
)
from anabranch.engine.value_types import DictType


class Own(SchemaModel):
    text: str


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    text: str = Field(alias="the text")
    number: int = 5


PART: Any = DictType({"a": int})


class Question(TypedDict):
    question: str


class Spec(NamedTuple):
    id: str
    annotation: Any = None
    default: Any = None
    name: str | None = None
    description: str | None = None


def _around(inner: Any, _: int) -> Any:
    return DictType({"inner": inner})


def properties(model: type[BaseModel]) -> Any:
    return model.model_json_schema()["properties"]


class TestFields:
    def test_those_of_a_model_are_known_by_the_keys_of_the_dict(self) -> None:
        found = fields_of(Aliased)
        assert found is not None
        assert {key: (name, tp) for key, (name, tp, _) in found.items()} == {
            "the text": ("text", str),
            "number": ("number", int),
        }
        assert found["number"][2].default == 5
        assert fields_of(schema_of(list[int], "List")) is None
        assert fields_of(RootModel[int]) is None

    def test_of_a_key_that_several_have_the_last_that_knows_its_type_counts(self) -> None:
        def fields(**types: Any) -> Any:
            return fields_of(keyed_model("Part", types))

        merged = merged_fields([fields(a=str, b=Any, c=int), fields(a=Any, b=int, d=Any), fields(c=float)])
        assert {key: tp for key, (_, tp, _) in merged.items()} == {"a": str, "b": int, "c": float, "d": Any}
        assert merged_fields([]) == {}

    def test_a_model_of_fields_is_the_dict_that_has_them_all(self) -> None:
        both = merged_fields(filter(None, [fields_of(Aliased), fields_of(keyed_model("B", {"a b": int}, ["a b"]))]))
        model = model_of("Both", both)
        assert model.__name__ == "Both"
        assert properties(model) == {
            "the text": {"title": "The Text", "type": "string"},
            "number": {"title": "Number", "type": "integer", "default": 5},
            "a b": {"title": "A B", "type": "integer"},
        }
        assert model.model_json_schema()["required"] == ["the text"]
        assert model.model_validate({"the text": "x", "a b": 1}).model_dump(by_alias=True) == {
            "the text": "x",
            "number": 5,
            "a b": 1,
        }

    def test_making_a_model_of_fields_leaves_theirs_alone(self) -> None:
        fields = fields_of(Aliased) or {}
        made = model_of("Copy", fields)
        assert made.model_fields["text"] is not fields["the text"][2] is Aliased.model_fields["text"]

    @one_after_another(
        ("name", "used", "field"),
        [
            ("text", "", "text"),
            ("größe", "", "größe"),
            ("a b", "", "field_a_32_b"),
            ("_a", "", "field__95_a"),
            ("é1!", "", "field__233_1_33_"),
            ("schema", "", "field_schema"),
            ("schema", ["field_schema", "field_schema_"], "field_schema__"),
            ("", "", "field_"),
        ],
    )
    def test_a_field_has_the_name_of_its_key_or_one_that_pydantic_takes(self, name: str, used: Any, field: str) -> None:
        assert field_name(name, used) == field


class TestKeyedModels:
    def test_keys_may_be_optional(self) -> None:
        model = keyed_model("Input", {"a": int, "b": str}, ["b"])
        assert model.__name__ == "Input"
        assert model.model_json_schema()["required"] == ["a"]
        assert model.model_validate({"a": 1, "more": 2}).model_dump() == {"a": 1, "b": None}
        with pytest.raises(ValidationError):
            model.model_validate({"b": "x"})
        assert keyed_model("Input", {"a": int}).model_json_schema()["required"] == ["a"]

    def test_keys_are_read_of_any_type_unless_one_is_given(self) -> None:
        assert properties(input_model("Input", ["b", "a"])) == {"a": {"title": "A"}, "b": {"title": "B"}}
        assert properties(input_model("Input", ["a"], int)) == {"a": {"title": "A", "type": "integer"}}

    def test_dicts_in_dicts_are_known_to_some_depth_and_anything_below(self) -> None:
        deep: Any = reduce(_around, range(40), int)
        at = schema_of(deep, "Deep").model_json_schema()
        models, depth = at["$defs"], 1
        while "$ref" in at["properties"]["inner"]:
            at = models[at["properties"]["inner"]["$ref"].split("/")[-1]]
            depth += 1
        assert depth == 32
        assert at["properties"]["inner"] == {"title": "Inner", "type": "object", "additionalProperties": True}

    @one_after_another(
        ("tp", "said"),
        [
            *((tp, "items") for tp in (list[PART], set[PART], frozenset[PART], Sequence[PART], Iterable[PART])),
            *((tp, "additionalProperties") for tp in (dict[str, PART], Mapping[str, PART])),
            (tuple[PART, ...], "items"),
        ],
    )
    def test_dicts_within_containers_are_known_too(self, tp: Any, said: str) -> None:
        schema = schema_of(tp, "Part").model_json_schema()
        assert schema[said] == {"$ref": "#/$defs/Part"}
        assert schema["$defs"]["Part"]["properties"] == {"a": {"title": "A", "type": "integer"}}

    def test_each_of_several_types_is_known(self) -> None:
        pair = schema_of(tuple[PART, str], "Part").model_json_schema()
        assert pair["prefixItems"] == [{"$ref": "#/$defs/Part"}, {"type": "string"}]
        either = schema_of(Union[PART, str, None], "Part").model_json_schema()  # noqa: UP007
        assert either["anyOf"] == [{"$ref": "#/$defs/Part"}, {"type": "string"}, {"type": "null"}]
        assert schema_of(Iterator[PART], "Part").model_json_schema() == {"title": "Part"}  # can't be looked into

    def test_a_type_that_cannot_be_had_is_anything_and_leaves_the_others(self) -> None:
        class Broken:
            @classmethod
            def __get_pydantic_core_schema__(cls, *args: Any) -> Any:
                raise RuntimeError("no")

        class Silent:
            """Only its JSON schema can't be had."""

            @classmethod
            def __get_pydantic_json_schema__(cls, *args: Any) -> Any:
                raise RuntimeError("no")

        types = {"a": Broken, "b": int, "c": Annotated[list[str], "extra"], "d": Silent}
        model = schema_of(DictType(types), "Half")
        assert properties(model)["a"] == {"title": "A"}
        assert properties(model)["d"] == {"title": "D"}
        assert properties(model)["b"] == {"title": "B", "type": "integer"}
        assert properties(model)["c"]["items"] == {"type": "string"}


class TestTakingAnything:
    @pytest.mark.parametrize("tp", [Any, object, dict, dict[str, int], Mapping, Mapping[str, Any]])
    def test_what_says_nothing_or_only_that_it_is_a_dict_takes_anything(self, tp: Any) -> None:
        assert takes_anything(schema_of(tp, "Input")) is True

    @one_after_another("tp", [int, list[Any], str | None, DictType({}), DictType({"a": Any}), Own, Question])
    def test_what_says_more_does_not(self, tp: Any) -> None:
        assert takes_anything(schema_of(tp, "Input")) is False


class TestConfigModels:
    def test_what_may_be_configured_stands_in_a_field_of_its_own(self) -> None:
        specs = [Spec("size", int, 3, "Size", "How large."), Spec("a b"), Spec("kind", str, "x")]
        model = config_model("Config", {"tags": list[str]}, specs)
        assert model.__name__ == "Config"
        schema = model.model_json_schema()
        assert list(schema["properties"]) == ["configurable", "tags"]
        assert "required" not in schema
        inner = schema["$defs"]["Configurable"]
        assert inner["properties"] == {
            "size": {"title": "Size", "type": "integer", "default": 3, "description": "How large."},
            "a b": {"title": "A B", "default": None},
            "kind": {"title": "Kind", "type": "string", "default": "x"},
        }
        known: Any = model.model_validate({"configurable": {"a b": 1}})
        assert known.configurable.model_dump(by_alias=True) == {"size": 3, "a b": 1, "kind": "x"}
        assert known.tags is None

    def test_without_any_there_is_no_such_field(self) -> None:
        assert list(properties(config_model("Config", {"tags": list[str]}, []))) == ["tags"]


class TestPickles:
    @pytest.mark.parametrize(
        "model",
        [
            schema_of(list[int], "List"),
            schema_of(DictType({"a": int}), "Keys"),
            schema_of(Annotated[int, Field(json_schema_extra={"examples": [1]}), []], "Number"),
            keyed_model("Input", {"a": int, "b": str}, ["b"]),
            model_of("Both", fields_of(Aliased) or {}),
        ],
    )
    def test_a_made_model_is_made_again(self, model: type[BaseModel]) -> None:
        again = pickle.loads(pickle.dumps(model))
        assert (again.__name__, again.model_json_schema()) == (model.__name__, model.model_json_schema())

    @pytest.mark.parametrize("model", [SchemaModel, Own])
    def test_one_that_a_module_has_goes_by_its_name(self, model: type[BaseModel]) -> None:
        assert pickle.loads(pickle.dumps(model)) is model
        assert pickle.loads(pickle.dumps(Own(text="a"))) == Own(text="a")

    def test_a_class_made_of_a_made_one_is_not_taken_for_it(self) -> None:
        class Derived(keyed_model("Base", {"a": int})):  # type: ignore[misc]
            pass

        with pytest.raises((pickle.PicklingError, AttributeError), match="Derived"):
            pickle.dumps(Derived)
