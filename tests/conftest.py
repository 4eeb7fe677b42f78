"""What every test runs under: nothing blocks a running event loop, and nothing is left running afterwards.

Coroutines are run by `asyncio.run` in plain tests; here it is replaced by one that fails when a task is left.

Hypothesis profiles, chosen by HYPOTHESIS_PROFILE: `local` (the default) explores at random; `ci` (the default
where CI is set) tries the same examples each time, so that no landing hangs on chance; `soak` explores long.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import importlib
import os
import threading
import time
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck, settings
from openai_server import OpenAIServer, openai_server

from anabranch.scheduler.pools import POOL

GRACE = 2.0
"""Seconds that a thread may take to come to rest after the test."""

plain_run = asyncio.run


def _register_profiles() -> None:
    common = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("local", common, max_examples=60)
    settings.register_profile("ci", common, max_examples=60, derandomize=True, database=None)
    settings.register_profile("soak", common, max_examples=10_000)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "local"))


_register_profiles()


def pytest_collection_finish() -> None:
    """What is there by now stays, so the garbage collector needn't look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def what_is_old_is_not_looked_at() -> Iterator[None]:
    """Nor need it look at what a module of tests leaves behind, such as reports and caches."""
    yield
    gc.freeze()


class Watch:
    """Watches for calls that block, from one test to the next: patching takes longer than most tests."""

    def __init__(self) -> None:
        self._blockbuster = BlockBuster()
        self._is_on = False

    def turn(self, on: bool) -> None:
        if on != self._is_on:
            (self._blockbuster.activate if on else self._blockbuster.deactivate)()
            self._is_on = on


WATCH = Watch()


class Alarm:
    """Ends the process when a test takes too long, and shows where each thread stands.

    That takes a thread. Pytest's own `faulthandler_timeout` starts one for each test and waits for its end, which
    takes longer than most tests; this one serves all tests of a while.
    """

    WHILE = 10.0

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._stderr = os.dup(2)  # before it is captured
        self._set_at = -self.WHILE

    def set(self) -> None:
        now = time.monotonic()
        if self._patience and now - self._set_at >= self.WHILE:
            faulthandler.dump_traceback_later(self._patience, exit=True, file=self._stderr)
            self._set_at = now

    def stop(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        os.close(self._stderr)


ALARM = pytest.StashKey[Alarm]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("patience", "seconds after which a test that isn't over ends the process; 0 for never", default="0")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ALARM] = Alarm(float(config.getini("patience")))


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[ALARM].stop()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A call that blocks while a loop runs in its thread raises, unless the test is marked `may_block`."""
    item.config.stash[ALARM].set()
    WATCH.turn(on=not item.get_closest_marker("may_block"))


def pytest_sessionfinish() -> None:
    WATCH.turn(on=False)


@pytest.fixture(autouse=True)
def nothing_left_in_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.run` fails when tasks or async generators outlive the coroutine that it runs."""
    monkeypatch.setattr(asyncio, "run", _run_and_look_back)


def _run_and_look_back(main: Coroutine[Any, Any, Any], **kwargs: Any) -> Any:
    async def watched() -> Any:
        try:
            return await main
        finally:
            left = [*(asyncio.all_tasks() - {asyncio.current_task()}), *_open_async_generators()]
            assert not left, f"left running after the coroutine: {left}"

    return plain_run(watched(), **kwargs)


def _open_async_generators() -> list[AsyncGenerator[Any, Any]]:
    """Those begun and neither finished nor closed; the loop keeps them in a private attribute."""
    started = getattr(asyncio.get_running_loop(), "_asyncgens", ())
    return [each for each in started if each.ag_frame is not None]


@pytest.fixture(autouse=True)
def no_thread_busy() -> Iterator[None]:
    """After the test no thread of the pool is at work, and no thread that the test has made is alive."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + GRACE
    while (left := _threads_left(before)) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not left, f"still at work after the test: {', '.join(left)}"


def _threads_left(before: set[threading.Thread]) -> list[str]:
    new = [thread for thread in threading.enumerate() if thread not in before]
    names = [thread.name for thread in new if not _is_of_the_engine(thread)]
    busy = POOL.statistics()["busy"]
    return [*names, f"{busy} of the pool"] if busy else names


def _is_of_the_engine(thread: threading.Thread) -> bool:
    """To `threading` the pool's threads are dummies at most; the portal's thread has our name.

    So has, as far as tests go, the one that tqdm keeps once a library such as bm25s has drawn a bar.
    """
    return isinstance(thread, threading._DummyThread) or thread.name.startswith(("anabranch", "tqdm_monitor"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server on this machine that speaks OpenAI's protocol, to which the environment points."""
    with openai_server(monkeypatch) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `together` come first, each group in one piece: then one process makes what they share.

    Each process takes tests from the front, and those that are left over are dealt out from the back. So what takes
    long stands in front. Names of tests are the same in every process, or these can't agree.
    """
    groups = {item: mark.args[0] for item in items if (mark := item.get_closest_marker("together"))}
    first = list(dict.fromkeys(groups.values()))
    items.sort(key=lambda item: first.index(groups[item]) if item in groups else len(first))
    if addressed := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"names of tests that hold the address of an object; give them `ids`: {addressed}")


def pytest_collection(session: pytest.Session) -> None:
    """Of several processes each reads a share of all tests first: what one has compiled the others needn't.

    With asserts that explain themselves that takes as long as a tenth of the suite, where nothing is compiled yet.
    """
    worker, tests = getattr(session.config, "workerinput", None), Path(__file__).parent
    if worker is None or [session.config.invocation_params.dir / each for each in session.config.args] != [tests]:
        return
    names = sorted(path.stem for path in tests.glob("test_*.py"))
    for name in names[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with suppress(Exception, pytest.skip.Exception):  # collecting will tell
            importlib.import_module(name)
