"""A program printed as Python makes the same program when it is pasted."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

import networkx as nx
import pytest
from verbs import one_after_another

from anabranch.nodes import (
    AddableDict,
    ChatPromptTemplate,
    ConfigurableField,
    Document,
    PromptTemplate,
    RouterRunnable,
    Runnable,
    RunnableAssign,
    RunnableBranch,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    StrOutputParser,
    from_dag,
)
from anabranch.nodes.checking.printing_programs import code_of
from anabranch.nodes.checking.printing_values import Script

UPPER: Runnable[Any, Any] = RunnableLambda(str.upper)
FACTOR = 3


def length(value: Any) -> int:
    return len(value)


async def alength(value: Any) -> int:
    return len(value)


def spelled(chunks: Any) -> Any:
    for chunk in chunks:
        yield from chunk


class Prefix(Runnable[str, str]):
    def __init__(self, prefix: str, times: int = 1) -> None:
        self.prefix = prefix
        self._times = times

    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
        return self.prefix * self._times + input

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prefix) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(self.prefix)


def a_dag() -> nx.DiGraph[Any]:
    dag: nx.DiGraph[Any] = nx.DiGraph()
    dag.add_node("big", runnable=str.upper)
    dag.add_node("size", runnable=len)
    dag.add_edge("big", "size")
    return dag


def pasted(code: str, name: str = "program") -> Any:
    names: dict[str, Any] = {"__name__": "pasted"}
    exec(compile(code, "<pasted>", "exec"), names)
    return names[name]


PROGRAMS: dict[str, Runnable[Any, Any]] = {
    "RunnableLambda(str.upper)": UPPER,
    "RunnableLambda(length, afunc=alength, name='n', blocking=False)": RunnableLambda(
        length, alength, name="n", blocking=False
    ),
    "RunnableLambda(str.upper) | {'a': length, 'b': {'c': str.upper}}": UPPER | {"a": length, "b": {"c": str.upper}},
    "RunnableParallel({'a': length}) | {'b': itemgetter('a')}": RunnableParallel(a=length)
    | {"b": operator.itemgetter("a")},
    "RunnableParallel({'a': RunnableLambda(spelled), 'b': spelled})": RunnableParallel(
        a=RunnableLambda(spelled), b=RunnableGenerator(spelled)
    ),
    "RunnableParallel({'a': length}, name='both')": RunnableParallel(a=length, name="both"),
    "RunnableSequence(RunnableLambda(str.upper), RunnableLambda(length), name='s')": RunnableSequence(
        UPPER, length, name="s"
    ),
    "RunnableSequence(RunnableLambda(length))": RunnableSequence(length),
    "RunnablePassthrough.assign(n=length)": RunnablePassthrough.assign(n=length),
    "RunnableAssign({'a b': length}, name='more')": RunnableAssign({"a b": length}, name="more"),
    "RunnablePassthrough()": RunnablePassthrough(),
    "RunnablePassthrough(length, name='seen')": RunnablePassthrough(length, name="seen"),
    "RunnablePick(['a', 'b'])": RunnablePick(["a", "b"]),
    "RunnableLambda(length).map()": RunnableLambda(length).map(),
    "RunnableEach(RunnableLambda(length), name='each')": RunnableEach(RunnableLambda(length), name="each"),
    "(RunnableLambda(str.upper) | RunnableLambda(length)).with_retry(stop_after_attempt=2)": (
        UPPER | length
    ).with_retry(stop_after_attempt=2),
    "RunnableLambda(length).with_retry(retry_if_exception_type=(OSError,), wait_exponential_jitter=False)": (
        RunnableLambda(length).with_retry(retry_if_exception_type=(OSError,), wait_exponential_jitter=False)
    ),
    "RunnableLambda(length).with_fallbacks([str.upper], exceptions_to_handle=(KeyError,))": (
        RunnableLambda(length).with_fallbacks([str.upper], exceptions_to_handle=(KeyError,))
    ),
    "RunnableLambda(length).bind(a=1).with_config({'tags': ['t']}).with_types(output_type=list[int])": (
        RunnableLambda(length).bind(a=1).with_config(tags=["t"]).with_types(output_type=list[int])
    ),
    "RunnableBranch((str.isupper, length), RunnablePassthrough())": RunnableBranch(
        (str.isupper, length), RunnablePassthrough()
    ),
    "RouterRunnable({'a': length})": RouterRunnable({"a": length}),
    "RunnableGenerator(spelled)": RunnableGenerator(spelled),
    "Prefix('a', times=2) | RunnableLambda(length)": Prefix("a", times=2) | RunnableLambda(length),
    "RunnableLambda(partial(int, base=2))": RunnableLambda(partial(int, base=2)),
    "PromptTemplate(input_variables=['b'], template='a {b}')": PromptTemplate.from_template("a {b}"),
    "StrOutputParser()": StrOutputParser(),
    "Prefix('a').configurable_fields(prefix=ConfigurableField('p'))": Prefix("a").configurable_fields(
        prefix=ConfigurableField("p")
    ),
    "RunnableLambda(str.upper).configurable_alternatives(ConfigurableField('w'), "
    "other=RunnableLambda(length))": UPPER.configurable_alternatives(ConfigurableField("w"), other=length),
}


@one_after_another("wanted", PROGRAMS)
def test_a_program_is_printed_in_a_line_that_makes_it_again(wanted: str) -> None:
    code = code_of(PROGRAMS[wanted])
    assert code.splitlines()[-1] == f"program = {wanted}"
    again = pasted(code)
    if not any(word in wanted for word in ("itemgetter(", "partial(", "Fake")):  # no two of these are equal
        assert again == PROGRAMS[wanted]
    assert code_of(again) == code


@pytest.mark.parametrize(
    ("made", "given"),
    [
        (RunnableLambda(lambda text: text * FACTOR), "ab"),
        (RunnableLambda(length) | (lambda n: n + 1) | {"n": lambda n: -n}, "abc"),
        (from_dag(a_dag()), "ab"),
        (from_dag(a_dag(), name="mine") | RunnableLambda(str), "ab"),
        (ChatPromptTemplate.from_messages([("system", "Be {how}."), ("human", "{q}")]), {"how": "brief", "q": "Hm?"}),
    ],
)
def test_what_is_no_value_runs_the_same_when_it_is_pasted(made: Runnable[Any, Any], given: Any) -> None:
    assert pasted(code_of(made)).invoke(given) == made.invoke(given)


def test_a_local_function_is_written_out_with_what_it_mentions() -> None:
    plus = 2

    def added(number: int) -> int:
        return number + plus + FACTOR

    code = code_of(RunnableLambda(added))
    assert code == (
        "from anabranch.nodes import RunnableLambda\n\n"
        "plus = 2\n\n"
        "FACTOR = 3\n\n"
        "def added(number: int) -> int:\n"
        "    return number + plus + FACTOR\n\n"
        "program = RunnableLambda(added)"
    )
    assert pasted(code).invoke(1) == 6


def test_a_long_program_is_broken_into_lines() -> None:
    code = code_of(RunnableSequence(*[RunnableLambda(length, name=f"step {at}") for at in range(5)]), "chain")
    assert code.splitlines()[3] == "chain = ("
    assert code.splitlines()[4:6] == [
        "    RunnableLambda(length, name='step 0')",
        "    | RunnableLambda(length, name='step 1')",
    ]
    assert len(pasted(code, "chain").steps) == 5


def test_what_can_not_be_written_is_said() -> None:
    class Local(Runnable[Any, Any]):
        def __init__(self, secret: str) -> None:
            self.hidden = secret

    code = code_of(Local("x"))
    assert "program = Local(...)" in code
    assert "# write here how the Local is made: Local()" in code
    assert "# Local is test_what_can_not_be_written_is_said.<locals>.Local in test_printing_programs" in code


@one_after_another(
    "value",
    [
        None,
        True,
        -1.5,
        "a'b\n",
        b"\x00",
        (1,),
        (),
        {1, 2},
        set(),
        frozenset({1}),
        {"a": [1, {"b": ()}]},
        AddableDict(a=1),
        list[int],
        int | None,
        ValueError,
        Document(page_content="a", metadata={"n": 1}),
    ],
)
def test_a_value_is_printed_as_what_makes_it_again(value: Any) -> None:
    script = Script()
    script.lines.append(f"value = {script.value(value)}")
    again = pasted(str(script), "value")
    assert type(again) is type(value)
    assert again == value


def test_infinite_numbers_and_errors_are_printed_too() -> None:
    script = Script()
    assert script.value(float("inf")) == "float('inf')"
    assert script.value(KeyError("a", 1)) == "KeyError('a', 1)"
