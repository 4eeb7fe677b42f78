"""The command `anabranch`: a question answered from the documents of Python's standard library.

Exit codes: 0 when it answered, 1 when something failed on the way, 2 when it was asked wrongly, 130 when
it was interrupted. A reader that closes the pipe early is no failure.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import NoReturn, TextIO

from anabranch.engine.version import __version__
from anabranch.nodes.stdlib_answers import stdlib_chain

FAILED, ASKED_WRONGLY, INTERRUPTED = 1, 2, 130

EPILOG = """\
examples:
  anabranch ask "how do I read rows from a csv file?"
  anabranch ask "what does itertools.chain do?" --k 3

The answer is made of sentences of the standard library's docstrings, each with its source. With
OPENAI_API_KEY set (and the extra: pip install "anabranch[openai]"), a model writes it from the same
documents; OPENAI_BASE_URL names another server that speaks the same protocol, OPENAI_MODEL another model.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default the process's, and answer the exit code."""
    debug = "--debug" in (sys.argv[1:] if argv is None else argv)
    try:
        options = _parser().parse_args(argv)
        _ask(" ".join(options.question), options.k, options.stream, sys.stdout)
    except SystemExit as exit:  # argparse's: --help, --version, wrong arguments
        return exit.code if isinstance(exit.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
    except Exception as error:
        if debug:
            raise
        print(f"anabranch: {_told(error)} (--debug shows where)", file=sys.stderr)
        return FAILED
    return 0


class _Parser(argparse.ArgumentParser):
    """Says in a sentence what was wrong, without the usage around it."""

    def error(self, message: str) -> NoReturn:
        self.exit(ASKED_WRONGLY, f"{self.prog}: {message}; '{self.prog} --help' shows how to ask\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="anabranch",
        description="Dataflow graphs of prompts, models, retrievers and functions.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"anabranch {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    ask = commands.add_parser(
        "ask",
        help="answer a question about Python's standard library from its own documentation",
        description="Answers a question about Python's standard library from its own documentation.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ask.add_argument("question", nargs="+", type=_text, help="the question, in English")
    ask.add_argument("--k", type=_count, default=8, metavar="N", help="how many documents to answer from (default: 8)")
    ask.add_argument(
        "--no-stream",
        dest="stream",
        action="store_false",
        help="print the answer when it is whole, not as it is made",
    )
    ask.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _ask(question: str, k: int, stream: bool, output: TextIO) -> None:
    if hasattr(output, "reconfigure"):
        output.reconfigure(errors="replace")  # a terminal without umlauts still gets its answer
    chain = stdlib_chain(k=k)
    if stream:
        with closing(chain.stream(question)) as chunks:
            for chunk in chunks:
                print(chunk or "", end="", file=output, flush=True)
    else:
        print(chain.invoke(question), end="", file=output)
    print(file=output, flush=True)


def _text(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("the question is empty")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of documents; it takes 1 or more")
    return int(text)


def _told(error: Exception) -> str:
    """What went wrong, in a line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _forget_output() -> None:
    """Nobody reads any more: what is still buffered must not fail again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
