"""What config does on its way through the nodes: bound, given, inherited, per input."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from anabranch.engine.errors import ConfigError
from anabranch.nodes import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    chain,
)


def tags(value: Any, config: RunnableConfig) -> list[str]:
    return config["tags"]


def whole(value: Any, config: RunnableConfig) -> RunnableConfig:
    return config


TAGS = RunnableLambda(tags)
WHOLE = RunnableLambda(whole)


class TestBound:
    def test_it_reaches_the_steps_below(self) -> None:
        assert TAGS.with_config(tags=["a"]).invoke(0) == ["a"]
        assert (RunnablePassthrough() | TAGS).with_config(tags=["a"]).invoke(0) == ["a"]
        assert ({"x": TAGS} | RunnablePassthrough()).with_config({"tags": ["a"]}).invoke(0) == {"x": ["a"]}

    def test_it_does_not_reach_the_steps_beside(self) -> None:
        both = RunnableParallel(a=TAGS.with_config(tags=["a"]), b=TAGS)
        assert both.invoke(0) == {"a": ["a"], "b": []}

    def test_tags_are_appended_and_metadata_merged(self) -> None:
        bound = WHOLE.with_config(tags=["a"], metadata={"x": 1, "y": 1}).with_config(tags=["b"], metadata={"y": 2})
        config = bound.invoke(0, {"tags": ["c", "a"], "metadata": {"z": 3}})
        assert config["tags"] == ["a", "b", "c"]
        assert config["metadata"] == {"x": 1, "y": 2, "z": 3}

    def test_what_is_given_wins(self) -> None:
        bound = WHOLE.with_config(configurable={"x": 1, "y": 1}, recursion_limit=7)
        config = bound.invoke(0, {"configurable": {"y": 2}})
        assert (config["configurable"], config["recursion_limit"]) == ({"x": 1, "y": 2}, 7)
        assert bound.invoke(0, {"recursion_limit": 9})["recursion_limit"] == 9

    def test_unknown_keys_move_to_configurable(self) -> None:
        assert WHOLE.with_config(session="s").invoke(0)["configurable"] == {"session": "s"}
        stray: Any = {"session": "s", "tags": ["t"]}
        assert WHOLE.invoke(0, stray)["configurable"] == {"session": "s"}

    def test_it_holds_in_every_place(self) -> None:
        bound = TAGS.with_config(tags=["a"])

        @chain
        def returning(value: Any) -> Runnable[Any, list[str]]:
            return bound

        @chain
        def calling(value: Any) -> Any:
            return bound.invoke(value)

        places: dict[str, Runnable[Any, Any]] = {
            "retry": bound.with_retry(),
            "fallback": bound.with_fallbacks([TAGS]),
            "branch": RunnableBranch((lambda x: True, bound), TAGS),
            "returned": returning,
            "called": calling,
            "sequence": RunnablePassthrough() | bound,
        }
        for runnable in places.values():
            assert sorted(runnable.invoke(0, {"tags": ["b"]})) == ["a", "b"]
            assert sorted(asyncio.run(runnable.ainvoke(0, {"tags": ["b"]}))) == ["a", "b"]
            assert sorted(next(iter(runnable.stream(0, {"tags": ["b"]})))) in (["a", "b"], ["a"], ["b"])
        assert sorted(bound.map().invoke([0], {"tags": ["b"]})[0]) == ["a", "b"]

    def test_a_name_is_of_the_one_run_alone(self) -> None:
        assert "run_name" not in (RunnablePassthrough() | WHOLE).with_config(run_name="mine").invoke(0)
        assert WHOLE.with_config(run_name="mine").get_name() == "mine"

    def test_a_wrong_one_is_an_error_when_it_is_bound(self) -> None:
        with pytest.raises(ConfigError, match="'tags': expected a list of strings"):
            WHOLE.with_config(tags="mine")
        with pytest.raises(ConfigError, match="'max_concurrency': expected an int of at least 1, got int 0"):
            WHOLE.with_config({"max_concurrency": 0})
        wrong: Any = 17
        with pytest.raises(ConfigError, match="expected a mapping, got int 17"):
            WHOLE.with_config(wrong)

    def test_a_bound_capacity_holds_for_the_stream(self) -> None:
        made: list[int] = []

        def source(value: Any) -> Iterator[int]:
            for number in range(1000):
                made.append(number)
                yield number

        # Two readers of one source, so that the chunks go through channels.
        forked = RunnableLambda(source) | {"a": RunnablePassthrough(), "b": RunnablePassthrough()}
        chunks = forked.with_config(channel_capacity=1).stream(0)
        next(chunks)
        chunks.close()
        assert len(made) < 50

    def test_a_bound_timeout_ends_the_run(self) -> None:
        async def forever(value: Any) -> None:
            await asyncio.Event().wait()

        bound = RunnableLambda(forever).with_config(timeout=0.01)
        with pytest.raises(TimeoutError):
            bound.invoke(0)
        with pytest.raises(TimeoutError):
            asyncio.run(bound.ainvoke(0))
        assert bound.with_fallbacks([lambda x: "late"]).invoke(0) == "late"


class TestInherited:
    def test_what_a_function_calls_inherits(self) -> None:
        calling = RunnableLambda(lambda x: WHOLE.invoke(x))
        config = calling.invoke(0, {"tags": ["a"], "metadata": {"m": 1}, "configurable": {"c": 2}})
        assert (config["tags"], config["configurable"]) == (["a"], {"c": 2})
        assert config["metadata"]["m"] == 1

    def test_what_it_says_itself_wins(self) -> None:
        calling = RunnableLambda(lambda x: WHOLE.invoke(x, {"tags": ["b"]}))
        config = calling.invoke(0, {"tags": ["a"], "configurable": {"c": 2}})
        assert (config["tags"], config["configurable"]) == (["b"], {"c": 2})

    def test_a_config_an_input_keeps_what_it_does_not_say(self) -> None:
        configs: list[RunnableConfig] = [{"metadata": {"m": 1}}, {}]
        calling = RunnableLambda(lambda x: WHOLE.batch([x, x], configs))
        for config in calling.invoke(0, {"tags": ["a"], "configurable": {"c": 2}}):
            assert (config["tags"], config["configurable"]) == (["a"], {"c": 2})

    def test_what_is_bound_to_what_is_called_joins(self) -> None:
        bound = WHOLE.with_config(tags=["b"])
        calling = RunnableLambda(lambda x: bound.invoke(x))
        config = calling.invoke(0, {"tags": ["a"], "configurable": {"c": 2}})
        assert sorted(config["tags"]) == ["a", "b"]
        assert config["configurable"] == {"c": 2}

    def test_it_is_gone_after_the_call(self) -> None:
        RunnableLambda(lambda x: x).invoke(0, {"tags": ["a"]})
        assert WHOLE.invoke(0)["tags"] == []


class TestBatch:
    def test_each_input_may_have_its_own(self) -> None:
        configs = [RunnableConfig(tags=["a"]), RunnableConfig(tags=["b"])]
        assert TAGS.batch([0, 1], configs) == [["a"], ["b"]]
        assert asyncio.run(TAGS.abatch([0, 1], configs)) == [["a"], ["b"]]
        assert sorted(TAGS.batch_as_completed([0, 1], configs)) == [(0, ["a"]), (1, ["b"])]
        assert TAGS.with_config(tags=["x"]).batch([0, 1], configs) == [["x", "a"], ["x", "b"]]
        assert (RunnablePassthrough() | TAGS).batch([0, 1], configs) == [["a"], ["b"]]

    def test_lengths_must_match_and_caps_agree(self) -> None:
        with pytest.raises(ConfigError, match="a list of 2, one for each input, got 1"):
            TAGS.batch([0, 1], [{}])
        with pytest.raises(ConfigError, match="one cap for the whole call, got \\[1, 2\\]"):
            TAGS.batch([0, 1], [{"max_concurrency": 1}, {"max_concurrency": 2}])

    def test_no_input_needs_no_config(self) -> None:
        assert TAGS.batch([]) == TAGS.batch([], []) == TAGS.batch([], {"tags": ["a"]}) == []
        assert TAGS.with_config(tags=["a"]).batch([]) == []
        assert list(TAGS.batch_as_completed([])) == []

    def test_one_run_id_goes_to_the_first_input_with_a_warning(self) -> None:
        with pytest.warns(RuntimeWarning, match="one run_id for 2 inputs"):
            assert TAGS.batch([0, 1], {"run_id": uuid.uuid4(), "tags": ["a"]}) == [["a"], ["a"]]

    def test_exceptions_may_be_results(self) -> None:
        def odd(number: int) -> int:
            if number % 2:
                raise ValueError(number)
            return number

        runnable = RunnableLambda(odd)
        assert [repr(x) for x in runnable.batch([0, 1, 2], return_exceptions=True)] == ["0", "ValueError(1)", "2"]
        with pytest.raises(ValueError, match="1"):
            runnable.batch([0, 1, 2])
        assert dict(runnable.batch_as_completed([0, 2], return_exceptions=True)) == {0: 0, 1: 2}
