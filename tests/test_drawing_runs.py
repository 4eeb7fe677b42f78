"""A drawn run is the picture of its chain with what became of each step."""

from __future__ import annotations

import threading
from pathlib import Path
from textwrap import dedent
from typing import Any

import networkx as nx
import pytest
from built_programs import build
from hypothesis import given, settings
from programs import Program, Value, programs, values

from anabranch.engine.errors import StepInputError
from anabranch.nodes import EventFile, RunnableBranch, RunnableLambda, RunnablePassthrough, collect_runs, simulate
from anabranch.viz import RunRecorder, draw
from anabranch.viz.drawing import pictured
from anabranch.viz.picturing import picture_of
from anabranch.viz.run_records import RunSourceError, record_of


def tries(value: int) -> int:
    raise ValueError("never")


def spare(value: int) -> int:
    return -value


def slow(value: int) -> int:
    return value


def divide(value: int) -> float:
    return 1 / (value + 3)


def one(value: int) -> int:
    return value


def is_more(value: int) -> bool:
    return value > 0


def make() -> Any:
    return (
        RunnableLambda(tries)
        .with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
        .with_fallbacks([RunnableLambda(spare)])
        | RunnableBranch((is_more, RunnableLambda(one) | str | int), RunnableLambda(abs, name="other"))
        | RunnableLambda(lambda value: -value)
        | {"kept": slow, "part": RunnableLambda(divide) | str}
        | RunnablePassthrough.assign(size=len)
    )


TIMES = {"tries": 0.5, "spare": 0.5, "slow": 3.0, "divide": 1.0}


def recorded(chain: Any, value: Any, durations: dict[str, float] = TIMES, **options: Any) -> RunRecorder:
    recorder = RunRecorder()
    simulate(chain, value, {"callbacks": [recorder]}, durations=durations, **options)
    return recorder


class TestText:
    def test_a_failed_run(self) -> None:
        assert draw(recorded(make(), 3), "text") + "\n" == dedent("""\
            input
            fallbacks  * done, 1.5 s
            ├─ tries [x2]  * failed, 1 s, 2 attempts, ValueError: never
            ╰─ spare  * done, 500 ms  <- on error: tries
            RunnableBranch  * done, 0 µs  <- tries, spare
            ├─ sequence  skipped
            │  ├─ one  skipped  <- if is_more: RunnableBranch
            │  ├─ str  skipped
            │  ╰─ int  skipped
            ╰─ other  * done, 0 µs  <- else: RunnableBranch
            lambda value: -value  * done, 0 µs  <- int, other
            parallel  failed, 3 s
            ├─ slow  * done, 3 s
            ├─ sequence  failed, 3 s
            │  ├─ divide  failed, 1 s, ZeroDivisionError: division by zero  <- lambda value: -value
            │  ╰─ str #2  skipped
            ╰─ { }  <- kept: slow, part: str #2
            assign  skipped
            ├─ len  skipped
            ╰─ { } #2  <- **: { }, size: len
            output
            """)

    def test_a_condition_that_is_a_chain_is_drawn_with_its_states(self) -> None:
        chain = RunnableBranch((is_more, one), (RunnableLambda(slow) | spare, abs), str)
        assert draw(recorded(chain, -3, {"slow": 3.0}), "text") + "\n" == dedent("""\
            input
            RunnableBranch  * done, 3 s
            ├─ one  skipped  <- 1. if is_more: RunnableBranch
            ├─ condition  * done, 3 s
            │  ├─ slow  * done, 3 s  <- 2. if: RunnableBranch
            │  ╰─ spare  * done, 0 µs
            ├─ abs  * done, 0 µs  <- then: spare
            ╰─ str  skipped  <- else: RunnableBranch
            output  <- one, abs, str
            """)
        assert "2. if: slow > spare" in str(chain.explain())

    def test_the_critical_path_goes_on_from_the_choice_where_a_condition_did_not_hold(self) -> None:
        chain = RunnableBranch((RunnableLambda(slow) | is_more, one), str)
        edges = pictured(recorded(chain, -3, {"slow": 3.0})).edges
        assert {edge.label: edge.thick for edge in edges if edge.label} == {"if": True, "then": False, "else": True}

    def test_an_error_of_a_condition_at_an_arrow_stands_at_the_branch(self) -> None:
        chain = RunnableBranch((tries, one), abs)
        assert "RunnableBranch  * failed, 500 ms, ValueError: never" in draw(recorded(chain, 3, {"tries": 0.5}), "text")

    def test_a_folded_box_tells_which_of_its_steps_failed(self) -> None:
        chain = RunnableLambda(one) | {"a": RunnableLambda(tries) | str, "b": spare}
        run = recorded(chain, 3, {"tries": 0.5})
        assert "parallel [3 steps]  * failed, 500 ms, tries: ValueError: never" in draw(run, "text", depth=0)
        assert "sequence [2 steps]  * failed, 500 ms, tries: ValueError: never" in draw(run, "text", depth=1)
        row = recorded(RunnableLambda(one).pipe(*[spare] * 80, tries, *[spare] * 80), 3, {"tries": 0.5})
        assert "spare … spare [154 steps]  * failed, 500 ms, tries: ValueError: never" in draw(row, "text")

    def test_what_a_function_calls_has_its_state(self) -> None:
        inner = RunnableLambda(slow) | spare

        def asks(value: int) -> int:
            return inner.invoke(value)

        assert draw(recorded(RunnableLambda(asks), 3, {"slow": 3.0}), "text").splitlines() == [
            *["input", "asks  * done, 3 s"],
            *["╰─ sequence  * done, 3 s", "   ├─ slow  * done, 3 s  <- may call: asks", "   ╰─ spare  * done, 0 µs"],
            *["output  <- asks"],
        ]

    def test_a_run_that_goes_on(self) -> None:
        entered, go_on = threading.Event(), threading.Event()

        def waits(value: int) -> int:
            entered.set()
            go_on.wait()
            return value

        chain = RunnableLambda(one) | waits | {"a": str, "b": slow}
        handle = chain.start(1, {"callbacks": [RunRecorder()]})
        entered.wait()
        picture = pictured(handle)
        go_on.set()
        handle.result()
        states = {vertex.label: vertex.state for vertex in picture.vertices.values() if vertex.keys}
        assert states == {"one": "done", "waits": "running", "str": "waiting", "slow": "waiting"}

    def test_a_batch_has_the_worst_of_its_states(self) -> None:
        chain = RunnableLambda(divide) | str
        recorder = RunRecorder()
        chain.batch([1, -3, 2], {"callbacks": [recorder], "max_concurrency": 1}, return_exceptions=True)
        text = draw(recorder, "text")
        assert "1 of 3 failed, ZeroDivisionError: division by zero" in text
        assert "2 runs" in text


@given(programs(failing=False, forms=("sync",)), values)
@settings(max_examples=30)
def test_every_run_in_the_picture_has_its_state_and_the_picture_stays_the_same(program: Program, value: Value) -> None:
    chain, recorder = build(program), RunRecorder()
    chain.invoke(value, {"callbacks": [recorder]})
    bare, shown = picture_of(chain.graph), pictured(chain, recorder)
    assert bare.vertices.keys() == shown.vertices.keys()
    assert bare.clusters.keys() == shown.clusters.keys()
    assert [(edge.source, edge.target) for edge in bare.edges] == [(edge.source, edge.target) for edge in shown.edges]
    ran = {run.key for run in record_of(recorder, chain).walk()}
    for id, vertex in shown.vertices.items():
        assert (vertex.state is None) == (not vertex.keys and id not in shown.clusters)
        if id in ran:
            assert vertex.state == "done"


@given(programs(failing=False, forms=("sync",)), values)
@settings(max_examples=30)
def test_thick_arrows_lie_on_one_path_from_the_input(program: Program, value: Value) -> None:
    chain, recorder = build(program), RunRecorder()
    chain.invoke(value, {"callbacks": [recorder]})
    thick: nx.DiGraph[str] = nx.DiGraph()
    thick.add_edges_from((edge.source, edge.target) for edge in pictured(chain, recorder).edges if edge.thick)
    assert nx.is_directed_acyclic_graph(thick)


class TestSources:
    def test_a_recorded_file_is_drawn_with_its_chain(self, tmp_path: Path) -> None:
        chain, path = make(), tmp_path / "run.jsonl"
        with EventFile(path) as file, pytest.raises(ZeroDivisionError):
            chain.invoke(3, {"callbacks": [file]})
        assert "ZeroDivisionError: " in draw(chain, "text", run=path)
        with pytest.raises(StepInputError, match=r"draw\(chain, run=\.\.\.\)"):
            draw(str(path), "text")

    def test_the_runs_of_a_tracer_are_drawn_with_their_chain(self) -> None:
        with collect_runs() as runs:
            RunnableLambda(one).invoke(1)
        assert "done" in draw(RunnableLambda(one), "text", run=runs.traced_runs)

    @pytest.mark.parametrize("format", ["svg", "dot", "mermaid", "text"])
    def test_every_format_shows_the_states(self, format: Any) -> None:
        if format == "svg":
            pytest.importorskip("pygraphviz")
        text = draw(recorded(make(), 3), format)
        for state in ("done", "failed", "skipped"):
            assert state in text

    def test_what_is_neither_a_chain_nor_a_run_is_refused(self) -> None:
        with pytest.raises(StepInputError, match="a runnable or its graph, or a run"):
            draw(5, "text")
        with pytest.raises(RunSourceError):
            draw(RunnableLambda(one), "text", run=5)

    def test_a_picture_given_is_not_changed(self) -> None:
        chain = RunnableLambda(one) | str
        picture, recorder = picture_of(chain.graph), RunRecorder()
        chain.invoke(1, {"callbacks": [recorder]})
        assert "done" in draw(picture, "text", run=recorder)
        assert "done" not in draw(picture, "text")
