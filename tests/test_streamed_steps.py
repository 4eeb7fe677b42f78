"""What is told of the steps of a stream, whose error it is, and that all of it is closed when it comes out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from facts import STREAMS, Told, source_of, told_of
from verbs import PATIENCE, VERBS

from anabranch.engine.errors import Stopped
from anabranch.engine.runs import Listener, RunInfo
from anabranch.engine.trace_laws import check_facts
from anabranch.nodes import (
    BaseTransformOutputParser,
    PromptTemplate,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
)

in_both_streams = pytest.mark.parametrize("verb", STREAMS)
heard_or_not = pytest.mark.parametrize("heard", [False, True])
prompt = PromptTemplate.from_template("<{x}>")
inner = (prompt | RunnableLambda(str)).with_config(run_name="inner")


def bracketed(text: str) -> str:
    return f"[{text}]"


def passed(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


class Upper(BaseTransformOutputParser[str]):
    def parse(self, text: str) -> str:
        return text.upper()


passing: Runnable[Any, Any] = RunnableGenerator(passed)


def broken_off(chunks: tuple[str, ...]) -> Iterator[str]:
    yield from chunks
    raise KeyError("input")


def run_of(told: Told, name: str) -> RunInfo:
    """The run of this name that has failed."""
    (failed,) = [run for what, run, _ in told.facts if what == "failed" and run.name == name]
    return failed


# What is told of a step that takes its whole input


@in_both_streams
def test_a_function_starts_with_its_first_chunk_and_a_prompt_when_all_is_there(verb: str) -> None:
    told, found = told_of(source_of("a", "b") | inner | bracketed, verb)
    assert found == ["[text='<ab>']"]
    assert told.order == [
        "started RunnableSequence",
        "started source",
        "chunk source 'a'",
        "started inner",
        "chunk source 'b'",
        "ended source",
        "started PromptTemplate",
        "ended PromptTemplate",
        "started str",
        """chunk str "text='<ab>'\"""",
        """chunk inner "text='<ab>'\"""",
        "started bracketed",
        "ended str",
        "ended inner",
        """chunk bracketed "[text='<ab>']\"""",
        """chunk RunnableSequence "[text='<ab>']\"""",
        "ended bracketed",
        "ended RunnableSequence",
    ]
    assert told.ends["inner"] == ("ab", "text='<ab>'")
    assert told.ends["PromptTemplate"][0] == "ab"
    assert told.ends["bracketed"] == ("text='<ab>'", "[text='<ab>']")


@in_both_streams
def test_a_scope_has_failed_where_its_first_step_never_began(verb: str) -> None:
    told, error = told_of(source_of("a", KeyError("broken")) | inner, verb)
    assert told.order == [
        "started RunnableSequence",
        "started source",
        "chunk source 'a'",
        "started inner",
        "failed source",
        "failed inner",
        "failed RunnableSequence",
    ]
    assert error.args == ("broken",)


@in_both_streams
def test_a_function_whose_input_breaks_off_has_failed_with_what_it_had(verb: str) -> None:
    told, error = told_of(source_of("a", "b", KeyError("broken")) | RunnableLambda(bracketed), verb)
    assert told.failures == {
        "source": ("x", error),
        "bracketed": ("ab", error),
        "RunnableSequence": ("x", error),
    }
    assert told.order[-3:] == ["failed source", "failed bracketed", "failed RunnableSequence"]


@in_both_streams
def test_a_function_whose_input_is_empty_gets_none(verb: str) -> None:
    told, found = told_of(source_of() | RunnableLambda(bracketed), verb)
    assert found == ["[None]"]
    assert told.order[2:4] == ["ended source", "started bracketed"]
    assert told.ends["bracketed"] == (None, "[None]")


# Runs inside


def parent_names(told: Told, name: str) -> list[str]:
    return [run.parent.name for what, run, _ in told.facts if what == "started" and run.name == name and run.parent]


@in_both_streams
def test_what_a_step_calls_is_part_of_its_run_whenever_it_calls(verb: str) -> None:
    called = RunnableLambda(bracketed, name="called")

    class Calls(BaseTransformOutputParser[str]):
        def parse(self, text: str) -> str:
            return called.invoke(text)

    def first(_: Any) -> Iterator[str]:
        called.invoke("x")
        yield "a"
        called.invoke("x")
        yield "b"
        called.invoke("x")

    def maps(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            called.invoke("x")
            yield chunk
            called.invoke("x")
        called.invoke("x")

    def last(text: str) -> str:
        return called.invoke(text)

    chain = RunnableLambda(first) | Calls() | RunnableGenerator(maps) | RunnableGenerator(passed) | last
    told, found = told_of(chain, verb)
    assert found == ["[[a][b]]"]
    assert parent_names(told, "called") == [
        *("first", "Calls", "maps"),
        *("maps", "first", "Calls", "maps"),
        *("maps", "first", "maps"),
        "last",
    ]


def test_what_an_asynchronous_step_calls_too() -> None:
    async def abracketed(text: str) -> str:
        return bracketed(text)

    called = RunnableLambda(abracketed, name="called")

    async def first(_: Any) -> AsyncIterator[str]:
        await called.ainvoke("x")
        yield "a"
        await called.ainvoke("x")

    async def maps(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            await called.ainvoke("x")
            yield chunk
            await called.ainvoke("x")

    async def last(text: str) -> str:
        return await called.ainvoke(text)

    chain = RunnableLambda(first) | RunnableGenerator(maps) | last
    for verb in STREAMS:
        told, found = told_of(chain, verb)
        assert found == ["[a]"]
        assert parent_names(told, "called") == ["first", "maps", "maps", "first", "last"]


# Whose error it is


@in_both_streams
def test_chunks_that_do_not_combine_are_noted_where_they_are_needed_or_else_told_of(verb: str) -> None:
    def odd(chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            yield chunk if chunk == "a" else 5

    chain = source_of("a", "b") | RunnableGenerator(odd) | RunnableLambda(bracketed)
    with pytest.raises(TypeError, match="don't combine") as caught:
        VERBS[verb](chain, "x")
    (note,) = caught.value.__notes__
    assert note.startswith("raised in step RunnableSequence > bracketed")
    told, error = told_of(chain, verb)
    assert error.__notes__ == [f"raised in step RunnableSequence > odd (run {run_of(told, 'odd').id})"]


@heard_or_not
@pytest.mark.parametrize("verb", ["transform", "atransform"])
@pytest.mark.parametrize("chunks", [(), ("a", "b")])
def test_an_input_that_fails_is_noted_at_the_step_that_reads_it(
    verb: str, chunks: tuple[str, ...], heard: bool
) -> None:
    async def read(chain: Any, config: Any) -> None:
        async for _ in chain.atransform(one_by_one(broken_off(chunks)), config):
            pass

    upper = Upper().with_config(run_name="upper")
    for first, name in ((RunnableLambda(bracketed), "bracketed"), (passing, "passed"), (upper, "upper")):
        told = Told()
        config: Any = {"callbacks": [told] if heard else []}
        chain = first | upper.with_config(run_name="later") | passing.with_config(run_name="last")
        with pytest.raises(KeyError) as caught:
            list(chain.transform(broken_off(chunks), config)) if verb == "transform" else asyncio.run(
                read(chain, config)
            )
        if heard and chunks:
            assert caught.value.__notes__ == [f"raised in step RunnableSequence > {name} (run {run_of(told, name).id})"]
            assert told.failures[name] == ("".join(chunks), caught.value)
        else:
            (note,) = caught.value.__notes__
            assert note.startswith(f"raised in step RunnableSequence > {name} (run ")


def failing_in_turn(first: str) -> tuple[Runnable[Any, Any], list[str]]:
    """Two branches that both fail; the one that isn't `first` goes on until it is stopped, and fails then."""
    went: list[str] = []
    nothing = RunnableLambda(lambda x: x)
    both = threading.Barrier(2)

    def branch(name: str) -> Callable[[Iterator[Any]], Iterator[Any]]:
        def fails(chunks: Iterator[Any]) -> Iterator[Any]:
            yield from chunks
            both.wait(PATIENCE)
            while name != first:
                try:
                    nothing.invoke(1)
                except Stopped:
                    break
            went.append(name)
            raise ValueError(name)

        return fails

    return RunnableParallel(a=branch("a"), b=branch("b")) | RunnableGenerator(passed), went


@heard_or_not
@pytest.mark.parametrize("first", ["a", "b"])
def test_of_several_branches_that_fail_the_first_in_the_plan_counts_whichever_was_first(
    first: str, heard: bool
) -> None:
    chain, went = failing_in_turn(first)
    with pytest.raises(ValueError, match="a"):
        list(chain.stream("x", {"callbacks": [Told()] if heard else []}))
    assert went == [first, "b" if first == "a" else "a"]


class Broken(Runnable[Any, Any]):
    """A leaf whose streams raise before there is anything to iterate."""

    def transform(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        raise ZeroDivisionError


@heard_or_not
@in_both_streams
def test_a_leaf_that_fails_when_it_is_asked_for_its_chunks_is_named(verb: str, heard: bool) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        VERBS[verb](source_of("a") | Broken() | passing, "x", {"callbacks": [Told()] if heard else []})
    (note,) = caught.value.__notes__
    assert note.startswith("raised in step RunnableSequence > Broken (run ")


# Closing


@heard_or_not
@in_both_streams
def test_when_an_error_comes_out_what_was_read_is_closed(verb: str, heard: bool) -> None:
    closed: list[str] = []

    def source(_: Any) -> Iterator[Any]:
        try:
            yield "a"
            yield 5
            yield "c"
        finally:
            closed.append("source")

    def fails(chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            if chunk == 5:
                raise ValueError(chunk)
            yield chunk

    made = RunnableLambda(source)
    config = {"callbacks": [Told()] if heard else []}
    for chain in (made | bracketed, made | str | bracketed, made | RunnableGenerator(fails) | bracketed):
        for policy in (chain, RunnableLambda(lambda x: x) | chain):
            closed.clear()
            try:
                VERBS[verb](policy, "x", config)
            except (TypeError, ValueError):
                assert closed == ["source"]
            else:
                pytest.fail("it ought to fail")


class Own:
    """An iterator of somebody's own, which nothing closes by itself."""

    def __init__(self, closed: list[str], name: str, chunks: Any) -> None:
        self.closed = closed
        self.name = name
        self.chunks = chunks

    def __iter__(self) -> Own:
        return self

    def __next__(self) -> Any:
        return next(self.chunks)

    def close(self) -> None:
        self.closed.append(self.name)


class Leaf(Runnable[Any, Any]):
    """A leaf whose streams are iterators of its own."""

    def __init__(self, closed: list[str], name: str) -> None:
        self.closed = closed
        self.name = name

    def transform(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return Own(self.closed, self.get_name(), input)


@heard_or_not
def test_iterators_of_a_leaf_s_own_are_closed_when_their_stream_is(heard: bool) -> None:
    closed: list[str] = []
    config: Any = {"callbacks": [Told()] if heard else []}
    given = Own(closed, "input", iter("abc"))
    with (Leaf(closed, "one") | Leaf(closed, "two")).transform(given, config) as chunks:  # type: ignore[attr-defined]
        assert next(chunks) == "a"
    assert closed[-1] == "input"
    closed.clear()
    with (Leaf(closed, "one") | {"a": Leaf(closed, "two"), "b": Leaf(closed, "three")}).stream("abc", config) as chunks:
        next(chunks)
    assert set(closed) <= {"one", "two", "three"}


@in_both_streams
def test_a_listener_that_breaks_a_stream_closes_it_and_each_run_ends_once(verb: str) -> None:
    went: list[str] = []

    class Breaks(Listener):
        inline = True

        def chunk(self, run: RunInfo, chunk: Any) -> None:
            if run.name == "second" and chunk == "b":
                raise ZeroDivisionError

        def failed(self, run: RunInfo) -> None:
            went.append(f"{run.name} failed")

    def first(_: Any) -> Iterator[str]:
        try:
            yield from "abc"
        finally:
            went.append("first closed")

    def second(chunks: Iterator[str]) -> Iterator[str]:
        try:
            yield from chunks
        finally:
            went.append("second closed")

    told = Told()
    chain = RunnableLambda(first) | RunnableGenerator(second) | RunnableGenerator(passed)
    with pytest.raises(ZeroDivisionError) as caught:
        VERBS[verb](chain, "x", {"callbacks": [told, Breaks()]})
    check_facts(told.facts)
    assert went[:2] == ["second closed", "second failed"], "it is closed before it is told to have failed"
    assert "first closed" in went
    failed = run_of(told, "second")
    assert caught.value.__notes__ == [f"raised in step RunnableSequence > second (run {failed.id})"]
    assert failed.input == "ab"


@in_both_streams
def test_what_comes_in_piece_by_piece_is_asked_for_piece_by_piece(verb: str) -> None:
    went: list[str] = []

    def given() -> Iterator[str]:
        for chunk in "abc":
            went.append(f"made {chunk}")
            yield chunk

    def got(chunk: str) -> None:
        went.append(f"got {chunk}")

    async def aread(config: Any) -> None:
        async for chunk in chain.atransform(one_by_one(given()), config):
            got(chunk)

    def read(config: Any) -> None:
        for chunk in chain.transform(given(), config):
            got(chunk)

    chain = RunnableGenerator(passed) | RunnableGenerator(passed)
    for config in ({}, {"callbacks": [Told()]}):
        went.clear()
        read(config) if verb == "stream" else asyncio.run(aread(config))
        assert went == [f"{what} {chunk}" for chunk in "abc" for what in ("made", "got")]


async def one_by_one(chunks: Iterator[str]) -> AsyncIterator[str]:
    for chunk in chunks:
        yield chunk
