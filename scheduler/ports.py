"""How chunks of several steps come together at one reader: the leaves of a join, and what each does to the dict.

A leaf is one step's output at one place of a join. For each there is the path of keys under which its chunks stand,
the leaves that must be over before its chunks may pass (those of the base of an `assign`), and the keys that
somebody further out overwrites.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anabranch.engine.chunks import AddableDict, Algebra
from anabranch.engine.graphs import Join, Source
from anabranch.scheduler.plans import Recipe


@dataclass(slots=True, eq=False)
class Leaf:
    """One step's output at one place of a join.

    Attributes:
        path: the keys under which its chunks stand, outermost first; the base of an `assign` adds none.
        after: the leaves that must be over before its chunks pass.
        hidden: keys of its dicts that are overwritten; with `lost`, all of it is.
        base_of: the join that adds keys to it, if one does; it must be a dict then.
        algebra: of its chunks, where that is declared.
    """

    slot: int
    path: tuple[str, ...]
    after: frozenset[int]
    hidden: frozenset[str]
    base_of: Join | None
    lost: bool
    algebra: Algebra | None


@dataclass(slots=True, eq=False)
class Ports:
    """What a reader reads. `recipe` gathers the values of the leaves; without one there is a single leaf."""

    leaves: tuple[Leaf, ...]
    recipe: Recipe

    @property
    def slots(self) -> tuple[int, ...]:
        """The slot of each leaf."""
        return tuple(leaf.slot for leaf in self.leaves)

    @property
    def joins(self) -> bool:
        """Whether the reader gets dicts of several leaves' chunks."""
        return bool(self.recipe)


def ports_of(source: Source, algebras: dict[int, Algebra | None]) -> Ports:
    """The leaves of a source."""
    if not isinstance(source, Join):
        return Ports((Leaf(source, (), frozenset(), frozenset(), None, False, algebras[source]),), ())
    walk = _Walk(algebras)
    walk.run(source)
    return Ports(tuple(walk.leaves), tuple(walk.recipe))


class _Walk:
    """Visits the joins of a source, without recursion, the base of each before its ports."""

    def __init__(self, algebras: dict[int, Algebra | None]) -> None:
        self.leaves: list[Leaf] = []
        self.recipe: list[tuple[int, int | None, tuple[tuple[str, int], ...], int]] = []
        self._algebras = algebras

    def run(self, source: Join) -> None:
        """Visit everything under a join."""
        # A frame is a join that is being visited: where it stands, its parts still to come, and their places.
        frames = [_Frame(source, (), frozenset(), frozenset(), False)]
        while frames:
            frame = frames[-1]
            if frame.todo:
                port, part = frame.todo.pop()
                inner = frame.enter(port, len(self.leaves))
                if isinstance(part, Join):
                    frames.append(_Frame(part, *inner))
                else:
                    frame.places[port] = len(self.leaves)
                    self._leaf(part, frame.join if port is None else None, *inner)
                continue
            frames.pop()
            target = -2 - len(self.recipe)
            ports = tuple((key, frame.places[key]) for key in frame.join.ports)
            self.recipe.append((target, frame.places.get(None), ports, frame.join.scope))
            if frames:
                frames[-1].places[frames[-1].current] = target

    def _leaf(
        self,
        slot: int,
        base_of: Join | None,
        path: tuple[str, ...],
        after: frozenset[int],
        hidden: frozenset[str],
        lost: bool,
    ) -> None:
        self.leaves.append(Leaf(slot, path, after, hidden, base_of, lost, self._algebras[slot]))


class _Frame:
    __slots__ = ("_after", "_base_end", "_begin", "_hidden", "_lost", "_path", "current", "join", "places", "todo")

    def __init__(
        self, join: Join, path: tuple[str, ...], after: frozenset[int], hidden: frozenset[str], lost: bool
    ) -> None:
        self.join = join
        self.todo: list[tuple[str | None, Source]] = list(join.parts())[::-1]
        self.places: dict[str | None, int] = {}
        self.current: str | None = None
        self._path = path
        self._after = after
        self._hidden = hidden
        self._lost = lost
        self._begin: int | None = None  # the leaves before this join, and before its ports
        self._base_end: int | None = None

    def enter(self, port: str | None, leaves: int) -> tuple[tuple[str, ...], frozenset[int], frozenset[str], bool]:
        """Path, prerequisites, hidden keys and loss of a part, when there are so many leaves."""
        self.current = port
        if self._begin is None:
            self._begin = leaves
        if port is None:
            return self._path, self._after, self._hidden | self.join.ports.keys(), self._lost
        if self._base_end is None:
            self._base_end = leaves
        after = self._after
        if self.join.base is not None:
            after |= frozenset(range(self._begin, self._base_end))
        return (*self._path, port), after, frozenset(), self._lost or port in self._hidden


def wrapped(leaf: Leaf, chunk: Any) -> AddableDict:
    """A leaf's chunk in the dicts of its path."""
    marks = frozenset(leaf.path[-1:]) if leaf.algebra is Algebra.SNAPSHOTS else frozenset()
    *outer, last = leaf.path
    made = AddableDict.marked({last: chunk}, marks) if marks else AddableDict({last: chunk})
    for key in reversed(outer):
        made = AddableDict({key: made})
    return made


def unhidden(leaf: Leaf, chunk: dict[str, Any]) -> AddableDict:
    """A chunk of a base, in the dicts of its path, without the keys that are overwritten."""
    made = AddableDict({key: value for key, value in chunk.items() if key not in leaf.hidden})
    for key in reversed(leaf.path):
        made = AddableDict({key: made})
    return made
