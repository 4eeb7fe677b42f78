"""The laws of tracing, for a runnable: each runs it with a listener and looks at what that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from anabranch.engine import trace_laws
from anabranch.engine.chunks import fold
from anabranch.engine.law_outcomes import agree, aoutcome, outcome, same
from anabranch.engine.run_logs import RunLogPatch
from anabranch.engine.trace_laws import Fact, Recorder
from anabranch.nodes.passthrough import RunnablePassthrough
from anabranch.nodes.runnables import Runnable

AnyRunnable = Runnable[Any, Any]


def every_run_starts_once_and_ends_once(a: AnyRunnable, value: Any) -> None:
    """Every run has exactly one start and exactly one terminal fact, in every verb."""
    _each_of(a, value, trace_laws.one_start_and_one_end)


def chunks_come_between_start_and_end(a: AnyRunnable, value: Any) -> None:
    """A run's chunks, and what it tells, come after its start and before its terminal fact."""
    _each_of(a, value, trace_laws.all_between_start_and_end)


def runs_are_well_nested(a: AnyRunnable, value: Any) -> None:
    """A parent starts before its children and ends after them, and all runs are of one tree."""
    _each_of(a, value, trace_laws.well_nested)
    _each_of(a, value, trace_laws.one_tree)


def chunks_of_the_root_fold_to_its_output(a: AnyRunnable, value: Any) -> None:
    """What listeners are told of the root's chunks folds to what they are told of its output."""
    _each_of(a, value, trace_laws.root_chunks_fold_to_its_output)


def patches_fold_to_the_states(a: AnyRunnable, value: Any) -> None:
    """The patches of `astream_log`, applied in order, give the output that it states at its end."""

    async def final() -> tuple[Any, Any]:
        log: Any = RunLogPatch()
        async for patch in chain.astream_log(value):
            log = log + patch
        last: Any = None
        async for state in chain.astream_log(value, diff=False):
            last = state
        return log.state["final_output"], last.state["final_output"]

    chain = _traced(a)
    found = asyncio.run(aoutcome(final))
    if found.error is None:
        agree("the sum of the patches of a.astream_log(value)", found.value[0], "its last state", found.value[1])


def listening_changes_nothing(a: AnyRunnable, value: Any) -> None:
    """With a listener the result is what it is without, whole and streamed."""
    chain: Any = _traced(a)
    heard = outcome(lambda: chain.invoke(value, {"callbacks": [Recorder()]}))
    same('a.invoke(value, {"callbacks": [Recorder()]})', heard, "a.invoke(value)", outcome(chain.invoke, value))
    heard = outcome(lambda: fold(chain.stream(value, {"callbacks": [Recorder()]})))
    alone = outcome(lambda: fold(chain.stream(value)))
    same('fold(a.stream(value, {"callbacks": [Recorder()]}))', heard, "fold(a.stream(value))", alone)


def facts_of(a: AnyRunnable, value: Any) -> Iterator[list[Fact]]:
    """What a listener is told of a run, in each of four verbs.

    A leaf that writes a verb is traced as part of a chain, for that verb alone is only its own code.
    """
    chain: Any = _traced(a)

    async def astreamed(config: Any) -> None:
        _ = [chunk async for chunk in chain.astream(value, config)]

    runs: tuple[Callable[[Any], Any], ...] = (
        lambda config: chain.invoke(value, config),
        lambda config: list(chain.stream(value, config)),
        lambda config: asyncio.run(chain.ainvoke(value, config)),
        lambda config: asyncio.run(astreamed(config)),
    )
    for run in runs:
        recorder = Recorder()
        outcome(run, {"callbacks": [recorder]})
        yield recorder.facts


def _each_of(a: AnyRunnable, value: Any, law: Callable[[list[Fact]], None]) -> None:
    for facts in facts_of(a, value):
        if facts:
            law(facts)


def _traced(a: AnyRunnable) -> AnyRunnable:
    return RunnablePassthrough() | a
