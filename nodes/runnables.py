"""`Runnable`: what users hold. Each verb is a line or two over a graph and a driver.

Verbs that make another runnable (`|`, `bind`, `with_retry`, ...) need the classes that are made of this one; they
reach them through `makers`, which `nodes/making.py` fills in when the package is imported.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_args, get_origin

from anabranch.engine.building import Builder, Place, build
from anabranch.engine.config import RunnableConfig, get_config_list
from anabranch.engine.graphs import Graph, Source
from anabranch.engine.operators import Composable, Operator
from anabranch.nodes.leaves import operator_of
from anabranch.scheduler import astreams, awaiting, blocking, streams
from anabranch.scheduler.handles import RunHandle

if TYPE_CHECKING:
    from pydantic import BaseModel

    from anabranch.nodes.making import Makers

Input = TypeVar("Input", contravariant=True)
Output = TypeVar("Output", covariant=True)
Other = TypeVar("Other")

Configs = RunnableConfig | Sequence[RunnableConfig] | None


class Runnable(Composable, Generic[Input, Output]):
    """A handle on a graph, with the verbs to run it and to compose it with others. An immutable value.

    A leaf of your own: subclass and write `invoke` (or `transform`, for one that maps chunks); `ainvoke`,
    `stream`, `batch` and the others follow. Whatever else you write is used where it fits.

    Example:
        >>> class Shout(Runnable[str, str]):
        ...     def invoke(self, input, config=None, **kwargs):
        ...         return input.upper()
        >>> (Shout() | len).batch(["a", "bcd"])
        [1, 3]
    """

    name: str | None = None
    """The name in traces, drawings and errors; by default that of the class."""

    # What it is

    @cached_property
    def graph(self) -> Graph:
        """The graph that runs; `.dag` on it is a networkx graph. Built when first asked for."""
        return build(self)

    def _build(self, builder: Builder, source: Source, place: Place) -> Any:
        """Add this to a graph: by default one step, with what `_operator` says."""
        return builder.step(self._operator(dict(place.kwargs or {})), source, place, self)

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        """What the step of this leaf does; `kwargs` are bound to it. By default the verbs that a subclass wrote."""
        return operator_of(self, Runnable, kwargs)

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """The name in traces, drawings and errors, with a suffix in its style (`PromptInput`, `get_value_input`)."""
        own = name or self.name or self._default_name()
        if not suffix:
            return own
        return own + suffix.title() if own[:1].isupper() else f"{own}_{suffix.lower()}"

    def _default_name(self) -> str:
        return type(self).__name__

    @property
    def InputType(self) -> Any:
        """The type of the input; `Any` where it isn't known."""
        return _type_argument(type(self), 0)

    @property
    def OutputType(self) -> Any:
        """The type of the output; `Any` where it isn't known."""
        return _type_argument(type(self), 1)

    def _readers(self) -> list[Runnable[Any, Any]]:
        """What reads the input, for the check of an edge: this, or the branches of a fork."""
        return [self]

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
        return cast(Output, blocking.invoke(self._graph_with(kwargs), input, config))

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """`invoke` on the running event loop. Blocking steps run in threads."""
        return cast(Output, await awaiting.ainvoke(self._graph_with(kwargs), input, config))

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
        """
        inputs = list(inputs)
        shared, each = _configs(config, len(inputs))
        graph = self._graph_with(kwargs)
        return blocking.batch(graph, inputs, shared, each, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: Sequence[Input],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """`batch` on the running event loop."""
        inputs = list(inputs)
        shared, each = _configs(config, len(inputs))
        graph = self._graph_with(kwargs)
        return await awaiting.abatch(graph, inputs, shared, each, return_exceptions=return_exceptions)

    def batch_as_completed(
        self,
        inputs: Sequence[Input],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Generator[tuple[int, Output], None, None]:
        """`batch`, each output with its index as soon as it is there. Closing the iterator stops the rest."""
        inputs = list(inputs)
        shared, each = _configs(config, len(inputs))
        graph = self._graph_with(kwargs)
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
        inputs = list(inputs)
        shared, each = _configs(config, len(inputs))
        graph = self._graph_with(kwargs)
        return awaiting.abatch_as_completed(graph, inputs, shared, each, return_exceptions=return_exceptions)

    def start(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> RunHandle[Output]:
        """Run in the background and return a handle with `result(timeout)`, `cancel()` and `done()`."""
        return RunHandle(self._graph_with(kwargs), input, config)

    # Chunks

    def stream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Generator[Output, None, None]:
        """Run on one input and yield the output's chunks as they are made.

        `fold(chunks)` is what `invoke` returns. Closing the iterator stops the run at once.
        """
        return streams.stream(self._graph_with(kwargs), iter((input,)), config, whole=True)

    def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncGenerator[Output, None]:
        """`stream` on the running event loop."""
        return astreams.astream(self._graph_with(kwargs), _once(input), config, whole=True)

    def transform(
        self, input: Iterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Generator[Output, None, None]:
        """`stream` with an input that itself comes in chunks."""
        return streams.stream(self._graph_with(kwargs), input, config)

    def atransform(
        self, input: AsyncIterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncGenerator[Output, None]:
        """`transform` on the running event loop."""
        return astreams.astream(self._graph_with(kwargs), input, config)

    def _graph_with(self, kwargs: Mapping[str, Any]) -> Graph:
        return build(self, kwargs) if kwargs else self.graph

    # Schemas

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A pydantic model of the input."""
        return makers.schema(self.InputType, self.get_name("Input"))

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A pydantic model of the output."""
        return makers.schema(self.OutputType, self.get_name("Output"))

    @property
    def input_schema(self) -> type[BaseModel]:
        """A pydantic model of the input."""
        return self.get_input_schema()

    @property
    def output_schema(self) -> type[BaseModel]:
        """A pydantic model of the output."""
        return self.get_output_schema()

    # Composition

    def __or__(
        self, other: Runnable[Any, Other] | Callable[[Any], Other] | Mapping[str, Any]
    ) -> Runnable[Input, Other]:
        """This, then the other: a runnable, a function or a dict."""
        return makers.sequence(self, other)

    def __ror__(
        self, other: Runnable[Other, Any] | Callable[[Other], Any] | Mapping[str, Any]
    ) -> Runnable[Other, Output]:
        """The other, then this."""
        return makers.sequence(other, self)

    def pipe(self, *others: Any, name: str | None = None) -> Runnable[Input, Any]:
        """This, then the others, in order."""
        return makers.sequence(self, *others, name=name)

    def pick(self, keys: str | list[str]) -> Runnable[Input, Any]:
        """Of the output, a dict, the value of one key, or a dict of some keys."""
        return self | makers.pick(keys)

    def assign(self, **kwargs: Any) -> Runnable[Input, Any]:
        """The output, a dict, with more keys, each made from it by a runnable, function or dict."""
        return self | makers.assign(**kwargs)

    def bind(self, **kwargs: Any) -> Runnable[Input, Output]:
        """The same with keyword arguments for its (first) step."""
        return makers.binding(self, kwargs=kwargs)

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Runnable[Input, Output]:
        """The same with config bound to it."""
        return makers.binding(self, config={**(config or {}), **kwargs})

    def with_types(self, *, input_type: Any = None, output_type: Any = None) -> Runnable[Input, Output]:
        """The same with declared types."""
        return makers.binding(self, input_type=input_type, output_type=output_type)

    def with_retry(
        self,
        *,
        retry_if_exception_type: tuple[type[BaseException], ...] = (Exception,),
        wait_exponential_jitter: bool = True,
        exponential_jitter_params: Mapping[str, float] | None = None,
        stop_after_attempt: int = 3,
    ) -> Runnable[Input, Output]:
        """The same, tried again after an exception.

        In a batch an input is retried on its own. A stream is retried until its first chunk is out.

        Args:
            retry_if_exception_type: after which exceptions.
            wait_exponential_jitter: wait longer after each attempt, by a random amount.
            exponential_jitter_params: `initial`, `max`, `exp_base`, `jitter`: 1, 60, 2 and 1 by default (seconds).
            stop_after_attempt: how many attempts at most; the last one's exception is raised.
        """
        return makers.retry(
            self, retry_if_exception_type, wait_exponential_jitter, exponential_jitter_params, stop_after_attempt
        )

    def with_fallbacks(
        self,
        fallbacks: Sequence[Runnable[Any, Any]],
        *,
        exceptions_to_handle: tuple[type[BaseException], ...] = (Exception,),
        exception_key: str | None = None,
    ) -> Runnable[Input, Output]:
        """The same; after an exception the fallbacks, one after the other. If all fail, the first error is raised.

        Args:
            fallbacks: what to run instead, in order.
            exceptions_to_handle: after which exceptions.
            exception_key: give the exception to the fallbacks in the input, a dict, under this key.
        """
        return makers.fallbacks(self, fallbacks, exceptions_to_handle, exception_key)

    def map(self) -> Runnable[Any, list[Output]]:
        """Run on each element of a list, concurrently."""
        return makers.each(self)

    def configurable_fields(self, **kwargs: Any) -> Runnable[Input, Output]:
        """The same with fields that `config["configurable"]` may set; see `ConfigurableField`."""
        return makers.configurable_fields(self, kwargs)

    def configurable_alternatives(
        self, which: Any, *, default_key: str = "default", prefix_keys: bool = False, **kwargs: Any
    ) -> Runnable[Input, Output]:
        """The same, or one of several others, as `config["configurable"]` says; see `ConfigurableField`."""
        return makers.alternatives(self, which, default_key, prefix_keys, kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name or ''})"


async def _once(value: Any) -> AsyncGenerator[Any, None]:
    yield value


def _configs(config: Configs, length: int) -> tuple[RunnableConfig | None, list[RunnableConfig] | None]:
    """One config for all inputs, or a list with one for each."""
    if config is None:
        return None, None
    if isinstance(config, Mapping) and config.get("run_id") is None:
        return cast(RunnableConfig, config), None
    return None, get_config_list(config, length)


def _type_argument(cls: type, index: int) -> Any:
    """The type argument that a class gave to `Runnable`, if any."""
    for base in cls.__mro__:
        for generic in getattr(base, "__orig_bases__", ()):
            origin = get_origin(generic)
            if isinstance(origin, type) and issubclass(origin, Runnable):
                arguments = get_args(generic)
                if len(arguments) == 2 and not isinstance(arguments[index], TypeVar):
                    return arguments[index]
        if base is Runnable:
            break
    return Any


makers: Makers
