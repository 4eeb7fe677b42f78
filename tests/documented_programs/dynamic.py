"""Functions that make chains, generators, and what runs over lists."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import Any

from typing_extensions import TypedDict

from documented_programs.expected import gives
from documented_programs.plain_data import caught, gathered, plain


@gives("Tom of Bree: ['x'] 1")
def keys_from_config_in_functions(L):
    def greet(name, config):
        return f"{name} of {config['configurable']['town']}: {config['tags']} {config['metadata']['k']}"

    given = {"tags": ["x"], "metadata": {"k": 1}, "configurable": {"town": "Bree"}}
    return L.RunnableLambda(greet).invoke("Tom", given)


@gives(6)
def function_that_calls_a_chain(L):
    inner = L.RunnableLambda(lambda x: x + 1).with_config(run_name="inner")

    def outer(x, config):
        return inner.invoke(x, config) * 2

    return L.RunnableLambda(outer).invoke(2)


@gives(["not funny", "custom_chain"])
def chain_decorator(L):
    model = L.FakeListChatModel(responses=["otterly bad", "not funny"])
    first = L.ChatPromptTemplate.from_template("pun on {topic}")
    second = L.ChatPromptTemplate.from_template("what is the subject: {joke}")

    @L.chain
    def custom_chain(text):
        prompt = first.invoke({"topic": text})
        pun = L.StrOutputParser().invoke(model.invoke(prompt))
        return (second | model | L.StrOutputParser()).invoke({"joke": pun})

    return custom_chain.invoke("otters"), custom_chain.get_name()


@gives(8)
def chain_decorator_async(L):
    @L.chain
    async def doubled(x):
        return x * 2

    return asyncio.run((doubled | doubled).ainvoke(2))


@gives(
    [
        {
            "question": "what is the population of egypt",
            "chat_history": [["human", "egypt?"], ["ai", "yes"]],
            "context": "docs on what is the population of egypt",
        },
        {"question": "how many", "context": "docs on how many"},
        [
            "w",
            "h",
            "a",
            "t",
            " ",
            "i",
            "s",
            " ",
            "t",
            "h",
            "e",
            " ",
            "p",
            "o",
            "p",
            "u",
            "l",
            "a",
            "t",
            "i",
            "o",
            "n",
            " ",
            "o",
            "f",
            " ",
            "e",
            "g",
            "y",
            "p",
            "t",
        ],
    ]
)
def dynamic_chain_by_returning_a_runnable(L):
    """Contextualise the question only if there is a history."""
    contextualise = (
        L.ChatPromptTemplate.from_messages(
            [("system", "rephrase"), ("placeholder", "{chat_history}"), ("human", "{question}")]
        )
        | L.FakeListChatModel(responses=["what is the population of egypt"])
        | L.StrOutputParser()
    )

    @L.chain
    def contextualise_if_needed(input_):
        if input_.get("chat_history"):
            return contextualise
        return L.RunnablePassthrough() | itemgetter("question")

    full = L.RunnablePassthrough.assign(question=contextualise_if_needed).assign(
        context=lambda x: "docs on " + x["question"]
    )
    history = [("human", "egypt?"), ("ai", "yes")]
    return plain(
        [
            full.invoke({"question": "how many", "chat_history": history}),
            full.invoke({"question": "how many"}),
            list(contextualise_if_needed.stream({"question": "q", "chat_history": history})),
        ]
    )


@gives([[["lion"], ["wolf"], ["gorilla"]], ["lion", "wolf", "gorilla"]])
def generator_function_in_a_chain(L):
    def split_into_list(input):
        buffer = ""
        for chunk in input:
            buffer += chunk
            while "," in buffer:
                comma = buffer.index(",")
                yield [buffer[:comma].strip()]
                buffer = buffer[comma + 1 :]
        yield [buffer.strip()]

    prompt = L.ChatPromptTemplate.from_template("five animals like {animal}")
    model = L.FakeListChatModel(responses=["lion, wolf, gorilla"])
    chain = prompt | model | L.StrOutputParser() | split_into_list
    return list(chain.stream({"animal": "bear"})), chain.invoke({"animal": "bear"})


@gives([["A", "B", "C"], "ABC"])
def async_generator_function_in_a_chain(L):
    async def shout(input):
        async for chunk in input:
            yield chunk.upper()

    chain = L.FakeListChatModel(responses=["abc"]) | L.StrOutputParser() | shout
    return asyncio.run(gathered(chain.astream("q"))), asyncio.run(chain.ainvoke("q"))


@gives(["Have a nice day", ["Have", " a", " nice", " day"], ["Have a nice day", "Have a nice day"]])
def runnable_generator_class(L):
    def gen(input):
        yield from ["Have", " a", " nice", " day"]

    runnable = L.RunnableGenerator(gen)
    return runnable.invoke(None), list(runnable.stream(None)), runnable.batch([None, None])


@gives([[2, 3, 4], [0, 1, 4, 9]])
def map_over_a_list(L):
    return L.RunnableLambda(lambda x: x + 1).map().invoke([1, 2, 3]), (
        L.RunnableLambda(lambda n: list(range(n))) | L.RunnableLambda(lambda x: x * x).map()
    ).invoke(4)


@gives([[2], [3, 4]])
def map_then_batch(L):
    return L.RunnableLambda(lambda x: x + 1).map().batch([[1], [2, 3]])


@gives([[1, "ValueError", 3], "ValueError"])
def batch_with_concurrency_and_exceptions(L):
    def third(x):
        if x == 2:
            raise ValueError("two")
        return x

    runnable = L.RunnableLambda(third)
    got = runnable.batch([1, 2, 3], config={"max_concurrency": 2}, return_exceptions=True)
    return plain(got), caught(lambda: runnable.batch([1, 2]), ValueError)


@gives([[[0, 2], [1, 3], [2, 4]], [[0, 2], [1, 3], [2, 4]]])
def batch_as_completed(L):
    runnable = L.RunnableLambda(lambda x: x + 1)

    async def main() -> Any:
        return sorted([pair async for pair in runnable.abatch_as_completed([1, 2, 3])])

    return sorted(runnable.batch_as_completed([1, 2, 3])), asyncio.run(main())


@gives([[], []])
def batch_of_nothing(L):
    return L.RunnableLambda(lambda x: x).batch([]), (L.RunnableLambda(lambda x: x) | str).batch([])


@gives([["sync", 1], ["async", 1]])
def sync_and_async_forms_of_a_function(L):
    async def a(x):
        return "async", x

    runnable = L.RunnableLambda(lambda x: ("sync", x), afunc=a)
    return plain([runnable.invoke(1), asyncio.run(runnable.ainvoke(1))])


@gives([3, 9, 5])
def bind_arguments_of_a_function(L):
    def add(x, by=0, times=1):
        return (x + by) * times

    runnable = L.RunnableLambda(add)
    return runnable.bind(by=2).invoke(1), runnable.bind(by=2).bind(times=3).invoke(1), runnable.invoke(1, by=4)


@gives(["TypeError", "TypeError"])
def what_is_not_a_runnable(L):
    return caught(lambda: L.RunnableLambda(lambda x: x) | 5, TypeError), caught(lambda: L.RunnableLambda(5), TypeError)


@gives(["A", "B"])
def transform_of_an_iterator(L):
    def shout(chunks):
        for chunk in chunks:
            yield chunk.upper()

    return list(L.RunnableGenerator(shout).transform(iter(["a", "b"])))


@gives(["6", "my_tool", "when to use it", ["a", "b"], "6"])
def as_tool_of_a_chain(L):
    class Args(TypedDict):
        a: int
        b: list[int]

    tool = L.RunnableLambda(lambda x: str(x["a"] * max(x["b"]))).as_tool(
        name="my_tool", description="when to use it", args_schema=None, arg_types={"a": int, "b": list[int]}
    )
    typed = L.RunnableLambda(typed_function(Args)).as_tool()
    return (
        tool.invoke({"a": 3, "b": [1, 2]}),
        tool.name,
        tool.description,
        sorted(tool.args),
        typed.invoke({"a": 3, "b": [1, 2]}),
    )


def typed_function(arguments):
    def f(x):
        return str(x["a"] * max(x["b"]))

    f.__annotations__["x"] = arguments
    return f


@gives("baz")
def text_chain_as_tool(L):
    def f(x: str) -> str:
        return x + "a"

    def g(x: str) -> str:
        return x + "z"

    f.__annotations__ = g.__annotations__ = {"x": str, "return": str}
    tool = (L.RunnableLambda(f) | g).as_tool(name="letters", description="adds letters")
    return tool.invoke("b")


@gives([True, True, "absolute"])
def with_types_and_names(L):
    runnable = L.RunnableLambda(lambda x: x).with_types(input_type=int, output_type=int)
    return runnable.InputType is int, runnable.OutputType is int, L.RunnableLambda(abs, name="absolute").get_name()
