"""Which tests run which lines: measured once for a state of the code, and again for test files that were changed."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from mutation.forks import Report
from mutation.population import FOLDERS, Mutant
from mutation.running import run, test_of
from mutation.swapping import Functions

ELSEWHERE = re.compile(
    "chat_history|chat_models|cli_|command|console|docs|documented|drawable|drawing|embedd|exports|function_calling"
    "|hostile|langchain_graphs|langchain_values|layers|message|openai|otel|packaging|parser|perfetto|picture|prompt"
    "|server_sent|stdlib|timeline|tool_(answers|examples|inputs|loops)|tools|typing|vector_|watch_page|watch_server"
)
"""Words in the names of test files that test the nodes' or drawings' own work, which say little of the scheduler."""

monitoring: Any = getattr(sys, "monitoring", None)
"""Python 3.12 and newer have it."""
TOOL = 3
"""Our number among those that `sys.monitoring` serves at once."""


@dataclass(frozen=True)
class Test:
    """A test function: `lines` has for each file a number whose bits are the lines that it runs."""

    name: str
    seconds: float
    lines: dict[str, int]


class Cover:
    """The tests, fastest first."""

    def __init__(self, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
        tests = (
            Test(name, entry["seconds"], {module: int(bits, 16) for module, bits in entry["lines"].items()})
            for name, entry in records
        )
        self.tests = sorted(tests, key=lambda test: (test.seconds, test.name))

    def of(self, mutant: Mutant) -> list[Test]:
        """The tests that run a mutant's lines; where those run when imported, all that run anything of the file."""
        lines = 0 if mutant.imported else sum(1 << line for line in mutant.lines)
        if lines:
            return [test for test in self.tests if test.lines.get(mutant.module, 0) & lines]
        return [test for test in self.tests if test.lines.get(mutant.module)]


class Lines:
    """Notes which lines of the engine and the scheduler run, in whatever thread, greenlet or task."""

    def __init__(self, functions: Functions) -> None:
        self._ran: set[tuple[str, int]] = set()
        self._modules = dict(files_of_modules())
        monitoring.use_tool_id(TOOL, "mutants")
        monitoring.register_callback(TOOL, monitoring.events.LINE, self._note)
        for file in self._modules:
            for code in functions.codes(file):
                monitoring.set_local_events(TOOL, code, monitoring.events.LINE)

    def begin(self) -> None:
        """Forget what ran."""
        self._ran = set()
        monitoring.restart_events()

    def ran(self) -> dict[str, int]:
        """For each file the lines since the beginning, as bits."""
        found: dict[str, int] = {}
        for file, line in self._ran.copy():
            module = self._modules[file]
            found[module] = found.get(module, 0) | 1 << line
        return found

    def _note(self, code: CodeType, line: int) -> object:
        self._ran.add((code.co_filename, line))
        return monitoring.DISABLE  # once is enough


def files_of_modules() -> Iterator[tuple[str, str]]:
    """Of each module of the engine and the scheduler the file that was imported, and its path in the project."""
    for folder in FOLDERS:
        for path in sorted(Path(folder).glob("*.py")):
            name = f"anabranch.{folder}" if path.stem == "__init__" else f"anabranch.{folder}.{path.stem}"
            yield str(importlib.import_module(name).__file__), path.as_posix()


def record(items: list[pytest.Item], lines: Lines, report: Report) -> None:
    """Run the tests of a file, and report of each that passes its seconds and the lines that it ran."""
    found: dict[str, dict[str, Any]] = {}
    lines.begin()
    for item, seconds, passed in run(items):
        entry = found.setdefault(test_of(item), {"seconds": 0.0, "lines": {}, "passed": True})
        entry["seconds"] += seconds
        entry["passed"] &= passed
        for module, bits in lines.ran().items():
            entry["lines"][module] = entry["lines"].get(module, 0) | bits
        lines.begin()
        report({})
    for test, entry in found.items():
        if entry.pop("passed"):
            entry["seconds"] = round(entry["seconds"], 4)
            entry["lines"] = {module: f"{bits:x}" for module, bits in entry["lines"].items()}
            report({"test": test, "entry": entry})


class Records:
    """What was measured, kept in a file: for each test file a key of the code and its text, and its tests."""

    def __init__(self, path: Path, files: Iterable[str]) -> None:
        self._path = path
        self._known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        code = _digest(path for folder in (*FOLDERS, "nodes", "viz") for path in Path(folder).rglob("*.py"))
        code += _digest(path for path in Path("tests").glob("*.py") if not path.name.startswith("test_"))
        self._keys = {file: code + _digest([Path(file)]) for file in files}

    @property
    def stale(self) -> list[str]:
        """The files that must be measured."""
        return [file for file, key in self._keys.items() if self._known.get(file, {}).get("key") != key]

    def add(self, file: str, tests: dict[str, Any]) -> None:
        """Keep what was measured of a file."""
        self._known[file] = {"key": self._keys[file], "tests": tests}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._known))

    def cover(self) -> Cover:
        """The cover by all files that were measured."""
        return Cover(entry for file in self._keys for entry in self._known.get(file, {"tests": {}})["tests"].items())


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha1()
    for path in sorted(paths):
        digest.update(path.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
