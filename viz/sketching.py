"""One graph on its way into a picture: its scopes, joins and steps, and the arrows between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from typing import Any, NamedTuple

from anabranch.engine.graphs import INPUT_SLOT, INPUT_VERTEX, Graph, Join, Scope, Source, Step, joins_of
from anabranch.viz.call_steps import Call, Shown, call_label, call_of, is_named, label_of, scope_label
from anabranch.viz.edge_types import EdgeTypes
from anabranch.viz.painting import Feed, Painter, Place
from anabranch.viz.pictures import Cluster, ClusterKind, Vertex
from anabranch.viz.wired_plans import WiredPlan

_KINDS: dict[str, ClusterKind] = {
    "sequence": "sequence",
    "parallel": "parallel",
    "assign": "assign",
    "dag": "dag",
}


Inner = Generator[tuple[Graph, Place], list[str], None]
"""Asks for inner graphs to be painted, and is sent the vertices of their output."""


class _Input(NamedTuple):
    """Where a vertex of the DAG reads from, and under which keys."""

    source: Source
    label: str = ""


class Sketch:
    """One graph on its way into the picture.

    `_outs` gives for a vertex of the graph's DAG those of the picture from which its value comes: several, where a call
    step chooses.
    """

    def __init__(self, painter: Painter, graph: Graph, place: Place) -> None:
        self.painter = painter
        self.graph = graph
        self.place = place
        self._clusters: list[str | None] = []
        self._wired = WiredPlan(graph) if painter.plan else None
        self._types = EdgeTypes(graph, place.given) if painter.types else None
        self._segments: dict[int, str] = {}
        self._outs: dict[str, list[str]] = {INPUT_VERTEX: [feed.vertex for feed in place.feeds]}
        joins = ((id(data["join"]), name) for name, data in graph.dag.nodes(data=True) if "join" in data)
        self._join_names: dict[int, str] = dict(joins)
        self._small = _small_scopes(graph)
        if self._wired is None:
            self._add_scopes()
        else:
            self._clusters = [place.frame or place.cluster] * len(graph.scopes)
            self._add_segments(self._wired)
        if place.feeds and place.feeds[0].kind != "data" and graph.dag.out_degree(INPUT_VERTEX) > 1:
            self._fork()

    def _add_scopes(self) -> None:
        graph, place, painter = self.graph, self.place, self.painter
        for scope, key in zip(graph.scopes, graph.scope_keys, strict=True):
            if scope.parent < 0 and place.frame is not None:
                self._clusters.append(place.frame or place.cluster)
                continue
            self._clusters.append(
                painter.cluster(
                    Cluster(
                        id=place.prefix + key,
                        kind=_KINDS.get(scope.kind, "scope"),
                        label=scope_label(scope) or (place.label if scope.parent < 0 else ""),
                        parent=self._cluster_of(scope.parent),
                        name=scope.name,
                        keys=(place.path + key,) if scope.is_run else (),
                        bare=self._is_bare(scope),
                    )
                )
            )

    def _add_segments(self, wired: WiredPlan) -> None:
        """A frame for each run of steps that is fused."""
        for number, segment in enumerate(wired.segments, 1):
            if len(segment.slots) > 1:
                id = f"{self.place.prefix}segment {number}"
                label = f"{len(segment.slots)} steps fused · {segment.where}"
                cluster = Cluster(id=id, kind="segment", label=label, parent=self.place.frame or self.place.cluster)
                self._segments.update(dict.fromkeys(segment.slots, self.painter.cluster(cluster)))

    def _is_bare(self, scope: Scope) -> bool:
        """Whether a scope needs no frame: it is no run, the inside of an `assign`, or nameless with a single step."""
        inner = scope.parent >= 0 and self.graph.scopes[scope.parent].kind == "assign"
        return not scope.is_run or inner or (scope.index in self._small and not is_named(scope))

    def _fork(self) -> None:
        """Let an arrow that says something end at a point, from which the input goes on to all that read it."""
        feeds = self.place.feeds
        cluster = self._clusters[0] if self._clusters else self.place.cluster
        point = self.painter.add(Vertex(id=f"{self.place.prefix}input", kind="merge", label="(input)", cluster=cluster))
        for feed in feeds:
            self.painter.edge(feed.vertex, point, feed)
        self.place = replace(self.place, feeds=(Feed(point),))
        self._outs[INPUT_VERTEX] = [point]

    def _name(self, source: Source) -> str:
        """The vertex of the DAG for a source."""
        if isinstance(source, Join):
            return self._join_names[id(source)]
        return INPUT_VERTEX if source == INPUT_SLOT else self.graph.keys[source]

    def ends(self) -> list[str]:
        """The vertices that the output of the graph comes from."""
        self._joins(self.graph.output)
        return self._outs[self._name(self.graph.output)]

    def _joins(self, source: Source) -> None:
        """Paint the joins under a source that aren't there yet."""
        for join in joins_of(source) if isinstance(source, Join) else ():
            name = self._join_names[id(join)]
            if name not in self._outs:
                cluster = self._cluster_of(join.scope)
                made = self.painter.add(Vertex(id=self.place.prefix + name, kind="join", label="{ }", cluster=cluster))
                self._outs[name] = [made]
                self._connect(self._parts(join), made)

    def step(self, step: Step) -> Inner:
        """Paint a step, and what it may run."""
        key = self.graph.keys[step.slot]
        inputs = self._inputs(step)
        for each in inputs:
            self._joins(each.source)
        cluster = self._segments.get(step.slot) or self._cluster_of(step.scope)
        vertex = self._vertex(step, cluster)
        call, path = _collapsed(step, vertex, self.place.path + key)
        if call is None or self.painter.is_full:
            self._outs[key] = [self.painter.add(vertex)]
            self._connect(inputs, vertex.id, step)
            return
        frame = self.painter.cluster(
            Cluster(
                id=vertex.id,
                kind="call",
                label="" if call.has_point else call_label(step),
                parent=cluster,
                name=step.name,
                keys=vertex.keys,
                policy=() if call.has_point else vertex.policy,
                stacked=vertex.stacked,
            )
        )
        feeds = tuple(feed for each in inputs for feed in self._feeds(each))
        if call.has_point:
            vertex.cluster, vertex.keys = frame, ()
            vertex.kind = "choice" if call.chooses else "step"
            self.painter.add(vertex)
            self._connect(inputs, vertex.id, step)
        outs: list[str] = []
        ends: list[str] = []
        for number, shown in enumerate(call.shown):
            inner = Place(
                f"{vertex.id}#{number}/",
                f"{path}/{shown.under}/",
                frame,
                _feeds_of(shown, vertex, feeds, ends, number > 0 and call.shown[number - 1].decides),
                label="condition" if shown.decides else "",
                given=self._given(step) if shown.kind == "data" and not vertex.stacked else Any,
            )
            if self.painter.is_open(shown.graph):
                ends = [self._again(shown, inner)]
            else:
                if len(call.shown) == 1 and not call.has_point:
                    self._merge(frame, shown.graph, inner.path)
                    inner.frame = frame
                ends = yield shown.graph, inner
            if not shown.decides:
                outs.extend(end for end in ends if end not in outs)
        if call.gives_own:
            outs = [vertex.id]
        readers = self.graph.dag.out_degree(key) + (self._name(self.graph.output) == key)
        if len(outs) > 1 and readers > 1:
            point = self.painter.add(Vertex(id=f"{vertex.id}#/merge", kind="merge", label="(either)", cluster=frame))
            for out in outs:
                self.painter.edge(out, point)
            outs = [point]
        self._outs[key] = outs

    def _given(self, step: Step) -> Any:
        """The type of what a step gets, where types are drawn."""
        return Any if self._types is None else self._types.given(step.source)

    def _vertex(self, step: Step, cluster: str | None) -> Vertex:
        key = self.graph.keys[step.slot]
        return Vertex(
            id=self.place.prefix + key,
            kind="step",
            label=label_of(step),
            cluster=cluster,
            name=step.name,
            run_type=step.operator.run_type,
            keys=(self.place.path + key,) if step.operator.is_run else (),
            policy=() if self._wired is None else self._wired.said(step),
        )

    def _again(self, shown: Shown, place: Place) -> str:
        """A graph that stands around this place: an arrow to a vertex that says so."""
        name = shown.graph.scopes[0].name if shown.graph.scopes else shown.graph.steps[0].name
        made = self.painter.add(Vertex(id=f"{place.prefix}again", kind="again", label=name, cluster=place.cluster))
        for feed in place.feeds:
            self.painter.edge(feed.vertex, made, feed)
        return made

    def _merge(self, frame: str, graph: Graph, path: str) -> None:
        """Let a call step and the outermost scope of all that it runs share a frame."""
        cluster = self.painter.picture.clusters[frame]
        if graph.scopes and graph.scopes[0].parent < 0:
            scope = graph.scopes[0]
            cluster.label = scope_label(scope)
            cluster.keys += (path + graph.scope_keys[0],) if scope.is_run else ()

    def _inputs(self, step: Step) -> list[_Input]:
        """What a step reads: one source, or in a plan each of the ports that it waits for."""
        ports = self._wired.ports(step) if self._wired is not None else None
        return [_Input(step.source)] if ports is None else [_Input(part, port) for port, part in ports.items()]

    def _parts(self, join: Join) -> list[_Input]:
        """What a join gathers; one source may feed several keys."""
        keys: dict[Source, list[str]] = {}
        for port, part in join.parts():
            keys.setdefault(part, []).append("**" if port is None else port)
        return [_Input(part, ", ".join(ports)) for part, ports in keys.items()]

    def _feeds(self, read: _Input) -> tuple[Feed, ...]:
        """The arrows from a source, without their targets."""
        if read.source == INPUT_SLOT:
            feeds = self.place.feeds
        else:
            feeds = tuple(Feed(out) for out in self._outs[self._name(read.source)])
        if not read.label:
            return feeds
        return tuple(replace(feed, label=": ".join(filter(None, (feed.label, read.label)))) for feed in feeds)

    def _connect(self, inputs: list[_Input], made: str, reader: Step | None = None) -> None:
        """Draw the arrows into a vertex; `reader` is the step that it stands for."""
        for read in inputs:
            for feed in self._feeds(read):
                edge = self.painter.edge(feed.vertex, made, feed)
                if self._types is not None and feed.kind == "data":
                    known = self._types.along(read.source, reader)
                    edge.type, edge.misfit = known.brief, known.misfit
                    edge.detail = "\n".join(filter(None, (edge.label, known.full)))
                if self._wired is not None and reader is not None and read.source != INPUT_SLOT:
                    edge.channel = self._wired.channel(reader)

    def _cluster_of(self, scope: int) -> str | None:
        return self._clusters[scope] if scope >= 0 else self.place.cluster


def _feeds_of(
    shown: Shown, vertex: Vertex, feeds: tuple[Feed, ...], before: list[str], decided: bool
) -> tuple[Feed, ...]:
    """Where what a step runs gets its input: from where the step does, from the step, or after what was before it."""
    if shown.kind == "data":
        return feeds
    if shown.kind == "fallback":
        return tuple(Feed(end, "fallback", shown.label) for end in before[-1:])
    return tuple(Feed(each, shown.kind, shown.label) for each in (before if decided else [vertex.id]))


def _collapsed(step: Step, vertex: Vertex, path: str) -> tuple[Call | None, str]:
    """What a step may run, where that is to be drawn, and the path to it.

    A single step that it runs is told in the vertex alone.
    """
    call = call_of(step)
    while call is not None:
        vertex.policy += call.policy
        vertex.stacked = vertex.stacked or call.stacked
        inner = call.shown[0].graph
        if len(call.shown) > 1 or call.gives_own or len(inner) > 1 or inner.scopes or call.shown[0].kind != "data":
            break
        (only,) = inner.steps
        path = f"{path}/{call.shown[0].under}/{inner.keys[0]}"
        if only.operator.is_run:
            vertex.keys += (path,)
        vertex.label, vertex.run_type = label_of(only), only.operator.run_type
        call = call_of(only)
    return call, path


def _small_scopes(graph: Graph) -> set[int]:
    """The scopes with a single step, and no scope of their own."""
    counts = Counter(step.scope for step in graph.steps)
    parents = {scope.parent for scope in graph.scopes}
    return {scope.index for scope in graph.scopes if counts[scope.index] == 1 and scope.index not in parents}
