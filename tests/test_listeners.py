"""Functions bound by `with_listeners` are told of the runs of that runnable, and of no others."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from verbs import VERBS, in_every_verb

from anabranch.engine.trace_laws import Recorder, check_facts
from anabranch.nodes import (
    CompositionError,
    Run,
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    simulate,
)


def one(x: Any) -> str:
    return f"{x}1"


async def two(x: Any) -> str:
    await asyncio.sleep(0)
    return f"{x}2"


def boom(x: Any) -> Any:
    raise ValueError("boom")


INNER = (RunnableLambda(one) | two).with_config(run_name="inner")


class Told:
    """What listeners were told."""

    def __init__(self) -> None:
        self.facts: list[Any] = []

    def bind(self, runnable: Runnable[Any, Any], is_async: bool) -> Runnable[Any, Any]:
        if not is_async:
            return runnable.with_listeners(on_start=self.start, on_end=self.end, on_error=self.error)

        async def start(run: Run) -> None:
            await asyncio.sleep(0)
            self.start(run)

        async def end(run: Run) -> None:
            await asyncio.sleep(0)
            self.end(run)

        async def error(run: Run) -> None:
            await asyncio.sleep(0)
            self.error(run)

        return runnable.with_alisteners(on_start=start, on_end=end, on_error=error)

    def start(self, run: Run) -> None:
        self.facts.append(("start", run.name, run.end_time, len(run.child_runs)))

    def end(self, run: Run) -> None:
        assert run.end_time is not None
        self.facts.append(("end", run.name, run.outputs, [child.name for child in run.child_runs]))

    def error(self, run: Run) -> None:
        self.facts.append(("error", run.name, "boom" in str(run.error), [child.name for child in run.child_runs]))


of_both_kinds = pytest.mark.parametrize("is_async", [False, True])


@in_every_verb
@of_both_kinds
def test_they_are_told_of_start_and_end_with_all_runs_inside(verb: str, is_async: bool) -> None:
    told = Told()
    VERBS[verb](told.bind(INNER, is_async), "x")
    assert told.facts == [("start", "inner", None, 0), ("end", "inner", {"output": "x12"}, ["one", "two"])]


@in_every_verb
@of_both_kinds
def test_inside_a_chain_of_that_runnable_only(verb: str, is_async: bool) -> None:
    told = Told()
    VERBS[verb](RunnableLambda(one) | told.bind(INNER, is_async) | one, "x")
    assert told.facts == [("start", "inner", None, 0), ("end", "inner", {"output": "x112"}, ["one", "two"])]


@in_every_verb
@of_both_kinds
def test_a_failure_is_told_to_on_error(verb: str, is_async: bool) -> None:
    told = Told()
    failing = told.bind((RunnableLambda(one) | boom).with_config(run_name="bad"), is_async)
    with pytest.raises(ValueError, match="boom"):
        VERBS[verb](failing, "x")
    assert told.facts == [("start", "bad", None, 0), ("error", "bad", True, ["one", "boom"])]


@in_every_verb
def test_each_run_is_told_of_by_itself(verb: str) -> None:
    told = Told()
    heard = told.bind(RunnableLambda(one), False)
    VERBS[verb](heard | RunnableParallel(a=heard, b=heard), "x")
    assert sorted(fact[:2] for fact in told.facts) == [("end", "one")] * 3 + [("start", "one")] * 3


@in_every_verb
def test_a_run_inside_itself_is_one_too(verb: str) -> None:
    told = Told()

    def down(n: int) -> Any:
        return heard.invoke(n - 1) if n else 0

    heard = told.bind(RunnableLambda(down), False)
    VERBS[verb](heard, 2)
    assert [fact[0] for fact in told.facts] == ["start"] * 3 + ["end"] * 3
    assert [fact[3] for fact in told.facts[3:]] == [[], ["down"], ["down"]]


@in_every_verb
def test_they_may_take_the_config(verb: str) -> None:
    seen: list[Any] = []

    def start(run: Run, config: RunnableConfig) -> None:
        seen.append((run.name, config["tags"], config["metadata"]["m"], config["configurable"]["user"]))

    class Method:
        def end(self, run: Run, config: RunnableConfig) -> None:
            seen.append(config["run_id"] == run.id)

    heard = RunnableLambda(one).with_listeners(on_start=start, on_end=Method().end)
    VERBS[verb](heard, "x", {"tags": ["T"], "metadata": {"m": 1}, "configurable": {"user": "u"}})
    assert seen == [("one", ["T"], 1, "u"), True]


def test_partials_and_objects_will_do() -> None:
    seen: list[Any] = []

    class Listens:
        def __call__(self, run: Run) -> None:
            seen.append(run.name)

    def named(how: str, run: Run) -> None:
        seen.append(how)

    RunnableLambda(one).with_listeners(on_start=Listens(), on_end=functools.partial(named, "end")).invoke("x")
    assert seen == ["one", "end"]


@in_every_verb
@of_both_kinds
def test_several_may_be_bound(verb: str, is_async: bool) -> None:
    first, second = Told(), Told()
    VERBS[verb](second.bind(first.bind(INNER, is_async), not is_async), "x")
    assert len(first.facts) == len(second.facts) == 2


@pytest.mark.parametrize("verb", VERBS)
def test_one_that_raises_is_logged_by_name_and_the_run_goes_on(verb: str, caplog: pytest.LogCaptureFixture) -> None:
    def breaks(run: Run) -> None:
        raise RuntimeError("of the listener")

    heard = RunnableLambda(one).with_listeners(on_end=breaks)
    for _ in range(2):
        VERBS[verb](heard, "x")
    (said,) = [record.getMessage() for record in caplog.records]
    assert "on_end=breaks" in said
    assert "of the listener" in said


@pytest.mark.parametrize("verb", ["invoke", "batch", "stream", "ainvoke", "abatch", "astream"])
def test_a_timeout_is_told(verb: Any) -> None:
    told = Told()

    async def lasting(x: str) -> str:
        await asyncio.sleep(60)
        return x

    given: Any = ["x"] if "batch" in verb else "x"
    found = simulate(told.bind(RunnableLambda(lasting), False), given, {"timeout": 5}, verb=verb)
    assert isinstance(found.error, TimeoutError)
    assert [fact[:3] for fact in told.facts] == [("start", "lasting", None), ("error", "lasting", False)]


def test_an_early_close_is_told_as_an_end() -> None:
    told = Told()
    with told.bind(RunnableLambda(lambda x: iter(x), name="letters"), False).stream("ab") as chunks:
        next(iter(chunks))
    assert [fact[:2] for fact in told.facts] == [("start", "letters"), ("end", "letters")]


def test_what_can_not_be_called_so_is_refused_when_it_is_bound() -> None:
    async def waits(run: Run) -> None: ...

    def none() -> None: ...

    runnable = RunnableLambda(one)
    with pytest.raises(CompositionError, match=r"on_start is asynchronous.*with_alisteners"):
        runnable.with_listeners(on_start=waits)
    with pytest.raises(CompositionError, match="on_end must be a function, got int"):
        runnable.with_listeners(on_end=5)  # type: ignore[arg-type]
    with pytest.raises(CompositionError, match="on_error must take a run"):
        runnable.with_listeners(on_error=none)  # type: ignore[arg-type]


def failing(number: int) -> int:
    raise ValueError("no")


def mending(chunks: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from chunks
    except ValueError:
        yield "mended"


async def amending(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for chunk in chunks:
            yield chunk
    except ValueError:
        yield "mended"


def giving_up(chunks: Iterator[Any]) -> Iterator[Any]:
    with suppress(ValueError):
        yield from chunks


def translating(chunks: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from chunks
    except ValueError as error:
        raise LookupError("translated") from error


@pytest.mark.parametrize("step", [mending, amending, giving_up, translating], ids=lambda step: step.__name__)
@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_a_step_that_makes_good_for_what_failed_above_it_does_so_when_somebody_listens(verb: str, step: Any) -> None:
    chain = RunnableLambda(failing) | RunnableGenerator(step)

    def got(config: Any) -> Any:
        async def chunks() -> list[Any]:
            return [chunk async for chunk in chain.astream(1, config)]

        try:
            return list(chain.stream(1, config)) if verb == "stream" else asyncio.run(chunks())
        except LookupError as error:
            return str(error)

    recorder = Recorder()
    assert got({"callbacks": [recorder]}) == got({}) == WANTED[step]
    check_facts(recorder.facts)
    told = {run.name for _, run, _ in recorder.facts}
    assert (step.__name__ in told) == (step is not translating), "a step that didn't begin isn't told of"


WANTED: dict[Any, Any] = {mending: ["mended"], amending: ["mended"], giving_up: [], translating: "translated"}
