"""Random layered DAGs as runnables: by dicts and picks, or by `from_dag`. `strategies.dags` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx

from anabranch.engine.errors import GraphError
from anabranch.nodes.checking.sample_steps import Puts
from anabranch.nodes.dags import from_dag
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.parallels import RunnableParallel
from anabranch.nodes.passthrough import RunnablePassthrough, RunnablePick
from anabranch.nodes.runnables import Runnable

AnyRunnable = Runnable[Any, Any]
Shape = Sequence[Sequence[int]]
"""For each vertex the earlier ones that it reads; one that reads none gets the input."""


def dag_of_dicts(shape: Shape) -> AnyRunnable:
    """A DAG by dicts and picks, layer by layer: a vertex of a layer reads only earlier layers.

    With one sink its output is the output; several give a dict by vertex name.

    Example:
        >>> dag_of_dicts([[], [0], [0, 1]]).invoke("x")
        'c{v0ax,v1bax}'
    """
    layers = _layers(shape)
    program: AnyRunnable = RunnableParallel({_name(vertex): _step(vertex) for vertex in layers[0]})
    for layer in layers[1:]:
        added = {_name(vertex): _reading(shape[vertex]) | _step(vertex) for vertex in layer}
        program = program | RunnablePassthrough.assign(**added)
    sinks = _sinks(shape)
    return program | RunnablePick(sinks[0] if len(sinks) == 1 else sinks)


def dag_of_vertices(shape: Shape) -> AnyRunnable:
    """The same DAG by `from_dag`.

    Example:
        >>> dag_of_vertices([[], [0], [0, 1]]).invoke("x")
        'c{v0ax,v1bax}'
    """
    dag: nx.DiGraph[Any] = nx.DiGraph()
    for vertex, read in enumerate(shape):
        dag.add_node(_name(vertex), runnable=_step(vertex))
        for start in read:
            dag.add_edge(_name(start), _name(vertex), **({"port": _name(start)} if len(read) > 1 else {}))
    return from_dag(dag)


def depth_of(shape: Shape) -> list[int]:
    """For each vertex its layer: the length of the longest path to it."""
    depth: list[int] = []
    for vertex, read in enumerate(shape):
        if any(start >= vertex or start < 0 for start in read):
            raise GraphError(f"vertex {vertex} can read only those before it, got {list(read)}")
        depth.append(1 + max((depth[start] for start in read), default=-1))
    return depth


def _layers(shape: Shape) -> list[list[int]]:
    depth = depth_of(shape)
    if not depth:
        raise GraphError("a DAG needs at least one vertex")
    return [[vertex for vertex, at in enumerate(depth) if at == layer] for layer in range(max(depth) + 1)]


def _sinks(shape: Shape) -> list[str]:
    read = {start for each in shape for start in each}
    return [_name(vertex) for vertex in range(len(shape)) if vertex not in read]


def _reading(vertices: Sequence[int]) -> AnyRunnable:
    names = [_name(vertex) for vertex in vertices]
    return RunnablePick(names[0] if len(names) == 1 else names)


def _name(vertex: int) -> str:
    return f"v{vertex}"


def _step(vertex: int) -> AnyRunnable:
    return RunnableLambda(Puts(chr(ord("a") + vertex % 26)))
