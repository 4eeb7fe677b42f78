"""Folds what repeats itself: the middle of long rows, and most of many parts that stand side by side.

Within a frame, its vertices and the frames in it are *units*. A row is a chain of units, each the only reader of the
one before it; twins are units with the same inputs and the same readers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from anabranch.viz.contracting import contracted, is_step, sum_up
from anabranch.viz.pictures import Picture, Vertex

LONG_ROW = 12
"""Units in a row, or side by side, that may all stay; of more, some at both ends do."""

ENDS = 4

Unit = tuple[str, str]
"""Whether it is a vertex or a cluster, and its id."""


def without_repeats(picture: Picture) -> Picture:
    """The picture with what repeats itself folded."""
    picture = _grouped(picture, _Units.rows)
    return _grouped(picture, _Units.twins)


class _Units:
    """The units of a picture by frame, with what is before and after each: units of the frame, or vertices outside."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.of: dict[str | None, list[Unit]] = {}
        self._known: set[Unit] = set()
        self.paths: dict[str, list[tuple[str | None, Unit]]] = {}
        for vertex in picture.vertices.values():
            path = self.paths[vertex.id] = list(self._path(vertex))
            for frame, unit in path:
                units = self.of.setdefault(frame, [])
                if unit not in self._known:
                    self._known.add(unit)
                    units.append(unit)
        self.before: dict[Unit, set[Unit | str]] = {unit: set() for unit in self._known}
        self.after: dict[Unit, set[Unit | str]] = {unit: set() for unit in self._known}
        for edge in picture.edges:
            self._link(edge.source, edge.target)

    def _path(self, vertex: Vertex) -> Iterator[tuple[str | None, Unit]]:
        unit: Unit = ("vertex", vertex.id)
        for cluster in self.picture.around(vertex):
            if not cluster.bare:
                yield cluster.id, unit
                unit = ("cluster", cluster.id)
        yield None, unit

    def _link(self, source: str, target: str) -> None:
        into = dict(self.paths[target])
        shared = None
        for frame, unit in self.paths[source]:
            other = into.get(frame)
            if other is None:
                self.after[unit].add(target)  # it leaves this frame
            else:
                shared = frame
                if unit != other:
                    self.after[unit].add(other)
                    self.before[other].add(unit)
                break
        for frame, unit in self.paths[target]:
            if frame == shared:
                break
            self.before[unit].add(source)

    def rows(self) -> Iterator[tuple[str | None, list[Unit]]]:
        """The middle of each long row, with its frame."""
        for frame, units in self.of.items():
            row_of: dict[Unit, list[Unit]] = {}
            rows: list[list[Unit]] = []
            for unit in units:
                before = next(iter(self.before[unit]), None) if len(self.before[unit]) == 1 else None
                follows = isinstance(before, tuple) and before in row_of and len(self.after[before]) == 1
                if self._is_end(unit):
                    continue
                if not follows:
                    rows.append([])
                row = row_of[unit] = row_of[before] if follows and isinstance(before, tuple) else rows[-1]
                row.append(unit)
            yield from ((frame, row[ENDS:-ENDS]) for row in rows if len(row) > LONG_ROW)

    def twins(self) -> Iterator[tuple[str | None, list[Unit]]]:
        """Most of many twins, with their frame."""
        for frame, units in self.of.items():
            groups: dict[object, list[Unit]] = {}
            for unit in units:
                if not self._is_end(unit):
                    groups.setdefault((frozenset(self.before[unit]), frozenset(self.after[unit])), []).append(unit)
            yield from ((frame, group[ENDS:-ENDS]) for group in groups.values() if len(group) > LONG_ROW)

    def _is_end(self, unit: Unit) -> bool:
        sort, id = unit
        return sort == "vertex" and self.picture.vertices[id].kind in ("input", "output")


def _grouped(picture: Picture, found: Callable[[_Units], Iterator[tuple[str | None, list[Unit]]]]) -> Picture:
    """The picture with a box for each group of units."""
    units = _Units(picture)
    box_of: dict[Unit, str] = {}
    boxes: dict[str, Vertex] = {}
    for frame, group in found(units):
        box = f"{group[0][1]}…"
        box_of.update(dict.fromkeys(group, box))
        boxes[box] = Vertex(id=box, kind="fold", label=_label(picture, group), cluster=frame)
    if not boxes:
        return picture
    home: dict[str, str] = {}
    gone: set[str | None] = set()
    parts: dict[str, list[Vertex]] = {}
    for id, path in units.paths.items():
        # The outermost group that it belongs to: those inside are folded with it.
        target = next((box_of[unit] for _, unit in reversed(path) if unit in box_of), None)
        if target is not None:
            home[id] = target
            parts.setdefault(target, []).append(picture.vertices[id])
            outer = boxes[target].cluster
            gone.update(frame for frame, _ in path[: [frame for frame, _ in path].index(outer)])
    for target, vertices in parts.items():
        boxes[target].count = sum(vertex.count or 1 for vertex in vertices if is_step(vertex))
        sum_up(boxes[target], vertices)
    made = contracted(picture, home, boxes)
    made.clusters = {id: cluster for id, cluster in picture.clusters.items() if id not in gone}
    _drop_empty(made)
    return made


def _drop_empty(picture: Picture) -> None:
    """Clusters without a frame that have lost all that stood in them."""
    used = {cluster.id for vertex in picture.vertices.values() for cluster in picture.around(vertex)}
    picture.clusters = {id: cluster for id, cluster in picture.clusters.items() if id in used}


def _label(picture: Picture, group: list[Unit]) -> str:
    first, last = (_named(picture, unit) for unit in (group[0], group[-1]))
    return f"{first} … {last}"


def _named(picture: Picture, unit: Unit) -> str:
    sort, id = unit
    if sort == "vertex":
        return picture.vertices[id].label
    cluster = picture.clusters[id]
    return cluster.label or cluster.kind
