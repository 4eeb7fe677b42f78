"""Threads of the pool: one that is idle is taken before another is made, and one that is idle for long goes."""

from __future__ import annotations

import _thread
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from verbs import PATIENCE

from anabranch.scheduler.pools import IDLE_SECONDS, Pool, _Worker


def until_idle(pool: Pool, count: int) -> None:
    """Wait until so many threads wait for work, and none works."""
    deadline = time.monotonic() + PATIENCE
    while pool.statistics() != {"busy": 0, "idle": count}:
        assert time.monotonic() < deadline, pool.statistics()
        time.sleep(0)


def test_threads_that_are_idle_are_used_again() -> None:
    pool, idents, may_end = Pool(idle_seconds=0.05), list[int](), threading.Event()

    def task() -> None:
        idents.append(_thread.get_ident())
        assert may_end.wait(PATIENCE)

    assert pool.statistics() == {"busy": 0, "idle": 0}
    for round_ in range(2):
        may_end.clear()
        pool.submit(task)
        pool.submit(task)
        assert pool.statistics() == {"busy": 2, "idle": 0}
        may_end.set()
        if not round_:
            until_idle(pool, 2)
    until_idle(pool, 0)
    assert len(idents) == 4
    assert len(set(idents)) == 2
    assert _thread.get_ident() not in idents


def test_a_thread_of_the_library_waits_ten_seconds_for_more_work() -> None:
    assert Pool()._idle_seconds == IDLE_SECONDS == 10.0


class Wake:
    """Stands for the lock that an idle thread waits for: what comes when is written down before."""

    def __init__(self, *steps: Callable[[float | None], bool]) -> None:
        self.steps = list(steps)
        self.released = 0

    def acquire(self, timeout: float | None = None) -> bool:
        return self.steps.pop(0)(timeout)

    def release(self) -> None:
        self.released += 1


def worker_of(wake: Wake, task: Callable[[], Any]) -> _Worker:
    worker = _Worker(task)
    worker.wake = wake  # type: ignore[assignment]
    return worker


def test_an_idle_thread_goes_when_nothing_comes_in_time() -> None:
    pool, went = Pool(idle_seconds=7.5), list[Any]()

    def time_is_up(timeout: float | None) -> bool:
        went.append((timeout, pool.statistics()))
        return False

    pool._work(worker_of(Wake(time_is_up), lambda: went.append("task")))
    assert went == ["task", (7.5, {"busy": 0, "idle": 1})]
    assert pool.statistics() == {"busy": 0, "idle": 0}


def test_work_that_comes_just_when_an_idle_thread_is_about_to_go_is_done() -> None:
    pool, went = Pool(), list[Any]()

    def too_late(timeout: float | None) -> bool:
        assert timeout is not None
        pool.submit(lambda: went.append("second"))
        assert pool.statistics() == {"busy": 1, "idle": 0}
        return False

    def it_comes(timeout: float | None) -> bool:
        assert timeout is None
        assert wake.released == 1
        return True

    wake = Wake(too_late, it_comes, lambda timeout: False)
    pool._work(worker_of(wake, lambda: went.append("first")))
    assert went == ["first", "second"]
    assert wake.steps == []
    assert pool.statistics() == {"busy": 0, "idle": 0}


def test_an_idle_thread_keeps_nothing_of_its_last_task_alive() -> None:
    class Task:
        def __call__(self) -> None:
            alive.append(self_of() is not None)

    pool, alive = Pool(), list[bool]()
    task = Task()
    self_of = weakref.ref(task)

    def look(timeout: float | None) -> bool:
        alive.append(self_of() is not None)
        return False

    worker = worker_of(Wake(look), task)
    del task
    pool._work(worker)
    assert alive == [True, False]


def test_a_thread_that_cannot_be_started_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    pool, done = Pool(idle_seconds=0.001), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", refuses)
        with pytest.raises(RuntimeError, match="can't start"):
            pool.submit(lambda: None)
    assert pool.statistics() == {"busy": 0, "idle": 0}
    pool.submit(done.set)
    assert done.wait(PATIENCE)
    until_idle(pool, 0)
