"""Makes a picture of a graph: one vertex a step, one cluster a scope, and what call steps may run inside.

Nothing here is recursive: a graph inside a graph is a generator on a stack of our own, so nesting costs no frames.
"""

from __future__ import annotations

from collections.abc import Generator

from anabranch.engine.graphs import Graph
from anabranch.viz.call_steps import is_named
from anabranch.viz.edge_types import EdgeTypes
from anabranch.viz.painting import Feed, Painter, Place
from anabranch.viz.pictures import Picture, Vertex
from anabranch.viz.sketching import Sketch
from anabranch.viz.wired_plans import WiredPlan

Painting = Generator[tuple[Graph, Place], list[str], list[str]]
"""Asks for inner graphs to be painted, is sent the vertices of their output, and answers those of its own."""


def picture_of(graph: Graph, *, plan: bool = False, types: bool = False) -> Picture:
    """The picture of a graph, with everything opened.

    Args:
        graph: the graph that runs.
        plan: draw how it is run: segments in place of scopes, each step with the keys that it waits for.
        types: write the types at the arrows.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> picture = picture_of((RunnableLambda(len) | str).graph)
        >>> [(edge.source, edge.target) for edge in picture.edges]
        [('input', 'RunnableSequence/len'), ('RunnableSequence/len', 'RunnableSequence/str'), \
('RunnableSequence/str', 'output')]
    """
    painter = Painter(plan=plan, types=types)
    picture = painter.picture
    picture.graph = graph
    start = painter.add(Vertex(id="input", kind="input", label="input"))
    place = Place(feeds=(Feed(start),))
    if graph.scopes and graph.scopes[0].parent < 0:
        picture.title = graph.scopes[0].name if is_named(graph.scopes[0]) else ""
        picture.keys = graph.scope_keys[:1] if graph.scopes[0].is_run else ()
        place.frame = ""
    ends = _run(painter, graph, place)
    output = painter.add(Vertex(id="output", kind="output", label="output"))
    given = EdgeTypes(graph).along(graph.output, None).brief if types else ""
    channel = WiredPlan(graph).channel(None) if plan else 0
    for end in ends:
        edge = painter.edge(end, output)
        edge.type, edge.channel = given, channel
    return picture


def _run(painter: Painter, graph: Graph, place: Place) -> list[str]:
    stack: list[Painting] = [_paint(painter, graph, place)]
    answer: list[str] | None = None
    while stack:
        try:
            asked = stack[-1].send(answer) if answer is not None else next(stack[-1])
        except StopIteration as done:
            stack.pop()
            answer = done.value
        else:
            stack.append(_paint(painter, *asked))
            answer = None
    assert answer is not None
    return answer


def _paint(painter: Painter, graph: Graph, place: Place) -> Painting:
    """Paint a graph; the answer is the vertices that its output comes from."""
    painter.open(graph)
    sketch = Sketch(painter, graph, place)
    for step in graph.steps:
        yield from sketch.step(step)
    painter.close(graph)
    return sketch.ends()
