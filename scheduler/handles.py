"""A handle on a run in the background: wait for it, ask after it, stop it."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import ConfigError
from anabranch.engine.graphs import Graph
from anabranch.scheduler import primitives
from anabranch.scheduler.actions import SYNC
from anabranch.scheduler.calls import opened_config, timeout_of
from anabranch.scheduler.managers import CallbackManager, is_heard, managed
from anabranch.scheduler.plans import plan_of
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.threads import ThreadCall
from anabranch.scheduler.units import Group

Output = TypeVar("Output", covariant=True)


class RunHandle(Generic[Output]):
    """A run that goes on in a thread. Made by `Runnable.start`.

    Attributes:
        graph: what runs.

    Example:
        >>> run = (RunnableLambda(abs) | str).start(-1)
        >>> run.result(timeout=10.0), run.done(), run.cancel()
        ('1', True, False)
    """

    def __init__(self, graph: Graph, value: Any, config: RunnableConfig | None = None) -> None:
        self.graph = graph
        timeout = timeout_of(config)
        config = opened_config(config, None)
        heard = is_heard(config, graph)
        self._callbacks: CallbackManager | None = None
        if heard:
            config = managed(config)
            self._callbacks = config.get("callbacks")
        self._group = Group(plan_of(graph, SYNC), (value,), config, timeout=timeout, single=True, heard=heard)
        self._call = ThreadCall(config, None, graph)
        self._ended = primitives.Event()
        self._error: BaseException | None = None
        self._result: Any = None
        context = copy_context()
        POOL.submit(lambda: context.run(self._run))

    def result(self, timeout: float | None = None) -> Output:
        """Wait for the output and return it, or raise the run's error.

        Args:
            timeout: how long to wait, in seconds; None waits on. The run isn't stopped by it.

        Raises:
            ConfigError: when `timeout` is no number.
            TimeoutError: when the run hasn't ended by then.
            concurrent.futures.CancelledError: when it was cancelled.
        """
        if not self._ended.wait(_waitable(timeout)):
            raise TimeoutError(f"the run has not ended within {timeout} s; it goes on")
        if self._error is not None:
            raise self._error
        result: Output = self._result
        return result

    def cancel(self) -> bool:
        """Stop the run: no further step starts. False when it has ended already.

        Blocking code that runs can't be interrupted; the run ends when it returns.
        """
        if self._ended.is_set():
            return False
        self._call.abort(CancelledError("the run was cancelled"))
        return True

    def done(self) -> bool:
        """Whether the run has ended, one way or another."""
        return self._ended.is_set()

    @property
    def handlers(self) -> list[Any]:
        """Who listens to the run: what stood in `callbacks`, and who listened to everything where it was started."""
        return [] if self._callbacks is None else self._callbacks.handlers

    def _run(self) -> None:
        try:
            self._result = self._call.run(self._group)
        except BaseException as error:
            self._error = error
        self._ended.set()


def _waitable(timeout: Any) -> float | None:
    """A timeout as threads take it: what is too long for them is without end."""
    if timeout is None:
        return None
    if not isinstance(timeout, int | float) or timeout != timeout:
        raise ConfigError(f"result(timeout): expected seconds, a number or None, got {timeout!r:.80}")
    return None if timeout > threading.TIMEOUT_MAX else timeout
