"""What a graph becomes for chunks: stages, loops and their phases, inlets, and who reads whom."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from anabranch.engine.chunks import Algebra
from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Scope, Source, Step
from anabranch.engine.operators import Operator
from anabranch.scheduler.actions import ASYNC, LOOP, SYNC, THREAD
from anabranch.scheduler.plans import Segment
from anabranch.scheduler.stages import DEEPEST, ChunkPlan, Loop, Stage, Through, Trial, chunk_plan_of


def same(x: Any) -> Any:
    return x


async def asame(x: Any) -> Any:
    return x


def pieces(x: Any) -> Iterator[Any]:
    yield x


async def apieces(x: Any) -> AsyncIterator[Any]:
    yield x


FUNCTION = Operator(name="function", invoke=same)
QUICK = Operator(name="quick", invoke=same, blocking=False)
AWAITED = Operator(name="awaited", ainvoke=asame)
CONFIG = Operator(name="config", invoke=same, wants_config=True)
MAP = Operator(name="map", map_chunk=same, blocking=False)
STREAM = Operator(name="stream", stream=pieces)
ASTREAM = Operator(name="astream", astream=apieces)
THROUGH = Operator(name="through", transform=pieces)
ATHROUGH = Operator(name="athrough", atransform=apieces)
CALLS = Operator(name="calls", flow=same)
TRIES = Operator(name="tries", flow=same, whole=False)


def graph(*parts: tuple[Operator, Source], output: Source | None = None, config: Any = None) -> Graph:
    steps = tuple(Step(slot, operator, source, 0) for slot, (operator, source) in enumerate(parts))
    scope = Scope(0, -1, "whole", "sequence", INPUT_SLOT, config=config)
    return Graph(steps, (scope,), len(parts) - 1 if output is None else output)


def chain(*operators: Operator, config: Any = None) -> Graph:
    return graph(*((operator, slot - 1) for slot, operator in enumerate(operators)), config=config)


def slots(plan: ChunkPlan) -> list[list[int]]:
    return [[step.slot for step in segment.steps] for segment in plan.segments]


def shown(stage: Stage) -> Any:
    """A stage in short: a loop as its phases, each with the maps before it, and the maps behind them."""
    if not isinstance(stage, Loop):
        return (type(stage).__name__, stage.step.slot)
    phases = []
    for phase in stage.phases:
        given: list[Any] = [each for each in (phase.values, phase.stream, phase.flow) if each is not None]
        (only,) = given
        made = [step.slot for step in only.steps] if isinstance(only, Segment) else only.slot
        phases.append(([step.slot for step in phase.maps], made))
    return (phases, [step.slot for step in stage.maps])


def stages(*operators: Operator, mode: Any = SYNC, heard: bool = False) -> list[Any]:
    plan = chunk_plan_of(chain(*operators), mode, heard)
    assert plan.straight
    return [shown(stage) for stage in plan.segments[0].stages]


# Stages


def test_functions_one_after_the_other_are_one_phase_unless_somebody_listens() -> None:
    assert stages(FUNCTION, FUNCTION, FUNCTION) == [([([], [0, 1, 2])], [])]
    assert stages(FUNCTION, FUNCTION, heard=True) == [([([], [0]), ([], [1])], [])]


def test_a_phase_keeps_to_one_lane_as_a_segment_of_values_does() -> None:
    assert stages(QUICK, FUNCTION, QUICK, AWAITED, QUICK, mode=ASYNC) == [([([], [0, 1, 2]), ([], [3, 4])], [])]
    assert stages(QUICK, FUNCTION, AWAITED, mode=ASYNC) == [([([], [0, 1]), ([], [2])], [])]
    assert stages(FUNCTION, QUICK, AWAITED, mode=ASYNC) == [([([], [0, 1]), ([], [2])], [])]
    loop = chunk_plan_of(chain(QUICK, AWAITED, FUNCTION), ASYNC).segments[0].stages[0]
    assert isinstance(loop, Loop)
    assert [phase.values.lane for phase in loop.phases if phase.values] == [LOOP, THREAD]


def test_what_makes_chunks_is_a_phase_of_its_own() -> None:
    assert stages(FUNCTION, STREAM, FUNCTION, FUNCTION) == [([([], [0]), ([], 1), ([], [2, 3])], [])]
    assert stages(ASTREAM, FUNCTION) == [([([], 0), ([], [1])], [])]
    assert stages(CALLS, FUNCTION) == [([([], 0), ([], [1])], [])]


def test_chunk_maps_stand_before_the_phase_that_they_feed_or_at_the_end() -> None:
    assert stages(MAP, MAP) == [([], [0, 1])]
    assert stages(MAP, FUNCTION, MAP, MAP, STREAM, MAP) == [([([0], [1]), ([2, 3], 4)], [5])]
    assert stages(FUNCTION, MAP, FUNCTION) == [([([], [0]), ([1], [2])], [])]


def test_what_maps_an_iterator_is_a_stage_between_loops() -> None:
    assert stages(THROUGH, ATHROUGH) == [("Through", 0), ("Through", 1)]
    assert stages(FUNCTION, THROUGH, MAP, MAP, TRIES, FUNCTION) == [
        ([([], [0])], []),
        ("Through", 1),
        ([], [2, 3]),
        ("Trial", 4),
        ([([], [5])], []),
    ]


def test_a_call_step_gets_its_input_as_it_comes_where_it_may_need_it_again() -> None:
    assert stages(TRIES) == [("Trial", 0)]
    assert stages(CALLS) == [([([], 0)], [])]
    both = Operator(name="both", flow=same, whole=False, transform=pieces, map_chunk=same)
    assert stages(both) == [("Trial", 0)]
    whole = Operator(name="whole", flow=same, transform=pieces, map_chunk=same)
    assert stages(whole) == [([([], 0)], [])]
    assert stages(Operator(name="maps", transform=pieces, map_chunk=same)) == [([], [0])]


def test_a_phase_is_known_by_its_step_and_a_loop_by_all_of_them() -> None:
    loop = chunk_plan_of(chain(FUNCTION, FUNCTION, STREAM, MAP, CALLS), SYNC).segments[0].stages[0]
    assert isinstance(loop, Loop)
    assert [phase.step.slot for phase in loop.phases] == [0, 2, 4]
    assert [phase.reader for phase in loop.phases] == ["function", "stream", "calls"]
    assert [step.slot for step in loop.steps] == [0, 1, 2, 3, 4]


def test_what_is_folded_has_the_algebra_of_the_step_before() -> None:
    telling = Operator(name="telling", stream=pieces, algebra=Algebra.SNAPSHOTS)
    for reader in (FUNCTION, STREAM, CALLS):
        loop = chunk_plan_of(chain(telling, reader, reader), SYNC, heard=True).segments[0].stages[0]
        assert isinstance(loop, Loop)
        assert [phase.algebra for phase in loop.phases] == [None, Algebra.SNAPSHOTS, None]


def test_functions_of_one_kind_alone_are_called_the_short_way() -> None:
    def calls(*operators: Operator, mode: Any = SYNC) -> Any:
        loop = chunk_plan_of(chain(*operators), mode).segments[0].stages[0]
        assert isinstance(loop, Loop)
        (phase,) = loop.phases
        assert phase.values is not None
        assert [action.step.slot for action in phase.values.actions] == list(range(len(operators)))
        return phase.values.calls

    assert calls(FUNCTION) == (same,)
    assert calls(FUNCTION, FUNCTION) == (same, same)
    assert calls(CONFIG) is None
    assert calls(FUNCTION, CONFIG) is None
    assert calls(CONFIG, FUNCTION) is None
    assert calls(FUNCTION, CONFIG, FUNCTION) is None
    assert calls(AWAITED, AWAITED, mode=ASYNC) == (asame, asame)
    assert calls(AWAITED, QUICK, mode=ASYNC) is None
    assert calls(QUICK, AWAITED, mode=ASYNC) is None


@pytest.mark.parametrize("config", [None, {"tags": ["x"]}])
def test_a_stage_knows_whether_config_is_bound_to_its_step(config: Any) -> None:
    plan = chunk_plan_of(chain(THROUGH, TRIES, config=config), SYNC)
    through, trial = plan.segments[0].stages
    assert isinstance(through, Through)
    assert isinstance(trial, Trial)
    assert through.bound == trial.bound == bool(config)


def test_a_run_is_cut_before_it_nests_too_many_generators() -> None:
    def lengths(*operators: Operator) -> list[int]:
        return [len(segment.steps) for segment in chunk_plan_of(chain(*operators), SYNC).segments]

    most = (DEEPEST - 1) // 2
    assert lengths(*[THROUGH] * most) == [most, 0]
    assert lengths(*[THROUGH] * (most + 1)) == [most, 1, 0]
    assert lengths(*[THROUGH] * (2 * most + 1)) == [most, most, 1, 0]
    assert lengths(*[TRIES] * (most + 1)) == [most, 1, 0]
    for free in (FUNCTION, MAP, STREAM, CALLS):
        assert lengths(*[free] * 300) == [300, 0]
        assert lengths(free, *[THROUGH] * most) == [most + 1, 0]
        assert lengths(*[THROUGH] * most, free) == [most + 1, 0]


# Segments


def test_what_is_read_more_than_once_or_as_a_dict_begins_a_segment() -> None:
    pair = Join({"a": 1, "b": 2}, 0)
    plan = chunk_plan_of(graph((THROUGH, -1), (MAP, 0), (FUNCTION, 0), (THROUGH, pair)), SYNC)
    assert slots(plan) == [[0], [1], [2], [3], []]
    assert [segment.index for segment in plan.segments] == [0, 1, 2, 3, 4]
    assert plan.input_feeds == [(0, 0)]
    assert [segment.feeds for segment in plan.segments] == [[(1, 0), (2, 0)], [(3, 0)], [(3, 1)], [(4, 0)], []]
    assert [segment.folds for segment in plan.segments] == [False, False, True, False, False]
    assert plan.tail is plan.segments[3]
    assert not plan.straight


@pytest.mark.parametrize(
    ("operator", "folds"),
    [
        (FUNCTION, True),
        (STREAM, True),
        (CALLS, True),
        (MAP, False),
        (THROUGH, False),
        (ATHROUGH, False),
        (TRIES, False),
    ],
    ids=lambda each: each.name if isinstance(each, Operator) else "",
)
def test_what_needs_its_whole_input_folds(operator: Operator, folds: bool) -> None:
    assert chunk_plan_of(chain(operator, FUNCTION), SYNC).segments[0].folds == folds


def test_only_one_segment_from_the_input_to_the_output_is_straight() -> None:
    assert chunk_plan_of(chain(MAP), SYNC).straight
    assert not chunk_plan_of(graph((MAP, Join({"a": INPUT_SLOT}, 0))), SYNC).straight
    assert not chunk_plan_of(graph((MAP, -1), output=Join({"a": 0}, 0)), SYNC).straight
    assert not chunk_plan_of(graph((MAP, -1), output=INPUT_SLOT), SYNC).straight


def test_the_tail_is_what_gives_the_output_and_nothing_else() -> None:
    assert chunk_plan_of(graph((MAP, -1), output=INPUT_SLOT), SYNC).tail is None
    assert chunk_plan_of(graph((MAP, -1), output=Join({"a": 0}, 0)), SYNC).tail is None
    assert chunk_plan_of(graph((MAP, -1), (MAP, 0), output=0), SYNC).tail is None
    plan = chunk_plan_of(graph((MAP, -1), (MAP, -1)), SYNC)
    assert plan.tail is plan.segments[1]
    assert plan.input_feeds == [(0, 0), (1, 0)]
    assert not plan.straight


def test_a_plan_for_chunks_is_made_once_for_a_graph_a_driver_and_who_listens() -> None:
    made = chain(FUNCTION, FUNCTION)
    plans = [chunk_plan_of(made, mode, heard) for mode in (SYNC, ASYNC) for heard in (False, True)]
    assert len({id(plan) for plan in plans}) == 4
    assert plans == [chunk_plan_of(made, mode, heard) for mode in (SYNC, ASYNC) for heard in (False, True)]
    assert [plan.mode for plan in plans] == [SYNC, SYNC, ASYNC, ASYNC]
    assert all(plan.graph is made for plan in plans)


# Algebras


SNAPSHOTS = Operator(name="snapshots", stream=pieces, algebra=Algebra.SNAPSHOTS)
PASSES = Operator(name="RunnablePassthrough", map_chunk=same)
PICKS = Operator(name="picks", map_chunk=same, picks="a")


def test_a_passthrough_and_what_picks_one_key_keep_the_algebra() -> None:
    both = Join({"a": 0, "b": 1}, 0)

    def algebra(*parts: tuple[Operator, Source]) -> Algebra | None:
        plan = chunk_plan_of(graph(*parts), SYNC)
        assert plan.algebra is plan.segments[-2].algebra
        return plan.algebra

    assert algebra((SNAPSHOTS, -1)) is Algebra.SNAPSHOTS
    assert algebra((SNAPSHOTS, -1), (MAP, 0)) is None
    assert algebra((SNAPSHOTS, -1), (PASSES, 0)) is Algebra.SNAPSHOTS
    assert algebra((PASSES, -1)) is None
    assert algebra((SNAPSHOTS, -1), (PASSES, Join({"a": 0}, 0))) is None
    assert algebra((SNAPSHOTS, -1), (MAP, -1), (PICKS, both)) is Algebra.SNAPSHOTS
    assert algebra((MAP, -1), (SNAPSHOTS, -1), (PICKS, both)) is None
    assert algebra((SNAPSHOTS, -1), (PICKS, 0)) is None
    assert algebra((SNAPSHOTS, -1), (PICKS, Join({"b": 0}, 0))) is None
    assert algebra((SNAPSHOTS, -1), (PICKS, Join({"a": Join({"x": 0}, 0)}, 0))) is None
    own = Operator(name="own", map_chunk=same, picks="a", algebra=Algebra.ADDITIVE)
    assert algebra((SNAPSHOTS, -1), (MAP, -1), (own, both)) is Algebra.ADDITIVE


def test_leaves_and_outputs_have_the_algebra_of_who_feeds_them() -> None:
    plan = chunk_plan_of(graph((SNAPSHOTS, -1), (MAP, -1), output=Join({"a": 0, "b": 1}, 0)), SYNC)
    assert plan.algebra is None
    assert [leaf.algebra for leaf in plan.segments[-1].ports.leaves] == [Algebra.SNAPSHOTS, None]
    assert [segment.algebra for segment in plan.segments] == [Algebra.SNAPSHOTS, None, None]


def test_the_algebra_of_a_segment_is_that_of_its_last_step() -> None:
    assert chunk_plan_of(chain(SNAPSHOTS, MAP), SYNC).segments[0].algebra is None
    assert chunk_plan_of(chain(MAP, SNAPSHOTS), SYNC).segments[0].algebra is Algebra.SNAPSHOTS
