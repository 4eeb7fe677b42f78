"""What a runnable tells of itself."""

from __future__ import annotations

from documented_programs.expected import gives
from documented_programs.plain_data import plain


def _chain(L):
    return (
        {"context": L.RunnableLambda(lambda x: x).with_config(run_name="Docs"), "question": L.RunnablePassthrough()}
        | L.ChatPromptTemplate.from_template("{context} {question}")
        | L.FakeListChatModel(responses=["a"])
        | L.StrOutputParser()
    )


@gives(["ChatPromptTemplate"])
def prompts_of_a_chain(L):
    return plain([type(prompt).__name__ for prompt in _chain(L).get_prompts()])


@gives(
    [
        "RunnableSequence",
        ["RunnableParallel<context,question>", "ChatPromptTemplate", "FakeListChatModel", "StrOutputParser"],
        "RunnableSequenceInput",
        "own",
    ],
    there="a bound name is not told by `get_name`",
)
def names(L):
    chain = _chain(L)
    return (
        chain.get_name(),
        [step.get_name() for step in chain.steps],
        chain.get_name("Input"),
        chain.with_config(run_name="own").get_name(),
    )


@gives(
    [
        {
            "properties": {"topic": {"title": "Topic", "type": "string"}},
            "required": ["topic"],
            "title": "PromptInput",
            "type": "object",
        },
        {
            "properties": {"topic": {"title": "Topic", "type": "string"}},
            "required": ["topic"],
            "title": "PromptInput",
            "type": "object",
        },
    ]
)
def schemas_of_a_prompt(L):
    prompt = L.ChatPromptTemplate.from_template("tell of {topic}")
    return prompt.input_schema.model_json_schema(), prompt.get_input_jsonschema()


@gives(
    [
        {
            "properties": {"a": {"title": "A", "type": "string"}, "b": {"title": "B", "type": "string"}},
            "required": ["a", "b"],
            "title": "PromptInput",
            "type": "object",
        },
        {"title": "FakeListLLMOutput", "type": "string"},
        "PromptInput",
    ]
)
def schemas_of_a_chain(L):
    chain = L.PromptTemplate.from_template("{a} {b}") | L.FakeListLLM(responses=["x"])
    return chain.get_input_jsonschema(), chain.get_output_jsonschema(), chain.input_schema.__name__


@gives(
    [
        {"title": "typed_input", "type": "integer"},
        {"title": "typed_output", "type": "string"},
        {
            "properties": {"a": {"title": "A", "type": "string"}, "b": {"title": "B", "type": "string"}},
            "required": ["a", "b"],
            "title": "RunnableParallel<a,b>Output",
            "type": "object",
        },
        {
            "properties": {"a": {"title": "A"}, "b": {"title": "B"}},
            "required": ["a", "b"],
            "title": "RunnableParallel<c>Input",
            "type": "object",
        },
    ]
)
def schemas_of_functions(L):
    def typed(x: int) -> str:
        return str(x)

    typed.__annotations__ = {"x": int, "return": str}
    runnable = L.RunnableLambda(typed)
    return (
        runnable.get_input_jsonschema(),
        runnable.get_output_jsonschema(),
        L.RunnableParallel(a=runnable, b=runnable).get_output_jsonschema(),
        L.RunnablePassthrough.assign(c=lambda d: d["a"] + d["b"]).get_input_jsonschema(),
    )


@gives([["llm", "LLM", "a"]])
def config_specs(L):
    model = L.FakeListChatModel(responses=["a"]).configurable_alternatives(
        L.ConfigurableField(id="llm", name="LLM"), default_key="a", b=L.FakeListChatModel(responses=["b"])
    )
    chain = L.PromptTemplate.from_template("{a}") | model
    return [(spec.id, spec.name, spec.default) for spec in chain.config_specs]


@gives(["RunnableParallel", ["ChatPromptTemplate", "FakeListChatModel"], "StrOutputParser"])
def first_and_last(L):
    chain = _chain(L)
    return type(chain.first).__name__, [type(step).__name__ for step in chain.middle], type(chain.last).__name__
