"""`Runnable`: what users hold. Each verb is a line or two over a graph and a driver.

Verbs that make another runnable (`|`, `bind`, `with_retry`, ...) stand in `composing`, what a runnable tells of itself
(its types, its schemas) in `describing`.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar, cast

from anabranch.engine.building import Builder, Place, build
from anabranch.engine.config import RunnableConfig, get_config_list
from anabranch.engine.errors import StepInputError
from anabranch.engine.graphs import Graph, Source
from anabranch.engine.operators import Composable, Operator
from anabranch.nodes.composing import Composing
from anabranch.nodes.deferred import langchain_objects
from anabranch.nodes.describing import Described
from anabranch.nodes.event_streams import Telling
from anabranch.nodes.langchain.presence import is_of_langchain
from anabranch.nodes.leaves import adopt, check_names, graph_below, graph_for, operator_of, types_of
from anabranch.nodes.tracing.progress import with_bar
from anabranch.nodes.views import Viewed
from anabranch.scheduler import astreams, awaiting, blocking, streams
from anabranch.scheduler.chunk_streams import AsyncChunkStream, ChunkStream
from anabranch.scheduler.handles import RunHandle
from anabranch.scheduler.sites import SITE
from anabranch.scheduler.sources import Once

Input = TypeVar("Input", contravariant=True)
Output = TypeVar("Output", covariant=True)
Other = TypeVar("Other")

Configs = RunnableConfig | Sequence[RunnableConfig] | None


class PublicGraph:
    """The name `graph` for `__graph__`. A leaf may have something of its own by that name; `__graph__` is what runs."""

    def __get__(self, runnable: Any, owner: type) -> Graph:
        return self if runnable is None else runnable.__graph__  # type: ignore[return-value]


class Runnable(Described, Composing[Input, Output], Telling[Input], Viewed, Composable, Generic[Input, Output]):
    """A handle on a graph, with the verbs to run it and to compose it with others. An immutable value.

    A leaf of your own: subclass and write `invoke` (or `transform`, for one that maps chunks); `ainvoke`,
    `stream`, `batch` and the others follow. Whatever else you write is used where it fits: `ainvoke` by the
    asynchronous verbs, `stream` when chunks are wanted, `batch` when many inputs are ready at once.

    Example:
        >>> class Shout(Runnable[str, str]):
        ...     def invoke(self, input, config=None, **kwargs):
        ...         return input.upper()
        >>> (Shout() | len).batch(["a", "bcd"])
        [1, 3]
    """

    _written: ClassVar[frozenset[str]] = frozenset()
    """The verbs that a subclass of a user's wrote."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_names(cls)
        adopt(cls, Runnable)

    # What it is

    @cached_property
    def __graph__(self) -> Graph:
        """The graph that runs, built when first asked for."""
        return build(self)

    graph = PublicGraph()
    """The graph that runs; `.dag` on it is a networkx graph."""

    def _build(self, builder: Builder, source: Source, place: Place) -> Any:
        """Add this to a graph: by default one step, with what `_operator` says."""
        return builder.step(self._operator(dict(place.kwargs or {})), source, place, self)

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        """What the step of this leaf does; `kwargs` are bound to it. By default the verbs that a subclass wrote."""
        return operator_of(self, kwargs, self._written)

    def _enter(
        self, verb: str, kwargs: Mapping[str, Any], config: RunnableConfig | None
    ) -> tuple[Graph, RunnableConfig | None]:
        """The graph that a verb runs, with arguments for its first step, and the config that it runs under."""
        if self._written:
            graph = graph_below if verb in self._written else graph_for
            return graph(self, verb, kwargs, config), config
        return build(self, kwargs) if kwargs else self.__graph__, config

    def _graph_with(self, kwargs: Mapping[str, Any]) -> Graph:
        """The graph with arguments bound to its first step."""
        return build(self, kwargs) if kwargs else self.__graph__

    @property
    def InputType(self) -> Any:
        """The type of the input; `Any` where it isn't known."""
        return types_of(type(self), Runnable)[0]

    @property
    def OutputType(self) -> Any:
        """The type of the output; `Any` where it isn't known."""
        return types_of(type(self), Runnable)[1]

    def __getstate__(self) -> dict[str, Any]:
        # What is derived (the graph) is made anew by a copy.
        own = type(self)
        return {k: v for k, v in self.__dict__.items() if not isinstance(getattr(own, k, None), cached_property)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name or ''})"

    # Values

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """Run on one input and return the output.

        Args:
            input: what the first step takes.
            config: tags, metadata, `max_concurrency`, `timeout` (seconds) and more; see `RunnableConfig`.
            **kwargs: reach the first step only.

        Raises:
            Exception: the first error of a step, itself, with a note that names the step and its place.
            TimeoutError: when the run took longer than `timeout`.
        """
        graph, config = self._enter("invoke", kwargs, config)
        return cast(Output, blocking.invoke(graph, input, config))

    def __call__(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """`invoke`, for what takes functions. What LangChain calls so it gets as a Runnable of its own, and streams."""
        if is_of_langchain(config):
            return cast(Output, langchain_objects.to_langchain(self))
        return self.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """`invoke` on the running event loop, with the same arguments and errors. Blocking steps run in threads."""
        graph, config = self._enter("ainvoke", kwargs, config)
        run = awaiting.ainvoke(graph, input, config)
        del kwargs, input, config, graph  # there may be very many of these at once
        return cast(Output, await run)

    def batch(
        self,
        inputs: Sequence[Input],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """Run on many inputs at once, each on its own way through the graph; the outputs in order.

        Args:
            inputs: any number, also none.
            config: one for all, or one an input. `max_concurrency` caps the whole call, however it is nested.
            return_exceptions: an input's `Exception` becomes its output; otherwise the first stops the batch.
            **kwargs: reach the first step only.

        Raises:
            StepInputError: a `TypeError`, when `inputs` is no list, or a string or dict, which was hardly meant as one.
            ConfigError: when there are more or fewer configs than inputs, or their caps differ.
        """
        inputs = listed(inputs, "batch")
        graph, shared, each = self._enter_batch("batch", kwargs, config, len(inputs))
        return blocking.batch(graph, inputs, shared, each, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: Sequence[Input],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """`batch` on the running event loop, with the same arguments and errors."""
        inputs = listed(inputs, "abatch")
        graph, shared, each = self._enter_batch("abatch", kwargs, config, len(inputs))
        return await awaiting.abatch(graph, inputs, shared, each, return_exceptions=return_exceptions)

    def batch_as_completed(
        self,
        inputs: Sequence[Input],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Generator[tuple[int, Output], None, None]:
        """`batch`, each output with its index as soon as it is there. Closing the iterator stops the rest.

        Arguments and errors are those of `batch`.
        """
        inputs = listed(inputs, "batch_as_completed")
        graph, shared, each = self._enter_batch("batch_as_completed", kwargs, config, len(inputs))
        return blocking.batch_as_completed(graph, inputs, shared, each, return_exceptions=return_exceptions)

    def abatch_as_completed(
        self,
        inputs: Sequence[Input],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncGenerator[tuple[int, Output], None]:
        """`batch_as_completed` on the running event loop."""
        inputs = listed(inputs, "abatch_as_completed")
        graph, shared, each = self._enter_batch("abatch_as_completed", kwargs, config, len(inputs))
        return awaiting.abatch_as_completed(graph, inputs, shared, each, return_exceptions=return_exceptions)

    def _enter_batch(
        self, verb: str, kwargs: Mapping[str, Any], configs: Configs, length: int
    ) -> tuple[Graph, RunnableConfig | None, list[RunnableConfig] | None]:
        """The graph that a batch runs; and one config for all inputs, or a list with one for each."""
        if configs is not None:
            configs = with_bar(configs)
        if configs is None or (isinstance(configs, Mapping) and configs.get("run_id") is None):
            graph, shared = self._enter(verb, kwargs, configs)
            return graph, shared, None
        around = SITE.get()
        each = get_config_list(configs, length, around.inherited() if around is not None else None)
        entered = [self._enter(verb, kwargs, config) for config in each]
        return entered[0][0] if entered else self.__graph__, None, [config or {} for _, config in entered]

    def start(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> RunHandle[Output]:
        """Run in the background and return a handle with `result(timeout)`, `cancel()` and `done()`.

        Arguments are those of `invoke`. The errors of the run are raised by `result`.
        """
        graph, config = self._enter("start", kwargs, config)
        return RunHandle(graph, input, config)

    # Chunks

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> ChunkStream[Output]:
        """Run on one input and yield the output's chunks as they are made.

        `fold(chunks)` is what `invoke` returns. Closing the stream, or leaving a `with`, stops the run at once.
        Arguments and errors are those of `invoke`; an error is raised after the chunks that were made before it.
        """
        graph, config = self._enter("stream", kwargs, config)
        return streams.stream(graph, iter((input,)), config, whole=True)

    def astream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncChunkStream[Output]:
        """`stream` on the running event loop."""
        graph, config = self._enter("astream", kwargs, config)
        return astreams.astream(graph, Once(input), config, whole=True)

    def transform(
        self, input: Iterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Output]:
        """`stream` with an input that itself comes in chunks.

        Raises:
            StepInputError: a `TypeError`, when the input can't be iterated.
        """
        if not isinstance(input, Iterable):
            raise _no_chunks("transform", "an iterable", input)
        graph, config = self._enter("transform", kwargs, config)
        return streams.stream(graph, input, config)

    def atransform(
        self, input: AsyncIterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Output]:
        """`transform` on the running event loop, with an input that is asynchronous."""
        if not isinstance(input, AsyncIterable):
            raise _no_chunks("atransform", "an asynchronous iterable", input)
        graph, config = self._enter("atransform", kwargs, config)
        return astreams.astream(graph, input, config)


# As LangGraph wants it of a function that is a node; else it warns.
Runnable.__call__.__annotations__["config"] = "RunnableConfig"


def _no_chunks(verb: str, expected: str, given: Any) -> StepInputError:
    return StepInputError(
        f"{verb} takes {expected} of chunks, got {type(given).__name__}: {given!r:.80}. "
        f"For a single value there is {verb.replace('transform', 'stream')}"
    )


def listed(values: Any, taker: str) -> list[Any]:
    """What somebody takes a list of, from any iterable but those that are seldom meant as one.

    Raises:
        StepInputError: a `TypeError`, when it is no list.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping):
        raise StepInputError(
            f"{taker} takes a list, got {type(values).__name__}: {values!r:.80}. Put a single input into a list"
        )
    return list(values)
