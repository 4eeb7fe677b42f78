"""A handle on a run in the background: its result, its error, how long one waits, and what a cancel means."""

from __future__ import annotations

import math
import threading
from concurrent.futures import CancelledError
from contextvars import ContextVar
from typing import Any

import pytest
from facts import Told
from verbs import PATIENCE, one_after_another

from anabranch.nodes import ConfigError, RunnableLambda, collect_runs
from anabranch.scheduler.handles import RunHandle

who: ContextVar[str] = ContextVar("who", default="nobody")


class Gate:
    """A step that waits until a test lets it go on."""

    def __init__(self) -> None:
        self.inside, self.opened = threading.Event(), threading.Event()

    def __call__(self, value: Any) -> Any:
        self.inside.set()
        assert self.opened.wait(PATIENCE)
        return value


def double(number: int) -> int:
    return 2 * number


def fails(_: Any) -> Any:
    raise ZeroDivisionError


def test_a_result_may_be_asked_for_again_and_again() -> None:
    handle = RunnableLambda(double).start(21)
    assert [handle.result(PATIENCE), handle.result(), handle.result(0)] == [42, 42, 42]
    assert handle.done() is True
    assert handle.cancel() is False
    assert handle.result() == 42


def test_a_result_may_be_none() -> None:
    assert RunnableLambda(lambda _: None).start(1).result(PATIENCE) is None


def test_an_error_is_raised_whenever_one_asks() -> None:
    handle = (RunnableLambda(double) | fails).start(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError) as caught:
            handle.result(PATIENCE)
        assert "fails" in caught.value.__notes__[0]
    assert handle.done()
    assert not handle.cancel()


def test_a_handle_knows_the_graph_that_runs() -> None:
    chain = RunnableLambda(double)
    handle = chain.start(1)
    assert isinstance(handle, RunHandle)
    assert handle.graph is chain.__graph__
    handle.result(PATIENCE)


def test_the_run_goes_on_when_nobody_wants_to_wait_any_longer() -> None:
    gate = Gate()
    handle = RunnableLambda(gate).start("value")
    for timeout in (0, 0.0, -1, 0.001):
        with pytest.raises(TimeoutError, match=f"within {timeout} s; it goes on"):
            handle.result(timeout)
    assert gate.inside.wait(PATIENCE)
    assert handle.done() is False
    gate.opened.set()
    assert handle.result(PATIENCE) == "value"
    assert handle.done() is True


@one_after_another("timeout", [None, math.inf, threading.TIMEOUT_MAX, 1e300, 10**30, 5, True])
def test_any_number_of_seconds_will_do(timeout: Any) -> None:
    handle = RunnableLambda(double).start(1)
    handle.result(PATIENCE)
    assert handle.result(timeout) == 2


@pytest.mark.parametrize("timeout", ["1", math.nan, [1], 1j])
def test_what_is_no_number_is_refused(timeout: Any) -> None:
    handle = RunnableLambda(double).start(1)
    with pytest.raises(ConfigError, match=r"result\(timeout\): expected seconds"):
        handle.result(timeout)
    assert handle.result(PATIENCE) == 2


def test_a_cancel_is_raised_when_what_runs_has_ended() -> None:
    gate, went = Gate(), list[Any]()
    handle = (RunnableLambda(gate) | went.append).start(1)
    assert gate.inside.wait(PATIENCE)
    assert handle.cancel() is True
    assert handle.cancel() is True
    assert handle.done() is False
    gate.opened.set()
    with pytest.raises(CancelledError, match="the run was cancelled"):
        handle.result(PATIENCE)
    assert (handle.done(), handle.cancel(), went) == (True, False, [])


def test_a_timeout_of_the_run_is_no_timeout_of_who_waits() -> None:
    gate, went = Gate(), list[Any]()
    handle = (RunnableLambda(gate) | went.append).start(1, {"timeout": 0.001})
    assert gate.inside.wait(PATIENCE)
    with pytest.raises(TimeoutError, match="it goes on"):
        handle.result(0.01)
    gate.opened.set()
    with pytest.raises(TimeoutError, match="the run took longer"):
        handle.result(PATIENCE)
    assert went == []


def test_the_run_sees_the_context_in_which_it_was_started_and_changes_a_copy() -> None:
    def look(_: Any) -> str:
        seen = who.get()
        who.set("somebody else")
        return seen

    token = who.set("ann")
    try:
        handle = RunnableLambda(look).start(1)
        who.set("bob")
        assert handle.result(PATIENCE) == "ann"
        assert who.get() == "bob"
    finally:
        who.reset(token)


def test_a_wrong_config_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="tags"):
        RunnableLambda(double).start(1, {"tags": 5})  # type: ignore[arg-type]


def test_a_run_that_is_started_in_a_step_is_none_of_its() -> None:
    gate, told = Gate(), Told()
    handles: list[Any] = []

    def starts(x: Any) -> Any:
        handles.append(RunnableLambda(gate, name="gate").start(x))
        return x

    outer = RunnableLambda(starts).start(1, {"callbacks": [told], "max_concurrency": 1})
    assert outer.result(PATIENCE) == 1
    gate.opened.set()
    assert handles[0].result(PATIENCE) == 1
    assert told.order == ["started starts", "ended starts"]


def test_listeners_are_told_and_known_to_the_handle() -> None:
    told = Told()
    handle = (RunnableLambda(double) | str).start(1, {"callbacks": [told]})
    assert handle.result(PATIENCE) == "2"
    assert handle.handlers == [told]
    assert told.ends == {"double": (1, 2), "str": (2, "2"), "RunnableSequence": (1, "2")}
    assert RunnableLambda(double).start(1).handlers == []
    with collect_runs() as collected:
        handle = RunnableLambda(str).start(1)
        assert handle.handlers == [collected]
        handle.result(PATIENCE)
    assert [run.name for run in collected.traced_runs] == ["str"]
