"""Chains from cookbooks: several prompts, self-correction, agents by hand, batches, nested shapes."""

from __future__ import annotations

import asyncio
import re
from operator import itemgetter

from documented_programs.expected import gives
from documented_programs.plain_data import caught, gathered, plain
from documented_programs.scripted import calling, scripted_model


@gives(["a plan", "Pros:\ngood\n\nCons:\nbad", "final answer"])
def debate_of_several_prompts(L):
    def says(text):
        return L.FakeListChatModel(responses=[text]) | L.StrOutputParser()

    planner = (
        L.ChatPromptTemplate.from_template("argue on {input}") | says("a plan") | {"base": L.RunnablePassthrough()}
    )
    pro = L.ChatPromptTemplate.from_template("pro {base}") | says("good")
    con = L.ChatPromptTemplate.from_template("con {base}") | says("bad")
    final = L.ChatPromptTemplate.from_messages(
        [("ai", "{original}"), ("human", "Pros:\n{pros}\n\nCons:\n{cons}"), ("system", "final answer")]
    ) | (lambda value: [message.content for message in value.to_messages()])
    chain = planner | {"pros": pro, "cons": con, "original": itemgetter("base")} | final
    return chain.invoke({"input": "scrum"})


@gives({"color": "red", "fruit": "cherry", "size": 3})
def colors_and_countries(L):
    color = (
        {"attribute": L.RunnablePassthrough()}
        | L.PromptTemplate.from_template("a color of {attribute}")
        | {"color": L.FakeListLLM(responses=["red"])}
    )
    fruit = L.PromptTemplate.from_template("a fruit of {color}") | L.FakeListLLM(responses=["cherry"])
    chain = color | L.RunnablePassthrough.assign(fruit=fruit, size=lambda x: len(x["color"]))
    return chain.invoke("warm")


@gives(4)
def code_that_is_run(L):
    def sanitize(text):
        _, after = text.split("```python")
        return after.split("```")[0].strip()

    model = L.FakeListChatModel(responses=["Here:\n```python\n2 + 2\n```"])
    chain = L.ChatPromptTemplate.from_template("{input}") | model | L.StrOutputParser() | sanitize | eval
    return chain.invoke({"input": "two plus two"})


@gives("Human: how many select count(*) from a 8")
def question_about_tables(L):
    def run_query(query):
        return {"select count(*) from a": "8"}[query]

    sql = (
        L.RunnablePassthrough.assign(schema=lambda _: "create table a")
        | L.ChatPromptTemplate.from_template("{schema} {question}")
        | scripted_model(L, "select count(*) from a\nSQLResult: x").bind(stop=["\nSQLResult:"])
        | L.StrOutputParser()
        | (lambda text: text.split("\n")[0])
    )
    full = (
        L.RunnablePassthrough.assign(query=sql).assign(response=lambda x: run_query(x["query"]))
        | L.ChatPromptTemplate.from_template("{question} {query} {response}")
        | (lambda value: value.to_string())
    )
    return full.invoke({"question": "how many"})


@gives(
    [
        ["human", "1 + 2 + 4"],
        ["ai", "", {"tool_calls": [{"name": "add", "args": {"a": 1, "b": 2}, "id": "1"}]}],
        ["tool", "3", {"name": "add", "tool_call_id": "1"}],
        ["ai", "", {"tool_calls": [{"name": "add", "args": {"a": 3, "b": 4}, "id": "2"}]}],
        ["tool", "7", {"name": "add", "tool_call_id": "2"}],
        ["ai", "done: 7"],
    ]
)
def agent_loop_by_hand(L):
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    add.__annotations__ = {"a": int, "b": int, "return": int}
    made = L.tool(add)
    model = scripted_model(
        L, calling(L, "add", {"a": 1, "b": 2}, "1"), calling(L, "add", {"a": 3, "b": 4}, "2"), "done: 7"
    ).bind_tools([made])
    messages = [L.HumanMessage("1 + 2 + 4")]
    while True:
        answer = model.invoke(messages)
        messages.append(answer)
        if not answer.tool_calls:
            return plain(messages)
        messages += made.batch(answer.tool_calls)


@gives(2)
def agent_loop_by_a_recursive_function(L):
    model = scripted_model(L, "again", "again", "stop")

    @L.chain
    def step(count):
        answer = model.invoke("q").content
        return L.RunnableLambda(lambda _: count + 1) | step if answer == "again" else count

    return step.invoke(0)


@gives(["ValueError", "hidden"])
def moderation_before_the_answer(L):
    def check(text):
        if "bad" in text:
            raise ValueError("not allowed")
        return text

    chain = (
        L.ChatPromptTemplate.from_template("{x}") | L.FakeListChatModel(responses=["bad words"]) | L.StrOutputParser()
    )
    return caught(lambda: (chain | check).invoke({"x": 1}), ValueError), (
        (chain | check).with_fallbacks([L.RunnableLambda(lambda _: "hidden")]).invoke({"x": 1})
    )


@gives({"a": {"x": 1, "y": {"z": "2"}}, "b": [1, 2]})
def several_inputs_by_nested_dicts(L):
    chain = L.RunnableParallel(
        a={"x": itemgetter("x"), "y": {"z": itemgetter("y") | L.RunnableLambda(str)}}, b=itemgetter("x", "y")
    )
    return chain.invoke({"x": 1, "y": 2})


@gives([{"a": 1}, "OutputParserException", [1]])
def batch_of_a_chain_with_its_errors(L):
    parser = L.JsonOutputParser()
    chain = L.RunnableLambda(lambda text: text) | parser
    return plain(chain.batch(['{"a": 1}', "no", "[1]"], return_exceptions=True))


@gives([[1, ["a"], {}], [2, ["b"], {"k": 1}]])
def batch_of_configs(L):
    def read(x, config):
        return x, config["tags"], config["metadata"]

    return L.RunnableLambda(read).batch([1, 2], [{"tags": ["a"]}, {"tags": ["b"], "metadata": {"k": 1}}])


@gives([[3, 5], [7, 9], [[0, 11]]])
def abatch_and_gather(L):
    async def main():
        async def slow(x):
            await asyncio.sleep(0)
            return x * 2

        chain = L.RunnableLambda(slow) | L.RunnableLambda(lambda x: x + 1)
        both = await asyncio.gather(chain.ainvoke(1), chain.ainvoke(2))
        return both, await chain.abatch([3, 4]), [pair async for pair in chain.abatch_as_completed([5])]

    return asyncio.run(main())


@gives(42)
def regular_expression_as_a_step(L):
    return (L.FakeListLLM(responses=["the answer is 42."]) | re.compile(r"\d+").findall | itemgetter(0) | int).invoke(
        "q"
    )


@gives([["n", 3], ["text", "3"]])
def builtin_functions_as_steps(L):
    chain = L.RunnableLambda(str.split) | len | {"n": lambda n: n, "text": str} | dict.items | list
    return chain.invoke("a b c")


@gives(["> > a", "> > > a"])
def class_methods_as_steps(L):
    class Service:
        def __init__(self, prefix):
            self.prefix = prefix

        def mark(self, text):
            return self.prefix + text

        async def amark(self, text):
            return self.prefix * 2 + text

    service = Service("> ")
    chain = L.RunnableLambda(service.mark, afunc=service.amark) | service.mark
    return chain.invoke("a"), asyncio.run(chain.ainvoke("a"))


@gives([{"a": "HI!!!", "b": 4}, ["A!"], {"a": "X!!!", "b": 3}])
def runnable_of_ones_own(L):
    class Shout(L.Runnable):
        def __init__(self, times):
            self.times = times

        def invoke(self, input, config=None, **kwargs):
            return input.upper() + "!" * self.times

    chain = L.RunnableLambda(str.strip) | Shout(2) | {"a": Shout(1), "b": len}
    return (
        chain.invoke(" hi "),
        list((L.RunnableLambda(str.strip) | Shout(1)).stream(" a ")),
        asyncio.run(chain.ainvoke("x")),
    )


@gives(["Hello Ann", "Hi Ann", ["YO A", "YO B"]])
def serializable_runnable_of_ones_own(L):
    class Greeter(L.RunnableSerializable):
        greeting: str = "Hello"

        def invoke(self, input, config=None, **kwargs):
            return f"{self.greeting} {input}"

    greeter = Greeter().configurable_fields(greeting=L.ConfigurableField(id="greeting"))
    return (
        greeter.invoke("Ann"),
        greeter.with_config(configurable={"greeting": "Hi"}).invoke("Ann"),
        (greeter | str.upper).batch(["a", "b"], {"configurable": {"greeting": "Yo"}}),
    )


@gives([["a", "#", "b"], ["a", "#", "b"], "a#b"])
def runnable_that_transforms_of_ones_own(L):
    class Redact(L.Runnable):
        def invoke(self, input, config=None, **kwargs):
            return input.replace("1", "#")

        def transform(self, input, config=None, **kwargs):
            for chunk in input:
                yield chunk.replace("1", "#")

        async def atransform(self, input, config=None, **kwargs):
            async for chunk in input:
                yield chunk.replace("1", "#")

    chain = L.FakeListChatModel(responses=["a1b"]) | L.StrOutputParser() | Redact()
    return list(chain.stream("q")), asyncio.run(gathered(chain.astream("q"))), chain.invoke("q")


@gives("a; a")
def parallel_of_a_list_of_questions(L):
    ask = L.ChatPromptTemplate.from_template("{q}") | L.FakeListChatModel(responses=["a"]) | L.StrOutputParser()
    chain = (lambda text: [{"q": part} for part in text.split("?") if part]) | ask.map() | "; ".join
    return chain.invoke("one?two?")


@gives("hi ann")
def first_step_is_a_function(L):
    def load(name):
        return {"name": name}

    return (load | L.PromptTemplate.from_template("hi {name}") | (lambda value: value.text)).invoke("ann")


@gives(
    [
        "RunnableLambda",
        "RunnableParallel<a>",
        "RunnablePassthrough",
        "RunnableAssign<a>",
        "RunnableEach<RunnableLambda>",
        "RunnableSequence",
        "abs",
        "RunnableWithFallbacks",
        "abs",
        "RunnableBranch",
        "StrOutputParser",
        "JsonOutputParser",
    ]
)
def get_name_of_everything(L):
    return [
        each.get_name()
        for each in (
            L.RunnableLambda(lambda x: x),
            L.RunnableParallel(a=lambda x: x),
            L.RunnablePassthrough(),
            L.RunnablePassthrough.assign(a=lambda x: x),
            L.RunnableLambda(lambda x: x).map(),
            L.RunnableLambda(lambda x: {"a": x}).pick("a"),
            L.RunnableLambda(abs).with_retry(),
            L.RunnableLambda(abs).with_fallbacks([L.RunnableLambda(str)]),
            L.RunnableLambda(abs).bind(a=1),
            L.RunnableBranch((lambda x: x, lambda x: x), lambda x: x),
            L.StrOutputParser(),
            L.JsonOutputParser(),
        )
    ]


@gives(
    [
        "abs",
        "abs",
        "RunnableWithFallbacks",
        "abs",
        "RunnableEach<abs>",
        "abs",
        "RunnableAssign<a>",
        "RunnableParallel<a>",
        "RunnableLambda map:key:a",
        "RunnableBranch",
        "RunnableLambda condition:1",
        "RunnableLambda branch:1",
        "RunnableSequence",
        "RunnableLambda seq:step:1",
        "RunnablePick<a> seq:step:2",
        "abs",
    ]
)
def runs_seen_for_everything(L):
    seen = []

    class Handler(L.BaseCallbackHandler):
        def on_chain_start(self, serialized, inputs, *, name=None, tags=None, **kwargs):
            seen.append(" ".join([str(name), *tags]))

    config = {"callbacks": [Handler()]}
    L.RunnableLambda(abs).with_retry().invoke(-1, config)
    L.RunnableLambda(abs).with_fallbacks([L.RunnableLambda(str)]).invoke(-1, config)
    L.RunnableLambda(abs).map().invoke([-1], config)
    L.RunnablePassthrough.assign(a=lambda x: 1).invoke({}, config)
    L.RunnableBranch((lambda x: x, lambda x: x), lambda x: x).invoke(True, config)
    L.RunnableLambda(lambda x: {"a": x}).pick("a").invoke(1, config)
    L.RouterRunnable({"a": L.RunnableLambda(abs)}).invoke({"key": "a", "input": 1}, config)
    return seen


@gives(["ZeroDivisionError", "ZeroDivisionError"])
def context_of_a_failure(L):
    chain = L.RunnableLambda(lambda x: x) | {"a": L.RunnableLambda(lambda x: 1 // x)}
    return caught(lambda: chain.invoke(0), ZeroDivisionError), caught(lambda: list(chain.stream(0)), ZeroDivisionError)


@gives({"name": "Ann", "age": 5})
def schema_driven_extraction(L):
    model = scripted_model(L, calling(L, "Person", {"name": "Ann", "age": 5}))
    tool = {
        "name": "Person",
        "description": "a person",
        "parameters": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
    }
    chain = model.bind_tools([tool], tool_choice="Person") | L.JsonOutputKeyToolsParser(
        key_name="Person", first_tool_only=True
    )
    return chain.invoke("Ann is 5")


@gives([[["system", "You speak French."], ["human", "hi"]], [["system", "You speak Latin."], ["human", "hi"]]])
def partial_prompt_in_a_branch(L):
    prompt = L.ChatPromptTemplate.from_messages([("system", "You speak {language}."), ("human", "{text}")])
    by_language = {name: prompt.partial(language=name) for name in ("French", "Latin")}
    chain = L.RunnableLambda(lambda x: by_language[x["to"]])
    return plain([chain.invoke({"to": name, "text": "hi"}) for name in by_language])


@gives([{}])
def config_of_the_run_in_metadata(L):
    seen = []

    class Handler(L.BaseCallbackHandler):
        def on_chain_start(self, serialized, inputs, *, metadata=None, **kwargs):
            seen.append(metadata)

    L.RunnableLambda(abs).invoke(1, {"callbacks": [Handler()], "configurable": {"thread": "1", "__secret": "x"}})
    return seen


@gives([[2, 3], [1], "Doubled"])
def runnable_of_ones_own_for_any_types(L):
    class Doubled(L.Runnable[L.Input, list[L.Output]]):
        def __init__(self, inner):
            self.inner = inner

        def invoke(self, input, config=None, **kwargs):
            return [self.inner.invoke(input, config), self.inner.invoke(input, config) + 1]

    doubled = Doubled(L.RunnableLambda(lambda x: x + 1))
    return doubled.invoke(1), (doubled | (lambda found: found[:1])).invoke(0), doubled.get_name()
