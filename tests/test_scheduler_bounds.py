"""How good the schedules of the real drivers are, in virtual time: on random DAGs, against the best that there is."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anabranch.engine.laws import makespan_within_bound
from anabranch.engine.runs import Listener, RunInfo
from anabranch.nodes import (
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    Simulation,
    from_dag,
    simulate,
)
from anabranch.nodes.simulation.steps import StepRun
from anabranch.scheduler import primitives

VERBS = ("invoke", "ainvoke")
Edges = frozenset[tuple[int, int]]


@st.composite
def dags(draw: st.DrawFn, most: int) -> tuple[int, Edges]:
    """How many vertices, and the edges between them, each from a lower to a higher one."""
    size = draw(st.integers(1, most))
    pairs = list(itertools.combinations(range(size), 2))
    return size, frozenset(draw(st.sets(st.sampled_from(pairs)))) if pairs else frozenset()


def made(size: int, edges: Edges, function: Callable[[int, Any], Any] = lambda vertex, value: vertex) -> Any:
    dag: nx.DiGraph[str] = nx.DiGraph()
    for vertex in range(size):
        step: Any = partial(function, vertex)
        dag.add_node(f"s{vertex}", runnable=RunnableLambda(step, name=f"s{vertex}"))
    for start, end in edges:
        dag.add_edge(f"s{start}", f"s{end}", port=f"p{start}")
    return from_dag(dag)


def spans(found: Simulation) -> dict[int, tuple[float, float]]:
    assert found.error is None
    return {int(run.name[1:]): (run.started, _end(run)) for run in found.runs}


def _end(run: StepRun) -> float:
    assert run.ended is not None
    return run.ended


def best(size: int, edges: Edges, times: Sequence[int], permits: int) -> int:
    """The shortest makespan there is: some order of the steps, taken greedily, gives it."""
    return min(_greedy(order, edges, times, permits) for order in itertools.permutations(range(size)))


def _greedy(order: Sequence[int], edges: Edges, times: Sequence[int], permits: int) -> int:
    ended: dict[int, int] = {}
    running: dict[int, int] = {}
    now, waiting = 0, list(order)
    while waiting or running:
        for vertex in list(waiting):
            if len(running) < permits and all(start in ended for start, end in edges if end == vertex):
                running[vertex] = now + times[vertex]
                waiting.remove(vertex)
        now = min(running.values())
        for vertex in [vertex for vertex, end in running.items() if end == now]:
            ended[vertex] = running.pop(vertex)
    return now


seeds = st.integers(0, 2**32)
sizes = st.lists(st.integers(1, 9), min_size=10, max_size=10)


@given(dags(6), sizes, st.integers(1, 3), seeds, st.sampled_from(VERBS))
@settings(max_examples=40)
def test_a_call_takes_at_most_two_minus_one_over_m_times_the_optimum(
    dag: tuple[int, Edges], times: list[int], permits: int, seed: int, verb: Any
) -> None:
    durations = {f"s{vertex}": float(times[vertex]) for vertex in range(dag[0])}
    found = simulate(made(*dag), 0, verb=verb, seed=seed, durations=durations, max_concurrency=permits)
    assert found.makespan <= (2 - 1 / permits) * best(*dag, times, permits)


@given(dags(10), sizes, st.integers(1, 4), seeds, st.sampled_from(VERBS))
@settings(max_examples=40)
def test_a_step_starts_when_its_inputs_exist_and_a_permit_is_free(
    dag: tuple[int, Edges], times: list[int], permits: int, seed: int, verb: Any
) -> None:
    durations = {f"s{vertex}": float(times[vertex]) for vertex in range(dag[0])}
    found = simulate(made(*dag), 0, verb=verb, seed=seed, durations=durations, max_concurrency=permits)
    ran = spans(found)
    moments = sorted({moment for span in ran.values() for moment in span})
    for vertex, (started, _) in ran.items():
        ready = max((ran[start][1] for start, end in dag[1] if end == vertex), default=0.0)
        assert started >= ready
        for moment in moments:
            if ready <= moment < started:
                busy = sum(began <= moment < ended for began, ended in ran.values())
                assert busy == permits, f"s{vertex} waited at {moment} while {permits - busy} permits were idle"


@given(dags(10), sizes, seeds, st.sampled_from(VERBS))
@settings(max_examples=40)
def test_without_a_cap_a_call_takes_as_long_as_its_longest_path(
    dag: tuple[int, Edges], times: list[int], seed: int, verb: Any
) -> None:
    durations = {f"s{vertex}": float(times[vertex]) for vertex in range(dag[0])}
    found = simulate(made(*dag), 0, verb=verb, seed=seed, durations=durations, max_concurrency=10)
    path: nx.DiGraph[int] = nx.DiGraph()
    path.add_nodes_from(range(dag[0]), weight=0)
    path.add_weighted_edges_from((start, end, times[end]) for start, end in dag[1])
    path.add_weighted_edges_from((-1, vertex, times[vertex]) for vertex in range(dag[0]))
    assert found.makespan == nx.dag_longest_path_length(path)


@given(dags(8), sizes, st.integers(1, 6), st.integers(1, 4), seeds, st.sampled_from(("batch", "abatch")))
@settings(max_examples=40)
def test_a_batch_is_within_the_bound(
    dag: tuple[int, Edges], times: list[int], inputs: int, permits: int, seed: int, verb: Any
) -> None:
    durations = {f"s{vertex}": float(times[vertex]) for vertex in range(dag[0])}
    chain: Runnable[Any, Any] = made(*dag)
    alone = simulate(chain, 0, durations=durations, max_concurrency=dag[0]).makespan
    found = simulate(chain, [0] * inputs, verb=verb, seed=seed, durations=durations, max_concurrency=permits)
    makespan_within_bound(found.makespan, found.work, alone, permits)


@pytest.mark.parametrize("verb", ["batch", "abatch"])
@pytest.mark.parametrize("permits", [1, 2, 3])
@given(seed=seeds)
@settings(max_examples=20)
def test_inputs_of_a_batch_begin_in_their_order_and_none_is_overtaken_for_long(
    verb: Any, permits: int, seed: int
) -> None:
    began: list[int] = []
    ended: list[int] = []

    def step(vertex: int, value: Any) -> Any:
        if vertex == 0:
            began.append(value)
        if vertex == 3:
            ended.append(value["p1"])
        return value if vertex == 0 else value["p0"] if vertex < 3 else None

    chain = made(4, frozenset({(0, 1), (0, 2), (1, 3), (2, 3)}), step)
    simulate(chain, list(range(12)), verb=verb, seed=seed, durations=1, max_concurrency=permits)
    for order in (began, ended):  # who ends at the same moment does so in any order
        assert all(abs(place - value) < 2 * permits for place, value in enumerate(order))


# Chunks under a cap


def slowly(chunks: Iterator[Any]) -> Iterator[Any]:
    for _ in chunks:
        for number in range(3):
            yield number
            time.sleep(10)


async def aslowly(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for _ in chunks:
        for number in range(3):
            yield number
            await asyncio.sleep(10)


def reads(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


async def areads(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize("form", [(slowly, reads), (aslowly, areads)])
def test_a_chunk_is_read_before_its_maker_goes_on_though_there_is_one_permit(verb: Any, form: Any) -> None:
    maker: Any = RunnableGenerator(form[0], name="maker")
    readers: dict[str, Any] = {name: RunnableGenerator(form[1], name=name) for name in "xyz"}
    for seed in range(5):
        found = simulate(maker | readers, 0, verb=verb, seed=seed, max_concurrency=1)
        assert {run.name: run.started for run in found.runs} == dict.fromkeys(("maker", "x", "y", "z"), 0.0)
        assert found.makespan == 30
        assert found.peak == 1
        found = simulate({name: readers[name] | maker for name in "xy"}, 0, verb=verb, seed=seed, max_concurrency=1)
        assert {run.started for run in found.runs} == {0.0}  # the one doesn't wait until the other is over
        assert found.makespan == 60
        assert found.peak == 1


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_who_reads_the_output_waits_for_no_permit_where_no_code_is_to_run(verb: Any) -> None:
    times: list[float] = []

    class Clocked(Listener):
        inline = True

        def chunk(self, run: RunInfo, chunk: Any) -> None:
            if run.parent is None:
                times.append(primitives.time())

    maker = RunnableGenerator(slowly if verb == "stream" else aslowly)
    config: Any = {"callbacks": [Clocked()]}
    simulate(maker | {"x": RunnablePassthrough(), "y": RunnablePassthrough()}, 0, config, verb=verb, max_concurrency=1)
    assert [time - times[0] for time in times] == [0, 0, 10, 10, 20, 20]
