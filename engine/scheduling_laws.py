"""The laws of scheduling: how much runs at once, how long it takes, and that nothing is left afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from anabranch.engine.law_outcomes import Outcome, holds, outcome

GRACE = 5.0
"""Seconds that a thread may take to come to rest."""


class Occupancy(AbstractContextManager["Occupancy"]):
    """Counts who is inside: `with occupancy:` in the leaves of a chain, from any thread or task.

    Attributes:
        inside: how many are, now.
        peak: how many were at once, at most.
        entered: how often somebody entered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside = self.peak = self.entered = 0

    def __enter__(self) -> Occupancy:
        with self._lock:
            self.inside += 1
            self.entered += 1
            self.peak = max(self.peak, self.inside)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self.inside -= 1


def concurrency_within_cap(observed: Occupancy, cap: int) -> None:
    """Of a whole call, batch, branches and nested calls, at most `max_concurrency` steps run at once."""
    holds(observed.peak <= cap, f"{observed.peak} ran at once under a cap of {cap}")
    holds(observed.inside == 0, f"{observed.inside} were still running when the call had returned")


def makespan_within_bound(makespan: float, work: float, longest_path: float, permits: int) -> None:
    """With m permits, a call takes at most (2 - 1/m) times as long as the best schedule could.

    No schedule is shorter than the longest path, nor than the work divided by m: these stand for the best.
    """
    best = max(longest_path, work / permits)
    bound = (2 - 1 / permits) * best
    holds(
        makespan <= bound * (1 + 1e-9),
        f"took {makespan} with {permits} permits, more than (2 - 1/{permits}) x {best} = {bound}: "
        f"the work is {work}, the longest path {longest_path}",
    )


def nothing_alive_after(call: Callable[[], Any], left: Callable[[], Iterable[object]], grace: float = GRACE) -> Outcome:
    """When a call has returned or raised, nothing that it started is left: no busy thread, task or generator.

    Args:
        call: the call.
        left: lists what is alive and was not before the call.
        grace: how many seconds a thread may take to come to rest.

    Returns:
        What came of the call.
    """
    result = outcome(call)
    until = time.monotonic() + grace
    alive = list(left())
    while alive and time.monotonic() < until:
        time.sleep(0.0005)
        alive = list(left())
    holds(not alive, f"left alive after the call, which gave {result}: {', '.join(map(str, alive))}")
    return result
