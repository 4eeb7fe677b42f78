"""Objects that are written as JSON are read again as equal ones, and nothing else is made of what is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from verbs import one_after_another

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    ChatGeneration,
    ChatOpenAI,
    ChatPromptTemplate,
    ChatPromptValue,
    CommaSeparatedListOutputParser,
    Document,
    FewShotPromptTemplate,
    HumanMessage,
    JsonOutputParser,
    MessagesPlaceholder,
    PromptTemplate,
    RouterRunnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    StringPromptValue,
    StrOutputParser,
    SystemMessage,
    ToolMessage,
    dumpd,
    dumps,
    load,
    loads,
    tool_call,
)

TEXT = StrOutputParser()
PROMPT = PromptTemplate.from_template("Tell me of {it}", partial_variables={"by": "whom"})
CHAT = ChatPromptTemplate.from_messages(
    [
        ("system", "Be {how}"),
        MessagesPlaceholder("history", optional=True, n_messages=3),
        SystemMessage("so"),
        ("human", [{"type": "text", "text": "{question}"}, {"type": "image_url", "image_url": "{url}"}]),
    ]
)

OBJECTS = [
    HumanMessage("a", name="Ada", id="1"),
    AIMessage([{"type": "text", "text": "a"}], tool_calls=[tool_call(name="f", args={"lc": 1}, id="1")]),
    AIMessageChunk("a", chunk_position="last"),
    ToolMessage("a", tool_call_id="1", status="error", artifact={"rows": [1, 2.5, None]}),
    Document("a", metadata={"lc": 1, "deep": {"__lc_escaped__": [True]}}, id="7"),
    ChatPromptValue(messages=[HumanMessage("a"), AIMessage("b")]),
    StringPromptValue(text="a"),
    ChatGeneration(message=AIMessage("a"), generation_info={"why": "stop"}),
    PROMPT,
    CHAT,
    CHAT.partial(how="kind"),
    FewShotPromptTemplate(examples=[{"it": "bears"}], example_prompt=PROMPT, suffix="{more}", input_variables=["more"]),
    JsonOutputParser(diff=True),
    CommaSeparatedListOutputParser(name="items"),
    PROMPT | RunnablePassthrough() | RunnablePassthrough(name="same"),
    TEXT | JsonOutputParser(),
    (TEXT | CommaSeparatedListOutputParser()).with_config(tags=["t"], metadata={"m": 1}),
    TEXT.bind(stop=["x"]),
    RunnablePassthrough.assign(a=TEXT, b=RunnablePassthrough()).pick(["a"]),
    RunnableParallel(a=TEXT, b={"c": PROMPT}),
    RunnableBranch((RunnablePassthrough(), TEXT), TEXT),
    RouterRunnable({"a": TEXT}),
    TEXT.map(),
    TEXT.with_retry(stop_after_attempt=2),
    TEXT.with_retry(retry_if_exception_type=(ValueError, OSError)),
    TEXT.with_fallbacks([TEXT], exception_key="error"),
]


@one_after_another("obj", OBJECTS, ids=[f"{place}-{type(each).__name__}" for place, each in enumerate(OBJECTS)])
def test_what_is_written_is_read_as_an_equal_object(obj: Any) -> None:
    read = loads(dumps(obj, pretty=True))
    assert type(read) is type(obj)
    assert read == obj
    assert dumps(read) == dumps(obj)


def test_plain_data_holds_objects() -> None:
    held = {"messages": [HumanMessage("a")], "lc": 1, "n": 2, "none": None}
    assert load(dumpd(held)) == held
    assert json.loads(dumps(("a", 1))) == ["a", 1]


def test_what_others_have_written_is_read() -> None:
    text = (
        '{"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"], "kwargs": '
        '{"content": "b", "type": "ai", "id": "i", "tool_calls": [{"name": "f", "args": {}, "id": "1", "type": '
        '"tool_call"}], "invalid_tool_calls": []}}'
    )
    assert loads(text, allowed_objects="messages") == AIMessage(
        "b", id="i", tool_calls=[tool_call(name="f", args={}, id="1")]
    )
    retry = dumpd(TEXT.with_retry())
    retry["kwargs"]["config"] = {"tags": ["t"]}
    assert load(retry) == TEXT.with_retry().with_config(tags=["t"])
    generation = dumpd(ChatGeneration(message=AIMessage("z")))
    generation["kwargs"] |= {"text": "z", "type": "ChatGeneration"}
    assert load(generation).text == "z"


def test_secrets_are_named_and_given_when_read(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ChatOpenAI(model="gpt-4o", api_key="sk-secret", temperature=0.5, max_retries=1)
    text = dumps(PROMPT | model)
    assert "sk-secret" not in text
    assert '"type": "secret", "id": ["OPENAI_API_KEY"]' in text
    read = loads(text, secrets_map={"OPENAI_API_KEY": "sk-other"}).last
    assert (read.model_name, read.temperature, read.max_retries) == ("gpt-4o", 0.5, 1)
    assert read.openai_api_key.get_secret_value() == "sk-other"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    assert loads(text, secrets_from_env=True).last.openai_api_key.get_secret_value() == "sk-env"


@pytest.mark.parametrize("obj", [RunnableLambda(len), TEXT | len, PROMPT.partial(it=str), object(), int])
def test_what_cannot_be_written_is_told_when_it_is_read(obj: Any) -> None:
    with pytest.raises(NotImplementedError, match="was written as its repr alone, so it can't be read"):
        loads(dumps(obj))


def test_only_known_classes_are_made() -> None:
    data = {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {"command": "true"}}
    with pytest.raises(ValueError, match=r"os\.system is no class that is read"):
        load(data)
    assert load(dumpd({"said": data})) == {"said": data}
