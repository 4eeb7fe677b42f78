"""Streams of events and of log patches."""

from __future__ import annotations

import asyncio

from documented_programs.expected import gives
from documented_programs.plain_data import all_events, caught, event_lines, plain


@gives(
    [
        ["on_chat_model_start", "GenericFakeChatModel", {"input": "q"}, []],
        ["on_chat_model_stream", "GenericFakeChatModel", {"chunk": ["AIMessageChunk", "hello"]}, []],
        ["on_chat_model_stream", "GenericFakeChatModel", {"chunk": ["AIMessageChunk", " "]}, []],
        ["on_chat_model_stream", "GenericFakeChatModel", {"chunk": ["AIMessageChunk", "there"]}, []],
        ["on_chat_model_end", "GenericFakeChatModel", {"output": ["AIMessageChunk", "hello there"]}, []],
    ]
)
def events_of_a_model(L):
    model = L.GenericFakeChatModel(messages=iter([L.AIMessage("hello there")]))
    events = asyncio.run(all_events(model.astream_events("q", version="v2")))
    return plain([[event["event"], event["name"], event["data"], event["parent_ids"]] for event in events])


def _events(L, runnable, given, **arguments):
    return asyncio.run(all_events(runnable.astream_events(given, version="v2", **arguments)))


def _json_chain(L):
    model = L.GenericFakeChatModel(messages=iter([L.AIMessage('{"a": 1}')])).with_config(run_name="model")
    return model | L.JsonOutputParser().with_config(run_name="my_parser", tags=["my_chain"])


@gives(
    [
        "on_chain_start RunnableSequence",
        "on_chat_model_start model seq:step:1",
        "on_chat_model_stream model seq:step:1",
        "on_parser_start my_parser seq:step:2 my_chain",
        "on_parser_stream my_parser seq:step:2 my_chain",
        "on_chain_stream RunnableSequence",
        "on_chat_model_stream model seq:step:1",
        "on_chat_model_stream model seq:step:1",
        "on_parser_stream my_parser seq:step:2 my_chain",
        "on_chain_stream RunnableSequence",
        "on_chat_model_end model seq:step:1",
        "on_parser_end my_parser seq:step:2 my_chain",
        "on_chain_end RunnableSequence",
    ]
)
def events_of_a_chain(L):
    return event_lines(_events(L, _json_chain(L), "q"))


@gives(
    [
        "on_parser_start my_parser seq:step:2 my_chain",
        "on_parser_stream my_parser seq:step:2 my_chain",
        "on_parser_stream my_parser seq:step:2 my_chain",
        "on_parser_end my_parser seq:step:2 my_chain",
    ]
)
def events_by_name(L):
    return event_lines(_events(L, _json_chain(L), "q", include_names=["my_parser"]))


@gives(
    [
        "on_chat_model_start model seq:step:1",
        "on_chat_model_stream model seq:step:1",
        "on_chat_model_stream model seq:step:1",
        "on_chat_model_stream model seq:step:1",
        "on_chat_model_end model seq:step:1",
    ]
)
def events_by_type(L):
    return event_lines(_events(L, _json_chain(L), "q", include_types=["chat_model"]))


@gives(
    [
        "on_parser_start my_parser seq:step:2 my_chain",
        "on_parser_stream my_parser seq:step:2 my_chain",
        "on_parser_stream my_parser seq:step:2 my_chain",
        "on_parser_end my_parser seq:step:2 my_chain",
    ]
)
def events_by_tag(L):
    return event_lines(_events(L, _json_chain(L), "q", include_tags=["my_chain"]))


@gives(
    [
        "on_chain_start RunnableSequence",
        "on_chain_stream RunnableSequence",
        "on_chain_stream RunnableSequence",
        "on_chain_end RunnableSequence",
    ]
)
def events_excluded(L):
    return event_lines(_events(L, _json_chain(L), "q", exclude_names=["model"], exclude_types=["parser"]))


@gives(
    [
        [
            "on_chain_start sums t",
            "on_chain_start RunnableLambda seq:step:1 t",
            "on_chain_stream RunnableLambda seq:step:1 t",
            "on_chain_start RunnableLambda seq:step:2 t",
            "on_chain_end RunnableLambda seq:step:1 t",
            "on_chain_stream RunnableLambda seq:step:2 t",
            "on_chain_stream sums t",
            "on_chain_end RunnableLambda seq:step:2 t",
            "on_chain_end sums t",
        ],
        [
            {"input": 1},
            {},
            {"chunk": 2},
            {},
            {"output": 2, "input": 1},
            {"chunk": 4},
            {"chunk": 4},
            {"output": 4, "input": 2},
            {"output": 4},
        ],
        {"k": "v"},
        3,
    ]
)
def events_of_the_chain_with_tags_and_metadata(L):
    chain = (L.RunnableLambda(lambda x: x + 1) | L.RunnableLambda(lambda x: x * 2)).with_config(
        run_name="sums", tags=["t"], metadata={"k": "v"}
    )
    events = _events(L, chain, 1)
    return (
        event_lines(events),
        [event["data"] for event in events],
        events[0]["metadata"],
        len({event["run_id"] for event in events}),
    )


@gives(
    [
        [
            "on_chain_start RunnableSequence",
            "on_chain_start RunnableLambda seq:step:1",
            "on_chain_stream RunnableLambda seq:step:1",
        ],
        [
            {"input": 1},
            {},
            {"chunk": 2},
            {},
            {"output": 2, "input": 1},
            {"chunk": "2"},
            {"chunk": "2"},
            {"output": "2", "input": 2},
            {"output": "2"},
        ],
    ]
)
def events_version_1(L):
    chain = L.RunnableLambda(lambda x: x + 1) | L.RunnableLambda(str)
    events = asyncio.run(all_events(chain.astream_events(1, version="v1")))
    return event_lines(events)[:3], plain([event["data"] for event in events])


@gives(
    [
        ["on_tool_start bad_tool", "on_chain_start reverse_word", "on_chain_end reverse_word", "on_tool_end bad_tool"],
        [
            "on_tool_start correct_tool",
            "on_chain_start reverse_word",
            "on_chain_end reverse_word",
            "on_tool_end correct_tool",
        ],
    ]
)
def events_of_a_tool_with_and_without_callbacks(L):
    def reverse_word(word):
        return word[::-1]

    reverse = L.RunnableLambda(reverse_word)

    @L.tool
    def bad_tool(word: str):
        """Custom tool that passes no callbacks."""
        return reverse.invoke(word)

    @L.tool
    def correct_tool(word: str, callbacks):
        """A tool that passes the callbacks on."""
        return reverse.invoke(word, {"callbacks": callbacks})

    return [event_lines(_events(L, each, {"word": "hello"})) for each in (bad_tool, correct_tool)]


@gives(
    [
        [
            "on_chain_start reverse_and_double",
            "on_chain_start reverse_word",
            "on_chain_end reverse_word",
            "on_chain_stream reverse_and_double",
            "on_chain_end reverse_and_double",
        ],
        [
            {"input": "1234"},
            {"input": "1234"},
            {"output": "4321", "input": "1234"},
            {"chunk": "43214321"},
            {"output": "43214321"},
        ],
    ]
)
def events_of_a_chain_inside_a_function(L):
    def reverse_word(word):
        return word[::-1]

    reverse = L.RunnableLambda(reverse_word)

    @L.chain
    async def reverse_and_double(word):
        return await reverse.ainvoke(word) * 2

    events = _events(L, reverse_and_double, "1234")
    return event_lines(events), [event["data"] for event in events]


@gives(
    [
        "on_chain_end RunnableAssign<b> seq:step:2",
        "on_chain_end RunnableParallel<a> seq:step:1",
        "on_chain_end RunnableParallel<b>",
        "on_chain_end RunnableSequence",
        "on_chain_end first map:key:a",
        "on_chain_end second map:key:b",
        "on_chain_start RunnableAssign<b> seq:step:2",
        "on_chain_start RunnableParallel<a> seq:step:1",
        "on_chain_start RunnableParallel<b>",
        "on_chain_start RunnableSequence",
        "on_chain_start first map:key:a",
        "on_chain_start second map:key:b",
        "on_chain_stream RunnableAssign<b> seq:step:2",
        "on_chain_stream RunnableAssign<b> seq:step:2",
        "on_chain_stream RunnableParallel<a> seq:step:1",
        "on_chain_stream RunnableParallel<b>",
        "on_chain_stream RunnableSequence",
        "on_chain_stream RunnableSequence",
        "on_chain_stream first map:key:a",
        "on_chain_stream second map:key:b",
    ]
)
def events_of_a_dict(L):
    chain = {"a": L.RunnableLambda(lambda x: x).with_config(run_name="first")} | L.RunnablePassthrough.assign(
        b=L.RunnableLambda(lambda x: 2).with_config(run_name="second")
    )
    return sorted(event_lines(_events(L, chain, 1)))


@gives(
    [
        "on_chain_end RunnableParallel<context,question> seq:step:1",
        "on_chain_end RunnablePassthrough map:key:question",
        "on_chain_end RunnableSequence",
        "on_chain_start RunnableParallel<context,question> seq:step:1",
        "on_chain_start RunnablePassthrough map:key:question",
        "on_chain_start RunnableSequence",
        "on_chat_model_end my_model seq:step:3",
        "on_chat_model_start my_model seq:step:3",
        "on_parser_end StrOutputParser seq:step:4",
        "on_parser_start StrOutputParser seq:step:4",
        "on_prompt_end my_prompt seq:step:2",
        "on_prompt_start my_prompt seq:step:2",
        "on_retriever_end Docs map:key:context InMemoryVectorStore DeterministicFakeEmbedding",
        "on_retriever_start Docs map:key:context InMemoryVectorStore DeterministicFakeEmbedding",
    ]
)
def events_of_retriever_prompt_model_parser(L):
    store = L.InMemoryVectorStore.from_texts(["a fact"], L.DeterministicFakeEmbedding(size=3))
    chain = (
        L.RunnableParallel(context=store.as_retriever().with_config(run_name="Docs"), question=L.RunnablePassthrough())
        | L.ChatPromptTemplate.from_template("{question}").with_config(run_name="my_prompt")
        | L.FakeListChatModel(responses=["ab"]).with_config(run_name="my_model")
        | L.StrOutputParser()
    )
    events = [event for event in _events(L, chain, "q") if "stream" not in event["event"]]
    return sorted(event_lines(events))


@gives(
    [
        [
            "on_chain_start slow",
            "on_custom_event progress",
            "on_custom_event progress",
            "on_chain_stream slow",
            "on_chain_end slow",
        ],
        [{"done": 1}, {"done": 2}],
    ]
)
def custom_events_in_a_stream(L):
    @L.chain
    async def slow(text, config):
        await L.adispatch_custom_event("progress", {"done": 1}, config=config)
        await L.adispatch_custom_event("progress", {"done": 2}, config=config)
        return text

    events = _events(L, slow, "x")
    return event_lines(events), [event["data"] for event in events if event["event"] == "on_custom_event"]


@gives([["event1", {"x": 1}, ["foo"], {"a": 1}]])
def custom_events_from_sync_code(L):
    seen = []

    class Handler(L.BaseCallbackHandler):
        def on_custom_event(self, name, data, *, run_id, tags=None, metadata=None, **kwargs):
            seen.append((name, data, tags, metadata))

    def work(x):
        L.dispatch_custom_event("event1", {"x": x})
        return x

    L.RunnableLambda(work).invoke(1, {"callbacks": [Handler()], "tags": ["foo"], "metadata": {"a": 1}})
    return plain(seen)


@gives("RuntimeError")
def custom_event_outside_of_a_run(L):
    return caught(lambda: L.dispatch_custom_event("x", {}), RuntimeError)


@gives(
    [
        [["replace", ""]],
        [["add", "/logs/Docs"]],
        [["add", "/logs/Docs/final_output"], ["add", "/logs/Docs/end_time"]],
        [["add", "/streamed_output/-"], ["replace", "/final_output"]],
        [["add", "/streamed_output/-"], ["replace", "/final_output"]],
    ]
)
def log_of_a_retrieval_chain(L):
    store = L.InMemoryVectorStore.from_texts(["a fact"], L.DeterministicFakeEmbedding(size=3), ids=["1"])
    chain = (
        {"context": store.as_retriever().with_config(run_name="Docs"), "question": L.RunnablePassthrough()}
        | L.ChatPromptTemplate.from_template("{context} {question}")
        | L.FakeListChatModel(responses=["ab"])
        | L.StrOutputParser()
    )
    patches = asyncio.run(all_events(chain.astream_log("q", include_names=["Docs"])))
    return [[(op["op"], op["path"]) for op in patch.ops] for patch in patches]


@gives([8, "2", ["2"], ["RunnableLambda", "str"], ["final_output", "id", "logs", "name", "streamed_output", "type"]])
def log_states(L):
    async def states(chain):
        return [state async for state in chain.astream_log(1, diff=False)]

    got = asyncio.run(states(L.RunnableLambda(lambda x: x + 1) | L.RunnableLambda(str)))
    last = got[-1].state
    return len(got), last["final_output"], last["streamed_output"], sorted(last["logs"]), sorted(last)


@gives("ab")
def log_patches_added_up(L):
    async def final(chain):
        total = None
        async for patch in chain.astream_log("q"):
            total = patch if total is None else total + patch
        return total

    return asyncio.run(final(L.FakeListChatModel(responses=["ab"]) | L.StrOutputParser())).state["final_output"]


@gives(
    [["end_time", "final_output", "id", "metadata", "name", "start_time", "streamed_output", "tags", "type"], True, 2]
)
def types_of_what_is_streamed(L):
    async def streamed():
        states: list[L.RunState] = [log.state async for log in L.RunnableLambda(abs).astream_log(-1, diff=False)]
        events: list[L.StreamEvent] = await all_events(L.RunnableLambda(abs).astream_events(-1, version="v2"))
        return states[-1], events

    state, events = asyncio.run(streamed())
    entry = sorted(key for key in L.LogEntry.__annotations__ if key not in ("streamed_output_str", "inputs"))
    return entry, set(state) == set(L.RunState.__annotations__), sum(e["data"].get("chunk", 1) for e in events[1:])
