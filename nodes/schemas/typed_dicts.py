"""`TypedDict` for pydantic: as a model, with what `Annotated` says of its keys, and as the kind that pydantic takes.

Before Python 3.12 pydantic wants a `TypedDict` to be that of `typing_extensions`. Types are changed inside others, too:
in `list[Item]`, `Item | None` and the like.
"""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import BaseModel, Field, create_model

from anabranch.engine.schemas import SchemaModel, field_name
from anabranch.engine.value_types import Keys, keys_of
from anabranch.nodes.schemas.docstrings import own_docstring, read_docstring

_WRAPPERS = ("Required", "NotRequired", "ReadOnly")


def is_typed_dict(tp: Any) -> bool:
    """Whether a type is a `TypedDict` of either module."""
    return typing_extensions.is_typeddict(tp)


def keyed_like(tp: Any) -> Any:
    """A type with each `TypedDict` in it as one that pydantic takes, which gives dicts."""
    return _changed(tp, _known, ())


def as_model(typed_dict: Any, name: str | None = None) -> type[BaseModel]:
    """The pydantic model of a `TypedDict`, and of those in it.

    A key may be `Annotated[type, default, "description"]`, the default `...` if there is none, or
    `Annotated[type, "description"]`; the docstring may tell of keys, too.

    Raises:
        ValueError: when the docstring tells of a key that isn't there.
    """
    return _model(typed_dict, name or typed_dict.__name__, ())


def _model(typed_dict: Any, name: str, within: tuple[Any, ...]) -> type[BaseModel]:
    keys = _keys(typed_dict)
    told = read_docstring(own_docstring(typed_dict))
    if unknown := sorted(set(told.arguments) - set(keys.types)):
        raise ValueError(f"the docstring of {name!r} tells of {', '.join(map(repr, unknown))}, which is no key of it")
    fields: dict[str, Any] = {}
    within = (*within, typed_dict)
    hints = get_type_hints(typed_dict, include_extras=True)
    for key in keys.types:
        tp, default, said = _declared(hints[key])
        about: dict[str, Any] = {"description": told.arguments.get(key) or said}
        label = field_name(key, keys.types)
        if label != key:
            about["alias"] = key
        if default is ... and key not in keys.required:
            default, about["json_schema_extra"] = None, lambda schema: schema.pop("default", None)
        fields[label] = (_changed(tp, _model_of, within), Field(default, **about))
    return create_model(name, __base__=SchemaModel, __doc__=told.summary, **fields)


def _model_of(typed_dict: Any, within: tuple[Any, ...]) -> Any:
    return dict[str, Any] if typed_dict in within else _model(typed_dict, typed_dict.__name__, within)


def _declared(hint: Any) -> tuple[Any, Any, str | None]:
    """The type of a key, its default (`...` if it has none), and what is said of it."""
    while getattr(get_origin(hint), "_name", None) in _WRAPPERS:
        hint = get_args(hint)[0]
    if get_origin(hint) is not Annotated:
        return hint, ..., None
    tp, *notes = get_args(hint)
    if len(notes) == 1 and isinstance(notes[0], str):
        return tp, ..., notes[0]
    if len(notes) == 2 and isinstance(notes[1], str):
        return tp, notes[0], notes[1]
    return hint, ..., None


def _keys(typed_dict: Any) -> Keys:
    keys = keys_of(typed_dict)
    assert keys is not None
    return keys


def _known(typed_dict: Any, within: tuple[Any, ...]) -> Any:
    if type(typed_dict).__module__ == "typing_extensions" or typed_dict in within:
        return typed_dict if typed_dict not in within else dict[str, Any]
    keys = _keys(typed_dict)
    within = (*within, typed_dict)
    types = {
        key: tp if key in keys.required else typing_extensions.NotRequired[tp]
        for key, tp in ((key, _changed(each, _known, within)) for key, each in keys.types.items())
    }
    make: Any = typing_extensions.TypedDict  # a type checker wants it written out
    made = make(typed_dict.__name__, types)
    made.__doc__ = typed_dict.__doc__
    return made


def _changed(tp: Any, change: Callable[[Any, tuple[Any, ...]], Any], within: tuple[Any, ...]) -> Any:
    """A type with each `TypedDict` in it changed; the same object where there is none."""
    if is_typed_dict(tp):
        return change(tp, within)
    origin, arguments = get_origin(tp), get_args(tp)
    if origin is None or origin is Literal or not arguments:
        return tp
    if origin is Annotated:
        inner = _changed(arguments[0], change, within)
        return tp if inner is arguments[0] else Annotated[(inner, *arguments[1:])]
    changed = tuple(
        each if each is ... or isinstance(each, list) else _changed(each, change, within) for each in arguments
    )
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return tp
    return Union[changed] if origin in (Union, UnionType) else origin[changed]  # noqa: UP007 (any number of them)
