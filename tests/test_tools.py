"""A tool is made of a function in any form, and tells what it takes."""

from __future__ import annotations

import functools
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel, Field
from verbs import VERBS, in_every_verb

from anabranch.engine.errors import CompositionError, EdgeTypeError
from anabranch.nodes import (
    BaseTool,
    BaseToolkit,
    InjectedToolArg,
    Runnable,
    RunnableConfig,
    RunnableLambda,
    StructuredTool,
    Tool,
    convert_to_openai_tool,
    render_text_description,
    render_text_description_and_args,
    tool,
)


def add(a: int, b: Annotated[int, "what is added"] = 1) -> int:
    """Add up.

    Args:
        a: the first
    """
    return a + b


class AddArgs(BaseModel):
    """What is added up."""

    a: int = Field(description="the first")
    b: int = 7


class Adder(BaseTool):
    name: str = "add"
    description: str = "Add up."

    def _run(self, a: int, b: int = 1) -> int:
        return a + b


class AsyncAdder(BaseTool):
    name: str = "add"
    description: str = "Add up."

    async def _arun(self, a: int, b: int = 1) -> int:
        return a + b


async def aadd(a: int, b: int = 1) -> int:
    """Add up."""
    return a + b


def wrapped(func: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


FORMS: dict[str, BaseTool] = {
    "bare": tool(add),
    "called": tool()(add),
    "async": tool(aadd),
    "named": tool("add")(add),
    "structured": StructuredTool.from_function(add),
    "both": StructuredTool.from_function(add, aadd),
    "coroutine": StructuredTool.from_function(coroutine=aadd),
    "plain": StructuredTool(name="add", description="Add up.", func=add),
    "subclass": Adder(),
    "async subclass": AsyncAdder(),
    "partial": tool("add", description="Add up.")(functools.partial(add, b=1)),
    "method": tool(Adder()._run, description="Add up."),
    "wrapped": tool(wrapped(add)),
    "wrapped async": tool(wrapped(aadd)),
    "schema": tool("add", args_schema={"type": "object", "properties": {"a": {"type": "integer"}}})(add),
}


@pytest.mark.parametrize("form", FORMS)
@in_every_verb
def test_every_form_runs_in_every_verb(form: str, verb: str) -> None:
    made = VERBS[verb](FORMS[form], {"a": 41})
    assert made in (42, [42], [(0, 42)])


def test_a_function_tells_all_of_its_tool() -> None:
    made = tool(add)
    assert (made.name, made.description) == ("add", "Add up.\n\nArgs:\n    a: the first")
    assert made.args == {
        "a": {"title": "A", "type": "integer"},
        "b": {"title": "B", "type": "integer", "default": 1, "description": "what is added"},
    }
    assert not made.is_single_input
    assert repr(made).startswith("StructuredTool(name='add', description='Add up.")
    assert "handle_tool_error" not in repr(made)


def test_a_docstring_is_read_when_that_is_asked_for() -> None:
    made = tool(add, parse_docstring=True)
    assert made.description == "Add up."
    assert made.args["a"]["description"] == "the first"
    assert made.args["b"]["description"] == "what is added"


def test_a_docstring_without_arguments_is_an_error_unless_that_is_allowed() -> None:
    def silent(a: int) -> int:
        """Say nothing of it."""
        return a

    with pytest.raises(ValueError, match="'silent' tells nothing of its arguments"):
        tool(silent, parse_docstring=True)
    assert tool(silent, parse_docstring=True, error_on_invalid_docstring=False).description == "Say nothing of it."
    assert StructuredTool.from_function(silent, parse_docstring=True).args["a"] == {"title": "A", "type": "integer"}


def test_a_docstring_that_tells_of_what_is_not_taken_is_an_error() -> None:
    def wrong(a: int) -> int:
        """Wrong.

        Args:
            b: not there
        """
        return a

    with pytest.raises(ValueError, match="tells of 'b'"):
        tool(wrong, parse_docstring=True)
    assert tool(wrong).args.keys() == {"a"}


def test_a_schema_of_ones_own_goes_before_the_parameters() -> None:
    def plus(a: int, b: int) -> int:
        return a + b

    made = tool(plus, args_schema=AddArgs)
    assert made.description == "What is added up."
    assert made.get_input_schema() is AddArgs
    assert made.invoke({"a": 1}) == 8
    assert made.tool_call_schema.model_json_schema()["title"] == "plus"  # type: ignore[union-attr]


def test_by_a_json_schema_nothing_is_checked() -> None:
    schema = {"type": "object", "title": "Add", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    made = StructuredTool.from_function(lambda **kw: kw, name="add", description="Add up.", args_schema=schema)
    assert made.invoke({"a": "x", "more": 1}) == {"a": "x", "more": 1}
    assert made.args == schema["properties"]
    assert made.tool_call_schema == {**schema, "description": "Add up."}
    assert made.get_input_jsonschema() == schema
    told = tool(add, args_schema={**schema, "description": "Not told."}, description="Told.").tool_call_schema
    assert told == {**schema, "description": "Told."}
    assert convert_to_openai_tool(made)["function"]["parameters"] == {
        key: schema[key] for key in ("type", "properties", "required")
    }
    assert StructuredTool(name="n", description="d", func=dict, args_schema={"type": "object"}).args == {}


def test_options_are_fields_of_the_tool() -> None:
    made = tool(
        "plus", description="D.", return_direct=True, response_format="content_and_artifact", extras={"cache": True}
    )(add)
    assert (made.name, made.description, made.return_direct) == ("plus", "D.", True)
    assert (made.response_format, made.extras) == ("content_and_artifact", {"cache": True})


def test_a_tool_of_one_text() -> None:
    made = tool(infer_schema=False)(str.upper)
    assert isinstance(made, Tool)
    assert made.args == {"tool_input": {"type": "string"}}
    assert made.is_single_input
    assert made.invoke("a") == made.invoke({"any": "a"}) == "A"
    parameters = convert_to_openai_tool(made)["function"]["parameters"]
    assert parameters == {"properties": {"__arg1": {"type": "string"}}, "required": ["__arg1"], "type": "object"}
    call = {"name": "upper", "args": {"__arg1": "a"}, "id": "1", "type": "tool_call"}
    assert made.invoke(call).content == "A"
    wrong: Any
    for wrong in ({}, {"a": "b", "c": "d"}, 3):
        with pytest.raises(ValueError, match="'upper' takes"):
            made.invoke(wrong)
    assert Tool.from_function(str.upper, "loud", "D.", args_schema=None).run("x") == "X"
    with pytest.raises(ValueError, match="needs a function"):
        Tool.from_function(None, "loud", "D.")


def test_what_a_generator_yields_is_added_up() -> None:
    @tool
    def tell(word: str) -> Iterator[str]:
        """Tell."""
        yield word
        yield "!"

    @tool
    async def atell(word: str) -> AsyncIterator[str]:
        """Tell."""
        yield word
        yield "!"

    assert tell.invoke({"word": "hey"}) == atell.invoke({"word": "hey"}) == "hey!"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tool(lambda x: x), "no name"),
        (lambda: tool("f")(lambda x: x), "'f' needs a description"),
        (lambda: tool(infer_schema=False)(lambda x: x), "needs a description"),
        (lambda: tool(3), "made of a function or a runnable, got int: 3"),  # type: ignore[call-overload]
        (lambda: StructuredTool.from_function(), "give func or coroutine"),
        (lambda: StructuredTool.from_function(add, infer_schema=False), "needs an args_schema"),
    ],
)
def test_what_can_not_be_a_tool_is_told(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_a_subclass_without_a_function_is_told() -> None:
    class Empty(BaseTool):
        name: str = "empty"
        description: str = "Nothing."

    with pytest.raises(CompositionError, match="Empty has nothing to run: a tool writes `_run` or `_arun`"):
        Empty()
    with pytest.raises(CompositionError, match="args_schema of the tool 'add': expected a pydantic model"):
        Adder(args_schema="wrong")  # type: ignore[arg-type]


def test_the_fields_of_a_subclass_are_checked_and_may_be_set() -> None:
    class Greet(BaseTool):
        name: str = "greet"
        description: str = "Greet."
        args_schema: type[BaseModel] = AddArgs
        greeting: str = "hello"

        def _run(self, a: int, b: int) -> str:
            return f"{self.greeting} {a + b}"

    made = Greet(greeting="ahoy")
    assert made.invoke({"a": "1"}) == "ahoy 8"
    made.greeting = "hi"
    assert made.invoke({"a": "1"}) == "hi 8"
    made.name = "renamed"
    assert made.get_name() == "renamed"
    assert convert_to_openai_tool(made)["function"]["name"] == "renamed"
    assert pickle.loads(pickle.dumps(Adder())).invoke({"a": 1}) == 2


def test_what_a_model_is_told_of_is_what_it_gives() -> None:
    @tool
    def order(
        item: str,
        user: Annotated[str, InjectedToolArg],
        config: RunnableConfig,
        run_manager: Any = None,
        callbacks: Any = None,
    ) -> str:
        """Order."""
        return item

    assert order.args.keys() == {"item"}
    assert order.get_input_schema().model_json_schema()["properties"].keys() == {"item", "user"}
    assert convert_to_openai_tool(order)["function"]["parameters"]["properties"].keys() == {"item"}
    assert render_text_description([order]) == "order(item: str) -> str - Order."
    assert order.is_single_input


def test_tools_as_text() -> None:
    described = [tool(add, parse_docstring=True), Adder()]
    first = "add(a: int, b: Annotated[int, 'what is added'] = 1) -> int - Add up."
    assert render_text_description(described).replace("typing.", "") == f"{first}\nadd - Add up."
    assert render_text_description_and_args([Adder()]) == f"add - Add up., args: {Adder().args}"


def test_edges_into_a_tool() -> None:
    made = tool(add)

    def number(x: Any) -> int:
        return 1

    def arguments(x: Any) -> AddArgs:
        return AddArgs(a=1)

    class Keys(TypedDict):
        a: int

    def keys(x: Any) -> Keys:
        return {"a": 1}

    with pytest.raises(EdgeTypeError, match="'number' gives int, but 'add' takes str"):
        RunnableLambda(number) | made
    with pytest.raises(EdgeTypeError):
        RunnableLambda(arguments) | made
    assert (RunnableLambda(arguments) | tool(add, args_schema=AddArgs)).invoke(0) == 8
    assert (RunnableLambda(keys) | made).invoke(0) == 2
    assert ({"a": lambda x: x} | made).invoke(2) == 3
    assert (made | str).invoke("4") == "5"


def test_a_toolkit_gives_tools() -> None:
    class Kit(BaseToolkit):
        def get_tools(self) -> list[BaseTool]:
            return [Adder()]

    assert Kit().get_tools()[0].name == "add"
    with pytest.raises(TypeError):
        BaseToolkit()  # type: ignore[abstract]


def test_schemas_of_a_chain_that_begins_with_a_tool() -> None:
    chain: Runnable[Any, Any] = tool(add) | str
    assert chain.input_schema.model_json_schema()["title"] == "add"
    assert chain.get_input_jsonschema()["required"] == ["a"]
