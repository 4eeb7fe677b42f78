"""The state that a frontier keeps: units, activations, groups, failures.

* unit: a segment of an activation that is ready, running, or parked at a call step.
* activation: one flow of one input through a graph: its values, its counts of missing inputs, its units.
* group: activations of one graph that belong together: a batch, or the run that a call step asked for. A group
  has a parent unit, which is parked until the group is over, or none, when it is the call itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.operators import Flow
from anabranch.engine.runs import RunInfo
from anabranch.scheduler.plans import Plan, Segment
from anabranch.scheduler.progress import Progress
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.traces import Trace


class State(Enum):
    """Where a unit stands."""

    READY = "ready"
    RUNNING = "running"
    PARKED = "parked"
    OVER = "over"


READY, RUNNING, PARKED, OVER = State  # a look at a member of an enum's class is slow


class Failure:
    """An error and its rank: what ends the call (an interrupt, a timeout) first, then by input and slot."""

    __slots__ = ("error", "rank")

    def __init__(self, error: BaseException, index: int = -1, slot: int = -1) -> None:
        self.error = error
        self.rank = (isinstance(error, Exception) and index >= 0, index, slot)

    @property
    def is_from_outside(self) -> bool:
        """Whether no step has failed: a cancellation, an interrupt of the caller, a timeout."""
        return self.rank[1] < 0


def first_failure(left: Failure | None, right: Failure) -> Failure:
    """The one that counts."""
    return right if left is None or right.rank < left.rank else left


class Unit:
    """A segment of an activation on its way. `position` is the step that it will run next, with `value`.

    Attributes:
        flow: the running call step, if it stands at one.
        answer: of what it was parked for: whether it went well, and the result or error.
        child: the group or timer that it is parked for.
        together: with itself, the units that a vectorised form runs at once.
        site, task: the driver's: where its code runs, and what to cancel.
        run: that of its step, where somebody listens.
    """

    flow: Flow | None = None
    answer: tuple[bool, Any] | None = None
    child: Any = None
    together: list[Unit] | None = None
    site: Any = None
    task: Any = None
    run: RunInfo | None = None
    position = 0
    value: Any = None
    state = READY

    def __init__(self, activation: Activation, segment: Segment) -> None:
        self.activation = activation
        self.segment = segment

    @classmethod
    def loose(cls, segment: Segment, value: Any) -> Unit:
        """A unit of no activation, for a driver that runs a segment by itself."""
        unit = cls(None, segment)  # type: ignore[arg-type]
        unit.value = value
        unit.state = RUNNING
        return unit

    @property
    def slot(self) -> int:
        """The slot of the step at which it stands."""
        steps = self.segment.steps
        return steps[min(self.position, len(steps) - 1)].slot


class Activation:
    """One flow of one input through a plan. `left` counts the segments that have not ended."""

    __slots__ = ("_units", "config", "counts", "failure", "group", "index", "left", "plan", "seat", "trace", "values")

    def __init__(self, group: Group, index: int) -> None:
        plan = group.plan
        self.group = group
        self.plan = plan
        self.index = index
        self.config = group.config_of(index)
        # INPUT_SLOT is -1, so the input stands last.
        self.values: list[Any] = [*plan.blank, group.values[index]]
        self.counts: Any = list(plan.needs) if len(plan.needs) > 1 else plan.needs
        self.left = len(plan.segments)
        self.failure: Failure | None = None
        self.seat: Any = None  # the driver's own
        self.trace: Any = None
        if group.reporter is not None:
            self.trace = Trace(plan.graph, self.config, group.reporter, group.values[index])
        self._units: Unit | dict[Unit, None] | None = None  # most have one at a time, and there are very many

    @property
    def idle(self) -> bool:
        """Whether no unit of it is ready, running or parked."""
        return not self._units

    @property
    def stopped(self) -> bool:
        """Whether nothing of it is to start any more."""
        return self.failure is not None or self.group.stopped

    def units(self) -> list[Unit]:
        """Those of its units that are not over."""
        units = self._units
        return [] if units is None else list(units) if isinstance(units, dict) else [units]

    def enter(self, unit: Unit) -> None:
        """A unit is ready."""
        if self._units is None:
            self._units = unit
        elif isinstance(self._units, dict):
            self._units[unit] = None
        else:
            self._units = {self._units: None, unit: None}

    def leave(self, unit: Unit) -> None:
        """A unit is over."""
        unit.state = OVER
        if isinstance(self._units, dict):
            self._units.pop(unit, None)
        elif self._units is unit:
            self._units = None


class Group:
    """Activations of one plan.

    Attributes:
        values: the inputs.
        configs: one config for all of them, or one each.
        parent: the unit that is parked for it; None when it is the call itself.
        single: its outcome is the result of its only input, not a list.
        keep_errors: an `Exception` of one input becomes its result.
        timeout: in seconds, for all of it.
        claims: the indices of the inputs that nobody has taken up; None when there is none left.
        left: how many inputs have no result.
        activations: those that are under way.
        sites: where inputs are run without an activation.
        seat: the driver's own.
        heard: somebody listens to it.
        reporter: tells those; the driver's.
        progress: told of each input that is done; None where nobody asked for it.
    """

    __slots__ = (
        "activations",
        "claims",
        "configs",
        "failure",
        "heard",
        "keep_errors",
        "left",
        "over",
        "parent",
        "plan",
        "progress",
        "reporter",
        "results",
        "seat",
        "single",
        "sites",
        "stopped",
        "timeout",
        "timer",
        "values",
    )

    def __init__(
        self,
        plan: Plan,
        values: Sequence[Any],
        configs: RunnableConfig | Sequence[RunnableConfig | None] | None = None,
        *,
        parent: Unit | None = None,
        single: bool = False,
        keep_errors: bool = False,
        timeout: float | None = None,
        heard: bool = False,
    ) -> None:
        self.plan = plan
        self.heard = heard
        self.progress: Progress | None = None
        self.reporter: Reporter | None = None
        self.values = values
        self.configs = configs
        self.parent = parent
        self.single = single
        self.keep_errors = keep_errors
        self.timeout = timeout
        self.timer: Any = None
        self.claims: Iterator[int] | None = iter(range(len(values)))
        self.left = len(values)
        self.results: list[Any] = [None] * len(values)
        self.activations: dict[Activation, None] = {}  # in order, so that a simulation can be repeated
        self.sites: dict[Any, Any] = {}
        self.seat: Any = None
        self.failure: Failure | None = None
        self.stopped = False
        self.over = False

    def config_of(self, index: int) -> RunnableConfig | None:
        """The config of an input."""
        configs = self.configs
        return configs if configs is None or isinstance(configs, dict) else configs[index]

    @property
    def plain(self) -> bool:
        """Whether its inputs can be run without activations, as long as all goes well."""
        is_followed = self.heard or self.progress is not None
        return not is_followed and self.plan.plain and (self.configs is None or isinstance(self.configs, dict))

    def adopt(self, index: int, value: Any, position: int) -> Unit:
        """An activation for an input that was run without one until that would do no more; its running unit."""
        activation = Activation(self, index)
        self.activations[activation] = None
        unit = Unit(activation, self.plan.segments[0])
        unit.value, unit.position, unit.state = value, position, RUNNING
        activation.enter(unit)
        return unit

    def outcome(self) -> Any:
        """The result of a single run, or the list of all results in order."""
        return self.results[0] if self.single else self.results
