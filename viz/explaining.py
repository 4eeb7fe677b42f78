"""Finds out how a chain will run: reads its plans, and lays a run over them. `explanations` makes text of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from anabranch.engine.errors import ConfigError
from anabranch.engine.graphs import Graph, Step, slots_of
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.scheduler.actions import ASYNC, INLINE, LOOP, SYNC, THREAD, Lane, action_of
from anabranch.scheduler.ledger import default_limit
from anabranch.scheduler.plans import plan_of
from anabranch.scheduler.wiring import narrowed
from anabranch.viz.call_steps import call_of
from anabranch.viz.explained_plans import ChainPlan, Inner, SegmentPlan, StepPlan
from anabranch.viz.explanations import Explanation
from anabranch.viz.measuring import MeasuredRun
from anabranch.viz.plan_facts import at_once, channels, feeds, homes, hops, labels_of
from anabranch.viz.run_records import record_of

DEEPEST = 4
"""How many graphs inside each other are explained."""


def explain(chain: Any, *, analyze: Any = None, max_concurrency: int | None = None) -> Explanation:
    """How a chain will run: its segments, what each waits for, what runs at once, where threads and channels are.

    Args:
        chain: anything that can stand in a chain.
        analyze: a run of it, to show what was measured: whatever `record_of` takes. Times, the critical path, and
            how far the run was from that.
        max_concurrency: the cap to explain it under; by default that which is bound to the chain, if any.

    Returns:
        An `Explanation`: print it, or leave it to a console or a notebook to show it.

    Raises:
        ConfigError: when the cap is no number of at least 1.
        RunSourceError: when `analyze` is no run.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> print(str(explain(RunnableLambda(len) | str)).splitlines()[0])
        RunnableSequence: 2 steps in 1 segment
    """
    if max_concurrency is not None and (not isinstance(max_concurrency, int) or max_concurrency < 1):
        raise ConfigError(f"explain: max_concurrency must be an int of at least 1, got {max_concurrency!r:.80}")
    graph = coerce_to_runnable(chain).__graph__
    record = None if analyze is None else record_of(analyze, graph)
    run = None if record is None else MeasuredRun(record, graph)
    plan = _Explaining(max_concurrency, run).plan(graph)
    return Explanation(**{each.name: getattr(plan, each.name) for each in fields(plan)})


class _Explaining:
    """Explains a graph and those inside it. `around` are the graphs that are being explained."""

    def __init__(self, cap: int | None, run: MeasuredRun | None) -> None:
        self._cap = cap
        self._run = run
        self._around: list[Graph] = []

    def plan(self, graph: Graph, prefix: str = "") -> ChainPlan:
        """The plan of a graph; `prefix` stands before its keys."""
        self._around.append(graph)
        compiled = plan_of(graph, SYNC)
        home = homes(compiled)
        segments = [
            SegmentPlan(
                segment.index + 1,
                [self._step(step, graph, prefix) for step in segment.steps],
                feeds(narrowed(segment.steps[0].source, segment.steps[0].operator), home),
            )
            for segment in compiled.segments
        ]
        self._around.pop()
        caps = [cap for cap in (self._cap, graph.cap) if cap is not None]
        return ChainPlan(
            _name(graph),
            segments,
            feeds(graph.output, home),
            min(caps, default=default_limit()),
            bool(caps),
            at_once(compiled),
            [] if prefix else hops(graph),
            [] if prefix else channels(graph),
            None if self._run is None or prefix else self._run.outcome,
        )

    def _step(self, step: Step, graph: Graph, prefix: str) -> StepPlan:
        key = prefix + graph.keys[step.slot]
        call = call_of(step)
        shown = [] if call is None else call.shown
        made = StepPlan(key, labels_of(graph)[step.slot], _kind(step), _PLACES[action_of(step, graph, ASYNC).lane])
        if step.operator.flow is not None:
            made.place = ""
        made.notes += _notes(step, graph, () if call is None else call.policy)
        deep = len(self._around) > DEEPEST
        for each in shown:
            if deep or any(each.graph is around for around in self._around):
                made.notes.append(f"{each.label or 'runs'}: {_name(each.graph)}")
            else:
                inside = f"{key}/{each.under}/"
                made.inner.append(Inner(each.label or "runs", self.plan(each.graph, inside)))
        if self._run is not None:
            made.measured = self._run.measured(key)
        return made


_PLACES: dict[Lane, str] = {THREAD: "thread", LOOP: "loop", INLINE: "inline"}


def _name(graph: Graph) -> str:
    return graph.scopes[0].name if graph.scopes else graph.steps[0].name


def _kind(step: Step) -> str:
    """What a reader would call it."""
    operator, node = step.operator, step.node
    if operator.flow is not None:
        return "call"
    if operator.run_type != "chain":
        return operator.run_type
    return _KINDS.get(type(node).__name__, "step")


_KINDS = {
    "RunnableLambda": "function",
    "RunnableGenerator": "generator",
    "RunnablePassthrough": "passes on",
    "RunnablePick": "picks",
}


def _notes(step: Step, graph: Graph, policy: tuple[str, ...]) -> Iterator[str]:
    """What else is to be known of a step."""
    operator, config = step.operator, step.config or {}
    read = narrowed(step.source, operator)
    left = set(slots_of(step.source)) - set(slots_of(read))
    if left:
        names = sorted(labels_of(graph)[slot] for slot in left if slot >= 0)
        keys = ", ".join(sorted(operator.reads or ()))
        yield f"reads {keys}; does not wait for {', '.join(names) or 'the input'}"
    for each in policy:
        yield _said(each)
    if operator.batch is not None or operator.abatch is not None:
        most = "all inputs that wait" if operator.max_batch is None else f"up to {operator.max_batch} inputs"
        yield f"vectorised: takes {most} at once"
    if operator.abandon:
        yield "may be left behind when the call is stopped"
    if (cap := config.get("max_concurrency")) is not None:
        yield f"bound: max_concurrency={cap}, for the whole call"


def _said(policy: str) -> str:
    """A badge in words."""
    if policy[:1] == "x" and policy[1:].isdecimal():
        return f"retry: at most {policy[1:]} attempts"
    if policy[:1] == "≤":
        return f"timeout: {policy[1:].strip()}"
    return {"each": "for each element of a list", "cached": "cached: runs only what is not kept yet"}.get(
        policy, policy
    )
