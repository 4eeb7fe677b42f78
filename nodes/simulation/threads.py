"""Threads that are played one at a time, in virtual time: a world of actors, and what they wait with.

Each thread of a call is an *actor*, a greenlet of the one thread that simulates. Wherever real threads could be
interleaved (a lock, an event, a queue, a new thread, a turn of an event loop) chance decides who goes on, from a seed.
When nobody can, time jumps to the next timer; where there is none either, they wait for each other for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import sys
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Any, Protocol

from anabranch.engine.errors import AnabranchError
from anabranch.nodes.extras import import_extra
from anabranch.scheduler.clocks import CLOCK, Timer

SWITCHES = 0.5
"""How likely an actor that could go on lets another go first."""


_STUCK: list[Any] = []
"""Those who could not be dismissed, for they wait in a `finally`. Were they collected, they would be dismissed anew."""


class SimulationError(AnabranchError):
    """Raised when a simulation can't go on: all that is left waits for each other, or it does not end.

    Example:
        >>> import asyncio
        >>> async def stuck(_):
        ...     await asyncio.Event().wait()  # which nobody will ever set
        >>> simulate(RunnableLambda(stuck), None, verb="ainvoke")
        Traceback (most recent call last):
            ...
        anabranch.nodes.simulation.threads.SimulationError: nobody can go on, at 0.0 s: ...
    """


class Actor:
    """A thread of the simulated call. `loop` and `hooks` are those of the event loop that it runs, if any."""

    __slots__ = ("greenlet", "hooks", "loop", "name", "over", "parked", "ticket", "woken")

    def __init__(self, name: str) -> None:
        self.name = name
        self.greenlet: Any = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.hooks: Any = (None, None)
        self.parked = self.woken = self.over = False
        self.ticket = 0


class Audience(Protocol):
    """Who looks at a play."""

    def time_goes(self, seconds: float) -> None:
        """Time is about to go on by so much."""

    def moved(self) -> None:
        """An actor has gone on for a while."""

    def under_way(self) -> str:
        """What has begun and has not ended, for an error."""


class Stage:
    """Where actors are played. `now` is the virtual time in seconds, `switches` how often another one went on."""

    def __init__(self, seed: int, most_switches: int) -> None:
        self._greenlets = import_extra("greenlet", "testing", "simulate")
        self.chance = Random(seed)
        self.now = 0.0
        self.switches = 0
        self.actors: dict[Actor, None] = {}
        self.current: Actor | None = None
        self.over = False
        self.left: list[str] = []
        self._most_switches = most_switches
        self._ready: list[Actor] = []
        self._timers: list[tuple[float, float, int, Callable[[], Any]]] = []
        self._order = itertools.count()
        self._clock = StageClock(self)
        self._hub = self._greenlets.getcurrent()
        self._audience: Any = None

    # What actors ask for

    def start(self, task: Callable[[], Any], name: str) -> Actor:
        """A new actor, who begins some time."""
        actor = Actor(name)
        actor.greenlet = self._greenlets.greenlet(task, self._hub)
        actor.greenlet.gr_context = context = Context()
        context.run(CLOCK.set, self._clock)
        self.actors[actor] = None
        self._ready.append(actor)
        return actor

    def pause(self) -> None:
        """A point at which another actor may go first."""
        if self._ready and self.current is not None and not self.over and self.chance.random() < SWITCHES:
            self._ready.append(self.current)
            self._leave(self.current)

    def park(self, timeout: float | None = None) -> bool:
        """Wait until somebody wakes the actor, or that long; answers whether it was woken."""
        actor = self.current
        if actor is None:
            raise SimulationError("only code that is simulated can wait here")
        if self.over:  # it is being dismissed, and waits again
            self._hub.switch()
        actor.parked, actor.woken = True, False
        actor.ticket = ticket = actor.ticket + 1
        if timeout is not None:
            self.call_at(self.now + timeout, lambda: self._go_on(actor, ticket))
        self._leave(actor)
        actor.ticket += 1
        return actor.woken

    def wake(self, actor: Actor) -> None:
        """Let an actor go on that is parked."""
        if actor.parked:
            actor.woken = True
            self._go_on(actor, actor.ticket)

    def sleep(self, seconds: float) -> None:
        """`time.sleep`, in virtual time."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.park(seconds)

    def call_at(self, when: float, act: Callable[[], Any]) -> None:
        """Call something at a time; of what is due at one moment, chance says what goes first."""
        heapq.heappush(self._timers, (when, self.chance.random(), next(self._order), act))

    def _go_on(self, actor: Actor, ticket: int) -> None:
        if actor.parked and actor.ticket == ticket:
            actor.parked = False
            self._ready.append(actor)

    def _leave(self, actor: Actor) -> None:
        """Let somebody go on. Who is ready does so at once; what else there is to be done is done by the hub."""
        if not self._ready or self.over or self.switches >= self._most_switches:
            actor.loop, actor.hooks = asyncio._get_running_loop(), sys.get_asyncgen_hooks()
            self._hub.switch()
            return
        self._audience.moved()
        following = self._draw()
        if following is actor:
            return
        actor.loop, actor.hooks = asyncio._get_running_loop(), sys.get_asyncgen_hooks()
        if following.loop is not actor.loop:
            asyncio._set_running_loop(following.loop)
            sys.set_asyncgen_hooks(*following.hooks)
        following.greenlet.switch()

    # The play

    def play(self, main: Callable[[], Any], audience: Audience) -> float:
        """Play until nobody moves any more; the time at which `main` had ended.

        Raises:
            SimulationError: when `main` can't end, or takes too many moves.
        """
        self._hub, self._audience = self._greenlets.getcurrent(), audience
        outer, hooks = asyncio._get_running_loop(), sys.get_asyncgen_hooks()
        first, ended = self.start(main, "the caller"), None
        try:
            while self._move():
                audience.moved()
                if first.over and ended is None:
                    ended = self.now
                if self.switches > self._most_switches:
                    raise SimulationError(f"still running after {self.switches} switches, at {self.now} s")
            if ended is None:
                raise SimulationError(f"nobody can go on, at {self.now} s: {self._who_waits()}; {audience.under_way()}")
            self.left = [actor.name for actor in self.actors]
        finally:
            self.current = None
            self._dismiss()
            asyncio._set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)
        return ended

    def _move(self) -> bool:
        """Let actors go on until one ends, or nobody is ready; False when nobody ever will be."""
        while not self._ready:
            if not self._timers:
                return False
            when, _, _, act = heapq.heappop(self._timers)
            if when > self.now:
                self._audience.time_goes(when - self.now)
                self.now = when
            act()
        first = self._draw()
        asyncio._set_running_loop(first.loop)
        sys.set_asyncgen_hooks(*first.hooks)
        first.greenlet.switch()
        last, self.current = self.current, None
        if last is not None and last.greenlet.dead:
            last.over = True
            del self.actors[last]
        return True

    def _draw(self) -> Actor:
        """Who goes on, of those who are ready."""
        ready = self._ready
        index = int(self.chance.random() * len(ready))
        ready[index], ready[-1] = ready[-1], ready[index]
        self.current = chosen = ready.pop()
        self.switches += 1
        return chosen

    def _dismiss(self) -> None:
        """End those who still wait, so that each `finally` of theirs is run. What they raise is of no interest."""
        self.over = True
        for actor in list(self.actors):
            self.current = actor
            asyncio._set_running_loop(actor.loop)
            with contextlib.suppress(BaseException):
                actor.greenlet.throw(self._greenlets.GreenletExit)
            if not actor.greenlet.dead:
                _STUCK.append(actor.greenlet)
        self.current = None
        self._ready.clear()

    def _who_waits(self) -> str:
        waits = [f"{actor.name} in {_whereabouts(actor.greenlet.gr_frame)}" for actor in self.actors]
        loops = [actor.loop for actor in self.actors if actor.loop is not None]
        tasks = [f"a task in {_awaited(task)}" for loop in loops for task in asyncio.all_tasks(loop)]
        return "; ".join(waits + sorted(tasks))


def _whereabouts(frame: Any) -> str:
    """The innermost functions of a suspended actor, beneath what it waits with."""
    names: list[str] = []
    while frame is not None and len(names) < 4:
        if frame.f_globals.get("__name__") != __name__:
            names.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(names)


def _awaited(task: asyncio.Task[Any]) -> str:
    """Where a task awaits, innermost first."""
    names: list[str] = []
    at: Any = task.get_coro()
    while at is not None:
        if (frame := getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None)) is not None:
            names.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None)
    return " < ".join(names[::-1][:4])


class StageClock:
    """The clock of a stage, for the drivers. Each timer calls in an actor of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def now(self) -> float:
        """See `Clock`."""
        return self._stage.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """See `Clock`."""
        timer, stage = Timer(when, callback), self._stage

        def fire() -> None:
            if (act := timer.callback) is not None:
                stage.start(act, "a timer")

        stage.call_at(when, fire)
        return timer

    def jump(self) -> bool:
        """See `Clock`. Time goes when all wait."""
        return False
