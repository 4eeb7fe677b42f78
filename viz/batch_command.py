"""`anabranch batch`: a chain run on every line of a file, resumed where it was stopped."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from anabranch.nodes.extras import MissingExtraError
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.tracing.progress import Bar
from anabranch.viz.asking import (
    SOME_FAILED,
    AskedWrongly,
    Commands,
    add_chain,
    add_command,
    add_config,
    config_of,
    count,
    reason,
)
from anabranch.viz.batch_results import BatchResults
from anabranch.viz.targets import load_chain

EXAMPLES = """\
examples:
  anabranch batch examples/report.py:chain in.jsonl out.jsonl --max-concurrency 8
  anabranch batch examples/report.py:chain in.jsonl out.jsonl --retry-errors

Each line of in.jsonl is an input in JSON. Each line of out.jsonl is {"index": n, "output": ...} or
{"index": n, "error": {"type": ..., "message": ...}}, in the order in which they are done; n counts the lines of
in.jsonl from 0. When it was stopped, or killed, the same command goes on where it stopped: what out.jsonl has is not
run again. Exit code 0 when every line has an output, 3 when some have an error.
"""

WINDOW = 1_000
"""Inputs that are in memory at a time."""


def add_batch(commands: Commands) -> None:
    """Add the command."""
    batch = add_command(commands, "batch", "run a chain on each line of a file, resumably", EXAMPLES, _batch)
    add_chain(batch)
    batch.add_argument("inputs", metavar="in.jsonl", help="a file with an input a line, in JSON")
    batch.add_argument("outputs", metavar="out.jsonl", help="the file for the results; what is in it is done")
    batch.add_argument("--max-concurrency", type=count, metavar="N", help="steps that run at once at most")
    batch.add_argument("--retry-errors", action="store_true", help="run those again that have an error so far")
    batch.add_argument("--async", dest="asynchronous", action="store_true", help="run on an event loop")
    add_config(batch)


def _batch(options: argparse.Namespace) -> int:
    chain, config = load_chain(options.chain), config_of(options)
    if options.max_concurrency is not None:
        config["max_concurrency"] = options.max_concurrency
    total = _lines_in(options.inputs)
    with BatchResults(options.outputs, unlike=options.inputs, drop_errors=options.retry_errors) as results:
        if results.last >= total.lines:
            raise AskedWrongly(
                f"{options.outputs} has a result for line {results.last + 1}, and {options.inputs} has "
                f"{total.lines}: they don't belong together. Choose another file for the results"
            )
        run = _Run(chain, config, results, _Progress(total.inputs, results.count))
        before = results.count
        try:
            for window in _windows(options.inputs, results):
                run.fill(window)
                if options.asynchronous:
                    asyncio.run(run.on_loop())
                else:
                    run.in_threads()
        except KeyboardInterrupt:
            run.progress.close()
            print(f"{options.prog}: {results.count} of {total.inputs} done; the same command goes on", file=sys.stderr)
            raise
        finally:
            run.progress.close()
        done = f"{results.count - results.failed} of {total.inputs} have an output"
        failed = f", {results.failed} an error (--retry-errors runs these again)" if results.failed else ""
        resumed = f"; {before} were there before" if before else ""
        print(f"{options.prog}: {done}{failed}{resumed}", file=sys.stderr)
        return SOME_FAILED if results.failed else 0


class _Run:
    """Windows of inputs on their way through a chain."""

    def __init__(self, chain: Runnable[Any, Any], config: Any, results: BatchResults, progress: _Progress) -> None:
        self._chain = chain
        self._config = config
        self._results = results
        self.progress = progress
        self._indexes: list[int] = []
        self._values: list[Any] = []

    def fill(self, window: list[tuple[int, bytes]]) -> None:
        """Read a window of lines. One that is no JSON is a result already."""
        self._indexes, self._values = [], []
        for index, line in window:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                error.add_note("the line of the input is no JSON")
                self._note(index, error)
            else:
                self._indexes.append(index)
                self._values.append(value)

    def in_threads(self) -> None:
        """Run the window."""
        running = self._chain.batch_as_completed(self._values, self._config, return_exceptions=True)
        with closing(running) as results:
            for at, result in results:
                self._note(self._indexes[at], result)

    async def on_loop(self) -> None:
        """Run the window on an event loop."""
        running = self._chain.abatch_as_completed(self._values, self._config, return_exceptions=True)
        async with aclosing(running) as results:
            async for at, result in results:
                self._note(self._indexes[at], result)

    def _note(self, index: int, result: Any) -> None:
        self._results.add(index, result)
        self.progress.tell(self._results.count)


class _Progress:
    """A bar on standard error, where that is a terminal and tqdm is installed."""

    def __init__(self, total: int, done: int) -> None:
        self._total = total
        self._bar: Bar | None = None
        if sys.stderr.isatty() and done < total:
            try:
                self._bar = Bar()
            except MissingExtraError:
                return
            self._bar.begin(total, done)

    def tell(self, done: int) -> None:
        """So many are done."""
        if self._bar is not None:
            self._bar(done, self._total)

    def close(self) -> None:
        """Leave it as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@dataclass(frozen=True)
class _Total:
    lines: int
    inputs: int


def _lines_in(path: str) -> _Total:
    """How many lines a file has, and how many of these aren't blank."""
    lines = inputs = 0
    try:
        with open(path, "rb") as file:
            for line in file:
                lines += 1
                inputs += not line.isspace()
    except OSError as error:
        raise AskedWrongly(f"{path} can't be read ({reason(error)})") from error
    return _Total(lines, inputs)


def _windows(path: str, results: BatchResults) -> Iterator[list[tuple[int, bytes]]]:
    """The lines that have no result yet, some at a time, with their indexes."""
    with open(path, "rb") as file:
        left = ((index, line) for index, line in enumerate(file) if not line.isspace() and index not in results)
        while window := list(islice(left, WINDOW)):
            yield window
