"""Finds the runs of a record in a graph: which step, or which scope, was that?

A run is found by its parent, its name and its place tags (`seq:step:2`, `map:key:a`, `branch:1`); among equals by the
order. What call steps run is looked for in the graphs that they show, and only when they have run something. What a
function calls on its own is in no graph, and isn't found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from anabranch.engine.graphs import Graph, Step
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

    @property
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
    fill = None if operator.shows is None else lambda: _shown(step, key)
    return [Place(key, step.name, tags, many, operator.flow is None, fill)]


def _shown(step: Step, key: str, tags: Iterable[str] = ()) -> list[Place]:
    shows, found = step.operator.shows, []
    for label, graph in (shows() if shows is not None else {}).items():
        own = (label,) if PLACE_TAG.match(label) else ()
        found += places_of(graph, f"{key}/{label}/", (*tags, *own), many=True)
    return found


def _placing(tags: Iterable[str]) -> frozenset[str]:
    return frozenset(tag for tag in tags if PLACE_TAG.match(tag))


def find(roots: Iterable[StepRun], graph: Graph) -> None:
    """Give the runs of a graph, and those inside them, their keys."""
    tops = places_of(graph)
    finder = Finder()
    for root in roots:
        stack: list[tuple[StepRun, list[Place]]] = []
        if len(tops) == 1:
            finder.settle(root, tops[0])  # a name given to the call changes nothing
            stack.append((root, tops[0].inside))
        elif place := finder.place_for(root, tops):
            finder.settle(root, place)
            stack.append((root, place.inside))
        while stack:
            run, places = stack.pop()
            for child in run.children:
                if place := finder.place_for(child, places):
                    finder.settle(child, place)
                    if child.children:
                        stack.append((child, place.inside))
            finder.forget(places)


class Finder:
    """Chooses places for runs that come one by one."""

    def __init__(self) -> None:
        self._taken: set[Place] = set()

    def place_for(self, run: StepRun, places: list[Place]) -> Place | None:
        """The first of these that a run may come from, if any."""
        tags = _placing(run.tags)
        fits = [place for place in places if place.tags == tags and (place.many or place not in self._taken)]
        return next((place for place in fits if place.name == run.name), fits[0] if fits and tags else None)

    def settle(self, run: StepRun, place: Place) -> None:
        """It comes from there."""
        run.key = place.key
        self._taken.add(place)

    def forget(self, places: Iterable[Place]) -> None:
        """What was inside one run is over; there may be others of the same place."""
        self._taken.difference_update(places)
