"""Steps that take many inputs at once: who goes together, what each gets, and what one that fails does to the rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from verbs import PATIENCE, until

from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Step
from anabranch.engine.operators import Operator
from anabranch.engine.trace_laws import Recorder, check_facts
from anabranch.nodes import Runnable, RunnableLambda, RunnableParallel
from anabranch.scheduler import awaiting, blocking


class Doubles(Runnable[int, int]):
    """Doubles many at once, in either form, and notes which."""

    def __init__(self, name: str = "doubles", fails_on: int | None = None) -> None:
        self.name = name
        self.fails_on = fails_on
        self.calls: list[list[int]] = []
        self.singles: list[int] = []

    def invoke(self, input: int, config: Any = None, **kwargs: Any) -> int:
        self.singles.append(input)
        if input == self.fails_on:
            raise ValueError(input)
        return 2 * input

    def batch(self, inputs: Sequence[int], config: Any = None, **kwargs: Any) -> list[int]:
        self.calls.append(list(inputs))
        if self.fails_on in inputs:
            raise ValueError("some of these")
        return [2 * value for value in inputs]


class ADoubles(Doubles):
    async def ainvoke(self, input: int, config: Any = None, **kwargs: Any) -> int:
        await asyncio.sleep(0)
        return self.invoke(input)

    async def abatch(self, inputs: Sequence[int], config: Any = None, **kwargs: Any) -> list[int]:
        await asyncio.sleep(0)
        return self.batch(inputs)


def quick(x: int) -> int:
    return x + 1


def first() -> Runnable[int, int]:
    return RunnableLambda(quick, blocking=False)


async def abatched(chain: Runnable[Any, Any], inputs: list[int], config: Any = None, **kwargs: Any) -> Any:
    return await chain.abatch(inputs, config, **kwargs)


both_kinds = pytest.mark.parametrize("kind", [Doubles, ADoubles])


@both_kinds
@pytest.mark.parametrize("config", [None, {"max_concurrency": 1}, {"max_concurrency": 3}])
def test_one_after_the_other_each_gets_all_inputs_at_once(kind: type[Doubles], config: Any) -> None:
    one, two = kind("one"), kind("two")
    chain = first() | one | two | quick
    assert asyncio.run(abatched(chain, [1, 2, 3], config)) == [9, 13, 17]
    assert (one.calls, two.calls) == ([[2, 3, 4]], [[4, 6, 8]])
    assert one.singles == two.singles == []


@both_kinds
def test_two_side_by_side_are_told_apart(kind: type[Doubles]) -> None:
    one, two = kind("one"), kind("two")
    chain = first() | RunnableParallel(a=one, b=RunnableLambda(quick, blocking=False) | two)
    wanted = [{"a": 4, "b": 6}, {"a": 6, "b": 8}]
    assert chain.batch([1, 2], {"max_concurrency": 1}) == wanted
    assert (one.calls, two.calls) == ([[2, 3]], [[3, 4]])
    assert asyncio.run(abatched(chain, [1, 2])) == wanted
    assert one.calls == [[2, 3]] * 2


@both_kinds
@pytest.mark.parametrize("config", [None, {"max_concurrency": 1}])
def test_of_a_failed_call_each_input_is_tried_alone_and_only_the_guilty_fails(kind: type[Doubles], config: Any) -> None:
    doubles = kind(fails_on=3)
    chain = first() | doubles
    results = asyncio.run(abatched(chain, [1, 2, 3], config, return_exceptions=True))
    assert [each if isinstance(each, int) else type(each) for each in results] == [4, ValueError, 8]
    assert "doubles" in results[1].__notes__[0]
    assert (doubles.calls, doubles.singles) == ([[2, 3, 4]], [2, 3, 4])
    with pytest.raises(ValueError, match="3"):
        asyncio.run(abatched(chain, [1, 2, 3], config))


@both_kinds
def test_a_single_input_is_no_vector(kind: type[Doubles]) -> None:
    doubles = kind()
    chain = first() | doubles
    assert asyncio.run(abatched(chain, [1])) == [4]
    assert chain.batch([1]) == [4]
    assert (doubles.calls, doubles.singles) == ([], [2, 2])


@both_kinds
def test_who_listens_is_told_of_each_input_as_a_run_of_its_own(kind: type[Doubles]) -> None:
    for fails_on in (None, 3):
        doubles, recorder = kind(fails_on=fails_on), Recorder()
        configs: list[Any] = [{"callbacks": [recorder]}, {}, {}]
        asyncio.run(abatched(first() | doubles, [1, 2, 3], configs, return_exceptions=True))
        check_facts(recorder.facts)
        told = [(what, run.input, run.output) for what, run, _ in recorder.facts if run.name == "doubles"]
        assert [each[:2] for each in told] == [("started", 2), ("ended", 2)]
        assert told[-1][2] == 4


# Stopping


class Gate:
    """Where a call waits that was begun, until the test has seen enough."""

    def __init__(self) -> None:
        self.inside, self.may_end = threading.Event(), threading.Event()
        self.went: list[str] = []


class Waits(Doubles):
    """Waits in a thread, then calls something."""

    gate: Gate

    def batch(self, inputs: Sequence[int], config: Any = None, **kwargs: Any) -> list[int]:
        self.gate.inside.set()
        assert self.gate.may_end.wait(PATIENCE)
        RunnableLambda(self.gate.went.append).invoke("called")
        return super().batch(inputs)


class AWaits(ADoubles):
    """Waits on the loop."""

    gate: Gate

    async def abatch(self, inputs: Sequence[int], config: Any = None, **kwargs: Any) -> list[int]:
        self.gate.inside.set()
        try:
            await until(self.gate.may_end.is_set)
        except asyncio.CancelledError:
            self.gate.went.append("cancelled")
            raise
        self.gate.went.append("called")
        return self.batch(inputs)


@pytest.mark.parametrize("config", [None, {"max_concurrency": 1}])
@pytest.mark.parametrize("kind", [Waits, AWaits])
def test_a_cancellation_ends_the_call_of_all_of_them(kind: type[Waits | AWaits], config: Any) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(abatched(first() | waits, [1, 2, 3], config))
        await until(gate.inside.is_set)
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        gate.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    waits = kind()
    gate = waits.gate = Gate()
    asyncio.run(main())
    assert gate.went == (["cancelled"] if kind is AWaits else [])


@pytest.mark.parametrize("failing", [[2], [3], [2, 3], [2, 3, 4]])
@pytest.mark.parametrize("kind", [Waits, AWaits])
def test_it_goes_on_as_long_as_one_of_its_inputs_does(kind: type[Waits | AWaits], failing: list[int]) -> None:
    failed: list[int] = []

    async def fails(x: int) -> int:
        await until(gate.inside.is_set)
        if x in failing:
            failed.append(x)
            raise ValueError(x)
        return x

    async def main() -> list[Any]:
        chain = first() | RunnableParallel(a=waits, b=fails)
        task = asyncio.ensure_future(abatched(chain, [1, 2, 3], return_exceptions=True))
        await until(lambda: sorted(failed) == failing)
        for _ in range(5):
            await asyncio.sleep(0)
        gate.may_end.set()
        found: list[Any] = await task
        return found

    waits = kind()
    gate = waits.gate = Gate()
    found = asyncio.run(main())
    assert [type(each) for each in found] == [ValueError if x in failing else dict for x in (2, 3, 4)]
    assert [each["a"] for each in found if isinstance(each, dict)] == [2 * x for x in (2, 3, 4) if x not in failing]
    assert gate.went == (["called"] if len(failing) < 3 else ["cancelled"] if kind is AWaits else [])


def test_as_many_go_together_as_the_step_takes_at_most() -> None:
    calls: list[list[int]] = []

    def batch(values: list[int], configs: list[Any]) -> list[int]:
        calls.append(list(values))
        return [10 * value for value in values]

    step = Operator(name="step", invoke=lambda x: 10 * x, batch=batch, max_batch=2)
    before = Operator(name="before", invoke=quick, blocking=False)
    made = Graph((Step(0, before, INPUT_SLOT, -1), Step(1, step, 0, -1)), (), 1)
    wanted = [20, 30, 40, 50, 60]
    assert blocking.batch(made, [1, 2, 3, 4, 5], {"max_concurrency": 1}) == wanted
    assert sorted(map(len, calls)) == [2, 2]  # and one alone
    calls.clear()
    assert asyncio.run(awaiting.abatch(made, [1, 2, 3, 4, 5])) == wanted
    assert sorted(map(len, calls)) == [2, 2]


def test_one_that_returns_a_runnable_goes_on_alone() -> None:
    """What a vectorised call makes is an output; what an input alone makes may be a runnable, to be run."""
    began: list[int] = []

    def single(x: int) -> Any:
        began.append(x)
        return RunnableLambda(lambda y: 100 * y)

    def batch(values: list[int], configs: list[Any]) -> list[Any]:
        raise ValueError("one by one")

    step = Operator(name="step", invoke=single, batch=batch, expands=True)
    made = Graph((Step(0, step, INPUT_SLOT, -1),), (), 0)
    assert blocking.batch(made, [1, 2, 3], {"max_concurrency": 1}) == [100, 200, 300]
    assert began == [1, 2, 3]
    began.clear()
    assert asyncio.run(awaiting.abatch(made, [1, 2, 3])) == [100, 200, 300]
    assert began == [1, 2, 3]


def test_each_input_has_a_config_of_its_own() -> None:
    seen: list[Any] = []

    class Configured(Doubles):
        def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> list[int]:
            seen.extend(each["tags"] for each in config)
            return [2 * value for value in inputs]

    chain = first() | Configured()
    configs: Any = [{"tags": ["a"]}, {"tags": ["b"]}]
    assert chain.batch([1, 2], configs) == asyncio.run(abatched(chain, [1, 2], configs)) == [4, 6]
    assert seen == [["a"], ["b"]] * 2


def test_a_graph_of_no_step_gives_what_is_gathered_of_its_input() -> None:
    made = Graph((), (), Join({"a": INPUT_SLOT, "b": Join({"c": INPUT_SLOT}, 0)}, 0))
    wanted = {"a": 1, "b": {"c": 1}}
    assert blocking.invoke(made, 1) == wanted
    assert blocking.batch(made, [1, 1]) == [wanted, wanted]
    assert asyncio.run(awaiting.abatch(made, [1, 1])) == [wanted, wanted]
