"""`RunRecorder`: a listener that keeps the record of a run, to be looked at while it goes on, or afterwards."""

from __future__ import annotations

from typing import Any

from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Composable
from anabranch.engine.runs import MISSING, Listener, RunInfo
from anabranch.scheduler import primitives
from anabranch.viz.run_places import find
from anabranch.viz.step_runs import WHOLE, RunRecord, StepRun, count_attempts, preview, told


class RunRecorder(Listener):
    """Keeps what ran, when, and to which end: put it into `callbacks`, and look at it whenever you like.

    It may listen to many calls, also at the same time; each is a root of the record. Of inputs, outputs and errors it
    keeps a short text, of chunks the times, so that it holds nothing alive.

    Args:
        previews: keep the beginning of inputs and outputs as text.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> recorder = RunRecorder()
        >>> list((RunnableLambda(len) | str).stream("four", {"callbacks": [recorder]}))
        ['4']
        >>> [(run.name, run.chunks) for run in recorder.record().walk()]
        [('RunnableSequence', 1), ('len', 1), ('str', 1)]
    """

    inline = True

    def __init__(self, *, previews: bool = True) -> None:
        self._previews = previews
        self._runs: dict[Any, StepRun] = {}  # those under way, by their `RunInfo`
        self._roots: list[tuple[StepRun, Any]] = []

    def started(self, run: RunInfo) -> None:
        """See `Listener`."""
        made = StepRun(str(run.id), run.name, run.run_type, tuple(run.tags), start=run.started, chunks=0)
        if self._previews and run.input is not MISSING:
            made.input = preview(run.input)
        around = None if run.parent is None else self._runs.get(run.parent)
        if around is None:
            self._roots.append((made, run.node))
        else:
            around.children.append(made)
        self._runs[run] = made

    def chunk(self, run: RunInfo, chunk: Any) -> None:
        """See `Listener`."""
        made = self._runs.get(run)
        if made is not None and run.run_type not in WHOLE:
            made.chunk_times.append(primitives.time())

    def ended(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._over(run, "")

    def failed(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._over(run, "" if run.error is None else told(run.error))

    def _over(self, run: RunInfo, error: str) -> None:
        made = self._runs.pop(run, None)
        if made is None:
            return
        if self._previews and not made.input and run.input is not MISSING:
            made.input = preview(run.input)
        shown = self._previews and run.output is not MISSING
        made.over(run.ended, error, output=preview(run.output) if shown else "")

    def record(self) -> RunRecord:
        """What is known by now: a copy, which doesn't change any more."""
        copies: list[StepRun] = []
        graphs: list[Graph | None] = []
        for root, node in list(self._roots):
            copies.append(_copied(root))
            graphs.append(node.__graph__ if isinstance(node, Composable) else None)
            if (graph := graphs[-1]) is not None:
                find([copies[-1]], graph)
        record = RunRecord(copies, next((graph for graph in graphs if graph is not None), None))
        count_attempts(record)
        return record

    def __repr__(self) -> str:
        return f"RunRecorder({len(self._roots)} runs, {len(self._runs)} steps under way)"


def _copied(root: StepRun) -> StepRun:
    made = _alone(root)
    stack = [(root, made)]
    while stack:
        run, copy = stack.pop()
        copy.children = [_alone(child) for child in list(run.children)]
        stack.extend(zip(run.children, copy.children, strict=False))  # there may be more by now
    return made


def _alone(run: StepRun) -> StepRun:
    fields = {name: getattr(run, name) for name in StepRun.__slots__}
    times = list(run.chunk_times)
    return StepRun(**{**fields, "chunk_times": times, "chunks": len(times), "children": []})
