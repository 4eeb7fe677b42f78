"""Any networkx DAG as a runnable."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

import networkx as nx

from anabranch.engine.building import Builder, Building, Part, Place
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import GraphError, NotRunnableError
from anabranch.engine.graphs import Join, Source
from anabranch.engine.value_types import DictType
from anabranch.nodes.asking_parts import Asking, asks_parts, first_known, of_each
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.parallels import merged_input
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.values import Value

if TYPE_CHECKING:
    from pydantic import BaseModel

Ports = dict[str | None, Hashable]


def from_dag(dag: nx.DiGraph[Any], *, name: str = "RunnableDag") -> RunnableDag:
    """Make a runnable of a directed acyclic graph, with the checks, scheduling and streaming of any chain.

    A vertex is a function or runnable itself, or holds one in its attribute `runnable`. In-edges carry in the
    attribute `port` the key under which the vertex gets that input; a vertex with one in-edge and no port gets the
    value itself. Vertices without in-edges get the input of the whole. With one sink its output is the output;
    several give a dict by vertex name.

    Args:
        dag: the graph; it is read once, and not changed.
        name: in traces and errors.

    Raises:
        GraphError: a cycle, no vertex, a missing or repeated port, several sinks of one name.
        NotRunnableError: a vertex that holds nothing runnable.
        EdgeTypeError: an output that certainly can't be the next vertex's input.

    Example:
        >>> dag = nx.DiGraph()
        >>> dag.add_node("words", runnable=str.split)
        >>> dag.add_node("count", runnable=len)
        >>> dag.add_node("line", runnable=lambda d: f"{d['n']} in {d['of']}")
        >>> dag.add_edge("words", "count")
        >>> dag.add_edge("count", "line", port="n")
        >>> dag.add_edge("words", "line", port="of")
        >>> from_dag(dag).invoke("a b")
        "2 in ['a', 'b']"
    """
    return RunnableDag(dag, name=name)


class RunnableDag(Value, Runnable[Any, Any]):
    """A runnable of a networkx graph. What `from_dag` makes; its arguments are told there.

    Attributes:
        vertices: the runnables by vertex, in topological order.

    Example:
        >>> dag = RunnableDag(nx.DiGraph([(str.split, len), (str.split, sorted)]))
        >>> dag.invoke("b a")
        {'len': 2, 'sorted': ['a', 'b']}
        >>> [runnable.get_name() for runnable in dag.vertices.values()]
        ['split', 'len', 'sorted']
    """

    def __init__(self, dag: nx.DiGraph[Any], *, name: str = "RunnableDag") -> None:
        _check_acyclic(dag)
        self.name = name
        self.vertices: dict[Hashable, Runnable[Any, Any]] = {}
        self._inputs: dict[Hashable, Ports] = {}
        for vertex in nx.topological_sort(dag):
            self.vertices[vertex] = _runnable(dag, vertex)
            self._inputs[vertex] = _ports(dag, vertex)
        self._sinks = [vertex for vertex in self.vertices if not dag.out_degree(vertex)]
        names = [_name(vertex) for vertex in self._sinks]
        if len(set(names)) < len(names):
            raise GraphError(f"several sinks have the same name, so the output has no keys for them: {names}")
        self._gives = self._output_for(Any, "the input")

    # Types

    @property
    @asks_parts
    def InputType(self) -> Asking[Any]:
        """That of the first vertex without in-edges that knows it."""
        return (yield from first_known(self._starts()))

    @property
    def OutputType(self) -> Any:
        """That of the only sink, or a dict: a `DictType`."""
        return self._gives

    @property
    def _types_depend(self) -> bool:
        return any(start._types_depend for start in self._starts())

    def _starts(self) -> Iterable[Runnable[Any, Any]]:
        return (self.vertices[vertex] for vertex, inputs in self._inputs.items() if not inputs)

    def _output_for(self, given: Any, giver: Any) -> Any:
        outputs: dict[Hashable, Any] = {}
        for vertex, runnable in self.vertices.items():
            inputs = self._inputs[vertex]
            if not inputs:
                outputs[vertex] = runnable._output_for(given, giver)
            elif None in inputs:
                outputs[vertex] = runnable._output_for(outputs[inputs[None]], _said(inputs[None]))
            else:
                ports = {port: outputs[start] for port, start in inputs.items() if port is not None}
                outputs[vertex] = runnable._output_for(DictType(ports), _joined(inputs))
        if len(self._sinks) == 1:
            return outputs[self._sinks[0]]
        return DictType({_name(vertex): outputs[vertex] for vertex in self._sinks})

    def _parts(self) -> Iterable[Runnable[Any, Any]]:
        return self.vertices.values()

    @asks_parts
    def get_input_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """The keys that the vertices without in-edges read, where all take dicts."""
        models = yield from of_each((start, config) for start in self._starts())
        return merged_input(self.get_name("Input"), models, self)

    # Building

    def _build(self, builder: Builder, source: Source, place: Place) -> Building:
        scope = builder.scope(self.get_name(), "dag", source, place, self)
        outputs: dict[Hashable, Source] = {}
        for vertex, runnable in self.vertices.items():
            inputs = {port: outputs[start] for port, start in self._inputs[vertex].items()}
            if not inputs:
                fed = source
            elif None in inputs:
                fed = inputs[None]
            else:
                fed = Join({port: part for port, part in inputs.items() if port is not None}, scope.index)
            own = RunnableConfig() if runnable.name or vertex is runnable else RunnableConfig(run_name=_name(vertex))
            inner = Place(scope.index, (f"dag:vertex:{_name(vertex)}",), own or None)
            outputs[vertex] = yield Part(runnable, fed, inner)
        if len(self._sinks) == 1:
            scope.output = outputs[self._sinks[0]]
        else:
            scope.output = Join({_name(vertex): outputs[vertex] for vertex in self._sinks}, scope.index)
        return scope.output

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(_name, self.vertices))})"


def _check_acyclic(dag: nx.DiGraph[Any]) -> None:
    if not isinstance(dag, nx.DiGraph):
        raise GraphError(f"expected a networkx.DiGraph, got {type(dag).__name__}")
    if dag.is_multigraph():
        raise GraphError("expected a networkx.DiGraph, got a MultiDiGraph: one vertex feeds another under one port")
    if not dag:
        raise GraphError("a DAG needs at least one vertex")
    try:
        cycle = nx.find_cycle(dag)
    except nx.NetworkXNoCycle:
        return
    raise GraphError("a cycle can't run: " + " -> ".join(_name(u) for u, *_ in [*cycle, cycle[0]]))


def _runnable(dag: nx.DiGraph[Any], vertex: Hashable) -> Runnable[Any, Any]:
    held: Any = dag.nodes[vertex].get("runnable", vertex)
    try:
        runnable = coerce_to_runnable(held)
        if runnable is not held and vertex is not held:
            runnable.name = _name(vertex)
        return runnable
    except NotRunnableError as error:
        remedy = f"give it one: dag.add_node({vertex!r}, runnable=...)"
        raise NotRunnableError(f"the vertex {_said(vertex)} holds nothing runnable; {remedy}") from error


def _ports(dag: nx.DiGraph[Any], vertex: Hashable) -> Ports:
    inputs: Ports = {}
    edges: Iterable[tuple[Hashable, Hashable, Any]] = dag.in_edges(vertex, data="port")
    for start, _, port in edges:
        if port is not None and not isinstance(port, str):
            raise GraphError(f"the port of {_said(start)} -> {_said(vertex)} must be a string, got {port!r}")
        if port in inputs and port is not None:
            raise GraphError(f"two edges into {_said(vertex)} have the port {port!r}")
        if port is None and dag.in_degree(vertex) > 1:
            raise GraphError(
                f"{_said(vertex)} has several inputs, so each edge into it needs a port: "
                f"dag.add_edge({start!r}, {vertex!r}, port='some_key')"
            )
        inputs[port] = start
    return inputs


def _name(vertex: Hashable) -> str:
    if isinstance(vertex, str):
        return vertex
    if isinstance(vertex, Runnable):
        return vertex.get_name()
    return str(getattr(vertex, "__name__", vertex))


def _said(vertex: Hashable) -> str:
    return repr(_name(vertex))


def _joined(inputs: Ports) -> str:
    """What feeds a join, in an error: the vertices with their ports."""
    return " and ".join(f"{_said(start)} (as {port!r})" for port, start in inputs.items())
