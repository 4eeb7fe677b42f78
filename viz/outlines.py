"""A picture as an outline in plain text: a line a step, in the order of the graph, frames as indentation.

A step reads what the line above it gives, unless it says `<- ` and from where.
"""

from __future__ import annotations

from collections.abc import Iterable

from anabranch.viz.labels import one_line, seconds, shortened
from anabranch.viz.pictures import Cluster, Edge, Picture, Seen, Vertex

WIDEST = 60


def outline_of(picture: Picture) -> str:
    """The picture as an outline.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> from anabranch.viz.picturing import picture_of
        >>> print(outline_of(picture_of(({"size": len, "text": str} | RunnableLambda(repr)).graph)))
        input
        parallel
        ├─ len
        ├─ str  <- input
        ╰─ { }  <- size: len, text: str
        repr
        output
    """
    return "\n".join(_Outline(picture).lines())


class _Outline:
    """Writes the lines."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.said = _names(picture)
        self.into: dict[str, list[Edge]] = {id: [] for id in picture.vertices}
        for edge in picture.edges:
            self.into[edge.target].append(edge)
        self.parts: dict[str | None, list[Vertex | Cluster]] = {None: []}
        self._gather()

    def _gather(self) -> None:
        """Put each part under the cluster that it stands in, clusters where their first vertex stands."""
        self.parts.update({id: [] for id in self.picture.clusters})
        there: set[str] = set()
        for vertex in self.picture.vertices.values():
            part: Vertex | Cluster = vertex
            for cluster in self.picture.around(vertex):
                if cluster.bare:
                    continue
                self.parts[cluster.id].append(part)
                if cluster.id in there:
                    break
                there.add(cluster.id)
                part = cluster
            else:
                self.parts[None].append(part)

    def lines(self) -> Iterable[str]:
        """All lines."""
        picture = self.picture
        if picture.title:
            yield one_line(picture.title)
        yield from map(one_line, picture.notes)
        before = ""
        # A frame is what is still to be written at a depth, with what stands before its lines.
        stack: list[tuple[str, list[Vertex | Cluster]]] = [("", self.parts[None][::-1])]
        while stack:
            rail, left = stack[-1]
            if not left:
                stack.pop()
                continue
            part = left.pop()
            branch, below = ("", "") if len(stack) == 1 else ("├─ ", "│  ") if left else ("╰─ ", "   ")
            if isinstance(part, Vertex):
                yield f"{rail}{branch}{self._vertex(part, before)}"
                before = part.id
                continue
            inside = self.parts[part.id][::-1]
            point = inside[-1]
            if isinstance(point, Vertex) and point.id == part.id:  # from which all in it goes out
                inside.pop()
                yield f"{rail}{branch}{self._vertex(point, before)}"
                before = point.id
            else:
                yield f"{rail}{branch}{self._cluster(part)}"
            stack.append((rail + below, inside))

    def _vertex(self, vertex: Vertex, before: str) -> str:
        about = [] if vertex.run_type in ("", "chain") else [vertex.run_type.replace("_", " ")]
        if vertex.kind == "fold":
            about.append(f"{vertex.count:,} step{'s' * (vertex.count != 1)}")
        text = self.said[vertex.id] + _in_brackets([*about, *vertex.policy]) + _seen(vertex)
        edges = self.into[vertex.id]
        if not edges or (len(edges) == 1 and edges[0].source == before and not _edge(edges[0])):
            return text
        return f"{text}  <- {', '.join(_edge(edge) + self.said[edge.source] for edge in edges)}"

    def _cluster(self, cluster: Cluster) -> str:
        return shortened(cluster.label or cluster.kind, WIDEST) + _in_brackets(cluster.policy) + _seen(cluster)


def _names(picture: Picture) -> dict[str, str]:
    """What each vertex is called; those of one name are numbered."""
    seen: dict[str, int] = {}
    names: dict[str, str] = {}
    for vertex in picture.vertices.values():
        name = shortened(vertex.label, WIDEST)
        if vertex.kind == "again":
            name += " (as above)"
        seen[name] = count = seen.get(name, 0) + 1
        names[vertex.id] = name if count == 1 else f"{name} #{count}"
    return names


def _edge(edge: Edge) -> str:
    """What an arrow says, before the name of its source."""
    said = [shortened(edge.label, WIDEST)] if edge.label else []
    if edge.kind in ("choice", "fallback", "call") and not said:
        said.append(edge.kind)
    if edge.type:
        said.append(shortened(edge.type, WIDEST))
    if edge.channel:
        said.append("∞ chunks" if edge.channel < 0 else f"{edge.channel} chunks")
    if edge.misfit:
        said.append("does not fit!")
    return f"{', '.join(said)}: " if said else ""


def _in_brackets(about: Iterable[str]) -> str:
    text = ", ".join(about)
    return f" [{text}]" if text else ""


def _seen(part: Seen) -> str:
    """What a run shows."""
    if part.state is None:
        return ""
    said = [part.state, "" if part.time is None else seconds(part.time), part.badge, one_line(part.note)]
    return ("  * " if part.thick else "  ") + ", ".join(filter(None, said))
