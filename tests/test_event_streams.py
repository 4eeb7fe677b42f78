"""Event streams tell what happens as it happens, at the reader's pace, and end as the run does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from verbs import PATIENCE, VERBS, aiterate, alist, until

from anabranch.engine.errors import ConfigError
from anabranch.engine.events import Formatter
from anabranch.engine.trace_laws import Recorder
from anabranch.nodes import (
    FakeStreamingListLLM,
    PromptTemplate,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    adispatch_custom_event,
    dispatch_custom_event,
)
from anabranch.scheduler.mailboxes import AsyncMailbox, ThreadMailbox

BOTH = pytest.mark.parametrize("sync", [True, False], ids=["stream_events", "astream_events"])


def events_of(made: Any, value: Any, sync: bool, config: Any = None, **wanted: Any) -> list[dict[str, Any]]:
    if sync:
        return list(made.stream_events(value, config, **wanted))
    return asyncio.run(_gather(made, value, config, wanted))


async def _gather(made: Any, value: Any, config: Any, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return await alist(made.astream_events(value, config, **wanted))


def brief(events: list[dict[str, Any]]) -> list[str]:
    return [f"{event['event'].removeprefix('on_chain_')} {event['name']}" for event in events]


def one(text: str) -> str:
    return text + "1"


def two(text: str) -> str:
    return text + "2"


def three(text: str) -> str:
    return text + "3"


@BOTH
def test_in_a_straight_run_the_order_is_that_of_pulling(sync: bool) -> None:
    events = events_of(RunnableLambda(one) | two | three, "i", sync)
    assert brief(events) == [
        "start RunnableSequence",
        "start one",
        "stream one",
        "start two",
        "end one",
        "stream two",
        "start three",
        "end two",
        "stream three",
        "stream RunnableSequence",
        "end three",
        "end RunnableSequence",
    ]


@BOTH
def test_an_input_that_streams_in_is_there_at_the_end(sync: bool) -> None:
    events = events_of(RunnableLambda(one) | two, "i", sync)
    data = {(event["event"], event["name"]): event["data"] for event in events}
    assert data["on_chain_start", "RunnableSequence"] == {"input": "i"}
    assert data["on_chain_end", "RunnableSequence"] == {"output": "i12"}
    assert data["on_chain_start", "two"] == {}
    assert data["on_chain_end", "two"] == {"output": "i12", "input": "i1"}


@BOTH
def test_events_know_their_place(sync: bool) -> None:
    inner = (RunnableLambda(one) | two).with_config(run_name="inner", tags=["mine"], metadata={"k": 1})
    config = {"tags": ["all"], "metadata": {"who": "ann"}, "run_name": "outer"}
    events = events_of(RunnableParallel(a=inner) | (lambda made: made["a"]), "i", sync, config)
    start = {event["name"]: event for event in events if event["event"] == "on_chain_start"}
    assert start["outer"]["parent_ids"] == []
    assert start["inner"]["parent_ids"] == [start["outer"]["run_id"], start["RunnableParallel<a>"]["run_id"]]
    assert start["one"]["parent_ids"][-1] == start["inner"]["run_id"]
    assert start["inner"]["tags"] == ["map:key:a", "all", "mine"]
    assert start["one"]["tags"] == ["seq:step:1", "all", "mine"]
    assert start["one"]["metadata"] == {"who": "ann", "k": 1}
    assert start["RunnableLambda"]["metadata"] == {"who": "ann"}


@BOTH
def test_what_a_function_calls_is_part_of_its_run(sync: bool) -> None:
    inner = RunnableLambda(two).with_config(run_name="inner")

    def calls(text: str) -> str:
        return inner.invoke(text)

    events = events_of(RunnableLambda(one) | calls, "i", sync)
    start = {event["name"]: event for event in events if event["event"] == "on_chain_start"}
    assert start["inner"]["parent_ids"] == [start["RunnableSequence"]["run_id"], start["calls"]["run_id"]]
    assert not [event for event in events if event["event"] == "on_chain_stream" and event["name"] == "inner"]


@BOTH
def test_after_a_failure_come_the_events_so_far_and_then_the_error(sync: bool) -> None:
    def boom(text: str) -> str:
        raise ValueError(text)

    made: Any = RunnableLambda(one) | boom | three
    seen: list[Any] = []
    with pytest.raises(ValueError, match="i1") as raised:
        seen.extend(made.stream_events("i")) if sync else asyncio.run(_take(made.astream_events("i"), seen))
    assert "boom" in raised.value.__notes__[0]
    assert not [event for event in seen if "error" in event["event"] or event["name"] == "three"]
    with pytest.raises(ValueError, match="i1"):
        asyncio.run(_take(made.astream_events("i", errors=True), seen))
    failed = [event["name"] for event in seen if event["event"] == "on_chain_error"]
    assert failed == ["boom", "RunnableSequence"]


async def _take(events: AsyncIterator[Any], into: list[Any]) -> None:
    async for event in events:
        into.append(event)  # noqa: PERF401 (what came before an error is kept)


def test_an_error_that_a_fallback_handled_is_shown_if_asked_for() -> None:
    def boom(text: str) -> str:
        raise ValueError(text)

    made = RunnableLambda(boom).with_fallbacks([RunnableLambda(two)])
    assert not [event for event in events_of(made, "i", sync=True) if "error" in event["event"]]
    (failed,) = [event for event in events_of(made, "i", True, errors=True) if event["event"] == "on_chain_error"]
    assert failed["name"] == "boom"
    assert isinstance(failed["data"]["error"], ValueError)


@BOTH
def test_all_that_failed_show_their_input(sync: bool) -> None:
    def breaks(text: str) -> str:
        raise ValueError(text)

    def mends(text: str) -> str:
        return text

    part = RunnableLambda(two) | {"a": RunnableLambda(three) | breaks}
    events = events_of(RunnableLambda(one) | part.with_fallbacks([mends]), "i", sync, errors=True)
    failed = [(event["name"], event["data"]["input"]) for event in events if event["event"] == "on_chain_error"]
    assert failed == [
        ("breaks", "i123"),
        ("RunnableSequence", "i12"),
        ("RunnableParallel<a>", "i12"),
        ("RunnableSequence", "i1"),
    ]


def test_breaking_out_cancels_the_step_that_runs_and_later_ones_never_start() -> None:
    seen: list[str] = []

    async def slow(text: str) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return text

    async def main() -> None:
        events = (RunnableLambda(slow) | three).astream_events("i")
        async for event in events:
            seen.append(event["name"])
            if event["name"] == "slow":
                break
        await events.aclose()

    asyncio.run(main())
    assert seen == ["RunnableSequence", "slow", "cancelled"]


def test_closing_a_blocking_event_stream_stops_the_run_and_waits_for_it() -> None:
    closed = threading.Event()
    made = 0

    def pieces(chunks: Iterator[str]) -> Iterator[str]:
        nonlocal made
        try:
            while True:
                made += 1
                yield "x"
        finally:
            closed.set()

    events = RunnableGenerator(pieces).stream_events("i")
    for _ in range(5):
        next(events)
    events.close()
    assert closed.is_set()
    assert made < 100


def test_a_slow_reader_slows_the_source() -> None:
    made = 0

    async def source(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        nonlocal made
        async for _ in chunks:
            pass
        for _ in range(5000):
            made += 1
            yield "x"

    async def main() -> None:
        folding = RunnableGenerator(source) | RunnableLambda(len)  # the root makes no chunk until the end
        for stream in (folding.astream_events("i"), folding.astream_log("i"), (folding | three).astream_events("i")):
            before = made
            for _ in range(20):
                await anext(stream)
                for _ in range(50):
                    await asyncio.sleep(0)
            await stream.aclose()
            assert made - before <= 20 + 32

    asyncio.run(main())


def test_events_come_while_a_step_still_runs() -> None:
    release = threading.Event()

    def blocks(text: str) -> str:
        assert release.wait(PATIENCE)
        return text

    events = (RunnableLambda(one) | blocks).stream_events("i")
    for event in events:
        if (event["event"], event["name"]) == ("on_chain_start", "blocks"):
            release.set()
            break
    assert brief(list(events))[-1] == "end RunnableSequence"

    async def main() -> None:
        gate = asyncio.Event()

        async def waits(text: str) -> str:
            await gate.wait()
            return text

        stream = (RunnableLambda(one) | waits).astream_events("i")
        async for event in stream:
            if (event["event"], event["name"]) == ("on_chain_start", "waits"):
                gate.set()

    asyncio.run(main())


def test_branches_tell_while_others_run() -> None:
    async def main() -> list[str]:
        gate = asyncio.Event()

        async def waits(text: str) -> str:
            await gate.wait()
            return text

        seen: list[str] = []
        async for event in RunnableParallel(slow=waits, fast=one).astream_events("i"):
            seen += brief([event])
            if seen[-1] == "end one":
                gate.set()
        return seen

    seen = asyncio.run(main())
    assert seen.index("end one") < seen.index("stream waits")


@BOTH
def test_custom_events_stand_among_the_others(sync: bool) -> None:
    def tells(text: str) -> str:
        dispatch_custom_event("progress", {"done": 1})
        return text

    async def atells(text: str) -> str:
        await adispatch_custom_event("progress", {"done": 2})
        return text

    events = events_of(RunnableLambda(tells) | RunnableLambda(atells), "i", sync, {"tags": ["t"]})
    told = [event for event in events if event["event"] == "on_custom_event"]
    starts = {event["name"]: event["run_id"] for event in events if event["event"] == "on_chain_start"}
    assert [(event["name"], event["data"], event["run_id"]) for event in told] == [
        ("progress", {"done": 1}, starts["tells"]),
        ("progress", {"done": 2}, starts["atells"]),
    ]
    assert told[0]["tags"] == ["seq:step:1", "t"]


@BOTH
def test_a_branch_tells_which_way_it_went(sync: bool) -> None:
    made: Any = RunnableBranch((lambda text: text == "i", RunnableLambda(one)), RunnableLambda(two))
    tags = {event["name"]: event["tags"] for event in events_of(made, "i", sync)}
    assert tags["RunnableLambda"] == ["condition:1"]
    assert tags["one"] == ["branch:1"]
    tags = {event["name"]: event["tags"] for event in events_of(made, "j", sync)}
    assert tags["two"] == ["branch:default"]


@BOTH
def test_callbacks_hear_the_run_besides(sync: bool) -> None:
    heard: list[str] = []

    class Hears:
        run_inline = True

        def on_chain_start(self, serialized: Any, inputs: Any, *, name: str, **_: Any) -> None:
            heard.append(name)

    events_of(RunnableLambda(one) | two, "i", sync, {"callbacks": [Hears()]})
    assert heard == ["RunnableSequence", "one", "two"]


def test_an_event_stream_inside_a_run_is_part_of_it() -> None:
    inner = RunnableLambda(one).with_config(run_name="inner")
    within: list[Any] = []

    async def watches(text: str) -> str:
        async for event in inner.astream_events(text):
            within.append(event)  # noqa: PERF401
        return text

    events = events_of(RunnableLambda(watches), "i", sync=False)
    assert brief(within) == ["start inner", "stream inner", "end inner"]
    starts = {event["name"]: event for event in events if event["event"] == "on_chain_start"}
    assert starts["inner"]["parent_ids"] == [starts["watches"]["run_id"]]


def test_the_first_version_has_no_parents_and_a_map_at_the_root_has_no_events() -> None:
    events = events_of(RunnableLambda(one) | two, "i", sync=False, version="v1")
    assert all(event["parent_ids"] == [] for event in events)
    mapped: Any = RunnableLambda(one).map()
    with pytest.raises(NotImplementedError, match="map"):
        events_of(mapped, ["i"], sync=False)
    with pytest.raises(NotImplementedError, match="v3"):
        events_of(RunnableLambda(one), "i", False, version="v3")


def test_a_wrong_config_is_told_of_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="tags"):
        events_of(RunnableLambda(one), "i", False, {"tags": 5})
    with pytest.raises(ValueError, match="tags"):
        events_of(RunnableLambda(one), "i", True, {"tags": 5})


@pytest.mark.parametrize("sync", [True, False])
def test_a_name_that_is_no_list_of_names_is_an_error(sync: bool) -> None:
    wrong: Any = "one"
    with pytest.raises(ConfigError, match=r"exclude_tags: expected a list of strings, got str 'one'. Write \['one'\]"):
        events_of(RunnableLambda(one), "i", sync, exclude_tags=wrong)
    with pytest.raises(ConfigError, match="include_names"):
        RunnableLambda(one).astream_log("i", include_names=wrong)


def test_a_transform_is_listened_to_as_its_input_comes() -> None:
    starts: list[str] = []

    class Hears:
        run_inline = True

        def on_chain_start(self, serialized: Any, inputs: Any, *, name: str, **_: Any) -> None:
            starts.append(f"{name} {inputs}")

    made = RunnablePassthrough() | RunnableLambda(one)
    list(made.transform(iter(["a", "b"]), {"callbacks": [Hears()]}))
    asyncio.run(alist(made.atransform(aiterate(["a", "b"]), {"callbacks": [Hears()]})))
    names = ["RunnableSequence", "RunnablePassthrough", "one"]
    assert starts == [f"{name} {{'input': ''}}" for name in names * 2]


def test_two_event_streams_at_once_do_not_mix() -> None:
    async def main() -> None:
        ready = 0

        async def meets(text: str) -> str:
            nonlocal ready
            ready += 1
            await until(lambda: ready == 2)
            return text

        made = RunnableLambda(meets) | one
        streams = [alist(made.astream_events(text)) for text in ("a", "b")]
        for text, events in zip("ab", await asyncio.gather(*streams), strict=True):
            assert events[-1]["data"] == {"output": f"{text}1"}
            assert len({event["run_id"] for event in events}) == 3

    asyncio.run(main())


@pytest.mark.parametrize("verb", ["invoke", "batch", "stream", "ainvoke", "abatch", "astream"])
def test_an_error_names_the_run_that_failed(verb: str) -> None:
    def boom(text: str) -> str:
        raise ValueError(text)

    def halting(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield chunk
            raise ValueError(chunk)

    inner = RunnableLambda(one) | boom
    chains: list[Any] = [
        RunnableLambda(one) | boom | two,
        RunnableLambda(one) | RunnableGenerator(halting) | two,
        RunnablePassthrough() | {"a": boom} | RunnableLambda(str),
        RunnableLambda(one) | RunnableLambda(lambda text: inner),
        RunnableLambda(one) | inner.with_retry(stop_after_attempt=1),
    ]
    for made in chains:
        recorder = Recorder()
        with pytest.raises(ValueError, match="i") as raised:
            VERBS[verb](made, "i", {"callbacks": [recorder]})
        failed = {str(run.id): run.name for what, run, _ in recorder.facts if what == "failed"}
        for note in raised.value.__notes__:
            place, run_id = note.removesuffix(")").split(" (run ")
            assert place.endswith(failed[run_id])


def test_a_mailbox_that_was_read_meanwhile_makes_nobody_wait() -> None:
    async def main() -> None:
        mailbox = AsyncMailbox(Formatter())
        mailbox.full = True  # as a thread leaves it that is overtaken by the reader
        await mailbox.room()
        await asyncio.to_thread(mailbox.wait_for_room)
        assert not mailbox.full

    asyncio.run(main())
    blocking = ThreadMailbox(Formatter())
    blocking.full = True
    blocking.wait_for_room()
    assert not blocking.full


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_what_comes_in_one_piece_has_ended_before_the_next_step_starts(verb: str) -> None:
    def passes(chunks: Iterator[Any]) -> Iterator[Any]:
        yield from chunks

    recorder = Recorder()
    chain = PromptTemplate.from_template("{x}") | RunnableGenerator(passes) | FakeStreamingListLLM(responses=["ab"])
    VERBS[verb](chain, {"x": "y"}, {"callbacks": [recorder]})
    order = [(what, run.run_type) for what, run, _ in recorder.facts if what != "chunk"]
    assert order[1:4] == [("started", "prompt"), ("ended", "prompt"), ("started", "chain")]
