"""Events that functions tell of their own reach whoever listens to their run, from wherever they are told."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from verbs import PATIENCE, VERBS, in_every_async_verb, in_every_verb

from anabranch.nodes import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    RunnableConfig,
    RunnableLambda,
    adispatch_custom_event,
    dispatch_custom_event,
)


class Events(BaseCallbackHandler):
    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.about: list[dict[str, Any]] = []
        self.runs: dict[str, uuid.UUID] = {}

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **more: Any) -> None:
        self.runs[more["name"]] = run_id

    def on_custom_event(self, name: str, data: Any, **about: Any) -> None:
        self.told.append((name, data))
        self.about.append(about)


class Inline(Events):
    run_inline = True


class AsyncEvents(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    async def on_custom_event(self, name: str, data: Any, **about: Any) -> None:
        await asyncio.sleep(0)
        self.told.append((name, data))


def plain(x: str) -> str:
    dispatch_custom_event("plain", x)
    return x


async def on_the_loop(x: str) -> str:
    dispatch_custom_event("on the loop", x)
    await asyncio.sleep(0)
    return x


async def waiting(x: str) -> str:
    await adispatch_custom_event("waiting", x)
    return x


def generator(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        dispatch_custom_event("generator", chunk)
        yield chunk


async def agenerator(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        await adispatch_custom_event("agenerator", chunk)
        yield chunk


CHAIN = RunnableLambda(plain) | on_the_loop | waiting | generator | agenerator
TOLD = [(name, "x") for name in ("plain", "on the loop", "waiting", "generator", "agenerator")]


@in_every_verb
@pytest.mark.parametrize("kind", [Events, Inline, AsyncEvents])
def test_they_are_told_from_functions_and_generators_of_every_kind(verb: str, kind: Any) -> None:
    handler = kind()
    VERBS[verb](CHAIN, "x", {"callbacks": [handler]})
    assert handler.told == TOLD


@in_every_verb
def test_they_tell_of_the_run_that_they_are_told_in(verb: str) -> None:
    handler = Events()
    config = {"callbacks": [handler], "tags": ["T"], "metadata": {"m": 1}}
    VERBS[verb](RunnableLambda(plain) | waiting, "x", config)
    assert [about["run_id"] for about in handler.about] == [handler.runs["plain"], handler.runs["waiting"]]
    assert [about["tags"] for about in handler.about] == [["seq:step:1", "T"], ["seq:step:2", "T"]]
    assert [about["metadata"] for about in handler.about] == [{"m": 1}] * 2


@in_every_verb
def test_where_nobody_listens_nothing_happens(verb: str) -> None:
    VERBS[verb](CHAIN, "x")

    def by_config(x: str, config: RunnableConfig) -> str:
        _in_thread(lambda: dispatch_custom_event("a", 1, config=config))
        dispatch_custom_event("a", 1, config=config)
        return x

    VERBS[verb](RunnableLambda(by_config), "x")


@in_every_verb
def test_in_threads_of_ones_own(verb: str) -> None:
    def by_context(x: str) -> str:
        _in_thread(contextvars.copy_context().run, dispatch_custom_event, "by context", x)
        return x

    def by_config(x: str, config: RunnableConfig) -> str:
        _in_thread(lambda: dispatch_custom_event("by config", x, config=config))
        return x

    handler = Events()
    VERBS[verb](RunnableLambda(by_context) | by_config, "x", {"callbacks": [handler]})
    assert handler.told == [("by context", "x"), ("by config", "x")]


@in_every_verb
def test_in_tasks_and_in_what_a_step_calls(verb: str) -> None:
    async def in_a_task(x: str) -> str:
        await asyncio.gather(*(adispatch_custom_event("task", at) for at in range(2)))
        return await RunnableLambda(waiting).ainvoke(x)

    handler = Events()
    VERBS[verb](RunnableLambda(in_a_task), "x", {"callbacks": [handler]})
    assert handler.told == [("task", 0), ("task", 1), ("waiting", "x")]
    assert handler.about[-1]["run_id"] == handler.runs["waiting"]


@in_every_async_verb
def test_order_is_kept_between_a_step_and_what_it_calls(verb: str) -> None:
    async def outer(x: str) -> str:
        dispatch_custom_event("before", x)
        made = await RunnableLambda(on_the_loop).ainvoke(x)
        dispatch_custom_event("after", x)
        return made

    handler = Events()
    VERBS[verb](RunnableLambda(outer), "x", {"callbacks": [handler]})
    assert [name for name, _ in handler.told] == ["before", "on the loop", "after"]


def test_outside_of_any_run_it_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="'lost' was dispatched outside of any run"):
        dispatch_custom_event("lost", 1)
    with pytest.raises(RuntimeError, match="outside of any run"):
        dispatch_custom_event("lost", 1, config={"callbacks": [Events()]})
    with pytest.raises(RuntimeError, match="outside of any run"):
        asyncio.run(adispatch_custom_event("lost", 1))
    CHAIN.invoke("x")
    with pytest.raises(RuntimeError, match="outside of any run"):
        dispatch_custom_event("lost", 1)


def test_handlers_may_ignore_them() -> None:
    class Deaf(Events):
        @property
        def ignore_custom_event(self) -> bool:
            return True

    handler = Deaf()
    CHAIN.invoke("x", {"callbacks": [handler]})
    assert handler.told == []


def test_a_handler_that_raises_breaks_the_step_only_if_it_wants_to() -> None:
    class Broken(Events):
        def on_custom_event(self, name: str, data: Any, **about: Any) -> None:
            raise RuntimeError("of the handler")

    handler = Broken()
    assert CHAIN.invoke("x", {"callbacks": [handler]}) == "x"
    handler.raise_error = True
    with pytest.raises(RuntimeError, match="of the handler"):
        CHAIN.invoke("x", {"callbacks": [handler]})
    with pytest.raises(RuntimeError, match="of the handler"):
        asyncio.run(CHAIN.ainvoke("x", {"callbacks": [handler]}))


def test_what_replaces_the_callbacks_replaces_who_is_told() -> None:
    handler, other = Events(), Events()

    def outer(x: str) -> str:
        RunnableLambda(plain).invoke(x, {"callbacks": []})
        return RunnableLambda(plain).invoke(x, {"callbacks": [other]})

    RunnableLambda(outer).invoke("x", {"callbacks": [handler]})
    assert handler.told == []
    assert other.told == [("plain", "x")]


def test_they_stand_in_event_streams() -> None:
    async def main() -> list[Any]:
        return [event async for event in CHAIN.astream_events("x")]

    custom = [event for event in asyncio.run(main()) if event["event"] == "on_custom_event"]
    assert [(event["name"], event["data"]) for event in custom] == TOLD


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"include_names": ["plain"]}, ["plain"]),
        ({"exclude_names": ["plain"]}, ["waiting"]),
        ({"include_types": ["custom_event"]}, ["plain", "waiting"]),
        ({"include_types": ["chain"]}, []),
        ({"include_tags": ["mine"]}, ["plain"]),
        ({"exclude_tags": ["mine"]}, ["waiting"]),
    ],
)
def test_they_are_wanted_by_their_own_name_and_the_tags_of_their_run(wanted: Any, told: list[str]) -> None:
    chain = RunnableLambda(plain).with_config(run_name="step", tags=["mine"]) | RunnableLambda(waiting)
    events = list(chain.stream_events("x", **wanted))
    assert [event["name"] for event in events if event["event"] == "on_custom_event"] == told


def _in_thread(function: Any, *args: Any) -> None:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join(PATIENCE)


@in_every_verb
@pytest.mark.parametrize("is_async", [False, True])
def test_what_is_called_after_an_event_was_told_is_part_of_the_same_run(verb: str, is_async: bool) -> None:
    parents: dict[str, Any] = {}
    ids: dict[Any, str] = {}

    class Parents(AsyncEvents):
        async def on_chain_start(
            self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
        ) -> None:
            ids[run_id] = more["name"]
            parents[more["name"]] = parent_run_id

    inner = RunnableLambda(plain, name="inner")

    def step(x: str) -> str:
        dispatch_custom_event("event", x)
        return inner.invoke(x)

    async def astep(x: str) -> str:
        await adispatch_custom_event("event", x)
        return await inner.ainvoke(x)

    handler = Parents()
    chain = RunnableLambda(str) | RunnableLambda(astep if is_async else step, name="step")
    VERBS[verb](chain, "x", {"callbacks": [handler, Events()]})
    assert ids[parents["inner"]] == "step"
    assert [name for name, _ in handler.told] == ["event", "plain"]
