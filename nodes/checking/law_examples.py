"""What laws are checked with: given values, one after the other, or a Hypothesis strategy's, the smallest that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from anabranch.engine.verb_laws import copied
from anabranch.nodes.checking.law_table import LawsError, Takes
from anabranch.nodes.extras import import_extra
from anabranch.nodes.runnables import Runnable

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MOST_CUTS = 8
SAMPLES = 3
"""A law whose check takes long is checked with so many inputs."""


class Failure(Exception):
    """What a law was broken by: the example, and what it raised."""

    def __init__(self, example: Any, error: BaseException) -> None:
        super().__init__(example, error)
        self.example = example
        self.error = error


class Examples(Protocol):
    """Where examples come from."""

    def check(self, takes: Takes, law: Callable[[Any], None], share: int = 1) -> int:
        """Check a law with examples of a kind, and answer with how many.

        Args:
            takes: the kind.
            law: raises when an example breaks it.
            share: one of so many examples will do.

        Raises:
            Failure: with the smallest example that breaks it.
        """


class GivenValues:
    """Values that were given, in order. Chunks are made of each by cutting it in many ways."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = list(values)
        if not self.values:
            raise LawsError("there is no input to check the laws with; give some values, or a Hypothesis strategy")

    def check(self, takes: Takes, law: Callable[[Any], None], share: int = 1) -> int:
        """See `Examples`."""
        count = 0
        for count, example in enumerate(self._of(takes), 1):  # noqa: B007
            tried(law, example)
        return count

    def _of(self, takes: Takes) -> Iterator[Any]:
        if takes == "value":
            yield from self.values
        elif takes == "samples":
            yield from self.values[:SAMPLES]
        elif takes == "chunks":
            for value in self.values:
                yield from cuts(value)
        else:
            if takes == "values":
                yield from ([value] for value in self.values)
            yield self.values


class DrawnValues:
    """Values of a strategy. An example that breaks a law is shrunk to the smallest that does."""

    def __init__(self, strategy: SearchStrategy[Any], max_examples: int, seed: int | None) -> None:
        self.strategy = strategy
        self.max_examples = max_examples
        self.seed = seed

    def check(self, takes: Takes, law: Callable[[Any], None], share: int = 1) -> int:
        """See `Examples`."""
        from hypothesis import strategies as st

        most = max(5, self.max_examples // share)
        if takes == "samples":
            few: list[Any] = []
            self._run(st.lists(self.strategy, min_size=SAMPLES, max_size=SAMPLES), few.append, 3)
            return GivenValues([value for values in few for value in values][-SAMPLES:]).check("value", law)
        if takes == "all":
            every: list[Any] = []
            self._run(self.strategy, every.append, self.max_examples)
            return GivenValues(every).check("all", law)
        if takes == "chunks":
            return self._run(self.strategy.flatmap(cuts_of), law, most)
        if takes == "values":
            return self._run(st.lists(self.strategy, min_size=1, max_size=4), law, most)
        return self._run(self.strategy, law, most)

    def _run(self, strategy: SearchStrategy[Any], law: Callable[[Any], None], most: int) -> int:
        from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

        count = 0
        failure: Failure | None = None

        @settings(
            max_examples=most,
            database=None,
            deadline=None,
            derandomize=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        @given(strategy)
        def test(example: Any) -> None:
            nonlocal count, failure
            count += 1
            try:
                tried(law, example)
            except Failure as failed:
                failure = failed
                raise

        try:
            (test if self.seed is None else seed(self.seed)(test))()
        except Exception as error:  # a Failure, or what Hypothesis makes of one that doesn't come again
            if failure is None:
                raise LawsError(f"the strategy gives no inputs to check the laws with: {error}") from error
            raise failure from failure.error
        return count


def tried(law: Callable[[Any], None], example: Any) -> None:
    """Check a law with an example, of which a copy is kept in case that it breaks.

    Raises:
        Failure: when it is broken.
    """
    kept = copied(example)
    try:
        law(example)
    except (Exception, asyncio.CancelledError) as error:
        raise Failure(kept, error) from error


def cuts(value: Any) -> Iterator[list[Any]]:
    """A value in one chunk; in two, cut anywhere; and in the smallest."""
    yield [value]
    if not can_be_cut(value):
        return
    for at in range(min(len(value), MOST_CUTS) + 1):
        yield [value[:at], value[at:]]
    if len(value) > 2:
        yield [value[at : at + 1] for at in range(len(value))]


def cuts_of(value: Any) -> SearchStrategy[list[Any]]:
    """A strategy of a value's chunks, however it is cut."""
    st: Any = import_extra("hypothesis.strategies", "testing", "cuts_of")
    if not can_be_cut(value):
        one: SearchStrategy[list[Any]] = st.just([value])
        return one

    def cut(places: list[int]) -> list[Any]:
        ends = [0, *sorted(places), len(value)]
        return [value[start:end] for start, end in pairwise(ends)]

    many: SearchStrategy[list[Any]] = st.lists(st.integers(0, len(value)), max_size=MOST_CUTS).map(cut)
    return many


def can_be_cut(value: Any) -> bool:
    """Whether parts of it add up to it again."""
    return type(value) in (str, bytes, list, tuple)


def typed_inputs(runnable: Runnable[Any, Any]) -> SearchStrategy[Any]:
    """A strategy of a runnable's inputs, by their type.

    Raises:
        LawsError: when that isn't known.
    """
    st: Any = import_extra("hypothesis.strategies", "testing", "drawing inputs")
    if runnable.InputType is Any:
        raise LawsError(
            f"it isn't known what {runnable.get_name()} takes; give inputs=..., a list or a strategy, or annotate it"
        )
    found: SearchStrategy[Any] = st.from_type(runnable.InputType)
    return found


def examples_of(inputs: Any, max_examples: int, seed: int | None) -> Examples:
    """Where the examples come from: a list of values, or a strategy.

    Raises:
        LawsError: when it is neither, or there are none.
        MissingExtraError: when there is no list, and Hypothesis isn't installed.
    """
    if isinstance(inputs, list | tuple):
        return GivenValues(inputs)
    st: Any = import_extra("hypothesis.strategies", "testing", "checking laws with drawn inputs")
    if not isinstance(inputs, st.SearchStrategy):
        raise LawsError(
            f"inputs: expected a list of values or a Hypothesis strategy, got {type(inputs).__name__}: {inputs!r:.80}"
        )
    return DrawnValues(inputs, max_examples, seed)
