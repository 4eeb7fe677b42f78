"""A tool is a run like any other: told to those who listen, with what it calls inside it, stopped when it must."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Annotated, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import TypedDict
from verbs import VERBS, alist, in_every_verb

from anabranch.nodes import (
    BaseCallbackHandler,
    BaseTool,
    InjectedToolArg,
    PromptTemplate,
    RunManager,
    RunnableConfig,
    RunnableLambda,
    collect_runs,
    convert_runnable_to_tool,
    create_retriever_tool,
    dispatch_custom_event,
    tool,
)
from anabranch.nodes.laws import check_laws
from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.retrieval.retrievers import BaseRetriever


@tool
def add(a: int, secret: Annotated[int, InjectedToolArg] = 1) -> int:
    """Add up."""
    if a < 0:
        raise ValueError("negative")
    return a + secret


def call(args: dict[str, Any]) -> Any:
    return {"name": "add", "args": args, "id": "c1", "type": "tool_call"}


class Log(BaseCallbackHandler):
    def __init__(self) -> None:
        self.facts: list[tuple[Any, ...]] = []

    def on_tool_start(self, serialized: Any, input_str: str, **kwargs: Any) -> None:
        told = (serialized["name"], serialized["description"], input_str, kwargs["inputs"], kwargs["tool_call_id"])
        self.facts.append(("start", *told, kwargs["tags"], kwargs["metadata"], kwargs["name"]))

    def on_tool_end(self, output: Any, **kwargs: Any) -> None:
        self.facts.append(("end", output))

    def on_tool_error(self, error: BaseException, **kwargs: Any) -> None:
        self.facts.append(("error", type(error), kwargs["tool_call_id"]))


def test_handlers_are_told_the_arguments_but_none_that_is_injected() -> None:
    log = Log()
    config: RunnableConfig = {"callbacks": [log], "tags": ["t"], "metadata": {"m": 1}, "run_name": "N"}
    message = add.invoke(call({"a": 1, "secret": 5}), config)
    add.invoke("3", {"callbacks": [log]})
    assert log.facts == [
        ("start", "add", "Add up.", "{'a': 1}", {"a": 1}, "c1", ["t"], {"m": 1}, "N"),
        ("end", message),
        ("start", "add", "Add up.", "3", None, None, [], {}, "add"),
        ("end", 4),
    ]


@in_every_verb
def test_a_failed_tool_is_told(verb: str) -> None:
    log = Log()
    with pytest.raises(ValueError, match="negative"):
        VERBS[verb](add, call({"a": -1}), {"callbacks": [log]})
    assert [fact[0] for fact in log.facts] == ["start", "error"]
    assert log.facts[-1] == ("error", ValueError, "c1")


def test_a_handled_error_is_an_end() -> None:
    log = Log()
    lent = add.model_copy(update={"handle_validation_error": True})
    lent.invoke({"a": "x"}, {"callbacks": [log]})
    assert log.facts[-1] == ("end", "Tool input validation error")


def test_the_tool_has_tags_metadata_and_callbacks_of_its_own() -> None:
    log = Log()
    lent = add.model_copy(update={"tags": ["own"], "metadata": {"o": 1}, "callbacks": [log]})
    (RunnableLambda(lambda x: {"a": x}) | lent).invoke(1, {"tags": ["t"]})
    assert log.facts[0][6:8] == (["seq:step:2", "t", "own"], {"o": 1})


def events(made: Any, value: Any, version: Any, **kwargs: Any) -> list[tuple[str, Any]]:
    async def main() -> list[tuple[str, Any]]:
        told: list[tuple[str, Any]] = []
        with suppress(ValueError):
            async for event in made.astream_events(value, version=version, **kwargs):
                told += [(event["event"], event["data"])]
        return told

    return asyncio.run(main())


def test_events_of_a_tool_that_is_the_root() -> None:
    given = call({"a": 1})
    assert events(add, {"a": 1}, "v2") == [
        ("on_tool_start", {"input": {"a": 1}}),
        ("on_tool_end", {"output": 2}),
    ]
    assert [event for event, _ in events(add, {"a": 1}, "v1")] == ["on_tool_start", "on_tool_stream", "on_tool_end"]
    assert events(add, given, "v2")[0] == ("on_tool_start", {"input": given})


def test_events_of_a_tool_inside_a_chain() -> None:
    chain = RunnableLambda(lambda x: call({"a": x, "secret": 4})) | add
    for version in ("v1", "v2"):
        told = dict(events(chain, 1, version, include_types=["tool"]))
        message = told["on_tool_end"].pop("output")
        assert (message.content, message.tool_call_id) == ("5", "c1")
        assert told == {"on_tool_start": {"input": {"a": 1}}, "on_tool_end": {"input": {"a": 1}}}
    told = dict(events(chain, -1, "v2", include_types=["tool"]))
    failed = told["on_tool_error"]
    assert (failed["input"], failed["tool_call_id"], str(failed["error"])) == ({"a": -1}, "c1", "negative")


async def double(x: int) -> int:
    return 2 * x


DOUBLE = RunnableLambda(double, name="double")


@tool
def outer(a: int, config: RunnableConfig) -> int:
    """Call what is called inside."""
    dispatch_custom_event("half way", {"a": a})
    return DOUBLE.invoke(a, config) + RunnableLambda(len, name="len").invoke("ab")


@tool
async def aouter(a: int, callbacks: Any, run_manager: RunManager) -> int:
    """Call what is called inside."""
    return await DOUBLE.ainvoke(a, {"callbacks": callbacks, "tags": [str(bool(run_manager.run_id))]})


@pytest.mark.parametrize(("lent", "inside"), [(outer, ["double", "len"]), (aouter, ["double"])])
@in_every_verb
def test_what_a_tool_calls_is_inside_its_run(lent: BaseTool, inside: list[str], verb: str) -> None:
    with collect_runs() as runs:
        VERBS[verb](RunnableLambda(lambda a: {"a": a}) | lent, 3)
    (run,) = [each for root in runs.traced_runs for each in root.child_runs if each.run_type == "tool"]
    assert [each.name for each in run.child_runs] == inside
    assert run.inputs == {"a": 3}


def test_a_custom_event_of_a_tool() -> None:
    assert ("on_custom_event", {"a": 3}) in events(outer, {"a": 3}, "v2")


def test_what_a_tool_sets_nobody_else_sees() -> None:
    setting: ContextVar[str] = ContextVar("setting", default="unset")

    @tool
    def change(to: str) -> str:
        """Change it."""
        before = setting.get()
        setting.set(to)
        return before

    token = setting.set("caller's")
    assert (change | change).invoke("a") == "caller's"
    assert setting.get() == "caller's"
    setting.reset(token)


def test_a_tool_is_stopped_when_its_call_is() -> None:
    async def main() -> None:
        began, ended = asyncio.Event(), []

        @tool
        async def wait(x: int) -> None:
            """Wait."""
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(x)

        run = asyncio.create_task(wait.ainvoke({"x": 1}))
        await began.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert ended == [1]

    asyncio.run(main())


def test_a_blocking_tool_runs_in_a_thread_under_asyncio() -> None:
    @tool
    def where() -> bool:
        """Tell where."""
        return threading.current_thread() is threading.main_thread()

    assert where.invoke({}) is True
    assert asyncio.run(where.ainvoke({})) is False


def test_the_cap_holds_for_tools() -> None:
    running, most, lock = [0], [0], threading.Lock()
    gate = threading.Barrier(2, timeout=20)

    @tool
    def work(x: int) -> int:
        """Work."""
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait()  # two must meet, and never three
        with lock:
            running[0] -= 1
        return x

    assert work.batch([{"x": x} for x in range(6)], {"max_concurrency": 2}) == list(range(6))
    assert most[0] <= 2


# Runnables and retrievers


def test_a_runnable_with_keys_is_a_tool() -> None:
    poster = PromptTemplate.from_template("{what}: {name}") | (lambda prompt: prompt.to_string())
    made = poster.as_tool(name="poster", description="Make a poster.")
    assert made.args.keys() == {"what", "name"}
    assert made.invoke({"what": "Wanted", "name": "Ada"}) == "Wanted: Ada"
    assert made.invoke(call({"what": "Wanted", "name": "Ada"})).content == "Wanted: Ada"
    with collect_runs() as runs:
        asyncio.run(made.ainvoke({"what": "a", "name": "b"}))
    (root,) = runs.traced_runs
    assert (root.run_type, [each.name for each in root.child_runs]) == ("tool", ["RunnableSequence"])


def test_a_runnable_of_text_is_a_tool_of_text() -> None:
    def shout(text: str) -> str:
        return text.upper()

    made = (RunnableLambda(shout) | shout).as_tool(name="shout")
    assert made.invoke("a") == asyncio.run(made.ainvoke("a")) == "A"
    assert made.description == "Takes {'title': 'shout_input', 'type': 'string'}."


class Size(NamedTuple):
    width: int
    height: int


class Drawn(TypedDict):
    size: Size
    colours: list[str]


def test_a_runnable_as_a_tool_gets_the_values_of_its_types() -> None:
    def told(drawn: Drawn) -> Any:
        return type(drawn["size"]), drawn["size"].width, drawn["colours"]

    made = RunnableLambda(told).as_tool(name="told")
    assert made.invoke({"size": [3, 4], "colours": ["red"]}) == (Size, 3, ["red"])


def test_types_or_a_schema_tell_what_a_runnable_takes() -> None:
    def scale(given: dict[str, Any]) -> int:
        return int(given["a"] * max(given["b"]))

    typed = RunnableLambda(scale).as_tool(arg_types={"a": int, "b": list[int]})
    assert typed.name == "scale"
    assert typed.args["b"] == {"items": {"type": "integer"}, "title": "B", "type": "array"}
    assert typed.invoke({"a": "3", "b": [1, 2]}) == 6
    assert (
        convert_runnable_to_tool(RunnableLambda(scale), typed.get_input_schema(), name="s").invoke({"a": 1, "b": [4]})
        == 4
    )
    assert tool("scale", RunnableLambda(scale), args_schema=typed.get_input_schema()).invoke({"a": 1, "b": [4]}) == 4
    assert RunnableLambda(lambda x: x["a"] + x["b"]).as_tool().invoke({"a": 1, "b": 2}) == 3
    with pytest.raises(ValueError, match="which keys the input of 'length' has can't be known"):
        RunnableLambda(len, name="length").as_tool()


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(f"{query} {at}", metadata={"source": at}) for at in (1, 2)]


def test_a_retriever_is_a_tool() -> None:
    made = create_retriever_tool(Shelf(), "shelf", "Find it.")
    assert made.args.keys() == {"query"}
    assert made.invoke("otters") == asyncio.run(made.ainvoke({"query": "otters"})) == "otters 1\n\notters 2"
    shown = create_retriever_tool(
        Shelf(),
        "shelf",
        "Find it.",
        document_prompt=PromptTemplate.from_template("[{source}] {page_content}"),
        document_separator="; ",
        response_format="content_and_artifact",
    )
    message = shown.invoke(call({"query": "otters"}))
    assert message.content == "[1] otters 1; [2] otters 2"
    assert [document.metadata["source"] for document in message.artifact] == [1, 2]
    with collect_runs() as runs:
        made.invoke("otters")
    assert [each.run_type for each in runs.traced_runs[0].child_runs] == ["retriever"]


@given(st.fixed_dictionaries({"a": st.integers(0)}, optional={"secret": st.integers()}))
@settings(max_examples=5)
def test_a_tool_keeps_the_laws(args: dict[str, Any]) -> None:
    report = check_laws(add, [args, call(args)], quiet=True)
    assert report.ok, report


def test_chunks_of_a_tool_are_its_answer() -> None:
    assert list(add.stream({"a": 1})) == [2]
    assert asyncio.run(alist((RunnableLambda(lambda x: {"a": x}) | add).astream(1))) == [2]
