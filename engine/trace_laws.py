"""Laws of tracing, as plain functions: each takes the facts of a run and raises where the law is broken.

A fact is `(what, run, data)`, with `what` one of `started`, `chunk`, `ended`, `failed`, `told`. `Recorder` is a
listener that keeps them in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any

from anabranch.engine.chunks import Accumulator, Algebra
from anabranch.engine.law_outcomes import Outcome
from anabranch.engine.runs import MISSING, Listener, RunInfo

Fact = tuple[str, RunInfo, tuple[Any, ...]]

TERMINAL = frozenset({"ended", "failed"})


class Recorder(Listener):
    """Keeps all facts, in the order in which they were told."""

    inline = True

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self._lock = Lock()

    def _keep(self, what: str, run: RunInfo, *data: Any) -> None:
        with self._lock:
            self.facts.append((what, run, data))

    def started(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._keep("started", run)

    def chunk(self, run: RunInfo, chunk: Any) -> None:
        """See `Listener`."""
        self._keep("chunk", run, chunk)

    def ended(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._keep("ended", run)

    def failed(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._keep("failed", run)

    def told(self, run: RunInfo, what: str, *data: Any) -> None:
        """See `Listener`."""
        self._keep("told", run, what, *data)


def one_start_and_one_end(facts: Sequence[Fact]) -> None:
    """Every run has exactly one start and exactly one terminal fact."""
    starts = Counter(run for what, run, _ in facts if what == "started")
    ends = Counter(run for what, run, _ in facts if what in TERMINAL)
    for run in {run for _, run, _ in facts}:
        assert starts[run] == 1, f"{run!r} started {starts[run]} times"
        assert ends[run] == 1, f"{run!r} has {ends[run]} terminal facts"


def all_between_start_and_end(facts: Sequence[Fact]) -> None:
    """A run's chunks, and what it tells, come after its start and before its terminal fact."""
    running: set[RunInfo] = set()
    for what, run, _ in facts:
        if what == "started":
            running.add(run)
        assert run in running, f"{run!r}: {what} outside of its start and end"
        if what in TERMINAL:
            running.discard(run)


def well_nested(facts: Sequence[Fact]) -> None:
    """A parent starts before its children and ends after them."""
    running: set[RunInfo] = set()
    for what, run, _ in facts:
        parent = run.parent
        if what == "started":
            assert parent is None or parent in running, f"{run!r} started outside of its parent {parent!r}"
            running.add(run)
        if what in TERMINAL:
            left = [child for child in running if child.parent is run]
            assert not left, f"{run!r} ended before its children {left!r}"
            running.discard(run)


def root_chunks_fold_to_its_output(facts: Sequence[Fact], algebra: Algebra | None = None) -> None:
    """The root's chunks fold to the root's output, where it made any."""
    root = facts[0][1]
    total = Accumulator(algebra)
    for what, run, data in facts:
        if what == "chunk" and run is root:
            total.push(data[0])
    if root.error is None and root.output is not MISSING and not total.empty:
        assert Outcome(total.value).is_as(Outcome(root.output)), (
            f"the chunks of {root!r} fold to {total.value!r}, not {root.output!r}"
        )


def failure_reaches_the_root(facts: Sequence[Fact], error: BaseException | None) -> None:
    """The root fails with what the call raised, if it did, and so does every run around one that failed with that."""
    root = facts[0][1]
    assert root.error is error, f"the call raised {error!r}, and {root!r} has {root.error!r}"
    for what, run, _ in facts:
        assert what != "ended" or run.error is None, f"{run!r} was told to have ended, with {run.error!r}"
        if what == "failed" and error is not None and run.error is error and run.parent is not None:
            assert run.parent.error is error, f"{run!r} failed with {error!r}, but not {run.parent!r} around it"


def one_tree(facts: Sequence[Fact]) -> None:
    """All facts are those of one tree of runs."""
    roots = set()
    for _, run, _ in facts:
        at = run
        while at.parent is not None:
            at = at.parent
        roots.add(at)
    assert len(roots) <= 1, f"facts of several trees: {roots!r}"


def outline(facts: Sequence[Fact]) -> Counter[tuple[Any, ...]]:
    """What happened to which runs, whatever the order: names from the root down, and tags."""

    def path(run: RunInfo) -> tuple[str, ...]:
        names = []
        at: RunInfo | None = run
        while at is not None:
            names.append(at.name)
            at = at.parent
        return tuple(reversed(names))

    return Counter((what, path(run), tuple(run.tags), run.run_type) for what, run, _ in facts)


LAWS = (one_start_and_one_end, all_between_start_and_end, well_nested, one_tree)


def check_facts(facts: Sequence[Fact]) -> None:
    """All laws that hold for the facts of any run."""
    for law in LAWS:
        law(facts)
