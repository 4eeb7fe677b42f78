"""`record_of`: the record of a run, whatever it was kept by."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from anabranch.engine.errors import AnabranchError
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Composable
from anabranch.engine.run_logs import RunLogPatch
from anabranch.nodes.simulation.reports import Simulation
from anabranch.nodes.tracing.replays import replay
from anabranch.nodes.tracing.run_trees import Run
from anabranch.scheduler.handles import RunHandle
from anabranch.viz.recorded_events import EventFold, record_of_events
from anabranch.viz.recorded_logs import record_of_log
from anabranch.viz.run_places import find
from anabranch.viz.run_recorders import RunRecorder
from anabranch.viz.step_runs import WHOLE, RunRecord, StepRun, count_attempts, preview

AnyRun = Any
"""What `record_of` takes."""


class RunSourceError(AnabranchError, TypeError):
    """Raised when something is given as a run that is none, or that nobody has recorded."""


def record_of(run: AnyRun, chain: Composable | Graph | None = None) -> RunRecord:
    """The record of a run.

    | given | has |
    |---|---|
    | a `RunRecorder` | all there is, also while it runs |
    | a handle of `start` | what the `RunRecorder` or tracer in its `callbacks` has |
    | a `Run` of a tracer, or a list of them | all but chunks: only models tell these |
    | the path of a file that an `EventFile` has written; or events with their `time` | all |
    | a `RunLog`, or the patches of `astream_log` | no errors' text; parents as far as they can be found out |
    | a `Simulation` | virtual times, without scopes |
    | a record | what it has |

    Args:
        run: see above.
        chain: what ran. With it, runs are found in its graph, if the source doesn't know that itself.

    Raises:
        RunSourceError: a `TypeError`, when it is none of these, or a handle of a run that nobody recorded.
        EventFileError: when a line of a file is no event.

    Example:
        >>> from anabranch.nodes import RunnableLambda, collect_runs
        >>> chain = RunnableLambda(len) | str
        >>> with collect_runs() as runs:
        ...     _ = chain.invoke("four")
        >>> record = record_of(runs.traced_runs, chain)
        >>> [run.key for run in record.walk()]
        ['RunnableSequence', 'RunnableSequence/len', 'RunnableSequence/str']
    """
    graph = chain.__graph__ if isinstance(chain, Composable) else chain
    record = _record_of(run, graph)
    if graph is not None and graph is not record.graph:
        if not isinstance(run, Simulation):  # which knows the keys
            find(record.roots, graph)
        record.graph = graph
    return record


def _record_of(run: Any, graph: Graph | None) -> RunRecord:
    if isinstance(run, RunRecord):
        return run
    if isinstance(run, RunRecorder):
        return run.record()
    if isinstance(run, EventFold):
        count_attempts(run.record)
        return run.record
    if isinstance(run, RunHandle):
        return _record_of_handle(run)
    if isinstance(run, Run):
        return _record_of_trees([run])
    if isinstance(run, RunLogPatch):
        return record_of_log([run], graph)
    if isinstance(run, Simulation):
        return _record_of_simulation(run)
    if isinstance(run, str | os.PathLike):
        return record_of_events(replay(run, times=True))
    if isinstance(run, Iterable):
        return _record_of_many(list(run), graph)
    raise _no_run(run)


def _record_of_many(items: list[Any], graph: Graph | None) -> RunRecord:
    first = items[0] if items else None
    if isinstance(first, Run):
        return _record_of_trees(items)
    if isinstance(first, RunLogPatch):
        return record_of_log(items, graph)
    if isinstance(first, dict) and "event" in first:
        return record_of_events(items)
    raise _no_run(items)


def _no_run(given: Any) -> RunSourceError:
    return RunSourceError(
        f"expected a run, got {type(given).__name__}: {given!r:.80}. A run is a RunRecorder that stood in `callbacks`, "
        "a handle of start(), a tracer's Run, a run log, or the path of a file that an EventFile has written"
    )


def _record_of_handle(handle: RunHandle[Any]) -> RunRecord:
    for handler in handle.handlers:
        if isinstance(handler, RunRecorder):
            record = handler.record()
        elif kept := getattr(handler, "traced_runs", None):
            record = _record_of_trees(kept)
        else:
            continue
        find(record.roots, handle.graph)
        record.graph = handle.graph
        return record
    raise RunSourceError(
        "nobody recorded the run of this handle. Start it with a recorder: "
        'chain.start(input, {"callbacks": [RunRecorder()]})'
    )


def _record_of_trees(runs: Iterable[Run]) -> RunRecord:
    made = [_alone(run) for run in runs]
    stack = list(zip(runs, made, strict=True))
    while stack:
        run, step = stack.pop()
        step.children = [_alone(child) for child in list(run.child_runs)]
        stack.extend(zip(run.child_runs, step.children, strict=False))
    record = RunRecord(made)
    count_attempts(record)
    return record


def _alone(run: Run) -> StepRun:
    step = StepRun(str(run.id), run.name, run.run_type, tuple(run.tags), start=run.start_time.timestamp())
    step.input = preview(run.inputs) if run.inputs else ""
    tokens = [event["time"].timestamp() for event in run.events if event["name"] == "new_token"]
    if run.run_type == "llm" or run.run_type in WHOLE:
        step.chunk_times, step.chunks = tokens, len(tokens)
    if run.end_time is not None:
        shown = preview(run.outputs) if run.outputs is not None else ""
        step.over(run.end_time.timestamp(), "" if run.error is None else _error_of(run.error), output=shown)
    return step


def _error_of(text: str) -> str:
    """An error's `repr` with its notes, as records have errors."""
    first = text.partition("\n")[0]
    match = re.fullmatch(r"([\w.]+)\((?:(['\"])(.*)\2)?,?\)", first)
    if match is None:
        return first
    return f"{match[1]}: {match[3]}" if match[3] else match[1]


def _record_of_simulation(simulation: Simulation) -> RunRecord:
    root = StepRun("simulation", "simulation", start=0.0, key="")
    for number, run in enumerate(simulation.runs):
        step = StepRun(str(number), run.name, start=run.started, key=run.key)
        if run.ended is not None:
            step.over(run.ended, "" if run.error is None else f"{type(run.error).__name__}: {run.error}")
        root.children.append(step)
    root.over(simulation.makespan, "" if simulation.error is None else f"{type(simulation.error).__name__}")
    return RunRecord([root])
