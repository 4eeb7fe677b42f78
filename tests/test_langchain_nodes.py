"""Whatever langchain-core makes is a node as it is, in all verbs, wherever something runnable is expected."""

from __future__ import annotations

import asyncio
from typing import Any

import networkx as nx
import pytest
from verbs import one_after_another

from anabranch.nodes import (
    AIMessage,
    ChatPromptValue,
    Document,
    FakeListChatModel,
    HumanMessage,
    OutputParserException,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    StrOutputParser,
    ToolException,
    ToolMessage,
    coerce_to_runnable,
    fold,
    from_dag,
    from_langchain,
    to_langchain,
)
from anabranch.nodes.checking.equal_outputs import equal_outputs
from anabranch.nodes.laws import assert_laws

pytest.importorskip("langchain_core", reason='needs langchain-core: pip install "anabranch[langchain]"')
from langchain_core import exceptions as their_exceptions
from langchain_core import language_models as their_models
from langchain_core import output_parsers as their_parsers
from langchain_core import prompts as their_prompts
from langchain_core import runnables as theirs
from langchain_core import tools as their_tools
from langchain_objects import KINDS, OTHERS, Shelf, add, found

from anabranch.nodes.langchain.values import from_langchain_value

ALL = {**KINDS, **OTHERS}


async def collected(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


def chain_of(kit: Any) -> Any:
    """A chain of three, of the classes of one side."""
    prompt = kit["prompt"].from_messages([("system", "Be {mood}"), ("human", "{question}")])
    return prompt | kit["model"](responses=["1, 2", "3"]) | kit["parser"]()


THEIRS = {
    "prompt": their_prompts.ChatPromptTemplate,
    "model": their_models.FakeListChatModel,
    "parser": their_parsers.CommaSeparatedListOutputParser,
}
ASKED = {"mood": "kind", "question": "Why?"}


@pytest.mark.parametrize("name", ALL)
def test_in_every_verb_it_gives_what_it_gives_in_langchain(name: str) -> None:
    thing, inputs = ALL[name]
    node = coerce_to_runnable(thing)
    for value in inputs:
        expected = from_langchain_value(thing.invoke(value))
        assert equal_outputs(node.invoke(value), expected)
        assert equal_outputs(asyncio.run(node.ainvoke(value)), expected)
        streamed = fold([*map(from_langchain_value, thing.stream(value))])
        assert equal_outputs(fold(list(node.stream(value))), streamed)
        assert equal_outputs(fold(asyncio.run(collected(node.astream(value)))), streamed)
        assert equal_outputs(fold(list(node.transform(iter([value])))), streamed)
    expected = [from_langchain_value(each) for each in thing.batch(inputs)]
    assert equal_outputs(node.batch(inputs), expected)
    assert equal_outputs(asyncio.run(node.abatch(inputs)), expected)


@pytest.mark.parametrize("name", ALL)
def test_the_laws_hold(name: str) -> None:
    thing, inputs = ALL[name]
    assert_laws(thing, inputs)


def test_it_streams_the_chunks_that_it_streams_in_langchain() -> None:
    thing, _ = KINDS["chat_model"]
    chunks = list(coerce_to_runnable(thing).stream("a"))
    assert [chunk.content for chunk in chunks] == [chunk.content for chunk in thing.stream("a")] == list("hello")
    assert chunks[-1].chunk_position == "last"


@one_after_another("kind", KINDS)
def test_its_run_has_its_type_and_name(kind: str) -> None:
    thing, _ = KINDS[kind]
    (step,) = coerce_to_runnable(thing).graph.steps
    assert (step.operator.run_type, step.operator.name) == (kind, thing.get_name())
    assert coerce_to_runnable(thing).name is None


def test_a_chain_of_both_gives_what_one_of_theirs_gives() -> None:
    theirs_alone = chain_of(THEIRS)
    mixed = RunnablePassthrough() | chain_of(THEIRS)
    assert mixed.invoke(ASKED) == theirs_alone.invoke(ASKED) == ["1", "2"]
    assert list(mixed.stream(ASKED)) == list(theirs_alone.stream(ASKED))
    assert sorted(mixed.batch([ASKED, ASKED])) == [["1", "2"], ["3"]]


def test_what_langchain_has_composed_is_taken_apart() -> None:
    chain = from_langchain(chain_of(THEIRS))
    assert [step.operator.name for step in chain.graph.steps] == [
        "ChatPromptTemplate",
        "FakeListChatModel",
        "CommaSeparatedListOutputParser",
    ]
    counted = theirs.RunnableLambda(len) | theirs.RunnableLambda(str)
    named = from_langchain(counted.with_config(run_name="n", tags=["t"]))
    assert (named.get_name(), named.invoke("abc")) == ("n", "3")


def test_ours_and_theirs_alternate_in_one_chain() -> None:
    chain = (
        from_langchain(their_prompts.ChatPromptTemplate.from_template("Say {x}"))
        | FakeListChatModel(responses=["a, b"])
        | their_parsers.CommaSeparatedListOutputParser()
        | RunnableLambda(lambda words: words[::-1])
        | theirs.RunnableLambda("-".join)
    )
    assert chain.invoke({"x": 1}) == "b-a"
    assert fold(list(chain.stream({"x": 1}))) == "b-a"


@pytest.mark.parametrize("chunked", [True, False])
def test_a_chain_that_begins_with_one_of_theirs_and_goes_on_with_ours_works_too(chunked: bool) -> None:
    prompt = their_prompts.ChatPromptTemplate.from_template("Say {x}")
    chain = prompt | FakeListChatModel(responses=["hello"]) | StrOutputParser()
    value = {"x": 1}
    if not chunked:
        assert chain.invoke(value) == asyncio.run(chain.ainvoke(value)) == "hello"
        return
    assert "".join(chain.stream(value)) == "".join(asyncio.run(collected(chain.astream(value)))) == "hello"
    ours = from_langchain(chain)
    assert [step.operator.name for step in ours.graph.steps][1:] == ["FakeListChatModel", "StrOutputParser"]
    assert list(ours.stream(value)) == list("hello")


def test_it_stands_in_dicts_branches_fallbacks_maps_and_dags() -> None:
    def fail(x: Any) -> Any:
        raise ValueError(x)

    up, fails = theirs.RunnableLambda(str.upper), theirs.RunnableLambda(fail)
    assert RunnableParallel(a=up, b=len).invoke("x") == {"a": "X", "b": 1}
    doubled = theirs.RunnableLambda(lambda d: d["a"] * 2)
    assert RunnablePassthrough.assign(b=doubled).invoke({"a": 2}) == {"a": 2, "b": 4}
    branch = RunnableBranch((theirs.RunnableLambda(str.isupper), theirs.RunnableLambda(str.lower)), up)
    assert (branch.invoke("AB"), branch.invoke("ab")) == ("ab", "AB")
    assert RunnableLambda(fail).with_fallbacks([up]).invoke("x") == "X"
    assert from_langchain(fails).with_fallbacks([up]).invoke("x") == "X"
    assert from_langchain(up).map().invoke(["a", "b"]) == ["A", "B"]
    dag: nx.DiGraph[Any] = nx.DiGraph([("up", "count")])
    dag.nodes["up"]["runnable"], dag.nodes["count"]["runnable"] = up, theirs.RunnableLambda(len)
    assert from_dag(dag).invoke("ab") == 2


def test_a_function_may_return_one() -> None:
    def choose(x: int) -> Any:
        return theirs.RunnableLambda(lambda y: y + 1) if x else theirs.RunnableLambda(lambda y: "none")

    async def achoose(x: int) -> Any:
        return choose(x)

    assert RunnableLambda(choose).batch([0, 1]) == ["none", 2]
    assert asyncio.run(RunnableLambda(achoose).ainvoke(1)) == 2
    streaming = RunnableLambda(lambda x: their_models.FakeListChatModel(responses=["hey"]))
    assert [chunk.content for chunk in streaming.stream("x")][:3] == ["h", "e", "y"]


def test_a_prompt_tells_what_it_needs_when_it_is_composed() -> None:
    with pytest.raises(TypeError, match="missing key 'x'"):
        RunnableParallel(y=len) | their_prompts.ChatPromptTemplate.from_template("Say {x}")


def test_messages_arrive_as_the_other_side_has_them() -> None:
    seen: list[Any] = []

    def see(messages: Any) -> Any:
        seen.extend(messages)
        return messages

    chain = RunnableLambda(lambda x: [HumanMessage(x)]) | theirs.RunnableLambda(see)
    assert chain.invoke("hi") == [HumanMessage("hi")]
    assert type(seen[0]).__module__.startswith("langchain_core.")
    value = from_langchain(their_prompts.ChatPromptTemplate.from_template("{x}")).invoke({"x": "a"})
    assert value == ChatPromptValue(messages=[HumanMessage("a")])
    assert from_langchain(Shelf()).invoke("a") == [Document("a", metadata={"at": 1})]


def test_a_tool_answers_a_call_with_a_message_of_ours() -> None:
    call = {"name": "found", "args": {"question": "a"}, "id": "1", "type": "tool_call"}
    answer = coerce_to_runnable(found).invoke(call)
    assert answer == ToolMessage("A", name="found", tool_call_id="1", artifact=[Document("a")])
    call = {"name": "add", "args": {"x": 1}, "id": "1", "type": "tool_call"}
    assert coerce_to_runnable(add).invoke(call) == ToolMessage("2", name="add", tool_call_id="1")


def test_bound_arguments_and_config_go_with_it() -> None:
    got: list[Any] = []

    def told(x: Any, config: theirs.RunnableConfig) -> Any:
        got.append(config)
        return x

    bound = theirs.RunnableLambda(told).with_config(tags=["t"], metadata={"m": 1}, configurable={"c": 2})
    assert (RunnablePassthrough() | bound).invoke(1, {"tags": ["u"], "timeout": 5, "recursion_limit": 7}) == 1
    (config,) = got
    assert set(config["tags"]) == {"t", "u"}
    assert (config["metadata"]["m"], config["configurable"], config["recursion_limit"]) == (1, {"c": 2}, 7)
    assert "timeout" not in config


def test_a_parser_of_theirs_fails_with_what_either_side_catches() -> None:
    chain = RunnablePassthrough() | their_parsers.JsonOutputParser()
    for ours_or_theirs in (OutputParserException, their_exceptions.OutputParserException):
        with pytest.raises(ours_or_theirs) as caught:
            chain.invoke("no JSON")
    assert caught.value.llm_output == "no JSON"
    assert any("JsonOutputParser" in note for note in caught.value.__notes__)
    handled = from_langchain(their_parsers.JsonOutputParser()).with_fallbacks(
        [RunnableLambda(lambda x: "sorry")], exceptions_to_handle=(OutputParserException,)
    )
    assert handled.invoke("no JSON") == "sorry"


def test_a_tool_of_theirs_fails_with_what_either_side_catches() -> None:
    def fail(x: int) -> int:
        raise their_tools.ToolException("not today")

    failing = their_tools.StructuredTool.from_function(fail, description="Fail.")
    for ours_or_theirs in (ToolException, their_tools.ToolException):
        with pytest.raises(ours_or_theirs, match="not today"):
            coerce_to_runnable(failing).invoke({"x": 1})


def test_other_errors_are_themselves() -> None:
    error = ValueError("mine")

    def fail(x: Any) -> Any:
        raise error

    with pytest.raises(ValueError, match="mine") as caught:
        (RunnablePassthrough() | theirs.RunnableLambda(fail)).invoke(1)
    assert caught.value is error


def test_a_vectorised_model_gets_a_whole_batch_at_once() -> None:
    sizes: list[int] = []

    class Counting(their_models.FakeListLLM):  # type: ignore[misc]
        def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
            sizes.append(len(inputs))
            return [each.upper() for each in inputs]

    chain: Any = RunnableLambda(str.strip) | Counting(responses=["x"])
    assert chain.batch([" a", "b "], {"max_concurrency": 1}) == ["A", "B"]
    assert sizes == [2]


def test_max_concurrency_holds_for_it() -> None:
    running, most = 0, 0

    async def step(x: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return x

    asyncio.run(from_langchain(theirs.RunnableLambda(step)).abatch(list(range(9)), {"max_concurrency": 2}))
    assert most == 2


def test_it_is_told_apart_without_importing_langchain() -> None:
    assert coerce_to_runnable(to_langchain(StrOutputParser())).invoke(AIMessage("x")) == "x"
    assert from_langchain(add) == from_langchain(add)
    assert len({from_langchain(add), from_langchain(add)}) == 1
    assert repr(from_langchain(add)) == repr(add)


def test_its_schemas_are_those_that_it_tells() -> None:
    prompt = their_prompts.ChatPromptTemplate.from_template("Say {x}")
    assert from_langchain(prompt).get_input_jsonschema() == prompt.get_input_jsonschema()
    assert from_langchain(add).get_input_jsonschema()["properties"].keys() == {"x", "y"}


def test_what_is_configured_or_listened_to_is_told_as_what_it_is() -> None:
    model = their_models.FakeListChatModel(responses=["a"])
    field = theirs.ConfigurableField(id="answers")
    for thing in (model.configurable_fields(responses=field), model.with_listeners(on_end=lambda run: None)):
        (step,) = coerce_to_runnable(thing).graph.steps
        assert (step.operator.name, step.operator.run_type) == ("FakeListChatModel", "chat_model")
    configured = RunnablePassthrough() | model.configurable_fields(responses=field) | StrOutputParser()
    assert configured.invoke("q", {"configurable": {"answers": ["b"]}}) == "b"
    assert list(configured.stream("q", {"configurable": {"answers": ["bc"]}})) == ["b", "c"]


def test_what_has_one_form_only_runs_in_verbs_of_either_kind() -> None:
    async def only(x: Any) -> Any:
        return x + 1

    def words(text: str) -> Any:
        yield from text

    def shout(chunks: Any) -> Any:
        for chunk in chunks:
            yield chunk.upper()

    async def ashout(chunks: Any) -> Any:
        async for chunk in chunks:
            yield chunk.upper()

    tool = their_tools.StructuredTool.from_function(coroutine=only, name="only", description="Add one.")
    expected = [(theirs.RunnableLambda(only), 1, 2), (theirs.RunnableLambda(words), "ab", "ab"), (tool, {"x": 1}, 2)]
    expected += [(theirs.RunnableGenerator(each), "ab", "AB") for each in (shout, ashout)]
    for thing, value, output in expected:
        chain = RunnablePassthrough() | thing
        assert chain.invoke(value) == asyncio.run(chain.ainvoke(value)) == output
        assert fold(list(chain.stream(value))) == fold(asyncio.run(collected(chain.astream(value)))) == output
