"""What goes together, and what certainly doesn't: the check of types where steps meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import pytest
from annotated_functions import (
    BOTH,
    PROMPT,
    Child,
    Named,
    a_person,
    alength,
    awaiting,
    generated,
    greet,
    half,
    length,
    maybe,
    name_of,
    of_dict,
    raise_child,
    shout,
    unknown,
)
from verbs import one_after_another

from anabranch.engine.errors import EdgeTypeError
from anabranch.engine.value_types import DictType
from anabranch.nodes import (
    BaseMessage,
    ChatPromptTemplate,
    FakeListChatModel,
    HumanMessage,
    RouterRunnable,
    RunnableAssign,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    StrOutputParser,
)

MISFITS: dict[str, tuple[Callable[[], Any], str]] = {
    "two functions": (
        lambda: RunnableLambda(length) | shout,
        "'length' gives int, but 'shout' takes str: int is not str",
    ),
    "a function in front": (lambda: length | RunnableLambda(shout), "'length' gives int, but 'shout' takes str"),
    "in a RunnableSequence": (lambda: RunnableSequence(shout, length, shout), "'length' gives int"),
    "two sequences": (
        lambda: (shout | RunnableLambda(length)) | (RunnableLambda(shout) | length),
        "'length' gives int",
    ),
    "by pipe": (lambda: RunnableLambda(length).pipe(shout), "'length' gives int"),
    "an async function": (lambda: RunnableLambda(alength) | shout, "'alength' gives int"),
    "a function annotated to give an awaitable": (lambda: RunnableLambda(awaiting) | shout, "'awaiting' gives int"),
    "a generator": (lambda: RunnableLambda(length) | generated, "'length' gives int, but 'generated' takes str"),
    "after a generator": (lambda: RunnableGenerator(generated) | shout, "'generated' gives int"),
    "a branch of a dict": (lambda: RunnableLambda(length) | {"a": half, "b": shout}, "'length' gives int, but 'shout'"),
    "a nested branch": (
        lambda: RunnableLambda(length) | {"a": {"b": RunnablePassthrough() | shout}},
        "but 'shout' takes str",
    ),
    "a dict to a function of text": (lambda: BOTH | shout, "'RunnableParallel<n,text>' gives {'n': int, 'text': str}"),
    "a missing key of a typed dict": (lambda: BOTH | name_of, "missing key 'name'"),
    "a key of another type": (lambda: RunnableParallel(name=length) | name_of, "key 'name': int is not str"),
    "through a passthrough": (
        lambda: RunnableLambda(length) | RunnablePassthrough() | shout,
        "'RunnablePassthrough' gives int",
    ),
    "pick": (lambda: BOTH | RunnablePick("z"), "reads key 'z': missing key 'z'"),
    "pick by the verb": (lambda: BOTH.pick(["n", "z"]), "'RunnablePick<n,z>' reads key 'z'"),
    "pick after text": (lambda: RunnableLambda(shout).pick("z"), "'shout' gives str, but 'RunnablePick<z>' takes dict"),
    "itemgetter": (lambda: BOTH | itemgetter("z"), "reads key 'z'"),
    "itemgetter of several": (lambda: BOTH | itemgetter("n", "y", "z"), "reads keys 'y', 'z'"),
    "itemgetter in a branch": (lambda: BOTH | {"a": itemgetter("z") | RunnableLambda(length)}, "reads key 'z'"),
    "itemgetter in an assign": (lambda: BOTH.assign(a=itemgetter("z")), "'RunnableParallel<n,text>' gives"),
    "a prompt": (lambda: BOTH | PROMPT, "'PromptTemplate' reads key 'question'"),
    "a prompt of one variable": (lambda: BOTH | ChatPromptTemplate.from_template("{question}"), "reads key 'question'"),
    "a prompt after assign": (lambda: BOTH.assign(a=length_of) | PROMPT, "'RunnableAssign<a>' gives"),
    "after pick": (lambda: BOTH.pick("n") | shout, "'RunnablePick<n>' gives int, but 'shout' takes str"),
    "after pick of several": (lambda: BOTH.pick(["n"]) | PROMPT, "reads keys"),
    "after itemgetter": (lambda: BOTH | itemgetter("n") | shout, "(itemgetter('n')) gives int, but 'shout' takes str"),
    "an assigned key": (
        lambda: BOTH.assign(m=RunnableLambda(of_dict)) | itemgetter("m") | shout,
        "gives int, but 'shout'",
    ),
    "assign to text": (lambda: RunnableLambda(shout).assign(a=len), "but 'RunnableAssign<a>' takes dict"),
    "in a composed tail": (
        lambda: BOTH | (RunnablePassthrough.assign(a=length_of) | RunnablePick("z")),
        "reads key 'z'",
    ),
    "bound": (
        lambda: RunnableLambda(length).bind(a=1) | RunnableLambda(shout).with_config(tags=["t"]),
        "'length' gives int",
    ),
    "retried": (lambda: RunnableLambda(length).with_retry() | RunnableLambda(shout).with_retry(), "'length' gives int"),
    "with fallbacks": (
        lambda: RunnableLambda(length) | RunnableLambda(shout).with_fallbacks([unknown]),
        "'length' gives int",
    ),
    "a retried pick": (lambda: BOTH | RunnablePick("z").with_retry(), "reads key 'z'"),
    "after a retried dict": (lambda: BOTH.with_retry() | RunnablePick("z"), "reads key 'z'"),
    "declared input": (
        lambda: RunnableLambda(length) | RunnableLambda(unknown).with_types(input_type=str),
        "'length' gives int",
    ),
    "declared output": (lambda: RunnableLambda(unknown).with_types(output_type=int) | shout, "'unknown' gives int"),
    "a list to text": (lambda: RunnableLambda(length).map() | shout, "gives list[int], but 'shout' takes str"),
    "text to map": (
        lambda: RunnableLambda(shout) | RunnableLambda(length).map(),
        "gives str, but 'RunnableEach<length>'",
    ),
    "a dict to map": (lambda: BOTH | RunnableLambda(length).map(), "but 'RunnableEach<length>' takes list"),
    "a condition": (
        lambda: RunnableLambda(length) | RunnableBranch((shout, unknown), unknown),
        "but 'shout' takes str",
    ),
    "after a branch": (lambda: RunnableBranch((unknown, half), length) | shout, "gives int | float, but 'shout'"),
    "text to a router": (
        lambda: RunnableLambda(shout) | RouterRunnable({"a": length}),
        "'RouterRunnable' takes RouterInput",
    ),
    "a model to text": (lambda: RunnableLambda(a_person) | shout, "'a_person' gives Person"),
}


def length_of(values):  # type: ignore[no-untyped-def]
    return len(values)


class TestEdges:
    @one_after_another("case", MISFITS)
    def test_what_certainly_does_not_fit_is_an_error_that_names_both_steps(self, case: str) -> None:
        compose, told = MISFITS[case]
        with pytest.raises(EdgeTypeError) as caught:
            compose()
        assert told in str(caught.value)
        assert ".with_types(" in str(caught.value)
        assert isinstance(caught.value, TypeError)

    @one_after_another(
        ("left", "right"),
        [
            (unknown, shout),
            (length, unknown),
            (maybe, shout),
            (length, half),
            (raise_child, greet),
            (a_person, greet),
            (unknown, itemgetter("z")),
            (shout, itemgetter(0)),
            (of_dict, half),
            (lambda x: x, lambda x: x),
            (dict, of_dict),
            (length, str),
            (str.split, len),
        ],
    )
    def test_what_may_fit_is_none(self, left: Any, right: Any) -> None:
        RunnableLambda(left) | right
        RunnableLambda(left) | {"a": right, "b": RunnablePassthrough() | right}
        RunnableLambda(left).with_retry() | RunnableLambda(right).bind()

    def test_a_base_class_may_be_what_the_subclass_takes(self) -> None:
        def of_child(child: Child) -> int:
            return child.age

        RunnableLambda(a_person) | of_child

    def test_keys_that_are_there_are_none(self) -> None:
        chain = BOTH | RunnablePassthrough.assign(question=itemgetter("text"), name=itemgetter("text"))
        chain | PROMPT
        chain | name_of
        chain | {"a": itemgetter("name") | RunnableLambda(shout), "b": RunnablePick("n") | half}
        chain | of_dict
        assert (chain | itemgetter("n", "text")).OutputType == tuple[int, str]

    def test_keys_that_may_be_there_are_none(self) -> None:
        def typed() -> Any:
            return RunnableLambda(lambda x: x).with_types(output_type=Named)

        typed() | RunnablePick("other")
        typed() | itemgetter("other")
        typed().assign(more=len) | PROMPT
        RunnableLambda(of_dict).with_types(output_type=dict[str, Any]) | PROMPT
        RunnablePassthrough.assign(a=len) | PROMPT

    def test_only_the_first_condition_of_a_branch_is_certain_to_run(self) -> None:
        RunnableLambda(length) | RunnableBranch((unknown, shout), (shout, shout), shout)

    def test_only_the_runnable_itself_is_certain_to_run_not_its_fallbacks(self) -> None:
        RunnableLambda(length) | RunnableLambda(half).with_fallbacks([shout])

    def test_any_of_the_outputs_may_come(self) -> None:
        RunnableLambda(length).with_fallbacks([shout]) | shout
        RunnableBranch((unknown, shout), length) | shout

    def test_components_accept_more_than_their_schema_tells(self) -> None:
        class Note(BaseMessage):
            type: str = "note"

        def messages(text: str) -> tuple[BaseMessage, ...]:
            return (HumanMessage(content=text),)

        def note(text: str) -> Note:
            return Note(content=text)

        assert (RunnableLambda(messages) | FakeListChatModel(responses=["a"]) | StrOutputParser()).invoke("?") == "a"
        assert (RunnableLambda(note) | StrOutputParser()).invoke("a") == "a"
        with pytest.raises(EdgeTypeError, match="'length' gives int, but 'StrOutputParser' takes"):
            RunnableLambda(length) | StrOutputParser()
        with pytest.raises(EdgeTypeError, match="'length' gives int, but 'FakeListChatModel' takes"):
            RunnableLambda(length) | FakeListChatModel(responses=["a"])

    def test_map_takes_anything_that_can_be_iterated(self) -> None:
        def some(text: str) -> tuple[str, ...]:
            return (text,)

        assert (RunnableLambda(some) | RunnableLambda(length).map()).invoke("ab") == [2]

    def test_declared_types_win_over_the_annotations(self) -> None:
        wider = RunnableLambda(shout).with_types(input_type=int)
        assert (RunnableLambda(length) | wider.with_types(output_type=int) | half).OutputType is float
        RunnableLambda(length).with_types(output_type=str) | shout
        RunnableLambda(length) | (RunnablePassthrough().with_types(output_type=str) | shout)

    def test_a_mapping_may_be_a_dict(self) -> None:
        def mapping(text: str) -> Mapping[str, int]:
            return {text: 1}

        RunnableLambda(mapping) | PROMPT
        RunnableLambda(mapping) | RunnablePick("a")

    def test_the_output_type_of_a_dict_has_its_keys(self) -> None:
        assert BOTH.OutputType == DictType({"n": int, "text": str})
        assert BOTH.assign(a=of_dict).OutputType == DictType({"n": int, "text": str, "a": int})
        assert isinstance(RunnableAssign(BOTH).mapper, RunnableParallel)
