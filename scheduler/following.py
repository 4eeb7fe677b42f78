"""Runs the steps of a unit where somebody listens: `advancing`, with each step's run reported.

A run that is parked stays open; it ends when the answer is there.
"""

from __future__ import annotations

from contextvars import Context
from typing import Any

from anabranch.engine.operators import Effect
from anabranch.engine.runs import RunInfo
from anabranch.scheduler.actions import AWAIT, AWAIT_CONFIG, CALL, FLOW, Action
from anabranch.scheduler.advancing import arguments, begin, enter, start_flow, take, within
from anabranch.scheduler.error_places import explain
from anabranch.scheduler.managers import RUN, set_variables
from anabranch.scheduler.sites import Site
from anabranch.scheduler.traces import Trace
from anabranch.scheduler.units import Unit


def follow(unit: Unit, site: Site, context: Context) -> Effect | None:
    """Begin or resume a unit and run it until its segment ends or an effect parks it."""
    trace = unit.activation.trace
    effect = _resume(unit, trace, context)
    while effect is None and unit.position < len(unit.segment.actions):
        action = enter(unit, site)
        run = unit.run = unit.run or trace.start(action.step, unit.value)
        own = _context_of(run, context)
        try:
            if trace.reporter.posts:
                trace.reporter.flush()
            if action.kind is CALL:
                effect = take(action, unit, own.run(action.run, unit.value))
            else:
                effect = _act(unit, action, site, own)
        except BaseException as error:
            _fail(unit, trace, error)
            trace.reporter.flush()
            raise
        if effect is None:
            unit.run = None
            trace.end(run, unit.value)
    trace.reporter.flush()
    return effect


async def afollow(unit: Unit, site: Site, context: Context) -> Effect | None:
    """The same, awaiting what is asynchronous, and the listeners."""
    trace = unit.activation.trace
    effect = _resume(unit, trace, context)
    while effect is None and unit.position < len(unit.segment.actions):
        action = enter(unit, site)
        run = _start(unit, action, trace)
        own = _context_of(run, context)
        try:
            if trace.reporter.posts:
                await trace.reporter.settle()
            if action.kind in (AWAIT, AWAIT_CONFIG):
                result = own.run(action.run, *_arguments(action, unit, site, own))
                effect = take(action, unit, await within(result, own))
            else:
                effect = _act(unit, action, site, own)
        except BaseException as error:
            _fail(unit, trace, error)
            await trace.reporter.settle()
            raise
        if effect is None:
            _end(unit, trace)
    await trace.reporter.settle()
    return effect


def _resume(unit: Unit, trace: Trace, context: Context) -> Effect | None:
    """Give the unit its input, or the answer that it was parked for. That may end the run of its step."""
    run, was_parked = unit.run, unit.answer is not None
    try:
        effect = begin(unit, context if run is None else _context_of(run, context))
    except BaseException as error:
        if run is not None:
            _fail(unit, trace, error)
        raise
    if effect is None and was_parked:
        _end(unit, trace)
    return effect


def _start(unit: Unit, action: Action, trace: Trace) -> RunInfo:
    """The run of the step at which the unit stands. One of a vectorised form that failed has begun already."""
    if unit.run is None:
        unit.run = trace.start(action.step, unit.value)
    return unit.run


def _context_of(run: RunInfo, context: Context) -> Context:
    own = context.copy()
    own.run(RUN.set, run)
    if run.variables:
        own.run(set_variables, run.variables)
    return own


def _act(unit: Unit, action: Action, site: Site, own: Context) -> Effect | None:
    if action.kind is FLOW:
        return own.run(start_flow, action, unit, site, own.copy())
    return take(action, unit, own.run(action.run, *_arguments(action, unit, site, own)))


def _arguments(action: Action, unit: Unit, site: Site, own: Context) -> tuple[Any, ...]:
    if action.kind is CALL or action.kind is AWAIT:
        return (unit.value,)
    return own.run(arguments, action, unit, site)


def _end(unit: Unit, trace: Trace) -> None:
    run, unit.run = unit.run, None
    if run is not None:
        trace.end(run, unit.value)


def _fail(unit: Unit, trace: Trace, error: BaseException) -> None:
    run, unit.run = unit.run, None
    if run is not None:
        explain(error, unit, run.id)
        trace.fail(run, error)


def begin_together(units: list[Unit]) -> None:
    """The runs of all units that a vectorised form is about to run."""
    for unit in units:
        trace: Trace | None = unit.activation.trace
        if trace is not None:
            _start(unit, unit.segment.actions[0], trace)


def end_together(units: list[Unit]) -> None:
    """And their ends."""
    for unit in units:
        if unit.activation.trace is not None:
            _end(unit, unit.activation.trace)
