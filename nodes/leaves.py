"""A leaf of a user's own: a subclass of `Runnable` that writes some of its verbs, from which the others follow.

What the written verbs get as config. On its own a leaf gets what the caller gave, untouched, None too; bound
config is merged over it. In a batch, inside another runnable, or called inside a step, it gets a full config.

A verb that a user wrote may call the one that it overrides, by `super()`. That runs what the other written verbs make,
or, below a class of ours, what that class does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar, get_args, get_origin

from anabranch.engine.annotations import chunk_types, input_type, output_type
from anabranch.engine.building import Builder, Place, build
from anabranch.engine.errors import CompositionError
from anabranch.engine.graphs import Graph, Source
from anabranch.engine.operators import Operator
from anabranch.scheduler.managers import RUN, below
from anabranch.scheduler.sites import SITE

FORMS = ("invoke", "ainvoke", "stream", "astream", "transform", "atransform", "batch", "abatch")
MAPPING_FORMS = ("transform", "atransform")
CHUNK_FORMS = ("stream", "astream", *MAPPING_FORMS)
LIST_FORMS = ("batch", "abatch")
LIST_VERBS = (*LIST_FORMS, "batch_as_completed", "abatch_as_completed")

HOOKS = frozenset(
    {
        "_acall",
        "_aget_relevant_documents",
        "_agenerate",
        "_arun",
        "_astream",
        "_atransform",
        "_call",
        "_combine_llm_outputs",
        "_diff",
        "_generate",
        "_get_ls_params",
        "_get_relevant_documents",
        "_identifying_params",
        "_llm_type",
        "_merge_partial_and_user_variables",
        "_run",
        "_stream",
        "_transform",
        "_type",
    }
)
"""The private names of classes of ours that are there for others to write."""


def check_names(cls: type) -> None:
    """Refuse a private name of a subclass that a class of ours uses for something of its own.

    Raises:
        CompositionError: a `TypeError`.
    """
    if _is_ours(cls):
        return
    ours = [each for each in cls.__mro__ if _is_ours(each)]
    taken = {name for base in ours for name in _private_names(base)}
    for name in sorted(_private_names(cls) & taken - HOOKS):
        raise CompositionError(
            f"{cls.__name__} has an attribute {name!r}, but {ours[0].__name__} uses that name for something of its "
            "own; give it another name"
        )


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith("anabranch.")


def _private_names(cls: Any) -> set[str]:
    """Those that a class writes itself, pydantic's private attributes among them."""
    attributes = cls.__dict__.get("__private_attributes__", {})
    above = [each for base in cls.__mro__[1:] for each in base.__dict__.get("__private_attributes__", {}).values()]
    names = {*cls.__dict__, *(name for name, each in attributes.items() if not any(each is other for other in above))}
    return {name for name in names if name.startswith("_") and not name.startswith(("__", "_abc_"))}


def written_forms(cls: type) -> frozenset[str]:
    """The verbs that a class and those above it write, up to the first that says itself how it is built."""
    written: set[str] = set()
    for each in cls.__mro__:
        if "_build" in each.__dict__ or "_operator" in each.__dict__:
            break
        written.update(form for form in FORMS if form in each.__dict__)
    return frozenset(written)


def adopt(cls: Any, base: Any) -> None:
    """Note what a subclass writes; what it writes goes before what a class of ours does."""
    cls._written = written_forms(cls)
    if cls._written and (cls._build is not base._build or cls._operator is not base._operator):
        cls._overridden = staticmethod(cls._build)
        cls._build = _build_written


def operator_of(leaf: Any, kwargs: Mapping[str, Any], written: Iterable[str], *given: Any) -> Operator:
    """The operator of a leaf, from the verbs that it wrote.

    Args:
        leaf: the leaf.
        kwargs: what is bound to it.
        written: the names of the verbs.
        given: the config, if that is certain.

    Raises:
        CompositionError: a `TypeError`, when there is none.
    """
    forms: dict[str, Any] = {form: _form(leaf, form, kwargs, given) for form in written}
    if not forms:
        raise CompositionError(
            f"{type(leaf).__name__} has nothing to run: a subclass of Runnable writes `invoke` (or `ainvoke`), "
            "or `transform` (or `atransform`) if it maps chunks"
        )
    return Operator(name=leaf.get_name(), wants_config=not given, **forms)


def _form(leaf: Any, form: str, kwargs: Mapping[str, Any], given: tuple[Any, ...]) -> Callable[..., Any]:
    if not given:
        return partial(_call, leaf, form, kwargs)
    if form in LIST_FORMS:
        return lambda values, _: _call(leaf, form, kwargs, values, [_in_run(given[0])] * len(values))
    return lambda value: _call(leaf, form, kwargs, value, _in_run(given[0]))


def _in_run(config: Any) -> Any:
    """A config that was given for a leaf on its own, as it is; but what is called with it is part of the leaf's run."""
    run = RUN.get()
    return config if run is None or not config or not config.get("callbacks") else below(config, run)


def _call(leaf: Any, form: str, kwargs: Mapping[str, Any], value: Any, config: Any) -> Any:
    return getattr(leaf, form)(value, config, **kwargs)


def _build_written(self: Any, builder: Builder, source: Source, place: Place) -> Source:
    return builder.step(operator_of(self, place.kwargs or {}, self._written), source, place, self)


class _Alone:
    """A leaf on its own, under a config that is handed on as it is."""

    def __init__(self, leaf: Any, written: Iterable[str], config: Any) -> None:
        self.leaf = leaf
        self.written = written
        self.config = config

    def _build(self, builder: Builder, source: Source, place: Place) -> Source:
        operator = operator_of(self.leaf, place.kwargs or {}, self.written, self.config)
        return builder.step(operator, source, place, self.leaf)


class _Overridden:
    """What a class of ours does, below the verbs that a user wrote."""

    def __init__(self, leaf: Any) -> None:
        self.leaf = leaf

    def _build(self, builder: Builder, source: Source, place: Place) -> Any:
        return self.leaf._overridden(self.leaf, builder, source, place)


def graph_for(leaf: Any, verb: str, kwargs: Mapping[str, Any], config: Any) -> Graph:
    """The graph that a verb of a leaf runs, called from outside."""
    if verb in LIST_VERBS or SITE.get() is not None:
        return leaf._graph_with(kwargs)  # type: ignore[no-any-return]
    return build(_Alone(leaf, leaf._written, config), kwargs)


def graph_below(leaf: Any, verb: str, kwargs: Mapping[str, Any], config: Any) -> Graph:
    """The graph that a verb runs when the leaf's own verb of that name has called it by `super()`.

    Raises:
        CompositionError: a `TypeError`, when no other verb is written.
    """
    if hasattr(leaf, "_overridden"):
        return build(_Overridden(leaf), kwargs)
    return build(_Alone(leaf, leaf._written - {verb}, config), kwargs)


# Types


def types_of(cls: type, base: type) -> tuple[Any, Any]:
    """The types of the input and the output of a subclass of `base`: its type arguments, else its annotations."""
    found = _type_arguments(cls, base, {}) or (Any, Any)
    return tuple(_annotated(cls, base, at) if tp is Any else tp for at, tp in enumerate(found))


def _type_arguments(cls: type, base: type, known: Mapping[Any, Any]) -> tuple[Any, ...] | None:
    """What a class, or one above it, has put for the type variables of `base`."""
    for generic in cls.__dict__.get("__orig_bases__", cls.__bases__):
        origin = get_origin(generic) or generic
        if not isinstance(origin, type) or not issubclass(origin, base):
            continue
        arguments = tuple(_resolved(argument, known) for argument in get_args(generic))
        if origin is base:
            return arguments or None
        parameters = getattr(origin, "__parameters__", ())
        found = _type_arguments(origin, base, dict(zip(parameters, arguments, strict=False)))
        if found is not None:
            return found
    return None


def _resolved(argument: Any, known: Mapping[Any, Any]) -> Any:
    if isinstance(argument, TypeVar):
        return known.get(argument, Any)
    variables = getattr(argument, "__parameters__", ())
    return argument[tuple(known.get(variable, Any) for variable in variables)] if variables else argument


def _annotated(cls: Any, base: Any, at: int) -> Any:
    """The type that the annotations of a written verb give, if they do."""
    for form in FORMS:
        written = getattr(cls, form)
        if form in LIST_FORMS or written is getattr(base, form):
            continue
        bound = partial(written, None)  # as a method: what is left begins with the input
        if form in (CHUNK_FORMS if at else MAPPING_FORMS):
            tp = chunk_types(bound)[at]
        else:
            tp = output_type(bound) if at else input_type(bound)
        if tp is not Any and not isinstance(tp, TypeVar):
            return tp
    return Any
