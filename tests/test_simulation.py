"""`simulate`: the real drivers in virtual time, with every choice made by a seed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from built_programs import Watched, build
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Fn, Injected, Join, Pass, PickSome, Program, Returns, Silent, Value, expected, programs, values
from verbs import one_after_another

from anabranch.engine.config import RunnableConfig
from anabranch.engine.trace_laws import Recorder, check_facts, outline
from anabranch.nodes import (
    MissingExtraError,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    Simulation,
    SimulationError,
    Sweep,
    simulate,
)
from anabranch.nodes.simulation import threads as threads_module
from anabranch.scheduler import primitives
from anabranch.scheduler.strands import Strands

VALUES = ("invoke", "ainvoke")
CHUNKS = ("stream", "astream")
caps = st.sampled_from((None, 1, 2, 3))
seeds = st.integers(0, 2**32)


class Resting(Watched):
    """Leaves that sleep, now and then."""

    def rest(self) -> None:
        time.sleep(1)

    async def arest(self) -> None:
        await asyncio.sleep(1)


def plus_one(x: int) -> int:
    time.sleep(60)
    return x + 1


def _each(chunks: Any) -> Any:
    yield from chunks


def size(x: int) -> int:
    return abs(x)


async def aplus_one(x: int) -> int:
    await asyncio.sleep(60)
    return x + 1


def check(program: Program, value: Value, found: Simulation) -> None:
    wanted = expected(program, value)
    if found.error is None:
        assert not wanted.errors
        assert found.value == wanted.value
    else:
        assert isinstance(found.error, Injected), repr(found.error)
        assert wanted.errors
    assert not found.left
    assert found.max_concurrency is None or found.peak <= found.max_concurrency


# Random programs


@given(programs(max_leaves=12), values, seeds, caps, st.sampled_from(VALUES + CHUNKS))
@settings(max_examples=200)
def test_under_any_interleaving_a_program_comes_to_the_same(
    program: Program, value: Value, seed: int, cap: int | None, verb: Any
) -> None:
    if verb in CHUNKS and expected(program, value).vague:
        return
    watch = Resting()
    runnable = build(program, watch)
    for each in range(seed, seed + 3):
        found = simulate(
            runnable,
            value,
            {"channel_capacity": 1},
            verb=verb,
            seed=each,
            max_concurrency=cap,
            durations=lambda chance: float(chance.randint(0, 3)),
        )
        check(program, value, found)
    assert not watch.left()


@given(st.integers(0, 400))
@settings(max_examples=30)
def test_what_is_cancelled_while_it_reads_holds_no_permit(seed: int) -> None:
    branches: dict[str, Program] = {"a": Fn("p", "sync", 0), "b": Pass(), "c": Silent("sync")}
    program = Returns(Join(branches, then=PickSome(("a", "b"))), "sync")
    config: Any = {"timeout": 2.5}
    found = simulate(
        build(program),
        "",
        config,
        verb="astream",
        seed=seed,
        max_concurrency=1,
        durations=lambda chance: chance.randint(0, 3),
    )
    assert found.peak <= 1


def passing_it_on(x: int, config: RunnableConfig) -> Any:
    return slow.invoke(x, config)


def returning(x: int) -> Any:
    return slow.map() if isinstance(x, list) else slow


async def doze(x: int) -> int:
    await asyncio.sleep(60)
    return x


slow = RunnableLambda(doze)


@pytest.mark.parametrize("verb", [*VALUES, *CHUNKS])
@pytest.mark.parametrize("step", [passing_it_on, returning], ids=lambda step: step.__name__)
@pytest.mark.parametrize("value", [1, [1, 2]], ids=["one", "many"])
def test_what_a_step_calls_ends_with_the_call_and_not_by_a_timeout_of_its_own(step: Any, value: Any, verb: Any) -> None:
    chain: Runnable[Any, Any] = RunnableLambda(step).with_fallbacks([lambda x: "made good"])
    for seed in range(8):
        assert isinstance(simulate(chain, value, {"timeout": 5}, verb=verb, seed=seed).error, TimeoutError)


@given(programs(max_leaves=8), st.lists(values, max_size=5), seeds, caps, st.sampled_from(("batch", "abatch")))
@settings(max_examples=40)
def test_a_batch_keeps_its_order_under_any_interleaving(
    program: Program, inputs: list[Value], seed: int, cap: int | None, verb: Any
) -> None:
    found = simulate(build(program, Resting()), inputs, verb=verb, seed=seed, max_concurrency=cap, durations=(0, 1))
    wanted = [expected(program, value) for value in inputs]
    if found.error is None:
        assert found.value == [each.value for each in wanted]
    else:
        assert any(each.errors for each in wanted)


@given(programs(max_leaves=8), values, seeds, st.sampled_from(VALUES + CHUNKS))
@settings(max_examples=40)
def test_a_seed_gives_the_very_same_run_again(program: Program, value: Value, seed: int, verb: Any) -> None:
    def run() -> tuple[Any, ...]:
        found = simulate(build(program, Resting()), value, verb=verb, seed=seed, durations=(0, 2))
        steps = [(run.key, run.started, run.ended, repr(run.error)) for run in found.runs]
        return found.value, repr(found.error), found.chunks, found.makespan, found.switches, steps

    assert run() == run()


@given(programs(max_leaves=8, failing=False), values, seeds, st.sampled_from(VALUES))
@settings(max_examples=40)
def test_what_is_told_is_what_the_real_driver_tells(program: Program, value: Value, seed: int, verb: str) -> None:
    real, simulated = Recorder(), Recorder()
    runnable = build(program)
    if verb == "invoke":
        runnable.invoke(value, {"callbacks": [real]})
    else:
        asyncio.run(runnable.ainvoke(value, {"callbacks": [real]}))
    simulate(runnable, value, {"callbacks": [simulated]}, verb=verb, seed=seed, durations=(0, 1))  # type: ignore[call-overload]
    check_facts(simulated.facts)
    assert outline(simulated.facts) == outline(real.facts)


@given(programs(max_leaves=8), values, seeds, st.sampled_from(VALUES + CHUNKS), st.floats(0, 6))
@settings(max_examples=40)
def test_a_timeout_leaves_nothing_behind(program: Program, value: Value, seed: int, verb: Any, timeout: float) -> None:
    watch, recorder = Resting(), Recorder()
    config: Any = {"callbacks": [recorder], "timeout": timeout or 0.5, "channel_capacity": 1}
    found = simulate(build(program, watch), value, config, verb=verb, seed=seed, durations=(0, 2))
    assert found.error is None or isinstance(found.error, Injected | TimeoutError), repr(found.error)
    assert not found.left
    assert not watch.left()
    check_facts(recorder.facts)


# Time


@one_after_another("verb", VALUES + CHUNKS)
@one_after_another("slow", [plus_one, aplus_one])
def test_sleeps_cost_nothing_and_branches_overlap(verb: Any, slow: Any) -> None:
    found = simulate(RunnableLambda(slow) | {"a": slow, "b": slow}, 1, verb=verb)
    assert found.value == {"a": 3, "b": 3}
    assert (found.makespan, found.work, found.waited) == (120, 180, 0)


def test_caps_are_compared() -> None:
    sweep = simulate(RunnableLambda(plus_one), [1, 2, 3, 4], max_concurrency=[1, 2, 4])
    assert isinstance(sweep, Sweep)
    assert [each.makespan for each in sweep.simulations] == [240, 120, 60]
    assert [each.waited for each in sweep.simulations] == [60 + 120 + 180, 2 * 60, 0]
    assert [each.peak for each in sweep.simulations] == [1, 2, 4]
    assert str(sweep) == (
        "cap  makespan  speed-up  waited  peak\n"
        "1       240 s     1.00x   360 s     1  ████████████████████████████████████████\n"
        "2       120 s     2.00x   120 s     2  ████████████████████\n"
        "4        60 s     4.00x     0 s     4  ██████████"
    )


def test_durations_are_given_by_name_by_key_and_for_all() -> None:
    chain: Runnable[Any, Any] = RunnableLambda(size) | {"a": RunnableLambda(str), "b": RunnableLambda(repr)}
    assert simulate(chain, -1, durations=2).makespan == 4
    assert simulate(chain, -1, durations={"str": 5.0, chain.graph.keys[0]: 1.0}).makespan == 6
    assert 1 <= simulate(chain, -1, durations={"size": (1, 2)}).makespan <= 2
    assert simulate(chain, -1, durations={"repr": lambda chance: 7.0}).makespan == 7


def test_a_failure_comes_when_the_step_has_had_its_time() -> None:
    chain = RunnableLambda(size) | RunnableLambda(str)
    found = simulate(chain, -1, durations={"size": 3.0}, failures={"size": ValueError("no")})
    assert isinstance(found.error, ValueError)
    assert found.makespan == 3
    with pytest.raises(ValueError, match="no"):
        found.result()


def test_a_failure_may_depend_on_how_often_the_step_ran() -> None:
    chain = RunnableLambda(size).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    found = simulate(chain, -1, failures={"size": lambda count: None if count == 2 else KeyError(count)})
    assert found.value == 1
    assert [type(run.error) for run in found.runs] == [KeyError, KeyError, type(None)]


def test_the_waits_of_a_retry_are_drawn_from_the_seed() -> None:
    chain = RunnableLambda(size).with_retry(stop_after_attempt=4)
    spans = {simulate(chain, -1, seed=7, failures={"size": KeyError}).makespan for _ in range(3)}
    assert len(spans) == 1
    assert spans.pop() > 1


def test_a_bounded_channel_is_as_deep_as_it_may_be() -> None:
    def numbers(chunks: Any) -> Any:
        yield from ([number] for number in range(50))

    async def slowly(chunks: Any) -> Any:
        async for chunk in chunks:
            await asyncio.sleep(1)
            yield chunk

    chain = RunnableGenerator(numbers) | {"fast": RunnableGenerator(numbers), "slow": RunnableGenerator(slowly)}
    found = simulate(chain, None, {"channel_capacity": 5}, verb="astream")
    assert found.value["slow"] == list(range(50))
    assert max(found.depths.values()) == 5
    assert found.makespan == 50


def test_a_step_that_calls_a_runnable_counts_no_more() -> None:
    inner = RunnableLambda(plus_one)
    found = simulate(RunnableLambda(lambda x: inner.batch([x] * 3)), 1)
    assert found.peak == 3
    assert found.makespan == 60


def test_it_prints_what_it_found() -> None:
    text = str(simulate(RunnableLambda(size) | {"a": RunnableLambda(str)}, -1, durations=1, verb="stream"))
    assert text == (
        "seed 0: {'a': '1'}\n"
        "makespan 2 s, work 2 s, waited 0 s, peak 1\n"
        "channels: output 1\n"
        "step                                      runs  failed  first  last  busy\n"
        "RunnableSequence/size                        1       0    0 s   1 s   1 s\n"
        "RunnableSequence/RunnableParallel<a>/str     1       0    1 s   2 s   1 s"
    )


def test_a_driver_that_forgets_to_wake_somebody_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def letters(chunks: Any) -> Any:
        yield from "a" * 20

    chain = RunnableGenerator(letters) | {"a": RunnableGenerator(_each), "b": RunnableLambda(str)}
    assert simulate(chain, None, {"channel_capacity": 1}, verb="stream").value == {"a": "a" * 20, "b": "a" * 20}
    monkeypatch.setattr(Strands, "took", lambda self, reader: None)
    with pytest.raises(SimulationError, match="nobody can go on"):
        simulate(chain, None, {"channel_capacity": 1}, verb="stream")


# Around it


def test_other_threads_live_in_real_time_meanwhile() -> None:
    inside, done = threading.Event(), threading.Event()
    slept: list[float] = []

    def sleeper() -> None:
        inside.wait()
        before = time.monotonic()
        time.sleep(0.01)
        slept.append(time.monotonic() - before)
        lock = primitives.Lock()
        assert type(lock) is type(threading.Lock())
        done.set()

    thread = threading.Thread(target=sleeper)
    thread.start()

    def wait(x: int) -> None:
        inside.set()
        done.wait()

    simulate(RunnableLambda(wait), 1)
    thread.join()
    assert slept[0] >= 0.01
    assert primitives.Lock is threading.Lock
    assert not primitives.WORLDS


def test_it_runs_where_a_loop_runs() -> None:
    async def main() -> list[Any]:
        found = simulate(RunnableLambda(aplus_one), 1, verb="ainvoke")
        await asyncio.sleep(0)
        return [found.value, asyncio.get_running_loop() is not None]

    assert asyncio.run(main()) == [2, True]


def test_blocking_code_may_call_what_is_asynchronous() -> None:
    chain = RunnableLambda(lambda x: RunnableLambda(aplus_one).invoke(x)) | aplus_one
    assert simulate(chain, 1).value == 3
    assert simulate(chain, 1, verb="astream").value == 3


def test_a_simulation_in_a_simulation_is_refused() -> None:
    found = simulate(RunnableLambda(lambda x: simulate(RunnableLambda(size), x)), 1)
    assert isinstance(found.error, RuntimeError)


# Bad input


def test_those_who_wait_for_ever_are_named() -> None:
    def stuck(x: Any) -> None:
        primitives.Event().wait()

    with pytest.raises(SimulationError, match=r"nobody can go on, at 0.0 s: the caller in .*stuck"):
        simulate(RunnableLambda(stuck) | {"a": stuck}, 1)


def test_tasks_that_wait_for_ever_are_named() -> None:
    async def astuck(x: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(SimulationError, match=r"a task in .*steps under way: astuck"):
        simulate({"a": astuck, "b": size} | RunnableLambda(str), 1, verb="ainvoke")


def test_what_does_not_end_is_given_up() -> None:
    def endless(x: Any) -> None:
        while True:
            time.sleep(1)

    with pytest.raises(SimulationError, match="still running after 101 switches"):
        simulate(RunnableLambda(endless), 1, most_switches=100)


def test_real_input_and_output_is_refused() -> None:
    async def connect(x: Any) -> None:
        await asyncio.open_connection("127.0.0.1", 1)

    with pytest.raises(SimulationError, match="no input or output"):
        simulate(RunnableLambda(connect), 1, verb="ainvoke")


def test_names_that_no_step_has_are_refused() -> None:
    with pytest.raises(SimulationError, match=r"no step that ran is called 'absent'; there are \['size'\]"):
        simulate(RunnableLambda(size), 1, durations={"absent": 1.0})


def test_a_wrong_verb_is_refused() -> None:
    with pytest.raises(SimulationError, match="verb: expected one of invoke"):
        simulate(RunnableLambda(size), 1, verb="run")  # type: ignore[call-overload]


def test_no_caps_are_refused() -> None:
    with pytest.raises(SimulationError, match="empty list"):
        simulate(RunnableLambda(size), 1, max_concurrency=[])


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, extra: str, needed_by: str) -> None:
        raise MissingExtraError(f"{needed_by} needs {module}: {extra}")

    monkeypatch.setattr(threads_module, "import_extra", missing)
    with pytest.raises(MissingExtraError, match="simulate needs greenlet: testing"):
        simulate(RunnableLambda(size), 1)


@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize("capacity", [1, 2, 4])
def test_before_a_slow_reader_channels_fill_up_to_their_capacity_also_where_branches_join(
    verb: Any, capacity: int
) -> None:
    def many(_: Iterator[Any]) -> Iterator[str]:
        yield from "abcdefghijkl"

    def passed(chunks: Iterator[str]) -> Iterator[str]:
        yield from chunks

    def slow(chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            time.sleep(1)
            yield chunk

    branches = {"a": RunnableGenerator(passed), "b": RunnableGenerator(passed)}
    chain = RunnableGenerator(many) | branches | RunnableGenerator(slow)
    found = simulate(chain, 0, {"channel_capacity": capacity}, verb=verb, seed=1)
    assert found.depths == {"passed": capacity, "slow": capacity}


def test_sleep_is_afterwards_what_it_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    mine = time.sleep

    def nap(x: int) -> int:
        time.sleep(60)
        return x

    assert simulate(RunnableLambda(nap), 1).makespan == 60
    assert time.sleep is mine
    assert not slept
