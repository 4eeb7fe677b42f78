"""JSON schemas as models are shown them: whole, without titles, and in the strict form that some models ask for.

Of a schema only what stands in the place of a schema is touched: a property may well be called `title` or `$ref`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_OF_MANY = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_OF_LIST = ("anyOf", "oneOf", "allOf", "prefixItems")
_OF_ONE = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else")

Schema = dict[str, Any]


def resolved(schema: Mapping[str, Any]) -> Schema:
    """A schema without `$ref`: in its place stands what it refers to.

    What refers to itself can't be so; it is left open where it would begin again. A `discriminator`, which tells by
    references which of several schemas is meant, is left out: the schemas themselves tell it.
    """
    made: Schema = _resolved(schema, schema, ())
    return made


def _resolved(schema: Any, root: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    ref = schema.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/"):
        besides = {key: value for key, value in schema.items() if key != "$ref"}
        if ref in within:
            return {}
        found = _resolved(_pointed(root, ref), root, (*within, ref))
        return {**found, **_resolved(besides, root, within)} if isinstance(found, dict) else found
    kept = {key: value for key, value in schema.items() if key not in ("$defs", "definitions", "discriminator")}
    return _each(kept, lambda inner: _resolved(inner, root, within))


def _pointed(root: Any, ref: str) -> Any:
    """What a reference within the document points at; anything goes for one that points nowhere."""
    for part in ref[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        root = root.get(key, {}) if isinstance(root, Mapping) else {}
    return root


def untitled(schema: Any) -> Any:
    """A schema without titles."""
    if not isinstance(schema, Mapping):
        return schema
    return _each({key: value for key, value in schema.items() if key != "title"}, untitled)


def strict_schema(schema: Any) -> Any:
    """A schema whose objects have all their properties, and no others."""
    if not isinstance(schema, Mapping):
        return schema
    made = _each(schema, strict_schema)
    kind = made.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in made:
        if made.get("properties"):
            made["required"] = list(made["properties"])
        made["additionalProperties"] = False
    return made


def _each(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> Schema:
    """A copy of a schema, with the schemas in it changed."""
    made: Schema = {}
    for key, value in schema.items():
        if key in _OF_MANY and isinstance(value, Mapping):
            made[key] = {name: change(inner) for name, inner in value.items()}
        elif key in _OF_LIST and isinstance(value, list):
            made[key] = [change(inner) for inner in value]
        elif key in _OF_ONE:
            made[key] = [change(inner) for inner in value] if isinstance(value, list) else change(value)
        else:
            made[key] = value
    return made
