"""What is known of the types along the edges of a graph, and where one certainly doesn't fit."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from anabranch.engine.errors import EdgeTypeError
from anabranch.engine.fitting import explain_misfit, fits
from anabranch.engine.graphs import INPUT_SLOT, Graph, Join, Source, Step, joins_of
from anabranch.engine.value_types import DictType, describe_type, keys_of
from anabranch.nodes.runnables import Runnable
from anabranch.viz.labels import LONGEST


class Along(NamedTuple):
    """The type along an edge, in brief and in full, and why its reader certainly can't take it."""

    brief: str
    full: str
    misfit: str


class EdgeTypes:
    """The types of a graph, found from its start to its end as when it was composed. `given` is that of its input."""

    def __init__(self, graph: Graph, given: Any = Any) -> None:
        self._given: dict[Source, Any] = {INPUT_SLOT: given}
        self._misfits: dict[int, str] = {}
        self._declared = {
            scope.output: scope.types[1] for scope in graph.scopes if scope.types and scope.types[1] is not None
        }
        self._entries = {
            scope.source: scope.types[0] for scope in graph.scopes if scope.types and scope.types[0] is not None
        }
        for step in graph.steps:
            self._join(step.source)
            self._step(step)
        self._join(graph.output)

    def given(self, source: Source) -> Any:
        """The type of what comes from a source."""
        return self._given[source]

    def along(self, source: Source, reader: Step | None) -> Along:
        """What is known of an edge.

        Args:
            source: from where it comes.
            reader: the step that reads it; None for a join, or the reader of the output.
        """
        given = self._given[source]
        if source == INPUT_SLOT and given is Any and reader is not None:
            given = _input_type(reader)
        misfit = "" if reader is None else self._misfits.get(reader.slot, "")
        return Along("", "", misfit) if given is Any else Along(_briefly(given), describe_type(given), misfit)

    def _step(self, step: Step) -> None:
        given = self._given[step.source]
        declared_input, declared_output = step.types or (None, None)
        made: Any = Any
        if isinstance(step.node, Runnable):
            made = step.node.OutputType
            try:
                if declared_input is None:
                    made = step.node._output_for(self._entries.get(step.source, given), "the step before")
            except EdgeTypeError as error:
                self._misfits[step.slot] = str(error)
        if declared_input is not None and not fits(given, declared_input):
            self._misfits[step.slot] = explain_misfit(given, declared_input)
        if declared_output is not None:
            made = declared_output
        self._given[step.slot] = self._declared.get(step.slot, made)

    def _join(self, source: Source) -> None:
        for join in joins_of(source) if isinstance(source, Join) else ():
            types = {port: self._given[part] for port, part in join.ports.items()}
            made: Any = DictType(types)
            if join.base is not None:
                base = keys_of(self._given[join.base])
                made = DictType({**base.types, **types}) if base is not None and base.closed else Any
            self._given[join] = self._declared.get(join, made)


def _input_type(step: Step) -> Any:
    if step.types and step.types[0] is not None:
        return step.types[0]
    return step.node.InputType if isinstance(step.node, Runnable) else Any


def _briefly(tp: Any) -> str:
    """A type in a few words: of a dict the keys, of a union its beginning."""
    if isinstance(tp, DictType):
        return f"{{{', '.join(tp)}}}"
    if get_origin(tp) is Annotated:
        return _briefly(get_args(tp)[0])
    told = describe_type(tp)
    if get_origin(tp) in (Union, UnionType) and (len(get_args(tp)) > 2 or len(told) > LONGEST):
        return f"{describe_type(get_args(tp)[0])} | …"
    return told
