"""A trace opens in a viewer: its bars are nested in each lane, and it is whole whenever it is looked at."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anabranch.engine.runs import RunInfo
from anabranch.nodes import PerfettoTracer, RunnableLambda

SLACK = 0.01
"""Microseconds, for rounding."""


def shout(text: str) -> str:
    return text.upper()


def letters(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk


def fail(text: str) -> str:
    raise ValueError("no")


def events_of(path: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(path.read_bytes())
    return events


def bars_of(path: Path) -> list[dict[str, Any]]:
    return [event for event in events_of(path) if event["ph"] == "X"]


def check(path: Path) -> list[dict[str, Any]]:
    """The bars of a file, in each lane of which they lie apart or one within the other."""
    events = events_of(path)
    assert events[0] == {"name": "process_name", "ph": "M", "pid": 1, "tid": 0, "args": {"name": "anabranch"}}
    named = {event["tid"] for event in events if event["name"] == "thread_name"}
    bars = bars_of(path)
    assert {bar["tid"] for bar in bars} == named
    for lane in named:
        inside: list[float] = []
        for bar in sorted((bar for bar in bars if bar["tid"] == lane), key=lambda bar: (bar["ts"], -bar["dur"])):
            assert bar["ts"] >= 0
            assert bar["dur"] >= 0
            while inside and inside[-1] <= bar["ts"] + SLACK:
                inside.pop()
            end = bar["ts"] + bar["dur"]
            assert not inside or end <= inside[-1] + SLACK, "bars overlap"
            inside.append(end)
    for mark in (event for event in events if event["ph"] == "i"):
        around = [bar for bar in bars if bar["tid"] == mark["tid"] and bar["name"] == mark["args"]["run"]]
        assert any(bar["ts"] - SLACK <= mark["ts"] <= bar["ts"] + bar["dur"] + SLACK for bar in around)
    return bars


def test_a_sequence_lies_in_one_lane(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with PerfettoTracer(path) as tracer:
        (RunnableLambda(shout) | shout | shout).invoke("x", {"callbacks": [tracer]})
    bars = check(path)
    assert [bar["name"] for bar in bars] == ["shout", "shout", "shout", "RunnableSequence"]
    assert {bar["tid"] for bar in bars} == {1}


def test_what_runs_at_the_same_time_lies_side_by_side(tmp_path: Path) -> None:
    path, meeting = tmp_path / "trace.json", threading.Barrier(3)

    def meet(text: str) -> str:
        meeting.wait()
        return text

    with PerfettoTracer(path) as tracer:
        (RunnableLambda(shout) | {"a": meet, "b": meet, "c": meet}).invoke("x", {"callbacks": [tracer]})
    lanes = {bar["tid"] for bar in check(path) if bar["name"] == "meet"}
    assert len(lanes) == 3


def test_many_calls_in_threads_and_on_a_loop_are_nested_in_each_lane(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    chain = RunnableLambda(shout) | {"a": shout, "b": letters, "c": RunnableLambda(shout) | shout} | len

    async def on_a_loop() -> None:
        await chain.abatch(["xyz"] * 20, {"callbacks": [tracer]})
        async for _ in chain.astream("xyz", {"callbacks": [tracer]}):
            pass

    def in_threads() -> None:
        chain.batch(["xyz"] * 20, {"callbacks": [tracer]})
        list(chain.stream("xyz", {"callbacks": [tracer]}))

    with PerfettoTracer(path) as tracer:
        threads = [threading.Thread(target=in_threads) for _ in range(3)]
        for thread in threads:
            thread.start()
        asyncio.run(on_a_loop())
        for thread in threads:
            thread.join()
    bars = check(path)
    assert len(bars) == 4 * 21 * 9
    assert len({bar["args"]["run_id"] for bar in bars}) == len(bars)


def test_chunks_are_marks_unless_they_are_not_wanted(tmp_path: Path) -> None:
    chain = RunnableLambda(shout) | letters
    for chunks, count in ((True, 1 + 3 + 3), (False, 0)):
        path = tmp_path / "trace.json"
        with PerfettoTracer(path, chunks=chunks) as tracer:
            list(chain.stream("xyz", {"callbacks": [tracer]}))
        check(path)
        assert [event["name"] for event in events_of(path) if event["ph"] == "i"] == ["chunk"] * count


def test_arguments_tell_tags_metadata_and_errors(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with PerfettoTracer(path) as tracer:
        config: Any = {"tags": ["mine"], "metadata": {"user": {1}}, "callbacks": [tracer]}
        with pytest.raises(ValueError, match="no"):
            RunnableLambda(fail).invoke("x", config)
    (bar,) = check(path)
    assert (bar["name"], bar["cat"]) == ("fail", "chain")
    assert bar["args"]["tags"] == ["mine"]
    assert bar["args"]["metadata"] == {"user": [1]}
    assert (bar["args"]["error"]["type"], bar["args"]["error"]["message"]) == ("ValueError", "no")


def test_retries_are_marks(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    guarded = RunnableLambda(fail).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    with PerfettoTracer(path) as tracer, pytest.raises(ValueError, match="no"):
        guarded.invoke("x", {"callbacks": [tracer]})
    check(path)
    assert [event["name"] for event in events_of(path) if event["ph"] == "i"] == ["retry"] * 2


def test_the_file_is_whole_at_any_time(tmp_path: Path) -> None:
    path, seen = tmp_path / "trace.json", []

    def look(text: str) -> str:
        seen.append(len(events_of(path)))
        return text

    tracer = PerfettoTracer(path)
    (RunnableLambda(shout) | look | look).invoke("x", {"callbacks": [tracer]})
    assert seen == sorted(seen)
    assert len(check(path)) == 4
    tracer.close()
    assert len(check(path)) == 4


def test_what_still_runs_when_it_is_closed_is_marked_as_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    tracer = PerfettoTracer(path)
    stream = (RunnableLambda(shout) | letters).stream("abc", {"callbacks": [tracer]})
    next(stream)
    tracer.close()
    bars = check(path)
    assert {bar["name"] for bar in bars if bar["args"].get("interrupted")} == {"letters", "RunnableSequence", "shout"}
    stream.close()


def test_a_run_that_outlives_its_parent_does_not_overlap_it(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with PerfettoTracer(path) as tracer:
        outer = RunInfo("outer", "chain", None, [], {}, (tracer,))
        inner = RunInfo("inner", "chain", outer, [], {}, (tracer,))
        for run, at in ((outer, 10.0), (inner, 11.0)):
            run.started = at
            tracer.started(run)
        for run, at in ((outer, 12.0), (inner, 13.0)):
            run.ended = at
            tracer.ended(run)
    assert [bar["name"] for bar in check(path)] == ["inner", "outer"]


def test_a_clock_that_goes_back_makes_no_negative_time(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with PerfettoTracer(path) as tracer:
        for started, ended in ((10.0, 9.0), (8.0, 8.5)):
            run = RunInfo("run", "chain", None, [], {}, (tracer,))
            run.started = started
            tracer.started(run)
            run.ended = ended
            tracer.ended(run)
    assert len(check(path)) == 2


def test_a_trace_of_nothing_is_whole_too(tmp_path: Path) -> None:
    PerfettoTracer(tmp_path / "trace.json").close()
    assert events_of(tmp_path / "trace.json") == []
