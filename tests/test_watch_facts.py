"""What the page of a run is told: each run at its place in the picture, whatever ran."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from built_programs import build
from hypothesis import given, settings
from programs import Program, Value, programs, values

from anabranch.engine.json_encoding import to_json
from anabranch.nodes import AIMessage, EventFile, Runnable, RunnableLambda, RunnablePassthrough
from anabranch.viz.dot_text import svg_ids
from anabranch.viz.drawing import folded, pictured
from anabranch.viz.run_recorders import RunRecorder
from anabranch.viz.run_records import record_of
from anabranch.viz.watch_facts import LONGEST, Facts, text_of, text_of_chunk


def facts_of(chain: Runnable[Any, Any], value: Any, path: Path, *more: Any) -> list[dict[str, Any]]:
    """The facts of a run of a chain, with the picture of it."""
    with EventFile(path) as file, suppress(Exception):
        for _ in chain.stream(value, {"callbacks": [file, *more]}):
            pass
    facts = Facts(pictured(chain))
    made = [facts.of(json.loads(line)) for line in path.read_text().splitlines()]
    return [fact for fact in made if fact is not None]


@settings(max_examples=40)
@given(programs(forms=("sync",)), values)
def test_each_run_that_is_in_the_graph_has_its_place_in_the_picture(
    tmp_path_factory: pytest.TempPathFactory, program: Program, value: Value
) -> None:
    chain, recorder = build(program), RunRecorder()
    facts = facts_of(chain, value, tmp_path_factory.mktemp("run") / "run.jsonl", recorder)
    picture = pictured(chain)
    ids = svg_ids(picture)
    keys_at = {
        ids[name, sort]: part.keys
        for sort, parts in (("vertex", picture.vertices), ("cluster", picture.clusters))
        for name, part in parts.items()
    }
    started = [fact for fact in facts if fact["do"] == "start"]
    found = {run.id: run for run in record_of(recorder, chain).walk()}
    names = {run.key: run.name for run in found.values()}
    assert len(started) == len(found)
    for fact in started:
        if fact.get("part"):
            assert names[keys_at[fact["part"].split()[0]][fact["level"]]] == fact["name"]
    in_graph = [run for run in found.values() if run.key is not None and "/condition:" not in run.key]
    assert sum("part" in fact for fact in started) >= len(in_graph)


def test_attempts_share_a_box(tmp_path: Path) -> None:
    tries = iter([ValueError, None])

    def fail_once(text: str) -> str:
        if (error := next(tries)) is not None:
            raise error
        return text

    chain = RunnableLambda(fail_once).with_retry(wait_exponential_jitter=False) | RunnablePassthrough()
    started = [fact for fact in facts_of(chain, "x", tmp_path / "run.jsonl") if fact["do"] == "start"]
    shown = [(fact["name"], fact.get("part"), fact.get("level")) for fact in started]
    assert shown == [
        ("RunnableSequence", "", 0),
        ("fail_once", "v1", 0),
        ("fail_once", "v1", 1),
        ("fail_once", "v1", 1),
        ("RunnablePassthrough", "v2", 0),
    ]


def test_the_box_of_what_calls_others_and_the_frame_around_it_are_of_one_run(tmp_path: Path) -> None:
    inner = RunnableLambda(str.upper) | str.strip

    def asks(text: str) -> str:
        return inner.invoke(text)

    chain = RunnableLambda(asks) | str.title
    started = [fact for fact in facts_of(chain, "x", tmp_path / "run.jsonl") if fact["do"] == "start"]
    assert [fact["part"] for fact in started] == ["", "cluster_0 v1", "cluster_1", "v2", "v3", "v4"]


def test_a_box_of_folded_steps_has_their_runs(tmp_path: Path) -> None:
    chain = RunnableLambda(str.upper).pipe(*[RunnableLambda(str.strip)] * 160)
    with EventFile(tmp_path / "run.jsonl") as file:
        chain.invoke("x", {"callbacks": [file]})
    facts = Facts(folded(pictured(chain), None))
    made = [facts.of(json.loads(line)) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    parts = [fact["part"] for fact in made if fact is not None and fact["do"] == "start"]
    assert parts == ["", "v1", "v2", "v3", "v4", *["v5"] * 153, "v6", "v7", "v8", "v9"]


def test_without_a_picture_there_are_no_places() -> None:
    line = {"event": "on_chain_start", "name": "f", "run_id": "1", "time": 1.0, "data": {"input": [1]}}
    assert Facts().of(line) == {
        "do": "start",
        "run": 0,
        "parent": None,
        "at": 1.0,
        "name": "f",
        "type": "chain",
        "input": "[\n 1\n]",
    }


def test_what_began_before_the_record_is_left_out() -> None:
    line = {"event": "on_chain_end", "name": "f", "run_id": "1", "time": 1.0, "data": {}}
    assert Facts().of(line) is None
    assert Facts().of({**line, "event": None}) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [("words", "words"), (AIMessage("hi"), "hi"), (None, ""), ({"a": "ü"}, '{\n "a": "ü"\n}'), (3, "3")],
)
def test_values_are_text(value: Any, text: str) -> None:
    assert text_of(to_json(value)) == text


def test_chunks_stay_apart_unless_they_are_text() -> None:
    assert "".join(map(text_of_chunk, ["a", "b"])) == "ab"
    assert "".join(map(text_of_chunk, [{"a": 1}, [2]])) == '{"a": 1}\n[2]\n'


def test_long_values_are_cut() -> None:
    assert text_of("x" * (LONGEST + 5)) == "x" * LONGEST + "\n… and 5 more characters"
