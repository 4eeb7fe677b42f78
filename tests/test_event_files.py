"""What is written of a run is what happened in it, and can be had again."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
from pydantic import BaseModel, ConfigDict, SecretStr
from verbs import one_after_another

from anabranch.engine.json_encoding import json_line
from anabranch.engine.run_logs import RunLog
from anabranch.nodes import (
    AddableDict,
    AIMessage,
    BaseRetriever,
    ChatPromptTemplate,
    Document,
    EventFile,
    EventFileError,
    FakeListChatModel,
    Runnable,
    RunnableLambda,
    RunnablePassthrough,
    StrOutputParser,
    replay,
    replay_log,
    to_json,
)


class Otters(BaseRetriever):
    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(page_content=f"otters on {query}", metadata={"tags": {"b", "a"}})]


def shout(text: str) -> str:
    return text.upper()


def fail(value: object) -> object:
    raise ValueError("no otters")


def number(value: object) -> dict[str, int]:
    return {"n": 1}


MODEL = FakeListChatModel(responses=["They hold hands."])
PROMPT = ChatPromptTemplate.from_template("{docs} {question}")
QUESTION: Any = {"docs": Otters(), "question": RunnablePassthrough()}

CHAINS: dict[str, Runnable[Any, Any]] = {
    "an answer": QUESTION | PROMPT | MODEL | StrOutputParser() | shout,
    "a model": MODEL,
    "a prompt": PROMPT.partial(docs="none"),
    "branches": RunnableLambda(shout) | {"a": MODEL, "b": shout} | RunnablePassthrough.assign(n=lambda _: 1),
    "a dict": RunnableLambda(number),
    "a fallback": RunnableLambda(fail).with_fallbacks([RunnableLambda(shout)]),
    "a call inside": RunnableLambda(lambda text: (MODEL | StrOutputParser()).invoke(text)),
}
INPUTS: dict[str, Any] = {"a prompt": {"question": "why?"}}


@pytest.mark.parametrize("name", CHAINS)
def test_replay_gives_the_events_that_were_streamed(name: str, tmp_path: Path) -> None:
    chain, given, path = CHAINS[name], INPUTS.get(name, "hands"), tmp_path / "events.jsonl"

    async def events(file: EventFile) -> list[Any]:
        config: Any = {"callbacks": [file], "tags": ["mine"], "metadata": {"when": date(2024, 2, 29)}}
        return [to_json(event) async for event in chain.astream_events(given, config, errors=True)]

    with EventFile(path) as file:
        streamed = asyncio.run(events(file))
    assert streamed
    assert list(replay(path)) == streamed


@pytest.mark.parametrize("name", CHAINS)
def test_the_log_of_a_file_is_the_one_that_was_streamed(name: str, tmp_path: Path) -> None:
    chain, given, path = CHAINS[name], INPUTS.get(name, "hands"), tmp_path / "events.jsonl"

    async def patches(file: EventFile) -> list[Any]:
        return [patch.to_json() async for patch in chain.astream_log(given, {"callbacks": [file]})]

    with EventFile(path) as file:
        streamed = asyncio.run(patches(file))
    assert [patch.ops for patch in replay_log(path)] == streamed


@pytest.mark.parametrize("name", CHAINS)
def test_a_client_elsewhere_rebuilds_the_state_from_patches_in_json(name: str) -> None:
    async def check() -> None:
        state, log = None, RunLog()
        async for patch in CHAINS[name].astream_log(INPUTS.get(name, "hands")):
            log = log + patch
            sent = json.loads(json.dumps(patch.to_json()))
            state = jsonpatch.apply_patch(state, sent)
        assert state == to_json(log.state)

    asyncio.run(check())


@pytest.mark.parametrize("name", CHAINS)
def test_a_call_without_chunks_has_its_output_in_the_log(name: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventFile(path) as file:
        output = CHAINS[name].invoke(INPUTS.get(name, "hands"), {"callbacks": [file]})
    *_, last = replay_log(path, diff=False)
    assert last.state["final_output"] == to_json(output)


def in_a_stream(chain: Any, value: Any, config: Any) -> None:
    list(chain.stream(value, config))


def in_an_async_stream(chain: Any, value: Any, config: Any) -> None:
    async def run() -> None:
        async for _ in chain.astream(value, config):
            pass

    asyncio.run(run())


CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "invoke": lambda chain, value, config: chain.invoke(value, config),
    "batch": lambda chain, value, config: chain.batch([value] * 3, config),
    "stream": in_a_stream,
    "ainvoke": lambda chain, value, config: asyncio.run(chain.ainvoke(value, config)),
    "abatch": lambda chain, value, config: asyncio.run(chain.abatch([value] * 3, config)),
    "astream": in_an_async_stream,
}


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("name", CHAINS)
def test_all_is_written_when_the_verb_returns(name: str, verb: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    file = EventFile(path)
    CALLS[verb](CHAINS[name], INPUTS.get(name, "hands"), {"callbacks": [file]})
    events = list(replay(path))
    file.close()
    starts = [event["run_id"] for event in events if event["event"].endswith("_start")]
    ends = [event["run_id"] for event in events if event["event"].endswith(("_end", "_error"))]
    assert len(starts) == len(set(starts))
    assert sorted(starts) == sorted(ends)
    roots = [event for event in events if event["event"].endswith("_start") and not event["parent_ids"]]
    assert len(roots) == (3 if "batch" in verb else 1)


def test_a_failure_is_an_event_and_the_last_patch_of_its_step(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventFile(path) as file, pytest.raises(ValueError, match="no otters"):
        (RunnableLambda(shout) | fail).invoke("x", {"callbacks": [file]})
    error = next(event["data"]["error"] for event in replay(path) if event["event"].endswith("_error"))
    assert (error["type"], error["message"]) == ("ValueError", "no otters")
    *_, last = replay_log(path, diff=False)
    assert last.state["logs"]["fail"]["end_time"] is not None


def test_every_event_has_its_time_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    before = datetime.now(UTC).timestamp()
    with EventFile(path) as file:
        (RunnableLambda(shout) | shout).invoke("x", {"callbacks": [file]})
    times = [event["time"] for event in replay(path, times=True)]
    assert len(times) == 6
    assert before - 1 <= min(times) <= max(times) <= datetime.now(UTC).timestamp() + 1


def test_many_calls_at_once_write_into_one_file(tmp_path: Path) -> None:
    path, chain = tmp_path / "events.jsonl", CHAINS["branches"]
    ids = [uuid.uuid4() for _ in range(8)]

    def call(id: uuid.UUID) -> None:
        chain.invoke(str(id), {"callbacks": [file], "run_id": id})

    with EventFile(path) as file:
        threads = [threading.Thread(target=call, args=(id,)) for id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for id in ids:
        *_, last = replay_log(path, run_id=id, diff=False)
        assert last.state["final_output"]["b"] == str(id).upper()
        assert len(last.state["logs"]) == 7


def test_a_call_inside_a_step_that_alone_is_written_is_a_whole_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventFile(path) as file:
        inner = (RunnableLambda(shout) | len).with_config(callbacks=[file])
        (RunnableLambda(str) | inner).invoke("abc")
    first, *_ = replay(path)
    assert (first["name"], first["parent_ids"]) == ("RunnableSequence", [])
    *_, last = replay_log(path, diff=False)
    assert last.state["final_output"] == 3


def test_a_file_is_begun_anew_or_continued(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for append, events in ((False, 2), (True, 4), (False, 2)):
        with EventFile(path, append=append) as file:
            RunnableLambda(shout).invoke("x", {"callbacks": [file]})
        assert len(list(replay(path))) == events


def test_the_line_that_a_killed_process_left_unfinished_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventFile(path) as file:
        RunnableLambda(shout).invoke("x" * 100_000, {"callbacks": [file]})
    whole = list(replay(path))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:-20])
    assert list(replay(path)) == whole[:1]
    with EventFile(path, append=True) as file:
        RunnableLambda(shout).invoke("y", {"callbacks": [file]})
    assert [event["data"].get("input") for event in replay(path)][1:] == ["y", None]


@pytest.mark.parametrize("wrong", [b"{'event'}\n", b"[1]\n", b'{"event": "on_chain_end"}\n', b'"\xff"\n'])
def test_a_wrong_line_is_an_error_with_its_number(wrong: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventFile(path) as file:
        RunnableLambda(shout).invoke("x", {"callbacks": [file]})
    path.write_bytes(path.read_bytes() + wrong + b"{}\n")
    with pytest.raises(EventFileError, match=r"events\.jsonl:3: this line is no"):
        list(replay(path))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"time": 1.0},
        {"event": "on_chain_stream", "time": 1.0},
        {"event": "on_chain_end", "data": [], "time": 1.0},
        {"event": "on_chain_end", "run_id": str(uuid.UUID(int=2)), "parent_ids": [str(uuid.UUID(int=1))], "time": 1.0},
    ],
)
def test_a_log_of_events_that_somebody_else_has_written_is_an_error_with_the_line(
    more: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    event = {"event": "on_chain_start", "run_id": str(uuid.UUID(int=1)), "name": "shout", "data": {}}
    known: dict[str, Any] = {"tags": [], "metadata": {}, "time": 1.0} if "event" in more else {}
    path.write_bytes(json_line({**event, **known}) + b"\n" + json_line({**event, **more}) + b"\n")
    with pytest.raises(EventFileError, match=rf"events\.jsonl:{2 if known else 1}: this line can't follow"):
        list(replay_log(path))


def test_a_number_that_is_too_long_for_json_is_kept(tmp_path: Path) -> None:
    path, large = tmp_path / "events.jsonl", -(10**5000)
    with EventFile(path) as file:
        RunnableLambda(lambda x: [x, {x: True}]).invoke(large, {"callbacks": [file]})
    start, end = replay(path)
    assert int(start["data"]["input"], 16) == large
    assert end["data"]["output"] == [hex(large), {hex(large): True}]


def test_a_file_without_the_run_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventFile(path).close()
    assert list(replay(path)) == []
    with pytest.raises(EventFileError, match="no run at all"):
        list(replay_log(path))


def test_a_file_that_cannot_be_written_breaks_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = EventFile(tmp_path / "events.jsonl")
    file.close()
    assert RunnableLambda(shout).invoke("x", {"callbacks": [file]}) == "X"
    assert asyncio.run(RunnableLambda(shout).ainvoke("x", {"callbacks": [file]})) == "X"
    (logged,) = caplog.records
    assert "EventFile" in logged.getMessage()
    with pytest.raises(FileNotFoundError):
        EventFile(tmp_path / "missing" / "events.jsonl")


# The encoding


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    inside: Any = None


class Account(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    key: SecretStr = SecretStr("hush")
    handle: Any = None


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError


@one_after_another(
    ("value", "encoded"),
    [
        ({"a": (1, 2.5, None, True)}, {"a": [1, 2.5, None, True]}),
        ({1: "a", None: "b", (1, "x"): "c", Colour.RED: "d"}, {"1": "a", "null": "b", '[1, "x"]': "c", "red": "d"}),
        ({3, 1, 2}, [1, 2, 3]),
        (AddableDict(a={"b"}), {"a": ["b"]}),
        (b"\xff\x00", "/wA="),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29T00:00:00+00:00"),
        (timedelta(minutes=1), 60.0),
        (float("nan"), "nan"),
        (Colour.RED, "red"),
        (Point(1, Point(2)), {"x": 1, "inside": {"x": 2, "inside": None}}),
        (Account(handle={Colour.RED}), {"key": "**********", "handle": ["red"]}),
        (ValueError("no"), {"type": "ValueError", "message": "no"}),
        (RunnableLambda(shout), "<RunnableLambda>"),
        (Unspeakable(), "<Unspeakable>"),
        (Point, f"{__name__}.Point"),
        (AIMessage("x", id="1").model_dump(), AIMessage("x", id="1").model_dump()),
        (AIMessage("x", id="1"), AIMessage("x", id="1").model_dump()),
        ([Document(page_content="x")], [Document(page_content="x").model_dump()]),
    ],
)
def test_any_value_has_a_form_in_json(value: Any, encoded: Any) -> None:
    assert to_json(value) == encoded
    assert json.loads(json.dumps(to_json(value))) == encoded


def test_what_can_not_be_read_has_the_name_of_its_type() -> None:
    class Loud(Exception):
        def __str__(self) -> str:
            raise ValueError

        __repr__ = __str__

    class Array:
        def tolist(self) -> list[int]:
            return [1, 2]

    class Lost(Array):
        def tolist(self) -> list[int]:
            raise ValueError

    assert to_json(Loud()) == {"type": "Loud", "message": "<Loud>"}
    assert to_json(Array()) == [1, 2]
    assert to_json([Lost(), 1])[1:] == [1]
    assert to_json([Lost()])[0].startswith("<")


def test_a_long_repr_is_cut() -> None:
    class Long:
        def __init__(self, size: int) -> None:
            self.size = size

        def __repr__(self) -> str:
            return "x" * self.size

    assert to_json(Long(1000)) == "x" * 1000
    assert to_json(Long(1001)) == "x" * 1000 + "..."


def test_a_line_may_hold_half_of_a_surrogate_pair() -> None:
    assert json_line({"a": "é", "b": [1]}) == '{"a":"é","b":[1]}'.encode()
    assert json.loads(json_line({"a": "\ud800", "b": [1]})) == {"a": "\ud800", "b": [1]}


def test_what_holds_itself_or_is_very_deep_has_an_end() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert to_json(loop) == [1, "<list in itself>"]
    deep: list[Any] = []
    for _ in range(2_000):
        deep = [deep]
    json.dumps(to_json(deep))


def test_what_is_written_is_what_was_so_then(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    def grow(values: list[int]) -> list[int]:
        values.append(len(values))
        return values

    async def run() -> None:
        with_file: Any = {"callbacks": [file]}
        await (RunnableLambda(grow) | grow).ainvoke([], with_file)

    with EventFile(path) as file:
        asyncio.run(run())
    inputs = [event["data"]["input"] for event in replay(path) if event["event"].endswith("_start")]
    assert inputs == [[], [], [0]]
