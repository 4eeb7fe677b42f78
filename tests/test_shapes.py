"""What is known of a graph before it is listened to: what stands in which scope, who feeds it, and what is a fact."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from verbs import one_after_another

from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Scope, Step
from anabranch.engine.operators import Operator
from anabranch.engine.runs import RunInfo
from anabranch.engine.trace_laws import Recorder
from anabranch.nodes import RunnableLambda, RunnableParallel
from anabranch.scheduler.shapes import (
    ends_at_once,
    scopes_around,
    shape_of,
    starts_early,
    tells_chunks,
)


def same(x: Any) -> Any:
    return x


def pieces(x: Any) -> Iterator[Any]:
    yield x


async def apieces(x: Any) -> AsyncIterator[Any]:
    yield x


def step(slot: int, source: Any, scope: int, name: str = "step") -> Step:
    return Step(slot, Operator(name=name, invoke=same), source, scope)


def nested() -> Graph:
    """A step in the root, and a dict of a step and of a sequence of two."""
    scopes = (
        Scope(0, -1, "root", "sequence", INPUT_SLOT),
        Scope(1, 0, "dict", "parallel", 0),
        Scope(2, 1, "inner", "sequence", 0),
    )
    both = Join({"a": 1, "b": 3}, 1)
    scopes[0].output, scopes[1].output, scopes[2].output = both, both, 3
    steps = (step(0, INPUT_SLOT, 0), step(1, 0, 1), step(2, 0, 2, "two"), step(3, 2, 2))
    return Graph(steps, scopes, both)


def test_each_step_knows_the_scopes_around_it_the_innermost_first() -> None:
    made = nested()
    shape = shape_of(made)
    assert [each.scopes for each in shape.steps] == [(0,), (1, 0), (2, 1, 0), (2, 1, 0)]
    assert [each.name for each in shape.steps] == ["step", "step", "two", "step"]
    assert scopes_around(made, 2) == (2, 1, 0)
    assert scopes_around(made, -1) == ()
    assert [scope.steps for scope in shape.scopes] == [4, 3, 2]
    assert shape_of(made) is shape


def test_a_slot_feeds_the_outputs_of_scopes_the_inner_ones_first_but_not_that_of_the_root() -> None:
    shape = shape_of(nested())
    assert shape.has_root_scope
    assert shape.feeds == {1: [(1, 0)], 3: [(2, 0), (1, 1)]}
    assert shape.kept == {INPUT_SLOT, 0, 1, 3}
    assert [scope.source.slots for scope in shape.scopes] == [(INPUT_SLOT,), (0,), (0,)]
    assert [scope.output.slots for scope in shape.scopes] == [(1, 3), (1, 3), (3,)]


def test_a_graph_with_a_step_outside_of_all_scopes_has_no_root_scope() -> None:
    inner = Scope(0, -1, "inner", "sequence", INPUT_SLOT, output=0)
    shape = shape_of(Graph((step(0, INPUT_SLOT, 0), step(1, 0, -1)), (inner,), 1))
    assert not shape.has_root_scope
    assert shape.feeds == {0: [(0, 0)]}
    assert shape.kept == {INPUT_SLOT, 0}
    alone = shape_of(Graph((step(0, INPUT_SLOT, -1),), (), 0))
    assert not alone.has_root_scope
    assert not alone.feeds
    assert alone.kept == {INPUT_SLOT}


KINDS: list[tuple[dict[str, Any], bool, bool, bool]] = [
    # an operator; whether its run starts at its first chunk, tells of its chunks, and ends before its output goes on
    ({"invoke": same}, False, False, True),
    ({"invoke": same, "expands": True}, True, True, True),
    ({"map_chunk": same}, True, True, True),
    ({"transform": pieces}, True, True, True),
    ({"atransform": apieces}, True, True, True),
    ({"stream": pieces}, False, True, False),
    ({"astream": apieces}, False, True, False),
    ({"transform": pieces, "stream": pieces}, True, True, False),
    ({"flow": same}, False, False, False),
    ({"flow": same, "streams": False}, False, False, True),
    ({"flow": same, "whole": False}, True, False, False),
    ({"flow": same, "is_run": False}, False, False, False),
    ({"flow": same, "whole": False, "is_run": False}, True, True, False),
    ({"invoke": same, "is_run": False}, False, False, False),
    *(({"transform": pieces, "run_type": kind}, False, False, True) for kind in ("prompt", "retriever", "tool", "llm")),
    ({"transform": pieces, "run_type": "chat_model"}, False, False, True),
    ({"transform": pieces, "run_type": "parser"}, True, True, True),
    ({"stream": pieces, "run_type": "llm"}, False, True, False),
    ({"flow": same, "whole": False, "run_type": "tool"}, True, False, False),
]


@one_after_another(("forms", "early", "tells", "at_once"), KINDS)
def test_when_a_run_starts_and_ends_and_what_it_tells(forms: Any, early: bool, tells: bool, at_once: bool) -> None:
    operator = Operator(name="step", **forms)
    assert starts_early(operator) == early
    assert tells_chunks(operator) == tells
    made = Graph((Step(0, operator, INPUT_SLOT, -1),), (), 0)
    assert shape_of(made).steps[0].tells_chunks == tells
    run = _run()
    run.tells_chunks = False
    assert ends_at_once(made.steps[0], run) == at_once
    run.tells_chunks = True
    assert not ends_at_once(made.steps[0], run)


def _run() -> RunInfo:
    recorder = Recorder()
    RunnableLambda(same).invoke(1, {"callbacks": [recorder]})
    return recorder.facts[0][1]


def test_a_composed_chain_s_scopes_are_those_that_it_names() -> None:
    chain = RunnableLambda(same) | RunnableParallel(a=RunnableLambda(same) | same, b=same)
    made = chain.__graph__
    shape = shape_of(made)
    assert shape.has_root_scope
    names = [scope.name for scope in made.scopes]
    assert names[0] == "RunnableSequence"
    assert [names[at] for at in shape.steps[1].scopes] == ["RunnableSequence", "RunnableParallel<a,b>", names[0]]
