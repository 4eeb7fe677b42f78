"""Pydantic models from types: what `input_schema` and `output_schema` of a step answer.

A model that stands for a type has the wanted title, whatever characters that has, and always has a JSON
schema: what JSON can't describe is left open (`{}`), and a type that pydantic can't take is taken for Any.
"""

from __future__ import annotations

import collections.abc
import copyreg
import json
from collections.abc import Callable, Container, Iterable, Mapping
from copy import copy
from functools import lru_cache
from types import UnionType
from typing import Any, ClassVar, ForwardRef, Optional, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import (
    DEFAULT_REF_TEMPLATE,
    GenerateJsonSchema,
    JsonSchemaValue,
    JsonSchemaWarningKind,
)

from anabranch.engine.fitting import fits
from anabranch.engine.functions_by_name import by_name
from anabranch.engine.value_types import DictType, Keys, describe_type, keys_of

CONTAINERS = (
    list,
    tuple,
    dict,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.Mapping,
    collections.abc.Iterable,
)
NULL = {"type": "null"}

DEEPEST_MODELS = 32
"""Dicts within dicts of which a model knows the keys. Pydantic recurses some ten frames for each."""


class OpenJsonSchema(GenerateJsonSchema):
    """JSON schemas in which a type that JSON can't describe is left open, without a word."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """Allow any value."""
        return {}

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Say nothing: who asks for a schema has not written the types."""


class MadeModel(type(BaseModel)):  # type: ignore[misc]
    """The class of models that are made when they are needed. What goes into a pickle is how to make one again."""


MADE: Any = {"metaclass": MadeModel}  # mypy takes the metaclasses of `BaseModel` and `RootModel` for strangers to it


class SchemaModel(BaseModel, **MADE):
    """A model whose JSON schema can always be had, by pydantic's method or by the older `schema()`."""

    model_config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())

    _made_by: ClassVar[tuple[Callable[..., Any], tuple[Any, ...]] | None] = None
    """The function that made it, and with what; None for a class that a module has under its name."""

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The JSON schema, as pydantic makes it, with what it can't describe left open.

        Args:
            args: see `pydantic.BaseModel.model_json_schema`.
            kwargs: the same.
        """
        if len(args) < 3:
            kwargs.setdefault("schema_generator", OpenJsonSchema)
        return super().model_json_schema(*args, **kwargs)

    @classmethod
    def schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The same as `model_json_schema`, for code written for LangChain; not deprecated here."""
        return cls.model_json_schema(*args, **kwargs)

    @classmethod
    def schema_json(cls, *, by_alias: bool = True, ref_template: str = DEFAULT_REF_TEMPLATE, **kwargs: Any) -> str:
        """The JSON schema as text.

        Args:
            by_alias: name properties by their aliases.
            ref_template: the form of a reference, with `{model}` in it.
            kwargs: passed on to `json.dumps`.
        """
        return json.dumps(cls.model_json_schema(by_alias, ref_template), **kwargs)


class SchemaRoot(SchemaModel, RootModel[Any]):
    """A model of a value that is not a dict of known keys."""


AnyModel = TypeVar("AnyModel", bound=type[BaseModel])


def made_by(model: AnyModel, make: Callable[..., Any], *args: Any) -> AnyModel:
    """Note in a new model how it was made, for pickles; answer it."""
    model._made_by = (make, args)  # type: ignore[attr-defined]
    return model


def _reduced(model: type[SchemaModel]) -> Any:
    make, args = model.__dict__.get("_made_by") or (None, ())
    return model.__qualname__ if make is None else (make, tuple(map(by_name, args)))


copyreg.pickle(MadeModel, _reduced)


def schema_of(tp: Any, title: str) -> type[BaseModel]:
    """Make a pydantic model of a type; the same one when asked again.

    A pydantic model stays itself, with its own title. A `DictType` or a `TypedDict` becomes a model with
    those fields; a key that can't be the name of a field is the alias of one. Anything else becomes a root
    model.

    Args:
        tp: the type.
        title: the name of the model and the title of its JSON schema; any characters but NUL.
    """
    if isinstance(tp, type) and issubclass(tp, BaseModel):
        return tp
    try:
        return _known_model(tp, title)
    except TypeError:  # a type that can't be hashed
        return made_by(_model(tp, title, ()), schema_of, tp, title)


def keyed_model(title: str, types: Mapping[str, Any], optional: Iterable[str] = ()) -> type[BaseModel]:
    """Make the model of a dict with some keys.

    Args:
        title: its name and title.
        types: the types of the keys.
        optional: the keys that may be left out.
    """
    keys = Keys(types, frozenset(types).difference(optional), False)
    return made_by(_created(title, SchemaModel, _fields(keys, ())), keyed_model, title, types, tuple(optional))


def input_model(title: str, keys: Iterable[str], tp: Any = Any) -> type[BaseModel]:
    """Make the model of a dict of which some keys are read: all required, sorted, of one type.

    Args:
        title: its name and title.
        keys: the keys.
        tp: the type of each.
    """
    return schema_of(DictType(dict.fromkeys(sorted(keys), tp)), title)


@lru_cache(maxsize=1024)
def _known_model(tp: Any, title: str) -> type[BaseModel]:
    return made_by(_model(tp, title, ()), schema_of, tp, title)


def _model(tp: Any, title: str, within: tuple[Any, ...]) -> type[BaseModel]:
    """A new model; `within` are the keyed types of whose models this one is a part."""
    keys = keys_of(tp)
    if keys is None:
        root = _pydantic_type(tp, title, within)
        return _created(title, SchemaRoot, {"root": (root, ...)})
    return _created(title, SchemaModel, _fields(keys, (*within, tp)))


def _created(title: str, base: type[SchemaModel], fields: dict[str, tuple[Any, Any]]) -> type[BaseModel]:
    """A model of these fields, with Any in place of each type for which that can't be."""
    try:
        return _tried(title, base, fields)
    except Exception:
        usable = {name: (tp if _is_usable(tp) else Any, info) for name, (tp, info) in fields.items()}
        return _tried(title, base, usable)


def _is_usable(tp: Any) -> bool:
    try:
        return bool(_tried("Probe", SchemaRoot, {"root": (tp, ...)}))
    except Exception:
        return False


def _tried(title: str, base: type[SchemaModel], fields: dict[str, Any]) -> type[BaseModel]:
    """A model, or what is wrong with its types: pydantic says some of that only when asked for the schema."""
    model = create_model(title, __base__=base, **fields)
    model.model_json_schema()
    return model


def _fields(keys: Keys, within: tuple[Any, ...]) -> dict[str, tuple[Any, Any]]:
    """The fields of a model, by name: their types, and what pydantic is to know besides."""
    fields: dict[str, tuple[Any, Any]] = {}
    for key, declared in keys.types.items():
        tp = _pydantic_type(declared, key.title().replace("_", " "), within)
        name = field_name(key, keys.types)
        about: dict[str, Any] = {} if name == key else {"alias": key}
        if key not in keys.required:
            # None stands for a key that isn't there; in the JSON schema the key just isn't required.
            nullable = fits(None, declared)
            tp = tp if nullable else Optional[tp]  # noqa: UP045 (not every type has `|`)
            about |= {"default": None, "json_schema_extra": _without_default if nullable else _without_null}
        fields[name] = (tp, Field(**about))
    return fields


def field_name(key: str, keys: Container[str]) -> str:
    """A name that pydantic takes for a key: the key, unless a model has an attribute of that name."""
    if key.isidentifier() and not key.startswith("_") and not hasattr(SchemaModel, key):
        return key
    name = "field_" + "".join(each if each.isalnum() and each.isascii() else f"_{ord(each)}_" for each in key)
    while name in keys:
        name += "_"
    return name


def _without_default(schema: JsonSchemaValue) -> None:
    schema.pop("default", None)


def _without_null(schema: JsonSchemaValue) -> None:
    _without_default(schema)
    others = [each for each in schema.pop("anyOf", ()) if each != NULL]
    schema.update(others[0] if len(others) == 1 else {"anyOf": others})


def _pydantic_type(tp: Any, title: str, within: tuple[Any, ...]) -> Any:
    """A type with models for what pydantic does not know: a `DictType`, and for Python 3.11 a `TypedDict`."""
    if isinstance(tp, str | ForwardRef) or tp in within:
        return Any
    if keys_of(tp) is not None:
        if len(within) >= DEEPEST_MODELS:
            return dict[str, Any]
        return _model(tp, title if isinstance(tp, DictType) else describe_type(tp), within)
    origin, args = get_origin(tp), get_args(tp)
    if origin not in (*CONTAINERS, Union, UnionType):
        return tp
    inner = tuple(_pydantic_type(each, title, within) for each in args)
    if inner == args:
        return tp
    return Union[inner] if origin in (Union, UnionType) else origin[inner]  # noqa: UP007 (any number of them)


# Models made of others

FieldsByKey = dict[str, tuple[str, Any, FieldInfo]]
"""The fields of models of dicts: for each key the field's name, its type, and what pydantic knows besides."""


def fields_of(model: type[BaseModel]) -> FieldsByKey | None:
    """The fields of a model of a dict, by key, to be put into another; None for a model of any other value."""
    if issubclass(model, RootModel):
        return None
    return {info.alias or name: (name, info.annotation, info) for name, info in model.model_fields.items()}


def takes_anything(model: type[BaseModel]) -> bool:
    """Whether a model says nothing of a value, or only that it is a dict."""
    if not issubclass(model, RootModel):
        return False
    root = model.model_fields["root"].annotation
    return root in (Any, object) or (get_origin(root) or root) in (dict, collections.abc.Mapping)


def merged_fields(parts: Iterable[FieldsByKey]) -> FieldsByKey:
    """The fields of several models in one. Of one key that several have, the last that knows its type."""
    merged: FieldsByKey = {}
    for part in parts:
        for key, field in part.items():
            if key not in merged or field[1] is not Any:
                merged[key] = field
    return merged


def model_of(title: str, fields: FieldsByKey) -> type[BaseModel]:
    """The model of a dict with these fields."""
    created = _created(title, SchemaModel, {name: (tp, copy(info)) for name, tp, info in fields.values()})
    return made_by(created, model_of, title, fields)


def config_model(title: str, keys: Mapping[str, Any], specs: Iterable[Any]) -> type[BaseModel]:
    """The model of a config.

    Args:
        title: its name and title.
        keys: the types of the keys that it has besides `configurable`; each may be left out.
        specs: what may be configured: objects with `id`, `annotation`, `default`, `name` and `description`. The
            model has a field `configurable` if there are any.
    """
    inner = {}
    for spec in specs:
        name = field_name(spec.id, ())
        about = {} if name == spec.id else {"alias": spec.id}
        tp = Any if spec.annotation is None else spec.annotation
        inner[name] = (tp, Field(spec.default, title=spec.name, description=spec.description, **about))
    if inner:
        keys = {"configurable": _created("Configurable", SchemaModel, inner), **keys}
    return _created(title, SchemaModel, {key: (tp, None) for key, tp in keys.items()})
