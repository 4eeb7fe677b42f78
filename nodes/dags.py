"""Any networkx DAG as a runnable."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import networkx as nx

from anabranch.engine.building import Builder, Building, Part, Place
from anabranch.engine.errors import EdgeTypeError, GraphError
from anabranch.engine.fitting import describe_type, explain_misfit, fits
from anabranch.engine.graphs import Join, Source
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.runnables import Runnable


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
        GraphError: a cycle, no vertex, a missing or repeated port.
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


class RunnableDag(Runnable[Any, Any]):
    """What `from_dag` makes."""

    def __init__(self, dag: nx.DiGraph[Any], *, name: str = "RunnableDag") -> None:
        if not dag:
            raise GraphError("a DAG needs at least one vertex")
        try:
            cycle = nx.find_cycle(dag)
        except nx.NetworkXNoCycle:
            pass
        else:
            raise GraphError("a cycle can't run: " + " -> ".join(str(u) for u, *_ in [*cycle, cycle[0]]))
        self.name = name
        self.vertices: dict[Hashable, Runnable[Any, Any]] = {}
        self._inputs: dict[Hashable, dict[str | None, Hashable]] = {}
        for vertex in nx.topological_sort(dag):
            self.vertices[vertex] = coerce_to_runnable(dag.nodes[vertex].get("runnable", vertex))
            self._inputs[vertex] = _ports(dag, vertex)
        self._sinks = [vertex for vertex in self.vertices if not dag.out_degree(vertex)]
        self._check_names()
        self._check_edges()

    def _check_names(self) -> None:
        names = [_name(vertex) for vertex in self._sinks]
        if len(self._sinks) > 1 and len(set(names)) < len(names):
            raise GraphError(f"several sinks have the same name, so the output has no keys for them: {names}")

    def _check_edges(self) -> None:
        for vertex, inputs in self._inputs.items():
            for port, start in inputs.items():
                given, wanted = self.vertices[start].OutputType, self.vertices[vertex].InputType
                if port is None and not fits(given, wanted):
                    raise EdgeTypeError(
                        f"{_name(start)!r} gives {describe_type(given)}, but {_name(vertex)!r} takes "
                        f"{describe_type(wanted)}: {explain_misfit(given, wanted)}"
                    )

    @property
    def InputType(self) -> Any:
        """That of the first source that knows it."""
        types = [self.vertices[v].InputType for v, inputs in self._inputs.items() if not inputs]
        return next((t for t in types if t is not Any), Any)

    @property
    def OutputType(self) -> Any:
        """That of the only sink, or a dict."""
        return self.vertices[self._sinks[0]].OutputType if len(self._sinks) == 1 else dict[str, Any]

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
            named = {} if runnable.name or vertex is runnable else {"run_name": _name(vertex)}
            inner = Place(scope.index, (f"dag:vertex:{_name(vertex)}",), named or None)  # type: ignore[arg-type]
            outputs[vertex] = yield Part(runnable, fed, inner)
        if len(self._sinks) == 1:
            scope.output = outputs[self._sinks[0]]
        else:
            scope.output = Join({_name(vertex): outputs[vertex] for vertex in self._sinks}, scope.index)
        return scope.output

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(_name, self.vertices))})"


def _ports(dag: nx.DiGraph[Any], vertex: Hashable) -> dict[str | None, Hashable]:
    inputs: dict[str | None, Hashable] = {}
    for start, _, port in dag.in_edges(vertex, data="port"):
        if port is not None and not isinstance(port, str):
            raise GraphError(f"the port of {_name(start)!r} -> {_name(vertex)!r} must be a string, got {port!r}")
        if port in inputs and port is not None:
            raise GraphError(f"two edges into {_name(vertex)!r} have the port {port!r}")
        if port is None and dag.in_degree(vertex) > 1:
            raise GraphError(
                f"{_name(vertex)!r} has several inputs, so each edge into it needs a port: "
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
