"""A record from a run log, such as `astream_log` gives.

A log is flat: it has no parents, of the root no times, of errors no text. Parents are found by what is open when a run
starts, in the graph of the chain if that is given, otherwise by the place tags alone. A run that ended without an
output has failed. The root counts as failed when it has no output and something in it failed, and as done when nothing
in it is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from anabranch.engine.graphs import Graph
from anabranch.engine.run_logs import RunLogPatch
from anabranch.viz.run_places import PLACE_TAG, Finder, Place, places_of, root_place
from anabranch.viz.step_runs import WHOLE, RunRecord, StepRun, count_attempts, preview

FAILED = "failed"


def record_of_log(patches: Iterable[RunLogPatch], graph: Graph | None = None) -> RunRecord:
    """The record that the patches of a log come to; a `RunLog` is one patch."""
    fold = _LogFold(graph)
    for patch in patches:
        for op in patch.ops:
            fold.apply(op["path"], op.get("value"))
    record = RunRecord([] if fold.root is None else [fold.finished()], graph)
    count_attempts(record)
    return record


class _LogFold:
    def __init__(self, graph: Graph | None) -> None:
        self.root: StepRun | None = None
        self._final: Any = None
        self._runs: dict[str, StepRun] = {}
        self._finals: dict[str, Any] = {}
        self._parents = _Parents(graph)

    def apply(self, path: str, value: Any) -> None:
        """One operation of a patch."""
        if path == "":
            self.root = StepRun(value["id"], value["name"], value["type"], chunks=0)
            self._parents.open(self.root)
            return
        if self.root is None:
            return
        first, *rest = (part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
        if first == "streamed_output":
            self.root.chunks = (self.root.chunks or 0) + 1
        elif first == "final_output":
            self._final = value if not rest else self._final
        elif first == "logs" and len(rest) == 1:
            self._start(rest[0], value)
        elif first == "logs" and rest[0] in self._runs:
            self._change(rest[0], rest[1], value)

    def _start(self, key: str, entry: dict[str, Any]) -> None:
        run = StepRun(entry["id"], entry["name"], entry["type"], tuple(entry["tags"]), chunks=0)
        run.start = _seconds(entry["start_time"])
        self._runs[key] = run
        self._parents.open(run)

    def _change(self, key: str, what: str, value: Any) -> None:
        run = self._runs[key]
        if what == "streamed_output" and run.run_type not in WHOLE:
            run.chunks = (run.chunks or 0) + 1
        elif what == "final_output":
            self._finals[key] = value
        elif what == "end_time":
            failed = self._finals.get(key) is None
            run.over(_seconds(value), FAILED if failed else "", output="" if failed else preview(self._finals[key]))
            run.error = ""
            self._parents.close(run)

    def finished(self) -> StepRun:
        """The root, as far as it is known."""
        root = self.root
        assert root is not None
        inside = [run for run in root.walk() if run is not root]
        root.start = min((run.start for run in inside if run.start is not None), default=None)
        if root.run_type in WHOLE:
            root.chunks = 0
        if all(run.state != "running" for run in inside):
            failed = self._final is None and any(run.state == "failed" for run in root.children)
            root.over(max((run.end for run in inside if run.end is not None), default=None), FAILED if failed else "")
            root.error = ""
            root.output = "" if self._final is None else preview(self._final)
        return root


class _Parents:
    """Finds out inside which open run another one starts."""

    def __init__(self, graph: Graph | None) -> None:
        self._open: dict[StepRun, tuple[Place | None, Finder | None]] = {}
        self._tops = None if graph is None else places_of(graph)

    def open(self, run: StepRun) -> None:
        """A run starts."""
        place: Place | None = None
        if not self._open:
            place = None if self._tops is None else root_place(self._tops, run.name, run.tags)
        elif (found := self._found(run)) is not None:
            around, place = found
            around.children.append(run)
        else:
            self._guessed(run).children.append(run)
        if place is not None:
            run.key = place.key
        self._open[run] = (place, None if place is None else Finder(place.inside))

    def close(self, run: StepRun) -> None:
        """A run is over."""
        self._open.pop(run, None)

    def _found(self, run: StepRun) -> tuple[StepRun, Place] | None:
        """In the graph: the latest open run in which there is a place for it that nobody has yet."""
        for around, (_, finder) in reversed(self._open.items()):
            if finder is not None and _in_turn(run, around):
                place = finder.take(run.name, run.tags)
                if place is not None:
                    return around, place
        return None

    def _guessed(self, run: StepRun) -> StepRun:
        """Without the graph, and for what a function calls: the latest open run that may have started it."""
        runs = list(self._open)
        able = [each for each in reversed(runs) if (place := self._open[each][0]) is None or place.may_call] or runs
        fits = [each for each in able if _in_turn(run, each) and _may_hold(each, run)]
        return (fits or [runs[0]])[0]


def _in_turn(run: StepRun, around: StepRun) -> bool:
    """Whether it may be the next in a sequence; of what has no such tag nothing is known."""
    step = next((tag[9:] for tag in run.tags if tag.startswith("seq:step:")), "")
    if not step.isdecimal() or step == "1":
        return not any(tag in child.tags for child in around.children for tag in run.tags if PLACE_TAG.match(tag))
    return any(f"seq:step:{int(step) - 1}" in child.tags for child in around.children) and not any(
        f"seq:step:{step}" in child.tags for child in around.children
    )


def _may_hold(around: StepRun, run: StepRun) -> bool:
    keys = [tag[8:] for tag in run.tags if tag.startswith("map:key:")]
    return not keys or keys[0] in around.name.partition("<")[2]


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
