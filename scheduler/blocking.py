"""The blocking verbs over values: `invoke`, `batch`, `batch_as_completed`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextvars import Context, copy_context
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.graphs import Graph
from anabranch.scheduler.actions import SYNC
from anabranch.scheduler.advancing import Expanded, advance, run_calls
from anabranch.scheduler.calls import batch_group, ledger_for, opened_config, timeout_of
from anabranch.scheduler.error_places import note_place
from anabranch.scheduler.managers import is_heard, managed
from anabranch.scheduler.plans import Plan, plan_of
from anabranch.scheduler.sites import SITE, Site, site_of
from anabranch.scheduler.stays import Stay, take_permit
from anabranch.scheduler.threads import ThreadCall
from anabranch.scheduler.units import Group


def invoke(graph: Graph, value: Any, config: RunnableConfig | None = None) -> Any:
    """Run a graph on one value in this thread, with helpers where branches run at once."""
    parent, timeout = SITE.get(), timeout_of(config)
    if config is not None or parent is not None:
        config = opened_config(config, parent)
    plan = plan_of(graph, SYNC)
    heard = is_heard(config, graph)
    if not plan.straight or timeout is not None or heard:
        if heard:
            config = managed(config)
        group = Group(plan, (value,), config, timeout=timeout, single=True, heard=heard)
        return ThreadCall(config, parent, graph).run(group)
    site = site_of(config, graph, ledger_for(config, parent, graph), held=True)
    if parent is None:
        return _invoke_straight(plan, value, site)
    site.age = parent.age
    with Stay(parent, site):
        take_permit(site)
        return _invoke_straight(plan, value, site)


def _invoke_straight(plan: Plan, value: Any, site: Site) -> Any:
    """One segment is all there is: no frontier and no lock, unless a step parks it."""
    context = copy_context()
    context.run(SITE.set, site)
    segment = plan.segments[0]
    if segment.calls is None:
        return _invoke_unit(plan, value, site, context)
    try:
        result = run_calls(segment, 0, value, site, context)
    except BaseException as error:
        note_place(error, plan.graph.place(segment.steps[site.position].slot))
        raise
    if type(result) is not Expanded:
        return result
    group = Group(plan, (value,), site.config, single=True)
    unit = group.adopt(0, result.effect.value, site.position)
    return context.run(ThreadCall(site.config, site, site.graph).adopt, group, unit, result.effect)


def _invoke_unit(plan: Plan, value: Any, site: Site, context: Context) -> Any:
    group = Group(plan, (value,), site.config, single=True)
    unit = group.adopt(0, value, 0)
    try:
        effect = advance(unit, site, context)
    except BaseException as error:
        note_place(error, plan.graph.place(unit.slot))
        raise
    if effect is None:
        return unit.value
    return context.run(ThreadCall(site.config, site, site.graph).adopt, group, unit, effect)


def batch(
    graph: Graph,
    inputs: list[Any],
    shared: RunnableConfig | None = None,
    each: Sequence[RunnableConfig | None] | None = None,
    *,
    return_exceptions: bool = False,
) -> list[Any]:
    """Run a graph on many values, each on its own way through it; the results in order."""
    call, group = _open_batch(graph, inputs, shared, each, return_exceptions)
    results: list[Any] = call.run(group)
    return results


def batch_as_completed(
    graph: Graph,
    inputs: list[Any],
    shared: RunnableConfig | None = None,
    each: Sequence[RunnableConfig | None] | None = None,
    *,
    return_exceptions: bool = False,
) -> Generator[tuple[int, Any], None, None]:
    """The same, each result with its index as soon as it is there. Closing the iterator stops the rest."""
    call, group = _open_batch(graph, inputs, shared, each, return_exceptions)
    return call.run_as_completed(group)


def _open_batch(
    graph: Graph,
    inputs: list[Any],
    shared: RunnableConfig | None,
    each: Sequence[RunnableConfig | None] | None,
    keep_errors: bool,
) -> tuple[ThreadCall, Group]:
    parent = SITE.get()
    group, common = batch_group(plan_of(graph, SYNC), inputs, shared, each, keep_errors, parent)
    return ThreadCall(common, parent, graph), group
