"""A callback handler that writes into a file which chains run."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TextIO

from anabranch.nodes.callbacks.handlers import BaseCallbackHandler
from anabranch.nodes.callbacks.stdout_handlers import Color, colored


class FileCallbackHandler(BaseCallbackHandler):
    """Writes when chains start and end, what tools give, and texts that functions tell, as `StdOutCallbackHandler`
    prints them. `JsonLinesTracer` writes all that is known of runs.

    It opens the file at once, and closes it with `close`, or at the end of a `with` block.

    Args:
        filename: the file. Its folder must exist.
        mode: of opening it: "a" to append, "w" to begin anew, "x" to refuse one that is there.
        color: of texts and of what tools give, by codes of terminals; by default there are none.

    Raises:
        OSError: when the file can't be opened.
        ValueError: when it is told of something after it was closed; this is logged, and breaks no run.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp(), "runs.txt")
        >>> with FileCallbackHandler(file) as handler:
        ...     length = RunnableLambda(len).invoke("abc", {"callbacks": [handler]})
        >>> file.read_text().split("\\n")
        ['', '', '> Entering new len chain...', '', '> Finished chain.', '']
    """

    def __init__(self, filename: str | Path, mode: Literal["a", "w", "x"] = "a", color: Color | None = None) -> None:
        self.filename, self.mode, self.color = str(filename), mode, color
        self.file: TextIO = Path(filename).open(mode, encoding="utf-8")  # noqa: SIM115 (closed by `close`)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        """Write that a chain starts."""
        self._write(f"\n\n> Entering new {kwargs.get('name') or 'unnamed'} chain...\n")

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        """Write that a chain has ended."""
        self._write("\n> Finished chain.\n")

    def on_tool_end(self, output: Any, **kwargs: Any) -> None:
        """Write what a tool gave."""
        self.on_text(str(output))

    def on_text(self, text: str, color: Color | None = None, end: str = "", **kwargs: Any) -> None:
        """Write a text in a color, and `end` behind it."""
        self._write(colored(text, color or self.color) + end)

    def _write(self, text: str) -> None:
        self.file.write(text)
        self.file.flush()
