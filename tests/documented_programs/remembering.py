"""Chains that remember what was said."""

from __future__ import annotations

import asyncio
from operator import itemgetter

from documented_programs.expected import gives
from documented_programs.plain_data import caught, gathered, plain
from documented_programs.scripted import scripted_model


def _sessions(L):
    kept = {}

    def get_session_history(session_id):
        if session_id not in kept:
            kept[session_id] = L.InMemoryChatMessageHistory()
        return kept[session_id]

    return kept, get_session_history


@gives(
    [
        ["Hi Bob", "Your name is Bob", "I don't know"],
        {
            "a": [
                ["human", "Hi - I'm bob!"],
                ["ai", "Hi Bob"],
                ["human", "what's my name?"],
                ["ai", "Your name is Bob"],
            ],
            "b": [["human", "what's my name?"], ["ai", "I don't know"]],
        },
    ]
)
def messages_in_and_out(L):
    kept, get_session_history = _sessions(L)
    model = scripted_model(L, "Hi Bob", "Your name is Bob", "I don't know")
    chain = L.RunnableWithMessageHistory(model, get_session_history)
    first, second = ({"configurable": {"session_id": name}} for name in ("a", "b"))
    answers = [
        chain.invoke([L.HumanMessage("Hi - I'm bob!")], config=first).content,
        chain.invoke([L.HumanMessage("what's my name?")], config=first).content,
        chain.invoke([L.HumanMessage("what's my name?")], config=second).content,
    ]
    return answers, plain({name: history.messages for name, history in kept.items()})


@gives(
    [
        ["ai", "Bob."],
        [["human", "hi im bob!"], ["ai", "Ciao Bob!"], ["human", "whats my name?"], ["ai", "Bob."]],
        [["system", "Respond in italian."], ["human", "hi im bob!"], ["ai", "Ciao Bob!"], ["human", "whats my name?"]],
    ]
)
def dict_in_and_message_out(L):
    kept, get_session_history = _sessions(L)
    prompt = L.ChatPromptTemplate.from_messages(
        [("system", "Respond in {language}."), L.MessagesPlaceholder("history"), ("human", "{input}")]
    )
    model = scripted_model(L, "Ciao Bob!", "Bob.")
    chain = L.RunnableWithMessageHistory(
        prompt | model, get_session_history, input_messages_key="input", history_messages_key="history"
    )
    config = {"configurable": {"session_id": "1"}}
    chain.invoke({"language": "italian", "input": "hi im bob!"}, config=config)
    answer = chain.invoke({"language": "italian", "input": "whats my name?"}, config=config)
    return plain([answer, kept["1"].messages, model.asked[1][0]])


@gives(
    [
        {"output_message": ["ai", "yes"]},
        [["human", "What did she believe?"], ["ai", "Simone"], ["human", "Like Sartre?"], ["ai", "yes"]],
    ]
)
def dict_in_and_dict_out(L):
    kept, get_session_history = _sessions(L)
    chain = L.RunnableParallel({"output_message": scripted_model(L, "Simone", "yes")})
    remembering = L.RunnableWithMessageHistory(chain, get_session_history, output_messages_key="output_message")
    config = {"configurable": {"session_id": "baz"}}
    remembering.invoke([L.HumanMessage("What did she believe?")], config=config)
    out = remembering.invoke([L.HumanMessage("Like Sartre?")], config=config)
    return plain([out, kept["baz"].messages])


@gives([["human", "a"], ["ai", "one"], ["human", "b"], ["ai", "two"]])
def one_key_for_all_messages(L):
    kept, get_session_history = _sessions(L)
    chain = itemgetter("input_messages") | scripted_model(L, "one", "two")
    remembering = L.RunnableWithMessageHistory(chain, get_session_history, input_messages_key="input_messages")
    config = {"configurable": {"session_id": "x"}}
    remembering.invoke({"input_messages": [L.HumanMessage("a")]}, config)
    remembering.invoke({"input_messages": "b"}, config)
    return plain(kept["x"].messages)


@gives([[["123", "1"]], ["conversation_id", "user_id"]])
def session_by_two_keys(L):
    kept = {}

    def get_session_history(user_id, conversation_id):
        return kept.setdefault((user_id, conversation_id), L.InMemoryChatMessageHistory())

    fields = [
        L.ConfigurableFieldSpec(id=name, annotation=str, name=name, description="a key", default="", is_shared=True)
        for name in ("user_id", "conversation_id")
    ]
    chain = L.RunnableWithMessageHistory(scripted_model(L, "hi"), get_session_history, history_factory_config=fields)
    chain.invoke("hello", {"configurable": {"user_id": "123", "conversation_id": "1"}})
    return plain([list(key) for key in kept]), sorted(spec.id for spec in chain.config_specs)


@gives("ValueError")
def session_missing(L):
    _, get_session_history = _sessions(L)
    chain = L.RunnableWithMessageHistory(scripted_model(L, "hi"), get_session_history)
    return caught(lambda: chain.invoke("hello"), ValueError)


@gives([["one", " two", ""], ["hello", "one two"]])
def history_streamed(L):
    kept, get_session_history = _sessions(L)
    chain = L.RunnableWithMessageHistory(scripted_model(L, "one two"), get_session_history)
    config = {"configurable": {"session_id": "s"}}
    chunks = [chunk.content for chunk in chain.stream("hello", config)]
    return chunks, [message.content for message in kept["s"].messages]


@gives(
    [2, [["human", "a"], ["ai", "one"], ["human", "b"], ["ai", "two"]]], there="a streamed answer is kept as a chunk"
)
def history_async(L):
    kept, get_session_history = _sessions(L)
    chain = L.RunnableWithMessageHistory(scripted_model(L, "one", "two"), get_session_history)
    config = {"configurable": {"session_id": "s"}}
    asyncio.run(chain.ainvoke("a", config))
    chunks = asyncio.run(gathered(chain.astream("b", config)))
    return len(chunks), plain(kept["s"].messages)


@gives(
    [
        [["system", "s"], ["human", "a"]],
        [["system", "s"], ["human", "a"], ["ai", "1"], ["human", "b"]],
        [["system", "s"], ["human", "b"], ["ai", "2"], ["human", "c"]],
    ]
)
def history_trimmed_before_the_model(L):
    _, get_session_history = _sessions(L)
    model = scripted_model(L, "1", "2", "3")
    trimmer = L.trim_messages(strategy="last", max_tokens=3, token_counter=len, start_on="human")
    prompt = L.ChatPromptTemplate([("system", "s"), L.MessagesPlaceholder("history"), ("human", "{q}")])
    chain = L.RunnablePassthrough.assign(history=itemgetter("history") | trimmer) | prompt | model
    remembering = L.RunnableWithMessageHistory(
        chain, get_session_history, input_messages_key="q", history_messages_key="history"
    )
    for question in ("a", "b", "c"):
        remembering.invoke({"q": question}, {"configurable": {"session_id": "s"}})
    return plain([messages for messages, _ in model.asked])


@gives([[["human", "hi!"], ["ai", "whats up?"], ["system", "x"]], "Human: hi!\nAI: whats up?\nSystem: x", []])
def history_as_an_object(L):
    history = L.InMemoryChatMessageHistory()
    history.add_user_message("hi!")
    history.add_ai_message("whats up?")
    history.add_messages([L.SystemMessage("x")])
    text = str(history)
    kept = plain(history.messages)
    history.clear()
    return kept, text, history.messages


@gives([["human", "hello"], ["ai", "hi"], ["human", "more"]])
def history_of_ones_own(L):
    class ListHistory(L.BaseChatMessageHistory):
        def __init__(self):
            self.kept = []

        @property
        def messages(self):
            return list(self.kept)

        def add_messages(self, messages):
            self.kept.extend(messages)

        def clear(self):
            self.kept = []

    history = ListHistory()
    chain = L.RunnableWithMessageHistory(scripted_model(L, "hi"), lambda: history, history_factory_config=[])
    chain.invoke("hello")
    history.add_user_message("more")
    return plain(history.messages)


@gives(
    [
        ["system", "help"],
        ["human", "Translate: I love programming."],
        ["ai", "J'adore la programmation."],
        ["human", "What did you say?"],
    ]
)
def history_passed_by_hand(L):
    model = scripted_model(L, "J'adore la programmation.", "I said so")
    chain = L.ChatPromptTemplate.from_messages([("system", "help"), ("placeholder", "{messages}")]) | model
    history = L.InMemoryChatMessageHistory()
    history.add_user_message("Translate: I love programming.")
    answer = chain.invoke({"messages": history.messages})
    history.add_message(answer)
    history.add_user_message("What did you say?")
    chain.invoke({"messages": history.messages})
    return plain(model.asked[1][0])


@gives(
    [[["ai", "Nemo says hi"], ["human", "my name?"]], [["ai", "Nemo says hi"], ["human", "my name?"], ["ai", "Nemo"]]]
)
def history_summarised(L):
    history = L.InMemoryChatMessageHistory()
    for text in ("Hey! I'm Nemo.", "How are you?"):
        history.add_user_message(text)
        history.add_ai_message("fine")
    summary_prompt = L.ChatPromptTemplate.from_messages([("placeholder", "{chat_history}"), ("user", "Distill it.")])

    def summarize_messages(chain_input):
        summary = (summary_prompt | scripted_model(L, "Nemo says hi")).invoke({"chat_history": history.messages})
        history.clear()
        history.add_message(summary)
        return True

    model = scripted_model(L, "Nemo")
    answer = L.ChatPromptTemplate([("placeholder", "{chat_history}"), ("user", "{input}")]) | model
    remembering = L.RunnableWithMessageHistory(
        answer, lambda session_id: history, input_messages_key="input", history_messages_key="chat_history"
    )
    chain = L.RunnablePassthrough.assign(messages_summarized=summarize_messages) | remembering
    chain.invoke({"input": "my name?"}, {"configurable": {"session_id": "unused"}})
    return plain([model.asked[0][0], history.messages])


@gives([[1, None], ["key0", "key1"], ["key1"], [None], [b"a"]])
def store_of_keys_and_values(L):
    store = L.InMemoryStore()
    store.mset([("key0", 1), ("key1", 2)])
    found, keys = store.mget(["key0", "none"]), list(store.yield_keys(prefix="key"))
    store.mdelete(["key0"])
    bytes_ = L.InMemoryByteStore()
    bytes_.mset([("a", b"a")])
    return found, keys, list(store.yield_keys()), store.mget(["key0"]), bytes_.mget(["a"])
