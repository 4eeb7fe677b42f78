"""`timeline`: when the steps of a run ran, as a picture, a page or text."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args, overload

from anabranch.engine.errors import ConfigError
from anabranch.nodes.extras import import_extra
from anabranch.viz.labels import one_line
from anabranch.viz.lanes import packed
from anabranch.viz.run_records import record_of
from anabranch.viz.step_runs import RunRecord
from anabranch.viz.styles import Theme
from anabranch.viz.timeline_html import html_of
from anabranch.viz.timeline_svg import MARGIN, WIDTH, svg_of
from anabranch.viz.timeline_text import text_of

TimelineFormat = Literal["svg", "html", "png", "text"]

SUFFIXES: dict[str, TimelineFormat] = {".svg": "svg", ".html": "html", ".htm": "html", ".png": "png", ".txt": "text"}


@overload
def timeline(
    run: Any,
    format: Literal["svg", "html", "text"] = ...,
    path: None = ...,
    *,
    chain: Any = ...,
    title: str | None = ...,
    theme: Theme = ...,
) -> str: ...
@overload
def timeline(
    run: Any,
    format: Literal["png"],
    path: str | PathLike[str] | None = ...,
    *,
    chain: Any = ...,
    title: str | None = ...,
    theme: Theme = ...,
) -> bytes: ...
@overload
def timeline(
    run: Any,
    format: TimelineFormat | None = ...,
    path: str | PathLike[str] | None = ...,
    *,
    chain: Any = ...,
    title: str | None = ...,
    theme: Theme = ...,
) -> str | bytes: ...
def timeline(
    run: Any,
    format: TimelineFormat | None = None,
    path: str | PathLike[str] | None = None,
    *,
    chain: Any = None,
    title: str | None = None,
    theme: Theme = "auto",
) -> str | bytes:
    """A Gantt chart of a run: its steps in lanes, their chunks as ticks, errors, and the critical path.

    Args:
        run: whatever `record_of` takes: a `RunRecorder`, a handle, a recorded file ...
        format: `svg`; `html`, a page to zoom and move in, which fetches nothing; `png` (extra `viz`); or `text`, for a
            terminal. By default that of the path's ending, or else `svg`.
        path: a file to write it to, besides.
        chain: what ran, where the run doesn't know that itself; for the critical path.
        title: what stands at the top; by default the name of the outermost run.
        theme: `light`, `dark`, or `auto`: what the system of whoever looks at it prefers; light for `png`.

    Returns:
        A string; bytes for `png`.

    Raises:
        RunSourceError: a `TypeError`, when it is no run, or nobody recorded it.
        ConfigError: a `ValueError`, when the format isn't known.
        MissingExtraError: when `png` is asked for without the extra.

    Example:
        >>> from anabranch.nodes import RunnableLambda, simulate
        >>> from anabranch.viz import RunRecorder
        >>> chain, recorder = RunnableLambda(len) | str, RunRecorder()
        >>> _ = simulate(chain, "four", {"callbacks": [recorder]}, durations={"len": 2.0, "str": 1.0})
        >>> print(timeline(recorder, "text"))
        RunnableSequence 3 s  │████████████████████████████████████████████████████████████│
          len            2 s *│████████████████████████████████████████                    │
          str            1 s *│                                        ████████████████████│
        * on the critical path
    """
    chosen = _format(format, path)
    made = render(record_of(run, chain), chosen, title, theme)
    if path is not None:
        Path(path).write_bytes(made if isinstance(made, bytes) else made.encode())
    return made


def render(record: RunRecord, format: TimelineFormat, title: str | None = None, theme: Theme = "auto") -> str | bytes:
    """A record in a format."""
    name = one_line(title if title is not None else _title(record))
    lanes = packed(record, WIDTH - 2 * MARGIN)
    if format == "text":
        return text_of(lanes)
    if format == "html":
        return html_of(lanes, name, theme)
    if format == "svg":
        return svg_of(lanes, name, theme)
    drawn = svg_of(lanes, name, "light" if theme == "auto" else theme)
    resvg = import_extra("resvg_py", "viz", "timeline(format='png')")
    return bytes(resvg.svg_to_bytes(svg_string=drawn, zoom=2))


def _title(record: RunRecord) -> str:
    names = list(dict.fromkeys(root.name for root in record.roots))
    return (", ".join(names[:3]) or "nothing") + (f" ({len(record.roots)} runs)" if len(record.roots) > 1 else "")


def _format(format: str | None, path: str | PathLike[str] | None) -> TimelineFormat:
    if format is None and path is not None:
        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise ConfigError(f"{str(path)!r:.80}: give a format, or an ending of {', '.join(SUFFIXES)}")
        return SUFFIXES[suffix]
    for each in get_args(TimelineFormat):
        if format in (None, each):
            return "svg" if format is None else each
    raise ConfigError(f"format must be one of {', '.join(get_args(TimelineFormat))}, got {format!r:.80}")
