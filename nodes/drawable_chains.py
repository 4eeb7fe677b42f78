"""Makes the graph of `get_graph()` from a chain, as LangChain composes it: node for node, edge for edge.

What is made of others is a generator that asks for the graphs of its parts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from anabranch.engine.config import RunnableConfig, merge_configs
from anabranch.nodes.bindings import RunnableBinding
from anabranch.nodes.configurables import RunnableConfigurableAlternatives, RunnableConfigurableFields
from anabranch.nodes.dags import RunnableDag
from anabranch.nodes.drawable_graphs import Graph, Node
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.maps import RunnableEach
from anabranch.nodes.parallels import RunnableParallel
from anabranch.nodes.passthrough import RunnableAssign, RunnablePassthrough
from anabranch.nodes.policies import Guarded, RunnableWithFallbacks
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.sequences import RunnableSequence

AnyRunnable = Runnable[Any, Any]
Asked = tuple[AnyRunnable, RunnableConfig | None]
Making = Generator[Asked, Graph, Graph]


def drawable_graph(runnable: AnyRunnable, config: RunnableConfig | None) -> Graph:
    """The graph of a chain. What mentions itself is a single node the second time."""
    stack: list[tuple[AnyRunnable, Making]] = []
    asked: Asked | None = (runnable, config)
    answer: Graph | None = None
    while True:
        if asked is not None:
            part, config = asked
            if type(part).get_graph is not Runnable.get_graph and part is not runnable:
                answer = part.get_graph(config)
            elif any(part is each for each, _ in stack):
                answer = _leaf(part, config)
            else:
                stack.append((part, _making(part, config)))
                answer = None
        try:
            making = stack[-1][1]
            asked = next(making) if answer is None else making.send(answer)
        except StopIteration as done:
            stack.pop()
            asked, answer = None, done.value
            if not stack:
                return done.value  # type: ignore[no-any-return]


def _making(runnable: AnyRunnable, config: RunnableConfig | None) -> Making:
    if isinstance(runnable, RunnableSequence):
        return _sequence(runnable, config)
    if isinstance(runnable, RunnableParallel):
        return _beside(*_ends(runnable, config), runnable.steps__.values(), config)
    if isinstance(runnable, RunnableAssign):
        return _assign(runnable, config)
    if isinstance(runnable, RunnableDag):
        return _dag(runnable, config)
    if isinstance(runnable, RunnableLambda) and runnable.deps:
        return _beside(*_ends(runnable, config), runnable.deps, config)
    if isinstance(runnable, RunnableBinding):
        return _bound(runnable, config)
    if isinstance(runnable, RunnableEach):
        return _same(runnable.bound, config)
    if isinstance(runnable, RunnableConfigurableFields | RunnableConfigurableAlternatives):
        return _same(runnable.chosen(config or {}), config)
    if isinstance(runnable, Guarded) and not isinstance(runnable, RunnableWithFallbacks):
        return _same(runnable._guarded, config)
    return _alone(runnable, config)


def _alone(runnable: AnyRunnable, config: RunnableConfig | None) -> Making:
    return _leaf(runnable, config)
    yield  # what asks for nothing is a generator all the same


def _leaf(runnable: AnyRunnable, config: RunnableConfig | None) -> Graph:
    graph, start, end = _ends(runnable, config, between=runnable)
    (middle,) = (node for node in graph.nodes.values() if node not in (start, end))
    graph.add_edge(start, middle)
    graph.add_edge(middle, end)
    return graph


def _ends(
    runnable: AnyRunnable, config: RunnableConfig | None, between: AnyRunnable | None = None
) -> tuple[Graph, Node, Node]:
    """A graph with the input and output of a runnable, and a node between them."""
    graph = Graph()
    start = graph.add_node(runnable.get_input_schema(config))
    if between is not None:
        graph.add_node(between)
    return graph, start, graph.add_node(runnable.get_output_schema(config))


def _same(runnable: AnyRunnable, config: RunnableConfig | None) -> Making:
    return (yield runnable, config)


def _bound(runnable: RunnableBinding[Any, Any], config: RunnableConfig | None) -> Making:
    graph = yield runnable.bound, merge_configs(runnable.config, config) if runnable.config else config
    metadata = runnable.config.get("metadata")
    for id, node in graph.nodes.items() if metadata else ():
        if isinstance(node.data, Runnable):
            graph.nodes[id] = node._replace(metadata={**(node.metadata or {}), **(metadata or {})})
    return graph


def _sequence(runnable: RunnableSequence[Any, Any], config: RunnableConfig | None) -> Making:
    graph = Graph()
    before: Node | None = None
    for number, step in enumerate(runnable.steps):
        part = yield step, config
        if number:
            part.trim_first_node()
        if number < len(runnable.steps) - 1:
            part.trim_last_node()
        first, last = graph.extend(part)
        if before is not None and first is not None:
            graph.add_edge(before, first)
        before = last
    return graph


def _beside(
    graph: Graph, start: Node, end: Node, parts: Iterable[AnyRunnable], config: RunnableConfig | None
) -> Making:
    """Parts side by side, between an input and an output."""
    for each in parts:
        part = yield each, config
        part.trim_first_node()
        part.trim_last_node()
        first, last = graph.extend(part)
        if first is not None and last is not None:
            graph.add_edge(start, first)
            graph.add_edge(last, end)
        elif not part:
            graph.add_edge(start, end)
    return graph


def _assign(runnable: RunnableAssign, config: RunnableConfig | None) -> Making:
    graph = yield runnable.mapper, config
    start, end = graph.first_node(), graph.last_node()
    if start is not None and end is not None:
        through = graph.add_node(RunnablePassthrough())
        graph.add_edge(start, through)
        graph.add_edge(through, end)
    return graph


def _dag(runnable: RunnableDag, config: RunnableConfig | None) -> Making:
    graph, start, end = _ends(runnable, config)
    lasts: dict[Any, Node] = {}
    for vertex, part in runnable.vertices.items():
        inner = yield part, config
        inner.trim_first_node()
        inner.trim_last_node()
        first, last = graph.extend(inner)
        if first is None or last is None:
            continue  # a graph of somebody's own, which tells no beginning or end
        lasts[vertex] = last
        inputs = runnable._inputs[vertex]
        for port, source in inputs.items():
            if source in lasts:
                graph.add_edge(lasts[source], first, port)
        if not inputs:
            graph.add_edge(start, first)
    for sink in runnable._sinks:
        if sink in lasts:
            graph.add_edge(lasts[sink], end)
    return graph
