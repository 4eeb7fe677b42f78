"""Calling something on an event loop from wherever one is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

STANDING: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("anabranch_standing", default=None)
"""The loop whose thread waits for what is called in this context."""


def standing(context: Context) -> Context:
    """This context, in which it is known that a loop which runs in this thread stands still."""
    loop = asyncio._get_running_loop()
    if loop is not None:
        context.run(STANDING.set, loop)
    return context


def resolve(future: asyncio.Future[None]) -> None:
    """Wake who awaits a future, unless somebody else has."""
    if not future.done():
        future.set_result(None)


def on_loop(loop: asyncio.AbstractEventLoop, act: Callable[[], Any]) -> None:
    """Call something on a loop, from any thread; at once when this is the loop's own."""
    if asyncio._get_running_loop() is loop:
        act()
    else:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(act)
