"""The asynchronous verbs over values: `ainvoke`, `abatch`, `abatch_as_completed`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextvars import Context, copy_context
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.graphs import Graph
from anabranch.scheduler.actions import ASYNC, LOOP, THREAD
from anabranch.scheduler.advancing import Expanded, aadvance, arun_calls
from anabranch.scheduler.calls import batch_group, cap_for, opened_config, timeout_of
from anabranch.scheduler.closing import raise_if_cancelled, times_cancelled
from anabranch.scheduler.error_places import note_place
from anabranch.scheduler.managers import is_heard, managed
from anabranch.scheduler.plans import Plan, Segment, plan_of
from anabranch.scheduler.sites import SITE, Site, site_of
from anabranch.scheduler.stays import AStay, take_permit_async
from anabranch.scheduler.tasks import TaskCall
from anabranch.scheduler.units import Group


def ainvoke(graph: Graph, value: Any, config: RunnableConfig | None = None) -> Awaitable[Any]:
    """Run a graph on one value, on the running loop. To be awaited at once."""
    parent, timeout = SITE.get(), timeout_of(config)
    if config is not None or parent is not None:
        config = opened_config(config, parent)
    plan = plan_of(graph, ASYNC)
    segment = plan.segments[0] if plan.straight else None
    heard = is_heard(config, graph)
    if segment is None or timeout is not None or segment.lane is THREAD or heard:
        if heard:
            config = managed(config)
        group = Group(plan, (value,), config, timeout=timeout, single=True, heard=heard)
        return TaskCall(config, parent, graph).run(group)
    site = site_of(config, graph, cap_for(config, parent, graph), held=True)
    context = copy_context()
    context.run(SITE.set, site)
    if parent is not None:
        return _ainvoke_nested(parent, segment, value, site, context)
    if segment.lane is LOOP and segment.calls is not None:
        return arun_calls(segment, 0, value, site, context, _go_on)
    return _ainvoke_unit(plan, value, site, context)


async def _ainvoke_nested(parent: Site, segment: Segment, value: Any, site: Site, context: Context) -> Any:
    site.age = parent.age
    async with AStay(parent, site):
        await take_permit_async(site)
        if segment.lane is LOOP and segment.calls is not None:
            return await arun_calls(segment, 0, value, site, context, _go_on)
        return await _ainvoke_unit(plan_of(site.graph, ASYNC), value, site, context)


async def _ainvoke_unit(plan: Plan, value: Any, site: Site, context: Context) -> Any:
    """One segment is all there is: no frontier and no task, unless a step parks it."""
    group = Group(plan, (value,), site.config, single=True)
    unit, before = group.adopt(0, value, 0), times_cancelled()
    try:
        effect = await aadvance(unit, site, context)
    except BaseException as error:
        note_place(error, plan.graph.place(unit.slot))
        raise_if_cancelled(error, before)
        raise
    if effect is None:
        return unit.value
    return await TaskCall(site.config, site, site.graph).adopt(group, unit, effect)


async def _go_on(segment: Segment, site: Site, expanded: Expanded) -> Any:
    """A function of a straight graph returned a runnable."""
    group = Group(plan_of(site.graph, ASYNC), (None,), site.config, single=True)
    unit = group.adopt(0, expanded.effect.value, site.position)
    return await TaskCall(site.config, site, site.graph).adopt(group, unit, expanded.effect)


async def abatch(
    graph: Graph,
    inputs: list[Any],
    shared: RunnableConfig | None = None,
    each: Sequence[RunnableConfig | None] | None = None,
    *,
    return_exceptions: bool = False,
) -> list[Any]:
    """Run a graph on many values, each on its own way through it; the results in order."""
    call, group = _open_batch(graph, inputs, shared, each, return_exceptions)
    results: list[Any] = await call.run(group)
    return results


async def abatch_as_completed(
    graph: Graph,
    inputs: list[Any],
    shared: RunnableConfig | None = None,
    each: Sequence[RunnableConfig | None] | None = None,
    *,
    return_exceptions: bool = False,
) -> AsyncGenerator[tuple[int, Any], None]:
    """The same, each result with its index as soon as it is there. Closing the iterator stops the rest."""
    call, group = _open_batch(graph, inputs, shared, each, return_exceptions)
    results = call.run_as_completed(group)
    try:
        async for index, result in results:
            yield index, result
    finally:
        await results.aclose()


def _open_batch(
    graph: Graph,
    inputs: list[Any],
    shared: RunnableConfig | None,
    each: Sequence[RunnableConfig | None] | None,
    keep_errors: bool,
) -> tuple[TaskCall, Group]:
    parent = SITE.get()
    group, common = batch_group(plan_of(graph, ASYNC), inputs, shared, each, keep_errors, parent)
    return TaskCall(common, parent, graph), group
