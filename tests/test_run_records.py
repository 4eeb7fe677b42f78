"""A record of a run is the same, whatever it was kept by; and it knows which step each run was."""

from __future__ import annotations

import asyncio
import threading
from itertools import chain as chained
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import networkx as nx
import pytest
from built_programs import build
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Program, Value, programs, values
from verbs import VERBS

from anabranch.engine import laws
from anabranch.engine.run_logs import RunLogPatch
from anabranch.nodes import (
    EventFile,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    collect_runs,
    from_dag,
    replay,
    simulate,
)
from anabranch.nodes.tracing.collecting import RunCollectorCallbackHandler
from anabranch.viz.recorded_events import EventFold
from anabranch.viz.run_recorders import RunRecorder
from anabranch.viz.run_records import RunSourceError, record_of
from anabranch.viz.step_runs import RunRecord, StepRun, preview


def absolute(x: int) -> int:
    return abs(x)


def outline(record: RunRecord, *, chunks: bool = True, alike: bool = False) -> list[Any]:
    """The tree of a record without its ids and times; children in any order, for what starts at once has none.

    `chunks`: with their number. `alike`: a log can't tell what failed from what was cancelled, and has no errors.
    """

    def shown(run: StepRun) -> Any:
        run_type = "llm" if run.run_type == "chat_model" else run.run_type
        state = "failed" if alike and run.state == "cancelled" else run.state
        facts = (run.name, run_type, run.tags, state, run.key or "", run.attempts, run.chunks if chunks else None)
        error = "" if alike else run.error.partition(":")[0]
        return (*facts, error, tuple(sorted((shown(child) for child in run.children), key=repr)))

    return sorted((shown(root) for root in record.roots), key=repr)


@given(programs(), values, st.sampled_from(sorted(VERBS)))
@settings(max_examples=40)
def test_recorder_tracer_and_file_come_to_the_same(program: Program, value: Value, verb: str) -> None:
    made, recorder, tracer = build(program), RunRecorder(), RunCollectorCallbackHandler()
    with TemporaryDirectory() as folder:
        path = Path(folder, "events.jsonl")
        with EventFile(path) as file:
            laws.outcome(lambda: VERBS[verb](made, value, {"callbacks": [recorder, tracer, file]}))
        recorded, filed = record_of(recorder, made), record_of(path, made)
    assert recorded.roots
    assert outline(filed) == outline(recorded)
    traced = record_of(tracer.traced_runs, made)
    assert outline(traced, chunks=False) == outline(recorded, chunks=False)


@given(programs(forms=("sync",)), values)
@settings(max_examples=30)
def test_a_handle_and_the_recorder_in_its_callbacks_come_to_the_same(program: Program, value: Value) -> None:
    made, recorder = build(program), RunRecorder()
    handle = made.start(value, {"callbacks": [recorder]})
    laws.outcome(handle.result)
    assert outline(record_of(handle)) == outline(record_of(recorder, made))


async def logged(made: Any, value: Any, recorder: RunRecorder) -> list[RunLogPatch]:
    patches = []
    try:
        async for patch in made.astream_log(value, {"callbacks": [recorder], "max_concurrency": 1}):
            patches.append(patch)  # noqa: PERF401 # those before an error are wanted
    except Exception:
        pass
    return patches


SAME_TREE: Any = (
    RunnableLambda(lambda x: x + 1).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    | {"a": RunnableLambda(absolute) | str, "b": RunnablePassthrough()}
    | RunnablePassthrough.assign(c=lambda d: 1)
    | RunnableLambda(lambda d: RunnableLambda(len))
)


def test_a_log_with_the_chain_comes_to_the_same() -> None:
    recorder = RunRecorder()
    patches = asyncio.run(logged(SAME_TREE, 1, recorder))
    wanted = recorder.record()
    for source in (patches, chained_log(patches)):
        assert outline(record_of(source, SAME_TREE), alike=True) == outline(wanted, alike=True)


def chained_log(patches: list[RunLogPatch]) -> RunLogPatch:
    return RunLogPatch(*chained.from_iterable(patch.ops for patch in patches))


@given(programs(forms=("sync",)), values)
@settings(max_examples=40)
def test_a_log_has_the_runs_of_the_recorder_with_their_states_and_chunks(program: Program, value: Value) -> None:
    made, recorder = build(program), RunRecorder()
    logged_runs = {run.id: run for run in record_of(asyncio.run(logged(made, value, recorder)), made).walk()}
    for run in recorder.record().walk():
        found = logged_runs.pop(run.id)
        assert (found.name, found.chunks) == (run.name, run.chunks)
        assert found.tags in (run.tags, ())  # a log has no tags of the root
        if run.state == "done" or found.key != run.key:  # how the root ended is not in a log
            # Nor is what came of a step without an output: it counts as failed.
            assert found.state in ("done", run.state) or (found.state == "failed" and run.output in ("", "None"))
    assert not logged_runs


@given(programs(failing=False, forms=("sync",)), values)
@settings(max_examples=40)
def test_runs_are_found_in_the_graph(program: Program, value: Value) -> None:
    made, recorder = build(program), RunRecorder()
    made.invoke(value, {"callbacks": [recorder]})
    record = record_of(recorder, made)
    found = record.by_key()
    for key, step in zip(made.graph.keys, made.graph.steps, strict=True):
        if step.operator.is_run:
            (run,) = found[key]
            assert run.name == step.name or run is record.roots[0]


class TestStates:
    def test_a_failed_step_has_its_message_and_what_never_ran_no_run(self) -> None:
        recorder = RunRecorder()
        chain = RunnableLambda(lambda x: 1 // x) | str
        with pytest.raises(ZeroDivisionError):
            chain.invoke(0, {"callbacks": [recorder]})
        root = recorder.record().roots[0]
        assert [(run.state, run.error) for run in root.walk()] == [
            ("failed", "ZeroDivisionError: integer division or modulo by zero")
        ] * 2

    def test_a_cancelled_step_is_told_from_a_failed_one(self) -> None:
        recorder = RunRecorder()

        async def waits(x: int) -> int:
            await asyncio.Event().wait()
            return x

        async def fails(x: int) -> int:
            await asyncio.sleep(0)
            raise ValueError("no")

        async def main() -> None:
            with pytest.raises(ValueError, match="no"):
                await RunnableParallel(a=waits, b=fails).ainvoke(1, {"callbacks": [recorder]})

        asyncio.run(main())
        assert {run.name: run.state for run in recorder.record().walk()} == {
            "RunnableParallel<a,b>": "failed",
            "waits": "cancelled",
            "fails": "failed",
        }

    def test_a_run_can_be_looked_at_while_it_goes_on(self) -> None:
        entered, go_on = threading.Event(), threading.Event()

        def waits(x: int) -> int:
            entered.set()
            go_on.wait()
            return x

        handle = (RunnableLambda(absolute) | waits | str).start(-1, {"callbacks": [RunRecorder()]})
        entered.wait()
        seen = record_of(handle)
        go_on.set()
        assert handle.result() == "1"
        assert [(run.name, run.state) for run in seen.walk()] == [
            ("RunnableSequence", "running"),
            ("absolute", "done"),
            ("waits", "running"),
        ]
        assert not seen.is_over
        assert record_of(handle).is_over

    def test_attempts_of_a_retry_are_counted(self) -> None:
        failures = iter([ValueError("1"), ValueError("2"), None])

        def flaky(x: int) -> int:
            if (error := next(failures)) is not None:
                raise error
            return x

        recorder = RunRecorder()
        chain = RunnableLambda(flaky).with_retry(wait_exponential_jitter=False)
        chain.invoke(1, {"callbacks": [recorder]})
        (root,) = recorder.record().roots
        assert root.attempts == 3
        assert [child.state for child in root.children] == ["failed", "failed", "done"]


class TestSources:
    def test_each_input_of_a_batch_is_a_root(self) -> None:
        recorder = RunRecorder()
        (RunnableLambda(absolute) | str).batch([1, -2, 3], {"callbacks": [recorder]})
        record = recorder.record()
        assert len(record.roots) == 3
        assert len(record.by_key()["RunnableSequence/absolute"]) == 3

    def test_a_simulation_has_virtual_times_also_for_its_callbacks(self) -> None:
        recorder = RunRecorder()
        chain = RunnableLambda(absolute) | {"a": str, "b": float}
        simulation = simulate(
            chain, -1, {"callbacks": [recorder]}, durations={"absolute": 1.0, "str": 2.0, "float": 4.0}
        )
        record = recorder.record()
        assert record.start is not None
        assert record.end is not None
        assert record.end - record.start == simulation.makespan == 5.0
        flat = record_of(simulation, chain).by_key()
        assert {key: (run.start, run.end) for key, (run,) in flat.items() if key} == {
            "RunnableSequence/absolute": (0.0, 1.0),
            "RunnableSequence/RunnableParallel<a,b>/str": (1.0, 3.0),
            "RunnableSequence/RunnableParallel<a,b>/float": (1.0, 5.0),
        }

    def test_events_can_be_folded_one_by_one(self, tmp_path: Path) -> None:
        path, fold = tmp_path / "events.jsonl", EventFold()
        with EventFile(path) as file:
            list((RunnableLambda(absolute) | str).stream(-1, {"callbacks": [file]}))
        seen = []
        for event in replay(path, times=True):
            fold.add(event)
            seen.append([run.state for run in fold.record.walk()])
        assert seen[0] == ["running"]
        assert seen[-1] == ["done"] * 3
        assert [run.chunks for run in fold.record.walk()] == [1, 1, 1]

    def test_a_record_is_json(self) -> None:
        recorder = RunRecorder()
        (RunnableLambda(absolute) | str).invoke(-1, {"callbacks": [recorder]})
        root, first, second = recorder.record().to_json()
        assert root["parent"] is None
        assert first["parent"] == second["parent"] == root["id"]
        assert first["input"] == "-1"
        assert first["tags"] == ["seq:step:1"]

    def test_a_handle_that_nobody_listens_to_says_how_to_record(self) -> None:
        handle = RunnableLambda(absolute).start(-1)
        handle.result()
        with pytest.raises(RunSourceError, match="RunRecorder"):
            record_of(handle)

    def test_a_handle_knows_what_runs_before_anything_has_begun(self) -> None:
        chain = RunnableLambda(absolute) | str
        handle = chain.start(-1, {"callbacks": [RunRecorder()]})
        assert record_of(handle).graph is chain.graph
        handle.result()

    def test_a_handle_knows_the_collector_around_it(self) -> None:
        with collect_runs():
            handle = RunnableLambda(absolute).start(-1)
            handle.result()
        assert [root.name for root in record_of(handle).roots] == ["absolute"]

    @pytest.mark.parametrize("wrong", [5, None, [], ["no"], {"event": "x"}, RunnableLambda(absolute)])
    def test_what_is_no_run_is_refused_with_what_is(self, wrong: Any) -> None:
        with pytest.raises(RunSourceError, match="expected a run"):
            record_of(wrong)

    def test_vertices_of_one_name_in_a_dag_are_told_apart_by_their_order(self) -> None:
        dag: nx.DiGraph[str] = nx.DiGraph()
        dag.add_node("a", runnable=RunnableLambda(absolute))
        dag.add_node("b", runnable=RunnableLambda(absolute))
        dag.add_edge("a", "b")
        recorder = RunRecorder()
        from_dag(dag).invoke(-1, {"callbacks": [recorder]})
        assert len(recorder.record().by_key()) == 3


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("value", [Rude(), [Rude()], "x" * 10_000, list(range(10_000)), {"a": {"b": "c" * 1000}}, None])
def test_a_preview_is_short_and_never_raises(value: Any) -> None:
    assert 0 < len(preview(value)) <= 240


def test_a_fallback_of_the_same_name_has_its_own_place() -> None:
    chain = (RunnableLambda(lambda x: 1 // x) | str).with_fallbacks([RunnableLambda(absolute) | str])
    recorder = RunRecorder()
    chain.invoke(0, {"callbacks": [recorder]})
    first, second = record_of(recorder, chain).roots[0].children
    assert (first.state, second.state) == ("failed", "done")
    assert [run.key.split("/")[1] for run in (first, second) if run.key] == ["runnable", "fallback:1"]
