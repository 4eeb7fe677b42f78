"""The units of a picture: within a frame, its vertices and the frames in it; and how groups of them become boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from anabranch.viz.contracting import contracted, is_step, sum_up
from anabranch.viz.pictures import Picture, Vertex

Unit = tuple[str, str]
"""Whether it is a vertex or a cluster, and its id."""

Group = tuple[str | None, list[Unit]]
"""Units of a frame that are to be one box, with the frame."""


class Units:
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

    def is_end(self, unit: Unit) -> bool:
        """Whether it is the input or the output."""
        sort, id = unit
        return sort == "vertex" and self.picture.vertices[id].kind in ("input", "output")


def grouped(picture: Picture, found: Callable[[Units], Iterator[Group]]) -> Picture:
    """The picture with a box for each group of units."""
    units = Units(picture)
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
    steps = [unit for unit in group if unit[0] == "cluster" or is_step(picture.vertices[unit[1]])] or group
    return f"{_named(picture, steps[0])} … {_named(picture, steps[-1])}"


def _named(picture: Picture, unit: Unit) -> str:
    sort, id = unit
    if sort == "vertex":
        return picture.vertices[id].label
    cluster = picture.clusters[id]
    return cluster.label or cluster.kind
