"""Wrong input is refused with a message that says what, where, what was expected and what came; nothing is left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any

import networkx as nx
import pytest
from verbs import VERBS, alist, awaited, in_every_verb

from anabranch.engine.config import CONFIG_KEYS
from anabranch.engine.errors import (
    CompositionError,
    ConfigError,
    EdgeTypeError,
    GraphError,
    NotRunnableError,
    StepInputError,
)
from anabranch.nodes import (
    ChatPromptTemplate,
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    from_dag,
)

number: Any = 3
function: Any = len
upper: Runnable[Any, Any] = RunnableLambda(lambda text: text.upper(), name="upper")


def says(error: pytest.ExceptionInfo[BaseException], *words: str) -> None:
    """See that a message has these words."""
    text = str(error.value)
    missing = [word for word in words if word not in text]
    assert not missing, f"{missing} not in: {text}"


# Composing


@pytest.mark.parametrize("thing", [3, None, "text", ["list"], 1.5])
def test_what_is_no_runnable_is_refused_by_the_pipe_on_either_side(thing: Any) -> None:
    for compose in (
        lambda: upper | thing,
        lambda: thing | upper,
        lambda: RunnableSequence(upper, thing),
        lambda: upper.with_fallbacks([thing]),
        lambda: RunnableBranch((upper, thing), upper),
    ):
        with pytest.raises(NotRunnableError) as caught:
            compose()
        says(caught, "runnable", "function", "dict", type(thing).__name__, repr(thing))
        assert isinstance(caught.value, TypeError)


def test_what_is_no_runnable_in_a_dict_is_refused_with_its_key() -> None:
    in_a_dict: Any = {"good": upper, "culprit": 5}
    for compose in (lambda: upper | in_a_dict, lambda: RunnablePassthrough.assign(culprit=5)):
        with pytest.raises(NotRunnableError) as caught:
            compose()
        says(caught, "int", "5", "culprit")


@pytest.mark.parametrize("key", [1, None, ("a", "b")])
def test_keys_that_are_no_strings_are_refused(key: Any) -> None:
    for compose in (lambda: upper | {key: upper}, lambda: {key: upper} | upper, lambda: RunnableParallel({key: upper})):
        with pytest.raises(CompositionError) as caught:
            compose()
        says(caught, "string", repr(key))


def test_an_empty_dict_is_refused() -> None:
    for compose in (lambda: upper | {}, lambda: {} | upper, RunnableParallel, RunnablePassthrough.assign):
        with pytest.raises(GraphError) as caught:
            compose()
        says(caught, "at least one key")


def test_an_empty_chain_is_refused() -> None:
    with pytest.raises(GraphError) as caught:
        RunnableSequence()
    says(caught, "at least one step")
    with pytest.raises(GraphError) as caught:
        from_dag(nx.DiGraph())
    says(caught, "at least one vertex")


def test_a_cycle_is_refused_with_the_way_around_it() -> None:
    dag: nx.DiGraph[str] = nx.DiGraph()
    for name in ("start", "left", "right"):
        dag.add_node(name, runnable=upper)
    dag.add_edges_from([("start", "left"), ("left", "right"), ("right", "left")])
    with pytest.raises(GraphError) as caught:
        from_dag(dag)
    says(caught, "cycle", "left", "right", "->")
    assert "start" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RunnableLambda(number), ("function", "int", "3")),
        (lambda: RunnableGenerator(function), ("generator function", "len", "RunnableLambda")),
        (lambda: RunnableBranch(upper), ("(condition, runnable)", "default")),
        (lambda: RunnableBranch((upper, upper), (upper, upper)), ("default", "pair")),
        (lambda: RunnableBranch(upper, upper), ("(condition, runnable)", "upper")),
    ],
)
def test_a_primitive_made_of_the_wrong_things_is_refused(make: Callable[[], Any], words: tuple[str, ...]) -> None:
    with pytest.raises(CompositionError) as caught:
        make()
    says(caught, *words)


# Types along the edges


def gives_text(x: int) -> str:
    return str(x)


def takes_numbers(numbers: list[int]) -> int:
    return sum(numbers)


def test_an_edge_that_cannot_fit_names_both_steps_and_both_types() -> None:
    with pytest.raises(EdgeTypeError) as caught:
        RunnableLambda(gives_text) | takes_numbers
    says(caught, "gives_text", "str", "takes_numbers", "list[int]")
    assert isinstance(caught.value, TypeError)


def test_so_does_one_into_a_branch_or_out_of_a_dict() -> None:
    with pytest.raises(EdgeTypeError) as caught:
        RunnableLambda(gives_text) | {"fine": len, "wrong": takes_numbers}
    says(caught, "gives_text", "takes_numbers", "list[int]")
    with pytest.raises(EdgeTypeError) as caught:
        RunnableParallel(a=gives_text) | RunnableLambda(takes_numbers)
    says(caught, "RunnableParallel<a>", "takes_numbers", "list[int]")


def test_a_vertex_of_a_dag_is_checked_too() -> None:
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_node("words", runnable=gives_text)
    dag.add_node("sum", runnable=takes_numbers)
    dag.add_edge("words", "sum")
    with pytest.raises(EdgeTypeError) as caught:
        from_dag(dag)
    says(caught, "words", "sum", "str", "list[int]")


def test_an_unknown_type_is_never_an_error() -> None:
    chain = RunnableLambda(gives_text) | (lambda text: [len(text)]) | takes_numbers
    assert chain.invoke(12345) == 5


# Config

WRONG_CONFIGS: list[tuple[Any, tuple[str, ...]]] = [
    ({"max_concurrency": 0}, ("max_concurrency", "at least 1", "0")),
    ({"max_concurrency": "four"}, ("max_concurrency", "int", "four")),
    ({"tags": "mine"}, ("tags", "list of strings", "mine")),
    ({"timeout": "soon"}, ("timeout", "seconds", "soon")),
    ({"timeout": -1}, ("timeout", "at least 0", "-1")),
    ({"channel_capacity": 0}, ("channel_capacity", "at least 1", "0")),
    ({"metadata": [1]}, ("metadata", "mapping", "list")),
    ({"run_id": "abc"}, ("run_id", "UUID", "abc")),
    ({"callbacks": 5}, ("callbacks", "list of handlers", "5")),
    ({"run_name": 5}, ("run_name", "string", "5")),
    ({"recursion_limit": -1}, ("recursion_limit", "at least 0", "-1")),
    ({"recursion_limit": True}, ("recursion_limit", "int", "True")),
    ({"configurable": "field"}, ("configurable", "mapping", "field")),
    ({"tags": [1]}, ("tags", "list of strings", "[1]")),
    ("no mapping", ("mapping", "str")),
    (17, ("mapping", "int")),
]


@in_every_verb
@pytest.mark.parametrize(("config", "words"), WRONG_CONFIGS)
def test_a_wrong_config_is_refused_by_every_verb(verb: str, config: Any, words: tuple[str, ...]) -> None:
    ran: list[Any] = []
    with pytest.raises(ConfigError) as caught:
        VERBS[verb](RunnableLambda(ran.append), 1, config)
    says(caught, *words)
    assert ran == []


@pytest.mark.parametrize(("config", "words"), WRONG_CONFIGS)
def test_a_wrong_config_is_refused_when_it_is_bound(config: Any, words: tuple[str, ...]) -> None:
    binders: list[Callable[[], Any]] = [lambda: upper.with_config(config)]
    if isinstance(config, dict):
        binders.append(lambda: upper.with_config(None, **config))
    for bind in binders:
        with pytest.raises(ConfigError) as caught:
            bind()
        says(caught, *words)


def test_there_is_a_wrong_value_for_every_key() -> None:
    tried = {key for config, _ in WRONG_CONFIGS if isinstance(config, dict) for key in config}
    assert tried == CONFIG_KEYS


def test_a_wrong_config_of_a_nested_call_is_that_step_s_error() -> None:
    inner: Any = {"max_concurrency": 0}
    outer = RunnableLambda(lambda x: upper.invoke(x, inner), name="outer")
    with pytest.raises(ConfigError) as caught:
        outer.invoke("x")
    says(caught, "max_concurrency")
    assert "outer" in caught.value.__notes__[0]


def test_configs_of_a_batch_must_be_as_many_as_its_inputs_and_agree_on_the_cap() -> None:
    for verb in (upper.batch, lambda *given: list(upper.batch_as_completed(*given)), _abatch, _acompleted):
        with pytest.raises(ConfigError) as caught:
            verb(["a"], [{}, {}])
        says(caught, "1", "2")
        with pytest.raises(ConfigError) as caught:
            verb(["a", "b"], [{"max_concurrency": 1}, {"max_concurrency": 2}])
        says(caught, "max_concurrency", "[1, 2]")


def _abatch(*given: Any) -> Any:
    return awaited(lambda: upper.abatch(*given))


def _acompleted(*given: Any) -> Any:
    return awaited(lambda: alist(upper.abatch_as_completed(*given)))


# Input


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


# Generators that end in an unusual way


def returns(chunks: Iterator[Any]) -> Any:
    yield "kept"
    return "lost"


async def ends_early(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield "kept"
    return


def test_a_generator_that_returns_a_value_is_refused_for_it_would_be_lost() -> None:
    for compose in (lambda: RunnableGenerator(returns), lambda: RunnableLambda(returns), lambda: upper | returns):
        with pytest.raises(CompositionError) as caught:
            compose()
        says(caught, "returns", "lost", "yield")


@in_every_verb
def test_a_generator_that_merely_ends_is_fine(verb: str) -> None:
    assert "kept" in repr(VERBS[verb](RunnableGenerator(ends_early), 1))


def stops(_: Any) -> Any:
    return next(iter([]))


async def astops(_: Any) -> Any:
    return next(iter([]))


def generator_stops(chunks: Iterator[Any]) -> Iterator[Any]:
    for _ in chunks:
        yield next(iter([]))


async def agenerator_stops(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for _ in chunks:
        yield next(iter([]))


def names_the_step(call: Callable[[], Any], step: Any) -> None:
    """See that a StopIteration comes out as itself, or as what Python makes of it, with a note of its step."""
    with pytest.raises((StopIteration, RuntimeError)) as caught:
        call()
    notes = getattr(caught.value, "__notes__", [])
    assert any(step.__name__ in note for note in notes), f"no note names the step: {notes}"
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, StopIteration):
        error = error.__cause__
    assert error is not None


def around(step: Runnable[Any, Any]) -> list[Runnable[Any, Any]]:
    """A step in chains of several kinds."""
    return [
        upper | step | upper,
        RunnableParallel(a=step, b=upper),
        step.with_config(tags=["bound"]),
        step.with_config(timeout=600),
        {"a": upper} | step,
        step.with_retry(wait_exponential_jitter=False, stop_after_attempt=2),
        upper | step.with_fallbacks([step]),
        RunnableBranch((lambda _: True, step), upper),
        RunnableLambda(lambda x: [x]) | step.map(),
    ]


@in_every_verb
@pytest.mark.parametrize("step", [generator_stops, agenerator_stops])
def test_a_stop_iteration_inside_a_generator_step_is_an_error_and_no_end(verb: str, step: Any) -> None:
    for chain in around(RunnableGenerator(step)):
        names_the_step(partial(VERBS[verb], chain, "x"), step)


class Leaf(Runnable[Any, Any]):
    """One whose `transform` is no generator function, so that it raises as soon as it is called."""

    def transform(self, chunks: Any, config: Any = None, **kwargs: Any) -> Any:
        return next(iter([]))


@in_every_verb
def test_so_it_is_inside_a_leaf_of_one_s_own(verb: str) -> None:
    for chain in around(Leaf()):
        names_the_step(partial(VERBS[verb], chain, "x"), Leaf)


@in_every_verb
@pytest.mark.parametrize("step", [stops, astops])
def test_so_it_is_inside_a_function(verb: str, step: Any) -> None:
    for chain in around(RunnableLambda(step)):
        names_the_step(partial(VERBS[verb], chain, "x"), step)


# Whose error it is


def same(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


def culprit(_: Any) -> Any:
    raise ValueError("here")


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_an_error_of_a_run_inside_a_generator_is_that_generator_s_and_nobody_s_before_it(verb: str) -> None:
    inner = upper | culprit

    def outer(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from inner.stream(chunk)

    async def aouter(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            async for each in inner.astream(chunk):
                yield each

    for step in (outer, aouter):
        chain = upper | RunnableGenerator(same) | upper | RunnableGenerator(step) | upper
        with pytest.raises(ValueError, match="here") as caught:
            VERBS[verb](chain, "x")
        first, second = caught.value.__notes__
        assert "culprit" in first
        assert step.__name__ in second


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_an_error_before_a_step_that_may_try_again_is_not_that_step_s(verb: str) -> None:
    chain = upper | culprit | upper.with_retry(wait_exponential_jitter=False, stop_after_attempt=2) | upper
    with pytest.raises(ValueError, match="here") as caught:
        VERBS[verb](chain, "x")
    assert "culprit" in caught.value.__notes__[-1]
    assert not any("upper" in note for note in caught.value.__notes__)
