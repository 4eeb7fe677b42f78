"""Tries mutants of the engine and the scheduler: `python -m mutation`, or `make mutants`.

A random sample is tried, each mutant by the tests that run its lines. What came of them is kept in .cache/mutants, so a
run goes on where the last one stopped; `--again` tries the survivors anew once there are more tests. The report goes
to docs/mutants.md, with the reasons from mutation/reasons.toml.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from pathlib import Path

from mutation.covering import monitoring
from mutation.population import Mutant, population
from mutation.report import page, read_reasons, summary
from mutation.trials import Ledger
from mutation.working import Work

CACHE = Path(".cache/mutants")
REASONS = Path("mutation/reasons.toml")
PAGE = Path("docs/mutants.md")
RESULTS = "<!-- what follows is written by `make mutants` -->"


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="how many mutants are drawn (300)")
    parser.add_argument("--all", action="store_true", help="try all mutants: this takes hours")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (1)")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="just these, known from the report, tried anew")
    parser.add_argument("--only", default="", metavar="PATH", help="only files whose path has this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many are tried at once (all cores)")
    parser.add_argument("--seconds", type=float, default=20, help="of tests a mutant, the fastest first (20)")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no trial after so long")
    parser.add_argument("--again", action="store_true", help="try those anew that survived")
    parser.add_argument("--report", action="store_true", help="try none, only write the report")
    return parser.parse_args()


def main() -> None:
    """Draw, try, and write the report."""
    given = arguments()
    if monitoring is None:
        raise SystemExit("make mutants needs Python 3.12 or newer: make clean; make PYTHON=python3.12 mutants")
    os.environ |= {"CI": "1", "HYPOTHESIS_PROFILE": "ci"}
    ledger = Ledger(CACHE / "verdicts.jsonl")
    everything = population(Path(), given.only)
    drawn = everything if given.all else draw(everything, given.sample, given.seed)
    if given.names:
        modules = {ledger.verdicts[name].module for name in given.names if name in ledger.verdicts}
        drawn = [each for each in everything if each.module in modules and each.name in given.names]
    if not given.report:
        known = {name for name, each in ledger.verdicts.items() if each.killed or not (each.void or given.again)}
        work = Work(CACHE, ledger, given.jobs, given.seconds, time.monotonic() + 60 * given.minutes)
        work.on([mutant for mutant in drawn if given.names or mutant.name not in known])
    names = dict.fromkeys(mutant.name for mutant in drawn)
    found = [ledger.verdicts[name] for name in names if name in ledger.verdicts]
    print(summary(found))
    if not (given.only or given.names):
        sample = "all" if given.all else f"`--sample {given.sample} --seed {given.seed}`, {len(found)} tried"
        write(page(found, len(everything), sample, read_reasons(REASONS)))


def draw(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """A random sample; a larger one of the same seed begins with the smaller one."""

    def lot(mutant: Mutant) -> float:
        return random.Random(f"{seed} {mutant.module} {mutant.change} {mutant.occurrence}").random()

    return sorted(mutants, key=lot)[:count]


def write(results: str) -> None:
    """Put the results below the introduction of the page."""
    head = PAGE.read_text().split(RESULTS)[0] if PAGE.exists() else "# Mutants\n\n"
    PAGE.write_text(f"{head}{RESULTS}\n\n{results}")


if __name__ == "__main__":
    main()
