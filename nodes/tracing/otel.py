"""Runs as spans of OpenTelemetry, with the semantic conventions for generative AI where they have names for a thing.

| run | span | operation |
|---|---|---|
| chat model | `chat <model>` | `chat` |
| llm | `text_completion <model>` | `text_completion` |
| tool | `execute_tool <name>` | `execute_tool` |
| retriever | `retrieval <name>` | `retrieval` |
| a chain, as a whole | `invoke_workflow <name>` | `invoke_workflow` |
| any other | `<name>` | |

Attributes without a name there begin with `anabranch.`: `run.id`, `run.type`, `tags`, `chunks`, `metadata.<key>`.
"""

from __future__ import annotations

from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from time import time
from typing import Any

from anabranch.engine.runs import Listener, RunInfo
from anabranch.nodes.extras import import_extra
from anabranch.nodes.tracing import otel_attributes as attributes
from anabranch.scheduler.handler_faults import tolerate
from anabranch.scheduler.handlers import Fresh
from anabranch.scheduler.managers import RUN

NANOSECONDS = 1_000_000_000


class OpenTelemetryTracer(Fresh):
    """Makes a span of each run: put it into `callbacks`, of as many calls as you like.

    The spans of a call are nested as its runs are, in whatever threads and tasks these run. The span that is current
    where the call is made is the parent of the call's. While the code of a step runs, its span is current, so that
    those of an HTTP client or of a database stand below it.

    An error is recorded in the span of each run that it has passed, with the status ERROR. Names, tags and metadata
    are attributes. What goes in and comes out is not recorded, unless you ask for it.

    Args:
        tracer_provider: what to make spans with; by default the global one.
        record_content: record inputs and outputs, too. They may be private, and long.

    Raises:
        MissingExtraError: an `ImportError`, when opentelemetry-api isn't installed.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        >>> spans, provider = InMemorySpanExporter(), TracerProvider()
        >>> provider.add_span_processor(SimpleSpanProcessor(spans))
        >>> (RunnableLambda(abs) | str).invoke(-1, {"callbacks": [OpenTelemetryTracer(provider)]})
        '1'
        >>> [span.name for span in spans.get_finished_spans()]
        ['abs', 'str', 'invoke_workflow RunnableSequence']
    """

    def __init__(self, tracer_provider: Any = None, *, record_content: bool = False) -> None:
        self.record_content = record_content
        self.trace = import_extra("opentelemetry.trace", "otel", type(self).__name__)
        self.context = import_extra("opentelemetry.context", "otel", type(self).__name__)
        self.tracer = self.trace.get_tracer("anabranch", tracer_provider=tracer_provider)
        self.variable = _variable_of(self.context)
        self.open: dict[RunInfo, _Open] = {}

    def listener(self) -> Listener:
        """See `Fresh`. A call begins here and now."""
        return _Spans(self, self.context.get_current())


@dataclass(slots=True)
class _Open:
    """A run that is on its way.

    Attributes:
        span: of the run.
        chunks: how many it has made.
        first_chunk: when it made the first.
    """

    span: Any
    chunks: int = 0
    first_chunk: float = 0.0


class _Spans(Listener):
    """Makes the spans of a call. `context` is that in which the call is made."""

    inline = True

    def __init__(self, tracer: OpenTelemetryTracer, context: Any) -> None:
        self._tracer = tracer
        self._context = context

    @property
    def handler(self) -> Any:
        """See `Listener`."""
        return self._tracer

    def started(self, run: RunInfo) -> None:
        """See `Listener`."""
        tracer, trace = self._tracer, self._tracer.trace
        span = tracer.tracer.start_span(
            attributes.span_name(run),
            context=self._context_of(run),
            kind=trace.SpanKind.CLIENT if run.run_type in attributes.CLIENTS else trace.SpanKind.INTERNAL,
            attributes=attributes.of_start(run),
            start_time=int(run.started * NANOSECONDS),
        )
        tracer.open[run] = _Open(span)
        if tracer.variable is not None:
            run.variables += ((tracer.variable, trace.set_span_in_context(span, self._context)),)

    def _context_of(self, run: RunInfo) -> Any:
        """The context whose span is the parent: that of the run around, or one that its code has opened."""
        tracer = self._tracer
        parent = None if run.parent is None else tracer.open.get(run.parent)
        if parent is None:
            return self._context
        if run.parent is RUN.get() and tracer.variable is not None:  # a call in its code
            return tracer.context.get_current()
        return tracer.trace.set_span_in_context(parent.span, self._context)

    def chunk(self, run: RunInfo, chunk: Any) -> None:
        """See `Listener`."""
        known = self._tracer.open[run]
        if not known.chunks:
            known.first_chunk = time()
        known.chunks += 1

    def ended(self, run: RunInfo) -> None:
        """See `Listener`."""
        self._finish(run, self._tracer.open.pop(run))

    def failed(self, run: RunInfo) -> None:
        """See `Listener`."""
        known, trace = self._tracer.open.pop(run), self._tracer.trace
        known.span.set_status(trace.Status(trace.StatusCode.ERROR, attributes.error_message(run.error)))
        at = int(run.ended * NANOSECONDS)
        try:
            known.span.record_exception(run.error, timestamp=at)
        except Exception:  # it can't say what it is
            known.span.add_event("exception", {"exception.type": attributes.type_name(run.error)}, at)
        self._finish(run, known)

    def _finish(self, run: RunInfo, known: _Open) -> None:
        try:
            if run.error is not None:
                facts: dict[str, Any] = {"error.type": attributes.type_name(run.error)}
            else:
                facts = attributes.of_output(run)
            if known.chunks:
                facts["anabranch.chunks"] = known.chunks
                if run.run_type in attributes.MODELS:
                    facts["gen_ai.request.stream"] = True
                    facts["gen_ai.response.time_to_first_chunk"] = known.first_chunk - run.started
            if self._tracer.record_content:
                facts.update(attributes.of_content(run))
            known.span.set_attributes(facts)
        finally:
            known.span.end(int(run.ended * NANOSECONDS))

    def told(self, run: RunInfo, what: str, *data: Any) -> None:
        """See `Listener`."""
        known = self._tracer.open[run]
        if what == "retry":
            error = getattr(data[0], "exception", None)
            facts: dict[str, Any] = {"error.type": attributes.type_name(error)} if error is not None else {}
            known.span.add_event("retry", facts)
        elif what == "custom_event":
            facts = {"anabranch.data": attributes.text_of(data[1])} if self._tracer.record_content else {}
            known.span.add_event(str(data[0]), facts)

    def broke(self, error: Exception, what: str) -> None:
        """See `Listener`."""
        tolerate(self._tracer, error, what)


def _variable_of(context: Any) -> ContextVar[Any] | None:
    """The context variable in which OpenTelemetry keeps what is current; None if it keeps that elsewhere."""
    looked_for, inside = context.Context(), copy_context()
    inside.run(context.attach, looked_for)
    return next((variable for variable, value in inside.items() if value is looked_for), None)
