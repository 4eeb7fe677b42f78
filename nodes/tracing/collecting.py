"""What all that runs in a `with` block comes to: its runs, or the tokens that its models have used."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from anabranch.engine.runs import MISSING, Listener, RunInfo
from anabranch.nodes.messages.token_usage import add_counts
from anabranch.nodes.tracing.run_trees import BaseTracer, Run
from anabranch.scheduler.handler_faults import tolerate
from anabranch.scheduler.managers import AMBIENT

L = TypeVar("L", bound=Listener)

MODELS = ("llm", "chat_model")


class RunCollectorCallbackHandler(BaseTracer):
    """A callback handler that keeps the outermost runs, with all runs inside, in the order in which they ended.

    Attributes:
        traced_runs: these, each a `Run`.

    Example:
        >>> collector = RunCollectorCallbackHandler()
        >>> (RunnableLambda(abs) | str).batch([-1, -2], {"callbacks": [collector]})
        ['1', '2']
        >>> sorted(run.outputs["output"] for run in collector.traced_runs)
        ['1', '2']
    """

    run_inline = True

    def __init__(self) -> None:
        super().__init__()
        self.traced_runs: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.traced_runs.append(run)


class UsageMetadataCallbackHandler(Listener):
    """A callback handler that adds up the tokens that chat models say they have used, for each model.

    Attributes:
        usage_metadata: by the name of the model, what its messages had as `usage_metadata`, added up. The name is that
            in the messages' `response_metadata`, else that of the run.

    Example:
        >>> used = UsageMetadata(input_tokens=3, output_tokens=2, total_tokens=5)
        >>> model = GenericFakeChatModel(messages=iter([AIMessage("yes", usage_metadata=used)] * 2))
        >>> handler = UsageMetadataCallbackHandler()
        >>> [model.invoke("Well?", {"callbacks": [handler]}).content for _ in range(2)]
        ['yes', 'yes']
        >>> handler.usage_metadata
        {'GenericFakeChatModel': {'input_tokens': 6, 'output_tokens': 4, 'total_tokens': 10}}
    """

    inline = True

    def __init__(self) -> None:
        self.usage_metadata: dict[str, dict[str, Any]] = {}
        self._adding = threading.Lock()

    def ended(self, run: RunInfo) -> None:
        """See `Listener`."""
        usage = getattr(run.output, "usage_metadata", None)
        if run.run_type not in MODELS or run.output is MISSING or not isinstance(usage, Mapping):
            return
        said = getattr(run.output, "response_metadata", None) or {}
        name = said.get("model_name") or said.get("model") or run.name
        with self._adding:
            self.usage_metadata[name] = add_counts(self.usage_metadata.get(name, {}), usage)

    def broke(self, error: Exception, what: str) -> None:
        """See `Listener`."""
        tolerate(self, error, what)

    def __repr__(self) -> str:
        return f"UsageMetadataCallbackHandler({self.usage_metadata})"


@contextmanager
def collect_runs() -> Generator[RunCollectorCallbackHandler, None, None]:
    """Keep all that runs in a `with` block, in the tasks and threads that runnables start for it too.

    In a thread of your own, run it in a copy of the context (`contextvars.copy_context().run`).

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> with collect_runs() as collected:
        ...     result = (RunnableLambda(abs) | str).invoke(-1)
        >>> [child.name for child in collected.traced_runs[0].child_runs]
        ['abs', 'str']
    """
    with _listening(RunCollectorCallbackHandler()) as collector:
        yield collector


@contextmanager
def get_usage_metadata_callback(
    name: str = "usage_metadata_callback",
) -> Generator[UsageMetadataCallbackHandler, None, None]:
    """Add up the tokens that models use in a `with` block, as `collect_runs` keeps the runs.

    Args:
        name: changes nothing; LangChain's function takes one.

    Example:
        >>> used = UsageMetadata(input_tokens=3, output_tokens=2, total_tokens=5)
        >>> model = GenericFakeChatModel(messages=iter([AIMessage("yes", usage_metadata=used)]))
        >>> with get_usage_metadata_callback() as usage:
        ...     answer = model.invoke("Well?")
        >>> usage.usage_metadata["GenericFakeChatModel"]["total_tokens"]
        5
    """
    with _listening(UsageMetadataCallbackHandler()) as handler:
        yield handler


@contextmanager
def _listening(listener: L) -> Generator[L, None, None]:
    token = AMBIENT.set((*AMBIENT.get(), listener))
    try:
        yield listener
    finally:
        AMBIENT.reset(token)
