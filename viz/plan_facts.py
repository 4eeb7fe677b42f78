"""What the plans of a graph tell: who reads what of whom, what runs at once, where threads and channels are."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx
from networkx.algorithms import bipartite

from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Source
from anabranch.scheduler.actions import ASYNC, SYNC, THREAD
from anabranch.scheduler.plans import Plan, plan_of
from anabranch.scheduler.stages import ChunkSegment, chunk_plan_of
from anabranch.scheduler.strands import DEFAULT_CAPACITY
from anabranch.viz.call_steps import label_of
from anabranch.viz.explained_plans import Channel, Feed

MOST_COMPARED = 400
"""Of how many segments at most it is found out exactly how many could run at once."""


def labels_of(graph: Graph) -> tuple[str, ...]:
    """What each step is called, found out once: a function without a name is called by its code."""
    labels: tuple[str, ...] | None = graph.plans.get("labels")
    if labels is None:
        labels = graph.plans["labels"] = tuple(map(label_of, graph.steps))
    return labels


def homes(plan: Plan) -> dict[int, int]:
    """The number of the segment that each step is in, by slot; 0 for the input."""
    found = {INPUT_SLOT: 0}
    for segment in plan.segments:
        found.update((step.slot, segment.index + 1) for step in segment.steps)
    return found


def feeds(source: Source, home: dict[int, int]) -> list[Feed]:
    """From which segments a source comes, under which keys; of dicts inside dicts as `outer.inner`."""
    return [Feed(home[slot], key) for key, slot in _ports(source)]


def _ports(source: Source) -> Iterator[tuple[str, int]]:
    stack: list[tuple[str, Source]] = [("", source)]
    while stack:
        key, part = stack.pop()
        if isinstance(part, Join):
            for port, inner in reversed(list(part.parts())):
                stack.append((key if port is None else f"{key}.{port}" if key else port, inner))
        else:
            yield key, part


def at_once(plan: Plan) -> list[int]:
    """The most segments of which none waits for another, by number.

    Of very many segments it is the most that stand at the same distance from the input.
    """
    waits: nx.DiGraph[int] = nx.DiGraph()
    waits.add_nodes_from(segment.index for segment in plan.segments)
    waits.add_edges_from((segment.index, after) for segment in plan.segments for after in segment.feeds)
    if len(waits) > MOST_COMPARED:
        chosen = max(nx.topological_generations(waits), key=len, default=[])
    else:
        chosen = _widest(waits)
    return sorted(index + 1 for index in chosen)


def _widest(waits: nx.DiGraph[int]) -> list[int]:
    """A largest set of vertices without a path between any two: by Dilworth and König, of a largest matching."""
    pairs: nx.Graph[tuple[str, int]] = nx.Graph()
    before = [("before", vertex) for vertex in waits]
    pairs.add_nodes_from(before)
    pairs.add_nodes_from(("after", vertex) for vertex in waits)
    pairs.add_edges_from((("before", start), ("after", end)) for start in waits for end in nx.descendants(waits, start))
    matching = bipartite.hopcroft_karp_matching(pairs, before)
    cover = bipartite.to_vertex_cover(pairs, matching, before)
    return [vertex for vertex in waits if not {("before", vertex), ("after", vertex)} & cover]


def hops(graph: Graph) -> list[list[str]]:
    """The steps of each segment that runs in a thread under asyncio, without the call steps among them."""
    plan, labels = plan_of(graph, ASYNC), labels_of(graph)
    return [
        [labels[step.slot] for step in segment.steps if step.operator.flow is None]
        for segment in plan.segments
        if segment.lane is THREAD
    ]


def channels(graph: Graph) -> list[Channel]:
    """What chunks pass through on their way from segment to segment in a stream."""
    plan = chunk_plan_of(graph, SYNC)
    if plan.straight:
        return []
    labels = labels_of(graph)
    found: dict[tuple[int, int, str], Channel] = {}
    for segment in plan.segments:
        if not segment.steps and plan.tail is not None:
            continue  # the reader pulls the last segment
        for leaf in segment.ports.leaves:
            key = ".".join(map(str, leaf.path))
            if leaf.slot != INPUT_SLOT:
                capacity = None if segment.folds else DEFAULT_CAPACITY
                found[leaf.slot, segment.index, key] = Channel(labels[leaf.slot], _name(segment, labels), capacity, key)
    return list(found.values())


def _name(segment: ChunkSegment, labels: tuple[str, ...]) -> str:
    return labels[segment.steps[0].slot] if segment.steps else "the reader"
