"""Turns: who of a stream goes on, where there are fewer permits than strands.

Whoever wakes a strand that gave its permit up asks for one in its name, and the strand wakes when it is there. So after
a chunk was delivered the ledger knows who would go on. The strand that made it lets them pass, and those who are older:
it stands in line behind them before it makes another. Nobody waits longer than it takes each of the others to make a
chunk, and a chunk is read before its maker goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anabranch.scheduler.ledger import Ledger, Waiter
from anabranch.scheduler.sites import PermitSite, Site


class Turns:
    """Who of a stream waits for a permit. A driver of threads guards it with its lock."""

    def __init__(self) -> None:
        self._asking: list[Waiter] = []

    def ask(self, ledger: Ledger, waiter: Waiter) -> None:
        """Ask for a permit in the name of a strand."""
        self._asking = [each for each in self._asking if not (each.granted or each.withdrawn)]
        self._asking.append(waiter)
        ledger.request(waiter)

    def behind(self, site: Site) -> int | None:
        """The age with which a strand stands in line behind all whom it is to let pass. None if there are none."""
        ledger = site.ledger
        if ledger is None or not site.held:
            return None
        ages = [each.age for each in self._asking if not (each.granted or each.withdrawn)]
        if ages:
            return max(*ages, site.age)
        return site.age if ledger.contended(site.age) else None


class Turn:
    """A waker of who needs a permit to go on. Called, it asks for that, and wakes when it is there."""

    __slots__ = ("_asked", "_site", "_turns", "waiter", "wake")

    def __init__(self, turns: Turns, site: PermitSite, wake: Callable[[], Any], age: int | None) -> None:
        self._turns = turns
        self._site = site
        self._asked = False
        self.wake = wake
        self.waiter = Waiter(site.age if age is None else age, wake)

    def __call__(self) -> None:
        if not self._asked:
            self._asked = True
            self._turns.ask(self._site.ledger, self.waiter)

    def settle(self) -> None:
        """Who waited is awake: take the permit, or want it no more if that was for another reason."""
        self._asked = True
        if self.waiter.granted:
            self._site.take()
        else:
            self._site.ledger.withdraw(self.waiter)
