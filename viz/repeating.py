"""Folds what repeats itself: the middle of long rows, and most of many parts that stand side by side.

A row is a chain of units, each the only reader of the one before it; twins are units with the same inputs and the same
readers.
"""

from __future__ import annotations

from collections.abc import Iterator

from anabranch.viz.pictures import Picture
from anabranch.viz.units import Group, Unit, Units, grouped

LONG_ROW = 12
"""Units in a row, or side by side, that may all stay; of more, some at both ends do."""

ENDS = 4


def without_repeats(picture: Picture) -> Picture:
    """The picture with what repeats itself folded."""
    return grouped(grouped(picture, _rows), _twins)


def _rows(units: Units) -> Iterator[Group]:
    """The middle of each long row."""
    for frame, inside in units.of.items():
        row_of: dict[Unit, list[Unit]] = {}
        rows: list[list[Unit]] = []
        for unit in inside:
            before = next(iter(units.before[unit]), None) if len(units.before[unit]) == 1 else None
            follows = isinstance(before, tuple) and before in row_of and len(units.after[before]) == 1
            if units.is_end(unit):
                continue
            if not follows:
                rows.append([])
            row = row_of[unit] = row_of[before] if follows and isinstance(before, tuple) else rows[-1]
            row.append(unit)
        yield from ((frame, row[ENDS:-ENDS]) for row in rows if len(row) > LONG_ROW)


def _twins(units: Units) -> Iterator[Group]:
    """Most of many twins."""
    for frame, inside in units.of.items():
        groups: dict[object, list[Unit]] = {}
        for unit in inside:
            if not units.is_end(unit):
                groups.setdefault((frozenset(units.before[unit]), frozenset(units.after[unit])), []).append(unit)
        yield from ((frame, group[ENDS:-ENDS]) for group in groups.values() if len(group) > LONG_ROW)
