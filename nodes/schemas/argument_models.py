"""Pydantic models of what functions take: a field for each parameter, described by annotations and docstring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from inspect import Parameter
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from anabranch.engine.annotations import parameter_types
from anabranch.engine.schemas import SchemaModel, field_name, made_by
from anabranch.engine.signatures import EMPTY, parameters
from anabranch.nodes.schemas.docstrings import own_docstring, read_docstring
from anabranch.nodes.schemas.injected_arguments import is_config
from anabranch.nodes.schemas.typed_dicts import keyed_like

GIVEN_BY_US = ("run_manager", "callbacks")
"""Parameters, by name, that are no arguments: what a function gets of its run."""


def arguments_model(
    func: Callable[..., Any],
    name: str,
    *,
    description: str | None = None,
    arguments: Mapping[str, str] | None = None,
    leave_out: Callable[[Any], bool] | None = None,
) -> type[BaseModel]:
    """Make the model of what a function takes.

    `*args` is a list under its name; `**kwargs` are further keys. `run_manager`, `callbacks` and a config are left out.

    Args:
        func: the function.
        name: of the model.
        description: of the model.
        arguments: what is said of the arguments, by name; goes before what annotations say.
        leave_out: tells of a type whether arguments of it are left out, too.

    Raises:
        ValueError: when an annotation can't be resolved, or something is said of an argument that it doesn't have.
    """
    seen = parameters(func)
    if seen is None:
        raise ValueError(f"{name}: what it takes can't be known; give a schema of its arguments")
    said = dict(arguments or {})
    if unknown := sorted(set(said) - {each.name for each in seen}):
        raise ValueError(
            f"the docstring of {name!r} tells of {', '.join(map(repr, unknown))}, which it doesn't take; "
            f"it takes {', '.join(repr(each.name) for each in seen) or 'nothing'}"
        )
    try:
        types = parameter_types(func, strict=True)
    except Exception as error:
        raise ValueError(
            f"what {name!r} takes can't be known from its annotations: {error}. Define what they name in the module of "
            "the function, or give a schema of its arguments"
        ) from error
    fields: dict[str, Any] = {}
    others: Any = None
    for each in seen:
        tp = types[each.name]
        if each.name in GIVEN_BY_US or is_config(tp) or (leave_out is not None and leave_out(tp)):
            continue
        if each.kind is Parameter.VAR_KEYWORD:
            others = tp
            continue
        label = field_name(each.name, types)
        fields[label] = _field(each, keyed_like(tp), label, said.get(each.name))
    base = SchemaModel if others is None else _base("allow", keyed_like(others))
    model = create_model(name, __base__=base, __doc__=description, **fields)
    return made_by(model, _made_again, func, name, description, said, leave_out)


def _made_again(func: Any, name: str, description: str | None, said: Any, leave_out: Any) -> type[BaseModel]:
    return arguments_model(func, name, description=description, arguments=said, leave_out=leave_out)


def described(func: Callable[..., Any], name: str, leave_out: Callable[[Any], bool] | None = None) -> type[BaseModel]:
    """The model of what a function takes, described by the docstring."""
    told = read_docstring(own_docstring(func))
    return arguments_model(func, name, description=told.summary, arguments=told.arguments, leave_out=leave_out)


def _field(parameter: Parameter, tp: Any, label: str, said: str | None) -> tuple[Any, Any]:
    about: dict[str, Any] = {}
    if label != parameter.name:
        about |= {"alias": parameter.name, "title": parameter.name.replace("_", " ").strip().title()}
    said = said or _note(tp)
    if said:
        about["description"] = said
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return list[tp], Field(default_factory=list, **about)
    default = ... if parameter.default is EMPTY else parameter.default
    if isinstance(default, FieldInfo):
        return (Annotated[tp, default], Field(**about)) if about else (tp, default)
    return tp, Field(default, **about)


def _note(tp: Any) -> str | None:
    """The text that stands in `Annotated`, if one does."""
    notes = get_args(tp)[1:] if get_origin(tp) is Annotated else ()
    return next((each for each in notes if isinstance(each, str)), None)


def shown_model(
    name: str, model: type[BaseModel], description: str, shows: Callable[[FieldInfo], bool]
) -> type[BaseModel]:
    """A model of some fields of another.

    Args:
        name: its name and title.
        model: the other.
        description: what is said of it.
        shows: tells of a field whether it is one of them.
    """
    fields: dict[str, Any] = {}
    for label, info in model.model_fields.items():
        if shows(info):
            fields[field_name(label, model.model_fields)] = _taken_over(label, info)
    extra = model.model_config.get("extra")
    base = SchemaModel if extra is None else _base(extra, getattr(model, "of_further", Any))
    return create_model(name, __base__=base, __doc__=description, **fields)


def _taken_over(label: str, info: FieldInfo) -> tuple[Any, Any]:
    if field_name(label, ()) == label:
        return info.annotation, copy(info)
    about: dict[str, Any] = {} if info.alias else {"alias": label}
    return Annotated[info.annotation, info], Field(title=info.title or label.replace("_", " ").strip().title(), **about)


def _base(extra: Any, further: Any) -> type[SchemaModel]:
    """A model that says how it takes further keys, and of which type."""

    class Open(SchemaModel):
        model_config = ConfigDict(extra=extra)
        __pydantic_extra__: dict[str, further]
        of_further: ClassVar[Any] = further

    return Open
