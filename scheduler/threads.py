"""The blocking driver for values: the thread that called runs what is ready, and others help.

The caller takes a unit and runs it; while more is ready it asks the ledger for permits, and each that is granted
brings a helper from the pool, which works as the caller does. So trivial branches are done before a helper
wakes, and blocking ones overlap. Who finds nothing ready gives its permit back; a helper goes, the caller waits.

State: `_lock` guards the frontier and `_asked`, the helpers asked for and not there yet; `_idle` holds the caller
while it waits, and whoever takes it out of there wakes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Effect, Run, RunEach
from anabranch.scheduler import primitives
from anabranch.scheduler.actions import SYNC
from anabranch.scheduler.advancing import Expanded, run_calls
from anabranch.scheduler.calls import ledger_for
from anabranch.scheduler.clocks import CLOCK, Timer
from anabranch.scheduler.error_places import raisable
from anabranch.scheduler.hosts import Outcome
from anabranch.scheduler.ledger import YOUNGEST, Ledger, Waiter, default_limit
from anabranch.scheduler.loops import standing
from anabranch.scheduler.outcomes import outcomes
from anabranch.scheduler.plans import Plan, plan_of
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.sites import SITE, Site, site_of
from anabranch.scheduler.stays import Stay, wait_for_permit
from anabranch.scheduler.units import Group, Unit
from anabranch.scheduler.value_calls import ValueCall

MOST_ASKED = 2  # helpers asked for at once; each asks for more when it comes


class ThreadCall(ValueCall):
    """One call of the blocking driver. `held`: the caller has a permit in hand."""

    def __init__(self, config: RunnableConfig | None, parent: Site | None, graph: Graph) -> None:
        super().__init__(Reporter())
        self._parent = parent
        self.ledger = ledger_for(config, parent, graph) or Ledger(default_limit(), is_cap=False, taken=1)
        self._age = YOUNGEST if parent is None else parent.age
        self._clock = CLOCK.get()
        self._context = standing(copy_context())
        self._lock = primitives.Lock()
        self._idle: deque[_Idle] = deque()
        self._asked: dict[Waiter, None] = {}  # in order, so that a simulation can be repeated
        self._alone = False  # no helper could come
        self._until: Callable[[], bool] = lambda: True
        self.held = True

    def run(self, group: Group) -> Any:
        """Run a group to its end, and answer its outcome or raise its error."""
        if self._parent is None:
            return self._run(group)
        with Stay(self._parent, self):
            return self._run(group)

    def adopt(self, group: Group, unit: Unit, effect: Effect) -> Any:
        """Go on with a unit that was run without a frontier until it was to be parked."""
        assert self._parent is not None
        group.claims = None
        with Stay(self._parent, self):
            with self._lock:
                self._frontier.running += 1
                self._frontier.park(unit, effect)
            return self._run(group, opened=True)

    def run_as_completed(self, group: Group) -> Generator[tuple[int, Any], None, None]:
        """Run a group and give each result with its index as soon as it is there."""
        settled: deque[tuple[int, Any]] = deque()
        self._settled = settled
        self._frontier.plainly = False
        parent = self._parent
        if parent is not None:
            parent.hook(self, self.stop)
        with self._lock:
            self._open(group)
        try:
            while self._work_a_while(lambda: bool(settled) or group.over) and settled:
                if self._tells_progress:
                    self.reporter.flush()
                yield settled.popleft()
        finally:
            if parent is not None:
                parent.unhook(self)
            with self._lock:
                self._frontier.stop(group)
            self._work_a_while(lambda: group.over)
            with self._lock:
                self._close()
            self.reporter.flush()
        if group.failure is not None:
            raise raisable(group.failure.error)

    def _work_a_while(self, until: Callable[[], bool]) -> bool:
        """Work, and leave without a permit; in a step, only then does it have its own again."""
        with nullcontext() if self._parent is None else Stay(self._parent, self, hook=False), self._lock:
            self._work(until)
            if self.held and self._parent is None:
                self.held = False
                self.ledger.release()
        return True

    def stop(self) -> None:
        """Start nothing more; the caller gets `Stopped` when what runs has ended. From any thread."""
        self.abort(Stopped("the call around this step was stopped"))

    def abort(self, error: BaseException) -> None:
        """The same with another error."""
        with self._lock:
            self._aborted = error
            if self._group is not None:
                self._frontier.stop(self._group, error)
            self._look()

    def _run(self, group: Group, opened: bool = False) -> Any:
        with self._lock:
            if opened:
                self._group = group
            else:
                self._open(group)
            self._work(lambda: group.over)
            self._close()
        self.reporter.flush()
        if group.failure is not None:
            raise group.failure.error
        return group.outcome()

    # The caller. Each of these is called with the lock held.

    def _work(self, until: Callable[[], bool]) -> None:
        """Run what is ready, and wait while nothing is, until it is enough."""
        self._until = until
        while not until():
            try:
                if not self.held and self._frontier.waiting:
                    self.held = self.ledger.try_acquire()
                if self.held and self._run_next():
                    self._make_way()
                elif not until():
                    self._wait()
            except BaseException as error:  # an interrupt of this thread, or a fault of ours
                assert self._group is not None
                self._frontier.stop(self._group, error)

    def _wait(self) -> None:
        """Wait until there is a permit and something to run, or enough is done."""
        if self.held and not self._frontier.waiting:
            self.held = False
            self.ledger.release()
        idle = _Idle()
        self._idle.append(idle)
        self._ask()
        rests = not self._frontier.running and not self._frontier.has_ready
        self._lock.release()
        try:
            if self._tells_progress:
                self.reporter.flush()
            if not (rests and self._clock.jump()):
                idle.wake.acquire()
        finally:
            self._lock.acquire()
            try:
                self._idle.remove(idle)
            except ValueError:
                self.held = self.held or idle.has_permit

    def _make_way(self) -> None:
        """Let those go first who have waited longer for a permit."""
        if self.held and self.ledger.contended(self._age):
            self.held = False
            self.ledger.release()

    def _close(self) -> None:
        while self._asked:
            self.ledger.withdraw(self._asked.popitem()[0])
        self._frontier.close()
        if self._parent is None and self.held:
            self.held = False
            self.ledger.release()

    def _look(self) -> None:
        """Wake the caller if that is enough, and ask for help if more is ready."""
        if self._until():
            self._wake(False)
        else:
            self._ask()

    def _wake(self, has_permit: bool) -> bool:
        try:
            idle = self._idle.pop()
        except IndexError:
            return False
        idle.has_permit = has_permit
        idle.wake.release()
        return True

    # Helpers

    def _ask(self) -> None:
        """Ask for permits for what is ready."""
        while len(self._asked) < min(MOST_ASKED, self._frontier.waiting) and (self._idle or not self._alone):
            waiter = Waiter(self._age)
            waiter.on_grant = partial(self._granted, waiter)
            self._asked[waiter] = None
            self.ledger.request(waiter)

    def _granted(self, waiter: Waiter) -> None:
        """A permit is there. May be called in any thread, the lock held or not."""
        if self._wake(True):
            self._asked.pop(waiter, None)
            return
        try:
            POOL.submit(partial(self._context.copy().run, self._help, waiter))
        except RuntimeError:  # there is no thread to be had: the caller does all of it
            self._alone = True
            if self._asked.pop(waiter, self) is not self:
                self.ledger.release()
            self._wake(False)

    def _help(self, waiter: Waiter) -> None:
        with self._lock:
            if waiter not in self._asked:
                return  # withdrawn: the call is over
            self._asked.pop(waiter, None)
            while self._run_next():
                self._look()
                if self.ledger.contended(self._age):
                    break
            self.ledger.release()
            self._look()
            if not self._frontier.running and not self._frontier.has_ready:
                self._wake(False)  # everybody sleeps: the caller may let a virtual clock jump
        if self._tells_progress:
            self.reporter.flush()

    # Units

    def _run_next(self) -> bool:
        """Run what is ready, the lock released meanwhile. False when nothing is."""
        unit = self._frontier.take()
        if unit is None:
            return False
        if isinstance(unit, Group):
            self._run_plain(unit)
            return True
        activation = unit.activation
        unit.site = site = site_of(activation.config, activation.plan.graph, self.ledger, held=True)
        done: list[Outcome] = []
        with self._unlocked(site) as context:
            done = outcomes(unit, site, context)
        for outcome in done:
            self._frontier.report(*outcome)
        return True

    def _run_plain(self, group: Group) -> None:
        """Run inputs of a group, one after the other, until there are none or one can't go on like that."""
        plan, claims = group.plan, group.claims or iter(())
        site = site_of(group.config_of(0), plan.graph, self.ledger, held=True)
        segment, values, results = plan.segments[0], group.values, group.results
        self._frontier.begin_plain(group, site, None)
        done, index = 0, -1
        stuck: tuple[Run | None, BaseException | None] | None = None
        with self._unlocked(site) as context:
            try:
                for index in claims:
                    result = run_calls(segment, 0, values[index], site, context)
                    if type(result) is Expanded:
                        stuck = (result.effect, None)
                        break
                    results[index] = result
                    done += 1
                    if self.ledger.contended(self._age):
                        break
                else:
                    index = -1
            except BaseException as error:
                stuck = (None, error)
        if stuck is None:
            if index < 0:
                self._frontier.claim(group)
            self._frontier.end_plain(group, site, done)
            return
        value = values[index] if stuck[0] is None else stuck[0].value
        self._frontier.end_plain(group, site, done, (group.adopt(index, value, site.position), *stuck))

    @contextmanager
    def _unlocked(self, site: Site) -> Generator[Context, None, None]:
        """Without the lock, with a context in which nested calls find the site. A permit is held at the end."""
        self._ask()
        context = self._context.copy()
        context.run(SITE.set, site)
        self._lock.release()
        try:
            if self._tells_progress:
                self.reporter.flush()
            yield context
        finally:
            if not site.end():
                wait_for_permit(self.ledger, site.age)
            self._lock.acquire()

    # What the frontier asks

    def plan(self, effect: Run | RunEach) -> Plan:
        """See `Host`."""
        return plan_of(effect.graph, SYNC)

    def cancel(self, unit: Unit) -> None:
        """See `Host`."""
        units = unit.together or (unit,)
        site = units[0].site
        if site is not None and not site.stopped and all(each.activation.stopped for each in units):
            site.stop()

    def cancel_plain(self, group: Group, key: Site, host: object) -> None:
        """See `Host`."""
        key.stop()

    def wake_at(self, seconds: float, unit: Unit) -> Timer:
        """See `Host`."""
        return self._later(seconds, lambda: self._frontier.wake(unit))

    def limit(self, seconds: float, group: Group) -> Timer:
        """See `Host`."""
        return self._later(seconds, lambda: self._frontier.expire(group))

    def _later(self, seconds: float, act: Callable[[], None]) -> Timer:
        def fire() -> None:
            with self._lock:
                act()
                self._look()

        return self._clock.call_at(self._clock.now() + seconds, fire)


class _Idle:
    """The caller while it waits."""

    __slots__ = ("has_permit", "wake")

    def __init__(self) -> None:
        self.has_permit = False
        self.wake = primitives.Lock()
        self.wake.acquire()
