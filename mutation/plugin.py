"""A pytest plugin: writes which lines each test runs, or runs chosen tests in a given order.

MUTATION_RECORD names a file to write to, MUTATION_CHOICE one with the wanted tests, in order, and the seconds after
which each counts as hanging. A test is a function: its parameters don't count.
"""

from __future__ import annotations

import _thread
import json
import os
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from hypothesis import Phase, settings

EXAMPLES = 15
"""How many of Hypothesis' examples are measured."""


def test_of(item: pytest.Item) -> str:
    """The test that an item belongs to."""
    return item.nodeid.split("[")[0]


class Recorder:
    """Measures the engine's and the scheduler's lines under each test."""

    def __init__(self, path: Path) -> None:
        self._path = path
        here = Path.cwd()
        self._cover = Coverage(
            data_file=None,
            config_file=False,
            include=[f"{here}/engine/*", f"{here}/scheduler/*"],
            concurrency=["thread", "greenlet"],
        )
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._cover.start()
        _trace_all_threads()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Lets Hypothesis try few examples, also where a test asks for many: tracing is slow."""
        for item in items:
            function = getattr(item, "obj", None)
            function = getattr(function, "__func__", function)
            if (asked := getattr(function, "_hypothesis_internal_use_settings", None)) is not None:
                few = settings(asked, max_examples=min(EXAMPLES, asked.max_examples), phases=[Phase.generate])
                function._hypothesis_internal_use_settings = few  # type: ignore[union-attr]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Lines that run from here on belong to this test."""
        self._cover.switch_context(test_of(item))
        result = yield
        self._cover.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds up the time of a test, and notes whether it fails."""
        test = report.nodeid.split("[")[0]
        self._seconds[test] = self._seconds.get(test, 0.0) + report.duration
        if report.failed:
            self._failed.add(test)

    def pytest_sessionfinish(self) -> None:
        """Writes the record: of each passing test its seconds, and of each file the lines, as bits."""
        self._cover.stop()
        data, here = self._cover.get_data(), Path.cwd().resolve()
        lines: dict[str, dict[str, int]] = {}
        for file in data.measured_files():
            module = Path(file).resolve().relative_to(here).as_posix()
            for line, tests in data.contexts_by_lineno(file).items():
                for test in tests:
                    covered = lines.setdefault(test, {})
                    covered[module] = covered.get(module, 0) | 1 << line
        record = {
            test: {
                "seconds": round(seconds, 4),
                "lines": {module: f"{bits:x}" for module, bits in lines.get(test, {}).items()},
            }
            for test, seconds in self._seconds.items()
            if test not in self._failed
        }
        self._path.write_text(json.dumps(record))


def _trace_all_threads() -> None:
    """The pool starts its threads by `_thread`, where no tracer follows."""
    start = _thread.start_new_thread
    hook = threading._trace_hook  # type: ignore[attr-defined]

    def start_traced(function: Callable[..., object], args: tuple[Any, ...], *more: Any) -> int:
        def traced(*args: Any, **kwargs: Any) -> None:
            sys.settrace(hook)
            function(*args, **kwargs)

        return start(traced, args, *more)

    _thread.start_new_thread = start_traced


class Choice:
    """Keeps the wanted tests, in their order."""

    def __init__(self, path: Path) -> None:
        self._limits: dict[str, float] = json.loads(path.read_text())
        self._rank = {test: rank for rank, test in enumerate(self._limits)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Drops and sorts."""
        items[:] = sorted((item for item in items if test_of(item) in self._rank), key=self._ranked)
        for item in items:
            item.add_marker(pytest.mark.timeout(self._limits[test_of(item)]), append=False)

    def _ranked(self, item: pytest.Item) -> int:
        return self._rank[test_of(item)]


def pytest_configure(config: pytest.Config) -> None:
    """Takes up what the environment asks for."""
    if record := os.environ.get("MUTATION_RECORD"):
        config.pluginmanager.register(Recorder(Path(record)))
    if choice := os.environ.get("MUTATION_CHOICE"):
        config.pluginmanager.register(Choice(Path(choice)))
