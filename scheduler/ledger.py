"""Permits: the one cap of a call, shared by its batch, its branches and its nested calls.

A ledger never waits and never makes anybody wait: whoever changes it leaves the change in an inbox, and whoever
finds the ledger free works the inbox off. So threads and event loops may share one. A waiter is granted its
permit by a callback, which may run in any thread.

Those who wait are served by age, the oldest ancestor first, so that a nested call which belongs to an early
input goes before a late input's first step.
"""

from __future__ import annotations

import heapq
import itertools
import os
import sys
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

from anabranch.scheduler import primitives

AGES = itertools.count()
YOUNGEST = sys.maxsize  # the age of what has not started yet
_REQUEST, _RELEASE, _WITHDRAW = range(3)


@cache  # to count the cores takes 20 µs, more than a small chain
def default_limit() -> int:
    """How many blocking calls run at once where nobody set a cap."""
    return min(32, (os.cpu_count() or 1) + 4)


def _nothing() -> None:
    """What a waiter wants who is no more."""


class Waiter:
    """Somebody who wants a permit. `on_grant` is called when it is given, by whoever gives it, and then let go."""

    __slots__ = ("age", "granted", "on_grant", "withdrawn")

    def __init__(self, age: int, on_grant: Callable[[], Any] = _nothing) -> None:
        self.age = age
        self.on_grant = on_grant
        self.granted = False
        self.withdrawn = False


class Ledger:
    """`limit` permits. `is_cap` says that the user set it; otherwise it bounds blocking calls only."""

    def __init__(self, limit: int, *, is_cap: bool = True, taken: int = 0) -> None:
        self.limit = limit
        self.is_cap = is_cap
        self._free = limit - taken
        self._busy = primitives.Lock()
        self._inbox: deque[tuple[int, Waiter | None]] = deque()
        self._waiting: list[tuple[int, int, Waiter]] = []
        self._order = itertools.count()

    def try_acquire(self) -> bool:
        """Take a permit if one is free just now. May fail although one is free, when the ledger is in use."""
        if not self._busy.acquire(blocking=False):
            return False
        try:
            taken = self._free > 0 and not self._waiting and not self._inbox
            if taken:
                self._free -= 1
        finally:
            self._busy.release()
        if self._inbox:
            self._settle()
        return taken

    def request(self, waiter: Waiter) -> None:
        """Ask for a permit; `waiter.on_grant` is called when it is given, maybe before this returns."""
        self._inbox.append((_REQUEST, waiter))
        self._settle()

    def release(self) -> None:
        """Give a permit back."""
        self._inbox.append((_RELEASE, None))
        self._settle()

    def withdraw(self, waiter: Waiter) -> None:
        """Want the permit no more. One that was granted goes back."""
        self._inbox.append((_WITHDRAW, waiter))
        self._settle()

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody waits, or did so lately."""
        return bool(self._waiting)

    def contended(self, age: int) -> bool:
        """Whether somebody older waits."""
        waiting = self._waiting
        return bool(waiting) and waiting[0][0] < age

    def statistics(self) -> dict[str, int]:
        """How many permits there are, are free, and are waited for."""
        waiting = sum(not waiter.withdrawn for _, _, waiter in list(self._waiting))
        return {"limit": self.limit, "free": self._free, "waiting": waiting}

    def _settle(self) -> None:
        while self._inbox:
            if not self._busy.acquire(blocking=False):
                return  # whoever holds it looks again
            granted: list[Waiter] = []
            try:
                self._work_off(granted)
            finally:
                self._busy.release()
            for waiter in granted:
                grant, waiter.on_grant = waiter.on_grant, _nothing  # it may refer to the waiter
                grant()

    def _work_off(self, granted: list[Waiter]) -> None:
        while self._inbox:
            wish, waiter = self._inbox.popleft()
            if waiter is None or (wish == _WITHDRAW and waiter.granted):
                self._free += 1
            elif wish == _WITHDRAW:
                waiter.withdrawn, waiter.on_grant = True, _nothing
            else:
                heapq.heappush(self._waiting, (waiter.age, next(self._order), waiter))
        while self._free and self._waiting:
            waiter = heapq.heappop(self._waiting)[2]
            if not waiter.withdrawn:
                self._free -= 1
                waiter.granted = True
                granted.append(waiter)
