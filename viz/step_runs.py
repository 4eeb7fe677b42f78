"""The record of a run: the tree of what ran, as plain values, wherever it comes from.

A `RunRecord` is made by `viz.run_records.record_of` from a recorder, a handle, a tracer's tree, a run log, a file of
events or a simulation. All of them come to the same: drawing, explaining and timelines know nothing else.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from anabranch.engine.graphs import Graph

State = Literal["waiting", "running", "done", "failed", "cancelled", "skipped"]

STOPS = frozenset({"CancelledError", "Stopped", "GeneratorExit", "KeyboardInterrupt"})
"""What a run fails with that was stopped from outside."""

WHOLE = frozenset({"prompt", "retriever", "tool"})
"""Run types whose output comes in one piece, whichever source tells otherwise of the root."""


@dataclass(eq=False, slots=True)
class StepRun:
    """One execution of a step or of a scope.

    Attributes:
        id: unique to it.
        name, run_type, tags: as in events.
        state: `running`, `done`, `failed` or `cancelled`. (What never ran has no record.)
        key: the stable key of the step or scope that ran: that of the engine, before which stand the keys of the call
            steps around it. None as long as it hasn't been found in a graph.
        start, end: in seconds since the epoch; None where that isn't known (yet).
        chunks: how many chunks it made; None where the source doesn't tell.
        chunk_times: when it made them, where that is known.
        attempts: how often it was tried; 1 without a retry.
        error: what it failed with: the type, a colon, and the message.
        input, output: as text, shortened. Empty where they aren't known.
        children: the runs inside it, in the order in which they started.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> from anabranch.viz import RunRecorder
        >>> recorder = RunRecorder()
        >>> (RunnableLambda(len) | str).invoke("four", {"callbacks": [recorder]})
        '4'
        >>> run = recorder.record().roots[0].children[0]
        >>> run.name, run.state, run.input, run.output
        ('len', 'done', 'four', '4')
    """

    id: str
    name: str
    run_type: str = "chain"
    tags: tuple[str, ...] = ()
    state: State = "running"
    key: str | None = None
    start: float | None = None
    end: float | None = None
    chunks: int | None = None
    chunk_times: list[float] = field(default_factory=list)
    attempts: int = 1
    error: str = ""
    input: str = ""
    output: str = ""
    children: list[StepRun] = field(default_factory=list)

    @property
    def duration(self) -> float | None:
        """How long it took, in seconds; None while it runs, or where that isn't known."""
        return None if self.start is None or self.end is None else max(0.0, self.end - self.start)

    def walk(self) -> Iterator[StepRun]:
        """It and all inside it, each before what is inside it."""
        stack = [self]
        while stack:
            run = stack.pop()
            yield run
            stack.extend(reversed(run.children))

    def over(self, end: float | None, error: str = "", *, output: str = "") -> None:
        """It has ended, or failed with an error."""
        self.end, self.error, self.output = end, error, output
        self.state = "done" if not error else "cancelled" if error.partition(":")[0] in STOPS else "failed"

    def __repr__(self) -> str:
        return f"StepRun({self.run_type} {self.name!r}, {self.state}, {len(self.children)} inside)"


@dataclass(eq=False, slots=True)
class RunRecord:
    """What is known of one call, or of several.

    Attributes:
        roots: the outermost runs: one for `invoke` and `stream`, one for each input of a batch.
        graph: of the chain that ran, or of what its outermost run stands for, where the source knows it.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> from anabranch.viz.run_recorders import RunRecorder
        >>> recorder = RunRecorder()
        >>> (RunnableLambda(len) | str).invoke("four", {"callbacks": [recorder]})
        '4'
        >>> [(run.name, run.state) for run in recorder.record().walk()]
        [('RunnableSequence', 'done'), ('len', 'done'), ('str', 'done')]
    """

    roots: list[StepRun]
    graph: Graph | None = None

    def walk(self) -> Iterator[StepRun]:
        """All runs, each before what is inside it."""
        for root in self.roots:
            yield from root.walk()

    def by_key(self) -> dict[str, list[StepRun]]:
        """The runs of each step and scope, by key, as far as they were found in the graph."""
        found: dict[str, list[StepRun]] = {}
        for run in self.walk():
            if run.key is not None:
                found.setdefault(run.key, []).append(run)
        return found

    @property
    def start(self) -> float | None:
        """When the first of it started."""
        return min((run.start for run in self.walk() if run.start is not None), default=None)

    @property
    def end(self) -> float | None:
        """When the last of it ended, or did something, so far."""
        times = [run.end or (run.chunk_times[-1] if run.chunk_times else run.start) for run in self.walk()]
        return max((time for time in times if time is not None), default=None)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs any more."""
        return all(root.state != "running" for root in self.roots)

    def to_json(self) -> list[dict[str, Any]]:
        """The runs as JSON: a list, each with the id of its `parent`."""
        parents = {child.id: run.id for run in self.walk() for child in run.children}
        shown = []
        for run in self.walk():
            fields = {name: getattr(run, name) for name in StepRun.__slots__ if name != "children"}
            shown.append({**fields, "tags": list(run.tags), "parent": parents.get(run.id)})
        return shown


def count_attempts(record: RunRecord) -> None:
    """Read from the tags of runs how often what is around them was tried."""
    for run in record.walk():
        for child in run.children:
            for tag in child.tags:
                if tag.startswith("retry:attempt:") and tag[14:].isdecimal():
                    run.attempts = max(run.attempts, int(tag[14:]))


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 160
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxdict = 6
_SHORT.maxlevel = 4


def preview(value: Any) -> str:
    """A value as text of at most some hundred characters. Never raises."""
    try:
        text = value if isinstance(value, str) else _SHORT.repr(value)
    except Exception:  # a `repr` of somebody's
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 240 else text[:237] + "..."


def told(error: BaseException) -> str:
    """An error as records have it."""
    try:
        message = str(error)
    except Exception:
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
