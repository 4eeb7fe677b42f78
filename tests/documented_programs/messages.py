"""Messages: their forms, chunks, and what is done with lists of them."""

from __future__ import annotations

import json

from documented_programs.expected import gives
from documented_programs.plain_data import caught, plain
from documented_programs.scripted import scripted_model


@gives(
    [
        [["human", "hello"]],
        [["system", "be brief"], ["human", "hi"]],
        [["human", "hi"], ["ai", "yes"]],
        [["system", "be"], ["human", "x"]],
        [["human", "one"], ["human", "two"]],
        [["human", "1"]],
    ]
)
def messages_given_in_many_forms(L):
    model = scripted_model(L, "ok")
    for given in (
        "hello",
        [("system", "be brief"), ("human", "hi")],
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}],
        [L.SystemMessage("be"), L.HumanMessage("x")],
        ["one", "two"],
        L.ChatPromptTemplate.from_template("{a}").invoke({"a": 1}),
    ):
        model.invoke(given)
    return plain([messages for messages, _ in model.asked])


@gives(
    [
        ["system", "s"],
        ["ai", "", {"tool_calls": [{"name": "f", "args": {"a": 1}, "id": "1"}]}],
        ["tool", "2", {"tool_call_id": "1"}],
        ["ai", "x"],
        ["human", "text"],
    ]
)
def messages_converted(L):
    return plain(
        L.convert_to_messages(
            [
                {"role": "system", "content": "s"},
                {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "args": {"a": 1}, "id": "1"}]},
                {"role": "tool", "content": "2", "tool_call_id": "1"},
                ("ai", "x"),
                "text",
            ]
        )
    )


@gives([["ai", "", {"tool_calls": [{"name": "f", "args": {"a": 1}, "id": "1"}]}]])
def openai_dicts_with_tool_calls(L):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    return plain(L.convert_to_messages([{"role": "assistant", "content": None, "tool_calls": [call]}]))


@gives(
    [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "what is it"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "function", "id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "content": "2", "tool_call_id": "1", "name": "f"},
    ]
)
def messages_as_openai_dicts(L):
    messages = [
        L.SystemMessage("s"),
        L.HumanMessage([{"type": "text", "text": "what is it"}]),
        L.AIMessage("", tool_calls=[L.ToolCall(name="f", args={"a": 1}, id="1")]),
        L.ToolMessage("2", tool_call_id="1", name="f"),
    ]
    return L.convert_to_openai_messages(messages)


@gives(["Hello", "Hel", "plain"])
def content_as_text_and_blocks(L):
    message = L.AIMessage(content=[{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}])
    return str(message.text), message.content[0]["text"], str(L.HumanMessage("plain").text)


@gives(
    [
        "image",
        [
            "human",
            [
                {"type": "text", "text": "describe"},
                {"type": "image", "source_type": "url", "url": "https://example.com/a.png"},
            ],
        ],
    ]
)
def multimodal_message(L):
    model = L.RunnableLambda(lambda messages: messages[0].content[1]["type"])
    message = L.HumanMessage(
        content=[
            {"type": "text", "text": "describe"},
            {"type": "image", "source_type": "url", "url": "https://example.com/a.png"},
        ]
    )
    return model.invoke([message]), plain(message)


@gives([["AIMessageChunk", "Hello!"], "1", ["ai", "Hello!"]])
def chunks_added_up(L):
    chunks = [L.AIMessageChunk("Hel", id="1"), L.AIMessageChunk("lo", id="1"), L.AIMessageChunk("!", id="1")]
    total = chunks[0] + chunks[1] + chunks[2]
    return plain(total), total.id, plain(L.message_chunk_to_message(total))


@gives(
    [
        [[{}], [{}], [{"a": 1}], [{"a": 1, "b": 2}]],
        [{"name": "add", "args": '{"a": 1, "b": 2}', "id": "1", "index": 0, "type": "tool_call_chunk"}],
    ]
)
def tool_call_chunks_added_up(L):
    def part(**fields):
        return L.AIMessageChunk("", tool_call_chunks=[L.tool_call_chunk(index=0, **fields)])

    gathered, seen = None, []
    for chunk in (part(name="add", args="", id="1"), part(args='{"a"'), part(args=": 1"), part(args=', "b": 2}')):
        gathered = chunk if gathered is None else gathered + chunk
        seen.append([call["args"] for call in gathered.tool_calls])
    return plain(seen), plain(gathered.tool_call_chunks)


@gives(["AIMessageChunk", "ab", {"usage_metadata": {"input_tokens": 3, "output_tokens": 3, "total_tokens": 6}}])
def usage_added_up(L):
    def part(text, sent, got):
        usage = {"input_tokens": sent, "output_tokens": got, "total_tokens": sent + got}
        return L.AIMessageChunk(text, usage_metadata=usage)

    return plain(part("a", 3, 1) + part("b", 0, 2))


@gives([["human", "and who was it then"], ["ai", "you tell me, please"], ["human", "what is a speechless parrot"]])
def trim_last_tokens(L):
    messages = _talk(L)
    return plain(
        L.trim_messages(
            messages, strategy="last", token_counter=len, max_tokens=4, start_on="human", end_on=("human", "tool")
        )
    )


@gives([["system", "you're good with jokes"], ["human", "what is a speechless parrot"]])
def trim_with_the_system_message(L):
    return plain(
        L.trim_messages(
            _talk(L), strategy="last", token_counter=len, max_tokens=3, start_on="human", include_system=True
        )
    )


@gives([["system", "you're good with jokes"], ["human", "what is a speechless parrot"]])
def trim_with_a_counter_of_ones_own(L):
    def count(messages):
        return sum(3 + len(message.content.split()) for message in messages)

    return plain(L.trim_messages(_talk(L), max_tokens=20, strategy="last", token_counter=count, include_system=True))


@gives([["system", "you're good with jokes"], ["human", "who name"]])
def trim_first_tokens_with_parts(L):
    def count(messages):
        return sum(len(message.content) for message in messages)

    def split(text):
        return list(text)

    return plain(
        L.trim_messages(
            _talk(L), max_tokens=30, strategy="first", token_counter=count, allow_partial=True, text_splitter=split
        )
    )


@gives([[["ai", "you tell me, please"], ["human", "what is a speechless parrot"]], 58])
def trim_approximately(L):
    return plain(L.trim_messages(_talk(L), max_tokens=25, token_counter="approximate")), L.count_tokens_approximately(
        _talk(L)
    )


@gives([["system", "you're good with jokes"], ["human", "what is a speechless parrot"]])
def trimmer_in_a_chain(L):
    model = scripted_model(L, "a joke")
    trimmer = L.trim_messages(token_counter=len, max_tokens=2, strategy="last", include_system=True)
    (trimmer | model).invoke(_talk(L))
    return plain(model.asked[0][0])


@gives("TypeError")
def trim_without_a_counter(L):
    return caught(lambda: L.trim_messages(_talk(L), max_tokens=3), TypeError, ValueError)


@gives(
    [
        [["human", "example input", {"name": "example_user"}], ["human", "real input", {"name": "bob"}]],
        [["system", "you are"], ["human", "real input", {"name": "bob"}], ["ai", "real output", {"name": "alice"}]],
        [
            ["human", "example input", {"name": "example_user"}],
            ["human", "real input", {"name": "bob"}],
            ["ai", "real output", {"name": "alice"}],
        ],
        [
            ["system", "you are"],
            ["human", "example input", {"name": "example_user"}],
            ["ai", "example output", {"name": "example_assistant"}],
            ["ai", "real output", {"name": "alice"}],
        ],
    ]
)
def filter_by_types_names_ids(L):
    messages = [
        L.SystemMessage("you are", id="1"),
        L.HumanMessage("example input", id="2", name="example_user"),
        L.AIMessage("example output", id="3", name="example_assistant"),
        L.HumanMessage("real input", id="4", name="bob"),
        L.AIMessage("real output", id="5", name="alice"),
    ]
    return plain(
        [
            L.filter_messages(messages, include_types="human"),
            L.filter_messages(messages, exclude_names=["example_user", "example_assistant"]),
            L.filter_messages(messages, include_types=[L.HumanMessage, L.AIMessage], exclude_ids=["3"]),
            L.filter_messages(exclude_names=["bob"]).invoke(messages),
        ]
    )


@gives([[["human", "q"], ["ai", "done"]], [["human", "q"], ["ai", "done"]]])
def filter_out_tool_calls(L):
    messages = [
        L.HumanMessage("q"),
        L.AIMessage("", tool_calls=[L.ToolCall(name="f", args={}, id="1")]),
        L.ToolMessage("r", tool_call_id="1"),
        L.AIMessage("done"),
    ]
    return plain(L.filter_messages(messages, exclude_tool_calls=True)), plain(
        L.filter_messages(messages, exclude_tool_calls=["1"])
    )


@gives([[["system", "a\nb"], ["human", [{"type": "text", "text": "c"}, "d"]], ["ai", "e\nf"]], [["system", "a b"]]])
def merge_runs_of_messages(L):
    messages = [
        L.SystemMessage("a"),
        L.SystemMessage("b"),
        L.HumanMessage([{"type": "text", "text": "c"}]),
        L.HumanMessage("d"),
        L.AIMessage("e"),
        L.AIMessage("f"),
    ]
    return plain(L.merge_message_runs(messages)), plain(L.merge_message_runs(messages[:2], chunk_separator=" "))


@gives([[["human", "a\nb"]], [["system", "x 1\ny"], ["human", "z"]]])
def merger_in_a_chain(L):
    model = scripted_model(L, "ok")
    (L.merge_message_runs() | model).invoke([L.HumanMessage("a"), L.HumanMessage("b")])
    prompt = L.ChatPromptTemplate([("system", "x {a}"), ("system", "y"), ("human", "z")])
    return plain([model.asked[0][0], (prompt | L.merge_message_runs()).invoke({"a": 1})])


@gives([["human", "a\nb"]])
def merge_then_filter(L):
    chain = L.merge_message_runs() | L.filter_messages(include_types=["human"])
    return plain(chain.invoke([L.HumanMessage("a"), L.HumanMessage("b"), L.AIMessage("c")]))


@gives([["system", "human", "ai"], True, True])
def messages_to_and_from_dicts(L):
    dicts = L.messages_to_dict(_talk(L)[:3])
    return [each["type"] for each in dicts], L.messages_from_dict(dicts) == _talk(L)[:3], json.dumps(dicts) is not None


@gives(
    [
        "System: you're good with jokes\nHuman: who named them\nAI: someone who laughed",
        "U: who named them\nA: someone who laughed",
    ]
)
def messages_as_a_text(L):
    return L.get_buffer_string(_talk(L)[:3]), L.get_buffer_string(_talk(L)[1:3], human_prefix="U", ai_prefix="A")


@gives(
    [
        ["================================ Human Message =================================", "", "hi"],
        [
            "================================== Ai Message ==================================",
            "Tool Calls:",
            "  f (7)",
            " Call ID: 7",
            "  Args:",
            "    a: 1",
        ],
    ]
)
def messages_printed(L):
    return L.HumanMessage("hi").pretty_repr().splitlines(), L.AIMessage(
        "", tool_calls=[L.ToolCall(name="f", args={"a": 1}, id="7")]
    ).pretty_repr().splitlines()


@gives([True, False, "ho"])
def messages_compared_and_copied(L):
    one = L.HumanMessage("hi", name="n")
    return (
        one == L.HumanMessage("hi", name="n"),
        one == L.AIMessage("hi"),
        one.model_copy(update={"content": "ho"}).content,
    )


@gives([["remove", ""], "5"])
def removal_message(L):
    return plain(L.RemoveMessage(id="5")), L.RemoveMessage(id="5").id


def _talk(L):
    return [
        L.SystemMessage("you're good with jokes"),
        L.HumanMessage("who named them"),
        L.AIMessage("someone who laughed"),
        L.HumanMessage("and who was it then"),
        L.AIMessage("you tell me, please"),
        L.HumanMessage("what is a speechless parrot"),
    ]


@gives(
    [
        [{"type": "text", "text": "hi"}],
        [
            {"type": "text", "text": "what is this?"},
            {"type": "image", "base64": "QQ==", "mime_type": "image/png", "extras": {"detail": "low"}},
            {"type": "audio", "base64": "QQ==", "mime_type": "audio/wav"},
            {"type": "file", "url": "https://example.org/a.pdf", "mime_type": "application/pdf"},
            {"type": "file", "file_id": "f1"},
        ],
        [{"type": "text", "text": "a"}, {"type": "tool_call", "name": "f", "args": {"x": 1}, "id": "1"}],
        [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "b"}],
        [{"type": "non_standard", "value": {"type": "mine", "k": 1}}],
        [{"type": "tool_call_chunk", "name": "f", "args": '{"x"', "id": "1", "index": 0}],
        [],
    ]
)
def content_as_standard_blocks(L):
    asked = L.HumanMessage(
        [
            "what is this?",
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ==", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
            {"type": "file", "url": "https://example.org/a.pdf", "mime_type": "application/pdf"},
            {"type": "file", "file": {"file_id": "f1"}},
        ]
    )
    piece = L.tool_call_chunk(name="f", args='{"x"', id="1", index=0)
    messages = [
        L.HumanMessage("hi"),
        asked,
        L.AIMessage("a", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}]),
        L.AIMessage("b", additional_kwargs={"reasoning_content": "hm"}),
        L.SystemMessage([{"type": "mine", "k": 1}]),
        L.AIMessageChunk("", tool_call_chunks=[{key: value for key, value in piece.items() if key != "type"}]),
        L.AIMessage(""),
    ]
    return [[_without_made_id(block) for block in message.content_blocks] for message in messages]


def _without_made_id(block):
    return {key: value for key, value in block.items() if key != "id" or not value.startswith("lc_")}


@gives(["hi", ["f"], [{"type": "text", "text": "hi"}], "a"])
def messages_made_of_standard_blocks(L):
    call = {"type": "tool_call", "name": "f", "args": {}, "id": "1"}
    answer = L.AIMessage(content_blocks=[{"type": "text", "text": "hi"}, call])
    asked = L.HumanMessage(content_blocks=[{"type": "text", "text": "hi"}])
    result = L.ToolMessage(content_blocks=[{"type": "text", "text": "a"}], tool_call_id="1")
    return str(answer.text), [each["name"] for each in answer.tool_calls], asked.content, str(result.text)


@gives([["AIMessageChunk", "abc"], ["AIMessageChunk", "a"], "TypeError"])
def chunks_added_at_once(L):
    first, *rest = (L.AIMessageChunk(content=text) for text in "abc")
    nothing, wrong = [], ["b"]
    return plain(first + rest), plain(first + nothing), caught(lambda: first + wrong, TypeError)
