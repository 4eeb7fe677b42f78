"""A batch over a file of lines: in place, once each, whatever stops it on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anabranch.viz import batch_command
from anabranch.viz.batch_results import BatchResults
from anabranch.viz.command_line import main

CHAINS = str(Path(__file__).with_name("chain_of_commands.py"))
Capture = pytest.CaptureFixture[str]
PATIENCE = 60.0


class Files:
    """The two files of a batch."""

    def __init__(self, folder: Path) -> None:
        self.inputs, self.outputs = folder / "in.jsonl", folder / "out.jsonl"

    def give(self, *lines: Any) -> None:
        self.inputs.write_text("".join(json.dumps(each) + "\n" for each in lines))

    def run(self, chain: str, *more: str) -> int:
        return main(["batch", f"{CHAINS}:{chain}", str(self.inputs), str(self.outputs), *more])

    @property
    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.outputs.read_text().splitlines()]

    @property
    def by_index(self) -> dict[int, Any]:
        """The results; none may be there twice."""
        found = {each.pop("index"): each for each in self.results}
        assert len(found) == len(self.results)
        return found


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.mark.parametrize("how", [[], ["--async"], ["--max-concurrency", "1"]])
def test_each_line_has_its_result(how: list[str], files: Files, capsys: Capture) -> None:
    files.give(*range(20))
    assert files.run("doubling", *how) == 0
    assert files.by_index == {index: {"output": 2 * index} for index in range(20)}
    assert capsys.readouterr() == ("", "anabranch batch: 20 of 20 have an output\n")


def test_errors_are_in_place_and_the_exit_code_tells(files: Files, capsys: Capture) -> None:
    files.inputs.write_text('1\n-1\n{"no": json\n\n"7"\n9')
    assert files.run("doubling") == 3
    found = files.by_index
    assert found[0] == {"output": 2}
    assert found[1]["error"]["type"] == "ValueError"
    assert found[1]["error"]["message"] == "-1 is below\nnothing"
    assert found[2]["error"]["type"] == "JSONDecodeError"
    assert found[2]["error"]["notes"] == ["the line of the input is no JSON"]
    assert 3 not in found
    assert found[4]["error"]["type"] == "TypeError"
    assert found[5] == {"output": 18}
    assert "2 of 5 have an output, 3 an error (--retry-errors runs these again)" in capsys.readouterr().err


def test_what_is_done_is_not_run_again(files: Files, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("RAN", str(files.inputs.with_name("ran")))
    files.give(0, 1, 2, 3)
    files.outputs.write_text('{"index":2,"output":2}\n{"index":0,"output":0}\n{"index":1,"out')
    assert files.run("slow") == 0
    assert files.by_index == {index: {"output": index} for index in range(4)}
    assert sorted(Path(os.environ["RAN"]).read_text().split()) == ["1", "3"]
    assert "4 of 4 have an output; 2 were there before" in capsys.readouterr().err
    assert files.run("slow") == 0
    assert len(Path(os.environ["RAN"]).read_text().split()) == 2


def test_errors_are_run_again_when_asked_for(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURE", str(files.inputs.with_name("cure")))
    files.give(*range(10))
    assert files.run("failing_at_first") == 3
    before = files.outputs.read_bytes()
    assert files.run("failing_at_first") == 3
    assert files.outputs.read_bytes() == before
    Path(os.environ["CURE"]).touch()
    assert files.run("failing_at_first", "--retry-errors") == 0
    assert files.by_index == {index: {"output": index} for index in range(10)}
    assert sorted(path.name for path in files.inputs.parent.iterdir()) == ["cure", "in.jsonl", "out.jsonl"]


@pytest.mark.parametrize("how", [[], ["--async"]])
def test_a_killed_batch_goes_on_where_it_stopped(how: list[str], files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAN", str(files.inputs.with_name("ran")))
    monkeypatch.setattr(batch_command, "WINDOW", 100)
    files.give(*range(200))
    kept = b""
    command = [sys.executable, "-m", "anabranch.viz.command_line", "batch", f"{CHAINS}:slow"]
    for least in (1, 75):
        running = subprocess.Popen([*command, str(files.inputs), str(files.outputs), "--max-concurrency", "3", *how])
        deadline = time.monotonic() + PATIENCE
        while not files.outputs.exists() or files.outputs.read_bytes().count(b"\n") < least:
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        assert files.outputs.read_bytes().startswith(kept)  # what was there stays as it was
        kept = files.outputs.read_bytes()[:-5]  # as if it had been torn
        files.outputs.write_bytes(kept)
        kept = kept[: kept.rfind(b"\n") + 1]
    before = kept.count(b"\n")
    assert 75 <= before + 1 <= 199
    assert files.run("slow", "--max-concurrency", "3", *how) == 0
    assert files.by_index == {index: {"output": index} for index in range(200)}
    again = len(Path(os.environ["RAN"]).read_text().split()) - 200
    assert 0 <= again <= 2 * 4  # those that ran when it was killed, and the torn one


def test_an_interrupted_batch_says_how_far_it_is(files: Files, capsys: Capture) -> None:
    files.give(1)
    assert files.run("interrupted") == 130
    assert "0 of 1 done; the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dear diary\n", "out.jsonl:1: this line is no result of a batch: b'dear diary"),
        ("dear diary", "this line is no result of a batch"),
        ('{"index":0,"output":1}\n[1]\n', "out.jsonl:2: this line is no result"),
        ('{"index":true,"output":1}\n', "is no result"),
        ('{"index":0}\n', "is no result"),
        ('{"index":0,"output":1}\n{"index":0,"output":1}\n', "out.jsonl:2: there is a result for index 0 already"),
        ('{"index":2,"output":1}\n', "has a result for line 3, and"),
    ],
)
def test_a_file_of_something_else_is_left_alone(text: str, told: str, files: Files, capsys: Capture) -> None:
    files.give(1, 2)
    files.outputs.write_text(text)
    assert files.run("doubling") == 2
    assert told in capsys.readouterr().err
    assert files.outputs.read_text() == text


def test_files_that_can_not_be_used_are_told(files: Files, tmp_path: Path, capsys: Capture) -> None:
    assert files.run("doubling") == 2
    assert "in.jsonl can't be read (No such file or directory)" in capsys.readouterr().err
    files.give(1)
    assert main(["batch", f"{CHAINS}:doubling", str(files.inputs), str(files.inputs)]) == 2
    assert "is the file of the inputs" in capsys.readouterr().err
    assert main(["batch", f"{CHAINS}:doubling", str(files.inputs), str(tmp_path / "no" / "out")]) == 2
    assert "can't be written" in capsys.readouterr().err


def test_two_batches_do_not_write_one_file(files: Files, capsys: Capture) -> None:
    pytest.importorskip("fcntl")
    files.give(1)
    with BatchResults(str(files.outputs), unlike=str(files.inputs)):
        assert files.run("doubling") == 2
    assert "out.jsonl is being written by another batch" in capsys.readouterr().err
    assert files.run("doubling") == 0


def test_memory_does_not_grow_with_the_lines(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_command, "WINDOW", 100)
    peaks = []
    for lines in (200, 1_000):
        files.outputs.unlink(missing_ok=True)
        files.give(*(["x" * 1_000] * lines))
        tracemalloc.start()
        assert files.run("asking") == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 300_000  # the lines are 800 kB more


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.integers(0, 60))
def test_what_a_file_has_is_read_back_wherever_it_was_torn(good: set[int], bad: set[int], torn: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.jsonl")
        with BatchResults(path, unlike=__file__) as results:
            for index in good | bad:
                results.add(index, ValueError("no") if index in bad else index)
        whole = Path(path).read_bytes()
        left = whole[: max(0, len(whole) - torn)]
        Path(path).write_bytes(left)
        kept = [json.loads(line) for line in left[: left.rfind(b"\n") + 1].splitlines()]
        with BatchResults(path, unlike=__file__, drop_errors=True) as results:
            fine = {each["index"] for each in kept if "output" in each}
            assert {index for index in range(40) if index in results} == fine
            assert (results.count, results.failed, results.last) == (len(fine), 0, max(fine, default=-1))
        assert [json.loads(line) for line in Path(path).read_bytes().splitlines()] == [
            each for each in kept if "output" in each
        ]


def test_a_terminal_gets_a_bar_that_counts_what_was_there_before(
    files: Files, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    files.give(1, 2, 3)
    files.outputs.write_text('{"index":1,"output":4}\n')
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert files.run("doubling") == 0
    err = capsys.readouterr().err
    assert "| 1/3 [" in err
    assert "| 3/3 [" in err
