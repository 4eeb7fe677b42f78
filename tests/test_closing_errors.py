"""What a step's code raises while its stream is closed: it comes out, or is noted on what does. Nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

import pytest
from built_programs import Watched, build
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from programs import Program, Value, programs, values
from verbs import PATIENCE, awaited, one_after_another, until

from anabranch.engine.laws import nothing_alive_after
from anabranch.engine.trace_laws import Recorder, check_facts
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from anabranch.scheduler.closing import STOPS

AnyRunnable = Runnable[Any, Any]


class Breaks(Exception):
    """Raised by what is closed."""


def told_in(error: BaseException | None) -> str:
    """What an error says, with its notes."""
    return "\n".join([repr(error), *getattr(error, "__notes__", ())])


# Programs


class Breaking(Watched):
    """Leaves of which each raises when it is stopped, once the consumer has had enough."""

    def __init__(self) -> None:
        super().__init__()
        self.raised: list[str] = []
        self.is_enough = False
        self._lock = threading.Lock()

    def inside(self) -> Any:
        return _Inside(self)

    def leave(self, error: BaseException | None) -> None:
        with self._lock:
            if self.is_enough and isinstance(error, STOPS):
                self.raised.append(f"number {len(self.raised)}.")
                raise Breaks(self.raised[-1])


class _Inside(AbstractContextManager[Any]):
    def __init__(self, watch: Breaking) -> None:
        self._watch = watch

    def __enter__(self) -> Self:
        self._watch.occupancy.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._watch.occupancy.__exit__(kind, error, at)
        self._watch.leave(error)


@given(programs(max_leaves=6, failing=False), values, st.integers(0, 3), st.sampled_from((None, 1, 2)))
@settings(max_examples=25)
def test_whatever_closing_raises_is_told(program: Program, value: Value, count: int, cap: int | None) -> None:
    assume(not any(calls in repr(program) for calls in ("Calls(", "Map(")))  # values go by other rules

    def close(watch: Breaking, config: Any) -> None:
        with build(program, watch).stream(value, config) as chunks:
            for _ in zip(range(count), chunks, strict=False):
                pass
            watch.is_enough = True

    async def aclose(watch: Breaking, config: Any) -> None:
        async with build(program, watch).astream(value, config) as chunks:
            for _ in range(count):
                await anext(chunks, None)
            watch.is_enough = True

    for closing in (close, lambda *given: asyncio.run(aclose(*given))):
        watch, recorder = Breaking(), Recorder()
        config: Any = {"callbacks": [recorder], "channel_capacity": 1} | ({"max_concurrency": cap} if cap else {})
        error: BaseException | None = None
        try:
            closing(watch, config)
        except Breaks as raised:
            error = raised
        assert [each for each in watch.raised if each not in told_in(error)] == []
        nothing_alive_after(lambda: None, watch.left)
        if recorder.facts:
            check_facts(recorder.facts)


# Chains


def letters(_: Any) -> Iterator[str]:
    yield from itertools.cycle("abc")


async def aletters(_: Any) -> AsyncIterator[str]:
    for letter in itertools.cycle("abc"):
        await asyncio.sleep(0)
        yield letter


def breaking(name: str, form: str) -> AnyRunnable:
    """A step that hands its chunks on, and raises when it is closed."""

    def hand_on(chunks: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from (f"{name}{chunk}" for chunk in chunks)
        except STOPS:
            raise Breaks(name) from None

    async def ahand_on(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                await asyncio.sleep(0)
                yield f"{name}{chunk}"
        except STOPS:
            raise Breaks(name) from None

    return RunnableGenerator(hand_on if form == "blocking" else ahand_on, name=name)


def source(form: str) -> AnyRunnable:
    return RunnableLambda(letters if form == "blocking" else aletters)


STRAIGHT: dict[str, Callable[[str], AnyRunnable]] = {
    "a step": lambda form: source(form) | breaking("x", form),
    "two steps": lambda form: source(form) | breaking("y", form) | breaking("x", form),
    "a retry": lambda form: source(form) | breaking("x", form).with_retry(),
    "a fallback": lambda form: source(form) | breaking("x", form).with_fallbacks([RunnablePassthrough()]),
    "a returned runnable": lambda form: RunnableLambda(lambda _: source(form) | breaking("x", form)),
    "a bound timeout": lambda form: (source(form) | breaking("x", form)).with_config({"timeout": 600}),
}
FORKED: dict[str, Callable[[str], AnyRunnable]] = {
    "a branch": lambda form: source(form) | {"x": breaking("x", form), "z": RunnablePassthrough()},
    "two branches": lambda form: source(form) | {"y": breaking("y", form), "x": breaking("x", form)},
    "before the fork": lambda form: source(form) | breaking("x", form) | {"p": str, "q": RunnablePassthrough()},
    "after the join": lambda form: source(form) | {"p": RunnablePassthrough(), "q": str} | breaking("x", form),
    "a retry in a branch": lambda form: source(form) | {"x": breaking("x", form).with_retry(), "z": str},
    "a returned fork": lambda form: RunnableLambda(lambda _: FORKED["two branches"](form)),
}
CHAINS = STRAIGHT | FORKED
in_each_chain = pytest.mark.parametrize("chain", CHAINS)
in_both_forms = one_after_another("form", ["blocking", "asynchronous"])


def names(chain: str) -> list[str]:
    """The steps that break, the one first whose error comes out."""
    return ["x", "y"] if chain in ("two steps", "two branches", "a returned fork") else ["x"]


def all_began(seen: str, chain: str) -> bool:
    return all(name in seen for name in names(chain))


def closed(made: AnyRunnable, chain: str, config: Any) -> BaseException | None:
    """What comes out of closing a stream of which each step has made a chunk."""
    chunks, seen = made.stream("x", config), ""
    while not all_began(seen, chain):
        seen += str(next(chunks))
    try:
        chunks.close()
    except Breaks as error:
        assert next(chunks, "no more") == "no more"
        return error
    return None


def aclosed(made: AnyRunnable, chain: str, config: Any) -> BaseException | None:
    async def main() -> BaseException | None:
        chunks, seen = made.astream("x", config), ""
        while not all_began(seen, chain):
            seen += str(await anext(chunks))
        try:
            await chunks.aclose()
        except Breaks as error:
            assert await anext(chunks, "no more") == "no more"
            return error
        return None

    return asyncio.run(main())


@in_each_chain
@in_both_forms
@pytest.mark.parametrize("close", [closed, aclosed])
@pytest.mark.parametrize("cap", [None, 1])
def test_the_error_of_the_last_step_comes_out_with_its_place_and_the_others_are_noted(
    chain: str, form: str, close: Callable[..., BaseException | None], cap: int | None
) -> None:
    recorder = Recorder()
    config: Any = {"channel_capacity": 1} | ({"max_concurrency": cap} if cap else {})
    for told in ({}, {"callbacks": [recorder]}):
        first, *others = names(chain)
        error = close(CHAINS[chain](form), chain, config | told)
        assert isinstance(error, Breaks)
        assert str(error) == first
        assert any(note.startswith("raised in step") for note in error.__notes__)
        for name in others:
            assert f"also raised, while all was closed: Breaks: {name}; raised in step" in told_in(error)
    check_facts(recorder.facts)
    ended = {run.name: run.error for what, run, _ in recorder.facts if what in ("ended", "failed")}
    for name in names(chain):
        assert isinstance(ended[name], Breaks)
        assert str(ended[name]) == name
    assert recorder.facts[0][1].error is error
    assert not any(isinstance(each, BaseException) for name, each in ended.items() if name.endswith("letters"))


# Why it is closed


@in_both_forms
@pytest.mark.parametrize("chain", ["a step", "a branch", "after the join"])
def test_what_made_the_consumer_leave_comes_out_with_what_closing_raised_noted(chain: str, form: str) -> None:
    made = CHAINS[chain](form)

    def leaves() -> None:
        with made.stream("x") as chunks:
            while "x" not in str(next(chunks)):
                pass
            raise ZeroDivisionError

    def throws() -> None:
        chunks = made.stream("x")
        while "x" not in str(next(chunks)):
            pass
        chunks.throw(ZeroDivisionError())

    async def aleaves() -> None:
        async with made.astream("x") as chunks:
            while "x" not in str(await anext(chunks)):
                pass
            raise ZeroDivisionError

    async def athrows() -> None:
        chunks = made.astream("x")
        while "x" not in str(await anext(chunks)):
            pass
        await chunks.athrow(ZeroDivisionError())

    for way in (leaves, throws, lambda: asyncio.run(aleaves()), lambda: asyncio.run(athrows())):
        with pytest.raises(ZeroDivisionError) as caught:
            way()
        (note,) = caught.value.__notes__  # and no step is blamed for what it has not raised
        assert note.startswith("also raised, while all was closed: Breaks: x; raised in step")


@in_both_forms
@pytest.mark.parametrize("place", ["straight", "fork"])
def test_the_failure_of_a_step_comes_out_with_what_closing_the_others_raised_noted(place: str, form: str) -> None:
    def fails(chunks: Iterator[Any]) -> Iterator[Any]:
        for _, chunk in zip(range(3), chunks, strict=False):
            yield chunk
        raise ZeroDivisionError

    async def afails(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        for _ in range(3):
            yield await anext(chunks)
        raise ZeroDivisionError

    failing = RunnableGenerator(fails if form == "blocking" else afails, name="fails")
    made = source(form) | breaking("x", form) | failing
    if place == "fork":
        made = source(form) | breaking("x", form) | {"a": failing, "b": RunnablePassthrough()}
    for read in (lambda: list(made.stream("x")), lambda: awaited(lambda: _read(made))):
        with pytest.raises(ZeroDivisionError) as caught:
            read()
        assert "raised in step" in caught.value.__notes__[0]
        assert "fails" in caught.value.__notes__[0]
        assert "also raised, while all was closed: Breaks: x" in told_in(caught.value)


async def _read(made: AnyRunnable) -> None:
    async with made.astream("x", {"channel_capacity": 1}) as chunks:
        async for _ in chunks:
            pass


async def _patient(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        yield chunk
        if "x" in str(chunk):
            await asyncio.Event().wait()


@in_each_chain
@in_both_forms
@pytest.mark.parametrize("pulling", [False, True])
def test_a_cancellation_comes_out_with_what_closing_raised_noted(chain: str, form: str, pulling: bool) -> None:
    made = CHAINS[chain](form)

    async def consume(seen: list[Any]) -> None:
        async with (made | RunnableGenerator(_patient) if pulling else made).astream("x") as chunks:
            async for chunk in chunks:
                seen.append(chunk)
                if not pulling and all_began(str(seen), chain):
                    await asyncio.Event().wait()

    async def main() -> None:
        seen: list[Any] = []
        task = asyncio.ensure_future(consume(seen))
        await until(lambda: all_began(str(seen), "x" if pulling else chain))
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert "also raised, while all was closed: Breaks: x" in told_in(caught.value)

    asyncio.run(main())


def test_a_step_is_not_tried_again_because_it_raised_when_it_was_stopped() -> None:
    tries: list[str] = []

    async def waits(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        tries.append("began")
        try:
            async for _ in chunks:
                await asyncio.Event().wait()
                yield
        finally:
            raise Breaks

    async def main(made: AnyRunnable) -> None:
        task = asyncio.ensure_future(_read(made))
        await until(lambda: bool(tries))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    step = RunnableGenerator(waits)
    for made in (step.with_retry(), step.with_fallbacks([str])):
        for chain in (source("asynchronous") | made, source("asynchronous") | {"a": made, "b": RunnablePassthrough()}):
            tries.clear()
            asyncio.run(main(chain))
            assert tries == ["began"]


def test_a_consumer_whose_step_was_cancelled_because_of_a_branch_is_not_cancelled_itself() -> None:
    begun = asyncio.Event()

    async def waits(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for _ in chunks:
            begun.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            raise Breaks
            yield

    async def fails(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in chunks:
            yield chunk
            await begun.wait()
            raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await _read(chain)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    chain = source("asynchronous") | RunnableParallel(a=fails, b=RunnablePassthrough()) | RunnableGenerator(waits)
    asyncio.run(main())


def test_a_close_may_be_cancelled_and_closes_all_the_same() -> None:
    watch = Watched()

    async def lingers(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        with watch.inside():
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                lingering.set()
                await asyncio.Event().wait()

    async def main(chain: AnyRunnable) -> None:
        chunks = chain.astream("x")
        while "x" not in str(await anext(chunks)):
            pass
        task = asyncio.ensure_future(chunks.aclose())
        await lingering.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert watch.occupancy.inside == 0

    lingering = asyncio.Event()
    asyncio.run(main(source("asynchronous") | breaking("x", "asynchronous") | RunnableGenerator(lingers)))


# Values


def giving_up(name: str, begun: list[str]) -> AnyRunnable:
    async def give_up(_: Any) -> None:
        begun.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError(f"late {name}")

    return RunnableLambda(give_up, name=name)


def asking(other: AnyRunnable) -> AnyRunnable:
    async def ask(value: Any) -> Any:
        return await other.ainvoke(value)

    return RunnableLambda(ask)


async def alike(value: Any) -> Any:
    return value


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("ends", ["cancelled", "timeout"])
def test_what_steps_raise_when_a_call_for_values_is_stopped_is_noted_on_what_stopped_it(ends: str, heard: bool) -> None:
    begun: list[str] = []
    a, b = giving_up("a", begun), giving_up("b", begun)
    first = RunnableLambda(str)
    chains: dict[str, tuple[AnyRunnable, set[str]]] = {
        "a step": (a, {"a"}),
        "coroutines": (RunnableLambda(alike) | a, {"a"}),
        "a bound step": (RunnableLambda(alike) | a.with_config(tags=["bound"]), {"a"}),
        "a step in a step": (RunnableLambda(lambda _: 1) | asking(a), {"a"}),
        "in line": (first | a, {"a"}),
        "a fork": (first | {"a": a, "b": b}, {"a", "b"}),
        "a retry": (first | a.with_retry(), {"a"}),
        "a fallback": (first | {"a": a.with_fallbacks([first]), "b": b}, {"a", "b"}),
        "a map": (RunnableLambda(lambda _: [1, 2]) | a.map(), {"a"}),
    }

    async def stopped(call: Callable[[Any], Awaitable[Any]], names: set[str]) -> BaseException:
        async def main() -> None:
            await call(
                {"callbacks": [Recorder()] if heard else [], **({"timeout": 0.001} if ends == "timeout" else {})}
            )

        begun.clear()
        task = asyncio.create_task(main())
        if ends == "cancelled":
            await until(lambda: names <= {*begun})
            task.cancel()
        try:
            await task
        except (asyncio.CancelledError, TimeoutError) as error:
            return error
        raise AssertionError("it went on")

    async def main() -> None:
        for name, (chain, names) in chains.items():
            for call in (partial(chain.ainvoke, 1), partial(chain.abatch, [1, 2])):
                error = await stopped(call, names)
                assert isinstance(error, asyncio.CancelledError if ends == "cancelled" else TimeoutError), name
                notes = " ".join(getattr(error, "__notes__", ()))
                assert [each for each in names & {*begun} if f"ValueError: late {each}" not in notes] == [], name

    asyncio.run(main())


def test_an_error_that_no_cancellation_of_the_call_has_caused_comes_out_as_it_is() -> None:
    async def out_of_time(_: Any) -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    async def forgets(_: Any) -> None:
        other = asyncio.ensure_future(asyncio.Event().wait())
        other.cancel()
        try:
            await other
        except asyncio.CancelledError:
            raise ValueError("the other") from None

    async def fails(_: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError("by itself")

    async def clean_up(chain: AnyRunnable) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await chain.ainvoke(1)

    async def main() -> None:
        for function, kind in ((out_of_time, TimeoutError), (forgets, ValueError), (fails, ValueError)):
            step: AnyRunnable = RunnableLambda(function)
            for chain in (step, RunnableLambda(alike) | step, step | step.with_config(tags=["bound"])):
                with pytest.raises(kind):
                    await chain.ainvoke(1)
                task = asyncio.create_task(clean_up(chain))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(kind):
                    await task

    asyncio.run(main())
