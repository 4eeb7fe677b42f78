"""Runnables go into another process: what was decorated, what was configured, and the models of their arguments."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any, TypedDict

import pytest

from anabranch.engine.functions_by_name import HeldFunction, by_name, held_function, names_for
from anabranch.nodes import (
    BM25Retriever,
    ChatPromptTemplate,
    FakeListChatModel,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    StrOutputParser,
    StructuredTool,
    chain,
    create_retriever_tool,
    tool,
)


@tool(parse_docstring=True)
def multiply(a: int, b: int = 2, **others: int) -> int:
    """Multiply two numbers.

    Args:
        a: one of them.
        b: the other.
    """
    return a * b


@tool("delayed")
async def later(a: int) -> int:
    """Answer a number."""
    return a


@tool(infer_schema=False)
def shout(text: str) -> str:
    """Make it loud."""
    return text.upper()


@chain
def twice(x: int) -> Any:
    return multiply.invoke({"a": x})


@RunnableGenerator
def each(chunks: Any) -> Any:
    yield from chunks


class Order(TypedDict):
    size: int


def size(order: Order) -> int:
    return order["size"]


def divide(a: int, b: int = 1) -> float:
    """Divide."""
    return a / b


def note(run: Any) -> None:
    """Hear of a run."""


MODEL = FakeListChatModel(responses=["yes"])
ANIMALS = BM25Retriever.from_texts(["bears like honey", "cats like fish"], k=1)

CASES: list[tuple[Runnable[Any, Any], Any]] = [
    (multiply, {"a": 3}),
    (later, {"a": 3}),
    (shout, "a"),
    (twice, 4),
    (twice | each, 4),
    (StructuredTool.from_function(divide), {"a": 4, "b": 2}),
    (RunnableLambda(size).as_tool(name="size", description="How large."), {"size": 3}),
    (RunnableLambda(divide).as_tool(name="divide", description="Divide.", arg_types={"a": int}), {"a": 4}),
    (create_retriever_tool(ANIMALS, "animals", "What they like."), {"query": "bears"}),
    (RunnableLambda(divide).with_listeners(on_start=note), 3),
    (multiply.with_config(tags=["t"]).with_retry(), {"a": 3}),
    (ChatPromptTemplate.from_template("{q}") | MODEL.bind(tools=[multiply]) | StrOutputParser(), {"q": "?"}),
]


def outcome(runnable: Runnable[Any, Any], value: Any) -> Any:
    try:
        return runnable.invoke(value)
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize(("runnable", "value"), CASES)
def test_a_pickle_and_copies_do_what_the_original_does(runnable: Runnable[Any, Any], value: Any) -> None:
    wanted = outcome(runnable, value)
    for made in (pickle.loads(pickle.dumps(runnable)), copy.copy(runnable), copy.deepcopy(runnable)):
        assert made is not runnable
        assert outcome(made, value) == wanted
        assert made.get_input_jsonschema() == runnable.get_input_jsonschema()


def test_a_function_that_was_decorated_stays_the_same_function() -> None:
    assert pickle.loads(pickle.dumps(multiply)).func is multiply.func  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(later)).coroutine is later.coroutine  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(twice)).func is copy.copy(twice).func is twice.func  # type: ignore[attr-defined]


def test_a_tool_that_was_changed_keeps_the_change() -> None:
    changed = multiply.model_copy(update={"name": "times"})
    again = pickle.loads(pickle.dumps(changed))
    assert again.name == "times"
    assert again.tool_call_schema.model_json_schema() == changed.tool_call_schema.model_json_schema()  # type: ignore[union-attr]


@pytest.mark.parametrize("runnable", [multiply, ChatPromptTemplate.from_template("{q}"), RunnableLambda(size)])
def test_a_schema_that_was_made_can_be_pickled(runnable: Runnable[Any, Any]) -> None:
    for model in (runnable.input_schema, runnable.output_schema, (runnable | str).input_schema):
        assert pickle.loads(pickle.dumps(model)).model_json_schema() == model.model_json_schema()


def test_a_tool_of_a_function_that_nothing_finds_is_not_to_be_pickled() -> None:
    @tool
    def local(a: int) -> int:
        """Answer."""
        return a

    with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
        pickle.dumps(local)


def test_of_main_functions_go_by_name_but_for_what_takes_them_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(a: int) -> int:
        """Answer."""
        return a

    mine.__module__, mine.__qualname__ = "__main__", "mine"
    made = tool(mine)
    monkeypatch.setattr(sys.modules["__main__"], "mine", made, raising=False)
    assert pickle.loads(pickle.dumps(made)).func is mine
    by_cloudpickle: Any = {"__name__": "cloudpickle.cloudpickle", "made": made}
    exec("state = made.__getstate__()", by_cloudpickle)
    assert by_cloudpickle["state"]["__dict__"]["func"] is mine


def test_a_function_goes_as_it_is_unless_a_runnable_bears_its_name() -> None:
    def local() -> None: ...

    nowhere, absent, plain = (eval("lambda: 1") for _ in range(3))
    nowhere.__module__, absent.__module__, plain.__module__ = "no.such.module", __name__, "json"
    absent.__qualname__, plain.__qualname__ = "no_such_name", "dumps"
    for value in (local, nowhere, absent, plain, divide, len, 5, multiply, None):
        assert by_name(value) is value
    held = names_for({"func": multiply.func, "size": size})  # type: ignore[attr-defined]
    assert held["size"] is size
    assert isinstance(held["func"], HeldFunction)
    assert held["func"].where == (__name__, "multiply", "func")


def test_a_module_is_imported_where_it_is_not_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert held_function("colorsys", "rgb_to_hsv", "__name__") == "rgb_to_hsv"
    assert held_function(__name__, "multiply", "func") is multiply.func  # type: ignore[attr-defined]
    assert held_function(__name__, "Order.keys", "__name__") == "keys"
