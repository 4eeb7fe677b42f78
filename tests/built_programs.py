"""Builds the runnable of a random program; its leaves tell a `Watch` when they run."""

from __future__ import annotations

import asyncio
import functools
import operator
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from programs import (
    Assign,
    Bound,
    Branch,
    Calls,
    Chunked,
    Cross,
    Fallback,
    Fn,
    Get,
    Injected,
    Join,
    Map,
    Mapped,
    Merge,
    Pass,
    PickSome,
    Program,
    Reader,
    Refused,
    Retry,
    Returns,
    Seq,
    Silent,
    Value,
    checksum,
    marked,
    split,
    text,
)

from anabranch.engine.chunks import afold, fold
from anabranch.engine.laws import Occupancy
from anabranch.nodes import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
)
from anabranch.scheduler.pools import POOL

Build = Callable[[Program], Runnable[Any, Any]]


class Watch:
    """Told by leaves: that their code is entered and left, and where they may pause."""

    def inside(self) -> AbstractContextManager[Any]:
        """Around a leaf's whole code; of a generator, from its first chunk to its close."""
        return nullcontext()

    def rest(self) -> None:
        """In the middle of synchronous code."""

    async def arest(self) -> None:
        """In the middle of asynchronous code."""


class Watched(Watch):
    """Counts who is inside; asynchronous leaves go around the loop once or twice."""

    def __init__(self) -> None:
        self.occupancy = Occupancy()

    def inside(self) -> Occupancy:
        return self.occupancy

    async def arest(self) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def left(self) -> list[str]:
        """What is alive: busy threads, and leaves that are inside."""
        busy = POOL.statistics()["busy"]
        inside = self.occupancy.inside
        return ([f"{busy} busy threads"] if busy else []) + ([f"{inside} leaves"] if inside else [])


def build(program: Program, watch: Watch | None = None) -> Runnable[Any, Any]:
    """The runnable of a program."""
    told = watch or Watch()

    def made(inner: Program) -> Runnable[Any, Any]:
        return build(inner, told)

    match program:
        case Fn():
            return _function(program, told)
        case Chunked():
            return _chunked(program, told)
        case Mapped() | Silent():
            return _generator(program, told)
        case Pass():
            return RunnablePassthrough()
        case Refused():
            refused = RunnablePassthrough.assign(refused=RunnableLambda(text, name="text"))
            return refused.with_types(input_type=Any, output_type=Any)
        case Seq(steps):
            return functools.reduce(operator.or_, map(made, steps))
        case Join(branches, then):
            parallel: Any = RunnableParallel({key: made(branch) for key, branch in branches.items()})
            return functools.reduce(operator.or_, _reading(then, made), parallel)
        case Branch(cases, default):
            return RunnableBranch(*((_divides(number), made(case)) for number, case in cases), made(default))
        case Map(parts, inner):
            return RunnableLambda(lambda value: split(value, parts)) | made(inner).map() | _merge_list
        case Retry(inner, attempts):
            return made(inner).with_retry(stop_after_attempt=attempts, wait_exponential_jitter=False)
        case Fallback(inner, others):
            return made(inner).with_fallbacks([made(other) for other in others])
        case Returns(inner, form):
            return _returning(made(inner), form)
        case Calls(inner, verb):
            return RunnableLambda(CALLS[verb](made(inner), told), name=verb)
        case Bound(inner, timeout):
            return made(inner).with_config({"timeout": 600} if timeout else {"tags": ["bound"]})


# Readers of joins


def _reading(reader: Reader, made: Build) -> list[Any]:
    match reader:
        case Merge():
            return [_merge]
        case Get(key, "pick"):
            return [RunnablePick(key)]
        case Get(key):
            return [operator.itemgetter(key)]
        case PickSome(keys):
            return [RunnablePick(list(keys)), _merge]
        case Cross(readers):
            return [_gotten(readers, made), _merge]
        case Assign(readers):
            return [RunnablePassthrough.assign(**_gotten(readers, made)), _merge]


def _gotten(readers: dict[str, tuple[str, Program]], made: Build) -> dict[str, Any]:
    return {name: _get(key) | made(each) for name, (key, each) in readers.items()}


def _get(key: str) -> Runnable[Any, Any]:
    return RunnableLambda(operator.itemgetter(key))


def _merge(ports: dict[str, Any]) -> str:
    return marked("m", ports)


def _merge_list(values: list[Any]) -> str:
    return marked(".", values)


def _divides(number: int) -> Callable[[Value], bool]:
    return lambda value: checksum(value) % number == 0


# Leaves


def _check(mark: str, number: int, fails: int) -> None:
    if fails and number % fails == 0:
        raise Injected(mark)


def _function(program: Fn, watch: Watch) -> Runnable[Any, Any]:
    mark, fails = program.mark, program.fails

    def function(value: Value) -> str:
        with watch.inside():
            watch.rest()
            _check(mark, checksum(value), fails)
            return marked(mark, value)

    async def afunction(value: Value) -> str:
        with watch.inside():
            await watch.arest()
            _check(mark, checksum(value), fails)
            return marked(mark, value)

    match program.form:
        case "sync":
            return RunnableLambda(function, name=mark)
        case "async":
            return RunnableLambda(afunction, name=mark)
        case "both":
            return RunnableLambda(function, afunction, name=mark)
        case _:
            return RunnableLambda(function, name=mark, blocking=False)


def _chunked(program: Chunked, watch: Watch) -> Runnable[Any, Any]:
    mark, size, fails = program.mark, program.size, program.fails

    def pieces(value: Value) -> Iterator[str]:
        with watch.inside():
            whole = marked(mark, value)
            for start in range(0, len(whole), size):
                yield whole[start : start + size]
                watch.rest()
                _check(mark, checksum(value), fails)

    async def apieces(value: Value) -> AsyncIterator[str]:
        with watch.inside():
            whole = marked(mark, value)
            for start in range(0, len(whole), size):
                yield whole[start : start + size]
                await watch.arest()
                _check(mark, checksum(value), fails)

    return RunnableLambda(pieces if program.form == "sync" else apieces, name=mark)


def _generator(program: Mapped | Silent, watch: Watch) -> Runnable[Any, Any]:
    fails = program.fails if isinstance(program, Mapped) else 0
    speaks = isinstance(program, Mapped)

    def mapped(chunks: Iterator[Value]) -> Iterator[str]:
        with watch.inside():
            for chunk in chunks:
                watch.rest()
                for char in (chunk or "") if speaks else "":
                    _check("mapped", ord(char), fails)
                    yield char.swapcase()

    async def amapped(chunks: AsyncIterator[Value]) -> AsyncIterator[str]:
        with watch.inside():
            async for chunk in chunks:
                await watch.arest()
                for char in (chunk or "") if speaks else "":
                    _check("mapped", ord(char), fails)
                    yield char.swapcase()

    return RunnableGenerator(mapped if program.form == "sync" else amapped, name="mapped")


# Functions that run a runnable


def _returning(inner: Runnable[Any, Any], form: str) -> Runnable[Any, Any]:
    def returning(_: Value) -> Runnable[Any, Any]:
        return inner

    async def areturning(_: Value) -> Runnable[Any, Any]:
        return inner

    return RunnableLambda(returning if form == "sync" else areturning)


def _with_invoke(inner: Runnable[Any, Any], watch: Watch) -> Callable[..., Any]:
    return lambda value: inner.invoke(value)


def _with_batch(inner: Runnable[Any, Any], watch: Watch) -> Callable[..., Any]:
    return lambda value: _merge_list(inner.batch(split(value, 2)))


def _with_completed(inner: Runnable[Any, Any], watch: Watch) -> Callable[..., Any]:
    return lambda value: _merge_pairs(list(inner.batch_as_completed(split(value, 2))))


def _with_stream(inner: Runnable[Any, Any], watch: Watch) -> Callable[..., Any]:
    return lambda value: fold(inner.stream(value))


def _with_ainvoke(inner: Runnable[Any, Any], watch: Watch) -> Callable[..., Awaitable[Any]]:
    async def call(value: Value) -> Any:
        await watch.arest()
        return await inner.ainvoke(value)

    return call


def _with_abatch(inner: Runnable[Any, Any], watch: Watch) -> Callable[..., Awaitable[Any]]:
    async def call(value: Value) -> Any:
        return _merge_list(await inner.abatch(split(value, 2)))

    return call


def _with_acompleted(inner: Runnable[Any, Any], watch: Watch) -> Callable[..., Awaitable[Any]]:
    async def call(value: Value) -> Any:
        return _merge_pairs([pair async for pair in inner.abatch_as_completed(split(value, 2))])

    return call


def _with_astream(inner: Runnable[Any, Any], watch: Watch) -> Callable[..., Awaitable[Any]]:
    async def call(value: Value) -> Any:
        return await afold(inner.astream(value))

    return call


def _with_gather(inner: Runnable[Any, Any], watch: Watch) -> Callable[..., Awaitable[Any]]:
    async def call(value: Value) -> Any:
        results = await asyncio.gather(*map(inner.ainvoke, split(value, 2)), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return _merge_list(results)

    return call


def _merge_pairs(pairs: list[tuple[int, Any]]) -> str:
    return _merge_list([result for _, result in sorted(pairs, key=lambda pair: pair[0])])


CALLS: dict[str, Callable[[Runnable[Any, Any], Watch], Callable[..., Any]]] = {
    "invoke": _with_invoke,
    "batch": _with_batch,
    "completed": _with_completed,
    "stream": _with_stream,
    "ainvoke": _with_ainvoke,
    "abatch": _with_abatch,
    "acompleted": _with_acompleted,
    "astream": _with_astream,
    "gather": _with_gather,
}
