"""What one step does, as data: the forms in which a driver may call it, and what a driver must know of them.

The scheduler sees graphs of operators and nothing else, as a server sees a callable. An operator offers
whichever forms it has; a driver picks the best for its kind (blocking or async, values or chunks) and
derives the rest: a value from chunks by folding, chunks from a value by making one chunk of it.

Forms. With `wants_config` each takes the step's `RunnableConfig` as a second argument.

| form | takes | gives |
|---|---|---|
| `invoke`, `ainvoke` | the whole input | the output |
| `stream`, `astream` | the whole input | an iterator of chunks |
| `transform`, `atransform` | an iterator of chunks | an iterator of chunks |
| `map_chunk` | one chunk | one chunk; never blocks, takes no config |
| `flow` | the whole input (or a handle on it) | a generator of effects: a call step |
| `batch`, `abatch` | a list of inputs, a list of configs | a list of outputs: a vectorised form |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anabranch.engine.chunks import Algebra
    from anabranch.engine.config import RunnableConfig
    from anabranch.engine.graphs import Graph


class Composable:
    """Anything that a graph can be had of. A function step that returns one has it run."""

    __slots__ = ()

    @property
    def __graph__(self) -> Graph:
        """The graph that runs."""
        raise NotImplementedError


class Whole(Enum):
    """Stands for a step's own input in an effect: as a value, or as the chunks that still come in."""

    INPUT = "input"


INPUT = Whole.INPUT


@dataclass(frozen=True, slots=True)
class Run:
    """Run a graph and answer its output.

    `last` says that the output is the step's own output, so that a streaming driver may pass the chunks on
    as they come. An error is thrown into the flow, unless a chunk of a `last` run is already out. `timeout` is
    in seconds. `tag` marks the run in traces.
    """

    graph: Graph
    value: Any = INPUT
    config: RunnableConfig | None = None
    last: bool = False
    timeout: float | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class RunEach:
    """Run a graph once for each value, concurrently, and answer the outputs in order."""

    graph: Graph
    values: Sequence[Any]
    configs: Sequence[RunnableConfig | None] | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait, holding no permit and no thread. In seconds."""

    seconds: float


Effect = Run | RunEach | Sleep
Flow = Generator[Effect, Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What one step does. At least one form must be given.

    Attributes:
        name: the step's name in traces, drawings and errors.
        run_type: `chain`, `prompt`, `llm`, `chat_model`, `parser`, `retriever` or `tool`.
        wants_config: the forms take the step's config as a second argument.
        blocking: the synchronous forms may wait (for I/O, a lock, a long computation), so under asyncio
            they belong in a thread. False for what is known to be quick.
        expands: a result that is a `Composable` is run with the step's input, and its output taken instead.
        reads: the keys of a dict input that are read, when these are known; None means all of it.
        optional: those of them that may be missing.
        picks: the one key whose value it hands on, if that is all it does.
        algebra: how the chunks that it makes combine, when their type alone does not say it.
        whole: a `flow` gets its input as a value; otherwise as the handle `INPUT`, to be passed on.
        max_batch: how many inputs a vectorised form takes at most; None means any number.
        abandon: running code may be left behind when the call is stopped.
        shows: graphs that the step may run, by label, for drawing and schemas.
        streams: the output of a `flow` may come in chunks.
        is_run: it is traced as a run of its own. Otherwise what it runs is traced in its place.
        metadata: facts about its run alone, not about what it calls.
        view: how handlers see a model's input and output (`scheduler.handlers.View`).
    """

    name: str
    run_type: str = "chain"
    invoke: Callable[..., Any] | None = None
    ainvoke: Callable[..., Awaitable[Any]] | None = None
    stream: Callable[..., Iterator[Any]] | None = None
    astream: Callable[..., AsyncIterator[Any]] | None = None
    transform: Callable[..., Iterator[Any]] | None = None
    atransform: Callable[..., AsyncIterator[Any]] | None = None
    map_chunk: Callable[[Any], Any] | None = None
    flow: Callable[..., Flow] | None = None
    batch: Callable[..., Sequence[Any]] | None = None
    abatch: Callable[..., Awaitable[Sequence[Any]]] | None = None
    wants_config: bool = False
    blocking: bool = True
    expands: bool = False
    reads: frozenset[str] | None = None
    optional: frozenset[str] = frozenset()
    picks: str | None = None
    algebra: Algebra | None = None
    whole: bool = True
    max_batch: int | None = None
    abandon: bool = False
    shows: Callable[[], dict[str, Graph]] | None = field(default=None, compare=False)
    streams: bool = True
    is_run: bool = True
    metadata: Mapping[str, Any] | None = field(default=None, compare=False)
    view: Any = field(default=None, compare=False)
