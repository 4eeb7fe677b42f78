"""`draw`: a chain as a picture, in any format."""

from __future__ import annotations

from copy import deepcopy
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args, overload

from anabranch.engine.errors import ConfigError, StepInputError
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Composable
from anabranch.viz.dot_text import dot_of
from anabranch.viz.folding import folded_to, readable
from anabranch.viz.mermaid_text import mermaid_of
from anabranch.viz.outlines import outline_of
from anabranch.viz.pictured_runs import show_run
from anabranch.viz.pictures import Picture
from anabranch.viz.picturing import picture_of
from anabranch.viz.rendering import rendered
from anabranch.viz.run_records import RunSourceError, record_of
from anabranch.viz.step_runs import RunRecord
from anabranch.viz.styles import DARK, LIGHT, Theme
from anabranch.viz.svg_themes import dressed

TextFormat = Literal["svg", "dot", "mermaid", "text"]
BinaryFormat = Literal["png", "pdf"]
Format = Literal["svg", "dot", "mermaid", "text", "png", "pdf"]
Direction = Literal["TB", "LR"]

MOST = 150
"""Vertices of a picture; beyond, parts are folded unless a depth is given."""

SUFFIXES: dict[str, Format] = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".txt": "text",
}


@overload
def draw(
    what: Any,
    format: TextFormat = ...,
    *,
    run: Any = ...,
    path: None = ...,
    depth: int | None = ...,
    plan: bool = ...,
    types: bool = ...,
    direction: Direction = ...,
    theme: Theme = ...,
) -> str: ...
@overload
def draw(
    what: Any,
    format: BinaryFormat,
    *,
    run: Any = ...,
    path: str | PathLike[str] | None = ...,
    depth: int | None = ...,
    plan: bool = ...,
    types: bool = ...,
    direction: Direction = ...,
    theme: Theme = ...,
) -> bytes: ...
@overload
def draw(
    what: Any,
    format: Format | None = ...,
    *,
    run: Any = ...,
    path: str | PathLike[str] | None = ...,
    depth: int | None = ...,
    plan: bool = ...,
    types: bool = ...,
    direction: Direction = ...,
    theme: Theme = ...,
) -> str | bytes: ...
def draw(
    what: Any,
    format: Format | None = None,
    *,
    run: Any = None,
    path: str | PathLike[str] | None = None,
    depth: int | None = None,
    plan: bool = False,
    types: bool = False,
    direction: Direction = "TB",
    theme: Theme = "auto",
) -> str | bytes:
    """Draw a chain as what will run; or a run, as what did.

    Args:
        what: a runnable, its `graph`, or a `Picture`; or a run that knows its chain: a `RunRecorder` that stood in
            `callbacks`, or a handle of `start` with one.
        format: `svg`, `png`, `pdf`, `dot`, `mermaid` or `text`; by default that of the path's ending, or else `svg`.
        run: a run of it, to show the state of each step: whatever `record_of` takes, such as the path of a file that an
            `EventFile` has written.
        path: a file to write it to, besides.
        depth: how many frames inside each other are opened; what is deeper becomes one box. By default all, but where
            that would be more than 150 boxes, which are folded until it can be read.
        plan: draw how it is run: frames around the steps that are fused, with where they run under asyncio; the keys
            that each step waits for; and how many chunks may wait before a step in a stream.
        types: write at the arrows what is known of their types; an arrow that certainly doesn't fit is red.
        direction: `TB` from the top down, `LR` from left to right.
        theme: of `svg`, `png`, `pdf` and `dot`: `light`, `dark`, or `auto`: an SVG that follows the system of whoever
            looks at it; light for the others.

    Returns:
        A string; bytes for `png` and `pdf`.

    Raises:
        StepInputError: a `TypeError`, when it is nothing that can be drawn.
        RunSourceError: a `TypeError`, when `run` is no run, or nobody recorded it.
        ConfigError: a `ValueError`, when the format isn't known.
        RenderingError: when `svg`, `png` or `pdf` is asked for where there is no Graphviz. It has the DOT.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> print(draw(RunnableLambda(len) | str, "text"))
        input
        len
        str
        output
    """
    chosen = _format(format, path)
    made = render(folded(pictured(what, run, plan=plan, types=types), depth), chosen, direction=direction, theme=theme)
    if path is not None:
        Path(path).write_bytes(made if isinstance(made, bytes) else made.encode())
    return made


def pictured(what: Any, run: Any = None, *, plan: bool = False, types: bool = False) -> Picture:
    """The picture of a runnable, a graph or a run; a picture is one already. With a run its states are in it.

    Raises:
        StepInputError: a `TypeError`, when it is none of these.
    """
    if not isinstance(what, Picture | Graph | Composable):
        run, what = _run_and_graph(what)
    if isinstance(what, Picture):
        picture = deepcopy(what) if run is not None else what
    else:
        picture = picture_of(what if isinstance(what, Graph) else what.__graph__, plan=plan, types=types)
    if run is None:
        return picture
    return show_run(picture, record_of(run, picture.graph))


def _run_and_graph(what: Any) -> tuple[RunRecord, Graph]:
    try:
        record = record_of(what)
    except RunSourceError as error:
        raise StepInputError(
            f"draw takes a runnable or its graph, or a run, got {type(what).__name__}: {what!r:.80}"
        ) from error
    if record.graph is None:
        raise StepInputError(f"{type(what).__name__} doesn't know which chain ran; draw(chain, run=...) draws it")
    return record, record.graph


def folded(picture: Picture, depth: int | None) -> Picture:
    """The picture opened to a depth; without one, as far as it can be read."""
    if depth is None:
        return readable(picture, MOST)
    if not isinstance(depth, int) or depth < 0:
        raise ConfigError(f"depth must be an int of at least 0, or None, got {depth!r:.80}")
    return folded_to(picture, depth)


def render(picture: Picture, format: Format, *, direction: Direction = "TB", theme: Theme = "auto") -> str | bytes:
    """A picture in a format, as it is."""
    if format == "text":
        return outline_of(picture)
    if format == "mermaid":
        return mermaid_of(picture, direction)
    attributes = {"dpi": "144"} if format == "png" else {}
    dot = str(dot_of(picture, DARK if theme == "dark" else LIGHT, direction, attributes).source)
    if format == "dot":
        return dot
    made = rendered(dot, format)
    return dressed(made.decode(), theme) if format == "svg" else made


def _format(format: str | None, path: str | PathLike[str] | None) -> Format:
    known = get_args(Format)
    if format is None and path is not None:
        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise ConfigError(f"{str(path)!r:.80}: give a format, or an ending of {', '.join(SUFFIXES)}")
        return SUFFIXES[suffix]
    for each in known:
        if format in (None, each):
            return "svg" if format is None else each
    raise ConfigError(f"format must be one of {', '.join(known)}, got {format!r:.80}")
