"""A picture as DOT, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import graphviz

from anabranch.viz.labels import clean, in_html, one_line, seconds, shortened
from anabranch.viz.pictures import Cluster, Edge, Picture, Seen, Vertex
from anabranch.viz.styles import FONT, LIGHT, MARGINS, SHAPES, Paint, Palette, look_of

MANY = 250
HASTY = {"splines": "line", "nslimit": "0.2", "mclimit": "0.1"}
HASTY_FLAT = {**HASTY, "nslimit1": "0.2"}
"""How Graphviz is to place more vertices than that: less well, but in seconds instead of minutes.

Of layers that were not sought to the end it can't make frames: then it ends the process (`nslimit1`).
"""

LONGEST_TEXT = 16_000
"""Bytes of an attribute, with the backslashes that are put into it; Graphviz takes 16,384."""

ROW = '<BR ALIGN="LEFT"/>'
GAP = '<FONT POINT-SIZE="5"> </FONT>'
ARROWS = {"data": "solid", "choice": "dashed", "fallback": "dotted", "call": "dashed"}


def dot_of(
    picture: Picture, palette: Palette = LIGHT, direction: str = "TB", attributes: Mapping[str, str] | None = None
) -> graphviz.Digraph:
    """The picture as DOT.

    Vertices and clusters are called `v0`, `v1` and `cluster_0`, `cluster_1`, in the order of the picture; in an SVG
    these are the ids of their elements (`svg_ids` tells which is which).

    Args:
        picture: the picture.
        palette: its colours.
        direction: `TB` from the top down, `LR` from left to right.
        attributes: more attributes of the graph.
    """
    writer = _Writer(picture, palette, direction)
    graph = graphviz.Digraph(
        graph_attr={**_graph_attributes(picture, palette, direction), **(attributes or {})},
        node_attr={"fontname": FONT, "fontsize": "12", "fontcolor": palette.ink, "style": "filled", "penwidth": "1.2"},
        edge_attr={
            "fontname": FONT,
            "fontsize": "10",
            "fontcolor": palette.faint,
            "color": palette.arrow,
            "arrowsize": "0.7",
            "penwidth": "1.2",
        },
    )
    graphs: dict[str | None, graphviz.Digraph] = {None: graph}
    for cluster in picture.clusters.values():
        if cluster.bare:
            graphs[cluster.id] = graphs[cluster.parent]
            continue
        graphs[cluster.id] = graphviz.Digraph(
            name=writer.ids[cluster.id, "cluster"], graph_attr=writer.cluster(cluster)
        )
    for vertex in picture.vertices.values():
        graphs[vertex.cluster].node(writer.ids[vertex.id, "vertex"], **writer.vertex(vertex))
    for cluster in reversed(picture.clusters.values()):
        if not cluster.bare:
            graphs[cluster.parent].subgraph(graphs[cluster.id])
    for number, edge in enumerate(picture.edges):
        ends = writer.ids[edge.source, "vertex"], writer.ids[edge.target, "vertex"]
        graph.edge(*ends, id=f"e{number}", **writer.edge(edge))
    return graph


def svg_ids(picture: Picture) -> dict[tuple[str, str], str]:
    """The ids of the elements in an SVG, by the id of a part and its sort (`vertex` or `cluster`)."""
    vertices = {(id, "vertex"): f"v{number}" for number, id in enumerate(picture.vertices)}
    return {**vertices, **{(id, "cluster"): f"cluster_{number}" for number, id in enumerate(picture.clusters)}}


def _graph_attributes(picture: Picture, palette: Palette, direction: str) -> dict[str, str]:
    texts = [f"<B>{in_html(shortened(picture.title, 80))}</B>"] if picture.title else []
    texts += [f'<FONT POINT-SIZE="10">{in_html(one_line(note))}</FONT>' for note in picture.notes]
    return {
        "rankdir": direction,
        "bgcolor": palette.paper,
        "fontname": FONT,
        "fontsize": "12",
        "fontcolor": palette.faint,
        "labelloc": "t",
        "pad": "0.2",
        "nodesep": "0.35",
        "ranksep": "0.4",
        "compound": "true",
        "tooltip": " ",
        **_haste(picture),
        **({"label": f"<{'<BR/>'.join(texts)}>"} if texts else {}),
    }


def _haste(picture: Picture) -> dict[str, str]:
    if len(picture.vertices) <= MANY:
        return {}
    return HASTY if any(not cluster.bare for cluster in picture.clusters.values()) else HASTY_FLAT


class _Writer:
    """Writes the attributes of each part."""

    def __init__(self, picture: Picture, palette: Palette, direction: str) -> None:
        self.picture = picture
        self.palette = palette
        self.direction = direction
        self.ids = svg_ids(picture)

    def vertex(self, vertex: Vertex) -> dict[str, str]:
        """The attributes of a vertex."""
        made: dict[str, str] = {"id": self.ids[vertex.id, "vertex"], "tooltip": plain(told(vertex))}
        look = look_of(vertex.run_type) if vertex.kind == "step" else "plain"
        made.update(self._paint(self.palette.kinds[look], vertex))
        made["class"] = " ".join(filter(None, [vertex.kind, look, vertex.state, "thick" if vertex.thick else ""]))
        if vertex.kind == "join":
            return {**made, "shape": "circle", "label": "{ }", "fixedsize": "true", "width": "0.3", "fontsize": "10"}
        if vertex.kind == "merge":
            return {**made, "shape": "point", "width": "0.06", "label": "", "fillcolor": made["color"]}
        shape = {"step": SHAPES.get(look, "box"), "choice": "hexagon", "input": "box", "output": "box"}
        made["shape"] = shape.get(vertex.kind, "box")
        made["style"] = "filled"
        if made["shape"] == "box" and look != "parser":
            made["style"] = "rounded,filled,dashed" if vertex.kind in ("fold", "again") else "rounded,filled"
        if vertex.kind in ("input", "output"):
            made |= {"fontsize": "10", "height": "0.25", "margin": "0.12,0.03", "fontcolor": self.palette.faint}
        else:
            made |= {"margin": MARGINS.get(made["shape"], "0.14,0.07"), "height": "0.4"}
        if vertex.kind == "choice":
            made["ordering"] = "out"
        if vertex.stacked:
            made["peripheries"] = "2"
        made["label"] = self._vertex_label(vertex)
        return made

    def _vertex_label(self, vertex: Vertex) -> str:
        lines = [in_html(shortened(vertex.label)) or " "]
        about = list(vertex.policy)
        if vertex.kind == "step" and vertex.run_type not in ("", "chain"):
            about.insert(0, vertex.run_type.replace("_", " "))
        if vertex.kind == "fold":
            about.insert(0, f"{vertex.count} step{'s' * (vertex.count != 1)}")
        if vertex.kind == "again":
            about.insert(0, "drawn above")
        if about:
            lines.append(self._small(" · ".join(about)))
        lines += self._seen(vertex)
        return f"<{'<BR/>'.join(lines)}>"

    def _seen(self, part: Seen) -> list[str]:
        """What a run shows, in a line of its own, and what it tells in the next."""
        if part.state is None:
            return []
        said = [part.state, *([seconds(part.time)] if part.time is not None else []), part.badge]
        colour = None if part.state in ("waiting", "skipped") else self.palette.states[part.state].line
        lines = [self._small(" · ".join(filter(None, said)), colour)]
        return [*lines, self._small(shortened(part.note, 48))] if part.note else lines

    def _small(self, text: str, colour: str | None = None) -> str:
        return f'<FONT POINT-SIZE="10" COLOR="{colour or self.palette.faint}">{in_html(text)}</FONT>'

    def _paint(self, paint: Paint, part: Seen) -> dict[str, str]:
        if part.state is not None:
            paint = self.palette.states[part.state]
        line = self.palette.critical if part.thick else paint.line
        return {"fillcolor": paint.fill, "color": line, "penwidth": "2.6" if part.thick else "1.2"}

    def cluster(self, cluster: Cluster) -> dict[str, str]:
        """The attributes of a cluster."""
        label = [in_html(shortened(cluster.label, 60))] if cluster.label else []
        if cluster.policy:
            label.append(in_html(" · ".join(cluster.policy)))
        lines = [" · ".join(label)] if label else []
        if cluster.id not in self.picture.vertices:  # a point in it that tells the same
            lines += self._seen(cluster)
        line = self.palette.frame if cluster.state is None else self.palette.states[cluster.state].line
        return {
            "id": self.ids[cluster.id, "cluster"],
            "class": " ".join(filter(None, ["cluster", cluster.kind, cluster.state, "thick" if cluster.thick else ""])),
            "label": f"<{ROW.join(lines)}>" if lines else "",
            "labeljust": "l",
            "labelloc": "b",
            "fontsize": "10",
            "fontcolor": self.palette.faint,
            "style": "rounded,filled" if cluster.kind != "segment" else "filled",
            "fillcolor": self.palette.inside,
            "color": self.palette.critical if cluster.thick else line,
            "penwidth": "2" if cluster.thick else "1",
            "margin": "10",
            "tooltip": plain(told(cluster)),
        }

    def edge(self, edge: Edge) -> dict[str, str]:
        """The attributes of an arrow."""
        made = {"style": ARROWS[edge.kind], "class": " ".join(filter(None, [edge.kind, edge.state]))}
        lines = [shortened(edge.label)] if edge.label else []
        if edge.type:
            lines.append(shortened(edge.type))
        if edge.channel:
            lines.append("∞ chunks" if edge.channel < 0 else f"{edge.channel} chunks")
        if lines and self.direction == "TB":
            made["label"] = plain("\n".join(f"  {line} " for line in lines))
        elif lines:  # above the arrow, which is not to touch it
            made["label"] = f"<{'<BR/>'.join([*map(in_html, lines), GAP])}>"
        if self.picture.vertices[edge.source].cluster == self.picture.vertices[edge.target].cluster:
            made["weight"] = "4"  # what belongs together stands in a line
        if edge.kind == "call":
            made["arrowhead"] = "open"
        if edge.misfit:
            made |= {"color": self.palette.wrong, "fontcolor": self.palette.wrong, "penwidth": "2"}
        elif edge.thick:
            made |= {"color": self.palette.critical, "penwidth": "2.6"}
        whole = "\n".join(filter(None, [edge.detail or edge.label, edge.misfit]))
        if whole:
            made["tooltip"] = made["labeltooltip"] = plain(whole)
        return made


def told(part: Vertex | Cluster) -> str:
    """All that is known of a part, for a tooltip."""
    name = [part.label or part.name]
    if part.name and part.name != name[0]:
        name.append(part.name)
    said: list[Any] = [*name, part.detail, part.state, part.time and seconds(part.time), part.badge, part.note]
    return "\n".join(str(each) for each in said if each)


def plain(text: str) -> str:
    """A text for an attribute that is no HTML; Graphviz is to find nothing special in it, and nothing too long."""
    text = clean(text)
    while (size := len(text.encode()) + text.count("\\") + text.count('"') + text.count("\n")) > LONGEST_TEXT:
        text = text[: len(text) * LONGEST_TEXT // size - 1] + "…"
    made: str = graphviz.nohtml(graphviz.escape(text).replace("\n", r"\n") or " ")
    return made
