"""Random runnables of the public strategies: what they give can be reckoned, they can be printed, and they shrink."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import pretty

from anabranch.engine import laws
from anabranch.engine.chunks import add
from anabranch.engine.config_checks import check_config
from anabranch.nodes import (
    EdgeTypeError,
    GraphError,
    Runnable,
    RunnableAssign,
    RunnableBinding,
    RunnableBranch,
    RunnableDag,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableRetry,
    RunnableSequence,
    RunnableWithFallbacks,
    fold,
)
from anabranch.nodes.checking.dag_strategies import dag_of_dicts, dag_of_vertices
from anabranch.nodes.checking.fault_steps import Cancels, Injected, PutsNone, Raises, Silences, Sleeps
from anabranch.nodes.checking.law_examples import cuts_of
from anabranch.nodes.checking.printing_programs import code_of
from anabranch.nodes.checking.sample_steps import (
    AsyncCalls,
    AsyncPuts,
    AsyncSpells,
    AsyncSwaps,
    Calls,
    Chooses,
    Divides,
    Puts,
    Returns,
    Spells,
    Splits,
    Swaps,
    as_text,
    checksum,
)
from anabranch.nodes.laws import LawsError, check_laws
from anabranch.nodes.strategies import (
    chunk_streams,
    configs,
    dag_shapes,
    dags,
    failures,
    inputs_of,
    programs,
    runnables,
)

quick = settings(max_examples=40)
texts = st.text("abXY", max_size=4)
AnyRunnable = Runnable[Any, Any]


def reckoned(made: Any, value: Any) -> Any:
    """What must come of a program without faults, by plain recursion."""
    match made:
        case RunnableSequence():
            return functools.reduce(lambda so_far, step: reckoned(step, so_far), made.steps, value)
        case RunnableAssign():
            return {**value, **reckoned(made.mapper, value)}
        case RunnableParallel():
            return {key: reckoned(branch, value) for key, branch in made.steps.items()}
        case RunnablePassthrough():
            return value
        case RunnablePick():
            return value[made.keys] if isinstance(made.keys, str) else {key: value[key] for key in made.keys}
        case RunnableEach():
            return [reckoned(made.bound, each) for each in value]
        case RunnableBranch():
            [(condition, branch)] = made.branches
            return reckoned(branch if reckoned(condition, value) else made.default, value)
        case RunnableRetry() | RunnableBinding():
            return reckoned(made.bound, value)
        case RunnableWithFallbacks():
            return reckoned(made.runnable, value)
        case RunnableLambda():
            return reckoned_step(made.func, value)
        case RunnableGenerator():
            assert isinstance(made._transform, Swaps | AsyncSwaps)
            return value.swapcase() if isinstance(value, str) else value
    raise AssertionError(f"what comes of {made!r}?")


def reckoned_step(func: Any, value: Any) -> Any:
    match func:
        case Puts(mark) | AsyncPuts(mark):
            return mark + as_text(value)
        case Spells() | AsyncSpells():
            return as_text(value) or None
        case Chooses(values):
            return values[checksum(value) % len(values)]
        case Splits(parts):
            return [as_text(value)[at::parts] for at in range(parts)]
        case Divides(number):
            return checksum(value) % number == 0
        case Returns(inner) | Calls(inner) | AsyncCalls(inner):
            return reckoned(inner, value)
    raise AssertionError(f"what does {func!r} give?")


def parts_of(made: Any) -> list[Any]:
    """A program and all that it is made of."""
    found: list[Any] = [made]
    for part in found:
        found += part._parts()
        found += [part.func.runnable] if hasattr(getattr(part, "func", None), "runnable") else []
    return found


def pasted(code: str) -> Any:
    names: dict[str, Any] = {"__name__": "pasted"}
    exec(compile(code, "<pasted>", "exec"), names)
    return names["program"]


def typed(types: tuple[Any, Any]) -> Any:
    return st.tuples(st.just(types[1]), runnables(*types, depth=1), st.from_type(types[0]))


class TestPrograms:
    @given(programs(), texts)
    @settings(max_examples=40)
    def test_they_give_what_recursion_gives(self, program: AnyRunnable, text: str) -> None:
        wanted = reckoned(program, text)
        assert program.invoke(text) == asyncio.run(program.ainvoke(text)) == wanted
        laws.fold_of_stream_is_invoke(program, text)
        asyncio.run(laws.fold_of_astream_is_ainvoke(program, text))

    @given(texts.flatmap(lambda text: st.tuples(programs(depth=2), cuts_of(text))))
    @quick
    def test_their_input_may_be_cut_anywhere(self, drawn: tuple[AnyRunnable, list[str]]) -> None:
        laws.transform_is_invoke_of_the_fold(*drawn)

    @given(programs(), texts)
    @quick
    def test_the_code_of_one_makes_it_again(self, program: AnyRunnable, text: str) -> None:
        again = pasted(code_of(program))
        assert code_of(again) == code_of(program)
        assert again.invoke(text) == program.invoke(text)

    def test_all_kinds_of_compositions_are_among_them(self) -> None:
        seen: set[type] = set()

        @given(programs(depth=2))
        @settings(max_examples=100, derandomize=True, database=None)
        def look(program: AnyRunnable) -> None:
            seen.update(map(type, parts_of(program)))

        look()
        leaves = {RunnableLambda, RunnableGenerator, RunnablePassthrough}
        joined = {RunnableSequence, RunnableParallel, RunnableAssign, RunnablePick}
        policies = {RunnableRetry, RunnableWithFallbacks, RunnableBinding}
        assert seen == leaves | joined | policies | {RunnableBranch, RunnableEach}

    def test_forms_may_be_chosen(self) -> None:
        @given(programs(forms=["sync"]))
        @quick
        def check(program: AnyRunnable) -> None:
            asynchronous = AsyncPuts | AsyncSpells | AsyncCalls
            assert not any(isinstance(getattr(part, "func", None), asynchronous) for part in parts_of(program))

        check()
        with pytest.raises(LawsError, match=r"no form 'threads'; the forms are sync, async"):
            programs(forms=["threads"])

    @given(st.sampled_from([(int, bool), (str, list[int]), (int, int), (str, dict[str, int])]).flatmap(typed))
    @quick
    def test_types_may_be_chosen(self, drawn: tuple[Any, AnyRunnable, Any]) -> None:
        tp, made, value = drawn
        output = made.invoke(value)
        assert isinstance(output, getattr(tp, "__origin__", tp))
        assert output == reckoned(made, value)


class TestShrinking:
    """A property that is false is shown to be so by a program that a person would have written."""

    def smallest(self, strategy: Any, holds: Any) -> str:
        found = drawn_with(strategy, holds)
        return code_of(found).split("program = ")[-1]

    def test_to_one_step(self) -> None:
        assert self.smallest(programs(), lambda made: made.invoke("x") != "ax") == "RunnableLambda(Puts('b'))"
        assert self.smallest(programs(), lambda made: "a" in (made.invoke("x") or "")) == "RunnableLambda(Puts('a'))"

    def test_to_two(self) -> None:
        def two(made: AnyRunnable) -> bool:
            return sum(isinstance(getattr(part, "func", None), Puts) for part in parts_of(made)) == 2

        assert self.smallest(programs(), two) in {
            "RunnableLambda(Puts('a')) | RunnableLambda(Puts('a'))",
            "RunnableLambda(Puts('a')).with_fallbacks([Puts('a')])",
        }

    def test_to_one_composition(self) -> None:
        def has(kind: type) -> Any:
            return lambda made: any(type(part) is kind for part in parts_of(made))

        assert self.smallest(programs(), has(RunnableRetry)) == (
            "RunnableLambda(Puts('a')).with_retry(wait_exponential_jitter=False, stop_after_attempt=1)"
        )
        assert self.smallest(programs(), has(RunnableWithFallbacks)) == (
            "RunnableLambda(Puts('a')).with_fallbacks([Puts('a')])"
        )
        assert self.smallest(programs(), has(RunnableParallel)) == (
            "RunnableParallel({'a': Puts('a')}) | RunnablePick('a')"
        )

    def test_to_a_fault_where_it_matters(self) -> None:
        def fails(made: AnyRunnable) -> bool:
            return laws.outcome(made.invoke, "x").error is not None

        assert self.smallest(programs(faults=failures()), fails) in {
            "Raises() | RunnableLambda(Puts('a'))",
            "RunnableLambda(Puts('a')) | Raises()",
        }

    def test_to_few_vertices(self) -> None:
        code = self.smallest(dags(6, "dicts"), lambda made: "RunnableAssign" in str(list(made.graph.scopes)))
        assert " ".join(code.split()) == (
            "( RunnableParallel({'v0': Puts('a')}) "
            "| RunnablePassthrough.assign(v1=RunnablePick('v0') | RunnableLambda(Puts('b'))) | RunnablePick('v1') )"
        )


def drawn_with(strategy: Any, holds: Any) -> Any:
    searching = settings(max_examples=1000, derandomize=True, database=None, phases=(Phase.generate, Phase.shrink))
    return find(strategy, holds, settings=searching)


class TestFailures:
    @given(programs(depth=2, faults=failures(longest=0.0)), texts)
    @settings(max_examples=40)
    def test_a_program_with_faults_gives_a_value_or_that_fault(self, program: AnyRunnable, text: str) -> None:
        for found in (laws.outcome(program.invoke, text), asyncio.run(laws.aoutcome(program.ainvoke, text))):
            assert found.error is None or isinstance(found.error, Injected), found

    def test_each_does_what_it_says_in_every_form(self) -> None:
        def got(fault: AnyRunnable) -> list[Any]:
            chain: Any = RunnableLambda(Spells(1)) | fault
            taken: list[Any] = []
            found = laws.outcome(lambda: taken.extend(chain.stream("abc")))
            ataken: list[Any] = []

            async def atake() -> None:
                async for chunk in chain.astream("abc"):
                    ataken.append(chunk)  # noqa: PERF401 (those before a failure count)

            asyncio.run(laws.aoutcome(atake))
            assert taken == ataken
            return [*taken, "failed"] if found.error else taken

        assert got(Raises(after=2)) == ["a", "b", "failed"]
        assert got(Raises(after=9)) == ["a", "b", "c", "failed"]
        assert got(Silences()) == []
        assert got(PutsNone()) == [None, "a", None, "b", None, "c", None]
        assert got(Sleeps(0)) == ["a", "b", "c"]

    def test_a_cancellation_is_one(self) -> None:
        with pytest.raises(asyncio.CancelledError, match="fault"):
            (RunnablePassthrough() | Cancels()).invoke("a")
        assert isinstance(find(failures("cancels"), lambda _: True), Cancels)

    def test_wrong_ones_are_errors(self) -> None:
        with pytest.raises(LawsError, match="no kind 'explodes'; the kinds are raises, silences, nones,"):
            failures("explodes")
        with pytest.raises(TypeError, match="Raises: after must be an int of at least 0, got -1"):
            Raises(after=-1)
        with pytest.raises(TypeError, match="Sleeps takes seconds"):
            Sleeps(-1)


class TestDags:
    @given(dag_shapes(6), texts)
    @quick
    def test_by_dicts_and_by_vertices_they_give_the_same(self, shape: Any, text: str) -> None:
        results: dict[str, str] = {}
        for vertex, read in enumerate(shape):
            inputs = {f"v{start}": results[f"v{start}"] for start in read}
            value = text if not read else inputs if len(read) > 1 else inputs[f"v{read[0]}"]
            results[f"v{vertex}"] = chr(ord("a") + vertex) + as_text(value)
        sinks = [f"v{at}" for at in range(len(shape)) if not any(at in read for read in shape)]
        wanted = results[sinks[0]] if len(sinks) == 1 else {sink: results[sink] for sink in sinks}
        assert dag_of_dicts(shape).invoke(text) == dag_of_vertices(shape).invoke(text) == wanted

    @given(dags(5))
    @quick
    def test_the_code_of_one_makes_it_again(self, dag: AnyRunnable) -> None:
        assert pasted(code_of(dag)).invoke("x") == dag.invoke("x")

    def test_the_way_may_be_chosen(self) -> None:
        assert isinstance(find(dags(3, "from_dag"), lambda _: True), RunnableDag)
        assert isinstance(find(dags(3, "dicts"), lambda _: True), RunnableSequence)
        with pytest.raises(LawsError, match="via is 'dicts' or 'from_dag', got 'x'"):
            dags(3, "x")
        with pytest.raises(LawsError, match="at least one vertex"):
            dags(0)
        for make in (dag_of_dicts, dag_of_vertices):
            with pytest.raises(GraphError):
                make([])
        with pytest.raises(GraphError, match=r"vertex 0 can read only those before it, got \[0\]"):
            dag_of_dicts([[0]])


@given(chunk_streams(nones=True))
def test_chunks_of_a_stream_add_up(chunks: list[Any]) -> None:
    assert fold(chunks) == functools.reduce(add, chunks, None)


@given(texts.flatmap(lambda text: st.tuples(st.just(text), chunk_streams(st.just(text), nones=True))))
@quick
def test_chunks_of_a_value_fold_to_it(drawn: tuple[str, list[Any]]) -> None:
    assert fold(drawn[1]) == drawn[0]


@given(configs())
@quick
def test_a_drawn_config_is_right_and_changes_no_result(config: Any) -> None:
    check_config(config)
    assert (RunnableLambda(str.upper) | {"n": len}).invoke("ab", config) == {"n": 2}


def test_what_is_drawn_is_shown_by_its_code() -> None:
    shown = pretty([RunnableLambda(Puts("a")) | {"n": RunnablePassthrough()}])
    assert shown == "[RunnableLambda(Puts('a')) | {'n': RunnablePassthrough()}]"
    assert repr(Raises("broken", after=2)) == "Raises(mark='broken', after=2)"


def test_inputs_are_found_by_type() -> None:
    def length(text: str) -> int:
        return len(text)

    assert find(inputs_of(RunnableLambda(length)), lambda _: True) == ""
    assert check_laws(length, quiet=True, max_examples=5).ok
    with pytest.raises(LawsError, match=r"isn't known what RunnableLambda takes; give inputs="):
        check_laws(lambda x: x, quiet=True)


def test_edges_of_faults_are_not_checked() -> None:
    def length(text: str) -> int:
        return len(text)

    with pytest.raises(EdgeTypeError):
        RunnableLambda(length) | length
    assert (RunnableLambda(length) | Sleeps(0) | str).invoke("a") == "1"
