"""A step whose input fails before its first chunk is told of only if something happens in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from verbs import VERBS

from anabranch.engine import laws
from anabranch.engine.runs import RunInfo
from anabranch.engine.trace_laws import Recorder, check_facts, failure_reaches_the_root
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnablePassthrough, dispatch_custom_event

Some = Runnable[Any, Any]
in_every_streaming_verb = pytest.mark.parametrize("verb", ["stream", "transform", "astream", "atransform"])


class BrokenError(Exception):
    """What the first step fails with."""


def breaking(chunks: Iterator[Any]) -> Iterator[Any]:
    for _ in chunks:
        raise BrokenError
    yield


def same(value: Any) -> Any:
    return value


def passed(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


def recovering(of: Callable[[], Iterable[Any]]) -> Some:
    """A step that gives chunks of its own when its input fails."""

    def recover(chunks: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from chunks
        except BrokenError:
            yield from of()

    return RunnableGenerator(recover)


first = RunnableGenerator(breaking)
pair = RunnableLambda(same) | RunnableGenerator(passed)


def told(chain: Some, verb: str) -> tuple[list[str], laws.Outcome]:
    """The runs that were told of, by the names from the root down, in order."""
    recorder = Recorder()
    found = laws.outcome(lambda: VERBS[verb](chain, 3, {"callbacks": [recorder]}))
    check_facts(recorder.facts)
    failure_reaches_the_root(recorder.facts, found.error)

    def path(run: RunInfo) -> list[str]:
        return [] if run.parent is None else [*path(run.parent), run.name]

    return ["/".join(path(run)) for what, run, _ in recorder.facts if what == "started"], found


@in_every_streaming_verb
@pytest.mark.parametrize(
    "step",
    [
        RunnableGenerator(passed),
        pair.with_config(run_name="pair"),
        RunnablePassthrough.assign(a=same),
        recovering(list),
    ],
)
def test_what_only_hands_the_failure_on_is_not_told_of(step: Some, verb: str) -> None:
    runs, found = told(first | step, verb)
    assert runs[:2] == ["", "breaking"]
    assert isinstance(found.error, BrokenError) or runs[2:] == ["recover"]


@in_every_streaming_verb
def test_a_policy_is_told_of_before_what_it_tries(verb: str) -> None:
    for tried in (pair.with_retry(stop_after_attempt=2), pair.with_fallbacks([RunnableLambda(same)])):
        runs, found = told(first | tried, verb)
        assert isinstance(found.error, BrokenError)
        assert runs == ["", "breaking", tried.get_name(), f"{tried.get_name()}/RunnableSequence"]


@in_every_streaming_verb
def test_what_a_step_calls_when_its_input_failed_is_part_of_its_run(verb: str) -> None:
    step = recovering(lambda: pair.stream("x")).with_config(run_name="recovering")
    scope = (RunnableLambda(same) | step).with_config(run_name="scope")
    runs, found = told(first | scope | same, verb)
    assert found.value == ["x"]
    at = "scope/recovering"
    assert sorted(runs) == sorted(
        [
            "",
            "breaking",
            "scope",
            at,
            f"{at}/RunnableSequence",
            f"{at}/RunnableSequence/same",
            f"{at}/RunnableSequence/passed",
            "same",
        ]
    )


@in_every_streaming_verb
def test_what_a_step_tells_when_its_input_failed_is_told_of_its_run(verb: str) -> None:
    def tell() -> list[Any]:
        dispatch_custom_event("recovered", 1)
        return []

    recorder = Recorder()
    VERBS[verb](first | recovering(tell), 3, {"callbacks": [recorder]})
    check_facts(recorder.facts)
    assert [(run.name, *data) for what, run, data in recorder.facts if what == "told"] == [
        ("recover", "custom_event", "recovered", 1)
    ]
