"""Reads a prompt as an extractive model does: what is the question, what the context, what in it is prose.

A *passage* is what one source says. Its sentences are what could be quoted: neither headings nor code
samples, tables and fragments.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

QUESTION = re.compile(
    r"^[ \t]*(?:user |the )?question[ \t]*:[ \t]*(.*?)(?=^[ \t]*(?:helpful )?answer[ \t]*:|\Z)",
    re.I | re.M | re.S,
)
INSTRUCTION = re.compile(r"^(?:[ \t]*context:[ \t]*|.*\bcontext\b[^\n]*:[ \t]*$\n?)", re.I | re.M)
TAG = re.compile(r"^[ \t]*</?(?:context|documents?)>[ \t]*$\n?", re.I | re.M)
SOURCE = re.compile(r"^Source: (\S.*)$\n?", re.M)

HEADING = re.compile(r"(?:module |class )?[\w.]+(?:\(.*\))?(?:\s*-+>.*)?")
BULLET = re.compile(r"\s*(?:[-*•o+]|\d+[.)])\s+(?=\S)")
DEFINITION = re.compile(
    r"NAME(?:\([^)]*\))?(?:\s*[,/|]\s*NAME)*\s*(?::|--?)\s+\S".replace("NAME", "[`'\"*]*[\\w.]+[`'\"*]*")
)
SENTENCE_END = re.compile(r"(?<=[.!?])[)\"']?\s+(?=[\"'(`*]*[A-Z])")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|resp|approx|incl|Dr|Mr|Ms|No|Fig)|\b[A-Z])\.$", re.I)
CODE = re.compile(
    r">>>|^\.\.\. |[{};](?:\s|$)|\)\s*-+>|\w\(\w*\)\.\w|\b\w+ = \w"
    r"|^(?:import|from|def|class|return)\s\S+[:(\s]"
)


@dataclass(frozen=True, slots=True)
class Passage:
    """What one source says.

    Attributes:
        source: its name, if it has one.
        text: all of it.
        sentences: its prose, in order, without the heading (a signature, a title).
    """

    source: str | None
    text: str
    sentences: tuple[str, ...]


def split_prompt(texts: Iterable[str]) -> tuple[str, str]:
    """The question and the context in the texts of a prompt, the last of which asks the question.

    The question follows `Question:`; failing that, it is the whole last text if another one holds a
    context, or its last paragraph. The context follows the first line that names a context and ends in a
    colon.
    """
    *before, last = [text.strip() for text in texts if text.strip()] or [""]
    found = list(QUESTION.finditer(last))
    if found:
        question, rest = found[-1][1], last[: found[-1].start()]
    elif any(INSTRUCTION.search(text) or SOURCE.search(text) for text in before):
        question, rest = last, ""
    else:
        rest, _, question = last.rpartition("\n\n")
    context = "\n\n".join([*before, rest])
    sources = SOURCE.search(context)
    instruction = INSTRUCTION.search(context, 0, sources.start() if sources else len(context))
    if instruction:
        context = context[instruction.end() :]
    return " ".join(question.split()), TAG.sub("", context).strip()


def read_passages(context: str) -> list[Passage]:
    """The passages of a context: texts under `Source: ...`, printed documents, or else its paragraphs."""
    printed = _printed_documents(context)
    if printed is not None:
        return [_passage(source, text) for source, text in printed]
    pieces = SOURCE.split(context)
    if len(pieces) == 1:
        return [_passage(None, text) for text in re.split(r"\n\s*\n", context) if text.strip()]
    return [_passage(source, text) for source, text in zip(pieces[1::2], pieces[2::2], strict=True)]


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text in order, without code samples, tables and fragments.

    Example:
        >>> list(sentences("Adds two numbers. Like so:\\n\\n    >>> add(1, 2)\\n    3\\n"))
        ['Adds two numbers.']
    """
    for paragraph in _paragraphs(text):
        start = 0
        for end in SENTENCE_END.finditer(paragraph):
            if not ABBREVIATION.search(paragraph[start : end.start()].rstrip(")\"'")):
                yield from _if_prose(paragraph[start : end.end()].strip())
                start = end.end()
        yield from _if_prose(paragraph[start:].strip())


def is_definition(sentence: str) -> bool:
    """Whether a sentence explains one item of a list, such as `timeout: how long to wait`."""
    return DEFINITION.match(sentence) is not None


def _printed_documents(context: str) -> list[tuple[str | None, str]] | None:
    """Source and text of each document in a list of documents that was put into the prompt as it prints."""
    if not context.startswith("[Document("):
        return None
    try:
        calls = ast.parse(context, mode="eval").body.elts  # type: ignore[attr-defined]
        documents = [{word.arg: ast.literal_eval(word.value) for word in call.keywords} for call in calls]
    except (SyntaxError, ValueError, AttributeError):
        return None
    return [(fields.get("metadata", {}).get("source"), fields.get("page_content", "")) for fields in documents]


def _passage(source: str | None, text: str) -> Passage:
    text = text.strip()
    first, _, rest = text.partition("\n")
    has_heading = source is not None and HEADING.fullmatch(first.strip())
    return Passage(source, text, tuple(sentences(rest if has_heading else text)))


def _paragraphs(text: str) -> Iterator[str]:
    """Runs of lines that belong together, each as one line."""
    introduced = False  # the block before ended in a colon: what is indented now is a sample
    for block in re.split(r"\n[ \t]*\n", text.expandtabs().strip("\n")):
        lines = block.split("\n")
        if ">>>" in block or (introduced and _indent(lines[0]) >= 4):
            continue
        introduced = block.rstrip().endswith(":")
        run: list[str] = []
        for number, line in enumerate(lines):
            if run and _begins_anew(line, lines[number - 1]):
                yield _joined(run)
                run = []
            run.append(re.sub(BULLET, "", line, count=1) if BULLET.match(line) else line)
        yield _joined(run)


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip().removesuffix("\\") for line in lines)


def _begins_anew(line: str, before: str) -> bool:
    """Whether a line doesn't continue the one before: an item of a list, or a block further in or out."""
    if BULLET.match(line) or is_definition(line.strip()):
        return True
    ended = before.rstrip().endswith((":", ".")) and len(before.rstrip()) < 60
    in_item = BULLET.match(before) is not None or is_definition(before.strip())
    moved = _indent(line) != _indent(before)
    return (ended or moved != in_item) and not line.lstrip()[:1].islower()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _if_prose(sentence: str) -> Iterator[str]:
    words = sentence.split()
    if (
        len(words) < (2 if sentence.endswith(".") else 3)
        or words[0] in ("XXX", "TODO", "FIXME")
        or sentence.endswith((":", ","))
        or CODE.search(sentence)
    ):
        return
    plain = sum(word.strip(".,;:()'\"`*").replace("-", "").isalpha() for word in words)
    if plain * 10 >= len(words) * 6:
        # A summary line often goes without its full stop.
        yield " ".join(words) + ("" if sentence[-1] in ".!?)" else ".")
