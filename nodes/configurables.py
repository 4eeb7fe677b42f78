"""Runnables that `config["configurable"]` may change: their fields, or which of several runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError, ConfigError
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import INPUT, Flow, Operator, Run
from anabranch.engine.signatures import describe
from anabranch.engine.value_types import union_of
from anabranch.nodes.asking_parts import Asking, asks_parts, of_each
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.configurable_fields import (
    AnyField,
    ConfigurableField,
    ConfigurableFieldSpec,
    check_field,
    spec_of,
    value_of,
)
from anabranch.nodes.describing import Described
from anabranch.nodes.runnables import Input, Output, Runnable
from anabranch.nodes.values import Value

if TYPE_CHECKING:
    from pydantic import BaseModel

MOST_MADE = 32
"""How many runnables with other fields are kept, with their graphs and plans."""


class _Chosen(Value, Runnable[Input, Output]):
    """A runnable that is chosen by config when it runs. It makes no run of its own."""

    default: Runnable[Input, Output]

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """That of the default."""
        return self.default.get_name(suffix, name=name)

    @property
    @asks_parts
    def InputType(self) -> Asking[Any]:
        """That of the default."""
        return (yield self.default)

    @property
    @asks_parts
    def OutputType(self) -> Asking[Any]:
        """That of the default."""
        return (yield self.default)

    def _output_for(self, given: Any, giver: Any) -> Any:
        return self.OutputType  # whether it fits depends on what is chosen

    @asks_parts
    def get_input_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of what config chooses."""
        model: type[BaseModel] = yield self.chosen(config or {}), config
        return model

    @asks_parts
    def get_output_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of what config chooses."""
        model: type[BaseModel] = yield self.chosen(config or {}), config
        return model

    def _parts_under(self, config: RunnableConfig | None) -> Iterable[tuple[Described, RunnableConfig | None]]:
        return [(self.chosen(config or {}), self._config_for(config or {}))]

    def chosen(self, config: RunnableConfig) -> Runnable[Input, Output]:
        """What runs under this config."""
        raise NotImplementedError

    def _config_for(self, config: RunnableConfig) -> RunnableConfig:
        """The config that it runs under."""
        return config

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def flow(_: Any, config: RunnableConfig) -> Flow:
            return (
                yield Run(self.chosen(config)._graph_with(kwargs), INPUT, config=self._config_for(config), last=True)
            )

        return Operator(
            name=self.get_name(), flow=flow, whole=False, wants_config=True, is_run=False, shows=self._shows
        )

    def _shows(self) -> dict[str, Graph]:
        return {"default": self.default.__graph__}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "default" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.default, name)


class RunnableConfigurableFields(_Chosen[Input, Output]):
    """A runnable some of whose fields config may set. What `configurable_fields` makes.

    Args:
        default: the runnable, as it is when config says nothing.
        fields: for each field what is told of it.

    Raises:
        CompositionError: a `TypeError`, when what is told of a field isn't in the form for that.
        ConfigError: a `ValueError`, when there is no such field; and when config sets one to what is no option of it.

    Example:
        >>> field = ConfigurableField(id="answers")
        >>> model = FakeListChatModel(responses=["yes"]).configurable_fields(responses=field)
        >>> model.with_config(configurable={"answers": ["no"]}).invoke("Well?").content
        'no'
    """

    def __init__(self, default: Runnable[Input, Output], fields: Mapping[str, AnyField]) -> None:
        if isinstance(default, RunnableConfigurableFields):
            fields = {**default.fields, **fields}
            default = default.default
        default = coerce_to_runnable(default)
        known = _fields_of(default)
        for name, field in fields.items():
            check_field(name, field)
            if name not in known:
                has = ", ".join(map(repr, known)) or "none"
                raise ConfigError(f"{default.get_name()} has no field {name!r} to configure; it has {has}")
        self.default = default
        self.fields: dict[str, AnyField] = dict(fields)

    def chosen(self, config: RunnableConfig) -> Runnable[Input, Output]:
        """The runnable with the fields that config sets.

        Raises:
            ConfigError: when it sets a field to what is no option of it.
        """
        given = config.get("configurable") or {}
        standing: dict[str, Any] = {name: getattr(self.default, name) for name in self.fields}
        values = {name: value_of(field, given, standing[name]) for name, field in self.fields.items()}
        changed = {name: value for name, value in values.items() if value is not standing[name]}
        return self._with(changed) if changed else self.default

    def _with(self, values: dict[str, Any]) -> Runnable[Input, Output]:
        """The runnable with these values; the same one for the same values, so that its graph is built once."""
        key = tuple((name, type(value), _hashable(value)) for name, value in values.items())
        found = self._made.get(key)
        if found is None:
            found = changed(self.default, values), values  # the values are kept, so that an id stands for one
            self._made[key] = found
            while len(self._made) > MOST_MADE:
                self._made.popitem(last=False)
        return found[0]

    @cached_property
    def _made(self) -> OrderedDict[Any, tuple[Runnable[Input, Output], dict[str, Any]]]:
        return OrderedDict()

    def _own_specs(self) -> list[ConfigurableFieldSpec]:
        types = _fields_of(self.default)
        return [spec_of(field, types[name], getattr(self.default, name)) for name, field in self.fields.items()]

    def _parts(self) -> list[Runnable[Any, Any]]:
        return [self.default]

    def __repr__(self) -> str:
        return f"{self.default!r}.configurable_fields({', '.join(self.fields)})"


class RunnableConfigurableAlternatives(_Chosen[Input, Output]):
    """A runnable or one of several others, as config says. What `configurable_alternatives` makes.

    Args:
        which: under which id config says it.
        default: the runnable that runs when config says nothing.
        alternatives: the others by name: runnables, functions, or functions without parameters that make them.
        default_key: the name of the default.
        prefix_keys: what is configurable in an alternative gets the prefix `id==name/`.

    Raises:
        CompositionError: a `TypeError`, when `which` is no `ConfigurableField`, or two have one name.
        ConfigError: a `ValueError`, when it runs and config names none of them.

    Example:
        >>> case = RunnableLambda(str.upper).configurable_alternatives(ConfigurableField(id="case"), lower=str.lower)
        >>> case.invoke("Hi"), case.invoke("Hi", {"configurable": {"case": "lower"}})
        ('HI', 'hi')
    """

    def __init__(
        self,
        which: ConfigurableField,
        default: Runnable[Input, Output],
        alternatives: Mapping[str, Any],
        default_key: str = "default",
        prefix_keys: bool = False,
    ) -> None:
        if not isinstance(which, ConfigurableField):
            raise CompositionError(
                f"configurable_alternatives takes a ConfigurableField, got {which!r:.80}. Write "
                "ConfigurableField(id='...'), with the key under which `configurable` will name one"
            )
        if default_key in alternatives:
            raise CompositionError(f"two alternatives are called {default_key!r}; give another default_key")
        self.which = which
        self.default = coerce_to_runnable(default)
        self.alternatives: dict[str, Runnable[Any, Any] | Callable[[], Any]] = {
            key: each if _makes_runnable(each) else coerce_to_runnable(each) for key, each in alternatives.items()
        }
        self.default_key = default_key
        self.prefix_keys = prefix_keys

    @property
    @asks_parts
    def OutputType(self) -> Asking[Any]:
        """That of any of them."""
        made = [each for _, each in self._all() if isinstance(each, Runnable)]
        types = yield from of_each(made)
        return Any if len(made) <= len(self.alternatives) else union_of(types)

    def _all(self) -> Iterable[tuple[str, Runnable[Any, Any] | Callable[[], Any]]]:
        return (self.default_key, self.default), *self.alternatives.items()

    def chosen(self, config: RunnableConfig) -> Runnable[Input, Output]:
        """The alternative that config names.

        Raises:
            ConfigError: when there is none of that name.
        """
        key = self._key(config)
        if key == self.default_key:
            return self.default
        if not isinstance(key, str) or key not in self.alternatives:
            names = ", ".join(map(repr, (self.default_key, *self.alternatives)))
            raise ConfigError(f"configurable[{self.which.id!r}] is {key!r}, but the alternatives are {names}")
        chosen = self.alternatives[key]
        if not isinstance(chosen, Runnable):
            chosen = self._made.get(key) or self._made.setdefault(key, coerce_to_runnable(chosen()))
        return cast("Runnable[Input, Output]", chosen)

    @cached_property
    def _made(self) -> dict[str, Runnable[Any, Any]]:
        return {}

    def _key(self, config: RunnableConfig) -> Any:
        return (config.get("configurable") or {}).get(self.which.id, self.default_key)

    def _prefix(self, key: str) -> str:
        return f"{self.which.id}=={key}/"

    def _config_for(self, config: RunnableConfig) -> RunnableConfig:
        if not self.prefix_keys:
            return config
        prefix = self._prefix(self._key(config))
        configurable = config.get("configurable") or {}
        return {**config, "configurable": {key.removeprefix(prefix): value for key, value in configurable.items()}}

    @asks_parts
    def get_input_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of the alternative that config names."""
        model: type[BaseModel] = yield self.chosen(config or {}), self._config_for(config or {})
        return model

    @asks_parts
    def get_output_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of the alternative that config names."""
        model: type[BaseModel] = yield self.chosen(config or {}), self._config_for(config or {})
        return model

    def _own_specs(self) -> list[ConfigurableFieldSpec]:
        which = self.which
        names: Any = Literal[tuple(key for key, _ in self._all())]
        specs = [
            ConfigurableFieldSpec(which.id, names, which.name, which.description, self.default_key, which.is_shared)
        ]
        if self.prefix_keys:
            for key, each in self._all():
                inner = each.config_specs if isinstance(each, Runnable) else []
                specs += [spec.prefixed(self._prefix(key)) for spec in inner]
        return specs

    def _parts(self) -> list[Runnable[Any, Any]]:
        return [] if self.prefix_keys else [each for _, each in self._all() if isinstance(each, Runnable)]

    def _shows(self) -> dict[str, Graph]:
        return {key: each.__graph__ for key, each in self._all() if isinstance(each, Runnable)}

    def __repr__(self) -> str:
        return f"{self.default!r}.configurable_alternatives({self.which.id!r}: {', '.join(k for k, _ in self._all())})"


def _makes_runnable(thing: Any) -> bool:
    """An alternative may be given as a function without parameters that makes it."""
    return callable(thing) and not isinstance(thing, Runnable) and not describe(thing).takes_input


def _fields_of(runnable: Any) -> dict[str, Any]:
    """The fields of a runnable with their types: those of a pydantic model, or what its constructor was given."""
    model_fields = getattr(type(runnable), "model_fields", None)
    if model_fields is not None:
        return {name: field.annotation for name, field in model_fields.items()}
    return {name: Any for name in vars(runnable) if not name.startswith("_")}


def changed(runnable: Any, values: Mapping[str, Any]) -> Any:
    """A copy with other values in some fields. A pydantic model is made anew, so it checks them.

    Raises:
        pydantic.ValidationError: when a model can't have such a value.
    """
    model = type(runnable)
    if not hasattr(model, "model_fields"):
        copied = copy(runnable)
        copied.__dict__.update(values)
        return copied
    kept = {name: getattr(runnable, name) for name in model.model_fields if name in runnable.model_fields_set}
    return model(**{_argument(model, name): value for name, value in {**kept, **values}.items()})


def _argument(model: Any, name: str) -> str:
    """The name of the argument for a field of a model."""
    by_name = any(model.model_config.get(key) for key in ("populate_by_name", "validate_by_name"))
    field = model.model_fields[name]
    alias = getattr(field.validation_alias, "choices", (field.validation_alias,))[0]
    return alias if isinstance(alias, str) and not by_name else name


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value
