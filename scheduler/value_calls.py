"""What both drivers for values share of a call: what it runs, its results as they come, and its progress."""

from __future__ import annotations

from collections import deque
from typing import Any

from anabranch.scheduler.calls import config_at
from anabranch.scheduler.error_places import explain
from anabranch.scheduler.frontier import Frontier
from anabranch.scheduler.hosts import Host
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.units import Group


class ValueCall(Host):
    """One call of a driver for values, which is the host of a frontier."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self._frontier = Frontier(self)
        self._group: Group | None = None
        self._aborted: BaseException | None = None
        self._settled: deque[tuple[int, Any]] | None = None  # results that are to be given as they come

    config_at = staticmethod(config_at)
    explain = staticmethod(explain)

    def _open(self, group: Group) -> None:
        self._group = group
        self._put_down_progress("begin")
        self._frontier.open(group)
        if self._aborted is not None:  # before it began
            self._frontier.stop(group, self._aborted)

    def settled(self, index: int, result: Any) -> None:
        """See `Host`."""
        if self._settled is not None:
            self._settled.append((index, result))
        if self._group is not None and self._group.progress is not None:
            self._group.progress.count()
            self._put_down_progress("tick")

    def ended(self) -> None:
        """See `Host`."""
        self._put_down_progress("close")

    @property
    def _tells_progress(self) -> bool:
        return bool(self.reporter.posts) and self._group is not None and self._group.progress is not None

    def _put_down_progress(self, what: str) -> None:
        """Have the progress told by who waits for the call: under asyncio in a thread."""
        if self._group is not None and self._group.progress is not None:
            self.reporter.posts.append((self._group.progress, what, ()))
