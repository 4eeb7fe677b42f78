"""Runnables that `config["configurable"]` may change: their fields, or which of several runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError, ConfigError
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import INPUT, Flow, Operator, Run
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.runnables import Input, Output, Runnable


@dataclass(frozen=True)
class ConfigurableField:
    """A field that config may set, under `config["configurable"][id]`."""

    id: str
    name: str | None = None
    description: str | None = None
    annotation: Any = None
    is_shared: bool = False


@dataclass(frozen=True)
class ConfigurableFieldSingleOption:
    """A field that config may set to one of several named values."""

    id: str
    options: Mapping[str, Any]
    default: str
    name: str | None = None
    description: str | None = None
    is_shared: bool = False


@dataclass(frozen=True)
class ConfigurableFieldMultiOption:
    """A field that config may set to a list of several named values."""

    id: str
    options: Mapping[str, Any]
    default: tuple[str, ...]
    name: str | None = None
    description: str | None = None
    is_shared: bool = False


AnyField = ConfigurableField | ConfigurableFieldSingleOption | ConfigurableFieldMultiOption


class _Chosen(Runnable[Input, Output]):
    """A runnable that is chosen by config when it runs. It makes no run of its own."""

    default: Runnable[Input, Output]

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """That of the default."""
        return self.default.get_name(suffix, name=name)

    @property
    def InputType(self) -> Any:
        """That of the default."""
        return self.default.InputType

    @property
    def OutputType(self) -> Any:
        """That of the default."""
        return self.default.OutputType

    def chosen(self, config: RunnableConfig) -> Runnable[Input, Output]:
        """What runs under this config."""
        raise NotImplementedError

    def _shows(self) -> dict[str, Graph]:
        return {"default": self.default.graph}

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def flow(_: Any, config: RunnableConfig) -> Flow:
            chosen = self.chosen(config)
            graph = chosen.bind(**kwargs).graph if kwargs else chosen.graph
            return (yield Run(graph, INPUT, last=True))

        return Operator(name=self.get_name(), flow=flow, whole=False, wants_config=True, shows=self._shows)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "default" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.default, name)


class RunnableConfigurableFields(_Chosen[Input, Output]):
    """A runnable some of whose fields config may set. What `configurable_fields` makes.

    Raises:
        CompositionError: when it has no such field.
    """

    def __init__(self, default: Runnable[Input, Output], fields: Mapping[str, AnyField]) -> None:
        known = getattr(type(default), "model_fields", None)
        for name in fields:
            if name not in known if known is not None else not hasattr(default, name):
                has = ", ".join(known or ()) or "none"
                raise CompositionError(f"{default.get_name()} has no field {name!r} to configure; it has {has}")
        self.default = default
        self.fields = dict(fields)
        self._made: dict[Any, Runnable[Input, Output]] = {}

    def chosen(self, config: RunnableConfig) -> Runnable[Input, Output]:
        """The runnable with the fields that config sets."""
        given = config.get("configurable") or {}
        values = {
            name: _value(field, given[field.id]) for name, field in self.fields.items() if field.id in given
        }
        return _changed(self.default, values) if values else self.default


class RunnableConfigurableAlternatives(_Chosen[Input, Output]):
    """A runnable or one of several others, as config says. What `configurable_alternatives` makes."""

    def __init__(
        self,
        which: ConfigurableField,
        default: Runnable[Input, Output],
        alternatives: Mapping[str, Any],
        default_key: str = "default",
        prefix_keys: bool = False,
    ) -> None:
        self.which = which
        self.default = default
        self.alternatives: dict[str, Runnable[Any, Any] | Callable[[], Runnable[Any, Any]]] = dict(alternatives)
        self.default_key = default_key
        self.prefix_keys = prefix_keys

    def chosen(self, config: RunnableConfig) -> Runnable[Input, Output]:
        """The alternative that config names.

        Raises:
            ConfigError: when there is none of that name.
        """
        key = (config.get("configurable") or {}).get(self.which.id, self.default_key)
        if key == self.default_key:
            return self.default
        if key not in self.alternatives:
            names = ", ".join(map(repr, (self.default_key, *self.alternatives)))
            raise ConfigError(f"configurable[{self.which.id!r}] is {key!r}, but the alternatives are {names}")
        chosen = self.alternatives[key]
        if not isinstance(chosen, Runnable):
            chosen = coerce_to_runnable(chosen() if callable(chosen) and _makes_runnable(chosen) else chosen)
        return cast("Runnable[Input, Output]", chosen)

    def _shows(self) -> dict[str, Graph]:
        shown = {self.default_key: self.default.graph}
        for key, runnable in self.alternatives.items():
            if isinstance(runnable, Runnable):
                shown[key] = runnable.graph
        return shown


def _makes_runnable(thing: Any) -> bool:
    """An alternative may be given as a function without parameters that makes it."""
    code = getattr(thing, "__code__", None)
    return code is not None and code.co_argcount == 0


def _value(field: AnyField, given: Any) -> Any:
    if isinstance(field, ConfigurableField):
        return given
    try:
        if isinstance(field, ConfigurableFieldSingleOption):
            return field.options[given]
        return [field.options[key] for key in given]
    except KeyError as error:
        options = ", ".join(map(repr, field.options))
        raise ConfigError(f"configurable[{field.id!r}] is {given!r}, but the options are {options}") from error


def _changed(runnable: Any, values: dict[str, Any]) -> Any:
    """A copy with other values in some fields; a pydantic model checks them."""
    if hasattr(type(runnable), "model_fields"):
        fields = {name: getattr(runnable, name) for name in type(runnable).model_fields}
        return type(runnable)(**{**fields, **values})
    copied = object.__new__(type(runnable))
    copied.__dict__.update({k: v for k, v in runnable.__dict__.items() if k != "graph"}, **values)
    return copied


def renamed(field: ConfigurableField, prefix: str) -> ConfigurableField:
    """The field with a prefix to its id, unless it is shared."""
    return field if field.is_shared else replace(field, id=f"{prefix}/{field.id}")
