"""A history in a file of SQLite, by the module of the standard library."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

from anabranch.nodes.histories.chat_history import BaseChatMessageHistory, checked
from anabranch.nodes.messages.dicts import message_from_dict, messages_to_dict
from anabranch.nodes.messages.messages import BaseMessage

WAIT_SECONDS = 30.0
"""How long to wait for another who writes to the file."""

_GIVEN = threading.Lock()
"""Held while a connection that was given is used, for threads may share it."""


class SQLiteChatMessageHistory(BaseChatMessageHistory):
    """Keeps the messages of a session in a table of SQLite, in the form in which LangChain's SQL history does.

    Threads and processes may use one file. What `add_messages` adds stays together.

    Args:
        session_id: whose messages these are.
        connection: the path of the file, which is made, or `sqlite:///path`; or a connection of `sqlite3`. Threads,
            and so asynchronous code, need one that was made with `check_same_thread=False`.
        table_name: the table, which is made. It may have any characters; a NUL is refused.

    Raises:
        TypeError: when the session's id or the connection isn't such.
        ValueError: when the file is ":memory:", which would be gone at once, or SQLite has no table of that name.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> SQLiteChatMessageHistory("ada", f"{folder.name}/chat.db").add_user_message("Hi")
        >>> SQLiteChatMessageHistory("ada", f"{folder.name}/chat.db").messages
        [HumanMessage(content='Hi')]
        >>> SQLiteChatMessageHistory("bob", f"{folder.name}/chat.db").messages
        []
        >>> folder.cleanup()
    """

    def __init__(
        self,
        session_id: str,
        connection: str | os.PathLike[str] | sqlite3.Connection,
        *,
        table_name: str = "message_store",
    ) -> None:
        if not isinstance(session_id, str):
            raise TypeError(f"session_id is text, got {type(session_id).__name__} {session_id!r:.80}")
        if not isinstance(table_name, str):
            raise TypeError(f"table_name is text, got {type(table_name).__name__} {table_name!r:.80}")
        if not table_name or "\0" in table_name or table_name.lower().startswith("sqlite_"):
            raise ValueError(
                f"table_name {table_name!r:.80} is none that SQLite allows: one isn't empty, has no NUL, and doesn't "
                "begin with 'sqlite_'"
            )
        self.session_id = session_id
        self.connection = connection if isinstance(connection, sqlite3.Connection) else _path_of(connection)
        self.table_name = table_name
        self._table = _quoted(table_name)

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override] # read only here
        """What was said, the oldest first."""
        with self._opened() as connection:
            told = connection.execute(
                f"SELECT id, message FROM {self._table} WHERE session_id = ? ORDER BY id", (self.session_id,)
            ).fetchall()
        return [message_from_dict(json.loads(text), f"row {id} of {self.table_name}") for id, text in told]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages, all or none of them.

        Raises:
            TypeError: when something isn't a message, or holds what JSON can't.
        """
        rows = [(self.session_id, json.dumps(told)) for told in messages_to_dict(checked(messages))]
        with self._writing() as connection:
            connection.executemany(f"INSERT INTO {self._table} (session_id, message) VALUES (?, ?)", rows)

    def clear(self) -> None:
        """Forget the messages of this session."""
        with self._writing() as connection:
            connection.execute(f"DELETE FROM {self._table} WHERE session_id = ?", (self.session_id,))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction, which begins as one that writes: so it waits for others, and never fails."""
        with self._opened() as connection:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection to where the table is."""
        if isinstance(self.connection, sqlite3.Connection):
            with _GIVEN:
                self._make_table(self.connection)
                yield self.connection
            return
        with closing(sqlite3.connect(self.connection, timeout=WAIT_SECONDS)) as connection:
            with suppress(sqlite3.OperationalError):  # who uses the file just now is in its way; it will do without
                connection.execute("PRAGMA journal_mode = WAL")  # those who read don't wait for those who write
            self._make_table(connection)
            yield connection

    def _make_table(self, connection: sqlite3.Connection) -> None:
        index = f"{self.table_name}(session_id, id)"  # hardly the name of anything else
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?", (index,))
        if known.fetchone():
            return
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} "
            "(id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, session_id TEXT, message TEXT)"
        )
        connection.execute(f"CREATE INDEX IF NOT EXISTS {_quoted(index)} ON {self._table} (session_id, id)")
        connection.commit()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(session_id={self.session_id!r}, connection={self.connection!r})"


def _quoted(name: str) -> str:
    """A name as SQL has it, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'


def _path_of(connection: Any) -> str:
    if not isinstance(connection, str | os.PathLike):
        raise TypeError(
            f"connection is the path of a file or a connection of sqlite3, got {type(connection).__name__} "
            f"{connection!r:.80}"
        )
    path = os.fspath(connection)
    if isinstance(path, str) and "://" in path:
        scheme, _, path = path.partition("://")
        path = path.removeprefix("/")
        if scheme != "sqlite":
            raise ValueError(f"connection {connection!r:.80} is no file of SQLite; give a path, or sqlite:///path")
    if path in ("", ":memory:"):
        raise ValueError(
            "a database in memory is gone when its connection is closed; give a connection of sqlite3, "
            "or use InMemoryChatMessageHistory"
        )
    return path
