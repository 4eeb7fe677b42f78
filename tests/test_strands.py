"""The state of a stream of several segments: who is ready, who is read, who is woken, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from anabranch.engine.chunks import AddableDict
from anabranch.engine.errors import StepInputError, Stopped
from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Scope, Source, Step
from anabranch.engine.operators import Operator
from anabranch.scheduler.actions import SYNC
from anabranch.scheduler.inlets import FlowInlet, FoldInlet
from anabranch.scheduler.sites import Site
from anabranch.scheduler.stages import chunk_plan_of
from anabranch.scheduler.strands import DEFAULT_CAPACITY, State, Strand, Strands


def same(x: Any) -> Any:
    return x


def pieces(x: Any) -> Iterator[Any]:
    yield x


FOLDS = Operator(name="folds", invoke=same)
MAPS = Operator(name="maps", map_chunk=same)
THROUGH = Operator(name="through", transform=pieces)


def strands_of(*parts: tuple[Operator, Source], output: Source | None = None, capacity: int = 2) -> Strands:
    steps = tuple(Step(slot, operator, source, 0) for slot, (operator, source) in enumerate(parts))
    scope = Scope(0, -1, "whole", "sequence", INPUT_SLOT)
    made = Graph(steps, (scope,), len(parts) - 1 if output is None else output)
    return Strands(chunk_plan_of(made, SYNC), capacity)


def pair(capacity: int = 2) -> Strands:
    """A generator, two readers of it, one of which folds, and the dict of these."""
    both = Join({"a": 1, "b": 2}, 0)
    return strands_of((THROUGH, -1), (MAPS, 0), (FOLDS, 0), output=both, capacity=capacity)


def states(strands: Strands) -> list[str]:
    return [strand.state.value for strand in strands.all]


def ready(strands: Strands) -> list[int]:
    """Those that became ready, by index; -1 is the source."""
    found = [-1 if strand is strands.source else strands.all.index(strand) for strand in strands.newly_ready]
    strands.newly_ready.clear()
    return found


class Waker:
    """Counts how often somebody was woken."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


# At the beginning


def test_a_strand_has_the_inlet_that_its_segment_needs() -> None:
    strands = pair(capacity=5)
    generator, maps, folds, outlet = strands.all
    assert generator.inlet is None
    assert isinstance(maps.inlet, FlowInlet)
    assert maps.inlet.capacity == 5
    assert isinstance(folds.inlet, FoldInlet)
    assert isinstance(outlet.inlet, FlowInlet)
    assert strands.outlet is outlet
    assert strands.tail is None
    assert strands.direct
    assert DEFAULT_CAPACITY == 16


def test_whoever_reads_the_input_alone_reads_it_itself() -> None:
    assert strands_of((FOLDS, -1)).direct
    assert not strands_of((FOLDS, -1), (FOLDS, -1)).direct
    assert not strands_of((FOLDS, Join({"a": INPUT_SLOT}, 0))).direct
    one = strands_of((FOLDS, -1))
    assert one.all[0].inlet is None
    assert one.source.feeds == []
    shared = strands_of((FOLDS, -1), (MAPS, -1), output=Join({"a": 0, "b": 1}, 0))
    assert [strand.inlet is None for strand in shared.all] == [False, False, False]
    assert shared.source.feeds == [(shared.all[0], 0), (shared.all[1], 0)]


def test_what_reads_the_input_itself_is_ready_at_once() -> None:
    strands = pair()
    assert states(strands) == ["waiting"] * 4
    assert strands.backlog == 0
    strands.open()
    assert states(strands) == ["ready", "waiting", "waiting", "waiting"]
    assert ready(strands) == [0]
    assert strands.backlog == 1
    assert strands.source.state is State.OVER
    assert not strands.over


def test_what_shares_the_input_waits_for_it() -> None:
    strands = strands_of((MAPS, -1), (FOLDS, -1), output=Join({"a": 0, "b": 1}, 0))
    strands.open()
    assert states(strands) == ["waiting"] * 3
    assert ready(strands) == []
    assert strands.source.state is State.WAITING
    strands.put(strands.source, "x")
    assert ready(strands) == [0]
    strands.end(strands.source)
    assert ready(strands) == [1]


def test_opening_makes_nothing_ready_that_has_begun() -> None:
    strands = pair()
    strands.all[0].state = State.RUNNING
    strands.open()
    assert ready(strands) == []


# Chunks


def test_the_first_chunk_makes_a_reader_ready_and_the_end_one_that_folds() -> None:
    strands = pair()
    strands.open()
    generator = strands.all[0]
    generator.state = State.RUNNING
    ready(strands)
    assert strands.put(generator, "x") is None
    assert ready(strands) == [1]
    assert strands.put(generator, "y") is None
    assert ready(strands) == []
    strands.end(generator)
    assert ready(strands) == [2]
    assert states(strands) == ["over", "ready", "ready", "waiting"]
    strands.put(strands.all[1], "z")
    assert states(strands) == ["over", "ready", "ready", "ready"]
    assert ready(strands) == []  # the outlet is the consumer's


def test_a_reader_without_room_is_answered_and_the_chunk_is_put_to_each_reader_once() -> None:
    both = Join({"a": 1, "b": 2}, 0)
    strands = strands_of((THROUGH, -1), (FOLDS, 0), (MAPS, 0), output=both, capacity=1)
    generator, folds, maps, _ = strands.all
    assert folds.inlet is not None
    assert maps.inlet is not None
    assert strands.put(generator, "x") is None
    assert strands.put(generator, "y") is maps
    assert strands.put(generator, "y") is maps
    assert isinstance(maps.inlet, FlowInlet)
    assert maps.inlet.take() == "x"
    assert strands.put(generator, "y") is None
    assert maps.inlet.take() == "y"
    strands.end(generator)
    assert isinstance(folds.inlet, FoldInlet)
    assert folds.inlet.value() == "xy"
    assert strands.put(generator, "late") is None  # nobody was told of a delivery that stands still
    assert generator.at == 0


def test_a_chunk_may_be_put_by_force() -> None:
    strands = strands_of((MAPS, -1), (MAPS, -1), output=Join({"a": 0, "b": 1}, 0), capacity=1)
    for chunk in "abc":
        assert strands.put(strands.source, chunk, force=True) is None
    assert strands.all[1].inlet is not None
    assert strands.all[1].inlet.statistics() == {"waiting": 3, "held": 0}
    assert strands.put(strands.source, "d") is strands.all[0]


def test_who_is_over_gets_nothing_more() -> None:
    strands = pair()
    generator, maps, folds, _ = strands.all
    assert maps.inlet is not None
    strands.end(maps)
    assert maps.inlet.detached
    assert strands.put(generator, "x") is None
    assert maps.inlet.statistics()["waiting"] == 0
    strands.end(generator)
    assert maps.inlet.statistics()["waiting"] == 0
    assert isinstance(folds.inlet, FoldInlet)
    assert folds.inlet.value() == "x"


def test_whoever_waits_for_a_chunk_is_woken_by_the_next_one_or_by_the_end_once() -> None:
    strands = pair()
    generator, maps, folds, _ = strands.all
    maps.getter, folds.getter = first, other = Waker(), Waker()
    strands.put(generator, "x")
    assert (first.count, other.count) == (1, 1)
    assert maps.getter is None
    strands.put(generator, "y")
    assert first.count == 1
    maps.getter = last = Waker()
    strands.end(generator)
    assert last.count == 1


def test_a_getter_may_leave_another_while_it_is_woken() -> None:
    strands = pair()
    later = Waker()
    maps = strands.all[1]

    def again() -> None:
        maps.getter = later

    maps.getter = again
    strands.put(strands.all[0], "x")
    assert maps.getter is later
    assert later.count == 0


def test_one_who_waits_for_room_is_woken_for_each_chunk_taken_the_first_first() -> None:
    strands = pair()
    maps = strands.all[1]
    first, second = Waker(), Waker()
    maps.putters.extend([first, second])
    strands.took(maps)
    assert (first.count, second.count) == (1, 0)
    strands.took(maps)
    strands.took(maps)
    assert (first.count, second.count) == (1, 1)


def test_all_who_wait_for_room_are_woken_when_their_reader_is_over() -> None:
    strands = pair()
    maps = strands.all[1]
    wakers = [Waker(), Waker()]
    maps.putters.extend(wakers)
    strands.end(maps)
    assert [waker.count for waker in wakers] == [1, 1]
    assert not maps.putters


def test_a_strand_is_read_while_one_of_its_readers_is_there() -> None:
    strands = pair()
    generator, maps, folds, outlet = strands.all
    assert strands.is_read(generator)
    strands.end(maps)
    assert strands.is_read(generator)
    strands.end(folds)
    assert not strands.is_read(generator)
    assert strands.is_read(folds)
    assert outlet.inlet is not None
    outlet.inlet.detached = True
    assert not strands.is_read(folds)


def test_what_nobody_ever_read_is_read_on() -> None:
    strands = strands_of((THROUGH, -1), (MAPS, -1), output=0)
    assert strands.all[1].feeds == []
    assert strands.is_read(strands.all[1])


def test_who_folds_for_one_who_folds_waits_for_nobody() -> None:
    folded = Join({"a": 0, "b": INPUT_SLOT}, 0)
    strands = strands_of((FOLDS, -1), (FOLDS, folded), (FOLDS, 1), (THROUGH, Join({"a": 1, "b": 2}, 0)))
    assert [strand.never_blocks for strand in strands.all] == [True, False, False, False, False]
    strands = pair()
    assert not any(strand.never_blocks for strand in strands.all)


# The end


def run_to_the_end(strands: Strands) -> None:
    for strand in strands.all[:-1]:
        strands.end(strand)


def test_it_is_over_when_all_strands_but_the_outlet_are() -> None:
    strands = pair()
    strands.open()
    for strand in strands.all[:-1]:
        assert not strands.over
        strands.end(strand)
    assert strands.over
    assert strands.outlet.state is not State.OVER
    shared = strands_of((MAPS, -1), (MAPS, -1), output=Join({"a": 0, "b": 1}, 0))
    run_to_the_end(shared)
    assert not shared.over
    shared.end(shared.source)
    assert shared.over


def test_an_error_stops_it_and_is_kept() -> None:
    strands = pair()
    strands.open()
    error = ValueError("bad")
    strands.end(strands.all[0], error, 0)
    assert strands.stopped
    assert strands.failure is not None
    assert strands.failure.error is error
    assert states(strands) == ["over", "over", "over", "waiting"]


def test_of_several_errors_that_of_the_lowest_slot_counts() -> None:
    strands = pair()
    errors = [ValueError(), ValueError(), ValueError()]
    for slot in (1, 0, 2):
        strands.fail(errors[slot], slot)
    assert strands.failure is not None
    assert strands.failure.error is errors[0]


def test_a_scope_that_refuses_an_input_is_named() -> None:
    strands = pair()
    error = StepInputError("no dict")
    error.scope = 0
    strands.fail(error, -1)
    assert [note.split(" (")[0] for note in error.__notes__] == ["raised in step whole"]
    other = ValueError()
    strands.fail(other, 0)
    assert not hasattr(other, "__notes__")


def test_a_stop_ends_what_has_not_begun_and_halts_what_runs() -> None:
    halted: list[Site] = []
    plan = pair().plan
    strands = Strands(plan, 2, halted.append)
    strands.open()
    _, maps, folds, outlet = strands.all
    maps.state, maps.site = State.RUNNING, Site(None, plan.graph)
    folds.state, folds.site = State.OVER, Site(None, plan.graph)
    outlet.state, outlet.site = State.READY, Site(None, plan.graph)
    strands.stop()
    assert halted == [maps.site]
    assert states(strands) == ["over", "running", "over", "ready"]
    assert ready(strands) == []
    assert strands.stopped
    assert strands.failure is None
    strands.stop()
    assert halted == [maps.site]


def test_a_stop_without_more_stops_the_sites() -> None:
    strands = pair()
    generator = strands.all[0]
    generator.state, generator.site = State.RUNNING, Site(None, strands.plan.graph)
    strands.all[1].state = State.RUNNING  # has no site yet
    strands.stop()
    assert generator.site.stopped


@pytest.mark.parametrize("how", ["stop", "fail", "end", "wake_all"])
def test_everybody_who_waits_is_woken_by_a_stop_once(how: str) -> None:
    strands = pair()
    wakers = [Waker() for _ in range(3)]
    strands.all[1].getter = wakers[0]
    strands.all[3].putters.extend(wakers[1:])
    if how == "end":
        strands.end(strands.all[0], Stopped("stopped"), 0)
    elif how == "fail":
        strands.fail(Stopped("stopped"), 0)
    else:
        getattr(strands, how)()
    assert strands.stopped == (how != "wake_all")
    assert [waker.count for waker in wakers] == [1, 1, 1]
    assert strands.all[1].getter is None
    assert not strands.all[3].putters
    strands.wake_all()
    assert [waker.count for waker in wakers] == [1, 1, 1]


def test_after_a_stop_the_end_of_a_strand_closes_nobody_s_input() -> None:
    strands = pair()
    strands.stop()
    strands.end(strands.all[0])
    folds = strands.all[2]
    assert folds.inlet is not None
    assert not folds.inlet.ready
    assert states(strands)[0] == "over"


def test_the_source_that_runs_is_stopped_too() -> None:
    strands = strands_of((MAPS, -1), (MAPS, -1), output=Join({"a": 0, "b": 1}, 0))
    strands.open()
    strands.source.state, strands.source.site = State.RUNNING, Site(None, strands.plan.graph)
    strands.stop()
    assert strands.source.site.stopped
    waits = strands_of((MAPS, -1), (MAPS, -1), output=Join({"a": 0, "b": 1}, 0))
    waits.open()
    waits.source.state = State.READY
    assert waits.backlog == 1
    waits.stop()
    assert waits.source.state is State.OVER
    assert waits.backlog == 0


# What is told of it


def test_statistics_are_by_the_name_of_the_reader() -> None:
    strands = pair()
    strands.put(strands.all[0], "x")
    strands.put(strands.all[2], AddableDict(n=1))
    assert strands.statistics() == {
        "maps": {"waiting": 1, "held": 0},
        "folds": {"waiting": 0, "held": 0},
        "output": {"waiting": 1, "held": 0},
    }
    assert [name for name, _ in strands.inlets()] == ["maps", "folds", "output"]


def test_a_strand_begins_with_nothing() -> None:
    strand = Strand(None, None)
    assert (strand.at, strand.state, strand.site, strand.host, strand.getter) == (0, State.WAITING, None, None, None)
    assert strand.never_blocks


def test_what_does_not_add_up_is_refused_in_the_reader_s_name() -> None:
    strands = pair()
    strands.put(strands.all[0], "x")
    with pytest.raises(TypeError, match="folds"):
        strands.put(strands.all[0], 1)
