"""Steps that make one chunk of each chunk, several in a row: what comes out, and what is told of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from facts import STREAMS, Told, source_of, told_of
from verbs import VERBS

from anabranch.engine.runs import MISSING, Listener, RunInfo
from anabranch.engine.trace_laws import check_facts
from anabranch.nodes import BaseTransformOutputParser, Runnable, RunnableGenerator, RunnableLambda

in_both_streams = pytest.mark.parametrize("verb", STREAMS)


class Marks(BaseTransformOutputParser[Any]):
    """Puts a mark behind each chunk; makes nothing of "skip" and its mark, and fails at "fail" and its mark."""

    mark: str

    def parse(self, text: str) -> Any:
        if text == f"fail{self.mark}":
            raise ValueError(text)
        return None if text == f"skip{self.mark}" else text + self.mark


def mark(name: str) -> Runnable[Any, Any]:
    return Marks(mark=name).with_config(run_name=name)


def passed(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


after: Runnable[Any, Any] = RunnableGenerator(passed, name="after")
maps = mark("1") | mark("2")


@pytest.mark.parametrize("heard", [False, True])
@in_both_streams
def test_each_chunk_goes_through_all_of_them(verb: str, heard: bool) -> None:
    config = {"callbacks": [Told()] if heard else []}
    for chunks, made in ((("a", "skip1", "b"), ["a12", "b12"]), (("skip1",), []), (("a", "b"), ["a12", "b12"])):
        source = source_of(*chunks)
        assert VERBS[verb](source | maps, "x", config) == made
        assert VERBS[verb](source | maps | after, "x", config) == made
        assert VERBS[verb](maps | after, "a", config) == ["a12"]
        folded = source | maps | (lambda text: f"<{text}>") | mark("3") | (lambda text: f"({text})")
        assert VERBS[verb](folded, "x", config) == [f"(<{''.join(made) or None}>3)"]


@in_both_streams
def test_each_is_a_run_whose_chunks_are_told_of(verb: str) -> None:
    told, _ = told_of(source_of("a", "skip1", "b") | maps | after, verb)
    assert told.order == [
        "started RunnableSequence",
        "started source",
        "chunk source 'a'",
        "started 1",
        "chunk 1 'a1'",
        "started 2",
        "chunk 2 'a12'",
        "started after",
        "chunk after 'a12'",
        "chunk RunnableSequence 'a12'",
        "chunk source 'skip1'",
        "chunk source 'b'",
        "chunk 1 'b1'",
        "chunk 2 'b12'",
        "chunk after 'b12'",
        "chunk RunnableSequence 'b12'",
        "ended source",
        "ended 1",
        "ended 2",
        "ended after",
        "ended RunnableSequence",
    ]
    assert told.ends == {
        "source": ("x", "askip1b"),
        "1": ("askip1b", "a1b1"),
        "2": ("a1b1", "a12b12"),
        "after": ("a12b12", "a12b12"),
        "RunnableSequence": ("x", "a12b12"),
    }


@in_both_streams
def test_what_comes_after_them_starts_with_the_first_chunk_and_takes_the_sum(verb: str) -> None:
    told, found = told_of(source_of("a", "b") | maps | RunnableLambda(len), verb)
    assert found == [6]
    assert told.ends["1"] == ("ab", "a1b1")
    assert told.ends["len"] == ("a12b12", 6)
    assert told.order.index("ended 2") < told.order.index("chunk len 6")


@in_both_streams
def test_those_to_which_no_chunk_came_start_and_end_all_the_same(verb: str) -> None:
    told, found = told_of(source_of() | maps, verb)
    assert found == []
    assert told.order[2:] == ["ended source", "started 1", "started 2", "ended 1", "ended 2", "ended RunnableSequence"]
    told, found = told_of(source_of("skip1") | maps, verb)
    assert found == []
    assert told.order[3:] == ["started 1", "ended source", "started 2", "ended 1", "ended 2", "ended RunnableSequence"]
    assert told.ends["1"] == ("skip1", None)


@in_both_streams
def test_one_that_fails_is_named_and_those_before_it_end_with_what_they_took(verb: str) -> None:
    told, error = told_of(source_of("a", "skip1", "fail1") | maps, verb)
    assert isinstance(error, ValueError)
    (failed,) = [run for what, run, _ in told.facts if what == "failed" and run.name == "1"]
    assert error.__notes__ == [f"raised in step RunnableSequence > 1 (run {failed.id})"]
    assert told.order[-5:] == [
        "chunk source 'fail1'",
        "failed 1",
        "failed 2",
        "ended source",
        "failed RunnableSequence",
    ]
    assert told.failures["1"] == ("askip1fail1", error)
    assert told.failures["2"] == ("a1", error)
    assert told.ends == {"source": ("x", "askip1fail1")}


@in_both_streams
def test_of_several_the_one_that_fails_is_the_one_that_has_failed(verb: str) -> None:
    class Fails(Marks):
        def parse(self, text: str) -> Any:
            if text == "b12":
                raise ValueError(text)
            return super().parse(text)

    failing = Fails(mark="3").with_config(run_name="3")
    told, error = told_of(source_of("a", "b") | maps | failing | mark("4"), verb)
    (failed,) = [run for what, run, _ in told.facts if what == "failed" and run.name == "3"]
    assert error.__notes__ == [f"raised in step RunnableSequence > 3 (run {failed.id})"]
    assert told.order[-7:] == [
        "chunk 2 'b12'",
        "ended 1",
        "ended 2",
        "failed 3",
        "failed 4",
        "ended source",
        "failed RunnableSequence",
    ]
    assert told.ends == {"1": ("ab", "a1b1"), "2": ("a1b1", "a12b12"), "source": ("x", "ab")}
    assert told.failures == {"3": ("a12b12", error), "4": ("a123", error), "RunnableSequence": ("x", error)}


@pytest.mark.parametrize("chunks", [("a", "skip1"), ("skip1",), ("a",)])
@in_both_streams
def test_when_what_comes_in_fails_so_do_they_and_the_fault_is_not_theirs(verb: str, chunks: tuple[str, ...]) -> None:
    told, error = told_of(source_of(*chunks, KeyError("broken")) | maps, verb)
    assert isinstance(error, KeyError)
    (failed,) = [run for what, run, _ in told.facts if what == "failed" and run.name == "source"]
    assert error.__notes__ == [f"raised in step RunnableSequence > source (run {failed.id})"]
    assert told.ends == {}
    assert told.failures["1"] == ("".join(chunks), error)
    assert told.failures.get("2", ("a1", error)) == ("a1", error)
    assert told.order[-1] == "failed RunnableSequence"
    with pytest.raises(KeyError) as caught:
        VERBS[verb](source_of(*chunks, KeyError("broken")) | maps, "x")
    (note,) = caught.value.__notes__
    assert note.startswith("raised in step RunnableSequence > source (run ")


@pytest.mark.parametrize("chain", [maps, maps | after, after | maps | mark("3")])
@in_both_streams
def test_when_their_stream_is_closed_they_end_with_what_they_made(verb: str, chain: Runnable[Any, Any]) -> None:
    told = Told()
    made = source_of("a", "b") | chain

    def read() -> Any:
        with made.stream("x", {"callbacks": [told]}) as chunks:
            return next(chunks)

    async def aread() -> Any:
        async with made.astream("x", {"callbacks": [told]}) as chunks:
            return await anext(chunks)

    first = read() if verb == "stream" else asyncio.run(aread())
    assert first.startswith("a12")
    assert told.failures == {}
    assert told.ends["1"] == ("a", "a1")
    assert told.ends["2"] == ("a1", "a12")
    assert told.ends["source"] == ("x", "a")
    assert {run.name for what, run, _ in told.facts if what == "started"} == set(told.ends)


@in_both_streams
def test_each_ends_once_also_when_a_listener_breaks_the_run_at_the_end_of_one(verb: str) -> None:
    class Breaks(Listener):
        inline = True

        def ended(self, run: RunInfo) -> None:
            if run.name == "1":
                raise ZeroDivisionError

    told = Told()
    with pytest.raises(ZeroDivisionError):
        VERBS[verb](source_of("a", "b") | maps | mark("3"), "x", {"callbacks": [told, Breaks()]})
    check_facts(told.facts)
    assert told.ends["1"] == ("ab", "a1b1")
    assert {name: taken for name, (taken, _) in told.failures.items()} == {
        "2": "a1b1",
        "3": "a12b12",
        "RunnableSequence": "x",
    }


@in_both_streams
def test_they_end_with_what_they_made_when_the_step_that_needs_the_whole_cannot_start(verb: str) -> None:
    class Breaks(Listener):
        inline = True

        def started(self, run: RunInfo) -> None:
            if run.name == "whole":
                raise ZeroDivisionError

    def whole(text: str) -> str:
        return text

    told = Told()
    with pytest.raises(ZeroDivisionError):
        VERBS[verb](source_of("a", "b") | maps | whole | mark("3"), "x", {"callbacks": [told, Breaks()]})
    check_facts(told.facts)
    assert told.ends == {"source": ("x", "a"), "1": ("a", "a1"), "2": ("a1", "a12")}


class Full(Listener):
    """Takes no chunk after the first until it was waited for."""

    inline = True

    def __init__(self) -> None:
        self.went: list[str] = []

    def chunk(self, run: RunInfo, chunk: Any) -> None:
        self.went.append(f"{run.name} {chunk}")
        self.full = True

    async def room(self) -> None:
        self.wait_for_room()

    def wait_for_room(self) -> None:
        self.went.append("waited")
        self.full = False


@in_both_streams
def test_before_the_next_chunk_is_made_a_listener_that_is_full_is_waited_for(verb: str) -> None:
    full = Full()
    VERBS[verb](source_of("a", "b") | maps | after, "x", {"callbacks": [full]})
    at_root = [f"RunnableSequence {chunk}" for chunk in ("a12", "b12")]
    assert full.went == [
        said
        for chunk, root in zip("ab", at_root, strict=True)
        for said in (
            *(f"source {chunk}", "waited"),
            *(f"1 {chunk}1", f"2 {chunk}12", "waited"),
            *(f"after {chunk}12", "waited"),
            *(root, "waited"),
        )
    ]


@in_both_streams
def test_an_output_that_never_came_is_missing(verb: str) -> None:
    told, _ = told_of(source_of(ValueError("at once")) | maps, verb)
    (failed,) = [run for what, run, _ in told.facts if what == "failed" and run.name == "source"]
    assert failed.output is MISSING
    assert told.order == ["started RunnableSequence", "started source", "failed source", "failed RunnableSequence"]
