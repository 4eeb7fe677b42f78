"""The frontier, driven at random: whatever a driver may report, in whatever order, its promises hold."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from random_graphs import graphs, output_of, result_of

from anabranch.engine.errors import Stopped
from anabranch.engine.graphs import Graph, slots_of
from anabranch.engine.operators import INPUT, Effect, Run, RunEach, Sleep
from anabranch.scheduler.actions import SYNC
from anabranch.scheduler.frontier import Frontier
from anabranch.scheduler.gathering import gather
from anabranch.scheduler.plans import Plan, plan_of
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.units import Activation, Group, State, Unit
from anabranch.scheduler.wiring import narrowed

ANY = st.integers(0, 1000)


class Boom(Exception):
    """A step's own error."""


class Interrupt(BaseException):
    """As a keyboard interrupt."""


class Flow:
    """A call step's generator, as far as the frontier is concerned."""

    closed = False

    def close(self) -> None:
        self.closed = True


class Timer:
    """What `wake_at` and `limit` answer."""

    def __init__(self, fire: Callable[[], None]) -> None:
        self.fire = fire
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Host:
    """Plays the driver and writes down what the frontier asks of it."""

    def __init__(self) -> None:
        self.reporter = Reporter()
        self.frontier = Frontier(self)
        self.cancelled: set[object] = set()
        self.timers: list[Timer] = []
        self.settled_at: dict[int, Any] = {}
        self.ends = 0

    def plan(self, effect: Run | RunEach) -> Plan:
        return plan_of(effect.graph, SYNC)

    def config_at(self, unit: Unit) -> None:
        return None

    def explain(self, error: BaseException, unit: Unit) -> None:
        assert not isinstance(error, Stopped), "a stop needs no explanation"

    def cancel(self, unit: Unit) -> None:
        assert unit.state is State.RUNNING
        self.cancelled.add(unit)

    def cancel_plain(self, group: Group, key: Worker, host: object) -> None:
        assert group is key.group
        self.cancelled.add(key)

    def wake_at(self, seconds: float, unit: Unit) -> Timer:
        return self._timer(lambda: self.frontier.wake(unit))

    def limit(self, seconds: float, group: Group) -> Timer:
        return self._timer(lambda: self.frontier.expire(group))

    def settled(self, index: int, result: Any) -> None:
        assert index not in self.settled_at, f"input {index} was settled twice"
        self.settled_at[index] = result

    def ended(self) -> None:
        self.ends += 1

    def _timer(self, fire: Callable[[], None]) -> Timer:
        timer = Timer(fire)
        self.timers.append(timer)
        return timer


@dataclass(eq=False)
class Worker:
    """Claims inputs of a plain group and runs them without units."""

    group: Group
    claims: Iterator[int]
    done: int = 0


class FrontierMachine(RuleBasedStateMachine):
    """Takes units, and reports at random that they finish, fail, or are to be parked."""

    def __init__(self) -> None:
        super().__init__()
        self.host = Host()
        self.frontier = self.host.frontier
        self.running: list[Unit] = []
        self.workers: list[Worker] = []
        self.seen: list[Unit] = []
        self.flows: list[tuple[Unit, Any]] = []
        self.waits: dict[Unit, Any] = {}  # what a parked unit is to be answered
        self.errors: dict[Activation, list[tuple[tuple[bool, int], BaseException]]] = {}
        self.stops: list[BaseException] = []
        self.steps = 0

    @initialize(
        graph=graphs(),
        count=st.sampled_from((2, 3, 1, 0)),
        keep_errors=st.booleans(),
        single=st.booleans(),
        plainly=st.booleans(),
        fails_after=st.sampled_from((1000, 20, 8, 0)),
        stops_after=st.sampled_from((1000, 1000, 30, 10)),
        seed=ANY,
    )
    def begin(
        self,
        graph: Graph,
        count: int,
        keep_errors: bool,
        single: bool,
        plainly: bool,
        fails_after: int,
        stops_after: int,
        seed: int,
    ) -> None:
        self.graph = graph
        self.fails_after, self.stops_after = fails_after, stops_after
        self.chance = random.Random(seed)
        self.inputs = [f"in{index}" for index in range(1 if single else count)]
        self.root = Group(plan_of(graph, SYNC), self.inputs, single=single, keep_errors=keep_errors)
        self.frontier.plainly = plainly
        self.frontier.open(self.root)

    # What a driver may do

    @precondition(lambda self: self.frontier.waiting)
    @rule()
    def take(self) -> None:
        taken = self.frontier.take()
        if isinstance(taken, Group):
            assert not taken.stopped, "a group that was stopped was taken"
            self.workers.append(Worker(taken, taken.claims or iter(())))
            self.frontier.begin_plain(taken, self.workers[-1], None)
        elif taken is not None:
            for unit in taken.together or [taken]:
                self._starts(unit)

    @precondition(lambda self: self.workers)
    @rule(which=ANY)
    def run_an_input(self, which: int) -> None:
        """A worker runs one more input; when there is none, it goes."""
        worker = self.workers[which % len(self.workers)]
        index = next(worker.claims, None)
        if index is None:
            self.frontier.claim(worker.group)
            self._leaves(worker)
        elif worker.group.stopped:
            self._breaks(worker, index, 0, Stopped("stopped"))
        else:
            worker.group.results[index] = output_of(worker.group.plan.graph, worker.group.values[index])
            worker.done += 1

    @precondition(lambda self: self.workers)
    @rule(which=ANY)
    def make_way(self, which: int) -> None:
        """A worker goes although there may be more inputs."""
        self._leaves(self.workers[which % len(self.workers)])

    @precondition(lambda self: self.workers and self.steps > self.fails_after)
    @rule(which=ANY, at=ANY, kind=st.sampled_from((Boom, Interrupt)))
    def break_off(self, which: int, at: int, kind: type[BaseException]) -> None:
        """A worker's input fails, so it becomes a unit."""
        worker = self.workers[which % len(self.workers)]
        index = next(worker.claims, None)
        if index is not None:
            self._breaks(worker, index, at, kind())

    @precondition(lambda self: self.running)
    @rule(which=ANY)
    def finish(self, which: int) -> None:
        unit = self._pick(which)
        if unit.flow is not None:
            unit.flow = None  # it has returned
        for step in unit.segment.steps[unit.position :]:
            unit.value = result_of(step, unit.value)
            unit.position += 1
        self._report(unit, None, None)

    @precondition(lambda self: self.running and self.steps > self.fails_after)
    @rule(which=ANY, kind=st.sampled_from((Boom, Boom, Boom, Interrupt)), at=ANY)
    def fail(self, which: int, kind: type[BaseException], at: int) -> None:
        unit = self._pick(which)
        self._goes_on_to(unit, at)
        self._report(unit, None, kind())

    @precondition(lambda self: any(map(is_dead, self.running)))
    @rule(which=ANY)
    def obey(self, which: int) -> None:
        """A step of something stopped raises the `Stopped` that it got."""
        dead = [unit for unit in self.running if is_dead(unit)]
        self._report(dead[which % len(dead)], None, Stopped("stopped"))

    @precondition(lambda self: self.running and len(self.seen) < 60)
    @rule(which=ANY, at=ANY, graph=graphs(3), count=st.integers(0, 2), limit=st.sampled_from((None, None, 9.0)))
    def park(self, which: int, at: int, graph: Graph, count: int, limit: float | None) -> None:
        unit = self._pick(which)
        self._goes_on_to(unit, at)
        effect: Effect
        if count == 2:
            effect = RunEach(graph, ["x", "y"][: at % 3])
        elif count == 1:
            effect = Run(graph, INPUT if at % 2 else "x", timeout=limit)
        else:
            effect = Sleep(1.0)
        if not isinstance(effect, Run) or at % 4 < 2:
            flow: Any = Flow()
            unit.flow = flow
            self.flows.append((unit, flow))
        self._report(unit, effect, None)

    @precondition(lambda self: self.host.timers)
    @rule(which=ANY)
    def fire(self, which: int) -> None:
        """A timer rings: a sleep is over, or a timeout. Timers that were cancelled may ring all the same."""
        self.host.timers.pop(which % len(self.host.timers)).fire()

    @precondition(lambda self: self.root.over)
    @rule()
    def rest(self) -> None:
        assert self.frontier.take() is None
        self.frontier.stop(self.root, Stopped("too late"))

    @precondition(lambda self: not self.root.over and self.steps > self.stops_after)
    @rule(kind=st.sampled_from((Stopped, TimeoutError, Interrupt)))
    def stop(self, kind: type[BaseException]) -> None:
        self.stops.append(kind())
        self.frontier.stop(self.root, self.stops[-1])

    # How the machine plays a step

    def _pick(self, which: int) -> Unit:
        return self.running[which % len(self.running)]

    def _goes_on_to(self, unit: Unit, at: int) -> None:
        unit.flow = None
        while unit.position < at % len(unit.segment.steps):
            unit.value = result_of(unit.segment.steps[unit.position], unit.value)
            unit.position += 1

    def _leaves(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self.frontier.end_plain(worker.group, worker, worker.done)

    def _breaks(self, worker: Worker, index: int, at: int, error: BaseException) -> None:
        steps = len(worker.group.plan.segments[0].steps)
        unit = worker.group.adopt(index, None, at % steps)
        self._note(unit, error)
        self.workers.remove(worker)
        self.frontier.end_plain(worker.group, worker, worker.done, (unit, None, error))

    def _note(self, unit: Unit, error: BaseException | None) -> None:
        """Remember an error that may count."""
        activation = unit.activation
        if error is None or isinstance(error, Stopped):
            return
        if activation.failure is not None or not is_dead(unit):
            rank = (isinstance(error, Exception), unit.slot)
            self.errors.setdefault(activation, []).append((rank, error))

    def _starts(self, unit: Unit) -> None:
        assert unit.state is State.RUNNING
        assert not is_dead(unit), "a unit of something stopped was started"
        assert_inputs_exist(unit)
        self.running.append(unit)
        if unit.answer is None:
            assert unit not in self.seen, "a unit was started twice"
            self.seen.append(unit)
            unit.value = gather(unit.segment, unit.activation.values)
            return
        (ok, result), unit.answer = unit.answer, None
        wanted = self.waits.pop(unit)
        assert result == wanted if ok else isinstance(result, Boom | Interrupt | TimeoutError)

    def _report(self, unit: Unit, effect: Effect | None, error: BaseException | None) -> None:
        self.running.remove(unit)
        self._note(unit, error)
        if isinstance(effect, Run):
            self.waits[unit] = output_of(effect.graph, unit.value if effect.value is INPUT else effect.value)
        elif isinstance(effect, RunEach):
            self.waits[unit] = [output_of(effect.graph, value) for value in effect.values]
        elif effect is not None:
            self.waits[unit] = None
        self.frontier.report(unit, effect, error)

    # What always holds

    @invariant()
    def counts_are_right(self) -> None:
        self.steps += 1
        assert self.frontier.running == len(self.running) + len(self.workers)
        assert self.frontier.parked == sum(unit.state is State.PARKED for unit in self.seen)

    @invariant()
    def what_runs_for_nothing_was_told_to_stop(self) -> None:
        for unit in self.running:
            assert not is_dead(unit) or unit in self.host.cancelled
        for worker in self.workers:
            assert not worker.group.stopped or worker in self.host.cancelled

    @invariant()
    def nothing_of_what_is_stopped_waits(self) -> None:
        for unit in self.seen:
            if unit.state is State.PARKED and is_dead(unit):
                assert isinstance(unit.child, Group), "a sleep was not cancelled"
                assert unit.child.stopped

    @invariant()
    def flows_of_ended_units_are_closed(self) -> None:
        for unit, flow in self.flows:
            assert flow.closed or unit.flow is not flow or unit.state is not State.OVER

    @invariant()
    def the_error_of_the_lowest_slot_counts(self) -> None:
        for activation, errors in self.errors.items():
            first = min(errors, key=lambda entry: entry[0])
            assert activation.failure is not None
            assert activation.failure.error is first[1]

    @invariant()
    def it_never_gets_stuck(self) -> None:
        if hasattr(self, "root") and not self.root.over:
            assert self.frontier.waiting or self.frontier.running or self.frontier.parked

    def teardown(self) -> None:
        """Let everything that is left finish; then look at what came of it."""
        if not hasattr(self, "root"):
            return
        for _ in range(5000):
            if self.root.over:
                break
            self._act()
            self.counts_are_right()
            self.it_never_gets_stuck()
        assert self.root.over, "it did not come to an end"
        assert self.host.ends == 1
        assert self.frontier.running == self.frontier.parked == 0
        assert self.frontier.take() is None
        self.flows_of_ended_units_are_closed()
        self._outcome_is_right()

    def _act(self) -> None:
        """Do one of the things that may be done, by chance."""
        which, at = self.chance.randrange(1000), self.chance.randrange(1000)
        may: list[Callable[[], object]] = []
        if self.running:
            may += [partial(self.finish, which)] * 4
            if len(self.seen) < 40:
                may += [partial(self.park, which, at, self.graph, at // 4 % 3, None)] * 2
            if self.steps > self.fails_after:
                may += [partial(self.fail, which, Boom if at % 4 else Interrupt, at)]
        if self.workers:
            may += [partial(self.run_an_input, which)] * 3 + [partial(self.make_way, which)]
        if self.frontier.waiting:
            may += [self.take] * 3
        if self.host.timers:
            may += [partial(self.fire, which)]
        if self.steps > self.stops_after and at < 100:
            may += [partial(self.stop, Stopped)]
        self.chance.choice(may)()
        self.what_runs_for_nothing_was_told_to_stop()
        self.nothing_of_what_is_stopped_waits()
        self.the_error_of_the_lowest_slot_counts()

    def _outcome_is_right(self) -> None:
        failure = self.root.failure
        own = {a.index: min(e, key=lambda entry: entry[0])[1] for a, e in self.errors.items() if a.group is self.root}
        if self.stops:
            assert failure is not None
            assert failure.error is self.stops[0]
        elif failure is not None:
            assert failure.error in own.values()
            assert not self.root.keep_errors or isinstance(failure.error, Interrupt)
        else:
            assert not own or self.root.keep_errors
            wanted = [own.get(i, output_of(self.graph, value)) for i, value in enumerate(self.inputs)]
            assert self.root.outcome() == (wanted[0] if self.root.single else wanted)
            assert self.frontier.plainly or self.host.settled_at == dict(enumerate(wanted))


def is_dead(unit: Unit) -> bool:
    """Whether a unit belongs to something that failed or was stopped, however far outside."""
    at: Unit | None = unit
    while at is not None:
        activation = at.activation
        if activation.failure is not None or activation.group.stopped:
            return True
        at = activation.group.parent
    return False


def assert_inputs_exist(unit: Unit) -> None:
    """Every step that the unit reads from has ended, as the graph itself says."""
    first = unit.segment.steps[0]
    ended = {
        segment.steps[-1].slot
        for segment in unit.activation.plan.segments
        if unit.activation.values[segment.index] is not None
    }
    needed = set(slots_of(narrowed(first.source, first.operator))) - {-1}
    assert needed <= ended, f"step {first.slot} started before {needed - ended}"


TestFrontier = FrontierMachine.TestCase
TestFrontier.settings = settings(max_examples=40, stateful_step_count=30, report_multiple_bugs=False)


@settings(max_examples=60)
@given(
    graph=graphs(8),
    count=st.integers(1, 4),
    keep_errors=st.booleans(),
    plainly=st.booleans(),
    fails_after=st.sampled_from((1000, 20, 0)),
    stops_after=st.sampled_from((1000, 1000, 10)),
    seed=st.integers(0, 2**32),
)
def test_its_promises_hold_on_long_walks(
    graph: Graph,
    count: int,
    keep_errors: bool,
    plainly: bool,
    fails_after: int,
    stops_after: int,
    seed: int,
) -> None:
    machine = FrontierMachine()
    machine.begin(graph, count, keep_errors, False, plainly, fails_after, stops_after, seed)
    machine.teardown()
