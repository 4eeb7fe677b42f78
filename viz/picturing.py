"""Makes a picture of a graph: one vertex a step, one cluster a scope, and what call steps may run inside.

Nothing here is recursive: a graph inside a graph is a generator on a stack of our own, so nesting costs no frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, replace

from anabranch.engine.graphs import INPUT_SLOT, INPUT_VERTEX, Graph, Join, Scope, Source, Step, joins_of
from anabranch.viz.call_steps import Call, Shown, call_of, label_of
from anabranch.viz.pictures import Cluster, ClusterKind, Edge, EdgeKind, Picture, Vertex

MOST_VERTICES = 20_000
"""Beyond this, what call steps run is not opened any more: a graph that mentions others may mention very many."""

_KINDS: dict[str, ClusterKind] = {
    "sequence": "sequence",
    "parallel": "parallel",
    "assign": "assign",
    "dag": "dag",
}


@dataclass(frozen=True, slots=True)
class Feed:
    """From where a graph gets its input, and by what kind of arrow."""

    vertex: str
    kind: EdgeKind = "data"
    label: str = ""
    detail: str = ""


@dataclass(slots=True)
class Place:
    """Where a graph is painted: before what the ids begin with, in which cluster, fed by what, with which tag.

    `frame` is the cluster that its outermost scope is to be, instead of one of its own.
    """

    prefix: str = ""
    cluster: str | None = None
    feeds: tuple[Feed, ...] = ()
    tag: str = ""
    frame: str | None = None


Painting = Generator["tuple[Graph, Place]", list[str], list[str]]
"""Asks for inner graphs to be painted, is sent the vertices of their output, and answers those of its own."""


def picture_of(graph: Graph) -> Picture:
    """The picture of a graph, with everything opened.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> picture = picture_of((RunnableLambda(len) | str).graph)
        >>> [(edge.source, edge.target) for edge in picture.edges]
        [('input', 'RunnableSequence/len'), ('RunnableSequence/len', 'RunnableSequence/str'), \
('RunnableSequence/str', 'output')]
    """
    painter = _Painter()
    picture = painter.picture
    start = painter.add(Vertex(id="input", kind="input", label="input"))
    place = Place(feeds=(Feed(start),))
    if graph.scopes and graph.scopes[0].parent < 0:
        picture.title = graph.scopes[0].name if _is_named(graph.scopes[0]) else ""
        picture.runs = (graph.scopes[0].name,) if graph.scopes[0].is_run else ()
        place.frame = ""
    ends = _run(painter, graph, place)
    output = painter.add(Vertex(id="output", kind="output", label="output"))
    for end in ends:
        painter.edge(end, output)
    return picture


def _run(painter: _Painter, graph: Graph, place: Place) -> list[str]:
    stack: list[Painting] = [painter.paint(graph, place)]
    answer: list[str] | None = None
    while stack:
        try:
            asked = stack[-1].send(answer) if answer is not None else next(stack[-1])
        except StopIteration as done:
            stack.pop()
            answer = done.value
        else:
            stack.append(painter.paint(*asked))
            answer = None
    assert answer is not None
    return answer


class _Painter:
    """Gathers vertices, clusters and edges."""

    def __init__(self) -> None:
        self.picture = Picture()
        self._open: set[int] = set()  # the graphs that are being painted: one inside itself is not opened again

    def add(self, vertex: Vertex) -> str:
        """Add a vertex; its id is made unique."""
        while vertex.id in self.picture.vertices:
            vertex.id += "'"
        self.picture.vertices[vertex.id] = vertex
        return vertex.id

    def edge(self, source: str, target: str, feed: Feed | None = None, label: str = "") -> None:
        """Add an arrow; one that begins at the place of a graph is as its feed says."""
        labels = [each for each in (feed.label if feed else "", label) if each]
        made = Edge(source=source, target=target, label=": ".join(labels))
        if feed is not None:
            made.kind, made.detail = feed.kind, feed.detail
        self.picture.edges.append(made)

    def cluster(self, cluster: Cluster) -> str:
        """Add a cluster; its id is made unique."""
        while cluster.id in self.picture.clusters:
            cluster.id += "'"
        self.picture.clusters[cluster.id] = cluster
        return cluster.id

    def is_open(self, graph: Graph) -> bool:
        """Whether a graph is being painted: one that mentions itself is not opened again inside itself."""
        return id(graph) in self._open

    @property
    def is_full(self) -> bool:
        """Whether there is so much that nothing more is opened."""
        return len(self.picture.vertices) > MOST_VERTICES

    def paint(self, graph: Graph, place: Place) -> Painting:
        """Paint a graph; the answer is the vertices that its output comes from."""
        self._open.add(id(graph))
        sketch = _Sketch(self, graph, place)
        for step in graph.steps:
            sketch.joins(step.source)
            yield from sketch.step(step)
        sketch.joins(graph.output)
        self._open.discard(id(graph))
        return sketch.outs(sketch.vertex_of(graph.output))


class _Sketch:
    """One graph on its way into the picture.

    `outs` gives for a vertex of the graph's DAG those of the picture from which its value comes: several, where a call
    step chooses.
    """

    def __init__(self, painter: _Painter, graph: Graph, place: Place) -> None:
        self.painter = painter
        self.graph = graph
        self.place = place
        self._clusters: list[str | None] = []
        self._outs: dict[str, list[str]] = {INPUT_VERTEX: [feed.vertex for feed in place.feeds]}
        joins = ((id(data["join"]), name) for name, data in graph.dag.nodes(data=True) if "join" in data)
        self._join_names: dict[int, str] = dict(joins)
        self._small = _small_scopes(graph)
        for scope, key in zip(graph.scopes, graph.scope_keys, strict=True):
            if scope.parent < 0 and place.frame is not None:
                self._clusters.append(place.frame or place.cluster)
                continue
            self._clusters.append(
                painter.cluster(
                    Cluster(
                        id=place.prefix + key,
                        kind=_KINDS.get(scope.kind, "scope"),
                        label=_scope_label(scope),
                        parent=self._cluster_of(scope.parent),
                        name=scope.name,
                        scope=scope.index,
                        tags=self._tagged(scope.tags, scope.parent),
                        runs=(scope.name,) if scope.is_run else (),
                        bare=self._is_bare(scope),
                    )
                )
            )

        if len(place.feeds) and place.feeds[0].kind != "data" and graph.dag.out_degree(INPUT_VERTEX) > 1:
            self._fork()

    def _is_bare(self, scope: Scope) -> bool:
        """Whether a scope needs no frame: it is no run, the inside of an `assign`, or nameless with a single step."""
        inner = scope.parent >= 0 and self.graph.scopes[scope.parent].kind == "assign"
        return not scope.is_run or inner or (scope.index in self._small and not _is_named(scope))

    def _fork(self) -> None:
        """Let an arrow that says something end at a point, from which the input goes on to all that read it."""
        feeds = self.place.feeds
        cluster = self._clusters[0] if self._clusters else self.place.cluster
        point = self.painter.add(Vertex(id=f"{self.place.prefix}input", kind="merge", label="(input)", cluster=cluster))
        for feed in feeds:
            self.painter.edge(feed.vertex, point, feed)
        self.place = replace(self.place, feeds=(Feed(point),))
        self._outs[INPUT_VERTEX] = [point]

    def outs(self, vertex: str) -> list[str]:
        """The vertices of the picture that give the value of one of the DAG."""
        return self._outs[vertex]

    def vertex_of(self, source: Source) -> str:
        """The vertex of the DAG for a source."""
        if isinstance(source, Join):
            return self._join_names[id(source)]
        return INPUT_VERTEX if source == INPUT_SLOT else self.graph.keys[source]

    def joins(self, source: Source) -> None:
        """Paint the joins under a source that aren't there yet."""
        for join in joins_of(source) if isinstance(source, Join) else ():
            name = self._join_names[id(join)]
            if name not in self._outs:
                cluster = self._cluster_of(join.scope)
                made = self.painter.add(Vertex(id=self.place.prefix + name, kind="join", label="{ }", cluster=cluster))
                self._outs[name] = [made]
                self._connect(name, made)

    def step(self, step: Step) -> Generator[tuple[Graph, Place], list[str], None]:
        """Paint a step, and what it may run."""
        key = self.graph.keys[step.slot]
        cluster = self._cluster_of(step.scope)
        vertex = self._vertex(step, cluster)
        call = _collapsed(step, vertex)
        if call is None or self.painter.is_full:
            self._outs[key] = [self.painter.add(vertex)]
            self._connect(key, vertex.id)
            return
        frame = self.painter.cluster(
            Cluster(
                id=vertex.id,
                kind="call",
                label="" if call.has_point else _call_label(step),
                parent=cluster,
                name=step.name,
                key=key,
                slot=step.slot,
                tags=vertex.tags,
                runs=vertex.runs,
                policy=() if call.has_point else vertex.policy,
                stacked=vertex.stacked,
                step=step,
            )
        )
        feeds = self._feeds(key)
        if call.has_point:
            vertex.cluster, vertex.runs = frame, ()
            vertex.kind = "choice" if call.chooses else "step"
            self.painter.add(vertex)
            self._connect(key, vertex.id)
        outs: list[str] = []
        for number, shown in enumerate(call.shown):
            inner = Place(f"{vertex.id}#{number}/", frame, self._feeds_of(shown, vertex, feeds, outs), shown.tag)
            if self.painter.is_open(shown.graph):
                ends = [self._again(shown, inner)]
            else:
                if len(call.shown) == 1 and not call.has_point:
                    self._merge(frame, shown.graph)
                    inner.frame = frame
                ends = yield shown.graph, inner
            outs.extend(end for end in ends if end not in outs)
        if call.gives_own:
            outs = [vertex.id]
        readers = self.graph.dag.out_degree(key) + (self.vertex_of(self.graph.output) == key)
        if len(outs) > 1 and readers > 1:
            point = self.painter.add(Vertex(id=f"{vertex.id}#/merge", kind="merge", label="(either)", cluster=frame))
            for out in outs:
                self.painter.edge(out, point)
            outs = [point]
        self._outs[key] = outs

    def _vertex(self, step: Step, cluster: str | None) -> Vertex:
        key = self.graph.keys[step.slot]
        return Vertex(
            id=self.place.prefix + key,
            kind="step",
            label=label_of(step),
            cluster=cluster,
            name=step.name,
            run_type=step.operator.run_type,
            key=key,
            slot=step.slot,
            tags=self._tagged(step.tags, step.scope),
            runs=(step.name,) if step.operator.is_run else (),
            step=step,
        )

    def _again(self, shown: Shown, place: Place) -> str:
        """A graph that stands around this place: an arrow to a vertex that says so."""
        name = shown.graph.scopes[0].name if shown.graph.scopes else shown.graph.steps[0].name
        made = self.painter.add(Vertex(id=f"{place.prefix}again", kind="again", label=name, cluster=place.cluster))
        for feed in place.feeds:
            self.painter.edge(feed.vertex, made, feed)
        return made

    def _merge(self, frame: str, graph: Graph) -> None:
        """Let a call step and the outermost scope of all that it runs share a frame."""
        cluster = self.painter.picture.clusters[frame]
        if graph.scopes and graph.scopes[0].parent < 0:
            scope = graph.scopes[0]
            cluster.label = _scope_label(scope)
            cluster.runs += (scope.name,) if scope.is_run else ()

    def _feeds_of(self, shown: Shown, vertex: Vertex, feeds: tuple[Feed, ...], before: list[str]) -> tuple[Feed, ...]:
        if shown.kind == "data":
            return feeds
        if shown.kind == "fallback":
            return tuple(Feed(end, "fallback", shown.label) for end in before[-1:])
        return (Feed(vertex.id, shown.kind, shown.label, shown.detail),)

    def _feeds(self, key: str) -> tuple[Feed, ...]:
        """What feeds a step, for the graphs that get the step's input."""
        (source,) = self.graph.dag.pred[key]
        if source == INPUT_VERTEX:
            return self.place.feeds
        return tuple(Feed(out) for out in self._outs[source])

    def _connect(self, target: str, made: str) -> None:
        """Draw the arrows into a vertex of the DAG."""
        for source, data in self.graph.dag.pred[target].items():
            label = ", ".join("**" if port is None else port for port in data.get("ports", ()))
            feeds = self.place.feeds if source == INPUT_VERTEX else tuple(Feed(out) for out in self._outs[source])
            for feed in feeds:
                self.painter.edge(feed.vertex, made, feed, label)

    def _cluster_of(self, scope: int) -> str | None:
        return self._clusters[scope] if scope >= 0 else self.place.cluster

    def _tagged(self, tags: tuple[str, ...], scope: int) -> tuple[str, ...]:
        """The tags of what stands outermost in its graph: the graph's tag goes before its own."""
        return (self.place.tag, *tags) if scope < 0 and self.place.tag else tags


def _collapsed(step: Step, vertex: Vertex) -> Call | None:
    """What a step may run, where that is to be drawn; a single step that it runs is told in the vertex alone."""
    call = call_of(step)
    while call is not None:
        vertex.policy += call.policy
        vertex.stacked = vertex.stacked or call.stacked
        inner = call.shown[0].graph
        if len(call.shown) > 1 or call.gives_own or len(inner) > 1 or inner.scopes or call.shown[0].kind != "data":
            return call
        (only,) = inner.steps
        if only.operator.is_run:
            vertex.runs += (only.name,)
        vertex.label, vertex.run_type = label_of(only), only.operator.run_type
        call = call_of(only)
    return None


def _small_scopes(graph: Graph) -> set[int]:
    """The scopes with a single step, and no scope of their own."""
    counts = Counter(step.scope for step in graph.steps)
    parents = {scope.parent for scope in graph.scopes}
    return {scope.index for scope in graph.scopes if counts[scope.index] == 1 and scope.index not in parents}


def _scope_label(scope: Scope) -> str:
    """What is written at a scope: the name that somebody gave it, or else what it is."""
    return scope.name if _is_named(scope) else scope.kind


def _call_label(step: Step) -> str:
    """What is written at a call step that has no box of its own."""
    return "fallbacks" if step.name == "RunnableWithFallbacks" else step.name


def _is_named(scope: Scope) -> bool:
    """Whether somebody gave a scope its name."""
    bound = (scope.config or {}).get("run_name") or getattr(scope.node, "name", None)
    return bound is not None and scope.name == bound
