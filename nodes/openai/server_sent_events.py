"""Server-sent events: what a streamed answer is made of. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

from collections.abc import Iterator


class EventDecoder:
    """Bytes in, however they are cut; out comes the data of each event that is complete.

    Lines end with `\\n`, `\\r\\n` or `\\r` and with nothing else: JSON may hold the characters that Unicode counts
    as ends of lines. Comments, and fields other than `data`, are left out.

    Example:
        >>> decoder = EventDecoder()
        >>> [*decoder.push(b"data: one\\n"), *decoder.push(b"\\n: ping\\n\\ndata: tw"), *decoder.push(b"o\\n\\n")]
        ['one', 'two']
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of a line that isn't complete
        self._data: list[str] = []  # the lines of an event that isn't complete

    def push(self, piece: bytes) -> Iterator[str]:
        """The data of the events that this piece completes."""
        if not piece:
            return
        if b"\n" not in piece and b"\r" not in piece and not self._ends_with_return():
            self._parts.append(piece)
            return
        lines = b"".join((*self._parts, piece)).splitlines(keepends=True)
        # A line that ends with \r may go on with \n in the next piece.
        self._parts = [] if not lines or lines[-1].endswith(b"\n") else [lines.pop()]
        for line in lines:
            yield from self._take(line.rstrip(b"\r\n"))

    def end(self) -> Iterator[str]:
        """The data of an event that lacks only the empty line after it."""
        for line in b"".join(self._parts).splitlines():
            yield from self._take(line)
        self._parts = []
        yield from self._take(b"")

    def _ends_with_return(self) -> bool:
        return bool(self._parts) and self._parts[-1].endswith(b"\r")

    def _take(self, line: bytes) -> Iterator[str]:
        if line:
            field, _, value = line.decode(errors="replace").partition(":")
            if field == "data":
                self._data.append(value.removeprefix(" "))
        elif self._data:
            data, self._data = "\n".join(self._data), []
            yield data
