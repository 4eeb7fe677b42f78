"""Runs that are watched by tests, with gates that a test opens when it has seen enough."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anabranch.nodes import EventFile, Runnable, RunnableGenerator, RunnableLambda
from anabranch.viz.watch_server import WatchServer
from anabranch.viz.watched_runs import WatchedRun

PATIENCE = 30.0


class Gate:
    """A chain that waits in the middle: it shouts a text, gives its first half, waits, and gives the rest."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.closed = threading.Event()
        """The run is over, one way or another."""

    @property
    def chain(self) -> Runnable[str, str]:
        return RunnableLambda(str.upper, name="shout") | RunnableGenerator(self._halves, name="halves") | _after

    def _halves(self, texts: Iterator[str]) -> Iterator[str]:
        text = "".join(texts)
        try:
            yield text[: len(text) // 2]
            while not self.opened.wait(0.01):
                yield ""
            yield text[len(text) // 2 :]
        finally:
            self.closed.set()

    def open(self) -> None:
        self.opened.set()


def _echo(texts: Iterator[str]) -> Iterator[str]:
    yield from texts


_after = RunnableGenerator(_echo, name="echo")


@contextmanager
def served(run: WatchedRun) -> Iterator[WatchServer]:
    """A run's page, for as long as the block takes; then the run is stopped."""
    server = WatchServer(run)
    thread = threading.Thread(target=server.serve, name="server")
    thread.start()
    try:
        yield server
    finally:
        run.stop()
        run.wait()
        server.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@contextmanager
def watching(chain: Runnable[Any, Any], value: Any, folder: Path) -> Iterator[WatchServer]:
    """The page of a chain that runs."""
    run = WatchedRun("a run", str(folder / "run.jsonl"), chain)
    run.start(value, {})
    with served(run) as server:
        yield server


def record(chain: Runnable[Any, Any], value: Any, folder: Path) -> str:
    """The path of a recorded run."""
    path = str(folder / "recorded.jsonl")
    with EventFile(path) as file:
        try:
            for _ in chain.stream(value, {"callbacks": [file]}):
                pass
        except ArithmeticError:
            pass
    return path
