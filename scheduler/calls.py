"""What both drivers share of a call: how it begins, with which config, and whose permits it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anabranch.engine.config import RunnableConfig, check_config, ensure_config, patch_config
from anabranch.engine.errors import Stopped
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Run
from anabranch.scheduler.ledger import Ledger
from anabranch.scheduler.managers import RUN, below, children, is_heard, managed
from anabranch.scheduler.plans import Plan
from anabranch.scheduler.progress import progress_of
from anabranch.scheduler.sites import Site, inherited_config
from anabranch.scheduler.units import Group, Unit


def timeout_of(config: RunnableConfig | None) -> float | None:
    """The timeout given for a call."""
    if config is None or not isinstance(config, Mapping):  # what isn't one is refused later
        return None
    return config.get("timeout")


def opened_config(config: RunnableConfig | None, parent: Site | None) -> RunnableConfig | None:
    """The config of a call: what was given, over what the step around it hands down. None when there is neither.

    The timeout isn't in it: what a step calls is part of the call and ends with it. By a timeout of its own it might
    end first, and a fallback would take that for a failure.

    Raises:
        ConfigError: when a key has a wrong type.
        Stopped: when the call around it was stopped.
    """
    if config is not None:
        check_config(config)
    if parent is not None and parent.stopped:
        raise Stopped("the call around this step was stopped")
    inherited = None if parent is None else parent.inherited()
    if config is None:
        return inherited
    opened = ensure_config(config, inherited)
    opened.pop("progress", None)
    opened.pop("timeout", None)
    return opened


def batch_group(
    plan: Plan,
    inputs: list[Any],
    shared: RunnableConfig | None,
    each: Sequence[RunnableConfig | None] | None,
    keep_errors: bool,
    parent: Site | None,
) -> tuple[Group, RunnableConfig | None]:
    """The group of a batch, with one config for all inputs or one each, and the config of the call as a whole."""
    timeouts = [seconds for seconds in map(timeout_of, each or (shared,)) if seconds is not None]
    opened = None if each is None else [opened_config(config, parent) for config in each]
    common = opened[0] if opened else opened_config(shared, parent)
    timeout = min(timeouts, default=None)
    heard = any(is_heard(config, plan.graph) for config in opened or (common,))
    configs: Any = opened or common
    if heard:
        configs = [managed(config) for config in opened] if opened else managed(common)
    group = Group(plan, inputs, configs, keep_errors=keep_errors, timeout=timeout, heard=heard)
    group.progress = progress_of(each or (shared,), len(inputs))
    return group, common


def ledger_for(config: RunnableConfig | None, parent: Site | None, graph: Graph) -> Ledger | None:
    """The ledger that a call draws from. None where nothing caps it.

    That of the step around it, if that has a cap: there is one cap for a call and all that it makes. Else a new one
    for the cap that is given or bound, with a permit taken, or else that of the step around it.
    """
    if parent is not None and parent.ledger is not None and parent.ledger.is_cap:
        return parent.ledger
    given, bound = config.get("max_concurrency") if config else None, graph.cap
    if given is None and bound is None:
        return None if parent is None else parent.ledger
    return Ledger(min(cap for cap in (given, bound) if cap is not None), taken=1)


def cap_for(config: RunnableConfig | None, parent: Site | None, graph: Graph) -> Ledger | None:
    """The same, where it is a cap. One that bounds blocking code only is not for an event loop."""
    ledger = ledger_for(config, parent, graph)
    return ledger if ledger is not None and ledger.is_cap else None


def config_at(unit: Unit) -> RunnableConfig | None:
    """The config that a run made by a unit's step inherits."""
    action = unit.segment.actions[unit.position]
    activation = unit.activation
    if not action.bound:
        return activation.config
    return inherited_config(activation.config, activation.plan.graph, action.step)


def heard_at(
    unit: Unit, config: RunnableConfig | None, graph: Graph, tag: str | None = None
) -> tuple[RunnableConfig | None, bool]:
    """The config of what a unit's step asked for, and whether anybody listens to that."""
    if unit.run is not None:
        return below(config, unit.run, tag), True
    if is_heard(config, graph):
        return managed(config), True
    return config, False


def counted_down(config: RunnableConfig | None, places: list[str]) -> RunnableConfig:
    """The config for a runnable that a function returned; `places` tell where that is.

    Raises:
        RecursionError: when that happened as often, one inside the other, as the config allows.
    """
    config = ensure_config(config)
    if config["recursion_limit"] <= 0:
        shown = places if len(places) <= 8 else [*places[:4], "...", *places[-3:]]
        raise RecursionError(
            f"recursion limit reached: functions returned runnables, one inside the other, {len(places)} deep: "
            f"{' > '.join(shown)}; set a higher recursion_limit in config if that is meant"
        )
    return patch_config(config, recursion_limit=config["recursion_limit"] - 1)


def effect_config(effect: Run) -> RunnableConfig | None:
    """The config of a nested run: what the effect says of it, over what it inherits anyway."""
    config, run = effect.config, RUN.get()
    if effect.timeout is not None:
        config = {**(config or {}), "timeout": effect.timeout}
    if effect.tag is not None and run is not None:
        config = {**(config or {}), "callbacks": children(run, effect.tag)}
    return config
