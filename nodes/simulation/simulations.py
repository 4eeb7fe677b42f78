"""`simulate`: run a chain in virtual time, one interleaving of its threads and tasks at a time, from a seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, get_ident
from typing import Any, Literal, overload

from anabranch.engine.chunks import fold
from anabranch.engine.config import RunnableConfig
from anabranch.engine.graphs import Graph
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.simulation.locks import StageCondition, StageEvent, StageLock, StageQueue, StageRLock
from anabranch.nodes.simulation.loops import StageLoop
from anabranch.nodes.simulation.reports import Simulation, Sweep
from anabranch.nodes.simulation.steps import Durations, Failures, Watch
from anabranch.nodes.simulation.threads import SimulationError, Stage
from anabranch.scheduler import astreams, awaiting, blocking, primitives, streams
from anabranch.scheduler.frontier import Frontier
from anabranch.scheduler.inlets import Inlet
from anabranch.scheduler.sources import Once
from anabranch.scheduler.strands import Strands

Verb = Literal["invoke", "batch", "stream", "ainvoke", "abatch", "astream"]
MOST_SWITCHES = 10_000_000
PORTAL = "the portal"


@overload
def simulate(
    runnable: Any,
    input: Any,
    config: RunnableConfig | None = None,
    *,
    verb: Verb | None = None,
    seed: int = 0,
    durations: Durations | None = None,
    failures: Failures | None = None,
    max_concurrency: int | None = None,
    most_switches: int = MOST_SWITCHES,
) -> Simulation: ...
@overload
def simulate(
    runnable: Any,
    input: Any,
    config: RunnableConfig | None = None,
    *,
    verb: Verb | None = None,
    seed: int = 0,
    durations: Durations | None = None,
    failures: Failures | None = None,
    max_concurrency: Sequence[int | None],
    most_switches: int = MOST_SWITCHES,
) -> Sweep: ...
def simulate(
    runnable: Any,
    input: Any,
    config: RunnableConfig | None = None,
    *,
    verb: Verb | None = None,
    seed: int = 0,
    durations: Durations | None = None,
    failures: Failures | None = None,
    max_concurrency: int | Sequence[int | None] | None = None,
    most_switches: int = MOST_SWITCHES,
) -> Simulation | Sweep:
    """Run a chain in virtual time: nothing is waited for, and the seed decides who goes first wherever that is open.

    The real drivers run, on threads that are played one at a time. `time.sleep` and `asyncio.sleep` cost nothing, and
    so do timeouts and the waits of a retry. Steps are really called, but they must not wait by other means: no input
    or output on the event loop, and no lock that is held across a sleep.

    Args:
        runnable: anything that can stand in a chain.
        input: what the verb takes; for `batch` and `abatch` the list of inputs.
        config: see `invoke`. Callbacks are told.
        verb: how it is run: `invoke` unless said otherwise, or `batch` when several caps are given and `input` is a
            list.
        seed: the same seed gives the same run.
        durations: how long steps last, in seconds, besides what they sleep: for all, or by name (or stable key). A
            number, a pair to draw from evenly, or a function of a `random.Random`. A generator takes it before its
            first chunk.
        failures: what steps raise when their time is over, by name: an error, or a function of how often that step ran
            before, which answers an error or None.
        max_concurrency: the cap; or several, to compare them.
        most_switches: how long the simulation may take, in switches between threads.

    Returns:
        A `Simulation`; with several caps a `Sweep`. Both can be printed.

    Raises:
        SimulationError: when all that is left waits for each other, with who waits where; when a name is not that of
            a step; when it does not end.

    Example:
        >>> import time
        >>> from anabranch.nodes import RunnableLambda, simulate
        >>> def slow(x: int) -> int:
        ...     time.sleep(60)
        ...     return x + 1
        >>> simulate(RunnableLambda(slow) | {"a": slow, "b": slow}, 1).makespan
        120.0
    """
    if isinstance(max_concurrency, Sequence):
        if not max_concurrency:
            raise SimulationError("max_concurrency: expected a cap, or a list of caps to compare, got an empty list")
        verb = verb or ("batch" if isinstance(input, list) else "invoke")
        runs = [
            _simulate(runnable, input, config, verb, seed, durations, failures, cap, most_switches)
            for cap in max_concurrency
        ]
        return Sweep(runs)
    return _simulate(
        runnable, input, config, verb or "invoke", seed, durations, failures, max_concurrency, most_switches
    )


def _simulate(
    runnable: Any,
    input: Any,
    config: RunnableConfig | None,
    verb: Verb,
    seed: int,
    durations: Durations | None,
    failures: Failures | None,
    cap: int | None,
    most_switches: int,
) -> Simulation:
    if cap is not None:
        config = {**(config or {}), "max_concurrency": cap}
    world = SimulatedWorld(Stage(seed, most_switches), durations, failures)
    run = _Run(world, coerce_to_runnable(runnable), input, config, verb)
    makespan = world.play(run.main)
    if run.error is not None and isinstance(run.error, SimulationError):
        raise run.error
    steps = world.steps
    return Simulation(
        seed,
        cap,
        run.value,
        run.error,
        run.chunks,
        makespan,
        world.waited,
        sum(each.ended - each.started for each in steps.runs if each.ended is not None),
        steps.peak,
        world.depths,
        steps.runs,
        world.stage.switches,
        [name for name in world.stage.left if name != PORTAL],
    )


@dataclass
class _Run:
    """What the first actor does: call the verb, and keep what comes of it."""

    world: SimulatedWorld
    runnable: Runnable[Any, Any]
    input: Any
    config: RunnableConfig | None
    verb: Verb
    value: Any = None
    error: BaseException | None = None
    chunks: list[Any] = field(default_factory=list)

    def main(self) -> None:
        try:
            if self.verb not in _VERBS:
                raise SimulationError(f"verb: expected one of {', '.join(_VERBS)}, got {self.verb!r}")
            if self.verb.startswith("a"):
                self.value = StageLoop(self.world.stage).run(self._await)
            else:
                self.value = self._call()
        except BaseException as error:
            self.error = error

    def _call(self) -> Any:
        if self.verb == "batch":
            graph, shared, each = self.runnable._enter_batch("batch", {}, self.config, len(self.input))
            return blocking.batch(graph, self.input, shared, each)
        graph, config = self.runnable._enter(self.verb, {}, self.config)
        if self.verb == "invoke":
            return blocking.invoke(graph, self.input, config)
        with streams.stream(graph, iter((self.input,)), config, whole=True) as chunks:
            self.chunks.extend(chunks)
        return fold(self.chunks, chunks.algebra)

    async def _await(self) -> Any:
        if self.verb == "abatch":
            graph, shared, each = self.runnable._enter_batch("abatch", {}, self.config, len(self.input))
            return await awaiting.abatch(graph, self.input, shared, each)
        graph, config = self.runnable._enter(self.verb, {}, self.config)
        if self.verb == "ainvoke":
            return await awaiting.ainvoke(graph, self.input, config)
        async with astreams.astream(graph, Once(self.input), config, whole=True) as chunks:
            async for chunk in chunks:
                self.chunks.append(chunk)
        return fold(self.chunks, chunks.algebra)


_VERBS = ("invoke", "batch", "stream", "ainvoke", "abatch", "astream")


class SimulatedWorld:
    """The threads, locks and loops of one simulation (`primitives.World`), and what it measures."""

    def __init__(self, stage: Stage, durations: Durations | None, failures: Failures | None) -> None:
        self.stage = stage
        self.steps = Watch(stage, durations, failures)
        self.waited = 0.0
        self.depths: dict[str, int] = {}
        self._watched: list[Frontier | Strands] = []
        self._inlets: list[tuple[str, Inlet]] = []
        self._portal: StageLoop | None = None

    def play(self, main: Callable[[], Any]) -> float:
        """Run `main` to its end, and answer when that was."""
        with primitives.entered(self), _SLEEP.virtual(self.stage):
            makespan = self.stage.play(main, self)
        self.steps.check_names()
        return makespan

    # What the stage tells

    def time_goes(self, seconds: float) -> None:
        self.waited += seconds * sum(state.backlog for state in self._watched)

    def moved(self) -> None:
        for name, inlet in self._inlets:
            if (depth := sum(inlet.statistics().values())) > self.depths.get(name, 0):
                self.depths[name] = depth

    def under_way(self) -> str:
        names = sorted({run.name for run in self.steps.runs if run.ended is None})
        return f"steps under way: {', '.join(names) or 'none'}"

    # What the drivers ask for

    def lock(self) -> StageLock:
        return StageLock(self.stage)

    def rlock(self) -> StageRLock:
        return StageRLock(self.stage)

    def event(self) -> StageEvent:
        return StageEvent(self.stage)

    def condition(self) -> StageCondition:
        return StageCondition(self.stage)

    def simple_queue(self) -> StageQueue:
        return StageQueue(self.stage)

    def start_thread(self, task: Callable[[], Any]) -> None:
        self.stage.start(task, "a pool's thread")

    def portal_loop(self) -> StageLoop:
        if self._portal is None:
            self._portal = StageLoop(self.stage)
            self.stage.start(self._portal.run, PORTAL)
        return self._portal

    def uniform(self, low: float, high: float) -> float:
        return self.stage.chance.uniform(low, high)

    def time(self) -> float:
        return 1 + self.stage.now  # 0 is the start or end of what has none yet

    def staged(self, graph: Graph) -> Graph:
        return self.steps.staged(graph)

    def watch(self, state: Any) -> None:
        self._watched.append(state)
        if isinstance(state, Strands):
            self._inlets += state.inlets()


class _Sleep:
    """`time.sleep` while threads simulate: virtual in these threads, and in all others what it was before."""

    def __init__(self) -> None:
        self._before = time.sleep
        self._stages: dict[int, Stage] = {}
        self._busy = Lock()

    @contextmanager
    def virtual(self, stage: Stage) -> Generator[None, None, None]:
        """In this thread it takes no real time meanwhile."""
        ident = get_ident()
        with self._busy:
            if not self._stages:
                self._before, time.sleep = time.sleep, self
            self._stages[ident] = stage
        try:
            yield
        finally:
            with self._busy:
                del self._stages[ident]
                if not self._stages:
                    time.sleep = self._before

    def __call__(self, seconds: Any, /) -> None:
        stage = self._stages.get(get_ident())
        (self._before if stage is None else stage.sleep)(seconds)


_SLEEP = _Sleep()
