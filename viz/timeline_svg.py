"""A timeline as SVG: bars in lanes, chunks as ticks, an axis. Made as a tree of elements, so that any text is safe."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from anabranch.viz.labels import clean, seconds
from anabranch.viz.lanes import CHARACTER, Bar, Lanes
from anabranch.viz.step_runs import StepRun
from anabranch.viz.styles import DARK, FONT, LIGHT, Palette, Theme, look_of

WIDTH = 1180
MARGIN = 20
TOP = 54
LANE = 23
BAR = 16
FOOT = 34
MINUTE = 60
MINUTES = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
APART = 1.5
"""Pixels between two ticks, at least; of chunks that lie closer, some have none."""


def svg_of(lanes: Lanes, title: str, theme: Theme = "auto", *, times: bool = False) -> str:
    """The picture. With `times` the elements carry theirs, for a page that moves them (`viz/timeline_html.py`)."""
    scale = (WIDTH - 2 * MARGIN) / lanes.length
    height = TOP + lanes.count * LANE + FOOT
    svg = Element("svg", _attributes(xmlns="http://www.w3.org/2000/svg", width=WIDTH, height=height))
    svg.set("viewBox", f"0 0 {WIDTH} {height}")
    svg.set("class", "anabranch-timeline")
    svg.set("role", "img")
    SubElement(svg, "title").text = clean(f"Timeline of {title}")
    SubElement(svg, "style").text = style_of(theme)
    _add_pattern(svg)
    SubElement(svg, "rect", _attributes(width=WIDTH, height=height, **{"class": "paper"}))
    SubElement(svg, "text", _attributes(x=MARGIN, y=20, **{"class": "title"})).text = clean(title)
    _add_axis(SubElement(svg, "g", {"class": "axis"}), lanes.length, scale, height)
    bars = SubElement(svg, "g", {"class": "bars"})
    for bar in lanes.bars:
        _add_bar(bars, bar, scale, times, lanes.crowded)
    _add_legend(svg, lanes, height)
    return ElementTree.tostring(svg, encoding="unicode")


def _add_axis(group: Element, length: float, scale: float, height: int) -> None:
    for time in axis_times(length):
        x = MARGIN + time * scale
        SubElement(group, "line", _attributes(x1=x, x2=x, y1=TOP - 10, y2=height - FOOT + 4))
        SubElement(group, "text", _attributes(x=x + 3, y=TOP - 13)).text = seconds(time) if time else "0"


def axis_times(length: float, most: int = 10) -> list[float]:
    """Round times from 0 to the end.

    Example:
        >>> axis_times(2.3, most=5)
        [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    if length > 2 * MINUTE:
        step = next((times for times in MINUTES if length / times <= most), length / most)
        return [step * at for at in range(int(length / step) + 1)]
    rough = length / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(step * at, digits) for at in range(int(length / step) + 1)]


def _add_bar(parent: Element, bar: Bar, scale: float, times: bool, crowded: bool) -> None:
    run = bar.run
    x, y = MARGIN + bar.start * scale, TOP + bar.lane * LANE
    width = max(1.5, (bar.end - bar.start) * scale)
    group = SubElement(parent, "g", {"class": " ".join(_classes(bar))})
    SubElement(group, "title").text = clean(told(run, bar))
    if len(bar.rows) > 1:
        frame = _attributes(x=x, y=y, width=width, height=len(bar.rows) * LANE - 4, rx=3, **{"class": "frame"})
        SubElement(group, "rect", frame)
    SubElement(group, "rect", _attributes(x=x, y=y, width=width, height=BAR, rx=2, **{"class": "body"}))
    if run.state == "cancelled":
        hatch = _attributes(x=x, y=y, width=width, height=BAR, rx=2, **{"class": "hatch"})
        SubElement(group, "rect", hatch)
    if bar.critical:
        line = _attributes(x=x, y=y + BAR, width=width, height=3, **{"class": "critical"})
        SubElement(group, "rect", line)
    chunks = [time - (run.start or 0.0) + bar.start for time in run.chunk_times]
    if chunks:
        path = "".join(f"M{MARGIN + time * scale:.1f} {y + BAR - 4}v4" for time in thinned(chunks, APART / scale))
        ticks = SubElement(group, "path", {"d": path, "class": "ticks"})
        if times:
            ticks.set("data-times", " ".join(f"{time:.6g}" for time in chunks))
    _add_name(group, bar, x, y, width, crowded, times)
    if times:
        group.set("data-start", f"{bar.start:.9g}")
        group.set("data-end", f"{bar.end:.9g}")


def _add_name(group: Element, bar: Bar, x: float, y: float, width: float, crowded: bool, times: bool) -> None:
    inside = width >= len(bar.label) * CHARACTER + 8
    if crowded and not inside and not times:
        return
    place = _attributes(x=x + 4 if inside else x - 4 if bar.before else x + width + 4, y=y + 11)
    if bar.before and not inside:
        place["text-anchor"] = "end"
    if crowded and not inside:
        place["display"] = "none"
    SubElement(group, "text", place).text = clean(bar.label)


def _classes(bar: Bar) -> Iterator[str]:
    yield "bar"
    yield look_of(bar.run.run_type)
    yield bar.run.state
    if bar.inside:
        yield "group"
    if bar.critical:
        yield "on-path"


def thinned(times: Sequence[float], apart: float) -> list[float]:
    """Of times in order those that lie so far apart, the first among them.

    Example:
        >>> thinned([0.0, 0.1, 0.2, 0.9, 1.0], 0.2)
        [0.0, 0.2, 0.9]
    """
    kept: list[float] = []
    for time in times:
        if not kept or time - kept[-1] >= apart:
            kept.append(time)
    return kept


def told(run: StepRun, bar: Bar) -> str:
    """All that is known of a run, line by line."""
    took = f"{seconds(bar.end - bar.start)}{' so far' if run.end is None else ''}"
    lines = [_cut(run.name), f"{run.run_type}, {run.state}", f"from {seconds(bar.start)}, took {took}"]
    if run.chunks:
        lines.append(f"{run.chunks} chunk{'s' * (run.chunks > 1)}")
    if run.attempts > 1:
        lines.append(f"{run.attempts} attempts")
    if bar.critical:
        lines.append("on the critical path")
    if run.tags:
        lines.append(f"tags: {_cut(', '.join(run.tags))}")
    if run.key:
        lines.append(f"step: {_cut(run.key)}")
    found = [("error", run.error[:1000]), ("input", run.input), ("output", run.output)]
    return "\n".join([*lines, *(f"{name}: {text}" for name, text in found if text)])


def _cut(text: str, longest: int = 300) -> str:
    """A text without its middle, if it is long."""
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-longest // 2 :]}"


def _add_legend(svg: Element, lanes: Lanes, height: int) -> None:
    said = [f"{len(lanes.bars)} runs, {seconds(lanes.length)}"]
    if lanes.left_out:
        said.append(f"{lanes.left_out} runs inside these are left out")
    if any(bar.run.chunk_times for bar in lanes.bars):
        said.append("a tick is a chunk")
    if any(bar.critical for bar in lanes.bars):
        said.append("underlined: the critical path")
    signs = {
        "failed": "\N{MULTIPLICATION SIGN} failed",
        "cancelled": "hatched: cancelled",
        "running": "dashed: still running",
    }
    said += [signs[state] for state in lanes.states]
    SubElement(svg, "text", _attributes(x=MARGIN, y=height - 12, **{"class": "legend"})).text = " · ".join(said)


def _add_pattern(svg: Element) -> None:
    size = {"width": "6", "height": "6", "patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}
    pattern = SubElement(SubElement(svg, "defs"), "pattern", {"id": "anabranch-hatch", **size})
    SubElement(pattern, "rect", {"width": "2.4", "height": "6", "class": "stripe"})


def _attributes(**given: object) -> dict[str, str]:
    return {
        name: f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        for name, value in given.items()
    }


def style_of(theme: Theme) -> str:
    """The style sheet; `auto` follows the system of whoever looks at it."""
    text = f".anabranch-timeline text{{font:11px {FONT}}}.anabranch-timeline .title{{font-size:14px;font-weight:bold}}"
    text += ".anabranch-timeline .on-path text{font-weight:bold}"
    text += ".anabranch-timeline .frame{stroke-width:1;fill-opacity:.35}.anabranch-timeline .ticks{fill:none}"
    text += ".anabranch-timeline .hatch{fill:url(#anabranch-hatch)}"
    text += ".anabranch-timeline .running .body{stroke-dasharray:4 2}"
    if theme != "auto":
        return text + _colours(DARK if theme == "dark" else LIGHT)
    return f"{text}{_colours(LIGHT)}@media (prefers-color-scheme:dark){{{_colours(DARK)}}}"


def _colours(palette: Palette) -> str:
    failed, cancelled = palette.states["failed"], palette.states["cancelled"]
    rules = {
        ".paper": f"fill:{palette.paper}",
        "text": f"fill:{palette.ink}",
        ".axis text": f"fill:{palette.faint}",
        ".legend": f"fill:{palette.faint}",
        ".axis line": f"stroke:{palette.frame};stroke-width:.6",
        ".frame": f"fill:{palette.inside};stroke:{palette.frame}",
        ".ticks": f"stroke:{palette.ink};stroke-width:1;stroke-opacity:.75",
        ".critical": f"fill:{palette.critical}",
        ".stripe": f"fill:{cancelled.line};fill-opacity:.3",
    }
    rules |= {f".{kind} .body": f"fill:{paint.fill};stroke:{paint.line}" for kind, paint in palette.kinds.items()}
    rules |= {
        ".failed .body": f"fill:{failed.fill};stroke:{failed.line};stroke-width:2",
        ".failed text": f"fill:{failed.line}",
        ".cancelled .body": f"fill:{cancelled.fill};stroke:{cancelled.line}",
    }
    return "".join(f".anabranch-timeline {selector}{{{body}}}" for selector, body in rules.items())
