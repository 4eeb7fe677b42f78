"""Tries mutants of the engine and the scheduler: `python -m mutation`, or `make mutants`.

A random sample is tried, each mutant by the tests that run its lines. What came of them is kept in .cache/mutants, so a
run goes on where the last one stopped; `--again` tries the survivors anew once there are more tests. The report goes
to docs/mutants.md, with the reasons from mutation/reasons.toml.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from mutation.covering import Cover, measure
from mutation.population import Mutant, population
from mutation.report import page, read_reasons, summary
from mutation.trees import Tree
from mutation.trials import Ledger, Verdict, control, try_mutant

HOME = Path.cwd()
CACHE = HOME / ".cache" / "mutants"
REASONS = HOME / "mutation" / "reasons.toml"
PAGE = HOME / "docs" / "mutants.md"
RESULTS = "<!-- what follows is written by `make mutants` -->"


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="how many mutants are drawn (300)")
    parser.add_argument("--all", action="store_true", help="try all mutants: this takes days")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (1)")
    parser.add_argument("--only", default="", metavar="PATH", help="only files whose path has this")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at once (2)")
    parser.add_argument("--seconds", type=float, default=60, help="of tests a mutant, the fastest first (60)")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no trial after so long")
    parser.add_argument("--again", action="store_true", help="try those anew that survived")
    parser.add_argument("--report", action="store_true", help="try none, only write the report")
    return parser.parse_args()


def main() -> None:
    """Draw, try, and write the report."""
    given, start = arguments(), time.monotonic()
    everything = population(HOME, given.only)
    drawn = everything if given.all else draw(everything, given.sample, given.seed)
    ledger = Ledger(CACHE / "verdicts.jsonl")
    names = [mutant.name(HOME) for mutant in drawn]
    due = (
        []
        if given.report
        else [
            mutant
            for mutant, name in zip(drawn, names, strict=True)
            if name not in ledger.verdicts or (given.again and not ledger.verdicts[name].killed)
        ]
    )
    if due:
        with tempfile.TemporaryDirectory(prefix="mutants") as folder, ExitStack() as stack:
            cover = measure(HOME, Path(folder) / "measured", CACHE / "cover.json")
            trees = [stack.enter_context(Tree(HOME, Path(folder) / str(job))) for job in range(given.jobs)]
            for tree in trees:
                control(tree, cover, given.seed)
            for verdict in trials(due, cover, trees, given.seconds, start + 60 * given.minutes):
                ledger.add(verdict)
                print(f"{verdict.name} {verdict.how:9} {verdict.module}:{verdict.line} {verdict.by}", flush=True)
    found = [ledger.verdicts[name] for name in dict.fromkeys(names) if name in ledger.verdicts]
    print(summary(found))
    if not given.only:
        sample = "all" if given.all else f"`--sample {given.sample} --seed {given.seed}`, {len(found)} tried"
        write(page(found, len(everything), sample, read_reasons(REASONS)))


def draw(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """A random sample; a larger one of the same seed begins with the smaller one."""

    def lot(mutant: Mutant) -> float:
        return random.Random(f"{seed} {mutant.module} {mutant.change} {mutant.occurrence}").random()

    return sorted(mutants, key=lot)[:count]


def trials(mutants: list[Mutant], cover: Cover, trees: list[Tree], seconds: float, end: float) -> Iterator[Verdict]:
    """The verdicts as they come, one trial at a time in each tree, none begun after `end`."""
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def one(mutant: Mutant) -> Verdict | None:
        if time.monotonic() > end:
            return None
        tree = free.get()
        try:
            return try_mutant(tree, HOME, mutant, cover, seconds)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        yield from filter(None, pool.map(one, mutants))


def write(results: str) -> None:
    """Put the results below the introduction of the page."""
    head = PAGE.read_text().split(RESULTS)[0] if PAGE.exists() else "# Mutants\n\n"
    PAGE.write_text(f"{head}{RESULTS}\n\n{results}")


if __name__ == "__main__":
    main()
