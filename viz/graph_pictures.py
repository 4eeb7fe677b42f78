"""The graph of `get_graph()` as a picture, for PNG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anabranch.nodes.drawable_graphs import Graph, Node
from anabranch.nodes.drawing_styles import LabelsDict
from anabranch.nodes.runnables import Runnable
from anabranch.viz.dot_text import dot_of
from anabranch.viz.pictures import Cluster, Edge, Picture, Vertex
from anabranch.viz.rendering import rendered


def png_of(
    graph: Graph,
    *,
    words: int | None = None,
    paper: str | None = None,
    padding: int | None = None,
    font: str | None = None,
    labels: LabelsDict | None = None,
) -> bytes:
    """The graph as PNG; what the arguments mean stands at `Graph.draw_mermaid_png` and `Graph.draw_png`."""
    attributes = {"dpi": "144"}
    if paper is not None:
        attributes["bgcolor"] = paper
    if padding is not None:
        attributes["pad"] = str(padding / 96)
    dot = dot_of(picture_of_graph(graph, labels or {}), attributes=attributes)
    if font is not None:
        for attribute in (dot.graph_attr, dot.node_attr, dot.edge_attr):
            attribute["fontname"] = font
    return rendered(dot.source, "png")


def picture_of_graph(graph: Graph, labels: Mapping[str, Any]) -> Picture:
    """The picture of such a graph; nodes whose ids share a prefix stand in a frame."""
    picture = Picture()
    first, last = graph.first_node(), graph.last_node()
    names: Mapping[str, str] = labels.get("nodes", {})
    said: Mapping[str, str] = labels.get("edges", {})
    for node in graph.nodes.values():
        prefix = node.id.rpartition(":")[0]
        _add_frames(picture, prefix)
        picture.vertices[node.id] = Vertex(
            id=node.id,
            kind="input" if node == first else "output" if node == last else "step",
            label=names.get(node.name, node.name.rpartition(":")[2] or node.name),
            cluster=prefix or None,
            name=node.name,
            run_type=_run_type(node),
            detail="\n".join(f"{key} = {value}" for key, value in (node.metadata or {}).items()),
        )
    for edge in graph.edges:
        label = "" if edge.data is None else str(edge.data)
        kind = "choice" if edge.conditional else "data"
        picture.edges.append(
            Edge(source=edge.source, target=edge.target, kind=kind, label=said.get(label, label))  # type: ignore[arg-type]
        )
    return picture


def _add_frames(picture: Picture, prefix: str) -> None:
    parts = prefix.split(":") if prefix else []
    for count in range(1, len(parts) + 1):
        id = ":".join(parts[:count])
        if id not in picture.clusters:
            parent = ":".join(parts[: count - 1]) or None
            picture.clusters[id] = Cluster(id=id, kind="scope", label=parts[count - 1], parent=parent)


def _run_type(node: Node) -> str:
    """The run type of a node that is a single step."""
    if not isinstance(node.data, Runnable):
        return "chain"
    steps = node.data.__graph__.steps
    return steps[0].operator.run_type if len(steps) == 1 else "chain"
