"""The commands in the documentation print what it says they do."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from anabranch.viz.command_line import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "docs" / "command_line.md"]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(page: Path) -> list[tuple[str, str]]:
    """Each command of a page with what it prints."""
    found = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, said = part.partition("\n")
            found.append((command, said))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_print_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setenv("LC_ALL", "C")
    for command, expected in commands_of(page):
        before, _, own = command.partition("anabranch ")
        if "anabranch " in command:
            if before:
                fed = subprocess.run(before.rstrip("| "), shell=True, capture_output=True, text=True, check=True)
                monkeypatch.setattr(sys, "stdin", Given(fed.stdout))
            main(shlex.split(own))
        else:
            subprocess.run(command, shell=True, check=True)
        out, err = capfd.readouterr()
        said = "".join(line for line in (out + err).splitlines(True) if not line.startswith("Fontconfig"))
        assert doctest.OutputChecker().check_output(expected, said, doctest.ELLIPSIS), f"$ {command}\n{said}"
    assert sorted(os.listdir(tmp_path)) == ["examples", "in.jsonl", "out.jsonl", "run.html", "run.jsonl"]


class Given:
    """A standard input."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self) -> str:
        return self._text
