"""The stay of a call in the step that made it, and waiting for permits."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Protocol

from anabranch.scheduler import primitives
from anabranch.scheduler.ledger import Ledger, Waiter
from anabranch.scheduler.loops import on_loop, resolve
from anabranch.scheduler.sites import PermitSite, Site


class Seat(Protocol):
    """A call as its stay sees it: the permit in its hand, where it came from, and a stop."""

    held: bool

    @property
    def ledger(self) -> Ledger | None: ...

    def stop(self) -> None: ...


class Stay:
    """A call's stay in the step that made it: the permit it is lent meanwhile, and the stop that it obeys.

    For blocking code: at its end it waits until the step has a permit again. With `hook` false the permit alone.
    A call with a cap of its own, in a step without, is lent nothing.
    """

    __slots__ = ("_hook", "_lends", "_parent", "_seat")

    def __init__(self, parent: Site, seat: Seat, hook: bool = True) -> None:
        self._parent = parent
        self._seat = seat
        self._hook = hook
        self._lends = parent.ledger is not None and seat.ledger is parent.ledger

    def __enter__(self) -> None:
        parent = self._parent
        if self._hook:
            parent.hook(self, self._seat.stop)
        if self._lends:
            self._seat.held = parent.lend()

    def __exit__(self, *exc_info: object) -> None:
        parent = self._parent
        if self._hook:
            parent.unhook(self)
        if self._lends and parent.take_back(self._seat.held):
            take_permit(parent)


class AStay:
    """The same for asynchronous code.

    Where no cap was set, the step's permit only bounds blocking code; an asynchronous call has no use for it, and
    gives it back meanwhile.
    """

    __slots__ = ("_hook", "_lends", "_parent", "_seat")

    def __init__(self, parent: Site, seat: Seat, hook: bool = True) -> None:
        self._parent = parent
        self._seat = seat
        self._hook = hook
        ledger = parent.ledger
        self._lends = ledger is not None and (seat.ledger is ledger or not ledger.is_cap)

    async def __aenter__(self) -> None:
        parent = self._parent
        if self._hook:
            parent.hook(self, self._seat.stop)
        if not self._lends:
            return
        assert parent.ledger is not None
        lent = parent.lend()
        if self._seat.ledger is parent.ledger:
            self._seat.held = lent
        elif lent:
            parent.ledger.release()

    async def __aexit__(self, *exc_info: object) -> None:
        parent, seat = self._parent, self._seat
        if self._hook:
            parent.unhook(self)
        if self._lends and parent.take_back(seat.held and seat.ledger is parent.ledger):
            await take_permit_async(parent)


def take_permit(site: Site) -> None:
    """See that a site has its permit, if it needs one, waiting in this thread."""
    if isinstance(site, PermitSite) and not site.held:
        wait_for_permit(site.ledger, site.age)
        site.take()


async def take_permit_async(site: Site) -> None:
    """The same, awaiting."""
    if isinstance(site, PermitSite) and not site.held:
        await wait_for_permit_async(site.ledger, site.age)
        site.take()


def wait_for_permit(ledger: Ledger, age: int) -> None:
    """Take a permit, waiting in this thread until one is granted."""
    if ledger.try_acquire():
        return
    granted = primitives.Lock()
    granted.acquire()
    waiter = Waiter(age, granted.release)
    ledger.request(waiter)
    try:
        granted.acquire()
    except BaseException:
        ledger.withdraw(waiter)
        raise


async def wait_for_permit_async(ledger: Ledger, age: int) -> None:
    """Take a permit, awaiting until one is granted. Grants may come from any thread."""
    if ledger.try_acquire():
        return
    loop = asyncio.get_running_loop()
    granted = loop.create_future()
    waiter = Waiter(age, partial(on_loop, loop, partial(resolve, granted)))
    ledger.request(waiter)
    try:
        await granted
    except BaseException:
        ledger.withdraw(waiter)
        raise
