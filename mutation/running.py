"""Runs collected tests as pytest would, one at a time, in the order that is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import Phase, settings

OPTIONS = (
    *("-q", "-s", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:benchmark"),
    *("-o", "patience=0", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


class AtHand:
    """A plugin that hands the collected tests over instead of running them."""

    def __init__(self, work: Callable[[list[pytest.Item]], None]) -> None:
        self._work = work

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Do the work; True says that it was done."""
        self._work(session.items)
        return True


def collect(files: Sequence[str], work: Callable[[list[pytest.Item]], None]) -> None:
    """Collect the tests of some files, and do something with them before pytest ends.

    Raises:
        SystemExit: when a file can't be collected.
    """
    code = pytest.main([*OPTIONS, *files], plugins=[AtHand(work)])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(f"pytest ended with {code!r}")


def run(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, float, bool]]:
    """Run tests: each with its seconds, and whether it passed."""
    for item, following in zip(items, (*items[1:], None), strict=True):
        failed, start = item.session.testsfailed, time.perf_counter()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        yield item, time.perf_counter() - start, item.session.testsfailed == failed


def test_of(item: pytest.Item) -> str:
    """The test function that an item belongs to: its parameters don't count."""
    return item.nodeid.split("[")[0]


def let_hypothesis(items: Sequence[pytest.Item], most: int) -> None:
    """Let Hypothesis try at most so many examples, and not look for the smallest that fails."""
    for item in items:
        function = getattr(item, "obj", None)
        function = getattr(function, "__func__", function)
        if (asked := getattr(function, "_hypothesis_internal_use_settings", None)) is not None:
            phases = [Phase.explicit, Phase.generate]
            few = settings(asked, max_examples=min(most, asked.max_examples), phases=phases)
            function._hypothesis_internal_use_settings = few  # type: ignore[union-attr]
