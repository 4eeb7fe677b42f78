"""The critical path of a run: the steps, each waiting for the one before, that took the longest together.

No schedule is shorter than its critical path, however many threads there are; what a run took beyond that it spent
waiting: for permits, for threads, for a busy processor.

Which step waits for which tells the graph, where the runs were found in one. Otherwise it is guessed: the steps of a
sequence wait for each other, the branches of a dict don't, and of anything else a run is taken to have waited for
those beside it that had ended when it began.

Steps through which chunks flow run at the same time. Of each, what counts is the time after all before it on the path
had ended. So a path is never longer than the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from anabranch.engine.graphs import INPUT_SLOT, Graph, Step, slots_of
from anabranch.scheduler.wiring import narrowed
from anabranch.viz.step_runs import RunRecord, StepRun


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """Runs in their order, each with what is critical inside it after it, and how long they took, in seconds."""

    runs: list[StepRun] = field(default_factory=list)
    length: float = 0.0

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the runs."""
        return frozenset(run.id for run in self.runs)

    @property
    def steps(self) -> list[StepRun]:
        """The outermost of its runs."""
        inner = {child.id for run in self.runs for child in run.children}
        return [run for run in self.runs if run.id not in inner]


@dataclass(slots=True)
class Span:
    """When a step ran: of its first run to the end of its last."""

    runs: list[StepRun]
    start: float
    end: float


def critical_path(record: RunRecord) -> CriticalPath:
    """The critical path of a record: of several roots, that of the one whose path is the longest."""
    paths = [path_of_root(root, record.graph) for root in record.roots]
    return max(paths, key=lambda path: path.length, default=CriticalPath())


def path_of_root(root: StepRun, graph: Graph | None = None) -> CriticalPath:
    """The critical path of one call."""
    if root.start is None or root.end is None:
        return CriticalPath()
    spans = {} if graph is None else spans_of(root, graph)
    if graph is not None and any(
        len({run.id for run in span.runs if run.key == graph.keys[slot]}) > 1 for slot, span in spans.items()
    ):
        return CriticalPath()  # several calls in one, as a simulated batch has them
    if graph is None or not spans:
        found, length = _among(root.children) if root.children else ([root], root.duration or 0.0)
    else:
        slots, length = _longest(
            [slot for slot in range(len(graph)) if slot in spans],
            lambda slot: (spans[slot].start, spans[slot].end),
            lambda slot: _before(graph, slot, spans),
        )
        found = [max(spans[slot].runs, key=lambda run: run.end or 0.0) for slot in slots]
    return CriticalPath(_opened(found), length)


def spans_of(root: StepRun, graph: Graph) -> dict[int, Span]:
    """When each step of a graph ran in a call, by slot; without those that didn't run."""
    slots = {key: slot for slot, key in enumerate(graph.keys)}
    hidden = {f"{key}/": slots[key] for key, step in zip(graph.keys, graph.steps, strict=True) if _is_hidden(step)}
    spans: dict[int, Span] = {}
    stack = [root]
    while stack:
        run = stack.pop()
        slot = None if run.key is None else slots.get(run.key)
        if slot is None and run.key is not None and hidden:
            slot = next((at for prefix, at in hidden.items() if run.key.startswith(prefix)), None)
        if slot is None:
            stack.extend(run.children)
        elif run.start is not None and run.end is not None:
            span = spans.setdefault(slot, Span([], run.start, run.end))
            span.runs.append(run)
            span.start, span.end = min(span.start, run.start), max(span.end, run.end)
    return spans


def _is_hidden(step: Step) -> bool:
    return not step.operator.is_run


def waits_of(root: StepRun, graph: Graph) -> dict[int, float]:
    """How long each step, by slot, waited to run when all that it reads was there, in seconds."""
    spans = spans_of(root, graph)
    waits = {}
    for slot, span in spans.items():
        ready = max((spans[at].end for at in _before(graph, slot, spans)), default=root.start or span.start)
        waits[slot] = max(0.0, span.start - ready)
    return waits


def _before(graph: Graph, slot: int, spans: dict[int, Span]) -> list[int]:
    """The steps that a step waits for; in place of one that didn't run those before that."""
    found: dict[int, None] = {}
    stack, seen = [slot], {slot}
    while stack:
        step = graph.steps[stack.pop()]
        for at in slots_of(narrowed(step.source, step.operator)):
            if at == INPUT_SLOT or at in seen:
                continue
            seen.add(at)
            if at in spans:
                found[at] = None
            else:
                stack.append(at)
    return list(found)


def _longest(
    vertices: Iterable[int], span: Callable[[int], tuple[float, float]], before: Callable[[int], Iterable[int]]
) -> tuple[list[int], float]:
    """The longest path over vertices in topological order, and its length."""
    best: dict[int, tuple[float, float, int | None]] = {}  # the length, when all on the path has ended, the one before
    for vertex in vertices:
        start, end = span(vertex)
        best[vertex] = (max(0.0, end - start), end, None)
        for at in before(vertex):
            length, front, _ = best[at]
            whole = length + max(0.0, end - max(start, front))
            if whole > best[vertex][0] or (whole == best[vertex][0] and best[vertex][2] is None):
                best[vertex] = (whole, max(front, end), at)
    if not best:
        return [], 0.0
    at_end: int | None = max(reversed(best), key=lambda vertex: best[vertex][0])  # with what took no time at its end
    assert at_end is not None
    length, path = best[at_end][0], []
    while at_end is not None:
        path.append(at_end)
        at_end = best[at_end][2]
    return path[::-1], length


# Without a graph


def _opened(runs: Sequence[StepRun]) -> list[StepRun]:
    """Runs, each with what is critical inside it."""
    found: list[StepRun] = []
    stack = list(reversed(runs))
    while stack:
        run = stack.pop()
        found.append(run)
        stack.extend(reversed(_among(run.children)[0]))
    return found


def _among(runs: Sequence[StepRun]) -> tuple[list[StepRun], float]:
    """The critical ones of runs that stand side by side, and how long they took."""
    over = [run for run in runs if run.start is not None and run.end is not None]
    if not over:
        return [], 0.0
    numbers = [_step_number(run) for run in over]
    if all(numbers):
        order = sorted(range(len(over)), key=lambda at: numbers[at])
        place = {at: index for index, at in enumerate(order)}
        path, length = _longest(
            order,
            lambda at: (over[at].start or 0.0, over[at].end or 0.0),
            lambda at: order[place[at] - 1 : place[at]] if place[at] else [],
        )
        return [over[at] for at in path], length
    if all(any(tag.startswith("map:key:") for tag in run.tags) for run in over):
        longest = max(over, key=lambda run: run.duration or 0.0)
        return [longest], longest.duration or 0.0
    return _by_time(over)


def _step_number(run: StepRun) -> int:
    return next((int(tag[9:]) for tag in run.tags if tag.startswith("seq:step:") and tag[9:].isdecimal()), 0)


def _by_time(runs: list[StepRun]) -> tuple[list[StepRun], float]:
    """The runs, each begun when the one before had ended, that took the longest together."""
    begun = sorted(runs, key=lambda run: (run.start or 0.0, run.end or 0.0))
    ended = sorted(runs, key=lambda run: run.end or 0.0)
    best: dict[StepRun, tuple[float, StepRun | None]] = {}
    longest: StepRun | None = None  # of those that have ended by now
    at = 0
    for run in begun:
        while at < len(ended) and ended[at] in best and (ended[at].end or 0.0) <= (run.start or 0.0):
            if longest is None or best[ended[at]][0] > best[longest][0]:
                longest = ended[at]
            at += 1
        before = 0.0 if longest is None else best[longest][0]
        best[run] = (before + (run.duration or 0.0), longest)
    last: StepRun | None = max(reversed(best), key=lambda run: best[run][0])
    assert last is not None
    length, path = best[last][0], []
    while last is not None:
        path.append(last)
        last = best[last][1]
    return path[::-1], length
