"""The verbs of `Runnable` that make another runnable of it: `|`, `bind`, `with_retry` and their kin.

They need the classes that are made of `Runnable`, which they reach through `makers`; `nodes/making.py` fills it in when
the package is imported.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from anabranch.engine.config import RunnableConfig, check_config
from anabranch.nodes.callbacks.run_listeners import ListenerFunction, RunListeners

if TYPE_CHECKING:
    from pydantic import BaseModel

    from anabranch.nodes.configurable_fields import AnyField, ConfigurableField
    from anabranch.nodes.making import Makers
    from anabranch.nodes.models.caches import BaseCache
    from anabranch.nodes.models.rate_limiters import BaseRateLimiter
    from anabranch.nodes.runnables import Runnable
    from anabranch.nodes.tools.tools import BaseTool

Input = TypeVar("Input", contravariant=True)
Output = TypeVar("Output", covariant=True)
Other = TypeVar("Other")
P = ParamSpec("P")


class Composing(Generic[Input, Output]):
    """The part of `Runnable` that composes."""

    @overload
    def __or__(self, other: Runnable[Any, Other]) -> Runnable[Input, Other]: ...
    @overload
    def __or__(self, other: Mapping[str, Any]) -> Runnable[Input, dict[str, Any]]: ...
    @overload
    def __or__(self, other: Callable[Concatenate[Iterator[Any], P], Iterator[Other]]) -> Runnable[Input, Other]: ...
    @overload
    def __or__(
        self, other: Callable[Concatenate[AsyncIterator[Any], P], AsyncIterator[Other]]
    ) -> Runnable[Input, Other]: ...
    @overload
    def __or__(self, other: Callable[Concatenate[Output, P], Runnable[Any, Other]]) -> Runnable[Input, Other]: ...
    @overload
    def __or__(self, other: Callable[Concatenate[Output, P], Awaitable[Other]]) -> Runnable[Input, Other]: ...
    @overload
    def __or__(self, other: Callable[Concatenate[Output, P], Other]) -> Runnable[Input, Other]: ...
    @overload
    def __or__(self, other: Callable[..., Other]) -> Runnable[Input, Other]: ...
    def __or__(self, other: Any) -> Runnable[Input, Any]:
        """This, then the other: a runnable, a function or a dict.

        Raises:
            NotRunnableError: when it is none of these.
            EdgeTypeError: when the other certainly can't take what this gives.
        """
        return makers.sequence(self, other)

    @overload
    def __ror__(self, other: Mapping[str, Any]) -> Runnable[Any, Output]: ...
    @overload
    def __ror__(self, other: Callable[Concatenate[Iterator[Other], P], Iterator[Any]]) -> Runnable[Other, Output]: ...
    @overload
    def __ror__(
        self, other: Callable[Concatenate[AsyncIterator[Other], P], AsyncIterator[Any]]
    ) -> Runnable[Other, Output]: ...
    @overload
    def __ror__(self, other: Callable[Concatenate[Other, P], Any]) -> Runnable[Other, Output]: ...
    def __ror__(self, other: Any) -> Runnable[Any, Output]:
        """The other, then this."""
        return makers.sequence(other, self)

    @overload
    def pipe(self, other: Runnable[Any, Other], /, *, name: str | None = None) -> Runnable[Input, Other]: ...
    @overload
    def pipe(self, *others: Any, name: str | None = None) -> Runnable[Input, Any]: ...
    def pipe(self, *others: Any, name: str | None = None) -> Runnable[Input, Any]:
        """This, then the others, in order."""
        return makers.sequence(self, *others, name=name)

    def pick(self, keys: str | list[str]) -> Runnable[Input, Any]:
        """Of the output, a dict, the value of one key, or a dict of some keys."""
        return makers.sequence(self, makers.pick(keys))

    def assign(self, **kwargs: Any) -> Runnable[Input, dict[str, Any]]:
        """The output, a dict, with more keys, each made from it by a runnable, function or dict."""
        return makers.sequence(self, makers.assign(**kwargs))

    def map(self) -> Runnable[list[Input], list[Output]]:
        """Run on each element of a list, concurrently; the outputs in order."""
        return makers.each(self)

    def bind(self, **kwargs: Any) -> Runnable[Input, Output]:
        """The same with keyword arguments for its (first) step."""
        return makers.binding(self, kwargs=kwargs)

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Runnable[Input, Output]:
        """The same with config bound to it.

        Args:
            config: what is bound; what a call says wins over it, tags and metadata are joined.
            **kwargs: more of it, by key.

        Raises:
            ConfigError: when a key has a wrong type.
        """
        check_config(config)
        return makers.binding(self, config={**(config or {}), **kwargs})

    def with_types(self, *, input_type: Any = None, output_type: Any = None) -> Runnable[Input, Output]:
        """The same with declared types, for the check of its edges and for its schemas."""
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

        Raises:
            ValueError: when there is no attempt, or a parameter that isn't known.
        """
        return makers.retry(
            self, retry_if_exception_type, wait_exponential_jitter, exponential_jitter_params, stop_after_attempt
        )

    def with_fallbacks(
        self,
        fallbacks: Sequence[Runnable[Any, Any] | Callable[..., Any] | Mapping[str, Any]],
        *,
        exceptions_to_handle: tuple[type[BaseException], ...] = (Exception,),
        exception_key: str | None = None,
    ) -> Runnable[Input, Output]:
        """The same; after an exception the fallbacks, one after the other. If all fail, the first error is raised.

        A stream switches only before its first chunk is out.

        Args:
            fallbacks: what to run instead, in order: runnables, functions or dicts.
            exceptions_to_handle: after which exceptions.
            exception_key: give the exception to the fallbacks in the input, a dict, under this key.

        Raises:
            CompositionError: a `TypeError`, when `fallbacks` is no list, or an exception is no exception class.
        """
        return makers.fallbacks(self, fallbacks, exceptions_to_handle, exception_key)

    def with_cache(
        self,
        cache: BaseCache | None = None,
        *,
        key: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> Runnable[Input, Output]:
        """The same, whose outputs are kept, and given again for an equal input.

        Inputs are equal when they look alike as JSON, together with the bound arguments and `config["configurable"]`.
        A failure isn't kept, nor is a stream that was closed early. A kept output streams as one chunk. In traces the
        run that gives one has `cache_hit` in its metadata.

        Args:
            cache: where outputs are kept: `InMemoryCache`, `SQLiteCache` or one of your own. By default in memory, for
                this runnable alone.
            key: what to go by instead of the input and the configurable: a function of the input.
            name: what tells these outputs from others in a cache that is shared, or outlives the process. Needed where
                it can't be made up: for lambdas, and for what is made of them.

        Raises:
            CompositionError: a `TypeError`, when there is a cache and no name, and none can be made up.
        """
        return makers.cache(self, cache, key, name)

    def with_rate_limiter(self, rate_limiter: BaseRateLimiter) -> Runnable[Input, Output]:
        """The same, which begins no more often than a rate limiter lets it.

        What waits holds no permit of `max_concurrency`, doesn't block an event loop, and is stopped with its call.

        Args:
            rate_limiter: `InMemoryRateLimiter`, or one of your own. Several runnables may share one.
        """
        return makers.rate_limiter(self, rate_limiter)

    def with_listeners(
        self,
        *,
        on_start: ListenerFunction | None = None,
        on_end: ListenerFunction | None = None,
        on_error: ListenerFunction | None = None,
    ) -> Runnable[Input, Output]:
        """The same with functions that are told of its runs.

        They get a `Run`, which at the end has the runs inside it as `child_runs`; or a `Run` and its config, if they
        take two arguments. What they raise is logged, and the run goes on.

        Args:
            on_start: called when it starts.
            on_end: called when it is over.
            on_error: called when it has failed.

        Raises:
            CompositionError: a `TypeError`, when one can't be called so, or is asynchronous.
        """
        return makers.binding(self, config={"callbacks": [RunListeners(on_start, on_end, on_error)]})

    def with_alisteners(
        self,
        *,
        on_start: ListenerFunction | None = None,
        on_end: ListenerFunction | None = None,
        on_error: ListenerFunction | None = None,
    ) -> Runnable[Input, Output]:
        """`with_listeners` with asynchronous functions. They are awaited, by synchronous verbs too."""
        return makers.binding(self, config={"callbacks": [RunListeners(on_start, on_end, on_error, is_async=True)]})

    def configurable_fields(self, **kwargs: AnyField) -> Runnable[Input, Output]:
        """The same with fields that `config["configurable"]` may set.

        Args:
            **kwargs: for each field what is told of it: a `ConfigurableField`, or one with options.

        Raises:
            ConfigError: a `ValueError`, when it has no such field.
            CompositionError: a `TypeError`, when what is told of one isn't in the form for that.
        """
        return makers.configurable_fields(self, kwargs)

    def configurable_alternatives(
        self, which: ConfigurableField, *, default_key: str = "default", prefix_keys: bool = False, **kwargs: Any
    ) -> Runnable[Input, Output]:
        """The same, or one of several others, as `config["configurable"]` says.

        Args:
            which: under which id config says it.
            default_key: the name of this one.
            prefix_keys: what is configurable in an alternative gets the prefix `id==name/`, so that alternatives
                of one kind can be told apart.
            **kwargs: the others by name: runnables, functions, or functions without parameters that make them.

        Raises:
            CompositionError: a `TypeError`, when `which` is no `ConfigurableField`, or two have one name.
        """
        return makers.alternatives(self, which, default_key, prefix_keys, kwargs)

    def as_tool(
        self,
        args_schema: type[BaseModel] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        arg_types: Mapping[str, Any] | None = None,
    ) -> BaseTool:
        """The same as a tool, which a model may ask for.

        Args:
            args_schema: a pydantic model of the input, where the types don't tell its keys.
            name: by default that of this runnable.
            description: what it does, for the model; by default, what it takes.
            arg_types: the types of the keys of the input, instead of a schema.

        Raises:
            ValueError: when nothing tells which keys the input has.
        """
        return makers.tool(self, args_schema, name=name, description=description, arg_types=arg_types)


makers: Makers = None  # type: ignore[assignment] # until nodes/making.py fills it in
