"""Choosing messages: filtering, merging runs, trimming to a limit, and counting tokens."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatPromptTemplate,
    FakeListChatModel,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    UsageMetadata,
    count_tokens_approximately,
    filter_messages,
    merge_message_runs,
    tool_call,
    trim_messages,
)

texts = st.text("ab \n", max_size=8)
parts = st.one_of(texts, st.lists(st.one_of(texts, st.builds(lambda text: {"type": "text", "text": text}, texts))))
names = st.sampled_from([None, "Ada"])
calls = st.lists(st.builds(lambda id: tool_call(name="f", args={}, id=id), st.sampled_from("12")), max_size=2)
messages = st.one_of(
    st.builds(SystemMessage, parts),
    st.builds(HumanMessage, parts, name=names),
    st.builds(AIMessage, parts, tool_calls=calls),
    st.builds(AIMessageChunk, parts),
    st.builds(ChatMessage, parts, role=st.sampled_from(["critic", "poet"])),
    st.builds(ToolMessage, parts, tool_call_id=st.sampled_from("12")),
)
chats = st.lists(messages, max_size=7)
options = st.fixed_dictionaries(
    {"max_tokens": st.integers(0, 20), "strategy": st.sampled_from(["first", "last"]), "allow_partial": st.booleans()},
    optional={"end_on": st.sampled_from(["human", ("ai", ToolMessage)])},
)


def letters(said: list[BaseMessage]) -> int:
    return sum(1 + len(message.text) for message in said)


def trimmed(said: list[BaseMessage], **chosen: Any) -> list[BaseMessage]:
    return trim_messages(said, token_counter=letters, **chosen)


@given(chats, options)
def test_trimming_keeps_to_the_limit_and_is_done_after_once(said: list[BaseMessage], chosen: dict[str, Any]) -> None:
    kept = trimmed(said, **chosen)
    assert letters(kept) <= chosen["max_tokens"]
    assert trimmed(kept, **chosen) == kept


@given(chats, options)
def test_whole_messages_are_kept_in_a_row_and_as_many_as_fit(said: list[BaseMessage], chosen: dict[str, Any]) -> None:
    chosen = {**chosen, "allow_partial": False}
    kept = trimmed(said, **chosen)
    limit, first = chosen["max_tokens"], chosen["strategy"] == "first"
    if "end_on" in chosen:
        rows = [said[i : i + len(kept)] for i in range(len(said) - len(kept) + 1)]
        assert kept in rows
        return
    assert kept == (said[: len(kept)] if first else said[len(said) - len(kept) :])
    if len(kept) < len(said):
        more = said[: len(kept) + 1] if first else said[len(said) - len(kept) - 1 :]
        assert letters(more) > limit


@given(chats, options)
def test_a_part_of_a_message_is_where_its_neighbour_would_be(said: list[BaseMessage], chosen: dict[str, Any]) -> None:
    chosen.pop("end_on", None)
    whole, kept = (
        trimmed(said, **{**chosen, "allow_partial": False}),
        trimmed(said, **{**chosen, "allow_partial": True}),
    )
    assert len(kept) - len(whole) in (0, 1)
    if len(kept) > len(whole):
        first = chosen["strategy"] == "first"
        part, cut = (kept[-1], said[len(whole)]) if first else (kept[0], said[-len(kept)])
        assert cut.text.startswith(part.text) if first else cut.text.endswith(part.text)
        assert type(part) is type(cut)


@given(chats, st.integers(0, 30))
def test_the_beginning_that_a_model_wants_is_kept_to(said: list[BaseMessage], limit: int) -> None:
    said = [SystemMessage("b"), *said]
    kept = trimmed(said, max_tokens=limit + 2, include_system=True, start_on="human")
    assert kept[0] == said[0]
    assert kept[1:] == [] or isinstance(kept[1], HumanMessage)
    assert letters(kept) <= limit + 2


def test_a_limit_below_the_system_message_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"the system message takes 4 tokens, more than max_tokens=3"):
        trimmed([SystemMessage("abc"), HumanMessage("a")], max_tokens=3, include_system=True)


SAID: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage("Hi", name="Ada", id="1"),
    AIMessage("one\ntwo\nthree", id="2"),
    HumanMessage("Who are you?"),
]


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({"max_tokens": 2, "token_counter": len}, SAID[2:]),
        ({"max_tokens": 2, "token_counter": len, "include_system": True}, [SAID[0], SAID[3]]),
        ({"max_tokens": 3, "token_counter": len, "start_on": HumanMessage}, [*SAID[1:]]),
        ({"max_tokens": 2, "token_counter": len, "start_on": "human"}, [SAID[3]]),
        ({"max_tokens": 3, "token_counter": len, "strategy": "first", "end_on": ["human", "tool"]}, SAID[:2]),
        ({"max_tokens": 8, "token_counter": "approximate"}, [SAID[3]]),
    ],
)
def test_trimming_as_it_is_written_down(chosen: dict[str, Any], kept: list[BaseMessage]) -> None:
    assert trim_messages(SAID, **chosen) == kept


def test_tokens_are_counted_by_a_function_of_one_message_or_by_a_model() -> None:
    class Model:
        def get_num_tokens_from_messages(self, messages: list[BaseMessage]) -> int:
            return 2 * len(messages)

    def words(message: BaseMessage) -> int:
        return len(message.text.split())

    assert trim_messages(SAID, max_tokens=6, token_counter=words) == SAID[2:]
    assert trim_messages(SAID, max_tokens=3, token_counter=Model()) == SAID[3:]


def test_a_long_message_is_cut_by_lines_or_as_a_splitter_says() -> None:
    def cut(**chosen: Any) -> str:
        return trim_messages(SAID[2:3], token_counter=letters, allow_partial=True, **chosen)[0].text

    assert cut(max_tokens=10) == "two\nthree"
    assert cut(max_tokens=9) == "three"
    assert cut(max_tokens=9, strategy="first") == "one\ntwo\n"
    assert cut(max_tokens=4, text_splitter=list) == "ree"


def test_a_long_history_takes_few_counts() -> None:
    asked = []

    def count(messages: list[BaseMessage]) -> int:
        asked.append(len(messages))
        return len(messages)

    assert len(trim_messages([HumanMessage("a")] * 1000, max_tokens=7, token_counter=count)) == 7
    assert len(asked) < 15


def test_a_long_text_is_cut_in_a_block_as_it_is_alone_in_linear_time() -> None:
    text = "some words in a line\n" * 40_000
    chosen: dict[str, Any] = {"max_tokens": len(text) // 2, "token_counter": letters, "allow_partial": True}
    (alone,) = trim_messages([HumanMessage(text)], **chosen)
    (block,) = trim_messages([HumanMessage([{"type": "text", "text": text, "index": 1}])], **chosen)
    assert block.content == [{"type": "text", "text": alone.content, "index": 1}]
    assert len(text) // 3 < len(alone.text) <= len(text) // 2


@one_after_another(
    ("wrong", "told"),
    [
        ({"strategy": "middle"}, "'middle'"),
        ({"strategy": "first", "include_system": True}, "include_system goes with the strategy 'last'"),
        ({"strategy": "first", "start_on": "human"}, "start_on goes with the strategy 'last'"),
        ({"token_counter": "exact"}, "no token counter 'exact'"),
        ({"token_counter": 3}, "got 3"),
        ({"start_on": [3]}, "such as 'human'"),
        ({"allow_partial": True, "text_splitter": 3}, "text_splitter"),
    ],
)
def test_options_without_sense_are_an_error_before_a_chain_runs(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        trim_messages(**{"max_tokens": 3, "token_counter": len, **wrong})


def test_without_messages_they_are_steps_of_a_chain() -> None:
    model = FakeListChatModel(responses=["Hello"])
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "Hi"), ("human", "{question}")])
    for step, left in [
        (trim_messages(max_tokens=1, token_counter=len), ["Who?"]),
        (filter_messages(exclude_types="system"), ["Hi", "Who?"]),
        (merge_message_runs(), ["Be brief.", "Hi\nWho?"]),
    ]:
        assert [message.content for message in (prompt | step).invoke({"question": "Who?"})] == left
        assert (prompt | step | model).invoke({"question": "Who?"}).content == "Hello"
    assert trim_messages(max_tokens=1, token_counter=len).get_name() == "trim_messages"


@settings(max_examples=50)
@given(chats)
def test_runs_are_merged_once_and_nothing_is_lost(said: list[BaseMessage]) -> None:
    merged = merge_message_runs(said, chunk_separator="")
    assert merge_message_runs(merged, chunk_separator="") == merged
    assert "".join(message.text for message in merged) == "".join(message.text for message in said)
    assert _all_calls(merged) == _all_calls(said)
    for left, right in pairwise(merged):
        assert type(left) is not type(right) or isinstance(left, ToolMessage | ChatMessage)


@settings(max_examples=50)
@given(chats, chats)
def test_merging_may_be_done_in_parts(some: list[BaseMessage], others: list[BaseMessage]) -> None:
    assert merge_message_runs([*merge_message_runs(some), *others]) == merge_message_runs([*some, *others])


def _all_calls(said: list[BaseMessage]) -> list[Any]:
    return [call for message in said if isinstance(message, AIMessage) for call in message.tool_calls]


def test_what_is_merged_is_of_one_speaker() -> None:
    critics = [ChatMessage("a", role="critic"), ChatMessage("b", role="critic"), ChatMessage("c", role="poet")]
    assert merge_message_runs(critics) == [ChatMessage("a\nb", role="critic"), critics[2]]
    apart = [
        ToolMessage("a", tool_call_id="1"),
        ToolMessage("b", tool_call_id="1"),
        RemoveMessage("1"),
        RemoveMessage("2"),
    ]
    assert merge_message_runs(apart) == apart


def test_what_merged_messages_have_besides_is_put_together() -> None:
    usage = UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)
    merged = merge_message_runs(
        [
            AIMessage("a", id="1", usage_metadata=usage, response_metadata={"model": "x"}, additional_kwargs={"k": 1}),
            AIMessage(["b"], id="2", usage_metadata=usage, name="Ada", additional_kwargs={"k": 2, "l": 3}),
        ]
    )
    both = UsageMetadata(input_tokens=2, output_tokens=4, total_tokens=6)
    assert merged == [
        AIMessage(
            ["a", "b"],
            id="1",
            name="Ada",
            usage_metadata=both,
            response_metadata={"model": "x"},
            additional_kwargs={"k": 1, "l": 3},
        )
    ]


@given(chats, st.sampled_from(["human", "ai", AIMessage, ToolMessage, ("system", HumanMessage)]))
def test_including_and_excluding_a_kind_share_out_all_messages(said: list[BaseMessage], kinds: Any) -> None:
    kept, left_out = filter_messages(said, include_types=kinds), filter_messages(said, exclude_types=kinds)
    assert len(kept) + len(left_out) == len(said)
    assert filter_messages(kept, include_types=kinds) == kept
    assert filter_messages(kept, exclude_types=kinds) == []
    assert filter_messages(said) == said


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        ({"include_names": ["Ada"]}, [1]),
        ({"include_names": "Ada", "include_ids": ["2"]}, [1, 2]),
        ({"exclude_names": ["Ada"], "include_types": ["human"]}, [3]),
        ({"exclude_ids": "2"}, [0, 1, 3]),
        ({"include_types": [SystemMessage, "ai"]}, [0, 2]),
    ],
)
def test_messages_are_chosen_by_name_kind_and_id(conditions: dict[str, Any], kept: list[int]) -> None:
    assert filter_messages(SAID, **conditions) == [SAID[place] for place in kept]


def test_tool_calls_are_left_out_with_their_results() -> None:
    block = {"type": "tool_use", "id": "2", "name": "g", "input": {}}
    f, g = tool_call(name="f", args={}, id="1"), tool_call(name="g", args={}, id="2")
    said = [
        HumanMessage("a"),
        AIMessage([block, "b"], tool_calls=[f, g]),
        ToolMessage("c", tool_call_id="1"),
        ToolMessage("d", tool_call_id="2"),
    ]
    assert filter_messages(said, exclude_tool_calls=True) == said[:1]
    assert filter_messages(said, exclude_tool_calls=["2"]) == [said[0], AIMessage(["b"], tool_calls=[f]), said[2]]
    assert filter_messages(said, exclude_tool_calls=["1", "2"]) == said[:1]


def test_tokens_are_guessed_by_characters() -> None:
    def count(message: Any, **options: Any) -> int:
        return count_tokens_approximately([message], **options)

    assert count(HumanMessage("")) == 4  # the role `user` is one token, the form of a message three
    assert count(HumanMessage("a" * 10)) == 7
    assert count(HumanMessage("a" * 10, name="Ada")) == 8
    assert count(HumanMessage("a" * 10, name="Ada"), count_name=False) == 7
    assert count(HumanMessage([{"type": "image_url", "image_url": {"url": "u" * 1000}}])) == 4 + 85
    assert count(ToolMessage("a" * 10, tool_call_id="123456789")) == 9
    assert count(AIMessage("", tool_calls=[tool_call(name="f", args={"a": 1}, id="1")])) > 20
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}
    assert count(("human", "a" * 10), tools=[tool]) > 20
    assert count_tokens_approximately([]) == 0


def test_a_guess_is_corrected_by_what_a_model_has_told() -> None:
    def count(total: int, **facts: str) -> int:
        usage = UsageMetadata(input_tokens=0, output_tokens=total, total_tokens=total)
        said = [HumanMessage("a" * 10), AIMessage("a" * 10, usage_metadata=usage, response_metadata=facts)]
        return count_tokens_approximately([*said, HumanMessage("a" * 10)], use_usage_metadata_scaling=True)

    assert count(100, model_provider="x") == 28  # a quarter more than 22
    assert count(2, model_provider="x") == 22
    assert count(100) == 22
