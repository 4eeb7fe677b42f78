"""What a runnable tells of itself: its name, its types, its schemas, and what config may change in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from anabranch.engine.config import RunnableConfig
from anabranch.nodes.configurable_fields import ConfigurableFieldSpec, unique_specs
from anabranch.nodes.deferred import schemas
from anabranch.nodes.edges import check_edge, check_keys

if TYPE_CHECKING:
    from pydantic import BaseModel

    from anabranch.nodes.prompts.prompt_templates import BasePromptTemplate


_PartsOf = Callable[["Described", RunnableConfig | None], Iterable[tuple["Described", RunnableConfig | None]]]


class Described:
    """The part of `Runnable` that tells of itself. Nothing here runs anything."""

    name: str | None = None
    """The name in traces, drawings and errors; by default that of the class."""

    exempt_laws: ClassVar[Mapping[str, str]] = {}
    """The laws that can't hold for it, each with the reason; see `anabranch.nodes.laws`."""

    _is_prompt: ClassVar[bool] = False

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """The name in traces, drawings and errors, with a suffix in its style (`PromptInput`, `get_value_input`)."""
        own = name or self.name or self._default_name()
        if not suffix:
            return own
        return own + suffix.title() if own[:1].isupper() else f"{own}_{suffix.lower()}"

    def _default_name(self) -> str:
        return type(self).__name__

    # Types

    @property
    def InputType(self) -> Any:
        """The type of the input; `Any` where it isn't known."""
        return Any

    @property
    def OutputType(self) -> Any:
        """The type of the output; `Any` where it isn't known."""
        return Any

    @property
    def _accepted(self) -> Any:
        """What an edge into it is checked against, where it accepts more than `InputType` tells."""
        return self.InputType

    @property
    def _types_depend(self) -> bool:
        """Whether the type of the output depends on that of the input. If so, `_output_for` is overridden."""
        return False

    def _keys_needed(self) -> Iterable[str]:
        """The keys without which a dict certainly can't be its input."""
        return ()

    def _output_for(self, given: Any, giver: Any) -> Any:
        """The type of the output for an input of a type, which somebody gives.

        Raises:
            EdgeTypeError: when that certainly can't be its input.
        """
        check_edge(giver, given, self, self._accepted)
        if needed := self._keys_needed():
            check_keys(giver, given, self, needed)
        return self.OutputType

    def _parts(self) -> Iterable[Described]:
        """The runnables that it is made of."""
        return ()

    def _parts_under(self, config: RunnableConfig | None) -> Iterable[tuple[Described, RunnableConfig | None]]:
        """The runnables that it is made of under a config, each with the config for it."""
        return [(part, config) for part in self._parts()]

    def _every_part(self, parts: _PartsOf, config: RunnableConfig | None) -> list[Described]:
        """Itself and all that it is made of, in order, each once."""
        found: dict[int, Described] = {}
        inner: list[tuple[Described, RunnableConfig | None]] = [(self, config)]
        while inner:  # a function may mention the chain that it stands in
            each, under = inner.pop()
            if id(each) not in found:
                found[id(each)] = each
                inner.extend(reversed(list(parts(each, under))))
        return list(found.values())

    def get_prompts(self, config: RunnableConfig | None = None) -> list[BasePromptTemplate]:
        """The prompts in it, in order, each once.

        Args:
            config: where config changes what runs, those of what it chooses are told.

        Example:
            >>> chain = ChatPromptTemplate.from_template("{question}") | FakeListChatModel(responses=["yes"])
            >>> [prompt.input_variables for prompt in chain.get_prompts()]
            [['question']]
        """
        every: list[Any] = self._every_part(lambda each, under: each._parts_under(under), config)
        return [each for each in every if each._is_prompt]

    # Schemas

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A pydantic model of the input.

        Args:
            config: where config changes what runs, that which it chooses is told of.
        """
        return schemas.schema_of(self.InputType, self.get_name("Input"))

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A pydantic model of the output. For the argument see `get_input_schema`."""
        return schemas.schema_of(self.OutputType, self.get_name("Output"))

    @property
    def input_schema(self) -> type[BaseModel]:
        """A pydantic model of the input."""
        return self.get_input_schema()

    @property
    def output_schema(self) -> type[BaseModel]:
        """A pydantic model of the output."""
        return self.get_output_schema()

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """The JSON schema of the input."""
        return self.get_input_schema(config).model_json_schema()

    def get_output_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """The JSON schema of the output."""
        return self.get_output_schema(config).model_json_schema()

    # Config

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What `config["configurable"]` may set here.

        Raises:
            CompositionError: when two parts use one id for different things.
        """
        every = self._every_part(lambda each, _: [(part, None) for part in each._parts()], None)
        return unique_specs(spec for each in every for spec in each._own_specs())

    def _own_specs(self) -> list[ConfigurableFieldSpec]:
        """What config may set of this itself."""
        return []

    def config_schema(self, *, include: Sequence[str] | None = None) -> type[BaseModel]:
        """A pydantic model of the config.

        Args:
            include: which keys of the config it has besides `configurable`, which is there when anything is
                configurable.
        """
        hints = get_type_hints(RunnableConfig)
        keys = {key: hints[key] for key in include or () if key in hints and key != "configurable"}
        return schemas.config_model(self.get_name("Config"), keys, self.config_specs)

    def get_config_jsonschema(self, *, include: Sequence[str] | None = None) -> dict[str, Any]:
        """The JSON schema of the config."""
        return self.config_schema(include=include).model_json_schema()
