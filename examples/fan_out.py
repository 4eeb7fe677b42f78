"""Parallel branches with a cap: several checks of each file of a package, never more than four at once.

    python examples/fan_out.py

A dict forks its input into branches; `batch` runs the whole over many inputs. `max_concurrency` counts all of it
together: the branches of one file and those of another draw from the same four permits.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from anabranch.nodes import RunnableParallel

CAP = 4


class Counter:
    """How many are inside, and how many were at most."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.inside = self.peak = self.entered = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        with self.lock:
            self.entered += 1
            self.inside += 1
            self.peak = max(self.peak, self.inside)
        yield
        with self.lock:
            self.inside -= 1


at_once = Counter()


def run_module(module: str, path: Path) -> str:
    """What a module of the standard library prints of a file, in a process of its own."""
    with at_once.one():
        command = [sys.executable, "-m", module, str(path)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def lines(path: Path) -> int:
    with at_once.one():
        return path.read_text(encoding="utf-8").count("\n")


def tokens(path: Path) -> int:
    return run_module("tokenize", path).count("\n")


def indented_well(path: Path) -> bool:
    return not run_module("tabnanny", path)


checks: RunnableParallel[Path] = RunnableParallel(lines=lines, tokens=tokens, indented_well=indented_well)


def main() -> None:
    paths = sorted(Path(json.__file__).parent.glob("*.py"))
    facts = checks.batch(paths, {"max_concurrency": CAP})
    for path, found in zip(paths, facts, strict=True):
        print(f"{path.name:<12} {found['lines']:>4} lines {found['tokens']:>5} tokens  {found['indented_well']}")
    print(f"{at_once.entered} checks, {at_once.peak} at once")


if __name__ == "__main__":
    main()
