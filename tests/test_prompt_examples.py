"""Few-shot prompts, what selects their examples, documents in prompts, and prompts that want a structured answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anabranch.nodes import (
    BaseExampleSelector,
    ChatPromptTemplate,
    DeterministicFakeEmbedding,
    Document,
    FakeListChatModel,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    FewShotPromptWithTemplates,
    HumanMessagePromptTemplate,
    InMemoryVectorStore,
    LengthBasedExampleSelector,
    MaxMarginalRelevanceExampleSelector,
    MessagesPlaceholder,
    PromptTemplate,
    RunnableLambda,
    SemanticSimilarityExampleSelector,
    StructuredPrompt,
    TemplateError,
    aformat_document,
    format_document,
)

EXAMPLES = [{"word": "tall", "opposite": "short"}, {"word": "big", "opposite": "small"}]
PAIR = PromptTemplate.from_template("{word} - {opposite}")
SAID = ChatPromptTemplate([("human", "{word}"), ("ai", "{opposite}")])


class First(BaseExampleSelector):
    """Selects the first example, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def select_examples(self, input_variables: dict[str, Any]) -> list[dict[str, Any]]:
        self.asked.append(input_variables)
        return EXAMPLES[:1]


class AsyncFirst(First):
    """The same with an asynchronous form of its own."""

    async def aselect_examples(self, input_variables: dict[str, Any]) -> list[dict[str, Any]]:
        await asyncio.sleep(0)
        return [{"word": "async", "opposite": "sync"}]


def test_examples_stand_between_prefix_and_suffix() -> None:
    prompt = FewShotPromptTemplate(
        examples=EXAMPLES, example_prompt=PAIR, prefix="{language} opposites", suffix="{q} -"
    )
    assert prompt.input_variables == ["language", "q"]
    assert prompt.format(language="English", q="old") == "English opposites\n\ntall - short\n\nbig - small\n\nold -"
    assert prompt.partial(language="All").invoke("old").to_string().startswith("All opposites")
    assert prompt.pretty_repr() == "{language} opposites\n\ntall - short\n\nbig - small\n\n{q} -"
    with_templates = FewShotPromptWithTemplates(
        examples=EXAMPLES,
        example_prompt=PAIR,
        prefix=PromptTemplate("{language} opposites"),
        suffix=PromptTemplate("{q} -"),
    )
    assert with_templates.invoke({"language": "x", "q": 1}) == prompt.invoke({"language": "x", "q": 1})
    assert with_templates.input_variables == prompt.input_variables
    for each in (prompt, with_templates):
        assert asyncio.run(each.ainvoke({"language": "x", "q": 1})) == each.invoke({"language": "x", "q": 1})


@given(st.lists(st.fixed_dictionaries({"word": st.text("a{}", max_size=4), "opposite": st.text("b{}", max_size=4)})))
@settings(max_examples=30)
def test_examples_stand_as_they_are_whatever_braces_they_have(examples: list[dict[str, str]]) -> None:
    text = FewShotPromptTemplate(examples=examples, example_prompt=PAIR, suffix="{q}", example_separator="|")
    assert text.format(q="}") == "|".join([*(f"{each['word']} - {each['opposite']}" for each in examples), "}"])
    chat = FewShotChatMessagePromptTemplate(examples=examples, example_prompt=SAID)
    said = [text for each in examples for text in (each["word"], each["opposite"])]
    assert [message.content for message in chat.format_messages()] == said


@pytest.mark.parametrize(("template_format", "hole"), [("mustache", "{{{%s}}}"), ("jinja2", "{{ %s }}")])
def test_prefix_and_suffix_have_a_format_of_their_own(template_format: Any, hole: str) -> None:
    prompt = FewShotPromptTemplate(
        examples=EXAMPLES[:1], example_prompt=PAIR, suffix=hole % "q", template_format=template_format
    )
    assert prompt.format(q="{x}") == "tall - short\n\n{x}"


def test_examples_are_messages_in_a_chat_prompt() -> None:
    shown = FewShotChatMessagePromptTemplate(examples=EXAMPLES, example_prompt=SAID)
    prompt = ChatPromptTemplate([("system", "Opposites."), shown, ("human", "{q}")])
    assert prompt.input_variables == ["q"]
    said = "System: Opposites.\nHuman: tall\nAI: short\nHuman: big\nAI: small\nHuman: old"
    assert prompt.invoke("old").to_string() == said
    assert asyncio.run(prompt.ainvoke("old")).to_string() == said
    one = FewShotChatMessagePromptTemplate(
        examples=EXAMPLES, example_prompt=HumanMessagePromptTemplate.from_template("{word}")
    )
    assert one.format() == "Human: tall\nHuman: big"
    assert "short" in prompt.pretty_repr()


@pytest.mark.parametrize("given", [{}, {"examples": [], "example_selector": First()}, {"example_selector": "first"}])
def test_there_is_one_source_of_examples(given: dict[str, Any]) -> None:
    for make in (
        lambda: FewShotPromptTemplate(example_prompt=PAIR, suffix="x", **given),
        lambda: FewShotPromptWithTemplates(example_prompt=PAIR, suffix=PromptTemplate("x"), **given),
        lambda: FewShotChatMessagePromptTemplate(example_prompt=SAID, **given),
    ):
        with pytest.raises(TypeError, match=r"either examples or an example_selector|is no BaseExampleSelector"):
            make()


def test_an_example_without_a_variable_is_told() -> None:
    prompt = FewShotPromptTemplate(examples=[{"word": "tall"}], example_prompt=PAIR, suffix="x")
    with pytest.raises(KeyError, match="no value for 'opposite'"):
        prompt.invoke({})


@pytest.mark.parametrize(("selector", "said"), [(First, "tall"), (AsyncFirst, "async")])
def test_a_selector_gets_all_that_the_prompt_gets(selector: type[First], said: str) -> None:
    selects = selector()
    shown = FewShotChatMessagePromptTemplate(example_selector=selects, example_prompt=SAID, input_variables=["q"])
    prompt = ChatPromptTemplate([shown, "{q} {known}"]).partial(known="k")
    gathered = {"q": lambda text: text, "r": len} | prompt
    assert gathered.invoke("old").to_string() == "Human: tall\nAI: short\nHuman: old k"
    assert selects.asked == [{"q": "old", "r": 3, "known": "k"}]
    assert asyncio.run(gathered.ainvoke("old")).to_string().startswith(f"Human: {said}")


def test_a_selector_by_length_takes_what_there_is_room_for() -> None:
    words = [{"word": word} for word in ("one", "two words", "x")]

    def chosen(room: int, **variables: Any) -> list[str]:
        selector = LengthBasedExampleSelector(
            examples=words, example_prompt=PromptTemplate("Word: {word}"), max_length=room
        )
        return [example["word"] for example in selector.select_examples(variables)]

    assert [len(chosen(room, q="a")) for room in range(10)] == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]
    assert chosen(6, q="a b", r=3) == ["one"]
    growing = LengthBasedExampleSelector(examples=words[:1], example_prompt=PromptTemplate("{word}"))
    asyncio.run(growing.aadd_example({"word": "b c"}))
    assert growing.example_text_lengths == [1, 2]
    assert asyncio.run(growing.aselect_examples({})) == [{"word": "one"}, {"word": "b c"}]


def test_examples_may_be_selected_while_others_are_added() -> None:
    selector = LengthBasedExampleSelector(examples=EXAMPLES[:1], example_prompt=PAIR)
    seen: list[Any] = []

    class Watched(list[Any]):
        def append(self, each: Any) -> None:
            seen.append(selector.select_examples({"word": "a"}))
            super().append(each)
            seen.append(selector.select_examples({"word": "a"}))

    selector.examples = Watched(selector.examples)
    selector.example_text_lengths = Watched(selector.example_text_lengths)
    selector.add_example(EXAMPLES[1])
    assert seen == [EXAMPLES[:1]] * 3 + [EXAMPLES]


@pytest.mark.parametrize("selector", [SemanticSimilarityExampleSelector, MaxMarginalRelevanceExampleSelector])
def test_a_selector_asks_a_vector_store(selector: Any) -> None:
    made = selector.from_examples(
        EXAMPLES, DeterministicFakeEmbedding(size=8), InMemoryVectorStore, k=1, input_keys=["word"]
    )
    assert made.select_examples({"word": "big", "other": "x"}) == [EXAMPLES[1]]
    assert asyncio.run(made.aselect_examples({"word": "tall"})) == [EXAMPLES[0]]
    made.add_example({"word": "old", "opposite": "new"})
    asyncio.run(made.aadd_example({"word": "wet", "opposite": "dry"}))
    prompt = FewShotPromptTemplate(example_selector=made, example_prompt=PAIR, suffix="{word} -")
    assert prompt.invoke({"word": "old"}).to_string() == "old - new\n\nold -"
    assert asyncio.run(prompt.ainvoke({"word": "wet"})).to_string() == "wet - dry\n\nwet -"
    with pytest.raises(KeyError, match="got no value for 'word': received 'q'"):
        made.select_examples({"q": "x"})


def test_a_selector_is_made_asynchronously_and_shows_some_keys() -> None:
    made = asyncio.run(
        SemanticSimilarityExampleSelector.afrom_examples(
            EXAMPLES, DeterministicFakeEmbedding(size=8), InMemoryVectorStore, k=1, example_keys=["opposite"]
        )
    )
    # It is searched by all values, in the order of their keys.
    assert made.select_examples({"b": "tall", "a": "short"}) == [{"opposite": "short"}]


# Documents


def test_a_document_is_formatted_with_its_metadata() -> None:
    document = Document("text", metadata={"source": "zoo", "page": 3})
    prompt = PromptTemplate("{source}/{page}: {page_content}")
    assert format_document(document, prompt) == "zoo/3: text"
    assert asyncio.run(aformat_document(document, prompt)) == "zoo/3: text"
    assert format_document(document, prompt.partial(page="all")) == "zoo/all: text"
    for error in (ValueError, KeyError):
        with pytest.raises(error, match=r"shows 'author', 'year' of a document whose metadata is \{'source': 'zoo'"):
            format_document(document, PromptTemplate("{author} {year} {source}"))


# Structured answers


class Structured(FakeListChatModel):
    """A model that tells what answer it was asked for."""

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        return RunnableLambda(lambda said: (said.to_string(), schema, kwargs))


def test_a_structured_prompt_asks_the_model_for_its_schema() -> None:
    schema = {"title": "Joke", "type": "object"}
    prompt = StructuredPrompt([("human", "about {topic}")], schema, method="json_mode")
    model = Structured(responses=["x"])
    expected = ("Human: about bears", schema, {"method": "json_mode"})
    assert (prompt | model).invoke({"topic": "bears"}) == expected
    assert (prompt | model | (lambda answer: answer[1])).invoke("bears") == schema
    assert prompt.pipe(model, str, name="asking").get_name() == "asking"
    assert (prompt.partial(topic="bears") | model).invoke({}) == expected
    assert StructuredPrompt.from_messages_and_schema(["x"], schema).structured_output_kwargs == {}
    assert type(prompt[:1]) is ChatPromptTemplate


def test_a_structured_prompt_is_followed_by_a_model() -> None:
    prompt = StructuredPrompt(["x"], {"title": "Joke"})
    with pytest.raises(TypeError, match=r"after StructuredPrompt comes a model.*got function"):
        prompt | (lambda value: value)
    with pytest.raises(TypeError, match="takes the schema of the answer; got None"):
        StructuredPrompt(["x"])


def test_declared_variables_of_few_shot_prompts_are_compared_if_wanted() -> None:
    given: dict[str, Any] = {"examples": [], "example_prompt": PAIR, "validate_template": True}
    assert FewShotPromptTemplate(suffix="{q}", input_variables=["q"], **given).input_variables == ["q"]
    with pytest.raises(TemplateError, match="input_variables"):
        FewShotPromptTemplate(suffix="{q}", input_variables=["z"], **given)
    with pytest.raises(TemplateError, match="input_variables"):
        FewShotPromptWithTemplates(suffix=PromptTemplate("{q}"), input_variables=["z"], **given)


def test_a_placeholder_among_examples_is_filled_by_each() -> None:
    prompt = ChatPromptTemplate([MessagesPlaceholder("turns"), "{q}"])
    shown = FewShotChatMessagePromptTemplate(
        examples=[{"turns": ["a"], "q": 1}, {"turns": [], "q": 2}], example_prompt=prompt
    )
    assert shown.format() == "Human: a\nHuman: 1\nHuman: 2"
