"""Prompts: texts, chats, partial variables, composition."""

from __future__ import annotations

from documented_programs.expected import gives
from documented_programs.plain_data import caught, plain


@gives(["Tell me a funny joke about chickens.", ["adjective", "content"], "text: Tell me a dry joke about deserts."])
def text_prompt(L):
    prompt = L.PromptTemplate.from_template("Tell me a {adjective} joke about {content}.")
    return (
        prompt.format(adjective="funny", content="chickens"),
        prompt.input_variables,
        plain(prompt.invoke({"adjective": "dry", "content": "deserts"})),
    )


@gives(["What is the capital of Peru?", "What is the capital of {country}?", "f-string"])
def text_prompt_by_its_class(L):
    prompt = L.PromptTemplate(input_variables=["country"], template="What is the capital of {country}?")
    return prompt.format(country="Peru"), prompt.template, prompt.template_format


@gives(["text: Hi Ann", [["human", "Hi Ann"]]])
def single_variable_without_a_dict(L):
    return plain(L.PromptTemplate.from_template("Hi {name}").invoke("Ann")), plain(
        L.ChatPromptTemplate.from_template("Hi {name}").invoke("Ann")
    )


@gives(["KeyError", "TypeError"])
def missing_variable(L):
    prompt = L.PromptTemplate.from_template("{a} and {b}")
    return caught(lambda: prompt.invoke({"a": 1}), KeyError), caught(lambda: prompt.invoke("text"), TypeError)


@gives('text: {"a": 1}')
def braces_escaped(L):
    return plain(L.PromptTemplate.from_template('{{"a": {x}}}').invoke({"x": 1}))


@gives(
    [
        [["system", "You are Bob."], ["human", "Hello"], ["ai", "Well!"], ["human", "Who are you?"]],
        ["name", "user_input"],
        "System: You are Bob.\nHuman: Hello\nAI: Well!\nHuman: Who",
    ]
)
def chat_prompt_of_pairs(L):
    template = L.ChatPromptTemplate.from_messages(
        [("system", "You are {name}."), ("human", "Hello"), ("ai", "Well!"), ("human", "{user_input}")]
    )
    messages = template.format_messages(name="Bob", user_input="Who are you?")
    return plain(messages), template.input_variables, template.format(name="Bob", user_input="Who")


@gives([["system", "rewrite upbeat"], ["human", "I hate {food}"], ["ai", "with {braces}"]])
def chat_prompt_of_messages_and_templates(L):
    template = L.ChatPromptTemplate.from_messages(
        [
            L.SystemMessage(content="rewrite upbeat"),
            L.HumanMessagePromptTemplate.from_template("{text}"),
            L.AIMessage("with {braces}"),
        ]
    )
    return plain(template.format_messages(text="I hate {food}"))


@gives(
    [
        [["system", "be calm"], ["human", "just words"]],
        "System: be calm\nHuman: just words",
        [["system", "be calm"], ["human", "just words"]],
    ]
)
def chat_prompt_called(L):
    template = L.ChatPromptTemplate([("system", "be {mood}"), "just {text}"])
    value = template.invoke({"mood": "calm", "text": "words"})
    return plain(value), value.to_string(), plain(value.to_messages())


@gives(["chat", "May the force be with you", {"role": "Jedi"}])
def chat_message_with_a_role(L):
    prompt = L.ChatMessagePromptTemplate.from_template(role="Jedi", template="May the {subject} be with you")
    return plain(prompt.format(subject="force"))


@gives([[["system", "help"], ["human", "hi!"], ["ai", "hello"]], "KeyError"])
def messages_placeholder(L):
    prompt = L.ChatPromptTemplate.from_messages([("system", "help"), L.MessagesPlaceholder("msgs")])
    return plain(prompt.invoke({"msgs": [L.HumanMessage(content="hi!"), ("ai", "hello")]})), caught(
        lambda: prompt.invoke({}), KeyError
    )


@gives(
    [
        [["system", "help"], ["human", "Hi!"], ["ai", "How can I assist?"], ["human", "no"]],
        [["system", "help"], ["human", "no"]],
    ]
)
def placeholder_by_a_pair(L):
    prompt = L.ChatPromptTemplate([("system", "help"), ("placeholder", "{conversation}"), ("human", "{q}")])
    return plain(prompt.invoke({"conversation": [("human", "Hi!"), ("ai", "How can I assist?")], "q": "no"})), plain(
        prompt.invoke({"q": "no"})
    )


@gives([[["human", "b"]], []])
def optional_placeholder_with_a_limit(L):
    prompt = L.MessagesPlaceholder("history", optional=True, n_messages=1)
    return plain(prompt.format_messages(history=[("system", "a"), ("human", "b")])), prompt.format_messages()


@gives(
    [
        [["system", "You are helpful."], ["human", "what's 5 + 2"], ["ai", "5 + 2 is 7"], ["human", "times 4"]],
        ["history", "question"],
    ]
)
def history_and_question(L):
    prompt = L.ChatPromptTemplate.from_messages(
        [("system", "You are helpful."), L.MessagesPlaceholder("history"), ("human", "{question}")]
    )
    value = prompt.invoke({"history": [("human", "what's 5 + 2"), ("ai", "5 + 2 is 7")], "question": "times 4"})
    return plain(value), sorted(prompt.input_variables)


@gives(["foobaz", ["bar"], "fb"])
def partial_with_a_text(L):
    prompt = L.PromptTemplate.from_template("{foo}{bar}")
    partial = prompt.partial(foo="foo")
    return (
        partial.format(bar="baz"),
        partial.input_variables,
        L.PromptTemplate(template="{foo}{bar}", input_variables=["bar"], partial_variables={"foo": "f"}).format(
            bar="b"
        ),
    )


@gives(["Tell me a funny joke about the day 1 May", "Tell me a sad joke about the day 2 May"])
def partial_with_a_function(L):
    prompt = L.PromptTemplate(
        template="Tell me a {adjective} joke about the day {date}",
        input_variables=["adjective"],
        partial_variables={"date": lambda: "1 May"},
    )
    return prompt.format(adjective="funny"), prompt.format(adjective="sad", date="2 May")


@gives([[["system", "be kind"], ["human", "hm"]], ["q"], [["system", "be kind"], ["human", "hm"]]])
def partial_of_a_chat_prompt(L):
    prompt = L.ChatPromptTemplate.from_messages([("system", "be {mood}"), ("human", "{q}")]).partial(mood="kind")
    return plain(prompt.invoke({"q": "hm"})), prompt.input_variables, plain(prompt.invoke("hm"))


@gives(["Tell me a joke about sports, make it funny\n\nand in spanish", ["language", "topic"]])
def prompts_added_up(L):
    prompt = (
        L.PromptTemplate.from_template("Tell me a joke about {topic}") + ", make it funny" + "\n\nand in {language}"
    )
    return prompt.format(topic="sports", language="spanish"), prompt.input_variables


@gives(
    [
        [["system", "You are a nice pirate"], ["human", "hi"], ["ai", "what?"], ["human", "i said hi"]],
        "ChatPromptTemplate",
    ]
)
def chat_prompts_added_up(L):
    prompt = L.SystemMessage(content="You are a nice pirate")
    new = prompt + L.HumanMessage(content="hi") + L.AIMessage(content="what?") + "{input}"
    return plain(new.format_messages(input="i said hi")), type(new).__name__


@gives([4, ["b", "c"], ["system", "s 1"]])
def chat_prompt_grown_and_sliced(L):
    prompt = L.ChatPromptTemplate.from_messages([("system", "s {a}"), ("human", "h {b}")])
    prompt.append(("ai", "x {c}"))
    prompt.extend([("human", "last")])
    return len(prompt), prompt[1:3].input_variables, plain(prompt[0].format(a=1))


@gives("You are Ada.\nQ: why")
def prompt_used_in_a_prompt(L):
    introduction = L.PromptTemplate.from_template("You are {person}.")
    start = L.PromptTemplate.from_template("{introduction}\nQ: {input}")
    values = {"person": "Ada", "input": "why"}
    values["introduction"] = introduction.invoke(values).to_string()
    return start.invoke(values).to_string()


@gives([["human", "Hi Ann: a;b;"]])
def mustache_prompt(L):
    prompt = L.ChatPromptTemplate.from_messages([("human", "Hi {{name}}: {{#items}}{{.}};{{/items}}")], "mustache")
    return plain(prompt.invoke({"name": "Ann", "items": ["a", "b"]}))


@gives(["text: 1;2;z", ["xs", "y"]])
def jinja_prompt(L):
    prompt = L.PromptTemplate.from_template("{% for x in xs %}{{ x }};{% endfor %}{{ y }}", template_format="jinja2")
    return plain(prompt.invoke({"xs": [1, 2], "y": "z"})), sorted(prompt.input_variables)


@gives([["system", "s 1"], ["human", "u"]])
def dicts_with_roles_in_a_prompt(L):
    prompt = L.ChatPromptTemplate([{"role": "system", "content": "s {x}"}, {"role": "user", "content": "u"}])
    return plain(prompt.invoke({"x": 1}))


@gives(["Human: a 1"])
def prompt_bound_in_a_chain(L):
    model = L.FakeListChatModel(responses=["ok"])
    chain = L.ChatPromptTemplate.from_template("a {x}") | model
    return plain([prompt.format(x=1) for prompt in chain.get_prompts()])


@gives([["a", "h"], ["a"], "PromptInput"])
def prompt_schema(L):
    schema = L.ChatPromptTemplate([("human", "{a}"), ("placeholder", "{h}")]).get_input_jsonschema()
    return sorted(schema["properties"]), schema["required"], schema["title"]


@gives([[["human", "a 1"]], [["human", "a 2"]]])
def prompt_async(L):
    import asyncio

    prompt = L.ChatPromptTemplate.from_template("a {x}")
    return plain([asyncio.run(prompt.ainvoke({"x": 1})), asyncio.run(prompt.aformat_messages(x=2))])


@gives("Say bar")
def prompt_of_a_file(L):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prompt.txt"
        path.write_text("Say {foo}", encoding="utf-8")
        return L.PromptTemplate.from_file(path).format(foo="bar")


@gives(
    [
        [
            "================================ System Message ================================",
            "",
            "be {mood}",
            "",
            "================================ Human Message =================================",
            "",
            "{q}",
        ],
        "a {b}",
    ]
)
def prompt_printed(L):
    prompt = L.ChatPromptTemplate([("system", "be {mood}"), ("human", "{q}")])
    return prompt.pretty_repr().splitlines(), L.PromptTemplate.from_template("a {b}").pretty_repr()


@gives([True, False])
def prompt_compared(L):
    one, other = L.PromptTemplate.from_template("a {b}"), L.PromptTemplate.from_template("a {b}")
    return one == other, one == L.PromptTemplate.from_template("{b}")


@gives([["PromptTemplate", {"b": 2}, ["given", "own"], {"k": 1}]])
def prompt_in_two_chains_with_metadata(L):
    seen = []

    class Handler(L.BaseCallbackHandler):
        def on_chain_start(self, serialized, inputs, *, tags=None, metadata=None, name=None, **kwargs):
            seen.append((name, inputs, tags, metadata))

    prompt = L.PromptTemplate.from_template("a {b}", tags=["own"], metadata={"k": 1})
    prompt.invoke({"b": 2}, {"callbacks": [Handler()], "tags": ["given"]})
    return plain(seen)
