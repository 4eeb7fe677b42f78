"""Tracers and collectors keep whole trees of runs: their fields, their order, their end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import uuid
from datetime import UTC
from typing import Any

import pytest
from verbs import VERBS, in_every_verb, until

from anabranch.engine.trace_laws import Recorder
from anabranch.nodes import (
    AIMessage,
    BaseChatModel,
    BaseRetriever,
    BaseTracer,
    ChatGeneration,
    ChatPromptTemplate,
    ChatResult,
    Document,
    FakeListChatModel,
    FakeStreamingListLLM,
    Run,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    UsageMetadataCallbackHandler,
    collect_runs,
    dispatch_custom_event,
    get_usage_metadata_callback,
)


class Tracer(BaseTracer):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Run] = []
        self.threads: list[int] = []

    def _persist_run(self, run: Run) -> None:
        self.kept.append(run)
        self.threads.append(threading.get_ident())


def one(x: Any) -> str:
    return f"{x}1"


async def two(x: Any) -> str:
    await asyncio.sleep(0)
    return f"{x}2"


def boom(x: Any) -> Any:
    raise ValueError("boom")


def shape(run: Run) -> Any:
    """The names, as they are nested."""
    return (run.name, sorted(shape(child) for child in run.child_runs)) if run.child_runs else (run.name, [])


def all_of(run: Run) -> list[Run]:
    return [run, *(below for child in run.child_runs for below in all_of(child))]


CHAIN = (RunnableLambda(one) | RunnableParallel(a=one, b=two) | str).with_config(run_name="root")
SHAPE: Any = ("root", [("RunnableParallel<a,b>", [("one", []), ("two", [])]), ("one", []), ("str", [])])


class TestTracers:
    @in_every_verb
    def test_a_tree_is_kept_when_its_root_is_over(self, verb: str) -> None:
        tracer = Tracer()
        VERBS[verb](CHAIN, "x", {"callbacks": [tracer]})
        (root,) = tracer.kept
        assert shape(root) == SHAPE
        assert tracer.run_map == {}

    @in_every_verb
    def test_the_fields_of_a_run(self, verb: str) -> None:
        tracer, run_id = Tracer(), uuid.uuid4()
        config = {"callbacks": [tracer], "run_id": run_id, "tags": ["T"], "metadata": {"m": 1}}
        VERBS[verb](CHAIN, {"n": 1}, config)
        (root,) = tracer.kept
        assert (root.id, root.trace_id, root.parent_run_id) == (run_id, run_id, None)
        assert (root.inputs, root.run_type, root.error) == ({"n": 1}, "chain", None)
        assert root.outputs is not None
        assert set(root.outputs) == {"output"}
        first = next(child for child in root.child_runs if child.name == "one")
        assert (first.inputs, first.outputs) == ({"n": 1}, {"output": "{'n': 1}1"})
        assert (first.tags, first.metadata) == (["seq:step:1", "T"], {"m": 1})
        assert (first.parent_run_id, first.trace_id) == (run_id, run_id)
        assert [event["name"] for event in first.events] == ["start", "end"]
        for run in all_of(root):
            assert run.start_time.tzinfo is UTC
            assert run.end_time is not None
            assert run.start_time <= run.end_time
            assert run.latency == (run.end_time - run.start_time).total_seconds()
            assert run.dotted_order.split(".")[-1].endswith(f"Z{run.id}")
            for child in run.child_runs:
                assert child.dotted_order.rpartition(".")[0] == run.dotted_order

    @in_every_verb
    def test_a_failure_stands_in_each_run_that_it_ended(self, verb: str) -> None:
        tracer = Tracer()
        with pytest.raises(ValueError, match="boom"):
            VERBS[verb]((RunnableLambda(one) | boom).with_config(run_name="root"), "x", {"callbacks": [tracer]})
        (root,) = tracer.kept
        failed = {run.name: run for run in all_of(root) if run.error is not None}
        assert set(failed) == {"root", "boom"}
        assert "ValueError('boom')" in str(failed["boom"].error)
        assert "raised in step" in str(failed["root"].error)
        assert failed["boom"].outputs is None
        assert failed["boom"].events[-1]["name"] == "error"

    def test_the_outermost_run_that_was_heard_of_is_kept(self) -> None:
        tracer = Tracer()
        inner = (RunnableLambda(one) | two).with_config(run_name="inner", callbacks=[tracer])
        outer = RunnableLambda(one) | inner | two
        with collect_runs() as collected:
            outer.invoke("x")
        (root,) = tracer.kept
        assert shape(root) == ("inner", [("one", []), ("two", [])])
        assert root.parent_run_id == root.trace_id == collected.traced_runs[0].id

    @in_every_verb
    def test_two_runs_at_once_are_two_trees(self, verb: str) -> None:
        tracer = Tracer()
        many = RunnableLambda(lambda x: CHAIN.batch([x, x, x], {"callbacks": [tracer]}), name="many")
        VERBS[verb](many, "x")
        assert [shape(run) for run in tracer.kept] == [SHAPE] * 3

    def test_what_a_run_told_stands_in_its_events(self) -> None:
        def telling(x: str, run_manager: Any) -> str:
            dispatch_custom_event("progress", 0.5)
            run_manager.on_text("hm")
            return x

        tracer = Tracer()
        RunnableLambda(telling).invoke("x", {"callbacks": [tracer]})
        told = [(event["name"], event.get("kwargs")) for event in tracer.kept[0].events]
        assert told == [
            ("start", None),
            ("custom_event", {"event": "progress", "data": 0.5}),
            ("text", {"text": "hm"}),
            ("end", None),
        ]

    def test_models_retrievers_and_prompts(self) -> None:
        class Shelf(BaseRetriever):
            def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
                return [Document(query)]

        tracer = Tracer()
        chain = ChatPromptTemplate.from_template("say {x}") | FakeListChatModel(responses=["hey"])
        list(({"x": Shelf()} | chain).stream("q", {"callbacks": [tracer]}))
        runs = {run.name: run for run in all_of(tracer.kept[0])}
        model, shelf = runs["FakeListChatModel"], runs["Shelf"]
        assert model.run_type == "llm"
        assert [message.text[:3] for message in model.inputs["messages"]] == ["say"]
        assert model.outputs is not None
        assert model.outputs["generations"][0][0]["text"] == "hey"
        assert [event["kwargs"]["token"] for event in model.events if event["name"] == "new_token"] == list("hey")
        assert model.extra["options"] == {"stop": None}
        assert (shelf.run_type, shelf.inputs, shelf.outputs) == (
            "retriever",
            {"query": "q"},
            {"documents": [Document("q")]},
        )
        assert shelf.serialized is not None
        assert shelf.serialized["name"] == "Shelf"
        assert runs["ChatPromptTemplate"].run_type == "prompt"

    def test_a_model_of_texts(self) -> None:
        tracer, model = Tracer(), FakeStreamingListLLM(responses=["hey"])
        model.invoke("say q", {"callbacks": [tracer]})
        list((RunnableLambda(str) | model).stream("say q", {"callbacks": [tracer]}))
        model.generate(["say q"], callbacks=[tracer])
        answered = {"generations": [[{"text": "hey", "generation_info": None}]], "llm_output": None}
        found = [run for root in tracer.kept for run in all_of(root) if run.run_type == "llm"]
        assert [(run.inputs, run.outputs) for run in found] == [({"prompts": ["say q"]}, answered)] * 3

    @in_every_verb
    def test_each_kind_of_run_has_methods_of_its_own(self, verb: str) -> None:
        class Kinds(Tracer):
            def _on_chain_start(self, run: Run) -> None:
                told.append(("chain start", run.name, run.end_time))

            def _on_chain_end(self, run: Run) -> None:
                told.append(("chain end", run.name, run.outputs))

            def _on_chain_error(self, run: Run) -> None:
                told.append(("chain error", run.name))

            def _on_llm_new_token(self, run: Run, token: str, chunk: Any) -> None:
                assert (run.name, chunk.text) == ("FakeListChatModel", token)
                tokens.append(token)

            def _on_llm_end(self, run: Run) -> None:
                told.append(("llm end", run.name))

        told: list[Any] = []
        tokens: list[str] = []
        chain = FakeListChatModel(responses=["hey"]) | RunnableLambda(boom)
        with pytest.raises(ValueError, match="boom"):
            VERBS[verb](chain, "x", {"callbacks": [Kinds()]})
        assert tokens == (list("hey") if verb in ("stream", "transform", "astream", "atransform") else [])
        assert sorted(each[:2] for each in told) == [
            ("chain error", "RunnableSequence"),
            ("chain error", "boom"),
            ("chain start", "RunnableSequence"),
            ("chain start", "boom"),
            ("llm end", "FakeListChatModel"),
        ]

    def test_under_asyncio_it_keeps_a_run_in_a_thread_unless_it_is_inline(self) -> None:
        class Inline(Tracer):
            run_inline = True

        tracer, inline = Tracer(), Inline()
        asyncio.run(RunnableLambda(two).ainvoke("x", {"callbacks": [tracer, inline]}))
        assert tracer.threads != [threading.get_ident()]
        assert inline.threads == [threading.get_ident()]

    @pytest.mark.parametrize("verb", VERBS)
    def test_one_that_raises_is_logged_and_one_that_wants_to_breaks_the_run(
        self, verb: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken(BaseTracer):
            def _persist_run(self, run: Run) -> None:
                raise RuntimeError("full disk")

        tracer = Broken()
        for _ in range(2):
            VERBS[verb](CHAIN, "x", {"callbacks": [tracer]})
        (said,) = [record.getMessage() for record in caplog.records]
        assert "Broken" in said
        assert "full disk" in said
        tracer.raise_error = True
        with pytest.raises(RuntimeError, match="full disk"):
            VERBS[verb](CHAIN, "x", {"callbacks": [tracer]})

    def test_one_that_keeps_nothing_says_what_to_write(self, caplog: pytest.LogCaptureFixture) -> None:
        RunnableLambda(one).invoke("x", {"callbacks": [BaseTracer()]})
        assert "must write _persist_run(run)" in caplog.text


class TestCollecting:
    @in_every_verb
    def test_all_that_runs_in_the_block_is_kept(self, verb: str) -> None:
        with collect_runs() as collected:
            VERBS[verb](CHAIN, "x")
            VERBS[verb](RunnableLambda(two), "x")
        VERBS[verb](RunnableLambda(two), "x")
        assert [shape(run) for run in collected.traced_runs] == [SHAPE, ("two", [])]

    @in_every_verb
    def test_inside_a_step_it_keeps_what_that_calls(self, verb: str) -> None:
        kept = []

        def outer(x: str) -> str:
            with collect_runs() as collected:
                made = RunnableLambda(one).invoke(x)
            kept.extend(collected.traced_runs)
            return made

        for config in (None, {"callbacks": [Tracer()]}):
            kept.clear()
            VERBS[verb](RunnableLambda(outer), "x", config)
            assert [run.name for run in kept] == ["one"]
            assert (kept[0].parent_run_id is None) == (config is None)

    def test_in_tasks_and_in_threads_with_a_copy_of_the_context(self) -> None:
        async def main() -> None:
            with collect_runs() as collected:
                task = asyncio.create_task(RunnableLambda(two).ainvoke("x"))
                thread = threading.Thread(target=contextvars.copy_context().run, args=(RunnableLambda(one).invoke, "x"))
                thread.start()
                await task
                await until(lambda: not thread.is_alive())
            assert sorted(run.name for run in collected.traced_runs) == ["one", "two"]

        asyncio.run(main())

    def test_blocks_may_stand_in_each_other_and_the_callbacks_too(self) -> None:
        with collect_runs() as outer, collect_runs() as inner:
            RunnableLambda(one).invoke("x", {"callbacks": [outer]})
        assert [run.name for run in outer.traced_runs] == [run.name for run in inner.traced_runs] == ["one"]

    def test_functions_see_no_difference(self) -> None:
        seen = []

        def looks(x: str, config: RunnableConfig) -> str:
            seen.append(config["tags"])
            return x

        with collect_runs():
            RunnableLambda(looks).invoke("x", {"tags": ["T"]})
        RunnableLambda(looks).invoke("x", {"tags": ["T"]})
        assert seen == [["T"], ["T"]]


class Metered(BaseChatModel):
    model: str
    used: int

    def _generate(self, messages: Any, stop: Any = None, **kwargs: Any) -> ChatResult:
        usage: Any = {"input_tokens": self.used, "output_tokens": 1, "total_tokens": self.used + 1}
        usage |= {"input_token_details": {"cache_read": 1}}
        said = AIMessage("a").model_copy(
            update={"usage_metadata": usage, "response_metadata": {"model_name": self.model}}
        )
        return ChatResult(generations=[ChatGeneration(message=said)])


class TestUsage:
    @in_every_verb
    def test_tokens_are_added_up_for_each_model(self, verb: str) -> None:
        fork = RunnableParallel(
            a=Metered(model="m", used=1), b=Metered(model="m", used=2), c=Metered(model="n", used=5)
        )
        given = UsageMetadataCallbackHandler()
        with get_usage_metadata_callback() as usage:
            VERBS[verb](fork, "hi", {"callbacks": [given]})
        VERBS[verb](fork, "hi")
        assert usage.usage_metadata == given.usage_metadata
        assert usage.usage_metadata == {
            "m": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "input_token_details": {"cache_read": 2}},
            "n": {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6, "input_token_details": {"cache_read": 1}},
        }

    def test_those_of_many_conversations_count_too(self) -> None:
        with get_usage_metadata_callback() as usage:
            Metered(model="m", used=1).generate([[("human", "a")], [("human", "b")]])
        assert usage.usage_metadata["m"]["input_tokens"] == 2

    def test_models_that_say_nothing_are_left_out(self) -> None:
        with get_usage_metadata_callback() as usage:
            FakeListChatModel(responses=["a"]).invoke("hi")
        assert usage.usage_metadata == {}


@in_every_verb
def test_a_step_that_failed_has_its_input_and_its_error(verb: str) -> None:
    def fails(x: str) -> Any:
        raise ZeroDivisionError(x)

    async def afails(x: str) -> Any:
        raise ZeroDivisionError(x)

    for step in (fails, afails):
        recorder = Recorder()
        with pytest.raises(ZeroDivisionError) as caught:
            VERBS[verb](RunnableLambda(str) | step | RunnableLambda(len), "x", {"callbacks": [recorder]})
        (run,) = [run for what, run, _ in recorder.facts if what == "failed" and run.name == step.__name__]
        assert run.input == "x"
        assert run.error is caught.value
        order = [run.name for what, run, _ in recorder.facts if what == "failed"]
        assert order == [step.__name__, "RunnableSequence"]
