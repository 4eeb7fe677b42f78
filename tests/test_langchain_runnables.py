"""What `to_langchain` makes: Runnables, models, tools and retrievers that LangChain and LangGraph run as their own."""

from __future__ import annotations

import asyncio
import warnings
from typing import Annotated, Any

import pytest

from anabranch.nodes import (
    AIMessage,
    BaseRetriever,
    BaseTool,
    ChatPromptTemplate,
    Document,
    FakeListChatModel,
    FakeMessagesListChatModel,
    InjectedToolCallId,
    OutputParserException,
    RunnableConfig,
    RunnableLambda,
    RunnablePassthrough,
    StrOutputParser,
    ToolException,
    chain,
    from_langchain,
    to_langchain,
    tool,
)

pytest.importorskip("langchain_core", reason='needs langchain-core: pip install "anabranch[langchain]"')
from langchain_core import documents as their_documents
from langchain_core import exceptions as their_exceptions
from langchain_core import language_models as their_models
from langchain_core import messages as their_messages
from langchain_core import prompts as their_prompts
from langchain_core import retrievers as their_retrievers
from langchain_core import runnables as theirs
from langchain_core import tools as their_tools
from langchain_objects import Traces, add, tree


async def collected(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


def chain_of_ours() -> Any:
    return ChatPromptTemplate.from_template("Say {x}") | FakeListChatModel(responses=["hello"]) | StrOutputParser()


SEEN = (
    "RunnableSequence",
    "chain",
    ("ChatPromptTemplate", "prompt"),
    ("FakeListChatModel", "llm"),
    ("StrOutputParser", "parser"),
)


def test_a_chain_has_all_verbs_and_is_one_run_with_its_steps_below_it() -> None:
    made, value = to_langchain(chain_of_ours()), {"x": 1}
    verbs: dict[str, Any] = {
        "invoke": lambda config: made.invoke(value, config),
        "ainvoke": lambda config: asyncio.run(made.ainvoke(value, config)),
        "batch": lambda config: made.batch([value], config)[0],
        "abatch": lambda config: asyncio.run(made.abatch([value], config))[0],
        "stream": lambda config: "".join(made.stream(value, config)),
        "astream": lambda config: "".join(asyncio.run(collected(made.astream(value, config)))),
        "transform": lambda config: "".join(made.transform(iter([value]), config)),
    }
    for verb, call in verbs.items():
        traces = Traces()
        assert call({"callbacks": [traces]}) == call(None) == "hello", verb
        assert [tree(root) for root in traces.roots] == [SEEN], verb
    assert list(made.stream(value)) == list("hello")


def test_events_of_langchain_show_its_steps_and_tokens() -> None:
    async def events() -> list[Any]:
        made = to_langchain(chain_of_ours())
        return [event async for event in made.astream_events({"x": 1}, {"tags": ["mine"]}, version="v2")]

    told = asyncio.run(events())
    tokens = [event["data"]["chunk"] for event in told if event["event"] == "on_chat_model_stream"]
    assert "".join(chunk.content for chunk in tokens) == "hello"
    assert all(isinstance(chunk, their_messages.AIMessageChunk) for chunk in tokens)
    (start,) = (event for event in told if event["event"] == "on_prompt_start")
    assert (start["name"], sorted(start["tags"])) == ("ChatPromptTemplate", ["mine", "seq:step:1"])
    assert [event["data"]["chunk"] for event in told if event["event"] == "on_chain_stream"] == list("hello")


def test_a_failure_is_traced_and_raised() -> None:
    def fail(x: Any) -> Any:
        raise ValueError("mine")

    traces = Traces()
    with pytest.raises(ValueError, match="mine"):
        to_langchain(RunnablePassthrough() | fail).invoke(1, {"callbacks": [traces]})
    (root,) = traces.roots
    assert ["mine" in str(run.error) for run in (root, *root.child_runs)] == [True, False, True]


def test_it_takes_and_gives_messages_of_langchains() -> None:
    seen: list[Any] = []

    @chain
    def echo(messages: list[Any]) -> Any:
        seen.extend(messages)
        return AIMessage(messages[0].content)

    assert to_langchain(echo).invoke([their_messages.HumanMessage("a")]) == their_messages.AIMessage("a")
    assert type(seen[0]).__module__.startswith("anabranch.")


def test_config_goes_down_to_its_steps() -> None:
    def look(x: Any, config: RunnableConfig) -> Any:
        return (config["configurable"]["user"], config["recursion_limit"], x)

    config = {"configurable": {"user": "Ada"}, "recursion_limit": 7}
    assert to_langchain(RunnableLambda(look)).invoke(1, config) == ("Ada", 7, 1)


@pytest.mark.parametrize("converts", [False, True])
def test_chains_are_made_of_both_in_either_order(converts: bool) -> None:
    ours = FakeListChatModel(responses=["hello"]) | StrOutputParser()
    prompt, last = their_prompts.ChatPromptTemplate.from_template("Say {x}"), theirs.RunnableLambda(str.upper)
    right = prompt | (to_langchain(ours) if converts else ours) | last
    left = {"x": RunnablePassthrough()} | from_langchain(prompt) | ours | last
    assert right.invoke({"x": 1}) == asyncio.run(right.ainvoke({"x": 1})) == left.invoke(1) == "HELLO"
    assert isinstance(right, theirs.Runnable)
    assert list((prompt | to_langchain(ours)).stream({"x": 1})) == list("hello")


def test_a_runnable_is_called_like_a_function() -> None:
    assert RunnableLambda(len)("abc") == 3
    assert list(map(RunnableLambda(str.upper), ["a", "b"])) == ["A", "B"]


def test_what_came_from_langchain_goes_back_as_it_was() -> None:
    assert to_langchain(from_langchain(add)) is add
    ours = chain_of_ours()
    assert from_langchain(to_langchain(ours)) is ours


def test_a_chat_model_of_ours_is_one_of_theirs() -> None:
    model = to_langchain(FakeListChatModel(responses=["hello"]))
    assert isinstance(model, their_models.BaseChatModel)
    question = [their_messages.HumanMessage("q")]
    assert model.invoke(question).content == asyncio.run(model.ainvoke(question)).content == "hello"
    chunks = list(model.stream(question))
    assert [chunk.content for chunk in chunks][:5] == list("hello")
    assert "".join(chunk.content for chunk in asyncio.run(collected(model.astream(question)))) == "hello"
    traces = Traces()
    model.invoke(question, {"callbacks": [traces]})
    assert [tree(root) for root in traces.roots] == [("FakeListChatModel", "llm")]


def test_the_tools_that_it_is_bound_to_reach_it() -> None:
    bound: list[Any] = []

    class Calling(FakeListChatModel):
        def bind_tools(self, tools: Any, *, tool_choice: Any = None, **kwargs: Any) -> Any:
            bound.extend(tools)
            return self.bind(tools=list(tools))

        def _call(self, messages: Any, stop: Any = None, **kwargs: Any) -> str:
            return str(len(kwargs["tools"]))

    model = to_langchain(Calling(responses=["x"])).bind_tools([add, to_langchain(shout)])
    assert model.invoke("q").content in ("2", "x")
    assert [each["function"]["name"] for each in bound] == ["add", "shout"]


@tool
def shout(text: str, times: int = 1) -> str:
    """Say it loud."""
    if not text:
        raise ToolException("nothing to say")
    return text.upper() * times


@tool(response_format="content_and_artifact")
def look_up(question: str) -> tuple[str, list[Document]]:
    """Look something up."""
    return question.upper(), [Document(question)]


@tool
def called(text: str, call_id: Annotated[str, InjectedToolCallId], config: RunnableConfig) -> str:
    """Tell the call."""
    return f"{text} {call_id} {config['configurable'].get('user')}"


def call_of(name: str, **args: Any) -> Any:
    return {"name": name, "args": args, "id": "call-1", "type": "tool_call"}


def test_a_tool_of_ours_is_one_of_theirs() -> None:
    made = to_langchain(shout)
    assert isinstance(made, their_tools.BaseTool)
    assert (made.name, made.description, set(made.args)) == ("shout", "Say it loud.", {"text", "times"})
    assert made.invoke({"text": "a", "times": 2}) == asyncio.run(made.ainvoke({"text": "a", "times": 2})) == "AA"
    answer = made.invoke(call_of("shout", text="a"))
    assert answer == their_messages.ToolMessage("A", name="shout", tool_call_id="call-1")
    traces = Traces()
    made.invoke({"text": "a"}, {"callbacks": [traces]})
    assert [(root.name, root.run_type) for root in traces.roots] == [("shout", "tool")]


def test_the_artifact_of_a_tool_is_one_of_langchains() -> None:
    answer = to_langchain(look_up).invoke(call_of("look_up", question="a"))
    assert (answer.content, answer.artifact) == ("A", [their_documents.Document(page_content="a")])
    assert to_langchain(look_up).invoke({"question": "a"}) == "A"


def test_what_is_injected_into_a_tool_is_injected_there_too() -> None:
    answer = to_langchain(called).invoke(call_of("called", text="a"), {"configurable": {"user": "Ada"}})
    assert answer.content == "a call-1 Ada"
    answer = asyncio.run(to_langchain(called).ainvoke(call_of("called", text="a")))
    assert answer.content == "a call-1 None"
    assert set(to_langchain(called).args) == {"text"}


def test_the_errors_of_a_tool_are_handled_as_it_says() -> None:
    with pytest.raises(their_tools.ToolException, match="nothing to say"):
        to_langchain(shout).invoke({"text": ""})
    handling = shout.model_copy(update={"handle_tool_error": True})
    answer = to_langchain(handling).invoke(call_of("shout", text=""))
    assert (answer.content, answer.status) == ("nothing to say", "error")


def test_a_retriever_of_ours_is_one_of_theirs() -> None:
    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
            return [Document(query)]

    made = to_langchain(Shelf(tags=["t"]))
    assert isinstance(made, their_retrievers.BaseRetriever)
    assert made.invoke("a") == asyncio.run(made.ainvoke("a")) == [their_documents.Document(page_content="a")]
    traces = Traces()
    made.invoke("a", {"callbacks": [traces]})
    assert [(tree(root), root.tags) for root in traces.roots] == [(("Shelf", "retriever"), ["t"])]


def test_a_parser_of_ours_fails_with_what_langchain_catches() -> None:
    @chain
    def parse(text: str) -> Any:
        raise OutputParserException("no", llm_output=text)

    with pytest.raises(their_exceptions.OutputParserException) as caught:
        to_langchain(parse).invoke("x")
    assert (isinstance(caught.value, OutputParserException), caught.value.llm_output) == (True, "x")


def test_an_agent_of_langgraphs_runs_with_our_model_and_tools() -> None:
    prebuilt = pytest.importorskip("langgraph.prebuilt", reason="needs langgraph")

    class Asking(FakeMessagesListChatModel):
        def bind_tools(self, tools: Any, *, tool_choice: Any = None, **kwargs: Any) -> Any:
            return self.bind(tools=list(tools))

    asks = AIMessage("", tool_calls=[call_of("shout", text="hi"), call_of("add", x=1)])
    model = to_langchain(Asking(responses=[asks, AIMessage("done")]))
    tools: list[Any] = [to_langchain(shout), add]
    node = prebuilt.ToolNode(tools)
    assert isinstance(shout, BaseTool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it moves to another package
        agent = prebuilt.create_react_agent(model, node)
    messages = agent.invoke({"messages": [("human", "go")]})["messages"]
    assert [message.content for message in messages] == ["go", "", "HI", "2", "done"]


def below_a_node(node: Any, *, is_async: bool = False) -> Any:
    """The trees of runs below a function of LangChain's."""
    traces, made = Traces(), theirs.RunnableLambda(node)
    config: Any = {"callbacks": [traces], "tags": ["mine"]}
    if is_async:
        asyncio.run(made.ainvoke(1, config))
    else:
        made.invoke(1, config)
    (root,) = traces.roots
    assert all("mine" in run.tags for run in root.child_runs)
    return list(map(tree, root.child_runs))


def test_a_chain_that_a_function_calls_with_its_config_is_traced_below_it() -> None:
    ours, value = chain_of_ours(), {"x": 1}

    def called(x: Any, config: theirs.RunnableConfig) -> Any:
        return ours.batch([value, value], config)

    async def awaited(x: Any, config: theirs.RunnableConfig) -> Any:
        return await ours.ainvoke(value, config)

    async def called_on_the_loop(x: Any, config: theirs.RunnableConfig) -> Any:
        return ours.invoke(value, config)

    async def read(x: Any, config: theirs.RunnableConfig) -> Any:
        events = [event["event"] async for event in ours.astream_events(value, config)]
        assert events[-1] == "on_chain_end"
        return events

    assert below_a_node(called) == [SEEN, SEEN]
    for node in (awaited, called_on_the_loop, read):
        assert below_a_node(node, is_async=True) == [SEEN]
