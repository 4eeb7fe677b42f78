"""While the code of a step runs, its span is the current one: what the code opens stands below it."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from verbs import VERBS, in_every_verb

from anabranch.nodes import OpenTelemetryTracer, Runnable, RunnableGenerator, RunnableLambda, RunnableParallel
from anabranch.nodes.tracing.otel import _variable_of

AnyRunnable = Runnable[Any, Any]


class Code:
    """Steps whose code opens spans of its own, with a call inside each."""

    def __init__(self) -> None:
        self.exporter, self.provider = InMemorySpanExporter(), TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("tests")

    def work(self) -> None:
        with self.tracer.start_as_current_span("of the code"):
            RunnableLambda(str, name="called").invoke("x")

    def function(self) -> AnyRunnable:
        def function(value: Any) -> Any:
            self.work()
            return value

        return RunnableLambda(function, name="step")

    def coroutine(self) -> AnyRunnable:
        async def coroutine(value: Any) -> Any:
            await RunnableLambda(str, name="before").ainvoke("x")
            self.work()
            return value

        return RunnableLambda(coroutine, name="step")

    def chunks(self) -> AnyRunnable:
        def chunks(source: Iterator[Any]) -> Iterator[Any]:
            for chunk in source:
                self.work()
                yield chunk
            self.work()

        return RunnableGenerator(chunks, name="step")

    def achunks(self) -> AnyRunnable:
        async def achunks(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
            async for chunk in source:
                self.work()
                yield chunk
            self.work()

        return RunnableGenerator(achunks, name="step")


CHAINS: dict[str, Callable[[Code], AnyRunnable]] = {
    "functions": lambda code: code.function() | code.coroutine() | code.function(),
    "generators": lambda code: code.chunks() | code.achunks() | code.function() | code.chunks(),
    "branches": lambda code: (
        RunnableLambda(str) | RunnableParallel(a=code.chunks(), b=code.achunks(), c=code.function())
    ),
    "a retry": lambda code: code.chunks() | code.coroutine().with_retry() | code.achunks().with_fallbacks([]),
}


@in_every_verb
def test_what_the_code_of_a_step_opens_is_below_its_span(verb: str) -> None:
    for make in CHAINS.values():
        code = Code()
        with code.tracer.start_as_current_span("outer"):
            VERBS[verb](make(code), "x", {"callbacks": [OpenTelemetryTracer(code.provider)]})
            assert name_of(trace.get_current_span()) == "outer"
        spans: dict[Any, ReadableSpan] = {span.context.span_id: span for span in code.exporter.get_finished_spans()}
        pairs = [(span.name, spans[span.parent.span_id].name) for span in spans.values() if span.parent]
        assert len(pairs) == len(spans) - 1
        assert {around for name, around in pairs if name in ("of the code", "before")} == {"step"}
        assert {around for name, around in pairs if name == "called"} == {"of the code"}
        assert [name for name, around in pairs if around == "outer"] == ["invoke_workflow RunnableSequence"]


def test_a_runtime_that_keeps_the_context_elsewhere_leaves_it_alone() -> None:
    class Elsewhere:
        Context = dict

        def attach(self, context: Any) -> None:
            pass

    assert _variable_of(Elsewhere()) is None
    assert isinstance(_variable_of(OpenTelemetryTracer().context), contextvars.ContextVar)


def name_of(span: Any) -> str:
    name: str = span.name
    return name
