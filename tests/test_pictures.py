"""The picture of a graph: what is in it, and that it is the graph that runs."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import networkx as nx
import pygraphviz
from built_programs import build
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Program, programs

from anabranch.engine.graphs import Graph
from anabranch.nodes import (
    ChatPromptTemplate,
    FakeListChatModel,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
)
from anabranch.nodes.checking.dag_strategies import dag_of_vertices
from anabranch.nodes.strategies import dags
from anabranch.viz import draw
from anabranch.viz.contracting import count_steps
from anabranch.viz.folding import folded_to, readable
from anabranch.viz.layering import MOST_UNITS
from anabranch.viz.pictures import Picture
from anabranch.viz.picturing import picture_of
from anabranch.viz.styles import LIGHT


def words(text: str) -> list[str]:
    return text.split()


def parsed(dot: str) -> nx.DiGraph[str]:
    """DOT as a graph, with each call step one vertex, and without the output."""
    read = pygraphviz.AGraph(string=dot)
    home: dict[str, str] = {}
    frames = [read]
    while frames:
        for frame in frames.pop().subgraphs():
            if "call" in frame.graph_attr["class"].split():
                home.update(dict.fromkeys(frame.nodes(), frame.name))
            else:
                frames.append(frame)
    dag: nx.DiGraph[str] = nx.DiGraph()
    output = {node for node in read.nodes() if "output" in node.attr["class"].split()}
    dag.add_nodes_from(home.get(node, node) for node in read.nodes() if node not in output)
    for source, target in read.edges():
        if target not in output and home.get(source, source) != home.get(target, target):
            dag.add_edge(home.get(source, source), home.get(target, target))
    return dag


@settings(max_examples=40)
@given(programs())
def test_dot_is_the_dag_that_runs_with_call_steps_closed(program: Program) -> None:
    graph: Graph = build(program).graph
    assert nx.is_isomorphic(parsed(draw(graph, "dot", depth=99)), graph.dag)


@settings(max_examples=40)
@given(dags(n=7))
def test_any_dag_is_drawn_as_it_is(chain: Runnable[Any, Any]) -> None:
    assert nx.is_isomorphic(parsed(draw(chain, "dot", depth=99)), chain.graph.dag)


@settings(max_examples=40)
@given(programs(), st.integers(0, 3), st.booleans())
def test_folding_makes_no_circle_and_loses_no_step(program: Program, depth: int, plan: bool) -> None:
    picture = picture_of(build(program).graph, plan=plan)
    folded = folded_to(picture, depth)
    arrows: nx.MultiDiGraph[str] = nx.MultiDiGraph((edge.source, edge.target) for edge in folded.edges)
    assert nx.is_directed_acyclic_graph(arrows)
    assert set(arrows) <= folded.vertices.keys()
    assert count_steps(folded) == count_steps(picture)
    assert not any(len(list(folded.around(vertex))) > depth + bare(folded) for vertex in folded.vertices.values())


def bare(picture: Picture) -> int:
    return sum(cluster.bare for cluster in picture.clusters.values())


def test_keys_stand_on_the_arrows() -> None:
    chain = RunnableParallel(size=len, same=RunnablePassthrough())
    labels = {edge.label for edge in picture_of(chain.graph).edges}
    assert labels == {"", "size", "same"}


def test_a_vertex_has_the_keys_of_its_runs() -> None:
    chain = RunnableLambda(len).with_retry() | RunnableLambda(str)
    picture = picture_of(chain.graph)
    assert picture.keys == ("RunnableSequence",)
    retried = picture.vertices["RunnableSequence/len"]
    assert (retried.keys, retried.policy) == (("RunnableSequence/len", "RunnableSequence/len/attempt/len"), ("x3",))


def test_alternatives_stand_inside_a_branch_with_their_conditions() -> None:
    picture = picture_of(RunnableBranch((str.isupper, words), str.title).graph)
    assert [(vertex.label, vertex.keys) for vertex in picture.inside("RunnableBranch") if vertex.keys] == [
        ("words", ("RunnableBranch/branch:1/words",)),
        ("title", ("RunnableBranch/branch:default/title",)),
    ]
    assert [edge.label for edge in picture.edges if edge.kind == "choice"] == ["if isupper", "else"]


def test_a_function_that_mentions_its_own_chain_is_drawn_once() -> None:
    def again(text: str) -> object:
        return chain if len(text) > 3 else text

    chain = RunnableLambda(again) | RunnableLambda(len)
    kinds = [vertex.kind for vertex in picture_of(chain.graph).vertices.values()]
    assert kinds.count("again") == 1


def counted(picture: Picture, most: int = 150) -> tuple[int, int]:
    """How many vertices a readable picture has, and how many steps they stand for."""
    made = readable(picture, most)
    return len(made.vertices), count_steps(made)


def test_a_thousand_steps_are_folded_until_they_can_be_read() -> None:
    row = RunnableLambda(len).pipe(*[RunnableLambda(str)] * 999)
    side = RunnableParallel({f"key {number}": len for number in range(1_000)})
    nested: Any = RunnableLambda(len)
    for _ in range(333):
        nested = {"a": nested, "b": str} | RunnableLambda(len)
    mixed = RunnableLambda(len).pipe(*[{"a": len, "b": RunnableLambda(str) | len} | RunnableLambda(len)] * 250)
    for chain, steps in ((row, 1_000), (side, 1_000), (nested, 667), (mixed, 1_001)):
        picture = picture_of(chain.graph)
        vertices, counted_steps = counted(picture)
        assert (vertices <= 150, counted_steps) == (True, steps)
        assert f"{steps:,} steps in all" in draw(chain, "svg")
    assert draw(row, "text", depth=99).count("\n") == 1_001


def test_many_steps_without_any_order_are_folded_by_layers() -> None:
    chance = random.Random(1)
    for reach in (10, 150):
        shape = [chance.sample(range(max(0, at - reach), at), min(at, 2)) for at in range(150)]
        picture = picture_of(dag_of_vertices(shape).__graph__)
        vertices, steps = counted(picture)
        assert (5 < vertices <= MOST_UNITS + 2, steps) == (True, 150)
        made = readable(picture, 150)
        assert nx.is_directed_acyclic_graph(nx.MultiDiGraph((edge.source, edge.target) for edge in made.edges))


def test_what_repeats_itself_is_shown_at_both_ends() -> None:
    row = RunnableLambda(words).pipe(*[RunnableLambda(str)] * 199, RunnableLambda(len))
    assert draw(row, "text").splitlines() == [
        "201 steps in all; each dashed box stands for several. depth=99 opens them",
        *["input", "words", "str", "str #2", "str #3", "str … str [193 steps]"],
        *["str #4", "str #5", "str #6", "len", "output"],
    ]


def test_a_step_may_be_called_as_the_input_or_a_join() -> None:
    named = (
        RunnableLambda(words, name="input") | {"a": RunnableLambda(len, name="join")} | RunnableLambda(str, name="join")
    )
    for chain in (RunnableLambda(words, name="input"), named):
        assert nx.is_directed_acyclic_graph(chain.graph.dag)
        assert nx.is_isomorphic(parsed(draw(chain, "dot")), chain.graph.dag)
        assert len(chain.graph.dag) == 1 + len(chain.graph) + (chain is named)


def half(number: float) -> float:
    return number / 2


def test_types_go_on_into_what_a_step_runs() -> None:
    counted = RunnableLambda(len).with_fallbacks([str])
    assert [edge.type for edge in picture_of((RunnableLambda(words) | counted).graph, types=True).edges][
        1
    ] == "list[str]"
    assert [edge.type for edge in picture_of((RunnableLambda(words) | counted.map()).graph, types=True).edges][1] == ""


def test_a_union_that_is_long_is_told_by_its_beginning() -> None:
    chain = ChatPromptTemplate.from_template("{x}") | FakeListChatModel(responses=["a"])
    assert picture_of(chain.graph, types=True).edges[1].type == "StringPromptValue | …"


def test_an_arrow_that_does_not_fit_is_red() -> None:
    graph = (RunnableLambda(words).with_types(output_type=float) | half).graph
    assert [edge.misfit for edge in picture_of(graph, types=True).edges] == ["", "", ""]
    assert [edge.type for edge in picture_of(graph, types=True).edges] == ["str", "float", "float"]
    forced = Graph((replace(graph.steps[0], types=None), graph.steps[1]), graph.scopes, graph.output)
    misfit = picture_of(forced, types=True).edges[1]
    assert "list[str] is not float" in misfit.misfit
    assert LIGHT.wrong in draw(forced, "svg", types=True)
    assert LIGHT.wrong not in draw(graph, "dot", types=True)


def test_a_plan_has_fused_steps_in_frames_and_leads_keys_to_those_that_read_them() -> None:
    chain = {"a": RunnableLambda(words) | len, "b": str} | RunnablePick("a") | half
    assert draw(chain, "text", plan=True).splitlines() == [
        "input",
        "2 steps fused · thread",
        "├─ words",
        "╰─ len",
        "str [thread]  <- input",
        "2 steps fused · thread",
        "├─ RunnablePick<a>  <- a, 16 chunks: len",
        "╰─ half",
        "output",
    ]


MERMAID = """\
flowchart TB
    subgraph c0[" "]
        v1{"RunnableBranch"}:::plain
        v2("words"):::chain
        v3("title<br/>x3"):::chain
    end
    v0(["input"]):::plain
    v4(["output"]):::plain
    v0 --> v1
    v1 -.->|"if isupper"| v2
    v1 -.->|"else"| v3
    v2 --> v4
    v3 --> v4
    classDef chain fill:#eef0f3,stroke:#8a93a0,color:#1b1f24
    classDef plain fill:#ffffff,stroke:#8a93a0,color:#1b1f24
"""


def test_the_mermaid_text_of_a_branch() -> None:
    chain = RunnableBranch((str.isupper, words), RunnableLambda(str.title).with_retry())
    assert draw(chain, "mermaid") == MERMAID
