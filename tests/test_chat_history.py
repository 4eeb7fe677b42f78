"""Histories: what was said is what is read, in order, for every history, in both its forms."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anabranch.nodes import (
    AIMessage,
    BaseChatMessageHistory,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    InMemoryChatMessageHistory,
    SQLiteChatMessageHistory,
    SystemMessage,
    ToolMessage,
    get_buffer_string,
)


class OneByOne(BaseChatMessageHistory):
    """One's own, that writes `add_message`."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []

    def add_message(self, message: BaseMessage) -> None:
        self.messages.append(message)

    def clear(self) -> None:
        self.messages = []


class Many(OneByOne):
    """One's own, that writes `add_messages`."""

    add_message = BaseChatMessageHistory.add_message

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        self.messages.extend(messages)


@contextmanager
def made(kind: Any) -> Iterator[BaseChatMessageHistory]:
    if kind == "file":
        with tempfile.TemporaryDirectory() as folder:
            yield SQLiteChatMessageHistory("ada", f"{folder}/chat.db")
    elif kind == "connection":
        with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
            yield SQLiteChatMessageHistory("ada", connection)
    else:
        yield kind()


KINDS = [OneByOne, Many, InMemoryChatMessageHistory, "file", "connection"]

TEXT = st.text(max_size=8)
METADATA = st.dictionaries(TEXT, st.none() | st.integers() | TEXT, max_size=2)
MESSAGES = st.one_of(
    st.builds(HumanMessage, content=TEXT, additional_kwargs=METADATA, name=st.none() | TEXT),
    st.builds(SystemMessage, content=TEXT, id=st.none() | TEXT),
    st.builds(ChatMessage, content=TEXT, role=TEXT),
    st.builds(ToolMessage, content=TEXT, tool_call_id=TEXT, artifact=st.none() | METADATA),
    st.builds(
        AIMessage,
        content=TEXT | st.lists(st.builds(lambda text: {"type": "text", "text": text}, TEXT), max_size=2),
        response_metadata=METADATA,
        tool_calls=st.lists(
            st.builds(lambda name, args: {"name": name, "args": args, "id": "1", "type": "tool_call"}, TEXT, METADATA),
            max_size=2,
        ),
    ),
)


@pytest.mark.parametrize("kind", KINDS)
@given(turns=st.lists(st.lists(MESSAGES, max_size=3), max_size=4), begins_async=st.booleans())
@settings(max_examples=25)
def test_what_was_said_is_what_is_read(kind: Any, turns: list[list[BaseMessage]], begins_async: bool) -> None:
    said = [message for turn in turns for message in turn]
    with made(kind) as history:

        async def add(turn: list[BaseMessage]) -> None:
            await history.aadd_messages(turn)

        for at, turn in enumerate(turns):
            if at % 2 == begins_async:
                history.add_messages(turn)
            else:
                asyncio.run(add(turn))
        assert list(history.messages) == said == asyncio.run(history.aget_messages())
        assert str(history) == get_buffer_string(said)
        asyncio.run(history.aclear()) if begins_async else history.clear()
        assert list(history.messages) == []
        history.add_messages(said[:1])
        assert list(history.messages) == said[:1]


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_may_be_given_as_text(kind: Any) -> None:
    with made(kind) as history:
        history.add_user_message("Hi")
        history.add_ai_message("Hello!")
        history.add_user_message(HumanMessage("Who am I?", name="Ada"))
        history.add_ai_message(AIMessage("Ada.", id="1"))
        assert list(history.messages) == [
            HumanMessage("Hi"),
            AIMessage("Hello!"),
            HumanMessage("Who am I?", name="Ada"),
            AIMessage("Ada.", id="1"),
        ]


@pytest.mark.parametrize("kind", [InMemoryChatMessageHistory, "file", "connection"])
def test_what_is_no_message_is_refused(kind: Any) -> None:
    wrong: list[Any] = ["Hi", HumanMessage("Hi"), ["Hi"], [HumanMessage("Hi"), ("human", "Hi")]]
    with made(kind) as history:
        for messages in wrong:
            with pytest.raises(TypeError, match="expected a"):
                history.add_messages(messages)
        with pytest.raises(TypeError, match="add_user_message"):
            history.add_message("Hi")  # type: ignore[arg-type]
        assert list(history.messages) == []


def test_a_class_must_write_a_way_to_add() -> None:
    class Nothing(BaseChatMessageHistory):
        def clear(self) -> None: ...

    for add in (Nothing().add_message, Nothing().add_user_message):
        with pytest.raises(NotImplementedError, match="Nothing has to write add_messages or add_message"):
            add(HumanMessage("Hi"))
    with pytest.raises(TypeError, match="clear"):
        BaseChatMessageHistory()  # type: ignore[abstract]


def test_a_list_in_memory_goes_to_json_and_back() -> None:
    history = InMemoryChatMessageHistory(messages=[HumanMessage("Hi"), AIMessage("Hello!", id="1")])
    assert InMemoryChatMessageHistory.model_validate_json(history.model_dump_json()) == history
    history.messages = history.messages[-1:]
    assert str(history) == "AI: Hello!"


# SQLite


def test_sessions_and_tables_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    ada, bob = SQLiteChatMessageHistory("ada", path), SQLiteChatMessageHistory("bob", f"sqlite:///{path}")
    other = SQLiteChatMessageHistory("ada", path, table_name="other")
    for history, text in ((ada, "I'm Ada"), (bob, "I'm Bob"), (other, "elsewhere")):
        history.add_user_message(text)
    bob.clear()
    assert [len(each.messages) for each in (ada, bob, other)] == [1, 0, 1]
    assert SQLiteChatMessageHistory("ada", path).messages == [HumanMessage("I'm Ada")]


def test_a_session_may_be_called_anything(tmp_path: Path) -> None:
    names = ["", "a'b", "x; DROP TABLE message_store", "ü\n%"]
    for name in names:
        SQLiteChatMessageHistory(name, tmp_path / "chat.db").add_user_message(name)
    for name in names:
        assert SQLiteChatMessageHistory(name, tmp_path / "chat.db").messages == [HumanMessage(name)]


def test_a_table_that_langchain_has_written_is_read(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "chat.db")) as connection, connection:
        connection.execute(
            "CREATE TABLE message_store (id INTEGER NOT NULL PRIMARY KEY, session_id TEXT, message TEXT)"
        )
        told = {"type": "human", "data": {"content": "Hi", "additional_kwargs": {}, "type": "human", "example": False}}
        connection.execute("INSERT INTO message_store (session_id, message) VALUES ('s', ?)", (json.dumps(told),))
    history = SQLiteChatMessageHistory("s", tmp_path / "chat.db")
    history.add_ai_message("Hello!")
    assert history.messages == [HumanMessage("Hi"), AIMessage("Hello!")]


def test_all_messages_are_added_or_none(tmp_path: Path) -> None:
    history = SQLiteChatMessageHistory("s", tmp_path / "chat.db")
    history.add_user_message("first")
    with pytest.raises(TypeError):
        history.add_messages([HumanMessage("second"), AIMessage("third", additional_kwargs={"no": object()})])
    assert history.messages == [HumanMessage("first")]


def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    history = SQLiteChatMessageHistory("s", tmp_path / "chat.db")
    history.add_user_message("first")
    with closing(sqlite3.connect(tmp_path / "chat.db")) as connection, connection:
        connection.execute("""UPDATE message_store SET message = '{"type": "alien", "data": {}}'""")
    with pytest.raises(TypeError, match=r"row 1 of message_store.*alien"):
        _ = history.messages


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ((3, "chat.db"), TypeError, "session_id is text, got int 3"),
        (("s", ":memory:"), ValueError, "give a connection of sqlite3"),
        (("s", "sqlite:///:memory:"), ValueError, "InMemoryChatMessageHistory"),
        (("s", "sqlite://"), ValueError, "InMemoryChatMessageHistory"),
        (("s", "postgresql:///chat"), ValueError, "no file of SQLite"),
        (("s", 3), TypeError, "got int 3"),
    ],
)
def test_bad_arguments_are_told_of(arguments: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        SQLiteChatMessageHistory(*arguments)
    for name in ("", "a\0b", "SQLite_master"):
        with pytest.raises(ValueError, match="none that SQLite allows"):
            SQLiteChatMessageHistory("s", "chat.db", table_name=name)
    with pytest.raises(TypeError, match="table_name is text"):
        SQLiteChatMessageHistory("s", "chat.db", table_name=1)  # type: ignore[arg-type]


NAMES = ["order", "1st", "a b", "a.b", 'a"b', "a'; DROP TABLE store; --", "[x]", "ß", "store", "store_sessions", "%s"]


@settings(max_examples=15)
@given(st.lists(st.sampled_from(NAMES) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)))
def test_a_table_may_have_any_name(names: list[str]) -> None:
    assume(not any(name.lower().startswith("sqlite_") for name in names))
    with closing(sqlite3.connect(":memory:")) as connection:
        kept = [SQLiteChatMessageHistory("ada", connection, table_name=name) for name in {*names, "store"}]
        for history in kept:
            history.clear()
            history.add_user_message(history.table_name)
        assert {name.casefold() for name in names} <= {str(each.messages[-1].content).casefold() for each in kept}


def pairs_of(history: SQLiteChatMessageHistory) -> list[tuple[Any, Any]]:
    texts = [message.content for message in history.messages]
    return list(zip(texts[::2], texts[1::2], strict=True))


@pytest.mark.parametrize("kind", ["file", "connection"])
def test_threads_keep_questions_with_their_answers(kind: str) -> None:
    with made(kind) as history:
        assert isinstance(history, SQLiteChatMessageHistory)

        def speak(name: str) -> None:
            for at in range(10):
                own = SQLiteChatMessageHistory("ada", history.connection)
                own.add_messages([HumanMessage(f"{name} {at}"), AIMessage(f"re {name} {at}")])

        threads = [threading.Thread(target=speak, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pairs = pairs_of(history)
        assert all(answer == f"re {question}" for question, answer in pairs)
        for name in "abcd":
            assert [question for question, _ in pairs if question[0] == name] == [f"{name} {at}" for at in range(10)]


def test_many_may_be_the_first_to_use_a_file(tmp_path: Path) -> None:
    for round in range(10):
        path, together = tmp_path / f"{round}.db", threading.Barrier(8)

        def speak(path: Path = path, together: threading.Barrier = together) -> None:
            together.wait()
            SQLiteChatMessageHistory("ada", path).add_user_message("hello")

        threads = [threading.Thread(target=speak) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(SQLiteChatMessageHistory("ada", path).messages) == 8


SPEAKER = """
import sys
from anabranch.nodes import AIMessage, HumanMessage, SQLiteChatMessageHistory

path, name = sys.argv[1:]
for at in range(15):
    SQLiteChatMessageHistory("ada", path).add_messages([HumanMessage(f"{name} {at}"), AIMessage(f"re {name} {at}")])
"""


def test_processes_do_too(tmp_path: Path) -> None:
    path = str(tmp_path / "chat.db")
    speakers = [subprocess.Popen([sys.executable, "-c", SPEAKER, path, name]) for name in "ab"]
    assert [speaker.wait(60) for speaker in speakers] == [0, 0]
    pairs = pairs_of(SQLiteChatMessageHistory("ada", path))
    assert len(pairs) == 30
    assert all(answer == f"re {question}" for question, answer in pairs)
