"""The results of a batch in a file, one a line. What the file has is done; so a killed batch goes on where it stopped.

A line is `{"index": n, "output": ...}` or `{"index": n, "error": {"type": ..., "message": ...}}`. It is handed to the
operating system at once and as a whole, so a process that is killed leaves at most one torn line, the last, which is
dropped when the file is opened again.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
from types import TracebackType
from typing import Any, BinaryIO, Self

from anabranch.engine.json_encoding import json_line, to_json
from anabranch.viz.asking import AskedWrongly, reason

HEAD = b'{"index":'
"""How each line begins."""


class BatchResults:
    """The results so far, and those to come. `index in results` tells whether there is one.

    Memory: a byte for each line of the input.

    Args:
        path: of the file. It is made if it isn't there.
        unlike: the file of the inputs, which this must not be.
        drop_errors: take out the results that are errors, as if they had not been run.

    Attributes:
        count, failed: how many results there are, and how many of these are errors.
        last: the highest index; -1 without any.

    Raises:
        AskedWrongly: when the file can't be used: it holds something else, or another batch is writing it.
    """

    def __init__(self, path: str, *, unlike: str, drop_errors: bool = False) -> None:
        self._path = os.path.realpath(path)
        self._shown = path
        self._done = bytearray()
        self.count = self.failed = 0
        self.last = -1
        try:
            if os.path.exists(path) and os.path.samefile(path, unlike):
                raise AskedWrongly(f"{path} is the file of the inputs; choose another for the results")
            self._files = [open(self._path, "ab+", buffering=0)]  # noqa: SIM115 # `close` closes it
        except OSError as error:
            raise AskedWrongly(f"{path} can't be written ({reason(error)})") from error
        try:
            self._lock(self._files[0])
            self._read(None)
            if drop_errors and self.failed:
                self._rewrite()
        except BaseException:
            self.close()
            raise

    def __contains__(self, index: int) -> bool:
        return index < len(self._done) and bool(self._done[index])

    def add(self, index: int, result: Any) -> None:
        """Write the result of an input: its output, or the exception that it failed with."""
        line: dict[str, Any] = {"index": index}
        if isinstance(result, Exception):
            line["error"] = to_json(result)
        else:
            line["output"] = to_json(result)
        _write(self._files[-1], json_line(line) + b"\n")
        self._note(index, isinstance(result, Exception))

    def _note(self, index: int, failed: bool) -> None:
        if index >= len(self._done):
            self._done.extend(bytes(index + 1 - len(self._done)))
        self._done[index] = 1
        self.count += 1
        self.failed += failed
        self.last = max(self.last, index)

    def _read(self, kept: BinaryIO | None) -> None:
        """Note what is in the file, and cut off a torn line. With `kept`, write what is no error there instead."""
        self._done.clear()
        self.count = self.failed = 0
        self.last = -1
        whole = 0
        with open(self._path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") and (line.startswith(HEAD) or HEAD.startswith(line)):
                    break
                index, failed = self._result_in(line, number)
                whole += len(line)
                if kept is not None and failed:
                    continue
                if kept is not None:
                    _write(kept, line)
                self._note(index, failed)
        if kept is None:
            self._files[0].truncate(whole)

    def _result_in(self, line: bytes, number: int) -> tuple[int, bool]:
        try:
            found = json.loads(line)
            index, failed = found["index"], "error" in found
            if type(index) is int and index >= 0 and (failed or "output" in found):
                if index in self:
                    raise AskedWrongly(f"{self._shown}:{number}: there is a result for index {index} already")
                return index, failed
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise AskedWrongly(
            f"{self._shown}:{number}: this line is no result of a batch: {line[:60]!r}. "
            "Choose another file for the results"
        )

    def _rewrite(self) -> None:
        """Put a file without the errors in the place of this one, in one stroke."""
        fresh = self._path + ".new"
        file = open(fresh, "wb", buffering=0)  # noqa: SIM115 # `close` closes it
        self._files.append(file)
        shutil.copymode(self._path, fresh)
        self._lock(file)
        self._read(file)
        os.replace(fresh, self._path)

    def _lock(self, file: BinaryIO) -> None:
        """Keep a second batch from writing the same file. The lock goes with the process."""
        try:
            locks = importlib.import_module("fcntl")
        except ImportError:  # not on this system
            return
        try:
            locks.flock(file.fileno(), locks.LOCK_EX | locks.LOCK_NB)
        except BlockingIOError:
            raise AskedWrongly(f"{self._shown} is being written by another batch") from None
        except OSError:  # a file system without locks
            return

    def close(self) -> None:
        """Let go of the file."""
        for file in self._files:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _write(file: BinaryIO, data: bytes) -> None:
    """Hand it all to the operating system."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
