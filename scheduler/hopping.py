"""Blocking code from an event loop: one hop to a thread of the pool, and how many of these at once."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from anabranch.scheduler.ledger import Ledger, default_limit
from anabranch.scheduler.loops import on_loop
from anabranch.scheduler.pools import POOL

_loop_ledgers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Ledger] = weakref.WeakKeyDictionary()


def loop_ledger(loop: asyncio.AbstractEventLoop) -> Ledger:
    """What bounds the blocking calls of a loop that no cap bounds."""
    ledger = _loop_ledgers.get(loop)
    if ledger is None:
        ledger = _loop_ledgers[loop] = Ledger(default_limit(), is_cap=False)
    return ledger


async def hop(call: Callable[[], Any], stop: Callable[[], None], *, answers: bool = False) -> Any:
    """Run blocking code in a thread of the pool, where it sees the context variables that are seen here.

    It can't be cancelled: a cancellation calls `stop` (in a thread too, for it may take a lock), waits until the
    code has ended, and is raised then; or not at all, with `answers`, when what the code came to is wanted anyway.
    """
    loop = asyncio.get_running_loop()
    ended: list[tuple[bool, Any]] = []
    waiter, context = loop.create_future(), copy_context()

    def tell(ok: bool, result: Any) -> None:
        ended.append((ok, result))
        if not waiter.done():
            waiter.set_result(None)

    def work() -> None:
        try:
            ok, result = True, context.run(call)
        except BaseException as error:
            ok, result = False, error
        on_loop(loop, lambda: tell(ok, result))

    POOL.submit(work)
    cancelled: BaseException | None = None
    while not ended:
        try:
            await waiter
        except BaseException as error:
            cancelled = error
            waiter = loop.create_future()
            POOL.submit(stop)
    if cancelled is not None and not answers:
        raise cancelled
    ok, result = ended[0]
    if not ok:
        raise result
    return result
