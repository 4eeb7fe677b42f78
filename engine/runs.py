"""What is known of a run: one execution of a step or of a scope.

A *fact* is something that happened to a run: it started, made a chunk, ended or failed, or told something of its own
(a custom event, a retry). Whoever wants to know is a `Listener`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID, SafeUUID


class Unknown(Enum):
    """Stands for an input or output that isn't known (yet)."""

    MISSING = "missing"

    def __bool__(self) -> bool:
        return False


MISSING = Unknown.MISSING

_random = random.Random()
os.register_at_fork(after_in_child=_random.seed)


_FREE_BITS = (1 << 128) - 1 & ~(0xF000 << 64) & ~(0xC000 << 48)
_VERSION_4 = 0x4000 << 64 | 0x8000 << 48
_blank: Any = object.__new__
_put_int, _put_safe = UUID.__dict__["int"].__set__, UUID.__dict__["is_safe"].__set__
_getrandbits = _random.getrandbits
_UNKNOWN = SafeUUID.unknown


def new_id() -> UUID:
    """A random id (version 4), made without asking the operating system for each."""
    made: UUID = _blank(UUID)
    # As `UUID(int=...)` does it, without looking at what is known to be right.
    _put_int(made, _getrandbits(128) & _FREE_BITS | _VERSION_4)
    _put_safe(made, _UNKNOWN)
    return made


class Shown:
    """What a step gives, where its run shows something else as its `output`.

    Attributes:
        shown: that.
    """

    __slots__ = ("shown",)

    def __init__(self, shown: Any) -> None:
        self.shown = shown


class RunInfo:
    """One execution of a step or of a scope.

    Attributes:
        id: unique to it.
        parent: the run that it is part of; None at the root.
        name, run_type, tags, metadata: as in events.
        listeners: who is told of it.
        manager: from which it was made; what its children inherit is `children`.
        input, output: `MISSING` as long as they aren't known. A folded output stands there when the run is over; of a
            model that has failed, what it had said.
        error: what it failed with.
        started, ended: in seconds since the epoch; 0 as long as it didn't.
        is_first: it has no parent in its call: what the caller called.
        tells_chunks: its chunks are facts.
        slot: of a step in its graph; -1 for a scope.
        node: what the user composed.
        about: what more its operator says of it to handlers.
        named: of what stands in for a run, the name and the id that were asked for.
        reporter: who tells its listeners; the driver's.
        config: that of its call.
        came_late: it started before its input was known.
        claimed: at the root, the ids below that were asked for, with the names of the runs that have them.
        wake: of one that is told of only if something happens in it: has it start.
        variables: context variables, which have a default, and what its code is to see there; listeners add to it.
    """

    # A run is made for every step. What is set of each is no attribute of the class, which would be slow to find.
    error: BaseException | None = None
    started = 0.0
    tells_chunks = True
    slot = -1
    node: Any = None
    about: Any = None
    children_of: Any = None
    named: tuple[str | None, UUID | None] = (None, None)
    reporter: Any = None
    config: Any = None
    came_late = False
    claimed: dict[UUID, str] | None = None
    variables: tuple[tuple[ContextVar[Any], Any], ...] = ()

    def __init__(
        self,
        name: str,
        run_type: str,
        parent: RunInfo | None,
        tags: list[str],
        metadata: dict[str, Any],
        listeners: tuple[Listener, ...],
        id: UUID | None = None,
    ) -> None:
        self.id = id or new_id()
        self.name = name
        self.run_type = run_type
        self.parent = parent
        self.tags = tags
        self.metadata = metadata
        self.listeners = listeners
        self.input: Any = MISSING
        self.output: Any = MISSING
        self.ended = 0.0
        self.is_first = False
        self.wake: Callable[[], None] | None = None

    @property
    def parent_id(self) -> UUID | None:
        """The id of the parent."""
        return None if self.parent is None else self.parent.id

    @property
    def parent_ids(self) -> list[UUID]:
        """The ids of all runs around it, the root first."""
        ids: list[UUID] = []
        at = self.parent
        while at is not None:
            ids.append(at.id)
            at = at.parent
        return ids[::-1]

    @property
    def start_time(self) -> datetime:
        """When it started, in UTC."""
        return datetime.fromtimestamp(self.started, UTC)

    @property
    def end_time(self) -> datetime | None:
        """When it ended, in UTC."""
        return datetime.fromtimestamp(self.ended, UTC) if self.ended else None

    def __repr__(self) -> str:
        state = "failed" if self.error is not None else "over" if self.ended else "running"
        return f"RunInfo({self.run_type} {self.name!r}, {state})"


class Listener:
    """Told of facts. Subclass and write what you want to hear of.

    Attributes:
        inline: it is quick and never waits, so that it may be called at once, in any thread and on any loop.
            Otherwise it is called in a thread where a loop runs.
        is_async: its methods are coroutine functions, or answer an awaitable.
        full: it wants no more chunks for now; whoever can wait awaits `room()` before making the next.
        twin: of an asynchronous one, one that blocks, for where nothing can be awaited; None where there is none.
        deaf_to: run types and facts (`("chain", "started")`) that it does nothing with, so that it need not be told.
    """

    inline = False
    is_async = False
    full = False
    twin: Listener | None = None
    deaf_to: frozenset[tuple[str, str]] = frozenset()

    @property
    def handler(self) -> Any:
        """What the user put into `callbacks`."""
        return self

    def started(self, run: RunInfo) -> Any:
        """A run started. Its input may be missing still."""

    def chunk(self, run: RunInfo, chunk: Any) -> Any:
        """A run made a chunk of its output."""

    def ended(self, run: RunInfo) -> Any:
        """A run has ended; closing a stream early is an end."""

    def failed(self, run: RunInfo) -> Any:
        """A run has failed with `run.error`."""

    def told(self, run: RunInfo, what: str, *data: Any) -> Any:
        """Something of its own happened in a run: `custom_event`, `retry` or `text`."""

    async def room(self) -> None:
        """Wait until it isn't full."""

    def wait_for_room(self) -> None:
        """The same in a thread."""

    def broke(self, error: Exception, what: str) -> None:
        """One of its methods raised. Raises the error if that is to break the run."""
        raise error
