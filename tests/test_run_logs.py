"""A run log is patches and the state that they come to; an output is told by what changes."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anabranch.engine.chunks import AddableDict, Algebra, fold
from anabranch.engine.run_logs import Output, RunLog, RunLogPatch

START = {"op": "replace", "path": "", "value": {"final_output": None, "streamed_output": []}}
DONE = {"op": "replace", "path": "/final_output", "value": "done"}


def test_patches_are_equal_by_their_operations_and_logs_by_their_state_too() -> None:
    assert RunLogPatch(START) == RunLogPatch(dict(START))
    assert RunLogPatch(START) != RunLogPatch(DONE)
    assert RunLogPatch(START) != [START]
    assert RunLog(START, DONE) == RunLogPatch(START) + RunLogPatch(DONE)
    assert RunLog(START, DONE) != RunLog(START)
    assert RunLog(START) != RunLogPatch(START)
    first = {"op": "replace", "path": "", "value": RunLog(START, DONE).state}
    assert RunLog(first) != RunLog(START, DONE)
    assert RunLog(START) != RunLog({**START, "value": {}})


def test_they_print_what_they_hold() -> None:
    assert repr(RunLogPatch(DONE)) == "RunLogPatch({'op': 'replace', 'path': '/final_output', 'value': 'done'})"
    assert repr(RunLog(START, DONE)) == "RunLog({'final_output': 'done', 'streamed_output': []})"


def test_nothing_but_a_patch_can_be_added() -> None:
    for log in (RunLogPatch(START), RunLog(START)):
        with pytest.raises(TypeError, match="unsupported operand"):
            log + DONE


def test_an_earlier_log_keeps_its_state_when_others_were_made_of_it() -> None:
    first = RunLog(START)
    second = first + RunLogPatch(DONE)
    other = first + RunLogPatch({**DONE, "value": "else"})
    third = second + RunLogPatch({"op": "add", "path": "/streamed_output/-", "value": "done"})
    assert first.ops == [START]
    for _ in range(2):
        assert third.state == {"final_output": "done", "streamed_output": ["done"]}
        assert first.state == START["value"]
        assert other.state == {"final_output": "else", "streamed_output": []}
        assert second.state == {"final_output": "done", "streamed_output": []}


def test_a_state_that_is_known_is_not_made_again_and_stays_the_log_s_own() -> None:
    known: dict[str, Any] = {"final_output": ["known"], "streamed_output": []}
    log = RunLog(START, state=known)
    known["final_output"].append("later")
    assert log.state["final_output"] == ["known"]
    log.state["final_output"].append("mine")
    assert log.state["final_output"] == ["known"]
    assert (log + RunLogPatch(DONE)).state["final_output"] == "done"


texts = st.lists(st.sampled_from(["", "a", "bc"]))
lists = st.lists(st.lists(st.integers(0, 3), max_size=2))
numbers = st.lists(st.integers(-3, 3))
dicts = st.lists(st.dictionaries(st.sampled_from("xy/~"), st.sampled_from(["a", "b"]), min_size=1).map(AddableDict))
nested = st.recursive(
    st.integers(0, 1) | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("xy"), inner)
)
states = st.lists(st.dictionaries(st.sampled_from("xy"), nested))


@given(
    st.one_of(texts, lists, numbers, dicts).map(lambda chunks: (chunks, None))
    | states.map(lambda chunks: (chunks, Algebra.SNAPSHOTS))
)
@settings(max_examples=60)
def test_the_operations_of_an_output_make_its_fold(program: tuple[list[Any], Algebra | None]) -> None:
    chunks, algebra = program
    output, state = Output("/out", algebra), {"out": None}
    for at, chunk in enumerate([None, *chunks, None]):
        ops = output.push(chunk)
        state = jsonpatch.apply_patch(state, ops)
        assert state["out"] == fold([None, *chunks, None][: at + 1], algebra)
        assert chunk is not None or ops == []
    assert output.push(None) == []


def test_what_changes_nothing_is_no_operation() -> None:
    text = Output("/out", None)
    assert text.push("a") == [{"op": "replace", "path": "/out", "value": "a"}]
    assert text.push("") == []
    state = Output("/out", Algebra.SNAPSHOTS)
    assert state.push({"a": 1, "b": [1]}) == [{"op": "replace", "path": "/out", "value": {"a": 1, "b": [1]}}]
    assert state.push({"a": 1, "b": [1]}) == []
    assert state.push({"a": 2, "b": [1]}) == [{"op": "replace", "path": "/out/a", "value": 2}]
    for value, equal, other in (([1], [1], [2]), ((1,), (1,), [1]), (1, 1, True), (1.5, 1.5, "1.5")):
        output = Output("/out", Algebra.SNAPSHOTS)
        output.push(value)
        assert output.push(copy.copy(equal)) == []
        assert output.push(other) == [{"op": "replace", "path": "/out", "value": other}]


class Odd:
    """A value that can't be compared."""

    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


def test_values_that_can_not_be_compared_count_as_changed() -> None:
    output, second = Output("/out", Algebra.SNAPSHOTS), Odd()
    output.push(Odd())
    (op,) = output.push(second)
    assert op["value"] is second
    inside = Output("/out", Algebra.SNAPSHOTS)
    inside.push({"odd": Odd(), "n": 1})
    (op,) = inside.push({"odd": second, "n": 1})
    assert (op["path"], op["value"]) == ("/out/odd", second)


def test_of_a_snapshot_that_has_grown_only_what_is_new_is_looked_at() -> None:
    class Counted(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Counted.compared += 1
            return str(self) == other

        __hash__ = str.__hash__

    items = [{"text": Counted(number)} for number in range(100)]
    output = Output("/out", Algebra.SNAPSHOTS)
    made = [output.push({"items": items[:count]}) for count in range(1, 101)]
    assert [[op["path"] for op in ops] for ops in made[1:]] == [[f"/out/items/{at}"] for at in range(1, 100)]
    assert Counted.compared == 0


def test_a_text_followed_by_what_text_adds_to_goes_on() -> None:
    class Loud(str):
        def __radd__(self, other: str) -> Loud:
            return Loud(other + str(self).upper())

        def __add__(self, other: str) -> Loud:
            return Loud(str(self) + other)

    output = Output("/out", None)
    output.push("a")
    (op,) = output.push(Loud("b"))
    assert op["path"] == "/out"
    assert op["value"] == fold(["a", Loud("b")])
