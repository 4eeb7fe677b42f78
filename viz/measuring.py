"""Lays a run over the plan of its chain: what became of each step, and of the whole."""

from __future__ import annotations

from anabranch.engine.graphs import Graph
from anabranch.viz.critical_paths import critical_path, waits_of
from anabranch.viz.explained_plans import Measured, Outcome
from anabranch.viz.plan_facts import labels_of
from anabranch.viz.step_runs import RunRecord, StepRun

NEGLIGIBLE = 0.01
"""A wait that is shorter than this part of the run is none: something always passes between two steps."""


class MeasuredRun:
    """A record, ready to be asked what was measured of a step.

    Attributes:
        outcome: of the whole.
    """

    def __init__(self, record: RunRecord, graph: Graph) -> None:
        path = critical_path(record)
        names = dict(zip(graph.keys, labels_of(graph), strict=True))
        self._critical = path.ids
        self._runs: dict[str, list[StepRun]] = record.by_key()
        self._waits: dict[str, float] = {}
        took = (record.end or 0.0) - (record.start or 0.0)
        for root in record.roots:
            for slot, wait in waits_of(root, graph).items():
                if wait > took * NEGLIGIBLE:
                    self._waits[graph.keys[slot]] = self._waits.get(graph.keys[slot], 0.0) + wait
        self.outcome = Outcome(
            len(record.roots),
            _state(record),
            took,
            [names.get(run.key or "", run.name) for run in path.steps],
            path.length,
            sum(self._waits.values()),
            next((root.error for root in record.roots if root.error), ""),
        )

    def measured(self, key: str) -> Measured:
        """What was measured of a step."""
        runs = self._runs.get(key) or [run for each in self._below(key) for run in each]
        return Measured(
            len(runs),
            sum(run.state == "failed" for run in runs),
            sum(run.duration or 0.0 for run in runs),
            self._waits.get(key, 0.0),
            sum(run.chunks or 0 for run in runs),
            max((run.attempts for run in runs), default=1),
            any(run.id in self._critical for run in runs),
        )

    def _below(self, key: str) -> list[list[StepRun]]:
        """The runs of what a step without a run of its own runs."""
        found = [each for each in self._runs if each.startswith(f"{key}/")]
        shortest = min((each.count("/") for each in found), default=0)
        return [self._runs[each] for each in found if each.count("/") == shortest]


def _state(record: RunRecord) -> str:
    states = [root.state for root in record.roots]
    for state in ("running", "failed", "cancelled"):
        if state in states:
            count = f"{states.count(state)} of {len(states)} " if len(states) > 1 else ""
            return f"{count}{state}"
    return "done"
