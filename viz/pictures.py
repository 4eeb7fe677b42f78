"""The picture model: what is drawn, before any format renders it.

A picture is made once from a graph (`viz/picturing.py`), and rendered by each format (`viz/dot_text.py`,
`viz/mermaid_text.py`, `viz/outlines.py`). Between the two, a run may be written into its *state slots*: the fields of
`Seen`, which vertices, clusters and edges have and which a mere graph leaves empty.

How a run is matched. Every vertex and every cluster that is a run has in `keys` the key of its runs in the graph, by
which `viz.run_places` finds them. Most have one; one that stands for several runs inside each other (a retry and its
attempts, drawn as one box) has several, outermost first; what isn't traced has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from anabranch.engine.graphs import Graph

State = Literal["waiting", "running", "done", "failed", "cancelled", "skipped"]

VertexKind = Literal["step", "choice", "input", "output", "join", "merge", "fold", "again"]
"""A step; the point of a call step from which alternatives go out; the graph's input and output; a dict that is
gathered; a point where alternatives meet; a group of steps that isn't opened; a graph that stands around this place."""

ClusterKind = Literal["sequence", "parallel", "assign", "dag", "scope", "call", "segment"]
"""A scope, by its kind; a call step with what it runs; a fused segment of a plan."""

EdgeKind = Literal["data", "choice", "fallback", "call"]
"""Values that flow; an alternative that is taken if a condition holds; one that is taken after an error; a runnable
that a function mentions and may call."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What a run shows of a part of the picture: its state slots.

    Attributes:
        state: None as long as no run is drawn.
        time: how long it took, or has taken so far, in seconds.
        badge: a few characters of what the run tells (`12 chunks`, `2 of 3`).
        note: a sentence of what the run tells: the message of an error.
        thick: it is on the critical path.
    """

    state: State | None = None
    time: float | None = None
    badge: str = ""
    note: str = ""
    thick: bool = False


@dataclass(slots=True, kw_only=True)
class Vertex(Seen):
    """A box of the picture.

    Attributes:
        id: unique in the picture and stable: the labels and keys of the call steps around it, and its own key.
        kind: what it stands for.
        label: what is written in it, in full; formats shorten it.
        cluster: the id of the cluster that it stands in; None at the top.
        name: of the step.
        run_type: of the step: `chain`, `prompt`, `llm`, `chat_model`, `parser`, `retriever`, `tool`.
        keys: of the runs that it stands for, outermost first.
        within: keys of the runs of what was folded into it, one beside the other; for one that is no run itself.
        policy: what is done with it besides running it: `x3`, `cached`, `2 s`.
        detail: more about it, for a tooltip.
        stacked: it runs once for each element of a list.
        count: of steps in a `fold`.
        step: the engine's step.
    """

    id: str
    kind: VertexKind
    label: str
    cluster: str | None = None
    name: str = ""
    run_type: str = ""
    keys: tuple[str, ...] = ()
    within: list[str] = field(default_factory=list)
    policy: tuple[str, ...] = ()
    detail: str = ""
    stacked: bool = False
    count: int = 0


@dataclass(slots=True, kw_only=True)
class Cluster(Seen):
    """A frame around vertices and other clusters.

    Attributes:
        id: unique in the picture and stable, as that of a vertex.
        parent: the id of the cluster around it; None at the top.
        label: what is written at its top; empty for a frame without a name.
        bare: no frame is drawn, for the one around it says enough.

    The other attributes are those of a vertex.
    """

    id: str
    kind: ClusterKind
    label: str
    parent: str | None = None
    name: str = ""
    keys: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    detail: str = ""
    stacked: bool = False
    bare: bool = False


Part = Vertex | Cluster


@dataclass(slots=True, kw_only=True)
class Edge(Seen):
    """An arrow of the picture.

    Attributes:
        source, target: ids of vertices.
        kind: what goes along it.
        label: the key of a dict, or a condition.
        type: the type of what goes along it, where it was asked for.
        misfit: why that can't be the target's input; empty where it can.
        detail: the whole of a label, for a tooltip.
        channel: how many chunks it holds at most, in a plan for chunks; 0 for none, -1 for any number.
    """

    source: str
    target: str
    kind: EdgeKind = "data"
    label: str = ""
    type: str = ""
    misfit: str = ""
    detail: str = ""
    channel: int = 0


@dataclass(slots=True, kw_only=True)
class Picture:
    """Vertices and clusters by id, in order, and edges.

    Attributes:
        title: the name of the whole.
        keys: of the run that the whole stands for.
        graph: that is drawn.
        notes: what a reader must know, such as that parts were folded.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> from anabranch.viz.picturing import picture_of
        >>> picture: Picture = picture_of((RunnableLambda(len) | {"size": float, "text": str}).graph)
        >>> [vertex.label for vertex in picture.inside("RunnableSequence/RunnableParallel<size,text>")]
        ['float', 'str', '{ }']
    """

    title: str = ""
    keys: tuple[str, ...] = ()
    graph: Graph | None = field(default=None, repr=False, compare=False)
    vertices: dict[str, Vertex] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def around(self, part: Vertex | Cluster) -> Iterator[Cluster]:
        """The clusters around a vertex or cluster, the innermost first."""
        at = part.cluster if isinstance(part, Vertex) else part.parent
        while at is not None:
            cluster = self.clusters[at]
            yield cluster
            at = cluster.parent

    def inside(self, cluster: str | None) -> list[Vertex | Cluster]:
        """What stands directly in a cluster, or at the top."""
        found: list[Vertex | Cluster] = [each for each in self.clusters.values() if each.parent == cluster]
        found.extend(vertex for vertex in self.vertices.values() if vertex.cluster == cluster)
        return found
