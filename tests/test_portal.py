"""The portal: blocking code runs what is asynchronous on a loop of the library's, waits for it, and can stop it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from verbs import PATIENCE, SYNC_VERBS

from anabranch.engine.errors import PortalError, Stopped
from anabranch.nodes import RunnableLambda, RunnableParallel
from anabranch.scheduler import portal
from anabranch.scheduler.portal import PORTAL, Errand, Portal, keep, note_foreign_loop, start
from anabranch.scheduler.sites import SITE, Site

GRAPH = RunnableLambda(str).__graph__


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


@contextmanager
def standing_at(site: Site) -> Iterator[None]:
    token = SITE.set(site)
    try:
        yield
    finally:
        SITE.reset(token)


# Calls


def test_a_call_gives_the_result_or_raises_the_error() -> None:
    async def fails(text: str) -> None:
        raise ZeroDivisionError(text)

    assert PORTAL.call("double", double, 21) == 42
    with pytest.raises(ZeroDivisionError, match="text"):
        PORTAL.call("fails", fails, "text")


def test_all_calls_run_on_one_loop_in_a_thread_of_its_own_which_ends_with_the_program() -> None:
    async def where() -> Any:
        return asyncio.get_running_loop(), threading.current_thread()

    loop, thread = PORTAL.call("where", where)
    assert PORTAL.call("again", where) == (loop, thread)
    assert PORTAL.loop("again") is loop
    assert thread.name == "anabranch-portal"
    assert thread.daemon
    assert thread is not threading.current_thread()


def test_what_is_called_sees_the_context_of_the_caller_and_changes_a_copy() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")

    async def look() -> str:
        seen = who.get()
        who.set("somebody else")
        return seen

    token = who.set("ann")
    try:
        assert PORTAL.call("look", look) == "ann"
        assert who.get() == "ann"
    finally:
        who.reset(token)


def test_where_a_loop_runs_nothing_is_called_and_the_error_names_the_step() -> None:
    async def main() -> None:
        with pytest.raises(PortalError, match="'double' is asynchronous only"):
            PORTAL.call("double", double, 1)

    asyncio.run(main())


@pytest.mark.may_block  # that is what it does
@pytest.mark.parametrize("verb", ["invoke", "batch", "stream", "stream_events"])
def test_what_blocks_the_portal_in_a_step_can_await_nothing_there_in_other_threads_either(verb: str) -> None:
    both = threading.Barrier(2)

    def meets(x: int) -> int:
        both.wait(PATIENCE)
        return x

    inner = RunnableParallel(a=RunnableLambda(meets) | double, b=RunnableLambda(meets) | double)

    async def calls(x: int) -> object:
        return list(inner.stream_events(x)) if verb == "stream_events" else SYNC_VERBS[verb](inner, x)

    with pytest.raises(PortalError, match="'double' is asynchronous only"):
        RunnableLambda(calls).invoke(1)


@pytest.mark.parametrize(
    ("error", "is_noted"),
    [
        (RuntimeError("<Lock> is bound to a different event loop"), True),
        (RuntimeError("Future attached to a different loop"), True),
        (RuntimeError("something else"), False),
        (ValueError("it is bound to a different event loop"), False),
    ],
)
def test_an_error_of_what_belongs_to_another_loop_says_what_to_await(error: Exception, is_noted: bool) -> None:
    async def fails() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        PORTAL.call("step", fails)
    notes = getattr(caught.value, "__notes__", [])
    assert len(notes) == is_noted
    if is_noted:
        assert "'step'" in notes[0]
        assert "ainvoke" in notes[0]
    other = type(error)(*error.args)
    note_foreign_loop(other, "step")
    assert getattr(other, "__notes__", []) == notes


def test_a_step_that_was_stopped_before_starts_nothing() -> None:
    went: list[int] = []

    async def never() -> None:
        went.append(1)

    site = Site(None, GRAPH)
    site.stop()
    with standing_at(site), pytest.raises(Stopped, match="the call around this step was stopped"):
        PORTAL.call("never", never)
    PORTAL.call("double", double, 1)
    assert went == []


def test_a_stop_cancels_what_runs_and_is_obeyed_no_more_when_it_is_over() -> None:
    site, went = Site(None, GRAPH), list[str]()

    async def forever() -> None:
        try:
            site.stop()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            went.append("cleaned up")

    with standing_at(site):
        assert PORTAL.call("double", double, 1) == 2
        assert not site._hooks
        with pytest.raises(Stopped, match="the call around this step was stopped"):
            PORTAL.call("forever", forever)
        assert not site._hooks
    assert went == ["cleaned up"]


def test_an_interrupt_before_it_is_waited_for_comes_out_when_what_has_begun_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    went: list[str] = []
    begun = threading.Event()

    async def forever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            went.append("cleaned up")

    def starts_then_breaks(*args: Any) -> None:
        start(*args)
        assert begun.wait(PATIENCE)
        raise KeyboardInterrupt

    def breaks(*args: Any) -> None:
        raise KeyboardInterrupt

    for starting, wanted in ((starts_then_breaks, ["cleaned up"]), (breaks, [])):
        went.clear()
        with monkeypatch.context() as patch:
            patch.setattr(portal, "start", starting)
            with pytest.raises(KeyboardInterrupt):
                PORTAL.call("forever", forever)
        assert went == wanted


# Errands on a loop that turns only when the test says so


class Turning:
    """A loop that turns as often as a test says."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def turn(self, times: int = 10) -> None:
        async def turns() -> None:
            for _ in range(times):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())


@pytest.fixture
def turning() -> Iterator[Turning]:
    made = Turning()
    yield made
    made.loop.close()


class Main:
    """A coroutine function that notes how it went."""

    def __init__(self, swallows: bool = False) -> None:
        self.went: list[str] = []
        self.swallows = swallows

    async def __call__(self) -> str:
        self.went.append("began")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.went.append("cancelled")
            if not self.swallows:
                raise
        return "result"


def test_an_errand_that_is_cancelled_before_it_is_scheduled_never_is(turning: Turning) -> None:
    errand, main = Errand(), Main()
    errand.cancel(turning.loop)
    errand.cancel(turning.loop)
    start(turning.loop, errand, main)
    assert not errand.over
    turning.turn()
    assert (errand.over, errand.is_dead, errand.is_scheduled, main.went) == (True, True, False, [])
    with pytest.raises(Stopped):
        errand.wait(turning.loop)


def test_one_that_is_cancelled_before_it_begins_does_not_begin(turning: Turning) -> None:
    errand, main = Errand(), Main()
    start(turning.loop, errand, main)
    errand.cancel(turning.loop)
    turning.turn()
    assert (errand.over, errand.is_dead, errand.is_scheduled, main.went) == (True, False, True, [])
    with pytest.raises(Stopped, match="the call around this step was stopped"):
        errand.wait(turning.loop)


def test_one_that_is_cancelled_later_is_over_when_it_has_ended(turning: Turning) -> None:
    errand, main = Errand(), Main()
    start(turning.loop, errand, main)
    turning.turn()
    assert (errand.over, main.went) == (False, ["began"])
    errand.cancel(turning.loop)
    turning.turn()
    assert (errand.over, main.went) == (True, ["began", "cancelled"])
    errand.cancel(turning.loop)
    turning.turn()
    with pytest.raises(Stopped, match="the call around this step was stopped"):
        errand.wait(turning.loop)


def test_one_that_swallows_its_cancellation_has_a_result(turning: Turning) -> None:
    errand, main = Errand(), Main(swallows=True)
    start(turning.loop, errand, main)
    turning.turn()
    errand.cancel(turning.loop)
    turning.turn()
    assert errand.wait(turning.loop) == "result"


def test_a_cancellation_of_its_own_comes_out_as_it_is(turning: Turning) -> None:
    async def cancels() -> None:
        raise asyncio.CancelledError("mine")

    errand = Errand()
    start(turning.loop, errand, cancels)
    turning.turn()
    with pytest.raises(asyncio.CancelledError, match="mine"):
        errand.wait(turning.loop)


class Waits:
    """Stands for the lock that the thread waits for; each wait does the next thing that is written down."""

    def __init__(self, *steps: Callable[[], Any]) -> None:
        self.steps = list(steps)

    def acquire(self) -> None:
        self.steps.pop(0)()

    def release(self) -> None:
        pass


def interrupts() -> None:
    raise KeyboardInterrupt("first")


def interrupts_again() -> None:
    raise KeyboardInterrupt("second")


def test_an_interrupt_while_it_is_waited_for_cancels_it_and_comes_out_when_it_has_ended(turning: Turning) -> None:
    errand, main = Errand(), Main()
    start(turning.loop, errand, main)
    turning.turn()
    errand._done = Waits(interrupts, lambda: None, interrupts_again, turning.turn)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt, match="second"):
        errand.wait(turning.loop)
    assert main.went == ["began", "cancelled"]


def test_an_interrupt_before_it_was_waited_for_does_so_too(turning: Turning) -> None:
    errand, main = Errand(), Main()
    start(turning.loop, errand, main)
    errand._done = Waits(turning.turn)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt, match="before"):
        errand.wait(turning.loop, KeyboardInterrupt("before"))
    assert errand.over
    assert main.went == []


def test_who_waits_waits_until_it_is_over(turning: Turning) -> None:
    errand = Errand()
    assert errand._done.locked()

    async def result() -> str:
        return "result"

    start(turning.loop, errand, result)
    turning.turn()
    assert not errand._done.locked()
    assert errand.wait(turning.loop) == "result"


def test_a_task_is_kept_alive_until_it_is_done(turning: Turning) -> None:
    async def wait() -> None:
        await gate.wait()

    gate = asyncio.Event()
    task = turning.loop.create_task(wait())
    keep(task)
    turning.turn()
    assert task in portal._errands
    gate.set()
    turning.turn()
    assert task not in portal._errands


# The loop


def test_a_loop_whose_thread_cannot_be_started_is_closed_and_the_next_call_makes_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    made: list[asyncio.AbstractEventLoop] = []
    new = asyncio.new_event_loop

    def remembered() -> asyncio.AbstractEventLoop:
        made.append(new())
        return made[-1]

    own = Portal()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", remembered)
        patch.setattr(threading.Thread, "start", refuses)
        with pytest.raises(RuntimeError, match="can't start"):
            own.loop("step")
    assert made[0].is_closed()
    assert own.call("double", double, 2) == 4
    loop = own.loop("step")
    (thread,) = [each for each in threading.enumerate() if each.name == "anabranch-portal" and runs(each, loop)]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    loop.close()


def runs(thread: threading.Thread, loop: asyncio.AbstractEventLoop) -> bool:
    return getattr(loop, "_thread_id", None) == thread.ident
