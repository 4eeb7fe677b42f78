"""What drivers wait with, and where their threads come from: Python's own, or those of a simulation.

Drivers make their locks, events, queues and threads here. So a simulation can play all threads of a call in one:
while it runs, what its own thread asks for is of its world; every other thread gets Python's.
"""

from __future__ import annotations

import _thread
import asyncio
import queue
import random
import threading
import time as clock
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from anabranch.engine.graphs import Graph


class LockLike(AbstractContextManager[bool], Protocol):
    """`threading.Lock`."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def locked(self) -> bool: ...


class EventLike(Protocol):
    """`threading.Event`."""

    def set(self) -> None: ...
    def clear(self) -> None: ...
    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class ConditionLike(AbstractContextManager[bool], Protocol):
    """`threading.Condition`."""

    def notify_all(self) -> None: ...
    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool: ...


class QueueLike(Protocol):
    """`queue.SimpleQueue`."""

    def put(self, item: Any) -> None: ...
    def get(self) -> Any: ...


class World(Protocol):
    """Where the threads of a simulation live. See `anabranch.nodes.simulate`."""

    def lock(self) -> LockLike: ...
    def rlock(self) -> AbstractContextManager[bool]: ...
    def event(self) -> EventLike: ...
    def condition(self) -> ConditionLike: ...
    def simple_queue(self) -> QueueLike: ...
    def start_thread(self, task: Callable[[], Any]) -> None: ...
    def portal_loop(self) -> asyncio.AbstractEventLoop: ...

    def uniform(self, low: float, high: float) -> float: ...

    def time(self) -> float:
        """The time in seconds, more than 0."""

    def staged(self, graph: Graph) -> Graph:
        """The graph that is run in place of another: the same, with each step watched."""

    def watch(self, state: Any) -> None:
        """A frontier or a set of strands was made, whose state tells what waits."""


WORLDS: dict[int, World] = {}
"""The worlds there are now, by the thread that plays them. Empty as long as nothing is simulated."""

Lock: Callable[[], LockLike] = threading.Lock
RLock: Callable[[], AbstractContextManager[bool]] = threading.RLock
Event: Callable[[], EventLike] = threading.Event
Condition: Callable[[], ConditionLike] = threading.Condition
SimpleQueue: Callable[[], QueueLike] = queue.SimpleQueue

_OWN: dict[str, tuple[Callable[[], Any], str]] = {
    "Lock": (threading.Lock, "lock"),
    "RLock": (threading.RLock, "rlock"),
    "Event": (threading.Event, "event"),
    "Condition": (threading.Condition, "condition"),
    "SimpleQueue": (queue.SimpleQueue, "simple_queue"),
}
_entering = threading.Lock()


def world() -> World | None:
    """The world that this thread plays, if any."""
    return WORLDS.get(_thread.get_ident()) if WORLDS else None


def uniform(low: float, high: float) -> float:
    """A number between these, by chance."""
    here = world()
    return random.uniform(low, high) if here is None else here.uniform(low, high)


def time() -> float:
    """When it is, in seconds since the epoch; in a simulation, since one second before it began."""
    return clock.time() if not WORLDS or (here := world()) is None else here.time()


@contextmanager
def entered(new: World) -> Generator[None, None, None]:
    """Play a world in this thread meanwhile."""
    ident = _thread.get_ident()
    with _entering:
        if ident in WORLDS:
            raise RuntimeError("a simulation can't run inside another one")
        WORLDS[ident] = new
        globals().update({name: _either(*own) for name, own in _OWN.items()})
    try:
        yield
    finally:
        with _entering:
            del WORLDS[ident]
            if not WORLDS:
                globals().update({name: make for name, (make, _) in _OWN.items()})


def _either(make: Callable[[], Any], method: str) -> Callable[[], Any]:
    def made() -> Any:
        here = world()
        return make() if here is None else getattr(here, method)()

    return made
