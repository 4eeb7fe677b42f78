"""The documentation is true: its code runs and prints what it says, its links lead somewhere, the examples work.

In Markdown a block marked `python` that begins with `>>>` is checked by doctest; any other is run. The blocks of a
file share one namespace, in order. A block marked `text` right after one that is run holds what that prints.
"""

from __future__ import annotations

import contextlib
import doctest
import fnmatch
import importlib
import inspect
import io
import os
import re
import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import TypeVar, get_args

import pytest

import anabranch.nodes
import anabranch.viz

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("engine", "scheduler", "nodes", "viz")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
READS_STDLIB = pytest.mark.together("stdlib")  # one process reads it, once
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
NOTE = re.compile(r"^raised in step .* \(run .*\n", re.MULTILINE)

SAID = {
    "any_dag.py": """
        pasta in hot water with fried chopped food for 4
        the longest path is shop > chop > fry > serve: 23 of 40 minutes
        less than one after the other: True
        the chain as a networkx graph: DiGraph with 9 nodes and 10 edges
        """,
    "batch_with_retry.py": """
        with exceptions in their place:
          Bern      134591, asked 3 times
          Rome      2872800, asked 1 times
          Atlantis  KeyError('Atlantis'), asked 1 times
          Oslo      709037, asked 3 times
        with a fallback:
          [134591, 2872800, -1, 709037]
        as they come:
          ...
        """,
    "drawing.py": """
        input
        clean
        RunnableBranch
        ├─ lambda question: question[:200]  <- if is_long: RunnableBranch
        ├─ RunnablePassthrough  <- else: RunnableBranch
        ╰─ (either)  <- lambda question: question[:200], RunnablePassthrough
        parallel
        ├─ sequence
        │  ├─ search [x3]
        │  ╰─ best
        ├─ RunnablePassthrough #2  <- (either)
        ╰─ { }  <- context: best, question: RunnablePassthrough #2
        ChatPromptTemplate [prompt]
        fallbacks
        ├─ FakeListChatModel [chat model]
        ╰─ careful model [chat model]  <- on error: FakeListChatModel
        StrOutputParser [parser]  <- FakeListChatModel, careful model
        output
        """,
    "fan_out.py": """
        __init__.py   ... lines  ... tokens  True
        ...
        tool.py ... tokens  True
        ... checks, ... at once
        """,
    "own_leaf.py": """
        texts embedded at once: [3]
        the question is nearer to the bears: True
        ['call ', '### ', '#### ', 'now ']
        invoke gives the same: True
        """,
    "report.py": """
        Otters sleep on their backs. Otters hold hands...
        People say that bears sleep a lot. Bears can smell honey from far away.
        """,
    "retrieval.py": """
        == invoke ==
        ...[csv.reader]...
        == stream ==
        ...[csv.reader]...
        == abatch: two at once ==
        ...[subprocess.run]...
        == astream ==
        ...
        """,
    "stop_button.py": """
        cancelled: True
        result raises CancelledError: the run was cancelled
        steps that ran: ['download']
        invoke raises TimeoutError: the run took longer than its timeout
        steps that ran: ['download']
        streamed 0, 1 and stopped
        the source: ['closed']
        """,
    "streaming.py": """
        speak 'Otters hold hands.' when ... of 66 characters are shown
        speak 'They do so when they sleep.' when ... of 66 characters are shown
        speak 'Nobody drifts away.' when ... of 66 characters are shown
        shown as a whole: 'Otters hold hands. They do so when they sleep. Nobody drifts away.'
        the same as invoke gives: True
        stopped after {'shown': 'O'}
        """,
    "tool_calls.py": """
        How many people live in Bern, Rome, Atlantis and Oslo?
          population({'city': 'Bern'}) -> 134591 [success]
          population({'city': 'Rome'}) -> 2872800 [success]
          population({'city': 'Atlantis'}) -> nothing is known of Atlantis; there are Bern, Rome, Oslo [error]
          population({'city': 'Oslo'}) -> 709037 [success]
          add({'numbers': [134591, 2872800, 709037]}) -> 3716428 [success]
        Together 3716428 people.
        """,
    "with_langchain.py": """
        as they come: ['oak'] ['ash'] ['elm']
        on_chat_model_start FakeListChatModel
        on_chat_model_end FakeListChatModel
        human: Where are you?
        ai: Among the trees.
        """,
    "tracing.py": """
        > RunnableSequence
          > RunnableAssign<facts>
            > RunnableParallel<facts>
              > RunnableWithFallbacks
                > search
                ! search ... ms, TimeoutError: the library is closed
                > remember
        ...
        < RunnableSequence ...s
        <BLANKLINE>
        what failed, as the file has it:
          search: the library is closed
        <BLANKLINE>
        the steps, and when each was over:
          RunnableAssign<facts>            ...
        ...
        the answer: To stay together.
        """,
}
"""What each example prints, with `...` for what may differ."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. `output` is what it is said to print, if that is said."""

    language: str
    code: str
    line: int
    output: str | None = None

    @property
    def is_doctest(self) -> bool:
        return self.code.startswith(">>>")


def blocks_of(page: Path) -> Iterator[Block]:
    """The Python blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    fences = list(FENCE.finditer(text))
    for fence, after in zip(fences, [*fences[1:], None], strict=False):
        output = None
        if after is not None and after[1] == "text" and not text[fence.end() : after.start()].strip():
            output = after[2]
        if fence[1] == "python":
            yield Block(fence[1], fence[2], text[: fence.start()].count("\n") + 1, output)


class WithoutNotes(doctest.OutputChecker):
    """Leaves out the notes below an exception, for they hold the id of a run."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(want, NOTE.sub("", got), optionflags)


def run_doctest(block: Block, page: Path, namespace: dict[str, object]) -> None:
    test = doctest.DocTestParser().get_doctest(block.code, {}, page.name, str(page), block.line)
    test.globs = namespace
    said = io.StringIO()
    runner = doctest.DocTestRunner(checker=WithoutNotes(), optionflags=doctest.ELLIPSIS)
    assert not runner.run(test, out=said.write, clear_globs=False).failed, said.getvalue()


def run_plain(block: Block, page: Path, namespace: dict[str, object]) -> None:
    # Put where it stands in the page, so that a traceback, and whoever reads a function's source, finds it.
    code = compile("\n" * block.line + block.code, str(page), "exec")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, namespace)
    if block.output is not None:
        assert said.getvalue() == block.output, f"{page.name}:{block.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs_and_prints_what_it_says(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks_of(page):
        (run_doctest if block.is_doctest else run_plain)(block, page, module.__dict__)


@pytest.mark.parametrize("page", [*PAGES, *ROOT.glob("C*.md")], ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_map_of_files_names_each_of_them_and_no_others() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:engine|scheduler|nodes|viz)/[\w*/]+\.pyi?)`", page))
    files = [path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py*")]
    assert [name for name in named if not fnmatch.filter(files, name)] == []
    mapped = [file for file in files if re.fullmatch(r"(engine|scheduler|nodes)/.*(?<!__init__)\.py", file)]
    assert [file for file in mapped if not any(fnmatch.fnmatch(file, name) for name in named)] == []


def public_names() -> dict[str, object]:
    """What an example may use without importing it."""
    return {name: getattr(anabranch.nodes, name) for name in getattr(anabranch.nodes, "__all__", ())}


def docstring_of(thing: object) -> str:
    """Its own: a class may inherit another's."""
    return str(vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__)


def test_every_class_and_every_function_has_an_example_in_its_docstring() -> None:
    drawn = {name: getattr(anabranch.viz, name) for name in anabranch.viz.__all__}
    types = {name for name, thing in public_names().items() if get_args(thing) or isinstance(thing, TypeVar)}
    things = {name: thing for name, thing in (public_names() | drawn).items() if name not in types}
    assert things.keys() >= {"AIMessage", "chain", "draw"}
    assert [name for name, thing in things.items() if ">>>" not in docstring_of(thing)] == []


def modules_with_examples() -> list[str]:
    """The modules that hold examples. Told by their text, for every worker collects."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    names = [
        path.relative_to(ROOT).with_suffix("").parts for path in files if ">>>" in path.read_text(encoding="utf-8")
    ]
    return [".".join(("anabranch", *parts)) for parts in names]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=READS_STDLIB if "stdlib" in name else ()) for name in modules_with_examples()]
)
def test_the_examples_in_docstrings_are_right(name: str) -> None:
    module, said = importlib.import_module(name), io.StringIO()
    names = {**public_names(), **vars(module)}
    runner = doctest.DocTestRunner(checker=WithoutNotes(), optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder().find(module, globs=names):
        runner.run(test, out=said.write)
    assert not runner.failures, said.getvalue()


def test_every_example_is_checked() -> None:
    assert {path.name for path in EXAMPLES} == SAID.keys()


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=READS_STDLIB if path.name == "retrieval.py" else ()) for path in EXAMPLES],
    ids=lambda path: path.name,
)
def test_an_example_runs_without_a_network_and_prints_what_is_expected(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("OPENAI")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    out, err = capsys.readouterr()
    assert not err
    expected = dedent(SAID[path.name]).lstrip("\n")
    assert doctest.OutputChecker().check_output(expected, out, doctest.ELLIPSIS), out
