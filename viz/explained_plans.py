"""How a chain will run, as plain values: what `explain` finds out, before it is text (`viz/explanations.py`).

A number of a segment is what it is called in the text, from 1; 0 stands for the input of the chain.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Measured:
    """What became of a step in a run, over all its runs.

    Attributes:
        runs, failed: how many there were, and how many of them failed.
        total: how long they took together, in seconds.
        waited: how long it waited, all in all, when what it reads was there.
        chunks: how many it made.
        attempts: how often a run of it was tried, at most.
        critical: it is on the critical path.
    """

    runs: int = 0
    failed: int = 0
    total: float = 0.0
    waited: float = 0.0
    chunks: int = 0
    attempts: int = 1
    critical: bool = False


@dataclass(slots=True)
class Inner:
    """A graph that a step may run: under which label, and how."""

    label: str
    plan: ChainPlan


@dataclass(slots=True)
class StepPlan:
    """A step.

    Attributes:
        key: its stable key, before which stand those of the call steps around it.
        name: what it is called; a function without a name by its code.
        kind: `function`, `prompt`, `chat_model`, `call` ...
        place: where its code runs under asyncio: `thread`, `loop`, or `inline` for what never blocks.
        notes: what else is to be known of it.
        inner: what it may run.
    """

    key: str
    name: str
    kind: str
    place: str
    notes: list[str] = field(default_factory=list)
    inner: list[Inner] = field(default_factory=list)
    measured: Measured | None = None


@dataclass(slots=True)
class Feed:
    """What a segment reads: from which segment, under which key. `key` is empty for a value as a whole."""

    segment: int
    key: str = ""


@dataclass(slots=True)
class SegmentPlan:
    """Steps that run one after the other without any hand-over, and what they wait for."""

    number: int
    steps: list[StepPlan]
    reads: list[Feed]


@dataclass(slots=True)
class Channel:
    """Between segments when chunks flow. `capacity` in chunks; None when it takes any number, for its reader folds."""

    source: str
    target: str
    capacity: int | None
    key: str = ""


@dataclass(slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        calls: how many there were: the inputs of a batch.
        state: of all of them.
        took: from the first start to the last end, in seconds.
        path: the names of the steps on the critical path, and how long it is.
        waited: for how long steps waited although all that they read was there.
    """

    calls: int
    state: str
    took: float
    path: list[str]
    length: float
    waited: float
    error: str = ""


@dataclass(slots=True)
class ChainPlan:
    """How a chain will run, and if a run of it was given, how that went.

    Attributes:
        name: of the chain.
        segments: in the order in which they can run.
        gives: what the chain's output is made of.
        cap: how much runs at once at most; `capped` says that somebody set it, otherwise it is for blocking calls only.
        at_once: the most segments that there are of which none waits for another.
        hops: the steps of each hop to a thread under asyncio.
        channels: those of a stream.
        outcome: of the run that was given.
    """

    name: str
    segments: list[SegmentPlan]
    gives: list[Feed]
    cap: int
    capped: bool
    at_once: list[int] = field(default_factory=list)
    hops: list[list[str]] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    outcome: Outcome | None = None
