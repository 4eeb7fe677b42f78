"""A scope whose output can't be made has failed, whatever the verb, and so has all around it that needs that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from verbs import VERBS, in_every_verb

from anabranch.engine import laws
from anabranch.engine.errors import ChunkError, StepInputError
from anabranch.engine.runs import RunInfo
from anabranch.engine.trace_laws import Recorder, check_facts, failure_reaches_the_root
from anabranch.nodes import (
    AddableDict,
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
)

Some = Runnable[Any, Any]


def five(_: Any) -> Any:
    return 5


def same(value: Any) -> Any:
    return value


def twice(value: Any) -> list[Any]:
    return [value, value]


def routed(value: Any) -> Any:
    return {"key": "it", "input": value}


def passed(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


def clashing(chunks: Iterator[Any]) -> Iterator[Any]:
    for _ in chunks:
        yield AddableDict(k=1)
        yield AddableDict(k="a")


def assigned(key: str = "x", made: Any = same) -> Some:
    return RunnablePassthrough.assign(**{key: made}).with_types(input_type=Any, output_type=Any)


start = RunnableLambda(same)
refusing = RunnableLambda(five) | assigned()
inner = refusing.with_config(run_name="inner")
clash = (start | RunnableGenerator(clashing)).with_config(run_name="inner")
unread = RunnableParallel(a=same, b=same) | RunnablePassthrough.assign(c=inner) | RunnablePick("a")

REFUSED: dict[str, tuple[Some, list[str]]] = {
    "alone": (assigned(), []),
    "last": (refusing, ["RunnableAssign<x>"]),
    "before a function": (refusing | same, ["RunnableAssign<x>"]),
    "before a generator": (refusing | RunnableGenerator(passed), ["RunnableAssign<x>"]),
    "before a pick": (refusing | RunnablePick("x"), ["RunnableAssign<x>"]),
    "before another": (refusing | assigned("y") | same, ["RunnableAssign<x>"]),
    "around another": (
        five | assigned("x", assigned("y")) | same,
        [
            "RunnableAssign<x>",
            "RunnableAssign<x>/RunnableParallel<x>",
            "RunnableAssign<x>/RunnableParallel<x>/RunnableAssign<y>",
        ],
    ),
    "in a dict": (
        start | {"a": inner, "b": same} | same,
        ["RunnableParallel<a,b>", "RunnableParallel<a,b>/inner", "RunnableParallel<a,b>/inner/RunnableAssign<x>"],
    ),
    "in a branch": (
        start | RunnableBranch((bool, inner), same) | same,
        ["RunnableBranch", "RunnableBranch/inner", "RunnableBranch/inner/RunnableAssign<x>"],
    ),
    "by a route": (routed | RouterRunnable({"it": inner}) | same, ["inner", "inner/RunnableAssign<x>"]),
    "in a map": (
        twice | inner.map() | same,
        ["RunnableEach<inner>", "RunnableEach<inner>/inner", "RunnableEach<inner>/inner/RunnableAssign<x>"],
    ),
}


def told(chain: Some, verb: str) -> tuple[Recorder, BaseException | None]:
    recorder = Recorder()
    found = laws.outcome(lambda: VERBS[verb](chain, 3, {"callbacks": [recorder]}))
    check_facts(recorder.facts)
    failure_reaches_the_root(recorder.facts, found.error)
    return recorder, found.error


def failed(recorder: Recorder) -> set[str]:
    """The names down to each run that failed, below the root."""

    def path(run: RunInfo) -> list[str]:
        return [] if run.parent is None else [*path(run.parent), run.name]

    return {"/".join(path(run)) for what, run, _ in recorder.facts if what == "failed"}


@in_every_verb
@pytest.mark.parametrize(("chain", "around"), REFUSED.values(), ids=REFUSED)
def test_what_has_keys_to_add_to_no_dict_fails_with_all_around_it(chain: Some, around: list[str], verb: str) -> None:
    recorder, error = told(chain, verb)
    assert isinstance(error, StepInputError)
    assert failed(recorder) == {"", *around}


@in_every_verb
def test_what_nobody_reads_fails_alone(verb: str) -> None:
    recorder, error = told(start | {"z": unread.with_config(run_name="unread"), "b": same} | same, verb)
    assert error is None
    at = "RunnableParallel<z,b>/unread/RunnableAssign<c>"
    below = ["", "/RunnableParallel<c>", "/RunnableParallel<c>/inner", "/RunnableParallel<c>/inner/RunnableAssign<x>"]
    assert failed(recorder) == {at + each for each in below}


@in_every_verb
def test_chunks_that_do_not_add_up_fail_what_made_them_and_all_around_it(verb: str) -> None:
    recorder, error = told(start | {"a": clash, "b": same} | RunnableLambda(same), verb)
    assert isinstance(error, ChunkError)
    assert failed(recorder) == {
        "",
        "RunnableParallel<a,b>",
        "RunnableParallel<a,b>/inner",
        "RunnableParallel<a,b>/inner/clashing",
    }
