"""Sequences, dicts, functions and passthrough."""

from __future__ import annotations

import asyncio
from operator import itemgetter

from documented_programs.expected import gives
from documented_programs.plain_data import caught, plain


@gives("otterly bad")
def prompt_model_parser(L):
    prompt = L.ChatPromptTemplate.from_template("a pun about {animal}")
    chain = prompt | L.FakeListChatModel(responses=["otterly bad"]) | L.StrOutputParser()
    return chain.invoke({"animal": "otters"})


@gives(["ai", "otterly bad"])
def chain_without_parser(L):
    prompt = L.ChatPromptTemplate.from_messages([("system", "be brief"), ("user", "a pun about {animal}")])
    return plain((prompt | L.FakeListChatModel(responses=["otterly bad"])).invoke({"animal": "otters"}))


@gives("not funny")
def chain_in_a_chain(L):
    model = L.FakeListChatModel(responses=["otterly bad", "not funny"])
    pun = L.ChatPromptTemplate.from_template("a pun about {animal}") | model | L.StrOutputParser()
    judge = L.ChatPromptTemplate.from_template("is it funny: {pun}") | model | L.StrOutputParser()
    return ({"pun": pun} | judge).invoke({"animal": "otters"})


@gives(["not funny", ["otterly bad"]])
def chain_with_lambda_between(L):
    model = L.FakeListChatModel(responses=["otterly bad", "not funny"])
    pun = L.ChatPromptTemplate.from_template("a pun about {animal}") | model | L.StrOutputParser()
    seen = []
    judge = L.ChatPromptTemplate.from_template("is it funny: {pun}") | model | L.StrOutputParser()
    chain = pun | (lambda text: seen.append(text) or {"pun": text}) | judge
    return chain.invoke({"animal": "otters"}), seen


@gives("8")
def chain_by_pipe_method(L):
    first = L.RunnableLambda(lambda x: x + 1)
    return first.pipe(lambda x: x * 2, L.RunnableLambda(str)).invoke(3)


@gives(["sums", 4])
def pipe_with_name(L):
    named = L.RunnableLambda(lambda x: x + 1).pipe(lambda x: x * 2, name="sums")
    return named.get_name(), named.invoke(1)


@gives([4, [4, 6, 8], 2])
def sequence_made_by_its_class(L):
    sequence = L.RunnableSequence(lambda x: x + 1, lambda x: x * 2)
    return sequence.invoke(1), sequence.batch([1, 2, 3]), len(sequence.steps)


@gives([["abs", "str", "len"], "abs", "len"])
def sequence_first_middle_last(L):
    sequence = L.RunnableLambda(abs) | str | len
    return [step.get_name() for step in sequence.steps], sequence.first.get_name(), sequence.last.get_name()


@gives(
    [{"plus": 6, "minus": 4}, {"plus": 6, "minus": 4}, {"plus": 6, "minus": 4}, {"plus": 7, "minus": 5}, {"plus": 2}]
)
def parallel_by_keywords_and_by_dict(L):
    plus, minus = L.RunnableLambda(lambda x: x + 1), L.RunnableLambda(lambda x: x - 1)
    return (
        L.RunnableParallel(plus=plus, minus=minus).invoke(5),
        L.RunnableParallel({"plus": plus, "minus": minus}).invoke(5),
        L.RunnableParallel({"plus": plus}, minus=minus).invoke(5),
        (plus | {"plus": plus, "minus": minus}).invoke(5),
        L.RunnableMap(plus=plus).invoke(1),
    )


@gives({"joke": ["ai", "ha"], "poem": ["ai", "roses"]})
def parallel_chains_of_models(L):
    prompts = {name: L.ChatPromptTemplate.from_template(name + " about {topic}") for name in ("joke", "poem")}
    both = L.RunnableParallel(
        joke=prompts["joke"] | L.FakeListChatModel(responses=["ha"]),
        poem=prompts["poem"] | L.FakeListChatModel(responses=["roses"]),
    )
    return plain(both.invoke({"topic": "bears"}))


@gives([[{"a": 2, "b": 2}, {"a": 3, "b": 4}], [{"a": 4, "b": 6}, {"a": 5, "b": 8}]])
def parallel_batch(L):
    both = L.RunnableParallel(a=lambda x: x + 1, b=lambda x: x * 2)
    return both.batch([1, 2]), asyncio.run(both.abatch([3, 4]))


@gives("bears")
def retrieval_shape(L):
    context = L.RunnableLambda(lambda question: [L.Document(page_content=f"about {question}")])
    chain = (
        {"context": context, "question": L.RunnablePassthrough()}
        | L.ChatPromptTemplate.from_template("{context} / {question}")
        | (lambda prompt: prompt.to_messages()[0].content.split(" / ")[1])
    )
    return chain.invoke("bears")


@gives("ja")
def itemgetter_as_shorthand(L):
    chain = (
        {
            "context": itemgetter("question") | L.RunnableLambda(str.upper),
            "question": itemgetter("question"),
            "language": itemgetter("language"),
        }
        | L.ChatPromptTemplate.from_template("{context} {question} {language}")
        | L.FakeListChatModel(responses=["ja"])
        | L.StrOutputParser()
    )
    return chain.invoke({"question": "why", "language": "german"})


@gives(["ai", "12"])
def functions_with_one_dict_for_many_arguments(L):
    def length(text):
        return len(text)

    def product(texts):
        return len(texts["a"]) * len(texts["b"])

    chain = (
        {
            "a": itemgetter("foo") | L.RunnableLambda(length),
            "b": {"a": itemgetter("foo"), "b": itemgetter("bar")} | L.RunnableLambda(product),
        }
        | L.ChatPromptTemplate.from_template("{a} + {b}")
        | L.FakeListChatModel(responses=["12"])
    )
    return plain(chain.invoke({"foo": "abc", "bar": "gah"}))


@gives({"passed": {"num": 1}, "modified": 2})
def passthrough_beside_a_lambda(L):
    runnable = L.RunnableParallel(passed=L.RunnablePassthrough(), modified=lambda x: x["num"] + 1)
    return runnable.invoke({"num": 1})


@gives([2, [1]])
def passthrough_with_a_function(L):
    seen = []
    noting = L.RunnablePassthrough(lambda x: seen.append(x))
    return (noting | (lambda x: x + 1)).invoke(1), seen


@gives({"extra": {"num": 1, "mult": 3}, "plus": 2})
def passthrough_assign(L):
    runnable = L.RunnableParallel(
        extra=L.RunnablePassthrough.assign(mult=lambda x: x["num"] * 3), plus=lambda x: x["num"] + 1
    )
    return runnable.invoke({"num": 1})


@gives([{"a": 1, "b": 2, "c": 3}, [[["a", 1]], [["b", 2]], [["c", 3]]]])
def assign_on_a_runnable(L):
    chain = L.RunnableParallel(a=lambda x: x, b=lambda x: x + 1).assign(c=lambda d: d["a"] + d["b"])
    return chain.invoke(1), sorted(list(chunk.items()) for chunk in chain.stream(1))


@gives({"num": 2, "other": "x", "old": 1})
def assign_several_and_overwrite(L):
    chain = L.RunnablePassthrough.assign(num=lambda x: x["num"] + 1, old=itemgetter("num"))
    return chain.invoke({"num": 1, "other": "x"})


@gives("ValueError")
def assign_needs_a_dict(L):
    return caught(lambda: L.RunnablePassthrough.assign(a=lambda x: x).invoke("text"), ValueError, TypeError)


@gives([1, {"a": 1, "c": 3}, [{"b": 2}]])
def pick_one_and_many(L):
    runnable = L.RunnableParallel(a=lambda x: x, b=lambda x: x + 1, c=lambda x: x + 2)
    return runnable.pick("a").invoke(1), runnable.pick(["a", "c"]).invoke(1), list(runnable.pick(["b"]).stream(1))


@gives({"a": 1, "b": {"c": 2}})
def sequence_of_dicts_and_literals(L):
    return (L.RunnablePassthrough() | {"a": lambda x: x, "b": {"c": lambda x: x + 1}}).invoke(1)


@gives(
    [
        {"content": "hi", "type": "human"},
        ["langchain", "schema", "messages", "HumanMessage"],
        ["langchain", "schema", "runnable", "RunnableSequence"],
        ["human", "hi"],
        "tell me of bears",
        ["a", "b"],
        "not_implemented",
        "NotImplementedError",
    ]
)
def saved_and_loaded(L):
    message = L.dumpd(L.HumanMessage("hi"))
    prompt = L.ChatPromptTemplate.from_messages([("human", "tell me of {it}"), L.MessagesPlaceholder("rest")])
    chain = L.StrOutputParser() | L.CommaSeparatedListOutputParser()
    read = L.loads(L.dumps(prompt, pretty=True))
    function = L.dumpd(L.RunnableLambda(len))
    return (
        message["kwargs"],
        message["id"],
        L.dumpd(chain)["id"],
        plain(L.load(message)),
        read.invoke({"it": "bears", "rest": []}).messages[0].content,
        L.load(L.dumpd(chain)).invoke("a, b"),
        function["type"],
        caught(lambda: L.load(function), NotImplementedError),
    )
