"""Threads that come when they are needed and go when they are idle.

There is one pool for the process. It may always add a thread: how many *run* at once is the ledger's business,
and a thread that waits holds no permit. `submit` never waits, so an event loop may call it.
"""

from __future__ import annotations

import _thread
from collections import deque
from collections.abc import Callable
from typing import Any

from anabranch.scheduler import primitives

IDLE_SECONDS = 10.0


class _Worker:
    __slots__ = ("task", "wake")

    def __init__(self, task: Callable[[], Any]) -> None:
        self.task: Callable[[], Any] | None = task
        self.wake = primitives.Lock()
        self.wake.acquire()


class Pool:
    """See the module. A task must not raise."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle: deque[_Worker] = deque()
        self._idle_seconds = idle_seconds
        self._busy: set[_Worker] = set()

    def submit(self, task: Callable[[], Any]) -> None:
        """Run a task in a thread, soon.

        Raises:
            RuntimeError: when none is idle and the system starts no more.
        """
        if primitives.WORLDS and (world := primitives.world()) is not None:
            world.start_thread(task)
            return
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(task)
            self._busy.add(worker)
            try:
                _thread.start_new_thread(self._work, (worker,))
            except RuntimeError:
                self._busy.discard(worker)
                raise
            return
        self._busy.add(worker)
        worker.task = task
        worker.wake.release()

    def statistics(self) -> dict[str, int]:
        """How many threads work, and how many wait for work."""
        return {"busy": len(self._busy), "idle": len(self._idle)}

    def _work(self, worker: _Worker) -> None:
        while True:
            task, worker.task = worker.task, None
            assert task is not None
            task()
            del task
            self._busy.discard(worker)
            self._idle.append(worker)
            if not worker.wake.acquire(timeout=self._idle_seconds):
                try:
                    self._idle.remove(worker)
                except ValueError:
                    worker.wake.acquire()  # somebody took it just now, and its task is on the way
                else:
                    return


POOL = Pool()
