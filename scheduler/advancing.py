"""Runs the steps of a unit, as blocking code or as asynchronous code.

Both forms do the same: call each action in a copy of the context, let a flow or a returned runnable park the
unit, and stop between steps when told so. They differ in how a value is waited for. After an error the unit's
`position` tells the step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from contextvars import Context
from types import CoroutineType
from typing import Any

from anabranch.engine.config import ensure_config
from anabranch.engine.errors import Stopped
from anabranch.engine.operators import INPUT, Composable, Effect, Run
from anabranch.scheduler.actions import Action, Kind
from anabranch.scheduler.calls import config_at
from anabranch.scheduler.gathering import gather
from anabranch.scheduler.sites import Site
from anabranch.scheduler.units import Unit


Outcome = tuple[Unit, Effect | None, BaseException | None]


def outcomes(unit: Unit, site: Site, context: Context) -> list[Outcome]:
    """Run a unit, or all that are to run together, and tell for each whether it is parked, failed or finished."""
    units = unit.together or [unit]
    if len(units) > 1:
        try:
            form, values, configs = _vector(units, context)
            _share(units, context.copy().run(form, values, configs))
        except Exception:
            pass  # item by item, then: one that fails must not spoil the others
        else:
            return [(each, None, None) for each in units]
    return [_outcome(each, site, context) for each in units]


async def aoutcomes(unit: Unit, site: Site, context: Context) -> list[Outcome]:
    """The same, awaiting what is asynchronous."""
    units = unit.together or [unit]
    if len(units) > 1:
        try:
            form, values, configs = _vector(units, context)
            own = context.copy()
            _share(units, await InContext(own.run(form, values, configs), own))
        except Exception:
            pass
        else:
            return [(each, None, None) for each in units]
    return [await _aoutcome(each, site, context) for each in units]


def _outcome(unit: Unit, site: Site, context: Context) -> Outcome:
    site.config = unit.activation.config
    try:
        return unit, begin(unit, context) or advance(unit, site, context), None
    except BaseException as error:
        return unit, None, error


async def _aoutcome(unit: Unit, site: Site, context: Context) -> Outcome:
    site.config = unit.activation.config
    try:
        return unit, begin(unit, context) or await aadvance(unit, site, context), None
    except BaseException as error:
        return unit, None, error


def _vector(units: list[Unit], context: Context) -> tuple[Any, list[Any], list[Any]]:
    for unit in units:
        begin(unit, context)
    return units[0].segment.actions[0].vector, [u.value for u in units], [ensure_config(config_at(u)) for u in units]


def _share(units: list[Unit], results: Any) -> None:
    results = list(results)
    if len(results) != len(units):
        raise ValueError(f"a vectorised form made {len(results)} outputs of {len(units)} inputs")
    for unit, unit.value in zip(units, results, strict=True):
        unit.position = 1


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
        return _advance_calls(unit, site, context)
    actions = unit.segment.actions
    while unit.position < len(actions):
        action = _enter(unit, site)
        if action.kind is Kind.FLOW:
            effect = _start_flow(action, unit, site, context)
        else:
            effect = _take(action, unit, context.copy().run(action.run, *_arguments(action, unit, site)))
        if effect is not None:
            return effect
    return None


async def aadvance(unit: Unit, site: Site, context: Context) -> Effect | None:
    """The same, awaiting what is asynchronous."""
    actions = unit.segment.actions
    if unit.segment.calls is not None:
        if actions[0].kind is Kind.CALL:
            return _advance_calls(unit, site, context)
        return await _aadvance_calls(unit, site, context)
    while unit.position < len(actions):
        action = _enter(unit, site)
        if action.kind is Kind.FLOW:
            effect = _start_flow(action, unit, site, context)
        else:
            own = context.copy()
            result = own.run(action.run, *_arguments(action, unit, site))
            if action.kind in (Kind.AWAIT, Kind.AWAIT_CONFIG):
                result = await InContext(result, own)
            effect = _take(action, unit, result)
        if effect is not None:
            return effect
    return None


def _advance_calls(unit: Unit, site: Site, context: Context) -> Effect | None:
    """The fast path: plain functions and nothing else."""
    calls = unit.segment.calls or ()
    rest = iter(calls[unit.position :] if unit.position else calls)
    value, copy = unit.value, context.copy
    try:
        for call in rest:
            if site.stopped:
                raise Stopped("the call around this step was stopped")
            result = copy().run(call, value)
            if isinstance(result, Composable):
                unit.position = len(calls) - rest.__length_hint__() - 1
                if unit.segment.steps[unit.position].operator.expands:
                    unit.value = value
                    return Run(result.graph, value, last=True)
            value = result
    except BaseException:
        unit.position = len(calls) - rest.__length_hint__() - 1
        raise
    unit.value = value
    return None


async def _aadvance_calls(unit: Unit, site: Site, context: Context) -> Effect | None:
    """The fast path: coroutine functions and nothing else. What doesn't suspend costs no task and no loop turn."""
    calls = unit.segment.calls or ()
    rest = iter(calls[unit.position :] if unit.position else calls)
    value, copy = unit.value, context.copy
    try:
        for call in rest:
            if site.stopped:
                raise Stopped("the call around this step was stopped")
            own = copy()
            coroutine = own.run(call, value)
            if type(coroutine) is CoroutineType:
                try:
                    waits_for = own.run(coroutine.send, None)
                except StopIteration as done:
                    result = done.value
                else:
                    result = await InContext(coroutine, own, waits_for, begun=True)
            else:
                result = await InContext(coroutine, own)
            if isinstance(result, Composable):
                unit.position = len(calls) - rest.__length_hint__() - 1
                if unit.segment.steps[unit.position].operator.expands:
                    unit.value = value
                    return Run(result.graph, value, last=True)
            value = result
    except BaseException:
        unit.position = len(calls) - rest.__length_hint__() - 1
        raise
    unit.value = value
    return None


def _enter(unit: Unit, site: Site) -> Action:
    """The action to run next."""
    if site.stopped:
        raise Stopped("the call around this step was stopped")
    action = unit.segment.actions[unit.position]
    site.step = action.step if action.bound else None
    return action


def _arguments(action: Action, unit: Unit, site: Site) -> tuple[Any, ...]:
    if action.kind in (Kind.CONFIG, Kind.AWAIT_CONFIG):
        return unit.value, site.full_config()
    return (unit.value,)


def _take(action: Action, unit: Unit, result: Any) -> Effect | None:
    """Go on with a step's result, unless it is a runnable to be run."""
    if isinstance(result, Composable) and action.step.operator.expands:
        return Run(result.graph, unit.value, last=True)
    unit.value = result
    unit.position += 1
    return None


def _start_flow(action: Action, unit: Unit, site: Site, context: Context) -> Effect | None:
    operator = action.step.operator
    value = unit.value if operator.whole else INPUT
    unit.flow = action.run(value, site.full_config()) if operator.wants_config else action.run(value)
    return _step_flow(unit, context, True, None)


def _step_flow(unit: Unit, context: Context, ok: bool, result: Any) -> Effect | None:
    flow = unit.flow
    assert flow is not None
    try:
        return context.run(flow.send if ok else flow.throw, result)  # type: ignore[arg-type]
    except StopIteration as done:
        unit.flow = None
        unit.value = done.value
        unit.position += 1
        return None


class InContext:
    """Awaits something with each of its turns run in a context of its own.

    With `begun`, the coroutine was sent its first None already and `waits_for` is what it yielded.
    """

    __slots__ = ("_begun", "_context", "_coroutine", "_waits_for")

    def __init__(self, awaitable: Any, context: Context, waits_for: Any = None, *, begun: bool = False) -> None:
        self._coroutine = awaitable if begun or type(awaitable) is CoroutineType else _awaited(awaitable)
        self._context = context
        self._waits_for = waits_for
        self._begun = begun

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, run, waits_for = self._coroutine, self._context.run, self._waits_for
        try:
            if not self._begun:
                waits_for = run(coroutine.send, None)
            while True:
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


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
