"""A batch tells how far it has come, if it is asked to, and says nothing otherwise."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from verbs import PATIENCE

from anabranch.nodes import ConfigError, Runnable, RunnableLambda, RunnableParallel

Seen = list[tuple[int, int]]


def double(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return 2 * number


async def adouble(number: int) -> int:
    return 2 * number


def inputs_of(chain: Runnable[Any, Any], config: Any) -> list[Any]:
    return chain.batch([0, 1, 2, 3, 4], config, return_exceptions=True)


def inputs_as_completed(chain: Runnable[Any, Any], config: Any) -> list[Any]:
    return list(chain.batch_as_completed([0, 1, 2, 3, 4], config, return_exceptions=True))


def inputs_on_a_loop(chain: Runnable[Any, Any], config: Any) -> list[Any]:
    return asyncio.run(chain.abatch([0, 1, 2, 3, 4], config, return_exceptions=True))


def inputs_as_completed_on_a_loop(chain: Runnable[Any, Any], config: Any) -> list[Any]:
    async def run() -> list[Any]:
        results = chain.abatch_as_completed([0, 1, 2, 3, 4], config, return_exceptions=True)
        return [result async for result in results]

    return asyncio.run(run())


VERBS = [inputs_of, inputs_as_completed, inputs_on_a_loop, inputs_as_completed_on_a_loop]
CHAINS: dict[str, Runnable[Any, Any]] = {
    "a function": RunnableLambda(double),
    "a coroutine function": RunnableLambda(adouble),
    "a sequence": RunnableLambda(double) | double,
    "branches": RunnableLambda(double) | {"a": double, "b": double},
    "a retry": RunnableLambda(double).with_retry(stop_after_attempt=2, wait_exponential_jitter=False),
    "a function that returns a runnable": RunnableLambda(lambda number: RunnableLambda(double)),
}
verbs = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)


@verbs
@pytest.mark.parametrize("name", CHAINS)
def test_every_finished_input_is_told_once_also_a_failed_one(
    name: str, verb: Callable[[Runnable[Any, Any], Any], list[Any]]
) -> None:
    seen: Seen = []
    results = verb(CHAINS[name], {"progress": lambda done, total: seen.append((done, total))})
    assert len(results) == 5
    assert seen == [(done, 5) for done in range(1, 6)]


@verbs
def test_the_results_are_the_same_with_it(verb: Callable[[Runnable[Any, Any], Any], list[Any]]) -> None:
    chain = RunnableLambda(double) | {"a": str, "b": double}
    plain, told = verb(chain, None), verb(chain, {"progress": lambda done, total: None})
    assert sorted(map(repr, told)) == sorted(map(repr, plain))


@verbs
def test_a_bar_is_drawn_and_left_complete(
    verb: Callable[[Runnable[Any, Any], Any], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    verb(RunnableLambda(double), {"progress": True})
    assert "5/5" in capsys.readouterr().err.splitlines()[-1]


def test_each_input_is_told_while_others_still_run() -> None:
    seen: Seen = []
    told_by_then = []

    def look(number: int) -> int:
        told_by_then.append(len(seen))
        return number

    RunnableLambda(look).batch(range(4), {"progress": lambda *each: seen.append(each), "max_concurrency": 1})
    assert told_by_then == [0, 1, 2, 3]


def test_each_input_is_told_before_the_next_step_runs_and_while_the_caller_waits() -> None:
    told, inside = threading.Event(), threading.Event()
    caller = threading.get_ident()

    def both_at_once(number: int) -> int:
        """In the caller's thread it ends first; in the other when that was told."""
        if threading.get_ident() == caller:
            assert inside.wait(PATIENCE)
        else:
            inside.set()
            assert told.wait(PATIENCE)
        return number

    config: Any = {"progress": lambda *_: told.set(), "max_concurrency": 2}
    chain = RunnableLambda(both_at_once) | {"a": double}
    assert chain.batch([1, 2], config) == [{"a": 2}, {"a": 4}]

    seen: Seen = []
    told_by_then: list[int] = []

    def look(number: int) -> int:
        told_by_then.append(len(seen))
        return number

    chain = RunnableParallel(a=look, b=look)
    chain.batch([0, 1, 2], {"progress": lambda *each: seen.append(each), "max_concurrency": 1})
    assert told_by_then == sorted(told_by_then)
    assert told_by_then[-1] >= 1


def test_results_that_come_one_by_one_were_told_before() -> None:
    seen: Seen = []
    config: Any = {"progress": lambda *each: seen.append(each), "max_concurrency": 1}
    told = [(len(seen), result) for result in RunnableLambda(str).batch_as_completed(range(3), config)]
    assert [result for _, result in told] == [(0, "0"), (1, "1"), (2, "2")]
    assert all(count >= 1 for count, _ in told)
    assert len(seen) == 3


@pytest.mark.parametrize("step", [double, adouble, RunnableLambda(adouble) | {"a": adouble, "b": double}])
def test_on_a_loop_they_were_told_before_too(step: Any) -> None:
    async def main() -> None:
        seen: Seen = []
        config: Any = {"progress": lambda *each: seen.append(each), "max_concurrency": 1}
        chain: Runnable[Any, Any] = step if isinstance(step, Runnable) else RunnableLambda(step)
        told = [len(seen) async for _ in chain.abatch_as_completed([0, 1, 2], config)]
        assert all(count > number for number, count in enumerate(told))
        assert seen == [(1, 3), (2, 3), (3, 3)]

    asyncio.run(main())


def test_it_is_not_handed_down() -> None:
    seen: Seen = []
    configs = []

    def outer(number: int, config: Any) -> list[int]:
        configs.append(config)
        return RunnableLambda(double).batch([number] * 4)

    RunnableLambda(outer).batch([1, 2], {"progress": lambda *each: seen.append(each)})
    assert seen == [(1, 2), (2, 2)]
    RunnableLambda(outer).invoke(1, {"progress": True})
    list(RunnableLambda(outer).stream(1, {"progress": True}))
    assert all("progress" not in config for config in configs)


def test_a_batch_inside_a_step_may_have_its_own() -> None:
    seen: Seen = []

    def outer(number: int) -> list[int]:
        return RunnableLambda(double).batch([number] * 4, {"progress": lambda *each: seen.append(each)})

    RunnableLambda(outer).invoke(1)
    assert seen == [(done, 4) for done in range(1, 5)]


def test_one_config_of_many_may_ask_for_it() -> None:
    seen: Seen = []
    asked: Any = [{}, {"progress": lambda *each: seen.append(each)}, {}]
    RunnableLambda(double).batch([0, 1, 2], asked)
    assert seen == [(done, 3) for done in range(1, 4)]


def test_a_batch_that_fails_closes_its_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="three"):
        RunnableLambda(double).batch([0, 3], {"progress": True, "max_concurrency": 1})
    assert capsys.readouterr().err.endswith("\n")


def test_nothing_is_drawn_of_nothing_or_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    assert RunnableLambda(double).batch([], {"progress": True}) == []
    assert RunnableLambda(double).batch([1], {"progress": False}) == [2]
    assert capsys.readouterr().err == ""


def test_an_error_in_it_breaks_no_run_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def tell(done: int, total: int) -> None:
        raise RuntimeError("no")

    assert RunnableLambda(double).batch([0, 1, 2], {"progress": tell}) == [0, 2, 4]
    assert len(caplog.records) == 1


@verbs
@pytest.mark.parametrize("wrong", ["bar", 1, [1], int])
def test_anything_else_is_a_config_error(wrong: Any, verb: Callable[[Runnable[Any, Any], Any], list[Any]]) -> None:
    with pytest.raises(ConfigError, match="'progress': expected a bool, or a function"):
        verb(RunnableLambda(double), {"progress": wrong})


def test_a_bar_without_tqdm_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tqdm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"anabranch\[progress\]"):
        RunnableLambda(double).batch([1], {"progress": True})
