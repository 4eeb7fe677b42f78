"""What a function, model or retriever that takes a `run_manager` gets: a view of its run.

Where nobody listens there is no run to see. Everything can be called all the same, and does nothing.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Generator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from anabranch.engine.config import RunnableConfig
from anabranch.engine.runs import RunInfo, new_id
from anabranch.scheduler.managers import RUN, CallbackManager, children
from anabranch.scheduler.sites import SITE

if TYPE_CHECKING:
    from anabranch.nodes.callbacks.retry_states import RetryState

Manager = TypeVar("Manager", bound="RunManager")


class RunManager:
    """A function's view of its run: who listens, what to hand down to what it calls, and a way to tell of something.

    A function, tool or retriever that has a parameter `run_manager` gets one. Further keyword arguments of what tells
    are taken for the sake of those who hand over more, and ignored.

    Attributes:
        config: that of the step.
        tags, metadata: those of the run.

    Example:
        >>> def shout(text, run_manager):
        ...     run_manager.on_text("shouting")
        ...     return RunnableLambda(str.upper).invoke(text, {"callbacks": run_manager.get_child()})
        >>> class Texts(BaseCallbackHandler):
        ...     def on_text(self, text, **kwargs):
        ...         print(text)
        >>> RunnableLambda(shout).invoke("hi", {"callbacks": [Texts()]})
        shouting
        'HI'
    """

    def __init__(self, config: RunnableConfig) -> None:
        self.config = config
        self.run = run_in(config)
        self.tags: list[str] = self.run.tags if self.run is not None else config.get("tags") or []
        self.metadata: dict[str, Any] = self.run.metadata if self.run is not None else config.get("metadata") or {}

    @cached_property
    def run_id(self) -> UUID:
        """The id of the run. Where nobody listens, one that nobody has seen."""
        return new_id() if self.run is None else self.run.id

    @property
    def parent_run_id(self) -> UUID | None:
        """The id of the run around it."""
        return None if self.run is None else self.run.parent_id

    @property
    def handlers(self) -> list[Any]:
        """Those who are told of the run."""
        return [] if self.run is None else [listener.handler for listener in self.run.listeners]

    @property
    def inheritable_handlers(self) -> list[Any]:
        """Those who are told of what is called inside, too."""
        return [] if self.run is None else children(self.run).inheritable_handlers

    def get_child(self, tag: str | None = None) -> CallbackManager:
        """The callbacks for something called inside: `config={"callbacks": run_manager.get_child()}`.

        Args:
            tag: marks the run of what is called, and nothing below it.
        """
        if self.run is not None:
            return children(self.run, tag)
        given = self.config.get("callbacks")
        return given.copy() if isinstance(given, CallbackManager) else CallbackManager((), given or ())

    def on_text(self, text: str, **kwargs: Any) -> Any:
        """Tell handlers a text: their `on_text`."""
        return tell(self.run, "told", "text", text)

    def on_retry(self, retry_state: RetryState, **kwargs: Any) -> Any:
        """Tell handlers that something is tried again: their `on_retry`."""
        return tell(self.run, "told", "retry", retry_state)

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> Any:
        """Tell handlers an event of your own: their `on_custom_event`.

        Args:
            name: of the event.
            data: what is told; by choice something that can be written as JSON.
        """
        return tell(self.run, "told", "custom_event", name, data)


class AsyncRunManager(RunManager):
    """A `RunManager` for asynchronous functions: what tells is to be awaited.

    Example:
        >>> import asyncio
        >>> async def count(numbers, run_manager):
        ...     await run_manager.on_custom_event("progress", {"of": len(numbers)})
        ...     return sum(numbers)
        >>> class Progress(AsyncCallbackHandler):
        ...     async def on_custom_event(self, name, data, **kwargs):
        ...         print(name, data)
        >>> asyncio.run(RunnableLambda(count).ainvoke([1, 2], {"callbacks": [Progress()]}))
        progress {'of': 2}
        3
    """

    def get_sync(self) -> RunManager:
        """The same view for a synchronous function."""
        return self._shared_with(RunManager(self.config))

    def _shared_with(self, manager: Manager) -> Manager:
        manager.run_id = self.run_id
        return manager

    async def on_text(self, text: str, **kwargs: Any) -> None:
        """Tell handlers a text: their `on_text`."""
        await atell(self.run, "told", "text", text)

    async def on_retry(self, retry_state: RetryState, **kwargs: Any) -> None:
        """Tell handlers that something is tried again: their `on_retry`."""
        await atell(self.run, "told", "retry", retry_state)

    async def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        """Tell handlers an event of your own: their `on_custom_event`."""
        await atell(self.run, "told", "custom_event", name, data)


@lru_cache(maxsize=1024)
def takes_run_manager(method: Any) -> bool:
    """Whether a method has a parameter `run_manager`."""
    return "run_manager" in inspect.signature(method).parameters


def run_in(config: RunnableConfig | None) -> RunInfo | None:
    """The run whose step has this config; None where nobody listens."""
    callbacks = config.get("callbacks") if config else None
    return callbacks.parent if isinstance(callbacks, CallbackManager) else None


def current_run() -> RunInfo | None:
    """The run whose code is running; None where nobody listens, and outside of any."""
    site = SITE.get()
    if site is None or site.config is None or not isinstance(site.config.get("callbacks"), CallbackManager):
        return None
    run = RUN.get()
    return None if run is None else children(run).parent


class _Told:
    """Like None; but it may be awaited, by who took a manager for an asynchronous one."""

    def __bool__(self) -> bool:
        return False

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


TOLD = _Told()


def tell(run: RunInfo | None, fact: str, *data: Any) -> _Told:
    """Tell those who listen to a run of a fact; on an event loop as soon as the driver awaits."""
    if run is not None:
        if run.wake is not None:
            run.wake()
        reporter = run.reporter
        if asyncio._get_running_loop() is None:
            reporter.tell(run, fact, *data)
            reporter.flush()
        else:
            reporter.defer(run, fact, *data)
    return TOLD


async def atell(run: RunInfo | None, fact: str, *data: Any) -> None:
    """The same, awaiting that they were told."""
    if run is not None:
        if run.wake is not None:
            run.wake()
        await run.reporter.atell(run, fact, *data)
