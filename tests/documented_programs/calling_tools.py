"""Tools that models call, and what is done when that fails."""

import asyncio
from typing import Annotated, Any

from documented_programs.expected import gives
from documented_programs.plain_data import caught, plain
from documented_programs.scripted import calling, scripted_model


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@gives(
    [
        [{"name": "multiply", "args": {"a": 3, "b": 12}, "id": "call_1", "type": "tool_call"}],
        [
            {
                "type": "function",
                "function": {
                    "name": "multiply",
                    "description": "Multiply two numbers.",
                    "parameters": {
                        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                        "required": ["a", "b"],
                        "type": "object",
                    },
                },
            }
        ],
        ["tool", "36", {"name": "multiply", "tool_call_id": "call_1"}],
    ]
)
def tool_called_by_a_model(L):
    made = L.tool(multiply)
    model = scripted_model(L, calling(L, "multiply", {"a": 3, "b": 12}))
    answer = model.bind_tools([made]).invoke("what is 3 * 12")
    return plain(answer.tool_calls), plain(model.asked[0][1]["tools"]), plain(made.invoke(answer.tool_calls[0]))


@gives(
    [
        [
            ["human", "What is 3 * 12? And 11 + 49?"],
            [
                "ai",
                "",
                {
                    "tool_calls": [
                        {"name": "multiply", "args": {"a": 3, "b": 12}, "id": "1"},
                        {"name": "add", "args": {"a": 11, "b": 49}, "id": "2"},
                    ]
                },
            ],
            ["tool", "36", {"name": "multiply", "tool_call_id": "1"}],
            ["tool", "60", {"name": "add", "tool_call_id": "2"}],
        ],
        ["ai", "3 * 12 is 36 and 11 + 49 is 60"],
    ]
)
def tool_results_to_the_model(L):
    @L.tool
    def add(a: int, b: int) -> int:
        """Adds a and b."""
        return a + b

    made = L.tool(multiply)
    both = L.AIMessage(
        "",
        tool_calls=[
            L.ToolCall(name="multiply", args={"a": 3, "b": 12}, id="1"),
            L.ToolCall(name="add", args={"a": 11, "b": 49}, id="2"),
        ],
    )
    model = scripted_model(L, both, "3 * 12 is 36 and 11 + 49 is 60").bind_tools([add, made])
    messages = [L.HumanMessage("What is 3 * 12? And 11 + 49?")]
    asked = model.invoke(messages)
    messages.append(asked)
    by_name = {"add": add, "multiply": made}
    messages += [by_name[call["name"].lower()].invoke(call) for call in asked.tool_calls]
    return plain([messages, model.invoke(messages)])


@gives(92)
def tool_in_a_chain(L):
    made = L.tool(multiply)
    model = scripted_model(L, calling(L, "multiply", {"a": 4, "b": 23})).bind_tools([made])
    return (model | (lambda message: message.tool_calls[0]["args"]) | made).invoke("4 times 23")


@gives([{"name": "multiply", "args": {"a": 4, "b": 5}, "id": "call_1", "type": "tool_call", "output": 20}])
def tools_by_name_in_a_chain(L):
    made = L.tool(multiply)

    def call_tools(message):
        by_name = {"multiply": made}
        return [{**call, "output": by_name[call["name"]].invoke(call["args"])} for call in message.tool_calls]

    chain = scripted_model(L, calling(L, "multiply", {"a": 4, "b": 5})).bind_tools([made]) | call_tools
    return plain(chain.invoke("q"))


@gives(
    [["tool", "2", {"name": "multiply", "tool_call_id": "1"}], ["tool", "4", {"name": "multiply", "tool_call_id": "2"}]]
)
def tool_calls_batched(L):
    made = L.tool(multiply)
    answer = L.AIMessage(
        "", tool_calls=[L.ToolCall(name="multiply", args={"a": number, "b": 2}, id=str(number)) for number in (1, 2)]
    )
    return plain((L.RunnableLambda(lambda message: message.tool_calls) | made.map()).invoke(answer))


@gives("multiply")
def tool_choice_forced(L):
    model = scripted_model(L, "ok")
    model.bind_tools([L.tool(multiply)], tool_choice="multiply").invoke("q")
    return model.asked[0][1]["tool_choice"]


@gives([["tool", "pets of 123", {"name": "list_pets", "tool_call_id": "call_1"}]])
def injected_arguments_put_into_calls(L):
    from copy import deepcopy

    @L.tool
    def list_pets(user_id: Annotated[str, L.InjectedToolArg]) -> str:
        """List the pets."""
        return f"pets of {user_id}"

    @L.chain
    def inject_user_id(message):
        calls = []
        for call in message.tool_calls:
            copied = deepcopy(call)
            copied["args"]["user_id"] = "123"
            calls.append(copied)
        return calls

    @L.chain
    def tool_router(call):
        return {"list_pets": list_pets}[call["name"]]

    model = scripted_model(L, calling(L, "list_pets", {}))
    return plain((model.bind_tools([list_pets]) | inject_user_id | tool_router.map()).invoke("q"))


@gives(
    [
        "multiply(a: int, b: int) -> int - Multiply two numbers.",
        52,
        {"name": "multiply", "arguments": {"a": 13, "b": 4}, "output": 52},
    ]
)
def tools_described_in_a_prompt(L):
    """For models that know no tools."""
    made = L.tool(multiply)
    rendered = L.render_text_description([made])
    prompt = L.ChatPromptTemplate.from_messages([("system", "tools: {tools}"), ("user", "{input}")])

    def invoke_tool(request):
        return {"multiply": made}[request["name"]].invoke(request["arguments"])

    model = L.FakeListChatModel(responses=['{"name": "multiply", "arguments": {"a": 13, "b": 4}}'])
    chain = prompt.partial(tools=rendered) | model | L.JsonOutputParser()
    return (
        rendered,
        (chain | invoke_tool).invoke({"input": "13 times 4"}),
        (chain | L.RunnablePassthrough.assign(output=invoke_tool)).invoke({"input": "13 times 4"}),
    )


@gives("failed with bad arguments")
def tool_errors_given_to_the_model(L):
    @L.tool
    def complex_tool(int_arg: int, float_arg: float, dict_arg: dict) -> float:
        """Do something complex."""
        return int_arg * float_arg

    def try_except_tool(tool_args, config):
        try:
            return complex_tool.invoke(tool_args, config=config)
        except Exception as error:
            return f"failed with {type(error).__name__ if isinstance(error, KeyError) else 'bad arguments'}"

    model = scripted_model(L, calling(L, "complex_tool", {"int_arg": 5, "float_arg": 2.1}))
    chain = model.bind_tools([complex_tool]) | (lambda message: message.tool_calls[0]["args"]) | try_except_tool
    return chain.invoke("use it")


@gives(5)
def tool_fallbacks(L):
    @L.tool
    def complex_tool(int_arg: int, dict_arg: dict) -> int:
        """Do something complex."""
        return int_arg

    def first_call(message):
        return message.tool_calls[0]["args"]

    bad = scripted_model(L, calling(L, "complex_tool", {"int_arg": 5})).bind_tools([complex_tool])
    good = scripted_model(L, calling(L, "complex_tool", {"int_arg": 5, "dict_arg": {}})).bind_tools([complex_tool])
    chain = bad | first_call | complex_tool
    return chain.with_fallbacks([good | first_call | complex_tool]).invoke("use it")


@gives([15, [1, 4]])
def tool_error_told_and_tried_again(L):
    made = L.tool(multiply)

    class CustomToolException(Exception):
        def __init__(self, tool_call, exception):
            super().__init__()
            self.tool_call = tool_call
            self.exception = exception

    def run(message):
        try:
            return made.invoke(message.tool_calls[0]["args"])
        except Exception as error:
            raise CustomToolException(message.tool_calls[0], error) from error

    def with_the_error(inputs):
        error = inputs.pop("exception")
        inputs["last_output"] = [
            L.AIMessage("", tool_calls=[error.tool_call]),
            L.ToolMessage("failed", tool_call_id=error.tool_call["id"]),
            L.HumanMessage("The last call failed. Try again."),
        ]
        return inputs

    model = scripted_model(L, calling(L, "multiply", {"a": 5}), calling(L, "multiply", {"a": 5, "b": 3}))
    prompt = L.ChatPromptTemplate([("human", "{input}"), ("placeholder", "{last_output}")])
    chain = prompt | model.bind_tools([made]) | run
    return chain.with_fallbacks([with_the_error | chain], exception_key="exception").invoke({"input": "5 by 3"}), [
        len(messages) for messages, _ in model.asked
    ]


@gives([[["tool", "2", {"name": "multiply", "tool_call_id": "call_1"}]], "NotApproved"])
def human_in_the_loop(L):
    made = L.tool(multiply)

    class NotApproved(Exception):
        """Custom exception."""

    def human_approval(message):
        if message.tool_calls[0]["args"]["a"] > 10:
            raise NotApproved()
        return message

    def chain(a):
        return (
            scripted_model(L, calling(L, "multiply", {"a": a, "b": 1})).bind_tools([made])
            | human_approval
            | (lambda message: [made.invoke(call) for call in message.tool_calls])
        )

    return plain(chain(2).invoke("q")), caught(lambda: chain(20).invoke("q"), NotApproved)


@gives(
    [
        ["system", "use a tool"],
        ["human", "317253 by 2", {"name": "example_user"}],
        ["ai", "", {"name": "example_assistant", "tool_calls": [{"name": "multiply", "args": {"a": 1}, "id": "1"}]}],
        ["tool", "634506", {"tool_call_id": "1"}],
        ["human", "119 times 8"],
    ]
)
def few_shot_examples_of_tool_calls(L):
    made = L.tool(multiply)
    examples = [
        L.HumanMessage("317253 by 2", name="example_user"),
        L.AIMessage("", name="example_assistant", tool_calls=[L.ToolCall(name="multiply", args={"a": 1}, id="1")]),
        L.ToolMessage("634506", tool_call_id="1"),
    ]
    model = scripted_model(L, "ok")
    prompt = L.ChatPromptTemplate.from_messages([("system", "use a tool"), *examples, ("human", "{query}")])
    ({"query": L.RunnablePassthrough()} | prompt | model.bind_tools([made])).invoke("119 times 8")
    return plain(model.asked[0][0])


@gives(
    [
        [
            [],
            [{"name": "multiply", "args": '{"a": 3, "b": 12}', "id": "call_1", "index": 0, "type": "tool_call_chunk"}],
            [],
        ],
        [{"name": "multiply", "args": {"a": 3, "b": 12}, "id": "call_1", "type": "tool_call"}],
    ]
)
def tool_calls_streamed(L):
    model = scripted_model(L, calling(L, "multiply", {"a": 3, "b": 12})).bind_tools([L.tool(multiply)])
    chunks = list(model.stream("q"))
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return plain([chunk.tool_call_chunks for chunk in chunks]), plain(total.tool_calls)


@gives(["made 3 ints", ["tool", "made 3 ints", {"name": "random_ints", "tool_call_id": "123", "artifact": [0, 3, 6]}]])
def tool_with_an_artifact(L):
    @L.tool(response_format="content_and_artifact")
    def random_ints(low: int, high: int, size: int) -> Any:
        """Make size ints from low to high."""
        array = [low + (high - low) * number // size for number in range(size)]
        return f"made {size} ints", array

    arguments = {"low": 0, "high": 9, "size": 3}
    call = {"name": "random_ints", "args": arguments, "id": "123", "type": "tool_call"}
    return plain([random_ints.invoke(arguments), random_ints.invoke(call)])


@gives(["tool", "made 2", {"name": "floats", "tool_call_id": "1", "artifact": [1.0, 1.143]}])
def tool_with_an_artifact_by_subclassing(L):
    class RandomFloats(L.BaseTool):
        name: str = "floats"
        description: str = "makes floats"
        response_format: str = "content_and_artifact"
        ndigits: int = 2

        def _run(self, low: float, size: int) -> Any:
            array = [round(low + number / 7, self.ndigits) for number in range(size)]
            return f"made {size}", array

    made = RandomFloats(ndigits=3)
    return plain(made.invoke({"name": "floats", "args": {"low": 1, "size": 2}, "id": "1", "type": "tool_call"}))


@gives([["tool", "5", {"name": "foo", "tool_call_id": "9", "artifact": 5}], "ValueError"])
def tool_call_id_injected(L):
    @L.tool
    def foo(x: int, tool_call_id: Annotated[str, L.InjectedToolCallId]) -> Any:
        """Return it."""
        return L.ToolMessage(str(x), artifact=x, name="foo", tool_call_id=tool_call_id)

    return plain(foo.invoke({"name": "foo", "args": {"x": 5}, "id": "9", "type": "tool_call"})), caught(
        lambda: foo.invoke({"x": 5}), ValueError
    )


@gives(["ab", ["text"]])
def config_in_a_tool(L):
    @L.tool
    def read(text: str, config: L.RunnableConfig) -> str:
        """Reads."""
        return text + config["configurable"]["extra"]

    read_ = read
    return read_.invoke({"text": "a"}, {"configurable": {"extra": "b"}}), sorted(read_.args)


@gives("yrammus")
def tool_that_calls_a_chain(L):
    model = L.FakeListChatModel(responses=["summary"])

    @L.tool
    async def summarise(long_text: str) -> str:
        """Summarises."""
        chain = L.ChatPromptTemplate.from_template("sum {x}") | model | L.StrOutputParser()
        return (await chain.ainvoke({"x": long_text}))[::-1]

    return asyncio.run(summarise.ainvoke({"long_text": "..."}))
