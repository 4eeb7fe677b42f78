"""A runnable with a history: what it is asked with, what it answers, and what is kept of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.engine.errors import CompositionError, ConfigError, StepInputError
from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatPromptTemplate,
    ConfigurableFieldSpec,
    FakeListChatModel,
    GenericFakeChatModel,
    HumanMessage,
    InMemoryChatMessageHistory,
    MessagesPlaceholder,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    RunnableWithMessageHistory,
    SQLiteChatMessageHistory,
    StrOutputParser,
    fold,
)
from anabranch.nodes.laws import assert_laws

ADA: RunnableConfig = {"configurable": {"session_id": "ada"}}
BOB: RunnableConfig = {"configurable": {"session_id": "bob"}}


class Sessions(dict[str, InMemoryChatMessageHistory]):
    def __call__(self, session_id: str) -> InMemoryChatMessageHistory:
        return self.setdefault(session_id, InMemoryChatMessageHistory())

    def texts(self, session_id: str = "ada") -> list[Any]:
        return [(message.type, message.content) for message in self(session_id).messages]


def echo(messages: list[BaseMessage]) -> AIMessage:
    """Answers how many messages it has seen, and the last."""
    return AIMessage(f"{len(messages)}: {messages[-1].text}")


def run(chain: Any, value: Any, how: str, config: RunnableConfig = ADA) -> Any:
    """What a chain gives, by one of its verbs."""

    async def chunks() -> list[Any]:
        return [chunk async for chunk in chain.astream(value, config)]

    async def main() -> Any:
        return await chain.ainvoke(value, config)

    match how:
        case "invoke":
            return chain.invoke(value, config)
        case "stream":
            return fold(chain.stream(value, config))
        case "ainvoke":
            return asyncio.run(main())
        case "astream":
            return fold(asyncio.run(chunks()))
        case "batch":
            return chain.batch([value], config)[0]
    raise AssertionError(how)


VERBS = ["invoke", "stream", "ainvoke", "astream", "batch"]
verbs = one_after_another("how", VERBS)


# What goes in


@verbs
def test_a_list_of_messages_follows_what_was_said(how: str) -> None:
    sessions = Sessions()
    chat = RunnableWithMessageHistory(RunnableLambda(echo), sessions)
    assert run(chat, [HumanMessage("a")], how).content == "1: a"
    assert run(chat, "b", how).content == "3: b"
    assert run(chat, HumanMessage("c"), how).content == "5: c"
    assert run(chat, [("human", "d"), {"role": "user", "content": "e"}], how).content == "8: e"
    assert run(chat, {"anything": "f"}, how).content == "10: f"
    assert run(chat, {"input": "g"}, how, BOB).content == "1: g"
    assert [text for _, text in sessions.texts()] == [
        "a", "1: a", "b", "3: b", "c", "5: c", "d", "e", "8: e", "f", "10: f"
    ]  # fmt: skip
    assert sessions.texts("bob") == [("human", "g"), ("ai", "1: g")]
    assert all(isinstance(message, BaseMessage) for message in sessions("ada").messages)


@verbs
@pytest.mark.parametrize("said", ["hi", HumanMessage("hi"), [HumanMessage("hi")]])
def test_the_history_goes_under_its_key(how: str, said: Any) -> None:
    sessions, seen = Sessions(), []

    def answer(given: dict[str, Any]) -> str:
        seen.append(given)
        return "hello"

    chat = RunnableWithMessageHistory(
        RunnableLambda(answer), sessions, input_messages_key="question", history_messages_key="history"
    )
    for _ in range(2):
        run(chat, {"question": said, "other": 1}, how)
    assert seen == [
        {"question": said, "other": 1, "history": []},
        {"question": said, "other": 1, "history": [HumanMessage("hi"), AIMessage("hello")]},
    ]
    assert sessions.texts() == [("human", "hi"), ("ai", "hello")] * 2


@verbs
def test_without_a_key_for_the_history_it_goes_with_what_is_said(how: str) -> None:
    sessions, seen = Sessions(), []

    def answer(given: dict[str, Any]) -> str:
        seen.append(given)
        return "hello"

    chat = RunnableWithMessageHistory(RunnableLambda(answer), sessions, input_messages_key="question")
    run(chat, {"question": "a", "other": 1}, how)
    run(chat, {"question": "b", "other": 1}, how)
    assert seen[1] == {"question": [HumanMessage("a"), AIMessage("hello"), HumanMessage("b")], "other": 1}
    assert [text for _, text in sessions.texts()] == ["a", "hello", "b", "hello"]


@verbs
def test_a_prompt_and_a_model_remember(how: str) -> None:
    sessions = Sessions()
    prompt = ChatPromptTemplate.from_messages(
        [("system", "You are {role}."), MessagesPlaceholder("history"), ("human", "{question}")]
    )
    model = FakeListChatModel(responses=["Hello Ada!", "You are Ada."])
    chat = RunnableWithMessageHistory(
        prompt | model, sessions, input_messages_key="question", history_messages_key="history"
    )
    said = run(chat, {"role": "kind", "question": "I'm Ada."}, how)
    run(chat | StrOutputParser(), {"role": "kind", "question": "Who am I?"}, how)
    assert [text for _, text in sessions.texts()] == ["I'm Ada.", "Hello Ada!", "Who am I?", "You are Ada."]
    assert [type(message) for message in sessions("ada").messages] == [HumanMessage, AIMessage] * 2
    assert sessions("ada").messages[1].id == said.id


# What comes out


@verbs
@pytest.mark.parametrize(
    ("answer", "key", "kept"),
    [
        ("text", None, ["text"]),
        (AIMessage("m"), None, ["m"]),
        (AIMessageChunk("c"), None, ["c"]),
        ([AIMessage("m"), AIMessage("n")], None, ["m", "n"]),
        ([], None, []),
        ({"output": "o"}, None, ["o"]),
        ({"output": AIMessage("o"), "more": 1}, None, ["o"]),
        ({"only": "o"}, None, ["o"]),
        ({"answer": [AIMessage("o")], "more": 1}, "answer", ["o"]),
        ("text", "answer", ["text"]),
    ],
)
def test_the_answer_is_kept_in_each_of_its_forms(how: str, answer: Any, key: str | None, kept: list[str]) -> None:
    sessions = Sessions()
    chat = RunnableWithMessageHistory(RunnableLambda(lambda _: answer), sessions, output_messages_key=key)
    assert run(chat, "hi", how) == answer
    assert sessions.texts() == [("human", "hi"), *(("ai", text) for text in kept)]


@verbs
@pytest.mark.parametrize(
    ("answer", "key", "told"),
    [
        (3, None, "got int 3"),
        (None, None, "got NoneType"),
        (["a"], None, "got list"),
        ({"a": 1, "b": 2}, None, "under the key 'output', got a dict with 'a', 'b'; output_messages_key"),
        ({"b": 2}, "answer", "under the key 'answer'"),
    ],
)
def test_an_answer_that_cannot_be_kept_is_an_error(how: str, answer: Any, key: str | None, told: str) -> None:
    sessions = Sessions()
    chat = RunnableWithMessageHistory(RunnableLambda(lambda _: answer), sessions, output_messages_key=key)
    with pytest.raises(StepInputError, match=told):
        run(chat, "hi", how)
    assert sessions.texts() == []


# Streams


def pieces(chunks: Iterator[Any]) -> Iterator[str]:
    for _ in chunks:
        yield from ("one ", "two ", "three")


def test_a_stream_is_kept_when_it_has_come_to_its_end_and_not_before() -> None:
    sessions = Sessions()
    chunks = RunnableWithMessageHistory(RunnableGenerator(pieces), sessions).stream("hi", ADA)
    assert [next(chunks), next(chunks), next(chunks)] == ["one ", "two ", "three"]
    assert sessions.texts() == []
    assert next(chunks, None) is None
    assert sessions.texts() == [("human", "hi"), ("ai", "one two three")]


def test_a_stream_that_is_closed_early_is_not_kept() -> None:
    sessions = Sessions()
    chat = RunnableWithMessageHistory(RunnableGenerator(pieces), sessions)
    with chat.stream("hi", ADA) as chunks:
        assert next(chunks) == "one "

    async def main() -> None:
        async with chat.astream("hi", ADA) as chunks:
            assert await anext(chunks) == "one "

    asyncio.run(main())
    assert sessions.texts() == []


@verbs
def test_a_run_that_fails_is_not_kept(how: str) -> None:
    def breaks(chunks: Iterator[Any]) -> Iterator[str]:
        yield "one"
        raise ValueError("broken")

    sessions = Sessions()
    with pytest.raises(ValueError, match="broken"):
        run(RunnableWithMessageHistory(RunnableGenerator(breaks), sessions), "hi", how)
    assert sessions.texts() == []


def test_a_call_that_is_cancelled_is_not_kept() -> None:
    sessions = Sessions()

    async def main() -> None:
        entered = asyncio.Event()

        async def waits(_: Any) -> str:
            entered.set()
            await asyncio.Event().wait()
            return ""

        task = asyncio.create_task(RunnableWithMessageHistory(RunnableLambda(waits), sessions).ainvoke("hi", ADA))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert sessions.texts() == []


def test_a_stream_of_snapshots_keeps_the_last() -> None:
    def growing(_: Any) -> Iterator[dict[str, str]]:
        yield {"output": "o"}
        yield {"output": "one"}

    sessions = Sessions()
    assert list(RunnableWithMessageHistory(RunnableLambda(growing), sessions).stream("hi", ADA))[-1] == {
        "output": "one"
    }
    assert sessions.texts() == [("human", "hi"), ("ai", "one")]


def test_each_chunk_is_handed_on_at_once() -> None:
    made = []

    def watched(chunks: Iterator[Any]) -> Iterator[str]:
        for chunk in pieces(chunks):
            made.append(chunk)
            yield chunk

    with RunnableWithMessageHistory(RunnableGenerator(watched), Sessions()).stream("hi", ADA) as chunks:
        next(chunks)
        assert made == ["one "]


# Sessions


@given(turns=st.lists(st.tuples(st.sampled_from(["ada", "bob"]), st.text(max_size=5), st.sampled_from(VERBS))))
@settings(max_examples=25)
def test_each_session_reads_what_was_said_in_it(turns: list[tuple[str, str, str]]) -> None:
    sessions = Sessions()
    chat = RunnableWithMessageHistory(RunnableLambda(echo), sessions)
    expected: dict[str, list[Any]] = {"ada": [], "bob": []}
    for session, text, how in turns:
        answer = f"{len(expected[session]) + 1}: {text}"
        assert run(chat, text, how, {"configurable": {"session_id": session}}).content == answer
        expected[session] += [("human", text), ("ai", answer)]
    assert {name: sessions.texts(name) for name in expected} == expected


def test_many_sessions_run_at_once(tmp_path: Path) -> None:
    def history_of(session_id: str) -> SQLiteChatMessageHistory:
        return SQLiteChatMessageHistory(session_id, tmp_path / "chat.db")

    chat = RunnableWithMessageHistory(RunnableLambda(echo), history_of)
    names = [f"session {at}" for at in range(8)]
    configs: list[RunnableConfig] = [{"configurable": {"session_id": name}} for name in names]
    assert [each.content for each in chat.batch(names, configs)] == [f"1: {name}" for name in names]

    async def main() -> list[Any]:
        return await chat.abatch(names, configs)

    assert [each.content for each in asyncio.run(main())] == [f"3: {name}" for name in names]
    for name in names:
        assert [each.content for each in history_of(name).messages] == [name, f"1: {name}", name, f"3: {name}"]


@verbs
def test_a_session_may_have_several_keys(how: str) -> None:
    made: dict[Any, InMemoryChatMessageHistory] = {}

    def history_of(user: str, conversation: str) -> InMemoryChatMessageHistory:
        return made.setdefault((user, conversation), InMemoryChatMessageHistory())

    specs = [ConfigurableFieldSpec(id=name, annotation=str) for name in ("conversation", "user")]
    chat = RunnableWithMessageHistory(RunnableLambda(echo), history_of, history_factory_config=specs)
    run(chat, "hi", how, {"configurable": {"user": "ada", "conversation": "1"}})
    assert list(made) == [("ada", "1")]
    with pytest.raises(ConfigError, match="needs 'conversation' in config"):
        run(chat, "hi", how, {"configurable": {"user": "ada"}})
    assert {spec.id for spec in chat.config_specs} == {"conversation", "user"}
    schema = chat.config_schema().model_json_schema()
    assert set(schema["$defs"]["Configurable"]["properties"]) == {"conversation", "user"}


@verbs
@pytest.mark.parametrize("config", [{}, {"configurable": {}}, {"configurable": {"session_id": None}}])
def test_a_session_that_is_not_named_is_an_error(how: str, config: RunnableConfig) -> None:
    called: list[Any] = []
    chat = RunnableWithMessageHistory(RunnableLambda(called.append), Sessions())
    with pytest.raises(ConfigError, match=r"'session_id' in config\['configurable'\].*give \{'configurable'"):
        run(RunnablePassthrough() | chat, "hi", how, config)
    assert called == []


def test_the_session_may_be_bound_and_is_told_of() -> None:
    sessions = Sessions()
    chat = RunnableWithMessageHistory(RunnableLambda(echo), sessions)
    chat.with_config(ADA).invoke("hi")
    assert len(sessions.texts()) == 2
    (spec,) = (RunnablePassthrough() | chat).config_specs
    assert (spec.id, spec.annotation, spec.name, spec.is_shared) == ("session_id", str, "Session ID", True)


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "astream"])
def test_the_history_may_come_from_an_async_function(how: str) -> None:
    sessions = Sessions()

    async def history_of(session_id: str) -> InMemoryChatMessageHistory:
        return sessions(session_id)

    chat = RunnableWithMessageHistory(RunnableLambda(echo), history_of)
    run(chat, "hi", how)
    assert sessions.texts() == [("human", "hi"), ("ai", "1: hi")]


def test_a_function_without_parameters_gives_one_history() -> None:
    history = InMemoryChatMessageHistory()
    RunnableWithMessageHistory(RunnableLambda(echo), lambda: history, history_factory_config=[]).invoke("hi")
    RunnableWithMessageHistory(RunnableLambda(echo), lambda: history).invoke("hi", ADA)
    assert len(history.messages) == 4


def test_a_function_that_does_not_fit_its_keys_is_refused() -> None:
    specs = [ConfigurableFieldSpec(id=name, annotation=str) for name in ("user", "conversation")]

    def history_of(user: str, other: str) -> InMemoryChatMessageHistory:
        raise AssertionError

    with pytest.raises(CompositionError, match=r"takes \(user.*other.*keys 'user', 'conversation'"):
        RunnableWithMessageHistory(RunnableLambda(echo), history_of, history_factory_config=specs)
    with pytest.raises(CompositionError, match="get_session_history is a function"):
        RunnableWithMessageHistory(RunnableLambda(echo), InMemoryChatMessageHistory())  # type: ignore[arg-type]
    with pytest.raises(StepInputError, match="gave int 3, which is no BaseChatMessageHistory"):
        RunnableWithMessageHistory(RunnableLambda(echo), lambda _: 3).invoke("hi", ADA)


@verbs
@pytest.mark.parametrize(
    ("value", "keys", "told"),
    [
        (3, {}, "expected text, a message or a list of messages, got int 3"),
        ({"a": 1, "b": 2}, {}, "under the key 'input', got a dict with 'a', 'b'; input_messages_key"),
        ({"other": "hi"}, {"input_messages_key": "question"}, "under the key 'question'"),
        ("hi", {"input_messages_key": "question"}, "expected a dict, got str 'hi'"),
        ("hi", {"history_messages_key": "history"}, "expected a dict, got str 'hi'"),
        ({}, {}, "got a dict with nothing"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_runs(
    how: str, value: Any, keys: dict[str, str], told: str
) -> None:
    called: list[Any] = []
    chat = RunnableWithMessageHistory(RunnableLambda(called.append), Sessions(), **keys)  # type: ignore[arg-type]
    with pytest.raises(StepInputError, match=told):
        run(chat, value, how)
    assert called == []


# Inside and around


def test_a_run_of_it_shows_how_it_came_about() -> None:
    chat = RunnableWithMessageHistory(GenericFakeChatModel(messages=iter(["one two"])), Sessions())
    events = list((chat | StrOutputParser()).stream_events("hi", ADA, version="v2"))
    assert [each["name"] for each in events if each["event"].endswith("_start")] == [
        "RunnableSequence", "RunnableWithMessageHistory", "load_history", "GenericFakeChatModel", "StrOutputParser"
    ]  # fmt: skip
    ends = {each["name"]: each["data"]["output"] for each in events if each["event"].endswith("_end")}
    assert ends["load_history"] == [HumanMessage("hi")]
    assert ends["RunnableWithMessageHistory"].content == "one two"
    assert ends["RunnableSequence"] == "one two"
    assert [
        each["data"]["chunk"] for each in events if each["name"] == "RunnableSequence" and "stream" in each["event"]
    ]


def test_a_chain_inside_has_its_output_in_traces() -> None:
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    chat = RunnableWithMessageHistory(
        prompt | FakeListChatModel(responses=["yes"]),
        Sessions(),
        input_messages_key="question",
        history_messages_key="history",
    )
    events = list(chat.stream_events({"question": "hi"}, ADA, version="v2"))
    (end,) = [each for each in events if each["event"] == "on_chain_end" and each["name"] == "RunnableSequence"]
    assert end["data"]["output"].content == "yes"
    assert "insert_history" in [each["name"] for each in events]


def test_what_runs_finds_the_history_in_its_config() -> None:
    sessions, found = Sessions(), []

    def answer(messages: list[BaseMessage], config: RunnableConfig) -> str:
        found.append(config["configurable"]["message_history"])
        return "yes"

    RunnableWithMessageHistory(RunnableLambda(answer), sessions).invoke("hi", ADA)
    assert found == [sessions("ada")]


def test_one_inside_another_keeps_its_own() -> None:
    outer, inner = Sessions(), Sessions()
    chat = RunnableWithMessageHistory(
        RunnableLambda(lambda messages: messages[-1]) | RunnableWithMessageHistory(RunnableLambda(echo), inner), outer
    )
    chat.invoke("a", ADA)
    chat.invoke("b", ADA)
    assert [text for _, text in outer.texts()] == ["a", "1: a", "b", "3: b"] == [text for _, text in inner.texts()]


def test_what_is_bound_reaches_the_first_step() -> None:
    seen = []

    def answer(messages: list[BaseMessage], loud: bool = False) -> str:
        seen.append(loud)
        return "yes"

    chat = RunnableWithMessageHistory(RunnableLambda(answer), Sessions())
    chat.bind(loud=True).invoke("hi", ADA)
    chat.invoke("hi", ADA, loud=True)
    assert seen == [True, True]


def test_a_retry_around_it_keeps_one_turn() -> None:
    sessions, tries = Sessions(), []

    def answer(messages: list[BaseMessage]) -> str:
        tries.append(1)
        if len(tries) < 2:
            raise ConnectionError
        return "yes"

    chat = RunnableWithMessageHistory(RunnableLambda(answer), sessions)
    chat.with_retry(wait_exponential_jitter=False, stop_after_attempt=2).invoke("hi", ADA)
    assert sessions.texts() == [("human", "hi"), ("ai", "yes")]


def test_it_tells_of_its_types() -> None:
    chat = RunnableWithMessageHistory(RunnableLambda(echo), Sessions(), input_messages_key="question")
    schema = chat.input_schema.model_json_schema()
    assert (schema["title"], list(schema["properties"]), schema["required"]) == (
        "RunnableWithChatHistoryInput", ["question"], ["question"]
    )  # fmt: skip
    assert chat.OutputType is AIMessage
    plain = RunnableWithMessageHistory(RunnableLambda(echo), Sessions())
    assert plain.input_schema.model_json_schema()["title"] == "RunnableWithChatHistoryInput"


def test_an_async_answer_is_kept_by_async_forms() -> None:
    class Noting(InMemoryChatMessageHistory):
        async def aadd_messages(self, messages: Any) -> None:
            called.append(len(messages))
            await super().aadd_messages(messages)

        async def aget_messages(self) -> list[BaseMessage]:
            called.append("read")
            return await super().aget_messages()

    async def answer(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        async for _ in chunks:
            yield "y"
            yield "es"

    called: list[Any] = []
    history = Noting()
    chat = RunnableWithMessageHistory(RunnableGenerator(answer), lambda _: history)
    assert run(chat, "hi", "astream") == "yes"
    assert called == ["read", 2]
    assert history.messages == [HumanMessage("hi"), AIMessage("yes")]


def empty_history(session_id: str) -> InMemoryChatMessageHistory:
    return InMemoryChatMessageHistory()


def test_it_keeps_the_laws_of_runnables() -> None:
    assert_laws(RunnableWithMessageHistory(RunnableLambda(echo), empty_history).with_config(ADA), ["hi", "", "Ada"])
