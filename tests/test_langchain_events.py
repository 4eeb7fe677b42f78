"""What is told of LangChain's objects: the events are LangChain's own, and what runs inside them is told as well."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anabranch.nodes import (
    AIMessage,
    FakeListChatModel,
    HumanMessage,
    RunnableLambda,
    RunnablePassthrough,
    StrOutputParser,
    collect_runs,
    from_langchain,
)

pytest.importorskip("langchain_core", reason='needs langchain-core: pip install "anabranch[langchain]"')
from langchain_core import callbacks as their_callbacks
from langchain_core import language_models as their_models
from langchain_core import messages as their_messages
from langchain_core import output_parsers as their_parsers
from langchain_core import prompts as their_prompts
from langchain_core import runnables as theirs
from langchain_objects import KINDS, Endless, Notes, Shelf, Traces, add, tree

from anabranch.nodes.langchain.values import from_langchain_value


async def events_of(runnable: Any, value: Any, **asked: Any) -> list[Any]:
    return [event async for event in runnable.astream_events(value, version="v2", **asked)]


def said(events: list[Any]) -> list[Any]:
    """What both sides must agree on."""
    return [(event["event"], event["name"], event["tags"]) for event in events]


def chain_of_theirs() -> Any:
    prompt = their_prompts.ChatPromptTemplate.from_template("Say {x}")
    return prompt | their_models.FakeListChatModel(responses=["hello"]) | their_parsers.StrOutputParser()


def test_the_events_of_a_chain_are_those_that_langchain_has_for_it() -> None:
    chain = chain_of_theirs()
    here, there = (asyncio.run(events_of(each, {"x": 1})) for each in (from_langchain(chain), chain))
    assert said(here) == said(there)
    for ours, other in zip(here, there, strict=True):
        if ours["event"] == "on_chat_model_stream":
            assert ours["data"]["chunk"].content == other["data"]["chunk"].content
        if ours["event"] == "on_prompt_end":
            assert ours["data"]["output"] == from_langchain_value(other["data"]["output"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_events_of_each_kind_are_those_that_langchain_has_for_it(kind: str) -> None:
    thing, inputs = KINDS[kind]
    here, there = (asyncio.run(events_of(each, inputs[0])) for each in (from_langchain(thing), thing))
    chunks = "on_llm_stream", "on_parser_stream"  # of one alone that makes none, LangChain tells no chunk
    assert [each for each in said(here) if each[0] not in chunks] == [
        each for each in said(there) if each[0] not in chunks
    ]


def test_sync_events_are_the_same() -> None:
    chain = from_langchain(chain_of_theirs())
    assert said(list(chain.stream_events({"x": 1}))) == said(asyncio.run(events_of(chain, {"x": 1})))


def inside(x: Any, config: theirs.RunnableConfig) -> Any:
    """Runs a model, a tool and a retriever of LangChain's, and a chain of ours."""
    model = their_models.FakeListChatModel(responses=["deep"])
    documents = Shelf().invoke("q", config)
    number = add.invoke({"x": len(documents)}, config)
    ours = (RunnableLambda(lambda y: y) | FakeListChatModel(responses=["ours"])).invoke("z", config)
    return [model.invoke([("human", str(x))], config).content, number, ours.content]


def test_what_runs_inside_is_told_below_its_step_under_its_own_name_and_type() -> None:
    chain = RunnablePassthrough() | theirs.RunnableLambda(inside)
    with collect_runs() as collected:
        assert chain.invoke(1) == ["deep", 2, "ours"]
    root: Any = collected.traced_runs[0]
    step = root.child_runs[1]
    assert [(run.name, run.run_type) for run in step.child_runs] == [
        ("Shelf", "retriever"),
        ("add", "tool"),
        ("RunnableSequence", "chain"),
        ("FakeListChatModel", "llm"),
    ]
    retriever, tool, sequence, model = step.child_runs
    assert [run.name for run in sequence.child_runs] == ["RunnableLambda", "FakeListChatModel"]
    assert all(run.parent_run_id == step.id for run in step.child_runs)
    assert tool.outputs["output"] == 2
    assert len(retriever.outputs["documents"]) == 1
    assert model.outputs["generations"][0][0]["message"].content == "deep"


def test_the_messages_that_are_told_are_ours() -> None:
    chain = RunnablePassthrough() | theirs.RunnableLambda(inside)
    (start,) = (
        event
        for event in asyncio.run(events_of(chain, 1))
        if event["event"] == "on_chat_model_start" and event["data"]["input"]["messages"][0][0].content == "1"
    )
    assert start["data"]["input"] == {"messages": [[HumanMessage("1")]]}
    assert len(start["parent_ids"]) == 2


def test_tokens_inside_are_told_as_they_come() -> None:
    async def talk(x: Any, config: theirs.RunnableConfig) -> str:
        model = their_models.FakeListChatModel(responses=["abc"])
        return "".join([chunk.content async for chunk in model.astream("q", config)])

    events = asyncio.run(events_of(RunnablePassthrough() | theirs.RunnableLambda(talk), 1))
    tokens = [event["data"]["chunk"].content for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(tokens) == "abc"
    assert len(tokens) >= 3


def test_custom_events_are_told() -> None:
    async def tell(x: Any, config: theirs.RunnableConfig) -> Any:
        await their_callbacks.adispatch_custom_event("progress", {"at": x}, config=config)
        return x

    events = asyncio.run(events_of(RunnablePassthrough() | theirs.RunnableLambda(tell), 1))
    assert [(event["name"], event["data"]) for event in events if event["event"] == "on_custom_event"] == [
        ("progress", {"at": 1})
    ]


def test_every_run_inside_has_its_end_when_it_fails() -> None:
    def fail(x: Any, config: theirs.RunnableConfig) -> Any:
        return theirs.RunnableLambda(lambda y: [][y]).invoke(x, config)

    seen: list[Any] = []

    class Seen(Traces):
        def _persist_run(self, run: Any) -> None:
            seen.append(run)

    with pytest.raises(IndexError):
        (RunnablePassthrough() | theirs.RunnableLambda(fail)).invoke(1, {"callbacks": [Seen()]})
    (root,) = seen
    (_, step) = root.child_runs
    (inner,) = step.child_runs
    assert all("IndexError" in run.error for run in (root, step, inner))


def test_listening_never_switches_an_invoked_model_to_streaming() -> None:
    model = Endless(closed=[], invoked=[])

    def ask(x: Any, config: theirs.RunnableConfig) -> Any:
        return model.invoke("q", config).content

    chain = RunnablePassthrough() | theirs.RunnableLambda(ask)
    events = asyncio.run(events_of(chain, 1))
    assert events[-1]["data"]["output"] == "off"
    assert (model.invoked, model.closed) == (["whole"], [])


def test_handlers_of_langchain_are_told_in_its_objects() -> None:
    for model in (FakeListChatModel(responses=["hi"]), their_models.FakeListChatModel(responses=["hi"])):
        notes, traces = Notes(), Traces()
        usage = their_callbacks.UsageMetadataCallbackHandler()
        chain = RunnablePassthrough() | model | StrOutputParser()
        assert chain.invoke("q", {"callbacks": [notes, traces, usage]}) == "hi"
        assert notes.messages[0] == their_messages.HumanMessage("q")
        assert [type(each) for each in notes.messages] == [their_messages.HumanMessage, their_messages.AIMessage]
        assert [tree(root) for root in traces.roots] == [
            (
                "RunnableSequence",
                "chain",
                ("RunnablePassthrough", "chain"),
                ("FakeListChatModel", "llm"),
                ("StrOutputParser", "parser"),
            )
        ]


def test_usage_is_added_up_by_langchains_handler() -> None:
    tokens = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    answer = AIMessage("x", usage_metadata=tokens, response_metadata={"model_name": "m"})  # type: ignore[arg-type]

    class Model(FakeListChatModel):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            made = super()._generate(messages, stop, run_manager, **kwargs)
            made.generations[0].message = answer
            return made

    usage = their_callbacks.UsageMetadataCallbackHandler()
    Model(responses=["x"]).invoke("q", {"callbacks": [usage]})
    assert usage.usage_metadata["m"]["total_tokens"] == 3


def test_nobody_is_told_anything_where_nobody_listens() -> None:
    seen: list[Any] = []

    def look(x: Any, config: theirs.RunnableConfig) -> Any:
        seen.append(config["callbacks"].handlers)
        return x

    (RunnablePassthrough() | theirs.RunnableLambda(look)).invoke(1)
    assert seen == [[]]
