"""The same program comes to the same under many interleavings: of threads, of tasks, and of units in virtual time."""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

import networkx as nx
import pytest
from built_programs import Watched, build
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Expected, Injected, Program, Value, expected, programs, values
from random_graphs import graphs, output_of, result_of
from verbs import alist

from anabranch.engine.chunks import fold
from anabranch.engine.graphs import Graph
from anabranch.engine.laws import Outcome, aoutcome, makespan_within_bound, nothing_alive_after, outcome
from anabranch.engine.operators import Run, RunEach
from anabranch.nodes import Runnable, RunnableLambda
from anabranch.scheduler.actions import SYNC
from anabranch.scheduler.frontier import Frontier
from anabranch.scheduler.gathering import gather
from anabranch.scheduler.plans import Plan, plan_of
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.units import Group, Unit


class Restless(Watched):
    """Leaves that go around the loop a random number of times, or give up their thread's turn."""

    def __init__(self, seed: int, most: int = 5) -> None:
        super().__init__()
        self._chance = random.Random(seed)
        self._most = most

    async def arest(self) -> None:
        for _ in range(self._chance.randint(0, self._most)):
            await asyncio.sleep(0)


def check(program: Program, wanted: Expected, found: Outcome) -> None:
    if found.error is None:
        assert not wanted.errors, f"{program!r} did not fail"
        assert found.value == wanted.value
    else:
        assert isinstance(found.error, Injected), repr(found.error)
        assert wanted.errors  # a stream may meet another of them first than a whole value does


# Threads


@pytest.fixture
def threads_that_switch_all_the_time() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


# One switch interval serves all examples of a property.
on_restless_threads = pytest.mark.usefixtures("threads_that_switch_all_the_time")


@on_restless_threads
@given(programs(max_leaves=12), values, st.sampled_from((None, 1, 2, 3)))
@settings(max_examples=50)
def test_threads_that_switch_all_the_time_come_to_the_same(program: Program, value: Value, cap: int | None) -> None:
    watch = Watched()
    runnable, wanted = build(program, watch), expected(program, value)
    config: Any = {"max_concurrency": cap, "channel_capacity": 1}
    for _ in range(3):
        check(program, wanted, outcome(runnable.invoke, value, config))
    if not wanted.vague:
        for _ in range(3):
            check(program, wanted, outcome(lambda: fold(runnable.stream(value, config))))
    nothing_alive_after(lambda: None, watch.left)


@on_restless_threads
@given(programs(max_leaves=6), st.lists(values, min_size=2, max_size=8))
@settings(max_examples=30)
def test_a_batch_on_threads_that_switch_all_the_time_keeps_its_order(program: Program, inputs: list[Value]) -> None:
    runnable = build(program)
    results = runnable.batch(inputs, {"max_concurrency": 4}, return_exceptions=True)
    for value, result in zip(inputs, results, strict=True):
        failed = isinstance(result, Exception)
        check(program, expected(program, value), Outcome(error=result) if failed else Outcome(result))


# Tasks


@given(programs(max_leaves=12), values, st.integers(0, 2**32), st.sampled_from((None, 1, 2, 3)))
@settings(max_examples=60)
def test_tasks_that_suspend_at_random_come_to_the_same(
    program: Program, value: Value, seed: int, cap: int | None
) -> None:
    watch = Restless(seed)
    runnable, wanted = build(program, watch), expected(program, value)
    config: Any = {"max_concurrency": cap, "channel_capacity": 1}

    async def folded() -> Any:
        return fold(await alist(runnable.astream(value, config)))

    async def main() -> list[Outcome]:
        several = [aoutcome(runnable.ainvoke, value, config) for _ in range(3)]
        if not wanted.vague:
            several += [aoutcome(folded) for _ in range(3)]
        return list(await asyncio.gather(*several))

    for found in asyncio.run(main()):
        check(program, wanted, found)
    nothing_alive_after(lambda: None, watch.left)


@given(programs(max_leaves=6), st.lists(values, min_size=2, max_size=8), st.integers(0, 2**32))
@settings(max_examples=40)
def test_a_batch_of_tasks_that_suspend_at_random_keeps_its_order(
    program: Program, inputs: list[Value], seed: int
) -> None:
    runnable = build(program, Restless(seed))

    async def main() -> list[Any]:
        return await runnable.abatch(inputs, {"max_concurrency": 3}, return_exceptions=True)

    for value, result in zip(inputs, asyncio.run(main()), strict=True):
        failed = isinstance(result, Exception)
        check(program, expected(program, value), Outcome(error=result) if failed else Outcome(result))


@given(programs(max_leaves=8), values, st.integers(0, 2**32))
@settings(max_examples=40)
def test_both_drivers_may_run_one_runnable_at_the_same_time(program: Program, value: Value, seed: int) -> None:
    runnable, wanted = build(program, Restless(seed)), expected(program, value)

    async def main(handle: Any) -> list[Outcome]:
        found = list(await asyncio.gather(*(aoutcome(runnable.ainvoke, value) for _ in range(3))))
        return [*found, await asyncio.to_thread(outcome, handle.result)]

    for found in asyncio.run(main(runnable.start(value))):
        check(program, wanted, found)


# Units, in virtual time


class Simulation:
    """One thread that plays `permits` workers: each unit takes its time, and the next to end is the next to report.

    Of those that end at one moment, chance says who reports first.
    """

    def __init__(self, permits: int, durations: Callable[[int], float], chance: random.Random) -> None:
        self.reporter = Reporter()
        self.frontier = Frontier(self, plainly=False)
        self.permits = permits
        self.durations = durations
        self.chance = chance
        self.now = 0.0
        self.work = 0.0

    def run(self, group: Group) -> None:
        self.frontier.open(group)
        running: list[tuple[float, float, int, Unit]] = []
        while not group.over:
            while len(running) < self.permits and (unit := self.frontier.take()) is not None:
                assert isinstance(unit, Unit)
                time = self._time_of(unit)
                self.work += time
                heapq.heappush(running, (self.now + time, self.chance.random(), id(unit), unit))
            assert len(running) == self.permits or not self.frontier.waiting, "a permit is idle while a unit is ready"
            assert running, "nothing runs, and it is not over"
            self.now, _, _, unit = heapq.heappop(running)
            self._finish(unit)

    def _time_of(self, unit: Unit) -> float:
        """All that are taken together take as long as each of them does."""
        together = unit.together or [unit]
        return sum(self.durations(step.slot) for each in together for step in each.segment.steps)

    def _finish(self, unit: Unit) -> None:
        for each in unit.together or [unit]:
            each.value = gather(each.segment, each.activation.values)
            for step in each.segment.steps:
                each.value = result_of(step, each.value)
            self.frontier.report(each, None, None)

    def plan(self, effect: Run | RunEach) -> Plan:
        return plan_of(effect.graph, SYNC)

    def config_at(self, unit: Unit) -> None: ...
    def explain(self, error: BaseException, unit: Unit) -> None: ...
    def cancel(self, unit: Unit) -> None: ...
    def cancel_plain(self, group: Group, key: Any, host: Any) -> None: ...
    def wake_at(self, seconds: float, unit: Unit) -> None: ...
    def limit(self, seconds: float, group: Group) -> None: ...
    def settled(self, index: int, result: Any) -> None: ...
    def ended(self) -> None: ...


def longest_path(graph: Graph, durations: Callable[[int], float]) -> float:
    """Of the whole graph, by networkx; a consumer that reads only some ports needs no more than that."""
    dag: nx.DiGraph[str] = nx.DiGraph()
    slots = dict(zip(graph.keys, range(len(graph)), strict=True))
    for start, end in graph.dag.edges:
        dag.add_edge(start, end, weight=durations(slots[end]) if end in slots else 0.0)
    return float(nx.dag_longest_path_length(dag))


@given(
    graph=graphs(10, vectors=False),
    permits=st.integers(1, 5),
    times=st.lists(st.integers(1, 20), min_size=10, max_size=10),
    inputs=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60)
def test_in_virtual_time_a_call_takes_at_most_twice_the_best_schedule(
    graph: Graph, permits: int, times: list[int], inputs: int, seed: int
) -> None:
    simulation = Simulation(permits, lambda slot: float(times[slot]), random.Random(seed))
    group = Group(plan_of(graph, SYNC), [f"in{number}" for number in range(inputs)])
    simulation.run(group)
    assert group.outcome() == [output_of(graph, f"in{number}") for number in range(inputs)]
    assert simulation.work == inputs * sum(times[: len(graph)])
    path = longest_path(graph, lambda slot: float(times[slot]))
    makespan_within_bound(simulation.now, simulation.work, path, permits)


@given(graph=graphs(8), permits=st.integers(1, 4), inputs=st.integers(1, 6), seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_in_whatever_order_units_end_the_result_is_the_same(graph: Graph, permits: int, inputs: int, seed: int) -> None:
    simulation = Simulation(permits, lambda slot: 1.0, random.Random(seed))
    group = Group(plan_of(graph, SYNC), [f"in{number}" for number in range(inputs)])
    simulation.run(group)
    assert group.outcome() == [output_of(graph, f"in{number}") for number in range(inputs)]


def test_a_consumer_of_the_fast_port_does_not_wait_for_the_slow_one() -> None:
    """`{"a": slow, "b": fast} | {"x": b | slow, "y": a | fast}` takes one slow step and a fast one, not two slow."""
    chain: Runnable[Any, Any] = RunnableLambda(str) | {"a": str, "b": str}
    chain = chain | {"x": RunnableLambda(itemgetter("b")) | str, "y": RunnableLambda(itemgetter("a")) | str}
    slow = {"RunnableSequence/RunnableParallel<a,b>/str", "RunnableSequence/RunnableParallel<x,y>/RunnableSequence/str"}
    times = [10.0 if key in slow else 1.0 for key in chain.graph.keys]
    assert times.count(10.0) == 2
    simulation = Simulation(4, lambda slot: times[slot], random.Random(0))
    simulation.run(Group(plan_of(chain.graph, SYNC), ["x"], single=True))
    assert simulation.now < 20.0
