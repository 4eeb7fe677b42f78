"""What is told of runs is well nested and complete, whatever the program, its failures, and how it is stopped."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

from built_programs import build
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Calls, Fallback, Injected, Program, Retry, Value, expected, parts_of, programs, values
from verbs import ASYNC_VERBS, SYNC_VERBS, VERBS

from anabranch.engine import laws
from anabranch.engine.chunks import fold
from anabranch.engine.run_logs import RunLogPatch
from anabranch.engine.trace_laws import (
    Recorder,
    check_facts,
    failure_reaches_the_root,
    outline,
    root_chunks_fold_to_its_output,
)

some = settings(max_examples=30)


@given(programs(refusing=True), values, st.sampled_from(sorted(VERBS)), st.integers(1, 3) | st.none())
@settings(max_examples=50)
def test_facts_are_well_nested_in_every_verb(program: Program, value: Value, verb: str, cap: int | None) -> None:
    recorder = Recorder()
    config: Any = {"callbacks": [recorder]} | ({"max_concurrency": cap} if cap else {})
    found = laws.outcome(lambda: VERBS[verb](build(program), value, config))
    check_facts(recorder.facts)
    failure_reaches_the_root(recorder.facts, found.error)
    assert not [run for what, run, _ in recorder.facts if what == "ended" and run.name == "RunnableAssign<refused>"]


@given(programs(), values)
@some
def test_listening_changes_no_result(program: Program, value: Value) -> None:
    wanted = expected(program, value)
    for verb in ("invoke", "ainvoke"):
        found = laws.outcome(lambda verb=verb: VERBS[verb](build(program), value, {"callbacks": [Recorder()]}))
        if found.error is None:
            assert not wanted.errors
            assert found.value == wanted.value
        else:
            assert isinstance(found.error, Injected)
            assert wanted.errors


@given(programs(failing=False), values)
@some
def test_chunks_of_the_root_fold_to_its_output_and_to_what_invoke_gives(program: Program, value: Value) -> None:
    made = build(program)
    for verb in ("stream", "astream", "transform", "atransform"):
        recorder = Recorder()
        chunks = VERBS[verb](made, value, {"callbacks": [recorder]})
        root_chunks_fold_to_its_output(recorder.facts)
        assert fold(chunks) == made.invoke(value)


@given(programs(failing=False, forms=("sync",)), values)
@some
def test_sync_and_async_tell_the_same(program: Program, value: Value) -> None:
    for sync, asynchronous in (("invoke", "ainvoke"), ("stream", "astream"), ("transform", "atransform")):
        told = []
        for verb in (SYNC_VERBS[sync], ASYNC_VERBS[asynchronous]):
            recorder = Recorder()
            verb(build(program), value, {"callbacks": [recorder]})
            told.append(outline(recorder.facts))
        assert told[0] == told[1]


@given(programs(), values, st.integers(0, 4))
@some
def test_a_stream_closed_early_has_ended_and_not_failed(program: Program, value: Value, taken: int) -> None:
    recorder = Recorder()
    made = build(program)

    def take() -> None:
        with made.stream(value, {"callbacks": [recorder]}) as chunks:
            list(itertools.islice(chunks, taken))

    async def atake() -> None:
        async with made.astream(value, {"callbacks": [recorder]}) as chunks:
            for _ in range(taken):
                if await anext(chunks, None) is None:
                    break

    for call in (take, lambda: asyncio.run(atake())):
        recorder.facts.clear()
        found = laws.outcome(call)
        check_facts(recorder.facts)
        if found.error is None and recorder.facts:
            assert recorder.facts[0][1].error is None


@given(programs(), values, st.integers(1, 12))
@some
def test_a_cancelled_run_has_its_terminal_facts(program: Program, value: Value, turns: int) -> None:
    recorder = Recorder()

    async def main() -> None:
        task = asyncio.create_task(build(program).ainvoke(value, {"callbacks": [recorder]}))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()

    asyncio.run(main())
    check_facts(recorder.facts)


@given(programs(), values)
@some
def test_two_runs_at_once_never_mix(program: Program, value: Value) -> None:
    recorders = Recorder(), Recorder()

    async def main() -> None:
        made = build(program)
        calls = [made.ainvoke(value, {"callbacks": [recorder]}) for recorder in recorders]
        await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(main())
    for recorder in recorders:
        check_facts(recorder.facts)
    assert not {run for _, run, _ in recorders[0].facts} & {run for _, run, _ in recorders[1].facts}


# Events and logs


async def events_of(made: Any, value: Value, **wanted: Any) -> tuple[list[dict[str, Any]], BaseException | None]:
    events: list[dict[str, Any]] = []
    error = await gathered(made.astream_events(value, **wanted), events)
    return events, error


async def gathered(stream: AsyncIterator[Any], into: list[Any]) -> BaseException | None:
    """Take all that a stream gives, and answer the failure that ends it."""
    while True:
        try:
            into.append(await anext(stream))
        except StopAsyncIteration:
            return None
        except Injected as error:
            return error


@given(programs(), values)
@some
def test_events_start_once_and_end_once_and_sync_is_async(program: Program, value: Value) -> None:
    made = build(program)
    events, error = asyncio.run(events_of(made, value, errors=True))
    starts = [event["run_id"] for event in events if event["event"].endswith("_start")]
    ends = [event["run_id"] for event in events if event["event"].endswith(("_end", "_error"))]
    assert sorted(starts) == sorted(ends) == sorted(set(starts))
    assert {event["run_id"] for event in events} == set(starts)
    assert events[-1]["event"].endswith("_error" if error else "_end")
    found = laws.outcome(lambda: list(made.stream_events(value, errors=True)))
    assert (found.error is None) == (error is None) or _is_vague(program, value)
    if error is None and found.error is None:
        chunks = [event["data"]["chunk"] for event in found.value if event["event"] == "on_chain_stream"]
        assert len(chunks) == sum(event["event"] == "on_chain_stream" for event in events) or _is_vague(program, value)


def _is_vague(program: Program, value: Value) -> bool:
    return expected(program, value).vague or any(
        isinstance(part, Retry | Fallback | Calls) for part in parts_of(program)
    )


@given(programs(failing=False), values, st.sampled_from(["names", "tags", "types"]), st.booleans())
@some
def test_a_filter_gives_a_part_of_the_events(program: Program, value: Value, by: str, leaves_out: bool) -> None:
    made = build(program)
    every, _ = asyncio.run(events_of(made, value))
    chosen = {
        "names": sorted({event["name"] for event in every})[:2],
        "tags": ["seq:step:1", "map:key:a"],
        "types": ["chain"],
    }[by]
    wanted = {f"{'exclude' if leaves_out else 'include'}_{by}": chosen}
    fewer, _ = asyncio.run(events_of(made, value, **wanted))

    def is_chosen(event: dict[str, Any]) -> bool:
        of = {"names": [event["name"]], "tags": event["tags"], "types": ["chain"]}[by]
        return any(each in chosen for each in of) != leaves_out

    assert all(map(is_chosen, fewer))
    assert len(fewer) == sum(map(is_chosen, every))


@given(programs(), values)
@some
def test_patches_applied_in_order_are_the_states(program: Program, value: Value) -> None:
    made = build(program)

    async def logs() -> tuple[list[Any], list[Any], bool]:
        patches: list[Any] = []
        states: list[Any] = []
        failures = [
            await gathered(made.astream_log(value), patches),
            await gathered(made.astream_log(value, diff=False), states),
        ]
        return patches, states, any(failures)

    patches, states, failed = asyncio.run(logs())
    log: Any = RunLogPatch()
    for patch in patches:
        log = log + patch
    again = RunLogPatch(*[op for patch in patches for op in patch.ops]) + RunLogPatch()
    assert log.state == again.state
    for earlier, later in itertools.pairwise(states):
        assert later.ops[: len(earlier.ops)] == earlier.ops
        assert (earlier + RunLogPatch(*later.ops[len(earlier.ops) :])).state == later.state
    if not failed:  # a fallback helps only if the failure comes before the first chunk, which may differ by the run
        assert log.state["final_output"] == states[-1].state["final_output"]
