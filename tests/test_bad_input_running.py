"""An input that a step can't take is refused in every verb alike, with a message that says what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import pytest
from refusals import number, says, upper
from verbs import VERBS, in_every_verb

from anabranch.engine.errors import EdgeTypeError, StepInputError
from anabranch.nodes import (
    ChatPromptTemplate,
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
    ],
)
def test_an_input_that_a_primitive_cannot_take(verb: str, step: Any, value: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(StepInputError) as caught:
        VERBS[verb](step, value)
    says(caught, *words)


def test_a_missing_key_fails_as_it_would_in_plain_python_whatever_is_wired() -> None:
    chain = RunnableParallel(a=upper) | RunnableLambda(lambda d: d) | itemgetter("b")
    for verb in VERBS:
        with pytest.raises(KeyError):
            VERBS[verb](chain, "x")


def test_chunks_may_come_from_any_iterable_and_from_nothing_else() -> None:
    chunks: Any = ["a", "b"]
    for step in (RunnableGenerator(same), RunnableParallel(a=same), RunnableGenerator(same).with_retry()):
        assert list(step.transform(chunks)) == list(step.transform(iter(chunks)))
        with pytest.raises(TypeError, match="not iterable"):
            list(step.transform(number))


def anything(_: Any) -> Any:
    return "made"


def nothing(_: Iterator[Any]) -> Iterator[Any]:
    yield from ()


assigns = RunnablePassthrough.assign(size=anything)


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
