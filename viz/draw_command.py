"""`anabranch draw`: a chain as a picture."""

from __future__ import annotations

import argparse
from typing import get_args

from anabranch.viz.asking import Commands, add_chain, add_command, write_out, writing
from anabranch.viz.drawing import Direction, Format, draw
from anabranch.viz.styles import Theme
from anabranch.viz.targets import load_chain

EXAMPLES = """\
examples:
  anabranch draw examples/report.py:chain
  anabranch draw examples/report.py:chain -o chain.svg
  anabranch draw examples/report.py:chain --plan --types -o plan.png
  anabranch draw my.module:chain --depth 1 --format mermaid

Without -o the picture goes to standard output, as text unless a format is asked for. SVG, PNG and PDF need Graphviz:
the program dot, or the extra that brings it along (pip install "anabranch[viz]").
"""


def add_draw(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "draw", "draw a chain as what will run", EXAMPLES, _draw)
    add_chain(command)
    command.add_argument("-o", "--output", metavar="FILE", help="the file; its ending tells the format")
    command.add_argument("--format", choices=get_args(Format), help="whatever the file is called")
    command.add_argument("--plan", action="store_true", help="draw how it runs: what is fused, and what waits for what")
    command.add_argument("--types", action="store_true", help="write the types along the arrows")
    command.add_argument(
        "--depth", type=_depth, metavar="N", help="open so many frames inside each other; fold the rest"
    )
    command.add_argument(
        "--direction", choices=get_args(Direction), default="TB", help="from the top, or from the left"
    )
    command.add_argument("--theme", choices=get_args(Theme), default="auto", help="colours (default: auto)")


def _draw(options: argparse.Namespace) -> int:
    chain = load_chain(options.chain)
    how = {each: getattr(options, each) for each in ("depth", "plan", "types", "direction", "theme")}
    format: Format | None = options.format or (None if options.output else "text")
    with writing(options.output):
        made = draw(chain, format, path=options.output, **how)
    if options.output is None:
        write_out(made)
    return 0


def _depth(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return int(text)
