"""All parsers keep the laws; one's own are written as one method; and runs of parsers are told of as such."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import BaseModel
from verbs import alist

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    BaseCumulativeTransformOutputParser,
    BaseGenerationOutputParser,
    BaseOutputParser,
    BaseTransformOutputParser,
    CommaSeparatedListOutputParser,
    CompositionError,
    FakeListChatModel,
    HumanMessage,
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    JsonOutputToolsParser,
    MarkdownListOutputParser,
    NumberedListOutputParser,
    OutputParserException,
    PydanticOutputParser,
    PydanticToolsParser,
    Runnable,
    RunnableLambda,
    SimpleJsonOutputParser,
    StepInputError,
    StringPromptValue,
    StrOutputParser,
    fold,
)
from anabranch.nodes.laws import assert_laws

SPOKEN = st.text(st.sampled_from('1.-* ,"\nab'), max_size=12)
MESSAGES = st.one_of(SPOKEN, st.builds(AIMessage, SPOKEN), st.builds(HumanMessage, SPOKEN))
VALUES = st.recursive(
    st.integers() | st.text("ab", max_size=3), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
ANSWERS = st.builds("{}{}".format, st.sampled_from(["", "Here: ```json\n"]), VALUES.map(json.dumps)) | SPOKEN


class Point(BaseModel):
    x: int
    y: int = 0


POINTS = st.sampled_from(['{"x": 1}', '{"x": 1, "y": 23}', '```{"x": "1"}```', '{"x": "a"}', '{"y": 1', "x"])
ARGS = st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3) | st.just("a"), max_size=2)
CALLS = st.lists(
    st.builds(lambda name, args: {"name": name, "args": args, "id": "1"}, st.sampled_from(["Point", "add"]), ARGS),
    max_size=2,
)
CALLING = st.builds(lambda calls: AIMessage("", tool_calls=calls), CALLS) | st.builds(
    lambda calls: AIMessageChunk("", tool_calls=calls, chunk_position="last"), CALLS
)

PARSERS: list[tuple[Runnable[Any, Any], Any]] = [
    (StrOutputParser(), MESSAGES),
    (JsonOutputParser(), ANSWERS),
    (PydanticOutputParser(pydantic_object=Point), POINTS),
    (CommaSeparatedListOutputParser(), MESSAGES),
    (NumberedListOutputParser(), MESSAGES),
    (MarkdownListOutputParser(), MESSAGES),
    (NumberedListOutputParser(pattern=r"(\d)"), MESSAGES),
    (JsonOutputToolsParser(return_id=True), CALLING),
    (JsonOutputKeyToolsParser(key_name="add", first_tool_only=True), CALLING),
    (PydanticToolsParser(tools=[Point]), CALLING),
]


@pytest.mark.parametrize(("parser", "inputs"), PARSERS, ids=lambda each: getattr(each, "name", None))
def test_a_parser_keeps_the_laws(parser: Runnable[Any, Any], inputs: Any) -> None:
    assert_laws(parser, inputs, max_examples=10)


@pytest.mark.parametrize(("parser", "inputs"), PARSERS[:7], ids=lambda each: getattr(each, "name", None))
def test_a_parser_keeps_the_laws_after_a_model_that_streams(parser: Runnable[Any, Any], inputs: Any) -> None:
    answers = ['{"x": 1, "y": 2}', "1. a\n2. b", "- a, b\n- c"]
    for answer in answers:
        chain = FakeListChatModel(responses=[answer]) | parser
        assert_laws(chain, ["?"], laws=["fold_of_stream_is_invoke", "sync_stream_equals_async_stream"])


def test_differences_add_up_to_all_of_them() -> None:
    parser = JsonOutputParser(diff=True)
    reason = "what differs adds up to a list of operations, while the value is what it says"
    names = [
        "fold_of_stream_is_invoke",
        "fold_of_astream_is_ainvoke",
        "transform_is_invoke_of_the_fold",
        "atransform_is_ainvoke_of_the_fold",
        "listening_changes_nothing",
        "chunks_of_the_root_fold_to_its_output",
    ]
    assert_laws(parser, ['{"a": [1, 2]}', "[1"], exempt_laws=dict.fromkeys(names, reason))
    pieces = list(parser.transform(iter(['{"a": [1', ", 2]}"])))
    assert fold(pieces) == [op for piece in pieces for op in piece]


# One's own


class Count(BaseOutputParser[int]):
    def parse(self, text: str) -> int:
        return len(text.split())


class Waiting(BaseOutputParser[str]):
    async def aparse(self, text: str) -> str:
        await asyncio.sleep(0)
        return text.upper()


class Both(Count):
    async def aparse(self, text: str) -> int:
        return -1


class First(BaseGenerationOutputParser[str]):
    def parse_result(self, result: Sequence[Any], *, partial: bool = False) -> str:
        return f"{len(result)}: {result[0].message.text}"


class Loud(BaseTransformOutputParser[str]):
    def parse(self, text: str) -> str:
        return text.upper()


class Sentences(BaseTransformOutputParser[list[str]]):
    def parse(self, text: str) -> list[str]:
        return text.split(". ")

    def _transform(self, input: Iterator[Any]) -> Iterator[list[str]]:
        rest = ""
        for chunk in input:
            *done, rest = (rest + chunk).split(". ")
            for each in done:
                yield [each]
        yield [rest]


class Words(BaseCumulativeTransformOutputParser[int]):
    def parse_result(self, result: Sequence[Any], *, partial: bool = False) -> int | None:  # type: ignore[override]
        count = len(result[0].text.split())
        return count if count or not partial else None

    def _diff(self, prev: int | None, next: int) -> int:
        return next - (prev or 0)


class AsyncWords(BaseCumulativeTransformOutputParser[int]):
    async def aparse_result(self, result: Sequence[Any], *, partial: bool = False) -> int:
        await asyncio.sleep(0)
        return len(result[0].text.split())


def test_a_parser_of_ones_own_is_one_method() -> None:
    assert Count().invoke("so be it") == Count().invoke(AIMessage("so be it")) == 3
    assert First().invoke(AIMessage("so be it")) == "1: so be it"
    assert list(Loud().transform(iter(["so ", "be it"]))) == ["SO ", "BE IT"]
    assert list(Sentences().transform(iter(["a. b", ". c"]))) == [["a"], ["b"], ["c"]]
    assert Sentences().invoke("a. b") == ["a", "b"]
    assert list(Words().transform(iter(["", " so", " be", "", " i", "t"]))) == [1, 2, 3]
    assert list(Words(diff=True).transform(iter(["so be", " it"]))) == [2, 1]


def test_a_parser_may_wait() -> None:
    assert asyncio.run(Waiting().ainvoke("so")) == Waiting().invoke("so") == "SO"
    assert (Both().invoke("a b"), asyncio.run(Both().ainvoke("a b"))) == (2, -1)

    async def words() -> list[int]:
        async def chunks() -> AsyncIterator[str]:
            for chunk in ("so", " be", " it"):
                yield chunk

        return await alist(AsyncWords().atransform(chunks()))

    assert asyncio.run(words()) == [1, 2, 3]
    assert AsyncWords().invoke("so be it") == 3


@pytest.mark.parametrize("parser", [Count(), Waiting(), Loud(), Sentences(), Words(), AsyncWords()], ids=repr)
def test_parsers_of_ones_own_keep_the_laws(parser: Runnable[Any, Any]) -> None:
    assert_laws(parser, ["", "a. b. c", "a b"])


def test_a_parser_that_writes_nothing_says_so() -> None:
    class Empty(BaseOutputParser[str]):
        pass

    with pytest.raises(CompositionError, match="Empty has nothing to run: a parser writes `parse`"):
        Empty().invoke("x")


def test_what_a_subclass_of_a_parser_writes_is_used() -> None:
    class Shouted(StrOutputParser):
        def parse(self, text: str) -> str:
            return text.upper()

    class Strict(JsonOutputParser):
        def parse_result(self, result: Sequence[Any], *, partial: bool = False) -> Any:
            return json.loads(result[0].text) if not partial else None

    class Upper(CommaSeparatedListOutputParser):
        def parse(self, text: str) -> list[str]:
            return [item.upper() for item in super().parse(text)]

    assert list(Shouted().transform(iter("ab"))) == ["A", "B"]
    assert list(Strict().transform(iter(["[1", "]"]))) == [[1]]
    assert list(Upper().transform(iter(["a,", "b"]))) == [["A"], ["B"]]


def test_other_methods_that_parsers_have() -> None:
    assert Count().parse_with_prompt("so be it", StringPromptValue(text="?")) == 3
    assert asyncio.run(JsonOutputParser().aparse("[1]")) == JsonOutputParser().parse("[1]") == [1]
    assert SimpleJsonOutputParser is JsonOutputParser
    with pytest.raises(NotImplementedError, match="Count has no format instructions"):
        Count().get_format_instructions()


@pytest.mark.parametrize("parser", [each for each, _ in PARSERS], ids=lambda each: each.get_name())
def test_what_is_neither_message_nor_text_is_refused(parser: Runnable[Any, Any]) -> None:
    with pytest.raises(StepInputError, match="expected a message or text, got int 5"):
        parser.invoke(5)
    with pytest.raises(StepInputError, match="expected a message or text, got int 5"):
        list(parser.transform(iter([5])))


def test_an_error_to_send_to_a_model_has_what_to_send() -> None:
    error = OutputParserException("bad", observation="use JSON", llm_output="x", send_to_llm=True)
    assert (str(error), error.observation, error.llm_output, error.send_to_llm) == ("bad", "use JSON", "x", True)
    assert isinstance(error, ValueError)
    with pytest.raises(ValueError, match="needs an observation"):
        OutputParserException("bad", send_to_llm=True)


# Events


def json_in_pieces(_: str) -> Iterator[str]:
    yield from ('{"a"', ": [1", "]}")


def broken_json(_: str) -> Iterator[str]:
    yield from ("[1", " oops")


def events_of(chain: Runnable[Any, Any], input: Any) -> list[tuple[str, str, Any]]:
    found = []
    for event in chain.stream_events(input, version="v2"):
        if event["name"] == "JsonOutputParser":
            data = event["data"]
            found.append((event["event"], event["name"], data.get("chunk", data.get("output"))))
    return found


def test_runs_of_parsers_are_told_of_as_such() -> None:
    chain = RunnableLambda(json_in_pieces) | JsonOutputParser()
    assert events_of(chain, "") == [
        ("on_parser_start", "JsonOutputParser", None),
        ("on_parser_stream", "JsonOutputParser", {}),
        ("on_parser_stream", "JsonOutputParser", {"a": [1]}),
        ("on_parser_end", "JsonOutputParser", {"a": [1]}),
    ]


def test_an_error_in_a_stream_names_the_parser() -> None:
    chain = RunnableLambda(broken_json) | JsonOutputParser() | RunnableLambda(lambda value: value)
    with pytest.raises(OutputParserException) as caught:
        list(chain.stream(""))
    assert "raised in step RunnableSequence > JsonOutputParser" in "".join(caught.value.__notes__)
