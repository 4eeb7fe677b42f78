"""The frontier in small: how much it says there is to do, in which order it gives it, and what it asks of its host."""

from __future__ import annotations

from typing import Any

import pytest

from anabranch.engine.errors import Stopped
from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Step
from anabranch.engine.operators import INPUT, Flow, Operator, Run, RunEach, Sleep
from anabranch.scheduler.actions import SYNC
from anabranch.scheduler.frontier import Frontier
from anabranch.scheduler.plans import Plan, plan_of
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.units import Group, State, Unit


def same(x: Any) -> Any:
    return x


def batch(values: list[Any], configs: list[Any]) -> list[Any]:
    return values


def flow() -> Flow:
    """A call step, as far as the frontier is concerned."""
    yield Sleep(0.0)


class Timer:
    def __init__(self, seconds: float, of: Unit | Group) -> None:
        self.seconds, self.of = seconds, of
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Host:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.reporter = Reporter()
        self.timers: list[Timer] = []
        self.explained: list[tuple[BaseException, Unit]] = []
        self.cancelled: list[Unit] = []
        self.settled_at: list[tuple[int, Any]] = []
        self.ends = 0

    def plan(self, effect: Run | RunEach) -> Plan:
        return plan_of(effect.graph, SYNC)

    def config_at(self, unit: Unit) -> Any:
        return {"tags": ["at the unit"]}

    def explain(self, error: BaseException, unit: Unit) -> None:
        self.explained.append((error, unit))

    def cancel(self, unit: Unit) -> None:
        self.cancelled.append(unit)

    def cancel_plain(self, group: Group, key: Any, host: Any) -> None:
        raise AssertionError("nothing runs without a unit here")

    def wake_at(self, seconds: float, unit: Unit) -> Timer:
        self.timers.append(Timer(seconds, unit))
        return self.timers[-1]

    def limit(self, seconds: float, group: Group) -> Timer:
        self.timers.append(Timer(seconds, group))
        return self.timers[-1]

    def settled(self, index: int, result: Any) -> None:
        self.settled_at.append((index, result))

    def ended(self) -> None:
        self.ends += 1


PAIR = Graph(
    (
        Step(0, Operator(name="left", invoke=same), INPUT_SLOT, -1),
        Step(1, Operator(name="right", invoke=same), INPUT_SLOT, -1),
    ),
    (),
    Join({"a": 0, "b": 1}, 0),
)
ONE = Graph((Step(0, Operator(name="one", invoke=same, wants_config=True), INPUT_SLOT, -1),), (), 0)
VECTOR = Graph((Step(0, Operator(name="vector", invoke=same, batch=batch), INPUT_SLOT, -1),), (), 0)


def opened(graph: Graph, values: list[Any], **kwargs: Any) -> tuple[Host, Frontier, Group]:
    host = Host()
    frontier = Frontier(host)
    group = Group(plan_of(graph, SYNC), values, **kwargs)
    frontier.open(group)
    return host, frontier, group


def taken(frontier: Frontier, vectors: bool = True) -> Unit:
    unit = frontier.take(vectors)
    assert isinstance(unit, Unit)
    return unit


def at(unit: Unit) -> tuple[int, str]:
    """The input that it belongs to, and its first step."""
    return unit.activation.index, unit.segment.steps[0].name


def ends(frontier: Frontier, unit: Unit, value: Any) -> None:
    unit.value = value
    frontier.finish(unit)


def test_inputs_are_opened_one_by_one_when_nothing_else_is_ready() -> None:
    host, frontier, group = opened(PAIR, ["x", "y"])
    assert (frontier.has_ready, frontier.waiting, frontier.backlog) == (True, 1, 2)
    first = taken(frontier)
    assert at(first) == (0, "left")
    assert (frontier.waiting, frontier.backlog, frontier.running) == (2, 2, 1)
    second = taken(frontier)
    assert at(second) == (0, "right")
    assert (frontier.waiting, frontier.backlog, frontier.running) == (1, 1, 2)
    others = [taken(frontier), taken(frontier)]
    assert [at(unit) for unit in others] == [(1, "left"), (1, "right")]
    assert frontier.take() is None
    assert (frontier.has_ready, frontier.waiting, frontier.backlog, frontier.running) == (False, 0, 0, 4)
    for unit in (*others, second, first):
        assert not group.over
        ends(frontier, unit, at(unit))
    assert host.settled_at == [
        (1, {"a": (1, "left"), "b": (1, "right")}),
        (0, {"a": (0, "left"), "b": (0, "right")}),
    ]
    assert group.over
    assert host.ends == 1
    assert frontier.running == 0
    assert group.outcome() == [found for _, found in sorted(host.settled_at, key=lambda each: each[0])]


def test_what_takes_many_inputs_waits_until_nothing_else_is_ready() -> None:
    _, frontier, _ = opened(VECTOR, ["x", "y", "z"])
    assert frontier.take(vectors=False) is None
    assert (frontier.has_ready, frontier.waiting, frontier.backlog) == (True, 1, 3)
    unit = taken(frontier)
    assert unit.together is not None
    assert [at(each)[0] for each in unit.together] == [0, 1, 2]
    assert all(each.state is State.RUNNING for each in unit.together)
    assert (frontier.has_ready, frontier.waiting, frontier.running) == (False, 0, 3)


def test_what_a_call_step_asked_for_goes_before_inputs_that_were_not_opened() -> None:
    host, frontier, _ = opened(ONE, ["x", "y"])
    unit = taken(frontier)
    frontier.park(unit, RunEach(PAIR, ["p"], None))
    assert (frontier.parked, frontier.running) == (1, 0)
    inner = [taken(frontier), taken(frontier)]
    assert [at(each) for each in inner] == [(0, "left"), (0, "right")]
    assert inner[0].activation.group.parent is unit
    late = taken(frontier)
    assert at(late) == (1, "one")
    for each in inner:
        ends(frontier, each, "made")
    assert host.settled_at == []  # which are those of the call alone
    assert taken(frontier) is unit
    assert unit.answer == (True, [{"a": "made", "b": "made"}])
    assert (frontier.parked, frontier.running) == (0, 2)


def test_an_answer_goes_before_what_was_ready() -> None:
    _, frontier, _ = opened(PAIR, ["x"])
    left = taken(frontier)
    frontier.park(left, Sleep(2.0))
    frontier.wake(left)
    assert frontier.backlog == 2
    assert taken(frontier) is left
    assert left.answer == (True, None)
    frontier.wake(left)  # too late: it runs
    assert at(taken(frontier)) == (0, "right")


@pytest.mark.parametrize(
    ("effect", "value", "config", "single"),
    [
        (Run(ONE), "mine", {"tags": ["at the unit"]}, True),
        (Run(ONE, INPUT, {"tags": ["own"]}), "mine", {"tags": ["own"]}, True),
        (Run(ONE, "given"), "given", {"tags": ["at the unit"]}, True),
        (RunEach(ONE, ["given"]), "given", {"tags": ["at the unit"]}, False),
        (RunEach(ONE, ["given"], [{"tags": ["own"]}]), "given", {"tags": ["own"]}, False),
    ],
)
def test_what_a_step_asks_for_has_its_input_and_config(effect: Any, value: Any, config: Any, single: bool) -> None:
    _, frontier, _ = opened(ONE, ["mine"])
    unit = taken(frontier)
    unit.value, unit.flow = "mine", flow()
    frontier.park(unit, effect)
    inner = taken(frontier)
    assert inner.activation.group.values[0] == value
    assert inner.activation.config == config
    assert inner.activation.group.single == single
    ends(frontier, inner, "made")
    assert taken(frontier).answer == (True, "made" if single else ["made"])


def test_what_a_function_returned_counts_down_and_what_a_call_step_asks_for_does_not() -> None:
    _, frontier, _ = opened(ONE, ["mine"])
    unit = taken(frontier)
    frontier.park(unit, Run(ONE, last=True))
    config = taken(frontier).activation.config
    assert config is not None
    assert config["recursion_limit"] == 24


def test_a_group_that_asks_for_nothing_is_over_at_once() -> None:
    host, frontier, group = opened(ONE, [])
    assert group.over
    assert group.outcome() == []
    assert (host.ends, frontier.has_ready) == (1, False)
    _, frontier, _ = opened(ONE, ["x"])
    unit = taken(frontier)
    frontier.park(unit, RunEach(ONE, []))
    assert taken(frontier).answer == (True, [])


def test_timers_are_for_so_many_seconds_and_are_cancelled_with_what_they_are_for() -> None:
    host, frontier, group = opened(ONE, ["x", "y"], timeout=9.0)
    first, second = taken(frontier), taken(frontier)
    frontier.park(first, Sleep(2.0))
    frontier.park(second, Run(ONE, timeout=3.0))
    assert [(timer.seconds, timer.of) for timer in host.timers[:2]] == [(9.0, group), (2.0, first)]
    assert host.timers[2].seconds == 3.0
    inner = taken(frontier)
    frontier.stop(group, Stopped("stopped"))
    assert [timer.cancelled for timer in host.timers] == [False, True, False]
    assert host.cancelled == [inner]
    assert (frontier.parked, frontier.running, group.over) == (1, 1, False)
    frontier.fail(inner, Stopped("stopped"))
    assert (frontier.parked, frontier.running, group.over) == (0, 0, True)
    assert [timer.cancelled for timer in host.timers] == [True, True, True]
    assert host.explained == []
    assert group.failure is not None
    assert isinstance(group.failure.error, Stopped)
    assert host.ends == 1


def test_a_group_that_takes_too_long_is_stopped() -> None:
    host, frontier, group = opened(PAIR, ["x", "y"], timeout=9.0)
    unit = taken(frontier)
    frontier.expire(group)
    assert host.cancelled == [unit]
    assert frontier.take() is None
    frontier.fail(unit, Stopped("stopped"))
    assert group.failure is not None
    assert isinstance(group.failure.error, TimeoutError)
    frontier.stop(group, ValueError("too late"))
    assert isinstance(group.failure.error, TimeoutError)


@pytest.mark.parametrize("keep", [True, False])
def test_of_errors_of_an_input_that_of_the_lowest_slot_counts(keep: bool) -> None:
    for order in ((0, 1), (1, 0)):
        host, frontier, group = opened(PAIR, ["x", "y"], keep_errors=keep)
        units = [taken(frontier), taken(frontier)]
        errors = [ValueError("left"), ValueError("right")]
        for number in order:
            frontier.fail(units[number], errors[number])
        assert [error for error, _ in host.explained] == [errors[number] for number in order]
        if keep:
            assert host.settled_at == [(0, errors[0])]
            assert not group.over
            assert at(taken(frontier)) == (1, "left")
        else:
            assert group.over
            assert group.failure is not None
            assert group.failure.error is errors[0]
            assert frontier.take() is None


def test_what_ends_after_a_failure_is_not_handed_on() -> None:
    _, frontier, group = opened(PAIR, ["x"])
    left, right = taken(frontier), taken(frontier)
    frontier.fail(left, ValueError("left"))
    ends(frontier, right, "made")
    assert group.over
    assert group.failure is not None
    assert str(group.failure.error) == "left"
    assert group.outcome() == [None]
