"""Folds parts of a picture, so that it stays readable: a group of steps becomes one box that says how many they are.

What a run shows is folded along: a folded cluster keeps its own state, and a group that is no run sums up its parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from anabranch.viz.contracting import box_of, contracted, count_steps, is_step, note
from anabranch.viz.layering import in_layers
from anabranch.viz.pictures import Cluster, Picture
from anabranch.viz.repeating import without_repeats

DEEPEST = 8
"""Frames inside each other that are drawn unless more are asked for."""


def folded_to(picture: Picture, depth: int) -> Picture:
    """The picture with no more than so many frames inside each other; what stands deeper is folded."""
    deep = _depths(picture)
    return folded(picture, [id for id, around in deep.items() if around == depth and not picture.clusters[id].bare])


def readable(picture: Picture, most: int) -> Picture:
    """The picture folded until it has no more than so many vertices, if that can be; a note says so.

    First the middle of long rows is folded, and most of many parts side by side; then layers of frames with too many
    parts; then whole scopes and call steps, the innermost first.
    """
    made = folded_to(picture, DEEPEST)
    if len(made.vertices) > most:
        made = in_layers(without_repeats(made))
    if len(made.vertices) > most:
        made = in_layers(without_repeats(folded_to(made, _fitting(made, most))))
    if made is not picture:
        steps = count_steps(picture)
        made.notes.append(f"{steps:,} steps in all; each dashed box stands for several. depth=99 opens them")
    return made


def _fitting(picture: Picture, most: int) -> int:
    """The greatest depth to which the picture can be opened."""
    deep = _depths(picture)
    clusters_at = Counter(around for id, around in deep.items() if not picture.clusters[id].bare)
    vertices_at = Counter(0 if each.cluster is None else deep[each.cluster] + 1 for each in picture.vertices.values())
    fitting = (
        depth
        for depth in range(DEEPEST, 0, -1)
        if sum(vertices_at[at] for at in range(depth + 1)) + clusters_at[depth] <= most
    )
    return next(fitting, 0)


def folded(picture: Picture, clusters: Iterable[str]) -> Picture:
    """The picture with some clusters each made one vertex."""
    into: dict[str, str] = {}  # from clusters and vertices to the cluster that they are folded into
    chosen = set(clusters)
    for cluster in _outermost_first(picture):
        if cluster.parent in into:
            into[cluster.id] = into[cluster.parent]
        elif cluster.id in chosen:
            into[cluster.id] = cluster.id
    if not into:
        return picture
    home = {
        id: into[vertex.cluster] for id, vertex in picture.vertices.items() if vertex.cluster and vertex.cluster in into
    }
    counts = Counter(home[id] for id, vertex in picture.vertices.items() if id in home and is_step(vertex))
    thick = {home[id] for id, vertex in picture.vertices.items() if id in home and vertex.thick}
    boxes = {id: box_of(picture.clusters[id], counts[id], id in thick) for id, target in into.items() if id == target}
    for id, target in home.items():
        note(boxes[target], picture.vertices[id])
    for id, target in into.items():
        note(boxes[target], picture.clusters[id])
    made = contracted(picture, home, boxes)
    made.clusters = {id: cluster for id, cluster in picture.clusters.items() if id not in into}
    return made


def _outermost_first(picture: Picture) -> list[Cluster]:
    deep = _depths(picture)
    return sorted(picture.clusters.values(), key=lambda cluster: (deep[cluster.id], cluster.bare))


def _depths(picture: Picture) -> dict[str, int]:
    """How many frames stand around each cluster; without recursion, for there may be thousands inside each other.

    A bare one is as deep as that around it.
    """
    deep: dict[str, int] = {}
    for cluster in picture.clusters.values():
        path = [cluster]
        while path[-1].id not in deep and path[-1].parent is not None:
            path.append(picture.clusters[path[-1].parent])
        for each in reversed(path):
            if each.id not in deep:
                deep[each.id] = (-1 if each.parent is None else deep[each.parent]) + (not each.bare)
    return deep
