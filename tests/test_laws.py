"""The laws of composing and running hold for random programs, and each law can be broken.

Every program is also compared with what plain recursion makes of it.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from built_programs import build
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from programs import Calls, Expected, Injected, Program, Value, expected, parts_of, programs, values
from verbs import one_after_another

from anabranch.engine import laws
from anabranch.engine.chunks import AddableDict, Algebra, fold
from anabranch.nodes import (
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
)

quick = settings(max_examples=30)
small = programs(max_leaves=4)
inputs = st.lists(values, max_size=4)
cuts = st.lists(st.text("abXY", max_size=2) | st.none(), max_size=4)


def outcome_of(program: Program, call: Callable[[], Any]) -> laws.Outcome:
    result = laws.outcome(call)
    assert isinstance(result.error, Injected | None), f"{program!r} raised {result.error!r}"
    return result


def check(program: Program, wanted: Expected, found: laws.Outcome, streamed: bool = False) -> None:
    """See that what was found is what was to come.

    In a stream a step may fail at a chunk that came before the failure which ends it when it is run as a whole.
    """
    if found.error is not None:
        assert isinstance(found.error, Injected), repr(found.error)
        assert wanted.errors, f"{program!r} failed at {found.error.args[0]!r}"
        if not streamed and not _streams_inside(program):
            assert found.error.args[0] in wanted.errors, f"{program!r} failed at {found.error.args[0]!r}"
        assert_blamed(found.error)
    else:
        assert not wanted.errors, f"{program!r} did not fail at any of {set(wanted.errors)}"
        assert found.value == wanted.value


def _streams_inside(program: Program) -> bool:
    return any(isinstance(part, Calls) and part.verb in ("stream", "astream") for part in parts_of(program))


def assert_blamed(error: Exception) -> None:
    notes = getattr(error, "__notes__", [])
    assert any(f"> {error.args[0]}" in note or f"step {error.args[0]}" in note for note in notes), notes


def is_certain(program: Program, value: Value) -> bool:
    return not expected(program, value).vague


# Every verb gives what plain recursion gives


@given(programs(), values)
@settings(max_examples=40)
def test_invoke_and_ainvoke_give_what_recursion_gives(program: Program, value: Value) -> None:
    runnable, wanted = build(program), expected(program, value)
    check(program, wanted, laws.outcome(runnable.invoke, value))
    check(program, wanted, run(laws.aoutcome(runnable.ainvoke, value)))


@given(programs(), values)
@settings(max_examples=40)
def test_stream_and_astream_fold_to_what_recursion_gives(program: Program, value: Value) -> None:
    wanted = expected(program, value)
    assume(not wanted.vague)
    runnable = build(program)
    check(program, wanted, laws.outcome(laws.folded(runnable.stream), value), streamed=True)
    check(program, wanted, run(laws.aoutcome(laws.afolded(runnable.astream), value)), streamed=True)


@given(programs(), st.lists(values, max_size=3))
@quick
def test_a_batch_that_keeps_errors_gives_what_recursion_gives(program: Program, given: list[Value]) -> None:
    runnable = build(program)
    results = runnable.batch(given, return_exceptions=True)
    later = asyncio.run(runnable.abatch(given, return_exceptions=True))
    assert len(results) == len(later) == len(given)
    for value, result in [*zip(given, results, strict=True), *zip(given, later, strict=True)]:
        failed = isinstance(result, Exception)
        found = laws.Outcome(error=result) if failed else laws.Outcome(result)
        check(program, expected(program, value), found)


# The laws of composition


@given(small, small, small, values)
@quick
def test_composition_is_associative(a: Program, b: Program, c: Program, value: Value) -> None:
    laws.associativity_of_composition(build(a), build(b), build(c), value)


@given(programs(), values)
@quick
def test_passthrough_is_the_identity(a: Program, value: Value) -> None:
    laws.passthrough_is_identity(build(a), RunnablePassthrough(), value)


@given(programs(), values)
@quick
def test_picking_from_a_join_undoes_it(a: Program, value: Value) -> None:
    laws.pick_after_join(build(a), RunnablePick("k"), value)


@given(small, small, small, values)
@quick
def test_what_stands_before_a_fork_may_stand_in_each_branch(a: Program, b: Program, c: Program, value: Value) -> None:
    laws.distribution(build(a), build(b), build(c), RunnableParallel, value)


# The laws of chunks

dicts = st.dictionaries(st.sampled_from("ab"), st.text("xy", max_size=2) | st.none(), max_size=2)
chunks_of_a_kind = st.sampled_from(
    (
        st.text("xy", max_size=3),
        st.lists(st.integers(0, 3), max_size=2),
        st.integers(-5, 5),
        st.tuples(st.integers(0, 3)),
        dicts.map(AddableDict),
        dicts,
    )
)


@given(chunks_of_a_kind.flatmap(lambda kind: st.tuples(*[st.none() | kind] * 3)))
def test_chunks_form_a_monoid(chunks: tuple[Any, Any, Any]) -> None:
    laws.chunks_form_a_monoid(*chunks)


@given(st.lists(st.text("xy", max_size=2), min_size=3, max_size=3))
def test_snapshots_form_a_monoid_whatever_their_type(chunks: list[Any]) -> None:
    laws.chunks_form_a_monoid(chunks[0], chunks[1], chunks[2], Algebra.SNAPSHOTS)


# The laws of the verbs


@given(programs(), values)
@settings(max_examples=40)
def test_a_folded_stream_is_what_invoke_gives(a: Program, value: Value) -> None:
    assume(is_certain(a, value))
    laws.fold_of_stream_is_invoke(build(a), value)
    asyncio.run(laws.fold_of_astream_is_ainvoke(build(a), value))


@given(programs(), cuts)
@settings(max_examples=40)
def test_transform_is_invoke_however_the_input_is_cut(a: Program, chunks: list[Value]) -> None:
    assume(is_certain(a, fold(chunks)))
    laws.transform_is_invoke_of_the_fold(build(a), chunks)
    asyncio.run(laws.atransform_is_ainvoke_of_the_fold(build(a), chunks))


@given(programs(), inputs)
@settings(max_examples=50)
def test_batch_is_map_of_invoke(a: Program, given: list[Value]) -> None:
    laws.batch_is_map_of_invoke(build(a), given)
    asyncio.run(laws.abatch_is_map_of_ainvoke(build(a), given))


@given(programs(), values)
@quick
def test_synchronous_and_asynchronous_verbs_give_the_same(a: Program, value: Value) -> None:
    laws.sync_equals_async(build(a), value)
    assume(is_certain(a, value))
    laws.sync_stream_equals_async_stream(build(a), value)


@given(programs(), values)
@quick
def test_a_dict_streams_one_key_a_chunk_and_folds_to_what_invoke_gives(a: Program, value: Value) -> None:
    assume(is_certain(a, value) and not expected(a, value).errors)
    runnable = RunnableParallel({"whole": build(a), "same": RunnablePassthrough()})
    chunks = list(runnable.stream(value))
    assert all(len(chunk) == 1 for chunk in chunks)
    assert fold(chunks) == runnable.invoke(value)


def run(coroutine: Coroutine[Any, Any, laws.Outcome]) -> laws.Outcome:
    return asyncio.run(coroutine)


# A law that can't be broken says nothing

upper = RunnableLambda(str.upper)
copied = RunnableLambda(lambda items: list(items))
counter = itertools.count()
count = RunnableLambda(lambda _: [next(counter)])


class Forgetful(RunnableLambda[Any, Any]):
    """Isn't there any more once something comes after it."""

    def __or__(self, other: Any) -> Any:
        return other


class Liar(Runnable[Any, Any]):
    """Streams something else than it gives."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> str:
        return "the truth"

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        yield "a lie"

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> str:
        return "another truth"


def bracketed(chunks: Iterator[str]) -> Iterator[str]:
    """Depends on how its input is cut."""
    for chunk in chunks:
        yield f"({chunk})"


def tenths(_: Any) -> Iterator[float]:
    yield from (0.1, 0.2, 0.3)


def two_inside() -> laws.Occupancy:
    occupancy = laws.Occupancy()
    with occupancy, occupancy:
        return occupancy


BROKEN: dict[str, Callable[[], object]] = {
    "differ as graphs": lambda: laws.associativity_of_composition(upper, Forgetful(len), upper, "a"),
    "another object": lambda: laws.passthrough_is_identity(copied, copied, [1]),
    "pick_k": lambda: laws.pick_after_join(upper, copied, "a"),
    'x": b, "y": c': lambda: laws.distribution(count, copied, copied, RunnableParallel, "a"),
    "where a = 0.1, b = 0.2, c = 0.3": lambda: laws.chunks_form_a_monoid(0.1, 0.2, 0.3),
    "after chunk 1 gives": lambda: laws.chunks_of_a_stream_form_a_monoid(RunnableLambda(tenths), 0),
    "op.a . b. gives": lambda: laws.operator_maps_chunks(bracketed, "a", "b"),
    "gives 'a lie', but a.invoke.value. gives 'the truth'": lambda: laws.fold_of_stream_is_invoke(Liar(), 0),
    "await afold.a.astream": lambda: asyncio.run(laws.fold_of_astream_is_ainvoke(Liar(), 0)),
    "transform": lambda: laws.transform_is_invoke_of_the_fold(RunnableGenerator(bracketed), ["a", "b"]),
    "await afold.a.atransform": lambda: asyncio.run(
        laws.atransform_is_ainvoke_of_the_fold(RunnableGenerator(bracketed), ["a", "b"])
    ),
    "None, .*chunks": lambda: laws.none_among_the_chunks_adds_nothing(RunnableGenerator(bracketed), ["a"]),
    "a.invoke.value. gives .*, but a.invoke.value. gives": lambda: laws.called_twice_it_gives_the_same(count, 0),
    "value after a.invoke": lambda: laws.input_is_not_changed(RunnableLambda(list.clear), [1]),
    "batch": lambda: laws.batch_is_map_of_invoke(count, [0, 0]),
    "abatch": lambda: asyncio.run(laws.abatch_is_map_of_ainvoke(count, [0, 0])),
    "return_exceptions=True..0. gives": lambda: laws.one_failure_spoils_no_other(count, [0, 0]),
    "gives 'another truth', but": lambda: laws.sync_equals_async(Liar(), 0),
    "astream.* but fold": lambda: laws.sync_stream_equals_async_stream(count, 0),
    "2 ran at once": lambda: laws.concurrency_within_cap(two_inside(), 1),
    "more than": lambda: laws.makespan_within_bound(10.0, work=8.0, longest_path=1.0, permits=2),
    "left alive.*a thread": lambda: laws.nothing_alive_after(int, lambda: ["a thread"], grace=0.0),
}


@one_after_another("said", BROKEN)
def test_each_law_can_be_broken(said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        BROKEN[said]()


@pytest.mark.parametrize(
    ("work", "path", "permits", "longest"),
    [(8.0, 4.0, 2, 6.0), (12.0, 4.0, 2, 9.0), (5.0, 1.0, 1, 5.0), (6.0, 6.0, 3, 10.0)],
)
def test_a_call_may_take_as_long_as_the_bound_and_no_longer(
    work: float, path: float, permits: int, longest: float
) -> None:
    laws.makespan_within_bound(longest, work, path, permits)
    with pytest.raises(AssertionError, match="more than"):
        laws.makespan_within_bound(longest * 1.001, work, path, permits)


def test_an_input_that_cannot_be_copied_is_checked_itself() -> None:
    lock = threading.Lock()
    laws.input_is_not_changed(RunnablePassthrough(), lock)
    laws.called_twice_it_gives_the_same(RunnablePassthrough(), lock)


def test_an_input_that_fails_among_others_breaks_no_law() -> None:
    def odd(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number

    laws.one_failure_spoils_no_other(RunnableLambda(odd), [0, 1, 2, 3])
    laws.batch_is_map_of_invoke(RunnableLambda(odd), [0, 1, 2, 3])
