"""Chat prompts as lists of parts: what may stand in one, how they add up, and how they are cut."""

from __future__ import annotations

import asyncio
import copy
import pickle
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anabranch.nodes import (
    AIMessage,
    AIMessagePromptTemplate,
    BaseMessage,
    BaseMessagePromptTemplate,
    ChatMessage,
    ChatMessagePromptTemplate,
    ChatPromptTemplate,
    DictPromptTemplate,
    FewShotChatMessagePromptTemplate,
    HumanMessage,
    HumanMessagePromptTemplate,
    ImagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessage,
    SystemMessagePromptTemplate,
    TemplateError,
)

VALUES = {"a": "A", "b": "{b}", "c": 3, "history": [("human", "Hi"), ("ai", "Ho")], "notes": ["n"]}

parts: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.sampled_from(["human", "ai", "system"]), st.sampled_from(["x", "{a}", "{b} {{x}}", "{c:>3}", ""])),
    st.sampled_from(
        [
            "{a} {c}",
            MessagesPlaceholder("history"),
            MessagesPlaceholder("notes", optional=True),
            ("placeholder", "{missing}"),
            AIMessage("{taken}"),
            ChatMessagePromptTemplate.from_template("{a}", role="Jedi"),
            ChatPromptTemplate(["{a}", ("ai", "{b}")]).partial(b="known"),
            ("human", [{"type": "text", "text": "{a}"}, {"type": "image_url", "image_url": "http://{c}"}]),
            {"role": "user", "content": "{b}"},
        ]
    ),
)
prompts = st.lists(parts, max_size=4).map(ChatPromptTemplate)
texts = st.lists(st.sampled_from(["x", "{a}", "{{", "}}", "{b!r}", "{c:>4}", "\n"]), max_size=5).map("".join)


@given(prompts, prompts)
@settings(max_examples=60)
def test_a_sum_of_prompts_makes_the_messages_of_both(left: ChatPromptTemplate, right: ChatPromptTemplate) -> None:
    both = left + right
    assert both.format_messages(**VALUES) == left.format_messages(**VALUES) + right.format_messages(**VALUES)
    assert set(both.input_variables) == {*left.input_variables, *right.input_variables}
    assert both == left + right.messages == ChatPromptTemplate([*left.messages, *right.messages])
    assert len(both) == len(left) + len(right)


@given(prompts, st.integers(-6, 6), st.integers(-6, 6))
@settings(max_examples=60)
def test_a_slice_of_a_prompt_makes_its_share_of_the_messages(prompt: ChatPromptTemplate, at: int, to: int) -> None:
    assert prompt[:at] + prompt[at:] == prompt
    assert prompt[at:to].messages == prompt.messages[at:to]
    assert prompt[:] == prompt
    made = [prompt[place : place + 1].format_messages(**VALUES) for place in range(len(prompt))]
    assert list(chain.from_iterable(made)) == prompt.format_messages(**VALUES)


@given(prompts)
@settings(max_examples=40)
def test_a_prompt_survives_being_copied_printed_and_made_asynchronously(prompt: ChatPromptTemplate) -> None:
    prompt.graph  # noqa: B018 (it is derived; a copy does without)
    for same in (copy.copy(prompt), copy.deepcopy(prompt), pickle.loads(pickle.dumps(prompt))):
        assert same == prompt
        assert same.invoke(VALUES) == prompt.invoke(VALUES)
    assert asyncio.run(prompt.ainvoke(VALUES)) == prompt.invoke(VALUES)
    assert asyncio.run(prompt.aformat_messages(**VALUES)) == prompt.format_messages(**VALUES)
    assert prompt.pretty_repr().count("=====") >= 2 * len(prompt.messages)


@given(texts, texts, st.booleans())
@settings(max_examples=60)
def test_a_sum_of_texts_makes_the_texts_of_both(left: str, right: str, as_text: bool) -> None:
    first, second = PromptTemplate(left), PromptTemplate(right)
    both = first + (right if as_text else second)
    assert both.format(**VALUES) == first.format(**VALUES) + second.format(**VALUES)


def test_everything_that_makes_a_part_can_be_added() -> None:
    prompt = ChatPromptTemplate([("system", "{a}")])
    added: list[Any] = [
        "{b}",
        ("human", "{b}"),
        ["{b}"],
        HumanMessagePromptTemplate.from_template("{b}"),
        PromptTemplate.from_template("{b}"),
        {"role": "human", "content": "{b}"},
        ChatPromptTemplate.from_template("{b}"),
    ]
    for other in added:
        assert (prompt + other).format_messages(a=1, b=2) == [SystemMessage("1"), HumanMessage("2")], other
    assert len(prompt.__add__(({"role": "ai", "content": "x"}, {"role": "ai", "content": "y"}))) == 3
    assert (prompt + HumanMessage("{b}")).format_messages(a=1) == [SystemMessage("1"), HumanMessage("{b}")]
    assert (prompt + MessagesPlaceholder("h")).input_variables == ["a", "h"]
    assert prompt.__add__(("placeholder", "{h}")).optional_variables == ["h"]
    assert prompt.input_variables == ["a"], "it stays as it was"


def test_messages_and_their_templates_add_up_to_a_prompt() -> None:
    assert (SystemMessage("{as} it is") + "{b}").format_messages(b=2) == [
        SystemMessage("{as} it is"),
        HumanMessage("2"),
    ]
    assert (SystemMessage("a") + HumanMessage("b") + AIMessage("c")).input_variables == []
    template = SystemMessagePromptTemplate.from_template("{a}") + "{b}"
    assert template.input_variables == ["a", "b"]
    assert MessagesPlaceholder("h").__add__([AIMessage("x"), "{b}"]).format_messages(h=["1"], b=2) == [
        HumanMessage("1"),
        AIMessage("x"),
        HumanMessage("2"),
    ]
    examples = FewShotChatMessagePromptTemplate(examples=[{"a": 1}], example_prompt=template[:1])
    assert (examples + "{b}").format_messages(b=2) == [SystemMessage("1"), HumanMessage("2")]


@pytest.mark.parametrize("other", [3, None, {"a": 1}, [3]])
def test_what_is_no_part_is_not_added(other: Any) -> None:
    with pytest.raises(TypeError, match=r"can't be added to a chat prompt|a chat prompt is made of"):
        ChatPromptTemplate(["x"]) + other
    with pytest.raises(TypeError):
        SystemMessage("x") + other


@pytest.mark.parametrize("other", [3, ChatPromptTemplate(["x"]), ["x"]])
def test_what_is_no_text_is_not_added_to_one(other: Any) -> None:
    with pytest.raises(TypeError, match="don't add up; expected a string or a PromptTemplate"):
        PromptTemplate("x") + other


def test_what_both_know_beforehand_must_agree() -> None:
    left = PromptTemplate("{a}{b}").partial(b=1)
    assert (left + PromptTemplate("{b}").partial(b=1)).format(a=0) == "011"
    with pytest.raises(TemplateError, match="variable 'b' is 1 in one prompt and 2 in the other"):
        left + PromptTemplate("{b}").partial(b=2)
    with pytest.raises(TemplateError, match="variable 'b'"):
        ChatPromptTemplate(["{b}"]).partial(b=1) + ChatPromptTemplate(["{b}"]).partial(b=2)
    with pytest.raises(TemplateError, match="formats f-string and mustache"):
        left + PromptTemplate("{{b}}", template_format="mustache")


def test_a_prompt_grows_in_place_by_append_and_extend() -> None:
    prompt = ChatPromptTemplate(["{a}"])
    part = prompt.partial(a=1)
    assert prompt.invoke({"a": 1}).to_messages() == [HumanMessage("1")]
    prompt.append(("ai", "{b}"))
    prompt.extend([MessagesPlaceholder("h", optional=True), "{c}"])
    assert (prompt.input_variables, prompt.optional_variables) == (["a", "b", "c"], ["h"])
    assert [each.text for each in prompt.invoke({"a": 1, "b": 2, "c": 3, "h": ["x"]}).to_messages()] == list("12x3")
    assert len(part) == 1, "a prompt made of it before does not grow"


def test_a_part_is_changed_where_it_stands() -> None:
    prompt = ChatPromptTemplate(["say {a}"])
    part = prompt[0]
    assert isinstance(part, HumanMessagePromptTemplate)
    assert isinstance(part.prompt, PromptTemplate)
    assert prompt.format(a=1) == "Human: say 1"
    part.prompt.template = "do say {a}"
    assert prompt.format(a=1) == "Human: do say 1"


# What may stand in a prompt


def test_a_variable_that_some_part_needs_is_not_optional() -> None:
    prompt = ChatPromptTemplate([MessagesPlaceholder("x", optional=True), MessagesPlaceholder("x")])
    assert (prompt.input_variables, prompt.optional_variables) == (["x"], [])
    known = ChatPromptTemplate([MessagesPlaceholder("x", optional=True)]).partial(x=[HumanMessage("known")])
    assert known.invoke({}).to_messages() == [HumanMessage("known")]
    assert known.invoke({"x": ["given"]}).to_messages() == [HumanMessage("given")]


def test_a_prompt_in_a_prompt_knows_what_it_knew() -> None:
    inner = ChatPromptTemplate([("human", "{a} {b}"), ("placeholder", "{h}")]).partial(a="known")
    prompt = ChatPromptTemplate([inner, "{b}"])
    assert (prompt.input_variables, prompt.optional_variables) == (["b"], ["h"])
    assert prompt.format(b=1) == "Human: known 1\nHuman: 1"
    assert prompt.invoke({"b": 1, "a": "given", "h": ["x"]}).to_string() == "Human: given 1\nHuman: x\nHuman: 1"


def test_content_blocks_have_holes() -> None:
    blocks: list[Any] = [
        "{a}",
        {"type": "text", "text": "{a}", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": "http://{c}"},
        {"type": "image_url", "image_url": {"url": "http://{c}", "detail": "{a}"}},
        {"type": "file", "data": {"parts": ["{a}", 3, "{{q}}"]}},
        DictPromptTemplate(template={"type": "x", "x": "{a}"}),
        PromptTemplate("{a}"),
    ]
    prompt = ChatPromptTemplate([("human", blocks)])
    assert prompt.input_variables == ["a", "c"]
    assert prompt.format_messages(a=1, c=2)[0].content == [
        {"type": "text", "text": "1"},
        {"type": "text", "text": "1", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "http://2"}},
        {"type": "image_url", "image_url": {"url": "http://2", "detail": "1"}},
        {"type": "file", "data": {"parts": ["1", 3, "{q}"]}},
        {"type": "x", "x": "1"},
        {"type": "text", "text": "1"},
    ]
    assert "{'url': 'http://{c}'}" in prompt.pretty_repr()


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (3, "a content block is a text or a dict"),
        ({"type": "image_url", "image_url": 3}, "an image_url is a text, or a dict"),
        ({"type": "image_url", "image_url": {"path": "/etc/{a}"}}, "a dict with a 'url'"),
        ({"type": "file", "data": ["{a.b}"]}, "reads into a variable"),
    ],
)
def test_what_is_no_content_block_is_refused(block: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ChatPromptTemplate([("human", [block])])


def test_templates_of_messages_take_what_messages_have() -> None:
    said = AIMessagePromptTemplate.from_template("{a}", additional_kwargs={"k": 1}).format(a=1)
    assert said == AIMessage("1", additional_kwargs={"k": 1})
    known = HumanMessagePromptTemplate.from_template("{a} {b}", partial_variables={"a": 1})
    assert (known.input_variables, known.format(b=2)) == (["b"], HumanMessage("1 2"))
    assert ChatPromptTemplate([known]).invoke({"b": 2, "a": 3}).to_string() == "Human: 3 2"
    assert ChatPromptTemplate([("developer", "{a}")]).format_messages(a=1)[0].additional_kwargs
    assert ChatPromptTemplate([(ChatMessagePromptTemplate.from_template("{a}", role="Jedi"))]).format_messages(a=1) == [
        ChatMessage("1", role="Jedi")
    ]
    assert ChatPromptTemplate([(SystemMessage, "{a}")]).format_messages(a=1) == [SystemMessage("1")]  # type: ignore[list-item]


def test_a_prompt_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_text("größe {a}", encoding="utf-8")
    assert PromptTemplate.from_file(path).format(a=1) == "größe 1"
    assert HumanMessagePromptTemplate.from_template_file(str(path)).format(a=1) == HumanMessage("größe 1")


def test_a_prompt_comes_from_examples() -> None:
    prompt = PromptTemplate.from_examples(["1", "2 {b}"], "{a}?", ["a"], prefix="sums:")
    assert prompt.format(a="x", b="y") == "sums:\n\n1\n\n2 y\n\nx?"


@pytest.mark.parametrize("messages", ["abc", {"a": 1}, 3, None, ("human", "{a}")])
def test_one_message_is_no_list_of_messages(messages: Any) -> None:
    with pytest.raises(TypeError, match="a chat prompt takes a list of messages"):
        ChatPromptTemplate(messages)


def test_a_dict_with_more_than_role_and_content_is_refused_for_it_would_be_lost() -> None:
    with pytest.raises(TypeError, match=r"'role' and 'content' and nothing else.*convert_to_messages"):
        ChatPromptTemplate([{"role": "user", "content": "x", "name": "Ada"}])


def test_declared_variables_are_compared_if_wanted() -> None:
    assert PromptTemplate(template="{a}", input_variables=["z"]).input_variables == ["a"]
    for wrong in (
        lambda: PromptTemplate("{a}", input_variables=["z"], validate_template=True),
        lambda: PromptTemplate("{{a}}", template_format="mustache", input_variables=["a"], validate_template=True),
        lambda: ChatPromptTemplate(["{a}"], input_variables=["z"], validate_template=True),
    ):
        with pytest.raises(TemplateError, match=r"input_variables|validated"):
            wrong()
    assert PromptTemplate("{a}{b}", input_variables=["a"], partial_variables={"b": 1}, validate_template=True)


class Lines(BaseMessagePromptTemplate):
    """A part that somebody wrote."""

    @property
    def input_variables(self) -> list[str]:
        return ["lines"]

    def format_messages(self, /, **kwargs: Any) -> list[BaseMessage]:
        return [HumanMessage(line) for line in kwargs["lines"].splitlines()]


def test_a_part_can_be_written() -> None:
    prompt = Lines() + "{end}"
    assert prompt.input_variables == ["end", "lines"]
    assert prompt.format(lines="a\nb", end="c") == "Human: a\nHuman: b\nHuman: c"
    assert asyncio.run(prompt.ainvoke({"lines": "a", "end": "c"})).to_string() == "Human: a\nHuman: c"


def test_images_and_dicts_are_templates_of_their_own() -> None:
    image = ImagePromptTemplate(template={"url": "{{u}}"}, template_format="mustache")
    assert (image.input_variables, image.invoke({"u": "x"})) == (["u"], {"url": "x"})
    with pytest.raises(KeyError, match="DictPromptTemplate got no value for 'b': expected 'a', 'b', received 'a'"):
        DictPromptTemplate(template={"x": ["{a}", "{b}"]}).invoke({"a": 1})
    with pytest.raises(TypeError, match=r"expected a dict with its variables \('a'\), got int 3"):
        DictPromptTemplate(template={"x": "{a}"}).invoke(3)  # type: ignore[arg-type]
