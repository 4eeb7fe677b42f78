"""A program that `test_interrupts.py` interrupts: it runs the cases that it is told on stdin, one after the other.

It says when a case has begun, when a `finally` is run, what came, and how many threads are at work then. The line
`end` lets blocking code end that runs in other threads, for nobody can interrupt it. With the argument `raw` an
interrupt ends the program.
"""

from __future__ import annotations

import asyncio
import queue
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import Any

from anabranch.nodes import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from anabranch.scheduler.pools import POOL

begun, over = threading.Event(), threading.Event()
told: queue.SimpleQueue[str | None] = queue.SimpleQueue()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def listen() -> None:
    for line in sys.stdin:
        if line == "end\n":
            over.set()
        else:
            told.put(line.strip())
    told.put(None)


@contextmanager
def inside() -> Iterator[None]:
    try:
        if not begun.is_set():
            begun.set()
            say("begun")
        yield
    finally:
        say("finally")


def pause(x: Any) -> Any:
    with inside():
        over.wait()
    return x


async def apause(x: Any) -> Any:
    with inside():
        await asyncio.Event().wait()
    return x


def endless(chunks: Iterator[Any]) -> Iterator[Any]:
    for chunk in chunks:
        with inside():
            while True:
                yield chunk


async def aendless(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        with inside():
            while True:
                await asyncio.sleep(0)
                yield chunk


def drain(chain: Runnable[Any, Any]) -> None:
    with chain.stream(1) as made:
        for _ in made:
            pass


def adrain(chain: Runnable[Any, Any]) -> None:
    async def read() -> None:
        async with chain.astream(1) as made:
            async for _ in made:
                pass

    asyncio.run(read())


def run(call: Callable[[], Awaitable[Any]]) -> None:
    async def main() -> None:
        await call()

    asyncio.run(main())


def wait_for_a_handle() -> None:
    handle = astep.start(1)
    try:
        handle.result()
    finally:
        handle.cancel()
        with suppress(CancelledError):
            handle.result()


same: Runnable[Any, Any] = RunnablePassthrough()
step, astep = RunnableLambda(pause), RunnableLambda(apause)
chunks, achunks = RunnableGenerator(endless), RunnableGenerator(aendless)
fork: dict[str, Any] = {"a": lambda x: x, "b": same}
three = [1, 2, 3]

CASES: dict[str, Callable[[], Any]] = {
    "invoke": lambda: step.invoke(1),
    "batch": lambda: step.batch(three, {"max_concurrency": 1}),
    "batch with helpers": lambda: step.batch(three),
    "batch of a graph": lambda: (same | {"a": step, "b": step}).batch(three, {"max_concurrency": 1}),
    "batch that keeps errors": lambda: step.batch(three, return_exceptions=True),
    "batch as completed": lambda: list(step.batch_as_completed(three)),
    "a nested call": lambda: RunnableLambda(lambda x: step.invoke(x)).invoke(1),
    "a retry": lambda: step.with_retry().invoke(1),
    "fallbacks": lambda: step.with_fallbacks([same]).invoke(1),
    "stream": lambda: drain(step | fork),
    "an endless stream": lambda: drain(chunks),
    "an endless stream through a fork": lambda: drain(chunks | fork),
    "an endless asynchronous stream": lambda: drain(achunks),
    "a handle": wait_for_a_handle,
    "an asynchronous function": lambda: astep.invoke(1),
    "an asynchronous branch": lambda: RunnableParallel(a=astep, b=same).invoke(1),
    "ainvoke": lambda: run(lambda: astep.ainvoke(1)),
    "ainvoke of branches": lambda: run(lambda: RunnableParallel(a=astep, b=step).ainvoke(1)),
    "abatch": lambda: run(lambda: step.abatch(three)),
    "astream": lambda: adrain(achunks | fork),
    "astream of blocking code": lambda: adrain(chunks | fork),
}


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell inherits that it is ignored
    threading.Thread(target=listen, daemon=True).start()
    while case := told.get():
        begun.clear()
        over.clear()
        try:
            CASES[case]()
        except KeyboardInterrupt:
            if "raw" in sys.argv:
                raise
            say("interrupted")
        end = monotonic() + 10
        while POOL.statistics()["busy"] and monotonic() < end:
            sleep(0.001)
        say(f"{POOL.statistics()['busy']} busy")


if __name__ == "__main__":
    main()
