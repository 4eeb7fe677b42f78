"""`explain`: the plan of a chain as text, as a database explains a query; with a run, how that went.

    RunnableSequence: 3 steps in 3 segments

A segment is a straight run of steps; it is numbered, and says for which others it waits, and for which keys of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from anabranch.viz.explained_plans import ChainPlan, Feed, Measured, Outcome, SegmentPlan, StepPlan
from anabranch.viz.labels import seconds

WIDTH = 100
MOST_KEYS = 8
MOST_NAME = 48
INDENT = "   "

Row = tuple[str, ...]


class Explanation(ChainPlan):
    """What `explain` gives. Its text is `str(...)`, and what a console or a notebook shows of it.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> from anabranch.viz.explaining import explain
        >>> chain = RunnableLambda(len) | {"size": float, "text": str}
        >>> explain(chain, max_concurrency=4)
        RunnableSequence: 3 steps in 3 segments
        At most 4 at once. 2 segments can run at the same time: 2, 3.
        <BLANKLINE>
        1  reads the input
              len    function  thread
        2  waits for 1
              float  function  thread
        3  waits for 1
              str    function  thread
        gives size from 2, text from 3
        <BLANKLINE>
        Under asyncio, 3 hops to a thread: len; float; str.
        When streaming: 2 channels of 16 chunks, 2 that add up what comes, for a step that needs all of it.
           float -> the reader (size)
           str -> the reader (text)
    """

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in lines_of(self))

    def __repr__(self) -> str:
        return str(self)


def lines_of(plan: ChainPlan) -> Iterator[str]:
    """The text, line by line."""
    steps = sum(len(segment.steps) for segment in plan.segments)
    yield f"{plan.name}: {_many(steps, 'step')} in {_many(len(plan.segments), 'segment')}"
    yield _concurrency(plan)
    if plan.outcome is not None:
        yield from _outcome(plan.outcome)
    yield ""
    yield from _segments(plan)
    rest = [*_hops(plan), *_channels(plan)]
    if rest:
        yield ""
        yield from rest


def _concurrency(plan: ChainPlan) -> str:
    cap = f"At most {plan.cap} at once." if plan.capped else f"No cap: at most {plan.cap} blocking calls at once."
    if len(plan.at_once) < 2:
        return f"{cap} The segments run one after the other." if len(plan.segments) > 1 else cap
    named = ", ".join(map(str, plan.at_once[:MOST_KEYS])) + ", ..." * (len(plan.at_once) > MOST_KEYS)
    return f"{cap} {len(plan.at_once)} segments can run at the same time: {named}."


def _outcome(outcome: Outcome) -> Iterator[str]:
    calls = f" for {outcome.calls} calls" if outcome.calls > 1 else ""
    state = "" if outcome.state == "done" else f" ({outcome.state}{': ' if outcome.error else ''}{outcome.error:.160})"
    yield ""
    yield f"Took {seconds(outcome.took)}{calls}{state}."
    if outcome.path:
        of = f"{outcome.length / outcome.took:.0%} of it, " if outcome.took and outcome.calls == 1 else ""
        longest = "The longest critical path" if outcome.calls > 1 else "The critical path"
        yield from wrap(f"{longest}: {seconds(outcome.length)}, {of}{' > '.join(outcome.path)}.", WIDTH)
        if outcome.calls == 1:
            yield f"Beyond it: {seconds(max(0.0, outcome.took - outcome.length))}."
    if outcome.waited:
        yield f"Steps waited {seconds(outcome.waited)} in all after what they read was there."


def _segments(plan: ChainPlan) -> Iterator[str]:
    indent = " " * (len(str(len(plan.segments))) + 5)
    widths = _widths([_row(step) for segment in plan.segments for step in segment.steps])
    if plan.outcome is not None:
        yield indent + _aligned(("", "", "", *_TITLES), widths)
    for segment in plan.segments:
        yield f"{segment.number:<{len(indent) - 3}}{_reading(segment, plan)}"
        for step in segment.steps:
            yield from _step(step, indent, widths)
    yield from wrap(f"gives {_listed(plan.gives, plan, 'the input')}", WIDTH)


def _step(step: StepPlan, indent: str, widths: list[int]) -> Iterator[str]:
    yield indent + _aligned(_row(step), widths)
    for note in step.notes:
        yield from wrap(note, WIDTH, initial_indent=indent + "  - ", subsequent_indent=indent + "    ")
    for inner in step.inner:
        yield from _inner(inner.label, inner.plan, indent + "  ")


def _inner(label: str, plan: ChainPlan, indent: str) -> Iterator[str]:
    """What a step may run: in a line if that is a straight run of steps without more to say."""
    steps = [step for segment in plan.segments for step in segment.steps]
    if len(plan.segments) == 1 and not any(step.inner or step.notes for step in steps):
        yield f"{indent}{label}: {' > '.join(_shortened(step.name) + _counted(step) for step in steps)}"
        return
    yield f"{indent}{label}:"
    for line in _segments(plan) if len(plan.segments) > 1 else _straight(steps):
        yield f"{indent}  {line}"


def _straight(steps: list[StepPlan]) -> Iterator[str]:
    widths = _widths([_row(step) for step in steps])
    for step in steps:
        yield from _step(step, "", widths)


def _counted(step: StepPlan) -> str:
    """What was measured of a step, in brackets."""
    found = step.measured
    if found is None:
        return ""
    if not found.runs:
        return " (never ran)"
    return f" ({', '.join([_many(found.runs, 'run'), seconds(found.total), *_remarks(found)])})"


def _reading(segment: SegmentPlan, plan: ChainPlan) -> str:
    if all(feed.segment == 0 for feed in segment.reads):
        return "reads the input"
    return f"waits for {_listed(segment.reads, plan, 'the input')}"


def _listed(feeds: list[Feed], plan: ChainPlan, input: str) -> str:
    """`a from 1, b from 2 and 3`; without keys `1`."""
    several = len({feed.segment for feed in feeds}) > 1 or len(plan.segments) > 1
    said = []
    for feed in feeds[:MOST_KEYS]:
        source = input if feed.segment == 0 else f"{feed.segment}"
        said.append(f"{feed.key} from {source}" if feed.key and several else feed.key or source)
    more = len(feeds) - MOST_KEYS
    return ", ".join(said) + (f" and {more} more" if more > 0 else "")


_TITLES = ("runs", "time", "waited", "chunks", "")


def _row(step: StepPlan) -> Row:
    row = (_shortened(step.name), step.kind, step.place)
    return row if step.measured is None else (*row, *_measured(step.measured))


def _measured(found: Measured) -> Row:
    if not found.runs:
        return ("-", "", "", "", "never ran")
    waited = seconds(found.waited) if found.waited else ""
    return (str(found.runs), seconds(found.total), waited, str(found.chunks or ""), ", ".join(_remarks(found)))


def _remarks(found: Measured) -> list[str]:
    said = ["critical"] if found.critical else []
    if found.failed:
        said.append(f"{found.failed} failed")
    return [*said, f"{found.attempts} attempts"] if found.attempts > 1 else said


def _widths(rows: list[Row]) -> list[int]:
    if any(len(row) > 3 for row in rows):
        rows = [*rows, ("", "", "", *_TITLES)]
    count = max(map(len, rows), default=0)
    return [max((len(row[at]) for row in rows if at < len(row)), default=0) for at in range(count)]


def _aligned(row: Row, widths: list[int]) -> str:
    """Words to the left, numbers to the right."""
    cells = [
        f"{cell:>{width}}" if 3 <= at <= 6 else f"{cell:<{width}}"
        for at, (cell, width) in enumerate(zip(row, widths, strict=False))
    ]
    return "  ".join(cells)


def _hops(plan: ChainPlan) -> list[str]:
    if not plan.hops:
        return []
    said = f"Under asyncio, {_many(len(plan.hops), 'hop')} to a thread: "
    return wrap(said + "; ".join(" > ".join(map(_shortened, hop)) for hop in plan.hops) + ".", WIDTH)


def _channels(plan: ChainPlan) -> list[str]:
    if not plan.channels:
        return []
    bounded = [channel for channel in plan.channels if channel.capacity is not None]
    folding = len(plan.channels) - len(bounded)
    said = [f"{_many(len(bounded), 'channel')} of {bounded[0].capacity} chunks"] if bounded else []
    if folding:
        counted = str(folding) if bounded else _many(folding, "channel")
        said.append(
            f"{counted} that {'adds' if folding == 1 else 'add'} up what comes, for a step that needs all of it"
        )
    lines = wrap(f"When streaming: {', '.join(said)}.", WIDTH)
    for channel in bounded[:MOST_KEYS]:
        key = f" ({channel.key})" if channel.key else ""
        lines.append(f"{INDENT}{_shortened(channel.source)} -> {_shortened(channel.target)}{key}")
    more = len(bounded) - MOST_KEYS
    return [*lines, f"{INDENT}and {more} more"] if more > 0 else lines


def _shortened(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= MOST_NAME else line[: MOST_NAME - 3] + "..."


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
