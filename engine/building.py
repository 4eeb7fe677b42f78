"""Builds a graph from what was composed, in linear time and without recursion.

Whatever can be built has a method `_build(builder, source, place)` that either adds its step and returns the
source of its output, or is a generator which yields `Part`s, is sent the output source of each, and returns its
own. The builder keeps the unfinished ones on a stack of its own, so that nesting costs no Python frames.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from types import GeneratorType
from typing import Any, Protocol, cast

from anabranch.engine.config import RunnableConfig, merge_configs
from anabranch.engine.errors import GraphError
from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Scope, Source, Step
from anabranch.engine.operators import Operator


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is built: its scope, its place tags, and the config, arguments and types bound to it."""

    scope: int = -1
    tags: tuple[str, ...] = ()
    config: RunnableConfig | None = None
    kwargs: Mapping[str, Any] | None = None
    types: tuple[Any, Any] | None = None

    def bound(self, config: RunnableConfig | None, kwargs: Mapping[str, Any] | None) -> Place:
        """The same place with more bound to it; what was bound outside wins."""
        merged = merge_configs(config, self.config) if config and self.config else (config or self.config)
        return replace(self, config=merged, kwargs={**(kwargs or {}), **(self.kwargs or {})})


class Buildable(Protocol):
    """What a graph can be built from."""

    def _build(self, builder: Builder, source: Source, place: Place) -> Source | Building: ...


@dataclass(frozen=True, slots=True)
class Part:
    """Asks for something to be built at a place."""

    what: Buildable
    source: Source
    place: Place


Building = Generator[Part, Source, Source]


class Builder:
    """Gathers steps and scopes."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.scopes: list[Scope] = []

    def step(self, operator: Operator, source: Source, place: Place, node: Any = None) -> int:
        """Add a step and answer its slot."""
        slot = len(self.steps)
        self.steps.append(Step(slot, operator, source, place.scope, place.tags, place.config, node, place.types))
        return slot

    def scope(self, name: str, kind: str, source: Source, place: Place, node: Any = None, is_run: bool = True) -> Scope:
        """Open a scope. Whoever opens it sets its `output`."""
        bound = place.config.get("run_name") if place.config else None
        scope = Scope(
            len(self.scopes), place.scope, bound or name, kind, source, place.tags, place.config, node, is_run=is_run
        )
        scope.types = place.types
        self.scopes.append(scope)
        return scope

    def graph(self, output: Source) -> Graph:
        """The finished graph."""
        return Graph(tuple(self.steps), tuple(self.scopes), output)


def build(what: Buildable, kwargs: Mapping[str, Any] | None = None) -> Graph:
    """The graph of something composed.

    Raises:
        GraphError: when there is no step in it.
    """
    builder = Builder()
    output = _run(builder, Part(what, INPUT_SLOT, Place(kwargs=kwargs or None)))
    if not builder.steps and not isinstance(output, Join):
        raise GraphError(f"{what!r} has no step, so there is nothing to run; put at least one runnable into it")
    return builder.graph(output)


def _run(builder: Builder, first: Part) -> Source:
    stack: list[Building] = []
    part: Part | None = first
    answer: Any = None
    while True:
        if part is not None:
            built = part.what._build(builder, part.source, part.place)
            if isinstance(built, GeneratorType):
                stack.append(built)
                answer = None
            else:
                answer = built
        if not stack:
            return cast(Source, answer)
        try:
            part = stack[-1].send(answer)
        except StopIteration as done:
            stack.pop()
            part, answer = None, done.value
