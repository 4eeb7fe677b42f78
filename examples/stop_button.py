"""A stop button: runs that are cancelled, timed out or closed, and what is still running afterwards (nothing).

    python examples/stop_button.py

Blocking code can't be interrupted, so a stopped run ends when the step that is running has returned; no further
step starts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from threading import Event

from anabranch.nodes import RunnableLambda

done: list[str] = []
download_runs = Event()


def download(name: str) -> str:
    download_runs.set()
    time.sleep(0.3)
    done.append("download")
    return name


def convert(name: str) -> str:
    time.sleep(0.3)
    done.append("convert")
    return name


def count(most: int) -> Iterator[int]:
    try:
        yield from range(most)
    finally:
        done.append("closed")


def main() -> None:
    chain = RunnableLambda(download) | convert

    run = chain.start("film")
    download_runs.wait()  # somebody looks for a while, and presses stop
    print(f"cancelled: {run.cancel()}")
    try:
        run.result()
    except CancelledError as error:
        print(f"result raises CancelledError: {error}")
    print(f"steps that ran: {done}")

    done.clear()
    try:
        chain.invoke("film", {"timeout": 0.05})
    except TimeoutError as error:
        print(f"invoke raises TimeoutError: {error}")
    print(f"steps that ran: {done}")

    done.clear()
    with RunnableLambda(count).stream(1_000_000) as numbers:
        print(f"streamed {next(numbers)}, {next(numbers)} and stopped")
    print(f"the source: {done}")


if __name__ == "__main__":
    main()
