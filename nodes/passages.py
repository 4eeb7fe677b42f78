"""Reads a prompt as an extractive model does: which part is the question, which is the context, what is prose in it.

A *passage* is what one source says: its heading (a signature, a title) and its sentences. Code samples, tables
and fragments are not sentences.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

QUESTION = re.compile(r"^[ \t]*(?:user |the )?question[ \t]*:[ \t]*(.*?)(?=^[ \t]*(?:helpful )?answer[ \t]*:|\Z)", re.I | re.M | re.S)
INSTRUCTION = re.compile(r"^.*\bcontext\b[^\n]*:[ \t]*$\n?", re.I | re.M)
TAG = re.compile(r"^[ \t]*</?(?:context|documents?)>[ \t]*$\n?", re.I | re.M)
SOURCE = re.compile(r"^Source: (\S.*)$\n?", re.M)
HEADING = re.compile(r"(?:module |class )?[\w.]+(?:\([^\n]*\))?")
BULLET = re.compile(r"^\s*(?:[-*•o+]|\d+[.)])\s+", re.M)
SENTENCE_END = re.compile(r"(?<=[.!?])[)\"']?\s+(?=[\"'(`*]?[A-Z])")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|resp|approx|incl|Dr|Mr|Ms|No|Fig)|\b[A-Z])\.$")
CODE = re.compile(r">>>|^\s*\.\.\. |::$|[{};]\s|\)\s*->|\w\(\w*\)\.\w|\b\w+ = \w|^\s*(?:import|from|def|class|for|with|try|return)\b.*:?$")


@dataclass(frozen=True, slots=True)
class Passage:
    """What one source says.

    Attributes:
        source: its name, if it has one.
        heading: the line above the text, such as a signature.
        sentences: its prose, in order.
    """

    source: str | None
    heading: str
    sentences: tuple[str, ...]


def split_prompt(texts: Iterable[str]) -> tuple[str, str]:
    """The question and the context in the texts of a prompt, the last of which asks the question.

    The question follows `Question:`; failing that, it is the whole last text if another one holds a context, or
    its last paragraph. The context follows the first line that names a context and ends in a colon.
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
    instruction = INSTRUCTION.search(context)
    if instruction:
        context = context[instruction.end() :]
    return " ".join(question.split()), TAG.sub("", context).strip()


def read_passages(context: str) -> list[Passage]:
    """The passages of a context: texts under `Source: ...` lines, printed documents, or else its paragraphs."""
    printed = _printed_documents(context)
    if printed is not None:
        return [_passage(source, text) for source, text in printed]
    pieces = SOURCE.split(context)
    if len(pieces) == 1:
        return [_passage(None, text) for text in re.split(r"\n\s*\n", context) if text.strip()]
    return [_passage(source, text) for source, text in zip(pieces[1::2], pieces[2::2], strict=True)]


def _printed_documents(context: str) -> list[tuple[str | None, str]] | None:
    """Source and text of each document in a list of documents that was put into the prompt as it prints."""
    if not context.startswith("[Document("):
        return None
    try:
        printed = ast.parse(context, mode="eval").body
        calls = [{word.arg: ast.literal_eval(word.value) for word in call.keywords} for call in printed.elts]  # type: ignore[attr-defined]
    except (SyntaxError, ValueError, AttributeError):
        return None
    return [(call.get("metadata", {}).get("source"), call.get("page_content", "")) for call in calls]


def _passage(source: str | None, text: str) -> Passage:
    first, _, rest = text.strip().partition("\n")
    if source and HEADING.fullmatch(first.strip()):
        return Passage(source, first.strip(), tuple(sentences(rest)))
    return Passage(source, "", tuple(sentences(text)))


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
        yield from _if_prose(paragraph[start:])


def _paragraphs(text: str) -> Iterator[str]:
    """Runs of lines that belong together, each as one line."""
    introduced = False  # the text before ended in a colon: what is indented now is a sample
    for block in re.split(r"\n[ \t]*\n", text.expandtabs().strip("\n")):
        if ">>>" in block or (introduced and block.startswith("  ") and not BULLET.match(block)):
            continue
        introduced = block.rstrip().endswith(":")
        lines: list[str] = []
        indent = _indent(block.split("\n", 1)[0])
        for line in block.split("\n"):
            if lines and (BULLET.match(line) or _indent(line) != indent):
                yield " ".join(lines)
                lines = []
            indent = _indent(line)
            lines.append(BULLET.sub("", line).strip())
        yield " ".join(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _if_prose(sentence: str) -> Iterator[str]:
    words = sentence.split()
    if len(words) < 3 or sentence.endswith((":", ",")) or CODE.search(sentence):
        return
    plain = sum(word.strip(".,;:()'\"`*").isalpha() for word in words)
    if plain * 2 >= len(words):
        yield sentence
