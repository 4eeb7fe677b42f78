"""How far a batch has come: told to whoever asked for it in the config, an input at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.runs import Listener
from anabranch.scheduler import primitives
from anabranch.scheduler.handler_faults import tolerate


class Progress(Listener):
    """Counts what is done, and shows it.

    It is shown in a thread, never on an event loop, and without a lock of the engine. What the function raises breaks
    no run; it is logged once.

    Args:
        show: called with how many inputs are done, and how many there are. It may have methods `begin`, called with
            the latter, and `close`.
        total: how many there are.
    """

    def __init__(self, show: Callable[[int, int], object], total: int) -> None:
        self._show = show
        self._total = total
        self._done = self._shown = 0
        self._lock = primitives.Lock()

    def begin(self) -> None:
        """The batch begins."""
        self._call(getattr(self._show, "begin", None), self._total)

    def count(self) -> None:
        """One more is done, which is shown later. One thread at a time calls this."""
        self._done += 1

    def tick(self) -> None:
        """Show what is done and wasn't shown."""
        with self._lock:
            while self._shown < self._done:
                self._shown += 1
                self._call(self._show, self._shown, self._total)

    def close(self) -> None:
        """The batch is over."""
        self.tick()  # another thread may be about to
        self._call(getattr(self._show, "close", None))

    def _call(self, function: Any, *args: int) -> None:
        try:
            if function is not None:
                function(*args)
        except Exception as error:
            tolerate(self._show, error, "progress")


def progress_of(configs: Iterable[RunnableConfig | None], total: int) -> Progress | None:
    """What a batch of so many inputs tells of its progress: as the first config asks that does. To be called with
    configs that were checked.
    """
    for config in configs:
        show = config.get("progress") if isinstance(config, Mapping) else None
        if callable(show):
            return Progress(show, total)
    return None
