"""What is gathered while a picture is made: vertices, clusters and arrows, and where a graph is painted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anabranch.engine.graphs import Graph
from anabranch.viz.pictures import Cluster, Edge, EdgeKind, Picture, Vertex

MOST_VERTICES = 20_000
"""Beyond this, what call steps run is not opened any more: a graph that mentions others may mention very many."""


@dataclass(frozen=True, slots=True)
class Feed:
    """From where a graph gets its input, and by what kind of arrow."""

    vertex: str
    kind: EdgeKind = "data"
    label: str = ""


@dataclass(slots=True)
class Place:
    """Where a graph is painted.

    Attributes:
        prefix, path: what stands before the ids of its parts, and before the keys of its runs.
        cluster: in which cluster.
        feeds: where its input comes from.
        frame: the cluster that its outermost scope is to be, instead of one of its own.
        label: of its outermost scope, where that has nothing to say itself.
        given: the type of its input, as far as it is known.
    """

    prefix: str = ""
    path: str = ""
    cluster: str | None = None
    feeds: tuple[Feed, ...] = ()
    frame: str | None = None
    label: str = ""
    given: Any = Any


class Painter:
    """Gathers vertices, clusters and edges.

    Attributes:
        picture: what there is so far.
        plan: segments are drawn in place of scopes.
        types: types are written at the arrows.
    """

    def __init__(self, *, plan: bool = False, types: bool = False) -> None:
        self.picture = Picture()
        self.plan = plan
        self.types = types
        self._open: set[int] = set()  # the graphs that are being painted: one inside itself is not opened again

    def add(self, vertex: Vertex) -> str:
        """Add a vertex; its id is made unique."""
        while vertex.id in self.picture.vertices:
            vertex.id += "'"
        self.picture.vertices[vertex.id] = vertex
        return vertex.id

    def edge(self, source: str, target: str, feed: Feed | None = None, label: str = "") -> Edge:
        """Add an arrow; what its feed says goes before the label."""
        labels = [each for each in (feed.label if feed else "", label) if each]
        made = Edge(source=source, target=target, label=": ".join(labels))
        if feed is not None:
            made.kind = feed.kind
        self.picture.edges.append(made)
        return made

    def cluster(self, cluster: Cluster) -> str:
        """Add a cluster; its id is made unique."""
        while cluster.id in self.picture.clusters:
            cluster.id += "'"
        self.picture.clusters[cluster.id] = cluster
        return cluster.id

    def open(self, graph: Graph) -> None:
        """A graph is being painted from here on."""
        self._open.add(id(graph))

    def close(self, graph: Graph) -> None:
        """A graph has been painted."""
        self._open.discard(id(graph))

    def is_open(self, graph: Graph) -> bool:
        """Whether a graph is being painted: one that mentions itself is not opened again inside itself."""
        return id(graph) in self._open

    @property
    def is_full(self) -> bool:
        """Whether there is so much that nothing more is opened."""
        return len(self.picture.vertices) > MOST_VERTICES
