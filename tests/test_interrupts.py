"""An interrupt ends whatever runs, past every policy: nothing is swallowed, every `finally` is run, nothing is left.

What is no `Exception` (`KeyboardInterrupt`, `SystemExit`, a class of one's own) comes out as it is.
`conftest.py` sees after each test that no task, generator or thread is left. The real signals go to a child process.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from interrupted_program import CASES
from verbs import PATIENCE, SYNC_VERBS, VERBS, in_every_verb

from anabranch.nodes import (
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from anabranch.scheduler.portal_bridges import _PortalLink
from anabranch.scheduler.threads import _Idle


class Doom(BaseException):
    """Not an `Exception`."""


KINDS = [Doom, KeyboardInterrupt, SystemExit]
LOOP_ENDS_WITH = (KeyboardInterrupt, SystemExit)
"""A task that raises one of these makes asyncio leave its loop then and there: that is asyncio's rule, not ours."""

fine: Runnable[Any, Any] = RunnableLambda(lambda x: x, name="fine")


class Leaf:
    """A function that raises, in one form or another; `calls` tells how often it was called."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind
        self.calls = 0

    def doom(self) -> Any:
        self.calls += 1
        raise self.kind("enough")

    def function(self, _: Any) -> Any:
        self.doom()

    async def coroutine(self, _: Any) -> Any:
        self.doom()

    def generator(self, chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            self.doom()
            yield chunk

    async def agenerator(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in chunks:
            self.doom()
            yield chunk


FORMS = ["function", "coroutine", "generator", "agenerator"]


def step_of(leaf: Leaf, form: str) -> Runnable[Any, Any]:
    function = getattr(leaf, form)
    return RunnableGenerator(function) if "generator" in form else RunnableLambda(function)


AROUND: dict[str, Callable[[Runnable[Any, Any]], Runnable[Any, Any]]] = {
    "nothing": lambda step: step,
    "a sequence": lambda step: fine | step | fine,
    "a parallel": lambda step: RunnableParallel(a=fine, b=step) | fine,
    "a retry": lambda step: fine | step.with_retry(wait_exponential_jitter=False),
    "a fallback": lambda step: step.with_fallbacks([fine]),
    "a map": lambda step: RunnableLambda(lambda x: [x]) | step.map(),
    "a branch": lambda step: RunnableBranch((lambda _: True, step), fine),
    "a router": lambda step: RunnableLambda(lambda x: {"key": "a", "input": x}) | RouterRunnable({"a": step}),
    "an assign": lambda step: RunnableParallel(a=fine) | RunnablePassthrough.assign(b=step),
    "a timeout": lambda step: step.with_config({"timeout": 600}),
    "a function that returns it": lambda step: RunnableLambda(lambda _: step),
}


@in_every_verb
@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_exception_comes_out_of_everything_at_once(verb: str, form: str) -> None:
    for around, compose in AROUND.items():
        leaf = Leaf(Doom)
        with pytest.raises(Doom, match="enough") as caught:
            VERBS[verb](compose(step_of(leaf, form)), "x")
        assert leaf.calls == 1, around
        assert not hasattr(caught.value, "__notes__"), around


@pytest.mark.parametrize("verb", SYNC_VERBS)
@pytest.mark.parametrize("form", ["function", "generator"])
@pytest.mark.parametrize("kind", LOOP_ENDS_WITH)
def test_so_do_the_interrupts_of_python(kind: type[BaseException], verb: str, form: str) -> None:
    for around, compose in AROUND.items():
        leaf = Leaf(kind)
        with pytest.raises(kind, match="enough"):
            VERBS[verb](compose(step_of(leaf, form)), "x")
        assert leaf.calls == 1, around


@pytest.mark.parametrize(
    ("verb", "kind"), [(verb, kind) for verb in VERBS for kind in (KINDS if verb in SYNC_VERBS else [Doom])]
)
def test_a_policy_that_is_told_to_handle_it_does(verb: str, kind: type[BaseException]) -> None:
    leaf = Leaf(kind)
    chain = RunnableLambda(leaf.function).with_fallbacks([lambda _: "handled"], exceptions_to_handle=(kind,))
    assert "handled" in repr(VERBS[verb](chain, "x"))


# In the middle


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keeping", [False, True])
def test_in_the_middle_of_a_batch_it_stops_the_rest(kind: type[BaseException], keeping: bool) -> None:
    begun: list[int] = []
    both = threading.Barrier(2)

    def step(value: int) -> int:
        begun.append(value)
        if value < 2:
            both.wait(PATIENCE)
        if value == 1:
            raise kind
        return value

    for chain in (RunnableLambda(step), RunnableLambda(step) | {"a": fine, "b": fine}):
        begun.clear()
        with pytest.raises(kind):
            chain.batch(list(range(1000)), {"max_concurrency": 2}, return_exceptions=keeping)
        assert len(begun) < 1000


@pytest.mark.parametrize("keeping", [False, True])
def test_in_the_middle_of_an_asynchronous_batch_too(keeping: bool) -> None:
    begun: list[int] = []

    async def step(value: int) -> int:
        begun.append(value)
        await asyncio.sleep(0)
        if value == 1:
            raise Doom
        return value

    async def main() -> None:
        await RunnableLambda(step).abatch(list(range(1000)), {"max_concurrency": 2}, return_exceptions=keeping)

    with pytest.raises(Doom):
        asyncio.run(main())
    assert len(begun) < 1000


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_branch_it_waits_for_the_other_and_no_later_step_starts(kind: type[BaseException]) -> None:
    inside, raised = threading.Event(), threading.Event()
    went: list[str] = []

    def slow(_: Any) -> None:
        inside.set()
        try:
            assert raised.wait(PATIENCE)
        finally:
            went.append("slow")

    def doomed(_: Any) -> None:
        assert inside.wait(PATIENCE)
        raised.set()
        raise kind

    chain = RunnableParallel(a=RunnableLambda(slow) | (lambda _: went.append("later")), b=doomed)
    for verb in ("invoke", "stream"):
        inside.clear()
        raised.clear()
        went.clear()
        with pytest.raises(kind):
            VERBS[verb](chain | (lambda _: went.append("last")), 1)
        assert went[0] == "slow"
        assert "last" not in went


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_middle_of_a_stream_what_came_before_it_is_out(kind: type[BaseException]) -> None:
    closed: list[str] = []

    def source(_: Any) -> Iterator[str]:
        try:
            yield "one"
            yield "two"
            yield "three"
        finally:
            closed.append("source")

    def doomed(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            if chunk == "two":
                raise kind
            yield chunk

    chain = RunnableLambda(source) | RunnableGenerator(doomed)
    for policy in (chain, chain.with_retry(), chain.with_fallbacks([fine])):
        out: list[str] = []
        closed.clear()
        with pytest.raises(kind):
            _read(policy.stream("x"), out.append)
        assert out == ["one"]
        assert closed == ["source"]


def test_it_may_be_raised_by_who_reads_a_stream() -> None:
    closed: list[str] = []

    def source(_: Any) -> Iterator[str]:
        try:
            yield "one"
            yield "two"
        finally:
            closed.append("source")

    def read() -> None:
        with (RunnableLambda(source) | {"a": fine, "b": fine}).stream("x") as chunks:
            _read(chunks, Leaf(KeyboardInterrupt).function)

    with pytest.raises(KeyboardInterrupt):
        read()
    assert closed == ["source"]


def _read(chunks: Iterator[Any], use: Callable[[Any], Any]) -> None:
    for chunk in chunks:
        use(chunk)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_nested_call_it_passes_the_step_around_it(kind: type[BaseException]) -> None:
    leaf = Leaf(kind)
    went: list[str] = []

    def outer(x: Any) -> Any:
        try:
            return (fine | {"a": leaf.function, "b": fine}).invoke(x)
        except Exception:
            went.append("swallowed")
        finally:
            went.append("finally")

    for verb in SYNC_VERBS:
        went.clear()
        with pytest.raises(kind):
            VERBS[verb](fine | RunnableLambda(outer) | fine, "x")
        assert went == ["finally"]


def test_a_handle_gives_it_to_who_asks() -> None:
    handle = RunnableLambda(Leaf(KeyboardInterrupt).function).start(1)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            handle.result(PATIENCE)


def test_it_may_come_just_before_this_thread_waits_for_a_chunk_of_the_portal() -> None:
    inside = threading.Event()
    went: list[str] = []

    async def source(_: Any) -> AsyncIterator[str]:
        yield "one"
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            went.append("cancelled")
            raise
        finally:
            went.append("closed")

    def interrupt(frame: Any, event: str, arg: Any) -> None:
        if frame.f_code is _PortalLink._hear.__code__ and "two" not in went:
            went.append("two")
            assert inside.wait(PATIENCE)
            raise KeyboardInterrupt

    def read() -> None:
        with RunnableLambda(source).stream("x") as chunks:
            assert next(chunks) == "one"
            sys.settrace(interrupt)
            next(chunks)

    before = sys.gettrace()
    try:
        with pytest.raises(KeyboardInterrupt):
            read()
    finally:
        sys.settrace(before)
    assert went == ["two", "cancelled", "closed"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_may_come_while_the_caller_waits_for_a_branch_in_another_thread(kind: type[BaseException]) -> None:
    inside, may_end = threading.Event(), threading.Event()
    went: list[str] = []

    def first(_: Any) -> None:
        assert inside.wait(PATIENCE)

    def slow(_: Any) -> None:
        inside.set()
        assert may_end.wait(PATIENCE)
        went.append("slow")

    def interrupt(frame: Any, event: str, arg: Any) -> None:
        if frame.f_code is _Idle.__init__.__code__ and "interrupt" not in went:
            went.append("interrupt")
            may_end.set()
            raise kind

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        with pytest.raises(kind):
            (RunnableParallel(a=first, b=slow) | (lambda _: went.append("later"))).invoke(1)
    finally:
        sys.settrace(before)
    assert went == ["interrupt", "slow"]


# A real SIGINT


def child_of(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", Path(__file__).with_name("interrupted_program.py"), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


@contextmanager
def interrupted(program: subprocess.Popen[str]) -> Iterator[None]:
    """Interrupt a program; and again if nothing came of it.

    Python doesn't notice a signal that comes just when its main thread is about to wait for a lock.
    """
    program.send_signal(signal.SIGINT)
    again = threading.Timer(PATIENCE / 4, program.send_signal, [signal.SIGINT])
    again.start()
    try:
        yield
    finally:
        again.cancel()
        again.join()


@pytest.fixture(scope="module")
def child() -> Iterator[subprocess.Popen[str]]:
    """A program that runs what it is told to, one thing after the other."""
    with child_of() as program:
        yield program
        try:
            said, complained = program.communicate(timeout=PATIENCE)
            assert (said, complained, program.returncode) == ("", "", 0)
        finally:
            program.kill()


@pytest.mark.parametrize("case", CASES)
def test_control_c_ends_what_runs_at_once_with_every_finally_run(child: subprocess.Popen[str], case: str) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(case + "\n")
    assert child.stdout.readline() == "begun\n"
    with interrupted(child):
        child.stdin.write("end\n")  # for blocking code in other threads, which nobody can interrupt
        said: list[str] = []
        while not said or (said[-1] and not said[-1].endswith("busy\n")):
            said.append(child.stdout.readline())
    assert "finally\n" in said
    assert said[-2:] == ["interrupted\n", "0 busy\n"], said


@pytest.mark.parametrize("case", ["batch with helpers", "an endless stream through a fork", "ainvoke of branches"])
def test_a_program_ends_of_it(case: str) -> None:
    with child_of("raw") as program:
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            program.stdin.write(case + "\n")
            assert program.stdout.readline() == "begun\n"
            with interrupted(program):
                said, complained = program.communicate("end\n", timeout=PATIENCE)
        finally:
            program.kill()
    assert "finally" in said
    assert complained.rstrip().endswith("KeyboardInterrupt")
    assert program.returncode == -signal.SIGINT


def test_of_several_in_one_stream_the_first_comes_out() -> None:
    went_on: list[asyncio.Event] = []

    async def doomed(_: AsyncIterator[Any]) -> AsyncIterator[Any]:
        yield "chunk"
        await went_on[0].wait()
        raise Doom("first")

    async def closes_badly(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            raise Doom("second")

    async def main(stage: int) -> None:
        went_on[:] = [asyncio.Event()]
        chain = RunnableParallel(a=doomed, b=fine) | RunnableGenerator(closes_badly)
        async for _ in chain.astream("x"):
            if stage:
                went_on[0].set()
            for _turn in range(10):
                await asyncio.sleep(0)
            went_on[0].set()

    for stage in range(2):  # it comes while the reader waits for a chunk, or has one
        with pytest.raises(Doom, match="first"):
            asyncio.run(main(stage))
