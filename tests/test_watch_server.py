"""The server of a watched run: who may ask, what it answers, and what becomes of those who don't listen."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from watched import Gate, record, served, watching

from anabranch.nodes import RunnableGenerator, RunnableLambda
from anabranch.viz import watched_runs
from anabranch.viz.command_line import main
from anabranch.viz.watch_server import WatchServer
from anabranch.viz.watched_runs import WatchedRun

CHAINS = str(Path(__file__).with_name("chain_of_commands.py"))
writes = pytest.mark.may_block  # a watched run writes its record on its own loop
LENGTH = RunnableLambda(len)


def ask(server: WatchServer, path: str = "", method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    """The status, the body and the headers of an answer. A path that begins with a slash is from the root."""
    url = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=30)
    try:
        path = path if path.startswith("/") else url.path + path
        connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {key.lower(): value for key, value in answer.getheaders()}
    finally:
        connection.close()


def facts_in(text: str) -> list[dict[str, Any]]:
    """The facts of a stream of server-sent events."""
    found = re.findall(r"^data: (\[.*)$", text, re.MULTILINE)
    return [fact for line in found for fact in json.loads(line)]


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[WatchServer]:
    with served(WatchedRun("run.jsonl", record(LENGTH, "four", tmp_path), LENGTH)) as server:
        yield server


def test_the_address_has_a_token_that_nobody_can_guess(recorded: WatchServer, tmp_path: Path) -> None:
    token = urlsplit(recorded.url).path.strip("/")
    assert len(token) >= 32
    assert ask(recorded)[0] == 200
    for path in ("/", "/about", f"/{token[:-1]}/", f"/{token}x/about", "//", f"/x/../{token}/about", "/%00/"):
        status, body, _ = ask(recorded, path)
        assert status == 404, path
        assert token not in body
    with served(WatchedRun("run", str(tmp_path / "none.jsonl"))) as other:
        assert ask(other, urlsplit(recorded.url).path)[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil:80"]
)
def test_another_name_for_this_host_is_refused(host: str, recorded: WatchServer) -> None:
    assert ask(recorded, Host=host)[0] in (400, 421)
    assert ask(recorded, "about", Host=host)[0] in (400, 421)


def test_other_pages_may_not_ask(recorded: WatchServer) -> None:
    own = recorded.url.rpartition("/")[0].rpartition("/")[0]
    assert ask(recorded, "stop", "POST", Origin=own)[0] == 204
    assert ask(recorded, "stop", "POST", Origin="http://evil.example")[0] == 403
    assert ask(recorded, "stop", "POST", Origin="null")[0] == 403
    assert ask(recorded, "stop", "POST", Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(recorded, "about", Origin="http://evil.example")[0] == 403
    assert ask(recorded, "stop")[0] == 404  # it takes a POST


def test_every_answer_comes_with_a_policy(recorded: WatchServer) -> None:
    for path in ("", "about", "facts", "picture", "watch.js", "nothing", "/"):
        _, _, headers = ask(recorded, path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_the_page_has_nothing_from_elsewhere_and_nothing_inline(recorded: WatchServer) -> None:
    page = ask(recorded)[1]
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?:", page)
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        status, text, headers = ask(recorded, name)
        assert status == 200
        assert headers["content-type"].partition(";")[0] in ("text/css", "text/javascript", "image/svg+xml")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)


def test_facts_are_those_of_the_record(recorded: WatchServer) -> None:
    status, text, headers = ask(recorded, "facts")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert text.startswith("event: begin\n")
    assert "event: over\n" in text
    start, chunk, end = facts_in(text)
    assert (start["do"], start["name"], start["type"], start["part"]) == ("start", "len", "chain", "v1")
    assert (chunk["do"], chunk["text"]) == ("chunk", "4\n")
    assert (start["input"], end["do"], end["output"]) == ("four", "end", "4")
    assert json.loads(ask(recorded, "about")[1]) | {"why": ""} == {
        "title": "run.jsonl",
        "picture": True,
        "why": "",
        "live": False,
    }


@writes
def test_a_reader_that_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    text = "x" * 1_000

    def many(numbers: Iterator[int]) -> Iterator[str]:
        for number in numbers:
            for _ in range(number):
                yield text

    run = WatchedRun("run", str(tmp_path / "run.jsonl"), RunnableGenerator(many))
    with served(run) as server:
        url = urlsplit(server.url)
        with socket.create_connection((str(url.hostname), int(url.port or 0))) as lazy:
            lazy.sendall(f"GET {url.path}facts HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
            run.start(3_000, {})
            run.wait()  # with a reader that has taken nothing
            assert len(facts_in(ask(server, "facts")[1])) == 3_002


def test_a_reader_takes_a_block_at_a_time_and_waits_for_the_end_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record(RunnableLambda(lambda text: text * 40, name="long"), "words ", tmp_path)
    whole = read_all(WatchedRun("run", path))
    monkeypatch.setattr(watched_runs, "BLOCK", 7)
    assert read_all(WatchedRun("run", path)) == whole
    assert [fact["do"] for fact in whole] == ["start", "chunk", "end"]


def read_all(run: WatchedRun) -> list[dict[str, Any]]:
    reader, found = run.reader(), []
    while True:
        facts, over = reader.read()
        found += facts
        if over:
            return found


@writes
def test_a_run_that_can_not_begin_says_why(tmp_path: Path) -> None:
    def refuse(text: str) -> str:
        return text

    with watching(RunnableLambda(refuse), "x", tmp_path) as server:
        assert '"failure": ""' in ask(server, "facts")[1]
    run = WatchedRun("run", str(tmp_path / "run.jsonl"), RunnableLambda(refuse))
    run.start("x", {"max_concurrency": 0})
    run.wait()
    with served(run) as server:
        assert "ConfigError: config key 'max_concurrency'" in ask(server, "facts")[1]


@writes
def test_a_closed_server_leaves_no_reader_waiting(tmp_path: Path) -> None:
    gate = Gate()
    with watching(gate.chain, "honey", tmp_path) as server:
        url = urlsplit(server.url)
        with socket.create_connection((str(url.hostname), int(url.port or 0))) as following:
            following.sendall(f"GET {url.path}facts HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
            assert following.recv(10)
            server.close()
            while following.recv(65536):
                pass
    assert gate.closed.is_set()  # the run was stopped


# The command


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--host", "0.0.0.0", f"{CHAINS}:doubling"], "'0.0.0.0' is not a loopback address: a run is shown to this"),
        (["--host", "example.org", f"{CHAINS}:doubling"], "is not a loopback address"),
        (["--port", "70000", f"{CHAINS}:doubling"], "'70000' is not a port"),
        (["no-such.jsonl"], "no-such.jsonl can't be read"),
        ([CHAINS], "this line is no JSON"),
        ([f"{CHAINS}:nothing"], "has no 'nothing'"),
        ([f"{CHAINS}:doubling", "--chain", f"{CHAINS}:doubling"], "--chain says what ran in a recorded run"),
        ([CHAINS, "--text", "x"], "takes neither an input nor --record"),
        ([f"{CHAINS}:doubling", "--record", "/no/such/folder/x"], "can't be written"),
    ],
)
def test_what_is_asked_wrongly_is_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--no-open", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_port_that_is_taken_is_told(recorded: WatchServer, capsys: pytest.CaptureFixture[str]) -> None:
    port = str(urlsplit(recorded.url).port)
    assert main(["watch", "--no-open", "--port", port, f"{CHAINS}:doubling", "--input", "1"]) == 2
    assert f"port {port}, can't be had" in capsys.readouterr().err


def _heed_interrupts() -> None:
    """A background job of a shell inherits that they are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interruption_ends_the_page_and_the_run(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    command = [sys.executable, "-m", "anabranch.viz.command_line", "watch", "--no-open", f"{CHAINS}:endless"]
    running = subprocess.Popen(
        [*command, "--input", "1", "--record", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={key: value for key, value in os.environ.items() if "DISPLAY" not in key},
        preexec_fn=_heed_interrupts,
    )
    with running:
        assert running.stdout is not None
        assert running.stderr is not None
        url = running.stdout.readline().strip()
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        connection.request("GET", parts.path + "facts")
        with connection.getresponse() as following:
            assert following.readline() == b"event: begin\n"
            running.send_signal(signal.SIGINT)
            assert b"over" not in following.read()  # it ends all the same
        assert running.wait(30) == 130
        assert [line for line in running.stderr if not line.startswith("Fontconfig")] == []  # Graphviz' own
        connection.close()
    assert "CancelledError" in path.read_text().splitlines()[-1]
