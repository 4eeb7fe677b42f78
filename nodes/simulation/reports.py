"""What a simulation found: times, waiting, concurrency and how full channels were; for one run, or for several caps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anabranch.nodes.simulation.steps import StepRun

BAR = 40
"""How wide the longest bar of a plot is, in characters."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """One simulated run. Times are virtual, in seconds.

    Attributes:
        seed: with it, `simulate` does the very same again.
        max_concurrency: the cap, if there was one.
        value: what the verb returned; of a stream the fold of its chunks.
        error: what it raised instead.
        chunks: those of a stream.
        makespan: when the verb returned.
        waited: for how long steps that were ready waited for a permit, in all.
        work: for how long steps ran, in all.
        peak: how many steps' code ran at once at most.
        depths: how many chunks waited at most for each step that reads a channel.
        runs: each run of a step, as they began.
        switches: how often the simulation went on with another thread.
        left: who was still waiting when nothing moved any more.

    Example:
        >>> both = RunnableParallel(a=RunnableLambda(str, name="a"), b=RunnableLambda(str, name="b"))
        >>> run = simulate(both, 1, durations={"a": 2.0, "b": 3.0}, max_concurrency=1)
        >>> run.result(), run.makespan, run.work, run.waited, run.peak
        ({'a': '1', 'b': '1'}, 5.0, 5.0, 2.0, 1)
    """

    seed: int
    max_concurrency: int | None
    value: Any
    error: BaseException | None
    chunks: list[Any]
    makespan: float
    waited: float
    work: float
    peak: int
    depths: dict[str, int]
    runs: list[StepRun] = field(repr=False)
    switches: int = field(repr=False)
    left: list[str] = field(repr=False)

    def result(self) -> Any:
        """The value, or the error raised."""
        if self.error is not None:
            raise self.error
        return self.value

    def __str__(self) -> str:
        outcome = f"{self.value!r:.60}" if self.error is None else f"the error {self.error!r:.60}"
        lines = [
            f"seed {self.seed}: {outcome}",
            f"makespan {self.makespan:g} s, work {self.work:g} s, waited {self.waited:g} s, peak {self.peak}",
        ]
        if self.depths:
            lines.append("channels: " + ", ".join(f"{name} {depth}" for name, depth in self.depths.items()))
        return "\n".join([*lines, *_by_step(self.runs)])


@dataclass(frozen=True, slots=True)
class Sweep:
    """The same run under several caps, to be printed as a table with a plot of the makespans.

    Attributes:
        simulations: one for each cap, in the order of the caps.

    Example:
        >>> both = RunnableParallel(a=RunnableLambda(str, name="a"), b=RunnableLambda(str, name="b"))
        >>> sweep = simulate(both, 1, durations={"a": 2.0, "b": 3.0}, max_concurrency=[1, 2])
        >>> [(each.max_concurrency, each.makespan) for each in sweep.simulations]
        [(1, 5.0), (2, 3.0)]
    """

    simulations: list[Simulation]

    def __str__(self) -> str:
        first = self.simulations[0].makespan
        longest = max(each.makespan for each in self.simulations) or 1.0
        rows, bars = [("cap", "makespan", "speed-up", "waited", "peak")], [""]
        for each in self.simulations:
            gain = first / each.makespan if each.makespan else 1.0
            cap = "none" if each.max_concurrency is None else str(each.max_concurrency)
            rows.append((cap, f"{each.makespan:g} s", f"{gain:.2f}x", f"{each.waited:g} s", str(each.peak)))
            bars.append("  " + "█" * max(1, round(BAR * each.makespan / longest)))
        return "\n".join(row + bar for row, bar in zip(_aligned(rows), bars, strict=True))


def _by_step(runs: Sequence[StepRun]) -> list[str]:
    rows = [("step", "runs", "failed", "first", "last", "busy")]
    grouped: dict[str, list[StepRun]] = {}
    for run in runs:
        grouped.setdefault(run.key, []).append(run)
    for key, each in grouped.items():
        ended = [run for run in each if run.ended is not None]
        busy = sum(run.ended - run.started for run in ended if run.ended is not None)
        last = max((run.ended for run in ended if run.ended is not None), default=0.0)
        failed = sum(run.error is not None for run in each)
        rows.append((key, str(len(each)), str(failed), f"{each[0].started:g} s", f"{last:g} s", f"{busy:g} s"))
    return _aligned(rows)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *numbers]))
    return lines
