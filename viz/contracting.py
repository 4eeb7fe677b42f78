"""Makes several parts of a picture one box."""

from __future__ import annotations

from dataclasses import replace

from anabranch.viz.pictures import Cluster, Edge, EdgeKind, Part, Picture, State, Vertex

_ORDER: tuple[State, ...] = ("failed", "cancelled", "running", "waiting", "done", "skipped")


def contracted(picture: Picture, home: dict[str, str], boxes: dict[str, Vertex]) -> Picture:
    """The picture with boxes in place of the vertices that are at home there."""
    vertices: dict[str, Vertex] = {}
    for id, vertex in picture.vertices.items():
        if id not in home:
            vertices[id] = vertex
        else:
            box = vertices.setdefault(home[id], boxes[home[id]])
            if not box.keys:
                box.within += vertex.keys[:1] or vertex.within
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


def box_of(cluster: Cluster, count: int, thick: bool) -> Vertex:
    return Vertex(
        id=cluster.id,
        kind="fold",
        label=cluster.label or (cluster.kind if cluster.kind == "sequence" else cluster.name),
        cluster=cluster.parent,
        name=cluster.name,
        keys=cluster.keys,
        policy=cluster.policy,
        detail=cluster.detail,
        stacked=cluster.stacked,
        count=count,
        state=cluster.state,
        time=cluster.time,
        badge=cluster.badge,
        note=cluster.note,
        thick=cluster.thick or thick,
    )


def sum_up(box: Vertex, parts: list[Vertex]) -> None:
    """Write into a box what a run shows of its parts."""
    states = {part.state for part in parts}
    times = [part.time for part in parts if part.time is not None]
    box.state = next((each for each in _ORDER if each in states), None)
    box.time = sum(times) if times else None
    box.thick = any(part.thick for part in parts)
    for part in parts:
        note(box, part)


def note(box: Vertex, part: Part) -> None:
    """Write into a box what one of its parts tells, such as an error, with the name of that."""
    if part.note and not box.note:
        box.note = part.note if part.kind == "fold" else f"{part.label or part.name}: {part.note}"


def is_step(vertex: Vertex) -> bool:
    return vertex.kind in ("step", "choice", "fold")


def count_steps(picture: Picture) -> int:
    return sum(vertex.count or 1 for vertex in picture.vertices.values() if is_step(vertex))
