"""Timers are called in their order and when it is time, in real time and in virtual time; cancelled ones never."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable

import pytest
from verbs import PATIENCE

from anabranch.scheduler.clocks import CLOCK, REAL_CLOCK, RealClock, Timer, VirtualClock


def test_time_is_real_unless_somebody_says_otherwise() -> None:
    assert CLOCK.get() is REAL_CLOCK
    assert isinstance(REAL_CLOCK, RealClock)


# Virtual time


def test_virtual_time_stands_still_until_it_jumps_to_the_next_timer() -> None:
    clock, went = VirtualClock(), list[tuple[str, float]]()

    def note(name: str) -> Callable[[], None]:
        return lambda: went.append((name, clock.now()))

    assert clock.now() == 0.0
    assert clock.jump() is False
    clock.call_at(2.0, note("b"))
    clock.call_at(1.0, note("a"))
    clock.call_at(2.0, note("c"))
    assert went == []
    assert clock.jump() is True
    assert went == [("a", 1.0)]
    assert [clock.jump() for _ in range(3)] == [True, True, False]
    assert went == [("a", 1.0), ("b", 2.0), ("c", 2.0)]
    assert clock.now() == 2.0


def test_virtual_time_never_goes_back() -> None:
    clock = VirtualClock()
    clock.call_at(5.0, lambda: None)
    assert clock.jump()
    clock.call_at(3.0, lambda: None)
    assert clock.jump()
    assert clock.now() == 5.0


def test_a_cancelled_timer_is_passed_over_and_takes_no_time() -> None:
    clock, went = VirtualClock(), list[str]()
    cancelled = clock.call_at(1.0, lambda: went.append("cancelled"))
    cancelled.cancel()
    assert (clock.jump(), clock.now()) == (False, 0.0)
    later = clock.call_at(2.0, lambda: went.append("later"))
    cancelled.cancel()
    assert (clock.jump(), clock.now(), went) == (True, 2.0, ["later"])
    later.cancel()
    assert not clock.jump()


def test_a_timer_says_when() -> None:
    assert VirtualClock().call_at(4.0, lambda: None).when == 4.0


# Real time, in threads that are started when the test says so


class Started:
    """The threads that a clock has asked for."""

    def __init__(self) -> None:
        self.tasks: list[Callable[[], None]] = []

    def start(self, task: Callable[[], None], _: tuple[()]) -> int:
        self.tasks.append(task)
        return 0

    def run(self) -> None:
        """Run the one that is asked for to its end, in this thread."""
        (task,) = self.tasks
        self.tasks.clear()
        task()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    threads = Started()
    monkeypatch.setattr(_thread, "start_new_thread", threads.start)
    return threads


class Waits:
    """Stands for the time and for the event that a clock waits with: waiting takes as long as it is to."""

    def __init__(self) -> None:
        self.time = 100.0
        self.waited: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.is_set = False

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        assert not self.is_set, "it was cleared"
        self.waited.append(seconds)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        if not self.is_set:
            self.time += seconds

    def set(self) -> None:
        self.is_set = True

    def clear(self) -> None:
        self.is_set = False


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def clock(waits: Waits, monkeypatch: pytest.MonkeyPatch) -> RealClock:
    made = RealClock()
    monkeypatch.setattr(made, "now", waits.now, raising=False)
    monkeypatch.setattr(made, "_wake", waits)
    return made


def test_real_time_is_monotonic_and_goes_by_itself() -> None:
    clock = RealClock()
    before = time.monotonic()
    assert before <= clock.now() <= time.monotonic()
    assert clock.jump() is False


def test_timers_are_called_in_their_order_each_when_it_is_time(
    clock: RealClock, waits: Waits, started: Started
) -> None:
    went: list[tuple[str, float]] = []
    for name, when in (("b", 103.0), ("a", 101.0), ("now", 100.0), ("past", 99.0), ("c", 103.0)):
        clock.call_at(when, lambda name=name: went.append((name, waits.time)))  # type: ignore[misc]
    assert went == []
    started.run()
    assert went == [("past", 100.0), ("now", 100.0), ("a", 101.0), ("b", 103.0), ("c", 103.0)]
    assert waits.waited == [1.0, 2.0]


def test_one_thread_serves_all_timers_and_goes_when_there_are_none(
    clock: RealClock, waits: Waits, started: Started
) -> None:
    for _ in range(2):
        clock.call_at(101.0, lambda: None)
        clock.call_at(102.0, lambda: None)
        assert len(started.tasks) == 1
        started.run()
    assert waits.time == 102.0


def test_a_timer_before_all_others_wakes_the_thread_and_a_later_one_does_not(
    clock: RealClock, waits: Waits, started: Started
) -> None:
    went: list[tuple[str, float]] = []
    clock.call_at(110.0, lambda: went.append(("first", waits.time)))

    def meanwhile() -> None:
        clock.call_at(120.0, lambda: went.append(("later", waits.time)))
        assert not waits.is_set
        clock.call_at(105.0, lambda: went.append(("sooner", waits.time)))
        assert waits.is_set

    waits.meanwhile = meanwhile
    started.run()
    assert went == [("sooner", 105.0), ("first", 110.0), ("later", 120.0)]
    assert waits.waited == [10.0, 5.0, 5.0, 10.0]


def test_a_cancelled_timer_is_not_waited_for(clock: RealClock, waits: Waits, started: Started) -> None:
    went: list[str] = []
    timers = [clock.call_at(when, lambda: went.append("called")) for when in (101.0, 102.0, 103.0)]
    timers[0].cancel()
    timers[2].cancel()
    started.run()
    assert (went, waits.waited) == (["called"], [2.0])


def test_a_timer_may_be_cancelled_while_it_is_waited_for(clock: RealClock, waits: Waits, started: Started) -> None:
    went: list[str] = []
    timer = clock.call_at(101.0, lambda: went.append("called"))
    waits.meanwhile = timer.cancel
    started.run()
    assert went == []


def test_many_cancelled_timers_are_dropped(clock: RealClock, started: Started) -> None:
    kept: list[Timer] = []
    for number in range(5000):
        timer = clock.call_at(200.0 + number, lambda: None)
        if number % 100:
            timer.cancel()
        else:
            kept.append(timer)
    held = [timer for _, _, timer in clock._timers]
    assert len(held) < 1200
    assert set(kept) <= set(held)


def test_those_that_are_kept_stay_in_their_order(clock: RealClock, waits: Waits, started: Started) -> None:
    went: list[float] = []
    times = [100.0 + (number * 7919) % 1499 for number in range(1499)]
    for number, when in enumerate(times):
        timer = clock.call_at(when, lambda when=when: went.append(when))  # type: ignore[misc]
        if number % 3 == 0:
            timer.cancel()
    started.run()
    assert went == sorted(when for number, when in enumerate(times) if number % 3)


def test_many_timers_that_are_not_cancelled_are_swept_seldom(clock: RealClock, started: Started) -> None:
    """A sweep looks at all; so with 1000 in it the next is due when there are as many again and 1000 more."""
    for number in range(1001):
        clock.call_at(200.0 + number, lambda: None)
    assert clock._sweep_at == 3000
    assert len(clock._timers) == 1001


def test_in_real_threads() -> None:
    clock, called, done = RealClock(), list[str](), threading.Event()
    cancelled = clock.call_at(clock.now() + 0.0005, lambda: called.append("cancelled"))
    clock.call_at(clock.now() + 0.001, done.set)
    clock.call_at(clock.now(), lambda: called.append("at once"))
    cancelled.cancel()
    assert done.wait(PATIENCE)
    assert called == ["at once"]
    again = threading.Event()
    clock.call_at(clock.now(), again.set)
    assert again.wait(PATIENCE)


def test_the_thread_that_cannot_be_started_is_asked_for_again(
    clock: RealClock, waits: Waits, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", refuses)
        with pytest.raises(RuntimeError):
            clock.call_at(101.0, lambda: None)
    clock.call_at(102.0, lambda: None)
    started.run()
    assert waits.time == 102.0
