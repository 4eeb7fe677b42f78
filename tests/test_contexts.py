"""Context variables: a step sees its caller's, and nobody sees a step's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from verbs import VERBS, in_every_verb

from anabranch.nodes import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
)

colour: ContextVar[str] = ContextVar("colour", default="none")


def paint(value: str) -> str:
    seen = colour.get()
    colour.set(f"painted by {value}")
    return f"{value}:{seen}"


async def apaint(value: str) -> str:
    await asyncio.sleep(0)
    seen = colour.get()
    colour.set(f"painted by {value}")
    await asyncio.sleep(0)
    assert colour.get() == f"painted by {value}"
    return f"{value}:{seen}"


def test_each_function_sees_the_callers_context_and_not_that_of_the_step_before() -> None:
    colour.set("blue")
    chain = RunnableLambda(paint) | paint | paint
    assert chain.invoke("x") == "x:blue:blue:blue"
    assert colour.get() == "blue"


def test_the_same_holds_for_coroutines_even_when_they_suspend() -> None:
    async def main() -> str:
        colour.set("green")
        found = await (RunnableLambda(apaint) | apaint).ainvoke("x")
        assert colour.get() == "green"
        return found

    assert asyncio.run(main()) == "x:green:green"


def test_branches_in_threads_see_the_callers_context() -> None:
    colour.set("red")
    branches = RunnableParallel({key: RunnableLambda(paint) for key in "abcd"})
    assert set(branches.invoke("x").values()) == {"x:red"}
    assert set(branches.batch(["x"] * 5)[4].values()) == {"x:red"}
    assert set(asyncio.run(branches.ainvoke("x")).values()) == {"x:red"}
    assert colour.get() == "red"


def test_what_runs_on_the_portal_sees_the_callers_context() -> None:
    colour.set("violet")
    assert RunnableLambda(apaint).invoke("x") == "x:violet"
    assert colour.get() == "violet"


@in_every_verb
@pytest.mark.parametrize("kind", ["blocking", "inline", "async"])
def test_handlers_see_the_callers_context_wherever_they_are_called(verb: str, kind: str) -> None:
    seen: list[str] = []

    class Looks(BaseCallbackHandler):
        run_inline = kind == "inline"

        def on_chain_start(self, *args: Any, **more: Any) -> None:
            seen.append(colour.get())

        on_chain_end = on_chain_start

    class AsyncLooks(AsyncCallbackHandler):
        async def on_chain_start(self, *args: Any, **more: Any) -> None:
            seen.append(colour.get())

        on_chain_end = on_chain_start

    colour.set("amber")
    chain = RunnableLambda(paint) | {"a": RunnableLambda(paint) | apaint, "b": RunnableLambda(apaint) | paint}
    VERBS[verb](chain, "x", {"callbacks": [AsyncLooks() if kind == "async" else Looks()]})
    assert seen == ["amber"] * 18


def test_the_generators_of_a_segment_share_one_context_that_the_caller_never_sees() -> None:
    def leave(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            colour.set(f"left by {chunk}")
            yield chunk

    def look(chunks: Iterator[str]) -> Iterator[str]:
        for _ in chunks:
            yield colour.get()

    colour.set("white")
    chain = RunnableGenerator(leave) | look
    assert list(chain.stream("x")) == ["left by x"]
    assert colour.get() == "white"


def test_asynchronous_generators_do_likewise() -> None:
    async def leave(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            colour.set(f"left by {chunk}")
            await asyncio.sleep(0)
            yield chunk

    async def look(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for _ in chunks:
            yield colour.get()

    async def main() -> list[Any]:
        colour.set("black")
        chunks = [chunk async for chunk in (RunnableGenerator(leave) | look).astream("x")]
        assert colour.get() == "black"
        return chunks

    assert asyncio.run(main()) == ["left by x"]


def test_config_reaches_what_a_function_calls_and_is_gone_afterwards() -> None:
    seen: list[Any] = []

    def inner(value: int, config: Any) -> int:
        seen.append((config["tags"], config["metadata"]))
        return value

    reader = RunnableLambda(inner)
    outer = RunnableLambda(lambda value: reader.invoke(value))
    outer.invoke(1, {"tags": ["mine"], "metadata": {"who": "me"}})
    reader.invoke(1)
    asyncio.run(RunnableLambda(lambda value: reader.invoke(value)).ainvoke(1, {"tags": ["async"]}))
    assert seen == [(["mine"], {"who": "me"}), ([], {}), (["async"], {})]


def test_bound_config_reaches_nested_calls_of_that_step_only() -> None:
    seen: list[Any] = []

    def inner(value: int, config: Any) -> int:
        seen.append(sorted(config["tags"]))
        return value

    reader = RunnableLambda(inner)
    call = RunnableLambda(lambda value: reader.invoke(value))
    tagged = call.with_config(tags=["bound"])
    (tagged | call).invoke(1, {"tags": ["given"]})
    list((tagged | call).stream(1, {"tags": ["given"]}))
    assert seen == [["bound", "given"], ["given"]] * 2
