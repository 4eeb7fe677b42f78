"""What runs, on the console: a live tree on a terminal, plain lines anywhere else.

In lines, `>` is a start, `<` an end, `!` a failure, `~` an attempt that is repeated, and `*` a custom event:

    > RunnableSequence
      > search
      < search 12 ms
      > model
      ! model 0.2 ms, TimeoutError: no answer
    ! RunnableSequence 14 ms, TimeoutError: no answer

With values it says after a colon what goes in and what comes out.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO

from anabranch.engine.runs import MISSING, RunInfo
from anabranch.nodes.extras import MissingExtraError, import_extra
from anabranch.nodes.tracing.live_trees import LONGEST_NAME, Branch, LiveTrees, shortened
from anabranch.nodes.tracing.sinks import Sink

LONGEST_TEXT = 200
"""Characters shown of an error or a value."""


class ConsoleTracer(Sink):
    """Shows what runs: put it into `callbacks`.

    On a terminal, with the package rich, the runs that are on their way stand there as a tree with the time that each
    has taken, its chunks and retries; when one is over its tree stays, with the errors. Anywhere else each start and
    end is a line, indented. Names and errors are shortened, and whatever they contain is shown as plain text.

    Args:
        file: where to write; by default the standard error stream.
        values: show what goes into each run and what comes out of it, too; the first 200 characters.
        live: whether to draw the tree; by default, when `file` is a terminal and rich is installed.
        console: a `rich.console.Console` to draw on, instead of `file`.

    Raises:
        MissingExtraError: an `ImportError`, when `live` is asked for and rich isn't installed.

    Example:
        >>> import io
        >>> said = io.StringIO()
        >>> RunnableLambda(len, name="count").invoke("four", {"callbacks": [ConsoleTracer(said)]})
        4
        >>> print(said.getvalue().strip())
        > count
        < count ...s
        >>> RunnableLambda(len, name="count").invoke("four", {"callbacks": [ConsoleTracer(sys.stdout, values=True)]})
        > count: 'four'
        < count ...s: 4
        4
    """

    def __init__(
        self, file: TextIO | None = None, *, values: bool = False, live: bool | None = None, console: Any = None
    ) -> None:
        super().__init__()
        self._file = file
        self._shows_values = values
        self._branches: dict[RunInfo, Branch] = {}
        self._live: Any = self._live_trees(live, console)

    def _live_trees(self, live: bool | None, console: Any) -> Any:
        """What draws the trees; None for plain lines."""
        if live is None:
            live = _is_terminal(self._file or sys.stderr) if console is None else console.is_terminal
            if not live:
                return None
            try:
                import_extra("rich", "console", "")
            except MissingExtraError:
                return None
        if not live:
            return None
        rich = import_extra("rich.console", "console", f"{type(self).__name__} on a terminal")
        return LiveTrees(console or rich.Console(file=self._file, stderr=self._file is None))

    # Facts

    def started(self, run: RunInfo) -> None:
        """See `Listener`."""
        parent = None if run.parent is None else self._branches.get(run.parent)
        branch = self._branches[run] = Branch(run, parent)
        branch.value = self._value_text(run.input)
        self._show(run, branch, ">", "")

    def chunk(self, run: RunInfo, chunk: Any) -> None:
        """See `Listener`."""
        self._branches[run].chunks += 1

    def ended(self, run: RunInfo) -> None:
        """See `Listener`."""
        branch = self._branches.pop(run)
        branch.ended, branch.value = run.ended, self._value_text(run.output)
        self._show(run, branch, "<", branch.facts)

    def failed(self, run: RunInfo) -> None:
        """See `Listener`."""
        branch = self._branches.pop(run)
        branch.ended, branch.error, branch.value = run.ended, error_text(run.error), None
        self._show(run, branch, "!", f"{branch.facts}, {branch.error}")

    def told(self, run: RunInfo, what: str, *data: Any) -> None:
        """See `Listener`."""
        branch = self._branches[run]
        if what == "retry":
            branch.retries += 1
            error = getattr(data[0], "exception", None)
            number = getattr(data[0], "attempt_number", branch.retries)
            self._show(run, branch, "~", f"attempt {number} failed: {error_text(error)}")
        elif what == "custom_event":
            branch.said = shortened(str(data[0]), LONGEST_NAME)
            self._show(run, branch, "*", f"{branch.said}: {value_text(data[1])}")

    def _value_text(self, value: Any) -> str | None:
        return value_text(value) if self._shows_values and value is not MISSING else None

    def _show(self, run: RunInfo, branch: Branch, sign: str, text: str) -> None:
        if self._live is None:
            value = f": {branch.value}" if branch.value is not None and sign in "><" else ""
            self.note(run, f"{'  ' * branch.depth}{sign} {branch.name} {text}".rstrip() + value + "\n")
        elif sign in "><!":
            self.note(run, branch)

    # Writing

    def write(self, items: list[Any]) -> None:
        """See `Sink`."""
        if self._live is not None:
            self._live.show(items)
            return
        file = self._file or sys.stderr
        encoding = getattr(file, "encoding", None) or "utf-8"
        file.write("".join(items).encode(encoding, "backslashreplace").decode(encoding))
        file.flush()

    def end(self) -> None:
        """See `Sink`."""
        if self._live is not None:
            self._live.stop()


def _is_terminal(file: TextIO) -> bool:
    try:
        return file.isatty()
    except (AttributeError, ValueError):  # it is no file at all, or closed
        return False


def error_text(error: BaseException | None) -> str:
    """The type of an error and what it says, on one short line."""
    try:
        said = str(error)
    except Exception:
        said = ""
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return shortened(text, LONGEST_TEXT)


def value_text(value: Any) -> str:
    """A value, on one short line; a prompt or a message by its text."""
    try:
        if hasattr(value, "to_messages"):
            value = value.to_string()
        elif hasattr(value, "content") and isinstance(getattr(value, "text", None), str):
            value = value.text or value
        return shortened(repr(value), LONGEST_TEXT)
    except Exception:
        return f"<{type(value).__name__}>"
