"""The graph: steps, the sources that feed them, joins, scopes, and the networkx DAG of it all.

A graph is a flat list of steps in topological order. A *source* says where a value comes from: `INPUT_SLOT`
(the graph's own input), the slot of a step, or a `Join` of several sources under their ports.

    {"context": retriever, "question": RunnablePassthrough()} | prompt

has three steps; the source of `prompt` is `Join({"context": 0, "question": 1})`. Joins are not steps: nothing
runs there, and a consumer known to read only some ports is fed by those alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import networkx as nx

from anabranch.engine.operators import Operator

if TYPE_CHECKING:
    from anabranch.engine.config import RunnableConfig

INPUT_SLOT = -1
INPUT_VERTEX = "input"


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """A dict gathered from its ports; with `base`, a dict to which the ports are added (`assign`)."""

    ports: Mapping[str, Source]
    scope: int
    base: Source | None = None

    def parts(self) -> Iterator[tuple[str | None, Source]]:
        """Each source with its port; the base has None."""
        if self.base is not None:
            yield None, self.base
        yield from self.ports.items()


Source = int | Join


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A vertex: an operator at its place.

    Attributes:
        slot: its index in the graph.
        operator: what it does.
        source: where its input comes from.
        scope: the index of the scope that it stands in.
        tags: place tags (`seq:step:1`, `map:key:context`).
        config: config bound to it, if any.
        node: what the user composed; opaque here.
        types: those of its input and output that were declared for it here, each None where there is none.
    """

    slot: int
    operator: Operator
    source: Source
    scope: int
    tags: tuple[str, ...] = ()
    config: RunnableConfig | None = None
    node: Any = None
    types: tuple[Any, Any] | None = None

    @property
    def name(self) -> str:
        """The bound run name, or the operator's."""
        return (self.config or {}).get("run_name") or self.operator.name


@dataclass(slots=True, eq=False)
class Scope:
    """A named group of steps: traced as one run, drawn as one cluster.

    `source` and `output` are those of the group as a whole; `types` were declared for it. Scope 0 is the graph itself.
    """

    index: int
    parent: int
    name: str
    kind: str
    source: Source
    tags: tuple[str, ...] = ()
    config: RunnableConfig | None = None
    node: Any = None
    output: Source = INPUT_SLOT
    is_run: bool = True
    types: tuple[Any, Any] | None = None


@dataclass(eq=False)
class Graph:
    """Steps in topological order, their scopes, and where the output comes from. Not to be changed."""

    steps: tuple[Step, ...]
    scopes: tuple[Scope, ...]
    output: Source
    plans: dict[object, Any] = field(default_factory=dict, repr=False)  # these two are for drivers to keep theirs in
    chunk_plans: dict[object, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """A stable key for each step: scope path, name, and an ordinal among equals.

        Adding a step elsewhere in the chain doesn't change it.
        """
        return self._all_keys[1]

    @cached_property
    def scope_keys(self) -> tuple[str, ...]:
        """The same for each scope."""
        return self._all_keys[0]

    @cached_property
    def _all_keys(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return _keys(self)

    @cached_property
    def cap(self) -> int | None:
        """The smallest `max_concurrency` bound to any part of the graph, those that call steps run among them.

        A call has one cap: this, or the one that it is given, whichever is smaller.
        """
        caps: list[int] = []
        graphs, seen = [self], {id(self)}
        while graphs:
            graph = graphs.pop()
            configs = [*(scope.config for scope in graph.scopes), *(step.config for step in graph.steps)]
            caps += [cap for config in configs if config and (cap := config.get("max_concurrency")) is not None]
            for step in graph.steps:
                for shown in step.operator.shows().values() if step.operator.shows is not None else ():
                    if id(shown) not in seen:
                        seen.add(id(shown))
                        graphs.append(shown)
        return min(caps, default=None)

    @cached_property
    def listens(self) -> bool:
        """Whether callbacks are bound to any part of it. What call steps run is asked when it runs."""
        configs = [*(scope.config for scope in self.scopes), *(step.config for step in self.steps)]
        return any(config and config.get("callbacks") for config in configs)

    @cached_property
    def dag(self) -> nx.DiGraph[str]:
        """The graph as a frozen `networkx.DiGraph`, on which every networkx algorithm works.

        Vertices are the steps (by key), the joins (`.../join`) and `"input"`; a step has the attributes `step` and
        `scope`; an edge into a join has the attribute `port`.
        """
        return _dag(self)

    def place(self, slot: int) -> str:
        """Where a step stands, for an error: the names of its scopes and its own, outermost first."""
        step = self.steps[slot]
        return " > ".join([*self._around(step.scope), step.name])

    def place_of_scope(self, index: int) -> str:
        """Where a scope stands, likewise."""
        return " > ".join(self._around(index))

    def _around(self, index: int) -> list[str]:
        names: list[str] = []
        while index >= 0:
            scope = self.scopes[index]
            if scope.is_run:
                names.append(scope.name)
            index = scope.parent
        return names[::-1]

    def __len__(self) -> int:
        return len(self.steps)


def slots_of(source: Source) -> Iterator[int]:
    """The step slots (and `INPUT_SLOT`) under a source, in port order; each as often as it is read."""
    stack = [source]
    while stack:
        top = stack.pop()
        if isinstance(top, Join):
            stack.extend(reversed([part for _, part in top.parts()]))
        else:
            yield top


def joins_of(source: Source) -> list[Join]:
    """The joins under a source, each after those that feed it."""
    found: list[Join] = []
    stack = [source]
    while stack:
        top = stack.pop()
        if isinstance(top, Join):
            found.append(top)
            stack.extend(part for _, part in top.parts())
    found.reverse()
    return found


def _keys(graph: Graph) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys of the scopes, and those of the steps."""
    paths: list[str] = []
    seen = {INPUT_VERTEX: 1}  # a step of that name is another vertex

    def unique(path: str) -> str:
        seen[path] = count = seen.get(path, 0) + 1
        return path if count == 1 else f"{path}:{count}"

    for scope in graph.scopes:
        parent = paths[scope.parent] + "/" if scope.parent >= 0 else ""
        paths.append(unique(parent + scope.name))
    steps = [unique(f"{paths[step.scope]}/{step.name}" if step.scope >= 0 else step.name) for step in graph.steps]
    return tuple(paths), tuple(steps)


def _dag(graph: Graph) -> nx.DiGraph[str]:
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_node(INPUT_VERTEX)
    names: dict[int, str] = {}  # id of a join -> its vertex
    taken = frozenset(graph.keys)

    def vertex(source: Source) -> str:
        if not isinstance(source, Join):
            return INPUT_VERTEX if source == INPUT_SLOT else graph.keys[source]
        for join in joins_of(source):
            if id(join) not in names:
                _add_join(join)
        return names[id(source)]

    def _add_join(join: Join) -> None:
        path = graph.scopes[join.scope].name if graph.scopes else "join"
        name = f"{path}/join"
        while name in dag or name in taken:
            name += "'"
        names[id(join)] = name
        dag.add_node(name, join=join, scope=join.scope)
        for port, part in join.parts():
            start = names[id(part)] if isinstance(part, Join) else vertex(part)
            # One vertex may feed several ports of a join.
            ports = (*dag.edges[start, name]["ports"], port) if dag.has_edge(start, name) else (port,)
            dag.add_edge(start, name, port=port, ports=ports)

    for step, key in zip(graph.steps, graph.keys, strict=True):
        dag.add_node(key, step=step, scope=step.scope)
        dag.add_edge(vertex(step.source), key)
    vertex(graph.output)
    nx.freeze(dag)
    return dag
