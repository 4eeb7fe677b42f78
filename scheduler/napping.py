"""Waits inside a step, without its permit. A stop ends a nap at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from anabranch.engine.errors import Stopped
from anabranch.scheduler import primitives
from anabranch.scheduler.clocks import CLOCK
from anabranch.scheduler.sites import Site
from anabranch.scheduler.stays import take_permit, take_permit_async


@contextmanager
def resting(site: Site) -> Generator[None, None, None]:
    """Without the permit of a site, in this thread."""
    if site.lend() and site.ledger is not None:
        site.ledger.release()
    try:
        yield
    finally:
        if site.take_back(False):
            take_permit(site)


@asynccontextmanager
async def resting_async(site: Site) -> AsyncGenerator[None, None]:
    """The same on the loop."""
    if site.lend() and site.ledger is not None:
        site.ledger.release()
    try:
        yield
    finally:
        if site.take_back(False):
            await take_permit_async(site)


def nap(site: Site, seconds: float) -> None:
    """Wait in this thread.

    Raises:
        Stopped: when the call is stopped meanwhile.
    """
    clock, woken = CLOCK.get(), primitives.Event()
    site.hook(woken, woken.set)
    timer = clock.call_at(clock.now() + seconds, woken.set)
    with resting(site):
        try:
            while not site.stopped and not woken.is_set():
                if not clock.jump():
                    woken.wait()
        finally:
            timer.cancel()
            site.unhook(woken)
    if site.stopped:
        raise Stopped("the call around this step was stopped")


async def nap_async(site: Site, seconds: float) -> None:
    """Wait on the loop. A cancellation ends it."""
    async with resting_async(site):
        await asyncio.sleep(seconds)
