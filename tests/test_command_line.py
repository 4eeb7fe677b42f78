"""The command `anabranch`: what it prints, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anabranch.engine.version import __version__
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.generators import RunnableGenerator
from anabranch.viz import ask_command
from anabranch.viz.command_line import main

CHAINS = str(Path(__file__).with_name("chain_of_commands.py"))
COMMAND = [sys.executable, "-W", "error", "-m", "anabranch.viz.command_line"]


def words(question: Iterator[str]) -> Iterator[str]:
    for text in question:
        yield from text.upper().split()


@pytest.fixture(autouse=True)
def small_chain(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Instead of the standard library: a chain that repeats the words of the question. Notes each `k`."""
    asked: list[int] = []

    def chain(k: int) -> Any:
        asked.append(k)
        return RunnableGenerator(words)

    monkeypatch.setattr(ask_command, "stdlib_chain", chain)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return asked


def failing(error: BaseException) -> Any:
    def fail(question: str) -> str:
        raise error

    return lambda k: RunnableLambda(fail)


@pytest.mark.parametrize("how", [[], ["--no-stream"]])
def test_it_prints_the_answer(how: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "bears and honey", *how]) == 0
    assert capsys.readouterr() == ("BEARSANDHONEY\n", "")


def test_a_question_may_go_without_quotes(capsys: pytest.CaptureFixture[str], small_chain: list[int]) -> None:
    assert main(["ask", "bears", "and", "honey", "--k", "3"]) == 0
    assert capsys.readouterr().out == "BEARSANDHONEY\n"
    assert small_chain == [3]


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"anabranch {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"]])
def test_help_teaches_by_example(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert 'anabranch ask "how do I read rows from a csv file?"' in out
    assert "OPENAI_API_KEY" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: command"),
        (["ask"], "the following arguments are required: question"),
        (["ask", " "], "the question is empty"),
        (["ask", "x", "--k", "0"], "'0' is not a number of at least 1"),
        (["ask", "x", "--k", "some"], "'some' is not a number of at least 1"),
        (["ask", "x", "--nope"], "unrecognized arguments: --nope"),
        (["sing"], "invalid choice: 'sing'"),
    ],
)
def test_who_asks_wrongly_gets_a_sentence_and_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "--help" in err
    assert len(err.splitlines()) == 1


def test_a_failure_is_a_sentence_and_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ask_command, "stdlib_chain", failing(RuntimeError("no honey\nleft")))
    assert main(["ask", "x"]) == 1
    assert (
        capsys.readouterr().err
        == "anabranch ask: RuntimeError: no honey left, raised in step fail (--debug shows where)\n"
    )
    with pytest.raises(RuntimeError, match="no honey"):
        main(["ask", "x", "--debug"])


def test_an_interruption_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ask_command, "stdlib_chain", failing(KeyboardInterrupt()))
    assert main(["ask", "x"]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_goes_away_is_no_failure() -> None:
    asked = [*COMMAND, "run", f"{CHAINS}:spelling", "--text", "honey"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()  # before anything is written
        errors = running.stderr.read()
    assert errors == b""
    assert running.returncode == 0


def test_a_terminal_without_the_letters_still_gets_its_answer() -> None:
    done = subprocess.run(
        [*COMMAND, "run", f"{CHAINS}:spelling", "--text", "Löwe"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"L?we\n", b"")
