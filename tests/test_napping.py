"""A wait inside a step: without its permit, in virtual time too, and ended by a stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from verbs import PATIENCE, until

from anabranch.engine.errors import Stopped
from anabranch.nodes import RunnableLambda
from anabranch.scheduler.clocks import CLOCK, Clock, VirtualClock
from anabranch.scheduler.ledger import Ledger
from anabranch.scheduler.napping import nap, nap_async, resting, resting_async
from anabranch.scheduler.sites import PermitSite, Site

GRAPH = RunnableLambda(str).__graph__


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    virtual: Clock = VirtualClock()
    token = CLOCK.set(virtual)
    assert isinstance(virtual, VirtualClock)
    yield virtual
    CLOCK.reset(token)


def site_with_permit() -> tuple[PermitSite, Ledger]:
    ledger = Ledger(1, taken=1)
    return PermitSite(None, GRAPH, ledger, held=True), ledger


def state(site: Site, ledger: Ledger) -> tuple[bool, int]:
    return site.held, ledger.statistics()["free"]


def test_a_nap_takes_as_long_as_it_is_to(clock: VirtualClock) -> None:
    clock.call_at(3.0, lambda: None)
    nap(Site(None, GRAPH), 2.0)
    assert clock.now() == 2.0
    nap(Site(None, GRAPH), 5.0)
    assert clock.now() == 7.0


def test_meanwhile_others_may_have_the_permit(clock: VirtualClock) -> None:
    site, ledger = site_with_permit()
    seen: list[Any] = []
    clock.call_at(1.0, lambda: seen.append(state(site, ledger)))
    nap(site, 2.0)
    assert seen == [(False, 1)]
    assert state(site, ledger) == (True, 0)
    assert not site._hooks


def test_a_stop_ends_it_at_once(clock: VirtualClock) -> None:
    site, ledger = site_with_permit()
    clock.call_at(1.0, site.stop)
    with pytest.raises(Stopped, match="the call around this step was stopped"):
        nap(site, 3600.0)
    assert clock.now() == 1.0
    assert state(site, ledger) == (True, 0)
    assert not site._hooks
    assert not clock.jump(), "the timer was cancelled"


def test_where_all_is_stopped_there_is_none(clock: VirtualClock) -> None:
    site, ledger = site_with_permit()
    site.stop()
    with pytest.raises(Stopped):
        nap(site, 1.0)
    assert clock.now() == 0.0
    assert state(site, ledger) == (True, 0)
    assert not clock.jump()


def test_in_real_time_too_somebody_else_may_stop_it() -> None:
    site, ledger = site_with_permit()
    seen: list[Any] = []

    def sleeper() -> None:
        try:
            nap(site, 3600.0)
        except Stopped as error:
            seen.append(error)

    thread = threading.Thread(target=sleeper)
    thread.start()
    while state(site, ledger) != (False, 1):
        pass
    site.stop()
    thread.join(PATIENCE)
    assert len(seen) == 1
    assert state(site, ledger) == (True, 0)
    nap(Site(None, GRAPH), 0.0001)


def test_who_rests_waits_for_a_permit_before_going_on() -> None:
    site, ledger = site_with_permit()
    with resting(site):
        assert state(site, ledger) == (False, 1)
        with resting(site):
            assert state(site, ledger) == (False, 1)
        assert state(site, ledger) == (False, 1), "it rests still"
    assert state(site, ledger) == (True, 0)
    with pytest.raises(ZeroDivisionError), resting(site):
        raise ZeroDivisionError
    assert state(site, ledger) == (True, 0)
    with resting(Site(None, GRAPH)):
        pass


def test_on_a_loop_it_is_awaited() -> None:
    async def main() -> None:
        site, ledger = site_with_permit()
        task = asyncio.ensure_future(nap_async(site, 0.001))
        await until(lambda: not site.held)
        assert state(site, ledger) == (False, 1)
        assert ledger.try_acquire()
        await until(lambda: ledger.statistics()["waiting"] == 1)
        assert not task.done()
        ledger.release()
        await task
        assert state(site, ledger) == (True, 0)
        task = asyncio.ensure_future(nap_async(site, 3600.0))
        await until(lambda: not site.held)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert state(site, ledger) == (True, 0)
        async with resting_async(site), resting_async(site):
            assert state(site, ledger) == (False, 1)
        assert state(site, ledger) == (True, 0)
        async with resting_async(Site(None, GRAPH)):
            pass

    asyncio.run(main())
