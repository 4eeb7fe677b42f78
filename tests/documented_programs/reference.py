"""What the reference of LangChain's classes says of single arguments, errors and prints."""

from operator import itemgetter

from pydantic import BaseModel

from documented_programs.expected import gives
from documented_programs.plain_data import caught, plain


@gives(["ValueError", "ValueError", "TypeError", "ValueError"])
def errors_of_what_cannot_be_composed(L):
    model = L.FakeListLLM(responses=["a"])
    return (
        caught(lambda: L.RunnableBranch((len, len)), ValueError),
        caught(lambda: L.RunnableBranch((len,), len), ValueError),
        caught(lambda: L.RunnableBranch((len, len), (len, len)), TypeError),
        caught(lambda: model.configurable_fields(nope=L.ConfigurableField(id="n")), ValueError),
    )


@gives([["tool", "None", {"tool_call_id": "1"}], ["tool", "3", {"tool_call_id": "1"}], "ValueError"])
def tool_message_of_any_result(L):
    return (
        plain(L.ToolMessage(None, tool_call_id="1")),
        plain(L.ToolMessage(content=3, tool_call_id="1")),
        caught(lambda: L.AIMessage(None), ValueError),
    )


@gives([{"a": {"title": "A", "type": "integer"}, "b": {"title": "B", "type": "integer"}}, 3])
def chain_with_a_declared_model_as_a_tool(L):
    class Numbers(BaseModel):
        a: int
        b: int

    chain = {"a": itemgetter("a"), "b": itemgetter("b")} | L.RunnableLambda(lambda x: x["a"] + x["b"])
    made = chain.with_types(input_type=Numbers).as_tool(name="adder", description="Adds.")
    return made.args, made.invoke({"a": 1, "b": 2})


@gives(["StringPromptValue(text='tell me a joke about bears')", "text='hi'", "StrOutputParser()"])
def values_printed(L):
    prompt = L.PromptTemplate.from_template("tell me a joke about {topic}")
    value = L.StringPromptValue(text="hi")
    return repr(prompt.invoke({"topic": "bears"})), str(value), repr(L.StrOutputParser())
