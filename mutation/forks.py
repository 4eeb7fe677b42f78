"""Runs pytest again and again, each time in a fork of a process that has imported what doesn't change.

It reads wishes from its input, one JSON object a line, and answers each with a line: the exit code, or null when the
time was over. A fork is a session of its own; what is left of it in the end is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from typing import Any

import blockbuster as blockbuster
import greenlet as greenlet
import jsonpatch as jsonpatch
import networkx as networkx
import pydantic as pydantic
import pytest

PLUGINS = ("_hypothesis_pytestplugin", "pytest_timeout", "mutation.plugin")
OPTIONS = ("-q", "-p", "no:cacheprovider", *(word for plugin in PLUGINS for word in ("-p", plugin)))
REST = 0.02
"""Seconds between two looks at a running fork."""


def main() -> None:
    """Fulfil wishes until there are no more."""
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


def _run(wish: dict[str, Any]) -> int | None:
    process = os.fork()
    if not process:
        _be_pytest(wish)
    end = time.monotonic() + wish["seconds"]
    try:
        while time.monotonic() < end:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                process = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(REST)
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process or done, signal.SIGKILL)
        if process:
            os.waitpid(process, 0)


def _be_pytest(wish: dict[str, Any]) -> None:
    code: int = 1
    try:
        os.setsid()
        output = os.open(wish["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(old, new)
        os.environ.update(wish["more"])
        sys.path.insert(0, os.getcwd())
        code = int(pytest.main([*OPTIONS, *wish["arguments"]]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
