"""What is watched of the steps of a simulated graph, and how they are made to last and to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from random import Random
from typing import Any

from anabranch.engine.graphs import Graph
from anabranch.nodes.simulation.graphs import staged
from anabranch.nodes.simulation.threads import SimulationError, Stage

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
    waits: bool = field(default=False, repr=False)  # it counts no more: what it called does, or it only ends


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
        made = staged(graph)
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
        """Code of a step waits for its input. Cancelled meanwhile, it ends without a permit, and counts no more."""
        run = _CALLER.get()
        token = _CALLER.set(None)
        if counts := run is not None and not run.waits:
            self.inside -= 1
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            if run is not None:
                run.waits, counts = True, False
            raise
        finally:
            _CALLER.reset(token)
            if counts:
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
