"""Fields that config may set: how they are declared, and how a runnable tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from anabranch.engine.errors import CompositionError, ConfigError


@dataclass(frozen=True)
class ConfigurableField:
    """A field that config may set, under `config["configurable"][id]`.

    Args:
        id: the key in `configurable`.
        name, description: for people, in the schema of the config.
        annotation: its type; by default that of the field.
        is_shared: it keeps its id inside alternatives whose fields have a prefix.

    Raises:
        ConfigError: a `ValueError`, when `id` is no string.

    Example:
        >>> prompt = PromptTemplate.from_template("Say {word}.")
        >>> prompt = prompt.configurable_fields(template=ConfigurableField(id="wording"))
        >>> prompt.invoke("hi", {"configurable": {"wording": "Shout {word}!"}}).to_string()
        'Shout hi!'
    """

    id: str
    name: str | None = None
    description: str | None = None
    annotation: Any = None
    is_shared: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.id, str):
            raise ConfigError(
                f"ConfigurableField: id is a key of config['configurable'], so it must be a str, got {self.id!r:.80}"
            )


@dataclass(frozen=True)
class ConfigurableFieldSingleOption:
    """A field that config may set to one of several values, by name.

    Args:
        id: the key in `configurable`.
        options: the values by name.
        default: the name of the value that stands when config says nothing.
        name, description, is_shared: as of a `ConfigurableField`.

    Example:
        >>> wordings = {"kind": "Say {word}.", "rude": "Shout {word}!"}
        >>> field = ConfigurableFieldSingleOption(id="tone", options=wordings, default="kind")
        >>> prompt = PromptTemplate.from_template("{word}").configurable_fields(template=field)
        >>> [prompt.invoke("hi", {"configurable": each}).to_string() for each in ({}, {"tone": "rude"})]
        ['Say hi.', 'Shout hi!']
    """

    id: str
    options: Mapping[str, Any]
    default: str
    name: str | None = None
    description: str | None = None
    is_shared: bool = False

    def __hash__(self) -> int:
        return hash((self.id, tuple(self.options), self.default))


@dataclass(frozen=True)
class ConfigurableFieldMultiOption:
    """A field that config may set to a list of several values, by name.

    Args:
        default: the names of the values that stand when config says nothing.
        id, options, name, description, is_shared: as of a `ConfigurableFieldSingleOption`.

    Example:
        >>> answers = {"agree": "yes", "deny": "no", "evade": "well"}
        >>> field = ConfigurableFieldMultiOption(id="moods", options=answers, default=["agree"])
        >>> model = FakeListChatModel(responses=["?"]).configurable_fields(responses=field)
        >>> model.invoke("So?", {"configurable": {"moods": ["evade", "deny"]}}).content
        'well'
    """

    id: str
    options: Mapping[str, Any]
    default: Sequence[str]
    name: str | None = None
    description: str | None = None
    is_shared: bool = False

    def __hash__(self) -> int:
        return hash((self.id, tuple(self.options), tuple(self.default)))


AnyField = ConfigurableField | ConfigurableFieldSingleOption | ConfigurableFieldMultiOption


def check_field(name: str, field: Any) -> None:
    """See that what is told of a field is in the form for that.

    Raises:
        CompositionError: a `TypeError`, when it isn't, or names a default that is no option.
    """
    if not isinstance(field, AnyField):
        raise CompositionError(
            f"configurable_fields: expected a ConfigurableField for {name!r}, got {field!r:.80}. "
            f"Write {name}=ConfigurableField(id='...'), with the key under which `configurable` will set it"
        )
    if isinstance(field, ConfigurableField):
        return
    single = isinstance(field, ConfigurableFieldSingleOption)
    for default in [field.default] if single else field.default:
        if default not in field.options:
            options = ", ".join(map(repr, field.options))
            raise CompositionError(
                f"the default of the field {name!r} is {default!r:.80}, but its options are {options}"
            )


@dataclass(frozen=True)
class ConfigurableFieldSpec:
    """What a runnable tells of something that config may set, in its `config_specs`.

    Args:
        id: the key in `configurable`.
        annotation: the type of the value.
        name, description: for people, in the schema of the config.
        default: what stands when config says nothing.
        is_shared: it keeps its id inside alternatives whose fields have a prefix.
        dependencies: the ids of others that it needs.

    Example:
        >>> field = ConfigurableField(id="wording")
        >>> prompt = PromptTemplate.from_template("Say {word}.").configurable_fields(template=field)
        >>> [(spec.id, spec.annotation, spec.default) for spec in prompt.config_specs]
        [('wording', <class 'str'>, 'Say {word}.')]
    """

    id: str
    annotation: Any
    name: str | None = None
    description: str | None = None
    default: Any = None
    is_shared: bool = False
    dependencies: list[str] | None = None

    def prefixed(self, prefix: str) -> ConfigurableFieldSpec:
        """The same with a prefix to its id, unless it is shared."""
        return self if self.is_shared else replace(self, id=prefix + self.id)


def spec_of(field: AnyField, annotation: Any, default: Any) -> ConfigurableFieldSpec:
    """What is told of a field of a runnable, whose type and value there are given."""
    if isinstance(field, ConfigurableField):
        declared = annotation if field.annotation is None else field.annotation
        return ConfigurableFieldSpec(field.id, declared, field.name, field.description, default, field.is_shared)
    one: Any = Literal[tuple(field.options)]
    single = isinstance(field, ConfigurableFieldSingleOption)
    standing: Any = field.default if single else list(field.default)
    declared = one if single else list[one]
    return ConfigurableFieldSpec(field.id, declared, field.name, field.description, standing, field.is_shared)


def value_of(field: AnyField, configurable: Mapping[str, Any], otherwise: Any) -> Any:
    """The value of a field under what is configured.

    Raises:
        ConfigError: when it is no option of the field.
    """
    if isinstance(field, ConfigurableField):
        return configurable.get(field.id, otherwise)
    given = configurable.get(field.id, field.default)
    try:
        if isinstance(field, ConfigurableFieldSingleOption):
            return field.options[given]
        return [field.options[key] for key in given]
    except (KeyError, TypeError) as error:
        options = ", ".join(map(repr, field.options))
        raise ConfigError(f"configurable[{field.id!r}] is {given!r}, but the options are {options}") from error


def unique_specs(specs: Iterable[ConfigurableFieldSpec]) -> list[ConfigurableFieldSpec]:
    """Each spec once, in order of their ids.

    Raises:
        CompositionError: when two of one id differ.
    """
    unique: dict[str, ConfigurableFieldSpec] = {}
    for spec in specs:
        known = unique.setdefault(spec.id, spec)
        if known != spec:
            raise CompositionError(
                f"two fields have the configurable id {spec.id!r}, but differ: {known} and {spec}. Give one of them "
                "another id, or make them the same"
            )
    return [unique[id] for id in sorted(unique)]
