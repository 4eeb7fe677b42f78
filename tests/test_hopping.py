"""Blocking code from an event loop: it runs in a thread, is waited for whatever comes, and is bounded for each loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from verbs import PATIENCE, until

from anabranch.scheduler.hopping import hop, loop_ledger
from anabranch.scheduler.ledger import default_limit


def nothing() -> None:
    """No stop."""


def test_a_loop_has_one_ledger_that_is_no_cap_and_another_loop_has_another() -> None:
    async def main() -> Any:
        ledger = loop_ledger(asyncio.get_running_loop())
        assert loop_ledger(asyncio.get_running_loop()) is ledger
        return ledger

    one, other = asyncio.run(main()), asyncio.run(main())
    assert one is not other
    assert one.statistics() == {"limit": default_limit(), "free": default_limit(), "waiting": 0}
    assert not one.is_cap


def test_a_hop_gives_the_result_or_raises_the_error_of_code_in_another_thread() -> None:
    def fails() -> None:
        raise KeyError("mine")

    async def main() -> None:
        assert await hop(threading.get_ident, nothing) != threading.get_ident()
        assert await hop(lambda: None, nothing) is None
        for answers in (False, True):
            with pytest.raises(KeyError, match="mine"):
                await hop(fails, nothing, answers=answers)

    asyncio.run(main())


class Slow:
    """Blocking code that goes on until it is let go, and a stop that counts."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.inside, self.may_end = threading.Event(), threading.Event()
        self.stops: list[int] = []
        self.error = error

    def __call__(self) -> str:
        self.inside.set()
        assert self.may_end.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return "result"

    def stop(self) -> None:
        self.stops.append(threading.get_ident())


async def cancelled(slow: Slow, answers: bool, times: int = 1) -> Any:
    """Hop, and be cancelled so often before the code ends."""
    task = asyncio.ensure_future(hop(slow, slow.stop, answers=answers))
    await until(slow.inside.is_set)
    for time in range(times):
        task.cancel()
        await until(lambda time=time: len(slow.stops) == time + 1)  # type: ignore[misc]
    assert not task.done()
    slow.may_end.set()
    return await task


@pytest.mark.parametrize("error", [None, KeyError("mine")])
@pytest.mark.parametrize("times", [1, 3])
def test_a_cancellation_stops_the_code_in_a_thread_and_is_raised_when_it_has_ended(
    times: int, error: Exception | None
) -> None:
    slow = Slow(error)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled(slow, answers=False, times=times))
    assert len(slow.stops) == times
    assert threading.get_ident() not in slow.stops


def test_where_the_answer_is_wanted_it_comes_in_spite_of_a_cancellation() -> None:
    assert asyncio.run(cancelled(Slow(), answers=True)) == "result"
    with pytest.raises(KeyError, match="mine"):
        asyncio.run(cancelled(Slow(KeyError("mine")), answers=True))


def test_code_that_ends_in_the_turn_of_its_cancellation_is_over() -> None:
    async def main(cancel: Callable[[asyncio.Task[Any]], Any]) -> None:
        slow = Slow()
        task = asyncio.ensure_future(hop(slow, slow.stop))
        await until(slow.inside.is_set)
        slow.may_end.set()
        cancel(task)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main(lambda task: task.cancel()))
