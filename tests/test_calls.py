"""What both drivers share of a call: its config and permits, what its errors say, and what it waits for."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from verbs import PATIENCE, until

from anabranch.engine.errors import ConfigError, StepInputError, Stopped
from anabranch.engine.graphs import INPUT_SLOT, Graph, Scope, Step
from anabranch.engine.operators import Operator, Run
from anabranch.nodes import RunnableLambda, RunnablePassthrough
from anabranch.scheduler import primitives
from anabranch.scheduler.calls import cap_for, counted_down, effect_config, ledger_for, opened_config, timeout_of
from anabranch.scheduler.error_places import note_place, raisable, scope_refusing
from anabranch.scheduler.ledger import Ledger
from anabranch.scheduler.sites import PermitSite, Site, site_of
from anabranch.scheduler.stays import AStay, take_permit_async, wait_for_permit, wait_for_permit_async


def graph(cap: int | None = None) -> Graph:
    config: Any = None if cap is None else {"max_concurrency": cap}
    scope = Scope(0, -1, "whole", "sequence", INPUT_SLOT, config=config)
    return Graph((Step(0, Operator(name="step", invoke=str), INPUT_SLOT, 0),), (scope,), 0)


PLAIN = graph()


def free(ledger: Ledger) -> int:
    return ledger.statistics()["free"]


# Config


def test_the_timeout_is_the_one_given() -> None:
    odd: Any = 5
    assert timeout_of(None) is None
    assert timeout_of({}) is None
    assert timeout_of({"timeout": 2.0}) == 2.0
    assert timeout_of(odd) is None


def test_a_call_s_config_is_what_was_given_over_what_the_step_around_it_hands_down() -> None:
    parent = Site({"tags": ["outer"], "metadata": {"a": 1}}, PLAIN)
    assert opened_config(None, None) is None
    assert opened_config(None, parent) == {"tags": ["outer"], "metadata": {"a": 1}}
    opened = opened_config({"metadata": {"b": 2}, "timeout": 3.0, "progress": True}, parent)
    assert opened is not None
    assert (opened["tags"], opened["metadata"]) == (["outer"], {"b": 2})
    assert not {"timeout", "progress"} & opened.keys()


def test_a_call_in_a_stopped_step_is_refused_and_so_is_a_config_that_is_none() -> None:
    parent = Site(None, PLAIN)
    parent.stop()
    nothing: list[Any] = [None, {}]
    for config in nothing:
        with pytest.raises(Stopped):
            opened_config(config, parent)
    odd: Any = {"max_concurrency": "two"}
    for around in (None, parent):
        with pytest.raises(ConfigError):
            opened_config(odd, around)


@pytest.mark.parametrize(
    ("given", "bound", "wanted"),
    [(None, None, None), (3, None, 3), (None, 2, 2), (3, 2, 2), (2, 3, 2)],
)
def test_a_call_s_cap_is_the_smaller_of_what_is_given_and_bound(given: Any, bound: Any, wanted: Any) -> None:
    config: Any = None if given is None else {"max_concurrency": given}
    ledger = ledger_for(config, None, graph(bound))
    if wanted is None:
        assert ledger is None
    else:
        assert ledger is not None
        assert ledger.statistics() == {"limit": wanted, "free": wanted - 1, "waiting": 0}
        assert ledger.is_cap


def test_a_call_draws_from_the_ledger_of_the_step_around_it() -> None:
    cap, bounds = Ledger(3), Ledger(3, is_cap=False)
    capped, bounded = site_of(None, PLAIN, cap, held=False), site_of(None, PLAIN, bounds, held=False)
    for config in (None, {"max_concurrency": 1}):
        assert ledger_for(config, capped, graph(2)) is cap  # type: ignore[arg-type]
        assert cap_for(config, capped, PLAIN) is cap  # type: ignore[arg-type]
    assert ledger_for(None, bounded, PLAIN) is bounds
    assert cap_for(None, bounded, PLAIN) is None
    own = ledger_for({"max_concurrency": 1}, bounded, PLAIN)
    assert own is not None
    assert own.limit == 1
    assert ledger_for(None, Site(None, PLAIN), PLAIN) is None
    assert ledger_for({"tags": []}, None, PLAIN) is None


def test_each_runnable_that_a_function_returned_counts_down_to_an_error_that_names_the_places() -> None:
    assert counted_down({"recursion_limit": 2}, [])["recursion_limit"] == 1
    assert counted_down({"recursion_limit": 1}, [])["recursion_limit"] == 0
    assert counted_down(None, [])["recursion_limit"] == 24
    for count in (1, 8):
        with pytest.raises(RecursionError, match=f"{count} deep: {' > '.join('abcdefgh'[:count])};"):
            counted_down({"recursion_limit": 0}, list("abcdefgh"[:count]))
    with pytest.raises(RecursionError, match=r"9 deep: a > b > c > d > \.\.\. > g > h > i;"):
        counted_down({"recursion_limit": 0}, list("abcdefghi"))


def test_a_run_that_a_step_asks_for_has_its_config_and_timeout() -> None:
    assert effect_config(Run(PLAIN)) is None
    assert effect_config(Run(PLAIN, config={"tags": ["x"]})) == {"tags": ["x"]}
    assert effect_config(Run(PLAIN, timeout=2.0)) == {"timeout": 2.0}
    assert effect_config(Run(PLAIN, config={"tags": ["x"]}, timeout=2.0)) == {"tags": ["x"], "timeout": 2.0}
    assert effect_config(Run(PLAIN, tag="tag")) is None  # nobody listens


# Errors


def test_a_place_is_noted_once() -> None:
    error = ValueError()
    note_place(error, "a > b")
    note_place(error, "a > b")
    note_place(error, "a")
    assert [note.split(" (run ")[0] for note in error.__notes__] == ["raised in step a > b"]
    other = ValueError()
    note_place(other, "a")
    note_place(other, "a > b")
    assert len(other.__notes__) == 2
    assert error.__notes__[0].endswith(")")


def test_what_is_no_mere_exception_is_not_noted() -> None:
    for error in (KeyboardInterrupt(), Stopped("stopped"), GeneratorExit()):
        note_place(error, "a")
        assert not hasattr(error, "__notes__")


def test_an_end_of_an_iteration_is_raised_as_another_error_with_its_notes() -> None:
    for kind in (StopIteration, StopAsyncIteration):
        error = kind("value")
        error.add_note("a note")
        raised = raisable(error)
        assert isinstance(raised, RuntimeError)
        assert kind.__name__ in str(raised)
        assert raised.__cause__ is error
        assert raised.__notes__ == ["a note"]
        note_place(raised, "a")
        assert len(raised.__notes__) == 2
    other = ValueError()
    assert raisable(other) is other


def test_notes_of_the_cause_are_taken_over_once_where_python_made_the_error() -> None:
    cause = StopIteration()
    cause.add_note("raised in step a (run 1)")
    error = RuntimeError()
    error.__cause__ = cause
    note_place(error, "a")
    note_place(error, "b")
    assert [note.split(" (")[0] for note in error.__notes__] == ["raised in step a", "raised in step b"]
    mine = RuntimeError()
    mine.__cause__ = ValueError()
    mine.__cause__.add_note("raised in step a (run 1)")
    note_place(mine, "b")
    assert [note.split(" (")[0] for note in mine.__notes__] == ["raised in step b"]


def test_a_scope_that_refused_an_input_is_told_once() -> None:
    error = StepInputError("no dict")
    assert scope_refusing(error, PLAIN) is None
    error.scope = 0
    assert scope_refusing(error, PLAIN) == "whole"
    assert scope_refusing(error, PLAIN) is None
    assert scope_refusing(ValueError(), PLAIN) is None


@pytest.mark.parametrize("keep", [True, False])
def test_an_input_that_failed_keeps_its_own_error_where_keys_were_to_be_added_to_its_output(keep: bool) -> None:
    def fails(x: Any) -> dict[str, Any]:
        raise ValueError("own")

    async def afails(x: Any) -> dict[str, Any]:
        raise ValueError("own")

    chain = RunnableLambda(fails, afails) | RunnablePassthrough.assign(y=lambda _: 1)

    async def main() -> Any:
        return await chain.abatch([1, 2], return_exceptions=keep)

    if keep:
        for found in (chain.batch([1, 2], return_exceptions=True), asyncio.run(main())):
            assert [repr(each) for each in found] == ["ValueError('own')"] * 2
    else:
        with pytest.raises(ValueError, match="own"):
            chain.batch([1, 2])
        with pytest.raises(ValueError, match="own"):
            asyncio.run(main())


# Waiting for permits


def test_who_waits_in_a_thread_gets_the_next_permit() -> None:
    ledger, got = Ledger(1, taken=1), threading.Event()

    def wait() -> None:
        wait_for_permit(ledger, 1)
        got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    while not ledger.statistics()["waiting"]:
        pass
    assert not got.is_set()
    ledger.release()
    assert got.wait(PATIENCE)
    thread.join()
    assert ledger.statistics() == {"limit": 1, "free": 0, "waiting": 0}
    ledger.release()
    wait_for_permit(ledger, 1)
    assert free(ledger) == 0


def test_who_is_interrupted_while_it_waits_wants_no_permit_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        """A lock of which the second try is interrupted, as by a signal."""

        tries = 0

        def acquire(self) -> None:
            self.tries += 1
            if self.tries == 2:
                raise KeyboardInterrupt

        def release(self) -> None:
            raise AssertionError("nobody is there")

    ledger = Ledger(1, taken=1)
    monkeypatch.setattr(primitives, "Lock", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        wait_for_permit(ledger, 1)
    assert ledger.statistics()["waiting"] == 0
    ledger.release()
    assert free(ledger) == 1


def test_who_is_cancelled_while_it_waits_wants_no_permit_any_more() -> None:
    async def main() -> None:
        ledger = Ledger(1, taken=1)
        task = asyncio.create_task(wait_for_permit_async(ledger, 1))
        await until(lambda: ledger.statistics()["waiting"] == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ledger.statistics()["waiting"] == 0
        ledger.release()
        assert free(ledger) == 1
        await wait_for_permit_async(ledger, 1)
        assert free(ledger) == 0
        task = asyncio.create_task(wait_for_permit_async(ledger, 1))
        await until(lambda: ledger.statistics()["waiting"] == 1)
        ledger.release()
        await task
        assert free(ledger) == 0

    asyncio.run(main())


class Seat:
    def __init__(self, ledger: Ledger | None) -> None:
        self.ledger = ledger
        self.held = False
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


def permitted(ledger: Ledger) -> PermitSite:
    made = site_of(None, PLAIN, ledger, held=True)
    assert isinstance(made, PermitSite)
    return made


@pytest.mark.parametrize("is_cap", [True, False])
def test_an_asynchronous_call_is_lent_the_permit_of_its_step_or_gives_it_back_meanwhile(is_cap: bool) -> None:
    async def main() -> None:
        ledger = Ledger(1, is_cap=is_cap, taken=1)
        parent = permitted(ledger)
        async with AStay(parent, same := Seat(ledger)):
            assert (same.held, parent.held, free(ledger)) == (True, False, 0)
        assert (parent.held, free(ledger)) == (True, 0)
        for other in (None, Ledger(1)):
            async with AStay(parent, seat := Seat(other)):
                assert not seat.held
                assert (parent.held, free(ledger)) == ((True, 0) if is_cap else (False, 1))
            assert (parent.held, free(ledger)) == (True, 0)
        site = Site(None, PLAIN)
        async with AStay(site, seat := Seat(None)):
            assert not seat.held

    asyncio.run(main())


@pytest.mark.parametrize("hook", [True, False])
def test_an_asynchronous_call_obeys_the_stop_of_its_step_while_it_stays(hook: bool) -> None:
    async def main() -> None:
        for ledger in (None, Ledger(1, taken=1)):
            parent = site_of(None, PLAIN, ledger, held=True)
            seat, late = Seat(ledger), Seat(ledger)
            async with AStay(parent, late, hook=hook):
                pass
            async with AStay(parent, seat, hook=hook):
                parent.stop()
            assert (seat.stops, late.stops) == (int(hook), 0)
            parent.stop()
            assert seat.stops == int(hook)

    asyncio.run(main())


def test_a_permit_is_taken_by_who_has_none() -> None:
    async def main() -> None:
        ledger = Ledger(1)
        site = site_of(None, PLAIN, ledger, held=False)
        await take_permit_async(site)
        await take_permit_async(site)
        assert (site.held, free(ledger)) == (True, 0)
        await take_permit_async(Site(None, PLAIN))

    asyncio.run(main())
