"""An error is noted to be that of the step that raised it, whatever kinds of steps stand around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from verbs import VERBS

from anabranch.engine.trace_laws import Recorder
from anabranch.nodes import Runnable, RunnableBranch, RunnableGenerator, RunnableLambda, StrOutputParser


class Boom(Exception):
    pass


def passes(text: Any) -> Any:
    return text


def fails(text: Any) -> Any:
    raise Boom(text)


def value(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    return RunnableLambda(lambda text: act(text), name=name)


def avalue(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    async def call(text: Any) -> Any:
        return act(text)

    return RunnableLambda(call, name=name)


def chunks(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    def each(source: Iterator[Any]) -> Iterator[Any]:
        for chunk in source:
            yield act(chunk)

    return RunnableGenerator(each, name=name)


def achunks(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    async def each(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in source:
            yield act(chunk)

    return RunnableGenerator(each, name=name)


def late(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    def each(source: Iterator[Any]) -> Iterator[Any]:
        yield from source
        act("late")

    return RunnableGenerator(each, name=name)


def making(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    def letters(text: Any) -> Iterator[Any]:
        for letter in text:
            yield act(letter)

    return RunnableLambda(letters, name=name)


def mapping(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    class Parser(StrOutputParser):
        def parse(self, text: str) -> str:
            return str(act(text))

    return Parser(name=name)


def returning(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    return RunnableLambda(lambda _: value(act, name), name="around")


def branching(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    return RunnableBranch((bool, chunks(act, name)), RunnableLambda(passes))


def retrying(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    return chunks(act, name).with_retry(stop_after_attempt=1)


def falling(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    return value(act, name).with_fallbacks([value(passes, "other")], exceptions_to_handle=(KeyError,))


def sequence(act: Callable[[Any], Any], name: str) -> Runnable[Any, Any]:
    return (RunnableLambda(passes) | chunks(act, name)).with_config(run_name="inner")


KINDS: dict[Callable[..., Runnable[Any, Any]], list[str]] = {
    **{each: ["RunnableSequence > culprit"] for each in (value, avalue, chunks, achunks, late, making, mapping)},
    sequence: ["RunnableSequence > inner > culprit"],
    returning: ["culprit", "RunnableSequence > around"],
    branching: ["culprit", "RunnableSequence > RunnableBranch"],
    retrying: ["culprit", "RunnableSequence > culprit"],
    falling: ["culprit", "RunnableSequence > RunnableWithFallbacks"],
}
"""The kinds of steps, with the places that are noted on an error of one in a sequence, the innermost first."""


@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_in_a_stream_of_steps_of_all_kinds(kind: Any, verb: str, heard: bool) -> None:
    for around in KINDS:
        chain = around(passes, "before") | kind(fails, "culprit") | around(passes, "after")
        recorder = Recorder()
        with pytest.raises(Boom) as caught:
            VERBS[verb](chain, "ab", {"callbacks": [recorder]} if heard else None)
        notes = [note.removeprefix("raised in step ").partition(" (run ") for note in caught.value.__notes__]
        assert [place for place, *_ in notes] == KINDS[kind], around.__name__
        if heard:
            failed = {str(run.id): run.name for what, run, _ in recorder.facts if what == "failed"}
            assert [failed[id.removesuffix(")")] for *_, id in notes] == [place.split(" > ")[-1] for place, *_ in notes]


@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize("heard", [False, True])
def test_of_a_step_that_is_closed_because_of_it_there_is_no_place(verb: str, heard: bool) -> None:
    def opens(source: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from source
        finally:
            raise LookupError("while closing")

    chain = RunnableGenerator(opens) | mapping(fails, "culprit") | value(passes, "after")
    with pytest.raises(Boom) as caught:
        VERBS[verb](chain, "ab", {"callbacks": [Recorder()]} if heard else None)
    raised = [note for note in caught.value.__notes__ if note.startswith("raised in step")]
    assert len(raised) == 1
    assert raised[0].startswith("raised in step RunnableSequence > culprit (run ")


def places(error: BaseException) -> list[str]:
    return [note.removeprefix("raised in step ").partition(" (run ")[0] for note in error.__notes__]


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_of_chunks_that_do_not_add_up_it_is_that_of_who_reads_them(verb: str) -> None:
    def odd(source: Iterator[Any]) -> Iterator[Any]:
        yield from ("a", 1)

    for after in (value, mapping, making):
        for reader in (value(passes, "culprit"), making(passes, "culprit")):
            with pytest.raises(TypeError) as caught:
                VERBS[verb](RunnableGenerator(odd) | reader | after(passes, "after"), "x")
            assert places(caught.value) == ["RunnableSequence > culprit"]


@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("other", [Boom, RuntimeError])
def test_that_is_made_of_another_it_is_that_of_who_made_it(verb: str, heard: bool, other: type[Exception]) -> None:
    def translates(source: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from source
        except LookupError as error:
            raise other("translated") from error

    def fails_otherwise(text: Any) -> Any:
        raise LookupError(text)

    for kind in (value, chunks, mapping):
        maker = RunnableGenerator(translates, name="culprit")
        chain = kind(fails_otherwise, "before") | maker | chunks(passes, "after")
        with pytest.raises(other, match="translated") as caught:
            VERBS[verb](chain, "x", _heard(heard))
        assert places(caught.value) == ["RunnableSequence > culprit"]
        assert isinstance(caught.value.__cause__, LookupError)


@pytest.mark.parametrize("verb", ["stream", "astream"])
@pytest.mark.parametrize("heard", [False, True])
def test_that_python_makes_of_a_stop_it_is_that_of_who_raised_the_stop(verb: str, heard: bool) -> None:
    def stops(text: Any) -> Any:
        raise StopIteration(text)

    for kind in (chunks, value, making):
        chain = chunks(passes, "before") | kind(stops, "culprit") | chunks(passes, "after")
        with pytest.raises(RuntimeError) as caught:
            VERBS[verb](chain, "x", _heard(heard))
        assert places(caught.value) == ["RunnableSequence > culprit"]


def _heard(heard: bool) -> Any:
    return {"callbacks": [Recorder()]} if heard else None
