"""What the sinks have in common: facts are noted where they happen, and written where somebody may wait.

A sink is a `Listener`: it stands in `config["callbacks"]`, of as many runs as you like, also at the same time. It
notes each fact at once, so that what is written is what was so then. In a thread it writes at once, too. On an event
loop nothing may wait for a file: there it asks the driver of the run to let it write in a thread, which happens
before the run goes on. So whatever a run has done is written when its verb returns.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from types import TracebackType
from typing import Any, Self

from anabranch.engine.runs import Listener, RunInfo
from anabranch.scheduler.handlers import tolerate


class Sink(Listener):
    """See the module. Subclass it: call `note` with each fact, write `write` and perhaps `end`.

    An error in a sink never breaks a run; it is logged once.
    """

    inline = True

    def __init__(self) -> None:
        self._noted: deque[Any] = deque()
        self._writing = threading.Lock()
        self._writer = _Writer(self)
        self._closed = False

    def note(self, run: RunInfo, item: Any) -> None:
        """Have something written: here, or soon in a thread."""
        self._noted.append(item)
        if asyncio._get_running_loop() is None or run.reporter is None:
            self.flush()
        else:
            run.reporter.put(self._writer, "write", run)

    def write(self, items: list[Any]) -> None:
        """Write what was noted, in order. One thread at a time calls this."""
        raise NotImplementedError

    def end(self) -> None:
        """Write what comes last, and let go of files. Called once."""

    def flush(self) -> None:
        """Write what is noted. May wait."""
        with self._writing:
            items = []
            while self._noted:
                items.append(self._noted.popleft())
            if not items:
                return
            if self._closed:
                raise ValueError(f"{type(self).__name__} is closed, and was told of a run all the same")
            self.write(items)

    def close(self) -> None:
        """Write what is noted, and close. What happens later is not written."""
        if not self._closed:
            self.flush()
            with self._writing:
                self._closed = True
                self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def broke(self, error: Exception, what: str) -> None:
        """See `Listener`."""
        tolerate(self, error, what)


class _Writer(Listener):
    """Lets a sink write when a driver can wait."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    @property
    def handler(self) -> Any:
        """See `Listener`."""
        return self._sink

    def write(self, run: RunInfo) -> None:
        """The driver waits for this."""
        self._sink.flush()

    def broke(self, error: Exception, what: str) -> None:
        """See `Listener`."""
        self._sink.broke(error, what)
