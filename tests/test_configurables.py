"""What config may change: fields of a runnable, and which of several runs."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field, ValidationError

from anabranch.engine.errors import CompositionError, ConfigError
from anabranch.nodes import (
    ConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
    ConfigurableFieldSpec,
    FakeListChatModel,
    PromptTemplate,
    Runnable,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSerializable,
    StrOutputParser,
)
from anabranch.nodes.configurables import MOST_MADE, RunnableConfigurableFields


class Scale(RunnableSerializable[float, float]):
    factor: float = 1.0
    steps: list[str] = Field(default_factory=list)

    def invoke(self, input: float, config: Any = None, **kwargs: Any) -> float:
        return input * self.factor + len(self.steps) + float(kwargs.get("plus", 0))


class Aliased(RunnableSerializable[Any, str]):
    model: str = Field(default="a", validation_alias="model_name")

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> str:
        return self.model


class Plain(Runnable[float, float]):
    """A leaf that is no pydantic model."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def invoke(self, input: float, config: Any = None, **kwargs: Any) -> float:
        return input * self.factor


def given(**configurable: Any) -> RunnableConfig:
    return {"configurable": configurable}


FACTOR = ConfigurableField(id="factor", name="The factor", description="How much larger")
SCALED = Scale(factor=2).configurable_fields(factor=FACTOR)


class TestFields:
    def test_config_sets_them(self) -> None:
        assert SCALED.invoke(10) == 20
        assert SCALED.invoke(10, given(factor=3)) == 30
        assert SCALED.with_config(configurable={"factor": 4}).invoke(10) == 40
        assert SCALED.with_config(given(factor=4)).invoke(10, given(factor=5)) == 50
        assert SCALED.with_config(factor=6).invoke(10) == 60

    def test_by_every_verb(self) -> None:
        async def main() -> None:
            assert await SCALED.ainvoke(10, given(factor=3)) == 30
            assert [chunk async for chunk in SCALED.astream(10, given(factor=3))] == [30]
            assert await SCALED.abatch([1, 2], given(factor=3)) == [3, 6]

        assert list(SCALED.stream(10, given(factor=3))) == [30]
        assert SCALED.batch([1, 2], given(factor=3)) == [3, 6]
        assert SCALED.batch([1, 2], [given(factor=3), given(factor=4)]) == [3, 8]
        asyncio.run(main())

    def test_inside_chains_and_what_functions_call(self) -> None:
        chain = RunnableLambda(float) | {"a": SCALED, "b": RunnableLambda(lambda x: SCALED.invoke(x))}
        assert chain.invoke("10") == {"a": 20, "b": 20}
        assert chain.invoke("10", given(factor=3)) == {"a": 30, "b": 30}
        assert chain.with_config(configurable={"factor": 4}).invoke("10") == {"a": 40, "b": 40}

    def test_arguments_reach_what_is_chosen(self) -> None:
        assert SCALED.bind(plus=1).invoke(10, given(factor=3)) == 31
        assert SCALED.invoke(10, plus=1) == 21

    def test_other_fields_stay_as_they_are(self) -> None:
        scaled = Scale(factor=2, steps=["a", "b"]).configurable_fields(factor=FACTOR)
        assert scaled.invoke(10, given(factor=3)) == 32

    def test_a_wrong_value_is_an_error_of_the_model(self) -> None:
        with pytest.raises(ValidationError):
            SCALED.invoke(10, given(factor="much"))

    def test_an_alias_is_found(self) -> None:
        named = Aliased().configurable_fields(model=ConfigurableField(id="model"))
        assert (named.invoke(0), named.invoke(0, given(model="b"))) == ("a", "b")

    def test_a_leaf_that_is_no_model_has_them_too(self) -> None:
        scaled = Plain(2).configurable_fields(factor=FACTOR)
        assert (scaled.invoke(10), scaled.invoke(10, given(factor=3))) == (20, 30)

    def test_what_is_derived_from_a_field_follows_it(self) -> None:
        prompt = PromptTemplate.from_template("joke about {topic}").configurable_fields(
            template=ConfigurableField(id="template")
        )
        assert prompt.invoke({"topic": "bears"}).to_string() == "joke about bears"
        assert prompt.invoke({"x": "1"}, given(template="other {x}")).to_string() == "other 1"
        assert set(prompt.get_input_schema(given(template="other {x}")).model_fields) == {"x"}

    def test_the_graph_of_one_value_is_not_that_of_another(self) -> None:
        configurable = Scale().configurable_fields(factor=FACTOR, steps=ConfigurableField(id="steps"))
        for _ in range(2):
            for factor in (1.0, 2.0, 3.0):
                assert configurable.invoke(10, given(factor=factor)) == 10 * factor
        assert configurable.invoke(10, given(steps=["a"])) == 11
        assert configurable.invoke(10, given(steps=["a", "b"])) == 12

    def test_for_one_value_the_graph_is_built_once_and_not_too_many_are_kept(self) -> None:
        configurable = RunnableConfigurableFields(Scale(), {"factor": FACTOR})
        first = configurable.chosen(given(factor=2.0))
        assert configurable.chosen(given(factor=2.0)) is first
        assert configurable.chosen(given(factor=1.0)) is not first
        for factor in range(100):
            configurable.invoke(1, given(factor=float(factor)))
        assert len(configurable._made) == MOST_MADE

    def test_declaring_more_fields_joins_them(self) -> None:
        both = SCALED.configurable_fields(steps=ConfigurableField(id="steps"))
        assert both.invoke(10, given(factor=3, steps=["a"])) == 31

    def test_an_unknown_field_is_an_error_that_tells_the_known_ones(self) -> None:
        with pytest.raises(ConfigError, match=r"Scale has no field 'size' to configure; it has .*'factor', 'steps'"):
            Scale().configurable_fields(size=FACTOR)

    def test_copies_work_and_start_without_what_was_made(self) -> None:
        SCALED.invoke(1, given(factor=9))
        for made in (copy.deepcopy(SCALED), pickle.loads(pickle.dumps(SCALED))):
            assert "_made" not in vars(made)
            assert made.invoke(10, given(factor=3)) == 30


class TestOptions:
    SINGLE = ConfigurableFieldSingleOption(id="size", options={"small": 2.0, "large": 10.0}, default="small")
    MULTI = ConfigurableFieldMultiOption(id="steps", options={"x": "ex", "y": "why"}, default=["x"])

    def test_config_names_one(self) -> None:
        sized = Scale().configurable_fields(factor=self.SINGLE)
        assert sized.invoke(10, given(size="large")) == 100

    def test_without_config_the_default_option_stands(self) -> None:
        assert Scale(factor=7).configurable_fields(factor=self.SINGLE).invoke(10) == 20

    def test_config_names_several(self) -> None:
        stepped = Scale().configurable_fields(steps=self.MULTI)
        assert stepped.invoke(10) == 11
        assert stepped.invoke(10, given(steps=["x", "y"])) == 12
        assert stepped.invoke(10, given(steps=[])) == 10

    def test_an_unknown_option_is_an_error_that_tells_the_known_ones(self) -> None:
        with pytest.raises(
            ConfigError, match=r"configurable\['size'\] is 'huge', but the options are 'small', 'large'"
        ):
            Scale().configurable_fields(factor=self.SINGLE).invoke(10, given(size="huge"))
        with pytest.raises(ConfigError, match="but the options are 'x', 'y'"):
            Scale().configurable_fields(steps=self.MULTI).invoke(10, given(steps=["z"]))


def tokens(text: str) -> Iterator[str]:
    yield from text


WHICH = ConfigurableField(id="which", name="Which one")


class TestAlternatives:
    CHOICE = RunnableLambda(str.upper).configurable_alternatives(
        WHICH,
        default_key="upper",
        lower=str.lower,
        tokens=RunnableLambda(tokens),
        title=lambda: RunnableLambda(str.title),
    )

    def test_config_names_one(self) -> None:
        assert self.CHOICE.invoke("aB") == "AB"
        assert self.CHOICE.invoke("aB", given(which="upper")) == "AB"
        assert self.CHOICE.invoke("aB", given(which="lower")) == "ab"
        assert self.CHOICE.with_config(configurable={"which": "title"}).invoke("ab") == "Ab"

    def test_by_every_verb(self) -> None:
        async def main() -> None:
            assert await self.CHOICE.ainvoke("aB", given(which="lower")) == "ab"
            assert [chunk async for chunk in self.CHOICE.astream("ab", given(which="tokens"))] == ["a", "b"]

        assert list(self.CHOICE.stream("ab", given(which="tokens"))) == ["a", "b"]
        assert self.CHOICE.batch(["aB", "aB"], [given(which="lower"), given()]) == ["ab", "AB"]
        asyncio.run(main())

    def test_a_function_without_parameters_makes_it_once(self) -> None:
        made: list[str] = []

        def make() -> Runnable[str, str]:
            made.append("made")
            return RunnableLambda(str.title)

        choice = RunnableLambda(str.upper).configurable_alternatives(WHICH, title=make)
        assert made == []
        assert choice.batch(["ab", "cd"], {**given(which="title"), "max_concurrency": 1}) == ["Ab", "Cd"]
        assert made == ["made"]

    def test_chains_may_be_alternatives(self) -> None:
        choice = RunnableLambda(str.upper).configurable_alternatives(WHICH, counted={"n": len} | RunnablePassthrough())
        assert (choice | str).invoke("ab", given(which="counted")) == "{'n': 2}"

    def test_an_unknown_name_is_an_error_that_tells_the_known_ones(self) -> None:
        with pytest.raises(
            ConfigError, match=r"configurable\['which'\] is 'x', but .* 'upper', 'lower', 'tokens', 'title'"
        ):
            self.CHOICE.invoke("a", given(which="x"))

    def test_two_of_one_name_are_an_error(self) -> None:
        with pytest.raises(CompositionError, match="two alternatives are called 'default'"):
            RunnableLambda(str.upper).configurable_alternatives(WHICH, default=str.lower)

    def test_edges_to_and_from_it_are_not_certain(self) -> None:
        def shout(text: str) -> str:
            return text.upper()

        def length(text: str) -> int:
            return len(text)

        choice = RunnableLambda(shout).configurable_alternatives(WHICH, length=length)
        lengths: Runnable[str, Any] = RunnableLambda(length).configurable_alternatives(WHICH, text=str)
        assert (RunnableLambda(length) | lengths).invoke("abc", given(which="text")) == "3"
        assert (choice | shout).invoke("a") == "A"
        assert choice.OutputType == str | int

    def test_schemas_are_those_of_what_config_names(self) -> None:
        choice = Scale().configurable_alternatives(WHICH, prompt=PromptTemplate.from_template("{a}"))
        assert choice.get_input_jsonschema()["type"] == "number"
        assert set(choice.get_input_jsonschema(given(which="prompt"))["properties"]) == {"a"}
        assert set(choice.with_config(given(which="prompt")).get_input_jsonschema()["properties"]) == {"a"}
        assert choice.get_output_jsonschema()["type"] == "number"

    def test_attributes_are_those_of_the_default(self) -> None:
        choice: Any = Scale(factor=3).configurable_alternatives(WHICH, other=Scale())
        assert choice.factor == 3
        assert choice.get_name() == "Scale"
        with pytest.raises(AttributeError):
            choice.nothing  # noqa: B018


class TestPrefixes:
    def choice(self, prefix_keys: bool) -> Runnable[float, float]:
        size = ConfigurableField(id="factor")
        shared = ConfigurableField(id="steps", is_shared=True)
        small = Scale(factor=1).configurable_fields(factor=size, steps=shared)
        large = Scale(factor=10).configurable_fields(factor=size, steps=shared)
        return small.configurable_alternatives(WHICH, default_key="small", large=large, prefix_keys=prefix_keys)

    def test_without_a_prefix_alternatives_share_their_fields(self) -> None:
        choice = self.choice(False)
        assert choice.invoke(10, given(factor=5)) == 50
        assert choice.invoke(10, given(factor=5, which="large")) == 50

    def test_with_a_prefix_each_has_its_own(self) -> None:
        choice = self.choice(True)
        fields = {"which==small/factor": 2, "which==large/factor": 20}
        assert choice.invoke(10, given(**fields)) == 20
        assert choice.invoke(10, given(**fields, which="large")) == 200
        assert choice.invoke(10, given(which="large")) == 100

    def test_what_is_shared_has_none(self) -> None:
        choice = self.choice(True)
        assert choice.invoke(10, given(which="large", steps=["a"])) == 101
        assert [spec.id for spec in choice.config_specs] == [
            "steps",
            "which",
            "which==large/factor",
            "which==small/factor",
        ]


class TestSpecs:
    def test_they_tell_what_config_may_set(self) -> None:
        assert SCALED.config_specs == [
            ConfigurableFieldSpec(
                id="factor", annotation=float, name="The factor", description="How much larger", default=2.0
            )
        ]
        choice = TestAlternatives.CHOICE.config_specs
        assert [(spec.id, spec.name, spec.default) for spec in choice] == [("which", "Which one", "upper")]

    def test_those_of_all_parts_are_found_once_in_order(self) -> None:
        size = Scale().configurable_fields(factor=ConfigurableField(id="a"))
        chain: Runnable[Any, Any] = (
            RunnableParallel(x=SCALED, y=size.with_retry(), z=TestAlternatives.CHOICE.map())
            | RunnablePassthrough.assign(w=SCALED.with_fallbacks([size]).bind())
            | RunnableLambda(lambda d: SCALED.invoke(d["x"]))
        )
        assert [spec.id for spec in chain.config_specs] == ["a", "factor", "which"]

    def test_a_chain_that_mentions_itself_has_them_too(self) -> None:
        assert RECURSIVE.config_specs == SCALED.config_specs

    def test_two_different_ones_of_one_id_are_an_error(self) -> None:
        other = Scale(factor=9).configurable_fields(factor=ConfigurableField(id="factor"))
        with pytest.raises(CompositionError, match="two fields have the configurable id 'factor'"):
            (SCALED | other).config_specs  # noqa: B018

    def test_they_make_the_schema_of_the_config(self) -> None:
        schema = (SCALED | str | TestAlternatives.CHOICE).get_config_jsonschema(include=["tags"])
        assert schema["title"] == "RunnableSequenceConfig"
        assert list(schema["properties"]) == ["configurable", "tags"]
        assert schema["$defs"]["Configurable"] == {
            "title": "Configurable",
            "type": "object",
            "properties": {
                "factor": {
                    "title": "The factor",
                    "description": "How much larger",
                    "default": 2.0,
                    "type": "number",
                },
                "which": {
                    "title": "Which one",
                    "default": "upper",
                    "enum": ["upper", "lower", "tokens", "title"],
                    "type": "string",
                },
            },
        }

    def test_options_are_told_by_name(self) -> None:
        sized = Scale().configurable_fields(factor=TestOptions.SINGLE, steps=TestOptions.MULTI)
        properties = sized.get_config_jsonschema()["$defs"]["Configurable"]["properties"]
        assert properties["size"] == {
            "title": "Size",
            "default": "small",
            "enum": ["small", "large"],
            "type": "string",
        }
        assert properties["steps"]["items"]["enum"] == ["x", "y"]
        assert properties["steps"]["default"] == ["x"]

    def test_an_id_may_be_any_string(self) -> None:
        schema = TestPrefixes().choice(True).get_config_jsonschema()
        assert "which==large/factor" in schema["$defs"]["Configurable"]["properties"]


RECURSIVE: Runnable[Any, Any] = SCALED | RunnableLambda(lambda x: RECURSIVE.invoke(x) if x < 0 else x)


def test_a_configurable_model_in_a_chain() -> None:
    model = FakeListChatModel(responses=["one"]).configurable_fields(responses=ConfigurableField(id="responses"))
    chain = PromptTemplate.from_template("{q}") | model | StrOutputParser()
    assert chain.invoke({"q": "?"}) == "one"
    assert chain.invoke({"q": "?"}, given(responses=["two"])) == "two"
    assert "".join(chain.stream({"q": "?"}, given(responses=["two"]))) == "two"


def test_prompts_are_told_in_order_and_by_what_config_chooses() -> None:
    first, second = (PromptTemplate.from_template(text) for text in ("joke on {x}", "poem on {x}"))
    chosen = first.configurable_alternatives(ConfigurableField("prompt"), default_key="joke", poem=second)
    ask = PromptTemplate.from_template("{a}")

    def nested(value: Any) -> Any:
        return ask.invoke(value)

    chain = RunnableParallel(text=chosen, same=chosen, other=nested) | PromptTemplate.from_template("{text}{other}")
    templates = [[prompt.template for prompt in each] for each in (prompts(chain), prompts(chain, "poem"))]
    assert templates == [["joke on {x}", "{a}", "{text}{other}"], ["poem on {x}", "{a}", "{text}{other}"]]
    bound = chain.with_config(configurable={"prompt": "poem"})
    assert prompts(bound) == prompts(chain, "poem")
    changed = first.configurable_fields(template=ConfigurableField("template"))
    told = changed.get_prompts({"configurable": {"template": "song of {x}"}})
    assert told == [PromptTemplate.from_template("song of {x}")]


def prompts(chain: Runnable[Any, Any], which: str | None = None) -> list[Any]:
    return chain.get_prompts({"configurable": {"prompt": which}} if which else None)
