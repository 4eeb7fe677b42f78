"""Permits: never more than there are, the oldest first, none lost, and nobody waits."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from anabranch.scheduler.ledger import Ledger, Waiter, default_limit


class LedgerMachine(RuleBasedStateMachine):
    """Acquires, requests, releases and withdraws in any order, against a list of who waits."""

    @initialize(limit=st.integers(1, 4))
    def open(self, limit: int) -> None:
        self.ledger = Ledger(limit)
        self.limit = limit
        self.out = 0
        self.waiting: list[Waiter] = []

    def _granted(self, waiter: Waiter) -> None:
        oldest = min(other.age for other in self.waiting)
        assert waiter.age == oldest, "the oldest goes first"
        self.waiting.remove(waiter)
        self.out += 1

    @rule()
    def try_acquire(self) -> None:
        free = self.out < self.limit and not self.waiting
        assert self.ledger.try_acquire() == free
        self.out += free

    @rule(age=st.integers(0, 5))
    def request(self, age: int) -> None:
        waiter = Waiter(age)
        waiter.on_grant = lambda: self._granted(waiter)
        self.waiting.append(waiter)
        self.ledger.request(waiter)

    @precondition(lambda self: self.out > 0)
    @rule()
    def release(self) -> None:
        self.out -= 1
        self.ledger.release()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(waiter)
        self.ledger.withdraw(waiter)

    @invariant()
    def no_permit_is_idle_while_somebody_waits(self) -> None:
        if hasattr(self, "ledger"):
            assert self.out <= self.limit
            assert self.out == self.limit or not self.waiting
            assert self.ledger.statistics()["free"] == self.limit - self.out


TestLedgerMachine = LedgerMachine.TestCase


def test_a_permit_that_was_granted_and_is_not_wanted_goes_back() -> None:
    ledger = Ledger(1)
    waiter = Waiter(0)
    ledger.request(waiter)
    assert waiter.granted
    ledger.withdraw(waiter)
    assert ledger.try_acquire()
    assert not ledger.try_acquire()


def test_a_new_ledger_has_all_its_permits_but_those_that_are_taken() -> None:
    assert Ledger(3).statistics() == {"limit": 3, "free": 3, "waiting": 0}
    assert Ledger(3, taken=1).statistics() == {"limit": 3, "free": 2, "waiting": 0}
    assert Ledger(3).is_cap
    assert not Ledger(3, is_cap=False).is_cap


def test_who_wants_a_permit_has_none_at_first() -> None:
    waiter = Waiter(7)
    assert (waiter.age, waiter.granted, waiter.withdrawn) == (7, False, False)
    waiter.on_grant()


@pytest.mark.parametrize(("cores", "limit"), [(None, 5), (1, 5), (2, 6), (28, 32), (29, 32), (500, 32)])
def test_without_a_cap_four_more_blocking_calls_than_cores_run_at_once_but_no_more_than_32(
    cores: int | None, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert default_limit.__wrapped__() == limit
    assert default_limit() == default_limit()


def test_the_oldest_goes_first_and_of_those_of_one_age_who_asked_first() -> None:
    ledger, order = Ledger(1), list[str]()
    assert ledger.try_acquire()
    for name, age in (("late", 5), ("first", 1), ("second", 1), ("third", 1), ("middle", 3)):
        ledger.request(Waiter(age, lambda name=name: order.append(name)))  # type: ignore[misc]
    assert ledger.statistics() == {"limit": 1, "free": 0, "waiting": 5}
    assert order == []
    for _ in range(5):
        ledger.release()
    assert order == ["first", "second", "third", "middle", "late"]
    assert ledger.statistics() == {"limit": 1, "free": 0, "waiting": 0}


def test_several_permits_that_come_back_serve_several() -> None:
    ledger, order = Ledger(2, taken=2), list[int]()
    for age in (2, 1, 0):
        ledger.request(Waiter(age, lambda age=age: order.append(age)))  # type: ignore[misc]
    with ledger._busy:
        ledger.release()
        ledger.release()
        assert order == []
    ledger.release()
    assert order == [0, 1, 2]


def test_only_who_is_older_contends() -> None:
    ledger = Ledger(1, taken=1)
    assert ledger.contended(5) is False
    first, older = Waiter(5), Waiter(3)
    ledger.request(first)
    assert [ledger.contended(age) for age in (3, 4, 5, 6)] == [False, False, False, True]
    ledger.request(older)
    assert [ledger.contended(age) for age in (3, 4, 5, 6)] == [False, True, True, True]
    ledger.release()
    assert older.granted
    assert [ledger.contended(age) for age in (5, 6)] == [False, True]
    ledger.release()
    assert first.granted
    assert not ledger.contended(6)


def test_a_ledger_in_use_makes_nobody_wait_and_forgets_no_wish() -> None:
    ledger, granted = Ledger(2), list[str]()
    waiters = {name: Waiter(0, lambda name=name: granted.append(name)) for name in "ab"}  # type: ignore[misc]
    with ledger._busy:
        assert ledger.try_acquire() is False
        ledger.request(waiters["a"])
        ledger.request(waiters["b"])
        ledger.withdraw(waiters["b"])
        assert granted == []
    assert ledger.try_acquire() is False, "those who asked before go first"
    assert granted == ["a"]
    assert ledger.try_acquire() is True
    assert ledger.try_acquire() is False
    assert ledger.statistics() == {"limit": 2, "free": 0, "waiting": 0}


def test_who_has_withdrawn_is_passed_over_and_not_counted() -> None:
    ledger, granted = Ledger(1, taken=1), list[str]()
    waiters = {name: Waiter(0, lambda name=name: granted.append(name)) for name in "abc"}  # type: ignore[misc]
    for waiter in waiters.values():
        ledger.request(waiter)
    ledger.withdraw(waiters["a"])
    assert (waiters["a"].withdrawn, waiters["a"].granted) == (True, False)
    assert ledger.statistics() == {"limit": 1, "free": 0, "waiting": 2}
    ledger.release()
    assert granted == ["b"]
    ledger.withdraw(waiters["b"])
    assert granted == ["b", "c"]
    ledger.withdraw(waiters["c"])
    assert ledger.statistics() == {"limit": 1, "free": 1, "waiting": 0}


def test_a_waiter_lets_go_of_its_callback_when_it_is_served_or_withdrawn() -> None:
    ledger = Ledger(1)
    called: list[str] = []
    served, withdrawn = Waiter(0, lambda: called.append("served")), Waiter(0, lambda: called.append("withdrawn"))
    ledger.request(served)
    ledger.request(withdrawn)
    ledger.withdraw(withdrawn)
    for waiter in (served, withdrawn):
        waiter.on_grant()
    assert called == ["served"]


def test_a_callback_may_use_the_ledger() -> None:
    ledger, order = Ledger(1), list[str]()

    def first() -> None:
        order.append("first")
        ledger.request(Waiter(0, lambda: order.append("second")))
        ledger.release()

    ledger.request(Waiter(0, first))
    assert order == ["first", "second"]
    assert ledger.statistics()["free"] == 0


@given(st.integers(1, 3))
def test_threads_never_hold_more_permits_than_there_are(limit: int) -> None:
    ledger, most, inside, lock = Ledger(limit), [0], [0], threading.Lock()

    def work() -> None:
        for _ in range(20):
            granted = threading.Semaphore(0)
            ledger.request(Waiter(0, granted.release))
            granted.acquire()
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with lock:
                inside[0] -= 1
            ledger.release()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= limit
    assert ledger.statistics() == {"limit": limit, "free": limit, "waiting": 0}


@pytest.fixture(autouse=True)
def _often_switching() -> object:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
