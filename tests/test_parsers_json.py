"""Answers in JSON: whole and as they come, as dicts, as models, as patches; and errors that say what is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from verbs import alist

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    Algebra,
    Generation,
    GenericFakeChatModel,
    JsonOutputParser,
    OutputParserException,
    PydanticOutputParser,
    RunnableGenerator,
    RunnableLambda,
    StepInputError,
    fold,
)


class Joke(BaseModel):
    """A joke."""

    setup: str = Field(description="the question")
    n: int = 3


JSON = JsonOutputParser()
JOKES = PydanticOutputParser(pydantic_object=Joke)
DIFF = JsonOutputParser(diff=True)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("text", "values", "jokes"),
    [
        (
            '{"setup": "ab", "n": 12}',
            [{}, {"setup": ""}, {"setup": "a"}, {"setup": "ab"}, {"setup": "ab", "n": 1}, {"setup": "ab", "n": 12}],
            [("", 3), ("a", 3), ("ab", 3), ("ab", 1), ("ab", 12)],
        ),
        ('```json\n{"setup": "x"}\n```', [{}, {"setup": ""}, {"setup": "x"}], [("", 3), ("x", 3)]),
        ('{"setup": "x"', [{}, {"setup": ""}, {"setup": "x"}], [("", 3), ("x", 3)]),
    ],
)
def test_each_chunk_gives_what_there_is(text: str, values: list[Any], jokes: list[tuple[str, int]]) -> None:
    # As langchain-core 1.7.2 gives it.
    assert list(JSON.transform(iter(text))) == values
    assert list(JOKES.transform(iter(text))) == [Joke(setup=setup, n=n) for setup, n in jokes]
    assert list(JSON.transform(map(AIMessageChunk, text))) == values
    assert JSON.invoke(AIMessage(text)) == values[-1]


def test_patches_are_those_of_the_documentation() -> None:
    assert list(DIFF.transform(iter('{"a": [1, {"b": "c"}]}'))) == [
        [{"op": "replace", "path": "", "value": {}}],
        [{"op": "add", "path": "/a", "value": []}],
        [{"op": "add", "path": "/a/0", "value": 1}],
        [{"op": "add", "path": "/a/1", "value": {}}],
        [{"op": "add", "path": "/a/1/b", "value": ""}],
        [{"op": "replace", "path": "/a/1/b", "value": "c"}],
    ]
    assert DIFF.invoke('{"a": 1}') == {"a": 1}


@given(VALUES, st.integers(1, 5))
def test_patches_applied_in_order_give_the_values_also_in_place(value: Any, size: int) -> None:
    text = json.dumps(value)
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    document: Any = None
    values = list(JSON.transform(iter(chunks)))
    for ops, expected in zip(DIFF.transform(iter(chunks)), values, strict=True):
        document = jsonpatch.apply_patch(document, ops, in_place=True)
        assert repr(document) == repr(expected)
    assert repr(document) == repr(JSON.invoke(text))


def test_a_value_may_be_changed_at_the_top_without_harm() -> None:
    def spoil(values: Iterator[Any]) -> Iterator[Any]:
        for value in values:
            value["mine"] = True
            yield value

    chain = RunnableGenerator(pieces_of_json) | JSON | RunnableGenerator(spoil)
    assert list(chain.stream(""))[-1] == {"a": [1, 2], "mine": True}


def pieces_of_json(_: Iterator[str]) -> Iterator[str]:
    yield from ('{"a": [1', ", 2]", "}")


def test_the_end_of_a_stream_is_as_strict_as_invoke() -> None:
    for text in ("no idea", "", '{"a": 1 oops}', "[1, 2}", "```json\n{'a': 1}\n```"):
        with pytest.raises(OutputParserException):
            JSON.invoke(text)
        with pytest.raises(OutputParserException):
            list(JSON.transform(iter([text])))


def test_an_error_says_what_was_expected_and_what_came() -> None:
    with pytest.raises(OutputParserException) as caught:
        JSON.invoke('Sure:\n```json\n{"a": 1 oops}\n```')
    assert str(caught.value) == (
        "JsonOutputParser found no JSON that it can read: expected a comma or '}', found 'oops}\\n```': "
        "line 3 column 9 (char 22). It expects JSON alone, or in a ```json fence; "
        "tell the model what get_format_instructions() says. "
        'It answered: Sure:\n```json\n{"a": 1 oops}\n```'
    )
    assert caught.value.llm_output == 'Sure:\n```json\n{"a": 1 oops}\n```'
    with pytest.raises(
        OutputParserException, match=r"Joke takes; setup: Field required.*; n: .* valid integer"
    ) as caught:
        JOKES.invoke('{"n": "x"}')
    assert caught.value.llm_output == '{"n": "x"}'
    with pytest.raises(OutputParserException) as caught:
        JSON.invoke("word " * 100_000)
    assert len(str(caught.value)) < 600


def test_a_stream_of_models_that_ends_wrong_ends_with_the_error() -> None:
    chunks = JOKES.transform(iter('{"setup": "a", "n": "x"}'))
    assert [next(chunks), next(chunks)] == [Joke(setup=""), Joke(setup="a")]
    with pytest.raises(OutputParserException, match="valid integer"):
        next(chunks)


def test_parsers_of_results() -> None:
    assert JSON.parse_result([Generation(text='{"a": 1')], partial=True) == {"a": 1}
    assert JSON.parse_result([Generation(text="x")], partial=True) is None
    assert JOKES.parse_result([Generation(text='{"setup"')], partial=True) is None
    assert JOKES.parse_result([Generation(text='{"setup": "a')], partial=True) == Joke(setup="a")
    assert JSON.parse_result([Generation(text="1"), Generation(text="2")]) == 1
    with pytest.raises(StepInputError, match="at least one candidate"):
        JSON.parse_result([])


def test_format_instructions_tell_the_schema() -> None:
    for parser in (JOKES, JsonOutputParser(pydantic_object=Joke)):
        told = parser.get_format_instructions()
        schema = json.loads(told.rpartition("```\n")[2].removesuffix("\n```"))
        assert schema["properties"]["setup"]["description"] == "the question"
        assert schema["required"] == ["setup"]
    assert JOKES.OutputType is Joke


def test_types_reach_the_chain() -> None:
    chain = RunnableLambda(str) | JOKES
    assert chain.invoke('{"setup": "a"}').setup == "a"
    assert chain.output_schema.model_json_schema()["title"] == "Joke"


def test_content_in_blocks_and_whole_messages() -> None:
    assert JSON.invoke(AIMessage([{"type": "text", "text": "[1"}, {"type": "text", "text": ", 2]"}])) == [1, 2]
    assert list(JSON.transform(iter([AIMessage("[1"), AIMessage("[2, 3]")]))) == [[1], [2, 3]]


def test_tokens_of_a_model_stream_through() -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage('{"city": "Rome", "n": 2}')]))

    async def run() -> list[Any]:
        return await alist((model | JSON).astream("?"))

    seen = asyncio.run(run())
    assert len(seen) > 2
    assert seen[-1] == {"city": "Rome", "n": 2}


def test_closing_a_stream_early_closes_its_source() -> None:
    closed = []

    def source(_: str) -> Iterator[str]:
        try:
            yield from ("[1", ", 2", ", 3]")
        finally:
            closed.append(True)

    async def asource(_: str) -> AsyncIterator[str]:
        try:
            for each in ("[1", ", 2", ", 3]"):
                yield each
        finally:
            closed.append(True)

    with (RunnableLambda(source) | JSON).stream("") as chunks:
        assert next(chunks) == [1]
    assert closed == [True]

    async def run() -> None:
        chunks = (RunnableLambda(asource) | JSON).astream("")
        assert await anext(chunks) == [1]
        await chunks.aclose()

    asyncio.run(run())
    assert closed == [True, True]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5_000,
        '{"a":' * 5_000,
        '["' + "\\u00e9" * 20_000,
        '"' + "\\" * 20_001,
        "[" + "1," * 20_000,
        "`" * 20_000,
        "```" * 7_000,
        "```json" * 3_000,
        "```" + "x" * 20_000,
        "[" + "9" * 20_000,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_answers_end_soon_with_a_value_or_an_error(text: str) -> None:
    try:
        value = JSON.invoke(text)
    except OutputParserException:
        with pytest.raises(OutputParserException):
            list(JSON.transform(text[at : at + 7] for at in range(0, len(text), 7)))
    else:
        assert fold(JSON.transform(text[at : at + 7] for at in range(0, len(text), 7)), Algebra.SNAPSHOTS) == value
