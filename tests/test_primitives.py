"""Locks, threads and time are Python's own, but for the thread that plays a simulation."""

from __future__ import annotations

import queue
import random
import threading
import time
from typing import Any

import pytest
from verbs import PATIENCE

from anabranch.scheduler import primitives

OWN = {
    "Lock": threading.Lock,
    "RLock": threading.RLock,
    "Event": threading.Event,
    "Condition": threading.Condition,
    "SimpleQueue": queue.SimpleQueue,
}


class World:
    """Makes words in place of locks."""

    def lock(self) -> str:
        return "lock"

    def rlock(self) -> str:
        return "rlock"

    def event(self) -> str:
        return "event"

    def condition(self) -> str:
        return "condition"

    def simple_queue(self) -> str:
        return "simple queue"

    def uniform(self, low: float, high: float) -> float:
        return low * 100 + high

    def time(self) -> float:
        return 7.0


def entered(world: World) -> Any:
    return primitives.entered(world)  # type: ignore[arg-type]


def world() -> Any:
    return primitives.world()


def all_made() -> list[Any]:
    return [getattr(primitives, name)() for name in OWN]


def all_are_python_s() -> bool:
    return all(getattr(primitives, name) is make for name, make in OWN.items())


def test_without_a_simulation_all_is_python_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all_are_python_s()
    assert world() is None
    before = time.time()
    assert before <= primitives.time() <= time.time()
    monkeypatch.setattr(random, "uniform", lambda low, high: low * 1000 + high)
    assert primitives.uniform(2, 5) == 2005


def test_the_thread_that_plays_a_simulation_gets_what_its_world_makes_and_others_do_not() -> None:
    played, elsewhere = World(), list[Any]()

    def look() -> None:
        elsewhere.extend(all_made())
        elsewhere.extend((world(), primitives.time() > 1e9, primitives.uniform(3, 3)))

    with entered(played):
        assert all_made() == ["lock", "rlock", "event", "condition", "simple queue"]
        assert world() is played
        assert (primitives.time(), primitives.uniform(2, 5)) == (7.0, 205)
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(PATIENCE)
    assert [type(made) for made in elsewhere[:5]] == [type(make()) for make in OWN.values()]
    assert elsewhere[5:] == [None, True, 3]
    assert world() is None
    assert all_are_python_s()


def test_it_is_left_by_an_error_too_and_none_can_be_entered_twice() -> None:
    with pytest.raises(ZeroDivisionError), entered(World()):
        raise ZeroDivisionError
    played = World()
    with entered(played):
        with pytest.raises(RuntimeError, match="inside another one"), entered(World()):
            pass
        assert world() is played
    assert not primitives.WORLDS
    assert all_are_python_s()


def test_several_threads_may_play_one_each() -> None:
    worlds, seen = [World(), World()], dict[int, Any]()
    inside, leaves = threading.Barrier(2), threading.Event()

    def play(number: int) -> None:
        with entered(worlds[number]):
            inside.wait(PATIENCE)
            seen[number] = world()
            if number:
                assert leaves.wait(PATIENCE)
                assert primitives.Lock() == "lock", "the other has left"  # type: ignore[comparison-overlap]
        leaves.set()

    threads = [threading.Thread(target=play, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert seen == dict(enumerate(worlds))
    assert all_are_python_s()
