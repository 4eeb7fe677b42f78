"""Where in a picture a run stands, found out when it starts: by its parent's place, its name and its place tags.

`viz.pictures` says how runs and parts of a picture belong together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from anabranch.viz.dot_text import svg_ids
from anabranch.viz.pictures import Cluster, Picture, Vertex

Part = Vertex | Cluster


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """A place of a run.

    Attributes:
        part: the vertex or cluster; None for the whole picture.
        level: which of the runs that the part stands for; 0 for the outermost.
        element: the id of the part's element in the SVG; empty for the whole picture.
    """

    part: Part | None = None
    level: int = 0
    element: str = ""


class PicturePlaces:
    """Finds places for runs, in the order in which they start."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        ids = svg_ids(picture)
        self._elements = {
            id(part): ids[name, sort]
            for sort, parts in (("vertex", picture.vertices), ("cluster", picture.clusters))
            for name, part in parts.items()
        }
        self._inside: dict[str | None, list[Part]] = {}
        for cluster in picture.clusters.values():
            self._inside.setdefault(cluster.parent, []).append(cluster)
        for vertex in picture.vertices.values():
            self._inside.setdefault(vertex.cluster, []).append(vertex)
        self._taken: set[tuple[str, int]] = set()

    def of_root(self, name: str, tags: Collection[str]) -> PicturePlace | None:
        """The place of what was called. A name that was given to the call changes nothing."""
        if self._picture.runs:
            return PicturePlace()
        parts = self._runs_in(None)
        return self._place(parts[0]) if len(parts) == 1 else self._chosen("", parts, name, tags)

    def of(self, parent_id: str, parent: PicturePlace | None, name: str, tags: Collection[str]) -> PicturePlace | None:
        """The place of a run inside another; None when it isn't in the picture."""
        if parent is None:
            return None
        part = parent.part
        if part is None:
            runs, inside = self._picture.runs, self._runs_in(None)
        else:
            runs, inside = part.runs, self._runs_in(part.id) if isinstance(part, Cluster) else []
        if parent.level + 1 < len(runs):
            return PicturePlace(part, parent.level + 1, parent.element)
        return self._chosen(parent_id, inside, name, tags)

    def _chosen(self, parent_id: str, parts: list[Part], name: str, tags: Collection[str]) -> PicturePlace | None:
        """The first part of that name and these tags that has no run of the same parent yet, or else the first."""
        fits = [part for part in parts if part.runs[0] == name and set(part.tags) <= set(tags)]
        if not fits:
            return None
        part = next((part for part in fits if (parent_id, id(part)) not in self._taken), fits[0])
        self._taken.add((parent_id, id(part)))
        return self._place(part)

    def _place(self, part: Part) -> PicturePlace:
        return PicturePlace(part, 0, self._elements[id(part)])

    def _runs_in(self, cluster: str | None) -> list[Part]:
        """The parts directly in a cluster, or in frames in it that are no runs themselves, that are runs."""
        found: list[Part] = []
        stack = list(reversed(self._inside.get(cluster, ())))
        while stack:
            part = stack.pop()
            if part.runs:
                found.append(part)
            elif isinstance(part, Cluster):
                stack.extend(reversed(self._inside.get(part.id, ())))
        return found
