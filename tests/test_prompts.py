"""Prompts and their templates."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.nodes.messages.messages import AIMessage, HumanMessage, SystemMessage
from anabranch.nodes.messages.prompt_values import ChatPromptValue, StringPromptValue
from anabranch.nodes.prompts.chat_prompts import ChatPromptTemplate
from anabranch.nodes.prompts.message_templates import MessagesPlaceholder
from anabranch.nodes.prompts.string_prompts import PromptTemplate
from anabranch.nodes.prompts.template_formats import read_template
from anabranch.nodes.prompts.templates import TemplateError
from anabranch.nodes.prompts.variables import MissingVariablesError

names = st.sampled_from(["a", "topic", "größe", "x_1", "user-name"])
values = st.one_of(st.text(max_size=5), st.integers(), st.lists(st.integers(), max_size=2))


@given(st.lists(st.one_of(names, st.text("xyz{} \n", max_size=4)), max_size=8), st.data())
def test_a_template_is_filled_as_python_fills_it(parts: list[str], data: st.DataObject) -> None:
    known = {"a", "topic", "größe", "x_1", "user-name"}
    text = "".join(f"{{{part}}}" if part in known else part.replace("{", "{{").replace("}", "}}") for part in parts)
    filling = {name: data.draw(values) for name in sorted(known)}
    template = read_template(text)
    assert template.fill(filling) == text.format_map(filling)
    assert set(template.variables) == {part for part in parts if part in known}


def test_formats_and_conversions_are_those_of_python() -> None:
    text = "{a!r:>8}|{b:9.2f}|{c!s}|{{literal}}"
    filling = {"a": "x", "b": 3.14159, "c": None}
    assert read_template(text).fill(filling) == text.format(**filling)
    assert read_template(text).variables == ("a", "b", "c")


@one_after_another(
    ("template", "told"),
    [
        ("{x.__class__}", "reads into a variable"),
        ("{x[0]}", "reads into a variable"),
        ("{x:{y.z}}", "holes of its own"),
        ("{x:{y}}", "holes of its own"),
        ("{x.__class__.__mro__[1]}", "reads into a variable"),
        ("{}", "has no name"),
        ("{0}", "not the name of a variable"),
        ('{"answer": 42}', "not the name of a variable"),
        ("{x!z}", "unknown conversion"),
        ("{x:{y:{z}}}", "holes of its own"),
        ("{x", "expected '}'"),
        ("x}", "Single '}'"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_when_it_is_made(template: str, told: str) -> None:
    with pytest.raises(TemplateError, match=told) as caught:
        ChatPromptTemplate.from_template(template)
    assert repr(template) in str(caught.value)
    assert "{{" in str(caught.value)


@given(st.text("{}[].!:ab01_ ", max_size=12))
def test_no_template_reads_into_a_variable(template: str) -> None:
    class Secret:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"read {name}")

        def __getitem__(self, key: object) -> Any:
            raise AssertionError(f"read {key}")

        def __format__(self, spec: str) -> str:
            return "shown"

    try:
        read = read_template(template)
    except TemplateError:
        return
    assert all(not set(".[") & set(name or "") for _, name, _, _ in Formatter().parse(template))
    try:
        read.fill(dict.fromkeys(read.variables, Secret()))
    except ValueError:  # a format that makes no sense for the value
        return


def test_a_chat_prompt_is_made_of_many_parts() -> None:
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Answer in {language}."),
            MessagesPlaceholder("history"),
            ("placeholder", "{notes}"),
            AIMessage("{taken} as it is"),
            {"role": "user", "content": "{question}"},
            "and {question} again",
        ]
    )
    assert prompt.input_variables == ["history", "language", "question"]
    assert prompt.optional_variables == ["notes"]
    value = prompt.invoke({"language": "Welsh", "history": [("human", "Hi")], "question": "why"})
    assert value == ChatPromptValue(
        messages=[
            SystemMessage("Answer in Welsh."),
            HumanMessage("Hi"),
            AIMessage("{taken} as it is"),
            HumanMessage("why"),
            HumanMessage("and why again"),
        ]
    )


def test_a_placeholder_may_take_the_last_few() -> None:
    prompt = ChatPromptTemplate([MessagesPlaceholder("history", n_messages=2)])
    assert prompt.invoke({"history": ["a", "b", "c"]}).to_messages() == [HumanMessage("b"), HumanMessage("c")]
    assert prompt.invoke({"history": ["a"]}).to_messages() == [HumanMessage("a")]
    with pytest.raises(TypeError, match=r"'history' expected a list of messages, got str"):
        prompt.invoke({"history": "a"})


def test_a_prompt_of_text_makes_text() -> None:
    prompt = PromptTemplate.from_template("a joke about {topic}")
    assert prompt.invoke({"topic": "bears"}) == StringPromptValue(text="a joke about bears")
    assert prompt.format(topic="cats") == "a joke about cats"


def test_the_only_variable_may_come_alone() -> None:
    prompt = ChatPromptTemplate.from_template("a joke about {topic}")
    assert prompt.invoke("bears") == prompt.invoke({"topic": "bears"})
    assert prompt.batch(["bears", 3])[1].to_string() == "Human: a joke about 3"
    assert asyncio.run(prompt.ainvoke("bears")) == prompt.invoke("bears")


def test_other_inputs_than_a_dict_are_an_error_that_says_what_was_expected() -> None:
    prompt = ChatPromptTemplate.from_template("{a} and {b}")
    with pytest.raises(TypeError, match=r"ChatPromptTemplate expected a dict with its variables \('a', 'b'\)"):
        prompt.invoke("bears")
    with pytest.raises(TypeError, match="got NoneType None"):
        prompt.invoke(None)


def test_a_missing_variable_is_named_with_its_prompt_and_what_came() -> None:
    prompt = ChatPromptTemplate([("human", "{a} {b} {c}")], name="Asking")
    with pytest.raises(KeyError) as caught:
        prompt.invoke({"b": 1, "d": 2})
    assert isinstance(caught.value, MissingVariablesError)
    assert str(caught.value) == (
        "Asking got no value for 'a', 'c': expected 'a', 'b', 'c', received 'b', 'd'. "
        "If {a} is meant as text, write {{a}}"
    )


def test_partial_values_and_functions_fill_variables_beforehand() -> None:
    days = iter(["Monday", "Tuesday"])
    whole = PromptTemplate.from_template("{day}: {topic} in {place}")
    prompt = whole.partial(day=lambda: next(days), place="Wales")
    assert prompt.input_variables == ["topic"]
    assert prompt.invoke("bears").to_string() == "Monday: bears in Wales"
    assert prompt.invoke({"topic": "cats", "place": "Rome"}).to_string() == "Tuesday: cats in Rome"
    assert whole.input_variables == ["day", "place", "topic"], "the first prompt stays as it was"


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (3, "got int 3"),
        (("bear", "x"), "unknown role 'bear'.*human"),
        (("human", "x", "y"), "got tuple"),
        (("human", 3), "a template is text; got int 3"),
    ],
)
def test_what_is_no_part_of_a_prompt_is_refused(part: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        ChatPromptTemplate.from_messages([part])


def test_a_placeholder_is_a_variable_in_braces() -> None:
    with pytest.raises(TemplateError, match="'history'"):
        ChatPromptTemplate([("placeholder", "history")])


def test_the_schema_of_the_input_holds_what_others_know() -> None:
    path = Path(__file__).parent.parent.parent / "shared" / "golden" / "schema_prompt_input.json"
    if not path.exists():
        pytest.skip("the golden facts are not beside this repository")
    known = json.loads(path.read_text())
    ours = ChatPromptTemplate.from_template("tell me a joke about {topic}").input_schema.model_json_schema()
    assert {key: ours[key] for key in known} == known
    assert ours["required"] == ["topic"]


def test_a_placeholder_is_a_list_of_messages_in_the_schema() -> None:
    schema = ChatPromptTemplate([MessagesPlaceholder("history", optional=True)]).input_schema
    history = schema.model_json_schema()["properties"]["history"]
    assert "#/$defs/HumanMessage" in json.dumps(history)
    assert "required" not in schema.model_json_schema()
