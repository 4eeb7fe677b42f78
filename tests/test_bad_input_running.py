"""An input that a step can't take is refused in every verb alike, with a message that says what it takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from operator import itemgetter
from typing import Any

import pytest
from refusals import number, says, upper
from verbs import SYNC_VERBS, VERBS, awaited, in_every_verb, one_after_another

from anabranch.engine.errors import ConfigError, EdgeTypeError, StepInputError
from anabranch.engine.trace_laws import Recorder, check_facts
from anabranch.nodes import (
    ChatPromptTemplate,
    ConfigurableField,
    RouterRunnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
)


def same(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


def test_a_wrong_prompt_variable_is_named_with_what_is_there() -> None:
    prompt = ChatPromptTemplate.from_template("{question} in {language}")
    with pytest.raises(KeyError) as caught:
        prompt.invoke({"question": "why", "tongue": "Latin"})
    says(caught, "language", "question", "tongue")
    with pytest.raises(EdgeTypeError) as refused:
        RunnableParallel(question=upper, tongue=upper) | prompt
    says(refused, "language")
    with pytest.raises(StepInputError) as wrong:
        prompt.invoke("why")
    says(wrong, "dict", "question", "language", "str")


@in_every_verb
@pytest.mark.parametrize(
    ("step", "value", "words"),
    [
        (RunnablePassthrough.assign(size=len), "text", ("assign", "dict", "'size'", "str")),
        (RunnablePick("key"), 5, ("key", "dict", "int")),
        (upper.map(), 5, ("upper", "list", "int")),
        (RouterRunnable({"known": upper}), {"key": "unknown", "input": 1}, ("unknown", "known")),
        (RouterRunnable({"known": upper}), 5, ("key", "input", "5")),
        (RouterRunnable({"known": upper}), {"key": [], "input": 1}, ("[]", "known")),
    ],
)
def test_an_input_that_a_primitive_cannot_take(verb: str, step: Any, value: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(StepInputError) as caught:
        VERBS[verb](step, value)
    says(caught, *words)


@pytest.mark.parametrize("inputs", [5, None, "abc", b"abc", {"a": 1}])
def test_a_batch_takes_a_list_and_nothing_that_was_hardly_meant_as_one(inputs: Any) -> None:
    for batch in (
        upper.batch,
        upper.batch_as_completed,
        upper.abatch_as_completed,
        lambda given: awaited(lambda: upper.abatch(given)),
    ):
        with pytest.raises(StepInputError) as caught:
            batch(inputs)
        says(caught, "batch", "takes a list", type(inputs).__name__, repr(inputs), "into a list")


def test_a_batch_takes_its_inputs_from_anything_else_that_can_be_iterated() -> None:
    for inputs in (["a"], ("a",), {"a"}, iter(["a"]), {"a": 1}.keys(), deque("a")):
        given: Any = inputs
        assert upper.batch(given) == ["A"]


@pytest.mark.parametrize("timeout", ["soon", float("nan")])
def test_a_result_is_waited_for_as_many_seconds_as_a_number_says(timeout: Any) -> None:
    handle = upper.start("a")
    with pytest.raises(ConfigError) as caught:
        handle.result(timeout)
    says(caught, "seconds", repr(timeout))
    for endless in (None, float("inf"), 1e30):
        assert handle.result(endless) == "A"


@in_every_verb
def test_a_choice_that_could_be_no_name_is_refused_like_any_other_that_is_none(verb: str) -> None:
    chain = upper.configurable_alternatives(ConfigurableField(id="which"), other=str)
    choices: list[Any] = [[], {}, 5, "third"]
    for choice in choices:
        with pytest.raises(ConfigError) as caught:
            VERBS[verb](chain, "a", {"configurable": {"which": choice}})
        says(caught, "'which'", repr(choice), "'default'", "'other'")


def test_a_missing_key_fails_as_it_would_in_plain_python_whatever_is_wired() -> None:
    chain = RunnableParallel(a=upper) | RunnableLambda(lambda d: d) | itemgetter("b")
    for verb in VERBS:
        with pytest.raises(KeyError):
            VERBS[verb](chain, "x")


def test_chunks_may_come_from_any_iterable_and_from_nothing_else() -> None:
    chunks: Any = ["a", "b"]
    for step in (RunnableGenerator(same), RunnableParallel(a=same), RunnableGenerator(same).with_retry()):
        assert list(step.transform(chunks)) == list(step.transform(iter(chunks)))
        with pytest.raises(StepInputError) as caught:
            step.transform(number)
        says(caught, "transform takes an iterable of chunks", "int: 3", "there is stream")
        for given in (number, chunks):
            with pytest.raises(StepInputError) as caught:
                step.atransform(given)
            says(caught, "atransform takes an asynchronous iterable of chunks", repr(given), "there is astream")


def anything(_: Any) -> Any:
    return "made"


def nothing(_: Iterator[Any]) -> Iterator[Any]:
    yield from ()


assigns: Any = RunnablePassthrough.assign(size=anything)


@in_every_verb
@pytest.mark.parametrize(
    ("chain", "value", "came", "place"),
    [
        (assigns, None, "NoneType", "RunnableAssign<size>"),
        (assigns, 5, "int: 5", "RunnableAssign<size>"),
        (assigns | anything, None, "NoneType", "RunnableSequence > RunnableAssign<size>"),
        (assigns | RunnableGenerator(same), None, "NoneType", "RunnableSequence > RunnableAssign<size>"),
        (RunnableGenerator(nothing) | assigns, 5, "NoneType", "RunnableSequence > RunnableAssign<size>"),
        (RunnableLambda(anything) | assigns, 5, "str: 'made'", "RunnableSequence > RunnableAssign<size>"),
        (assigns | RunnablePassthrough.assign(more=anything), 5, "int", "RunnableSequence > RunnableAssign<size>"),
        (assigns.assign(size=anything), None, "NoneType", "RunnableSequence > RunnableAssign<size>"),
        (RunnableParallel(a=assigns, b=anything), 5, "int", "RunnableParallel<a,b> > RunnableAssign<size>"),
        (assigns.with_fallbacks([]), 5, "int", "RunnableAssign<size>"),
        (RunnableLambda(lambda _: assigns), 5, "int", "RunnableAssign<size>"),
    ],
)
def test_keys_are_assigned_to_a_dict_alone_and_the_error_names_the_place(
    verb: str, chain: Any, value: Any, came: str, place: str
) -> None:
    with pytest.raises(StepInputError) as caught:
        VERBS[verb](chain, value)
    says(caught, "must be a dict", "adds 'size';", came, "Put {'some_key': ...} before it")
    places = [note.partition(" (run")[0] for note in caught.value.__notes__]
    assert places[0].endswith(place)
    assert not any("anything" in named or "same" in named for named in places)


def test_no_chunk_at_all_is_none_and_so_no_dict_either() -> None:
    for chain in (assigns, assigns | anything):
        for chunks in ([], [None, None]):
            with pytest.raises(StepInputError, match="NoneType"):
                list(chain.transform(iter(chunks)))
    assert list(assigns.transform(iter([None, {"a": 1}, None]))) == [{"a": 1}, {"size": "made"}]


def test_a_dict_that_nobody_sees_must_be_one_all_the_same() -> None:
    overwritten = RunnableParallel(a=assigns, b=anything) | RunnablePassthrough.assign(a=itemgetter("b"))
    for verb in VERBS.values():
        with pytest.raises(StepInputError, match="'size'"):
            verb(overwritten, 5)


@in_every_verb
def test_what_can_not_be_assigned_to_is_refused_where_somebody_listens_too(verb: str) -> None:
    for chain in (assigns, RunnableLambda(anything) | assigns | anything, RunnableParallel(a=assigns, b=anything)):
        recorder = Recorder()
        with pytest.raises(StepInputError, match="'size'"):
            VERBS[verb](chain, 5, {"callbacks": [recorder]})
        check_facts(recorder.facts)
        what, run, _ = recorder.facts[-1]
        assert what == "failed"
        assert run.parent is None


@pytest.mark.parametrize("verb", ["invoke", "stream"])
def test_what_belongs_to_another_loop_is_told_of_with_what_to_await(verb: str) -> None:
    async def main() -> None:
        lock, future = asyncio.Lock(), asyncio.get_running_loop().create_future()
        await lock.acquire()
        waiting = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)  # from now on the lock belongs to this loop

        async def locks(x: Any) -> Any:
            async with lock:
                return x

        async def awaits(x: Any) -> Any:
            return await future

        async def generates(x: Any) -> AsyncIterator[Any]:
            async with lock:
                yield x

        for function in (locks, awaits, generates):
            with pytest.raises(RuntimeError, match="different") as caught:
                await asyncio.to_thread(SYNC_VERBS[verb], RunnableLambda(function), 1)
            (told,) = [note for note in caught.value.__notes__ if "ainvoke" in note]
            assert repr(function.__name__) in told
        with pytest.raises(RuntimeError, match="mine") as caught:
            await asyncio.to_thread(SYNC_VERBS[verb], RunnableLambda(raises), 1)
        assert not any("ainvoke" in note for note in caught.value.__notes__)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async def raises(x: Any) -> Any:
        raise RuntimeError("mine")

    asyncio.run(main())


@one_after_another("verb", [verb for verb in VERBS if "stream" not in verb and "transform" not in verb])
def test_what_can_not_be_assigned_to_inside_a_step_is_noted_with_the_way_to_it(verb: str) -> None:
    for inner, around in (
        (assigns.map(), "RunnableEach"),
        (assigns.with_retry(retry_if_exception_type=(KeyError,)), "Retry"),
    ):
        chain = RunnableLambda(lambda _: [5]) | inner.with_config(run_name=f"My{around}")
        with pytest.raises(StepInputError) as caught:
            VERBS[verb](chain, 1)
        assert any(f"My{around} > " in note and "RunnableAssign<size>" in note for note in caught.value.__notes__)
