"""The table: a line a row, each a figure and what is allowed of it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

COLUMNS = "{:<62} {:>10} {:>10} {:>9} {:>9}  {}"
SCALES = {"s": 1.0, "ms": 1e3, "µs": 1e6, "KB": 1.0}


class Verdict(Enum):
    """What became of a row."""

    MET = "ok"
    MISSED = "MISSED"
    SHOWN = "-"
    CRASHED = "CRASHED"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        work: what was done, and per what it is counted.
        ours: what it took the engine, in `unit`.
        against: what it took whoever it is compared with, in `unit`.
        unit: the unit of both.
        figure: what is judged: by default their ratio.
        allowed: the largest figure that will do; None shows the row without judging it.
        figure_unit: the unit of the figure and of what is allowed; "x" for a ratio.
        failure: what went wrong, if it could not be measured.
    """

    work: str
    ours: float = 0.0
    against: float | None = None
    unit: str = ""
    figure: float = 0.0
    allowed: float | None = None
    figure_unit: str = "x"
    failure: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.failure:
            return Verdict.CRASHED
        if self.allowed is None:
            return Verdict.SHOWN
        return Verdict.MET if self.figure <= self.allowed else Verdict.MISSED


def ratio(work: str, ours: float, against: float, unit: str, allowed: float | None, count: int = 1) -> Row:
    """A row that is judged by how many times what it is compared with the engine takes.

    Both are shown in `unit`, divided by `count`; times are given in seconds.
    """
    scale = SCALES[unit] / count
    return Row(work, ours * scale, against * scale, unit, ours / against, allowed)


def limit(work: str, ours: float, unit: str, allowed: float | None, against: float | None = None) -> Row:
    """A row that is judged by what the engine takes, whatever others take."""
    scale = SCALES[unit]
    other = None if against is None else against * scale
    return Row(work, ours * scale, other, unit, ours * scale, allowed, unit)


def excess(work: str, ours: float, against: float, unit: str, allowed: float | None) -> Row:
    """A row that is judged by how much more than what it is compared with the engine takes."""
    scale = SCALES[unit]
    return Row(work, ours * scale, against * scale, unit, (ours - against) * scale, allowed, unit)


def heading() -> str:
    """The lines above the table."""
    return "\n".join(
        [
            f"{_environment()}. Medians of interleaved runs.",
            "'against' is hand-written Python for the same work, unless the row says otherwise.",
            "",
            COLUMNS.format("work", "ours", "against", "figure", "allowed", "verdict"),
            "-" * 112,
        ]
    )


def line(row: Row) -> str:
    """A row as a line of the table."""
    if row.failure:
        return COLUMNS.format(row.work, "", "", "", "", f"{row.verdict.value}: {row.failure}")
    return COLUMNS.format(
        row.work,
        _quantity(row.ours, row.unit),
        _quantity(row.against, row.unit),
        _quantity(row.figure, row.figure_unit),
        _quantity(row.allowed, row.figure_unit),
        row.verdict.value,
    )


def summary(rows: Iterable[Row]) -> str:
    """The line below the table."""
    verdicts = [row.verdict for row in rows]
    counts = {verdict: verdicts.count(verdict) for verdict in Verdict}
    judged = counts[Verdict.MET] + counts[Verdict.MISSED]
    crashed = f", {counts[Verdict.CRASHED]} crashed" if counts[Verdict.CRASHED] else ""
    return f"{counts[Verdict.MET]} of {judged} figures met{crashed}"


def write_json(rows: Iterable[Row], path: Path) -> None:
    """Write the rows to a file, for whoever compares two runs."""
    kept = [{**asdict(row), "verdict": row.verdict.value} for row in rows]
    path.write_text(json.dumps({"environment": _environment(), "rows": kept}, indent=2) + "\n", encoding="utf-8")


def _environment() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores"


def _quantity(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    digits = 2 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}{'' if unit == 'x' else ' '}{unit}"
