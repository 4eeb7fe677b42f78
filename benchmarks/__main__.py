"""Measures every case and prints one table: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import batches, branches, chains, imports, law_checks, reporting, simulations, streams, tracing
from benchmarks.measuring import FULL, QUICK, Effort
from benchmarks.reporting import Row, Verdict

Case = Callable[[Effort], Iterator[Row]]

CASES: dict[str, Case] = {
    "chains.invoke": chains.invoke,
    "chains.ainvoke": chains.ainvoke,
    "chains.ainvoke_of_functions": chains.ainvoke_of_functions,
    "branches.threads": branches.fan,
    "branches.asyncio": branches.async_fan,
    "branches.sleeping_dag": branches.sleeping_dag,
    "branches.wired_ports": branches.wired_ports,
    "batches.capped": batches.capped_batch,
    "batches.asyncio": batches.async_batch,
    "streams.hops": streams.hops,
    "streams.first_chunk": streams.first_chunk,
    "streams.memory": streams.memory,
    "batches.runs_at_once": batches.runs_at_once,
    "tracing.listened": tracing.listened,
    "tracing.events": tracing.events,
    "tracing.logs": tracing.logs,
    "tracing.pace": tracing.pace,
    "tracing.memory": tracing.memory,
    "laws.check": law_checks.function,
    "chains.compose": chains.compose,
    "simulations.interleavings": simulations.interleavings,
    "imports.nodes": imports.nodes,
}


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="PATTERN", default="", help="run the cases whose name matches")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer: a look, not a measurement")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a figure is missed")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows to a file, too")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    return parser.parse_args()


def rows_of(name: str, effort: Effort) -> Iterator[Row]:
    """The rows of a case; one that breaks down gives a row that says so, and the others go on."""
    try:
        yield from CASES[name](effort)
    except Exception as error:
        yield Row(name, failure=f"{type(error).__name__}: {error}")


def main() -> int:
    """Measure and print. The exit status is 2 if a case broke down, 1 if `--check` found a figure missed."""
    options = arguments()
    names = [name for name in CASES if re.search(options.only, name)]
    if options.list:
        print(*names, sep="\n")
        return 0
    print(reporting.heading(), flush=True)
    rows: list[Row] = []
    for name in names:
        for row in rows_of(name, QUICK if options.quick else FULL):
            rows.append(row)
            print(reporting.line(row), flush=True)
    print(f"\n{reporting.summary(rows)}")
    if options.json:
        reporting.write_json(rows, options.json)
    verdicts = {row.verdict for row in rows}
    if Verdict.CRASHED in verdicts:
        return 2
    return int(options.check and Verdict.MISSED in verdicts)


if __name__ == "__main__":
    raise SystemExit(main())
