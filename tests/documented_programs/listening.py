"""Callback handlers, and how they are attached."""

from __future__ import annotations

import asyncio
import contextlib
import io

from documented_programs.expected import gives
from documented_programs.plain_data import caught, plain
from documented_programs.scripted import scripted_model


def _logging_handler(L, seen):
    class LoggingHandler(L.BaseCallbackHandler):
        def on_chat_model_start(self, serialized, messages, **kwargs):
            seen.append(["chat model started", kwargs.get("name"), plain(messages)])

        def on_llm_end(self, response, **kwargs):
            seen.append(["chat model ended", response.generations[0][0].text])

        def on_chain_start(self, serialized, inputs, **kwargs):
            seen.append(["chain started", kwargs.get("name"), plain(inputs), kwargs.get("tags")])

        def on_chain_end(self, outputs, **kwargs):
            seen.append(["chain ended", plain(outputs)])

        def on_chain_error(self, error, **kwargs):
            seen.append(["chain failed", type(error).__name__])

    return LoggingHandler()


@gives(
    [
        ["chain started", "RunnableSequence", {"number": "2"}, []],
        ["chain started", "ChatPromptTemplate", {"number": "2"}, ["seq:step:1"]],
        ["chain ended", [["human", "What is 1 + 2?"]]],
        ["chat model started", "ScriptedModel", [[["human", "What is 1 + 2?"]]]],
        ["chat model ended", "3"],
        ["chain ended", ["ai", "3"]],
    ],
    there="a model's start has a name only if one was bound",
)
def callbacks_at_run_time(L):
    seen = []
    chain = L.ChatPromptTemplate.from_template("What is 1 + {number}?") | scripted_model(L, "3")
    chain.invoke({"number": "2"}, config={"callbacks": [_logging_handler(L, seen)]})
    return seen


@gives(
    [
        ["chain started", "RunnableSequence"],
        ["chain started", "ChatPromptTemplate"],
        ["chain ended", [["human", "What is 1 + 2?"]]],
        ["chat model started", "ScriptedModel"],
        ["chat model ended", "3"],
        ["chain ended", ["ai", "3"]],
    ],
    there="a model's start has a name only if one was bound",
)
def callbacks_attached(L):
    seen = []
    chain = L.ChatPromptTemplate.from_template("What is 1 + {number}?") | scripted_model(L, "3")
    chain.with_config(callbacks=[_logging_handler(L, seen)]).invoke({"number": "2"})
    return [line[:2] for line in seen]


@gives(
    [["chat model started", "ScriptedModel", [[["human", "2"]]]], ["chat model ended", "3"]],
    there="a model's start has a name only if one was bound",
)
def callbacks_of_the_constructor(L):
    """They hear the model alone."""
    seen = []
    model = scripted_model(L, "3", callbacks=[_logging_handler(L, seen)])
    (L.ChatPromptTemplate.from_template("{number}") | model).invoke({"number": "2"})
    return seen


@gives(["one", " two", " three", ""])
def tokens_heard(L):
    seen = []

    class MyCustomHandler(L.BaseCallbackHandler):
        def on_llm_new_token(self, token, **kwargs):
            seen.append(token)

    model = scripted_model(L, "one two three", callbacks=[MyCustomHandler()])
    list((L.ChatPromptTemplate.from_template("{q}") | model).stream({"q": 1}))
    return seen


@gives([["a", " b", ""], [["end", "a b"], ["start"], ["sync", ""], ["sync", " b"], ["sync", "a"]]])
def tokens_and_ends_heard_async(L):
    seen = []

    class Sync(L.BaseCallbackHandler):
        def on_llm_new_token(self, token, **kwargs):
            seen.append(["sync", token])

    class Async(L.AsyncCallbackHandler):
        async def on_chat_model_start(self, serialized, messages, **kwargs):
            await asyncio.sleep(0)
            seen.append(["start"])

        async def on_llm_end(self, response, **kwargs):
            await asyncio.sleep(0)
            seen.append(["end", response.generations[0][0].text])

    model = scripted_model(L, "a b", callbacks=[Sync(), Async()])

    async def main():
        return [chunk.content async for chunk in model.astream("q")]

    return asyncio.run(main()), sorted(seen)


@gives(
    [
        "ZeroDivisionError",
        [
            ["chain started", "RunnableSequence"],
            ["chain started", "RunnableLambda"],
            ["chain ended", 1],
            ["chain started", "RunnableLambda"],
            ["chain failed", "ZeroDivisionError"],
            ["chain failed", "ZeroDivisionError"],
        ],
    ]
)
def errors_heard(L):
    seen = []
    chain = L.RunnableLambda(lambda x: x) | L.RunnableLambda(lambda x: 1 / 0)
    error = caught(lambda: chain.invoke(1, {"callbacks": [_logging_handler(L, seen)]}), ZeroDivisionError)
    return error, [line[:2] for line in seen]


@gives(
    [
        ["tool", "add", "{'a': 1}", {"a": 1}],
        ["tool end", 1],
        ["tool", "add", "{'a': 0}", {"a": 0}],
        ["tool error", "ZeroDivisionError"],
        ["retriever", "q"],
        ["retriever end", [{"page_content": "fact", "metadata": {}}]],
    ]
)
def tools_and_retrievers_heard(L):
    seen = []

    class Handler(L.BaseCallbackHandler):
        def on_tool_start(self, serialized, input_str, **kwargs):
            seen.append(["tool", serialized["name"], input_str, kwargs["inputs"]])

        def on_tool_end(self, output, **kwargs):
            seen.append(["tool end", plain(output)])

        def on_tool_error(self, error, **kwargs):
            seen.append(["tool error", type(error).__name__])

        def on_retriever_start(self, serialized, query, **kwargs):
            seen.append(["retriever", query])

        def on_retriever_end(self, documents, **kwargs):
            seen.append(["retriever end", plain(documents)])

    def add(a: int) -> int:
        """Adds one."""
        return 1 // a

    made = L.tool(add)
    store = L.InMemoryVectorStore.from_texts(["fact"], L.DeterministicFakeEmbedding(size=3))
    config = {"callbacks": [Handler()]}
    made.invoke({"a": 1}, config)
    caught(lambda: made.invoke({"a": 0}, config), ZeroDivisionError)
    store.as_retriever().invoke("q", config)
    return seen


@gives(
    [
        ["whole", True, ["t"], {"m": 1}],
        ["one", False, ["own", "seq:step:1", "t"], {"m": 1}],
        ["RunnableParallel<a>", False, ["seq:step:2", "t"], {"m": 1}],
        ["RunnableLambda", False, ["map:key:a", "t"], {"m": 1}],
    ]
)
def names_tags_metadata_heard(L):
    seen = []

    class Handler(L.BaseCallbackHandler):
        def on_chain_start(self, serialized, inputs, *, run_id, parent_run_id=None, tags=None, metadata=None, **kwargs):
            seen.append([kwargs.get("name"), parent_run_id is None, sorted(tags), metadata])

    chain = L.RunnableLambda(lambda x: x).with_config(run_name="one", tags=["own"]) | {"a": lambda x: x}
    chain.invoke(1, {"callbacks": [Handler()], "tags": ["t"], "metadata": {"m": 1}, "run_name": "whole"})
    return seen


@gives("ValueError")
def handler_that_fails(L):
    class Loud(L.BaseCallbackHandler):
        raise_error = True

        def on_chain_start(self, serialized, inputs, **kwargs):
            raise ValueError("handler")

    return caught(lambda: L.RunnableLambda(lambda x: x).invoke(1, {"callbacks": [Loud()]}), ValueError)


@gives(["model"])
def handler_that_ignores_chains(L):
    seen = []

    class Only(L.BaseCallbackHandler):
        ignore_chain = True

        def on_chain_start(self, serialized, inputs, **kwargs):
            seen.append("chain")

        def on_chat_model_start(self, serialized, messages, **kwargs):
            seen.append("model")

    (L.RunnablePassthrough() | scripted_model(L, "a")).invoke("q", {"callbacks": [Only()]})
    return seen


@gives(["RunnableSequence", {"input": 1}, {"output": "2"}, ["RunnableLambda", "str"], "chain"])
def runs_collected(L):
    with L.collect_runs() as collected:
        (L.RunnableLambda(lambda x: x + 1) | L.RunnableLambda(str)).invoke(1)
    run = collected.traced_runs[0]
    return run.name, run.inputs, run.outputs, [child.name for child in run.child_runs], run.run_type


@gives([["chain started", "outer"], ["chain started", "inner"], ["chain ended", 1], ["chain ended", 1]])
def manager_of_callbacks_in_a_function(L):
    seen = []

    def outer(x, config):
        inner = L.RunnableLambda(lambda y: y).with_config(run_name="inner")
        return inner.invoke(x, config={"callbacks": config["callbacks"]})

    L.RunnableLambda(outer).invoke(1, {"callbacks": [_logging_handler(L, seen)]})
    return [line[:2] for line in seen]


@gives(
    [["chain started", "outer"], ["chain started", "inner"], ["chain started", "aouter"], ["chain started", "inner"]]
)
def callbacks_reach_nested_calls(L):
    """Without handing on the config."""
    seen = []
    inner = L.RunnableLambda(lambda x: x + 1).with_config(run_name="inner")

    def outer(x):
        return inner.invoke(x)

    async def aouter(x):
        return await inner.ainvoke(x)

    L.RunnableLambda(outer).invoke(1, {"callbacks": [_logging_handler(L, seen)]})
    asyncio.run(L.RunnableLambda(aouter).ainvoke(1, {"callbacks": [_logging_handler(L, seen)]}))
    return [line[:2] for line in seen if line[0] == "chain started"]


@gives(True)
def text_to_standard_output(L):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        L.RunnableLambda(lambda x: x).invoke(1, {"callbacks": [L.StdOutCallbackHandler()]})
    return "chain" in out.getvalue()


@gives([["RunnableSequence", {"input": -1}, {"output": "1"}, ["abs", "str"]]])
def runs_collected_by_a_handler(L):
    collector = L.RunCollectorCallbackHandler()
    (L.RunnableLambda(abs) | L.RunnableLambda(str, name="str")).invoke(-1, {"callbacks": [collector]})
    return [[run.name, run.inputs, run.outputs, [c.name for c in run.child_runs]] for run in collector.traced_runs]


@gives([False, True, True, True, True])
def debugging_everything(L):
    before = L.get_debug()
    L.set_debug(True)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            (L.PromptTemplate.from_template("{a}") | L.FakeListChatModel(responses=["x"])).invoke({"a": 1})
        during = L.get_debug()
    finally:
        L.set_debug(False)
    model = "[llm/start]\x1b[0m \x1b[1m[chain:RunnableSequence > llm:FakeListChatModel] Entering LLM run with input:"
    with contextlib.redirect_stdout(io.StringIO()) as heard:
        L.RunnableLambda(abs).invoke(-1, {"callbacks": [L.ConsoleCallbackHandler()]})
    place = '[chain:abs] Entering Chain run with input:\n\x1b[0m{\n  "input": -1\n}'
    return before, during, model in said.getvalue(), '"Human: 1"' in said.getvalue(), place in heard.getvalue()
