"""Where code runs: the config that it hands down, the stop that it obeys, the permit that it lends and takes back."""

from __future__ import annotations

import contextvars
from functools import partial
from typing import Any

import pytest

from anabranch.engine.graphs import INPUT_SLOT, Graph, Scope, Step
from anabranch.engine.operators import Operator
from anabranch.scheduler.ledger import Ledger
from anabranch.scheduler.sites import SITE, PermitSite, Site, holders, inherited_config, pulling_site, site_of
from anabranch.scheduler.stays import Stay, take_permit

STEP = Operator(name="step", invoke=str)


def graph(outer: Any = None, inner: Any = None, own: Any = None) -> Graph:
    """A step in a scope in a scope, each with config of its own."""
    scopes = (
        Scope(0, -1, "outer", "sequence", INPUT_SLOT, config=outer),
        Scope(1, 0, "inner", "sequence", INPUT_SLOT, config=inner),
    )
    return Graph((Step(0, STEP, INPUT_SLOT, 1, config=own),), scopes, 0)


PLAIN = graph()


def permitted(ledger: Ledger, held: bool = True) -> PermitSite:
    made = site_of(None, PLAIN, ledger, held=held)
    assert isinstance(made, PermitSite)
    return made


def free(ledger: Ledger) -> int:
    return ledger.statistics()["free"]


# Config


def test_a_step_inherits_what_is_bound_around_it_and_the_call_wins() -> None:
    made = graph({"tags": ["outer"], "metadata": {"m": 1, "o": 1}}, {"tags": ["inner"], "metadata": {"m": 2}})
    config: Any = {"tags": ["call"], "metadata": {"c": 3}}
    found = inherited_config(config, made, made.steps[0])
    assert found is not None
    assert sorted(found["tags"]) == ["call", "inner", "outer"]
    assert found["metadata"] == {"m": 2, "o": 1, "c": 3}
    own = graph(None, {"metadata": {"m": 1}}, {"metadata": {"m": 2}})
    for given, wanted in ((None, 2), ({"metadata": {"m": 3}}, 3)):
        found = inherited_config(given, own, own.steps[0])  # type: ignore[arg-type]
        assert found is not None
        assert found["metadata"] == {"m": wanted}


def test_names_and_ids_stay_with_the_step_and_nothing_else_is_changed() -> None:
    own: Any = {"run_name": "name", "run_id": "id", "tags": ["x"]}
    made = graph(own=own)
    assert inherited_config(None, made, made.steps[0]) == {"tags": ["x"]}
    assert own == {"run_name": "name", "run_id": "id", "tags": ["x"]}
    config: Any = {"run_name": "name", "run_id": "id"}
    assert inherited_config(config, PLAIN, PLAIN.steps[0]) == {}
    assert config == {"run_name": "name", "run_id": "id"}
    assert inherited_config(None, PLAIN, PLAIN.steps[0]) is None
    assert inherited_config({}, PLAIN, PLAIN.steps[0]) is None


def test_a_site_hands_down_the_call_s_config_or_that_of_the_step_whose_code_runs() -> None:
    made = graph(own={"tags": ["own"]})
    site = Site({"tags": ["call"]}, made)
    assert site.inherited() == {"tags": ["call"]}
    assert site.full_config()["tags"] == ["call"]
    assert site.full_config()["recursion_limit"] == 25
    assert sorted(site.config_for(made.steps[0])["tags"]) == ["call", "own"]
    assert site.config_for(made.steps[0])["recursion_limit"] == 25
    site.step = made.steps[0]
    assert sorted((site.inherited() or {})["tags"]) == ["call", "own"]
    assert sorted(site.full_config()["tags"]) == ["call", "own"]
    assert Site(None, made).inherited() is None


def test_the_trail_names_the_steps_that_returned_what_is_streamed_outermost_first() -> None:
    def at(name: str, around: Site | None) -> Site:
        steps = tuple(Step(slot, Operator(name=f"{name}{slot}", invoke=str), slot - 1, -1) for slot in range(3))
        site = Site(None, Graph(steps, (), 2))
        site.parent = around
        return site

    outer = at("outer", None)
    middle = at("middle", outer)
    inner = at("inner", middle)
    assert inner.trail() == ["outer0", "middle0", "inner0"]
    outer.position, inner.position = 2, 1
    assert inner.trail() == ["outer2", "middle0", "inner1"]
    assert outer.trail() == ["outer2"]


# Stopping


def test_a_stop_calls_what_was_hooked_and_not_what_was_unhooked() -> None:
    site = Site(None, PLAIN)
    went: list[str] = []
    site.unhook("nothing")
    for name in "abc":
        site.hook(name, partial(went.append, name))
    site.unhook("b")
    site.unhook("b")
    assert not site.stopped
    assert went == []
    site.stop()
    assert site.stopped
    assert went == ["a", "c"]


def test_what_is_hooked_after_the_stop_is_called_at_once() -> None:
    site = Site(None, PLAIN)
    went: list[str] = []
    site.stop()
    site.hook("late", lambda: went.append("late"))
    assert went == ["late"]


def test_a_hook_may_take_itself_away() -> None:
    site = Site(None, PLAIN)
    went: list[str] = []

    def once(name: str) -> None:
        site.unhook(name)
        went.append(name)

    for name in "ab":
        site.hook(name, partial(once, name))
    site.stop()
    assert went == ["a", "b"]
    site.stop()
    assert went == ["a", "b"]


# Permits


def test_a_site_without_a_ledger_has_no_permit_to_give() -> None:
    site = site_of(None, PLAIN, None, held=True)
    assert type(site) is Site
    assert (site.ledger, site.held) == (None, False)
    assert [site.lend(), site.take_back(False), site.take_back(True), site.give_up(), site.end()] == [False] * 5


def test_a_site_with_a_ledger_has_the_permit_and_the_age_that_it_is_given() -> None:
    ledger = Ledger(2, taken=1)
    first, second = permitted(ledger), permitted(ledger, held=False)
    assert (first.held, second.held) == (True, False)
    assert first.ledger is second.ledger is ledger
    assert first.age < second.age
    assert site_of(None, PLAIN, ledger, held=False, age=7).age == 7
    assert site_of(None, PLAIN, None, held=False, age=7).age == 7
    assert site_of({"tags": ["x"]}, PLAIN, ledger, held=False).config == {"tags": ["x"]}
    assert site_of({"tags": ["x"]}, PLAIN, None, held=False).config == {"tags": ["x"]}


def test_the_permit_is_lent_to_the_first_nested_call_and_comes_back_with_the_last() -> None:
    ledger = Ledger(1, taken=1)
    site = permitted(ledger)
    assert site.lend()
    assert not site.held
    assert not site.lend()
    assert not site.take_back(True)  # another is under way: the permit is free for it
    assert not site.held
    assert free(ledger) == 1
    assert ledger.try_acquire()
    assert not site.take_back(True)
    assert site.held
    assert free(ledger) == 0


def test_a_call_that_ends_without_a_permit_has_the_site_get_one() -> None:
    ledger = Ledger(1, taken=1)
    site = permitted(ledger)
    site.lend()
    site.lend()
    ledger.release()  # by the call
    assert site.take_back(False) is False
    assert site.take_back(False) is True
    assert not site.held
    assert ledger.try_acquire()
    site.take()
    assert site.held
    assert free(ledger) == 0


def test_a_permit_that_comes_too_late_goes_back() -> None:
    ledger = Ledger(2, taken=2)
    site = permitted(ledger)
    site.take()  # it has one
    assert (site.held, free(ledger)) == (True, 1)
    site.lend()
    assert ledger.try_acquire()
    site.take()  # a call is outstanding
    assert (site.held, free(ledger)) == (False, 1)
    assert not site.end()
    assert ledger.try_acquire()
    assert site.take_back(True) is False  # the code has ended
    assert (site.held, free(ledger)) == (False, 1)


def test_at_its_end_a_site_tells_whether_it_has_a_permit() -> None:
    ledger = Ledger(2, taken=1)
    assert permitted(ledger).end() is True
    assert permitted(ledger, held=False).end() is False


def test_who_waits_gives_its_permit_up() -> None:
    ledger = Ledger(1, taken=1)
    site = permitted(ledger)
    assert site.give_up()
    assert (site.held, free(ledger)) == (False, 1)
    assert not site.give_up()
    assert free(ledger) == 1


def test_both_the_stream_s_and_the_step_s_permit_are_to_be_given_up() -> None:
    ledger = Ledger(2, taken=2)
    around, own, without = permitted(ledger), permitted(ledger), permitted(ledger, held=False)

    def inside(at: Site | None, site: Site) -> list[PermitSite]:
        def act() -> list[PermitSite]:
            SITE.set(at)
            return holders(site)

        return contextvars.copy_context().run(act)

    assert inside(around, own) == [own, around]
    assert inside(own, own) == [own]
    assert inside(None, own) == [own]
    assert inside(around, without) == [around]
    assert inside(without, without) == []


def test_a_stream_is_pulled_where_the_permit_of_its_cap_is() -> None:
    ledger = Ledger(2, taken=2)
    parent, at, other = permitted(ledger), permitted(ledger), permitted(Ledger(1, taken=1))

    def inside(here: Site | None) -> Site:
        def act() -> Site:
            SITE.set(here)
            return pulling_site(parent)

        return contextvars.copy_context().run(act)

    assert inside(None) is parent
    assert inside(at) is at
    assert inside(other) is parent


def test_a_permit_is_taken_by_who_needs_one() -> None:
    ledger = Ledger(1)
    site = permitted(ledger, held=False)
    take_permit(site)
    assert (site.held, free(ledger)) == (True, 0)
    take_permit(site)
    assert free(ledger) == 0
    take_permit(Site(None, PLAIN))


@pytest.mark.parametrize("hook", [True, False])
def test_a_blocking_call_obeys_the_stop_of_its_step_while_it_stays(hook: bool) -> None:
    went: list[str] = []

    class Seat:
        held = False
        ledger: Ledger | None = None

        def stop(self) -> None:
            went.append("stopped")

    parent = Site(None, PLAIN)
    with Stay(parent, Seat(), hook=hook):
        parent.stop()
    assert went == ["stopped"] * hook
    parent.stop()
    assert went == ["stopped"] * hook
    other = Site(None, PLAIN)
    with Stay(other, Seat(), hook=hook):
        pass
    other.stop()
    assert went == ["stopped"] * hook


def test_a_blocking_call_is_lent_the_permit_of_its_step_if_it_draws_from_the_same_ledger() -> None:
    class Seat:
        def __init__(self, ledger: Ledger | None) -> None:
            self.ledger = ledger
            self.held = False

        def stop(self) -> None:
            raise AssertionError("nobody stopped it")

    ledger = Ledger(1, taken=1)
    parent = permitted(ledger)
    seat = Seat(ledger)
    with Stay(parent, seat):
        assert (parent.held, seat.held) == (False, True)
        ledger.release()  # it gives it to somebody
        seat.held = False
    assert parent.held
    assert free(ledger) == 0
    for other in (None, Ledger(1)):
        seat = Seat(other)
        with Stay(parent, seat):
            assert (parent.held, seat.held) == (True, False)
        assert parent.held
