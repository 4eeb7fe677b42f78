"""How a driver for values calls each step: one plain record a step, made when the graph is compiled.

| kind | the driver |
|---|---|
| CALL | calls `run(value)` in a copy of the context |
| CONFIG | calls `run(value, config)` likewise |
| AWAIT | awaits `run(value)` likewise |
| AWAIT_CONFIG | awaits `run(value, config)` likewise |
| FLOW | lets the frontier run the flow that `run` makes |

Forms that an operator doesn't have are derived: a value is the fold of chunks, and a blocking driver runs what
exists only as async code on the portal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from inspect import iscoroutinefunction
from typing import Any

from anabranch.engine.chunks import Accumulator
from anabranch.engine.errors import GraphError, Stopped
from anabranch.engine.graphs import Graph, Step
from anabranch.engine.operators import Operator
from anabranch.scheduler.abandoning import abandonable
from anabranch.scheduler.closing import AClosing, Closing
from anabranch.scheduler.portal import PORTAL
from anabranch.scheduler.sites import SITE
from anabranch.scheduler.sources import Once


class Mode(Enum):
    """The kind of driver that a plan is for."""

    SYNC = "sync"
    ASYNC = "async"

    __hash__ = object.__hash__  # a plan is looked up by it, each time


class Kind(Enum):
    """How an action is called."""

    CALL = "call"
    CONFIG = "config"
    AWAIT = "await"
    AWAIT_CONFIG = "await_config"
    FLOW = "flow"


class Lane(IntEnum):
    """Where code may run under asyncio: anywhere, on the loop only, in a thread only."""

    INLINE = 0
    LOOP = 1
    THREAD = 2


SYNC, ASYNC = Mode  # a look at a member of an enum's class is slow
CALL, CONFIG, AWAIT, AWAIT_CONFIG, FLOW = Kind
INLINE, LOOP, THREAD = Lane


@dataclass(slots=True, eq=False)
class Action:
    """How to call one step.

    Attributes:
        bound: config is bound to the step or to a scope around it, so it must know which step it is.
        vector: the vectorised form, taking a list of values and a list of configs; awaited when `lane` is LOOP.
    """

    kind: Kind
    run: Callable[..., Any]
    lane: Lane
    step: Step
    bound: bool
    vector: Callable[..., Any] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is a mere function, or coroutine function, of the value."""
        if self.bound:
            return False
        return self.kind is CALL or (self.kind is AWAIT and iscoroutinefunction(self.run))


def action_of(step: Step, graph: Graph, mode: Mode) -> Action:
    """The best way for a driver of this mode to call a step."""
    operator = step.operator
    bound = _is_bound(step, graph)
    if operator.flow is not None:
        return Action(FLOW, operator.flow, INLINE, step, bound)
    vector, vector_lane = _vector(operator, mode)
    run, lane = _sync_form(operator) if mode is SYNC else _async_form(operator)
    if vector is not None and vector_lane is not lane:  # both forms are called in one lane
        form = (_async_value_form if vector_lane is LOOP else _value_form)(operator)
        assert form is not None
        run, lane = form, vector_lane
    kind = _KINDS[lane is LOOP, operator.wants_config]
    return Action(kind, run, lane, step, bound, vector)


_KINDS = {
    (False, False): CALL,
    (False, True): CONFIG,
    (True, False): AWAIT,
    (True, True): AWAIT_CONFIG,
}


def _is_bound(step: Step, graph: Graph) -> bool:
    if step.config:
        return True
    index = step.scope
    while index >= 0:
        scope = graph.scopes[index]
        if scope.config:
            return True
        index = scope.parent
    return False


def _sync_form(operator: Operator) -> tuple[Callable[..., Any], Lane]:
    run = _value_form(operator)
    if run is not None and operator.abandon:
        run = abandonable(operator.name, run)
    run = run or _on_portal(operator)
    if run is None:
        raise GraphError(f"step {operator.name!r} has no form that can be run; give its operator at least one")
    return run, INLINE


def _async_form(operator: Operator) -> tuple[Callable[..., Any], Lane]:
    quick = _value_form(operator)
    if quick is not None and not operator.blocking:
        return quick, INLINE
    if operator.ainvoke is not None:
        return operator.ainvoke, LOOP
    if operator.invoke is not None:
        return abandonable(operator.name, operator.invoke) if operator.abandon else operator.invoke, THREAD
    run = _async_value_form(operator)
    if run is not None:
        return run, LOOP
    if quick is not None:
        return quick, THREAD
    raise GraphError(f"step {operator.name!r} has no form that can be run; give its operator at least one")


def _value_form(operator: Operator) -> Callable[..., Any] | None:
    if operator.invoke is not None:
        return operator.invoke
    if operator.map_chunk is not None:
        return operator.map_chunk
    if operator.stream is not None:
        return folding(operator, operator.stream)
    if operator.transform is not None:
        transform = operator.transform
        return folding(operator, lambda value, *config: transform(iter((value,)), *config))
    if operator.batch is not None:
        batch = operator.batch
        return lambda value, *config: batch([value], list(config) or [None])[0]
    return None


def _async_value_form(operator: Operator) -> Callable[..., Awaitable[Any]] | None:
    if operator.ainvoke is not None:
        return operator.ainvoke
    if operator.astream is not None:
        return afolding(operator, operator.astream)
    if operator.atransform is not None:
        atransform = operator.atransform
        return afolding(operator, lambda value, *config: atransform(Once(value), *config))
    if operator.abatch is not None:
        abatch = operator.abatch

        async def first(value: Any, *config: Any) -> Any:
            return (await abatch([value], list(config) or [None]))[0]

        return first
    return None


def _on_portal(operator: Operator) -> Callable[..., Any] | None:
    run = _async_value_form(operator)
    if run is None:
        return None
    name = operator.name
    return lambda value, *config: PORTAL.call(name, run, value, *config)


def _vector(operator: Operator, mode: Mode) -> tuple[Callable[..., Any] | None, Lane]:
    if mode is SYNC:
        return operator.batch, INLINE
    if operator.abatch is not None:
        return operator.abatch, LOOP
    return (operator.batch, THREAD) if operator.ainvoke is None else (None, LOOP)


def folding(operator: Operator, stream: Callable[..., Iterator[Any]]) -> Callable[..., Any]:
    """A value from a form that makes chunks."""

    def fold(value: Any, *config: Any) -> Any:
        total = Accumulator(operator.algebra, operator.name)
        site, chunks = SITE.get(), stream(value, *config)
        with Closing([chunks]):
            for chunk in chunks:
                total.push(chunk)
                if site is not None and site.stopped:
                    raise Stopped("the call around this step was stopped")
        return total.value

    return fold


def afolding(operator: Operator, stream: Callable[..., AsyncIterator[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same for a form that makes chunks asynchronously."""

    async def fold(value: Any, *config: Any) -> Any:
        total = Accumulator(operator.algebra, operator.name)
        chunks = stream(value, *config)
        async with AClosing([chunks]):
            async for chunk in chunks:
                total.push(chunk)
        return total.value

    return fold
