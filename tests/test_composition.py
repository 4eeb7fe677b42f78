"""What goes together, what certainly doesn't, and what a composition is."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Awaitable, Callable, Iterator, Mapping
from operator import itemgetter
from time import perf_counter
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel

from anabranch.engine.errors import EdgeTypeError, GraphError, NotRunnableError
from anabranch.engine.fitting import DictType
from anabranch.nodes import (
    BaseMessage,
    ChatPromptTemplate,
    FakeListChatModel,
    HumanMessage,
    PromptTemplate,
    RouterRunnable,
    Runnable,
    RunnableAssign,
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
    StrOutputParser,
)


def length(text: str) -> int:
    return len(text)


def half(number: int) -> float:
    return number / 2


def shout(text: str) -> str:
    return text.upper()


def of_dict(values: dict[str, Any]) -> int:
    return len(values)


async def alength(text: str) -> int:
    return len(text)


def awaiting(text: str) -> Awaitable[int]:
    return alength(text)


def lengths(texts: Iterator[str]) -> Iterator[int]:
    return map(len, texts)


def generated(texts: Iterator[str]) -> Iterator[int]:
    yield from map(len, texts)


def maybe(text: str) -> str | None:
    return text or None


def unknown(x):  # type: ignore[no-untyped-def]
    return x


class Named(TypedDict):
    name: str


def name_of(named: Named) -> str:
    return named["name"]


class Person(BaseModel):
    name: str


class Child(Person):
    age: int


def greet(person: Person) -> str:
    return f"hello, {person.name}"


def raise_child(text: str) -> Child:
    return Child(name=text, age=0)


def a_person(text: str) -> Person:
    return Person(name=text)


BOTH = RunnableParallel(n=length, text=shout)
PROMPT = PromptTemplate.from_template("{text} {question}")


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
        assert RunnableLambda(length).with_fallbacks([half]).get_name() == "length"


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
            assert "graph" not in vars(made)
            assert made.invoke("ab") == 1.5
            assert repr(made) == repr(self.CHAIN)

    def test_a_lambda_is_not_to_be_pickled(self) -> None:
        with pytest.raises((AttributeError, pickle.PicklingError)):
            pickle.dumps(RunnableLambda(lambda x: x))


MISFITS: dict[str, tuple[Callable[[], Any], str]] = {
    "two functions": (
        lambda: RunnableLambda(length) | shout,
        "'length' gives int, but 'shout' takes str: int is not str",
    ),
    "a function in front": (lambda: length | RunnableLambda(shout), "'length' gives int, but 'shout' takes str"),
    "in a RunnableSequence": (lambda: RunnableSequence(shout, length, shout), "'length' gives int"),
    "two sequences": (
        lambda: (shout | RunnableLambda(length)) | (RunnableLambda(shout) | length),
        "'length' gives int",
    ),
    "by pipe": (lambda: RunnableLambda(length).pipe(shout), "'length' gives int"),
    "an async function": (lambda: RunnableLambda(alength) | shout, "'alength' gives int"),
    "a function annotated to give an awaitable": (lambda: RunnableLambda(awaiting) | shout, "'awaiting' gives int"),
    "a generator": (lambda: RunnableLambda(length) | generated, "'length' gives int, but 'generated' takes str"),
    "after a generator": (lambda: RunnableGenerator(generated) | shout, "'generated' gives int"),
    "a branch of a dict": (lambda: RunnableLambda(length) | {"a": half, "b": shout}, "'length' gives int, but 'shout'"),
    "a nested branch": (
        lambda: RunnableLambda(length) | {"a": {"b": RunnablePassthrough() | shout}},
        "but 'shout' takes str",
    ),
    "a dict to a function of text": (lambda: BOTH | shout, "'RunnableParallel<n,text>' gives {'n': int, 'text': str}"),
    "a missing key of a typed dict": (lambda: BOTH | name_of, "missing key 'name'"),
    "a key of another type": (lambda: RunnableParallel(name=length) | name_of, "key 'name': int is not str"),
    "through a passthrough": (
        lambda: RunnableLambda(length) | RunnablePassthrough() | shout,
        "'RunnablePassthrough' gives int",
    ),
    "pick": (lambda: BOTH | RunnablePick("z"), "reads key 'z': missing key 'z'"),
    "pick by the verb": (lambda: BOTH.pick(["n", "z"]), "'RunnablePick<n,z>' reads key 'z'"),
    "pick after text": (lambda: RunnableLambda(shout).pick("z"), "'shout' gives str, but 'RunnablePick<z>' takes dict"),
    "itemgetter": (lambda: BOTH | itemgetter("z"), "reads key 'z'"),
    "itemgetter of several": (lambda: BOTH | itemgetter("n", "y", "z"), "reads keys 'y', 'z'"),
    "itemgetter in a branch": (lambda: BOTH | {"a": itemgetter("z") | RunnableLambda(length)}, "reads key 'z'"),
    "itemgetter in an assign": (lambda: BOTH.assign(a=itemgetter("z")), "'RunnableParallel<n,text>' gives"),
    "a prompt": (lambda: BOTH | PROMPT, "'PromptTemplate' reads key 'question'"),
    "a prompt of one variable": (lambda: BOTH | ChatPromptTemplate.from_template("{question}"), "reads key 'question'"),
    "a prompt after assign": (lambda: BOTH.assign(a=length_of) | PROMPT, "'RunnableAssign<a>' gives"),
    "after pick": (lambda: BOTH.pick("n") | shout, "'RunnablePick<n>' gives int, but 'shout' takes str"),
    "after pick of several": (lambda: BOTH.pick(["n"]) | PROMPT, "reads keys"),
    "after itemgetter": (lambda: BOTH | itemgetter("n") | shout, "'itemgetter' gives int, but 'shout' takes str"),
    "an assigned key": (
        lambda: BOTH.assign(m=RunnableLambda(of_dict)) | itemgetter("m") | shout,
        "gives int, but 'shout'",
    ),
    "assign to text": (lambda: RunnableLambda(shout).assign(a=len), "but 'RunnableAssign<a>' takes dict"),
    "in a composed tail": (
        lambda: BOTH | (RunnablePassthrough.assign(a=length_of) | RunnablePick("z")),
        "reads key 'z'",
    ),
    "bound": (
        lambda: RunnableLambda(length).bind(a=1) | RunnableLambda(shout).with_config(tags=["t"]),
        "'length' gives int",
    ),
    "retried": (lambda: RunnableLambda(length).with_retry() | RunnableLambda(shout).with_retry(), "'length' gives int"),
    "with fallbacks": (
        lambda: RunnableLambda(length) | RunnableLambda(shout).with_fallbacks([unknown]),
        "'length' gives int",
    ),
    "a retried pick": (lambda: BOTH | RunnablePick("z").with_retry(), "reads key 'z'"),
    "after a retried dict": (lambda: BOTH.with_retry() | RunnablePick("z"), "reads key 'z'"),
    "declared input": (
        lambda: RunnableLambda(length) | RunnableLambda(unknown).with_types(input_type=str),
        "'length' gives int",
    ),
    "declared output": (lambda: RunnableLambda(unknown).with_types(output_type=int) | shout, "'unknown' gives int"),
    "a list to text": (lambda: RunnableLambda(length).map() | shout, "gives list[int], but 'shout' takes str"),
    "text to map": (
        lambda: RunnableLambda(shout) | RunnableLambda(length).map(),
        "gives str, but 'RunnableEach<length>'",
    ),
    "a dict to map": (lambda: BOTH | RunnableLambda(length).map(), "but 'RunnableEach<length>' takes list"),
    "a condition": (
        lambda: RunnableLambda(length) | RunnableBranch((shout, unknown), unknown),
        "but 'shout' takes str",
    ),
    "after a branch": (lambda: RunnableBranch((unknown, half), length) | shout, "gives int | float, but 'shout'"),
    "text to a router": (
        lambda: RunnableLambda(shout) | RouterRunnable({"a": length}),
        "'RouterRunnable' takes RouterInput",
    ),
    "a model to text": (lambda: RunnableLambda(a_person) | shout, "'a_person' gives Person"),
}


def length_of(values):  # type: ignore[no-untyped-def]
    return len(values)


class TestEdges:
    @pytest.mark.parametrize("case", MISFITS)
    def test_what_certainly_does_not_fit_is_an_error_that_names_both_steps(self, case: str) -> None:
        compose, told = MISFITS[case]
        with pytest.raises(EdgeTypeError) as caught:
            compose()
        assert told in str(caught.value)
        assert ".with_types(" in str(caught.value)
        assert isinstance(caught.value, TypeError)

    @pytest.mark.parametrize(
        ("left", "right"),
        [
            (unknown, shout),
            (length, unknown),
            (maybe, shout),
            (length, half),
            (raise_child, greet),
            (a_person, greet),
            (unknown, itemgetter("z")),
            (shout, itemgetter(0)),
            (of_dict, half),
            (lambda x: x, lambda x: x),
            (dict, of_dict),
            (length, str),
            (str.split, len),
        ],
    )
    def test_what_may_fit_is_none(self, left: Any, right: Any) -> None:
        RunnableLambda(left) | right
        RunnableLambda(left) | {"a": right, "b": RunnablePassthrough() | right}
        RunnableLambda(left).with_retry() | RunnableLambda(right).bind()

    def test_a_base_class_may_be_what_the_subclass_takes(self) -> None:
        def of_child(child: Child) -> int:
            return child.age

        RunnableLambda(a_person) | of_child

    def test_keys_that_are_there_are_none(self) -> None:
        chain = BOTH | RunnablePassthrough.assign(question=itemgetter("text"), name=itemgetter("text"))
        chain | PROMPT
        chain | name_of
        chain | {"a": itemgetter("name") | RunnableLambda(shout), "b": RunnablePick("n") | half}
        chain | of_dict
        assert (chain | itemgetter("n", "text")).OutputType == tuple[int, str]

    def test_keys_that_may_be_there_are_none(self) -> None:
        def typed() -> Any:
            return RunnableLambda(lambda x: x).with_types(output_type=Named)

        typed() | RunnablePick("other")
        typed() | itemgetter("other")
        typed().assign(more=len) | PROMPT
        RunnableLambda(of_dict).with_types(output_type=dict[str, Any]) | PROMPT
        RunnablePassthrough.assign(a=len) | PROMPT

    def test_only_the_first_condition_of_a_branch_is_certain_to_run(self) -> None:
        RunnableLambda(length) | RunnableBranch((unknown, shout), (shout, shout), shout)

    def test_only_the_runnable_itself_is_certain_to_run_not_its_fallbacks(self) -> None:
        RunnableLambda(length) | RunnableLambda(half).with_fallbacks([shout])

    def test_any_of_the_outputs_may_come(self) -> None:
        RunnableLambda(length).with_fallbacks([shout]) | shout
        RunnableBranch((unknown, shout), length) | shout

    def test_components_accept_more_than_their_schema_tells(self) -> None:
        class Note(BaseMessage):
            type: str = "note"

        def messages(text: str) -> tuple[BaseMessage, ...]:
            return (HumanMessage(content=text),)

        def note(text: str) -> Note:
            return Note(content=text)

        assert (RunnableLambda(messages) | FakeListChatModel(responses=["a"]) | StrOutputParser()).invoke("?") == "a"
        assert (RunnableLambda(note) | StrOutputParser()).invoke("a") == "a"
        with pytest.raises(EdgeTypeError, match="'length' gives int, but 'StrOutputParser' takes"):
            RunnableLambda(length) | StrOutputParser()
        with pytest.raises(EdgeTypeError, match="'length' gives int, but 'FakeListChatModel' takes"):
            RunnableLambda(length) | FakeListChatModel(responses=["a"])

    def test_map_takes_anything_that_can_be_iterated(self) -> None:
        def some(text: str) -> tuple[str, ...]:
            return (text,)

        assert (RunnableLambda(some) | RunnableLambda(length).map()).invoke("ab") == [2]

    def test_declared_types_win_over_the_annotations(self) -> None:
        wider = RunnableLambda(shout).with_types(input_type=int)
        assert (RunnableLambda(length) | wider.with_types(output_type=int) | half).OutputType is float
        RunnableLambda(length).with_types(output_type=str) | shout
        RunnableLambda(length) | (RunnablePassthrough().with_types(output_type=str) | shout)

    def test_a_mapping_may_be_a_dict(self) -> None:
        def mapping(text: str) -> Mapping[str, int]:
            return {text: 1}

        RunnableLambda(mapping) | PROMPT
        RunnableLambda(mapping) | RunnablePick("a")

    def test_the_output_type_of_a_dict_has_its_keys(self) -> None:
        assert BOTH.OutputType == DictType({"n": int, "text": str})
        assert BOTH.assign(a=of_dict).OutputType == DictType({"n": int, "text": str, "a": int})
        assert isinstance(RunnableAssign(BOTH).mapper, RunnableParallel)


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
