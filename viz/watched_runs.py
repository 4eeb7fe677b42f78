"""A run that is watched: it goes on in a thread, and what it does goes into a file, which any number of readers follow.

Readers keep a position in the file and nothing else. So a slow one holds up nobody and costs no memory, and a finished
run, or one that was recorded elsewhere, is watched in the same way.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.runs import RunInfo
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.tracing.event_files import EventFile
from anabranch.viz.asking import reason
from anabranch.viz.drawing import folded, pictured, render
from anabranch.viz.pictures import Picture
from anabranch.viz.rendering import RenderingError
from anabranch.viz.watch_facts import Fact, Facts

BLOCK = 1 << 16
"""Bytes that a reader takes at a time."""


class _Recording(EventFile):
    """Writes each line at once, on the loop too: that is the run's own, and a thread for each would take longer."""

    def note(self, run: RunInfo, item: Any) -> None:
        """See `Sink`."""
        self._noted.append(item)
        self.flush()


class WatchedRun:
    """A run in a file of events, live or over.

    Args:
        title: what the page calls it.
        path: of the file.
        chain: what runs, or ran: for the picture. None for a page without one.

    Attributes:
        svg: the picture, or None.
        why_no_picture: a sentence about that.
        is_live: it is going on in this process.
        failure: why it couldn't begin; empty if it did.
    """

    def __init__(self, title: str, path: str, chain: Runnable[Any, Any] | None = None) -> None:
        self.title = title
        self.path = path
        self.is_live = False
        self.failure = ""
        self.svg: str | None = None
        self.why_no_picture = "A recorded run has no picture of its own: name its chain with --chain."
        self.picture: Picture | None = None
        self._chain = chain
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        if chain is not None:
            self.picture = folded(pictured(chain), None)
            try:
                self.svg = str(render(self.picture, "svg", theme="light"))
            except RenderingError as error:
                self.why_no_picture = str(error)

    def start(self, value: Any, config: RunnableConfig) -> None:
        """Run the chain on an input, in a thread."""
        file = _Recording(self.path)
        self.is_live = True
        told: RunnableConfig = {**config, "callbacks": [*(config.get("callbacks") or ()), file]}
        self._thread = threading.Thread(
            target=self._run, args=(file, value, told), name="anabranch watched run", daemon=True
        )
        self._thread.start()

    def _run(self, file: EventFile, value: Any, config: RunnableConfig) -> None:
        try:
            with file:
                asyncio.run(self._consume(value, config))
        except BaseException as error:  # the file has it: that is what is watched
            if not os.path.getsize(self.path):
                self.failure = f"{type(error).__name__}: {reason(error)}"
        finally:
            self.is_live = False

    async def _consume(self, value: Any, config: RunnableConfig) -> None:
        assert self._chain is not None
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        async with aclosing(self._chain.astream(value, config)) as chunks:
            async for _ in chunks:
                pass

    def stop(self) -> None:
        """Cancel the run, if it goes on. Blocking code that is running ends first."""
        if self.is_live and self._loop is not None and self._task is not None:
            try:
                self._loop.call_soon_threadsafe(self._task.cancel)
            except RuntimeError:  # it has just ended
                return

    def wait(self) -> None:
        """Wait until it is over."""
        if self._thread is not None:
            self._thread.join()

    def reader(self) -> RecordReader:
        """What follows it from its beginning."""
        return RecordReader(self)


class RecordReader:
    """Follows the file of a run."""

    def __init__(self, run: WatchedRun) -> None:
        self._run = run
        self._facts = Facts(run.picture)
        self._at = 0
        self._rest = b""

    def read(self) -> tuple[list[Fact], bool]:
        """The next facts, and whether there will be no more. May wait for the file, not for the run."""
        was_live = self._run.is_live
        try:
            with open(self._run.path, "rb") as file:
                file.seek(self._at)
                block = file.read(BLOCK)
        except FileNotFoundError:
            block = b""
        self._at += len(block)
        *lines, self._rest = (self._rest + block).split(b"\n")
        return list(self._facts_of(lines)), not block and not was_live

    def _facts_of(self, lines: list[bytes]) -> Iterator[Fact]:
        for line in lines:
            try:
                fact = self._facts.of(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # it was no line of a record; `watch` looks at the first before it shows anything
            if fact is not None:
                yield fact
