"""A record from events with times: the lines of an `EventFile`, read at once, or one by one as a player does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anabranch.viz.step_runs import WHOLE, RunRecord, StepRun, count_attempts, preview


class EventFold:
    """The record that events come to, so far. `add` them in their order.

    An event is one of `astream_events` (with `errors=True`) that has its `time` besides: `replay(path, times=True)`
    gives such. Events of an unknown kind, and of runs whose start was missed, are left out.

    Example:
        >>> fold = EventFold()
        >>> fold.add({"event": "on_chain_start", "name": "f", "run_id": "1", "time": 5.0, "data": {}})
        >>> [(run.name, run.state) for run in fold.record.walk()]
        [('f', 'running')]
    """

    def __init__(self) -> None:
        self.record = RunRecord([])
        self._runs: dict[str, StepRun] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """One more has happened."""
        run_type, _, what = str(event.get("event") or "").removeprefix("on_").rpartition("_")
        time, data = event.get("time"), event.get("data") or {}
        if what == "start":
            self._start(event, run_type)
            return
        run = self._runs.get(str(event.get("run_id")))
        if run is None:
            return
        if what == "stream" and run_type not in WHOLE:
            run.chunks = (run.chunks or 0) + 1
            if time is not None:
                run.chunk_times.append(time)
        elif what in ("end", "error"):
            if "input" in data:
                run.input = preview(data["input"])
            run.over(time, _error_of(data.get("error")) if what == "error" else "", output=_shown(data, "output"))

    def _start(self, event: Mapping[str, Any], run_type: str) -> None:
        run = StepRun(str(event["run_id"]), str(event["name"]), run_type, tuple(event.get("tags") or ()), chunks=0)
        run.start, run.input = event.get("time"), _shown(event.get("data") or {}, "input")
        around = next((self._runs[id] for id in reversed(event.get("parent_ids") or []) if id in self._runs), None)
        (self.record.roots if around is None else around.children).append(run)
        self._runs[run.id] = run


def record_of_events(events: Iterable[Mapping[str, Any]]) -> RunRecord:
    """The record that these events come to."""
    fold = EventFold()
    for event in events:
        fold.add(event)
    count_attempts(fold.record)
    return fold.record


def _shown(data: Mapping[str, Any], key: str) -> str:
    return preview(data[key]) if data.get(key) is not None else ""


def _error_of(error: Any) -> str:
    """An error in JSON, or as it is."""
    if isinstance(error, Mapping):
        message = str(error.get("message") or "")
        return f"{error.get('type', 'Exception')}: {message}" if message else str(error.get("type", "Exception"))
    if isinstance(error, BaseException):
        return f"{type(error).__name__}: {error}"
    return str(error) if error else "Exception"
