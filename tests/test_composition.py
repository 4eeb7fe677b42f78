"""What a composition is: its steps, its name, its equals, its copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from operator import itemgetter
from time import perf_counter
from typing import Any

import pytest
from annotated_functions import (
    BOTH,
    half,
    length,
    of_dict,
    shout,
    unknown,
)

from anabranch.engine.errors import GraphError, NotRunnableError
from anabranch.nodes import (
    AddableDict,
    RouterRunnable,
    Runnable,
    RunnableBinding,
    RunnableBranch,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableMap,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    fold,
)


def making(chunks: list[Any]) -> Callable[[Iterator[Any]], Iterator[Any]]:
    def made(_: Iterator[Any]) -> Iterator[Any]:
        yield from chunks

    return made


class TestSequences:
    def test_they_are_flat_however_they_are_grouped(self) -> None:
        a, b, c = RunnableLambda(shout), RunnableLambda(length), RunnableLambda(half)
        assert (a | b) | c == a | (b | c) == RunnableSequence(a, b, c) == a.pipe(b, c)
        chain: Any = a | b | c
        assert (chain.first, chain.middle, chain.last, chain.steps) == (a, [b], c, [a, b, c])

    def test_steps_may_be_given_by_keyword(self) -> None:
        made = RunnableSequence(first=RunnableLambda(shout), middle=[length], last=RunnableLambda(half))
        assert made == RunnableLambda(shout) | length | half
        assert RunnableSequence(first=RunnableLambda(shout), last=RunnableLambda(length)).invoke("ab") == 2

    def test_one_with_a_name_stays_a_unit(self) -> None:
        inner = RunnableSequence(shout, length, name="inner")
        assert (inner | half).steps == [inner, RunnableLambda(half)]  # type: ignore[attr-defined]
        assert inner.pipe(half, name="outer").get_name() == "outer"

    def test_functions_and_dicts_are_taken_on_either_side(self) -> None:
        assert (shout | RunnableLambda(length)).invoke("a") == 1
        assert ({"n": length} | RunnablePick("n")).invoke("ab") == 2
        assert (RunnableLambda(length) | {"half": half}).invoke("ab") == {"half": 1.0}
        assert RunnableSequence(shout, {"n": length}, itemgetter("n"), half).invoke("ab") == 1.0

    def test_an_empty_one_is_an_error(self) -> None:
        with pytest.raises(GraphError, match="at least one step"):
            RunnableSequence()

    def test_what_is_no_runnable_is_an_error(self) -> None:
        for other in (None, "text", 5, [1]):
            with pytest.raises(NotRunnableError, match=f"got {type(other).__name__}"):
                RunnableLambda(length) | other  # type: ignore[operator]
            with pytest.raises(NotRunnableError):
                other | RunnableLambda(length)  # type: ignore[operator]
        with pytest.raises(NotRunnableError, match=r"key 'a': key 'b': expected a runnable, .* got int: 5"):
            RunnableLambda(length) | {"a": {"b": 5}}


class TestEquality:
    MADE: tuple[Callable[[], Runnable[Any, Any]], ...] = (
        lambda: RunnablePassthrough(),
        lambda: RunnableLambda(length),
        lambda: RunnableLambda(length) | half,
        lambda: RunnableParallel(n=length),
        lambda: RunnablePassthrough.assign(n=of_dict),
        lambda: RunnablePick("n"),
        lambda: RunnableLambda(length).map(),
        lambda: RunnableLambda(length).bind(a=1),
        lambda: RunnableLambda(length).with_config(tags=["a"]),
        lambda: RunnableLambda(length).with_retry(),
        lambda: RunnableLambda(length).with_fallbacks([half]),
        lambda: RunnableBranch((length, half), half),
        lambda: RouterRunnable({"a": length}),
    )

    def test_two_of_equal_parts_are_equal_and_of_one_hash(self) -> None:
        for make in self.MADE:
            one, other = make(), make()
            one.graph  # noqa: B018 (what is derived doesn't count)
            assert one == other
            assert hash(one) == hash(other)

    def test_two_of_different_parts_are_not(self) -> None:
        made = [make() for make in self.MADE]
        assert len(set(made)) == len(made)
        assert RunnableLambda(length).bind(a=1) != RunnableLambda(length).bind(a=2)
        assert RunnableLambda(length) | half != RunnableLambda(length) | unknown


class TestVerbs:
    def test_pick_and_assign_follow_a_dict(self) -> None:
        assert BOTH.pick("n").invoke("ab") == 2
        assert BOTH.pick(["text"]).invoke("ab") == {"text": "AB"}
        assert BOTH.assign(half=itemgetter("n") | RunnableLambda(half)).invoke("ab") == {
            "n": 2,
            "text": "AB",
            "half": 1.0,
        }

    def test_map_runs_on_each_element(self) -> None:
        assert RunnableLambda(length).map().invoke(["a", "bc"]) == [1, 2]
        assert RunnableLambda(length).map().invoke(("a", "bc")) == [1, 2]  # type: ignore[arg-type]
        assert list(RunnableLambda(length).map().stream(["a"])) == [[1]]
        assert RunnableLambda(length).map().map().invoke([["a"], []]) == [[1], []]
        with pytest.raises(ValueError, match=r"RunnableEach<length> takes a list, got str: 'ab'"):
            RunnableLambda(length).map().invoke("ab")  # type: ignore[arg-type]

    def test_extra_arguments_reach_each_element(self) -> None:
        assert RunnableEach(RunnableLambda(lambda x, plus=0: x + plus)).invoke([1, 2], plus=1) == [2, 3]

    def test_bindings_do_not_pile_up(self) -> None:
        bound = RunnableLambda(length).bind(a=1).with_config(tags=["t"]).with_types(output_type=float).bind(b=2)
        assert isinstance(bound, RunnableBinding)
        assert bound.bound == RunnableLambda(length)
        assert bound.kwargs == {"a": 1, "b": 2}
        assert bound.config["tags"] == ["t"]
        assert bound.OutputType is float

    def test_a_binding_has_the_attributes_of_what_is_bound(self) -> None:
        assert BOTH.bind(a=1).steps == BOTH.steps  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            BOTH.bind(a=1).nothing  # type: ignore[attr-defined] # noqa: B018


class TestPick:
    def test_of_a_dict_without_any_of_the_keys_nothing_is_picked_whole_or_in_chunks(self) -> None:
        for keys in ("z", ["z"], []):
            for chunks in ([{"a": 1}], [AddableDict(a=1), AddableDict(b=2)], []):
                given: Any = chunks
                pieces = RunnableGenerator(making(given)) | RunnablePick(keys)
                assert pieces.invoke(0) is fold(pieces.stream(0)) is None
                assert list(pieces.stream(0)) == []

    def test_what_is_there_is_picked(self) -> None:
        assert RunnablePick(["a", "z"]).invoke({"a": None, "b": 2}) == {"a": None}


class TestBoundConfig:
    def test_it_holds_what_was_said_and_no_more(self) -> None:
        bound: Any = RunnableLambda(length).with_config(tags=["a"])
        assert bound.config == {"tags": ["a"]}
        assert bound.with_config({"tags": ["b"], "max_concurrency": 2}).config == {
            "tags": ["a", "b"],
            "max_concurrency": 2,
        }
        assert bound.bind(n=1).config == {"tags": ["a"]}
        assert bound.with_config(user="ada").config == {"tags": ["a"], "configurable": {"user": "ada"}}


class TestNames:
    def test_they_are_those_of_langchain(self) -> None:
        assert BOTH.get_name() == "RunnableParallel<n,text>"
        assert RunnablePassthrough.assign(urls=len).get_name() == "RunnableAssign<urls>"
        assert RunnablePick(["a", "b"]).get_name() == "RunnablePick<a,b>"
        assert (RunnableLambda(length) | half).get_name() == "RunnableSequence"
        assert RunnablePassthrough().get_name() == "RunnablePassthrough"
        assert RunnableLambda(length).map().get_name() == "RunnableEach<length>"
        assert RunnableMap is RunnableParallel

    def test_name_is_a_key_when_it_holds_a_branch(self) -> None:
        assert RunnableParallel(size=length, name=shout).invoke("a") == {"size": 1, "name": "A"}

    def test_a_name_of_its_own_goes_first(self) -> None:
        assert RunnableParallel(n=length, name="mine").get_name() == "mine"
        assert RunnableLambda(length).with_config(run_name="mine").get_name() == "mine"
        assert RunnableLambda(length).with_retry().get_name() == "length"
        assert RunnableLambda(length).with_fallbacks([half]).get_name() == "RunnableWithFallbacks"


class TestShown:
    def test_short_and_readable(self) -> None:
        chain = (
            {"n": length, "it": RunnablePassthrough()}
            | RunnablePassthrough.assign(m=lambda d: d["n"])
            | RunnablePick("m")
        )
        assert repr(chain) == (
            "{n: RunnableLambda(length), it: RunnablePassthrough()} | "
            "RunnablePassthrough.assign(m=RunnableLambda(lambda d: d['n'])) | RunnablePick('m')"
        )
        assert repr(RunnableLambda(length).bind(a=1)) == "RunnableBinding(RunnableLambda(length), kwargs={'a': 1})"
        assert repr(RunnableLambda(length).with_config(tags=["t"])) == (
            "RunnableBinding(RunnableLambda(length), config={'tags': ['t']})"
        )
        assert repr(RunnableLambda(length).map()) == "RunnableLambda(length).map()"
        assert repr(RunnableLambda(length).with_retry()) == "RunnableLambda(length).with_retry(stop_after_attempt=3)"
        assert repr(RunnableLambda(length).with_fallbacks([half])) == (
            "RunnableLambda(length).with_fallbacks([RunnableLambda(half)])"
        )
        assert repr(RunnableBranch((length, half), shout)) == (
            "RunnableBranch((RunnableLambda(length), RunnableLambda(half)), RunnableLambda(shout))"
        )
        assert repr(RouterRunnable({"a": length})) == "RouterRunnable({'a': RunnableLambda(length)})"
        assert repr(RunnablePassthrough(name="mine")) == "RunnablePassthrough(mine)"

    def test_a_chain_of_thousands_is_shown(self) -> None:
        assert len(repr(RunnableSequence(*[half] * 5000))) > 5000


class TestCopies:
    CHAIN = (
        {"n": length, "it": RunnablePassthrough()}
        | RunnablePassthrough.assign(m=itemgetter("n")).with_config(tags=["t"])
        | RunnableLambda(of_dict).bind().with_retry().with_fallbacks([of_dict])
        | RunnableBranch((half, half), half)
    )

    def test_they_run_without_the_graph_of_the_original(self) -> None:
        assert self.CHAIN.invoke("ab") == 1.5
        for made in (copy.copy(self.CHAIN), copy.deepcopy(self.CHAIN), pickle.loads(pickle.dumps(self.CHAIN))):
            assert "__graph__" not in vars(made)
            assert made.invoke("ab") == 1.5
            assert repr(made) == repr(self.CHAIN)

    def test_a_lambda_is_not_to_be_pickled(self) -> None:
        with pytest.raises((AttributeError, pickle.PicklingError)):
            pickle.dumps(RunnableLambda(lambda x: x))


class TestDepth:
    def test_dicts_in_dicts_compose_to_any_depth(self) -> None:
        chain: Runnable[Any, Any] = RunnableLambda(unknown)
        for _ in range(1500):
            chain = RunnableLambda(half) | {"x": chain}
        assert chain.OutputType["x"]["x"]["x"] is not None

    def test_composing_a_thousand_steps_takes_milliseconds(self) -> None:
        def once() -> float:
            functions = [adder() for _ in range(1000)]
            start = perf_counter()
            chain: Runnable[Any, Any] = RunnableLambda(functions[0])
            for function in functions[1:]:
                chain = chain | function
            return perf_counter() - start

        assert min(once() for _ in range(5)) < 0.05  # 8 ms on a quiet machine


def adder() -> Callable[[int], int]:
    def add_one(number: int) -> int:
        return number + 1

    return add_one
