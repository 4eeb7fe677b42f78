"""An event loop whose time stands still while anything is ready, and then jumps to the next timer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class JumpingLoop(asyncio.SelectorEventLoop):
    """For programs that wait for timers and each other, and for no thread."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        timers = [timer for timer in self._scheduled if not timer._cancelled]  # type: ignore[attr-defined]
        if not self._ready and timers:  # type: ignore[attr-defined]
            self.now = max(self.now, min(timer._when for timer in timers))
        super()._run_once()  # type: ignore[misc]


def run_in_no_time(main: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run` on such a loop."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)
