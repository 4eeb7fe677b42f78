"""Trials: a mutant, the tests that run its lines, and whether one of them fails."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from mutation.covering import Test
from mutation.forks import Fork, Message, Report
from mutation.population import Mutant
from mutation.running import let_hypothesis, run, test_of

SLOWER = 8.0
"""How many times longer than measured a test may take before it counts as hanging, and"""
PATIENCE = 10.0
"""so many seconds more."""


@dataclass(frozen=True)
class Verdict:
    """What came of a mutant: `how` is "failed" (a test, named in `by`), "hung", "survived" or "uncovered"."""

    name: str
    module: str
    function: str
    line: int
    change: str
    old: str
    new: str
    how: str
    by: str = ""
    tests: int = 0
    seconds: float = 0.0

    @property
    def killed(self) -> bool:
        """Whether the tests noticed."""
        return self.how in ("failed", "hung")

    @property
    def void(self) -> bool:
        """Whether the test that noticed fails without a change, too."""
        return self.how == "void"


@dataclass
class Ledger:
    """The verdicts so far, kept in a file of one JSON object a line; the last about a mutant counts."""

    path: Path
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.read()

    def read(self) -> None:
        """Take up what stands in the file."""
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                verdict = Verdict(**json.loads(line))
                self.verdicts[verdict.name] = verdict

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict, and say it."""
        self.verdicts[verdict.name] = verdict
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(verdict)) + "\n")
        print(f"{verdict.name} {verdict.how:9} {verdict.module}:{verdict.line} {verdict.by}", flush=True)
        if not verdict.killed:
            print(f"    - {verdict.old}\n    + {verdict.new}", flush=True)


def chosen(tests: Iterable[Test], seconds: float) -> list[Test]:
    """The fastest tests that together take at most so long; at least one."""
    kept: list[Test] = []
    total = 0.0
    for test in tests:
        total += test.seconds
        if kept and total > seconds:
            break
        kept.append(test)
    return kept


def in_few_files(tests: Iterable[Test], count: int) -> list[Test]:
    """Those of the first files only."""
    kept: dict[str, list[Test]] = defaultdict(list)
    for test in tests:
        file = test.name.split("::")[0]
        if file in kept or len(kept) < count:
            kept[file].append(test)
    return sorted((test for them in kept.values() for test in them), key=lambda test: test.seconds)


def attempt(items: Sequence[pytest.Item], tests: Sequence[Test], report: Report) -> None:
    """Run tests, announcing each with the time that it may take, until one fails."""
    of = defaultdict(list)
    for item in items:
        of[test_of(item)].append(item)
    wanted = {test.name: PATIENCE + SLOWER * test.seconds for test in tests}
    chosen_items = [item for name in wanted for item in of[name]]
    let_hypothesis(chosen_items, 1000)

    def tell(at: int) -> None:
        if at < len(chosen_items):
            name = test_of(chosen_items[at])
            report({"test": name, "within": wanted[name]})

    tell(0)
    for at, (item, _, passed) in enumerate(run(chosen_items), 1):
        if not passed:
            report({"failed": test_of(item)})
            return
        tell(at)
    report({"survived": len(chosen_items)})


def judge(mutant: Mutant, tests: Sequence[Test], fork: Fork[Mutant] | None = None) -> Verdict:
    """The verdict by what a fork said that ran these tests; without a fork, no test runs the lines."""
    how, by = ("uncovered", "") if fork is None else _ending(fork)
    old, new = mutant.differs
    seconds = round(sum(test.seconds for test in tests), 1)
    line = mutant.place[0][0]
    return Verdict(
        mutant.name, mutant.module, mutant.function, line, mutant.change, old, new, how, by, len(tests), seconds
    )


def _ending(fork: Fork[Mutant]) -> tuple[str, str]:
    last: Message = fork.words[-1] if fork.words else {}
    if fork.hung:
        return "hung", last.get("test", "")
    if "survived" in last:
        return "survived", ""
    return "failed", last.get("failed") or f"{last.get('test', '')} (exit {fork.exit})"
