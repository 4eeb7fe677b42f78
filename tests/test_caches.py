"""Caches: an output is made once for an input, is nobody else's, and says where it came from."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from verbs import VERBS, alist, awaited, in_every_verb

from anabranch.engine.chunks import fold
from anabranch.nodes import (
    AIMessage,
    AIMessageChunk,
    BaseCache,
    BaseChatModel,
    BaseLLM,
    ChatGeneration,
    ChatGenerationChunk,
    ChatOpenAI,
    ChatPromptTemplate,
    ChatResult,
    ConfigurableField,
    Document,
    FakeListChatModel,
    FakeListLLM,
    FakeStreamingListLLM,
    Generation,
    HumanMessage,
    InMemoryCache,
    LLMResult,
    Runnable,
    RunnableLambda,
    RunnablePassthrough,
    SQLiteCache,
    StrOutputParser,
    collect_runs,
    get_llm_cache,
    set_llm_cache,
)
from anabranch.nodes.models.exact_json import exact_json, from_exact_json


class Counting:
    """A function that counts its calls."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.calls: list[Any] = []

    def __call__(self, value: Any) -> Any:
        self.calls.append(value)
        return self.function(value)


def twice(value: Any) -> Any:
    return value * 2


class Words(BaseChatModel):
    """Streams words, and counts how often it was asked."""

    asked: list[str] = Field(exclude=True)
    temperature: float = 0.0

    def _stream(self, messages: Any, stop: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        self.asked.append(messages[-1].text)
        for word in f"{messages[-1].text} {len(self.asked)}".split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(word))


class TestAnyStep:
    @in_every_verb
    def test_an_output_is_made_once(self, verb: str) -> None:
        function = Counting(twice)
        cached = RunnableLambda(function).with_cache()
        plain = RunnableLambda(twice)
        for value in ("a", "b", "a", "a"):
            assert VERBS[verb](cached, value) == VERBS[verb](plain, value)
        assert function.calls == ["a", "b"]

    def test_what_one_verb_made_serves_the_others(self) -> None:
        function = Counting(twice)
        cached = RunnableLambda(function).with_cache()
        assert {verb: str(VERBS[verb](cached, "a")) for verb in VERBS} == {
            verb: str(VERBS[verb](RunnableLambda(twice), "a")) for verb in VERBS
        }
        assert function.calls == ["a"]

    @pytest.mark.parametrize("first", ["invoke", "stream", "ainvoke", "astream"])
    def test_a_chain_streams_what_it_makes_and_gives_it_again_as_one_chunk(self, first: str) -> None:
        def characters(text: str) -> Iterator[str]:
            yield from text

        cached = (RunnablePassthrough() | RunnableLambda(characters)).with_cache()
        made = VERBS[first](cached, "abc")
        assert made == (["a", "b", "c"] if "stream" in first else "abc")
        assert list(cached.stream("abc")) == awaited(lambda: alist(cached.astream("abc"))) == ["abc"]

    @pytest.mark.parametrize("first", ["invoke", "stream"])
    def test_a_message_is_a_message_when_invoked_and_a_chunk_when_streamed(self, first: str) -> None:
        chain = (ChatPromptTemplate.from_template("{x}") | Words(asked=[])).with_cache()
        VERBS[first](chain, {"x": "a"})
        assert type(chain.invoke({"x": "a"})) is AIMessage
        (chunk,) = chain.stream({"x": "a"})
        assert (type(chunk), chunk.content) == (AIMessageChunk, "a1")
        assert (chain | StrOutputParser()).invoke({"x": "a"}) == "a1"

    def test_values_that_look_alike_are_told_apart(self) -> None:
        function = Counting(repr)
        cached = RunnableLambda(function).with_cache()
        values: list[Any] = [
            1,
            True,
            1.0,
            "1",
            None,
            "None",
            [1],
            (1,),
            {"1": 1},
            {1: 1},
            b"1",
            {1},
            frozenset({1}),
            {},
        ]
        values += [HumanMessage("1"), AIMessage("1"), Document("1")]
        for value in values:
            assert cached.invoke(value) == repr(value)
        assert len(function.calls) == len(values)

    def test_what_can_not_be_written_needs_a_key(self) -> None:
        class Thing:
            def __init__(self, id: int) -> None:
                self.id = id

        function = Counting(lambda thing: thing.id)
        with pytest.raises(TypeError, match=r"Thing .* can't be written as JSON .*Give with_cache a key"):
            RunnableLambda(function).with_cache().invoke(Thing(1))
        cached = RunnableLambda(function).with_cache(key=lambda thing: thing.id)
        assert [cached.invoke(Thing(id)) for id in (1, 2, 1)] == [1, 2, 1]
        assert function.calls == function.calls[:2]

    @in_every_verb
    def test_a_failure_is_not_kept(self, verb: str) -> None:
        def fail(value: Any) -> Any:
            raise ValueError("no")

        function = Counting(fail)
        cached = RunnableLambda(function).with_cache()
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                VERBS[verb](cached, "a")
        assert function.calls == ["a", "a"]

    def test_a_stream_that_was_closed_early_is_not_kept(self) -> None:
        model = Words(asked=[])
        cached = model.with_cache()
        with closing(cached.stream("a")) as chunks:
            next(chunks)
        assert fold(cached.stream("a")).content == "a2"
        assert cached.invoke("a").content == "a2"

    @pytest.mark.parametrize("verb", ["stream", "astream"])
    def test_a_stream_that_failed_is_not_kept(self, verb: str) -> None:
        calls: list[str] = []

        def breaks(text: str) -> Iterator[str]:
            calls.append(text)
            yield text
            if len(calls) == 1:
                raise OSError("torn")

        cached = RunnableLambda(breaks).with_cache()
        with pytest.raises(OSError, match="torn"):
            VERBS[verb](cached, "a")
        assert [VERBS[verb](cached, "a") for _ in range(2)] == [["a"], ["a"]]
        assert calls == ["a", "a"]

    def test_bound_arguments_and_configurable_are_part_of_the_input(self) -> None:
        def greet(name: str, config: Any, word: str = "hello") -> str:
            return f"{config['configurable'].get('mark', '')}{word} {name}"

        cached = RunnableLambda(greet).with_cache()
        assert cached.invoke("Ada") == "hello Ada"
        assert cached.bind(word="ahoy").invoke("Ada") == cached.invoke("Ada", word="ahoy") == "ahoy Ada"
        assert cached.invoke("Ada", {"configurable": {"mark": "!"}}) == "!hello Ada"
        assert cached.invoke("Ada") == "hello Ada"

    def test_nobody_can_change_what_others_get(self) -> None:
        cached = RunnableLambda(lambda value: {"list": [value]}).with_cache()
        for _ in range(3):
            given = cached.invoke("a")
            assert given == {"list": ["a"]}
            given["list"].append("mine")

    def test_equal_inputs_at_once_get_each_its_own(self) -> None:
        together = threading.Barrier(4, timeout=20)

        def make(value: str) -> list[str]:
            together.wait()
            return [value]

        made = RunnableLambda(make).with_cache().batch(["a", "b", "a", "b"], {"max_concurrency": 4})
        assert made == [["a"], ["b"], ["a"], ["b"]]
        assert len({id(each) for each in made}) == 4

    def test_a_hit_stands_in_the_trace(self) -> None:
        cached = RunnableLambda(twice).with_cache() | str
        runs = [[(e["event"], e["name"], e["metadata"]) for e in cached.stream_events("a")] for _ in range(2)]
        first, second = ([each for each in events if each[1] == "twice"] for events in runs)
        assert [event for event, _, _ in first] == ["on_chain_start", "on_chain_start", *["on_chain_stream"] * 2] + [
            "on_chain_end"
        ] * 2
        assert not any(metadata for _, _, metadata in first)
        assert second == [
            ("on_chain_start", "twice", {}),
            ("on_chain_stream", "twice", {"cache_hit": True}),
            ("on_chain_end", "twice", {"cache_hit": True}),
        ]

    def test_a_hit_stands_in_the_tree_of_runs(self) -> None:
        cached, model = RunnableLambda(twice).with_cache(), FakeListLLM(responses=["a"], cache=InMemoryCache())
        for expected in (None, True):
            with collect_runs() as collected:
                (cached | model).invoke("a")
            (run,) = collected.traced_runs
            assert [child.metadata.get("cache_hit") for child in run.child_runs] == [expected, expected]

    def test_policies_may_stand_around_and_inside(self) -> None:
        calls = Counting(twice)

        def flaky(value: str) -> str:
            made: str = calls(value)
            if len(calls.calls) < 3:
                raise ValueError(value)
            return made

        cached = RunnableLambda(flaky).with_retry(wait_exponential_jitter=False).with_cache()
        assert [cached.invoke("a"), cached.invoke("a")] == ["aa", "aa"]
        assert len(calls.calls) == 3


class TestNames:
    def test_steps_that_share_a_cache_are_told_apart_by_what_they_are(self) -> None:
        cache = InMemoryCache()
        assert RunnableLambda(twice).with_cache(cache).invoke("a") == "aa"
        assert RunnableLambda(len).with_cache(cache).invoke("a") == 1
        assert RunnableLambda(twice).with_cache(cache).invoke("a") == "aa"
        assert len(cache) == 2

    def test_or_by_their_names(self) -> None:
        cache = InMemoryCache()
        first = RunnableLambda(lambda x: x + 1).with_cache(cache, name="plus one")
        second = RunnableLambda(lambda x: x + 2).with_cache(cache, name="plus two")
        assert [first.invoke(1), second.invoke(1), first.invoke(1)] == [2, 3, 2]

    def test_where_neither_is_known_a_name_is_needed(self) -> None:
        with pytest.raises(TypeError, match=r"with_cache needs a name, .* with_cache\(cache, name=...\)"):
            RunnableLambda(lambda x: x).with_cache(InMemoryCache())

    @pytest.mark.parametrize("wrong", [{}, "cache.db", 3])
    def test_what_is_no_cache_is_refused(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match="with_cache takes a cache"):
            RunnableLambda(len).with_cache(wrong)
        with pytest.raises(ValueError, match="cache takes a cache"):
            FakeListLLM(responses=["a"], cache=wrong)
        with pytest.raises(ValueError, match="set_llm_cache takes a cache"):
            set_llm_cache(wrong)


@pytest.fixture
def of_all() -> Iterator[InMemoryCache]:
    cache = InMemoryCache()
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


class TestModels:
    @in_every_verb
    def test_a_model_is_asked_once(self, verb: str) -> None:
        model = Words(asked=[], cache=InMemoryCache())
        for _ in range(3):
            VERBS[verb](model, "a")
            VERBS[verb](model | StrOutputParser(), "a")
        assert model.asked == ["a"]
        assert model.invoke("a").content == fold(model.stream("a")).content == "a1"

    @in_every_verb
    def test_a_model_from_text_to_text_is_too(self, verb: str) -> None:
        model = FakeStreamingListLLM(responses=["ab", "c"], cache=InMemoryCache())
        VERBS[verb](model, "?")
        VERBS[verb](model, "?")
        assert model.invoke("?") == fold(model.stream("?")) == "ab"
        assert model.invoke("!") == "c"

    def test_other_settings_are_other_models(self) -> None:
        cache, asked = InMemoryCache(), list[str]()
        for model in (
            Words(asked=asked, cache=cache),
            Words(asked=asked, cache=cache, temperature=1.0),
            Words(asked=asked, cache=cache).bind(stop=["x"]),
            Words(asked=asked, cache=cache).bind(tools=[{"type": "web_search"}]),
            FakeListLLM(responses=["a"], cache=cache),
            FakeListLLM(responses=["b"], cache=cache),
        ):
            model.invoke("?")
            model.invoke("?")
        assert len(cache) == 6

    def test_settings_that_change_no_answer_do_not_count(self) -> None:
        cache = InMemoryCache()
        for settings in ({}, {"name": "Other"}, {"tags": ["t"]}, {"metadata": {"m": 1}}):
            FakeListLLM(responses=["a"], cache=cache, **settings).invoke("?")
        assert len(cache) == 1

    def test_what_can_not_be_written_is_told_apart_too(self) -> None:
        cache = InMemoryCache()
        model = FakeListLLM(responses=["a"], cache=cache)
        first, second = Counting(twice), Counting(twice)
        for how in (first, second, first):
            model.bind(how=how).invoke("?")
        assert len(cache) == 2

    def test_the_key_to_a_provider_does_not_count(self) -> None:
        keys = {ChatOpenAI(model="m", api_key=key)._known_as() for key in ("sk-1", "sk-2")}
        assert len(keys) == 1
        assert not any("sk-" in each for each in keys)
        assert len(keys | {ChatOpenAI(model="other", api_key="sk-1")._known_as()}) == 2

    def test_ids_of_messages_in_the_question_do_not_count(self) -> None:
        model = Words(asked=[], cache=InMemoryCache())
        assert model.invoke([HumanMessage("a", id="1")]).content == model.invoke([HumanMessage("a", id="2")]).content

    def test_an_answer_has_an_id_of_its_own_unless_the_model_gave_it(self) -> None:
        model = FakeListChatModel(responses=["a"], cache=InMemoryCache())
        ids = {model.invoke("?").id for _ in range(3)} | {next(iter(model.stream("?"))).id}
        assert len(ids) == 4
        given = GivesAnId(cache=InMemoryCache())
        assert {given.invoke("?").id for _ in range(3)} == {"mine"}

    def test_an_answer_from_the_cache_costs_nothing(self) -> None:
        model = GivesAnId(cache=InMemoryCache())
        usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
        assert [model.invoke("?").usage_metadata for _ in range(2)] == [usage, {**usage, "total_cost": 0}]

    def test_all_candidates_are_kept(self) -> None:
        model = GivesAnId(cache=InMemoryCache())
        for _ in range(2):
            assert [each.text for each in model.generate([[("human", "?")]]).generations[0]] == ["first", "second"]
        assert model.invoke("?").content == "first"
        assert model.calls == [1]

    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_a_hit_stands_in_the_trace_as_a_run_of_the_model(self, asynchronous: bool) -> None:
        model = FakeListChatModel(responses=["a"], cache=InMemoryCache())
        runs = []
        for _ in range(2):
            told = awaited(lambda: alist(model.astream_events("?"))) if asynchronous else list(model.stream_events("?"))
            runs.append([(event["event"], event["metadata"]) for event in told])
        assert runs[0] == [("on_chat_model_start", {}), ("on_chat_model_stream", {}), ("on_chat_model_end", {})]
        hit = {"cache_hit": True}
        assert runs[1] == [("on_chat_model_start", {}), ("on_chat_model_stream", hit), ("on_chat_model_end", hit)]

    def test_the_cache_of_all_models(self, of_all: InMemoryCache) -> None:
        assert get_llm_cache() is of_all
        model = FakeStreamingListLLM(responses=["a", "b"])
        chain = RunnablePassthrough() | model
        assert [chain.invoke("?"), model.invoke("?"), *model.stream("?"), *model.batch(["?"])] == ["a"] * 4
        assert awaited(lambda: model.ainvoke("?")) == "a"
        without = FakeListLLM(responses=["a", "b"], cache=False)
        assert [without.invoke("?"), without.invoke("?")] == ["a", "b"]
        assert FakeListLLM(responses=["c"], cache=True).invoke("?") == "c"
        assert len(of_all) == 2

    def test_it_may_be_set_when_the_model_has_run(self) -> None:
        model = FakeStreamingListLLM(responses=["a", "b", "c", "d"])
        assert [model.invoke("?"), *model.stream("?")] == ["a", "b"]
        set_llm_cache(InMemoryCache())
        try:
            assert [model.invoke("?"), *model.stream("?")] == ["c", "c"]
        finally:
            set_llm_cache(None)
        assert model.invoke("?") == "d"

    def test_a_model_that_counts_on_it_says_so_where_there_is_none(self) -> None:
        with pytest.raises(ValueError, match="cache=True, which is the cache of all models, and there is none"):
            FakeListLLM(responses=["a"], cache=True).invoke("?")

    def test_a_model_that_takes_many_texts_is_asked_those_that_are_not_known(self) -> None:
        model = Upper(cache=InMemoryCache(), calls=[])
        cap: Any = {"max_concurrency": 1}
        assert model.batch(["a", "b"], cap) == ["A", "B"]
        assert model.batch(["b", "c", "a", "d"], cap) == ["B", "C", "A", "D"]
        assert model.calls == [["a", "b"], ["c", "d"]]
        assert awaited(lambda: model.abatch(["a", "e"], cap)) == ["A", "E"]
        assert model.calls[2:] == [["e"]]

    def test_a_configured_model_is_another(self) -> None:
        model = Words(asked=[], cache=InMemoryCache()).configurable_fields(temperature=ConfigurableField(id="heat"))
        said = [model.invoke("a", {"configurable": {"heat": heat}}).content for heat in (0.0, 1.0, 0.0)]
        assert said == ["a1", "a2", "a1"]

    def test_a_copy_shares_the_cache(self) -> None:
        model = FakeListLLM(responses=["a", "b"], cache=InMemoryCache())
        assert model.invoke("?") == copy.deepcopy(model).invoke("?") == "a"
        assert pickle.loads(pickle.dumps(model)).invoke("?") == "b"


class GivesAnId(BaseChatModel):
    calls: list[int] = Field(default_factory=list, exclude=True)

    def _generate(self, messages: Any, stop: Any = None, **kwargs: Any) -> ChatResult:
        self.calls.append(1)
        usage: Any = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
        texts = [AIMessage("first", id="mine", usage_metadata=usage), AIMessage("second", id="other")]
        return ChatResult(generations=[ChatGeneration(message=message) for message in texts])


class Upper(BaseLLM):
    calls: list[list[str]] = Field(exclude=True)

    def _generate(self, prompts: list[str], stop: Any = None, **kwargs: Any) -> LLMResult:
        self.calls.append(prompts)
        return LLMResult(generations=[[Generation(text=prompt.upper())] for prompt in prompts])


class TestInMemory:
    def test_what_was_not_asked_for_the_longest_goes_first(self) -> None:
        function = Counting(twice)
        cached = RunnableLambda(function).with_cache(InMemoryCache(maxsize=2), name="twice")
        for value in "abacab":
            cached.invoke(value)
        assert function.calls == ["a", "b", "c", "b"]

    @pytest.mark.parametrize("size", [0, -1])
    def test_it_holds_one_at_least(self, size: int) -> None:
        with pytest.raises(ValueError, match="maxsize must be at least 1"):
            InMemoryCache(maxsize=size)

    def test_it_can_be_cleared(self) -> None:
        cache = InMemoryCache()
        cache.update("a", "b", [1])
        asyncio.run(cache.aclear())
        assert (cache.lookup("a", "b"), len(cache), bool(cache)) == (None, 0, True)

    def test_many_threads_may_share_it(self) -> None:
        cached = RunnableLambda(twice).with_cache(InMemoryCache(maxsize=3), name="twice")
        values = [number % 7 for number in range(500)]
        assert cached.batch(values, {"max_concurrency": 8}) == [twice(value) for value in values]


class Joke(BaseModel):
    setup: str
    parts: list[tuple[int, str]] = []


def joke(setup: str) -> Joke:
    return Joke(setup=setup, parts=[(1, "a")])


class TestSQLite:
    def test_what_was_made_in_one_process_serves_the_next(self, tmp_path: Path) -> None:
        function = Counting(twice)
        for _ in range(2):
            with SQLiteCache(tmp_path / "cache.db") as cache:
                assert RunnableLambda(function).with_cache(cache, name="twice").invoke((1, 2)) == (1, 2, 1, 2)
        assert function.calls == [(1, 2)]

    def test_models_keep_their_answers_there(self, tmp_path: Path) -> None:
        asked: list[str] = []
        for _ in range(2):
            with SQLiteCache(tmp_path / "cache.db") as cache:
                model = Words(asked=[], cache=cache, temperature=0.5)
                assert model.invoke("a").content == fold(model.stream("a")).content == "a1"
                asked += model.asked
                assert FakeListLLM(responses=["a"], cache=cache).invoke("?") == "a"
        assert asked == ["a"]

    def test_tool_calls_and_usage_come_back_whole(self, tmp_path: Path) -> None:
        usage: Any = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
        call: Any = {"name": "add", "args": {"a": [1, None]}, "id": "1", "type": "tool_call"}
        message = AIMessage(
            [{"type": "text", "text": "a"}], tool_calls=[call], usage_metadata=usage, response_metadata={"m": 1.5}
        )
        with SQLiteCache(tmp_path / "cache.db") as cache:
            cache.update("p", "l", [ChatGeneration(message=message, generation_info={"finish_reason": "stop"})])
            (found,) = cache.lookup("p", "l") or []
        assert found == ChatGeneration(message=message, generation_info={"finish_reason": "stop"})
        assert type(found.message) is AIMessage

    def test_its_file_is_json_and_no_pickle(self, tmp_path: Path) -> None:
        with SQLiteCache(tmp_path / "cache.db") as cache:
            cache.update("p", "l", [Document("text", metadata={"a": (1,)})])
            assert cache.lookup("p", "l") == [Document("text", metadata={"a": (1,)})]
        with closing(sqlite3.connect(tmp_path / "cache.db")) as connection:
            ((text,),) = connection.execute("SELECT answers FROM answers").fetchall()
        assert text == (
            '[{"$":["anabranch.nodes.retrieval.documents:Document",{"metadata":{"a":{"$":["tuple",[1]]}},"page_content":"text"}]}]'
        )

    def test_it_holds_the_models_that_it_is_told(self, tmp_path: Path) -> None:
        with SQLiteCache(tmp_path / "cache.db", types=[Joke]) as cache:
            for _ in range(2):
                assert RunnableLambda(joke).with_cache(cache).invoke("a") == joke("a")
        with SQLiteCache(tmp_path / "cache.db") as cache:
            assert cache.lookup("unknown", "unknown") is None
            with pytest.raises(TypeError, match=r"SQLiteCache can't keep this output: .*Joke.*types=\[...\]"):
                RunnableLambda(joke).with_cache(cache).invoke("b")

    @pytest.mark.parametrize("broken", ["", "{", '{"$":["unknown:Class",{}]}', '[{"$":1}]'])
    def test_what_can_not_be_read_is_not_there(self, broken: str, tmp_path: Path) -> None:
        with SQLiteCache(tmp_path / "cache.db") as cache:
            cache.update("p", "l", [1])
            with closing(sqlite3.connect(tmp_path / "cache.db")) as connection, connection:
                connection.execute("UPDATE answers SET answers = ?", (broken,))
            assert cache.lookup("p", "l") is None
            cache.update("p", "l", [2])
            assert cache.lookup("p", "l") == [2]
            cache.clear()
            assert cache.lookup("p", "l") is None

    def test_threads_and_loops_may_share_it(self, tmp_path: Path) -> None:
        with SQLiteCache(tmp_path / "cache.db") as cache:
            cached = RunnableLambda(twice).with_cache(cache, name="twice")
            values = [number % 7 for number in range(60)]
            assert cached.batch(values) == asyncio.run(cached.abatch(values)) == [twice(value) for value in values]

    def test_a_file_that_is_locked_when_it_is_opened_can_be_used_later(self, tmp_path: Path) -> None:
        path = tmp_path / "cache.db"
        with closing(sqlite3.connect(path)) as other, SQLiteCache(path, timeout=0) as cache:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                cache.lookup("p", "l")
            other.rollback()
            cache.update("p", "l", [1])
            assert cache.lookup("p", "l") == [1]

    def test_it_is_opened_again_by_a_copy(self, tmp_path: Path) -> None:
        with SQLiteCache(tmp_path / "cache.db", types=[Joke]) as cache:
            cache.update("p", "l", [joke("a")])
            with pickle.loads(pickle.dumps(cache)) as again:
                assert again.lookup("p", "l") == [joke("a")]


class TestOnesOwn:
    @in_every_verb
    def test_the_form_that_fits_is_asked(self, verb: str) -> None:
        class Own(BaseCache):
            def __init__(self) -> None:
                self.told: list[str] = []

            def lookup(self, prompt: str, llm_string: str) -> Any:
                self.told.append("lookup")

            def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
                self.told.append("update")

            def clear(self, **kwargs: Any) -> None:
                self.told.append("clear")

        class AsyncOwn(Own):
            async def alookup(self, prompt: str, llm_string: str) -> Any:
                self.told.append("alookup")

            async def aupdate(self, prompt: str, llm_string: str, return_val: Any) -> None:
                self.told.append("aupdate")

        own, both = Own(), AsyncOwn()
        made: list[Runnable[Any, Any]] = [RunnableLambda(len).with_cache(each) for each in (own, both)]
        for each in made:
            VERBS[verb](each, "ab")
        assert own.told == ["lookup", "update"]
        assert both.told == (["alookup", "aupdate"] if verb.startswith("a") else ["lookup", "update"])


# JSON that tells values apart

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
HASHABLE = SCALARS | st.tuples(SCALARS, SCALARS)
VALUES = st.recursive(
    SCALARS | st.frozensets(st.text()),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.just("$"), inner)
        | st.dictionaries(HASHABLE, inner)
        | st.builds(lambda text, value: Document(text, metadata={"m": value}), st.text(), inner)
    ),
    max_leaves=8,
)
CLASSES = {"anabranch.nodes.retrieval.documents:Document": Document}


@given(VALUES)
def test_a_value_comes_back_from_its_text(value: Any) -> None:
    text = exact_json(value)
    again = from_exact_json(text, CLASSES)
    assert repr(again) == repr(value) or again == value
    assert exact_json(again) == text


@given(VALUES, VALUES)
def test_two_values_have_one_text_only_if_they_are_alike(one: Any, other: Any) -> None:
    if exact_json(one) == exact_json(other):
        assert one == other
        assert type(one) is type(other)
