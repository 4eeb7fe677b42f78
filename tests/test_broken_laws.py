"""Each part of a law refuses what breaks that part alone, and a runnable that keeps the law is accepted."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from verbs import one_after_another

from anabranch.engine import laws
from anabranch.engine.chunks import Algebra
from anabranch.engine.law_outcomes import compared_by
from anabranch.engine.verb_laws import copied, in_order
from anabranch.nodes import RunnableGenerator, RunnableLambda


class Loud:
    """The verbs of `str.upper`, a letter a chunk, any of which may be replaced by another."""

    def __init__(self, **verbs: Any) -> None:
        vars(self).update(verbs)

    def invoke(self, text: str) -> str:
        return text.upper()

    async def ainvoke(self, text: str) -> str:
        return text.upper()

    def batch(self, texts: Sequence[str], return_exceptions: bool = False) -> list[Any]:
        found = [laws.outcome(self.invoke, text) for text in texts]
        failed = [each.error for each in found if each.error is not None]
        if failed and not return_exceptions:
            raise failed[0]
        return [each.value if each.error is None else each.error for each in found]

    async def abatch(self, texts: Sequence[str]) -> list[str]:
        return [text.upper() for text in texts]

    def batch_as_completed(self, texts: Sequence[str]) -> Iterator[tuple[int, str]]:
        yield from reversed(list(enumerate(self.batch(texts))))

    async def abatch_as_completed(self, texts: Sequence[str]) -> AsyncIterator[tuple[int, str]]:
        for pair in reversed(list(enumerate(await self.abatch(texts)))):
            yield pair

    def stream(self, text: str) -> Iterator[str]:
        yield from text.upper()

    async def astream(self, text: str) -> AsyncIterator[str]:
        for letter in text.upper():
            yield letter

    def transform(self, chunks: Iterable[Any]) -> Iterator[str]:
        yield from (chunk.upper() for chunk in chunks if chunk is not None)

    async def atransform(self, chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        async for chunk in chunks:
            if chunk is not None:
                yield chunk.upper()


def fail(*_: Any) -> Any:
    raise ValueError("no")


def fail_otherwise(*_: Any) -> Any:
    raise KeyError("no")


def quiet(text: str) -> Any:
    return text.lower()


async def aquiet(text: str) -> Any:
    return text.lower()


async def afail(*_: Any) -> Any:
    raise ValueError("no")


async def quietly(text: str) -> AsyncIterator[str]:
    yield text.lower()


def numbered(chunks: Iterable[Any]) -> Iterator[str]:
    for at, chunk in enumerate(chunks):
        yield f"{at}{chunk}"


async def anumbered(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
    yield "".join([f"{chunk}?" async for chunk in chunks])


def none_is_told(at: int, count: int) -> Callable[[Iterable[Any]], Iterator[str]]:
    """Tells of a None among so many chunks if it stands at this place."""

    def transform(chunks: Iterable[Any]) -> Iterator[str]:
        known = list(chunks)
        yield "".join(chunk.upper() for chunk in known if chunk is not None)
        if len(known) == count and known[at] is None:
            yield "a None"

    return transform


async def abackwards(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts[::-1]]


def pairs(*indexes: int) -> Callable[[Sequence[str]], Iterator[tuple[int, str]]]:
    return lambda texts: ((at, texts[at].upper()) for at in indexes)


def apairs(*indexes: int) -> Callable[[Sequence[str]], AsyncIterator[tuple[int, str]]]:
    async def verb(texts: Sequence[str]) -> AsyncIterator[tuple[int, str]]:
        for at in indexes:
            yield at, texts[at].upper()

    return verb


def changes(verb: Callable[[list[int]], Any]) -> Callable[[list[int]], Any]:
    def run(value: list[int]) -> Any:
        value.append(0)
        return verb(value)

    return run


TEXTS = ["a", "b", "c"]
numbers, only = itertools.count(), iter([0])

PARTS: list[tuple[Callable[..., Any], Any, dict[str, Any], str]] = [
    (laws.fold_of_stream_is_invoke, "ab", {"stream": quiet}, "fold.a.stream.* gives 'ab', but a.invoke.* gives 'AB'"),
    (laws.fold_of_stream_is_invoke, "ab", {"stream": fail}, "fold.* gives the error ValueError.*, but a.invoke"),
    (laws.fold_of_stream_is_invoke, "ab", {"invoke": fail}, "but a.invoke.* gives the error ValueError.'no'.,"),
    (laws.fold_of_stream_is_invoke, "ab", {"stream": fail, "invoke": fail_otherwise}, "ValueError.*but.*KeyError"),
    (laws.fold_of_astream_is_ainvoke, "ab", {"astream": quietly}, "await afold.a.astream.* gives 'ab', but await a.ai"),
    (laws.fold_of_astream_is_ainvoke, "ab", {"ainvoke": aquiet}, "but await a.ainvoke.value. gives 'ab'"),
    (laws.fold_of_astream_is_ainvoke, "ab", {"ainvoke": afail}, "gives the error ValueError"),
    (laws.transform_is_invoke_of_the_fold, ["a", "b"], {"transform": numbered}, "fold.* gives '0a1b', but a.invoke"),
    (laws.transform_is_invoke_of_the_fold, ["a", "b"], {"invoke": fail}, "but a.invoke.fold.* gives the error"),
    (laws.atransform_is_ainvoke_of_the_fold, ["a", "b"], {"atransform": anumbered}, r"'a\?b\?', but await a.ainvoke"),
    (laws.atransform_is_ainvoke_of_the_fold, ["a", "b"], {"ainvoke": aquiet}, "but await a.ainvoke.fold.* gives 'ab'"),
    (laws.none_among_the_chunks_adds_nothing, TEXTS, {"transform": none_is_told(0, 4)}, r"iter\(\[None, \*chunks\]\)"),
    (
        laws.none_among_the_chunks_adds_nothing,
        TEXTS,
        {"transform": none_is_told(1, 4)},
        r"iter\(\[\*chunks\[:1\], None",
    ),
    (laws.none_among_the_chunks_adds_nothing, TEXTS, {"transform": none_is_told(0, 1)}, r"iter\(\[None\]\).*'a None'"),
    (
        laws.sync_equals_async,
        "a",
        {"ainvoke": aquiet},
        "await a.ainvoke.value. gives 'a', but a.invoke.value. gives 'A'",
    ),
    (laws.sync_equals_async, "a", {"invoke": fail}, "gives 'A', but a.invoke.value. gives the error"),
    (
        laws.sync_stream_equals_async_stream,
        "a",
        {"astream": quietly},
        "await afold.a.astream.* gives 'a', but fold.a.st",
    ),
    (laws.sync_stream_equals_async_stream, "a", {"stream": fail}, "gives 'A', but fold.a.stream.* gives the error"),
    (
        laws.batch_is_map_of_invoke,
        TEXTS,
        {"batch": lambda texts: texts},
        r"a.batch.values. gives \['a', .*, but \[a.invoke",
    ),
    (laws.batch_is_map_of_invoke, TEXTS, {"invoke": fail_otherwise, "batch": fail}, "a.batch.*ValueError.*KeyError"),
    (
        laws.batch_is_map_of_invoke,
        TEXTS,
        {"batch_as_completed": pairs(0, 1, 1)},
        "in_order.* gives the error LawBroken",
    ),
    (laws.batch_is_map_of_invoke, TEXTS, {"batch_as_completed": pairs(0, 1)}, r"in_order.* gives \['A', 'B'\], but"),
    (laws.abatch_is_map_of_ainvoke, TEXTS, {"abatch": abackwards}, r"await a.abatch.values. gives \['C'"),
    (
        laws.abatch_is_map_of_ainvoke,
        TEXTS,
        {"abatch_as_completed": apairs(0, 2, 2)},
        "in_order.* gives the error LawBr",
    ),
    (laws.abatch_is_map_of_ainvoke, TEXTS, {"abatch_as_completed": apairs(0, 1)}, r"in_order.* gives \['A', 'B'\]"),
    (laws.abatch_is_map_of_ainvoke, TEXTS, {"ainvoke": afail}, "but .await a.ainvoke.*gives the error ValueError"),
    (
        laws.one_failure_spoils_no_other,
        TEXTS,
        {"batch": lambda texts, **_: ["A", "B"]},
        "len.a.batch.* gives 2, .* gives 3",
    ),
    (laws.one_failure_spoils_no_other, TEXTS, {"batch": lambda texts, **_: ["A", "B", "c"]}, r"True.\[2\] gives 'c'"),
    (
        laws.one_failure_spoils_no_other,
        TEXTS,
        {"invoke": fail, "batch": lambda *_, **__: [KeyError()] * 3},
        r"\[0\].*KeyE",
    ),
    (
        laws.one_failure_spoils_no_other,
        TEXTS,
        {"batch": lambda *_, **__: ["A", ValueError(), "C"]},
        r"\[1\].*error Value",
    ),
    (
        laws.called_twice_it_gives_the_same,
        "a",
        {"invoke": lambda _: next(numbers)},
        r"gives \d+, .* gives \d+, where value = 'a'",
    ),
    (
        laws.called_twice_it_gives_the_same,
        "a",
        {"invoke": lambda _: next(only)},
        "gives 0, .*StopIteration",
    ),
    (
        laws.input_is_not_changed,
        [1],
        {"invoke": changes(len)},
        r"value after a.invoke.value. gives \[1, 0\], but value be",
    ),
    (
        laws.input_is_not_changed,
        [1],
        {"invoke": len, "stream": changes(iter)},
        r"value after a.stream.value. gives \[1, 0",
    ),
    (laws.input_is_not_changed, [1], {"invoke": changes(fail)}, "value after a.invoke"),
]
"""Laws of one runnable with an input, the verbs that break them in one way, and what is said then."""


def call(law: Callable[..., Any], *arguments: Any) -> None:
    asyncio.run(law(*arguments)) if inspect.iscoroutinefunction(law) else law(*arguments)


@one_after_another(("law", "given", "verbs", "said"), PARTS)
def test_a_verb_that_differs_breaks_the_law(law: Any, given: Any, verbs: dict[str, Any], said: str) -> None:
    with pytest.raises(laws.LawBroken, match=said):
        call(law, Loud(**verbs), given)


@one_after_another("law", dict.fromkeys(law for law, *_ in PARTS))
def test_what_keeps_a_law_is_accepted(law: Any) -> None:
    given: dict[str, list[Any]] = {
        "value": ["ab", "c"],
        "chunks": [TEXTS, ["a", None, "b"], ["a"]],
        "values": [TEXTS, []],
    }
    name = list(inspect.signature(law).parameters)[1]
    for each in given[name]:
        call(law, Loud(), each)
    failing = Loud(**dict.fromkeys(("invoke", "stream", "transform", "batch_as_completed"), fail), ainvoke=afail)
    vars(failing).update(abatch=afail, astream=agive_up, atransform=agive_up, abatch_as_completed=agive_up)
    call(law, failing, given[name][0])


async def agive_up(_: Any) -> AsyncIterator[Any]:
    raise ValueError("no")
    yield


def test_a_call_is_given_an_input_that_no_call_before_has_changed() -> None:
    value = [1, 2]
    laws.called_twice_it_gives_the_same(RunnableLambda(list.pop), value)
    assert value == [1, 2]
    assert copied({"a": value})["a"] is not value


def test_the_results_of_a_batch_are_put_in_order_whatever_they_are() -> None:
    assert in_order(iter([(2, object), (0, 1j), (1, None)])) == [1j, None, object]
    for indexes in ([0, 0], [1, 2], [0, 2]):
        with pytest.raises(laws.LawBroken, match="the indexes of the results"):
            in_order([(index, None) for index in indexes])


def test_how_many_results_there_are_is_counted_however_they_are_compared() -> None:
    with compared_by(lambda left, right: type(left) is type(right)):
        laws.one_failure_spoils_no_other(Loud(invoke=quiet), TEXTS)
        with pytest.raises(laws.LawBroken, match=r"gives 2, but len.values. gives 3"):
            laws.one_failure_spoils_no_other(Loud(batch=lambda texts, **_: ["A", "B"]), TEXTS)
        with pytest.raises(laws.LawBroken, match="the error LawBroken"):
            call(laws.batch_is_map_of_invoke, Loud(batch_as_completed=pairs(0, 1, 1)), TEXTS)


# Chunks


class Odd:
    """A snapshot that isn't even equal to itself."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__


def asked(law: Callable[[], Any]) -> list[tuple[str, ...]]:
    """What a law compares: it is broken by each comparison in turn, and says by which."""
    found = []
    for at in itertools.count():
        answers = itertools.count()
        with compared_by(lambda *_, at=at, answers=answers: next(answers) != at):
            try:
                law()
            except laws.LawBroken as broken:
                found.append(tuple(side.code for side in broken.sides or ()))
            else:
                return found
    raise AssertionError


def test_of_three_chunks_all_that_makes_a_monoid_is_compared() -> None:
    sides = [("add(None, chunk)", "the chunk"), ("add(chunk, None)", "the chunk")]
    assert asked(lambda: laws.chunks_form_a_monoid("a", "b", "c")) == [
        ("add(add(a, b), c)", "add(a, add(b, c))"),
        *sides * 3,
        ("fold((a, b, c))", "add(add(a, b), c)"),
    ]
    with pytest.raises(laws.LawBroken, match=r"add\(None, chunk\) gives .*, where chunk = <"):
        laws.chunks_form_a_monoid(Odd(), None, "c", Algebra.SNAPSHOTS)
    laws.chunks_form_a_monoid(0.1, 0.2, 0.3, Algebra.SNAPSHOTS)


class Sliced:
    """A stream whose chunks replace each other, and that may fail in the end."""

    def __init__(self, algebra: Algebra | None, error: Exception | None = None) -> None:
        self.algebra = algebra
        self.chunks = iter((0.1, 0.2, 0.3))
        self.error = error

    def __iter__(self) -> Iterator[float]:
        return self

    def __next__(self) -> float:
        for chunk in self.chunks:
            return chunk
        raise self.error or StopIteration


def test_chunks_of_a_stream_are_added_in_its_own_way_up_to_where_it_fails() -> None:
    law: Any = laws.chunks_of_a_stream_form_a_monoid
    law(Loud(stream=lambda _: Sliced(Algebra.SNAPSHOTS)), 0)
    for algebra in (None, Algebra.ADDITIVE):
        with pytest.raises(
            laws.LawBroken, match=r"before and after chunk 1 gives 0.6, .* gives 0.6000.*where value = 7"
        ):
            law(Loud(stream=lambda _, algebra=algebra: Sliced(algebra, ValueError())), 7)
    law(Loud(), "abc")
    assert [found.split()[-1] for found, _ in asked(lambda: law(Loud(), "abcd"))] == ["1", "2", "3"]
    assert asked(lambda: law(Loud(), "a")) == []


def loud(chunks: Iterator[Any]) -> Iterator[str]:
    yield from (chunk.upper() for chunk in chunks if chunk is not None)


def repeats(chunks: Iterator[Any]) -> Iterator[str]:
    for at, chunk in enumerate(chunks):
        yield "" if chunk is None else chunk if not at else chunk * 2


def speaks(chunks: Iterator[Any]) -> Iterator[str]:
    yield from ("nothing" if chunk is None else chunk for chunk in chunks)


def test_an_operator_maps_chunks_one_by_one_and_none_to_nothing() -> None:
    laws.operator_maps_chunks(loud, "a", "b")
    for operator, said in (
        (
            lambda chunks: ("x" for _ in chunks),
            r"op\(a \+ b\) gives 'x', but op\(a\) \+ op\(b\) gives 'xx', where a = 'a'",
        ),
        (repeats, r"op\(a \+ b\) gives 'ab', but op of a, then b, gives 'abb', where a = 'a', b = 'b'"),
        (speaks, r"op\(None\) gives 'nothing', but nothing gives None"),
    ):
        with pytest.raises(laws.LawBroken, match=said):
            laws.operator_maps_chunks(operator, "a", "b")
    laws.operator_maps_chunks(lambda chunks: list(chunks)[-1:], 0.1, 0.2, Algebra.SNAPSHOTS)


def test_laws_hold_of_runnables_of_their_own_kind() -> None:
    generator = RunnableGenerator(loud)
    for law in (laws.transform_is_invoke_of_the_fold, laws.atransform_is_ainvoke_of_the_fold):
        call(law, generator, ["a", "b"])
    lock = threading.Lock()
    assert copied(lock) is lock
