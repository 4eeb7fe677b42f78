"""Retry and fallbacks: what runs when something fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import Token
from typing import Any

import pytest
from verbs import one_after_another

from anabranch.engine.errors import CompositionError
from anabranch.nodes import (
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableRetry,
    RunnableSequence,
    RunnableSerializable,
    RunnableWithFallbacks,
    chain,
)
from anabranch.scheduler.clocks import CLOCK, Clock, VirtualClock


@pytest.fixture(autouse=True)
def clock() -> Iterator[VirtualClock]:
    """Time stands still but for waits."""
    virtual = VirtualClock()
    token: Token[Clock] = CLOCK.set(virtual)
    yield virtual
    CLOCK.reset(token)


class Flaky:
    """Fails with an error so many times for each value, then gives the value doubled. Counts its calls."""

    def __init__(self, failures: int = 1, error: type[BaseException] = ValueError) -> None:
        self.failures = failures
        self.error = error
        self.calls: dict[Any, int] = {}

    def __call__(self, value: Any) -> Any:
        self.calls[value] = self.calls.get(value, 0) + 1
        if self.calls[value] <= self.failures:
            raise self.error(f"{value}, call {self.calls[value]}")
        return value * 2


def fail(value: Any) -> Any:
    raise ValueError(f"failed on {value}")


def fail_late(value: Any) -> Iterator[Any]:
    yield value
    raise ValueError("late")


async def collected(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


class TestRetry:
    def test_it_runs_again_until_it_succeeds(self) -> None:
        flaky = Flaky(2)
        assert RunnableLambda(flaky).with_retry().invoke("a") == "aa"
        assert flaky.calls == {"a": 3}

    def test_the_last_error_is_raised_itself(self) -> None:
        with pytest.raises(ValueError, match="a, call 3"):
            RunnableLambda(Flaky(9)).with_retry(stop_after_attempt=3).invoke("a")

    def test_only_after_the_exceptions_that_are_named(self) -> None:
        flaky = Flaky(1, KeyError)
        with pytest.raises(KeyError):
            RunnableLambda(flaky).with_retry(retry_if_exception_type=(ValueError, OSError)).invoke("a")
        assert flaky.calls == {"a": 1}
        assert RunnableLambda(flaky).with_retry(retry_if_exception_type=(LookupError,)).invoke("b") == "bb"

    def test_a_single_exception_class_will_do(self) -> None:
        assert RunnableRetry(RunnableLambda(Flaky()), retry_exception_types=ValueError).invoke("a") == "aa"

    def test_base_exceptions_are_not_retried_unless_named(self) -> None:
        flaky = Flaky(1, GeneratorExit)
        with pytest.raises(GeneratorExit):
            RunnableLambda(flaky).with_retry().invoke("a")
        assert flaky.calls == {"a": 1}

    def test_it_waits_longer_after_each_attempt(self, clock: VirtualClock) -> None:
        params = {"initial": 2.0, "exp_base": 3.0, "jitter": 0.0, "max": 10.0}
        retried = RunnableLambda(Flaky(3)).with_retry(stop_after_attempt=4, exponential_jitter_params=params)
        retried.invoke("a")
        assert clock.now() == 2 + 6 + 10

    def test_the_jitter_is_added_at_random(self, clock: VirtualClock) -> None:
        RunnableLambda(Flaky(1)).with_retry(exponential_jitter_params={"initial": 2.0, "jitter": 5.0}).invoke("a")
        assert 2 <= clock.now() <= 7

    def test_without_jitter_it_does_not_wait(self, clock: VirtualClock) -> None:
        RunnableLambda(Flaky(2)).with_retry(wait_exponential_jitter=False).invoke("a")
        assert clock.now() == 0

    def test_a_huge_exponent_waits_for_the_longest_time(self, clock: VirtualClock) -> None:
        retry = RunnableRetry(RunnableLambda(fail), exponential_jitter_params={"exp_base": 1e300})
        assert retry._wait_after(9) == 60

    def test_in_a_batch_each_input_is_retried_on_its_own(self) -> None:
        flaky = Flaky(1)
        retried = RunnableLambda(flaky).with_retry(stop_after_attempt=2)
        assert retried.batch(["a", "b", "c"]) == ["aa", "bb", "cc"]
        assert flaky.calls == {"a": 2, "b": 2, "c": 2}

    def test_in_a_batch_only_what_fails_is_repeated_and_no_input_gets_the_value_of_another(self) -> None:
        calls: list[int] = []

        def odd_fails(number: int) -> int:
            calls.append(number)
            if number % 2:
                raise ValueError(number)
            return number * 10

        results = RunnableLambda(odd_fails).with_retry(stop_after_attempt=3).batch([0, 1, 2, 3], return_exceptions=True)
        assert [repr(result) for result in results] == ["0", "ValueError(1)", "20", "ValueError(3)"]
        assert sorted(calls) == [0, 1, 1, 1, 2, 3, 3, 3]

    def test_asynchronously_too(self) -> None:
        flaky = Flaky(1)

        async def aflaky(value: str) -> str:
            return str(flaky(value))

        retried = RunnableLambda(aflaky).with_retry(wait_exponential_jitter=False)
        assert asyncio.run(retried.ainvoke("a")) == "aa"
        assert asyncio.run(retried.abatch(["b", "c"])) == ["bb", "cc"]
        assert asyncio.run(collected(retried.astream("d"))) == ["dd"]

    def test_a_stream_is_retried_until_its_first_chunk_is_out(self) -> None:
        starts: list[int] = []

        def early(value: int) -> Iterator[int]:
            starts.append(value)
            if len(starts) < 3:
                raise ValueError("early")
            yield value
            yield value

        assert list(RunnableLambda(early).with_retry().stream(1)) == [1, 1]
        assert len(starts) == 3

    def test_after_its_first_chunk_the_error_is_raised(self) -> None:
        chunks = RunnableLambda(fail_late).with_retry().stream(1)
        assert next(chunks) == 1
        with pytest.raises(ValueError, match="late"):
            next(chunks)

    def test_an_empty_stream_is_a_success(self) -> None:
        starts: list[int] = []

        def empty(value: int) -> Iterator[int]:
            starts.append(value)
            yield from ()

        assert list(RunnableLambda(empty).with_retry().stream(1)) == []
        assert RunnableLambda(empty).with_retry().invoke(1) is None
        assert len(starts) == 2

    def test_a_whole_sequence_is_run_again(self) -> None:
        first, second = Flaky(1), Flaky(1)
        sequence = RunnableLambda(first) | second
        assert sequence.with_retry(stop_after_attempt=4).invoke("a") == "aaaa"
        assert first.calls == {"a": 3}

    def test_a_dict_of_branches_is_run_again(self) -> None:
        retried = RunnableParallel(a=Flaky(1), b=Flaky(0)).with_retry()
        assert retried.invoke("x") == {"a": "xx", "b": "xx"}

    def test_it_keeps_bound_arguments_and_config(self) -> None:
        seen: list[Any] = []

        def flaky(value: int, config: Any, plus: int = 0) -> int:
            seen.append(config["tags"])
            if len(seen) < 2:
                raise ValueError
            return value + plus

        assert RunnableLambda(flaky).bind(plus=2).with_retry().with_config(tags=["t"]).invoke(1) == 3
        assert seen == [["t"], ["t"]]
        assert RunnableLambda(flaky).with_retry().invoke(1, plus=5) == 6

    def test_only_exception_classes_can_be_retried(self) -> None:
        with pytest.raises(CompositionError, match="expected exception classes"):
            RunnableLambda(fail).with_retry(retry_if_exception_type=("ValueError",))  # type: ignore[arg-type]


class TestFallbacks:
    def test_the_next_runs_when_one_fails(self) -> None:
        assert RunnableLambda(fail).with_fallbacks([RunnableLambda(fail), lambda x: x + 1]).invoke(1) == 2
        assert RunnableLambda(lambda x: x).with_fallbacks([RunnableLambda(fail)]).invoke(1) == 1

    def test_when_all_fail_the_first_error_is_raised(self) -> None:
        def fail_too(value: Any) -> Any:
            raise KeyError("second")

        with pytest.raises(ValueError, match="failed on 1"):
            RunnableLambda(fail).with_fallbacks([RunnableLambda(fail_too)]).invoke(1)

    def test_only_after_the_exceptions_that_are_named(self) -> None:
        guarded = RunnableLambda(fail).with_fallbacks([lambda x: x], exceptions_to_handle=(KeyError,))
        with pytest.raises(ValueError, match="failed on 1"):
            guarded.invoke(1)
        assert RunnableLambda(fail).with_fallbacks([lambda x: x], exceptions_to_handle=(ValueError,)).invoke(1) == 1

    def test_the_exception_is_in_the_input_under_its_key(self) -> None:
        seen: list[Any] = []

        def told(values: dict[str, Any]) -> str:
            seen.append(values)
            return "handled"

        def fails(values: dict[str, Any]) -> str:
            raise ValueError("first")

        guarded = RunnableLambda(fails).with_fallbacks([RunnableLambda(told)], exception_key="error")
        assert guarded.invoke({"text": "a"}) == "handled"
        assert asyncio.run(guarded.ainvoke({"text": "a"})) == "handled"
        assert list(guarded.stream({"text": "a"})) == ["handled"]
        assert [(type(values["error"]), values["text"]) for values in seen] == [(ValueError, "a")] * 3

    def test_the_input_must_be_a_dict_then(self) -> None:
        guarded = RunnableLambda(fail).with_fallbacks([RunnableLambda(fail)], exception_key="error")
        with pytest.raises(ValueError, match=r"its input must be a dict .* got str"):
            guarded.invoke("text")

    def test_in_a_batch_each_input_falls_back_on_its_own(self) -> None:
        guarded = RunnableLambda(Flaky(1)).with_fallbacks([lambda x: "fallback " + x])
        assert guarded.batch(["a", "b"]) == ["fallback a", "fallback b"]
        assert guarded.batch(["a", "c"]) == ["aa", "fallback c"]
        assert asyncio.run(guarded.abatch(["a", "d"])) == ["aa", "fallback d"]

    def test_a_stream_falls_back_before_its_first_chunk(self) -> None:
        def tokens(value: str) -> Iterator[str]:
            yield from value

        guarded = RunnableLambda(fail).with_fallbacks([RunnableLambda(tokens)])
        assert list(guarded.stream("ab")) == ["a", "b"]
        assert asyncio.run(collected(guarded.astream("ab"))) == ["a", "b"]

    def test_after_its_first_chunk_the_error_is_raised(self) -> None:
        chunks = RunnableLambda(fail_late).with_fallbacks([RunnableLambda(lambda x: "other")]).stream(1)
        assert next(chunks) == 1
        with pytest.raises(ValueError, match="late"):
            next(chunks)

    def test_whole_sequences_fall_back(self) -> None:
        def upper(chunks: Iterator[str]) -> Iterator[str]:
            for chunk in chunks:
                yield chunk.upper()

        first = RunnablePassthrough() | RunnableLambda(fail)
        guarded = first.with_fallbacks([RunnablePassthrough() | upper])
        assert guarded.invoke("ab") == "AB"
        assert list(guarded.transform(iter("ab"))) == ["A", "B"]
        assert (guarded | len).invoke("ab") == 2

    def test_fallbacks_may_be_functions_and_dicts(self) -> None:
        assert RunnableLambda(fail).with_fallbacks([{"n": len}]).invoke("ab") == {"n": 2}

    def test_unknown_attributes_are_those_of_the_first(self) -> None:
        guarded: Any = Model(name="first", words=("a",)).with_fallbacks([Model(name="second", words=("b",))])
        assert guarded.words == ("a",)
        assert guarded.count() == 1
        with pytest.raises(AttributeError):
            guarded.nothing  # noqa: B018

    def test_a_method_that_returns_a_runnable_is_applied_to_all(self) -> None:
        guarded: Any = Model(name="first", words=()).with_fallbacks([Model(name="second", words=())])
        bound = guarded.saying("hello")
        assert isinstance(bound, RunnableWithFallbacks)
        assert bound.invoke(1) == "second says hello"
        assert [each.name for each in bound.runnables] == ["first", "second"]

    def test_bound_arguments_reach_all(self) -> None:
        def fails(value: int, plus: int) -> int:
            raise ValueError

        guarded = RunnableLambda(fails).with_fallbacks([lambda value, plus: value + plus])
        assert guarded.bind(plus=2).invoke(1) == guarded.invoke(1, plus=2) == 3

    def test_retry_and_fallbacks_go_together(self) -> None:
        flaky = Flaky(9)
        both = RunnableLambda(flaky).with_retry(stop_after_attempt=2).with_fallbacks([lambda x: "fallback"])
        assert both.invoke("a") == "fallback"
        assert flaky.calls == {"a": 2}


class Model(RunnableSerializable[Any, str]):
    words: tuple[str, ...]

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> str:
        if self.name == "first":
            raise ValueError("not me")
        return f"{self.name} says {' '.join(self.words)}"

    def count(self) -> int:
        return len(self.words)

    def saying(self, word: str) -> Model:
        return Model(name=self.name, words=(*self.words, word))


POLICIES: dict[str, Callable[[Runnable[Any, Any]], Runnable[Any, Any]]] = {
    "retry": lambda inner: inner.with_retry(),
    "fallbacks": lambda inner: inner.with_fallbacks([RunnableLambda(fail)]),
    "branch": lambda inner: RunnableBranch((lambda x: True, inner), fail),
    "binding": lambda inner: inner.with_config(tags=["t"], timeout=60),
    "function": lambda inner: chain(lambda x: inner),
    "sequence": lambda inner: RunnableSequence(inner, RunnablePassthrough()),
}


@one_after_another("outer", POLICIES)
@one_after_another("inner", POLICIES)
def test_policies_nest(outer: str, inner: str) -> None:
    def tokens(text: str) -> Iterator[str]:
        yield from text

    both = POLICIES[outer](POLICIES[inner](RunnableLambda(tokens)))
    assert both.invoke("ab") == asyncio.run(both.ainvoke("ab")) == "ab"
    assert list(both.stream("ab")) == asyncio.run(collected(both.astream("ab"))) == ["a", "b"]
    assert both.batch(["ab", "c"]) == ["ab", "c"]
