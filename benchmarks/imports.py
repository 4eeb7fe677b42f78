"""How long the import takes in an interpreter that has just started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measuring import Contender, Effort, side_by_side
from benchmarks.reporting import Row, excess

TIMED = "from time import perf_counter; start = perf_counter(); {}; print(perf_counter() - start)"


def importing(statement: str) -> Contender:
    """A contender that runs an import statement in interpreters of its own."""

    def take(number: int) -> float:
        command = [sys.executable, "-c", TIMED.format(statement)]
        runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(number)]
        return sum(float(run.stdout) for run in runs)

    return take


def nodes(effort: Effort) -> Iterator[Row]:
    """What the import of the nodes takes beyond that of the libraries which they build on."""
    ours = importing("from anabranch.nodes import RunnableLambda")
    libraries = importing("import networkx, pydantic")
    yield excess(
        "import of RunnableLambda, beyond networkx and pydantic",
        *side_by_side(ours, libraries, effort, 1),
        "ms",
        60.0,
    )
