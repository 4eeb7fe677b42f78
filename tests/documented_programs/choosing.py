"""Routing, fallbacks, retries, bound arguments, and what is configured at run time."""

from __future__ import annotations

import asyncio

from documented_programs.expected import gives
from documented_programs.plain_data import caught, gathered, plain
from documented_programs.scripted import scripted_model


def answering(L, text):
    return L.FakeListChatModel(responses=[text])


@gives([["ai", "flows"], [["AIMessageChunk", "f"], ["AIMessageChunk", "l"]]])
def routing_by_a_function(L):
    classify = L.PromptTemplate.from_template("classify {question}") | answering(L, "Rivers") | L.StrOutputParser()
    rivers = L.PromptTemplate.from_template("as a hydrologist: {question}") | answering(L, "flows")
    general = L.PromptTemplate.from_template("answer: {question}") | answering(L, "hm")

    def route(info):
        if "rivers" in info["topic"].lower():
            return rivers
        return general

    full = {"topic": classify, "question": lambda x: x["question"]} | L.RunnableLambda(route)
    return plain(full.invoke({"question": "where does it go"})), plain(list(full.stream({"question": "where"}))[:2])


@gives([["still", "flows", "dry"], [["still"], ["flows"], ["dry"]]])
def routing_by_a_branch(L):
    branch = L.RunnableBranch(
        (lambda x: "lake" in x["topic"], L.RunnableLambda(lambda x: "still")),
        (lambda x: "river" in x["topic"], lambda x: "flows"),
        L.RunnableLambda(lambda x: "dry"),
    )
    topics = [{"topic": topic} for topic in ("a lake", "a river", "a road")]
    return branch.batch(topics), [list(branch.stream(topic)) for topic in topics]


@gives(["A", 2, ["B"]])
def branch_async(L):
    async def is_text(x):
        return isinstance(x, str)

    branch = L.RunnableBranch((is_text, lambda x: x.upper()), lambda x: x + 1)
    return asyncio.run(branch.ainvoke("a")), asyncio.run(branch.ainvoke(1)), asyncio.run(gathered(branch.astream("b")))


@gives([9, [2, 16], "ValueError"])
def router_by_key(L):
    router = L.RouterRunnable({"add": L.RunnableLambda(lambda x: x + 1), "square": L.RunnableLambda(lambda x: x * x)})
    return (
        router.invoke({"key": "square", "input": 3}),
        router.batch([{"key": "add", "input": 1}, {"key": "square", "input": 4}]),
        caught(lambda: router.invoke({"key": "none", "input": 1}), ValueError),
    )


@gives("text: about maths: about maths: {query}")
def routing_by_likeness(L):
    """The prompt whose text is most like the question answers it."""
    embeddings = L.DeterministicFakeEmbedding(size=8)
    prompts = ["about physics: {query}", "about maths: {query}"]
    store = L.InMemoryVectorStore.from_texts(prompts, embeddings)

    def prompt_router(input):
        best = store.similarity_search(input["query"], k=1)[0].page_content
        return L.PromptTemplate.from_template(best)

    chain = {"query": L.RunnablePassthrough()} | L.RunnableLambda(prompt_router)
    return plain(chain.invoke("about maths: {query}"))


@gives([["ai", "Hi"], ["ai", "Hi"], 2])
def fallback_of_a_model(L):
    failing = scripted_model(L, ValueError("rate limit"))
    model = failing.with_fallbacks([answering(L, "Hi")])
    return plain(model.invoke("hello")), plain(asyncio.run(model.ainvoke("hello"))), len(failing.asked)


@gives("to cross")
def fallback_within_a_chain(L):
    prompt = L.ChatPromptTemplate.from_messages([("system", "compliment"), ("human", "why {animal}")])
    model = scripted_model(L, ValueError("rate limit")).with_fallbacks([answering(L, "to cross")])
    return (prompt | model | L.StrOutputParser()).invoke({"animal": "kangaroo"})


@gives("ValueError")
def fallback_for_some_errors_only(L):
    model = scripted_model(L, ValueError("limit")).with_fallbacks(
        [answering(L, "Hi")], exceptions_to_handle=(KeyboardInterrupt,)
    )
    return caught(lambda: model.invoke("hello"), ValueError)


@gives(["fine", ["fine"]])
def fallback_for_sequences(L):
    bad = L.ChatPromptTemplate.from_template("{x}") | scripted_model(L, RuntimeError("no such model"))
    good = L.PromptTemplate.from_template("again {x}") | L.FakeListLLM(responses=["fine"])
    chain = bad.with_fallbacks([good])
    return chain.invoke({"x": "y"}), [str(step) for step in list(chain.stream({"x": "y"}))]


@gives("after ValueError: bad input")
def fallback_that_sees_the_error(L):
    def parse(x):
        if "exception" in x:
            return f"after {type(x['exception']).__name__}: {x['exception']}"
        raise ValueError("bad " + x["text"])

    chain = L.RunnableLambda(parse).with_fallbacks([L.RunnableLambda(parse)], exception_key="exception")
    return chain.invoke({"text": "input"})


@gives("ZeroDivisionError")
def fallbacks_all_fail(L):
    first = L.RunnableLambda(lambda x: 1 / 0)
    second = L.RunnableLambda(lambda x: [][x])
    return caught(lambda: first.with_fallbacks([second]).invoke(3), ZeroDivisionError, IndexError)


@gives([1, -2, 3, -4])
def fallback_in_a_batch(L):
    def odd(x):
        if x % 2 == 0:
            raise ValueError(x)
        return x

    chain = L.RunnableLambda(odd).with_fallbacks([L.RunnableLambda(lambda x: -x)])
    return chain.batch([1, 2, 3, 4])


@gives(["short", "long"])
def fallback_by_prompt_length(L):
    short = L.RunnableLambda(lambda text: 1 / 0 if len(text) > 10 else "short")
    return short.with_fallbacks([L.RunnableLambda(lambda text: "long")]).batch(["a", "a" * 20])


@gives([7, [7, 7, 7]])
def retry_until_it_works(L):
    tries = []

    def flaky(x):
        tries.append(x)
        if len(tries) < 3:
            raise ValueError("not yet")
        return x

    runnable = L.RunnableLambda(flaky).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    return runnable.invoke(7), tries


@gives(["KeyError", [1]])
def retry_only_some_errors(L):
    tries = []

    def failing(x):
        tries.append(x)
        raise KeyError(x)

    runnable = L.RunnableLambda(failing).with_retry(
        retry_if_exception_type=(ValueError,), stop_after_attempt=3, wait_exponential_jitter=False
    )
    return caught(lambda: runnable.invoke(1), KeyError), tries


@gives(["ValueError", 2, "ValueError", 4])
def retry_gives_up_with_the_error(L):
    tries = []

    def failing(x):
        tries.append(x)
        raise ValueError(x)

    runnable = L.RunnableLambda(failing).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    return (
        caught(lambda: runnable.invoke(1), ValueError),
        len(tries),
        caught(lambda: asyncio.run(runnable.ainvoke(1)), ValueError),
        len(tries),
    )


@gives([4, [2, 2]])
def retry_in_a_chain(L):
    tries = []

    def flaky(x):
        tries.append(x)
        if len(tries) % 2:
            raise ValueError("first")
        return x * 2

    chain = L.RunnableLambda(lambda x: x + 1) | L.RunnableLambda(flaky).with_retry(wait_exponential_jitter=False)
    return chain.invoke(1), tries


@gives(["EQUATION: x=1", [{"stop": "SOLUTION"}]])
def bind_stop_sequences(L):
    model = scripted_model(L, "EQUATION: x=1")
    chain = (
        {"equation": L.RunnablePassthrough()}
        | L.ChatPromptTemplate.from_messages([("system", "solve"), ("human", "{equation}")])
        | model.bind(stop="SOLUTION")
        | L.StrOutputParser()
    )
    return chain.invoke("x plus one"), plain([kwargs for _, kwargs in model.asked])


@gives([True, True])
def bind_tools_of_openai(L):
    tools = [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "the weather now",
                "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
            },
        }
    ]
    model = scripted_model(L, "sunny")
    bound = model.bind(tools=tools)
    bound.invoke("how is it")
    return bound.kwargs == {"tools": tools}, model.asked[0][1]["tools"] == tools


@gives([["1", "1", "1"], [["temp", "Temperature", "of the model", 0.0]]])
def configurable_field_of_a_model(L):
    model = scripted_model(L, "1", temperature=0.0).configurable_fields(
        temperature=L.ConfigurableField(id="temp", name="Temperature", description="of the model")
    )
    read = L.RunnableLambda(lambda x: x)
    hot = model.with_config(configurable={"temp": 0.9})
    return plain([model.invoke("pick").content, hot.invoke("pick").content, (read | hot).invoke("q").content]), [
        (spec.id, spec.name, spec.description, spec.default) for spec in model.config_specs
    ]


@gives(["text: tell of bears", "text: sing of bears", "text: hum of bears"])
def configurable_field_of_a_prompt(L):
    prompt = L.PromptTemplate.from_template("tell of {topic}").configurable_fields(
        template=L.ConfigurableField(id="template")
    )
    return plain(
        [
            prompt.invoke({"topic": "bears"}),
            prompt.with_config(configurable={"template": "sing of {topic}"}).invoke({"topic": "bears"}),
            prompt.invoke({"topic": "bears"}, config={"configurable": {"template": "hum of {topic}"}}),
        ]
    )


@gives([["from the first", "from the second", "from the third"], "from the first"])
def configurable_alternatives_of_a_model(L):
    model = answering(L, "from the first").configurable_alternatives(
        L.ConfigurableField(id="llm"),
        default_key="first",
        second=answering(L, "from the second"),
        third=lambda: answering(L, "from the third"),
    )
    chain = L.PromptTemplate.from_template("a joke on {topic}") | model | L.StrOutputParser()
    return [
        chain.with_config(configurable={"llm": key}).invoke({"topic": "bears"}) for key in ("first", "second", "third")
    ], chain.invoke({"topic": "x"})


@gives(["A: a joke on bears", "A: a poem on bears", "ValueError"])
def configurable_alternatives_of_prompts_and_models(L):
    prompt = L.PromptTemplate.from_template("a joke on {topic}").configurable_alternatives(
        L.ConfigurableField(id="prompt"), default_key="joke", poem=L.PromptTemplate.from_template("a poem on {topic}")
    )
    model = L.RunnableLambda(lambda value: "A: " + value.to_string())
    chain = prompt | model
    saved = chain.with_config(configurable={"prompt": "poem"})
    return (
        chain.invoke({"topic": "bears"}),
        saved.invoke({"topic": "bears"}),
        caught(lambda: chain.invoke({"topic": "x"}, {"configurable": {"prompt": "song"}}), ValueError),
    )


@gives([["which", "which==a/text"], "text: two 1", "text: three 1"])
def configurable_alternatives_with_prefixes(L):
    first = L.PromptTemplate.from_template("one {x}").configurable_fields(template=L.ConfigurableField(id="text"))
    runnable = first.configurable_alternatives(
        L.ConfigurableField(id="which"), default_key="a", prefix_keys=True, b=L.PromptTemplate.from_template("two {x}")
    )
    return (
        sorted(spec.id for spec in runnable.config_specs),
        plain(runnable.invoke({"x": 1}, {"configurable": {"which": "b"}})),
        plain(runnable.invoke({"x": 1}, {"configurable": {"which==a/text": "three {x}"}})),
    )


@gives([["configurable"], ["llm", "template"]])
def config_schema_of_a_chain(L):
    prompt = L.PromptTemplate.from_template("{topic}").configurable_fields(template=L.ConfigurableField(id="template"))
    model = answering(L, "a").configurable_alternatives(
        L.ConfigurableField(id="llm"), default_key="a", b=answering(L, "b")
    )
    schema = (prompt | model).config_schema(include=["configurable"]).model_json_schema()
    return sorted(schema["properties"]), sorted(schema["$defs"]["Configurable"]["properties"])


@gives("tom")
def unknown_config_keys_are_configurable(L):
    def read(x, config):
        return config["configurable"].get("user")

    return L.RunnableLambda(read).invoke(1, {"configurable": {"user": "tom"}})


@gives(["ZeroDivisionError", [["start", {"input": 1}], ["end", {"output": 2}], "error"]])
def listeners_on_a_runnable(L):
    seen = []
    runnable = L.RunnableLambda(lambda x: x + 1).with_listeners(
        on_start=lambda run: seen.append(("start", run.inputs)), on_end=lambda run: seen.append(("end", run.outputs))
    )
    runnable.invoke(1)
    failing = L.RunnableLambda(lambda x: 1 / x).with_listeners(on_error=lambda run, config: seen.append("error"))
    return caught(lambda: failing.invoke(0), ZeroDivisionError), seen


@gives([2, [["start", {"input": 1}], ["end", {"output": 2}, ["t"]]]])
def async_listeners_on_a_runnable(L):
    seen = []

    async def start(run):
        seen.append(("start", run.inputs))

    async def end(run, config):
        seen.append(("end", run.outputs, config["tags"]))

    runnable = L.RunnableLambda(lambda x: x + 1).with_alisteners(on_start=start, on_end=end)
    return asyncio.run(runnable.ainvoke(1, {"tags": ["t"]})), seen


@gives(
    [[["a"], [["m", 1]]], [["a", "b", "c"], [["m", 3], ["n", 2]]]],
    there="the tags that are bound last replace the others",
)
def with_config_merges(L):
    def read(x, config):
        return sorted(config["tags"]), sorted(config["metadata"].items())

    runnable = L.RunnableLambda(read).with_config(tags=["a"], metadata={"m": 1})
    more = runnable.with_config({"tags": ["b"], "metadata": {"n": 2}})
    return plain([runnable.invoke(0), more.invoke(0, {"tags": ["c"], "metadata": {"m": 3}})])


@gives("RecursionError")
def recursion_limit_of_returned_runnables(L):
    def again(x):
        return L.RunnableLambda(again)

    return caught(lambda: L.RunnableLambda(again).invoke(1, {"recursion_limit": 5}), RecursionError)
