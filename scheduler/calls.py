"""What both drivers share of a call: how it begins, whose permits it draws, and what its errors say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from anabranch.engine.config import RunnableConfig, check_config, ensure_config, patch_config
from anabranch.engine.errors import StepInputError, Stopped
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Run
from anabranch.engine.runs import new_id
from anabranch.scheduler import primitives
from anabranch.scheduler.ledger import Ledger, Waiter
from anabranch.scheduler.loops import on_loop, resolve
from anabranch.scheduler.managers import RUN, below, children, is_heard, managed
from anabranch.scheduler.plans import Plan
from anabranch.scheduler.progress import progress_of
from anabranch.scheduler.sites import PermitSite, Site, inherited_config
from anabranch.scheduler.units import Activation, Group, Unit


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


def places_of(unit: Unit, *, inside: bool = False) -> list[str]:
    """Where a unit's step stands, and each call step around it, outermost first.

    A call step that is no run of its own counts for the scopes around it alone: what it runs stands in its place.
    `inside`: something that the unit's step runs is meant.
    """
    places: list[str] = []
    at: Unit | None = unit
    while at is not None:
        graph = at.activation.plan.graph
        step = graph.steps[at.slot]
        hides = (inside or at is not unit) and not step.operator.is_run
        places.append(graph.place_of_scope(step.scope) if hides else graph.place(at.slot))
        at = at.activation.group.parent
    return list(filter(None, places[::-1]))


def explain(error: BaseException, unit: Unit, run: UUID | None = None) -> None:
    """Note on an error which step raised it, where that stands, and in which run."""
    *around, own = places_of(unit)
    note_place(error, " > ".join([*around, scope_refusing(error, unit.activation.plan.graph) or own]), run)


def explain_output(error: BaseException, activation: Activation) -> None:
    """The same for an error in gathering the output of an activation."""
    parent, graph = activation.group.parent, activation.plan.graph
    around = [] if parent is None else places_of(parent, inside=True)
    note_place(error, " > ".join([*around, scope_refusing(error, graph) or graph.place_of_scope(0)]))


def scope_refusing(error: BaseException, graph: Graph) -> str | None:
    """Where the scope stands that refused an input, if it wasn't a step that raised. Answered once."""
    if not isinstance(error, StepInputError) or error.scope is None:
        return None
    scope, error.scope = error.scope, None
    return graph.place_of_scope(scope)


def note_place(error: BaseException, place: str, run: UUID | None = None) -> None:
    """Add the note to an exception, unless the same stands there already. `run`: its id, if it is traced."""
    text = f"raised in step {place}"
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration | StopAsyncIteration):
        _inherit_notes(error, error.__cause__)  # Python has made the one of the other
    if isinstance(error, Exception) and not any(n.startswith(text) for n in getattr(error, "__notes__", ())):
        error.add_note(f"{text} (run {run or new_id()})")


def raisable(error: BaseException) -> BaseException:
    """An error as generators and coroutines can raise it: a `StopIteration` would lose its notes on its way out."""
    if not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    raised = RuntimeError(f"a step raised {type(error).__name__}")
    raised.__cause__ = error
    _inherit_notes(raised, error)
    return raised


def _inherit_notes(error: BaseException, cause: BaseException) -> None:
    for note in getattr(cause, "__notes__", ()):
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


class Passed(BaseException):
    """Carries an error past a flow that must not see it any more: a chunk is out already."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Seat(Protocol):
    """A call as its stay sees it: the permit in its hand, where it came from, and a stop."""

    held: bool

    @property
    def ledger(self) -> Ledger | None: ...

    def stop(self) -> None: ...


class Stay:
    """A call's stay in the step that made it: the permit it is lent meanwhile, and the stop that it obeys.

    For blocking code: at its end it waits until the step has a permit again. With `hook` false the permit alone.
    A call with a cap of its own, in a step without, is lent nothing.
    """

    __slots__ = ("_hook", "_lends", "_parent", "_seat")

    def __init__(self, parent: Site, seat: Seat, hook: bool = True) -> None:
        self._parent = parent
        self._seat = seat
        self._hook = hook
        self._lends = parent.ledger is not None and seat.ledger is parent.ledger

    def __enter__(self) -> None:
        parent = self._parent
        if self._hook:
            parent.hook(self, self._seat.stop)
        if self._lends:
            self._seat.held = parent.lend()

    def __exit__(self, *exc_info: object) -> None:
        parent = self._parent
        if self._hook:
            parent.unhook(self)
        if self._lends and parent.take_back(self._seat.held):
            take_permit(parent)


class AStay:
    """The same for asynchronous code.

    Where no cap was set, the step's permit only bounds blocking code; an asynchronous call has no use for it, and
    gives it back meanwhile.
    """

    __slots__ = ("_hook", "_lends", "_parent", "_seat")

    def __init__(self, parent: Site, seat: Seat, hook: bool = True) -> None:
        self._parent = parent
        self._seat = seat
        self._hook = hook
        ledger = parent.ledger
        self._lends = ledger is not None and (seat.ledger is ledger or not ledger.is_cap)

    async def __aenter__(self) -> None:
        parent = self._parent
        if self._hook:
            parent.hook(self, self._seat.stop)
        if not self._lends:
            return
        assert parent.ledger is not None
        lent = parent.lend()
        if self._seat.ledger is parent.ledger:
            self._seat.held = lent
        elif lent:
            parent.ledger.release()

    async def __aexit__(self, *exc_info: object) -> None:
        parent, seat = self._parent, self._seat
        if self._hook:
            parent.unhook(self)
        if self._lends and parent.take_back(seat.held and seat.ledger is parent.ledger):
            await take_permit_async(parent)


def take_permit(site: Site) -> None:
    """See that a site has its permit, if it needs one, waiting in this thread."""
    if isinstance(site, PermitSite) and not site.held:
        wait_for_permit(site.ledger, site.age)
        site.take()


async def take_permit_async(site: Site) -> None:
    """The same, awaiting."""
    if isinstance(site, PermitSite) and not site.held:
        await wait_for_permit_async(site.ledger, site.age)
        site.take()


def wait_for_permit(ledger: Ledger, age: int) -> None:
    """Take a permit, waiting in this thread until one is granted."""
    if ledger.try_acquire():
        return
    granted = primitives.Lock()
    granted.acquire()
    waiter = Waiter(age, granted.release)
    ledger.request(waiter)
    try:
        granted.acquire()
    except BaseException:
        ledger.withdraw(waiter)
        raise


async def wait_for_permit_async(ledger: Ledger, age: int) -> None:
    """Take a permit, awaiting until one is granted. Grants may come from any thread."""
    if ledger.try_acquire():
        return
    loop = asyncio.get_running_loop()
    granted = loop.create_future()
    waiter = Waiter(age, partial(on_loop, loop, partial(resolve, granted)))
    ledger.request(waiter)
    try:
        await granted
    except BaseException:
        ledger.withdraw(waiter)
        raise
