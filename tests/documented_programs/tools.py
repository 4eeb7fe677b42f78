"""Tools: how they are made, their errors, and what a model is told of them."""

import asyncio
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from documented_programs.expected import gives
from documented_programs.plain_data import caught, plain


class CalculatorInput(BaseModel):
    a: int = Field(description="first number")
    b: int = Field(description="second number")


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def amultiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b + 1000


@gives(
    [
        "multiply",
        "Multiply two numbers.",
        {"a": {"title": "A", "type": "integer"}, "b": {"title": "B", "type": "integer"}},
        6,
        False,
    ]
)
def tool_decorator(L):
    made = L.tool(multiply)
    return made.name, made.description, made.args, made.invoke({"a": 2, "b": 3}), made.return_direct


@gives(["amultiply", 1006])
def async_tool(L):
    made = L.tool(amultiply)
    return made.name, asyncio.run(made.ainvoke({"a": 2, "b": 3}))


@gives(
    [
        {
            "description": "Multiply a by the maximum of b.",
            "properties": {
                "a": {"description": "scale factor", "title": "A", "type": "integer"},
                "b": {"description": "the numbers", "items": {"type": "integer"}, "title": "B", "type": "array"},
            },
            "required": ["a", "b"],
            "title": "multiply_by_max",
            "type": "object",
        },
        10,
    ]
)
def tool_with_annotations(L):
    @L.tool
    def multiply_by_max(a: Annotated[int, "scale factor"], b: Annotated[list[int], "the numbers"]) -> int:
        """Multiply a by the maximum of b."""
        return a * max(b)

    return multiply_by_max.args_schema.model_json_schema(), multiply_by_max.invoke({"a": 2, "b": [1, 5]})


@gives(
    [
        "multiplication-tool",
        {
            "a": {"description": "first number", "title": "A", "type": "integer"},
            "b": {"description": "second number", "title": "B", "type": "integer"},
        },
        True,
        12,
    ]
)
def tool_with_a_name_and_a_schema(L):
    made = L.tool("multiplication-tool", args_schema=CalculatorInput, return_direct=True)(multiply)
    return made.name, made.args, made.return_direct, made.invoke({"a": 3, "b": 4})


@gives(
    [
        {
            "description": "The foo.",
            "properties": {
                "bar": {"description": "The bar.", "title": "Bar", "type": "string"},
                "baz": {"description": "The baz.", "title": "Baz", "type": "integer"},
            },
            "required": ["bar", "baz"],
            "title": "foo",
            "type": "object",
        },
        "The foo.",
        "aa",
    ]
)
def tool_with_a_parsed_docstring(L):
    @L.tool(parse_docstring=True)
    def foo(bar: str, baz: int) -> str:
        """The foo.

        Args:
            bar: The bar.
            baz: The baz.
        """
        return bar * baz

    return foo.args_schema.model_json_schema(), foo.description, foo.invoke({"bar": "a", "baz": 2})


@gives([2, {"x": {"type": "integer", "description": "a number"}}])
def tool_with_a_json_schema(L):
    schema = {"type": "object", "properties": {"x": {"type": "integer", "description": "a number"}}, "required": ["x"]}
    made = L.StructuredTool.from_function(
        func=lambda x: x + 1, name="plus_one", description="adds one", args_schema=schema
    )
    return made.invoke({"x": 1}), made.args


@gives([6, 1010])
def structured_tool_sync_and_async(L):
    made = L.StructuredTool.from_function(func=multiply, coroutine=amultiply)
    return made.invoke({"a": 2, "b": 3}), asyncio.run(made.ainvoke({"a": 2, "b": 5}))


@gives(
    [
        "Calculator",
        "multiply numbers",
        {
            "a": {"description": "first number", "title": "A", "type": "integer"},
            "b": {"description": "second number", "title": "B", "type": "integer"},
        },
        6,
    ]
)
def structured_tool_configured(L):
    made = L.StructuredTool.from_function(
        func=multiply, name="Calculator", description="multiply numbers", args_schema=CalculatorInput
    )
    return made.name, made.description, made.args, made.invoke({"a": 2, "b": 3})


@gives(
    [
        "Calculator",
        {
            "a": {"description": "first number", "title": "A", "type": "integer"},
            "b": {"description": "second number", "title": "B", "type": "integer"},
        },
        "6",
        "6!",
    ]
)
def tool_by_subclassing(L):
    class CustomCalculatorTool(L.BaseTool):
        name: str = "Calculator"
        description: str = "for questions about math"
        args_schema: type[BaseModel] = CalculatorInput
        return_direct: bool = True

        def _run(self, a: int, b: int, run_manager: Any = None) -> str:
            return f"{a * b}"

        async def _arun(self, a: int, b: int, run_manager: Any = None) -> str:
            return self._run(a, b, run_manager=run_manager.get_sync()) + "!"

    made = CustomCalculatorTool()
    return made.name, made.args, made.invoke({"a": 2, "b": 3}), asyncio.run(made.ainvoke({"a": 2, "b": 3}))


@gives(["found bears", "found owls", {"tool_input": {"type": "string"}}])
def tool_that_takes_a_text(L):
    made = L.Tool(name="search", description="finds", func=lambda query: f"found {query}")
    return made.invoke("bears"), made.run("owls"), made.args


@gives(
    [
        "ToolException",
        "there is no city by the name of foobar",
        "no such city, but above 0K",
        "failed: there is no city by the name of foobar",
    ]
)
def tool_errors(L):
    def get_weather(city: str) -> int:
        """Get weather for the given city."""
        raise L.ToolException(f"there is no city by the name of {city}")

    make = L.StructuredTool.from_function
    return (
        caught(lambda: make(func=get_weather).invoke({"city": "x"}), L.ToolException),
        make(func=get_weather, handle_tool_error=True).invoke({"city": "foobar"}),
        make(func=get_weather, handle_tool_error="no such city, but above 0K").invoke({"city": "foobar"}),
        make(func=get_weather, handle_tool_error=lambda error: f"failed: {error.args[0]}").invoke({"city": "foobar"}),
    )


@gives(["tool", "bad luck", {"name": "failing", "tool_call_id": "7", "status": "error"}])
def tool_errors_in_answer_to_a_call(L):
    @L.tool
    def failing(x: int) -> int:
        """Fails."""
        raise L.ToolException("bad luck")

    failing.handle_tool_error = True
    return plain(failing.invoke({"name": "failing", "args": {"x": 1}, "id": "7", "type": "tool_call"}))


@gives(["ValueError", "use two numbers"])
def tool_input_that_does_not_fit(L):
    made = L.tool(multiply)
    handled = L.StructuredTool.from_function(func=multiply, handle_validation_error="use two numbers")
    return caught(lambda: made.invoke({"a": 2}), ValueError), handled.invoke({"a": "x"})


@gives(
    [
        ["pets", "user_id"],
        {
            "description": "Add the list of favorite pets.",
            "properties": {
                "pets": {
                    "description": "List of favorite pets to set.",
                    "items": {"type": "string"},
                    "title": "Pets",
                    "type": "array",
                }
            },
            "required": ["pets"],
            "title": "update_favorite_pets",
            "type": "object",
        },
        "123: ['lizard']",
        {
            "type": "function",
            "function": {
                "name": "update_favorite_pets",
                "description": "Add the list of favorite pets.",
                "parameters": {
                    "properties": {
                        "pets": {
                            "description": "List of favorite pets to set.",
                            "items": {"type": "string"},
                            "type": "array",
                        }
                    },
                    "required": ["pets"],
                    "type": "object",
                },
            },
        },
    ]
)
def tool_arguments_hidden_from_the_model(L):
    @L.tool(parse_docstring=True)
    def update_favorite_pets(pets: list[str], user_id: Annotated[str, L.InjectedToolArg]) -> str:
        """Add the list of favorite pets.

        Args:
            pets: List of favorite pets to set.
            user_id: User's ID.
        """
        return f"{user_id}: {pets}"

    given = {"pets": ["lizard"], "user_id": "123"}
    return (
        sorted(update_favorite_pets.get_input_schema().model_json_schema()["properties"]),
        update_favorite_pets.tool_call_schema.model_json_schema(),
        update_favorite_pets.invoke(given),
        L.convert_to_openai_tool(update_favorite_pets),
    )


@gives(
    [
        {
            "type": "function",
            "function": {
                "name": "add",
                "description": "Add two integers.",
                "parameters": {
                    "properties": {
                        "a": {"description": "First integer", "type": "integer"},
                        "b": {
                            "anyOf": [{"type": "integer"}, {"type": "null"}],
                            "default": None,
                            "description": "Second integer",
                        },
                        "kind": {"default": "x", "enum": ["x", "y"], "type": "string"},
                    },
                    "required": ["a"],
                    "type": "object",
                },
            },
        },
        {
            "name": "search",
            "description": "Searches.",
            "parameters": {
                "properties": {"query": {"type": "string"}, "limit": {"default": 10, "type": "integer"}},
                "required": ["query"],
                "type": "object",
            },
        },
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
        },
    ]
)
def schemas_told_to_models(L):
    class add(BaseModel):
        """Add two integers."""

        a: int = Field(..., description="First integer")
        b: int | None = Field(None, description="Second integer")
        kind: Literal["x", "y"] = "x"

    def search(query: str, limit: int = 10) -> str:
        """Searches."""
        return query

    return (
        L.convert_to_openai_tool(add),
        L.convert_to_openai_function(search),
        L.convert_to_openai_tool({"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}),
    )


@gives(
    [
        "facts",
        "Finds facts.",
        {"query": {"description": "query to look up in retriever", "title": "Query", "type": "string"}},
        "bears eat honey",
    ]
)
def retriever_as_a_tool(L):
    store = L.InMemoryVectorStore.from_texts(["bears eat honey"], L.DeterministicFakeEmbedding(size=4))
    made = L.create_retriever_tool(store.as_retriever(), "facts", "Finds facts.")
    return made.name, made.description, made.args, made.invoke({"query": "bears"})
