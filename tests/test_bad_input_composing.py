"""What can't be composed is refused at once, with a message that says what was expected, what came and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import pytest
from refusals import number, says, upper
from verbs import one_after_another

from anabranch.engine.errors import CompositionError, ConfigError, EdgeTypeError, GraphError, NotRunnableError
from anabranch.nodes import (
    ConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
    RouterRunnable,
    RunnableAssign,
    RunnableBinding,
    RunnableBranch,
    RunnableConfigurableAlternatives,
    RunnableConfigurableFields,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableRetry,
    RunnableSequence,
    RunnableWithFallbacks,
    from_dag,
)

function: Any = len
text: Any = "text"
nothing: Any = None
field = ConfigurableField(id="it")
options: Any = {"options": {"good": 1}, "default": "bad"}


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


@one_after_another(
    ("make", "words"),
    [
        (lambda: RunnableLambda(number), ("function", "int", "3")),
        (lambda: RunnableGenerator(function), ("generator function", "len", "RunnableLambda")),
        (lambda: RunnableBranch((upper, upper), (upper, upper)), ("default", "pair")),
        (lambda: RunnableBranch(upper, upper), ("(condition, runnable)", "upper")),
        (lambda: RunnablePick(number), ("name of a key", "list", "3")),
        (lambda: RunnablePick([number]), ("name of a key", "list", "[3]")),
        (lambda: upper.pick(number), ("name of a key", "list", "3")),
        (lambda: RouterRunnable(number), ("dict", "by name", "3")),
        (lambda: RouterRunnable({number: upper}), ("strings", "3")),
        (lambda: RunnableParallel(number), ("dict", "by key", "3")),
        (lambda: RunnableAssign(number), ("dict", "by key", "3")),
        (lambda: RunnablePassthrough(number), ("function", "3")),
        (lambda: RunnablePassthrough(afunc=number), ("function", "3")),
        (lambda: RunnablePassthrough(input_type=number), ("input_type", "expected a type", "list[int]", "int: 3")),
        (lambda: upper.with_types(input_type=3), ("input_type", "expected a type", "list[int]", "int: 3")),
        (lambda: upper.with_types(output_type="str"), ("output_type", "expected a type", "'str'")),
        (lambda: upper.with_fallbacks(nothing), ("list of runnables", "NoneType", "into a list")),
        (lambda: upper.with_fallbacks(upper), ("list of runnables", "upper", "into a list")),  # type: ignore[arg-type]
        (lambda: upper.with_fallbacks(text), ("list of runnables", "'text'", "into a list")),
        (lambda: upper.with_fallbacks([upper], exception_key=number), ("exception_key", "string", "3")),
        (lambda: upper.configurable_alternatives(text, other=upper), ("ConfigurableField(id='...')", "'text'")),
        (lambda: upper.configurable_fields(name=text), ("'name'", "name=ConfigurableField(id='...')", "'text'")),
        (
            lambda: upper.configurable_fields(name=ConfigurableFieldSingleOption("it", **options)),
            ("'name'", "default", "'bad'", "'good'"),
        ),
        (
            lambda: upper.configurable_fields(
                name=ConfigurableFieldMultiOption("it", **options | {"default": ["bad"]})
            ),
            ("'name'", "default", "'bad'", "'good'"),
        ),
        (lambda: RunnableEach(number), ("runnable", "int: 3")),
        (lambda: RunnableBinding(number), ("runnable", "int: 3")),
        (lambda: RunnableRetry(number), ("runnable", "int: 3")),
        (lambda: RunnableWithFallbacks(number, [upper]), ("runnable", "int: 3")),
        (lambda: RunnableConfigurableFields(number, {}), ("runnable", "int: 3")),
        (lambda: RunnableConfigurableAlternatives(field, number, {}), ("runnable", "int: 3")),
    ],
)
def test_a_primitive_made_of_the_wrong_things_is_refused(make: Callable[[], Any], words: tuple[str, ...]) -> None:
    with pytest.raises(CompositionError) as caught:
        make()
    says(caught, *words)


def test_a_branch_of_too_few_parts_is_refused() -> None:
    for branches in ([upper], [(upper,), upper]):
        with pytest.raises(GraphError) as caught:
            RunnableBranch(*branches)
        says(caught, "(condition, runnable)")


def test_a_router_needs_somebody_to_route_to() -> None:
    with pytest.raises(GraphError) as caught:
        RouterRunnable({})
    says(caught, "at least one runnable")


@one_after_another(
    ("policy", "words"),
    [
        ({"stop_after_attempt": 0}, ("stop_after_attempt", "at least 1", "0")),
        ({"stop_after_attempt": "2"}, ("stop_after_attempt", "int", "'2'")),
        ({"stop_after_attempt": 1.5}, ("stop_after_attempt", "int", "1.5")),
        ({"stop_after_attempt": True}, ("stop_after_attempt", "int", "True")),
        ({"exponential_jitter_params": 5}, ("exponential_jitter_params", "dict", "initial", "5")),
        ({"exponential_jitter_params": {"first": 1}}, ("exponential_jitter_params", "initial", "'first'")),
        ({"exponential_jitter_params": {"initial": "a"}}, ("'initial'", "number", "'a'")),
        ({"exponential_jitter_params": {"max": -1}}, ("'max'", "at least 0", "-1")),
    ],
)
def test_a_policy_of_retry_that_cannot_be_followed_is_refused(policy: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        upper.with_retry(**policy)
    says(caught, "with_retry", *words)


def test_functions_and_dicts_may_stand_wherever_a_runnable_is_held() -> None:
    assert RunnableEach(function).invoke(["ab", ""]) == [2, 0]
    assert RunnableBinding(function, config={"tags": ["bound"]}).invoke("ab") == 2
    assert RunnableRetry(function).invoke("ab") == 2
    assert RunnableWithFallbacks(function, []).invoke("ab") == 2
    assert RunnableAssign({"size": function}).invoke({"a": 1}) == {"a": 1, "size": 1}
    assert RunnableConfigurableAlternatives(field, function, {"other": {"n": function}}).invoke("ab") == 2


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
