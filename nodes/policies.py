"""What to do when a run fails: try again, or run something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError, ConfigError, StepInputError
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import INPUT, Flow, Operator, Run, Sleep
from anabranch.engine.value_types import union_of
from anabranch.nodes.asking_parts import Asking, asks_parts, of_each
from anabranch.nodes.callbacks.retry_states import RetryState
from anabranch.nodes.callbacks.run_managers import current_run, tell
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.runnables import Input, Output, Runnable
from anabranch.nodes.values import Value
from anabranch.scheduler import primitives

if TYPE_CHECKING:
    from pydantic import BaseModel

EXPONENTIAL = {"initial": 1.0, "max": 60.0, "exp_base": 2.0, "jitter": 1.0}

Exceptions = type[BaseException] | tuple[type[BaseException], ...]


class Guarded(Value, Runnable[Input, Output]):
    """A runnable with a policy around it. Its types are those of that."""

    @property
    def _guarded(self) -> Runnable[Input, Output]:
        """The runnable."""
        raise NotImplementedError

    @property
    @asks_parts
    def InputType(self) -> Asking[Any]:
        """That of the runnable."""
        return (yield self._guarded)

    @property
    @asks_parts
    def OutputType(self) -> Asking[Any]:
        """That of the runnable."""
        return (yield self._guarded)

    @property
    @asks_parts
    def _types_depend(self) -> Asking[bool]:
        return bool((yield self._guarded))

    def _output_for(self, given: Any, giver: Any) -> Any:
        return self._guarded._output_for(given, giver)

    def _parts(self) -> Iterable[Runnable[Any, Any]]:
        return [self._guarded]

    @asks_parts
    def get_input_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of the runnable."""
        model: type[BaseModel] = yield self._guarded, config
        return model

    @asks_parts
    def get_output_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of the runnable."""
        model: type[BaseModel] = yield self._guarded, config
        return model


class Around(Guarded[Input, Output]):
    """A runnable with a policy around it, which has the name of that."""

    bound: Runnable[Input, Output]

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """That of the runnable."""
        return self.bound.get_name(suffix, name=name)

    @property
    def _guarded(self) -> Runnable[Input, Output]:
        return self.bound


class RunnableRetry(Around[Input, Output]):
    """Runs a runnable again when it raises. What `with_retry` makes, where it is told how.

    Args:
        bound: the runnable.
        retry_exception_types: after which exceptions; after each `Exception` by default.
        wait_exponential_jitter: wait longer after each attempt, by a random amount.
        exponential_jitter_params: `initial`, `max`, `exp_base` and `jitter` of the wait: 1, 60, 2 and 1 by default
            (seconds).
        max_attempt_number: how many attempts at most.

    Raises:
        ConfigError: a `ValueError`, when there is no attempt, or a parameter is unknown or negative.
        CompositionError: a `TypeError`, when an exception is no exception class.

    Example:
        >>> answers = iter([ConnectionError("busy"), "at last"])
        >>> def ask(_):
        ...     answer = next(answers)
        ...     if isinstance(answer, Exception):
        ...         raise answer
        ...     return answer
        >>> RunnableLambda(ask).with_retry(wait_exponential_jitter=False).invoke("Well?")
        'at last'
    """

    def __init__(
        self,
        bound: Runnable[Input, Output],
        retry_exception_types: Exceptions = (Exception,),
        wait_exponential_jitter: bool = True,
        exponential_jitter_params: Mapping[str, float] | None = None,
        max_attempt_number: int = 3,
    ) -> None:
        _check_waiting(max_attempt_number, exponential_jitter_params or {})
        self.bound = coerce_to_runnable(bound)
        self.retry_exception_types = exception_types(retry_exception_types)
        self.wait_exponential_jitter = wait_exponential_jitter
        self.exponential_jitter_params = {**EXPONENTIAL, **(exponential_jitter_params or {})}
        self.max_attempt_number = max_attempt_number

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def flow(_: Any) -> Flow:
            graph = self.bound._graph_with(kwargs)
            for attempt in range(1, self.max_attempt_number):
                try:
                    return (yield Run(graph, INPUT, last=True, tag=_attempt(attempt)))
                except GeneratorExit:  # it is closed, whatever is to be handled
                    raise
                except self.retry_exception_types as error:
                    wait = self._wait_after(attempt) if self.wait_exponential_jitter else 0.0
                    if (run := current_run()) is not None:
                        tell(run, "told", "retry", RetryState(attempt, error, wait))
                if self.wait_exponential_jitter:
                    yield Sleep(wait)
            return (yield Run(graph, INPUT, last=True, tag=_attempt(self.max_attempt_number)))

        return Operator(
            name=self.get_name(), flow=flow, whole=False, shows=lambda: {"attempt": self.bound._graph_with(kwargs)}
        )

    def _wait_after(self, attempt: int) -> float:
        params = self.exponential_jitter_params
        try:
            wait = params["initial"] * params["exp_base"] ** (attempt - 1)
        except OverflowError:
            wait = params["max"]
        return max(0.0, min(wait + primitives.uniform(0, params["jitter"]), params["max"]))

    def __repr__(self) -> str:
        return f"{self.bound!r}.with_retry(stop_after_attempt={self.max_attempt_number})"


def _check_waiting(attempts: Any, params: Any) -> None:
    if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1:
        raise ConfigError(f"with_retry: stop_after_attempt must be an int of at least 1, got {attempts!r:.80}")
    if not isinstance(params, Mapping) or not params.keys() <= EXPONENTIAL.keys():
        raise ConfigError(
            f"with_retry: exponential_jitter_params takes a dict of {', '.join(EXPONENTIAL)}, got {params!r:.80}"
        )
    for name, value in params.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise ConfigError(
                f"with_retry: {name!r} in exponential_jitter_params must be a number of at least 0, got {value!r:.80}"
            )


def _attempt(number: int) -> str | None:
    return f"retry:attempt:{number}" if number > 1 else None


class RunnableWithFallbacks(Guarded[Input, Output]):
    """Runs other runnables, one after the other, when one raises. What `with_fallbacks` makes.

    Unknown attributes are those of the first runnable; a method of it that returns a runnable is applied to all.

    Args:
        runnable: the first.
        fallbacks: what to run instead, in order: runnables, functions or dicts.
        exceptions_to_handle: after which exceptions; after each `Exception` by default.
        exception_key: give the exception to the fallbacks in the input, a dict, under this key.

    Raises:
        CompositionError: a `TypeError`, when `fallbacks` is no list, or an exception is no exception class.
        StepInputError: a `TypeError`, when there is an `exception_key` and the input is no dict.

    Example:
        >>> number = RunnableLambda(int).with_fallbacks([float], exceptions_to_handle=(ValueError,))
        >>> number.batch(["1", "1.5"])
        [1, 1.5]
    """

    def __init__(
        self,
        runnable: Runnable[Input, Output],
        fallbacks: Sequence[Any],
        exceptions_to_handle: Exceptions = (Exception,),
        exception_key: str | None = None,
    ) -> None:
        if not isinstance(fallbacks, Iterable) or isinstance(fallbacks, str | Mapping):
            raise CompositionError(
                f"with_fallbacks takes a list of runnables, got {type(fallbacks).__name__}: {fallbacks!r:.80}. "
                "Put a single one into a list"
            )
        if not isinstance(exception_key, str | None):
            raise CompositionError(f"with_fallbacks: exception_key must be a string, got {exception_key!r:.80}")
        self.runnable: Runnable[Input, Output] = coerce_to_runnable(runnable)
        self.fallbacks = [coerce_to_runnable(fallback) for fallback in fallbacks]
        self.exceptions_to_handle = exception_types(exceptions_to_handle)
        self.exception_key = exception_key

    @property
    def runnables(self) -> list[Runnable[Any, Any]]:
        """The runnable and its fallbacks, in order."""
        return [self.runnable, *self.fallbacks]

    @property
    def _guarded(self) -> Runnable[Input, Output]:
        return self.runnable

    @property
    @asks_parts
    def OutputType(self) -> Asking[Any]:
        """That of any of them."""
        return union_of((yield from of_each(self.runnables)))

    def _output_for(self, given: Any, giver: Any) -> Any:
        first = self.runnable._output_for(given, giver)
        return union_of((first, *(fallback.OutputType for fallback in self.fallbacks)))

    def _parts(self) -> Iterable[Runnable[Any, Any]]:
        return self.runnables

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def graphs() -> Iterator[Graph]:
            return (runnable._graph_with(kwargs) for runnable in self.runnables)

        def shows() -> dict[str, Graph]:
            return {f"fallback:{number}" if number else "runnable": graph for number, graph in enumerate(graphs())}

        return Operator(
            name=self.get_name(),
            flow=lambda value: self._flow(graphs(), value),
            whole=self.exception_key is not None,
            shows=shows,
        )

    def _flow(self, graphs: Iterator[Graph], value: Any) -> Flow:
        """`value` is the input as it comes; with a key for the exception, the whole of it."""
        if self.exception_key is not None and not isinstance(value, dict):
            raise StepInputError(
                f"{self.get_name()} has fallbacks with exception_key={self.exception_key!r}, so its input must be "
                f"a dict to put the exception into; got {type(value).__name__}"
            )
        first: BaseException | None = None
        for graph in graphs:
            try:
                return (yield Run(graph, value, last=True))
            except GeneratorExit:
                raise
            except self.exceptions_to_handle as error:
                first = error if first is None else first
                if self.exception_key is not None:
                    value = {**value, self.exception_key: error}
        assert first is not None
        raise first

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "runnable" not in self.__dict__:
            raise AttributeError(name)
        attribute = getattr(self.runnable, name)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            result = attribute(*args, **kwargs)
            if not isinstance(result, Runnable):
                return result
            others = [getattr(fallback, name)(*args, **kwargs) for fallback in self.fallbacks]
            return RunnableWithFallbacks(result, others, self.exceptions_to_handle, self.exception_key)

        return call

    def __repr__(self) -> str:
        return f"{self.runnable!r}.with_fallbacks({self.fallbacks!r})"


def exception_types(given: Any) -> tuple[type[BaseException], ...]:
    """The exceptions that a policy is for.

    Raises:
        CompositionError: a `TypeError`, when one of them is no exception class.
    """
    types = tuple(given) if isinstance(given, tuple | list | set | frozenset) else (given,)
    for each in types:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise CompositionError(f"expected exception classes, such as (ValueError, OSError), got {each!r:.80}")
    return types
