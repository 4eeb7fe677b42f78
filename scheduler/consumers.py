"""The task that reads an asynchronous stream, and who has cancelled it: its owner, or the stream itself.

While that task runs the last segment, it is cancelled like any other when the run fails elsewhere. Such a cancellation
is taken back; one by somebody else goes before all errors.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from anabranch.scheduler.closing import STOPS, came_of_a_stop, note_late, times_cancelled


class Consumer:
    """A `with` of it stands around each pull.

    Args:
        outermost: no step is around. In a step, what closing raised goes before the cancellation, for whoever runs the
            step knows of that.

    Attributes:
        interrupt: the cancellation by somebody else.
    """

    def __init__(self, outermost: bool) -> None:
        self.interrupt: asyncio.CancelledError | None = None
        self._outermost = outermost
        self._pulling: asyncio.Task[Any] | None = None
        self._is_ours = False
        self._before = 0

    def begin(self) -> None:
        """The first pull is about to begin."""
        self._before = times_cancelled()

    def __enter__(self) -> None:
        self._pulling = asyncio.current_task()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        task, self._pulling = self._pulling, None
        if self._is_ours and task is not None:
            task.uncancel()

    def cancel(self) -> None:
        """End the pull that is under way in another task than this."""
        if self._pulling is not None and self._pulling is not asyncio.current_task() and not self._is_ours:
            self._is_ours = True  # once: a second time would hit it while it closes
            self._pulling.cancel()

    def fault(self, error: BaseException) -> BaseException | None:
        """An error that came out of a pull or a closing, as one of the run: None if it is only a cancellation."""
        is_cancelled = times_cancelled() > self._before
        if isinstance(error, asyncio.CancelledError):
            if is_cancelled or not self._is_ours:
                self.interrupt = error
            return None
        if is_cancelled and came_of_a_stop(error) and self._outermost:
            self.interrupt = asyncio.CancelledError()
        return error

    def raise_outcome(self, failure: BaseException | None) -> None:
        """Raise what a run has come to, if that is an error. The failure of the run is noted on a cancellation."""
        if failure is not None and not isinstance(failure, STOPS):
            if self.interrupt is None or not self._outermost:
                raise failure
            note_late(self.interrupt, failure)
        elif self.interrupt is None and failure is not None:
            raise failure
        if self.interrupt is not None:
            raise self.interrupt
