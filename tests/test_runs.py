"""What is known of a run, and what a listener is that listens to nothing."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from anabranch.engine.runs import MISSING, Listener, RunInfo, new_id


def run_of(name: str = "mine", parent: RunInfo | None = None, id: uuid.UUID | None = None) -> RunInfo:
    return RunInfo(name, "chain", parent, ["t"], {"m": 1}, (), id)


def test_a_run_that_has_not_started_knows_nothing_yet() -> None:
    run = run_of()
    assert (run.name, run.run_type, run.tags, run.metadata, run.listeners) == ("mine", "chain", ["t"], {"m": 1}, ())
    assert run.input is run.output is MISSING
    assert not MISSING
    assert (run.error, run.node, run.about, run.children_of, run.reporter, run.config, run.claimed, run.wake) == (
        None,
    ) * 8
    assert (run.started, run.ended, run.slot, run.named) == (0.0, 0.0, -1, (None, None))
    assert (run.is_first, run.tells_chunks, run.came_late) == (False, True, False)
    assert run.end_time is None
    assert run.start_time == datetime(1970, 1, 1, tzinfo=UTC)


def test_times_are_in_utc() -> None:
    run = run_of()
    run.started, run.ended = 86_400.0, 86_401.5
    assert run.start_time == datetime(1970, 1, 2, tzinfo=UTC)
    assert run.end_time == datetime(1970, 1, 2, 0, 0, 1, 500_000, tzinfo=UTC)
    assert run.start_time.tzinfo is run.end_time.tzinfo is UTC


def test_it_has_the_id_that_was_asked_for_and_knows_those_around_it() -> None:
    root = run_of(id=uuid.UUID(int=7))
    middle = run_of(parent=root)
    leaf = run_of(parent=middle)
    assert root.id == uuid.UUID(int=7)
    assert (root.parent_id, root.parent_ids) == (None, [])
    assert (leaf.parent_id, leaf.parent_ids) == (middle.id, [root.id, middle.id])
    assert len({root.id, middle.id, leaf.id}) == 3


def test_it_shows_how_far_it_is() -> None:
    run = run_of()
    assert repr(run) == "RunInfo(chain 'mine', running)"
    run.ended = 1.0
    assert repr(run) == "RunInfo(chain 'mine', over)"
    run.error = ValueError()
    assert repr(run) == "RunInfo(chain 'mine', failed)"


def test_an_id_is_like_any_other() -> None:
    made = new_id()
    assert made == uuid.UUID(int=made.int) == uuid.UUID(str(made))
    assert made.is_safe is uuid.SafeUUID.unknown
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made


FORKED = """
import os
from anabranch.engine.runs import new_id
reading, writing = os.pipe()
if os.fork() == 0:
    os.write(writing, str(new_id()).encode())
    os._exit(0)
os.wait()
print(str(new_id()) != os.read(reading, 99).decode())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_makes_ids_of_its_own() -> None:
    made = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    assert made.stdout == "True\n"


def test_a_listener_hears_nothing_of_itself_and_breaks_the_run_when_it_raises() -> None:
    listener, run = Listener(), run_of()
    assert (listener.inline, listener.is_async, listener.full, listener.twin) == (False, False, False, None)
    assert listener.deaf_to == frozenset()
    assert listener.handler is listener
    told: list[Any] = [
        listener.started(run),
        listener.chunk(run, 1),
        listener.ended(run),
        listener.failed(run),
        listener.told(run, "text", "a"),
    ]
    assert told == [None] * 5
    assert asyncio.run(_room(listener)) is None
    assert listener.wait_for_room() is None
    error = ValueError("no")
    with pytest.raises(ValueError, match="no") as caught:
        listener.broke(error, "started")
    assert caught.value is error


async def _room(listener: Listener) -> None:
    await listener.room()
