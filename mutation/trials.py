"""Trials: a mutant, the tests that run its lines, and whether one of them fails."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mutation.covering import Cover, Test
from mutation.population import Mutant
from mutation.trees import Tree

START = 15.0
"""Seconds that pytest may take to start and collect on a busy machine."""
SLOWER = 8.0
"""How many times longer than measured a test may take before it counts as hanging, and"""
PATIENCE = 20.0
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


@dataclass
class Ledger:
    """The verdicts so far, kept in a file of one JSON object a line; the last about a mutant counts."""

    path: Path
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                verdict = Verdict(**json.loads(line))
                self.verdicts[verdict.name] = verdict

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        self.verdicts[verdict.name] = verdict
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(verdict)) + "\n")


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


def attempt(tree: Tree, tests: list[Test]) -> tuple[str, str]:
    """Run tests in a tree: how it went, as in a verdict, and the test that failed or hung."""
    choice = tree.root / "choice"
    choice.write_text(json.dumps({test.name: PATIENCE + SLOWER * test.seconds for test in tests}))
    code, output = tree.run(
        {test.file for test in tests},
        START + PATIENCE + SLOWER * sum(test.seconds for test in tests),
        ("-x", "--tb=no", "-rfE", "--no-header"),
        {"MUTATION_CHOICE": str(choice)},
    )
    if code == 0:
        return "survived", ""
    if code == 5:
        raise RuntimeError(f"no test was found:\n{output}")
    if code is None or "+ Timeout +" in output:
        return "hung", ", ".join(dict.fromkeys(re.findall(r"in (test_\w+)", output)))
    named = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR", "E  ", "ImportError"))]
    return "failed", named[0].split(" - ")[0].split(" ", 1)[-1] if named else f"exit {code}"


def try_mutant(tree: Tree, source: Path, mutant: Mutant, cover: Cover, seconds: float) -> Verdict:
    """The verdict on a mutant, by so many seconds of tests."""
    old, new = mutant.differs(source)
    covering = cover.of(mutant)
    tests = chosen(covering, seconds)
    how, by = "uncovered", ""
    if tests:
        with tree.changed(mutant.module, mutant.mutated(source)):
            how, by = attempt(tree, tests)
    return Verdict(
        name=mutant.name(source),
        module=mutant.module,
        function=mutant.function,
        line=mutant.place[0][0],
        change=mutant.change,
        old=old,
        new=new,
        how=how,
        by=by,
        tests=len(tests),
        seconds=round(sum(test.seconds for test in tests), 1),
    )


def control(tree: Tree, cover: Cover, seed: int) -> None:
    """Some tests must pass in a tree where nothing was changed, or every verdict would be worthless.

    Raises:
        SystemExit: when one fails.
    """
    tests = chosen(random.Random(seed).sample(cover.tests, min(150, len(cover.tests))), 20)
    how, by = attempt(tree, tests)
    if how != "survived":
        raise SystemExit(f"without any change the tests {how}: {by}")
