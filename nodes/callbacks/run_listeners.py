"""Functions that are told of the runs of one runnable: what `with_listeners` and `with_alisteners` bind."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable, iscoroutinefunction
from typing import Any, cast

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError
from anabranch.engine.runs import Listener, RunInfo
from anabranch.nodes.tracing.run_trees import BaseTracer, Run
from anabranch.scheduler.handler_faults import tolerate
from anabranch.scheduler.handlers import Fresh

ListenerFunction = Callable[[Run], Any] | Callable[[Run, RunnableConfig], Any]


class RunListeners(Fresh):
    """Stands in the callbacks that are bound to a runnable. Each run of that gets a listener of its own.

    Args:
        on_start, on_end, on_error: functions of a run, or of a run and its config; each may be left out.
        is_async: they are asynchronous.

    Raises:
        CompositionError: a `TypeError`, when one can't be called so, or is asynchronous and shouldn't be.
    """

    def __init__(
        self,
        on_start: ListenerFunction | None = None,
        on_end: ListenerFunction | None = None,
        on_error: ListenerFunction | None = None,
        *,
        is_async: bool = False,
    ) -> None:
        given = {"on_start": on_start, "on_end": on_end, "on_error": on_error}
        self.functions = {
            name: _taking_config(function, name, is_async) for name, function in given.items() if function is not None
        }
        self.is_async = is_async

    def listener(self) -> Listener:
        """One for a run and what is inside it."""
        return _RunListener(self)

    def __repr__(self) -> str:
        return f"RunListeners({', '.join(self.functions)})"


class _RunListener(BaseTracer):
    """Keeps the tree of the first run that it hears of, and tells the functions of that."""

    def __init__(self, listeners: RunListeners) -> None:
        super().__init__()
        self._listeners = listeners
        self.is_async = listeners.is_async
        self._config: RunnableConfig = {}
        self._outermost: Run | None = None

    def started(self, info: RunInfo) -> Any:
        """See `Listener`."""
        if self._outermost is None:
            self._config = _config_of(info)
        return super().started(info)

    def _on_run_create(self, run: Run) -> Any:
        if self._outermost is not None:
            return None
        self._outermost = run
        return self._call("on_start", run)

    def _finish(self, run: Run, is_outermost: bool) -> Any:
        if run is not self._outermost:
            return None
        return self._call("on_end" if run.error is None else "on_error", run)

    def _call(self, name: str, run: Run) -> Any:
        function = self._listeners.functions.get(name)
        if function is None:
            return None
        made = function(run, self._config)
        return _awaited(made) if self.is_async and isawaitable(made) else None

    def broke(self, error: Exception, what: str) -> None:
        """See `Listener`."""
        name = _NAMES[what]
        function = self._listeners.functions.get(name)
        tolerate(self._listeners, error, what, f"{name}={getattr(function, '__name__', function)}")


_NAMES = {"started": "on_start", "ended": "on_end", "failed": "on_error"}


def _taking_config(function: Any, name: str, is_async: bool) -> Callable[[Run, RunnableConfig], Any]:
    """The function as one of a run and a config."""
    verb = "with_alisteners" if is_async else "with_listeners"
    if not callable(function):
        raise CompositionError(f"{verb}: {name} must be a function, got {type(function).__name__}: {function!r:.80}")
    if iscoroutinefunction(function) and not is_async:
        raise CompositionError(f"with_listeners: {name} is asynchronous ({function!r:.80}); use with_alisteners")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # of what is built in nothing is known
        return _OfRun(function)
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(places) > 1 or any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return cast(Callable[[Run, RunnableConfig], Any], function)
    if not places:
        raise CompositionError(f"{verb}: {name} must take a run, or a run and its config, got {function!r:.80}")

    return _OfRun(function)


@dataclass(frozen=True)
class _OfRun:
    """A function of a run as one of a run and a config."""

    function: Callable[[Run], Any]

    def __call__(self, run: Run, config: RunnableConfig) -> Any:
        return self.function(run)

    @property
    def __name__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


async def _awaited(made: Awaitable[Any]) -> None:
    await made


def _config_of(info: RunInfo) -> RunnableConfig:
    """The config of a run, as a function in it would see it."""
    config = {key: value for key, value in (info.config or {}).items() if value is not None}
    config |= {"tags": info.tags, "metadata": info.metadata, "run_name": info.name, "run_id": info.id}
    return cast(RunnableConfig, config)
