"""Functions are taken in every form, and each runs with every verb."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import operator
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
from verbs import VERBS, one_after_another

from anabranch.engine.errors import CompositionError, NotRunnableError
from anabranch.nodes import (
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    chain,
    coerce_to_runnable,
    fold,
)

Func = Callable[..., Any]


def double(x: int) -> int:
    return 2 * x


async def adouble(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


def halves(x: int) -> Iterator[int]:
    yield x
    yield x


async def ahalves(x: int) -> AsyncIterator[int]:
    yield x
    await asyncio.sleep(0)
    yield x


def characters(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk


def wrapped(func: Func) -> Func:
    """A decorator that hands on whatever the function makes."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


def annotated_awaitable(x: int) -> Awaitable[int]:
    return adouble(x)


def annotated_coroutine(x: int) -> Coroutine[Any, Any, int]:
    return adouble(x)


def by_factor(factor: int, x: int) -> int:
    return factor * x


async def aby_factor(factor: int, x: int) -> int:
    return factor * x


def with_config(x: int, config: RunnableConfig) -> int:
    return x * len(config["configurable"]["two"])


async def awith_config(x: int, config: RunnableConfig) -> int:
    return x * len(config["configurable"]["two"])


def halves_with_config(x: int, config: RunnableConfig) -> Iterator[int]:
    for _ in config["configurable"]["two"]:
        yield x


async def ahalves_with_config(x: int, *, config: RunnableConfig) -> AsyncIterator[int]:
    for _ in config["configurable"]["two"]:
        yield x


def with_manager(x: int, run_manager: Any, config: RunnableConfig) -> int:
    assert not run_manager.get_child()
    assert run_manager.tags == config["tags"]
    return 2 * x


class Doubler:
    def __call__(self, x: int) -> int:
        return 2 * x

    def method(self, x: int) -> int:
        return 2 * x

    async def amethod(self, x: int) -> int:
        return 2 * x

    def generator(self, x: int) -> Iterator[int]:
        yield x
        yield x

    @classmethod
    def of_the_class(cls, x: int) -> int:
        return 2 * x

    @staticmethod
    def static(x: int) -> int:
        return 2 * x


class AsyncDoubler:
    async def __call__(self, x: int) -> int:
        return 2 * x


class Halver:
    def __call__(self, x: int) -> Iterator[int]:
        yield x
        yield x


class Twice(int):
    def __new__(cls, x: int) -> Twice:
        return super().__new__(cls, 2 * x)


FORMS: dict[str, Func] = {
    "function": double,
    "coroutine function": adouble,
    "generator function": halves,
    "async generator function": ahalves,
    "lambda": lambda x: 2 * x,
    "builtin": (21).__add__,
    "partial": functools.partial(by_factor, 2),
    "partial of a coroutine function": functools.partial(aby_factor, 2),
    "partial by keyword": functools.partial(by_factor, 2),
    "partial of a partial": functools.partial(functools.partial(by_factor), 2),
    "callable object": Doubler(),
    "callable object, async": AsyncDoubler(),
    "callable object, generator": Halver(),
    "method": Doubler().method,
    "method, async": Doubler().amethod,
    "method, generator": Doubler().generator,
    "class method": Doubler.of_the_class,
    "static method": Doubler.static,
    "class": Twice,
    "wrapped function": wrapped(double),
    "wrapped coroutine function": wrapped(adouble),
    "wrapped generator function": wrapped(halves),
    "wrapped async generator function": wrapped(ahalves),
    "twice wrapped": wrapped(wrapped(adouble)),
    "cached": functools.cache(double),
    "function annotated to return an awaitable": annotated_awaitable,
    "function annotated to return a coroutine": annotated_coroutine,
    "with config": with_config,
    "coroutine function with config": awith_config,
    "generator function with config": halves_with_config,
    "async generator function with config": ahalves_with_config,
    "with config and run manager": with_manager,
    "partial with config": functools.partial(with_config),
    "wrapped with config": wrapped(with_config),
}

each_form = one_after_another("form", FORMS)
CONFIG: RunnableConfig = {"configurable": {"two": "ab"}, "tags": ["mine"]}


async def collected(chunks: AsyncIterator[Any]) -> Any:
    return fold([chunk async for chunk in chunks])


@each_form
def test_a_function_of_any_form_runs_with_every_verb(form: str) -> None:
    runnable = RunnableLambda(FORMS[form], name="it")
    assert runnable.invoke(21, CONFIG) == 42
    assert runnable.batch([21, 21], CONFIG) == [42, 42]
    assert sorted(runnable.batch_as_completed([21, 21], CONFIG)) == [(0, 42), (1, 42)]
    assert fold(runnable.stream(21, CONFIG)) == 42
    assert fold(runnable.transform(iter([20, 1]), CONFIG)) == 42


@each_form
def test_a_function_of_any_form_runs_with_every_asynchronous_verb(form: str) -> None:
    runnable = RunnableLambda(FORMS[form], name="it")

    async def source() -> AsyncIterator[int]:
        yield 20
        yield 1

    async def main() -> None:
        assert await runnable.ainvoke(21, CONFIG) == 42
        assert await runnable.abatch([21, 21], CONFIG) == [42, 42]
        pairs = [pair async for pair in runnable.abatch_as_completed([21, 21], CONFIG)]
        assert sorted(pairs) == [(0, 42), (1, 42)]
        assert await collected(runnable.astream(21, CONFIG)) == 42
        assert await collected(runnable.atransform(source(), CONFIG)) == 42

    asyncio.run(main())


@each_form
def test_a_function_of_any_form_runs_inside_a_chain(form: str) -> None:
    through = RunnablePassthrough() | RunnableLambda(FORMS[form]) | str
    assert through.invoke(21, CONFIG) == "42"
    assert asyncio.run(through.ainvoke(21, CONFIG)) == "42"


@pytest.mark.parametrize("func", [halves, ahalves, wrapped(halves), wrapped(ahalves), Halver(), Doubler().generator])
def test_what_a_generator_yields_is_streamed(func: Func) -> None:
    runnable = RunnableLambda(func)

    async def main() -> list[int]:
        return [chunk async for chunk in runnable.astream(5)]

    assert list(runnable.stream(5)) == [5, 5]
    assert asyncio.run(main()) == [5, 5]


def test_a_wrapper_that_waits_itself_is_a_plain_function() -> None:
    @functools.wraps(adouble)
    def waiting(x: int) -> int:
        return asyncio.run(adouble(x))

    @functools.wraps(halves)
    def adding(x: int) -> int:
        return sum(halves(x))

    for func in (waiting, adding):
        assert RunnableLambda(func).invoke(21) == 42


class TestTwoForms:
    def test_the_asynchronous_one_is_used_by_the_asynchronous_verbs(self) -> None:
        async def asynchronous(x: int) -> str:
            return "async"

        both = RunnableLambda(lambda x: "sync", afunc=asynchronous)
        assert both.invoke(1) == "sync"
        assert asyncio.run(both.ainvoke(1)) == "async"
        assert both.batch([1, 2]) == ["sync", "sync"]
        assert asyncio.run(both.abatch([1, 2])) == ["async", "async"]

    def test_a_plain_function_may_give_the_awaitable(self) -> None:
        both = RunnableLambda(double, afunc=lambda x: adouble(x))
        assert both.invoke(21) == asyncio.run(both.ainvoke(21)) == 42

    def test_only_one_of_them_need_ask_for_config(self) -> None:
        both = RunnableLambda(double, afunc=awith_config)
        assert both.invoke(21) == asyncio.run(both.ainvoke(21, CONFIG)) == 42

    def test_two_asynchronous_ones_are_an_error(self) -> None:
        with pytest.raises(CompositionError, match="both asynchronous"):
            RunnableLambda(adouble, afunc=adouble)


class TestArguments:
    def test_bound_arguments_reach_the_function(self) -> None:
        assert RunnableLambda(lambda x, times: x * times).bind(times=3).invoke("ab") == "ababab"

    def test_extra_arguments_of_a_verb_reach_the_first_step_only(self) -> None:
        tripled = RunnableLambda(lambda x, times=1: x * times) | (lambda x, times=1: (x, times))
        assert tripled.invoke("a", times=3) == ("aaa", 1)
        assert tripled.batch(["a", "b"], times=2) == [("aa", 1), ("bb", 1)]
        assert list(tripled.stream("a", times=2)) == [("aa", 1)]
        assert asyncio.run(tripled.ainvoke("a", times=2)) == ("aa", 1)
        assert tripled.start("a", times=2).result() == ("aa", 1)

    def test_what_a_verb_says_wins_over_what_is_bound_and_the_outer_bound_over_the_inner(self) -> None:
        bound = RunnableLambda(lambda x, a=0, b=0: (a, b)).bind(a=1, b=1).bind(b=2)
        assert bound.invoke(0) == (1, 2)
        assert bound.invoke(0, a=3) == (3, 2)
        assert bound.bind(a=4).invoke(0) == (4, 2)

    def test_bound_arguments_reach_generators_and_async_functions(self) -> None:
        def repeated(x: str, times: int) -> Iterator[str]:
            for _ in range(times):
                yield x

        async def arepeated(x: str, times: int) -> str:
            return x * times

        assert list(RunnableLambda(repeated).bind(times=2).stream("a")) == ["a", "a"]
        assert asyncio.run(RunnableLambda(arepeated).bind(times=2).ainvoke("a")) == "aa"

    def test_a_bound_generator_maps_chunks(self) -> None:
        def repeated(chunks: Iterator[str], times: int) -> Iterator[str]:
            for chunk in chunks:
                yield chunk * times

        assert list(RunnableGenerator(repeated).bind(times=2).transform(iter("ab"))) == ["aa", "bb"]


class TestFunctionsThatReturnRunnables:
    def test_what_is_returned_is_run_with_the_same_input(self) -> None:
        @chain
        def route(text: str) -> Runnable[str, Any]:
            return RunnableLambda(len) if text.islower() else RunnableLambda(str.lower)

        assert route.batch(["abc", "ABC"]) == [3, "abc"]
        assert asyncio.run(route.abatch(["abc", "ABC"])) == [3, "abc"]

    def test_what_is_returned_is_streamed(self) -> None:
        returning = RunnableLambda(lambda x: RunnableLambda(halves))
        assert list(returning.stream(5)) == [5, 5]

        async def main() -> list[int]:
            return [chunk async for chunk in returning.astream(5)]

        assert asyncio.run(main()) == [5, 5]

    def test_an_async_function_may_return_one_too(self) -> None:
        async def returning(x: int) -> Runnable[int, int]:
            return RunnableLambda(double)

        runnable: Runnable[int, Any] = RunnableLambda(returning)
        assert runnable.invoke(21) == asyncio.run(runnable.ainvoke(21)) == 42

    def test_it_ends_in_a_recursion_error_with_the_names_when_it_never_ends(self) -> None:
        @chain
        def again(x: int) -> Any:
            return again

        with pytest.raises(RecursionError, match="again > again"):
            again.invoke(1)
        with pytest.raises(RecursionError, match="again > again"):
            asyncio.run(again.ainvoke(1))
        with pytest.raises(RecursionError, match="recursion limit reached"):
            list(again.stream(1))

    def test_the_recursion_limit_counts_how_often(self) -> None:
        @chain
        def count_down(x: list[int]) -> Any:
            x[0] -= 1
            return count_down if x[0] else "landed"

        assert count_down.invoke([25]) == "landed"
        with pytest.raises(RecursionError):
            count_down.invoke([27])
        assert count_down.invoke([50], {"recursion_limit": 60}) == "landed"
        with pytest.raises(RecursionError):
            count_down.with_config(recursion_limit=3).invoke([10])


class TestNames:
    def test_a_runnable_has_the_name_of_its_function(self) -> None:
        assert RunnableLambda(double).get_name() == "double"
        assert RunnableLambda(double, name="mine").get_name() == "mine"
        assert RunnableLambda(lambda x: x).get_name() == "RunnableLambda"
        assert RunnableLambda(wrapped(double)).get_name() == "double"
        assert RunnableLambda(functools.partial(by_factor, 2)).get_name() == "RunnableLambda"
        assert RunnableLambda(Doubler()).get_name() == "RunnableLambda"
        assert RunnableGenerator(characters).get_name() == "characters"

    def test_a_suffix_takes_the_style_of_the_name(self) -> None:
        assert RunnableLambda(double).get_name("Input") == "double_input"
        assert RunnableLambda(lambda x: x).get_name("input") == "RunnableLambdaInput"
        assert RunnableLambda(double).get_name("output", name="Other") == "OtherOutput"


class TestBadInput:
    def test_what_is_no_function_is_an_error(self) -> None:
        with pytest.raises(CompositionError, match="expected a function, got int: 5"):
            RunnableLambda(5)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="expected a function"):
            RunnableLambda(RunnableLambda(double))  # type: ignore[arg-type]
        with pytest.raises(NotRunnableError, match=r"got str: 'text'.*lambda _: value"):
            RunnableLambda(double) | "text"  # type: ignore[operator]
        with pytest.raises(NotRunnableError):
            coerce_to_runnable(None)

    def test_a_function_without_parameters_is_an_error(self) -> None:
        func: Func = lambda: 1  # noqa: E731
        with pytest.raises(CompositionError, match="takes no input"):
            RunnableLambda(func)

    def test_a_class_of_runnables_is_told_from_its_objects(self) -> None:
        with pytest.raises(CompositionError, match=r"RunnablePassthrough is a class; .* write RunnablePassthrough\("):
            RunnableLambda(double) | RunnablePassthrough

    def test_a_generator_that_returns_a_value_is_an_error_when_the_runnable_is_made(self) -> None:
        def returning(x: int) -> Any:
            yield x
            return x

        class Returning:
            def __call__(self, chunks: Iterator[int]) -> Any:
                yield from chunks
                return "done"

        funcs: list[Func] = [returning, Returning(), functools.partial(returning), Returning().__call__]
        for func in funcs:
            with pytest.raises(CompositionError, match="returns a value, which would be lost; yield it"):
                RunnableLambda(func)
            with pytest.raises(CompositionError, match="would be lost"):
                RunnableGenerator(func)
            with pytest.raises(CompositionError, match="would be lost"):
                RunnableLambda(double) | func

    def test_a_generator_that_just_ends_is_none(self) -> None:
        def ending(x: Any) -> Iterator[int]:
            def inner() -> int:
                return 5

            with contextlib.nullcontext():
                yield inner()
                if x:
                    return
            for _ in range(2):
                yield (lambda: 1)()
            return None

        assert RunnableLambda(ending).invoke(0) == 7
        assert RunnableLambda(ending).invoke(1) == 5

    def test_a_plain_function_is_no_generator(self) -> None:
        with pytest.raises(CompositionError, match="takes a generator function"):
            RunnableGenerator(double)  # type: ignore[arg-type]
        with pytest.raises(CompositionError, match="an asynchronous one"):
            RunnableGenerator(characters, characters)  # type: ignore[arg-type]

    def test_what_a_function_raises_is_raised_itself(self) -> None:
        error = KeyError("mine")

        def failing(x: int) -> int:
            raise error

        with pytest.raises(KeyError) as caught:
            (RunnableLambda(double) | failing).invoke(1)
        assert caught.value is error
        assert any("failing" in note for note in error.__notes__)


class TestGenerators:
    def test_a_generator_function_in_a_chain_maps_chunks(self) -> None:
        def upper(chunks: Iterator[str]) -> Iterator[str]:
            for chunk in chunks:
                yield chunk.upper()

        async def aupper(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
            async for chunk in chunks:
                yield chunk.upper()

        for func in (upper, aupper):
            mapped = RunnablePassthrough() | func
            assert list(mapped.transform(iter("abc"))) == ["A", "B", "C"]
            assert mapped.invoke("abc") == "ABC"
        both = RunnableGenerator(upper, aupper)
        assert both.invoke("abc") == asyncio.run(both.ainvoke("abc")) == "ABC"

    def test_it_may_take_config(self) -> None:
        def tagged(chunks: Iterator[str], config: RunnableConfig) -> Iterator[str]:
            for chunk in chunks:
                yield chunk + config["tags"][0]

        assert list(RunnableGenerator(tagged).transform(iter("ab"), {"tags": ["!"]})) == ["a!", "b!"]


class TestMentions:
    def test_a_function_finds_the_runnables_that_it_calls(self) -> None:
        inner = RunnableLambda(double)
        method = RunnableLambda(adouble).ainvoke

        def calling(x: int) -> Any:
            return inner.invoke(x), GLOBAL.invoke(x), method

        assert RunnableLambda(calling).deps == [inner, GLOBAL, RunnableLambda(adouble)]
        assert RunnableLambda(double).deps == []
        bound: Func = functools.partial(by_factor, inner)  # type: ignore[arg-type]
        assert RunnableLambda(bound).deps == [inner]

    def test_those_of_both_forms_count(self) -> None:
        async def acalling(x: int) -> Any:
            return await GLOBAL.ainvoke(x)

        assert RunnableLambda(double, afunc=acalling).deps == [GLOBAL]


GLOBAL = RunnableLambda(double) | str


class TestValues:
    def test_runnables_of_the_same_functions_are_equal(self) -> None:
        assert RunnableLambda(double) == RunnableLambda(double) != RunnableLambda(adouble)
        assert RunnableLambda(double) | str == RunnableLambda(double) | str
        assert len({RunnableLambda(double), RunnableLambda(double)}) == 1
        assert RunnableGenerator(characters) == RunnableGenerator(characters)
        assert {"a": RunnableLambda(double)} | RunnablePassthrough() != RunnablePassthrough() | str

    def test_they_are_shown_short(self) -> None:
        assert repr(RunnableLambda(double)) == "RunnableLambda(double)"
        assert repr(RunnableLambda(lambda x: x + 1)) == "RunnableLambda(lambda x: x + 1)"
        assert repr(RunnableLambda(operator.itemgetter("a"))) == "RunnableLambda(itemgetter('a'))"
        assert repr(RunnableLambda(double, name="mine")) == "RunnableLambda(mine)"
        assert repr(RunnableGenerator(characters)) == "RunnableGenerator(characters)"
        assert repr(RunnableLambda(eval("lambda x: x"))) == "RunnableLambda(...)"

    def test_they_can_be_copied_and_pickled_without_their_graph(self) -> None:
        runnable = RunnableLambda(double) | {"a": adouble, "b": operator.itemgetter(0).__call__} | RunnablePassthrough()
        assert runnable.graph is vars(runnable)["__graph__"]
        for made in (copy.copy(runnable), copy.deepcopy(runnable)):
            assert "__graph__" not in vars(made)
            assert repr(made) == repr(runnable)
        simple = RunnableLambda(double) | {"a": adouble, "b": str} | RunnablePassthrough.assign(c=len)
        assert simple.invoke(1) == {"a": 4, "b": "2", "c": 2}
        again = pickle.loads(pickle.dumps(simple))
        assert again == simple
        assert again.invoke(1) == {"a": 4, "b": "2", "c": 2}


@one_after_another("verb", VERBS)
def test_what_a_function_in_the_middle_returns_is_run_and_the_next_steps_follow(verb: str) -> None:
    async def returned(_: Any) -> Any:
        return RunnableLambda(str.upper)

    firsts: list[Callable[..., Any]] = [lambda _: RunnableLambda(str.upper), returned]
    for first in firsts:
        made = RunnableLambda(first) | (lambda x: f"{x}1") | (lambda x: f"{x}2")
        assert "A12" in str(VERBS[verb](made, "a"))


@one_after_another("verb", VERBS)
@one_after_another("is_async", [False, True])
def test_it_stands_for_that_function_alone_wherever_that_is(verb: str, is_async: bool) -> None:
    called: list[str] = []

    def step(name: str, at: str) -> Runnable[Any, Any]:
        def act(x: str) -> Any:
            called.append(name)
            return RunnableLambda(lambda x: f"{x}<{name}>") if name == at else x + name

        async def aact(x: str) -> Any:
            return act(x)

        return RunnableLambda(aact if is_async else act)

    for at in "abc":
        called.clear()
        result = VERBS[verb](step("a", at) | step("b", at) | step("c", at), "")
        assert called == ["a", "b", "c"]
        assert result == VERBS[verb](RunnableLambda(str), "abc".replace(at, f"<{at}>"))
