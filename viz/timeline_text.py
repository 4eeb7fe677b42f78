"""A timeline as text, for a terminal: a line a run, with its bar."""

from __future__ import annotations

from anabranch.viz.labels import seconds, shortened
from anabranch.viz.lanes import Bar, Lanes, label_of

WIDTH = 60
MOST_LINES = 200
MOST_NAME = 44

FILLS = {"done": "█", "running": "▒", "failed": "█", "cancelled": "░"}


def text_of(lanes: Lanes) -> str:
    """The lines, the runs inside one below it, in the order in which they started."""
    bars = _in_order(lanes)
    shown = bars[:MOST_LINES]
    names = ["  " * min(bar.depth, 20) + _name(bar) for bar in shown]
    room = max(map(len, names), default=0)
    times = [_time(bar) for bar in shown]
    wide = max(map(len, times), default=0)
    lines = [
        f"{name:<{room}} {time:>{wide}} {_mark(bar)}│{_drawn(bar, lanes.length)}│{_more(bar)}"
        for bar, name, time in zip(shown, names, times, strict=True)
    ]
    left = len(bars) - len(shown) + lanes.left_out
    if left:
        lines.append(f"and {left} more runs")
    if any(bar.critical for bar in shown):
        lines.append("* on the critical path")
    return "\n".join(line.rstrip() for line in lines)


def _in_order(lanes: Lanes) -> list[Bar]:
    stack = [bar for bar in reversed(lanes.bars) if bar.depth == 0]
    found = []
    while stack:
        bar = stack.pop()
        found.append(bar)
        stack.extend(reversed(bar.inside))
    return found


def _name(bar: Bar) -> str:
    return shortened(label_of(bar.run), MOST_NAME)


def _time(bar: Bar) -> str:
    return seconds(bar.end - bar.start) if bar.run.end is not None else f"{seconds(bar.end - bar.start)}..."


def _mark(bar: Bar) -> str:
    return "*" if bar.critical else " "


def _drawn(bar: Bar, length: float) -> str:
    start = min(WIDTH - 1, int(bar.start / length * WIDTH))
    end = max(start + 1, round(bar.end / length * WIDTH))
    body = list(" " * start + FILLS.get(bar.run.state, "█") * (end - start))
    if bar.run.state == "failed":
        body[-1] = "\N{MULTIPLICATION SIGN}"
    return f"{''.join(body):<{WIDTH}}"


def _more(bar: Bar) -> str:
    run, said = bar.run, []
    if run.chunks:
        said.append(f"{run.chunks} chunk{'s' * (run.chunks > 1)}")
    if run.error and not any(each.run.error == run.error for each in bar.inside):  # where it came from
        said.append(shortened(run.error, 60))
    return f" {', '.join(said)}" if said else ""
