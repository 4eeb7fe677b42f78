"""Mailboxes: what is put in comes out in order, who writes waits while one is full, and who reads waits for more."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from verbs import alist, one_after_another, until

from anabranch.engine.errors import Stopped
from anabranch.engine.events import Filter
from anabranch.engine.runs import RunInfo
from anabranch.engine.trace_laws import Recorder
from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda
from anabranch.scheduler.mailboxes import CAPACITY, AsyncMailbox, Mailbox, ThreadMailbox, listened


def size(number: int) -> int:
    return abs(number)


GRAPH = RunnableLambda(size).__graph__
KINDS = [AsyncMailbox, ThreadMailbox]


class Lines:
    """Writes a line of each fact, but nothing of those that are told with "silence"."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def _line(self, what: str, run: RunInfo, *data: Any) -> str | None:
        self.heard.append(" ".join([what, run.name, *map(str, data)]))
        return None if "silence" in data else self.heard[-1]

    def started(self, run: RunInfo) -> Any:
        return self._line("started", run)

    def chunk(self, run: RunInfo, chunk: Any) -> Any:
        return self._line("chunk", run, chunk)

    def ended(self, run: RunInfo) -> Any:
        return self._line("ended", run)

    def failed(self, run: RunInfo) -> Any:
        return self._line("failed", run)

    def told(self, run: RunInfo, what: str, *data: Any) -> Any:
        return self._line("told", run, what, *data)


def run_named(name: str) -> RunInfo:
    return RunInfo(name, "chain", None, [], {}, ())


PUTS: dict[str, Callable[[Mailbox, RunInfo], Any]] = {
    "started": lambda mailbox, run: mailbox.started(run),
    "chunk": lambda mailbox, run: mailbox.chunk(run, 1),
    "ended": lambda mailbox, run: mailbox.ended(run),
    "failed": lambda mailbox, run: mailbox.failed(run),
    "told": lambda mailbox, run: mailbox.told(run, "custom_event", run.name, 2),
}
all_facts = list(PUTS.values())


def put_all(mailbox: Mailbox, *names: str) -> None:
    for name in names:
        for put in all_facts:
            put(mailbox, run_named(name))


def lines_of(*names: str) -> list[str]:
    facts = ("started {}", "chunk {} 1", "ended {}", "failed {}", "told {0} custom_event {0} 2")
    return [fact.format(name) for name in names for fact in facts]


def read_of(mailbox: Any, work: Callable[[], None]) -> list[Any]:
    """What is read of a mailbox that some work fills."""
    if isinstance(mailbox, ThreadMailbox):
        return list(mailbox.read(work, GRAPH))

    async def stream() -> AsyncIterator[Any]:
        work()
        yield

    async def main() -> list[Any]:
        return await alist(mailbox.read(stream))

    return asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_writer_makes_of_each_fact_is_read_in_order(kind: Any) -> None:
    writer = Lines()
    mailbox = kind(writer)
    assert read_of(mailbox, lambda: put_all(mailbox, "a", "b")) == lines_of("a", "b")
    assert writer.heard == lines_of("a", "b")


@pytest.mark.parametrize("kind", KINDS)
def test_of_what_is_not_wanted_the_writer_is_told_but_not_the_reader(kind: Any) -> None:
    writer = Lines()
    mailbox = kind(writer, Filter(include_names=["a"]))
    assert read_of(mailbox, lambda: put_all(mailbox, "a", "b", "a")) == lines_of("a", "a")
    assert writer.heard == lines_of("a", "b", "a")
    mailbox = kind(writer, Filter())
    assert read_of(mailbox, lambda: put_all(mailbox, "a", "b")) == lines_of("a", "b")


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_writer_makes_nothing_there_is_nothing_to_read(kind: Any) -> None:
    mailbox = kind(Lines())

    def work() -> None:
        mailbox.chunk(run_named("a"), "silence")
        mailbox.told(run_named("a"), "silence")
        mailbox.chunk(run_named("a"), 0)

    assert read_of(mailbox, work) == ["chunk a 0"]


@one_after_another("fact", PUTS)
@one_after_another("kind", KINDS)
def test_a_mailbox_is_full_with_24_facts(kind: Any, fact: str) -> None:
    mailbox, run = kind(Lines()), run_named("a")
    assert CAPACITY == 24
    for _ in range(23):
        PUTS[fact](mailbox, run)
        assert not mailbox.full
    mailbox.wait_for_room()
    PUTS[fact](mailbox, run)
    assert mailbox.full
    PUTS[fact](mailbox, run)
    assert mailbox.full


@one_after_another("fact", PUTS)
@one_after_another("kind", KINDS)
def test_a_mailbox_that_is_closed_is_never_full(kind: Any, fact: str) -> None:
    mailbox, run = kind(Lines()), run_named("a")
    read_of(mailbox, lambda: None)
    for _ in range(30):
        PUTS[fact](mailbox, run)
    assert not mailbox.full
    mailbox.wait_for_room()


# Who reads


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_after_what_was_put_in_before_it(kind: Any) -> None:
    mailbox, seen = kind(Lines()), list[Any]()

    def fails() -> None:
        mailbox.started(run_named("a"))
        mailbox.ended(run_named("a"))
        raise ZeroDivisionError

    def read() -> None:
        for line in mailbox.read(fails, GRAPH):
            seen.append(line)

    async def stream() -> AsyncIterator[Any]:
        fails()
        yield

    async def aread() -> None:
        async for line in mailbox.read(stream):
            seen.append(line)

    with pytest.raises(ZeroDivisionError):
        read() if kind is ThreadMailbox else asyncio.run(aread())
    assert seen == ["started a", "ended a"]


def test_a_reader_on_a_loop_is_woken_by_what_is_put_in_on_the_loop_and_in_threads() -> None:
    mailbox, run = AsyncMailbox(Lines()), run_named("a")
    gate: list[asyncio.Event] = []

    async def stream() -> AsyncIterator[Any]:
        await gate[0].wait()
        for number in range(3):
            mailbox.chunk(run, number)
            mailbox.chunk(run, number)
            await asyncio.to_thread(mailbox.chunk, run, f"{number} in a thread")
            yield

    async def main() -> list[str]:
        gate.append(asyncio.Event())
        read: list[str] = []
        async for line in mailbox.read(stream):
            read.append(line)  # noqa: PERF401
        return read

    async def both() -> list[str]:
        task = asyncio.create_task(main())
        await until(lambda: mailbox._reader is not None)
        gate[0].set()
        return await task

    lines = [line for n in range(3) for line in (f"chunk a {n}", f"chunk a {n}", f"chunk a {n} in a thread")]
    assert asyncio.run(both()) == lines


def test_closing_cancels_what_is_read_and_waits_for_its_end() -> None:
    went: list[str] = []
    mailbox = AsyncMailbox(Lines())

    async def stream() -> AsyncIterator[Any]:
        mailbox.started(run_named("a"))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            went.append("cancelled")
            raise
        yield

    async def main() -> None:
        read = mailbox.read(stream)
        assert await anext(read) == "started a"
        await read.aclose()
        assert went == ["cancelled"]

    asyncio.run(main())


def test_what_fails_when_it_is_cancelled_by_the_close_is_not_complained_of() -> None:
    complaints: list[Any] = []
    mailbox = AsyncMailbox(Lines())

    async def stream() -> AsyncIterator[Any]:
        mailbox.started(run_named("a"))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ZeroDivisionError from None
        yield

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        read = mailbox.read(stream)
        assert await anext(read) == "started a"
        await read.aclose()
        gc.collect()

    asyncio.run(main())
    gc.collect()
    assert complaints == []


def test_closing_in_a_thread_stops_the_run_and_waits_for_its_end() -> None:
    went: list[str] = []
    nothing = RunnableLambda(size)
    mailbox = ThreadMailbox(Lines())

    def run() -> None:
        mailbox.started(run_named("a"))
        try:
            while True:
                nothing.invoke(1)
        except Stopped:
            went.append("stopped")
            raise

    read = mailbox.read(run, GRAPH)
    assert next(read) == "started a"
    read.close()
    assert went == ["stopped"]
    assert next(read, "no more") == "no more"


def test_what_runs_in_the_thread_sees_the_context_of_who_reads() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    seen: list[str] = []

    def run() -> None:
        seen.append(who.get())
        who.set("somebody else")

    token = who.set("ann")
    try:
        assert list(ThreadMailbox(Lines()).read(run, GRAPH)) == []
        assert (seen, who.get()) == (["ann"], "ann")
    finally:
        who.reset(token)


# Who writes


def test_a_full_mailbox_is_waited_for_until_all_is_read() -> None:
    mailbox, run = AsyncMailbox(Lines()), run_named("a")
    went: list[str] = []

    async def waits(name: str) -> None:
        await mailbox.room()
        went.append(name)

    def waits_too() -> None:
        mailbox.wait_for_room()
        went.append("thread")

    async def stream() -> AsyncIterator[Any]:
        for number in range(25):  # of which one is being read
            mailbox.chunk(run, number)
        tasks = [asyncio.create_task(waits("one")), asyncio.create_task(waits("two"))]
        thread = threading.Thread(target=waits_too)
        thread.start()
        await until(lambda: len(mailbox._writers) == 3)
        mailbox.wait_for_room()
        assert went == [], "a loop must not stand still"
        may_read[0].set()
        await asyncio.gather(*tasks)
        await until(lambda: not thread.is_alive())
        assert len(read) == 25
        yield

    read: list[str] = []
    may_read: list[asyncio.Event] = []

    async def main() -> None:
        may_read.append(asyncio.Event())
        async for line in mailbox.read(stream):
            await may_read[0].wait()
            assert went == []
            read.append(line)

    asyncio.run(main())
    assert sorted(went) == ["one", "thread", "two"]
    assert read == [f"chunk a {number}" for number in range(25)]


def test_who_waits_for_room_is_let_go_when_nobody_reads_any_more() -> None:
    mailbox, run = AsyncMailbox(Lines()), run_named("a")
    went: list[str] = []

    def waits() -> None:
        mailbox.wait_for_room()
        went.append("let go")

    thread = threading.Thread(target=waits)

    async def stream() -> AsyncIterator[Any]:
        for number in range(30):
            mailbox.chunk(run, number)
        thread.start()
        await until(lambda: len(mailbox._writers) == 1)
        await asyncio.Event().wait()
        yield

    async def main() -> None:
        read = mailbox.read(stream)
        assert await anext(read) == "chunk a 0"
        await until(lambda: len(mailbox._writers) == 1)
        await read.aclose()
        await until(lambda: not thread.is_alive())

    asyncio.run(main())
    assert went == ["let go"]


def endless(made: list[int]) -> Runnable[Any, Any]:
    """A generator that counts the chunks it makes, and stops at 5000."""

    def chunks(_: Iterator[Any]) -> Iterator[str]:
        for number in range(5000):
            made.append(number)
            yield "x"

    async def achunks(_: AsyncIterator[Any]) -> AsyncIterator[str]:
        for number in range(5000):
            made.append(number)
            yield "x"

    return RunnableGenerator(chunks, achunks)


@pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "asynchronous"])
@pytest.mark.parametrize("sync", [False, True], ids=["astream_events", "stream_events"])
def test_a_slow_reader_slows_a_stream_that_a_step_reads_wherever_that_runs(sync: bool, is_async: bool) -> None:
    made: list[int] = []
    source = endless(made)

    def reads(x: Any) -> int:
        return sum(1 for _ in source.stream(x))

    async def areads(x: Any) -> int:
        return sum([1 async for _ in source.astream(x)])

    chain: Any = RunnableLambda(areads if is_async else reads)
    if sync:
        events = chain.stream_events(1)
        for count in range(1, 200):
            next(events)
            assert len(made) <= count + CAPACITY + 2
        events.close()
        return

    async def main() -> None:
        stream = chain.astream_events(1)
        for count in range(1, 200):
            await anext(stream)
            assert len(made) <= count + CAPACITY + 2
        await stream.aclose()

    asyncio.run(main())


# The config


def test_one_more_listener_hears_of_a_call_besides_those_that_are_given() -> None:
    given, more = Recorder(), Recorder()
    config = listened({"callbacks": [given], "tags": ["t"], "run_name": "name"}, more)
    assert {key: value for key, value in config.items() if key != "callbacks"} == {"tags": ["t"], "run_name": "name"}
    RunnableLambda(size).invoke(-1, config)
    for recorder in (given, more):
        assert [(what, run.name) for what, run, _ in recorder.facts if what != "chunk"] == [
            ("started", "name"),
            ("ended", "name"),
        ]
    with pytest.raises(ValueError, match="tags"):
        listened({"tags": 5}, more)  # type: ignore[arg-type]
    assert listened(None, more).keys() == {"callbacks"}


@one_after_another("config", [None, {}, {"tags": ["t"]}, {"callbacks": []}])
@one_after_another("sync", [False, True])
def test_an_event_stream_in_a_step_is_part_of_its_run_for_those_who_listen_to_that(sync: bool, config: Any) -> None:
    outer, events = Recorder(), list[Any]()
    inner = RunnableLambda(size, name="inner")

    def watches(x: int) -> int:
        events.extend(inner.stream_events(x, config))
        return x

    async def awatches(x: int) -> int:
        events.extend([event async for event in inner.astream_events(x, config)])
        return x

    RunnableLambda(watches if sync else awatches, name="step").invoke(-1, {"callbacks": [outer], "tags": ["T"]})
    assert [event["name"] for event in events] == ["inner"] * 3
    assert all("T" in event["tags"] for event in events)
    heard = [run for what, run, _ in outer.facts if what == "started" and run.name == "inner"]
    if config and "callbacks" in config:
        assert heard == []
        return
    (run,) = heard
    assert run.parent is not None
    assert run.parent.name == "step"
    assert str(run.id) == events[0]["run_id"]
