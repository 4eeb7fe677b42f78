"""A tool's function gets exactly the arguments that were given, checked; or the caller is told which is wrong."""

from __future__ import annotations

import asyncio
import keyword
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from anabranch.engine.errors import StepInputError
from anabranch.nodes import (
    BaseTool,
    InjectedToolArg,
    InjectedToolCallId,
    RunnableConfig,
    RunnableLambda,
    StructuredTool,
    convert_to_openai_tool,
    tool,
)

# Any function: its tool gets what it is given


class Point(BaseModel):
    x: int
    label: str = "here"


TYPES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(),
    bool: st.booleans(),
    list[int]: st.lists(st.integers(), max_size=3),
    dict[str, int]: st.dictionaries(st.text(), st.integers(), max_size=3),
    Literal["red", "blue"]: st.sampled_from(["red", "blue"]),
    Optional[int]: st.none() | st.integers(),  # noqa: UP045 (hashable, as a key)
    Point: st.builds(lambda x: {"x": x}, st.integers()),
    tuple[int, str]: st.tuples(st.integers(), st.text()).map(list),
}
ODD_NAMES = ("_hidden", "schema", "json", "copy", "model_config", "model_fields", "class_", "self_", "config", "type_")
NAMES = st.sampled_from(ODD_NAMES) | st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in ("run_manager", "callbacks")
)
KINDS = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
LACKS = object()


@st.composite
def functions(draw: st.DrawFn) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A function of some annotated parameters that gives them back, and a valid input."""
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    kinds = sorted(draw(st.lists(st.sampled_from(KINDS), min_size=len(names), max_size=len(names))))
    parameters, arguments, optional = [], {}, False
    for name, kind in zip(names, kinds, strict=True):
        tp = draw(st.sampled_from(list(TYPES)))
        optional = draw(st.booleans()) if kind is Parameter.KEYWORD_ONLY else optional or draw(st.booleans())
        parameters.append(Parameter(name, kind, annotation=tp, default=LACKS if optional else Parameter.empty))
        if not optional or draw(st.booleans()):
            arguments[name] = draw(TYPES[tp])
    starred = [each for each in parameters if each.kind is not Parameter.KEYWORD_ONLY]
    if draw(st.booleans()) and "rest" not in names and all(each.name in arguments for each in starred):
        parameters.insert(len(starred), Parameter("rest", Parameter.VAR_POSITIONAL, annotation=int))
        arguments["rest"] = draw(st.lists(st.integers(), max_size=2))
    if draw(st.booleans()) and "named" not in names:
        parameters.append(Parameter("named", Parameter.VAR_KEYWORD, annotation=int))
        arguments |= draw(st.dictionaries(st.sampled_from(["more1", "more2"]), st.integers()))
    signature = Signature(parameters)

    def function(*args: Any, **kwargs: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs).arguments
        named = bound.pop("named", {}) if "named" not in names else {}
        return {**bound, **named}

    function.__signature__ = signature  # type: ignore[attr-defined]
    return function, arguments


def made(func: Callable[..., Any], **kwargs: Any) -> BaseTool:
    return StructuredTool.from_function(func, name="f", description="D.", **kwargs)


def plain(value: Any) -> Any:
    if isinstance(value, Point):
        return {"x": value.x}
    return list(value) if isinstance(value, tuple) else value


@given(functions())
@settings(max_examples=60)
def test_a_function_gets_exactly_the_arguments_given(drawn: tuple[Callable[..., Any], dict[str, Any]]) -> None:
    function, arguments = drawn
    lent = made(function)
    got = lent.invoke(arguments)
    assert {name: plain(value) for name, value in got.items() if value is not LACKS and value != ()} == {
        name: value for name, value in arguments.items() if value != [] or name != "rest"
    }
    parameters = convert_to_openai_tool(lent)["function"]["parameters"]
    assert set(parameters.get("required", ())) <= set(arguments)
    assert set(arguments) <= set(parameters["properties"]) or "additionalProperties" in parameters
    assert asyncio.run(lent.ainvoke(arguments)) == got
    call = {"name": "f", "args": arguments, "id": "1", "type": "tool_call"}
    assert lent.batch([arguments, call])[0] == got


@given(functions(), st.data())
@settings(max_examples=30)
def test_a_wrong_argument_is_named(drawn: tuple[Callable[..., Any], dict[str, Any]], data: st.DataObject) -> None:
    function, arguments = drawn
    lent = made(function)
    required = convert_to_openai_tool(lent)["function"]["parameters"].get("required", [])
    if not required:
        return
    name = data.draw(st.sampled_from(required))
    lacking = {key: value for key, value in arguments.items() if key != name}
    with pytest.raises(ValidationError) as missing:
        lent.invoke(lacking)
    assert [each["loc"][0] for each in missing.value.errors()] == [name]
    with pytest.raises(ValidationError) as wrong:
        lent.invoke({**arguments, name: object()})
    assert {each["loc"][0] for each in wrong.value.errors()} == {name}


# Forms of input


def add(a: int, b: int = 1) -> int:
    """Add up."""
    return a + b


def test_a_text_is_the_first_argument() -> None:
    assert tool(add).invoke("41") == 42
    with pytest.raises(ValidationError, match="a\n"):
        tool(add).invoke("x")


def test_what_is_no_input_is_told() -> None:
    for wrong in (7, None, [1], 1.5):
        with pytest.raises(StepInputError, match=r"'add' takes a dict of arguments, .* the text of .*'a'"):
            tool(add).invoke(wrong)  # type: ignore[arg-type]

    @tool
    def nothing() -> str:
        """Do nothing."""
        return "done"

    assert nothing.invoke({}) == "done"
    with pytest.raises(StepInputError, match="'nothing' takes a dict"):
        nothing.invoke("x")


def test_what_the_schema_makes_the_function_gets() -> None:
    def show(place: Point, words: set[str]) -> str:
        """Show."""
        return f"{place!r} {sorted(words)}"

    assert tool(show).invoke({"place": {"x": "3"}, "words": ["a", "a"]}) == "Point(x=3, label='here') ['a']"


def test_unknown_arguments_are_ignored_unless_the_schema_forbids_them() -> None:
    class Strict(BaseModel):
        """Strict."""

        model_config = ConfigDict(extra="forbid")
        a: int

    assert tool(add).invoke({"a": 1, "c": 2}) == 2
    with pytest.raises(ValidationError, match="c\n"):
        tool(add, args_schema=Strict).invoke({"a": 1, "c": 2})
    assert (
        convert_to_openai_tool(tool(add, args_schema=Strict))["function"]["parameters"]["additionalProperties"] is False
    )


def test_arguments_may_be_bound() -> None:
    lent = tool(add)
    assert lent.bind(b=5).invoke({"a": 1}) == 6
    assert lent.invoke({"a": 1, "b": 1}, b=5) == 6
    with pytest.raises(StepInputError, match="'add' takes no argument 'c'"):
        lent.bind(c=5).invoke({"a": 1})


def test_a_tool_in_a_chain_takes_what_is_made() -> None:
    chain = RunnableLambda(lambda x: {"name": "add", "args": {"a": x}, "id": "7", "type": "tool_call"}) | tool(add)
    assert chain.invoke(41).content == "42"


# Injected


@tool
def order(
    item: str,
    user: Annotated[str, InjectedToolArg],
    call: Annotated[str, InjectedToolCallId],
    settings: RunnableConfig,
    note: Annotated[str, InjectedToolArg()] = "",
) -> str:
    """Order."""
    return f"{item} for {user}{note} by {call} in {settings['configurable'].get('shop')}"


class Secret(InjectedToolArg):
    """A mark of one's own."""


def call(args: dict[str, Any], id: str | None = "c1") -> Any:
    return {"name": "order", "args": args, "id": id, "type": "tool_call"}


def test_injected_arguments_are_given_by_the_caller_and_by_the_call() -> None:
    answer = order.invoke(call({"item": "tea", "user": "Ada"}), {"configurable": {"shop": "corner"}})
    assert answer.content == "tea for Ada by c1 in corner"
    assert order.bind(user="Bob", note="!").invoke(call({"item": "tea"})).content == "tea for Bob! by c1 in None"


def test_a_tool_that_wants_the_id_of_its_call_takes_a_call_only() -> None:
    for wrong in ({"item": "tea", "user": "Ada"}, {"item": "tea", "user": "Ada", "call": "forged"}, call({}, None)):
        with pytest.raises(StepInputError, match="'order' wants the id of its call, so it takes a ToolCall"):
            order.invoke(wrong)


def test_the_id_can_not_be_forged_by_arguments() -> None:
    assert "by c1" in order.invoke(call({"item": "tea", "user": "Ada", "call": "forged"})).content


def test_a_missing_injected_argument_is_named() -> None:
    with pytest.raises(ValidationError, match="user\n"):
        order.invoke(call({"item": "tea"}))


def test_marks_in_a_schema_of_ones_own_and_at_the_function() -> None:
    class Marked(BaseModel):
        """Marked."""

        item: str
        token: Annotated[str, Secret]

    def use(item: str, token: str, besides: Annotated[int, Secret()] = 0) -> str:
        return f"{item} {token} {besides}"

    for lent in (tool(use, args_schema=Marked), tool(use, args_schema=Marked.model_json_schema(), description="D.")):
        assert lent.invoke({"item": "a", "token": "t", "besides": 3}) == "a t 3"
    assert tool(use, args_schema=Marked).args.keys() == {"item"}


@pytest.mark.parametrize("schema", [None, {"type": "object", "properties": {"args": {}}}])
def test_an_argument_of_a_schema_may_be_called_as_what_is_starred(schema: Any) -> None:
    class Args(BaseModel):
        """Take them."""

        args: list[int]

    def take(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    assert made(take, args_schema=schema or Args).invoke({"args": [1]}) == ((), {"args": [1]})
    assert made(take).invoke({"args": [1]}) == ((1,), {})


def test_an_annotation_that_can_not_be_resolved_is_told() -> None:
    class Local:
        pass

    def use(item: Local) -> str:
        return ""

    with pytest.raises(ValueError, match="what 'f' takes can't be known from its annotations: name 'Local'"):
        made(use)


def test_a_generic_tool_of_named_arguments() -> None:
    class Query(BaseModel):
        """Ask."""

        words: str
        limit: int | None = None

    assert made(lambda **kw: kw, args_schema=Query).invoke({"words": "x"}) == {"words": "x", "limit": None}
