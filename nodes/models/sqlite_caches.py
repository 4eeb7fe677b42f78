"""A cache in a file of SQLite, whose values are JSON, so that nothing in the file is ever run."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from contextlib import suppress
from os import PathLike, fspath
from types import TracebackType
from typing import Any, Self
from weakref import finalize

from pydantic import BaseModel, ValidationError

from anabranch.engine.errors import StepInputError
from anabranch.nodes.messages.chunks import AIMessageChunk, HumanMessageChunk, SystemMessageChunk
from anabranch.nodes.messages.generations import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk
from anabranch.nodes.messages.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from anabranch.nodes.messages.prompt_values import ChatPromptValue, ChatPromptValueConcrete, StringPromptValue
from anabranch.nodes.models.caches import Answers, BaseCache
from anabranch.nodes.models.exact_json import exact_json, from_exact_json, name_of
from anabranch.nodes.retrieval.documents import Document

KNOWN: tuple[type[BaseModel], ...] = (
    *(AIMessage, ChatMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage),
    *(AIMessageChunk, HumanMessageChunk, SystemMessageChunk),
    *(Generation, GenerationChunk, ChatGeneration, ChatGenerationChunk),
    *(Document, StringPromptValue, ChatPromptValue, ChatPromptValueConcrete),
)
"""The classes of what a cache may hold, besides what is JSON."""

TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    prompt TEXT NOT NULL, llm_string TEXT NOT NULL, answers TEXT NOT NULL, PRIMARY KEY (prompt, llm_string)
)
"""


class SQLiteCache(BaseCache):
    """Keeps what was answered in a file. Processes and threads may share it.

    It holds JSON, tuples, sets, bytes, messages, documents, prompt values and answers of models, and pydantic models of
    the classes that it is told. What is in the file and can't be read any more isn't there.

    Args:
        path: the file; it is made when first needed. ":memory:" for none.
        types: classes of other pydantic models that it may hold.
        timeout: how long to wait for another who writes to the file, in seconds.

    Raises:
        StepInputError: a `TypeError`, when something is to be kept that it can't hold.

    Example:
        >>> with SQLiteCache(":memory:") as cache:
        ...     model = FakeListChatModel(responses=["yes", "no"], cache=cache)
        ...     [model.invoke(question).content for question in ("Well?", "Well?", "Really?")]
        ['yes', 'yes', 'no']
    """

    def __init__(
        self, path: str | PathLike[str], *, types: Iterable[type[BaseModel]] = (), timeout: float = 60
    ) -> None:
        self.path = fspath(path)
        self.types = tuple(types)
        self.timeout = timeout
        self._classes = {name_of(each): each for each in (*KNOWN, *self.types)}
        self._connection: sqlite3.Connection | None = None
        self._closing: finalize[[], SQLiteCache] | None = None
        self._lock = threading.Lock()

    def lookup(self, prompt: str, llm_string: str) -> Answers | None:
        """See `BaseCache`."""
        query = "SELECT answers FROM answers WHERE prompt = ? AND llm_string = ?"
        with self._lock:
            row = self._open().execute(query, (prompt, llm_string)).fetchone()
        if row is None:
            return None
        try:
            found: Answers = from_exact_json(row[0], self._classes)
        except (ValueError, LookupError, TypeError, ValidationError):
            return None
        return found

    def update(self, prompt: str, llm_string: str, return_val: Answers) -> None:
        """See `BaseCache`."""
        text = self._text(return_val)
        with self._lock, self._open() as connection:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (prompt, llm_string, text))

    def clear(self, **kwargs: Any) -> None:
        """See `BaseCache`."""
        with self._lock, self._open() as connection:
            connection.execute("DELETE FROM answers")

    def close(self) -> None:
        """Close the file. It is opened again when that is needed."""
        with self._lock:
            if self._closing is not None:
                self._closing()
                self._connection = self._closing = None

    def _text(self, answers: Answers) -> str:
        try:
            text = exact_json(list(answers))
            from_exact_json(text, self._classes)
        except (LookupError, StepInputError) as error:
            raise StepInputError(
                f"SQLiteCache can't keep this output: {error}. Tell it the classes of pydantic models, "
                "SQLiteCache(path, types=[...]), or put the cache where the output is plain"
            ) from None
        return text

    def _open(self) -> sqlite3.Connection:
        """The connection. With the lock."""
        if self._connection is None:
            connection = sqlite3.connect(self.path, timeout=self.timeout, check_same_thread=False)
            try:
                with suppress(sqlite3.OperationalError):  # another process uses the file just now; it will do without
                    connection.execute("PRAGMA journal_mode=WAL")
                with connection:
                    connection.execute(TABLE)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._closing = finalize(self, connection.close)
        return self._connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SQLiteCache({self.path!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> SQLiteCache:
        return self  # a copy of a model shares its cache

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.path, self.types, self.timeout)


def _reopened(path: str, types: tuple[type[BaseModel], ...], timeout: float) -> SQLiteCache:
    return SQLiteCache(path, types=types, timeout=timeout)
