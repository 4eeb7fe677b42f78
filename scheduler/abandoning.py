"""Blocking code that a stopped call need not wait for.

A thread can't be killed. A step that was declared `abandon=True` runs in a thread of its own, and when the call is
stopped that thread is left behind, without a permit. Each time, a warning goes to the logger `anabranch`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from anabranch.engine.errors import Stopped
from anabranch.scheduler import primitives
from anabranch.scheduler.pools import POOL
from anabranch.scheduler.sites import SITE

logger = logging.getLogger("anabranch")


def abandonable(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The function, run so that a stop need not wait for it."""

    def run(*arguments: Any) -> Any:
        site, context, woken = SITE.get(), copy_context(), primitives.Event()
        ended: list[tuple[bool, Any]] = []

        def work() -> None:
            try:
                ended.append((True, context.run(call, *arguments)))
            except BaseException as error:
                ended.append((False, error))
            woken.set()

        if site is not None:
            site.hook(woken, woken.set)
        POOL.submit(work)
        try:
            woken.wait()
        finally:
            if site is not None:
                site.unhook(woken)
        if not ended:
            logger.warning("step %r was abandoned: the call was stopped, and its code still runs in a thread", name)
            raise Stopped("the call around this step was stopped")
        ok, result = ended[0]
        if not ok:
            raise result
        return result

    return run
