"""What ran when, in a file for a trace viewer: https://ui.perfetto.dev, or chrome://tracing.

The format is Chrome's trace events. A run is a bar (a complete event), which lies below that of its parent; its
chunks, retries and custom events are marks on it. What runs at the same time lies in lanes side by side. A lane is a
stack of runs: a run is put where its parent lies if nothing lies upon that yet, else into a lane of its own.
"""

from __future__ import annotations

import os
from typing import Any

from anabranch.engine.json_encoding import json_line, to_json
from anabranch.engine.runs import RunInfo
from anabranch.nodes.tracing.sinks import Sink
from anabranch.scheduler import primitives

PID = 1
FOOT = b"\n]\n"
MICROSECONDS = 1_000_000


class Lane:
    """A stack of runs. `last` is the time of the latest fact in it: times never go back in a lane."""

    __slots__ = ("last", "number", "runs")

    def __init__(self, number: int) -> None:
        self.number = number
        self.last = 0.0
        self.runs: list[RunInfo] = []

    def pass_to(self, at: float) -> float:
        """It is so late now, or as late as it was already."""
        self.last = max(self.last, at)
        return self.last


class PerfettoTracer(Sink):
    """Writes what ran when into a file for a trace viewer: put it into `callbacks`, and open the file there.

    The file is whole JSON after every write, also when the process is killed. A run is written when it is over; those
    that are not over when the tracer is closed are written then, with `interrupted` among their arguments. Many calls
    may be written into one file.

    Args:
        path: of the file. It is opened at once, and what was in it is lost.
        chunks: mark each chunk.

    Raises:
        OSError: when the file can't be opened. What goes wrong later breaks no run; it is logged once.

    Example:
        >>> import json, pathlib, tempfile
        >>> path = tempfile.mkdtemp() + "/trace.json"
        >>> with PerfettoTracer(path) as tracer:
        ...     RunnableLambda(len).invoke("four", {"callbacks": [tracer]})
        4
        >>> [event["name"] for event in json.loads(pathlib.Path(path).read_text()) if event["ph"] == "X"]
        ['len']
    """

    def __init__(self, path: str | os.PathLike[str], *, chunks: bool = True) -> None:
        super().__init__()
        self.path = os.fspath(path)
        self._file = open(self.path, "wb")  # noqa: SIM115 # `end` closes it
        self._marks_chunks = chunks
        self._began = 0.0
        self._lanes: list[Lane] = []
        self._open: dict[RunInfo, tuple[Lane, float]] = {}
        self._over: dict[RunInfo, dict[str, Any]] = {}  # not written yet
        self._foot = 0  # where the end of the array stands

    # Facts

    def started(self, run: RunInfo) -> None:
        """See `Listener`."""
        self.note(run, (self._start, run, run.started, None))

    def chunk(self, run: RunInfo, chunk: Any) -> None:
        """See `Listener`."""
        if self._marks_chunks:
            self.note(run, (self._mark, run, primitives.time(), "chunk"))

    def ended(self, run: RunInfo) -> None:
        """See `Listener`."""
        self.note(run, (self._finish, run, run.ended, arguments(run)))

    def failed(self, run: RunInfo) -> None:
        """See `Listener`."""
        self.note(run, (self._finish, run, run.ended, arguments(run)))

    def told(self, run: RunInfo, what: str, *data: Any) -> None:
        """See `Listener`."""
        if what in ("retry", "custom_event"):
            self.note(run, (self._mark, run, primitives.time(), str(data[0]) if what == "custom_event" else what))

    # Writing, by one thread at a time

    def write(self, items: list[Any]) -> None:
        """See `Sink`."""
        events: list[dict[str, Any]] = []
        if not self._began:
            self._began = items[0][2]
            events.append(_about("process_name", 0, "anabranch"))
        for act, run, at, more in items:
            events += act(run, at, more)
        self._append(events)

    def _append(self, events: list[dict[str, Any]]) -> None:
        if not events:
            return
        text = b",\n".join(json_line(event) for event in events)
        self._file.seek(self._foot)
        self._file.write((b",\n" if self._foot else b"[\n") + text + FOOT)
        self._file.flush()
        self._foot = self._file.tell() - len(FOOT)

    def _start(self, run: RunInfo, at: float, _: Any) -> list[dict[str, Any]]:
        lane, made = self._lane_for(run)
        self._open[run] = (lane, lane.pass_to(at))
        lane.runs.append(run)
        return made

    def _lane_for(self, run: RunInfo) -> tuple[Lane, list[dict[str, Any]]]:
        """A lane for a run, with what is to be written of a new one."""
        if run.parent in self._open:
            around = self._open[run.parent][0]
            if around.runs and around.runs[-1] is run.parent:
                return around, []
        for lane in self._lanes:
            if not lane.runs:
                return lane, []
        lane = Lane(len(self._lanes) + 1)
        self._lanes.append(lane)
        return lane, [_about("thread_name", lane.number, f"lane {lane.number}")]

    def _mark(self, run: RunInfo, at: float, name: str) -> list[dict[str, Any]]:
        if run not in self._open:
            return []
        lane = self._open[run][0]
        mark = {"name": name, "cat": run.run_type, "ph": "i", "s": "t", "ts": self._since(lane.pass_to(at))}
        return [{**mark, "pid": PID, "tid": lane.number, "args": {"run": run.name}}]

    def _finish(self, run: RunInfo, at: float, args: dict[str, Any]) -> list[dict[str, Any]]:
        self._over[run] = args
        lane, bars = self._open[run][0], []
        over = self._since(lane.pass_to(at))
        while lane.runs and lane.runs[-1] in self._over:  # what was left running upon it goes first
            top = lane.runs.pop()
            begun = self._since(self._open.pop(top)[1])
            bar = {"name": top.name, "cat": top.run_type, "ph": "X", "ts": begun, "dur": round(over - begun, 3)}
            bars.append({**bar, "pid": PID, "tid": lane.number, "args": self._over.pop(top)})
        return bars

    def _since(self, at: float) -> float:
        return round(max(0.0, at - self._began) * MICROSECONDS, 3)

    def end(self) -> None:
        """See `Sink`."""
        now, events = primitives.time(), []
        for run in reversed([run for run in self._open if run not in self._over]):
            events += self._finish(run, now, {**arguments(run), "interrupted": True})
        self._append(events)
        if not self._foot:
            self._file.write(b"[" + FOOT)
        self._file.close()


ChromeTrace = PerfettoTracer


def arguments(run: RunInfo) -> dict[str, Any]:
    """What the viewer shows of a run that is chosen."""
    found: dict[str, Any] = {"run_id": str(run.id), "type": run.run_type}
    if run.tags:
        found["tags"] = to_json(run.tags)
    if run.metadata:
        found["metadata"] = to_json(run.metadata)
    if run.error is not None:
        found["error"] = to_json(run.error)
    return found


def _about(what: str, lane: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": PID, "tid": lane, "args": {"name": name}}
