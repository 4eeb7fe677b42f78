"""Events that a function tells of its own, such as its progress, to those who listen to its run."""

from __future__ import annotations

from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.runs import RunInfo
from anabranch.nodes.callbacks.run_managers import atell, current_run, run_in, tell
from anabranch.scheduler.sites import SITE


def dispatch_custom_event(name: str, data: Any, *, config: RunnableConfig | None = None) -> None:
    """Tell those who listen to the run around this call of something: handlers' `on_custom_event`, and event streams.

    It may be called anywhere in a step: in a function, in what that calls, in a task, or in a thread with a copy of
    the context. Where nobody listens nothing happens. On an event loop handlers are told when the step next awaits, or
    ends; `adispatch_custom_event` waits for them.

    Args:
        name: of the event.
        data: what is told; by choice something that can be written as JSON.
        config: that of the step, where its context isn't at hand.

    Raises:
        RuntimeError: when it is called outside of any step.

    Example:
        >>> from anabranch.nodes import BaseCallbackHandler, RunnableLambda
        >>> class Progress(BaseCallbackHandler):
        ...     def on_custom_event(self, name, data, **kwargs):
        ...         print(name, data)
        >>> def slow(text):
        ...     dispatch_custom_event("progress", {"done": 0.5})
        ...     return text
        >>> RunnableLambda(slow).invoke("a", {"callbacks": [Progress()]})
        progress {'done': 0.5}
        'a'
    """
    tell(_run(name, config), "told", "custom_event", name, data)


async def adispatch_custom_event(name: str, data: Any, *, config: RunnableConfig | None = None) -> None:
    """`dispatch_custom_event`, awaiting that handlers were told. Arguments and errors are the same.

    Example:
        >>> import asyncio
        >>> class Progress(AsyncCallbackHandler):
        ...     async def on_custom_event(self, name, data, **kwargs):
        ...         print(name, data)
        >>> async def slow(text):
        ...     await adispatch_custom_event("progress", {"done": 0.5})
        ...     return text
        >>> asyncio.run(RunnableLambda(slow).ainvoke("a", {"callbacks": [Progress()]}))
        progress {'done': 0.5}
        'a'
    """
    await atell(_run(name, config), "told", "custom_event", name, data)


def _run(name: str, config: RunnableConfig | None) -> RunInfo | None:
    run = current_run() if config is None else run_in(config)
    if run is None and SITE.get() is None and not _is_of_a_step(config):
        raise RuntimeError(
            f"the custom event {name!r} was dispatched outside of any run, so there is nobody to tell. Call it in a "
            "function of a chain while that runs; in a thread or callback of your own, hand it the function's config"
        )
    return run


def _is_of_a_step(config: RunnableConfig | None) -> bool:
    """Whether this is the config of a step that nobody listens to: it is full, and its callbacks are None."""
    return config is not None and "callbacks" in config and config["callbacks"] is None
