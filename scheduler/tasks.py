"""The asynchronous driver for values: each ready unit is a task of the caller's event loop.

All state belongs to the loop's thread, so there is no lock. Blocking code is one hop to a thread of the pool, and
tells the loop when it is done. A straight graph runs in the caller's own task.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Effect, Run, RunEach
from anabranch.scheduler.actions import ASYNC, THREAD
from anabranch.scheduler.advancing import Expanded, arun_calls
from anabranch.scheduler.calls import ledger_for
from anabranch.scheduler.error_places import inherit_notes, raisable
from anabranch.scheduler.hopping import hop, loop_ledger
from anabranch.scheduler.hosts import Outcome
from anabranch.scheduler.ledger import YOUNGEST, Ledger, Waiter
from anabranch.scheduler.loops import on_loop, resolve
from anabranch.scheduler.outcomes import aadvance_unit, aoutcomes, outcomes
from anabranch.scheduler.plans import Plan, plan_of
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.sites import SITE, Site, site_of
from anabranch.scheduler.stays import AStay, take_permit_async
from anabranch.scheduler.units import RUNNING, Activation, Group, Unit
from anabranch.scheduler.value_calls import ValueCall


class TaskCall(ValueCall):
    """One call of the asynchronous driver. `held`: a permit was lent to it, for its first unit."""

    def __init__(self, config: RunnableConfig | None, parent: Site | None, graph: Graph) -> None:
        self._loop = loop = asyncio.get_running_loop()
        super().__init__(Reporter(loop))
        # Without a factory `loop.create_task` comes to the same, by a longer way.
        self._new_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]] = (
            partial(asyncio.Task, loop=loop) if loop.get_task_factory() is None else loop.create_task
        )
        self._parent = parent
        ledger = ledger_for(config, parent, graph)
        self._cap = ledger if ledger is not None and ledger.is_cap else None
        self._blocking = ledger or loop_ledger(self._loop)
        self._age = YOUNGEST if parent is None else parent.age
        self._context = copy_context()
        self._asked: Waiter | None = None
        self._awaits_company = False  # vectorised units are to be started after this turn of the loop
        self._changed: asyncio.Future[None] | None = None
        self.held = self._cap is not None

    async def run(self, group: Group) -> Any:
        """Run a group to its end, and answer its outcome or raise its error."""
        if self._parent is None:
            return await self._run(group)
        async with AStay(self._parent, self):
            return await self._run(group)

    async def adopt(self, group: Group, unit: Unit, effect: Effect) -> Any:
        """Go on with a unit that was run without a frontier until it was to be parked."""
        assert self._parent is not None
        async with AStay(self._parent, self):
            self._group, group.claims = group, None
            self._frontier.running += 1
            self._frontier.park(unit, effect)
            return await self._finish(group)

    @property
    def ledger(self) -> Ledger | None:
        """Where permits come from; None without a cap."""
        return self._cap

    def stop(self) -> None:
        """Start nothing more. From any thread."""
        on_loop(self._loop, lambda: self._abort(Stopped("the call around this step was stopped")))

    def _abort(self, error: BaseException) -> None:
        self._aborted = error
        if self._group is not None:
            self._frontier.stop(self._group, error)
        self._dispatch()

    async def _run(self, group: Group) -> Any:
        self._open(group)
        return await self._finish(group)

    async def _finish(self, group: Group) -> Any:
        self._dispatch()
        await self._wait(lambda: group.over)
        self._close()
        if self.reporter.posts:
            await self.reporter.settle()
        if group.failure is not None:
            raise raisable(group.failure.error)
        return group.outcome()

    async def run_as_completed(self, group: Group) -> AsyncGenerator[tuple[int, Any], None]:
        """Run a group and give each result with its index as soon as it is there."""
        settled: deque[tuple[int, Any]] = deque()
        self._settled = settled
        self._frontier.plainly = False
        parent = self._parent
        if parent is not None:
            parent.hook(self, self.stop)
        self._open(group)
        try:
            while True:
                await self._wait_a_while(lambda: bool(settled) or group.over)
                if not settled:
                    break
                if self._tells_progress:
                    await self.reporter.settle()
                yield settled.popleft()
        finally:
            if parent is not None:
                parent.unhook(self)
            self._frontier.stop(group)
            await self._wait_a_while(lambda: group.over)
            self._close()
            if self.reporter.posts:
                await self.reporter.settle()
        if group.failure is not None:
            raise raisable(group.failure.error)

    async def _wait_a_while(self, until: Callable[[], bool]) -> None:
        if self._parent is None:
            self._dispatch()
            await self._wait(until)
            return
        async with AStay(self._parent, self, hook=False):
            self._dispatch()
            await self._wait(until)
            self._return_lent()

    async def _wait(self, until: Callable[[], bool]) -> None:
        """Wait until it is enough. A cancellation stops the call, and is raised when that has ended."""
        cancelled: BaseException | None = None
        while not until():
            self._changed = self._loop.create_future()
            try:
                if self._tells_progress:
                    await self.reporter.settle()
                await self._changed
            except BaseException as error:
                cancelled = error
                group = self._group
                assert group is not None
                self._frontier.stop(group, error)
                until = partial(getattr, group, "over")
        self._changed = None
        if cancelled is not None:
            self._close()
            if self.reporter.posts:
                await self.reporter.settle()
            failure = None if self._group is None else self._group.failure
            if failure is not None and failure.is_from_outside:  # it may be the stop of the call around
                inherit_notes(cancelled, failure.error)
            raise cancelled

    def _return_lent(self) -> None:
        """Give back a permit that no unit has used."""
        if self.held and self._cap is not None:
            self.held = False
            self._cap.release()

    def _close(self) -> None:
        self._frontier.close()
        if self._asked is not None and self._cap is not None:
            self._cap.withdraw(self._asked)
            self._asked = None
        if self._parent is None:
            self._return_lent()

    # Units

    def _dispatch(self, vectors: bool = False) -> None:
        """Start a task for each ready unit, as far as there are permits; vectorised ones when this turn is over."""
        frontier = self._frontier
        while frontier.has_ready and (self._cap is None or self._permit()):
            unit = frontier.take(vectors)
            if unit is None:
                if frontier.has_ready and not self._awaits_company:
                    self._awaits_company = True
                    self._loop.call_soon(self._dispatch_vectors)
                break
            if isinstance(unit, Unit):
                self.held = False
                self._start(unit)
            elif (index := frontier.claim(unit)) is not None:
                self.held = False
                self._start_plain(unit, index)
        self._return_lent()

    def _dispatch_vectors(self) -> None:
        self._awaits_company = False
        self._dispatch(vectors=True)

    def _permit(self) -> bool:
        """Whether a unit may start. If not, the ledger is asked to call back."""
        assert self._cap is not None
        if self.held:
            return True
        if self._asked is None:
            if self._cap.try_acquire():
                self.held = True
                return True
            self._asked = Waiter(self._age)
            self._asked.on_grant = partial(on_loop, self._loop, partial(self._granted, self._asked))
            self._cap.request(self._asked)
        return self.held

    def _granted(self, waiter: Waiter) -> None:
        if waiter is not self._asked:
            return  # withdrawn, or granted before `request` returned
        self._asked = None
        self.held = True
        self._dispatch()

    def _start(self, unit: Unit) -> None:
        segment, activation = unit.segment, unit.activation
        blocking = segment.lane is THREAD
        if blocking or unit.together is not None:
            site, context = self._seat(activation, self._blocking if blocking else self._cap)
            unit.task = self._new_task(self._run_units(unit, site, context, blocking))
        else:
            if self._cap is not None or activation.plan.bound:
                site, context = self._seat(activation, self._cap)
            else:
                # Nothing tells the units of an activation apart, then: no permit, and no config bound to a step.
                site, context = activation.seat = activation.seat or self._seat(activation, None)
            unit.task = self._new_task(self._run_unit(unit, site, context))
        unit.site = site

    def _seat(self, owner: Activation | Group, ledger: Ledger | None) -> tuple[Site, Context]:
        """A site, and a context in which nested calls find it."""
        config = owner.config if isinstance(owner, Activation) else owner.config_of(0)
        site = site_of(config, owner.plan.graph, ledger, held=self._cap is not None)
        context = self._context.copy()
        context.run(SITE.set, site)
        return site, context

    async def _run_unit(self, unit: Unit, site: Site, context: Context) -> None:
        effect: Effect | None = None
        failure: BaseException | None = None
        try:
            effect = await aadvance_unit(unit, site, context)
        except BaseException as error:
            failure = error
        if site.ledger is not None and site.end():
            site.ledger.release()
        frontier = self._frontier
        frontier.report(unit, effect, failure)
        if self.held or frontier.has_ready:
            self._dispatch()

    async def _run_units(self, unit: Unit, site: Site, context: Context, blocking: bool) -> None:
        """Run what blocks, in a thread, or what runs together."""
        done: list[Outcome]
        try:
            if not blocking:
                done = await aoutcomes(unit, site, context)
            else:
                await take_permit_async(site)
                done = await hop(lambda: outcomes(unit, site, context), site.stop, answers=True)
        except BaseException as error:
            done = [(each, None, error) for each in unit.together or (unit,)]
        if site.ledger is not None and site.end():
            site.ledger.release()
        for outcome in done:
            self._frontier.report(*outcome)
        self._dispatch()

    def _start_plain(self, group: Group, index: int) -> None:
        if self._cap is None:
            site, context = group.seat = group.seat or self._seat(group, None)
        else:
            site, context = self._seat(group, self._cap)
        task = self._new_task(self._run_plain(group, index, site, context))
        self._frontier.begin_plain(group, index, (site, task))

    async def _run_plain(self, group: Group, index: int, site: Site, context: Context) -> None:
        """Run an input of a straight group without an activation, unless it can't go on like that."""
        done = 0
        broken: Outcome | None = None
        try:
            result = await arun_calls(group.plan.segments[0], 0, group.values[index], site, context)
            if type(result) is Expanded:
                broken = (group.adopt(index, result.effect.value, site.position), result.effect, None)
            else:
                group.results[index] = result
                done = 1
        except BaseException as error:
            broken = (group.adopt(index, group.values[index], site.position), None, error)
        if site.ledger is not None and site.end():
            site.ledger.release()
        self._frontier.end_plain(group, index, done, broken)
        self._dispatch()

    # What the frontier asks

    def plan(self, effect: Run | RunEach) -> Plan:
        """See `Host`."""
        return plan_of(effect.graph, ASYNC)

    def cancel(self, unit: Unit) -> None:
        """See `Host`."""
        if (units := unit.together) is not None:
            unit = units[0]
            if unit.site.stopped or not all(each.activation.stopped for each in units):
                return  # it was stopped with another of them, or some go on
        if unit.task is not asyncio.current_task():
            if unit.segment.lane is THREAD:
                unit.site.stopped = True  # `hop` calls its hooks, which may take locks, in a thread
            else:
                unit.site.stop()
            unit.task.cancel()
            unit.task.add_done_callback(partial(self._never_begun, unit))

    def cancel_plain(self, group: Group, index: int, host: tuple[Site, asyncio.Task[None]]) -> None:
        """See `Host`."""
        site, task = host
        if task is not asyncio.current_task():
            if not site.stopped:
                site.stop()
            task.cancel()
            task.add_done_callback(partial(self._never_begun_plain, group, index))

    def _never_begun(self, unit: Unit, task: asyncio.Task[None]) -> None:
        """A task that is cancelled before its first turn never runs, so nobody has told of its end."""
        if unit.state is RUNNING:
            for each in unit.together or (unit,):
                self._frontier.fail(each, asyncio.CancelledError())
            self._end_never_begun(unit.site)

    def _never_begun_plain(self, group: Group, index: int, task: asyncio.Task[None]) -> None:
        if index in group.sites:
            site = group.sites[index][0]
            self._frontier.end_plain(group, index, 0)
            self._end_never_begun(site)

    def _end_never_begun(self, site: Site) -> None:
        if site.ledger is not None and site.end():
            site.ledger.release()
        self._dispatch()

    def wake_at(self, seconds: float, unit: Unit) -> asyncio.TimerHandle:
        """See `Host`."""
        return self._loop.call_later(seconds, self._fire, self._frontier.wake, unit)

    def limit(self, seconds: float, group: Group) -> asyncio.TimerHandle:
        """See `Host`."""
        return self._loop.call_later(seconds, self._fire, self._frontier.expire, group)

    def _fire(self, act: Callable[[Any], None], subject: Any) -> None:
        act(subject)
        self._dispatch()

    def settled(self, index: int, result: Any) -> None:
        """See `Host`."""
        super().settled(index, result)
        if self._settled is not None or self._tells_progress:
            self._look()

    def ended(self) -> None:
        """See `Host`."""
        super().ended()
        self._look()

    def _look(self) -> None:
        """Whoever waits for the call looks whether that is enough."""
        if self._changed is not None:
            resolve(self._changed)
