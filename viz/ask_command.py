"""`anabranch ask`: a question answered from the documents of Python's standard library."""

from __future__ import annotations

import argparse
from contextlib import closing

from anabranch.nodes.stdlib.answers import stdlib_chain
from anabranch.viz.asking import Commands, add_command, count

EXAMPLES = """\
examples:
  anabranch ask "how do I read rows from a csv file?"
  anabranch ask "what does itertools.chain do?" --k 3

The answer is made of sentences of the standard library's docstrings, each with its source. With
OPENAI_API_KEY set (and the extra: pip install "anabranch[openai]"), a model writes it from the same
documents; OPENAI_BASE_URL names another server that speaks the same protocol, OPENAI_MODEL another model.
"""


def add_ask(commands: Commands) -> None:
    """Add the command."""
    does = "answer a question about Python's standard library from its own documentation"
    ask = add_command(commands, "ask", does, EXAMPLES, _ask)
    ask.add_argument("question", nargs="+", type=_text, help="the question, in English")
    ask.add_argument("--k", type=count, default=8, metavar="N", help="how many documents to answer from (default: 8)")
    ask.add_argument(
        "--no-stream",
        dest="stream",
        action="store_false",
        help="print the answer when it is whole, not as it is made",
    )


def _ask(options: argparse.Namespace) -> int:
    chain, question = stdlib_chain(k=options.k), " ".join(options.question)
    if options.stream:
        with closing(chain.stream(question)) as chunks:
            for chunk in chunks:
                print(chunk or "", end="", flush=True)
    else:
        print(chain.invoke(question), end="")
    print(flush=True)
    return 0


def _text(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("the question is empty")
    return text
