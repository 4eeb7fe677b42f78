"""Graphs of LangGraph's as nodes, and chains of ours as LangGraph's nodes, with its checkpoints."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest

from anabranch.nodes import (
    ChatPromptTemplate,
    FakeListChatModel,
    RunnableLambda,
    RunnablePassthrough,
    StrOutputParser,
    collect_runs,
    from_langchain,
    to_langchain,
)
from anabranch.nodes.laws import assert_laws

pytest.importorskip("langchain_core", reason='needs langchain-core: pip install "anabranch[langchain]"')
pytest.importorskip("langgraph", reason="needs langgraph")
from langchain_core import messages as their_messages
from langchain_objects import Traces, tree
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph


class State(TypedDict):
    question: str
    said: Annotated[list[str], operator.add]


def answer() -> Any:
    return ChatPromptTemplate.from_template("{q}") | FakeListChatModel(responses=["hello"]) | StrOutputParser()


def graph_of(first: Any, second: Any, **options: Any) -> Any:
    """A graph of two nodes, one after the other."""
    graph = StateGraph(State)
    graph.add_node("first", first)
    graph.add_node("second", second)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return graph.compile(**options)


def noted(state: State) -> dict[str, Any]:
    return {"said": [state["question"]]}


ours = {"q": lambda state: state["question"]} | answer() | (lambda text: {"said": [text]})
ASKED: Any = {"question": "why", "said": []}
SAID = {"question": "why", "said": ["why", "hello"]}


@pytest.mark.parametrize("chain", [to_langchain(ours), ours], ids=["to_langchain", "as it is"])
def test_a_chain_of_ours_is_a_node_of_a_graph(chain: Any) -> None:
    graph = graph_of(noted, chain)
    assert graph.invoke(ASKED) == asyncio.run(graph.ainvoke(ASKED)) == SAID
    assert list(graph.stream(ASKED)) == [{"first": {"said": ["why"]}}, {"second": {"said": ["hello"]}}]


def test_its_messages_are_streamed_by_langgraph() -> None:
    graph = graph_of(noted, to_langchain(ours))
    messages = [message for message, _ in graph.stream(ASKED, stream_mode="messages")]
    assert [(type(each), each.content) for each in messages] == [(their_messages.AIMessage, "hello")]
    model = to_langchain(FakeListChatModel(responses=["hello"]))  # which LangChain streams of its own accord
    graph = graph_of(noted, lambda state: {"said": [model.invoke("q").content]})
    assert [message.content for message, _ in graph.stream(ASKED, stream_mode="messages")][:5] == list("hello")


def test_its_runs_are_traced_below_its_node() -> None:
    traces = Traces()
    graph_of(noted, to_langchain(ours)).invoke(ASKED, {"callbacks": [traces]})
    (root,) = traces.roots
    name, run_type, *below = tree(root)
    assert (name, run_type, [each[0] for each in below]) == ("LangGraph", "chain", ["first", "second"])
    (sequence,) = below[1][2:]
    assert [each[:2] for each in sequence[2:]][1:4] == [
        ("ChatPromptTemplate", "prompt"),
        ("FakeListChatModel", "llm"),
        ("StrOutputParser", "parser"),
    ]


def test_a_graph_is_a_node_whose_last_state_is_its_output() -> None:
    graph = graph_of(noted, to_langchain(ours))
    chain = RunnablePassthrough() | graph | (lambda state: state["said"])
    assert chain.invoke(ASKED) == asyncio.run(chain.ainvoke(ASKED)) == SAID["said"]
    assert chain.batch([ASKED, ASKED]) == [SAID["said"]] * 2
    assert list(chain.stream(ASKED)) == [SAID["said"]]
    states = list((RunnablePassthrough() | graph).stream(ASKED))
    assert [state["said"] for state in states] == [[], ["why"], ["why", "hello"]]
    assert list(from_langchain(graph).stream(ASKED, stream_mode="updates")) == list(graph.stream(ASKED))


def test_the_laws_hold_for_a_graph() -> None:
    def second(state: State) -> dict[str, Any]:
        return {"said": ["then"]}

    assert_laws(from_langchain(graph_of(noted, second)), [ASKED])


def test_the_nodes_of_a_graph_are_told_below_its_step() -> None:
    graph = graph_of(noted, lambda state, config: {"said": [answer().invoke({"q": "x"}, config)]})
    with collect_runs() as collected:
        (RunnablePassthrough() | graph).invoke(ASKED)
    (root,) = collected.traced_runs
    step = root.child_runs[1]
    assert (step.name, [run.name for run in step.child_runs]) == ("LangGraph", ["first", "second"])
    (chain,) = step.child_runs[1].child_runs
    assert [run.name for run in chain.child_runs] == ["ChatPromptTemplate", "FakeListChatModel", "StrOutputParser"]


def test_the_events_of_a_graph_are_told_as_they_come() -> None:
    async def events() -> list[Any]:
        chain = RunnablePassthrough() | graph_of(noted, to_langchain(ours))
        return [event async for event in chain.astream_events(ASKED)]

    told = asyncio.run(events())
    names = [event["name"] for event in told if event["event"].endswith("_start")]
    assert names[:5] == ["RunnableSequence", "RunnablePassthrough", "LangGraph", "first", "second"]
    assert "FakeListChatModel" in names
    starts = {event["run_id"] for event in told if event["event"].endswith("_start")}
    assert starts == {event["run_id"] for event in told if event["event"].endswith("_end")}


def test_a_thread_is_kept_by_a_checkpointer() -> None:
    graph = StateGraph(MessagesState)
    model = FakeListChatModel(responses=["one", "two"])
    graph.add_node("model", to_langchain(RunnableLambda(lambda state: state["messages"]) | model | as_update))
    graph.add_edge(START, "model")
    graph.add_edge("model", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    chain = RunnableLambda(lambda text: {"messages": [("human", text)]}) | compiled
    thread: Any = {"configurable": {"thread_id": "1"}}
    chain.invoke("a", thread)
    last = chain.invoke("b", thread)
    assert [message.content for message in last["messages"]] == ["a", "one", "b", "two"]
    assert all(type(message).__module__.startswith("anabranch.") for message in last["messages"])
    kept = compiled.get_state(thread).values["messages"]
    assert [type(message) for message in kept] == [their_messages.HumanMessage, their_messages.AIMessage] * 2
    other = chain.invoke("c", {"configurable": {"thread_id": "2"}})
    assert len(other["messages"]) == 2


def as_update(message: Any) -> dict[str, Any]:
    """What a node adds to the state."""
    return {"messages": [message]}
