"""Chains run, described and told again by commands."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anabranch.nodes import replay
from anabranch.viz.command_line import main

CHAINS = str(Path(__file__).with_name("chain_of_commands.py"))
Capture = pytest.CaptureFixture[str]


def ran(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    return code, *capsys.readouterr()


def said(capsys: Capture, *arguments: str) -> str:
    """What a command prints, that succeeds and tells nothing else."""
    code, out, err = ran(capsys, *arguments)
    assert (code, err) == (0, "")
    return out


# Chains and where they are


@pytest.mark.parametrize("name", ["doubling", "double", "make", "nested.chains.doubling"])
def test_a_chain_is_found_in_a_file(name: str, capsys: Capture) -> None:
    assert said(capsys, "run", f"{CHAINS}:{name}", "--input", "4") == "8\n"


def test_a_dict_is_a_chain(capsys: Capture) -> None:
    assert said(capsys, "run", f"{CHAINS}:both", "--input", "4") == '{"double":8,"same":4}\n'


def test_a_module_of_the_current_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "pack_of_this_test").mkdir()
    (tmp_path / "pack_of_this_test" / "inner.py").write_text("chain = {'length': len}")
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "run", "pack_of_this_test.inner:chain", "--text", "four") == '{"length":4}\n'


def test_a_file_imports_what_stands_beside_it_and_may_be_called_as_a_module_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "beside_of_this_test.py").write_text("def size(text):\n    return len(text)")
    (tmp_path / "json.py").write_text("from beside_of_this_test import size as chain")
    monkeypatch.setattr(sys, "path", sys.path.copy())
    assert said(capsys, "run", f"{tmp_path}/json.py:chain", "--text", "four") == "4\n"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("doubling", "'doubling' names no chain; a chain is named module:name or path/to/file.py:name"),
        (":chain", "':chain' names no chain"),
        (f"{CHAINS}:", "names no chain"),
        ("no_such_module:chain", "there is no module 'no_such_module'"),
        ("json.no_such_module:chain", "there is no module 'json.no_such_module'"),
        ("no/such.py:chain", "there is no file no/such.py"),
        ("./such:chain", "'./such' is no module"),
        (f"{CHAINS}:doublin", "did you mean 'doubling'?"),
        (f"{CHAINS}:xyz", "its chains are doubling, spelling, counting, asking, endless"),
        (f"{CHAINS}:number", "is no chain, but of type int"),
        (f"{CHAINS}:make_badly", "was called to make a chain, and raised RuntimeError: no honey"),
        (f"{CHAINS}:make_later", "is a coroutine function; one that makes a chain is a plain function"),
    ],
)
def test_a_chain_that_is_not_there_is_told_in_a_sentence(target: str, told: str, capsys: Capture) -> None:
    code, out, err = ran(capsys, "run", target)
    assert (code, out) == (2, "")
    assert err.startswith("anabranch run: ")
    assert told in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import no_honey_here", "ModuleNotFoundError: No module named 'no_honey_here'"),
        ("x = 1\nraise ValueError('bad')", "ValueError: bad"),
        ("def (", "SyntaxError: invalid syntax (broken_chain.py, line 1)\n"),
    ],
)
def test_a_file_that_breaks_is_told_with_the_line(code: str, told: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "broken_chain.py").write_text(code)
    status, _, err = ran(capsys, "run", f"{tmp_path}/broken_chain.py:chain")
    assert status == 2
    assert told in err
    assert "broken_chain.py" in err
    assert len(err.splitlines()) == 1


# Inputs and outputs


def test_an_input_comes_from_the_line_a_file_or_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "in.json").write_text("21")
    monkeypatch.setattr(sys, "stdin", io.StringIO("33"))
    for given, expected in [("-4.5e-1", None), ("5", 10), (f"@{tmp_path}/in.json", 42), ("-", 66)]:
        if expected is not None:
            assert said(capsys, "run", f"{CHAINS}:doubling", "--input", given) == f"{expected}\n"


def test_a_text_is_printed_as_it_is_and_what_is_no_json_as_json(capsys: Capture) -> None:
    assert said(capsys, "run", f"{CHAINS}:spelling", "--text", "für\nelse") == "für\nelse\n"
    shown = json.loads(said(capsys, "run", f"{CHAINS}:asking", "--text", "why?"))
    assert (shown["type"], shown["content"]) == ("human", "why?")


@pytest.mark.parametrize("how", [[], ["--async"]])
def test_chunks_are_printed_as_they_come(how: list[str], capsys: Capture) -> None:
    assert said(capsys, "run", f"{CHAINS}:spelling", "--text", "honey", "--stream", *how) == "honey\n"
    assert said(capsys, "run", f"{CHAINS}:counting", "--input", "3", "--stream", *how) == "[0]\n[1]\n[2]\n"


def test_it_runs_on_an_event_loop(capsys: Capture) -> None:
    assert said(capsys, "run", f"{CHAINS}:doubling", "--input", "3", "--async") == "6\n"


def test_a_trace_goes_to_standard_error(capsys: Capture) -> None:
    code, out, err = ran(capsys, "run", f"{CHAINS}:doubling", "--input", "3", "--trace")
    assert (code, out) == (0, "6\n")
    assert err.splitlines()[0] == "> double"


def test_a_config_reaches_the_run(tmp_path: Path, capsys: Capture) -> None:
    path, id = str(tmp_path / "run.jsonl"), "7f3b8a53-6a1c-4f7e-9a59-0d6f3ab3a1c4"
    config = json.dumps({"tags": ["cli"], "run_id": id})
    said(capsys, "run", f"{CHAINS}:doubling", "--input", "3", "--record", path, "--config", config)
    (start, *_) = replay(path)
    assert (start["tags"], start["run_id"]) == (["cli"], id)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--input", "{"], "--input '{' is no JSON"),
        (["--input", "otters"], "a text is given with --text"),
        (["--input", "@no-such-file"], "no-such-file can't be read (No such file or directory)"),
        (["--input", "1", "--text", "a"], "not allowed with"),
        (["--config", "[]"], "--config: expected a JSON object"),
        (["--config", '{"max_concurrency": 0}'], "expected an int of at least 1"),
        (["--config", '{"run_id": "x"}'], "is no UUID"),
        (["--record", "/no/such/folder/run.jsonl"], "can't be written (No such file or directory)"),
        (["--inp", "1"], "unrecognized arguments: --inp 1"),
    ],
)
def test_what_is_asked_wrongly_is_told_before_anything_runs(arguments: list[str], told: str, capsys: Capture) -> None:
    code, out, err = ran(capsys, "run", f"{CHAINS}:interrupted", *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_failure_without_an_input_is_told_so(capsys: Capture) -> None:
    told = "; its input was null, since there was no --input and no --text"
    assert told in ran(capsys, "run", f"{CHAINS}:both")[2]
    assert told not in ran(capsys, "run", f"{CHAINS}:both", "--input", "-1")[2]


def test_a_failure_names_the_error_and_the_step(capsys: Capture) -> None:
    code, out, err = ran(capsys, "run", f"{CHAINS}:both", "--input", "-1")
    assert (code, out) == (1, "")
    assert err.startswith("anabranch run: ValueError: -1 is below nothing, raised in step ")
    assert "> double (--debug shows where)" in err
    assert len(err.splitlines()) == 1
    with pytest.raises(ValueError, match="is below"):
        main(["run", f"{CHAINS}:both", "--input", "-1", "--debug"])


def test_an_interruption_is_130(capsys: Capture) -> None:
    assert ran(capsys, "run", f"{CHAINS}:interrupted") == (130, "", "")


def test_it_is_a_program_whose_reader_may_go_away() -> None:
    command = [sys.executable, "-W", "error", "-m", "anabranch.viz.command_line", "run", f"{CHAINS}:counting"]
    with subprocess.Popen(
        [*command, "--stream", "--input", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == b"[0]\n"
        running.stdout.close()
        errors = running.stderr.read()
    assert (running.returncode, errors) == (0, b"")


# Records and schemas


def test_a_recorded_run_is_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    path = str(tmp_path / "run.jsonl")
    said(capsys, "run", f"{CHAINS}:both", "--input", "2", "--record", path)
    told = said(capsys, "replay", path)
    assert told.splitlines()[0] == "> RunnableParallel<double,same>"
    assert told.count("\n") == 6

    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)
    assert said(capsys, "replay", path, "--speed", "0.5") == told
    times = [event["time"] for event in replay(path, times=True)]
    assert sum(naps) == pytest.approx((times[-1] - times[0]) / 0.5)


def test_a_recorded_failure_is_told_with_its_error(tmp_path: Path, capsys: Capture) -> None:
    path = str(tmp_path / "run.jsonl")
    assert main(["run", f"{CHAINS}:both", "--input", "-2", "--record", path]) == 1
    capsys.readouterr()
    assert "ValueError: -2 is below" in said(capsys, "replay", path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "can't be read"),
        ("", "run.jsonl has no run in it"),
        ('{"a": 1}\n', "this line is no event"),
        ("x\n", "no JSON"),
        ("\xff\n", "no JSON"),
    ],
)
def test_what_is_no_record_is_told(text: str | None, told: str, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "run.jsonl"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    code, out, err = ran(capsys, "replay", str(path))
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_schemas_are_json(capsys: Capture) -> None:
    assert json.loads(said(capsys, "schema", f"{CHAINS}:doubling", "--input"))["type"] == "integer"
    whole = json.loads(said(capsys, "schema", f"{CHAINS}:doubling"))
    assert sorted(whole) == ["config", "input", "output"]
    assert whole["output"] == json.loads(said(capsys, "schema", f"{CHAINS}:doubling", "--output"))


@pytest.mark.parametrize("command", ["draw", "explain", "run", "batch", "watch", "replay", "timeline", "schema", "ask"])
def test_each_command_teaches_by_example(command: str, capsys: Capture) -> None:
    assert f"examples:\n  anabranch {'run' if command in ('replay', 'timeline') else command}" in said(
        capsys, command, "--help"
    )


# Pictures


def test_a_chain_is_drawn_and_explained(tmp_path: Path, capsys: Capture) -> None:
    chain = f"{CHAINS}:both"
    assert said(capsys, "draw", chain).splitlines()[:2] == ["input", "double"]
    assert said(capsys, "draw", chain, "--types", "--format", "mermaid").startswith("flowchart")
    assert said(capsys, "explain", chain).startswith("RunnableParallel<double,same>: 2 steps")
    for ending, begin in ((".dot", "digraph"), (".mmd", "flowchart"), (".txt", "input")):
        assert said(capsys, "draw", chain, "--plan", "-o", f"{tmp_path}/chain{ending}") == ""
        assert (tmp_path / f"chain{ending}").read_text().lstrip().startswith(begin)


def test_when_a_recorded_run_did_what_is_drawn(tmp_path: Path, capsys: Capture) -> None:
    path, chain = str(tmp_path / "run.jsonl"), f"{CHAINS}:both"
    said(capsys, "run", chain, "--input", "2", "--record", path)
    assert said(capsys, "timeline", path).startswith("RunnableParallel<double,same>")
    assert said(capsys, "timeline", path, "--chain", chain, "-o", f"{tmp_path}/run.html") == ""
    assert "<html" in (tmp_path / "run.html").read_text()
    assert "Took" in said(capsys, "explain", chain, "--analyze", path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["draw", f"{CHAINS}:both", "-o", "chain.zip"], "give a format, or an ending of .svg"),
        (["draw", f"{CHAINS}:both", "-o", "/no/such/folder/x.txt"], "can't be written"),
        (["draw", f"{CHAINS}:both", "--depth", "-1"], "--depth"),
        (["explain", f"{CHAINS}:both", "--max-concurrency", "0"], "'0' is not a number of at least 1"),
        (["explain", f"{CHAINS}:both", "--analyze", "/no/such"], "/no/such can't be read"),
        (["explain", f"{CHAINS}:both", "--analyze", CHAINS], "no JSON"),
        (["explain", f"{CHAINS}:both", "--analyze", os.devnull], "has no run in it"),
        (["timeline", "/no/such"], "/no/such can't be read"),
        (["timeline", os.devnull], "has no run in it"),
    ],
)
def test_pictures_that_can_not_be_are_told(arguments: list[str], told: str, capsys: Capture) -> None:
    code, out, err = ran(capsys, *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1
