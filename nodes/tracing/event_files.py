"""Events in a file of JSON lines, one fact a line as it comes: to look at, to search, to replay.

A line is an event of `astream_events` (version `v2`, with `errors=True`) encoded by `to_json`, and besides:

| key | is |
|---|---|
| `time` | when it happened, in seconds since the epoch |
| `log` | of a model: the text of a chunk, or the answer, as run logs have it; of a chunk of the root: how it adds up |

A fact that makes no event, but stands in run logs (a chunk of a prompt that is the root), has null as its `event`.
`nodes.tracing.replays` reads such files.
"""

from __future__ import annotations

import os
from typing import Any

from anabranch.engine.chunks import AddableDict
from anabranch.engine.events import Formatter, answered
from anabranch.engine.json_encoding import json_line, to_json
from anabranch.engine.runs import RunInfo
from anabranch.nodes.messages.chunks import BaseMessageChunk
from anabranch.nodes.tracing.sinks import Sink
from anabranch.scheduler import primitives

MODELS = frozenset({"chat_model", "llm"})
BLOCK = 1 << 16


class EventFile(Sink):
    """Writes the events of runs into a file, each as it comes: put it into `callbacks`.

    In threads every line is handed to the operating system at once, so that a killed process loses none of them; on an
    event loop by a thread soon after, and at the latest when the verb returns. Many runs may write into one file, also
    at the same time; their `run_id` and `parent_ids` tell them apart.

    Args:
        path: of the file. It is opened at once, and what was in it is lost.
        append: keep what is in the file; a last line that was never finished is dropped.

    Raises:
        OSError: when the file can't be opened. What goes wrong later breaks no run; it is logged once.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/events.jsonl"
        >>> with EventFile(path) as file:
        ...     RunnableLambda(len).invoke("four", {"callbacks": [file]})
        4
        >>> [event["event"] for event in replay(path)]
        ['on_chain_start', 'on_chain_end']
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        super().__init__()
        self.path = os.fspath(path)
        self._file = open(self.path, "ab+" if append else "wb")  # noqa: SIM115 # `end` closes it
        if append:
            self._drop_unfinished()
        self._formatters: dict[RunInfo, Formatter] = {}

    def _drop_unfinished(self) -> None:
        """Cut off what stands after the last end of a line."""
        at = self._file.seek(0, os.SEEK_END)
        while at:
            start = max(0, at - BLOCK)
            self._file.seek(start)
            found = self._file.read(at - start).rfind(b"\n")
            at = start
            if found >= 0:
                at = start + found + 1
                break
        self._file.truncate(at)

    def started(self, run: RunInfo) -> None:
        """See `Listener`."""
        parent = run.parent
        formatter = None if parent is None else self._formatters.get(parent)
        if formatter is None:
            formatter = Formatter(errors=True)
        self._formatters[run] = formatter
        self._note(run, formatter.started(run), run.started)

    def chunk(self, run: RunInfo, chunk: Any) -> None:
        """See `Listener`."""
        formatter = self._formatters[run]
        event = formatter.chunk(run, chunk)
        log = None
        if run.parent is None or formatter is not self._formatters.get(run.parent):
            log = how_it_adds(chunk)
            if event is None:
                event = {"event": None, "name": run.name, "run_id": str(run.id), "data": {"chunk": chunk}}
        elif run.run_type in MODELS and run.about is not None:
            log = run.about.piece(chunk)[0]
        if event is not None:
            self._note(run, event, primitives.time(), log)

    def ended(self, run: RunInfo) -> None:
        """See `Listener`."""
        event = self._formatters.pop(run).ended(run)
        self._note(run, event, run.ended, answered(run) if run.run_type in MODELS else None)

    def failed(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._note(run, self._formatters.pop(run).failed(run), run.ended)

    def told(self, run: RunInfo, what: str, *data: Any) -> None:
        """See `Listener`."""
        event = self._formatters[run].told(run, what, *data)
        if event is not None:
            self._note(run, event, primitives.time())

    def _note(self, run: RunInfo, event: dict[str, Any] | None, at: float, log: Any = None) -> None:
        if event is not None:
            line = to_json({**event, "time": at})
            if log is not None:
                line["log"] = to_json(log)
            self.note(run, line)

    def write(self, items: list[Any]) -> None:
        """See `Sink`."""
        self._file.write(b"".join(json_line(line) + b"\n" for line in items))
        self._file.flush()

    def end(self) -> None:
        """See `Sink`."""
        self._file.close()


JsonLinesTracer = EventFile


def how_it_adds(chunk: Any) -> Any:
    """What JSON doesn't tell of how a chunk adds to others; None when JSON tells it all.

    `message` and `last` (it replaces what was before) are such; or, of an `AddableDict`, a dict of them by key.
    """
    if chunk is None or isinstance(chunk, str | int | float | list | tuple):
        return None
    if isinstance(chunk, AddableDict):
        return {key: "last" if key in chunk.snapshots else how_it_adds(each) for key, each in chunk.items()}
    return "message" if isinstance(chunk, BaseMessageChunk) else "last"
