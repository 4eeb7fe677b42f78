"""What goes in and what comes out, as pydantic models: of each node, and of what is composed of them."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from operator import itemgetter
from typing import Any, NotRequired, TypedDict

import pytest
from pydantic import BaseModel, ValidationError

from anabranch.nodes import (
    BaseRetriever,
    ChatPromptTemplate,
    Document,
    FakeListChatModel,
    PromptTemplate,
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    StrOutputParser,
    from_dag,
)

Schema = dict[str, Any]


def input_of(runnable: Runnable[Any, Any]) -> Schema:
    return runnable.get_input_jsonschema()


def output_of(runnable: Runnable[Any, Any]) -> Schema:
    return runnable.get_output_jsonschema()


def of_keys(title: str, **types: str | None) -> Schema:
    """The schema of a dict with these keys, all required; None stands for an open type."""
    properties = {
        key: {"title": key.title().replace("_", " ")} | ({"type": tp} if tp else {}) for key, tp in types.items()
    }
    return {"title": title, "type": "object", "properties": properties, "required": list(types)}


def length(text: str) -> int:
    return len(text)


def half(number: int) -> float:
    return number / 2


class Question(TypedDict):
    question: str
    hint: NotRequired[str]


def ask(text: str) -> Question:
    return {"question": text}


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(page_content=query)]


PROMPT = PromptTemplate.from_template("{context} {question}")
MODEL = FakeListChatModel(responses=["a"])


class TestFunctions:
    def test_types_come_from_the_annotations(self) -> None:
        assert input_of(RunnableLambda(length)) == {"title": "length_input", "type": "string"}
        assert output_of(RunnableLambda(length)) == {"title": "length_output", "type": "integer"}

    def test_keys_come_from_the_source_where_there_is_no_annotation(self) -> None:
        def get_value(input):  # type: ignore[no-untyped-def]
            return input["variable_name"]

        async def aget_values(input):  # type: ignore[no-untyped-def]
            return {"x": input["b"], "y": input.get("a")}

        assert input_of(RunnableLambda(get_value)) == of_keys("get_value_input", variable_name=None)
        assert input_of(RunnableLambda(aget_values)) == of_keys("aget_values_input", a=None, b=None)
        assert input_of(RunnableLambda(lambda x: x["a"])) == of_keys("RunnableLambdaInput", a=None)
        assert input_of(RunnableLambda(itemgetter("b", "a"))) == of_keys("RunnableLambdaInput", a=None, b=None)
        assert input_of(RunnableLambda(lambda x: x)) == {"title": "RunnableLambdaInput"}

    def test_generators_tell_the_types_of_their_chunks(self) -> None:
        def words(chunks: Iterator[str]) -> Iterator[int]:
            yield from map(len, chunks)

        async def awords(chunks: AsyncIterator[str]) -> AsyncIterator[int]:
            async for chunk in chunks:
                yield len(chunk)

        for func in (words, awords):
            runnable: Runnable[Any, Any] = RunnablePassthrough() | func
            assert runnable.steps[1].InputType is str  # type: ignore[attr-defined]
            assert output_of(runnable)["type"] == "integer"
        assert input_of(RunnableGenerator(words)) == {"title": "words_input", "type": "string"}


class TestDicts:
    def test_the_input_merges_the_keys_of_all_branches(self) -> None:
        both = RunnableParallel(city=lambda x: x["city"], language=lambda x: x["language"])
        assert input_of(both) == of_keys("RunnableParallel<city,language>Input", city=None, language=None)

    def test_a_type_that_one_branch_knows_wins(self) -> None:
        prompt = PromptTemplate.from_template("{a}")
        assert input_of(RunnableParallel(x=prompt, y=itemgetter("a")))["properties"] == {
            "a": {"title": "A", "type": "string"}
        }
        assert input_of(RunnableParallel(y=itemgetter("a"), x=prompt))["properties"] == {
            "a": {"title": "A", "type": "string"}
        }

    def test_a_branch_that_takes_anything_adds_nothing(self) -> None:
        assert input_of(RunnableParallel(a=itemgetter("b"), rest=RunnablePassthrough())) == of_keys(
            "RunnableParallel<a,rest>Input", b=None
        )

        def of_dict(values: dict[str, Any]) -> int:
            return len(values)

        assert input_of(RunnableParallel(a=itemgetter("b"), n=of_dict)) == of_keys("RunnableParallel<a,n>Input", b=None)

    def test_the_input_is_that_of_the_first_that_knows_it_when_not_all_take_dicts(self) -> None:
        retrieving = RunnableParallel(context=Shelf(), question=RunnablePassthrough())
        assert input_of(retrieving) == {"title": "RunnableParallel<context,question>Input", "type": "string"}
        assert retrieving.InputType is str

    def test_the_output_holds_each_key(self) -> None:
        assert output_of(RunnableParallel(n=length, any=lambda x: x)) == of_keys(
            "RunnableParallel<n,any>Output", n="integer", any=None
        )

    def test_a_passthrough_has_the_type_of_what_comes(self) -> None:
        chained = RunnableLambda(length) | {"n": RunnablePassthrough(), "half": half}
        assert output_of(chained) == of_keys("RunnableParallel<n,half>Output", n="integer", half="number")

    def test_an_empty_dict_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="at least one key"):
            RunnableParallel({})
        with pytest.raises(TypeError, match="must be strings, got 1"):
            RunnableParallel({1: length})  # type: ignore[dict-item]


class TestSequences:
    def test_the_input_is_that_of_the_first_step_and_the_output_that_of_the_last(self) -> None:
        chained = RunnableLambda(length) | half
        assert input_of(chained) == {"title": "length_input", "type": "string"}
        assert output_of(chained) == {"title": "half_output", "type": "number"}

    def test_the_input_of_assign_before_a_prompt_is_that_of_the_prompt_less_the_assigned_keys(self) -> None:
        chained = RunnablePassthrough.assign(context=itemgetter("question") | Shelf()) | PROMPT | MODEL
        assert input_of(chained) == of_keys("RunnableSequenceInput", question="string")
        twice = RunnablePassthrough.assign(context=lambda x: 1) | RunnablePassthrough.assign(a=len) | PROMPT
        assert input_of(twice) == of_keys("RunnableSequenceInput", question="string")

    def test_the_input_of_assign_before_anything_else_is_what_the_mapper_reads(self) -> None:
        chained = RunnablePassthrough.assign(context=itemgetter("question") | Shelf()) | (lambda x: x)
        assert input_of(chained) == of_keys("RunnableParallel<context>Input", question=None)

    def test_a_passthrough_in_front_hides_nothing(self) -> None:
        assert input_of(RunnablePassthrough() | PROMPT) == input_of(PROMPT)
        assert input_of(RunnablePassthrough(input_type=str) | PromptTemplate.from_template("{text}")) == {
            "title": "RunnablePassthroughInput",
            "type": "string",
        }

    def test_the_output_of_a_dict_and_assign_holds_all_keys(self) -> None:
        chained = RunnableParallel(n=length, text=str.upper) | RunnablePassthrough.assign(
            half=itemgetter("n") | RunnableLambda(half)
        )
        assert output_of(chained) == of_keys("RunnableSequenceOutput", n="integer", text=None, half="number")
        assert output_of(chained.assign(n=lambda x: "over")) == of_keys(
            "RunnableSequenceOutput", n=None, text=None, half="number"
        )

    def test_the_output_of_pick_holds_the_picked_keys(self) -> None:
        chained = RunnableParallel(n=length, text=str.upper) | RunnablePassthrough.assign(half=lambda x: 1.5)
        assert output_of(chained.pick(["n", "half"])) == of_keys("RunnableSequenceOutput", n="integer", half=None)
        assert output_of(chained.pick("n")) == {"title": "RunnableSequenceOutput", "type": "integer"}
        assert output_of(RunnablePassthrough() | RunnablePick("n")) == {"title": "RunnablePick<n>Output"}

    def test_itemgetter_has_the_type_of_the_key(self) -> None:
        chained = RunnableParallel(n=length, text=str.upper) | itemgetter("n")
        assert chained.OutputType is int
        assert (RunnableParallel(n=length, text=str.upper) | itemgetter("n", "text")).OutputType == tuple[int, Any]
        assert output_of({"m": itemgetter("n")} | RunnablePassthrough())["properties"] == {"m": {"title": "M"}}
        assert output_of(RunnableParallel(n=length) | {"m": itemgetter("n")}) == of_keys(
            "RunnableParallel<m>Output", m="integer"
        )

    def test_assign_keeps_the_keys_of_a_typed_dict(self) -> None:
        schema = output_of(
            RunnableLambda(ask) | RunnablePassthrough.assign(n=itemgetter("question") | RunnableLambda(length))
        )
        assert schema["title"] == "RunnableSequenceOutput"
        assert set(schema["properties"]) == {"question", "hint", "n"}
        assert set(schema["required"]) == {"question", "n"}
        assert schema["properties"]["n"]["type"] == "integer"

    def test_assign_alone_tells_what_its_mapper_reads_and_makes(self) -> None:
        assign = RunnablePassthrough.assign(n=itemgetter("text") | RunnableLambda(length))
        assert output_of(assign) == of_keys("RunnableAssignOutput", text=None, n="integer")

    def test_a_name_of_its_own_is_in_the_title(self) -> None:
        named = RunnableSequence(RunnableParallel(n=length), RunnablePassthrough.assign(m=len), name="Mine")
        assert output_of(named)["title"] == "MineOutput"

    def test_a_chain_of_thousands_has_schemas(self) -> None:
        chained: Runnable[Any, Any] = RunnableParallel(n=length)
        for _ in range(3000):
            chained = chained | RunnablePassthrough.assign(m=itemgetter("n"))
        assert output_of(chained) == of_keys("RunnableSequenceOutput", n="integer", m="integer")
        assert output_of(RunnableSequence(*[RunnableLambda(half)] * 3000))["type"] == "number"
        assert input_of(RunnableSequence(*[RunnablePassthrough()] * 3000, PROMPT)) == input_of(PROMPT)


class TestOthers:
    def test_a_prompt_has_its_variables(self) -> None:
        assert input_of(PROMPT) == of_keys("PromptInput", context="string", question="string")

    def test_map_has_lists(self) -> None:
        mapped = RunnableLambda(length).map()
        assert mapped.InputType == list[str]
        assert mapped.OutputType == list[int]
        assert input_of(mapped) == {"title": "RunnableEach<length>Input", "type": "array", "items": {"type": "string"}}
        assert output_of(mapped)["items"] == {"type": "integer"}

    def test_policies_and_bindings_have_what_they_wrap(self) -> None:
        plain = RunnableLambda(lambda x: x["a"])
        for runnable in (
            plain.with_retry(),
            plain.with_fallbacks([length]),
            plain.bind(b=1),
            plain.with_config(tags=["t"]),
            plain.with_config(timeout=5),
        ):
            assert input_of(runnable) == of_keys("RunnableLambdaInput", a=None)

    def test_declared_types_win(self) -> None:
        class Query(BaseModel):
            question: str

        typed = RunnableLambda(lambda x: x["a"]).with_types(input_type=Query, output_type=list[int])
        assert input_of(typed)["title"] == "Query"
        assert output_of(typed) == {"title": "RunnableLambdaOutput", "type": "array", "items": {"type": "integer"}}
        assert typed.bind(b=1).InputType is Query
        assert typed.with_types(output_type=str).InputType is Query

    def test_fallbacks_give_any_of_their_types(self) -> None:
        assert output_of(RunnableLambda(length).with_fallbacks([RunnableLambda(half)]))["type"] == "integer"
        either = RunnableLambda(length).with_fallbacks([RunnableLambda(half)])
        assert either.OutputType == int | float
        assert RunnableLambda(length).with_fallbacks([lambda x: x]).OutputType is Any

    def test_a_branch_has_the_first_input_that_is_known_and_any_output(self) -> None:
        branch = RunnableBranch((lambda x: True, lambda x: x), (lambda x: x["a"], half), length)
        assert input_of(branch) == {"title": "length_input", "type": "string"}
        assert RunnableBranch((lambda x: True, length), half).OutputType == float | int

    def test_a_router_takes_a_key_and_an_input(self) -> None:
        router = RouterRunnable({"a": length, "b": half})
        assert set(input_of(router)["properties"]) == {"key", "input"}
        assert router.OutputType == int | float

    def test_a_dag_has_the_inputs_of_its_sources_and_the_outputs_of_its_sinks(self) -> None:
        import networkx as nx

        dag: nx.DiGraph[str] = nx.DiGraph()
        dag.add_node("city", runnable=itemgetter("city"))
        dag.add_node("country", runnable=itemgetter("country"))
        dag.add_node("length", runnable=length)
        dag.add_edge("city", "length")
        made = from_dag(dag)
        assert input_of(made) == of_keys("RunnableDagInput", city=None, country=None)
        assert output_of(made) == of_keys("RunnableDagOutput", country=None, length="integer")

    def test_the_first_chain_takes_a_question_and_gives_text(self) -> None:
        chat = ChatPromptTemplate.from_template("{context} {question}")
        chained = {"context": Shelf(), "question": RunnablePassthrough()} | chat | MODEL | StrOutputParser()
        assert input_of(chained) == {"title": "RunnableParallel<context,question>Input", "type": "string"}
        assert output_of(chained) == {"title": "StrOutputParserOutput", "type": "string"}


class TestModels:
    def test_they_validate(self) -> None:
        model = RunnableLambda(length).get_input_schema()
        assert model.model_validate("text").root == "text"  # type: ignore[attr-defined]
        with pytest.raises(ValidationError):
            model.model_validate(5)
        keys = RunnableParallel(a=itemgetter("b")).input_schema
        assert keys.model_validate({"b": 1}).model_dump() == {"b": 1}
        with pytest.raises(ValidationError):
            keys.model_validate({})

    def test_both_ways_to_the_json_schema_work_without_a_warning(self) -> None:
        nodes: list[Runnable[Any, Any]] = [
            RunnableLambda(length),
            RunnableParallel(a=length),
            RunnablePassthrough.assign(a=length),
            RunnableParallel(a=length) | RunnablePassthrough.assign(b=len),
            RunnableLambda(length).map(),
            PROMPT,
            MODEL,
            RunnablePassthrough.assign(context=len) | PROMPT | MODEL | StrOutputParser(),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for node in nodes:
                for model in (node.input_schema, node.output_schema, node.config_schema(include=["tags"])):
                    assert model.schema() == model.model_json_schema()


class TestConfigSchema:
    def test_it_has_the_keys_that_are_asked_for(self) -> None:
        schema = RunnableLambda(length).get_config_jsonschema(include=["tags", "metadata", "run_name"])
        assert schema["title"] == "length_config"
        assert list(schema["properties"]) == ["tags", "metadata", "run_name"]
        assert schema["properties"]["tags"]["items"] == {"type": "string"}
        assert "required" not in schema
        assert RunnableLambda(length).get_config_jsonschema().get("properties", {}) == {}

    def test_a_config_fits_it(self) -> None:
        model = (RunnableLambda(length) | half).config_schema(include=["tags", "callbacks", "configurable"])
        assert model.__name__ == "RunnableSequenceConfig"
        config: RunnableConfig = {"tags": ["a"], "callbacks": None}
        assert model.model_validate(config).model_dump()["tags"] == ["a"]


DEEP: dict[str, Callable[[Any], Runnable[Any, Any]]] = {
    "dicts": lambda inner: RunnableParallel(x=inner),
    "sequences of dicts": lambda inner: RunnableLambda(itemgetter("x")) | {"x": inner},
    "assign": lambda inner: RunnablePassthrough.assign(x=inner),
    "retry": lambda inner: inner.with_retry(),
    "fallbacks": lambda inner: inner.with_fallbacks([RunnableLambda(str)]),
    "bound": lambda inner: inner.with_retry().with_config(tags=["t"]),
}


@pytest.mark.parametrize("kind", DEEP)
def test_schemas_of_deeply_nested_runnables_can_be_had(kind: str) -> None:
    chain: Runnable[Any, Any] = ChatPromptTemplate.from_template("{q}")
    for _ in range(400):
        chain = DEEP[kind](chain)
    assert chain.get_input_jsonschema()["title"]
    assert chain.get_output_jsonschema()["title"]
