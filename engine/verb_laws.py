"""The laws of the verbs: what each gives is what the others give, and is the same each time."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from operator import eq
from typing import Any

from anabranch.engine.law_outcomes import Outcome, Verbs, afolded, agree, aoutcome, compared_by, folded, outcome, same


def called_twice_it_gives_the_same(a: Verbs, value: Any) -> None:
    """The same input gives the same result again: nothing is left over from a call, and nothing is left to chance."""
    first, second = outcome(a.invoke, copied(value)), outcome(a.invoke, copied(value))
    same("a.invoke(value)", first, "a.invoke(value)", second, value=value)


def input_is_not_changed(a: Verbs, value: Any) -> None:
    """A run leaves its input as it was: others may read the same object at the same time."""
    for verb, run in (("invoke", a.invoke), ("stream", folded(a.stream))):
        given = copied(value)
        outcome(run, given)
        agree(f"value after a.{verb}(value)", given, "value before", value, value=value)


def batch_is_map_of_invoke(a: Verbs, values: Sequence[Any]) -> None:
    """`batch` gives, in order, what `invoke` gives for each; `batch_as_completed` gives each of them once."""

    def completed(inputs: Sequence[Any]) -> list[Any]:
        return in_order(list(a.batch_as_completed(inputs)))

    single = outcome(lambda: [a.invoke(value) for value in values])
    one_by_one = "[a.invoke(value) for value in values]"
    same("a.batch(values)", outcome(a.batch, values), one_by_one, single, values=values)
    pairs = "in_order(a.batch_as_completed(values))"
    same(pairs, outcome(completed, values), one_by_one, single, values=values)


async def abatch_is_map_of_ainvoke(a: Verbs, values: Sequence[Any]) -> None:
    """`abatch` gives, in order, what `ainvoke` gives for each; `abatch_as_completed` gives each of them once."""

    async def each() -> list[Any]:
        return [await a.ainvoke(value) for value in values]

    async def completed() -> list[Any]:
        return in_order([pair async for pair in a.abatch_as_completed(values)])

    single = await aoutcome(each)
    one_by_one = "[await a.ainvoke(value) for value in values]"
    same("await a.abatch(values)", await aoutcome(a.abatch, values), one_by_one, single, values=values)
    pairs = "in_order([pair async for pair in a.abatch_as_completed(values)])"
    same(pairs, await aoutcome(completed), one_by_one, single, values=values)


def one_failure_spoils_no_other(a: Any, values: Sequence[Any]) -> None:
    """`batch` with `return_exceptions` has in each place what `invoke` gives for that input alone: value or error."""
    results: list[Any] = a.batch(values, return_exceptions=True)
    with compared_by(eq):
        agree("len(a.batch(values, return_exceptions=True))", len(results), "len(values)", len(values), values=values)
    for at, result in enumerate(results):
        found = Outcome(error=result) if isinstance(result, Exception) else Outcome(result)
        code = f"a.batch(values, return_exceptions=True)[{at}]"
        same(code, found, f"a.invoke(values[{at}])", outcome(a.invoke, values[at]), values=values)


def sync_equals_async(a: Verbs, value: Any) -> None:
    """`invoke` and `ainvoke` give the same result."""
    found, wanted = asyncio.run(aoutcome(a.ainvoke, value)), outcome(a.invoke, value)
    same("await a.ainvoke(value)", found, "a.invoke(value)", wanted, value=value)


def sync_stream_equals_async_stream(a: Verbs, value: Any) -> None:
    """`stream` and `astream` give the same value, however each cuts it into chunks."""
    found, wanted = asyncio.run(aoutcome(afolded(a.astream), value)), outcome(folded(a.stream), value)
    same("await afold(a.astream(value))", found, "fold(a.stream(value))", wanted, value=value)


def in_order(pairs: Any) -> list[Any]:
    """The results of `batch_as_completed` in the order of their inputs, each of which must have come once."""
    known = list(pairs)
    indexes = sorted(index for index, _ in known)
    with compared_by(eq):
        agree("the indexes of the results", indexes, "those of the inputs", list(range(len(known))))
    return [result for _, result in sorted(known, key=lambda pair: pair[0])]


def copied(value: Any) -> Any:
    """A copy of an input that shares nothing with it; the value itself where it can't be copied."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return value
