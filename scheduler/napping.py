"""Sleeps inside a step, without its permit. A stop ends them at once."""

from __future__ import annotations

import asyncio
import threading

from anabranch.engine.errors import Stopped
from anabranch.scheduler.calls import take_permit, take_permit_async
from anabranch.scheduler.clocks import CLOCK
from anabranch.scheduler.sites import Site


def nap(site: Site, seconds: float) -> None:
    """Wait in this thread.

    Raises:
        Stopped: when the call is stopped meanwhile.
    """
    clock, woken = CLOCK.get(), threading.Event()
    site.hook(woken, woken.set)
    timer = clock.call_at(clock.now() + seconds, woken.set)
    if site.lend() and site.ledger is not None:
        site.ledger.release()
    try:
        while not site.stopped and not woken.is_set():
            if not clock.jump():
                woken.wait()
    finally:
        timer.cancel()
        site.unhook(woken)
        if site.take_back(False):
            take_permit(site)
    if site.stopped:
        raise Stopped("the call around this step was stopped")


async def nap_async(site: Site, seconds: float) -> None:
    """Wait on the loop. A cancellation ends it."""
    if site.lend() and site.ledger is not None:
        site.ledger.release()
    try:
        await asyncio.sleep(seconds)
    finally:
        if site.take_back(False):
            await take_permit_async(site)
