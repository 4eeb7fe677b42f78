"""What a frontier needs of its driver, and what a driver tells it of a unit."""

from __future__ import annotations

from typing import Any, Protocol

from anabranch.engine.config import RunnableConfig
from anabranch.engine.operators import Effect, Run, RunEach
from anabranch.scheduler.plans import Plan
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.units import Group, Unit


class Host(Protocol):
    """A driver as its frontier sees it. `reporter` tells those who listen."""

    reporter: Reporter

    def plan(self, effect: Run | RunEach) -> Plan:
        """The plan of an effect's graph."""

    def config_at(self, unit: Unit) -> RunnableConfig | None:
        """The config that a run made by this unit's step inherits."""

    def explain(self, error: BaseException, unit: Unit) -> None:
        """Note on an error where it came from."""

    def cancel(self, unit: Unit) -> None:
        """Cancel a running unit. It is still to be told of by `finish` or `fail`."""

    def cancel_plain(self, group: Group, key: Any, host: Any) -> None:
        """Cancel what runs inputs without activations. Its end is still to be told of by `end_plain`."""

    def wake_at(self, seconds: float, unit: Unit) -> Any:
        """Call `wake(unit)` after so many seconds; answer something with `cancel()`."""

    def limit(self, seconds: float, group: Group) -> Any:
        """Call `expire(group)` after so many seconds; answer something with `cancel()`."""

    def settled(self, index: int, result: Any) -> None:
        """The result of an input of the call itself is there."""

    def ended(self) -> None:
        """The call itself is over."""


Outcome = tuple[Unit, Effect | None, BaseException | None]
