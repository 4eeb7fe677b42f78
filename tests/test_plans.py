"""What a graph becomes for a driver of values: how each step is called, in which lane, and what waits for what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from verbs import one_after_another

from anabranch.engine.chunks import Algebra
from anabranch.engine.errors import GraphError, Stopped
from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Scope, Source, Step
from anabranch.engine.operators import Operator
from anabranch.scheduler.actions import (
    ASYNC,
    AWAIT,
    AWAIT_CONFIG,
    CALL,
    CONFIG,
    FLOW,
    INLINE,
    LOOP,
    SYNC,
    THREAD,
    Action,
    Mode,
    action_of,
)
from anabranch.scheduler.plans import Plan, plan_of
from anabranch.scheduler.sites import SITE, Site
from anabranch.scheduler.wiring import narrowed


def blocking(x: Any) -> Any:
    return x


async def waiting(x: Any) -> Any:
    return x


QUICK = Operator(name="quick", invoke=blocking, blocking=False)
SLOW = Operator(name="slow", invoke=blocking)
AWAITED = Operator(name="awaited", ainvoke=waiting)
VECTOR = Operator(name="vector", invoke=blocking, batch=lambda values, configs: values)


def graph(*parts: tuple[Operator, Source], output: Source | None = None, config: Any = None) -> Graph:
    """Steps with their sources, in a scope to which config may be bound; the last gives the output."""
    steps = tuple(Step(slot, operator, source, 0) for slot, (operator, source) in enumerate(parts))
    scope = Scope(0, -1, "whole", "sequence", INPUT_SLOT, config=config)
    return Graph(steps, (scope,), len(parts) - 1 if output is None else output)


def chain(*operators: Operator) -> Graph:
    return graph(*((operator, slot - 1) for slot, operator in enumerate(operators)))


def runs(plan: Plan) -> list[list[int]]:
    """The slots of each segment."""
    return [[step.slot for step in segment.steps] for segment in plan.segments]


# Segments


@one_after_another(
    ("operators", "wanted", "lanes"),
    [
        ([QUICK, QUICK], [[0, 1]], [INLINE]),
        ([SLOW, SLOW], [[0, 1]], [THREAD]),
        ([AWAITED, AWAITED], [[0, 1]], [LOOP]),
        ([QUICK, SLOW, QUICK], [[0, 1, 2]], [THREAD]),
        ([SLOW, QUICK, AWAITED], [[0, 1], [2]], [THREAD, LOOP]),
        ([AWAITED, QUICK, SLOW], [[0, 1], [2]], [LOOP, THREAD]),
        ([QUICK, AWAITED, SLOW, QUICK], [[0, 1], [2, 3]], [LOOP, THREAD]),
        ([QUICK, SLOW, AWAITED], [[0, 1], [2]], [THREAD, LOOP]),
        ([QUICK, VECTOR, QUICK], [[0], [1], [2]], [INLINE, THREAD, INLINE]),
        ([SLOW, AWAITED], [[0], [1]], [THREAD, LOOP]),
    ],
)
def test_under_asyncio_a_segment_keeps_to_one_lane(operators: list[Operator], wanted: Any, lanes: Any) -> None:
    plan = plan_of(chain(*operators), ASYNC)
    assert runs(plan) == wanted
    assert [segment.lane for segment in plan.segments] == lanes
    assert plan.straight == (len(wanted) == 1)


def test_a_blocking_driver_runs_any_step_where_it_is() -> None:
    plan = plan_of(chain(QUICK, AWAITED, SLOW), SYNC)
    assert runs(plan) == [[0, 1, 2]]
    assert plan.segments[0].lane is INLINE
    assert plan.straight
    assert plan.plain


def test_a_step_joins_the_one_before_it_if_nobody_else_reads_that() -> None:
    both = Join({"a": 0, "b": 1}, 0)
    assert runs(plan_of(graph((QUICK, -1), (QUICK, 0), (QUICK, both)), SYNC)) == [[0], [1], [2]]
    assert runs(plan_of(graph((QUICK, -1), (QUICK, 0), (QUICK, 1)), SYNC)) == [[0, 1, 2]]
    assert runs(plan_of(graph((QUICK, -1), (QUICK, -1), output=both), SYNC)) == [[0], [1]]
    assert runs(plan_of(graph((QUICK, -1), (QUICK, 0), output=both), SYNC)) == [[0], [1]]
    assert runs(plan_of(graph((QUICK, -1), (QUICK, 0), (QUICK, 0)), SYNC)) == [[0], [1], [2]]
    assert runs(plan_of(graph((QUICK, -1), (QUICK, -1), (QUICK, 0), output=2), SYNC)) == [[0, 2], [1]]


def test_a_plan_says_what_waits_for_what() -> None:
    both = Join({"a": 1, "b": 2, "c": INPUT_SLOT}, 0)
    plan = plan_of(graph((QUICK, -1), (QUICK, 0), (QUICK, 0), (QUICK, both)), SYNC)
    assert runs(plan) == [[0], [1], [2], [3]]
    assert plan.needs == (0, 1, 1, 2)
    assert plan.ready == (0,)
    assert [segment.feeds for segment in plan.segments] == [[1, 2], [3], [3], []]
    assert [segment.source for segment in plan.segments[:3]] == [INPUT_SLOT, 0, 0]
    assert plan.segments[3].recipe == ((-2, None, (("a", 1), ("b", 2), ("c", -1)), 0),)
    assert (plan.output.index, plan.output.source, plan.output.recipe, plan.output.steps) == (4, 3, (), ())
    assert plan.blank == (None, None, None, None)
    assert not plan.straight
    assert not plan.plain


def test_a_segment_that_reads_another_twice_waits_for_it_once() -> None:
    plan = plan_of(graph((QUICK, -1), (QUICK, Join({"a": 0, "b": 0}, 0))), SYNC)
    assert plan.needs == (0, 1)
    assert plan.segments[0].feeds == [1]


def test_a_join_in_a_join_is_gathered_first_and_once() -> None:
    inner = Join({"x": 0}, 0)
    plan = plan_of(graph((QUICK, -1), output=Join({"a": inner, "b": inner}, 0, base=inner)), SYNC)
    assert plan.output.recipe == ((-2, None, (("x", 0),), 0), (-3, -2, (("a", -2), ("b", -2)), 0))


def test_only_a_single_segment_from_the_input_to_the_output_is_straight() -> None:
    assert plan_of(chain(QUICK), SYNC).straight
    assert not plan_of(chain(VECTOR), SYNC).straight
    assert not plan_of(graph((QUICK, -1), output=Join({"a": 0}, 0)), SYNC).straight
    assert not plan_of(graph((QUICK, Join({"a": -1}, 0))), SYNC).straight
    assert not plan_of(graph((QUICK, -1), output=INPUT_SLOT), SYNC).straight


@one_after_another(
    ("operators", "sync", "asynchronous"),
    [
        ([SLOW], True, False),
        ([QUICK], True, False),
        ([AWAITED], True, True),
        ([AWAITED, QUICK], True, False),
        ([Operator(name="config", invoke=blocking, wants_config=True)], False, False),
        ([QUICK, Operator(name="config", invoke=blocking, wants_config=True)], False, False),
        ([Operator(name="object", ainvoke=lambda x: waiting(x))], True, False),
        ([Operator(name="flow", flow=blocking)], False, False),
    ],
)
def test_plain_is_what_is_nothing_but_functions_of_the_value(
    operators: list[Operator], sync: bool, asynchronous: bool
) -> None:
    made = chain(*operators)
    assert (plan_of(made, SYNC).plain, plan_of(made, ASYNC).plain) == (sync, asynchronous)
    assert plan_of(made, SYNC).straight
    assert plan_of(made, ASYNC).straight
    assert not plan_of(made, SYNC).bound


def test_what_has_config_bound_to_it_or_around_it_is_not_plain() -> None:
    for config in ({"tags": ["x"]}, {}):
        plans = [plan_of(graph((AWAITED, -1), config=config), mode) for mode in (SYNC, ASYNC)]
        bound = Graph((Step(0, AWAITED, -1, -1, config=config),), (), 0)  # type: ignore[arg-type]
        inside = Scope(1, 0, "inside", "sequence", INPUT_SLOT)
        around = Scope(0, -1, "around", "sequence", INPUT_SLOT, config=config)  # type: ignore[arg-type]
        nested = Graph((Step(0, AWAITED, -1, 1),), (around, inside), 0)
        plans += [plan_of(made, mode) for made in (bound, nested) for mode in (SYNC, ASYNC)]
        for plan in plans:
            assert plan.bound == plan.segments[0].actions[0].bound == bool(config)
            assert plan.plain == (not config)
            assert (plan.segments[0].calls is None) == bool(config)


def test_a_plan_is_made_once_for_a_graph_and_a_driver() -> None:
    made = chain(SLOW)
    assert plan_of(made, SYNC) is plan_of(made, SYNC)
    assert plan_of(made, ASYNC) is not plan_of(made, SYNC)
    assert (plan_of(made, SYNC).mode, plan_of(made, ASYNC).mode) == (SYNC, ASYNC)
    assert plan_of(made, SYNC).graph is made


# How a step is called


def chunks(x: Any) -> Iterator[Any]:
    yield x
    yield x


def chunk_wise(source: Iterator[Any]) -> Iterator[Any]:
    for chunk in source:
        yield chunk * 2


async def achunks(x: Any) -> AsyncIterator[Any]:
    yield x
    yield x


async def achunk_wise(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for chunk in source:
        yield chunk * 2


def batched(values: list[Any], configs: list[Any]) -> list[Any]:
    assert len(values) == len(configs)
    return [value + "b" for value in values]


async def abatched(values: list[Any], configs: list[Any]) -> list[Any]:
    assert len(values) == len(configs)
    return [value + "B" for value in values]


def doubled(x: Any) -> Any:
    return x + x


def action(mode: Mode, wants_config: bool = False, **forms: Any) -> Action:
    made = chain(Operator(name="step", wants_config=wants_config, **forms))
    return action_of(made.steps[0], made, mode)


def called(found: Action, *config: Any) -> Any:
    result = found.run("x", *config)
    return asyncio.run(awaited(result)) if found.kind in (AWAIT, AWAIT_CONFIG) else result


async def awaited(result: Any) -> Any:
    return await result


FORMS: list[tuple[dict[str, Any], Any, Any, Any]] = [
    # forms; kind and lane under asyncio; what comes of "x" there
    ({"invoke": doubled}, CALL, THREAD, "xx"),
    ({"invoke": doubled, "blocking": False}, CALL, INLINE, "xx"),
    ({"ainvoke": waiting}, AWAIT, LOOP, "x"),
    ({"invoke": doubled, "ainvoke": waiting}, AWAIT, LOOP, "x"),
    ({"invoke": doubled, "ainvoke": waiting, "blocking": False}, CALL, INLINE, "xx"),
    ({"invoke": doubled, "astream": achunks}, CALL, THREAD, "xx"),
    ({"map_chunk": doubled}, CALL, THREAD, "xx"),
    ({"map_chunk": doubled, "blocking": False}, CALL, INLINE, "xx"),
    ({"stream": chunks}, CALL, THREAD, "xx"),
    ({"stream": chunks, "astream": achunks}, AWAIT, LOOP, "xx"),
    ({"transform": chunk_wise}, CALL, THREAD, "xx"),
    ({"transform": chunk_wise, "atransform": achunk_wise}, AWAIT, LOOP, "xx"),
    ({"atransform": achunk_wise}, AWAIT, LOOP, "xx"),
    ({"astream": achunks, "atransform": waiting}, AWAIT, LOOP, "xx"),
    ({"batch": batched}, CALL, THREAD, "xb"),
    ({"abatch": abatched}, AWAIT, LOOP, "xB"),
    ({"invoke": doubled, "batch": batched}, CALL, THREAD, "xx"),
    ({"invoke": doubled, "batch": batched, "abatch": abatched}, AWAIT, LOOP, "xB"),
    ({"ainvoke": waiting, "batch": batched}, AWAIT, LOOP, "x"),
    ({"invoke": doubled, "ainvoke": waiting, "batch": batched}, AWAIT, LOOP, "x"),
    ({"invoke": doubled, "blocking": False, "batch": batched}, CALL, THREAD, "xx"),
]


@one_after_another(("forms", "kind", "lane", "result"), FORMS, ids=["+".join(each[0]) for each in FORMS])
def test_under_asyncio_the_best_form_is_called_where_it_may_run(forms: Any, kind: Any, lane: Any, result: Any) -> None:
    found = action(ASYNC, **forms)
    assert (found.kind, found.lane) == (kind, lane)
    assert called(found) == result


@one_after_another(
    ("forms", "result"),
    [
        ({"invoke": doubled, "map_chunk": waiting, "stream": waiting}, "xx"),
        ({"map_chunk": doubled, "stream": waiting}, "xx"),
        ({"stream": chunks, "transform": waiting}, "xx"),
        ({"transform": chunk_wise, "batch": waiting}, "xx"),
        ({"batch": batched, "ainvoke": waiting}, "xb"),
        ({"ainvoke": waiting, "astream": achunks}, "x"),
        ({"astream": achunks}, "xx"),
        ({"atransform": achunk_wise, "abatch": abatched}, "xx"),
        ({"abatch": abatched}, "xB"),
    ],
    ids=["invoke", "map_chunk", "stream", "transform", "batch", "ainvoke", "astream", "atransform", "abatch"],
)
def test_a_blocking_driver_calls_a_form_of_its_own_or_goes_by_the_portal(forms: Any, result: Any) -> None:
    found = action(SYNC, **forms)
    assert (found.kind, found.lane) == (CALL, INLINE)
    assert found.run("x") == result


@one_after_another(("forms", "kind", "lane", "result"), FORMS, ids=["+".join(each[0]) for each in FORMS])
def test_a_form_that_takes_the_config_gets_it(forms: Any, kind: Any, lane: Any, result: Any) -> None:
    if "map_chunk" in forms:
        return  # which takes none
    taken: list[Any] = []

    def taking(form: Any) -> Callable[..., Any]:
        def take(*arguments: Any) -> Any:
            if form in (batched, abatched):
                taken.extend(arguments[1])
                return form(*arguments)
            taken.extend(arguments[1:])
            return form(arguments[0])

        return take

    told = {name: taking(form) if callable(form) else form for name, form in forms.items()}
    found = action(ASYNC, wants_config=True, **told)
    assert (found.kind, found.lane) == (CONFIG if kind is CALL else AWAIT_CONFIG, lane)
    assert called(found, "config") == result
    assert action(SYNC, wants_config=True, **told).kind is CONFIG
    action(SYNC, wants_config=True, **told).run("x", "config")
    assert taken == ["config", "config"]


def test_a_vectorised_form_without_config_gets_a_list_of_none() -> None:
    taken: list[Any] = []

    def batch(values: list[Any], configs: list[Any]) -> list[Any]:
        taken.append((values, configs))
        return values

    async def abatch(values: list[Any], configs: list[Any]) -> list[Any]:
        return batch(values, configs)

    action(SYNC, batch=batch).run(1)
    called(action(ASYNC, abatch=abatch))
    assert taken == [([1], [None]), (["x"], [None])]


@pytest.mark.parametrize(
    ("forms", "sync", "asynchronous"),
    [
        ({"invoke": doubled, "batch": batched}, batched, batched),
        ({"invoke": doubled, "abatch": abatched}, None, abatched),
        ({"batch": batched, "abatch": abatched}, batched, abatched),
        ({"ainvoke": waiting, "batch": batched}, batched, None),
        ({"invoke": doubled}, None, None),
    ],
)
def test_the_vectorised_form_is_the_driver_s_own(forms: Any, sync: Any, asynchronous: Any) -> None:
    assert (action(SYNC, **forms).vector, action(ASYNC, **forms).vector) == (sync, asynchronous)


def test_a_call_step_is_its_flow_for_either_driver() -> None:
    for mode in (SYNC, ASYNC):
        found = action(mode, flow=doubled, invoke=waiting)
        assert (found.kind, found.lane, found.run) == (FLOW, INLINE, doubled)


@pytest.mark.parametrize("mode", [SYNC, ASYNC])
def test_a_step_without_any_form_is_refused_by_name(mode: Mode) -> None:
    with pytest.raises(GraphError, match="step 'step' has no form"):
        action(mode)


class Pieces:
    """Chunks that know whether they were closed."""

    def __init__(self, *made: Any) -> None:
        self.left = list(made)
        self.closed = 0

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        return self.left.pop(0)

    def close(self) -> None:
        self.closed += 1


class APieces(Pieces):
    def __aiter__(self) -> APieces:
        return self

    async def __anext__(self) -> Any:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)

    async def aclose(self) -> None:
        self.closed += 1


def test_chunks_are_added_up_by_the_step_s_algebra_and_closed() -> None:
    for algebra, wanted in ((None, "abc"), (Algebra.SNAPSHOTS, "c")):
        pieces, apieces = Pieces("a", "b", "c"), APieces("a", "b", "c")
        assert action(SYNC, stream=lambda _, made=pieces: made, algebra=algebra).run(1) == wanted
        assert called(action(ASYNC, astream=lambda _, made=apieces: made, algebra=algebra)) == wanted
        assert (pieces.closed, apieces.closed) == (1, 1)


def test_chunks_that_do_not_add_up_are_closed_and_the_step_is_named() -> None:
    pieces, apieces = Pieces("a", 1), APieces("a", 1)
    with pytest.raises(TypeError, match="step"):
        action(SYNC, stream=lambda _: pieces).run(1)
    with pytest.raises(TypeError, match="step"):
        called(action(ASYNC, astream=lambda _: apieces))
    assert (pieces.closed, apieces.closed) == (1, 1)


def test_adding_up_ends_at_the_chunk_after_a_stop() -> None:
    site, pieces = Site(None, chain(SLOW)), Pieces("a", "b", "c")
    fold = action(SYNC, stream=lambda _: pieces)
    token = SITE.set(site)
    try:
        site.stop()
        with pytest.raises(Stopped):
            fold.run(1)
    finally:
        SITE.reset(token)
    assert (pieces.left, pieces.closed) == (["b", "c"], 1)


# Wiring


def reading(*keys: str, optional: tuple[str, ...] = ()) -> Operator:
    return Operator(name="reads", invoke=blocking, reads=frozenset(keys), optional=frozenset(optional))


def test_a_step_is_fed_by_the_ports_that_it_reads() -> None:
    join = Join({"a": 0, "b": 1, "c": 2}, 5)
    found = narrowed(join, reading("a", "c"))
    assert isinstance(found, Join)
    assert (dict(found.ports), found.scope, found.base) == ({"a": 0, "c": 2}, 5, None)
    assert narrowed(join, SLOW) is join
    assert narrowed(0, reading("a")) == 0
    assert narrowed(join, reading("a", "z")) is join
    missing = narrowed(join, reading("a", "z", optional=("z",)))
    assert isinstance(missing, Join)
    assert dict(missing.ports) == {"a": 0}


def test_keys_are_found_in_the_base_of_a_join_and_the_outer_one_hides_it() -> None:
    join = Join({"a": 3}, 0, base=Join({"a": 0, "b": 1, "c": 2}, 1))
    found = narrowed(join, reading("a", "b"))
    assert isinstance(found, Join)
    assert dict(found.ports) == {"a": 3, "b": 1}
    assert narrowed(join, reading("a", "z")) is join


def test_a_join_on_what_may_be_no_dict_is_waited_for_as_a_whole() -> None:
    opaque = Join({"a": 0}, 0, base=1)
    for join in (opaque, Join({"a": 0, "b": 3}, 0, base=opaque)):
        assert narrowed(join, reading("a")) is join
        assert narrowed(join, reading("b")) is join
        assert narrowed(join, reading("z", optional=("z",))) is join
