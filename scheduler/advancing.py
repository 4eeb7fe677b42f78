"""Runs the steps of a unit, as blocking code or as asynchronous code.

Both forms do the same: call each action in a copy of the context, let a flow or a returned runnable park the
unit, and stop between steps when told so. They differ in how a value is waited for. After an error the unit's
`position` tells the step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from types import CoroutineType
from types import coroutine as coroutine_of
from typing import Any

from anabranch.engine.errors import Stopped
from anabranch.engine.operators import INPUT, Composable, Effect, Run
from anabranch.scheduler.actions import AWAIT, AWAIT_CONFIG, CONFIG, FLOW, LOOP, Action
from anabranch.scheduler.closing import raise_if_cancelled, times_cancelled
from anabranch.scheduler.error_places import note_place
from anabranch.scheduler.gathering import gather
from anabranch.scheduler.plans import Segment
from anabranch.scheduler.sites import Site
from anabranch.scheduler.units import Unit


def begin(unit: Unit, context: Context) -> Effect | None:
    """Give a unit its input, or the answer that it was parked for. An effect parks it again."""
    if unit.answer is None:
        unit.value = gather(unit.segment, unit.activation.values)
        return None
    (ok, result), unit.answer = unit.answer, None
    if unit.flow is not None:
        return _step_flow(unit, context, ok, result)
    if not ok:
        raise result
    unit.value = result
    unit.position += 1
    return None


def advance(unit: Unit, site: Site, context: Context) -> Effect | None:
    """Run a unit until its segment ends (None: `unit.value` is the output) or an effect is to park it."""
    if unit.segment.calls is not None:
        try:
            return _take_calls(unit, site, run_calls(unit.segment, unit.position, unit.value, site, context))
        except BaseException:
            unit.position = site.position
            raise
    actions = unit.segment.actions
    while unit.position < len(actions):
        action = enter(unit, site)
        if action.kind is FLOW:
            effect = start_flow(action, unit, site, context)
        else:
            own = context.copy()
            effect = take(action, unit, own.run(action.run, *own.run(arguments, action, unit, site)))
        if effect is not None:
            return effect
    return None


def aadvance(unit: Unit, site: Site, context: Context) -> Awaitable[Effect | None]:
    """The same, awaiting what is asynchronous."""
    segment = unit.segment
    if segment.calls is not None and segment.lane is LOOP:
        return arun_calls(segment, unit.position, unit.value, site, context, unit=unit)
    return _aadvance(unit, site, context)


async def _aadvance(unit: Unit, site: Site, context: Context) -> Effect | None:
    segment = unit.segment
    actions = segment.actions
    if segment.calls is not None:
        return advance(unit, site, context)
    while unit.position < len(actions):
        action = enter(unit, site)
        if action.kind is FLOW:
            effect = start_flow(action, unit, site, context)
        else:
            own = context.copy()
            result = own.run(action.run, *own.run(arguments, action, unit, site))
            if action.kind in (AWAIT, AWAIT_CONFIG):
                result = await within(result, own)
            effect = take(action, unit, result)
        if effect is not None:
            return effect
    return None


class Expanded:
    """A function returned a runnable: what is to be run, instead of the step at the site's `position`."""

    __slots__ = ("effect",)

    def __init__(self, effect: Run) -> None:
        self.effect = effect


def run_calls(segment: Segment, position: int, value: Any, site: Site, context: Context) -> Any:
    """The fast path: plain functions and nothing else, from a position on. The output, or an `Expanded`."""
    calls, copy, at = segment.calls or (), context.copy, position
    try:
        for at in range(position, len(calls)):
            if site.stopped:
                raise Stopped("the call around this step was stopped")
            result = copy().run(calls[at], value)
            if isinstance(result, Composable) and segment.steps[at].operator.expands:
                site.position = at
                return Expanded(Run(result.__graph__, value, last=True))
            value = result
    except BaseException:
        site.position = at
        raise
    return value


DONE = object()


def _go(move: Callable[[Any], Any], value: Any, site: Site) -> Any:
    """Move a coroutine on. What it waits for; or `DONE`, and its result is put down at the site.

    A function of its own, since an exception leaves a frame object behind in the frame that catches it.
    """
    try:
        return move(value)
    except StopIteration as done:
        site.result = done.value
        return DONE


GoOn = Callable[[Segment, Site, Expanded], Awaitable[Any]]


@coroutine_of
def arun_calls(
    segment: Segment,
    position: int,
    value: Any,
    site: Site,
    context: Context,
    go_on: GoOn | None = None,
    unit: Unit | None = None,
) -> Generator[Any, Any, Any]:
    """The same for coroutine functions. What doesn't suspend costs no task and no turn of the loop.

    It drives the coroutines itself, each in its own context, for there may be very many of these at once. With
    `go_on` it is a whole call: errors are noted, and an `Expanded` is handed to `go_on`. With `unit` it does for it
    what `aadvance` promises.
    """
    calls, cancelled = segment.calls or (), -1
    try:
        for position in range(position, len(calls)):  # noqa: B020 # a frame for each run counts its variables
            if site.stopped:
                raise Stopped("the call around this step was stopped")
            own = context.copy()
            coroutine = calls[position](value)
            try:
                waits_for = own.run(coroutine.send, None)
            except StopIteration as done:
                result = done.value
            else:
                if cancelled < 0:
                    cancelled = times_cancelled()
                while waits_for is not DONE:
                    try:
                        waits_for = yield waits_for
                    except GeneratorExit:
                        own.run(coroutine.close)
                        raise
                    except BaseException as error:
                        waits_for = own.run(_go, coroutine.throw, error, site)
                    else:
                        waits_for = own.run(_go, coroutine.send, waits_for, site)
                result, site.result = site.result, None
            if isinstance(result, Composable) and segment.steps[position].operator.expands:
                site.position = position
                expanded = Expanded(Run(result.__graph__, value, last=True))
                if unit is not None:
                    return _take_calls(unit, site, expanded)
                return expanded if go_on is None else (yield from go_on(segment, site, expanded).__await__())
            value = result
    except BaseException as error:
        site.position = position
        if unit is not None:
            unit.position = position
        if go_on is not None:
            note_place(error, site.graph.place(segment.steps[position].slot))
            if cancelled >= 0:
                raise_if_cancelled(error, cancelled)
        raise
    return value if unit is None else _take_calls(unit, site, value)


def _take_calls(unit: Unit, site: Site, result: Any) -> Effect | None:
    """Go on with what a run of calls gave."""
    if type(result) is Expanded:
        unit.position, unit.value = site.position, result.effect.value
        return result.effect
    unit.position, unit.value = len(unit.segment.steps), result
    return None


def enter(unit: Unit, site: Site) -> Action:
    """The action to run next."""
    if site.stopped:
        raise Stopped("the call around this step was stopped")
    action = unit.segment.actions[unit.position]
    site.step = action.step if action.bound else None
    return action


def arguments(action: Action, unit: Unit, site: Site) -> tuple[Any, ...]:
    """What a step's form is called with. In its context, where the config finds the run."""
    if action.kind in (CONFIG, AWAIT_CONFIG):
        return unit.value, site.full_config()
    return (unit.value,)


def take(action: Action, unit: Unit, result: Any) -> Effect | None:
    """Go on with a step's result, unless it is a runnable to be run."""
    if isinstance(result, Composable) and action.step.operator.expands:
        return Run(result.__graph__, unit.value, last=True)
    unit.value = result
    unit.position += 1
    return None


def start_flow(action: Action, unit: Unit, site: Site, context: Context) -> Effect | None:
    """Begin a call step, up to its first effect."""
    operator = action.step.operator
    value = unit.value if operator.whole else INPUT
    unit.flow = action.run(value, site.full_config()) if operator.wants_config else action.run(value)
    return _step_flow(unit, context, True, None)


def _step_flow(unit: Unit, context: Context, ok: bool, result: Any) -> Effect | None:
    flow = unit.flow
    assert flow is not None
    try:
        return context.run(flow.send if ok else flow.throw, result)
    except StopIteration as done:
        unit.flow = None
        unit.value = done.value
        unit.position += 1
        return None


async def within(awaitable: Any, context: Context) -> Any:
    """Await something, each of its turns run in a context of its own."""
    coroutine = awaitable if type(awaitable) is CoroutineType else _awaited(awaitable)
    try:
        waits_for = context.run(coroutine.send, None)
    except StopIteration as done:
        return done.value
    return await in_context(coroutine, context, waits_for)


@coroutine_of
def in_context(coroutine: Any, context: Context, waits_for: Any, until: object = DONE) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that has begun and yielded `waits_for`, each of its turns in a context of its own.

    To its end, whose result is answered, or until it yields `until`.
    """
    run = context.run
    try:
        while waits_for is not until:
            try:
                sent = yield waits_for
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as error:
                waits_for = run(coroutine.throw, error)
            else:
                waits_for = run(coroutine.send, sent)
    except StopIteration as done:
        return done.value
    return None


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
