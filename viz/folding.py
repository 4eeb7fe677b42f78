"""Folds parts of a picture, so that it stays readable: a group of steps becomes one box that says how many they are.

What a run shows is folded along: a folded cluster keeps its own state, and a group that is no run sums up its parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from anabranch.viz.pictures import Cluster, Edge, EdgeKind, Picture, State, Vertex

DEEPEST = 8
"""Frames inside each other that are drawn unless more are asked for."""

LONG_ROW = 12
"""Steps in a row, or side by side, that may all stay; of more, some at both ends do."""

ENDS = 4

_ORDER: tuple[State, ...] = ("failed", "cancelled", "running", "waiting", "done", "skipped")


def folded_to(picture: Picture, depth: int) -> Picture:
    """The picture with no more than so many frames inside each other; what stands deeper is folded."""
    deep = _depths(picture)
    return folded(picture, [id for id, around in deep.items() if around == depth and not picture.clusters[id].bare])


def readable(picture: Picture, most: int) -> Picture:
    """The picture folded until it has no more than so many vertices, if that can be; a note says so.

    First whole scopes and call steps are folded, the innermost first; then long rows of steps, and many of a kind side
    by side.
    """
    deep = _depths(picture)
    deepest = max(deep.values(), default=-1) + 1
    steps = _steps(picture)
    if len(picture.vertices) <= most and deepest <= DEEPEST:
        return picture
    clusters_at = Counter(around for id, around in deep.items() if not picture.clusters[id].bare)
    vertices_at = Counter(0 if each.cluster is None else deep[each.cluster] + 1 for each in picture.vertices.values())
    fitting = [
        depth
        for depth in range(min(deepest, DEEPEST) + 1)
        if sum(vertices_at[at] for at in range(depth + 1)) + clusters_at[depth] <= most
    ]
    made = folded_to(picture, max(fitting, default=0))
    if len(made.vertices) > most:
        made = _without_twins(_without_rows(made))
    if made is not picture:
        made.notes.append(f"{steps:,} steps in all; each dashed box stands for several. depth=99 opens them")
    return made


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
    counts = Counter(home[id] for id, vertex in picture.vertices.items() if id in home and _is_step(vertex))
    thick = {home[id] for id, vertex in picture.vertices.items() if id in home and vertex.thick}
    boxes = {id: _box_of(picture.clusters[id], counts[id], id in thick) for id, target in into.items() if id == target}
    made = _contracted(picture, home, boxes)
    made.clusters = {id: cluster for id, cluster in picture.clusters.items() if id not in into}
    return made


def _without_rows(picture: Picture) -> Picture:
    """The middle of each long row of steps is folded."""
    ins, outs = _neighbours(picture)

    def follows(id: str) -> bool:
        """Whether a vertex is a step that has one input, of which it is the only reader, in the same frame."""
        if len(ins[id]) != 1 or not _is_step(picture.vertices[id]):
            return False
        (before,) = ins[id]
        same = picture.vertices[before].cluster == picture.vertices[id].cluster
        return len(outs[before]) == 1 and same and _is_step(picture.vertices[before])

    rows: dict[str, list[str]] = {}
    row_of: dict[str, list[str]] = {}
    for id in _in_order(picture, ins, outs):
        row = row_of[next(iter(ins[id]))] if follows(id) else rows.setdefault(id, [])
        row.append(id)
        row_of[id] = row
    return _grouped(picture, [row[ENDS:-ENDS] for row in rows.values() if len(row) > LONG_ROW])


def _without_twins(picture: Picture) -> Picture:
    """Of many steps that stand side by side, with the same input and the same reader, most are folded."""
    ins, outs = _neighbours(picture)
    twins: dict[object, list[str]] = {}
    for id, vertex in picture.vertices.items():
        if _is_step(vertex):
            twins.setdefault((vertex.cluster, frozenset(ins[id]), frozenset(outs[id])), []).append(id)
    return _grouped(picture, [group[ENDS:-ENDS] for group in twins.values() if len(group) > LONG_ROW])


def _grouped(picture: Picture, groups: list[list[str]]) -> Picture:
    home: dict[str, str] = {}
    boxes: dict[str, Vertex] = {}
    for group in groups:
        parts = [picture.vertices[id] for id in group]
        box = f"{group[0]}…"
        home.update(dict.fromkeys(group, box))
        count = sum(part.count or 1 for part in parts)
        labels = f"{parts[0].label} … {parts[-1].label}"
        boxes[box] = Vertex(id=box, kind="fold", label=labels, cluster=parts[0].cluster, count=count)
        _sum_up(boxes[box], parts)
    return _contracted(picture, home, boxes)


def _contracted(picture: Picture, home: dict[str, str], boxes: dict[str, Vertex]) -> Picture:
    """The picture with boxes in place of the vertices that are at home there."""
    vertices: dict[str, Vertex] = {}
    for id, vertex in picture.vertices.items():
        if id not in home:
            vertices[id] = vertex
        elif home[id] not in vertices:
            vertices[home[id]] = boxes[home[id]]
    edges: dict[tuple[str, str, EdgeKind], Edge] = {}
    labels: dict[tuple[str, str, EdgeKind], list[str]] = {}
    for edge in picture.edges:
        source, target = home.get(edge.source, edge.source), home.get(edge.target, edge.target)
        if source == target:
            continue
        key = (source, target, edge.kind)
        if key not in edges:
            edges[key] = replace(edge, source=source, target=target)
        edges[key].thick |= edge.thick
        if edge.label and edge.label not in labels.setdefault(key, []):
            labels[key].append(edge.label)
    for key, said in labels.items():
        edges[key].label = ", ".join(said) if len(said) <= 3 else f"{said[0]} … {said[-1]} ({len(said):,})"
        edges[key].detail = ", ".join(said) if len(said) > 1 else edges[key].detail
    return replace(picture, vertices=vertices, edges=list(edges.values()), notes=list(picture.notes))


def _box_of(cluster: Cluster, count: int, thick: bool) -> Vertex:
    return Vertex(
        id=cluster.id,
        kind="fold",
        label=cluster.label or cluster.name,
        cluster=cluster.parent,
        name=cluster.name,
        key=cluster.key,
        slot=cluster.slot,
        tags=cluster.tags,
        runs=cluster.runs,
        policy=cluster.policy,
        detail=cluster.detail,
        stacked=cluster.stacked,
        count=count,
        step=cluster.step,
        state=cluster.state,
        time=cluster.time,
        badge=cluster.badge,
        note=cluster.note,
        thick=cluster.thick or thick,
    )


def _sum_up(box: Vertex, parts: list[Vertex]) -> None:
    """Write into a box what a run shows of its parts."""
    states = {part.state for part in parts}
    times = [part.time for part in parts if part.time is not None]
    box.state = next((each for each in _ORDER if each in states), None)
    box.time = sum(times) if times else None
    box.note = next((part.note for part in parts if part.note), "")
    box.thick = any(part.thick for part in parts)


def _is_step(vertex: Vertex) -> bool:
    return vertex.kind in ("step", "choice", "fold")


def _steps(picture: Picture) -> int:
    return sum(vertex.count or 1 for vertex in picture.vertices.values() if _is_step(vertex))


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


def _neighbours(picture: Picture) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """For each vertex those before it, and those after it."""
    ins: dict[str, set[str]] = {id: set() for id in picture.vertices}
    outs: dict[str, set[str]] = {id: set() for id in picture.vertices}
    for edge in picture.edges:
        ins[edge.target].add(edge.source)
        outs[edge.source].add(edge.target)
    return ins, outs


def _in_order(picture: Picture, ins: dict[str, set[str]], outs: dict[str, set[str]]) -> list[str]:
    """The vertices, each after those before it."""
    missing = {id: len(before) for id, before in ins.items()}
    order = [id for id, count in missing.items() if not count]
    for id in order:
        for after in outs[id]:
            missing[after] -= 1
            if not missing[after]:
                order.append(after)
    return order
