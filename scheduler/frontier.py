"""The sans-IO core: what is ready, what runs, what failed.

A frontier is asked what to do (`take`) and told what happened (`finish`, `park`, `fail`). It does no waiting,
starts no thread and knows no clock; a driver does these through its `Host`. It isn't thread-safe: a driver of
threads guards it with its lock.

Policy: ready units are taken first in, first out; what a call step asked for goes before inputs of a batch that
were not opened yet, so that older inputs are finished first. A vectorised segment is taken when nothing else is.
When an activation fails, nothing of it starts any more, what waits is dropped, what runs is given to the host to
be cancelled, and it is over when the last of it has ended. Of several errors that with the lowest slot counts.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections import deque
from operator import length_hint
from typing import Any

from anabranch.engine.errors import Stopped
from anabranch.engine.operators import INPUT, Effect, Run, RunEach, Sleep
from anabranch.scheduler import primitives
from anabranch.scheduler.calls import counted_down, heard_at
from anabranch.scheduler.closing import note_late
from anabranch.scheduler.error_places import explain_output, inherit_notes, places_of
from anabranch.scheduler.gathering import gather
from anabranch.scheduler.hosts import Host, Outcome
from anabranch.scheduler.plans import Segment
from anabranch.scheduler.units import PARKED, READY, RUNNING, Activation, Failure, Group, Unit, first_failure


class Frontier:
    """See the module.

    `running` and `parked` count units, and sites at which inputs run without. `plainly` allows that `take` answers
    a group whose inputs can be run without activations.
    """

    def __init__(self, host: Host, plainly: bool = True) -> None:
        self._host = host
        self.plainly = plainly
        self._ready: deque[Unit] = deque()
        self._vectors: dict[Segment, deque[Unit]] = {}
        self._unopened: list[Group] = []
        self.running = 0
        self.parked = 0
        if primitives.WORLDS and (world := primitives.world()) is not None:
            world.watch(self)

    def open(self, group: Group) -> None:
        """Take up a group. Its inputs are opened when nothing else is ready."""
        if not group.values:
            group.claims = None
            self._conclude_group(group)
            return
        if group.heard:
            group.reporter = self._host.reporter
        self._unopened.append(group)
        if group.timeout is not None:
            group.timer = self._host.limit(group.timeout, group)

    @property
    def has_ready(self) -> bool:
        """Whether there may be something to take."""
        return bool(self._ready or self._unopened or self._vectors)

    @property
    def waiting(self) -> int:
        """How many units are ready, at least: an unopened group counts as one."""
        return len(self._ready) + len(self._unopened) + len(self._vectors)

    @property
    def backlog(self) -> int:
        """How many units are ready, and how many inputs were not opened."""
        unopened = sum(length_hint(group.claims) for group in self._unopened)
        return len(self._ready) + sum(map(len, self._vectors.values())) + unopened

    def take(self, vectors: bool = True) -> Unit | Group | None:
        """The next unit to run, or None when nothing is ready; or a group, whose inputs are to be claimed and run.

        Without `vectors`, those of vectorised segments are left to wait for company.
        """
        while True:
            while self._ready:
                unit = self._ready.popleft()
                if unit.state is READY:
                    unit.state = RUNNING
                    self.running += 1
                    return unit
            if self._unopened:
                group = self._unopened[-1]
                if not (self.plainly and group.plain):
                    self._open_next(group)
                elif length_hint(group.claims):
                    return group
                else:
                    self.claim(group)  # the last one was claimed: the group is opened
            elif not self._vectors or not vectors:
                return None
            elif (together := self._take_vector()) is not None:
                return together

    def _open_next(self, group: Group) -> None:
        index = self.claim(group)
        if index is None:
            self._conclude_group(group)
            return
        activation = Activation(group, index)
        group.activations[activation] = None
        for ready in group.plan.ready:
            self._make_ready(activation, group.plan.segments[ready])
        if not activation.left:
            self._conclude(activation)

    def claim(self, group: Group) -> int | None:
        """The index of an input that nobody has taken up; None when there is none."""
        index = None if group.claims is None else next(group.claims, None)
        if (index is None or group.single) and group.claims is not None:
            group.claims = None
            self._unopened.remove(group)
        return index

    def _make_ready(self, activation: Activation, segment: Segment) -> None:
        unit = Unit(activation, segment)
        activation.enter(unit)
        if segment.vector:
            self._vectors.setdefault(segment, deque()).append(unit)
        else:
            self._ready.append(unit)

    def _take_vector(self) -> Unit | None:
        """All that wait for the first vectorised segment, as one unit with the others in `together`."""
        segment, units = next(iter(self._vectors.items()))
        most = segment.steps[0].operator.max_batch or len(units)
        taken: list[Unit] = []
        while units and len(taken) < most:
            unit = units.popleft()
            if unit.state is READY:
                taken.append(unit)
        if not units:
            del self._vectors[segment]
        if not taken:
            return None
        for unit in taken:
            unit.state, unit.together = RUNNING, taken
        self.running += len(taken)
        return taken[0]

    # Inputs without activations

    def begin_plain(self, group: Group, key: Any, host: Any) -> None:
        """Somebody begins to claim and run inputs; `key` and `host` are the driver's."""
        self.running += 1
        group.sites[key] = host

    def end_plain(self, group: Group, key: Any, done: int, broken: Outcome | None = None) -> None:
        """And has ended: so many results are there, and one input, adopted, is to go on as a unit."""
        self.running -= 1
        del group.sites[key]
        group.left -= done
        if broken is not None:
            self.running += 1
            self.report(*broken)
        self._conclude_group(group)

    # What the driver reports

    def report(self, unit: Unit, effect: Effect | None, error: BaseException | None) -> None:
        """What came of a unit."""
        if error is not None:
            self.fail(unit, error)
        elif effect is not None:
            self.park(unit, effect)
        else:
            self.finish(unit)

    def finish(self, unit: Unit) -> None:
        """A unit ran to its segment's end; its `value` is the segment's output."""
        self.running -= 1
        activation, segment = unit.activation, unit.segment
        activation.leave(unit)
        if activation.failure is None and not activation.group.stopped:
            activation.values[segment.index] = unit.value
            activation.left -= 1
            counts = activation.counts
            for index in segment.feeds:
                counts[index] -= 1
                if not counts[index]:
                    self._make_ready(activation, activation.plan.segments[index])
        if activation.idle:
            self._conclude(activation)

    def park(self, unit: Unit, effect: Effect) -> None:
        """A unit's step wants something done before it goes on."""
        self.running -= 1
        if unit.activation.stopped:
            self._end(unit)
            return
        unit.state = PARKED
        unit.together = None
        self.parked += 1
        if isinstance(effect, Sleep):
            unit.child = self._host.wake_at(effect.seconds, unit)
            return
        try:
            group = self._group(unit, effect)
        except BaseException as error:
            self._answer(unit, False, error)
            return
        unit.child = group
        self.open(group)

    def _group(self, unit: Unit, effect: Run | RunEach) -> Group:
        config = self._host.config_at(unit)
        if unit.flow is None:
            config = counted_down(config, places_of(unit))
        plan = self._host.plan(effect)
        if isinstance(effect, Run):
            value = unit.value if effect.value is INPUT else effect.value
            config, heard = heard_at(unit, effect.config or config, plan.graph, effect.tag)
            return Group(plan, (value,), config, parent=unit, single=True, timeout=effect.timeout, heard=heard)
        config, heard = heard_at(unit, config, plan.graph)
        return Group(plan, effect.values, effect.configs or config, parent=unit, heard=heard)

    def fail(self, unit: Unit, error: BaseException) -> None:
        """A running unit raised."""
        self.running -= 1
        activation, group = unit.activation, unit.activation.group
        stopped = activation.stopped
        is_stop = stopped and isinstance(error, Stopped | CancelledError | GeneratorExit)
        if not is_stop:
            self._host.explain(error, unit)
            failure = Failure(error, activation.index, unit.slot)
            if not stopped or (activation.failure is not None and failure.rank < activation.failure.rank):
                activation.failure = failure
        if stopped and activation.failure is None:
            self._note(group, error, is_stop)
        self._end(unit, last=False)
        if not stopped:
            if group.keep_errors and isinstance(error, Exception):
                self._halt(activation)
            else:
                self.stop(group)
        if activation.idle:
            self._conclude(activation)

    def _note(self, group: Group, late: BaseException, is_stop: bool) -> None:
        """Note what a step raised when it was stopped on what stopped the call, if that was no other step's failure."""
        while group.failure is None and group.parent is not None:
            group = group.parent.activation.group
        failure = group.failure
        if failure is None or not failure.is_from_outside or failure.error is late:
            return
        if is_stop:
            inherit_notes(failure.error, late)  # those of a call in the step
        else:
            note_late(failure.error, late)

    def wake(self, unit: Unit) -> None:
        """A sleep is over."""
        if unit.state is PARKED:
            self._answer(unit, True, None)

    def expire(self, group: Group) -> None:
        """A group took longer than it may."""
        self.stop(group, TimeoutError("the run took longer than its timeout"))

    def close(self) -> None:
        """All groups are over, and nothing more is asked of the host: let it go, for it refers to this."""
        vars(self).pop("_host", None)

    def stop(self, group: Group, error: BaseException | None = None) -> None:
        """Nothing of a group starts any more; it is over when what runs has ended."""
        if group.over:
            return
        if error is not None:
            group.failure = first_failure(group.failure, Failure(error))
        if not group.stopped:
            group.stopped = True
            if group.claims is not None:
                group.claims = None
                self._unopened.remove(group)
            for key, host in list(group.sites.items()):
                self._host.cancel_plain(group, key, host)
            for activation in list(group.activations):
                self._halt(activation)
        self._conclude_group(group)

    # Failure

    def _halt(self, activation: Activation) -> None:
        for unit in activation.units():
            if unit.state is READY:
                self._end(unit)
            elif unit.state is RUNNING:
                self._host.cancel(unit)
            elif isinstance(unit.child, Group):
                self.stop(unit.child)
            elif unit.state is PARKED:
                unit.child.cancel()
                self.parked -= 1
                self._end(unit)

    def _end(self, unit: Unit, last: bool = True) -> None:
        """A unit of a stopped activation is over."""
        activation = unit.activation
        activation.leave(unit)
        if unit.flow is not None:
            unit.flow.close()
        if last and activation.idle:
            self._conclude(activation)

    # Conclusions

    def _conclude(self, activation: Activation) -> None:
        """The last unit of an activation is over, and nothing of it is ready."""
        group = activation.group
        if activation not in group.activations:
            return
        del group.activations[activation]
        failure, result = activation.failure, None
        if failure is None and not group.stopped:
            try:
                result = gather(activation.plan.output, activation.values)
            except Exception as error:
                explain_output(error, activation)
                failure = Failure(error, activation.index)
        if activation.trace is not None:
            self._end_trace(activation, failure or group.failure)
        if failure is not None:
            if group.keep_errors and isinstance(failure.error, Exception):
                self._settle(group, activation.index, failure.error)
            else:
                group.failure = first_failure(group.failure, failure)
                self.stop(group)
        elif not group.stopped:
            self._settle(group, activation.index, result)
        self._conclude_group(group)

    def _end_trace(self, activation: Activation, failure: Failure | None) -> None:
        stopped = Stopped("the call around this step was stopped") if activation.group.stopped else None
        activation.trace.close(stopped if failure is None else failure.error, later=True)

    def _settle(self, group: Group, index: int, result: Any) -> None:
        group.results[index] = result
        group.left -= 1
        if group.parent is None:
            self._host.settled(index, result)

    def _conclude_group(self, group: Group) -> None:
        if group.over or group.activations or group.sites or (group.left and not group.stopped):
            return
        group.over = True
        if group.timer is not None:
            group.timer.cancel()
        parent = group.parent
        if parent is None:
            self._host.ended()
        elif group.failure is not None:
            self._answer(parent, False, group.failure.error)
        else:
            self._answer(parent, True, group.outcome())

    def _answer(self, unit: Unit, ok: bool, result: Any) -> None:
        """What a parked unit waits for is there."""
        self.parked -= 1
        unit.child = None
        if unit.activation.stopped:
            self._end(unit)
            return
        unit.answer = (ok, result)
        unit.state = READY
        self._ready.appendleft(unit)
