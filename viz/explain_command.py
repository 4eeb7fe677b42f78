"""`anabranch explain`: how a chain will run, and where the time of a recorded run went."""

from __future__ import annotations

import argparse

from anabranch.viz.asking import Commands, add_chain, add_command, count
from anabranch.viz.explaining import explain
from anabranch.viz.record_commands import events_of
from anabranch.viz.targets import load_chain

EXAMPLES = """\
examples:
  anabranch explain examples/report.py:chain
  anabranch explain examples/report.py:chain --max-concurrency 1
  anabranch explain examples/report.py:chain --analyze run.jsonl

What runs at once, what waits for what, who reads which key, and where threads and channels are. With --analyze, of a
run that 'run --record' has written: what each step took, and the critical path.
"""


def add_explain(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "explain", "tell how a chain will run", EXAMPLES, _explain)
    add_chain(command)
    command.add_argument("--analyze", metavar="run.jsonl", help="a recorded run of the chain, to show what it took")
    command.add_argument("--max-concurrency", type=count, metavar="N", help="the cap to explain it under")


def _explain(options: argparse.Namespace) -> int:
    chain = load_chain(options.chain)
    recorded = None if options.analyze is None else list(events_of(options.analyze))
    print(explain(chain, analyze=recorded, max_concurrency=options.max_concurrency))
    return 0
