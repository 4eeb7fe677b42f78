"""Forks of this process that report line by line, a few at a time; one that is silent for too long is killed."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Message = dict[str, Any]
Report = Callable[[Message], None]
"""Tells the parent something. `{"within": 3.5}` among it asks for so many seconds until the next word."""

PATIENCE = 120.0
"""Seconds until the first word, and after a word that asks for none."""


@dataclass
class Fork(Generic[Key]):
    """What came of a fork: its words in order, and whether it had to be killed or died without a last word."""

    key: Key
    words: list[Message] = field(default_factory=list)
    hung: bool = False
    exit: int = 0


class _Running(Generic[Key]):
    """A fork that is at work."""

    def __init__(self, key: Key, body: Callable[[Report], None], quiet: bool) -> None:
        self.fork = Fork(key)
        self.deadline = time.monotonic() + PATIENCE
        self._rest = b""
        self.pipe, writing = os.pipe()
        self.process = os.fork()
        if not self.process:
            _be_fork(body, writing, quiet)
        os.close(writing)

    def read(self) -> bool:
        """Take up what was said; whether more may come."""
        said = os.read(self.pipe, 1 << 16)
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            word = json.loads(line)
            self.fork.words.append(word)
            self.deadline = time.monotonic() + word.get("within", PATIENCE)
        return bool(said)

    def end(self) -> Fork[Key]:
        """Kill what is left of it, as a session of its own."""
        self.fork.hung = time.monotonic() > self.deadline
        if not self.fork.hung:
            self.fork.exit = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process, signal.SIGKILL)
        if self.fork.hung:
            os.waitpid(self.process, 0)
        os.close(self.pipe)
        return self.fork


def run_forks(
    tasks: Iterable[tuple[Key, Callable[[Report], None]]], jobs: int, quiet: bool = True
) -> Iterator[Fork[Key]]:
    """Each task in a fork of its own, `jobs` at once, in order; what came of them as they end.

    What a quiet one prints is dropped, or added to the file that MUTATION_OUTPUT names.
    """
    waiting = iter(tasks)
    with selectors.DefaultSelector() as selector:
        running: set[_Running[Key]] = set()
        while True:
            while len(running) < jobs and (task := next(waiting, None)) is not None:
                started = _Running(*task, quiet)
                selector.register(started.pipe, selectors.EVENT_READ, started)
                running.add(started)
            if not running:
                return
            wait = min(each.deadline for each in running) - time.monotonic()
            heard = {key.data for key, _ in selector.select(max(0.0, min(wait, 3600.0)))}
            silent = {each for each in heard if not each.read()}
            for each in silent | {each for each in running - heard if time.monotonic() > each.deadline}:
                selector.unregister(each.pipe)
                running.remove(each)
                yield each.end()


def _be_fork(body: Callable[[Report], None], writing: int, quiet: bool) -> None:
    code = 1
    try:
        os.setsid()
        if quiet:
            output = os.open(os.environ.get("MUTATION_OUTPUT", os.devnull), os.O_RDWR | os.O_CREAT | os.O_APPEND)
            for standard in (0, 1, 2):
                os.dup2(output, standard)
        body(lambda word: _write(writing, word))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def _write(pipe: int, word: Message) -> None:
    line = json.dumps(word).encode() + b"\n"
    while line:
        line = line[os.write(pipe, line) :]
