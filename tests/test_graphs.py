"""The graph: flat, the same however it was composed, a networkx DAG, and JSON."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import Any

import networkx as nx
import pytest

from anabranch.engine.chunks import Algebra
from anabranch.engine.errors import GraphError
from anabranch.engine.graph_json import graph_from_json, graph_to_json
from anabranch.engine.graphs import Graph, Join
from anabranch.engine.operators import Operator
from anabranch.nodes import (
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    from_dag,
)
from anabranch.scheduler.awaiting import ainvoke
from anabranch.scheduler.blocking import invoke


def upper(text: str) -> str:
    return text.upper()


def twice(text: str) -> str:
    return text + text


def merged(parts: dict[str, Any]) -> str:
    return "".join(f"{key}={value};" for key, value in sorted(parts.items()))


def shape(graph: Graph) -> Any:
    """What of a graph doesn't depend on object identity."""
    return graph_to_json(graph)


def test_composition_is_associative_down_to_the_graph() -> None:
    a, b, c = RunnableLambda(upper), RunnableLambda(twice), RunnableLambda(upper)
    assert shape(((a | b) | c).graph) == shape((a | (b | c)).graph)
    assert len(((a | b) | c).graph) == 3


@pytest.mark.parametrize("told", [{"metadata": {"a": 1}}, {"view": object()}, {"shows": dict}])
def test_operators_that_do_the_same_are_equal_whatever_is_told_and_drawn_of_them(told: dict[str, Any]) -> None:
    assert Operator(name="up", invoke=upper, **told) == Operator(name="up", invoke=upper)
    assert Operator(name="up", invoke=upper, **told) != Operator(name="up", invoke=twice, **told)


def test_the_dag_is_a_frozen_networkx_graph_with_ports_on_the_edges_of_a_join() -> None:
    chain = {"x": RunnableLambda(upper), "y": RunnableLambda(twice)} | RunnableLambda(merged)
    dag = chain.graph.dag
    assert nx.is_directed_acyclic_graph(dag)
    assert nx.is_frozen(dag)
    ports: list[str] = [data["port"] for *_, data in dag.edges(data=True) if data.get("port")]
    assert sorted(ports) == ["x", "y"]
    assert nx.dag_longest_path_length(dag) == 3
    assert [vertex for vertex in dag if not list(dag.predecessors(vertex))] == ["input"]


def test_a_dag_survives_the_round_trip_through_networkx() -> None:
    chain = from_dag(nx.DiGraph([(RunnableLambda(upper, name="up"), RunnableLambda(twice, name="twice"))]))
    assert chain.invoke("a") == "AA"
    names = [step["step"].name for _, step in chain.graph.dag.nodes(data=True) if "step" in step]
    assert names == ["up", "twice"]


def test_a_steps_key_survives_edits_elsewhere() -> None:
    def keys(*before: Any) -> tuple[str, ...]:
        chain = RunnableLambda(upper)
        for step in before:
            chain = chain | step
        return (chain | {"k": RunnableLambda(twice)}).graph.keys

    assert keys()[-1] == keys(RunnableLambda(upper), RunnablePassthrough())[-1]


def test_a_graph_of_importable_functions_is_json_and_back() -> None:
    chain = (
        RunnableLambda(upper)
        | {"x": RunnableLambda(twice), "y": RunnablePassthrough()}
        | RunnablePassthrough.assign(z=itemgetter("x"))
        | RunnableLambda(merged).with_config(tags=["last"])
    )
    text = json.dumps(graph_to_json(chain.graph))
    again = graph_from_json(json.loads(text))
    assert graph_to_json(again) == json.loads(text)
    assert invoke(again, "ab") == chain.invoke("ab") == "x=ABAB;y=AB;z=ABAB;"
    assert again.keys == chain.graph.keys


def test_what_cannot_be_imported_needs_a_registry() -> None:
    chain = RunnableLambda(lambda text: text[::-1], name="backwards") | RunnableLambda(upper)
    with pytest.raises(GraphError, match=r"backwards.*registry"):
        graph_to_json(chain.graph)
    registry: dict[str, Operator] = {"mine": chain.graph.steps[0].operator}
    data = graph_to_json(chain.graph, registry)
    assert invoke(graph_from_json(data, registry), "ab") == "BA"
    with pytest.raises(GraphError, match="'mine'"):
        graph_from_json(data)


def test_what_a_step_reads_of_a_dict_is_written_too() -> None:
    chain = RunnablePassthrough.assign(z=itemgetter("x")) | itemgetter("z")
    again = graph_from_json(json.loads(json.dumps(graph_to_json(chain.graph))))
    told = [(step.operator.reads, step.operator.optional) for step in chain.graph.steps]
    assert [(step.operator.reads, step.operator.optional) for step in again.steps] == told
    assert any(reads for reads, _ in told)


def joined(separator: Any, parts: list[str]) -> str:
    return str(separator).join(parts)


def test_an_object_that_can_be_called_is_written_by_how_it_is_made() -> None:
    made = RunnableLambda(itemgetter("a", "b"))
    data = json.loads(json.dumps(graph_to_json(made.graph)))
    assert invoke(graph_from_json(data), {"a": 1, "b": 2}) == (1, 2)
    for unmade in (partial(joined, object()), partial(joined, "-"), Unmade()):
        with pytest.raises(GraphError, match="neither a function of a module nor made of plain arguments"):
            graph_to_json(RunnableLambda(unmade, name="unmade").graph)


class Unmade:
    def __call__(self, value: Any) -> Any:
        return value

    def __reduce__(self) -> Any:
        raise TypeError


def test_call_steps_show_the_graphs_that_they_may_run() -> None:
    branch = RunnableBranch((bool, RunnableLambda(upper)), RunnableLambda(twice))
    shown = branch.graph.steps[0].operator.shows
    assert shown is not None
    assert list(shown()) == ["condition:1", "branch:1", "branch:default"]


def test_a_join_gives_every_reader_a_dict_of_its_own() -> None:
    def spoil(parts: dict[str, Any]) -> str:
        parts.clear()
        return "spoilt"

    chain = RunnableParallel(x=RunnableLambda(upper)) | {"a": RunnableLambda(spoil), "b": RunnableLambda(merged)}
    assert chain.invoke("q", {"max_concurrency": 1}) == {"a": "spoilt", "b": "x=Q;"}


def test_a_graph_that_was_written_in_another_version_is_refused() -> None:
    data = graph_to_json(RunnableLambda(upper).graph)
    for version in (data["version"] + 1, None):
        with pytest.raises(GraphError, match=f"version {version}; this reads version {data['version']}"):
            graph_from_json({**data, "version": version})


def test_how_chunks_combine_is_written_too() -> None:
    operator = Operator(name="up", invoke=upper, algebra=Algebra.SNAPSHOTS)
    chain = RunnableLambda(upper)
    graph = Graph((replace(chain.graph.steps[0], operator=operator),), chain.graph.scopes, chain.graph.output)
    again = graph_from_json(json.loads(json.dumps(graph_to_json(graph))))
    assert again.steps[0].operator == operator
    assert again.steps[0].operator.algebra is Algebra.SNAPSHOTS


def test_a_bound_config_that_is_no_json_is_refused_with_its_step() -> None:
    in_itself: list[Any] = []
    in_itself.append(in_itself)
    for value in (object(), {1, 2}, in_itself):
        bound = RunnableLambda(upper, name="up").with_config(configurable={"x": value})
        with pytest.raises(GraphError, match=r"config bound to .*up.* can't be written as JSON"):
            graph_to_json((RunnableLambda(twice) | bound).graph)


def test_an_operator_without_any_form_is_refused_when_it_is_to_run() -> None:
    chain = RunnableLambda(upper)
    graph = Graph((replace(chain.graph.steps[0], operator=Operator(name="none")),), (), 0)
    with pytest.raises(GraphError, match="'none' has no form that can be run"):
        invoke(graph, "x")
    with pytest.raises(GraphError, match="'none' has no form that can be run"):
        asyncio.run(_awaited(graph))


async def _awaited(graph: Graph) -> Any:
    return await ainvoke(graph, "x")


def test_a_graph_without_scopes_is_a_dag_too() -> None:
    step = replace(RunnableLambda(upper).graph.steps[0], scope=-1)
    dag = Graph((step,), (), Join({"x": 0, "y": -1}, -1)).dag
    assert nx.is_directed_acyclic_graph(dag)
    assert "input" in dag
    assert len(dag) == 3 + ("output" in dag)
    assert sorted(data["port"] for *_, data in dag.edges(data=True) if data.get("port")) == ["x", "y"]
