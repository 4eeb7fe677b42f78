"""How long it takes to check a node by all laws, in seconds of the processor."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from time import process_time

from hypothesis import strategies as st

from anabranch.nodes.laws import assert_laws
from benchmarks.measuring import Effort
from benchmarks.reporting import Row, limit


def shout(text: str) -> str:
    """A simple step."""
    return text.upper()


def function(effort: Effort) -> Iterator[Row]:
    """All laws that apply to a function, with inputs that are drawn."""
    took: list[float] = []
    for _ in range(1 + effort.sized(4)):
        start = process_time()
        assert_laws(shout, st.text())
        took.append(process_time() - start)
    yield limit("check_laws of a function, by all laws, 50 inputs drawn for each", median(took), "s", 2.0)
