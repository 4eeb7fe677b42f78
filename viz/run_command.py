"""`anabranch run`: a chain run once."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from contextlib import ExitStack, aclosing, closing
from typing import Any

from anabranch.engine.json_encoding import json_line, to_json
from anabranch.nodes.tracing.console import ConsoleTracer
from anabranch.nodes.tracing.event_files import EventFile
from anabranch.viz.asking import (
    AskedWrongly,
    Commands,
    add_chain,
    add_command,
    add_config,
    add_input,
    config_of,
    input_of,
    reason,
)
from anabranch.viz.targets import load_chain

EXAMPLES = """\
examples:
  anabranch run examples/report.py:chain --text otters
  anabranch run examples/report.py:chain --text otters --stream
  anabranch run my.module:chain --input '{"question": "why?"}' --trace
  anabranch run my.module:chain --input @input.json --record run.jsonl
  echo '[1, 2]' | anabranch run my.module:chain --input -

The output goes to standard output: a text as it is, anything else as JSON. What --trace tells goes to standard
error. A recorded run can be looked at with 'anabranch replay', 'timeline' and 'watch'.
"""


def add_run(commands: Commands) -> None:
    """Add the command."""
    run = add_command(commands, "run", "run a chain on one input and print its output", EXAMPLES, _run)
    add_chain(run)
    add_input(run)
    run.add_argument(
        "--stream", action="store_true", help="print chunks as they are made: texts as they are, others a line of JSON"
    )
    run.add_argument("--trace", action="store_true", help="tell what runs, on standard error")
    run.add_argument("--record", metavar="FILE", help="write what happens into a file of JSON lines")
    run.add_argument("--async", dest="asynchronous", action="store_true", help="run on an event loop")
    add_config(run)


def _run(options: argparse.Namespace) -> int:
    chain, value, config = load_chain(options.chain), input_of(options), config_of(options)
    printer = Printer()
    with ExitStack() as stack:
        callbacks: list[Any] = []
        if options.trace:
            callbacks.append(stack.enter_context(ConsoleTracer()))
        if options.record is not None:
            callbacks.append(stack.enter_context(recorder(options.record)))
        if callbacks:
            config["callbacks"] = callbacks
        if options.asynchronous:
            asyncio.run(_run_on_loop(chain, value, config, options.stream, printer))
        elif options.stream:
            with closing(chain.stream(value, config)) as chunks:
                for chunk in chunks:
                    printer.chunk(chunk)
        else:
            printer.whole(chain.invoke(value, config))
    printer.end()
    return 0


async def _run_on_loop(chain: Any, value: Any, config: Any, stream: bool, printer: Printer) -> None:
    if not stream:
        printer.whole(await chain.ainvoke(value, config))
        return
    async with aclosing(chain.astream(value, config)) as chunks:
        async for chunk in chunks:
            printer.chunk(chunk)


def recorder(path: str) -> EventFile:
    """What writes a run into a file.

    Raises:
        AskedWrongly: when it can't be written.
    """
    try:
        return EventFile(path)
    except OSError as error:
        raise AskedWrongly(f"--record: {path} can't be written ({reason(error)})") from error


class Printer:
    """Prints outputs and chunks so that each line is a text's or a JSON value's."""

    def __init__(self) -> None:
        self._in_line = False
        self._is_terminal = sys.stdout.isatty()

    def whole(self, output: Any) -> None:
        """Print an output: a text as it is, anything else as JSON, indented on a terminal."""
        if isinstance(output, str):
            self._text(output)
        elif self._is_terminal:
            self._text(json.dumps(to_json(output), ensure_ascii=False, indent=2))
        else:
            self._text(json_line(to_json(output)).decode())
        self.end()

    def chunk(self, chunk: Any) -> None:
        """Print a chunk: a text as it is, anything else as a line of JSON."""
        if isinstance(chunk, str):
            self._text(chunk)
        elif chunk is not None:
            self.end()
            self._text(json_line(to_json(chunk)).decode() + "\n")

    def end(self) -> None:
        """End a line that was begun."""
        if self._in_line:
            self._text("\n")

    def _text(self, text: str) -> None:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._in_line = not text.endswith("\n")
