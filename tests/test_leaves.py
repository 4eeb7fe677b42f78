"""A user's own leaf: some verbs are written, all others follow, and config comes as it was given."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Generic, TypeVar

import pytest
from pydantic import PrivateAttr

from anabranch.engine.errors import CompositionError
from anabranch.nodes import (
    BaseChatModel,
    BaseMessage,
    Runnable,
    RunnableConfig,
    RunnableLambda,
    RunnablePassthrough,
    RunnableSequence,
    RunnableSerializable,
    SimpleChatModel,
    fold,
)

T = TypeVar("T")


class Invokes(Runnable[str, str]):
    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return input.upper() * int(kwargs.get("times", 1))


class Awaits(Runnable[str, str]):
    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        await asyncio.sleep(0)
        return input.upper() * int(kwargs.get("times", 1))


class Transforms(Runnable[str, str]):
    def transform(self, input: Iterator[str], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[str]:
        for chunk in input:
            yield chunk.upper() * kwargs.get("times", 1)


class AsyncTransforms(Runnable[str, str]):
    async def atransform(
        self, input: AsyncIterator[str], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[str]:
        async for chunk in input:
            yield chunk.upper() * kwargs.get("times", 1)


class Streams(Runnable[str, str]):
    def stream(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        for char in input * kwargs.get("times", 1):
            yield char.upper()


class AsyncStreams(Runnable[str, str]):
    async def astream(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        for char in input * kwargs.get("times", 1):
            yield char.upper()


class Batches(Runnable[str, str]):
    def batch(self, inputs: Sequence[str], config: Any = None, **kwargs: Any) -> list[str]:
        return [each.upper() * kwargs.get("times", 1) for each in inputs]


class Settings(RunnableSerializable[str, str]):
    times: int = 1

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return input.upper() * self.times * int(kwargs.get("times", 1))


LEAVES: list[Runnable[str, str]] = [
    Invokes(),
    Awaits(),
    Transforms(),
    AsyncTransforms(),
    Streams(),
    AsyncStreams(),
    Batches(),
    Settings(),
]
each_leaf = pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: type(leaf).__name__)


async def source() -> AsyncIterator[str]:
    yield "a"
    yield "b"


async def folded(chunks: AsyncIterator[Any]) -> Any:
    return fold([chunk async for chunk in chunks])


@each_leaf
def test_of_one_written_verb_all_others_follow(leaf: Runnable[str, str]) -> None:
    assert leaf.invoke("ab") == "AB"
    assert leaf.batch(["ab", "c"]) == ["AB", "C"]
    assert sorted(leaf.batch_as_completed(["ab", "c"])) == [(0, "AB"), (1, "C")]
    assert fold(leaf.stream("ab")) == "AB"
    assert fold(leaf.transform(iter("ab"))) == "AB"
    assert leaf.start("ab").result(5) == "AB"


@each_leaf
def test_the_asynchronous_verbs_follow_too(leaf: Runnable[str, str]) -> None:
    async def main() -> None:
        assert await leaf.ainvoke("ab") == "AB"
        assert await leaf.abatch(["ab", "c"]) == ["AB", "C"]
        assert sorted([pair async for pair in leaf.abatch_as_completed(["ab", "c"])]) == [(0, "AB"), (1, "C")]
        assert await folded(leaf.astream("ab")) == "AB"
        assert await folded(leaf.atransform(source())) == "AB"

    asyncio.run(main())


@each_leaf
def test_a_leaf_takes_extra_arguments_by_any_verb_and_bound(leaf: Runnable[str, str]) -> None:
    assert leaf.invoke("a", times=2) == "AA"
    assert leaf.batch(["a"], times=2) == ["AA"]
    assert fold(leaf.stream("a", times=2)) == "AA"
    assert asyncio.run(leaf.ainvoke("a", times=2)) == "AA"
    assert leaf.bind(times=2).invoke("a") == "AA"
    assert (leaf.bind(times=2) | len).invoke("a") == 2


@each_leaf
def test_a_leaf_composes(leaf: Runnable[str, str]) -> None:
    through = RunnableLambda(str.strip) | {"it": leaf, "size": len}
    assert through.invoke(" ab ") == {"it": "AB", "size": 2}
    assert asyncio.run(through.ainvoke(" ab ")) == {"it": "AB", "size": 2}
    assert (leaf | len).batch(["ab", "c"]) == [2, 1]
    assert leaf.map().invoke(["a", "b"]) == ["A", "B"]
    assert leaf.with_retry().invoke("a") == "A"


@pytest.mark.parametrize("leaf", [Transforms(), AsyncTransforms()])
def test_a_leaf_that_maps_chunks_does_so_inside_a_chain(leaf: Runnable[str, str]) -> None:
    assert list((RunnablePassthrough() | leaf).transform(iter("ab"))) == ["A", "B"]


def test_a_class_with_nothing_to_run_is_an_error_that_says_what_to_write() -> None:
    class Empty(Runnable[str, str]):
        pass

    with pytest.raises(CompositionError, match="Empty has nothing to run: a subclass of Runnable writes `invoke`"):
        Empty().invoke("a")


class Seen(Runnable[str, int]):
    """Remembers what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def invoke(self, *args: Any, **kwargs: Any) -> int:
        self.calls.append((*args, kwargs) if kwargs else args)
        return len(args[0])

    def configs(self) -> list[Any]:
        found = [call[1] for call in self.calls]
        self.calls.clear()
        return found


FULL: dict[str, Any] = {"tags": [], "metadata": {}, "callbacks": None, "recursion_limit": 25, "configurable": {}}


class TestConfig:
    def test_on_its_own_a_leaf_gets_what_was_given_untouched(self) -> None:
        leaf, given = Seen(), RunnableConfig(metadata={"key": "value"})
        list(leaf.stream("a"))
        list(leaf.stream("a", given))
        list(leaf.transform(iter("a"), given))
        leaf.start("a", given).result()
        assert leaf.configs() == [None, given, given, given]

        async def main() -> None:
            await leaf.ainvoke("a")
            await leaf.ainvoke("a", given)
            await folded(leaf.astream("a"))
            await folded(leaf.astream("a", given))
            await folded(leaf.atransform(source(), given))

        asyncio.run(main())
        assert leaf.configs() == [None, given, None, given, given]

    def test_config_is_the_second_positional_argument(self) -> None:
        leaf = Seen()
        list(leaf.stream("a", {"tags": ["t"]}, times=2))
        assert leaf.calls == [("a", {"tags": ["t"]}, {"times": 2})]

    def test_bound_with_tags_it_is_tags_metadata_and_configurable(self) -> None:
        leaf = Seen()
        bound = leaf.with_config(tags=["a-tag"])
        bound.invoke("a")
        list(bound.stream("a", {"metadata": {"key": "value"}}))
        asyncio.run(bound.ainvoke("a", {"callbacks": []}))
        assert leaf.configs() == [
            {"tags": ["a-tag"], "metadata": {}, "configurable": {}},
            {"tags": ["a-tag"], "metadata": {"key": "value"}, "configurable": {}},
            {"tags": ["a-tag"], "metadata": {}, "configurable": {}, "callbacks": []},
        ]

    def test_through_batch_it_is_full(self) -> None:
        leaf = Seen()
        leaf.batch(["a"])
        leaf.batch(["a"], {"tags": ["t"]})
        asyncio.run(leaf.abatch(["a"], {"metadata": {"key": "value"}}))
        list(leaf.batch_as_completed(["a"]))
        assert leaf.configs() == [FULL, {**FULL, "tags": ["t"]}, {**FULL, "metadata": {"key": "value"}}, FULL]

    def test_a_batch_of_a_bound_leaf_merges_each_config(self) -> None:
        leaf = Seen()
        configs = [RunnableConfig(tags=["a-tag"]), RunnableConfig(metadata={"key": "value"})]
        assert leaf.with_config(recursion_limit=5).batch(["a", "bc"], configs) == [1, 2]
        first, second = sorted(leaf.calls)
        assert first[1] == {**FULL, "tags": ["a-tag"], "recursion_limit": 5}
        assert second[1] == {**FULL, "metadata": {"key": "value"}, "recursion_limit": 5}

    def test_inside_a_chain_it_is_full(self) -> None:
        leaf = Seen()
        (RunnablePassthrough() | leaf).invoke("a")
        (leaf | str).invoke("a", {"tags": ["t"]})
        leaf.map().invoke(["a"])
        leaf.with_retry().invoke("a")
        RunnableLambda(lambda x: leaf).invoke("a")
        assert leaf.configs() == [FULL, {**FULL, "tags": ["t"]}, FULL, FULL, {**FULL, "recursion_limit": 24}]

    def test_called_inside_a_step_it_inherits(self) -> None:
        leaf = Seen()
        bound = leaf.with_config(tags=["bound"])
        calling = RunnableLambda(lambda x: (list(leaf.stream(x)), bound.invoke(x)))
        calling.invoke("a", {"tags": ["outer"], "configurable": {"id": 1}})
        first, second = leaf.configs()
        assert (first["tags"], first["configurable"]) == (["outer"], {"id": 1})
        assert (sorted(second["tags"]), second["configurable"]) == (["bound", "outer"], {"id": 1})

    def test_a_leaf_that_maps_chunks_gets_it_too(self) -> None:
        seen: list[Any] = []

        class Telling(Runnable[str, str]):
            def transform(self, input: Iterator[str], config: Any = None, **kwargs: Any) -> Iterator[str]:
                seen.append(config)
                yield from input

        assert Telling().invoke("a", {"tags": ["t"]}) == "a"
        assert list(Telling().stream("a")) == ["a"]
        assert Telling().batch(["a"]) == ["a"]
        assert seen == [{"tags": ["t"]}, None, FULL]


class TestSeveralVerbs:
    def test_each_is_used_where_it_fits(self) -> None:
        used: list[str] = []

        class Both(Runnable[str, str]):
            def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
                used.append("invoke")
                return input

            async def ainvoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
                used.append("ainvoke")
                return input

            def stream(self, input: str, config: Any = None, **kwargs: Any) -> Any:
                used.append("stream")
                yield input

        chained = Both() | str.upper
        chained.invoke("a")
        asyncio.run(chained.ainvoke("a"))
        list(chained.stream("a"))
        Both().batch(["a"])
        asyncio.run(Both().abatch(["a"]))
        assert used == ["invoke", "ainvoke", "stream", "invoke", "ainvoke"]

    def test_a_vectorised_batch_gets_many_ready_inputs_at_once(self) -> None:
        sizes: list[int] = []

        class Embed(Runnable[str, int]):
            def batch(self, inputs: Sequence[str], config: Any = None, **kwargs: Any) -> list[int]:
                sizes.append(len(inputs))
                assert len(config) == len(inputs)
                return [len(each) for each in inputs]

        words = [str(number) for number in range(100)]
        assert (RunnableLambda(str.strip) | Embed() | str).batch(words) == [str(len(word)) for word in words]
        assert sum(sizes) == 100
        assert max(sizes) > 10

    def test_a_written_verb_may_call_the_one_that_it_overrides(self) -> None:
        class Logged(Runnable[str, str]):
            def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
                return input.upper()

            async def ainvoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
                return "a" + await super().ainvoke(input, config, **kwargs)

            def batch(self, inputs: Sequence[str], config: Any = None, **kwargs: Any) -> list[str]:
                return ["b" + each for each in super().batch(inputs, config, **kwargs)]

        assert asyncio.run(Logged().ainvoke("x")) == "aX"
        assert asyncio.run((Logged() | str).ainvoke("x")) == "aX"
        assert Logged().batch(["x", "y"]) == ["bX", "bY"]
        one_thread: RunnableConfig = {"max_concurrency": 1}  # of two, each may take what waits by itself
        assert (RunnablePassthrough() | Logged()).batch(["x", "y"], one_thread) == ["bX", "bY"]

    def test_one_that_only_calls_what_it_overrides_is_an_error(self) -> None:
        class Empty(Runnable[str, str]):
            def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
                return super().invoke(input, config, **kwargs)

        with pytest.raises(CompositionError, match="nothing to run"):
            Empty().invoke("x")

    def test_a_subclass_of_ours_may_write_a_verb_of_its_own(self) -> None:
        class Logged(RunnableLambda[Any, Any]):
            def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
                return ["before", super().invoke(input, config, **kwargs)]

        class LoggedSequence(RunnableSequence[Any, Any]):
            def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
                return ["before", super().invoke(input, config, **kwargs)]

        for logged in (Logged(len), LoggedSequence(str.strip, len)):
            assert logged.invoke("abc") == ["before", 3]
            assert (logged | list).invoke("abc") == ["before", 3]
            assert (str.upper | logged).batch(["abc"]) == [["before", 3]]

    def test_a_subclass_of_a_users_own_leaf_has_what_that_wrote(self) -> None:
        class Louder(Invokes):
            def stream(self, input: str, config: Any = None, **kwargs: Any) -> Any:
                yield from (self.invoke(input), "!")

        assert (Louder() | len).invoke("ab") == 2
        assert list((str.strip | Louder()).stream("ab")) == ["AB", "!"]


class TestTypes:
    def test_they_are_the_arguments_of_the_class(self) -> None:
        class Base(Runnable[list[T], T], Generic[T]):
            def invoke(self, input: list[T], config: Any = None, **kwargs: Any) -> T:
                return input[0]

        class First(Base[int]):
            pass

        assert (Invokes().InputType, Seen().OutputType) == (str, int)
        assert (First().InputType, First().OutputType) == (list[int], int)
        assert (Base().InputType, Base().OutputType) == (list[Any], Any)
        assert (Settings().InputType, Settings().OutputType) == (str, str)

    def test_without_them_they_are_the_annotations(self) -> None:
        class Plain(Runnable):  # type: ignore[type-arg]
            def invoke(self, input: str, config: Any = None, **kwargs: Any) -> int:
                return len(input)

        class Mapping(Runnable):  # type: ignore[type-arg]
            def transform(self, input: Iterator[str], config: Any = None, **kwargs: Any) -> Iterator[int]:
                yield from map(len, input)

        class Bare(Runnable):  # type: ignore[type-arg]
            def invoke(self, input, config=None, **kwargs):  # type: ignore[no-untyped-def]
                return input

        assert (Plain().InputType, Plain().OutputType) == (str, int)
        assert (Mapping().InputType, Mapping().OutputType) == (str, int)
        assert (Bare().InputType, Bare().OutputType) == (Any, Any)
        with pytest.raises(TypeError, match=r"'Plain' gives int, but 'Plain' takes str"):
            Plain() | Plain()


def test_a_blocking_leaf_runs_in_a_thread_of_its_own_under_asyncio() -> None:
    class Where(Runnable[Any, int]):
        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> int:
            return threading.get_ident()

    assert asyncio.run(Where().ainvoke(0)) != threading.get_ident()


def test_a_leaf_copies_without_its_graph_and_with_its_state() -> None:
    leaf = Seen()
    leaf.batch(["a"])
    copied = copy.deepcopy(leaf)
    assert "__graph__" in vars(leaf)
    assert "__graph__" not in vars(copied)
    assert copied.calls == leaf.calls
    assert copied.invoke("ab") == 2
    assert len(leaf.calls) == 1


def test_a_leaf_may_call_something_of_its_own_graph() -> None:
    class Walks(Runnable[str, list[str]]):
        def __init__(self, graph: dict[str, list[str]]) -> None:
            self.graph = graph  # type: ignore[assignment]

        def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[str]:
            found: list[str] = self.graph[input]  # type: ignore[index]
            return found

    walks = Walks({"a": ["b", "c"]})
    chain = walks | len
    assert (chain.batch(["a", "a"]), list(walks.stream("a"))) == ([2, 2], [["b", "c"]])
    assert [event["name"] for event in chain.stream_events("a")][:2] == ["RunnableSequence", "Walks"]
    assert walks.get_graph().nodes
    assert copy.deepcopy(walks).invoke("a") == ["b", "c"]


def test_a_verb_replaced_on_the_object_is_the_one_that_runs() -> None:
    leaf = Invokes()
    assert leaf.batch(["a"]) == ["A"]
    leaf.invoke = lambda input, config=None, **kwargs: "spied"  # type: ignore[method-assign]
    assert leaf.batch(["a"]) == ["spied"]
    assert list((str.strip | leaf).stream("a")) == ["spied"]


def test_a_private_name_that_a_class_of_ours_uses_is_refused() -> None:
    with pytest.raises(CompositionError, match="Mine has an attribute '_operator', but Runnable uses that name"):

        class Mine(Runnable[str, str]):
            _operator: Any = "+"

    with pytest.raises(CompositionError, match="Model has an attribute '_cache', but BaseChatModel uses that name"):

        class Model(BaseChatModel):
            _cache: Any = PrivateAttr(default_factory=dict)


def test_private_names_of_ones_own_and_those_that_are_there_to_be_written_are_free() -> None:
    class Model(SimpleChatModel):
        _seen: list[str] = PrivateAttr(default_factory=list)

        def _call(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> str:
            self._seen.append(messages[0].text)
            return f"{len(self._seen)}"

        @property
        def _llm_type(self) -> str:
            return "counting"

    class Below(Model):
        def _call(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> str:
            return super()._call(messages, stop, **kwargs) + "!"

    model = Below()
    assert [model.invoke("a").content, model.invoke("b").content, model._seen] == ["1!", "2!", ["a", "b"]]
