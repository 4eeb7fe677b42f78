"""What a function's code reads and mentions, without calling it."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from types import FunctionType
from typing import Any

import pytest
from verbs import one_after_another

from anabranch.engine.mentions import called_names, keys_read, lambda_source, reads_only, returns_value

Func = Callable[..., Any]


def several(x: Any) -> Any:
    return {"sum": x["b"] + x["a"], "rest": [x.get("c"), x.get("d", 0)]}


async def asynchronous(x: Any) -> Any:
    return x["b"]["inner"], x["a"]


def without_positions(func: Any) -> Func:
    """The function as where Python keeps no columns: its instructions don't tell from where in the line they come."""
    return FunctionType(func.__code__.replace(co_linetable=b""), globals())


class Reader:
    chain: Any = None

    def method(self, x: Any) -> Any:
        return self["self"], x["a"]  # type: ignore[index]

    def __call__(self, x: Any) -> Any:
        return x["b"]


def decorated(func: Func) -> Func:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


@decorated
@decorated
def behind(x: Any) -> Any:
    return x["a"]


class TestKeysRead:
    def test_the_keys_of_a_lambda_are_read_from_its_source(self) -> None:
        assert keys_read(lambda x: x["a"]) == ("a",)
        assert keys_read(lambda x: f"{x['b']} {x.get('a')}") == ("a", "b")

    def test_of_several_lambdas_on_a_line_each_has_its_own(self) -> None:
        pair: list[Func] = [lambda x: x["a"], lambda x: x["b"]]
        assert [keys_read(each) for each in pair] == [("a",), ("b",)]

    def test_a_lambda_in_a_lambda_has_its_own(self) -> None:
        same: Func = lambda x: lambda x: x["b"]  # noqa: E731
        assert keys_read(same(1)) == ("b",)
        outer: Func = lambda x: (x["a"], lambda y: y["b"])  # noqa: E731
        assert keys_read(outer) == ("a",)
        assert keys_read(outer({"a": 1})[1]) == ("b",)

    def test_a_lambda_may_stand_on_several_lines_in_the_middle_of_a_chain(self) -> None:
        found: list[Func] = [
            len,
            lambda x: (
                x["b"],
                x["a"],
            ),
            len,
        ]
        assert keys_read(found[1]) == ("a", "b")

    def test_the_keys_of_a_function_are_read_wherever_they_stand(self) -> None:
        assert keys_read(several) == ("a", "b", "c", "d")
        assert keys_read(asynchronous) == ("a", "b")

    def test_methods_callable_objects_partials_and_decorated_functions_are_seen_through(self) -> None:
        assert keys_read(Reader().method) == ("a",)
        assert keys_read(Reader()) == ("b",)
        assert keys_read(behind) == ("a",)
        assert keys_read(functools.partial(lambda prefix, x: prefix["p"] + x["a"], {})) == ("a",)

    def test_only_the_first_argument_counts(self) -> None:
        other = {"z": 1}
        assert keys_read(lambda x, y: (x["a"], y["b"], other["z"])) == ("a",)

    def test_writing_and_computed_keys_are_not_reading_a_key(self) -> None:
        def func(x: Any) -> Any:
            x["w"] = x["a"]
            return x[x["b"]], x[0], x.pop("c")

        assert keys_read(func) == ("a", "b")

    def test_using_the_whole_argument_as_well_still_gives_the_keys(self) -> None:
        assert keys_read(lambda x: (x, x["a"])) == ("a",)

    def test_when_the_name_comes_to_mean_something_else_nothing_is_known(self) -> None:
        def rebound(x: Any) -> Any:
            x = x["a"]
            return x["b"]

        assert keys_read(rebound) is None
        assert keys_read(lambda x: [x["b"] for x in x["a"]]) is None
        assert keys_read(lambda x: sorted(x["a"], key=lambda x: x["b"])) is None

    def test_without_a_source_or_a_key_nothing_is_known(self) -> None:
        assert keys_read(eval("lambda x: x['a']")) is None
        for func in (len, str, lambda x: x, lambda: 1, print, functools.partial(several, {})):
            assert keys_read(func) is None

    def test_of_a_line_without_positions_only_the_one_lambda_is_known(self) -> None:
        one = lambda x: x["a"]  # noqa: E731
        pair = (lambda x: x["a"], lambda x: x["b"])
        assert keys_read(without_positions(one)) == ("a",)
        assert [keys_read(without_positions(each)) for each in pair] == [None, None]

    def test_it_is_the_same_a_second_time(self) -> None:
        def made() -> Func:
            return lambda x: x["a"]

        assert keys_read(made()) == keys_read(made()) == ("a",)

    def test_an_itemgetter_reads_its_items(self) -> None:
        assert keys_read(operator.itemgetter("b", "a")) == ("a", "b")
        assert keys_read(operator.itemgetter(0)) is None


class TestReadsOnly:
    def test_an_itemgetter_of_strings_certainly_reads_nothing_else(self) -> None:
        assert reads_only(operator.itemgetter("a")) == frozenset("a")
        assert reads_only(operator.itemgetter("a", "b", "a")) == frozenset("ab")

    @pytest.mark.parametrize(
        "func",
        [
            operator.itemgetter(0),
            operator.itemgetter("a", 0),
            operator.attrgetter("a"),
            lambda x: x["a"],
            functools.partial(operator.itemgetter("a")),
            len,
        ],
    )
    def test_nothing_else_is_certain(self, func: Func) -> None:
        assert reads_only(func) is None


class Chain:
    def __init__(self, name: str) -> None:
        self.name = name

    def invoke(self, x: Any) -> Any:
        return x


class Slotted:
    __slots__ = ("chain",)

    def __init__(self) -> None:
        self.chain = CHAIN


class Owner:
    shared = Chain("shared")

    def __init__(self) -> None:
        self.chain = Chain("own")
        self.asked = False

    @property
    def lazy(self) -> Any:
        self.asked = True
        return CHAIN

    def method(self, x: Any) -> Any:
        return self.chain.invoke(x)

    def from_class(self, x: Any) -> Any:
        return print(x, self.shared)

    def later(self, x: Any) -> Any:
        return lambda: self.chain

    def asks(self, x: Any) -> Any:
        return self.lazy

    def gathers(*args: Any) -> Any:
        return args.chain  # type: ignore[attr-defined]

    def spells(self, x: Any) -> Any:
        return "self".chain  # type: ignore[attr-defined]

    def hides(self, x: Any) -> Any:
        return lambda self: self.chain

    def __call__(self, x: Any) -> Any:
        return self.chain


CHAIN = Chain("global")
OTHER = Chain("other")
SLOTTED = Slotted()


class TestCalledNames:
    def test_globals_are_found_in_the_order_of_mention_and_once(self) -> None:
        def func(x: Any) -> Any:
            return CHAIN if x else (OTHER, CHAIN, x.SLOTTED)

        assert called_names(func) == [CHAIN, OTHER]

    def test_free_variables_are_found(self) -> None:
        local = Chain("local")
        found = called_names(lambda x: local.invoke(x))
        assert found[0] is local
        assert local.invoke in found

    def test_code_inside_the_function_counts(self) -> None:
        local = Chain("local")
        found = called_names(lambda x: [(lambda: (local, CHAIN))() for _ in x])
        assert local in found
        assert CHAIN in found

    def test_an_attribute_is_followed_one_level(self) -> None:
        owner = Owner()
        assert owner.chain in called_names(lambda x: owner.chain.invoke(x))
        assert math.pi in called_names(lambda x: math.pi)
        assert CHAIN in called_names(lambda x: SLOTTED.chain)

    def test_a_method_mentions_attributes_of_its_object_but_not_the_object(self) -> None:
        owner = Owner()
        assert called_names(owner.method) == [owner.chain]
        assert called_names(owner.from_class) == [Owner.shared]
        assert called_names(owner.later) == [owner.chain]
        assert called_names(owner) == [owner.chain]

    def test_only_what_is_the_object_is_looked_at_for_its_attributes(self) -> None:
        owner = Owner()
        for method in (owner.gathers, owner.spells, owner.hides):
            assert called_names(method) == []

    def test_a_function_may_mention_very_much(self) -> None:
        many = Chain("many")
        vars(many).update({f"a{number}": number for number in range(300)})
        spaces: dict[str, Any] = {"many": many}
        exec(f"def func(x):\n    return {', '.join(f'many.a{number}' for number in range(300))}", spaces)
        assert called_names(spaces["func"]) == [many, *range(300)]

    def test_a_property_is_not_run(self) -> None:
        owner = Owner()
        assert called_names(owner.asks) == []
        assert called_names(lambda x: owner.lazy) == [owner]
        assert not owner.asked

    def test_wrappers_are_seen_through(self) -> None:
        @decorated
        def func(x: Any) -> Any:
            return CHAIN.invoke(x)

        assert CHAIN in called_names(func)
        assert called_names(functools.lru_cache(lambda x: CHAIN)) == [CHAIN]
        assert called_names(functools.partial(lambda chain, x, other: x, CHAIN, other=OTHER)) == [
            CHAIN,
            OTHER,
        ]

    def test_a_cached_function_is_not_a_method_of_its_cache(self) -> None:
        assert called_names(functools.lru_cache(lambda x: x.cache_info)) == []

    def test_a_name_that_has_no_value_is_left_out(self) -> None:
        def func(x: Any) -> Any:
            return missing, late, CHAIN, CHAIN.nothing  # type: ignore[name-defined, attr-defined]  # noqa: F821

        found = called_names(func)
        late = 1
        assert found == [CHAIN]
        assert called_names(func) == [late, CHAIN]

    def test_what_has_no_code_mentions_nothing(self) -> None:
        for func in (len, str, print, operator.itemgetter("a"), functools.partial(len)):
            assert called_names(func) == []


class Generates:
    def __call__(self, x: Any) -> Generator[Any, Any, Any]:
        yield x
        return x

    def method(self, x: Any) -> Generator[Any, Any, Any]:
        yield x
        return x


def gives(x: Any) -> Generator[Any, Any, Any]:
    yield x
    return x


def gives_a_constant(x: Any) -> Generator[Any, Any, Any]:
    yield x
    return 1


def gives_perhaps(x: Any) -> Generator[Any, Any, Any]:
    yield x
    return x or None


def gives_early(x: Any) -> Generator[Any, Any, Any]:
    if x:
        return (yield x)
    yield x
    return None


def gives_none(x: Any) -> Generator[Any, Any, Any]:
    if x:
        return
    for each in x:
        yield each
        if each:
            return None

    def inner() -> Any:
        return x

    yield inner


def gives_nothing(x: Any) -> Iterator[Any]:
    yield x


async def gives_later(x: Any) -> AsyncIterator[Any]:
    yield x


class TestReturnsValue:
    @one_after_another(
        "func",
        [
            *(gives, gives_a_constant, gives_perhaps, gives_early, Generates(), Generates().method),
            functools.partial(functools.partial(gives)),
            functools.partial(Generates()),
        ],
    )
    def test_of_a_generator_that_returns_something_nobody_gets_it(self, func: Func) -> None:
        assert returns_value(func) is True

    @one_after_another(
        "func",
        [
            *(gives_none, gives_nothing, gives_later, several, asynchronous, len, str, Reader(), Generates),
            functools.partial(gives_nothing),
            operator.itemgetter("a"),
        ],
    )
    def test_any_other_function_returns_nothing_that_is_lost(self, func: Func) -> None:
        assert returns_value(func) is False


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")


class TestLambdaSource:
    def test_it_is_the_text_on_one_line(self) -> None:
        assert lambda_source(lambda x: x["a"] + 1) == "lambda x: x['a'] + 1"
        assert lambda_source(lambda: 1) == "lambda : 1"
        several_lines = lambda first, *rest, key=None: [  # noqa: E731
            first,
            (rest, key),
        ]
        assert lambda_source(several_lines) == "lambda first, *rest, key=None: [first, (rest, key)]"

    def test_nothing_else_has_one(self) -> None:
        wrapped = functools.partial(lambda x: x)
        for func in (several, len, str, wrapped, Reader(), Reader().method, eval("lambda x: x")):
            assert lambda_source(func) is None
        assert lambda_source(lambda x=Unprintable(): x) is None  # noqa: B008


def test_nothing_is_known_of_a_function_whose_source_is_not_where_it_says() -> None:
    made: dict[str, Any] = {}
    exec(compile("def elsewhere(x):\n    return x['a']", __file__, "exec"), made)
    assert keys_read(made["elsewhere"]) is None
    assert not called_names(made["elsewhere"])
