"""Puts the runs of a record into lanes: what happens at the same time lies below each other.

A run's bar lies above those of the runs inside it. Runs side by side share a lane when one begins after the other,
with its name, has ended. So a short run in a long chain takes as little room as it can, and no name lies on another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from anabranch.viz.critical_paths import critical_path
from anabranch.viz.labels import one_line
from anabranch.viz.step_runs import RunRecord, StepRun

MOST_BARS = 4000
"""Of more runs, the innermost are left out."""

MOST_NAMED = 300
"""Of more bars, only those have a name in which it fits."""

CHARACTER = 6.3
"""How wide a character of a name is taken to be, in pixels."""

TINY = 1e-12
"""Times that differ by less are the same."""


@dataclass(eq=False, slots=True)
class Bar:
    """A run at its place. Times are in seconds since the beginning of the record; `lane` counts from the top.

    `rows` tells of the lanes that it takes, with all that lies inside it, from when to when it takes them, names and
    all. `before` says that its name stands before it, for behind it there is no room.
    """

    run: StepRun
    label: str
    start: float
    end: float
    depth: int
    critical: bool
    lane: int = 0
    before: bool = False
    rows: list[tuple[float, float]] = field(default_factory=list)
    inside: list[Bar] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Lanes:
    """The bars of a record.

    Attributes:
        bars: each before those inside it.
        count: of lanes.
        length: of the record, in seconds.
        left_out: how many runs have no bar.
        crowded: names stand in bars only.
    """

    bars: list[Bar]
    count: int
    length: float
    left_out: int
    crowded: bool

    @property
    def states(self) -> list[str]:
        """The states that there are, but for `done`."""
        found = {bar.run.state for bar in self.bars}
        return [state for state in ("running", "failed", "cancelled") if state in found]


def packed(record: RunRecord, width: float = 1000.0) -> Lanes:
    """The lanes of a record that is drawn so wide, in pixels."""
    begun = record.start or 0.0
    length = max((record.end or begun) - begun, 1e-9)
    critical = critical_path(record).ids
    bars, tops = _bars(record, begun, length, critical)
    crowded = len(bars) > MOST_NAMED
    for bar in reversed(bars):  # what is inside comes first
        below = _stack(bar.inside)
        own = (bar.start, bar.end) if crowded else _room(bar, width / length, length)
        bar.rows = [own, *((min(bar.start, at), max(bar.end, to)) for at, to in below)]
    count = len(_stack(tops))
    for bar in bars:
        for each in bar.inside:
            each.lane += bar.lane + 1
    return Lanes(bars, count, length, sum(1 for _ in record.walk()) - len(bars), crowded)


def label_of(run: StepRun) -> str:
    """What is written at a bar."""
    attempts = f" x{run.attempts}" if run.attempts > 1 else ""
    name = f"{_cut(one_line(run.name))}{attempts}"
    if run.state == "cancelled":
        return f"{name} (cancelled)"
    return f"\N{MULTIPLICATION SIGN} {name}" if run.state == "failed" else name


def _cut(name: str) -> str:
    return name if len(name) <= 40 else name[:39] + "…"


def _bars(record: RunRecord, begun: float, length: float, critical: frozenset[str]) -> tuple[list[Bar], list[Bar]]:
    """Bars for the runs, the outer ones first, as many as there may be."""
    tops: list[Bar] = []
    bars: list[Bar] = []
    level: list[tuple[StepRun, Bar | None]] = [(root, None) for root in record.roots]
    while level and len(bars) < MOST_BARS:
        below: list[tuple[StepRun, Bar | None]] = []
        for run, around in level[: MOST_BARS - len(bars)]:
            start = 0.0 if run.start is None else run.start - begun
            if run.start is None and around is not None:
                start = around.start
            end = length if run.end is None else max(start, run.end - begun)
            depth = 0 if around is None else around.depth + 1
            bar = Bar(run, label_of(run), start, end, depth, run.id in critical)
            (tops if around is None else around.inside).append(bar)
            bars.append(bar)
            below += [(child, bar) for child in run.children]
        level = below
    return bars, tops


def _room(bar: Bar, scale: float, length: float) -> tuple[float, float]:
    """From when to when a bar and its name lie. The name stands in it if it fits, else behind it, or before it."""
    needed = len(bar.label) * CHARACTER + 8
    if (bar.end - bar.start) * scale >= needed:
        return bar.start, bar.end
    beside = (needed + 4) / scale
    bar.before = bar.end + beside > length and bar.start - beside >= 0
    return (bar.start - beside, bar.end) if bar.before else (bar.start, bar.end + beside)


def _stack(bars: list[Bar]) -> list[tuple[float, float]]:
    """Give bars side by side their lanes, from 0, and tell from when to when each of these lanes is taken."""
    taken: list[tuple[float, float]] = []
    for bar in sorted(bars, key=lambda bar: bar.start):
        bar.lane = _first(taken, bar)
        for lane, (at, to) in enumerate(bar.rows, bar.lane):
            if lane < len(taken):
                taken[lane] = (min(taken[lane][0], at), max(taken[lane][1], to))
            else:
                taken.append((at, to))
    return taken


def _first(taken: list[tuple[float, float]], bar: Bar) -> int:
    """The first lane from which on there is room for all of a bar's rows."""
    first = bar.rows[0][0] + TINY
    for lane, (_, to) in enumerate(taken):
        if to <= first and _fits(taken, lane, bar):
            return lane
    return len(taken)


def _fits(taken: list[tuple[float, float]], lane: int, bar: Bar) -> bool:
    """Whether there is room for all rows of a bar but the first, when that lies in this lane."""
    below = taken[lane + 1 : lane + len(bar.rows)]
    return all(end <= at + TINY for (_, end), (at, _) in zip(below, bar.rows[1:], strict=False))
