"""Branches and routers, which choose what runs, and the functions that a passthrough tells besides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from anabranch.nodes import (
    RouterRunnable,
    RunnableBranch,
    RunnableLambda,
    RunnablePassthrough,
    fold,
)


def fail(value: Any) -> Any:
    raise ValueError(f"failed on {value}")


class TestBranch:
    BRANCH: RunnableBranch[Any, Any] = RunnableBranch(
        (lambda x: x < 0, lambda x: "negative"),
        (RunnableLambda(lambda x: x > 9), {"big": lambda x: x}),
        str,
    )

    def test_the_first_condition_that_holds_chooses(self) -> None:
        assert self.BRANCH.batch([-1, 10, 5]) == ["negative", {"big": 10}, "5"]
        assert asyncio.run(self.BRANCH.abatch([-1, 10, 5])) == ["negative", {"big": 10}, "5"]
        assert [fold(self.BRANCH.stream(x)) for x in (-1, 10, 5)] == ["negative", {"big": 10}, "5"]

    def test_conditions_may_be_asynchronous(self) -> None:
        async def is_short(text: str) -> bool:
            return len(text) < 3

        branch = RunnableBranch((is_short, len), str.upper)
        assert branch.invoke("ab") == asyncio.run(branch.ainvoke("ab")) == 2
        assert branch.invoke("abc") == "ABC"

    def test_the_chosen_one_is_streamed(self) -> None:
        def tokens(text: str) -> Iterator[str]:
            yield from text

        assert list(RunnableBranch((bool, RunnableLambda(tokens)), str).stream("ab")) == ["a", "b"]

    def test_arguments_reach_the_chosen_one(self) -> None:
        branch = RunnableBranch((bool, lambda x, plus=0: x + plus), lambda x, plus=0: plus)
        assert branch.invoke(1, plus=2) == 3
        assert branch.bind(plus=2).invoke(0) == 2
        assert RouterRunnable({"add": lambda x, plus=0: x + plus}).invoke({"key": "add", "input": 1}, plus=2) == 3

    def test_a_failing_condition_fails(self) -> None:
        with pytest.raises(ValueError, match="failed on 1"):
            RunnableBranch((fail, str), str).invoke(1)

    @pytest.mark.parametrize(
        ("branches", "told"),
        [
            ((), "at least one"),
            ((str,), "at least one"),
            (((bool, str), (bool, str)), "must be the default"),
            (((bool, str, int), str), "pairs, got"),
            ((str, int), "pairs, got"),
            (((bool, 5), str), "got int: 5"),
        ],
    )
    def test_what_is_no_branch_is_an_error(self, branches: Any, told: str) -> None:
        with pytest.raises((TypeError, ValueError), match=told):
            RunnableBranch(*branches)


class TestRouter:
    ROUTER: RouterRunnable[Any] = RouterRunnable({"double": lambda x: 2 * x, "text": str})

    def test_the_input_names_what_runs(self) -> None:
        inputs: list[Any] = [{"key": "double", "input": 21}, {"key": "text", "input": 21}]
        assert self.ROUTER.batch(inputs) == [42, "21"]
        assert asyncio.run(self.ROUTER.abatch(inputs)) == [42, "21"]
        assert list(self.ROUTER.stream(inputs[0])) == [42]
        routed = {"key": lambda x: "double", "input": RunnablePassthrough()} | self.ROUTER
        assert routed.invoke(21) == 42

    def test_an_unknown_key_is_an_error_that_tells_the_known_ones(self) -> None:
        with pytest.raises(ValueError, match=r"has no runnable 'halve'; it has 'double', 'text'"):
            self.ROUTER.invoke({"key": "halve", "input": 1})
        wrong: Any = {"input": 1}
        with pytest.raises(ValueError, match="'key': name of a runnable"):
            self.ROUTER.invoke(wrong)


class TestPassthrough:
    def test_a_function_is_told_of_the_input_that_is_handed_on(self) -> None:
        seen: list[Any] = []
        told = RunnablePassthrough(seen.append)
        assert told.invoke("ab") == "ab"
        assert list(told.transform(iter("ab"))) == ["a", "b"]
        assert asyncio.run(told.ainvoke("ab")) == "ab"
        assert seen == ["ab", "ab", "ab"]

    def test_it_may_be_asynchronous_and_take_config_and_arguments(self) -> None:
        seen: list[Any] = []

        async def atell(value: str, config: Any, mark: str = "") -> None:
            seen.append((value, config["tags"], mark))

        told = RunnablePassthrough(atell)
        assert told.invoke("a", {"tags": ["t"]}) == "a"
        assert asyncio.run(told.ainvoke("b", mark="!")) == "b"
        assert seen == [("a", ["t"], ""), ("b", [], "!")]

    def test_of_two_forms_each_verb_uses_its_own(self) -> None:
        seen: list[str] = []

        async def atell(value: str) -> None:
            seen.append("async " + value)

        told = RunnablePassthrough(lambda value: seen.append("sync " + value), atell)
        told.invoke("a")
        asyncio.run(told.ainvoke("b"))
        assert seen == ["sync a", "async b"]

    def test_what_the_function_raises_is_raised(self) -> None:
        with pytest.raises(ValueError, match="failed on a"):
            RunnablePassthrough(fail).invoke("a")
