"""Every node that can be imported from `anabranch.nodes` keeps the laws.

A new one gets a row in `NODES`, or in `EXCUSED` with a reason; otherwise a test fails and names it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import networkx as nx
import pytest
from pydantic import BaseModel

from anabranch import nodes
from anabranch.nodes import (
    AIMessage,
    BM25Retriever,
    ChatPromptTemplate,
    CommaSeparatedListOutputParser,
    ConfigurableField,
    DeterministicFakeEmbedding,
    DictPromptTemplate,
    Document,
    ExtractiveChatModel,
    FakeChatModel,
    FakeListChatModel,
    FakeListLLM,
    FakeMessagesListChatModel,
    FakeStreamingListLLM,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    FewShotPromptWithTemplates,
    ImagePromptTemplate,
    InMemoryCache,
    InMemoryVectorStore,
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    JsonOutputToolsParser,
    MarkdownListOutputParser,
    NumberedListOutputParser,
    ParrotFakeChatModel,
    PromptTemplate,
    PydanticOutputParser,
    PydanticToolsParser,
    RouterRunnable,
    Runnable,
    RunnableAssign,
    RunnableBranch,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    SimpleJsonOutputParser,
    StrOutputParser,
    StructuredTool,
    Tool,
    from_dag,
)
from anabranch.nodes.laws import assert_laws


class Checked(NamedTuple):
    """A node to be checked.

    Attributes:
        make: makes it.
        inputs: some of its inputs.
        exempt_laws: those that don't hold, with the reason.
    """

    make: Callable[[], Runnable[Any, Any]]
    inputs: list[Any]
    exempt_laws: dict[str, str] = {}  # noqa: RUF012 (of a tuple there is no default factory)


class Country(BaseModel):
    name: str
    people: int = 0


def length(text: str) -> int:
    return len(text)


def spelled(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk or ""


def counted() -> nx.DiGraph[Any]:
    dag: nx.DiGraph[Any] = nx.DiGraph()
    dag.add_node("words", runnable=str.split)
    dag.add_node("count", runnable=len)
    dag.add_node("both", runnable=lambda found: (found["n"], found["of"]))
    dag.add_edge("words", "count")
    dag.add_edge("count", "both", port="n")
    dag.add_edge("words", "both", port="of")
    return dag


def add(a: int, b: int = 1) -> int:
    """Add up."""
    return a + b


TEXTS = ["", "ab", "a bc  d"]
ASKED = ["Do bears like honey?", [("system", "Be brief."), ("human", "Hm?")]]
CALLS: Any = [{"name": "Country", "args": {"name": "France"}, "id": "call-1"}]
FRANCE = json.dumps({"name": "France", "people": 68})
CALLING = [AIMessage("", tool_calls=CALLS), AIMessage("none")]
BEARS = [Document(page_content="bears like honey"), Document(page_content="harrison worked at kensho")]
LISTED = ["1. a\n2. b", "nothing", "- a\n- b c"]

NODES: dict[str, Checked] = {
    # Composition
    "RunnableLambda": Checked(lambda: RunnableLambda(length), TEXTS),
    "RunnableGenerator": Checked(lambda: RunnableGenerator(spelled), TEXTS),
    "RunnableSequence": Checked(lambda: RunnableSequence(str.upper, length), TEXTS),
    "RunnableParallel": Checked(lambda: RunnableParallel(n=length, big=str.upper, it=RunnablePassthrough()), TEXTS),
    "RunnablePassthrough": Checked(lambda: RunnablePassthrough(), [*TEXTS, None, 1, [2], {"a": 1}]),
    "RunnableAssign": Checked(lambda: RunnableAssign({"b": itemgetter("a")}), [{"a": 1}, {"a": "x", "c": None}, {}]),
    "RunnablePick": Checked(lambda: RunnablePick(["a", "b"]), [{"a": 1, "c": 2}, {}, {"b": None}]),
    "RunnableBranch": Checked(lambda: RunnableBranch((bool, str.upper), RunnablePassthrough()), TEXTS),
    "RouterRunnable": Checked(
        lambda: RouterRunnable({"n": length, "big": str.upper}),
        [{"key": "n", "input": "ab"}, {"key": "big", "input": "ab"}, {"key": "x", "input": 1}],
    ),
    "RunnableEach": Checked(lambda: RunnableEach(RunnableLambda(length)), [[], ["a"], ["a", "bc", ""]]),
    "RunnableBinding": Checked(lambda: RunnableLambda(length).with_config(tags=["t"]), TEXTS),
    "RunnableRetry": Checked(lambda: RunnableLambda(length).with_retry(wait_exponential_jitter=False), TEXTS),
    "RunnableWithFallbacks": Checked(lambda: RunnableLambda(int).with_fallbacks([length]), [*TEXTS, "12"]),
    "RunnableWithCache": Checked(lambda: RunnableLambda(length).with_cache(InMemoryCache()), TEXTS),
    "RunnableDag": Checked(lambda: from_dag(counted()), TEXTS),
    "RunnableConfigurableFields": Checked(
        lambda: PromptTemplate.from_template("{a}!").configurable_fields(template=ConfigurableField("t")), [{"a": "x"}]
    ),
    "RunnableConfigurableAlternatives": Checked(
        lambda: RunnableLambda(length).configurable_alternatives(ConfigurableField("w"), other=str.upper), TEXTS
    ),
    # Prompts
    "PromptTemplate": Checked(lambda: PromptTemplate.from_template("{a} and {b}"), [{"a": "x", "b": 1}, {"a": "x"}]),
    "ChatPromptTemplate": Checked(
        lambda: ChatPromptTemplate.from_messages([("system", "Be {how}."), ("human", "{q}")]),
        [{"how": "brief", "q": "Hm?"}, {"q": ""}],
    ),
    "DictPromptTemplate": Checked(lambda: DictPromptTemplate(template={"data": "{data}", "n": 1}), [{"data": "x"}, {}]),
    "ImagePromptTemplate": Checked(lambda: ImagePromptTemplate(template={"url": "{name}.png"}), [{"name": "x"}]),
    "FewShotPromptTemplate": Checked(
        lambda: FewShotPromptTemplate(
            examples=[{"word": "tall", "opposite": "short"}],
            example_prompt=PromptTemplate.from_template("{word} - {opposite}"),
            suffix="{input} -",
        ),
        [{"input": "big"}, {}],
    ),
    "FewShotPromptWithTemplates": Checked(
        lambda: FewShotPromptWithTemplates(
            examples=[{"word": "tall"}],
            example_prompt=PromptTemplate.from_template("- {word}"),
            suffix=PromptTemplate.from_template("- {start}"),
        ),
        [{"start": "b"}, {}],
    ),
    "FewShotChatMessagePromptTemplate": Checked(
        lambda: FewShotChatMessagePromptTemplate(
            examples=[{"sum": "2+2", "answer": "4"}],
            example_prompt=ChatPromptTemplate.from_messages([("human", "{sum}"), ("ai", "{answer}")]),
        ),
        [{}, {"sum": "1"}],
    ),
    # Models
    "FakeListChatModel": Checked(lambda: FakeListChatModel(responses=["hold the line"]), ASKED),
    "FakeMessagesListChatModel": Checked(lambda: FakeMessagesListChatModel(responses=[AIMessage("yes")]), ASKED),
    "FakeChatModel": Checked(lambda: FakeChatModel(), ASKED),
    "ParrotFakeChatModel": Checked(lambda: ParrotFakeChatModel(), ASKED),
    "ExtractiveChatModel": Checked(
        lambda: ExtractiveChatModel(), [*ASKED, "Source: zoo\nBears like honey.\n\nQuestion: What do bears like?"]
    ),
    "FakeListLLM": Checked(lambda: FakeListLLM(responses=["yes"]), TEXTS),
    "FakeStreamingListLLM": Checked(lambda: FakeStreamingListLLM(responses=["yes"]), TEXTS),
    # Parsers
    "StrOutputParser": Checked(lambda: StrOutputParser(), [*TEXTS, AIMessage("ab")]),
    "CommaSeparatedListOutputParser": Checked(lambda: CommaSeparatedListOutputParser(), ["a, b", "a", ""]),
    "NumberedListOutputParser": Checked(lambda: NumberedListOutputParser(), LISTED),
    "MarkdownListOutputParser": Checked(lambda: MarkdownListOutputParser(), LISTED),
    "JsonOutputParser": Checked(lambda: JsonOutputParser(), [FRANCE, "[1, 2", f"```json\n{FRANCE}\n```", "no"]),
    "PydanticOutputParser": Checked(lambda: PydanticOutputParser(pydantic_object=Country), [FRANCE, "{}", "no"]),
    "JsonOutputToolsParser": Checked(lambda: JsonOutputToolsParser(), CALLING),
    "JsonOutputKeyToolsParser": Checked(lambda: JsonOutputKeyToolsParser(key_name="Country"), CALLING),
    "PydanticToolsParser": Checked(lambda: PydanticToolsParser(tools=[Country]), CALLING),
    # Tools and retrievers
    "Tool": Checked(lambda: Tool("shout", str.upper, "Make it loud."), TEXTS),
    "StructuredTool": Checked(lambda: StructuredTool.from_function(add), [{"a": 1}, {"a": 1, "b": 2}, {}]),
    "BM25Retriever": Checked(lambda: BM25Retriever.from_documents(BEARS), ["what do bears like?", "", "kensho"]),
    "VectorStoreRetriever": Checked(
        lambda: InMemoryVectorStore.from_documents(BEARS, DeterministicFakeEmbedding(size=4)).as_retriever(),
        ["what do bears like?", "kensho"],
    ),
}

BASES = """
    Runnable RunnableSerializable BaseLanguageModel BaseChatModel SimpleChatModel BaseLLM LLM BaseTool BaseRetriever
    BasePromptTemplate BaseChatPromptTemplate StringPromptTemplate BaseLLMOutputParser BaseGenerationOutputParser
    BaseOutputParser BaseTransformOutputParser BaseCumulativeTransformOutputParser ListOutputParser
"""
EXCUSED = {
    **dict.fromkeys(BASES.split(), "a base class: nothing runs before somebody writes a form"),
    "StructuredPrompt": "nothing but a model can come after it; test_prompt_examples has one",
    "RunnableMap": "another name of RunnableParallel",
    "SimpleJsonOutputParser": "another name of JsonOutputParser",
    "ChatOpenAI": "it needs a server; test_openai_model has one",
    "OpenAI": "it needs a server; test_openai_model has one",
    "GenericFakeChatModel": "each call takes the next message of its iterator, so no two give the same",
    "RunnableWithMessageHistory": "it keeps what was said, so the next answer is another one",
    "RunnableWithRateLimiter": "it waits in real time; its tests have a limiter of their own",
}


def exported() -> set[str]:
    """The names of the runnables that `anabranch.nodes` exports."""
    return {name for name in nodes.__all__ if inspect.isclass(it := getattr(nodes, name)) and issubclass(it, Runnable)}


def test_every_node_is_checked_or_excused() -> None:
    missing = exported() - NODES.keys() - EXCUSED.keys()
    assert not missing, f"give these a row in NODES, or a reason in EXCUSED: {', '.join(sorted(missing))}"
    gone = (NODES.keys() | EXCUSED.keys()) - exported()
    assert not gone, f"these are no longer exported: {', '.join(sorted(gone))}"
    assert nodes.RunnableMap is RunnableParallel
    assert SimpleJsonOutputParser is JsonOutputParser


@pytest.mark.parametrize("name", NODES)
def test_a_node_keeps_the_laws(name: str) -> None:
    made = NODES[name].make()
    assert type(made).__name__ == name
    assert_laws(made, NODES[name].inputs, exempt_laws=NODES[name].exempt_laws)
