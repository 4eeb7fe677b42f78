"""A graph as JSON, and back.

A step's forms are written as references: `module:name` of an importable function, or of the class or function that
makes a callable again with arguments that JSON can say (`operator.itemgetter("a")`). Operators that can't be written
so (closures, lambdas, call steps) need a name in a registry of the caller's, on both ways.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import BuiltinFunctionType, FunctionType
from typing import Any

from anabranch.engine.chunks import Algebra
from anabranch.engine.errors import GraphError
from anabranch.engine.graphs import Graph, Join, Scope, Source, Step
from anabranch.engine.operators import Operator

Registry = Mapping[str, Operator]
VERSION = 1
_FORMS = ("invoke", "ainvoke", "stream", "astream", "transform", "atransform", "map_chunk", "flow", "batch", "abatch")
_KEYS = ("reads", "optional")
_FLAGS = {f.name: f.default for f in fields(Operator) if f.name not in (*_FORMS, "name", "shows", *_KEYS, "algebra")}


def graph_to_json(graph: Graph, registry: Registry | None = None) -> dict[str, Any]:
    """The graph as what `json.dumps` takes.

    Args:
        graph: the graph.
        registry: operators by name; a step whose operator is one of them is written by that name.

    Raises:
        GraphError: when an operator is neither importable nor registered, or a bound config isn't JSON.
    """
    names = {id(operator): name for name, operator in (registry or {}).items()}
    return {
        "version": VERSION,
        "steps": [_step_to_json(graph, step, names) for step in graph.steps],
        "scopes": [_scope_to_json(scope) for scope in graph.scopes],
        "output": _source_to_json(graph.output),
    }


def graph_from_json(data: Mapping[str, Any], registry: Registry | None = None) -> Graph:
    """The graph again. It runs like the one that was written, but knows nothing of the nodes it was built from.

    Only pass data that you trust: it names the functions that will be called.

    Raises:
        GraphError: when something it names can't be found.
    """
    if data.get("version") != VERSION:
        raise GraphError(f"the graph was written in version {data.get('version')!r}; this reads version {VERSION}")
    sources = [_source_from_json(step["source"]) for step in data["steps"]]
    steps = tuple(
        Step(
            slot,
            _operator_from_json(step["operator"], registry or {}),
            source,
            step["scope"],
            tuple(step["tags"]),
            step["config"],
        )
        for slot, (step, source) in enumerate(zip(data["steps"], sources, strict=True))
    )
    scopes = tuple(_scope_from_json(index, scope) for index, scope in enumerate(data["scopes"]))
    return Graph(steps, scopes, _source_from_json(data["output"]))


def _step_to_json(graph: Graph, step: Step, names: Mapping[int, str]) -> dict[str, Any]:
    place = graph.place(step.slot)
    return {
        "operator": _operator_to_json(step.operator, names, place),
        "source": _source_to_json(step.source),
        "scope": step.scope,
        "tags": list(step.tags),
        "config": _checked(step.config, place),
    }


def _operator_to_json(operator: Operator, names: Mapping[int, str], place: str) -> dict[str, Any]:
    if id(operator) in names:
        return {"registered": names[id(operator)]}
    forms = {form: made for form in _FORMS if (made := getattr(operator, form)) is not None}
    try:
        written: dict[str, Any] = {form: _reference(made) for form, made in forms.items()}
    except GraphError as error:
        raise GraphError(
            f"step {place} can't be written as JSON: {error}. Give its operator a name in the registry, or use a "
            "function of a module"
        ) from None
    flags = {flag: value for flag, default in _FLAGS.items() if (value := getattr(operator, flag)) != default}
    if operator.reads is not None:
        flags |= {each: sorted(keys) for each in _KEYS if (keys := getattr(operator, each)) or each == "reads"}
    if operator.algebra is not None:
        flags["algebra"] = operator.algebra.value
    return {"name": operator.name, "forms": written, **flags}


def _operator_from_json(data: Mapping[str, Any], registry: Registry) -> Operator:
    if "registered" in data:
        if data["registered"] not in registry:
            raise GraphError(f"the graph needs the operator {data['registered']!r}, which the registry doesn't have")
        return registry[data["registered"]]
    rest = {key: value for key, value in data.items() if key != "forms"}
    rest |= {each: frozenset(rest[each]) for each in _KEYS if each in rest}
    if "algebra" in rest:
        rest["algebra"] = Algebra(rest["algebra"])
    forms = {form: _resolved(reference) for form, reference in data["forms"].items()}
    return Operator(**rest, **forms)


def _reference(made: Callable[..., Any]) -> str | dict[str, Any]:
    """How to find a callable again, or make it again. One that stands for another while this process runs says so."""
    made = getattr(made, "written_as", made)
    if isinstance(made, FunctionType | BuiltinFunctionType | type):
        return _path(made)
    try:
        reduced: Any = made.__reduce__()
        maker, arguments = reduced[0], reduced[1]
        json.dumps(arguments)
    except Exception:
        raise GraphError(f"{made!r} is neither a function of a module nor made of plain arguments") from None
    return {"make": _path(maker), "arguments": list(arguments)}


def _path(thing: Any) -> str:
    path = f"{thing.__module__}:{thing.__qualname__}"
    try:
        found = _found(path)
    except GraphError:
        found = None
    if found is not thing:
        raise GraphError(f"{path} can't be imported")
    return path


def _found(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise GraphError(f"the graph needs {path}, which can't be imported: {error}") from error
    return found


def _resolved(reference: str | Mapping[str, Any]) -> Any:
    if isinstance(reference, str):
        return _found(reference)
    return _found(reference["make"])(*reference["arguments"])


def _checked(config: Any, place: str) -> Any:
    try:
        json.dumps(config)
    except (TypeError, ValueError) as error:
        raise GraphError(f"the config bound to {place} can't be written as JSON: {error}") from None
    return config


def _source_to_json(source: Source) -> Any:
    if not isinstance(source, Join):
        return source
    base = None if source.base is None else _source_to_json(source.base)
    ports = {port: _source_to_json(part) for port, part in source.ports.items()}
    return {"ports": ports, "scope": source.scope, "base": base}


def _source_from_json(data: Any) -> Source:
    if isinstance(data, int):
        return data
    base = None if data["base"] is None else _source_from_json(data["base"])
    ports = {port: _source_from_json(part) for port, part in data["ports"].items()}
    return Join(ports, data["scope"], base)


def _scope_to_json(scope: Scope) -> dict[str, Any]:
    return {
        "parent": scope.parent,
        "name": scope.name,
        "kind": scope.kind,
        "source": _source_to_json(scope.source),
        "output": _source_to_json(scope.output),
        "tags": list(scope.tags),
        "config": _checked(scope.config, scope.name),
        "is_run": scope.is_run,
    }


def _scope_from_json(index: int, data: Mapping[str, Any]) -> Scope:
    return Scope(
        index,
        data["parent"],
        data["name"],
        data["kind"],
        _source_from_json(data["source"]),
        tuple(data["tags"]),
        data["config"],
        output=_source_from_json(data["output"]),
        is_run=data["is_run"],
    )
