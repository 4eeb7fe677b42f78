"""Where chunks wait for their reader: passive state, without any waiting of its own.

Writers `put` and `close` leaves; the reader `take`s. An inlet of a reader that folds adds its chunks up and never
fills; any other holds at most `capacity` chunks, besides those that the order of an `assign` holds back.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from anabranch.engine.chunks import Accumulator, AddableDict, Algebra
from anabranch.engine.errors import StepInputError
from anabranch.engine.graphs import Join
from anabranch.scheduler.gathering import gathered, no_dict
from anabranch.scheduler.ports import Leaf, Ports, unhidden, wrapped

EMPTY: Any = object()
CLOSED: Any = object()


class FoldInlet:
    """Adds up what comes at each leaf; ready when all leaves are closed."""

    __slots__ = ("_open", "_ports", "_totals", "detached")

    def __init__(self, ports: Ports, reader: str) -> None:
        self._ports = ports
        self._totals = [Accumulator(leaf.algebra, reader) for leaf in ports.leaves]
        self._open = len(ports.leaves)
        self.detached = False

    @property
    def ready(self) -> bool:
        """Whether the reader may start."""
        return not self._open

    def put(self, leaf: int, chunk: Any, force: bool = False) -> bool:
        """Add a chunk. Never full."""
        self._totals[leaf].push(chunk)
        return True

    def close(self, leaf: int) -> None:
        """No more comes at this leaf."""
        self._open -= 1

    def value(self) -> Any:
        """What the reader gets, when all leaves are closed."""
        return gathered(self._ports.recipe, [total.value for total in self._totals])

    def statistics(self) -> dict[str, int]:
        """It has no channel."""
        return {"waiting": 0, "held": 0}


class FlowInlet:
    """A bounded channel; ready at the first chunk, or when all leaves are closed.

    `put` and `close` raise a `StepInputError` when keys are to be added to what is no dict.
    """

    __slots__ = (
        "_bases",
        "_chunks",
        "_closed",
        "_dicts",
        "_held",
        "_made",
        "_ports",
        "capacity",
        "detached",
    )

    def __init__(self, ports: Ports, capacity: int) -> None:
        self._ports = ports
        self._chunks: deque[Any] = deque()
        self._closed: set[int] = set()
        self._made: set[int] = set()  # leaves that made a chunk
        self._dicts: set[int] = set()  # bases that are dicts
        self._held: dict[int, deque[Any]] = {}  # what must wait for other leaves
        self._bases: dict[int, Accumulator] = {}  # snapshots of a base: only the last counts
        self.capacity = capacity
        self.detached = False

    @property
    def ready(self) -> bool:
        """Whether the reader may start."""
        return bool(self._chunks) or self.closed

    @property
    def closed(self) -> bool:
        """Whether no more comes."""
        return len(self._closed) == len(self._ports.leaves)

    def put(self, leaf: int, chunk: Any, force: bool = False) -> bool:
        """Put a chunk in. False when there is no room (unless by force): the same is to be put again later."""
        if not self._ports.joins:
            if len(self._chunks) >= self.capacity and not force:
                return False
            self._chunks.append(chunk)
            return True
        return self._join(leaf, self._ports.leaves[leaf], chunk, force)

    def _join(self, index: int, leaf: Leaf, chunk: Any, force: bool) -> bool:
        if leaf.base_of is not None and chunk is not None:
            if not isinstance(chunk, dict):
                raise _refusal(leaf.base_of, chunk)
            self._dicts.add(index)
        if leaf.lost:
            return True
        if leaf.base_of is not None:
            if chunk is None:
                return True
            if not isinstance(chunk, AddableDict):
                self._bases.setdefault(index, Accumulator(Algebra.SNAPSHOTS)).push(chunk)
                return True
            made = unhidden(leaf, chunk)
            if not made:
                return True
        else:
            made = wrapped(leaf, chunk)
        if not leaf.after <= self._closed:
            self._held.setdefault(index, deque()).append(made)
        elif len(self._chunks) >= self.capacity and not force:
            return False
        else:
            self._chunks.append(made)
        self._made.add(index)
        return True

    def close(self, leaf: int) -> None:
        """No more comes at this leaf. What was held back for it may pass."""
        self._finish(leaf)
        self._closed.add(leaf)
        for index in [index for index in self._held if self._ports.leaves[index].after <= self._closed]:
            self._chunks.extend(self._held.pop(index))

    def _finish(self, index: int) -> None:
        """The last chunk of a leaf: that of a snapshot base, or the None of a key that got none."""
        if not self._ports.joins:
            return
        leaf = self._ports.leaves[index]
        if leaf.base_of is not None and index not in self._dicts:  # no chunk, or None alone: the value is None
            raise _refusal(leaf.base_of, None)
        last = None
        if index in self._bases:
            last = unhidden(leaf, self._bases.pop(index).value)
        elif index not in self._made and leaf.base_of is None and not leaf.lost:
            last = wrapped(leaf, None)
        if not last:
            return
        if leaf.after <= self._closed:
            self._chunks.append(last)
        else:
            self._held.setdefault(index, deque()).append(last)

    def take(self) -> Any:
        """The next chunk, or `EMPTY`, or `CLOSED`."""
        if self._chunks:
            return self._chunks.popleft()
        return CLOSED if self.closed else EMPTY

    def statistics(self) -> dict[str, int]:
        """How many chunks wait, and how many are held back."""
        return {"waiting": len(self._chunks), "held": sum(map(len, self._held.values()))}


def _refusal(join: Join, base: Any) -> StepInputError:
    return no_dict(base, join.ports, join.scope)


Inlet = FoldInlet | FlowInlet
