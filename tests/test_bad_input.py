"""Whatever is wrong is said clearly, and nothing is left running (the fixtures look after each test)."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import networkx as nx
import pytest

from anabranch.engine.errors import CompositionError, ConfigError, EdgeTypeError, GraphError, NotRunnableError
from anabranch.nodes import (
    ChatPromptTemplate,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
    from_dag,
)


def whole(value: int) -> int:
    return value


def text(value: str) -> str:
    return value


WRONG: list[tuple[str, Callable[[], Any], type[BaseException], str]] = [
    ("a non-runnable after |", lambda: RunnableLambda(whole) | 3, NotRunnableError, r"got int: 3"),  # type: ignore[operator]
    ("a non-runnable before |", lambda: "a" | RunnableLambda(whole), NotRunnableError, r"got str"),  # type: ignore[operator]
    ("a non-runnable in a dict", lambda: RunnableParallel(a=3), NotRunnableError, r"got int"),
    ("a dict with other keys", lambda: RunnableParallel({1: whole}), CompositionError, r"must be strings, got 1"),  # type: ignore[dict-item]
    ("an empty dict", lambda: RunnableParallel({}), GraphError, r"at least one key"),
    ("an empty chain", RunnableSequence, GraphError, r"at least one step"),
    ("a cycle", lambda: from_dag(nx.DiGraph([(whole, text), (text, whole)])), GraphError, r"whole.*text"),
    ("an empty DAG", lambda: from_dag(nx.DiGraph()), GraphError, r"at least one vertex"),
    ("a config that is none", lambda: RunnableLambda(whole).invoke(1, 3), ConfigError, r"int"),  # type: ignore[arg-type]
    ("a tag that is no list", lambda: RunnableLambda(whole).invoke(1, {"tags": "t"}), ConfigError, r"'tags'.*'t'"),  # type: ignore[arg-type]
    ("a cap of none", lambda: RunnableLambda(whole).batch([1], {"max_concurrency": 0}), ConfigError, r"at least 1"),
    (
        "too few configs",
        lambda: RunnableLambda(whole).batch([1, 2], [{"tags": ["a"]}]),
        ConfigError,
        r"2",
    ),
    (
        "an edge that can't fit",
        lambda: RunnableLambda(whole) | text,
        EdgeTypeError,
        r"'whole' gives int.*'text' takes str",
    ),
    (
        "an edge of a dict that can't fit",
        lambda: RunnableLambda(whole) | {"a": RunnableLambda(text)},
        EdgeTypeError,
        r"'whole' gives int.*'text' takes str",
    ),
    (
        "a missing prompt variable",
        lambda: ChatPromptTemplate.from_template("{question} {context}").invoke({"question": "?"}),
        KeyError,
        r"context.*question",
    ),
    ("keys assigned to no dict", lambda: RunnablePassthrough.assign(a=whole).invoke(3), TypeError, r"must be a dict"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("act", "kind", "says"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_said(act: Callable[[], Any], kind: type[BaseException], says: str) -> None:
    with pytest.raises(kind) as caught:
        act()
    assert re.search(says, str(caught.value), re.DOTALL), str(caught.value)


def test_a_generator_whose_return_value_would_be_lost_is_refused() -> None:
    def lossy(chunks: Iterator[Any]) -> Any:
        yield from chunks
        return 5

    with pytest.raises(CompositionError, match="lossy"):
        RunnableGenerator(lossy)


class Doom(BaseException):
    """Not an `Exception`."""


@pytest.mark.parametrize("kind", [Doom, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("policy", ["plain", "retry", "fallback", "keeping"])
def test_what_is_no_exception_ends_the_call_past_every_policy(kind: type[BaseException], policy: str) -> None:
    calls: list[int] = []

    def doomed(value: int) -> int:
        calls.append(value)
        raise kind("enough")

    step: Any = RunnableLambda(doomed)
    if policy == "retry":
        step = step.with_retry(wait_exponential_jitter=False)
    if policy == "fallback":
        step = step.with_fallbacks([RunnableLambda(whole)])
    with pytest.raises(kind, match="enough"):
        step.batch([1], return_exceptions=policy == "keeping")
    assert calls == [1]


def test_an_interrupt_in_the_middle_of_a_batch_stops_the_rest() -> None:
    begun: list[int] = []
    gate = threading.Barrier(2)

    def step(value: int) -> int:
        begun.append(value)
        if value < 2:
            gate.wait(10)
        if value == 1:
            raise KeyboardInterrupt
        return value

    with pytest.raises(KeyboardInterrupt):
        RunnableLambda(step).batch(list(range(1000)), {"max_concurrency": 2}, return_exceptions=True)
    assert len(begun) < 1000


def test_an_interrupt_under_asyncio_comes_out_too() -> None:
    async def doomed(value: int) -> int:
        await asyncio.sleep(0)
        raise Doom("enough")

    async def main() -> None:
        await RunnableParallel(a=RunnableLambda(doomed), b=RunnableLambda(doomed)).ainvoke(1)

    with pytest.raises(Doom):
        asyncio.run(main())
