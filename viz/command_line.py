"""The command `anabranch`: chains drawn, run, watched and explained from a shell.

Exit codes: 0 when all went well, 1 when something failed on the way, 2 when it was asked wrongly and nothing was run,
3 when a batch went through and some of its lines failed, 130 when it was interrupted. A reader that closes the pipe
early is no failure.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from anabranch.engine.version import __version__
from anabranch.viz.ask_command import add_ask
from anabranch.viz.asking import ASKED_WRONGLY, FAILED, INTERRUPTED, AskedWrongly, Parser
from anabranch.viz.batch_command import add_batch
from anabranch.viz.draw_command import add_draw
from anabranch.viz.explain_command import add_explain
from anabranch.viz.record_commands import add_replay, add_timeline
from anabranch.viz.run_command import add_run
from anabranch.viz.schema_command import add_schema
from anabranch.viz.watch_command import add_watch

EXAMPLES = """\
examples:
  anabranch ask "how do I read rows from a csv file?"
  anabranch draw examples/report.py:chain -o chain.svg
  anabranch run examples/report.py:chain --text otters --trace
  anabranch watch examples/report.py:chain --text otters
  anabranch batch examples/report.py:chain in.jsonl out.jsonl --max-concurrency 8

'anabranch run --help', and so on, shows more. A chain is named module:name or path/to/file.py:name. Exit codes:
0 done, 1 failed on the way, 2 asked wrongly, 3 some lines of a batch failed, 130 interrupted. With OPENAI_API_KEY
set, 'ask' has a model of OpenAI write the answer.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default the process's, and answer the exit code."""
    debug = "--debug" in (sys.argv[1:] if argv is None else argv)
    options = argparse.Namespace(prog="anabranch")
    try:
        _tolerate_letters()
        options = _parser().parse_args(argv)
        code: int = options.run(options)
        sys.stdout.flush()
    except SystemExit as exit:  # argparse's: --help, --version, wrong arguments
        return exit.code if isinstance(exit.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return 0
    except Exception as error:
        if debug:
            raise
        wrong = isinstance(error, AskedWrongly)
        hint = "" if wrong else f"{_without_input(options)} (--debug shows where)"
        print(f"{options.prog}: {_told(error)}{hint}", file=sys.stderr)
        return ASKED_WRONGLY if wrong else FAILED
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="anabranch",
        description="Dataflow graphs of prompts, models, retrievers and functions.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"anabranch {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    for add in (add_draw, add_explain, add_run, add_batch, add_watch, add_replay, add_timeline, add_schema, add_ask):
        add(commands)
    return parser


def _told(error: Exception) -> str:
    """What went wrong and in which step, in a line."""
    text = " ".join(str(error).split())
    if isinstance(error, AskedWrongly):
        return text
    places = [note for note in getattr(error, "__notes__", ()) if note.startswith("raised in step")]
    place = f", {places[0].partition(' (run ')[0]}" if places else ""
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__) + place


def _without_input(options: argparse.Namespace) -> str:
    """Says so, where a chain may have failed since it was given nothing."""
    nothing = getattr(options, "input", False) is None and getattr(options, "text", False) is None
    return "; its input was null, since there was no --input and no --text" if nothing else ""


def _tolerate_letters() -> None:
    """A terminal without umlauts still gets its text."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _forget_output() -> None:
    """Nobody reads any more: what is still buffered must not fail again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
