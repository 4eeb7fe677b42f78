"""The picture of a graph: what is in it, and that it is the graph that runs."""

from __future__ import annotations

import networkx as nx
from built_programs import build
from hypothesis import given, settings
from programs import Program, programs

from anabranch.engine.graphs import Graph
from anabranch.nodes import RunnableBranch, RunnableLambda, RunnableParallel, RunnablePassthrough
from anabranch.viz.pictures import Picture
from anabranch.viz.picturing import picture_of


def words(text: str) -> list[str]:
    return text.split()


def contracted(picture: Picture) -> nx.DiGraph[str]:
    """The arrows of a picture, with each call step one vertex, and without the output."""
    frames = {cluster.id for cluster in picture.clusters.values() if cluster.slot >= 0}
    home = {}
    for vertex in picture.vertices.values():
        around = [cluster.id for cluster in picture.around(vertex) if cluster.id in frames]
        home[vertex.id] = around[-1] if around else vertex.id
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_nodes_from(home[vertex.id] for vertex in picture.vertices.values() if vertex.kind != "output")
    for edge in picture.edges:
        if edge.target != "output" and home[edge.source] != home[edge.target]:
            dag.add_edge(home[edge.source], home[edge.target])
    return dag


@settings(max_examples=60)
@given(programs())
def test_with_call_steps_closed_a_picture_is_the_dag(program: Program) -> None:
    graph: Graph = build(program).graph
    assert nx.is_isomorphic(contracted(picture_of(graph)), graph.dag)


def test_keys_stand_on_the_arrows() -> None:
    chain = RunnableParallel(size=len, same=RunnablePassthrough())
    labels = {edge.label for edge in picture_of(chain.graph).edges}
    assert labels == {"", "size", "same"}


def test_the_runs_of_a_vertex_are_named_as_they_are_traced() -> None:
    chain = RunnableLambda(len).with_retry() | RunnableLambda(str)
    picture = picture_of(chain.graph)
    assert picture.runs == ("RunnableSequence",)
    retried = picture.vertices["RunnableSequence/len"]
    assert (retried.runs, retried.policy, retried.tags) == (("len", "len"), ("x3",), ("seq:step:1",))


def test_alternatives_stand_inside_a_branch_with_their_tags() -> None:
    picture = picture_of(RunnableBranch((str.isupper, words), str.title).graph)
    assert [(vertex.label, vertex.tags) for vertex in picture.inside("RunnableBranch") if vertex.runs] == [
        ("words", ("branch:1",)),
        ("title", ("branch:default",)),
    ]
    assert [edge.label for edge in picture.edges if edge.kind == "choice"] == ["if isupper", "else"]


def test_a_function_that_mentions_its_own_chain_is_drawn_once() -> None:
    def again(text: str) -> object:
        return chain if len(text) > 3 else text

    chain = RunnableLambda(again) | RunnableLambda(len)
    kinds = [vertex.kind for vertex in picture_of(chain.graph).vertices.values()]
    assert kinds.count("again") == 1
