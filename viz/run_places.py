"""Finds runs in a graph: which step, or which scope, was that?

A run is found by its parent, its name and its place tags (`seq:step:2`, `map:key:a`, `branch:1`); among equals by the
order in which they start. What call steps run is looked for in the graphs that they show, what functions call in the
graphs of the runnables that they mention, and only when something has run there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from anabranch.engine.graphs import Graph, Step
from anabranch.viz.call_steps import graphs_in
from anabranch.viz.step_runs import StepRun

PLACE_TAG = re.compile(r"(seq:step|map:key|condition|branch):")


@dataclass(eq=False, slots=True)
class Place:
    """Where a run may come from.

    Attributes:
        key: what it is called; see `StepRun.key`.
        name: that a run of it has.
        tags: the place tags that it has.
        many: it may run more than once where it stands.
        may_call: code of a user's runs here, which may call anything.
        fill: finds what is inside, when that is asked for.
    """

    key: str
    name: str
    tags: frozenset[str]
    many: bool = False
    may_call: bool = False
    fill: Callable[[], list[Place]] | None = None
    _inside: list[Place] = field(default_factory=list)

    def inside(self) -> list[Place]:
        """The places of the runs inside it."""
        if self.fill is not None:
            self._inside, self.fill = self.fill(), None
        return self._inside


def places_of(graph: Graph, prefix: str = "", tags: Iterable[str] = (), *, many: bool = False) -> list[Place]:
    """The outermost places of a graph: nearly always one.

    What is no run of its own has no place; what is inside it stands in its stead, with its tags.
    """
    top: list[Place] = []
    levels: dict[int, tuple[list[Place], frozenset[str], bool]] = {-1: (top, frozenset(tags), many)}
    for index, (scope, key) in enumerate(zip(graph.scopes, graph.scope_keys, strict=True)):
        into, around, several = levels[scope.parent]
        if scope.is_run:
            place = Place(prefix + key, scope.name, around | _placing(scope.tags), several)
            into.append(place)
            levels[index] = (place._inside, frozenset(), False)
        else:
            levels[index] = (into, around | _placing(scope.tags), several)
    for step, key in zip(graph.steps, graph.keys, strict=True):
        into, around, several = levels[step.scope]
        into.extend(_places_of_step(step, prefix + key, around | _placing(step.tags), several))
    return top


def _places_of_step(step: Step, key: str, tags: frozenset[str], many: bool) -> list[Place]:
    operator = step.operator
    if not operator.is_run:
        return _shown(step, key, tags)
    return [Place(key, step.name, tags, many, operator.flow is None, lambda: _shown(step, key))]


def _shown(step: Step, key: str, tags: Iterable[str] = ()) -> list[Place]:
    found = []
    for label, graph in graphs_in(step).items():
        own = (label,) if PLACE_TAG.match(label) else ()
        found += places_of(graph, f"{key}/{label}/", (*tags, *own), many=True)
    return found


def _placing(tags: Iterable[str]) -> frozenset[str]:
    return frozenset(tag for tag in tags if PLACE_TAG.match(tag))


def root_place(tops: list[Place], name: str, tags: Collection[str]) -> Place | None:
    """The place of what was called. A name that was given to the call changes nothing."""
    return tops[0] if len(tops) == 1 else Finder(lambda: tops).take(name, tags)


def find(roots: Iterable[StepRun], graph: Graph) -> None:
    """Give the runs of a graph, and those inside them, their keys."""
    tops = places_of(graph)
    stack = [(root, root_place(tops, root.name, root.tags)) for root in roots]
    while stack:
        run, place = stack.pop()
        if place is None:
            continue
        run.key = place.key
        if run.children:
            finder = Finder(place.inside)
            stack.extend((child, finder.take(child.name, child.tags)) for child in run.children)


class Finder:
    """Chooses among places for the runs inside one run, which come one by one.

    Args:
        places: gives them when the first run comes.
    """

    def __init__(self, places: Callable[[], list[Place]]) -> None:
        self._places: Callable[[], list[Place]] | None = places
        self._named: dict[tuple[str, frozenset[str]], list[Place]] = {}
        self._tagged: dict[frozenset[str], list[Place]] = {}
        self._taken: set[Place] = set()

    def take(self, name: str, tags: Collection[str]) -> Place | None:
        """The first place that a run of this name and these tags may come from, if any. It is taken by that.

        A place that may have several runs is taken again when there is none left that fits: of a step and its fallback
        of the same name each has its own.
        """
        self._sort()
        placing = _placing(tags)
        place = self._first(self._named.get((name, placing), ()))
        if place is None and placing:
            place = self._first(self._tagged.get(placing, ()))
        if place is not None:
            self._taken.add(place)
        return place

    def _first(self, fits: Collection[Place]) -> Place | None:
        untaken = (place for place in fits if place not in self._taken)
        return next(untaken, None) or next((place for place in fits if place.many), None)

    def _sort(self) -> None:
        places, self._places = self._places, None
        for place in places() if places is not None else ():
            self._named.setdefault((place.name, place.tags), []).append(place)
            self._tagged.setdefault(place.tags, []).append(place)
