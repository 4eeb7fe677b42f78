"""What can be known of a function without calling it: its form and its types."""

from __future__ import annotations

import asyncio
import functools
import inspect
import operator
import timeit
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Optional
from unittest.mock import AsyncMock, Mock, call

import pytest
from pydantic import BaseModel
from verbs import one_after_another

from anabranch.engine.annotations import chunk_types, input_type, output_type
from anabranch.engine.operators import Composable
from anabranch.engine.signatures import Signature, describe

if TYPE_CHECKING:
    from nowhere import Absent  # type: ignore[import-not-found]

Func = Callable[..., Any]


def plain(text: str) -> int:
    return len(text)


async def coroutine(text: str) -> int:
    return len(text)


def generator(text: str) -> Iterator[int]:
    yield len(text)


async def async_generator(text: str) -> AsyncIterator[int]:
    yield len(text)


def with_config(text: str, config: Any) -> str:
    return text


def with_run_manager(text: str, *, run_manager: Any, config: Any = None) -> str:
    return text


class Model(BaseModel):
    config: str = ""


class Caller:
    def __call__(self, text: str, config: Any) -> int:
        return len(text)

    def method(self, text: str) -> int:
        return len(text)

    async def async_method(self, text: str, config: Any) -> int:
        return len(text)

    @classmethod
    def of_class(cls, text: str) -> int:
        return len(text)

    @staticmethod
    def static(text: str) -> int:
        return len(text)


class AsyncCaller:
    async def __call__(self, text: str) -> int:
        return len(text)


class GeneratorCaller:
    def __call__(self, text: str) -> Iterator[int]:
        yield len(text)


class AsyncGeneratorCaller:
    async def __call__(self, text: str) -> AsyncIterator[int]:
        yield len(text)


def transparent(func: Func) -> Func:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


def narrowing(func: Func) -> Func:
    @functools.wraps(func)
    def wrapper(raw: Any) -> Any:
        return func(str(raw), None)

    return wrapper


class TestKind:
    @one_after_another(
        ("func", "kind"),
        [
            (plain, "function"),
            (lambda x: x, "function"),
            (coroutine, "coroutine"),
            (generator, "generator"),
            (async_generator, "async_generator"),
            (Caller(), "function"),
            (AsyncCaller(), "coroutine"),
            (GeneratorCaller(), "generator"),
            (AsyncGeneratorCaller(), "async_generator"),
            (Caller().method, "function"),
            (Caller().async_method, "coroutine"),
            (GeneratorCaller().__call__, "generator"),
            (functools.lru_cache(plain), "function"),
            (str, "function"),
            (AsyncCaller, "function"),
            (Model, "function"),
            (len, "function"),
            ("".join, "function"),
            (operator.itemgetter("a"), "function"),
            (AsyncMock(), "coroutine"),
            (Mock(), "function"),
        ],
    )
    def test_a_callable_is_known_by_what_calling_it_makes(self, func: Func, kind: str) -> None:
        assert describe(func).kind == kind

    @pytest.mark.parametrize("func", [coroutine, generator, async_generator, AsyncCaller(), GeneratorCaller()])
    def test_a_partial_is_what_it_wraps(self, func: Func) -> None:
        assert describe(functools.partial(functools.partial(func))).kind == describe(func).kind

    def test_a_wrapper_is_what_the_wrapper_is(self) -> None:
        assert describe(transparent(coroutine)).kind == "function"

        @functools.wraps(plain)
        async def wrapper(text: str) -> int:
            return plain(text)

        assert describe(wrapper).kind == "coroutine"

    @pytest.mark.skipif(not hasattr(inspect, "markcoroutinefunction"), reason="from Python 3.12 on")
    def test_a_function_marked_as_a_coroutine_function_is_one(self) -> None:
        marked = inspect.markcoroutinefunction(transparent(coroutine))  # type: ignore[attr-defined, unused-ignore]
        assert describe(marked).kind == "coroutine"


class TestParameters:
    @one_after_another(
        "func",
        [
            with_config,
            with_run_manager,
            lambda x, config: x,
            lambda x, *, config: x,
            lambda x, /, config=None: x,
            lambda *args, config: args,
            Caller(),
            Caller().async_method,
            transparent(with_config),
            transparent(transparent(with_config)),
            functools.partial(with_config),
            functools.partial(lambda prefix, x, config: x, "prefix"),
            functools.lru_cache(with_config),
        ],
    )
    def test_a_parameter_named_config_wants_the_config(self, func: Func) -> None:
        assert describe(func).wants_config

    @one_after_another(
        "func",
        [
            plain,
            lambda config: config,
            lambda config, x: x,
            lambda x, config, /: x,
            lambda x, **config: x,
            lambda x, *config: x,
            lambda x: (lambda config: config)(x),
            narrowing(with_config),
            functools.partial(with_config, config={}),
            functools.partial(with_config, "text"),
            Model,
            len,
            str,
        ],
    )
    def test_it_is_not_wanted_where_it_is_the_input_or_could_not_be_given_by_name(self, func: Func) -> None:
        assert not describe(func).wants_config

    def test_a_run_manager_is_asked_for_in_the_same_way(self) -> None:
        assert describe(with_run_manager).wants_run_manager
        assert describe(transparent(with_run_manager)).wants_run_manager
        assert not describe(with_config).wants_run_manager
        assert not describe(lambda run_manager: run_manager).wants_run_manager

    def test_local_variables_are_not_parameters(self) -> None:
        def func(x: str) -> str:
            config = run_manager = x
            return config + run_manager

        assert describe(func) == Signature("function", False, False, "func", True)

    @one_after_another(
        "func",
        [
            plain,
            lambda x, /: x,
            lambda *xs: xs,
            lambda x=None: x,
            Caller(),
            Caller().method,
            Caller.of_class,
            Caller.static,
            transparent(plain),
            len,
            str,
            int,
            print,
            operator.itemgetter("a"),
            Mock(),
            call,
        ],
    )
    def test_most_take_an_input(self, func: Func) -> None:
        assert describe(func).takes_input

    def test_a_method_that_takes_its_object_in_varargs_takes_an_input(self) -> None:
        class Loose:
            def method(*args: Any, config: Any = None) -> int:
                return len(args)

        assert describe(Loose().method) == Signature("function", True, False, "method", True)

    @one_after_another(
        "func",
        [
            lambda: 1,
            lambda *, x: x,
            lambda **kwargs: kwargs,
            functools.partial(plain, "text"),
            functools.partial(plain, text="text"),
            transparent(lambda: 1),
            Caller,
            Model,
        ],
    )
    def test_some_take_none(self, func: Func) -> None:
        assert not describe(func).takes_input


class TestName:
    @one_after_another(
        ("func", "name"),
        [
            (plain, "plain"),
            (coroutine, "coroutine"),
            (lambda x: x, None),
            (functools.partial(plain), "plain"),
            (functools.partial(functools.partial(Caller())), "Caller"),
            (functools.partial(lambda x: x), None),
            (transparent(plain), "plain"),
            (functools.lru_cache(plain), "plain"),
            (Caller(), "Caller"),
            (Caller().method, "method"),
            (str, "str"),
            (len, "len"),
            (operator.itemgetter("a"), "itemgetter"),
            (Mock(), "Mock"),
        ],
    )
    def test_a_name_is_that_of_the_function_or_of_the_class(self, func: Func, name: str | None) -> None:
        assert describe(func).name == name


class Local: ...


@dataclass
class Box:
    content: int


class Colour(Enum):
    RED = 1


class Node(Composable): ...


class Shifty:
    def __new__(cls, value: Any) -> Any:
        return value


async def opened(text: str) -> AsyncGenerator[int, None]:
    yield 1


def sent(text: str) -> Generator[int, str, float]:
    yield 1
    return 1.0


def bare_generator(text: str):  # type: ignore[no-untyped-def]
    yield 1


def absent(x: Absent) -> int:
    return 1


def absent_output(x: int) -> Absent:
    return 1


class TestInputTypes:
    @pytest.mark.parametrize("func", [plain, coroutine, generator, async_generator, with_config])
    def test_the_first_annotation_is_the_input(self, func: Func) -> None:
        assert input_type(func) is str

    @one_after_another(
        "func",
        [
            Caller(),
            AsyncCaller(),
            Caller().method,
            Caller.of_class,
            Caller.static,
            functools.partial(with_config, config={}),
            transparent(plain),
            functools.lru_cache(plain),
            functools.partial(plain),
        ],
    )
    def test_it_is_found_behind_wrappers(self, func: Func) -> None:
        assert input_type(func) is str

    def test_what_a_partial_has_bound_is_not_the_input(self) -> None:
        def func(prefix: str, number: int) -> str:
            return prefix * number

        assert input_type(functools.partial(func, "a")) is int

    def test_a_wrapper_with_a_parameter_of_its_own_is_not_what_it_wraps(self) -> None:
        assert input_type(narrowing(with_config)) is Any

    def test_names_in_quotes_are_looked_up_where_the_function_was_defined(self) -> None:
        def func(x: Local) -> list[Local]:
            return [x]

        assert (input_type(func), output_type(func)) == (Local, list[Local])
        assert input_type(functools.partial(func)) is Local

    def test_one_name_that_is_nowhere_does_not_hide_the_other(self) -> None:
        assert (input_type(absent), output_type(absent)) == (Any, int)
        assert (input_type(absent_output), output_type(absent_output)) == (int, Any)

    def test_what_is_not_annotated_is_unknown(self) -> None:
        for func in (lambda x: x, lambda: 1, len, str, print, Mock(), operator.itemgetter("a"), Model):
            assert input_type(func) is Any

    def test_a_default_of_none_is_a_value_that_is_taken(self) -> None:
        def func(x: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

        assert input_type(func) == int | None
        assert input_type(lambda x=None: x) is Any

    def test_annotations_keep_their_extras(self) -> None:
        def func(x: Annotated[int, "extra"]) -> None: ...

        assert input_type(func) == Annotated[int, "extra"]
        assert output_type(func) is type(None)

    def test_a_constructor_has_an_input(self) -> None:
        assert input_type(Box) is int


class TestOutputTypes:
    @one_after_another(
        "func",
        [
            plain,
            coroutine,
            generator,
            async_generator,
            opened,
            sent,
            Caller(),
            AsyncCaller(),
            GeneratorCaller(),
            AsyncGeneratorCaller(),
            transparent(plain),
            transparent(coroutine),
            functools.partial(generator),
        ],
    )
    def test_it_is_what_a_run_makes_whatever_the_kind(self, func: Func) -> None:
        assert output_type(func) is int

    def test_an_annotated_awaitable_is_what_it_gives(self) -> None:
        def awaitable(x: str) -> Awaitable[int]:
            return coroutine(x)

        def made(x: str) -> Coroutine[Any, Any, int]:
            return coroutine(x)

        assert output_type(awaitable) is int
        assert output_type(made) is int

    def test_a_function_that_returns_an_iterator_returns_an_iterator(self) -> None:
        def func(x: str) -> Iterator[str]:
            return iter(x)

        assert output_type(func) == Iterator[str]

    def test_a_class_makes_itself(self) -> None:
        for cls in (str, int, dict, Box, Model, Local):
            assert output_type(cls) is cls

    def test_unless_somebody_wrote_otherwise(self) -> None:
        for cls in (Shifty, Colour, reversed, Node):
            assert output_type(cls) is Any

    def test_what_may_be_composable_is_unknown(self) -> None:
        def certain(x: str) -> Node:
            return Node()

        def possible(x: str) -> str | Node:
            return x

        def optional(x: str) -> Optional[Annotated[Node, "extra"]]:  # noqa: UP045
            return None

        assert [output_type(func) for func in (certain, possible, optional)] == [Any, Any, Any]

    def test_what_is_not_annotated_is_unknown(self) -> None:
        for func in (lambda x: x, bare_generator, len, print, Mock(), operator.itemgetter("a")):
            assert output_type(func) is Any


class TestChunkTypes:
    def test_a_function_between_iterators_has_the_types_of_its_chunks(self) -> None:
        def sync(chunks: Iterator[str]) -> Iterator[int]:
            yield 1

        def loose(chunks: Iterable[str]) -> Generator[int, None, None]:
            yield 1

        async def aio(chunks: AsyncIterator[str]) -> AsyncIterator[int]:
            yield 1

        def returned(chunks: Iterator[str]) -> Iterator[int]:
            return map(len, chunks)

        for func in (sync, loose, aio, returned):
            assert chunk_types(func) == (str, int)

    def test_what_is_no_iterator_has_unknown_chunks(self) -> None:
        def bare(chunks: Iterator) -> Iterator:  # type: ignore[type-arg]
            return chunks

        for func in (plain, lambda x: x, bare, bare_generator):
            assert chunk_types(func) == (Any, Any)


class TestManners:
    def test_describing_a_plain_function_takes_microseconds(self) -> None:
        func = lambda x: x  # noqa: E731
        each = min(timeit.repeat(lambda: describe(func), number=1000, repeat=5)) / 1000
        assert each < 20e-6, f"{each * 1e6:.1f} µs"

    def test_nothing_but_a_signature_blocks_a_loop(self) -> None:
        async def main() -> None:
            for func in (plain, Caller(), transparent(with_config), functools.partial(coroutine), str, len):
                describe(func), input_type(func), output_type(func), chunk_types(func)

        asyncio.run(main())

    def test_an_object_that_wraps_itself_does_not_hang(self) -> None:
        def func(x: str) -> int:
            return 1

        func.__wrapped__ = func  # type: ignore[attr-defined]
        assert describe(func).takes_input
        assert (input_type(func), output_type(func)) == (str, Any)
