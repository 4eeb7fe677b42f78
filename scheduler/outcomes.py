"""Runs a unit, or those that a vectorised form runs together, and tells what came of each."""

from __future__ import annotations

from contextvars import Context
from typing import Any

from anabranch.engine.config import RunnableConfig, ensure_config
from anabranch.engine.operators import Effect
from anabranch.scheduler.advancing import aadvance, advance, begin, within
from anabranch.scheduler.calls import config_at
from anabranch.scheduler.following import afollow, begin_together, end_together, follow
from anabranch.scheduler.hosts import Outcome
from anabranch.scheduler.managers import below
from anabranch.scheduler.sites import Site
from anabranch.scheduler.units import Unit


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
            _share(units, await within(own.run(form, values, configs), own))
        except Exception:
            pass
        else:
            return [(each, None, None) for each in units]
    return [await _aoutcome(each, site, context) for each in units]


def _outcome(unit: Unit, site: Site, context: Context) -> Outcome:
    site.config = unit.activation.config
    try:
        return unit, _advance(unit, site, context), None
    except BaseException as error:
        return unit, None, error


async def _aoutcome(unit: Unit, site: Site, context: Context) -> Outcome:
    site.config = unit.activation.config
    try:
        return unit, await aadvance_unit(unit, site, context), None
    except BaseException as error:
        return unit, None, error


def _vector(units: list[Unit], context: Context) -> tuple[Any, list[Any], list[Any]]:
    for unit in units:
        begin(unit, context)
    begin_together(units)
    return units[0].segment.actions[0].vector, [u.value for u in units], [_config_of(u) for u in units]


def _config_of(unit: Unit) -> RunnableConfig:
    """The config that a vectorised form gets for an input: what it calls for that is part of the run of that."""
    config = config_at(unit)
    return ensure_config(config if unit.run is None else below(config, unit.run))


def _share(units: list[Unit], results: Any) -> None:
    results = list(results)
    if len(results) != len(units):
        raise ValueError(f"a vectorised form made {len(results)} outputs of {len(units)} inputs")
    for unit, result in zip(units, results, strict=True):
        unit.value, unit.position = result, 1
    end_together(units)


def _advance(unit: Unit, site: Site, context: Context) -> Effect | None:
    if unit.activation.trace is not None:
        return follow(unit, site, context)
    return begin(unit, context) or advance(unit, site, context)


async def aadvance_unit(unit: Unit, site: Site, context: Context) -> Effect | None:
    """Begin or resume a unit on the loop, and run it until its segment ends or an effect parks it."""
    if unit.activation.trace is not None:
        return await afollow(unit, site, context)
    return begin(unit, context) or await aadvance(unit, site, context)
