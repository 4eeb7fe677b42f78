"""The laws of chunks: how they add, and that a value in chunks is the value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

from anabranch.engine.chunks import Algebra, add, fold
from anabranch.engine.law_outcomes import Verbs, afolded, agree, aoutcome, folded, outcome, same


def chunks_form_a_monoid(a: Any, b: Any, c: Any, algebra: Algebra | None = None) -> None:
    """On one edge, adding chunks is associative, `None` is its identity on either side, `fold` the sum."""

    def plus(left: Any, right: Any) -> Any:
        return add(left, right, algebra)

    left, right = plus(plus(a, b), c), plus(a, plus(b, c))
    agree("add(add(a, b), c)", left, "add(a, add(b, c))", right, a=a, b=b, c=c)
    for chunk in (a, b, c):
        agree("add(None, chunk)", plus(None, chunk), "the chunk", chunk, chunk=chunk)
        agree("add(chunk, None)", plus(chunk, None), "the chunk", chunk, chunk=chunk)
    agree("fold((a, b, c))", fold((a, b, c), algebra), "add(add(a, b), c)", left, a=a, b=b, c=c)


def chunks_of_a_stream_form_a_monoid(a: Verbs, value: Any) -> None:
    """What a stream yields adds up to the same, however the additions are grouped."""
    chunks, algebra = _taken(a, value)
    whole = fold(chunks, algebra)
    for at in range(1, len(chunks)):
        parts = fold(chunks[:at], algebra), fold(chunks[at:], algebra)
        chunks_are = f"the chunks of a.stream(value), in two parts before and after chunk {at}"
        agree(chunks_are, add(*parts, algebra), "all of them, one after the other,", whole, value=value)


def operator_maps_chunks(
    operator: Callable[[Iterator[Any]], Iterable[Any]], a: Any, b: Any, algebra: Algebra | None = None
) -> None:
    """`op(a + b) == op(a) + op(b)` and `op(None) == None`: what a step that maps chunks must hold to."""

    def of(*chunks: Any) -> Any:
        return fold(operator(iter(chunks)), algebra)

    whole = of(add(a, b, algebra))
    agree("op(a + b)", whole, "op(a) + op(b)", add(of(a), of(b), algebra), a=a, b=b)
    agree("op(a + b)", whole, "op of a, then b,", of(a, b), a=a, b=b)
    agree("op(None)", of(None), "nothing", None)


def fold_of_stream_is_invoke(a: Verbs, value: Any) -> None:
    """What `stream` yields, folded, is what `invoke` returns; where one fails, so does the other."""
    found, wanted = outcome(folded(a.stream), value), outcome(a.invoke, value)
    same("fold(a.stream(value))", found, "a.invoke(value)", wanted, value=value)


async def fold_of_astream_is_ainvoke(a: Verbs, value: Any) -> None:
    """What `astream` yields, folded, is what `ainvoke` returns; where one fails, so does the other."""
    found, wanted = await aoutcome(afolded(a.astream), value), await aoutcome(a.ainvoke, value)
    same("await afold(a.astream(value))", found, "await a.ainvoke(value)", wanted, value=value)


def transform_is_invoke_of_the_fold(a: Verbs, chunks: Sequence[Any]) -> None:
    """`transform` of an input in chunks, folded, is `invoke` of the whole input, however it is cut."""
    found, wanted = outcome(folded(a.transform), iter(chunks)), outcome(a.invoke, fold(chunks))
    same("fold(a.transform(iter(chunks)))", found, "a.invoke(fold(chunks))", wanted, chunks=chunks)


async def atransform_is_ainvoke_of_the_fold(a: Verbs, chunks: Sequence[Any]) -> None:
    """`atransform` of an input in chunks, folded, is `ainvoke` of the whole input, however it is cut."""
    found, wanted = await aoutcome(afolded(a.atransform), each_of(chunks)), await aoutcome(a.ainvoke, fold(chunks))
    same("await afold(a.atransform(each_of(chunks)))", found, "await a.ainvoke(fold(chunks))", wanted, chunks=chunks)


def none_among_the_chunks_adds_nothing(a: Verbs, chunks: Sequence[Any]) -> None:
    """A `None` among the chunks of the input changes nothing, and one alone is as no chunk at all."""
    plain = outcome(folded(a.transform), iter(chunks))
    for code, padded in (
        ("[None, *chunks]", [None, *chunks]),
        ("[*chunks[:1], None, *chunks[1:]]", [*chunks[:1], None, *chunks[1:]]),
    ):
        found = outcome(folded(a.transform), iter(padded))
        same(f"fold(a.transform(iter({code})))", found, "fold(a.transform(iter(chunks)))", plain, chunks=chunks)
    found, wanted = outcome(folded(a.transform), iter([None])), outcome(folded(a.transform), iter([]))
    same("fold(a.transform(iter([None])))", found, "fold(a.transform(iter([])))", wanted)


async def each_of(chunks: Iterable[Any]) -> AsyncIterator[Any]:
    """Chunks as an asynchronous stream."""
    for chunk in chunks:
        yield chunk


def _taken(a: Verbs, value: Any) -> tuple[list[Any], Algebra | None]:
    """The chunks of a stream up to where it fails, and how they combine."""
    chunks: list[Any] = []
    stream = a.stream(value)
    outcome(lambda: chunks.extend(stream))
    return chunks, getattr(stream, "algebra", None)
