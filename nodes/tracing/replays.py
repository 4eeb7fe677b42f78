"""Reads files of events (`nodes.tracing.event_files`): the events again, and the run log that they come to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, Literal, overload
from uuid import UUID

from anabranch.engine.chunks import AddableDict, Algebra
from anabranch.engine.errors import AnabranchError
from anabranch.engine.events import Event, Filter
from anabranch.engine.json_encoding import to_json
from anabranch.engine.run_logs import LogWriter, RunLog, RunLogPatch
from anabranch.engine.runs import RunInfo
from anabranch.nodes.messages import chunks as message_chunks

Path = str | os.PathLike[str]

EXTRA = ("time", "log")


class EventFileError(AnabranchError, ValueError):
    """Raised when a line of a file of events is none, or a run is sought that isn't in the file.

    Example:
        >>> import pathlib, tempfile
        >>> path = tempfile.mkdtemp() + "/events.jsonl"
        >>> size = pathlib.Path(path).write_text("oops\\n")
        >>> list(replay(path))
        Traceback (most recent call last):
            ...
        anabranch.nodes.tracing.replays.EventFileError: .../events.jsonl:1: this line is no JSON ...
    """


def replay(path: Path, *, times: bool = False) -> Iterator[Event]:
    """The events that an `EventFile` has written, in their order, as JSON values.

    A last line that was never finished, since the process was killed, is left out.

    Args:
        path: of the file. It is read as you go on.
        times: leave each event its `time`, in seconds since the epoch.

    Raises:
        EventFileError: a `ValueError` that names the line, when one is no event.
        OSError: when the file can't be read.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/events.jsonl"
        >>> with EventFile(path) as file:
        ...     found = (RunnableLambda(len) | str).invoke("four", {"callbacks": [file]})
        >>> [(event["name"], event["data"]["output"]) for event in replay(path) if event["event"] == "on_chain_end"]
        [('len', 4), ('str', '4'), ('RunnableSequence', '4')]
    """
    for _, line in _lines(path):
        if line["event"] is not None:
            yield {key: value for key, value in line.items() if key not in EXTRA or (times and key == "time")}


@overload
def replay_log(
    path: Path, *, run_id: str | UUID | None = None, diff: Literal[True] = True
) -> Iterator[RunLogPatch]: ...
@overload
def replay_log(path: Path, *, run_id: str | UUID | None = None, diff: Literal[False]) -> Iterator[RunLog]: ...
def replay_log(path: Path, *, run_id: str | UUID | None = None, diff: bool = True) -> Any:
    """The run log of a call, as `astream_log` gives it, from a file that an `EventFile` has written.

    All values are JSON. Chunks of a type of your own that adds up are shown one by one; when the call has ended,
    its `final_output` is what it was. Of a call that gave no chunks (`invoke`), it is there then.

    Args:
        path: of the file.
        run_id: of the call as a whole; by default the first in the file.
        diff: give a `RunLogPatch` a fact, which add up by `+`; otherwise a `RunLog`, whose `state` is the whole.

    Raises:
        EventFileError: a `ValueError` that names the line, when one is no event of such a file; and when there is no
            such run.
        OSError: when the file can't be read.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/events.jsonl"
        >>> with EventFile(path) as file:
        ...     chunks = list((RunnableLambda(len) | str).stream("four", {"callbacks": [file]}))
        >>> *_, log = replay_log(path, diff=False)
        >>> log.state["final_output"], list(log.state["logs"])
        ('4', ['len', 'str'])
    """
    root = None if run_id is None else str(run_id)
    folding: _Folding | None = None
    for number, line in _lines(path):
        if folding is None:
            if not str(line["event"]).endswith("_start") or root not in (None, line["run_id"]):
                continue
            folding = _Folding(line["run_id"])
        if folding.root_id != line["run_id"] and folding.root_id not in line.get("parent_ids", ()):
            continue
        try:
            patch = folding.patch(line)
        except Exception as error:  # who knows what somebody else has written
            raise EventFileError(
                f"{os.fspath(path)}:{number}: this line can't follow those before it, or isn't one that an EventFile "
                f"has written ({error!r}): {str(line)[:80]}"
            ) from error
        if patch is not None:
            yield patch if diff else folding.log
    if folding is None:
        sought = "at all" if root is None else root
        raise EventFileError(f"{os.fspath(path)}: no run {sought} has begun in it")


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines with their numbers, checked as far as whoever reads events relies on it."""
    with open(path, "rb") as file:
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
            except ValueError as error:
                if not text.endswith(b"\n"):
                    return  # the writer was stopped in the middle of it
                raise EventFileError(f"{os.fspath(path)}:{number}: this line is no JSON ({error})") from error
            if not (isinstance(line, dict) and {"event", "run_id", "name", "data"} <= line.keys()):
                raise EventFileError(f"{os.fspath(path)}:{number}: this line is no event: {text[:80]!r}")
            yield number, line


class _Folding:
    """The run log of one call, rebuilt line by line."""

    def __init__(self, root_id: str) -> None:
        self.root_id = root_id
        self.log = RunLog()
        self._writer = LogWriter(Filter())
        self._runs: dict[str, RunInfo] = {}

    def patch(self, line: dict[str, Any]) -> RunLogPatch | None:
        """What the log gets of a line."""
        made = self._made(line)
        if made is None:
            return None
        made = RunLogPatch(*to_json(made.ops))
        self.log = self.log + made
        return made

    def _made(self, line: dict[str, Any]) -> RunLogPatch | None:
        event, id = line["event"] or "on_chunk_stream", line["run_id"]
        run_type, _, what = event.removeprefix("on_").rpartition("_")
        if event == "on_custom_event":
            return None
        if what == "start":
            run = self._runs[id] = _run_of(line, run_type)
            return self._writer.started(run)
        run = self._runs[id]
        if what == "stream":
            return self._chunk(run, line)
        del self._runs[id]
        run.ended = line["time"]
        if what == "error":
            return self._writer.failed(run)
        return self._ended(run, line)

    def _chunk(self, run: RunInfo, line: dict[str, Any]) -> RunLogPatch | None:
        chunk, log = line["data"]["chunk"], line.get("log")
        if str(run.id) == self.root_id:
            if log == "last":
                self._writer.declare(Algebra.SNAPSHOTS)
            chunk = _addable(chunk, log)
        elif log is not None:
            run.about = _Text(log)
        return self._writer.chunk(run, chunk)

    def _ended(self, run: RunInfo, line: dict[str, Any]) -> RunLogPatch | None:
        output = line["data"].get("output")
        if str(run.id) == self.root_id:
            if self.log.state["final_output"] == output:
                return None
            return RunLogPatch({"op": "replace", "path": "/final_output", "value": output})
        if "log" in line:
            run.run_type, output = "chain", line["log"]  # it is as logs have it already
        run.output = output
        return self._writer.ended(run)


class _Text:
    """The view of a model whose chunk has this text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def piece(self, chunk: Any) -> tuple[str, Any]:
        """See `scheduler.handlers.View`."""
        return self._text, None


def _run_of(line: dict[str, Any], run_type: str) -> RunInfo:
    run = RunInfo(line["name"], run_type, None, line["tags"], line["metadata"], (), UUID(line["run_id"]))
    run.started = line["time"]
    return run


def _addable(chunk: Any, log: Any) -> Any:
    """A chunk that adds up as the one did that was written. `log`: see `how_it_adds`."""
    if isinstance(log, dict) and isinstance(chunk, dict):
        values = {key: _addable(each, log.get(key)) for key, each in chunk.items()}
        return AddableDict.marked(values, frozenset(key for key, how in log.items() if how == "last"))
    if log == "message":
        kind = getattr(message_chunks, chunk["type"], message_chunks.AIMessageChunk)
        return kind.model_validate(chunk)
    return chunk
