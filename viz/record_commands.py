"""`anabranch replay` and `anabranch timeline`: what a recorded run did, told again, and when."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, get_args
from uuid import UUID

from anabranch.engine.runs import RunInfo
from anabranch.nodes.tracing.console import ConsoleTracer
from anabranch.nodes.tracing.replays import EventFileError, replay
from anabranch.viz.asking import AskedWrongly, Commands, add_command, reason, write_out, writing
from anabranch.viz.targets import load_chain
from anabranch.viz.timelines import TimelineFormat, timeline

EXAMPLES = """\
examples:
  anabranch run examples/report.py:chain --text otters --record run.jsonl
  anabranch replay run.jsonl
  anabranch replay run.jsonl --speed 2

Each start (>), end (<), failure (!) and custom event (*) is a line. With --speed they come at the pace of the run,
so many times faster. 'anabranch watch run.jsonl' shows the same in a browser.
"""


TIMELINE_EXAMPLES = """\
examples:
  anabranch run examples/report.py:chain --text otters --record run.jsonl
  anabranch timeline run.jsonl
  anabranch timeline run.jsonl -o run.html
  anabranch timeline run.jsonl -o run.svg --chain examples/report.py:chain

A Gantt chart of the steps, with chunks as ticks and the critical path. As html it can be zoomed, and is one file.
Without -o it goes to standard output, as text unless a format is asked for. With --chain, what waits for what is
known, not guessed.
"""


def add_replay(commands: Commands) -> None:
    """Add the command."""
    told = add_command(commands, "replay", "tell what a recorded run did", EXAMPLES, _replay)
    told.add_argument("record", metavar="run.jsonl", help="a file that 'run --record' or an EventFile has written")
    told.add_argument("--speed", type=_speed, metavar="N", help="at the pace of the run, N times faster")


def add_timeline(commands: Commands) -> None:
    """Add the command."""
    chart = add_command(commands, "timeline", "draw when a recorded run did what", TIMELINE_EXAMPLES, _timeline)
    chart.add_argument("record", metavar="run.jsonl", help="a file that 'run --record' or an EventFile has written")
    chart.add_argument("-o", "--output", metavar="FILE", help="the file; its ending tells the format")
    chart.add_argument("--format", choices=get_args(TimelineFormat), help="whatever the file is called")
    chart.add_argument("--chain", metavar="module:chain", help="what ran")


def _timeline(options: argparse.Namespace) -> int:
    chain = None if options.chain is None else load_chain(options.chain)
    events = list(events_of(options.record))
    format: TimelineFormat | None = options.format or (None if options.output else "text")
    title = os.path.basename(options.record)
    with writing(options.output):
        made = timeline(events, format, options.output, chain=chain, title=title)
    if options.output is None:
        write_out(made)
    return 0


def _replay(options: argparse.Namespace) -> int:
    tracer, runs, before = ConsoleTracer(sys.stdout, live=False), _Runs(), 0.0
    for event in events_of(options.record):
        if options.speed is not None:
            if before:
                time.sleep(max(0.0, event["time"] - before) / options.speed)
            before = event["time"]
        runs.tell(event, tracer)
    tracer.close()
    return 0


def events_of(path: str) -> Iterator[dict[str, Any]]:
    """The events of a recorded file, with their times.

    Raises:
        AskedWrongly: when it can't be read, is no such file, or has no event in it.
    """
    empty = True
    try:
        for event in replay(path, times=True):
            empty = False
            yield event
    except EventFileError as error:
        raise AskedWrongly(f"{error}; it takes a file that 'run --record' or an EventFile has written") from error
    except (OSError, UnicodeDecodeError) as error:
        raise AskedWrongly(f"{path} can't be read ({reason(error)})") from error
    if empty:
        raise AskedWrongly(f"{path} has no run in it; 'run --record' or an EventFile writes one")


class _Runs:
    """The runs of a file, made again from its events, so that a listener can be told of them."""

    def __init__(self) -> None:
        self._runs: dict[str, RunInfo] = {}

    def tell(self, event: dict[str, Any], listener: ConsoleTracer) -> None:
        """Tell a listener what an event says."""
        run_type, _, what = event["event"].removeprefix("on_").rpartition("_")
        if what == "start":
            parents = [self._runs[id] for id in event.get("parent_ids", ()) if id in self._runs]
            parent = parents[-1] if parents else None
            run = RunInfo(event["name"], run_type, parent, [], {}, (), UUID(event["run_id"]))
            run.started = event["time"]
            self._runs[event["run_id"]] = run
            listener.started(run)
        elif (known := self._runs.get(event["run_id"])) is None:
            return  # it started in what was cut off
        elif event["event"] == "on_custom_event":
            listener.told(known, "custom_event", event["name"], event["data"])
        elif what == "stream":
            listener.chunk(known, event["data"]["chunk"])
        else:
            known.ended = event["time"]
            if what == "error":
                known.error = _error(event["data"]["error"])
                listener.failed(known)
            else:
                listener.ended(known)


def _error(told: Any) -> Exception:
    """An error that prints as the one that was recorded."""
    said = told if isinstance(told, dict) else {}
    return type(str(said.get("type", "Exception")), (Exception,), {})(str(said.get("message", "")))  # type: ignore[no-any-return]


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return speed
