"""How mutants are tried: what functions do in forks of a process that has collected all tests, the rest in new ones."""

from __future__ import annotations

import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mutation.covering import ELSEWHERE, Cover, Lines, Records, Test, files_of_modules, record
from mutation.forks import Fork, Report, run_forks
from mutation.population import Mutant
from mutation.running import collect, let_hypothesis
from mutation.swapping import Functions, import_as
from mutation.trials import Ledger, attempt, chosen, in_few_files, judge

EXAMPLES = 15
"""How many of Hypothesis' examples are measured."""
MOST_FILES = 12
"""Test files for a mutant of what imports run: a new process collects them for each."""

Body = Callable[[Report], None]


class Work:
    """One run of the trials: `jobs` at once, each by so many seconds of tests, none begun after `end`."""

    def __init__(self, cache: Path, ledger: Ledger, jobs: int, seconds: float, end: float) -> None:
        files = sorted(path.as_posix() for path in Path("tests").glob("test_*.py"))
        self._files = [file for file in files if not ELSEWHERE.search(file)]
        self._cache = cache / "cover.json"
        self._ledger, self._jobs, self._seconds, self._end = ledger, jobs, seconds, end

    def on(self, mutants: Sequence[Mutant]) -> None:
        """Try these, while there is time.

        Raises:
            SystemExit: when the tests can't be collected, or fail where nothing was changed.
        """
        if not mutants:
            return
        sys.path.insert(0, str(Path.cwd()))
        late = self._in_a_fork(lambda report: self._host(mutants, report))
        cover = Records(self._cache, self._files).cover()
        rest = [mutant for mutant in mutants if mutant.imported or mutant.name in late]
        if rest:
            self._control_imports(rest[0], cover)
            self._try(self._imported(rest, cover))

    def _in_a_fork(self, body: Body) -> set[str]:
        """The names of mutants that a process with all tests reports to be none of its own."""
        (fork,) = run_forks([("host", body)], 1, quiet=False)
        self._ledger.read()
        if fork.exit or fork.hung:
            raise SystemExit("the process with the tests ended early")
        return {word["late"] for word in fork.words if "late" in word}

    def _host(self, mutants: Sequence[Mutant], report: Report) -> None:
        report({"within": float("inf")})

        def work(items: list[pytest.Item]) -> None:
            functions = Functions()
            cover = self._measured(items, functions)
            self._control(items, cover)
            here = [mutant for mutant in mutants if not mutant.imported]
            for late in self._try(self._swapped(here, items, functions, cover)):
                report({"late": late.name})
            self._doubt(here, items, cover)

        collect(self._files, work)

    def _measured(self, items: Sequence[pytest.Item], functions: Functions) -> Cover:
        """What all tests cover, by measuring what isn't known."""
        records = Records(self._cache, self._files)
        lines = Lines(functions) if (stale := records.stale) else None
        of = defaultdict(list)
        for item in items:
            of[item.nodeid.split("::")[0]].append(item)

        def measure(file: str) -> Body:
            def body(report: Report) -> None:
                assert lines is not None
                let_hypothesis(of[file], EXAMPLES)
                record(of[file], lines, report)

            return body

        for number, fork in enumerate(run_forks(((file, measure(file)) for file in stale), self._jobs), 1):
            if fork.exit or fork.hung:
                raise SystemExit(f"{fork.key} {'hung' if fork.hung else 'ended'}: {fork.words[-1:]}")
            records.add(fork.key, {word["test"]: word["entry"] for word in fork.words if "test" in word})
            print(f"measured {fork.key}, {number} of {len(stale)}", flush=True)
        return records.cover()

    def _control_imports(self, mutant: Mutant, cover: Cover) -> None:
        """The same for processes that import what was changed."""
        unchanged = replace(mutant)
        unchanged.__dict__["mutated"] = mutant.text
        (trial,) = self._imported([unchanged], cover)
        (fork,) = run_forks([("control", trial[2])], 1)
        if "survived" not in fork.words[-1]:
            raise SystemExit(f"where nothing was changed the tests failed: {fork.words[-1:]}")

    def _control(self, items: Sequence[pytest.Item], cover: Cover) -> None:
        """Some tests must pass in a fork where nothing was changed, or every verdict would be worthless."""
        tests = chosen(random.Random(0).sample(cover.tests, min(300, len(cover.tests))), 30)
        (fork,) = run_forks([("control", lambda report: attempt(items, tests, report))], 1)
        if not fork.words or "survived" not in fork.words[-1]:
            raise SystemExit(f"without any change the tests failed: {fork.words[-1:]}")

    def _doubt(self, mutants: Iterable[Mutant], items: Sequence[pytest.Item], cover: Cover) -> None:
        """Void are the verdicts by tests that fail, once more and as busy as then, where nothing was changed."""
        names = {mutant.name for mutant in mutants}
        killed = [verdict for name, verdict in self._ledger.verdicts.items() if name in names and verdict.killed]
        killers = {verdict.by for verdict in killed}
        alone = ((test.name, _only(test, items)) for test in cover.tests if test.name in killers)
        wrong = {fork.key for fork in run_forks(alone, self._jobs) if "survived" not in fork.words[-1]}
        for verdict in killed:
            if verdict.by in wrong:
                self._ledger.add(replace(verdict, how="void"))

    def _swapped(
        self, mutants: Iterable[Mutant], items: Sequence[pytest.Item], functions: Functions, cover: Cover
    ) -> Iterator[tuple[Mutant, list[Test], Body]]:
        files = {module: file for file, module in files_of_modules()}
        for mutant in mutants:
            tests = chosen(cover.of(mutant), self._seconds)
            yield mutant, tests, _swap(mutant, files[mutant.module], tests, items, functions)

    def _imported(self, mutants: Iterable[Mutant], cover: Cover) -> Iterator[tuple[Mutant, list[Test], Body]]:
        for mutant in mutants:
            tests = chosen(in_few_files(cover.of(mutant), MOST_FILES), self._seconds)
            yield mutant, tests, _import(mutant, tests)

    def _try(self, trials: Iterable[tuple[Mutant, list[Test], Body]]) -> list[Mutant]:
        """Try them, and return those that must be imported to be tried."""
        tests: dict[str, list[Test]] = {}
        late = []

        def due() -> Iterator[tuple[Mutant, Body]]:
            for mutant, mine, body in trials:
                if time.monotonic() > self._end:
                    return
                tests[mutant.name] = mine
                if mine:
                    yield mutant, body
                else:
                    self._ledger.add(judge(mutant, mine))

        for fork in run_forks(due(), self._jobs):
            if _must_be_imported(fork):
                late.append(fork.key)
            else:
                self._ledger.add(judge(fork.key, tests.pop(fork.key.name), fork))
        return late


def _swap(mutant: Mutant, file: str, tests: Sequence[Test], items: Sequence[pytest.Item], functions: Functions) -> Body:
    def body(report: Report) -> None:
        if functions.swap(file, mutant.text, mutant.mutated):
            attempt(items, tests, report)
        else:
            report({"must be imported": True})

    return body


def _only(test: Test, items: Sequence[pytest.Item]) -> Body:
    return lambda report: attempt(items, [test], report)


def _must_be_imported(fork: Fork[Any]) -> bool:
    return bool(fork.words and fork.words[-1].get("must be imported"))


def _import(mutant: Mutant, tests: Sequence[Test]) -> Body:
    files = sorted({test.name.split("::")[0] for test in tests})

    def body(report: Report) -> None:
        import_as(mutant.imported_as, mutant.mutated)
        try:
            collect(files, lambda items: attempt(items, tests, report))
        except BaseException:
            report({"failed": "what imports run"})

    return body
