"""Permits: never more than there are, the oldest first, none lost, and nobody waits."""

from __future__ import annotations

import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from anabranch.scheduler.ledger import Ledger, Waiter


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
