"""Prompts as steps: which keys they wait for, what listeners see, what a user's own gets, and their schemas."""

from __future__ import annotations

import asyncio
import threading
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.nodes import (
    BaseChatPromptTemplate,
    BaseMessage,
    BasePromptTemplate,
    ChatPromptTemplate,
    ConfigurableField,
    DictPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    HumanMessage,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    RunnableParallel,
    StringPromptTemplate,
    StringPromptValue,
)
from anabranch.nodes.laws import check_laws

PAIR = PromptTemplate("{i}")
EXAMPLES = [{"i": "x"}]

READING_B: dict[str, Any] = {
    "text": PromptTemplate("{b}"),
    "partial": PromptTemplate("{b} {known}").partial(known=1),
    "optional": ChatPromptTemplate([MessagesPlaceholder("history", optional=True), "{b}"]),
    "nothing known": ChatPromptTemplate([MessagesPlaceholder("history", optional=True)]),
    "partial function": PromptTemplate("{b}").partial(b=lambda: "late"),
    "mustache": PromptTemplate("{{b}}", template_format="mustache"),
    "section": PromptTemplate("{{#b}}{{.}}{{/b}}", template_format="mustache"),
    "jinja": PromptTemplate("{% for x in b %}{{x}}{% endfor %}", template_format="jinja2"),
    "chat": ChatPromptTemplate([("system", "x"), ("human", "{b}")]),
    "placeholder": ChatPromptTemplate([("human", "{b}"), HumanMessage("{a}")]),
    "prompt in a prompt": ChatPromptTemplate([ChatPromptTemplate(["{b}"]), "{b}"]),
    "blocks": ChatPromptTemplate([("human", [{"type": "image_url", "image_url": "{b}"}])]),
    "dict": DictPromptTemplate(template={"x": ["{b}"]}),
    "few shots": FewShotPromptTemplate(examples=EXAMPLES, example_prompt=PAIR, suffix="{b}"),
    "few shots in a chat": ChatPromptTemplate(
        [FewShotChatMessagePromptTemplate(examples=EXAMPLES, example_prompt=ChatPromptTemplate(["{i}"])), "{b}"]
    ),
    "sum": ChatPromptTemplate(["x"]) + "{b}",
}

READING_A_TOO: dict[str, Any] = {
    "optional": ChatPromptTemplate([MessagesPlaceholder("a", optional=True), "{b}"]),
    "partial": PromptTemplate("{a} {b}").partial(a="known"),
    "partial of a part": ChatPromptTemplate(
        [HumanMessagePromptTemplate.from_template("{a}", partial_variables={"a": "known"}), "{b}"]
    ),
    "partial of a prompt in it": ChatPromptTemplate([ChatPromptTemplate(["{a}"]).partial(a="known"), "{b}"]),
    "inside a section": PromptTemplate("{{#b}}{{a}}{{/b}}", template_format="mustache"),
    "partial of a few-shot prompt": FewShotPromptTemplate(
        examples=EXAMPLES, example_prompt=PAIR, suffix="{a}{b}", partial_variables={"a": "known"}
    ),
}


@one_after_another("prompt", READING_B.values(), ids=READING_B)
def test_a_prompt_runs_before_the_keys_that_it_does_not_read_exist(prompt: Any) -> None:
    done = threading.Event()

    def wait_for_the_prompt(_: str) -> str:
        assert done.wait(20), "the prompt waits for a key that it doesn't read"
        return "late"

    def tell(value: Any) -> Any:
        done.set()
        return value

    both = RunnableParallel(a=wait_for_the_prompt, b=lambda text: text) | {"x": prompt | tell, "y": itemgetter("a")}
    found = both.invoke("text")
    assert found["y"] == "late"
    assert found["x"] == prompt.invoke({"b": "text"})


@pytest.mark.parametrize("prompt", READING_A_TOO.values(), ids=READING_A_TOO)
def test_a_prompt_waits_for_the_keys_that_it_may_read(prompt: Any) -> None:
    given = {"a": ["given"], "b": ["b"]}
    gathered = {"a": lambda _: given["a"], "b": lambda _: given["b"]} | prompt
    assert gathered.invoke("x") == prompt.invoke(given) != prompt.invoke({"b": ["b"]})
    assert asyncio.run(gathered.ainvoke("x")) == prompt.invoke(given)


class Own(StringPromptTemplate):
    """A prompt of text that somebody wrote, and that reads more than it declares."""

    def format(self, /, **kwargs: Any) -> str:
        return " ".join(f"{name}={kwargs[name]}" for name in sorted(kwargs))


class OwnChat(BaseChatPromptTemplate):
    """A prompt of messages that somebody wrote."""

    def format_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        return [HumanMessage(name) for name in sorted(kwargs)]

    async def aformat_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        await asyncio.sleep(0)
        return [HumanMessage("async"), *self.format_messages(**kwargs)]


class OwnPrompt(BasePromptTemplate):
    """A prompt that somebody wrote from scratch."""

    def format_prompt(self, /, **kwargs: Any) -> StringPromptValue:
        return StringPromptValue(text=f"{kwargs}")


def test_a_prompt_of_ones_own_gets_the_whole_input_and_what_is_known() -> None:
    prompt = Own(input_variables=["b"]).partial(known=1)
    gathered = {"a": lambda _: 1, "b": lambda _: 2} | prompt
    assert gathered.invoke("x").to_string() == "a=1 b=2 known=1"
    assert asyncio.run(gathered.ainvoke("x")).to_string() == "a=1 b=2 known=1"
    assert prompt.pretty_repr() == "b={b}"
    with pytest.raises(KeyError, match="Own got no value for 'b'"):
        prompt.invoke({"a": 1})
    assert OwnPrompt(input_variables=["b"]).invoke(3).to_string() == "{'b': 3}"


def test_a_chat_prompt_of_ones_own_stands_in_others_and_has_an_asynchronous_form() -> None:
    prompt = OwnChat(input_variables=["b"]) + "{c}"
    assert prompt.input_variables == ["b", "c"]
    assert prompt.invoke({"b": 1, "c": 2}).to_string() == "Human: b\nHuman: c\nHuman: 2"
    gathered = asyncio.run(({"b": len, "c": len, "d": len} | prompt).ainvoke("xyz"))
    assert gathered.to_string() == "Human: async\nHuman: b\nHuman: c\nHuman: d\nHuman: 3"


def test_a_subclass_that_writes_how_it_formats_is_asked() -> None:
    class Shouting(PromptTemplate):
        def format(self, /, **kwargs: Any) -> str:
            return super().format(**kwargs).upper()

    assert (Shouting(template="a {b}") | str).invoke("c") == "text='A C'"
    assert ChatPromptTemplate([("ai", Shouting(template="a {b}"))]).invoke("c").to_string() == "AI: A C"


def test_names_that_python_uses_are_variables_like_others() -> None:
    prompt = ChatPromptTemplate(["{self} {input} {config} {kwargs} {name}"])
    values = dict(zip(prompt.input_variables, range(5), strict=True))
    assert prompt.invoke({**values, 3: "no name"}).to_string() == "Human: 4 1 0 2 3"


def test_tags_and_metadata_of_a_prompt_are_told_of_its_run_alone() -> None:
    prompt = PromptTemplate("{a}", tags=["own"], metadata={"version": 2}, name="Asking")
    chain = prompt.with_config(tags=["bound"]) | str

    async def told() -> list[tuple[str, str, list[str], dict[str, Any]]]:
        events = chain.astream_events({"a": 1}, version="v2")
        return [(each["event"], each["name"], sorted(each["tags"]), each["metadata"]) async for each in events]

    found = asyncio.run(told())
    assert ("on_prompt_start", "Asking", ["bound", "own", "seq:step:1"], {"version": 2}) in found
    assert ("on_prompt_end", "Asking", ["bound", "own", "seq:step:1"], {"version": 2}) in found
    assert all(not tags or "seq:step:1" in tags or tags == ["seq:step:2"] for _, _, tags, _ in found)


@given(st.lists(st.sampled_from(["a", "b", "user_name", "größe", "config", "x y"]), unique=True))
@settings(max_examples=10)
def test_the_schema_of_a_prompt_has_its_variables(names: list[str]) -> None:
    prompt = ChatPromptTemplate(["".join(f"{{{name}}}" for name in names), MessagesPlaceholder("h", optional=True)])
    schema = prompt.input_schema.model_json_schema()
    assert schema["title"] == "PromptInput"
    assert sorted(schema.get("required", [])) == sorted(names) == prompt.input_variables
    assert set(schema["properties"]) == {*names, "h"}
    given = prompt.input_schema.model_validate(dict.fromkeys(names, "text")).model_dump(
        by_alias=True, exclude_none=True
    )
    assert prompt.invoke(given).to_string() == f"Human: {'text' * len(names)}"


def test_the_schema_has_the_types_that_are_told_or_found() -> None:
    typed = PromptTemplate("{a} {b}", input_types={"b": int}, optional_variables=["z"]).input_schema.model_json_schema()
    assert {name: each["type"] for name, each in typed["properties"].items()} == {
        "a": "string",
        "b": "integer",
        "z": "string",
    }
    assert typed["required"] == ["a", "b"]
    mustache = PromptTemplate("{{a}}{{#b}}{{/b}}{{c.d}}", template_format="mustache").input_schema.model_json_schema()
    assert {name: each.get("type") for name, each in mustache["properties"].items()} == {
        "a": "string",
        "b": None,
        "c": None,
    }


def test_a_prompt_goes_to_its_fields_and_back() -> None:
    prompt = PromptTemplate("{a} {b}", partial_variables={"b": 1}, tags=["t"], name="Asking")
    assert PromptTemplate.model_validate(prompt.model_dump()) == prompt
    assert PromptTemplate(**prompt.model_dump()) == prompt


def test_the_template_can_be_configured() -> None:
    prompt = PromptTemplate("a {x}").configurable_fields(template=ConfigurableField("template"))
    assert prompt.invoke({"x": 1}).to_string() == "a 1"
    changed = prompt.invoke({"y": 1}, {"configurable": {"template": "b {y}"}})
    assert changed.to_string() == "b 1"


@pytest.mark.parametrize("prompt", READING_B.values(), ids=READING_B)
def test_the_laws_hold_for_prompts(prompt: Any) -> None:
    check_laws(prompt, [{"b": "text"}, {"b": "text", "c": 1}, {}, None])
