"""Locks, events, conditions and queues of actors, as `threading` and `queue` have them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from anabranch.nodes.simulation.threads import Actor, Stage


class StageLock:
    """`threading.Lock`. Who gets it next is left to chance."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._held = False
        self._waiting: list[Actor | None] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it; waits in virtual time."""
        stage = self._stage
        stage.pause()
        until = None if timeout < 0 else stage.now + timeout
        while self._held:
            if not blocking or (until is not None and stage.now >= until):
                return False
            me = stage.current
            self._waiting.append(me)
            if not stage.park(None if until is None else until - stage.now):
                self._waiting.remove(me)
        self._held = True
        return True

    def release(self) -> None:
        """Give it back, from any actor."""
        if not self._held and not self._stage.over:
            raise RuntimeError("release unlocked lock")
        self._held = False
        if self._waiting:
            chosen = self._waiting.pop(self._stage.chance.randrange(len(self._waiting)))
            if chosen is not None:
                self._stage.wake(chosen)
        self._stage.pause()

    def locked(self) -> bool:
        """Whether somebody has it."""
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class StageRLock:
    """`threading.RLock`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lock = StageLock(stage)
        self._owner: Actor | None = None
        self._depth = 0

    def __enter__(self) -> bool:
        if self._owner is None or self._owner is not self._stage.current:
            self._lock.acquire()
            self._owner = self._stage.current
        self._depth += 1
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()


class _Waiters:
    """Actors who wait for something to become so."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._waiting: list[Actor] = []

    def wait_for(self, holds: Callable[[], bool], timeout: float | None) -> bool:
        stage, me = self._stage, self._stage.current
        until = None if timeout is None else stage.now + timeout
        while not holds():
            if until is not None and stage.now >= until:
                return False
            assert me is not None
            self._waiting.append(me)
            if not stage.park(None if until is None else until - stage.now):
                self._waiting.remove(me)
        return True

    def wake_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for actor in waiting:
            self._stage.wake(actor)
        self._stage.pause()


class StageEvent(_Waiters):
    """`threading.Event`."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._is_set = False

    def set(self) -> None:
        """Wake all who wait."""
        self._is_set = True
        self.wake_all()

    def clear(self) -> None:
        """Unset it."""
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set."""
        self._stage.pause()
        return self.wait_for(self.is_set, timeout)


class StageCondition(StageRLock):
    """`threading.Condition`, as far as drivers use it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._waiters = _Waiters(stage)

    def notify_all(self) -> None:
        """Let all who wait look again."""
        self._waiters.wake_all()

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait without the lock until the predicate holds."""
        until = None if timeout is None else self._stage.now + timeout
        while not predicate():
            left = None if until is None else until - self._stage.now
            if left is not None and left <= 0:
                return False
            self._wait(predicate, left)
        return True

    def _wait(self, predicate: Callable[[], bool], timeout: float | None) -> None:
        depth, self._depth, self._owner = self._depth, 0, None
        self._lock.release()
        try:
            self._waiters.wait_for(predicate, timeout)
        finally:
            self._lock.acquire()
            self._owner, self._depth = self._stage.current, depth


class StageQueue:
    """`queue.SimpleQueue`."""

    def __init__(self, stage: Stage) -> None:
        self._items: deque[Any] = deque()
        self._waiters = _Waiters(stage)

    def put(self, item: Any) -> None:
        """Put an item in."""
        self._items.append(item)
        self._waiters.wake_all()

    def get(self) -> Any:
        """Take the first out, or wait for one."""
        while not self._items:
            self._waiters.wait_for(lambda: bool(self._items), None)
        return self._items.popleft()
