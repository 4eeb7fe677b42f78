"""Runs become spans: nested as they are, named as the conventions have it, and silent on contents by default."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from anabranch.engine.runs import RunInfo
from anabranch.nodes import (
    AIMessage,
    BaseChatModel,
    BaseMessage,
    BaseRetriever,
    ChatGeneration,
    ChatPromptTemplate,
    ChatResult,
    Document,
    OpenTelemetryTracer,
    RunnableLambda,
    RunnablePassthrough,
    StrOutputParser,
    dispatch_custom_event,
)
from anabranch.nodes.messages.tool_calls import tool_call
from anabranch.nodes.models.fake_chat_models import FakeListChatModel
from anabranch.nodes.tools.inputs import ToolArguments, ToolView


class Otters(BaseRetriever):
    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(page_content="Otters hold hands.")]


class Model(BaseChatModel):
    """Answers as a provider's model does."""

    model: str = "otter-1"
    temperature: float = 0.5

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "temperature": self.temperature, "max_tokens": 7}

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        facts = {"model_name": "otter-1-2024", "finish_reason": "stop", "token_usage": {"prompt_tokens": 5}}
        usage: Any = {"usage_metadata": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}}
        message = AIMessage(content="They do.", id="answer-1", response_metadata=facts, **usage)
        return ChatResult(generations=[ChatGeneration(message=message)])


class Traced:
    """A tracer, and the spans that it has made."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = OpenTelemetryTracer(self.provider, **options)
        self.config: Any = {"callbacks": [self.tracer]}

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        (found,) = (span for span in self.spans if span.name == name)
        return found

    def parents(self) -> list[tuple[str, str | None]]:
        """The name of each span with that of its parent, sorted."""
        names = {span.context.span_id: span.name for span in self.spans if span.context}
        return sorted((span.name, names[span.parent.span_id] if span.parent else None) for span in self.spans)


@pytest.fixture
def traced() -> Traced:
    return Traced()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def shout(text: str) -> str:
    return text.upper()


def fail(text: str) -> str:
    raise ValueError("no otters")


def whisper(text: str) -> str:
    return text.lower()


QUESTION: Any = {"docs": Otters(), "question": RunnablePassthrough()}
ANSWER = QUESTION | ChatPromptTemplate.from_template("{docs} {question}") | Model() | StrOutputParser()
ANSWER_PARENTS = sorted(
    [
        ("invoke_workflow RunnableSequence", None),
        ("RunnableParallel<docs,question>", "invoke_workflow RunnableSequence"),
        ("retrieval Otters", "RunnableParallel<docs,question>"),
        ("RunnablePassthrough", "RunnableParallel<docs,question>"),
        ("ChatPromptTemplate", "invoke_workflow RunnableSequence"),
        ("chat otter-1", "invoke_workflow RunnableSequence"),
        ("StrOutputParser", "invoke_workflow RunnableSequence"),
    ]
)


async def drained(chunks: Any) -> None:
    async for _ in chunks:
        pass


@pytest.mark.parametrize("verb", ["invoke", "stream", "ainvoke", "astream", "astream_events"])
def test_spans_are_nested_as_runs_are(verb: str, traced: Traced) -> None:
    if verb == "invoke":
        ANSWER.invoke("why?", traced.config)
    elif verb == "stream":
        list(ANSWER.stream("why?", traced.config))
    elif verb == "ainvoke":
        asyncio.run(ANSWER.ainvoke("why?", traced.config))
    else:

        async def run() -> None:
            await drained(getattr(ANSWER, verb)("why?", traced.config))

        asyncio.run(run())
    assert traced.parents() == ANSWER_PARENTS
    assert len({span.context.trace_id for span in traced.spans if span.context}) == 1
    assert traced.tracer.open == {}


def test_a_model_has_the_attributes_of_the_conventions(traced: Traced) -> None:
    ANSWER.invoke("why?", traced.config)
    span = traced.named("chat otter-1")
    assert span.kind is SpanKind.CLIENT
    found = {key: value for key, value in attributes(span).items() if key.startswith("gen_ai.")}
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "model",
        "gen_ai.request.model": "otter-1",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 7,
        "gen_ai.response.model": "otter-1-2024",
        "gen_ai.response.id": "answer-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 3,
    }


def test_settings_bound_to_a_model_are_those_of_the_request(traced: Traced) -> None:
    config: Any = {**traced.config, "metadata": {"ls_provider": "holt"}}
    FakeListChatModel(responses=["x"]).bind(stop=["."]).invoke("why?", config)
    found = attributes(traced.named("chat"))
    assert found["gen_ai.request.stop_sequences"] == (".",)
    assert found["gen_ai.provider.name"] == "holt"


def test_settings_that_are_only_fields_of_a_model_are_those_of_the_request(traced: Traced) -> None:
    class Plain(Model):
        @property
        def _identifying_params(self) -> dict[str, Any]:
            return {}

    Plain(temperature=0.25).invoke("hi", traced.config)
    assert attributes(traced.named("chat otter-1"))["gen_ai.request.temperature"] == 0.25


def test_a_streamed_model_tells_when_its_first_chunk_came(traced: Traced) -> None:
    list(FakeListChatModel(responses=["abc"]).stream("why?", traced.config))
    found = attributes(traced.named("chat"))
    assert found["gen_ai.request.stream"] is True
    assert found["anabranch.chunks"] == 3
    assert 0 <= found["gen_ai.response.time_to_first_chunk"] < 60


def test_workflows_and_retrievers_have_their_operation(traced: Traced) -> None:
    ANSWER.invoke("why?", traced.config)
    workflow = attributes(traced.named("invoke_workflow RunnableSequence"))
    assert workflow["gen_ai.operation.name"] == "invoke_workflow"
    assert workflow["gen_ai.workflow.name"] == "RunnableSequence"
    assert attributes(traced.named("retrieval Otters"))["gen_ai.operation.name"] == "retrieval"
    assert "gen_ai.operation.name" not in attributes(traced.named("StrOutputParser"))


def test_a_tool_has_its_name_and_the_id_of_the_call() -> None:
    traced = Traced(record_content=True)
    listener = traced.tracer.listener()
    run = RunInfo("search", "tool", None, [], {}, (listener,))
    view = ToolView("search", "Looks it up.", ToolArguments("search", {"type": "object"}, []))
    run.about, run.input = view, tool_call(name="search", args={"query": "otters"}, id="call-1")
    run.output = ["hands"]
    run.started, run.ended = 10.0, 11.0
    listener.started(run)
    listener.ended(run)
    found = attributes(traced.named("execute_tool search"))
    assert found["gen_ai.tool.name"] == "search"
    assert found["gen_ai.tool.description"] == "Looks it up."
    assert found["gen_ai.tool.call.id"] == "call-1"
    assert json.loads(found["gen_ai.tool.call.arguments"]) == {"query": "otters"}
    assert json.loads(found["gen_ai.tool.call.result"]) == ["hands"]


def test_nothing_of_the_contents_is_recorded_unasked(traced: Traced) -> None:
    ANSWER.invoke("a secret?", traced.config)
    said = " ".join(span.to_json() for span in traced.spans)
    assert "secret" not in said
    assert "hold hands" not in said
    assert "They do" not in said


def test_contents_are_recorded_when_asked_for() -> None:
    traced = Traced(record_content=True)
    ANSWER.invoke("why?", traced.config)
    model = attributes(traced.named("chat otter-1"))
    (asked,) = json.loads(model["gen_ai.input.messages"])
    assert asked["role"] == "user"
    assert asked["parts"][0]["content"].endswith("why?")
    assert json.loads(model["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "They do."}], "finish_reason": "stop"}
    ]
    retriever = attributes(traced.named("retrieval Otters"))
    assert retriever["gen_ai.retrieval.query.text"] == "why?"
    assert json.loads(retriever["gen_ai.retrieval.documents"])[0]["page_content"] == "Otters hold hands."
    workflow = attributes(traced.named("invoke_workflow RunnableSequence"))
    assert (workflow["anabranch.input"], workflow["anabranch.output"]) == ("why?", "They do.")


def test_an_error_is_recorded_in_every_span_that_it_passed(traced: Traced) -> None:
    with pytest.raises(ValueError, match="no otters"):
        (RunnableLambda(shout) | fail).invoke("x", traced.config)
    for name in ("fail", "invoke_workflow RunnableSequence"):
        span = traced.named(name)
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "no otters"
        assert attributes(span)["error.type"] == "ValueError"
        assert [event.name for event in span.events] == ["exception"]
    assert traced.named("shout").status.status_code is StatusCode.UNSET


def test_names_tags_and_metadata_are_attributes(traced: Traced) -> None:
    config: Any = {"run_name": "mine", "tags": ["a"], "metadata": {"user": 7, "more": {"x": [1]}}, **traced.config}
    RunnableLambda(shout).invoke("x", config)
    found = attributes(traced.named("invoke_workflow mine"))
    assert found["anabranch.tags"] == ("a",)
    assert found["anabranch.metadata.user"] == 7
    assert found["anabranch.metadata.more"] == '{"x":[1]}'


def test_what_an_exporter_could_not_send_is_text_that_it_can(traced: Traced) -> None:
    config: Any = {"metadata": {"large": -(1 << 63), "small": 1 - (1 << 63), "half": "\ud800", "is": True}}
    RunnableLambda(len, name="one").invoke("abc", config | traced.config)
    found = attributes(traced.named("invoke_workflow one"))
    assert found["anabranch.metadata.large"] == "-9223372036854775808"
    assert found["anabranch.metadata.small"] == 1 - (1 << 63)
    assert found["anabranch.metadata.half"] == "\\ud800"
    assert found["anabranch.metadata.is"] is True


def test_a_span_ends_whatever_an_error_says_of_itself(traced: Traced) -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError("says nothing")

    def fails(x: Any) -> Any:
        raise Silent

    with pytest.raises(Silent):
        (RunnableLambda(str) | fails).invoke(1, traced.config)
    assert not traced.tracer.open
    for name in ("fails", "invoke_workflow RunnableSequence"):
        span = traced.named(name)
        assert span.status.status_code is StatusCode.ERROR
        assert [event.name for event in span.events] == ["exception"]


def test_the_span_around_the_call_is_the_parent_in_every_thread_and_task(traced: Traced) -> None:
    ours = traced.provider.get_tracer("tests")
    chain = RunnableLambda(shout) | {"a": whisper, "b": whisper}

    async def on_a_loop() -> None:
        await chain.abatch(["x"] * 8, traced.config)
        await asyncio.gather(chain.ainvoke("x", traced.config), drained(chain.astream("x", traced.config)))

    with ours.start_as_current_span("outer"):
        chain.batch(["x"] * 8, traced.config)
        list(chain.stream("x", traced.config))
        list(chain.stream_events("x", traced.config))
        chain.start("x", traced.config).result(10)
        asyncio.run(on_a_loop())
    roots = [parent for name, parent in traced.parents() if name == "invoke_workflow RunnableSequence"]
    assert roots == ["outer"] * (8 + 3 + 8 + 2)
    assert len({span.context.trace_id for span in traced.spans if span.context}) == 1


def test_calls_inside_steps_lie_below_them(traced: Traced) -> None:
    def handed_down(text: str) -> str:
        return RunnableLambda(shout).invoke(text)

    def given_anew(text: str) -> str:
        return RunnableLambda(whisper).invoke(text, traced.config)

    (RunnableLambda(handed_down) | given_anew).invoke("x", traced.config)
    parents = dict(traced.parents())
    assert parents["shout"] == "handed_down"
    assert parents.get("whisper", parents.get("invoke_workflow whisper")) == "given_anew"


def test_a_span_that_a_step_opens_is_the_parent_of_a_call_that_is_given_the_tracer(traced: Traced) -> None:
    ours = traced.provider.get_tracer("tests")

    def step(text: str) -> str:
        with ours.start_as_current_span("of the step"):
            return RunnableLambda(whisper).invoke(text, traced.config)

    RunnableLambda(step).invoke("x", traced.config)
    parents = dict(traced.parents())
    assert parents.get("whisper", parents.get("invoke_workflow whisper")) == "of the step"


def test_a_tracer_that_is_bound_to_a_step_makes_spans_of_that(traced: Traced) -> None:
    bound = RunnableLambda(shout).with_config(callbacks=[traced.tracer])
    (RunnableLambda(whisper) | bound).invoke("x")
    assert traced.parents() == [("shout", None)]


def test_retries_and_custom_events_are_events_of_the_span(traced: Traced) -> None:
    left = [ValueError("not yet")]

    def flaky(text: str) -> str:
        dispatch_custom_event("asked", {"secret": text})
        if left:
            raise left.pop()
        return text

    RunnableLambda(flaky).with_retry(wait_exponential_jitter=False).invoke("x", traced.config)
    events = [event for span in traced.spans for event in span.events]
    assert sorted(event.name for event in events) == ["asked", "asked", "exception", "retry"]
    assert all("secret" not in str(event.attributes) for event in events)


def test_an_exporter_that_fails_breaks_no_run(caplog: pytest.LogCaptureFixture) -> None:
    traced = Traced()

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no exporter")

    traced.provider._active_span_processor.on_start = broken  # type: ignore[method-assign]
    assert (RunnableLambda(shout) | shout).invoke("x", traced.config) == "X"
    assert any("OpenTelemetryTracer" in record.getMessage() for record in caplog.records)


@pytest.fixture
def without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)


@pytest.mark.usefixtures("without_opentelemetry")
def test_without_the_package_an_error_names_the_extra() -> None:
    with pytest.raises(ImportError, match=r"anabranch\[otel\]"):
        OpenTelemetryTracer()
