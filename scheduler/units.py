"""The state that a frontier keeps: units, activations, groups, failures.

* unit: a segment of an activation that is ready, running, or parked at a call step.
* activation: one flow of one input through a graph: its values, its counts of missing inputs, its units.
* group: activations of one graph that belong together: a batch, or the run that a call step asked for. A group
  has a parent unit, which is parked until the group is over, or none, when it is the call itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.operators import Flow
from anabranch.scheduler.plans import Plan, Segment


class State(Enum):
    """Where a unit stands."""

    READY = "ready"
    RUNNING = "running"
    PARKED = "parked"
    OVER = "over"


class Failure:
    """An error and its rank: what ends the call (an interrupt, a timeout) first, then by input and slot."""

    __slots__ = ("error", "rank")

    def __init__(self, error: BaseException, index: int = -1, slot: int = -1) -> None:
        self.error = error
        self.rank = (isinstance(error, Exception) and index >= 0, index, slot)


def first_failure(left: Failure | None, right: Failure) -> Failure:
    return right if left is None or right.rank < left.rank else left


class Unit:
    """A segment of an activation on its way. `position` is the step that it will run next, with `value`."""

    __slots__ = (
        "activation", "answer", "child", "flow", "host", "position", "segment", "state", "together", "value",
    )

    def __init__(self, activation: Activation, segment: Segment) -> None:
        self.activation = activation
        self.segment = segment
        self.position = 0
        self.value: Any = None
        self.flow: Flow | None = None
        self.answer: tuple[bool, Any] | None = None  # of the group or sleep that it was parked for
        self.child: Any = None  # the group or timer that it is parked for
        self.together: list[Unit] | None = None  # with itself, the units that a vectorised form runs at once
        self.host: Any = None  # the driver's own
        self.state = State.READY

    @classmethod
    def loose(cls, segment: Segment, value: Any) -> Unit:
        """A unit of no activation, for a driver that runs a segment by itself."""
        unit = cls(None, segment)  # type: ignore[arg-type]
        unit.value = value
        unit.state = State.RUNNING
        return unit

    @property
    def slot(self) -> int:
        """The slot of the step at which it stands."""
        steps = self.segment.steps
        return steps[min(self.position, len(steps) - 1)].slot


class Activation:
    """One flow of one input through a plan. `left` counts the segments that have not ended."""

    __slots__ = ("config", "counts", "failure", "group", "index", "left", "plan", "units", "values")

    def __init__(self, group: Group, index: int, value: Any, config: RunnableConfig | None) -> None:
        plan = group.plan
        self.group = group
        self.plan = plan
        self.index = index
        self.config = config
        self.values: list[Any] = [None] * len(plan.segments)
        self.values.append(value)  # INPUT_SLOT is -1
        self.counts = list(plan.needs)
        self.left = len(plan.segments)
        self.units: set[Unit] = set()
        self.failure: Failure | None = None


class Group:
    """Activations of one plan. `configs` holds one config for all, or one an input.

    With `keep_errors` an `Exception` of one input becomes its result.
    """

    __slots__ = (
        "activations",
        "configs",
        "failure",
        "inputs",
        "keep_errors",
        "opened",
        "over",
        "parent",
        "plan",
        "results",
        "single",
        "stopped",
        "timer",
    )

    def __init__(
        self,
        plan: Plan,
        inputs: Iterable[Any],
        configs: RunnableConfig | list[RunnableConfig | None] | None = None,
        *,
        parent: Unit | None = None,
        single: bool = False,
        keep_errors: bool = False,
    ) -> None:
        self.plan = plan
        self.inputs: Iterator[Any] | None = iter(inputs)
        self.configs = configs
        self.parent = parent
        self.single = single
        self.keep_errors = keep_errors
        self.activations: set[Activation] = set()
        self.opened = 0
        self.results: dict[int, Any] = {}
        self.failure: Failure | None = None
        self.stopped = False
        self.over = False
        self.timer: Any = None

    def only_unit(self, value: Any) -> Unit:
        """Open the only input of a straight plan, for a driver that runs it without a frontier."""
        self.inputs = None
        self.opened = 1
        activation = Activation(self, 0, value, self.configs)  # type: ignore[arg-type]
        self.activations.add(activation)
        unit = Unit(activation, self.plan.segments[0])
        unit.value = value
        unit.state = State.RUNNING
        activation.units.add(unit)
        return unit

    def outcome(self) -> Any:
        """The result of a single run, or the list of all results in order."""
        return self.results.get(0) if self.single else [self.results[i] for i in range(self.opened)]
