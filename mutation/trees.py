"""Private copies of the project in which mutants live, and runs of the tests there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PACKAGES = ("engine", "scheduler", "nodes", "viz")
LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "__pycache__", "*.egg-info")

Ending = tuple[int | None, str]
"""The exit code, None when it took too long, and what was printed."""


class Tree:
    """A copy of the project in a folder of its own; `root` is the copy. Within `with`, tests can run there."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.root = folder / "project"
        self._folder = folder
        self._written = 0
        shutil.copytree(source, self.root, ignore=LEFT_OUT)
        packages = folder / "path" / "anabranch"
        packages.mkdir(parents=True)
        for name in PACKAGES:
            (packages / name).symlink_to(self.root / name)

    def __enter__(self) -> Tree:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        environment |= {"CI": "1", "HYPOTHESIS_PROFILE": "ci", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environment["PYTHONPATH"] = f"{self._folder / 'path'}{os.pathsep}{self.root}"
        self._forks = subprocess.Popen(
            [sys.executable, "-m", "mutation.forks"],
            cwd=self.root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._forks.communicate()

    @contextlib.contextmanager
    def changed(self, module: str, text: str) -> Iterator[None]:
        """Within, a file has another text."""
        path = self.root / module
        before = path.read_text()
        self._write(path, text)
        try:
            yield
        finally:
            self._write(path, before)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        self._written += 1
        os.utime(path, (self._written, self._written))  # bytecode of another text of this size and second won't do

    def run(self, files: Iterable[str], seconds: float, options: Iterable[str], more: Mapping[str, str]) -> Ending:
        """Run pytest on test files. After so many seconds it is killed, with all that it has started."""
        output = self._folder / "output"
        wish = {"arguments": [*options, *sorted(files)], "more": dict(more), "seconds": seconds, "output": str(output)}
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        self._forks.stdin.write(json.dumps(wish) + "\n")
        self._forks.stdin.flush()
        code = json.loads(self._forks.stdout.readline())
        return code, output.read_text()
