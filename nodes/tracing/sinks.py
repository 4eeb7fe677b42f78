"""What the sinks have in common: facts are noted where they happen, and written where somebody may wait.

A sink is a `Listener`: it stands in `config["callbacks"]`, of as many runs as you like, also at the same time. It
notes each fact at once, so that what is written is what was so then. In a thread it writes at once, too. On an event
loop nothing may wait for a file: there a thread writes, which takes all that was noted meanwhile. Only at the end of
the outermost run, and when too much waits, the driver is asked to wait until all is written. So whatever a run has done
is written when its verb returns, and what it does can be read soon after.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from anabranch.engine.runs import Listener, RunInfo
from anabranch.scheduler import primitives
from anabranch.scheduler.handler_faults import tolerate
from anabranch.scheduler.pools import POOL

MOST_NOTED = 1000
"""Facts that may wait to be written while a run goes on."""


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
        self._comes = False  # a thread that will write

    def note(self, run: RunInfo, item: Any) -> None:
        """Have something written: here, or soon in a thread."""
        self._noted.append(item)
        if asyncio._get_running_loop() is None or run.reporter is None:
            self.flush()
        elif self._is_last(run) or len(self._noted) >= MOST_NOTED or not self._call_thread():
            run.reporter.put(self._writer, "write", run)

    def _is_last(self, run: RunInfo) -> bool:
        """Whether this is the end of what the sink hears of a run and of all around it."""
        return bool(run.ended) and (run.parent is None or self not in run.parent.listeners)

    def _call_thread(self) -> bool:
        """Have a thread come and write. False when none can."""
        if self._comes:
            return True
        if primitives.WORLDS and primitives.world() is not None:  # where the driver decides which thread runs when
            return False
        self._comes = True
        try:
            POOL.submit(self._write_soon)
        except RuntimeError:
            self._comes = False
        return self._comes

    def _write_soon(self) -> None:
        self._comes = False
        try:
            self.flush()
        except Exception as error:
            with suppress(Exception):  # no run is there that it could break
                self.broke(error, "write")

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
