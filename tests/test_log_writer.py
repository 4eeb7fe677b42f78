"""A run log says of the run, and of each wanted run inside it, what it is, what it made, and when it was over."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import jsonpatch
import pytest
from verbs import one_after_another

from anabranch.engine.chunks import AddableDict, Algebra, fold
from anabranch.engine.events import Filter
from anabranch.engine.run_logs import LogWriter, Output, RunLog, RunLogPatch, applied
from anabranch.engine.runs import RunInfo


class Seen:
    def answered(self, value: Any) -> Any:
        return {"answered": value}

    def piece(self, chunk: Any) -> tuple[str, Any]:
        return f"<{chunk}>", chunk


def run_of(name: str, run_type: str = "chain", parent: RunInfo | None = None, number: int = 1) -> RunInfo:
    run = RunInfo(name, run_type, parent, ["t"], {"m": 1}, (), UUID(int=number))
    run.started = 1.25
    return run


def begun(run_type: str = "chain", **options: Any) -> tuple[LogWriter, RunInfo]:
    writer, root = LogWriter(**options), run_of("root", run_type)
    writer.started(root)
    return writer, root


def ops_of(patch: RunLogPatch | None) -> Any:
    return None if patch is None else patch.ops


def entry(run: RunInfo, run_type: str) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "name": run.name,
        "type": run_type,
        "tags": ["t"],
        "metadata": {"m": 1},
        "start_time": "1970-01-01T00:00:01.250+00:00",
        "streamed_output": [],
        "streamed_output_str": [],
        "final_output": None,
        "end_time": None,
    }


@pytest.mark.parametrize(("run_type", "shown"), [("chain", "chain"), ("chat_model", "llm"), ("tool", "tool")])
def test_it_begins_with_the_state_of_the_run(run_type: str, shown: str) -> None:
    root = run_of("root", run_type)
    state: Any = {
        "id": str(root.id),
        "streamed_output": [],
        "final_output": None,
        "logs": {},
        "name": "root",
        "type": shown,
    }
    for wanted in (None, Filter(include_names=["other"])):
        assert ops_of(LogWriter(wanted).started(root)) == [{"op": "replace", "path": "", "value": state}]


def test_runs_inside_have_entries_by_their_names_each_its_own() -> None:
    writer, root = begun()
    paths = []
    for number, name in enumerate(["a", "b/c", "a", "a"], 2):
        run = run_of(name, "chat_model", root, number)
        (op,) = ops_of(writer.started(run))
        assert (op["op"], op["value"]) == ("add", entry(run, "llm"))
        paths.append(op["path"])
    assert paths == ["/logs/a", "/logs/b~1c", "/logs/a:2", "/logs/a:3"]


def test_an_entry_keeps_the_tags_and_metadata_that_the_run_began_with() -> None:
    writer, root = begun()
    run = run_of("a", parent=root)
    (op,) = ops_of(writer.started(run))
    run.tags.append("later")
    run.metadata["later"] = 1
    assert (op["value"]["tags"], op["value"]["metadata"]) == (["t"], {"m": 1})


def test_runs_that_are_not_wanted_have_none() -> None:
    for wanted in (Filter(exclude_names=["a"]), Filter(exclude_types=["llm"]), Filter(exclude_tags=["t"])):
        writer, root = begun(wanted=wanted)
        run = run_of("a", "chat_model", root, 2)
        told = [writer.started(run), writer.chunk(run, "x"), writer.ended(run), writer.failed(run)]
        assert told == [None] * 4
    writer, root = begun(wanted=Filter(include_types=["llm"]))
    assert writer.started(run_of("a", "llm", root, 2)) is not None


def test_chunks_of_the_root_are_listed_and_change_its_output() -> None:
    writer, root = begun()
    listed = [{"op": "add", "path": "/streamed_output/-", "value": chunk} for chunk in ("a", None, "b")]
    assert ops_of(writer.chunk(root, "a")) == [listed[0], {"op": "replace", "path": "/final_output", "value": "a"}]
    assert ops_of(writer.chunk(root, None)) == [listed[1]]
    assert ops_of(writer.chunk(root, "b")) == [listed[2], {"op": "replace", "path": "/final_output", "value": "ab"}]
    assert writer.ended(root) is writer.failed(root) is None


def test_they_are_not_listed_if_that_is_not_wanted() -> None:
    writer, root = begun(with_streamed_output_list=False)
    assert writer.chunk(root, None) is None
    assert ops_of(writer.chunk(root, "a")) == [{"op": "replace", "path": "/final_output", "value": "a"}]


def test_they_combine_as_is_declared() -> None:
    writer, root = begun()
    writer.declare(Algebra.SNAPSHOTS)
    writer.chunk(root, "a")
    assert ops_of(writer.chunk(root, "b"))[1] == {"op": "replace", "path": "/final_output", "value": "b"}


@pytest.mark.parametrize(("run_type", "about", "has_text"), [
    ("llm", Seen(), True),
    ("chat_model", Seen(), True),
    ("chat_model", None, False),
    ("tool", Seen(), False),
    ("chain", None, False),
])  # fmt: skip
def test_chunks_of_a_run_inside_are_listed_and_those_of_models_as_text_too(
    run_type: str, about: Any, has_text: bool
) -> None:
    writer, root = begun()
    run = run_of("a/b", run_type, root, 2)
    run.about = about
    writer.started(run)
    text = [{"op": "add", "path": "/logs/a~1b/streamed_output_str/-", "value": "<x>"}] if has_text else []
    assert ops_of(writer.chunk(run, "x")) == [
        *text,
        {"op": "add", "path": "/logs/a~1b/streamed_output/-", "value": "x"},
    ]


@one_after_another(("run_type", "output", "shown"), [
    ("chain", "x", {"output": "x"}),
    ("chain", None, {"output": None}),
    ("chain", {"k": 1}, {"k": 1}),
    ("tool", "x", {"output": "x"}),
    ("prompt", "x", "x"),
    ("retriever", ["x"], {"documents": ["x"]}),
    ("llm", "x", {"answered": "x"}),
])  # fmt: skip
def test_an_end_tells_the_output_as_a_dict_and_the_time(run_type: str, output: Any, shown: Any) -> None:
    writer, root = begun()
    run = run_of("a/b", run_type, root, 2)
    run.about = Seen() if run_type == "llm" else None
    writer.started(run)
    run.output, run.ended = output, 2.5
    over = [
        {"op": "add", "path": "/logs/a~1b/final_output", "value": shown},
        {"op": "add", "path": "/logs/a~1b/end_time", "value": "1970-01-01T00:00:02.500+00:00"},
    ]
    assert ops_of(writer.ended(run)) == over
    assert writer.ended(run) is writer.failed(run) is writer.chunk(run, "late") is None


def test_what_failed_has_no_output() -> None:
    writer, root = begun()
    run = run_of("a", "chain", root, 2)
    writer.started(run)
    run.output, run.ended = "x", 2.0
    assert ops_of(writer.failed(run)) == [
        {"op": "add", "path": "/logs/a/final_output", "value": None},
        {"op": "add", "path": "/logs/a/end_time", "value": "1970-01-01T00:00:02.000+00:00"},
    ]
    assert writer.failed(run) is None
    untimed = run_of("a", "chain", root, 3)
    writer.started(untimed)
    assert ops_of(writer.ended(untimed))[1] == {"op": "add", "path": "/logs/a:2/end_time", "value": None}


def test_what_a_run_tells_of_its_own_is_not_in_it() -> None:
    writer, root = begun()
    assert writer.told(root, "custom_event", "n", 1) is None


class TestAnOutputOfKeys:
    def test_begins_with_its_first_chunk_and_grows_by_keys(self) -> None:
        output = Output("/out", None)
        assert output.push(AddableDict(a="x")) == [{"op": "replace", "path": "/out", "value": {"a": "x"}}]
        assert output.push(AddableDict({"a": "y", "b/c": [1]})) == [
            {"op": "replace", "path": "/out/a", "value": "xy"},
            {"op": "add", "path": "/out/b~1c", "value": [1]},
        ]
        assert output.push(AddableDict({"b/c": [2, 3]})) == [
            {"op": "add", "path": "/out/b~1c/1", "value": 2},
            {"op": "add", "path": "/out/b~1c/2", "value": 3},
        ]
        assert output.push(AddableDict()) == []

    def test_a_key_without_a_value_is_there_and_gives_way(self) -> None:
        output = Output("/out", None)
        output.push(AddableDict(a="x"))
        assert output.push(AddableDict(b=None)) == [{"op": "add", "path": "/out/b", "value": None}]
        assert output.push(AddableDict(b=None)) == []
        assert output.push(AddableDict(b="y")) == [{"op": "add", "path": "/out/b", "value": "y"}]
        assert output.push(AddableDict(b="z")) == [{"op": "replace", "path": "/out/b", "value": "yz"}]

    def test_a_marked_key_is_replaced(self) -> None:
        output = Output("/out", None)
        output.push(AddableDict.marked({"a": "x", "b": "x"}, frozenset("a")))
        (op,) = output.push(AddableDict.marked({"a": "y"}, frozenset("a")))
        assert op == {"op": "replace", "path": "/out/a", "value": "y"}
        (op,) = output.push(AddableDict.marked({"b": "y"}, frozenset("a")))
        assert op == {"op": "replace", "path": "/out/b", "value": "xy"}

    def test_as_snapshots_it_is_told_by_what_differs(self) -> None:
        output = Output("/out", Algebra.SNAPSHOTS)
        output.push(AddableDict(a="x"))
        assert output.push(AddableDict(a="y")) == [{"op": "replace", "path": "/out/a", "value": "y"}]
        assert output.push([1]) == [{"op": "replace", "path": "/out", "value": [1]}]
        assert output.push([1, 2]) == [{"op": "replace", "path": "/out", "value": [1, 2]}]
        assert output.push({"a": 1}) == [{"op": "replace", "path": "/out", "value": {"a": 1}}]


class Row(list[int]):
    """Adds as any list."""


class Sums(list[int]):
    """Adds number by number."""

    def __add__(self, other: Any) -> Any:
        return Sums(map(sum, zip(self, other, strict=True)))


class TestAnOutputOfItems:
    @one_after_another("chunks", [[[1], Row([2])], [Row([1]), [2]], [Row([1]), Row([2]), [3]], [Sums([1]), Sums([2])]])
    def test_is_what_the_chunks_add_up_to_whatever_kind_of_lists_they_are(self, chunks: list[list[int]]) -> None:
        output, state = Output("/out", None), {"out": None}
        for chunk in chunks:
            applied(state, output.push(chunk))
        assert state == {"out": fold(chunks)}

    def test_shares_no_list_with_the_first_chunk(self) -> None:
        first = Row([1])
        (op,) = Output("/out", None).push(first)
        assert type(op["value"]) is list
        assert op["value"] is not first


class TestALog:
    def test_shares_no_dict_or_list_with_its_operations(self) -> None:
        value = {"final_output": AddableDict(a=[1]), "streamed_output": [], "logs": {}}
        log = RunLog({"op": "replace", "path": "", "value": value})
        more = log + RunLogPatch({"op": "add", "path": "/final_output/a/1", "value": 2})
        assert more.state["final_output"] == {"a": [1, 2]}
        assert type(more.state["final_output"]) is AddableDict
        assert value == {"final_output": {"a": [1]}, "streamed_output": [], "logs": {}}
        more.state["final_output"]["a"].append("mine")
        assert more.state["final_output"] == {"a": [1, 2]}

    def test_only_the_operations_that_are_new_are_applied(self, monkeypatch: pytest.MonkeyPatch) -> None:
        counted: list[int] = []
        real = jsonpatch.JsonPatch

        def counting(ops: list[Any]) -> Any:
            counted.append(len(ops))
            return real(ops)

        monkeypatch.setattr(jsonpatch, "JsonPatch", counting)
        log = RunLog({"op": "replace", "path": "", "value": {"n": 0}}, state={"n": 0})
        for n in range(1, 4):
            log += RunLogPatch({"op": "replace", "path": "/n", "value": n})
            assert log.state == log.state == {"n": n}
        assert counted == [1, 1, 1]

    def test_operations_without_a_value_are_applied_too(self) -> None:
        ops: list[Any] = [{"op": "remove", "path": "/a"}, {"op": "add", "path": "/b", "value": [1]}]
        state: Any = {"a": 1}
        assert applied(state, ops) is state
        assert state == {"b": [1]}
        state["b"].append(2)
        assert ops[1]["value"] == [1]

    def test_it_is_json_for_a_client_elsewhere(self) -> None:
        patch = RunLogPatch({"op": "add", "path": "/logs/a/final_output", "value": {"when": UUID(int=1), 1: (2,)}})
        made = patch.to_json()
        assert json.loads(json.dumps(made)) == made
        assert made[0]["value"] == {"when": str(UUID(int=1)), "1": [2]}
        assert made[0]["op"] == "add"
