"""Facts become events of either version, and entries of a run log, of those runs that are wanted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from appearances import Seen
from verbs import one_after_another

from anabranch.engine.events import Filter, Formatter, answered, asked, tool_call_id
from anabranch.engine.runs import MISSING, RunInfo

TYPES = ("chain", "prompt", "parser", "llm", "chat_model", "retriever", "tool")


def run_of(run_type: str, parent: RunInfo | None = None, about: Any = None, **known: Any) -> RunInfo:
    run = RunInfo(f"a {run_type}", run_type, parent, ["t"], {"m": 1}, (), UUID(int=2 if parent else 1))
    run.about = about
    for name, value in known.items():
        setattr(run, name, value)
    return run


def root_of(formatter: Formatter, run_type: str = "chain") -> RunInfo:
    root = run_of(run_type, input="given")
    formatter.started(root)
    return root


def event(run: RunInfo, what: str, data: Any, *parents: RunInfo) -> dict[str, Any]:
    return {
        "event": f"on_{run.run_type}_{what}",
        "data": data,
        "name": run.name,
        "tags": ["t"],
        "run_id": str(run.id),
        "metadata": {"m": 1},
        "parent_ids": [str(parent.id) for parent in parents],
    }


class TestFilter:
    @one_after_another(
        ("wanted", "is_wanted"),
        [
            ({}, True),
            ({"include_names": ["a"]}, True),
            ({"include_names": ["b"]}, False),
            ({"include_names": []}, False),
            ({"include_types": ["chain"]}, True),
            ({"include_types": ["tool"]}, False),
            ({"include_tags": ["x", "u"]}, True),
            ({"include_tags": ["x"]}, False),
            ({"include_names": ["b"], "include_types": ["chain"]}, True),
            ({"include_names": ["b"], "include_tags": ["t"]}, True),
            ({"include_names": ["b"], "include_types": ["tool"], "include_tags": ["x"]}, False),
            ({"exclude_names": ["a"]}, False),
            ({"exclude_names": ["b"]}, True),
            ({"exclude_types": ["chain"]}, False),
            ({"exclude_types": ["tool"]}, True),
            ({"exclude_tags": ["x", "t"]}, False),
            ({"exclude_tags": ["x"]}, True),
            ({"exclude_names": ["b"], "exclude_types": ["tool"], "exclude_tags": ["u"]}, False),
            ({"include_names": ["a"], "exclude_types": ["chain"]}, False),
            ({"include_names": ["a"], "exclude_types": ["tool"]}, True),
            ({"include_names": ["b"], "exclude_types": ["tool"]}, False),
        ],
    )
    def test_what_is_included_is_wanted_unless_it_is_excluded(self, wanted: Any, is_wanted: bool) -> None:
        made = Filter(**wanted)
        assert made.wants("a", "chain", ["t", "u"]) is is_wanted
        assert made.is_open is (wanted == {})
        run = RunInfo("a", "chain", None, ["t", "u"], {}, ())
        assert made.wants_run(run) is is_wanted

    def test_it_can_be_compared_and_kept_in_a_set(self) -> None:
        assert len({Filter(), Filter(), Filter(include_names=("a",))}) == 2


@pytest.mark.parametrize("version", ["v1", "v2"])
class TestTheRoot:
    def test_shows_the_input_of_the_call_at_its_start_and_not_at_its_end(self, version: Any) -> None:
        for given, shown in ((MISSING, {"input": "own"}), ("call's", {"input": "call's"}), (None, {"input": None})):
            formatter, root = Formatter(version, given), run_of("retriever", input="own")
            assert formatter.started(root) == event(root, "start", shown)
            root.output = "made"
            assert formatter.ended(root) == event(root, "end", {"output": "made"})

    def test_without_an_input_or_an_output_it_has_none(self, version: Any) -> None:
        formatter, root = Formatter(version), run_of("chain")
        assert formatter.started(root) == event(root, "start", {})
        assert formatter.ended(root) == event(root, "end", {"output": None})

    @pytest.mark.parametrize("run_type", TYPES)
    def test_streams_what_comes_in_pieces_and_in_the_first_version_all(self, version: Any, run_type: str) -> None:
        formatter = Formatter(version)
        root = root_of(formatter, run_type)
        streams = version == "v1" or run_type not in ("prompt", "retriever", "tool")
        for chunk in ("a", "b"):
            wanted = event(root, "stream", {"chunk": chunk}) if streams else None
            assert formatter.chunk(root, chunk) == wanted


@pytest.mark.parametrize("version", ["v1", "v2"])
class TestAnInnerRun:
    @pytest.mark.parametrize("run_type", TYPES)
    def test_streams_what_comes_in_pieces(self, version: Any, run_type: str) -> None:
        formatter = Formatter(version)
        run = run_of(run_type, root_of(formatter))
        assert run.parent is not None
        around = [run.parent] if version == "v2" else []
        formatter.started(run)
        streams = run_type not in ("prompt", "retriever", "tool")
        wanted = event(run, "stream", {"chunk": "a"}, *around) if streams else None
        assert formatter.chunk(run, "a") == formatter.chunk(run, "a") == wanted

    def test_shows_its_input_when_that_is_known(self, version: Any) -> None:
        formatter = Formatter(version, "call's")
        run = run_of("chain", root_of(formatter))
        around = [run.parent] if version == "v2" and run.parent else []
        assert formatter.started(run) == event(run, "start", {}, *around)
        assert formatter.ended(run) == event(run, "end", {"output": None}, *around)
        run.input, run.output = "own", "made"
        assert formatter.started(run) == event(run, "start", {"input": "own"}, *around)
        assert formatter.ended(run) == event(run, "end", {"output": "made", "input": "own"}, *around)

    def test_that_failed_is_told_of_if_it_is_a_tool_or_errors_are_wanted(self, version: Any) -> None:
        error = ValueError("no")
        for errors in (False, True):
            formatter = Formatter(version, errors=errors)
            root = root_of(formatter)
            around = [root] if version == "v2" else []
            run = run_of("chain", root, error=error)
            assert formatter.failed(run) == (event(run, "error", {"error": error}, *around) if errors else None)
            run.input = "own"
            wanted = event(run, "error", {"error": error, "input": "own"}, *around)
            assert formatter.failed(run) == (wanted if errors else None)
            tool = run_of("tool", root, Seen(), error=error, input="x")
            data = {"error": error, "input": ["asked", "x"], "tool_call_id": "call of x"}
            assert formatter.failed(tool) == event(tool, "error", data, *around)

    def test_what_it_tells_of_its_own_is_a_custom_event_or_nothing(self, version: Any) -> None:
        formatter = Formatter(version)
        root = root_of(formatter)
        run = run_of("tool", root)
        wanted = {**event(run, "", [1], *([root] if version == "v2" else [])), "event": "on_custom_event", "name": "n"}
        assert formatter.told(run, "custom_event", "n", [1]) == wanted
        assert formatter.told(run, "text", "n") is None

    def test_the_output_of_a_retriever_is_shown_as_each_version_has_it(self, version: Any) -> None:
        formatter = Formatter(version)
        root = root_of(formatter)
        run = run_of("retriever", root, input="q", output=["d"])
        around = [root] if version == "v2" else []
        output = ["d"] if version == "v2" else {"documents": ["d"]}
        assert formatter.ended(run) == event(run, "end", {"output": output, "input": {"query": "q"}}, *around)


def test_events_are_of_the_second_version_unless_the_first_is_asked_for() -> None:
    formatter = Formatter()
    root = root_of(formatter)
    assert formatter.started(run_of("chain", root)) == event(run_of("chain", root), "start", {}, root)
    assert formatter.failed(run_of("chain", root)) is None


def test_nothing_is_kept_of_a_run_that_is_over() -> None:
    formatter = Formatter(errors=True)
    root = root_of(formatter)
    for over in (formatter.ended, formatter.failed):
        formatter.chunk(root, "a")
        over(root)
        root.name = f"{root.name}+"
        root.id = UUID(int=root.id.int + 1)
        told = formatter.chunk(root, "a")
        assert told is not None
        assert told["run_id"] == str(root.id)


class TestWhatARunWasAskedAndAnswered:
    @one_after_another(
        ("run_type", "shown"),
        [
            ("chain", "x"),
            ("prompt", "x"),
            ("parser", "x"),
            ("retriever", {"query": "x"}),
            ("chat_model", {"messages": ["asked", "x"]}),
            ("llm", {"prompts": ["asked", "x"]}),
            ("tool", ["asked", "x"]),
        ],
    )
    def test_the_input_is_shown_as_its_operator_says(self, run_type: str, shown: Any) -> None:
        assert asked(run_of(run_type, about=Seen(), input="x")) == shown
        assert asked(run_of(run_type, about=Seen())) is MISSING
        assert asked(run_of(run_type, input="x")) == ({"query": "x"} if run_type == "retriever" else "x")

    @pytest.mark.parametrize(
        ("run_type", "shown"),
        [
            ("chain", "x"),
            ("tool", "x"),
            ("retriever", {"documents": "x"}),
            ("chat_model", {"answered": "x"}),
            ("llm", {"answered": "x"}),
        ],
    )
    def test_the_output_is_shown_as_its_operator_says(self, run_type: str, shown: Any) -> None:
        assert answered(run_of(run_type, about=Seen(), output="x")) == shown
        assert answered(run_of(run_type, output="x")) == ({"documents": "x"} if run_type == "retriever" else "x")
        for known in ({}, {"output": None}):
            nothing = {"documents": None} if run_type == "retriever" else None
            assert answered(run_of(run_type, about=Seen(), **known)) == nothing

    def test_a_tool_knows_the_call_that_it_answers(self) -> None:
        assert tool_call_id(run_of("tool", about=Seen(), input="x")) == "call of x"
        assert tool_call_id(run_of("tool", about=Seen())) is None
        assert tool_call_id(run_of("tool", input="x")) is None
        assert tool_call_id(run_of("chat_model", about=Seen(), input="x")) is None

    def test_the_result_of_a_model_is_shown_as_a_dict(self) -> None:
        class Generation:
            text, generation_info = "hi", {"stop": 1}

        class ChatGeneration(Generation):
            message = "message"

        class Answers(Seen):
            def answered(self, value: Any) -> Any:
                return SimpleNamespace(generations=[[Generation()], [ChatGeneration()]], llm_output=value)

        assert answered(run_of("llm", about=Answers(), output="x")) == {
            "generations": [
                [{"text": "hi", "generation_info": {"stop": 1}, "type": "Generation"}],
                [{"text": "hi", "generation_info": {"stop": 1}, "type": "ChatGeneration", "message": "message"}],
            ],
            "llm_output": "x",
            "run": None,
            "type": "LLMResult",
        }
