"""Listeners are told of facts in order, where they may be told, and apart from the code that the facts are about."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from anabranch.engine.runs import Listener, RunInfo
from anabranch.scheduler.managers import RUN
from anabranch.scheduler.reporting import Reporter, aease, ease, is_busy
from anabranch.scheduler.sites import SITE

Facts = list[tuple[Any, ...]]


class Hears(Listener):
    """Notes what it is told under its name, and where."""

    def __init__(self, name: str, facts: Facts, **attributes: Any) -> None:
        self.name, self.facts = name, facts
        self.threads: list[int] = []
        self.around: list[Any] = []
        self.broken: list[tuple[BaseException, str]] = []
        self.raises: BaseException | None = None
        for attribute, value in attributes.items():
            setattr(self, attribute, value)

    def _note(self, what: str, *data: Any) -> None:
        self.threads.append(threading.get_ident())
        self.around.append((SITE.get(), RUN.get()))
        self.facts.append((self.name, what, *data))
        if self.raises is not None:
            raise self.raises

    def started(self, run: RunInfo) -> Any:
        self._note("started")

    def chunk(self, run: RunInfo, chunk: Any) -> Any:
        self._note("chunk", chunk)

    def told(self, run: RunInfo, what: str, *data: Any) -> Any:
        self._note(what, *data)


class Inline(Hears):
    inline = True


class Forgives(Hears):
    def broke(self, error: Exception, what: str) -> None:
        self.broken.append((error, what))


class Awaits(Hears):
    is_async = True

    def started(self, run: RunInfo) -> Any:
        return self._later("started")

    def chunk(self, run: RunInfo, chunk: Any) -> Any:
        return self._later("chunk", chunk)

    def told(self, run: RunInfo, what: str, *data: Any) -> Any:
        return None if what == "nothing" else self._later(what, *data)

    async def _later(self, *facts: Any) -> None:
        await asyncio.sleep(0)
        self.loop = asyncio.get_running_loop()
        self._note(*facts)


class AwaitsAndForgives(Awaits, Forgives):
    pass


def run_of(*listeners: Listener, reporter: Any = None) -> RunInfo:
    run = RunInfo("mine", "chain", None, [], {}, listeners)
    run.reporter = reporter
    return run


def on_a_loop(main: Callable[[Reporter], Any]) -> Any:
    async def with_reporter() -> Any:
        return await main(Reporter(asyncio.get_running_loop()))

    return asyncio.run(with_reporter())


STARTED = ("started",)


class TestABlockingCall:
    def test_tells_everybody_at_once_in_order(self) -> None:
        facts: Facts = []
        listeners = [Hears("plain", facts), Inline("inline", facts), Awaits("awaits", facts)]
        reporter = Reporter()
        reporter.tell(run_of(*listeners), "started")
        reporter.tell_chunk(run_of(*listeners), 1)
        reporter.tell(run_of(*listeners), "told", "text", "a", 2)
        names = ("plain", "inline", "awaits")
        assert facts == [(name, *fact) for fact in (STARTED, ("chunk", 1), ("text", "a", 2)) for name in names]
        assert {*listeners[0].threads, *listeners[1].threads} == {threading.get_ident()}
        assert listeners[2].threads[0] != threading.get_ident()
        assert not reporter.posts

    def test_makes_nobody_wait_for_one_that_is_deaf_to_a_fact(self) -> None:
        facts: Facts = []
        deaf = Awaits("deaf", facts, deaf_to=frozenset({("chain", "started")}))
        hears = Awaits("hears", facts, deaf_to=frozenset({("tool", "started"), ("chain", "ended")}))
        Reporter().tell(run_of(deaf, hears), "started")
        Reporter().tell(run_of(deaf), "told", "text")
        assert facts == [("hears", "started"), ("deaf", "text")]

    def test_is_broken_by_a_listener_after_all_were_told(self) -> None:
        for kind in (Hears, Inline, Awaits):
            for error in (ValueError("one"), KeyboardInterrupt() if kind is not Awaits else ValueError("two")):
                facts: Facts = []
                first, second = kind("first", facts), Hears("second", facts, raises=ValueError("later"))
                first.raises = error
                with pytest.raises(type(error)) as caught:
                    Reporter().tell(run_of(first, second, Inline("third", facts)), "started")
                assert caught.value is error
                assert facts == [("first", "started"), ("second", "started"), ("third", "started")]

    def test_goes_on_after_one_that_lets_it(self) -> None:
        facts: Facts = []
        error = ValueError("no")
        for attributes in ({}, {"inline": True}):
            forgives = Forgives("forgives", facts, raises=error, **attributes)
            reporter = Reporter()
            reporter.tell(run_of(forgives), "started")
            reporter.tell_chunk(run_of(forgives), 1)
            reporter.defer(run_of(forgives), "started")
            reporter.flush()
            assert forgives.broken == [(error, "started"), (error, "chunk"), (error, "started")]

    def test_delivers_what_was_put_down_before_it_tells_more(self) -> None:
        facts: Facts = []
        plain, inline = Hears("plain", facts), Inline("inline", facts)
        reporter, run = Reporter(), run_of(plain, inline)
        reporter.defer(run, "told", "first")
        assert facts == [("inline", "first")]
        assert len(reporter.posts) == 1
        reporter.tell(run, "told", "second")
        assert facts[1:] == [("plain", "first"), ("plain", "second"), ("inline", "second")]
        reporter.defer(run_of(plain), "told", "third")
        reporter.flush()
        assert facts[4:] == [("plain", "third")]
        reporter.flush()
        assert len(facts) == 5

    def test_puts_nothing_down_for_a_listener_that_is_deaf_to_it(self) -> None:
        reporter = Reporter()
        reporter.defer(run_of(Hears("deaf", [], deaf_to=frozenset({("chain", "started")}))), "started")
        assert not reporter.posts

    def test_waits_for_what_another_thread_is_delivering(self) -> None:
        facts: Facts = []
        reporter = Reporter()

        def flushes() -> None:
            reporter.flush()
            facts.append(("flushed",))

        def tells() -> None:
            reporter.tell(run_of(Awaits("tells", facts)), "told", "text")

        class Slow(Hears):
            def chunk(self, run: RunInfo, chunk: Any) -> Any:
                for each in waiters:
                    each.start()
                for each in waiters:
                    each.join(0.01)  # it would be done by now if it did not wait
                self._note("chunk", chunk)

        waiters = [threading.Thread(target=target) for target in (flushes, tells)]
        reporter.defer(run_of(Slow("slow", facts)), "chunk", 1)
        reporter.flush()
        for each in waiters:
            each.join(20)
        assert facts[0] == ("slow", "chunk", 1)
        assert sorted(facts[1:]) == [("flushed",), ("tells", "text")]

    def test_tells_apart_from_the_step_whose_code_runs(self) -> None:
        site: Any = object()
        run = run_of()
        for kind in (Hears, Awaits):
            facts: Facts = []
            listener = kind("hears", facts)
            for around_site, around_run in ((site, run), (site, None)):
                tokens = SITE.set(around_site), RUN.set(around_run)
                try:
                    Reporter().tell(run_of(listener), "started")
                    assert (SITE.get(), RUN.get()) == (around_site, around_run)
                    listener.raises = ValueError("no")
                    with pytest.raises(ValueError, match="no"):
                        Reporter().tell(run_of(listener), "started")
                    assert (SITE.get(), RUN.get()) == (around_site, around_run)
                    listener.raises = None
                finally:
                    SITE.reset(tokens[0])
                    RUN.reset(tokens[1])
            assert listener.around == [(None, None)] * 4


class TestAListenerOfItsOwn:
    def test_is_told_once_if_it_is_what_comes_next(self) -> None:
        facts: Facts = []
        first, second, run = Hears("first", facts), Hears("second", facts), run_of()
        reporter = Reporter()
        for listener in (first, first, second, second, first):
            reporter.put(listener, "told", run, "moved")
        assert [listener for listener, *_ in reporter.posts] == [first, second, first]
        reporter.flush()
        assert facts == [("first", "moved"), ("second", "moved"), ("first", "moved")]


class TestAnAsynchronousCall:
    def test_tells_inline_listeners_at_once_and_the_others_when_it_awaits(self) -> None:
        facts: Facts = []
        plain, awaits, inline = Hears("plain", facts), Awaits("awaits", facts), Inline("inline", facts)

        async def main(reporter: Reporter) -> None:
            run = run_of(plain, awaits, inline)
            reporter.tell(run, "started")
            reporter.tell_chunk(run, 1)
            assert facts == [("inline", "started"), ("inline", "chunk", 1)]
            reporter.flush()  # it can't wait for its own loop
            assert len(facts) == 2
            await reporter.settle()
            assert facts[2:] == [
                *[("plain", "started"), ("awaits", "started"), ("plain", "chunk", 1), ("awaits", "chunk", 1)],
            ]
            await reporter.settle()
            assert not reporter.posts
            assert awaits.loop is asyncio.get_running_loop()

        on_a_loop(main)
        assert threading.get_ident() not in plain.threads
        assert set(awaits.threads) == {threading.get_ident()}

    def test_puts_nothing_down_for_a_listener_that_is_deaf_to_it(self) -> None:
        async def main(reporter: Reporter) -> None:
            reporter.tell(run_of(Hears("deaf", [], deaf_to=frozenset({("chain", "started")}))), "started")
            assert not reporter.posts

        on_a_loop(main)

    def test_awaits_what_is_being_delivered(self) -> None:
        facts: Facts = []

        async def main(reporter: Reporter) -> None:
            gate = asyncio.Event()

            class Gated(Awaits):
                async def _later(self, *fact: Any) -> None:
                    await gate.wait()
                    self._note(*fact)

            reporter.tell(run_of(Gated("gated", facts)), "started")
            first = asyncio.create_task(reporter.settle())
            await asyncio.sleep(0)
            second = asyncio.create_task(reporter.settle())
            for _ in range(5):
                await asyncio.sleep(0)
            assert not second.done()
            gate.set()
            await asyncio.gather(first, second)

        on_a_loop(main)
        assert facts == [("gated", "started")]

    def test_is_broken_by_a_listener_after_all_of_a_kind_were_told(self) -> None:
        facts: Facts = []
        error = ValueError("no")
        first, second = Hears("first", facts, raises=error), Hears("second", facts, raises=ValueError("later"))

        async def main(reporter: Reporter) -> None:
            reporter.tell(run_of(first, second), "started")
            with pytest.raises(ValueError, match="no") as caught:
                await reporter.settle()
            assert caught.value is error
            reporter.tell(run_of(Awaits("third", facts, raises=error)), "started")
            with pytest.raises(ValueError, match="no"):
                await reporter.settle()
            forgives = Forgives("forgives", facts, raises=error)
            reporter.tell(run_of(forgives), "started")
            await reporter.settle()
            assert forgives.broken == [(error, "started")]
            later = AwaitsAndForgives("later", facts, raises=error)
            reporter.tell(run_of(later), "started")
            await reporter.settle()
            assert later.broken == [(error, "started")]

        on_a_loop(main)
        assert [name for name, *_ in facts] == ["first", "second", "third", "forgives", "later"]

    def test_takes_an_answer_that_is_not_awaitable(self) -> None:
        async def main(reporter: Reporter) -> None:
            reporter.tell(run_of(Awaits("awaits", [])), "told", "nothing")
            await reporter.settle()

        on_a_loop(main)

    def test_tells_apart_from_the_step_whose_code_runs(self) -> None:
        site: Any = object()
        run = run_of()
        awaits, fails = Awaits("awaits", []), Awaits("fails", [], raises=ValueError("no"))

        async def main(reporter: Reporter) -> None:
            SITE.set(site)
            RUN.set(run)
            reporter.tell(run_of(awaits), "started")
            await reporter.settle()
            reporter.tell(run_of(fails), "started")
            with pytest.raises(ValueError, match="no"):
                await reporter.settle()
            assert (SITE.get(), RUN.get()) == (site, run)

        on_a_loop(main)
        assert awaits.around == fails.around == [(None, None)]

    def test_is_waited_for_in_another_thread(self) -> None:
        facts: Facts = []
        awaits = Awaits("awaits", facts)

        async def main(reporter: Reporter) -> None:
            reporter.tell(run_of(awaits), "started")
            await asyncio.to_thread(reporter.flush)
            assert facts == [("awaits", "started")]
            await asyncio.to_thread(reporter.flush)

        on_a_loop(main)
        assert awaits.threads == [threading.get_ident()]

    def test_can_await_that_everybody_was_told(self) -> None:
        facts: Facts = []

        async def main(reporter: Reporter) -> None:
            awaits = Awaits("awaits", facts)
            run = run_of(Hears("plain", facts), awaits, Inline("inline", facts))
            await reporter.atell(run, "told", "text", 1)
            assert facts == [("inline", "text", 1), ("plain", "text", 1), ("awaits", "text", 1)]
            await asyncio.to_thread(asyncio.run, reporter.atell(run, "told", "text", 2))
            assert facts[3:] == [("inline", "text", 2), ("plain", "text", 2), ("awaits", "text", 2)]
            assert awaits.loop is asyncio.get_running_loop()
            blocking = Reporter()
            await blocking.atell(run_of(Hears("plain", facts)), "told", "text", 3)
            assert facts[6:] == [("plain", "text", 3)]

        on_a_loop(main)


class TestACallInsideAnother:
    def test_of_one_loop_puts_its_facts_where_the_other_does(self) -> None:
        async def main(reporter: Reporter) -> None:
            loop = asyncio.get_running_loop()
            RUN.set(run_of(reporter=reporter))
            assert Reporter(loop).posts is reporter.posts
            entered = Reporter()
            assert entered.posts is not reporter.posts
            entered.enter(loop)
            assert entered.posts is reporter.posts
            for silent in (run_of(), None):
                RUN.set(silent)
                assert Reporter(loop).posts is not reporter.posts
                other = Reporter()
                other.enter(loop)
                assert other.posts is not reporter.posts

        on_a_loop(main)

    def test_of_another_loop_does_not(self) -> None:
        async def inner(reporter: Reporter) -> None:
            RUN.set(run_of(reporter=reporter))
            other = Reporter(asyncio.get_running_loop())
            assert other.posts is not reporter.posts
            facts: Facts = []
            other.tell(run_of(Awaits("awaits", facts)), "started")
            await other.settle()
            assert facts == [("awaits", "started")]

        async def main(reporter: Reporter) -> None:
            await asyncio.to_thread(asyncio.run, inner(reporter))

        on_a_loop(main)

    def test_that_blocks_has_coroutines_run_on_the_other_s_loop(self) -> None:
        facts: Facts = []
        awaits, plain = Awaits("awaits", facts), Hears("plain", facts)

        def blocks(reporter: Reporter) -> None:
            for levels in (1, 2):
                around = reporter
                for _ in range(levels):
                    RUN.set(run_of(reporter=around))
                    around = Reporter()
                around.tell(run_of(awaits, plain), "told", "text", levels)
                assert facts[-2:] == [("awaits", "text", levels), ("plain", "text", levels)]

        async def main(reporter: Reporter) -> None:
            await asyncio.to_thread(blocks, reporter)
            assert awaits.loop is asyncio.get_running_loop()

        on_a_loop(main)
        assert set(awaits.threads) == {threading.get_ident()}

    def test_that_blocks_the_other_s_loop_leaves_its_facts_for_later(self) -> None:
        facts: Facts = []

        async def main(reporter: Reporter) -> None:
            RUN.set(run_of(reporter=reporter))
            blocking = Reporter()
            blocking.tell(run_of(Hears("plain", facts), Awaits("awaits", facts), Inline("inline", facts)), "started")
            assert facts == [("inline", "started")]
            assert len(reporter.posts) == 2
            await reporter.settle()
            assert facts[1:] == [("plain", "started"), ("awaits", "started")]

        on_a_loop(main)

    def test_that_blocks_a_loop_of_nobody_tells_the_twin_of_one_that_awaits(self) -> None:
        facts: Facts = []
        twin = Hears("twin", facts)

        async def main(reporter: Reporter) -> None:
            Reporter().tell(run_of(Awaits("awaits", facts, twin=twin)), "started")

        on_a_loop(main)
        assert facts == [("twin", "started")]
        Reporter().tell(run_of(Awaits("awaits", facts, twin=twin)), "started")
        assert facts[1:] == [("awaits", "started")]


class TestRoom:
    def test_is_waited_for_where_a_listener_is_full(self) -> None:
        waited: list[str] = []

        class Full(Listener):
            full = True

            async def room(self) -> None:
                waited.append("room")

            def wait_for_room(self) -> None:
                waited.append("wait")

        reporter = Reporter()
        free, full = run_of(Listener()), run_of(Listener(), Full())
        assert not is_busy(free, reporter)
        assert is_busy(full, reporter) is True
        reporter.put(Listener(), "told", free, "text")
        assert is_busy(free, reporter)
        ease(free)
        assert waited == []
        ease(full)
        assert waited == ["wait"]
        asyncio.run(aease(free, Reporter()))
        assert waited == ["wait"]
        asyncio.run(aease(full, Reporter()))
        assert waited == ["wait", "room"]

    def test_comes_after_what_was_put_down(self) -> None:
        facts: Facts = []

        async def main(reporter: Reporter) -> None:
            run = run_of(Awaits("awaits", facts))
            reporter.tell(run, "started")
            await aease(run, reporter)
            assert facts == [("awaits", "started")]

        on_a_loop(main)
