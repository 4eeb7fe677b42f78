"""The steps of a simulated graph: each is the step itself, watched, made to last and to fail as it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Self

from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Operator
from anabranch.nodes.simulated_threads import SimulationError, Stage
from anabranch.scheduler import primitives
from anabranch.scheduler.sources import aclose, close

Duration = float | tuple[float, float] | Callable[[Random], float]
Durations = Duration | Mapping[str, Duration]
Failure = BaseException | type[BaseException] | Callable[[int], BaseException | None]
Failures = Mapping[str, Failure]


@dataclass(slots=True)
class StepRun:
    """One run of a step. Times are virtual, in seconds.

    Attributes:
        key: the stable key of the step in its graph; `name` is the last part of it.
        started, ended: when its code began and ended. A generator's code runs a chunk at a time between these.
        error: what it raised.
    """

    key: str
    name: str
    started: float
    ended: float | None = None
    error: BaseException | None = None
    waits: bool = field(default=False, repr=False)  # it called a runnable, whose steps count in its stead


class Watch:
    """Tells when each step ran, and makes it last and fail as the simulation wants.

    `inside` is how many steps' code runs, `peak` how many it was at most. A step that has called a runnable counts no
    more: what it called does.
    """

    def __init__(self, stage: Stage, durations: Durations | None, failures: Failures | None) -> None:
        self._stage = stage
        self._durations = durations
        self._failures = failures or {}
        self._counts: dict[str, int] = {}
        self._graphs: dict[int, Graph] = {}
        self.runs: list[StepRun] = []
        self.inside = self.peak = 0

    def staged(self, graph: Graph) -> Graph:
        """The graph with its steps watched. It is about to run: if a step's code asks for it, that one waits now."""
        if (caller := _CALLER.get()) is not None and not caller.waits:
            caller.waits = True
            self.inside -= 1
        made: Graph = graph.plans.get(_STAGED) or _staged(graph)
        self._graphs[id(made)] = made
        return made

    def check_names(self) -> None:
        """See that what durations and failures are given for exists.

        Raises:
            SimulationError: when it doesn't.
        """
        given = {*self._failures, *(self._durations if isinstance(self._durations, Mapping) else ())}
        if not given:
            return
        names = {step.name for graph in self._graphs.values() for step in graph.steps}
        if unknown := sorted(given.difference(names, *(graph.keys for graph in self._graphs.values()))):
            raise SimulationError(
                f"no step that ran is called {', '.join(map(repr, unknown))}; there are {sorted(names)}"
            )

    def begin(self, key: str, name: str) -> StepRun:
        """A step begins."""
        run = StepRun(key, name, self._stage.now)
        self.runs.append(run)
        return run

    def enter(self, run: StepRun) -> Token[StepRun | None]:
        """Code of a step runs."""
        if not run.waits:
            self.inside += 1
            self.peak = max(self.peak, self.inside)
        return _CALLER.set(run)

    def leave(self, run: StepRun, token: Token[StepRun | None]) -> None:
        """Code of a step has ended, or waits for its next turn."""
        _CALLER.reset(token)
        if not run.waits:
            self.inside -= 1

    @contextmanager
    def reading(self) -> Generator[None, None, None]:
        """Code of a step waits for its input."""
        run = _CALLER.get()
        token = _CALLER.set(None)
        if run is not None and not run.waits:
            self.inside -= 1
        try:
            yield
        finally:
            _CALLER.reset(token)
            if run is not None and not run.waits:
                self.inside += 1
                self.peak = max(self.peak, self.inside)

    def end(self, run: StepRun, error: BaseException | None) -> None:
        """A step is over."""
        run.ended, run.error = self._stage.now, error

    def last(self, run: StepRun) -> None:
        """Let a blocking step take its time, and fail if it is to."""
        if (seconds := self._duration(run)) > 0:
            self._stage.sleep(seconds)
        self._fail(run)

    async def alast(self, run: StepRun) -> None:
        """The same on the loop."""
        if (seconds := self._duration(run)) > 0:
            await asyncio.sleep(seconds)
        self._fail(run)

    def _fail(self, run: StepRun) -> None:
        failure: Any = self._failures.get(run.key) or self._failures.get(run.name)
        if failure is None:
            return
        count = self._counts[run.key] = self._counts.get(run.key, -1) + 1
        is_error = isinstance(failure, BaseException | type)
        if (error := failure if is_error else failure(count)) is not None:
            raise error

    def _duration(self, run: StepRun) -> float:
        given: Any = self._durations
        if isinstance(given, Mapping):
            given = given.get(run.key, given.get(run.name))
        if given is None:
            return 0.0
        if isinstance(given, tuple):
            return self._stage.chance.uniform(*given)
        return float(given(self._stage.chance) if callable(given) else given)


_CALLER: ContextVar[StepRun | None] = ContextVar("anabranch_simulated_step", default=None)
"""The step whose code runs: what it calls is nested in it."""


_STAGED = "staged"
"""Where a graph keeps the one that is simulated in its place, among its plans."""


def _staged(graph: Graph) -> Graph:
    steps = (
        replace(step, operator=_watched(step.operator, key, step.name))
        for step, key in zip(graph.steps, graph.keys, strict=True)
    )
    made = Graph(tuple(steps), graph.scopes, graph.output)
    graph.plans[_STAGED] = made.plans[_STAGED] = made
    return made


def _watched(operator: Operator, key: str, name: str) -> Operator:
    """An operator that does the same and is watched. Call steps and maps of chunks run no code of users'."""
    if operator.flow is not None:
        return operator
    forms: dict[str, Any] = {}
    for form, wrap in _WRAPS.items():
        if (run := getattr(operator, form)) is not None:
            forms[form] = wrap(run, key, name)
    return replace(operator, **forms)


def _watch() -> Watch:
    """That of the simulation which this thread plays."""
    world: Any = primitives.world()
    watch: Watch = world.steps
    return watch


def _value(run: Callable[..., Any], key: str, name: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        watch = _watch()
        step = watch.begin(key, name)
        token, error = watch.enter(step), None
        try:
            watch.last(step)
            return run(*arguments)
        except BaseException as raised:
            error = raised
            raise
        finally:
            watch.leave(step, token)
            watch.end(step, error)

    return call


def _avalue(run: Callable[..., Awaitable[Any]], key: str, name: str) -> Callable[..., Awaitable[Any]]:
    async def call(*arguments: Any) -> Any:
        watch = _watch()
        step = watch.begin(key, name)
        token, error = watch.enter(step), None
        try:
            await watch.alast(step)
            return await run(*arguments)
        except BaseException as raised:
            error = raised
            raise
        finally:
            watch.leave(step, token)
            watch.end(step, error)

    return call


def _chunks(run: Callable[..., Iterator[Any]], key: str, name: str) -> Callable[..., Iterator[Any]]:
    def call(*arguments: Any) -> Iterator[Any]:
        watch = _watch()
        step, error = watch.begin(key, name), None
        made: Iterator[Any] | None = None
        try:
            while True:
                token = watch.enter(step)
                try:
                    if made is None:
                        watch.last(step)
                        made = iter(run(*arguments))
                    chunk = next(made)
                except StopIteration:
                    return
                finally:
                    watch.leave(step, token)
                yield chunk
        except BaseException as raised:
            error = raised
            raise
        finally:
            close(made)
            watch.end(step, error)

    return call


def _achunks(run: Callable[..., AsyncIterator[Any]], key: str, name: str) -> Callable[..., AsyncIterator[Any]]:
    async def call(*arguments: Any) -> AsyncIterator[Any]:
        watch = _watch()
        step, error = watch.begin(key, name), None
        made: AsyncIterator[Any] | None = None
        try:
            while True:
                token = watch.enter(step)
                try:
                    if made is None:
                        await watch.alast(step)
                        made = aiter(run(*arguments))
                    chunk = await anext(made)
                except StopAsyncIteration:
                    return
                finally:
                    watch.leave(step, token)
                yield chunk
        except BaseException as raised:
            error = raised
            raise
        finally:
            await aclose(made)
            watch.end(step, error)

    return call


class _Upstream:
    """The input of a step that maps chunks: while it is read, the step waits for those before it."""

    def __init__(self, source: Any, watch: Watch) -> None:
        self._source = source
        self._watch = watch

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._watch.reading():
            return next(self._source)

    async def __anext__(self) -> Any:
        with self._watch.reading():
            return await anext(self._source)


def _transform(run: Callable[..., Any], key: str, name: str) -> Callable[..., Iterator[Any]]:
    return _chunks(lambda source, *config: run(_Upstream(source, _watch()), *config), key, name)


def _atransform(run: Callable[..., Any], key: str, name: str) -> Callable[..., AsyncIterator[Any]]:
    return _achunks(lambda source, *config: run(_Upstream(source, _watch()), *config), key, name)


_WRAPS: dict[str, Callable[[Any, str, str], Any]] = {
    "invoke": _value,
    "ainvoke": _avalue,
    "stream": _chunks,
    "astream": _achunks,
    "transform": _transform,
    "atransform": _atransform,
    "batch": _value,
    "abatch": _avalue,
}
