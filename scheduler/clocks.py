"""Time: a clock tells it and calls back at a moment. Real time here; `VirtualClock` jumps when told to.

Nothing in a call waits on a timer to make progress: timers serve timeouts and sleeps alone.
"""

from __future__ import annotations

import _thread
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Protocol


class Timer:
    """A call to come. `cancel()` may come from any thread, and late."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Don't call."""
        self.callback = None


class Clock(Protocol):
    """What drivers need of time, in seconds."""

    def now(self) -> float:
        """The time since some moment."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at that time, from some thread."""

    def jump(self) -> bool:
        """Nothing runs, and everybody waits: go to the next timer and call it. False where time goes by itself."""


class RealClock:
    """`time.monotonic`, with one thread for the timers, which goes when there are none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._wake = threading.Event()
        self._runs = False
        self._sweep_at = 1000  # cancelled timers are dropped when there are so many

    now = staticmethod(time.monotonic)

    def jump(self) -> bool:
        """Real time goes by itself."""
        return False

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """See `Clock`. The callback must be quick and must not raise."""
        timer = Timer(when, callback)
        with self._lock:
            if len(self._timers) >= self._sweep_at:
                self._timers = [entry for entry in self._timers if entry[2].callback is not None]
                heapq.heapify(self._timers)
                self._sweep_at = 2 * len(self._timers) + 1000
            heapq.heappush(self._timers, (when, next(self._order), timer))
            if not self._runs:
                _thread.start_new_thread(self._run, ())
                self._runs = True
            elif self._timers[0][2] is timer:
                self._wake.set()
        return timer

    def _run(self) -> None:
        while True:
            with self._lock:
                while self._timers and self._timers[0][2].callback is None:
                    heapq.heappop(self._timers)
                if not self._timers:
                    self._runs = False
                    return
                wait = self._timers[0][0] - self.now()
                timer = heapq.heappop(self._timers)[2] if wait <= 0 else None
                self._wake.clear()
            if timer is None:
                self._wake.wait(wait)
            elif (callback := timer.callback) is not None:
                callback()


class VirtualClock:
    """Time that stands still until `advance` or `jump`. For tests and simulation."""

    def __init__(self) -> None:
        self._now = 0.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """The virtual time, from 0."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """See `Clock`."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def jump(self) -> bool:
        """Go to the next timer and call it. False when there is none."""
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self._now = max(self._now, when)
                timer.callback()
                return True
        return False


REAL_CLOCK = RealClock()
CLOCK: ContextVar[Clock] = ContextVar("anabranch_clock", default=REAL_CLOCK)
