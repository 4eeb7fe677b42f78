"""What a graph says of itself: keys, places, caps, what is under a source, and its DAG."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, fields, replace
from operator import itemgetter
from typing import Any, cast

import networkx as nx
import pytest

from anabranch.engine.building import Builder, Part, Place, build
from anabranch.engine.errors import GraphError
from anabranch.engine.events import Filter
from anabranch.engine.graph_json import graph_from_json, graph_to_json
from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Scope, Step, joins_of, slots_of
from anabranch.engine.operators import Composable, Operator, Run, RunEach, Sleep
from anabranch.nodes import RunnableLambda, RunnablePassthrough


def upper(text: str) -> str:
    return text.upper()


def step_of(slot: int, name: str = "up", source: Any = INPUT_SLOT, scope: int = 0, **more: Any) -> Step:
    return Step(slot, Operator(name=name, invoke=upper), source, scope, **more)


def scope_of(index: int, parent: int, name: str, **more: Any) -> Scope:
    return Scope(index, parent, name, "sequence", INPUT_SLOT, **more)


class TestKeys:
    def test_are_the_path_of_scopes_the_name_and_a_number_among_equals(self) -> None:
        scopes = (scope_of(0, -1, "all"), scope_of(1, 0, "in"), scope_of(2, 0, "in"), scope_of(3, 2, "deep"))
        at = (0, 0, 1, 2, 3, 0, -1, -1)
        names = ("a", "a", "a", "a", "b", "a", "a", "input")
        graph = Graph(
            tuple(step_of(n, name, scope=s) for n, (name, s) in enumerate(zip(names, at, strict=True))), scopes, 0
        )
        assert graph.scope_keys == ("all", "all/in", "all/in:2", "all/in:2/deep")
        assert graph.keys == (
            *("all/a", "all/a:2", "all/in/a", "all/in:2/a", "all/in:2/deep/b", "all/a:3", "a", "input:2"),
        )
        assert len(graph) == 8

    def test_name_a_step_as_its_config_does(self) -> None:
        assert step_of(0, config={"run_name": "mine"}).name == "mine"
        assert step_of(0, config={"tags": ["x"]}).name == "up"
        assert step_of(0).name == "up"


def test_a_place_is_told_by_the_names_of_the_runs_around_it() -> None:
    scopes = (scope_of(0, -1, "all"), scope_of(1, 0, "hidden", is_run=False), scope_of(2, 1, "in"))
    graph = Graph((step_of(0, scope=2), step_of(1, scope=-1)), scopes, 0)
    assert graph.place(0) == "all > in > up"
    assert graph.place(1) == "up"
    assert [graph.place_of_scope(at) for at in range(3)] == ["all", "all", "all > in"]


class TestTheCap:
    def test_is_the_smallest_that_is_bound_anywhere(self) -> None:
        two, three = ({"max_concurrency": cap} for cap in (2, 3))
        some: Any = {"tags": ["x"]}
        unset: Any = {"max_concurrency": None}
        for scope, step, cap in (
            (None, None, None),
            (some, unset, None),
            (two, some, 2),
            (unset, three, 3),
            (two, three, 2),
            (three, two, 2),
        ):
            graph = Graph((step_of(0, config=step),), (scope_of(0, -1, "all", config=scope),), 0)
            assert graph.cap == cap

    def test_is_also_that_of_what_a_step_may_run(self) -> None:
        inner = Graph((step_of(0, config={"max_concurrency": 2}),), (), 0)

        def around(graphs: dict[str, Graph]) -> Graph:
            operator = Operator(name="calls", invoke=upper, shows=lambda: graphs)
            return Graph((replace(step_of(0), operator=operator),), (), 0)

        outer = around({"a": Graph((step_of(0),), (), 0), "b": inner})
        assert around({"a": outer}).cap == outer.cap == 2
        graphs: dict[str, Graph] = {"b": inner}
        itself = around(graphs)
        graphs["itself"] = itself
        assert itself.cap == around({"a": itself}).cap == 2


def test_a_graph_listens_where_callbacks_are_bound_to_any_part_of_it() -> None:
    heard: Any = {"callbacks": [object()]}
    for scope, step, listens in (
        (None, None, False),
        ({"tags": ["x"]}, {"callbacks": []}, False),
        (heard, None, True),
        (None, heard, True),
    ):
        graph = Graph((step_of(0, config=step),), (scope_of(0, -1, "all", config=scope),), 0)
        assert graph.listens is listens


INNER = Join({"c": 3}, 0)
SOURCE = Join({"a": 1, "b": INNER, "d": 1, "e": INPUT_SLOT}, 0, base=Join({"z": 2}, 0))


def test_slots_under_a_source_come_in_the_order_of_its_ports_the_base_first() -> None:
    assert list(slots_of(SOURCE)) == [2, 1, 3, 1, INPUT_SLOT]
    assert list(slots_of(4)) == [4]
    assert [port for port, _ in SOURCE.parts()] == [None, "a", "b", "d", "e"]
    assert [port for port, _ in INNER.parts()] == ["c"]


def test_joins_under_a_source_come_after_those_that_feed_them() -> None:
    found = joins_of(SOURCE)
    assert len(found) == 3
    assert found[-1] is SOURCE
    assert any(each is INNER for each in found)
    assert joins_of(4) == []


class TestTheDag:
    def test_has_steps_joins_and_the_input_with_what_they_are(self) -> None:
        join = Join({"x": 0, "y": INPUT_SLOT, "z": 0}, 0, base=INPUT_SLOT)
        graph = Graph((step_of(0), step_of(1, "last", join)), (scope_of(0, -1, "all"),), 1)
        dag = graph.dag
        assert list(dag) == ["input", "all/up", "all/last", "all/join"]
        assert dag.nodes["all/up"] == {"step": graph.steps[0], "scope": 0}
        assert dag.nodes["all/join"] == {"join": join, "scope": 0}
        assert sorted(dag.edges) == [
            *[("all/join", "all/last"), ("all/up", "all/join"), ("input", "all/join"), ("input", "all/up")],
        ]
        assert dag.edges["all/up", "all/join"] == {"port": "z", "ports": ("x", "z")}
        assert dag.edges["input", "all/join"] == {"port": "y", "ports": (None, "y")}
        assert graph.dag is dag
        assert nx.is_frozen(dag)

    def test_has_a_vertex_for_every_join_whatever_steps_are_called(self) -> None:
        inner = Join({"a": 0}, 0)
        outer = Join({"b": inner, "c": inner}, 0)
        graph = Graph((step_of(0, "join"),), (scope_of(0, -1, "all"),), outer)
        dag = graph.dag
        assert sorted(dag) == ["all/join", "all/join'", "all/join''", "input"]
        assert dag.nodes["all/join"]["step"] is graph.steps[0]
        assert dag.nodes["all/join'"]["join"] is inner
        assert dag.edges["all/join'", "all/join''"]["ports"] == ("b", "c")
        assert dag.edges["all/join", "all/join'"]["ports"] == ("a",)

    def test_of_a_join_that_two_steps_read_has_it_once(self) -> None:
        join = Join({"a": INPUT_SLOT}, 0)
        graph = Graph((step_of(0, "l", join), step_of(1, "r", join)), (scope_of(0, -1, "all"),), 1)
        assert sorted(graph.dag.successors("all/join")) == ["all/l", "all/r"]
        assert len(graph.dag) == 4


class TestBuilding:
    def test_makes_the_graph_of_what_was_composed(self) -> None:
        place = Place(2, ("t",), {"run_name": "bound"}, types=(int, str))
        builder, node = Builder(), object()
        operator = Operator(name="up", invoke=upper)
        assert [builder.step(operator, 3, place, node), builder.step(operator, 0, Place())] == [0, 1]
        assert builder.steps[1] == builder.steps[1]
        first, second = builder.steps
        assert (first.slot, first.operator, first.source, first.scope) == (0, operator, 3, 2)
        assert (first.tags, first.config, first.node, first.types) == (("t",), place.config, node, (int, str))
        assert (second.slot, second.scope, second.tags, second.config, second.node) == (1, -1, (), None, None)
        bound = builder.scope("all", "sequence", 3, place, node)
        plain = builder.scope("all", "dict", INPUT_SLOT, Place(config={"tags": ["x"]}), is_run=False)
        assert (bound.index, bound.parent, bound.name, bound.kind, bound.source) == (0, 2, "bound", "sequence", 3)
        assert (bound.tags, bound.config, bound.node, bound.is_run) == (("t",), place.config, node, True)
        assert (bound.types, bound.output) == ((int, str), INPUT_SLOT)
        assert (plain.index, plain.parent, plain.name, plain.is_run, plain.types) == (1, -1, "all", False, None)
        graph = builder.graph(1)
        assert (graph.steps, graph.scopes, graph.output) == ((first, second), (bound, plain), 1)

    def test_what_is_bound_outside_wins(self) -> None:
        outside = Place(1, ("t",), {"run_name": "out"}, {"a": 1, "b": 1})
        within = outside.bound({"run_name": "in", "timeout": 2.0}, {"b": 2, "c": 2})
        assert within.config is not None
        assert (within.config["run_name"], within.config["timeout"]) == ("out", 2.0)
        assert within.kwargs == {"a": 1, "b": 1, "c": 2}
        assert (within.scope, within.tags) == (1, ("t",))
        assert outside.bound(None, None).config == {"run_name": "out"}
        assert Place().bound({"run_name": "in"}, None).config == {"run_name": "in"}
        assert Place().bound(None, None) == Place(kwargs={})
        assert Place().bound(None, {"a": 1}).kwargs == {"a": 1}

    def test_asks_part_by_part_and_hands_on_what_came_of_each(self) -> None:
        class Leaf:
            def __init__(self, name: str) -> None:
                self.operator = Operator(name=name, invoke=upper)

            def _build(self, builder: Builder, source: Any, place: Place) -> Any:
                return builder.step(self.operator, source, place)

        class Pair:
            def __init__(self, *parts: Any) -> None:
                self.parts = parts

            def _build(self, builder: Builder, source: Any, place: Place) -> Any:
                for part in self.parts:
                    source = yield Part(part, source, place)
                return source

        class Nothing:
            def _build(self, builder: Builder, source: Any, place: Place) -> Any:
                return source

            def __repr__(self) -> str:
                return "Nothing()"

        graph = build(Pair(Pair(Leaf("a"), Leaf("b")), Nothing(), Leaf("c")))
        assert [(step.name, step.source) for step in graph.steps] == [("a", INPUT_SLOT), ("b", 0), ("c", 1)]
        assert graph.output == 2
        for empty in (Nothing(), Pair()):
            with pytest.raises(GraphError, match="has no step, so there is nothing to run"):
                build(empty)

    def test_arguments_reach_the_place_if_there_are_any(self) -> None:
        places: list[Place] = []

        class Keeps:
            def _build(self, builder: Builder, source: Any, place: Place) -> Any:
                places.append(place)
                return builder.step(Operator(name="up", invoke=upper), source, place)

        build(Keeps(), {"a": 1})
        build(Keeps(), {})
        build(Keeps())
        assert [place.kwargs for place in places] == [{"a": 1}, None, None]
        assert places[1] == Place()
        assert (places[1].scope, places[1].tags, places[1].config, places[1].types) == (-1, (), None, None)

    def test_a_join_without_steps_is_something_to_run(self) -> None:
        class Gathers:
            def _build(self, builder: Builder, source: Any, place: Place) -> Any:
                return Join({"a": source}, -1)

        graph = build(Gathers())
        assert isinstance(graph.output, Join)
        assert len(graph) == 0


class TestJson:
    def test_holds_all_that_a_graph_is(self) -> None:
        operator = Operator(
            name="up",
            run_type="parser",
            invoke=upper,
            blocking=False,
            expands=True,
            reads=frozenset({"b", "a"}),
            optional=frozenset("a"),
            max_batch=3,
        )
        scopes = (
            scope_of(0, -1, "all", output=Join({"k": 0}, 0, base=INPUT_SLOT)),
            scope_of(1, 0, "in", tags=("t",), config={"tags": ["x"]}, is_run=False, output=0),
        )
        step = Step(0, operator, Join({"a": INPUT_SLOT}, 1), 1, ("seq:step:1",), {"run_name": "mine"})
        graph = Graph((step,), scopes, scopes[0].output)
        data = graph_to_json(graph)
        assert data["steps"] == [
            {
                "operator": {
                    "name": "up",
                    "forms": {"invoke": f"{__name__}:upper"},
                    "run_type": "parser",
                    "blocking": False,
                    "expands": True,
                    "max_batch": 3,
                    "reads": ["a", "b"],
                    "optional": ["a"],
                },
                "source": {"ports": {"a": -1}, "scope": 1, "base": None},
                "scope": 1,
                "tags": ["seq:step:1"],
                "config": {"run_name": "mine"},
            }
        ]
        assert data["output"] == {"ports": {"k": 0}, "scope": 0, "base": -1}
        again = graph_from_json(copy.deepcopy(data))
        assert graph_to_json(again) == data
        assert again.steps[0].operator == operator
        (made,) = again.steps
        assert (made.slot, made.scope, made.tags, made.config) == (0, 1, ("seq:step:1",), {"run_name": "mine"})
        for before, after in zip(scopes, again.scopes, strict=True):
            for name in ("index", "parent", "name", "kind", "source", "tags", "config", "is_run"):
                assert getattr(after, name) == getattr(before, name)
        assert (again.scopes[1].output, again.keys, again.dag.edges) == (0, graph.keys, graph.dag.edges)

    def test_leaves_out_what_is_as_it_is_by_default(self) -> None:
        plain = Graph((step_of(0, scope=-1),), (), 0)
        (step,) = graph_to_json(plain)["steps"]
        assert step["operator"] == {"name": "up", "forms": {"invoke": f"{__name__}:upper"}}
        reading = Operator(name="up", invoke=upper, reads=frozenset())
        (step,) = graph_to_json(Graph((replace(plain.steps[0], operator=reading),), (), 0))["steps"]
        assert step["operator"]["reads"] == []
        assert "optional" not in step["operator"]
        assert graph_from_json({"version": 1, "steps": [step], "scopes": [], "output": 0}).steps[0].operator == reading

    def test_names_what_is_not_found(self) -> None:
        data = graph_to_json(Graph((step_of(0, scope=-1),), (), 0))
        for path in ("no.such.module:upper", f"{__name__}:missing", f"{__name__}:upper.missing"):
            data["steps"][0]["operator"]["forms"]["invoke"] = path
            with pytest.raises(GraphError, match=f"the graph needs {path}, which can't be imported") as caught:
                graph_from_json(data)
            assert isinstance(caught.value.__cause__, ImportError | AttributeError)

    def test_is_refused_of_a_function_that_is_not_what_its_name_says(self) -> None:
        def hidden(text: str) -> str:
            return text

        hidden.__qualname__ = "upper"
        for function in (hidden, lambda text: text):
            with pytest.raises(GraphError) as caught:
                graph_to_json(RunnableLambda(function, name="x").graph)
            assert str(caught.value) == (
                f"step x can't be written as JSON: {__name__}:{function.__qualname__} can't be imported. "
                "Give its operator a name in the registry, or use a function of a module"
            )

    def test_of_a_registered_operator_is_its_name_alone(self) -> None:
        chain = RunnablePassthrough() | RunnableLambda(upper)
        registry = {"mine": chain.graph.steps[1].operator}
        assert graph_to_json(chain.graph, registry)["steps"][1]["operator"] == {"registered": "mine"}
        again = graph_from_json(graph_to_json(chain.graph, registry), registry)
        assert again.steps[1].operator is registry["mine"]
        with pytest.raises(GraphError, match="needs the operator 'mine', which the registry doesn't have"):
            graph_from_json(graph_to_json(chain.graph, registry), {"other": registry["mine"]})

    def test_holds_the_arguments_of_what_is_made_again(self) -> None:
        data = graph_to_json(RunnableLambda(itemgetter("a")).graph)
        forms = data["steps"][0]["operator"]["forms"]
        assert {"make": "operator:itemgetter", "arguments": ["a"]} in forms.values()
        assert graph_to_json(graph_from_json(data)) == data


def test_an_operator_is_by_default_a_blocking_step_that_is_traced() -> None:
    made = Operator(name="up")
    assert (made.run_type, made.wants_config, made.blocking, made.expands) == ("chain", False, True, False)
    assert (made.reads, made.optional, made.picks, made.algebra) == (None, frozenset(), None, None)
    assert (made.whole, made.max_batch, made.abandon, made.streams, made.is_run) == (True, None, False, True, True)
    assert (made.shows, made.metadata, made.view) == (None, None, None)
    positional: Any = Operator
    with pytest.raises(TypeError, match="positional"):
        positional("up")
    with pytest.raises(NotImplementedError):
        _ = Composable().__graph__
    run = Run(Graph((), (), 0))
    assert (run.config, run.last, run.timeout, run.tag) == (None, False, None, None)


VALUES: list[Any] = [
    Filter(),
    Join({}, 0),
    step_of(0),
    Place(),
    Part(cast(Any, None), INPUT_SLOT, Place()),
    Run(Graph((), (), 0)),
    RunEach(Graph((), (), 0), []),
    Sleep(1.0),
    Operator(name="up"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_is_a_value_is_not_changed_and_has_no_room_for_more(value: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(value)[0].name, None)
    assert not hasattr(value, "__dict__")
    assert value == value


def test_parts_of_a_graph_are_told_apart_by_where_they_stand() -> None:
    assert Join({}, 0) != Join({}, 0)
    assert step_of(0) != step_of(0)
    assert scope_of(0, -1, "all") != scope_of(0, -1, "all")
    assert Graph((), (), 0) != Graph((), (), 0)
    assert len({Join({}, 0), Join({}, 0), step_of(0), scope_of(0, -1, "all"), Graph((), (), 0)}) == 5
    assert Place() == Place()
    assert Sleep(1.0) == Sleep(1.0) != Sleep(2.0)
    assert RunEach(Graph((), (), 0), []).configs is None
    graph = Graph((), (), 0)
    assert (graph.plans, graph.chunk_plans) == ({}, {})
    assert "plans" not in repr(graph)


def test_a_scope_and_a_step_say_nothing_of_what_was_not_said() -> None:
    step, scope = step_of(0), scope_of(0, -1, "all")
    assert (step.tags, step.config, step.node, step.types) == ((), None, None, None)
    assert (scope.tags, scope.config, scope.node, scope.types) == ((), None, None, None)
    assert (scope.output, scope.is_run) == (-1, True)
    assert not hasattr(scope, "__dict__")
