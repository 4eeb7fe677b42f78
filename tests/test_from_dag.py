"""Any DAG as a runnable: its ports, its checks, its values and its chunks."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from operator import itemgetter
from typing import Any

import networkx as nx
import pytest
from verbs import one_after_another

from anabranch.engine.errors import EdgeTypeError, GraphError, NotRunnableError
from anabranch.engine.value_types import DictType
from anabranch.nodes import (
    PromptTemplate,
    Runnable,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    fold,
    from_dag,
)


def dag(vertices: dict[Any, Any], *edges: tuple[Any, ...]) -> nx.DiGraph[Any]:
    """A DAG of vertices with what they hold, and edges `(start, end)` or `(start, end, port)`."""
    made: nx.DiGraph[Any] = nx.DiGraph()
    for vertex, runnable in vertices.items():
        made.add_node(vertex, runnable=runnable)
    for start, end, *port in edges:
        made.add_edge(start, end, **({"port": port[0]} if port else {}))
    return made


def length(text: str) -> int:
    return len(text)


def shout(text: str) -> str:
    return text.upper()


def half(number: int) -> float:
    return number / 2


# a - b - d        d and e read both of b and c, which no dict of dicts can say without doubling a step
#   \\ c X e
CROSSED = dag(
    {
        "a": shout,
        "b": length,
        "c": lambda text: text * 2,
        "d": lambda both: (both["n"], both["text"]),
        "e": lambda both: [both["text"], both["n"]],
    },
    ("a", "b"),
    ("a", "c"),
    ("b", "d", "n"),
    ("c", "d", "text"),
    ("b", "e", "n"),
    ("c", "e", "text"),
)


class TestRuns:
    def test_a_graph_that_dicts_cannot_say(self) -> None:
        runnable = from_dag(CROSSED)
        expected = {"d": (2, "ABAB"), "e": ["ABAB", 2]}
        assert runnable.invoke("ab") == expected
        assert asyncio.run(runnable.ainvoke("ab")) == expected
        assert runnable.batch(["ab", "ab"]) == [expected, expected]
        assert fold(runnable.stream("ab")) == expected

    def test_each_vertex_runs_once(self) -> None:
        calls: list[str] = []

        def told(name: str) -> Callable[[Any], Any]:
            return lambda value: calls.append(name)

        runnable = from_dag(dag({name: told(name) for name in "abc"}, ("a", "b"), ("a", "c")))
        runnable.invoke(0)
        assert sorted(calls) == ["a", "b", "c"]

    def test_a_vertex_may_be_the_function_or_runnable_itself(self) -> None:
        made: nx.DiGraph[Any] = nx.DiGraph()
        made.add_edge(shout, RunnableLambda(length))
        assert from_dag(made).invoke("ab") == 2

    def test_one_unnamed_edge_gives_the_value_itself_and_a_named_one_a_dict(self) -> None:
        assert from_dag(dag({"a": shout, "b": lambda x: [x]}, ("a", "b"))).invoke("ab") == ["AB"]
        assert from_dag(dag({"a": shout, "b": lambda x: x}, ("a", "b", "port"))).invoke("ab") == {"port": "AB"}

    def test_several_sinks_give_a_dict_by_name_and_one_its_value(self) -> None:
        assert from_dag(dag({"a": shout, "b": length})).invoke("ab") == {"a": "AB", "b": 2}
        made: nx.DiGraph[Any] = nx.DiGraph()
        made.add_nodes_from([shout, RunnableLambda(length, name="size")])
        assert from_dag(made).invoke("ab") == {"shout": "AB", "size": 2}
        assert from_dag(dag({"a": shout})).invoke("ab") == "AB"

    def test_several_sources_all_get_the_input(self) -> None:
        made = dag({"a": shout, "b": length, "c": lambda x: x}, ("a", "c", "a"), ("b", "c", "b"))
        assert from_dag(made).invoke("ab") == {"a": "AB", "b": 2}

    def test_branches_run_at_once(self) -> None:
        barrier = threading.Barrier(2, timeout=10)

        def meet(value: Any) -> Any:
            barrier.wait()
            return value

        assert from_dag(dag({"a": meet, "b": meet})).invoke(1) == {"a": 1, "b": 1}

    def test_chunks_flow_through_it(self) -> None:
        def tokens(text: str) -> Iterator[str]:
            yield from text

        def upper(chunks: Iterator[str]) -> Iterator[str]:
            for chunk in chunks:
                yield chunk.upper()

        streamed = from_dag(dag({"a": RunnableLambda(tokens), "b": upper}, ("a", "b")))
        assert list(streamed.stream("ab")) == ["A", "B"]

        async def main() -> list[Any]:
            return [chunk async for chunk in streamed.astream("ab")]

        assert asyncio.run(main()) == ["A", "B"]
        forked = from_dag(
            dag({"a": RunnableLambda(tokens), "b": upper, "c": RunnablePassthrough()}, ("a", "b"), ("a", "c"))
        )
        assert fold(forked.stream("ab")) == {"b": "AB", "c": "ab"}

    def test_coroutine_functions_and_generators_are_vertices_too(self) -> None:
        async def double(number: int) -> int:
            return 2 * number

        async def each(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
            async for chunk in chunks:
                yield chunk + 1

        made = from_dag(dag({"a": double, "b": each}, ("a", "b")))
        assert made.invoke(3) == asyncio.run(made.ainvoke(3)) == 7

    def test_it_composes_and_takes_config(self) -> None:
        seen: list[Any] = []

        def tagged(value: Any, config: RunnableConfig) -> Any:
            seen.append(config["tags"])
            return value

        inner = from_dag(dag({"a": tagged, "b": length}, ("a", "b")), name="inner")
        assert inner.with_config(tags=["mine"]).invoke("ab") == 2
        assert seen == [["mine"]]
        assert (RunnableLambda(shout) | inner | half).invoke("abcd") == 2.0
        assert ({"n": inner.with_retry()} | RunnablePassthrough()).invoke("ab") == {"n": 2}

    def test_the_dag_that_is_given_is_not_changed_and_may_change_later(self) -> None:
        made = dag({"a": shout})
        runnable = from_dag(made)
        made.add_edge("a", "b")
        assert runnable.invoke("ab") == "AB"

    def test_a_frozen_dag_and_a_long_one_will_do(self) -> None:
        long: nx.DiGraph[Any] = nx.path_graph(3000, create_using=nx.DiGraph)
        for vertex in long:
            long.nodes[vertex]["runnable"] = half
        assert from_dag(nx.freeze(long)).invoke(0) == 0

    def test_failing_vertices_are_named(self) -> None:
        def fail(value: Any) -> Any:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no") as caught:
            from_dag(dag({"a": shout, "breaks": fail}, ("a", "breaks")), name="mine").invoke("ab")
        assert any("mine > breaks" in note for note in caught.value.__notes__)

    def test_the_graph_of_the_runnable_is_a_dag_again(self) -> None:
        graph = from_dag(CROSSED).graph.dag
        assert nx.is_directed_acyclic_graph(graph)
        assert nx.has_path(graph, "RunnableDag/a", "RunnableDag/e")
        assert {"RunnableDag/a", "RunnableDag/b"} <= set(graph)

    def test_it_can_be_copied_and_pickled(self) -> None:
        made = from_dag(dag({"a": shout, "b": length}, ("a", "b")))
        assert made.invoke("ab") == 2
        assert pickle.loads(pickle.dumps(made)).invoke("ab") == 2
        assert repr(made) == "RunnableDag(a, b)"


class TestTypes:
    def test_they_come_from_the_vertices(self) -> None:
        made = from_dag(dag({"a": shout, "b": length, "c": itemgetter("x")}, ("a", "b")))
        assert made.InputType is str
        assert made.OutputType == DictType({"b": int, "c": Any})
        assert from_dag(dag({"a": shout, "b": length}, ("a", "b"))).OutputType is int

    def test_those_of_a_passthrough_come_from_before_it(self) -> None:
        made = dag({"a": length, "b": RunnablePassthrough(), "c": RunnablePassthrough()}, ("a", "b"), ("b", "c", "n"))
        assert from_dag(made).OutputType == DictType({"n": int})

    @pytest.mark.parametrize(
        ("made", "told"),
        [
            (dag({"a": length, "b": shout}, ("a", "b")), "'a' gives int, but 'b' takes str: int is not str"),
            (
                dag({"a": length, "b": RunnablePassthrough(), "c": shout}, ("a", "b"), ("b", "c")),
                "'b' gives int, but 'c' takes str",
            ),
            (dag({"a": length, "b": shout}, ("a", "b", "n")), "'a' (as 'n') gives {'n': int}, but 'b' takes str"),
            (
                dag({"a": length, "b": itemgetter("m")}, ("a", "b", "n")),
                "'a' (as 'n') gives {'n': int}, but 'b' reads key 'm'",
            ),
            (
                dag(
                    {"a": length, "b": shout, "c": PromptTemplate.from_template("{x} {y}")},
                    ("a", "c", "x"),
                    ("b", "c", "z"),
                ),
                "'a' (as 'x') and 'b' (as 'z') gives",
            ),
            (
                dag(
                    {"a": length, "b": shout, "c": itemgetter("x") | RunnableLambda(shout)},
                    ("a", "c", "x"),
                    ("b", "c", "y"),
                ),
                "gives int, but 'shout' takes str",
            ),
        ],
    )
    def test_an_edge_that_certainly_does_not_fit_is_an_error(self, made: Any, told: str) -> None:
        with pytest.raises(EdgeTypeError) as caught:
            from_dag(made)
        assert told in str(caught.value)

    def test_its_own_edges_are_checked_as_those_of_any_runnable(self) -> None:
        made = from_dag(dag({"a": shout, "b": itemgetter("x")}))
        with pytest.raises(EdgeTypeError, match="'length' gives int, but 'a' takes str"):
            RunnableLambda(length) | made
        with pytest.raises(EdgeTypeError, match="reads key 'z'"):
            made | itemgetter("z")
        with pytest.raises(EdgeTypeError, match="reads key 'x'"):
            RunnableParallel(y=length) | from_dag(dag({"b": itemgetter("x")}))

    def test_what_is_not_known_is_none(self) -> None:
        from_dag(dag({"a": lambda x: x, "b": shout}, ("a", "b")))
        from_dag(dag({"a": length, "b": lambda x: x, "c": shout}, ("a", "b"), ("b", "c")))


class TestBadInput:
    def test_a_cycle_is_told(self) -> None:
        with pytest.raises(GraphError, match="a cycle can't run: a -> b -> a"):
            from_dag(dag({"a": shout, "b": shout}, ("a", "b"), ("b", "a")))
        with pytest.raises(GraphError, match="a cycle can't run: a -> a"):
            from_dag(dag({"a": shout}, ("a", "a")))

    @one_after_another(
        ("made", "told"),
        [
            (nx.DiGraph(), "at least one vertex"),
            (nx.MultiDiGraph([(1, 2)]), "got a MultiDiGraph"),
            (nx.Graph([(1, 2)]), "expected a networkx.DiGraph, got Graph"),
            ({"a": shout}, "expected a networkx.DiGraph, got dict"),
            (
                dag({"a": shout, "b": shout, "c": len}, ("a", "c"), ("b", "c")),
                r"'c' has several inputs, so each edge .* port",
            ),
            (dag({"a": shout, "b": shout, "c": len}, ("a", "c", "x"), ("b", "c")), "has several inputs"),
            (
                dag({"a": shout, "b": shout, "c": len}, ("a", "c", "x"), ("b", "c", "x")),
                "two edges into 'c' have the port 'x'",
            ),
            (dag({"a": shout, "c": len}, ("a", "c", 5)), "must be a string, got 5"),
            (dag({1: shout, "1": shout}), "several sinks have the same name"),
        ],
    )
    def test_a_graph_that_cannot_run_is_an_error(self, made: Any, told: str) -> None:
        with pytest.raises(GraphError, match=told):
            from_dag(made)

    def test_a_vertex_that_holds_nothing_runnable_is_an_error(self) -> None:
        with pytest.raises(
            NotRunnableError, match=r"the vertex 'b' holds nothing runnable; .*dag.add_node\('b', runnable"
        ):
            from_dag(nx.DiGraph([("b", "c")]))


def test_a_vertex_may_be_any_runnable() -> None:
    def inner(x: int) -> Runnable[int, int]:
        return RunnableLambda(lambda y: y + 1)

    made = from_dag(
        dag(
            {
                "a": {"n": length},
                "b": itemgetter("n"),
                "c": RunnableLambda(inner),
                "d": RunnableLambda(half).with_retry(),
            },
            ("a", "b"),
            ("b", "c"),
            ("c", "d"),
        )
    )
    assert made.invoke("abc") == 2.0
